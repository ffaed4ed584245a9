"""Pictures and videos: uploaded by staff, pictures by shoppers too, fetched by everybody."""

import re
from typing import Any, BinaryIO

import marshmallow as ma
from flask import Blueprint, Response, current_app, request

from api.answers import instant
from api.routing import CONTENT, SHOPPERS, Answer, Call, Routes, Services
from tuike import catalog, identity
from tuike.config import Config

routes = Routes("media", description="Pictures and videos.")
files = Blueprint("files", __name__)

OWN_PER_MINUTE = 20
_RANGE = re.compile(r"bytes=(\d{1,15})?-(\d{1,15})?", re.ASCII)
_FILE_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Accept-Ranges": "bytes",
}


class MediaAnswer(Answer):
    name = ma.fields.String(required=True, metadata={"description": "What products and SKUs name it by."})
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(["picture", "video"]))
    content_type = ma.fields.String(required=True)
    byte_count = ma.fields.Integer(required=True)
    width = ma.fields.Integer(required=True, allow_none=True)
    height = ma.fields.Integer(required=True, allow_none=True)
    url = ma.fields.String(required=True)
    thumbnail_url = ma.fields.String(required=True, allow_none=True)
    created_at = ma.fields.DateTime(required=True)


def url_of(config: Config, name: str | None) -> str | None:
    """Return where browsers fetch a file."""
    if name is None:
        return None
    return f"{config.media_url or config.public_url.rstrip('/') + '/media'}/{name}"


def thumbnail_url_of(config: Config, name: str | None) -> str | None:
    """Return where browsers fetch a picture's thumbnail."""
    return None if name is None else url_of(config, catalog.thumbnail_of(name))


def picture_url_of(name: str | None) -> str | None:
    """Return where browsers fetch a picture's thumbnail, by the configuration of this process."""
    return thumbnail_url_of(get_config(), name)


def get_config() -> Config:
    """Return the configuration that this process answers requests by."""
    services: Services = current_app.extensions["tuike"]
    return services.config


def render_media(config: Config, media: catalog.Media) -> dict[str, Any]:
    """Return what a file is as it is answered."""
    return {
        "name": media.name,
        "kind": media.kind,
        "content_type": media.content_type,
        "byte_count": media.byte_count,
        "width": media.width,
        "height": media.height,
        "url": url_of(config, media.name),
        "thumbnail_url": thumbnail_url_of(config, media.name) if media.kind == "picture" else None,
        "created_at": instant(media.created_at),
    }


@routes.call(
    "POST", "/media", who=CONTENT, answer=MediaAnswer, status=201, upload_bytes=catalog.MAX_VIDEO_BYTES,
    refusals=["413 media_too_large", "422 media_unreadable", "503 media_unavailable"],
)  # fmt: skip
def post_media(call: Call, upload: BinaryIO) -> dict[str, Any]:
    """Upload a picture (JPEG, PNG, WebP, GIF; 10 MiB) or a video (MP4; 50 MiB).

    Pictures are decoded and written anew as WebP. What no product uses within a day is deleted.
    """
    prepared = catalog.prepare_media(upload)
    media = catalog.add_media(call.tx, call.services.media, prepared=prepared, now=call.now)
    return render_media(call.config, media)


@routes.call(
    "POST", "/me/media", who=SHOPPERS, answer=MediaAnswer, status=201, upload_bytes=catalog.MAX_PICTURE_BYTES,
    refusals=["413 media_too_large", "422 media_unreadable", "429 too_many_requests", "503 media_unavailable"],
)  # fmt: skip
def post_own_media(call: Call, upload: BinaryIO) -> dict[str, Any]:
    """Upload a picture (JPEG, PNG, WebP, GIF; 10 MiB) for an after-sale case.

    It is decoded and written anew as WebP, without what cameras write into pictures. What no case names within a day is
    deleted.
    """
    identity.limit_requests(call.db, name="upload", who=call.user_id, per_minute=OWN_PER_MINUTE, now=call.now)
    prepared = catalog.prepare_media(upload)
    if prepared.kind != "picture":
        raise catalog.MediaUnreadable
    media = catalog.add_media(call.tx, call.services.media, prepared=prepared, now=call.now)
    return render_media(call.config, media)


@routes.call("GET", "/media/<id:name>", who=CONTENT, answer=MediaAnswer, refusals=["404 media_not_found"])
def get_media(call: Call, name: str) -> dict[str, Any]:
    """Say what a file is."""
    return render_media(call.config, catalog.get_media(call.tx, name=name))


@files.route("/media/<name>", methods=["GET"])
def get_file(name: str) -> Response:
    """Answer a file, or one range of it; its name is its validator."""
    services: Services = current_app.extensions["tuike"]
    content_type = catalog.type_of(name)
    if content_type is None:
        raise catalog.MediaNotFound
    etag = f'"{name}"'
    headers = _FILE_HEADERS | {"ETag": etag}
    if etag in request.headers.get("If-None-Match", ""):
        return Response(status=304, headers=headers)
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    if request.headers.get("If-Range", etag) != etag:
        asked = None
    first, last = (None if part is None else int(part) for part in asked.groups()) if asked else (None, None)
    opened = services.media.open(name, first=first, last=last)
    if opened is None:
        raise catalog.MediaNotFound
    headers["Content-Length"] = str(opened.last - opened.first + 1)
    is_part = first is not None or last is not None
    if is_part:
        headers["Content-Range"] = f"bytes {opened.first}-{opened.last}/{opened.byte_count}"
    return Response(opened.chunks, 206 if is_part else 200, headers, content_type=content_type, direct_passthrough=True)
