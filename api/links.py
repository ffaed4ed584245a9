"""Share links, what happens when one is opened, and the path a share took."""

import ipaddress
import re
from typing import Any
from urllib.parse import quote

import marshmallow as ma
from flask import Blueprint, Response, current_app, redirect, request
from ulid import ULID

from api import fields as f
from api.answers import instant
from api.confinement import check_platform
from api.routing import INTEGRATORS, READERS, SHOPPERS, Answer, Call, Routes, Services, Shape, apply_relations
from tuike import attribution, people, team
from tuike.config import Config
from tuike.identity import AgreementKind
from tuike.shared.clock import read_clock

routes = Routes("links", description="Share links, touches and share paths.")
short_links = Blueprint("short_links", __name__)

VISITOR_COOKIE = "tuike_visitor"
_VISITOR = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_YEAR_SECONDS = 365 * 24 * 3600


class Target(Shape):
    type = f.Choice("product", "page", "shop", required=True)
    id = f.Text(load_default=None, allow_none=True, metadata={"description": "Which product or page."})


class NewLink(Shape):
    promoter_id = f.Id(required=True)
    target = ma.fields.Nested(Target, required=True)
    channel = f.Text(load_default=None, allow_none=True, high=64)


class NewOwnLink(Shape):
    target = ma.fields.Nested(Target, required=True)
    channel = f.Text(load_default=None, allow_none=True, high=64)


class LinkAnswer(Answer):
    code = ma.fields.String(required=True)
    url = ma.fields.Url(required=True)
    promoter_id = ma.fields.String(required=True)
    target = ma.fields.Nested(Target, required=True)
    channel = ma.fields.String(required=True, allow_none=True)
    created_at = ma.fields.DateTime(required=True)


class NewTouch(Shape):
    code = f.Id(required=True)
    buyer_id = f.Text(load_default=None, allow_none=True)
    visitor_id = f.Text(load_default=None, allow_none=True)
    parent_touch_id = f.Id(load_default=None, allow_none=True)
    device_id = f.Text(load_default=None, allow_none=True, high=256)
    ip = f.Ip(load_default=None, allow_none=True)
    at = f.Instant(load_default=None, allow_none=True)


class NewOwnTouch(Shape):
    code = f.Id(required=True)
    visitor_id = f.Text(load_default=None, allow_none=True)
    parent_touch_id = f.Id(load_default=None, allow_none=True)
    device_id = f.Text(load_default=None, allow_none=True, high=256)


class TouchAnswer(Answer):
    id = ma.fields.String(required=True)
    promoter_id = ma.fields.String(required=True)
    depth = ma.fields.Integer(required=True)


class PathTouch(Answer):
    id = ma.fields.String(required=True)
    promoter_id = ma.fields.String(required=True)
    code = ma.fields.String(required=True)
    depth = ma.fields.Integer(required=True)
    at = ma.fields.DateTime(required=True)


class SharePath(Answer):
    items = ma.fields.List(ma.fields.Nested(PathTouch), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


@routes.call(
    "POST", "/links", who=INTEGRATORS, body=NewLink, answer=LinkAnswer, status=201, writes_relations=True,
    refusals=["404 promoter_not_found", "403 promoter_not_active"],
    example={"promoter_id": "prm_01K9ZJ0000000000000000000A", "target": {"type": "product", "id": "sku-1"}},
)  # fmt: skip
def post_link(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Make a share link of a promoter."""
    return _make_link(call, body["promoter_id"], body)


@routes.call(
    "POST", "/me/links", who=SHOPPERS, body=NewOwnLink, answer=LinkAnswer, status=201, writes_relations=True,
    agreements=[AgreementKind.PROMOTER], refusals=["404 promoter_not_found", "403 promoter_not_active"],
    example={"target": {"type": "product", "id": "prd_01K9ZJ0000000000000000000A"}, "channel": "moments"},
)  # fmt: skip
def post_own_link(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Make a share link of the promoter that the caller has become."""
    promoter_id = people.find_promoter_id(call.tx, user_id=call.user_id)
    if promoter_id is None:
        raise team.PromoterNotFound
    return _make_link(call, promoter_id, body)


def _make_link(call: Call, promoter_id: str, body: dict[str, Any]) -> dict[str, Any]:
    target = body["target"]
    link = attribution.create_link(
        call.tx,
        promoter_id=promoter_id,
        target_type=target["type"],
        target_id=target["id"],
        channel=body["channel"],
        now=call.now,
    )
    return {
        "code": link.code,
        "url": f"{call.config.public_url.rstrip('/')}/s/{link.code}",
        "promoter_id": link.promoter_id,
        "target": {"type": link.target_type, "id": link.target_id},
        "channel": link.channel,
        "created_at": instant(link.created_at),
    }


@routes.call(
    "POST", "/touches", who=INTEGRATORS, body=NewTouch, answer=TouchAnswer, status=201, writes_relations=True,
    refusals=["404 link_not_found", "404 touch_not_found"],
    example={"code": "k3Xw9a", "buyer_id": "u-2002", "at": "2026-11-01T08:00:00+08:00"},
)  # fmt: skip
def post_touch(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Record that somebody opened a link."""
    touch = attribution.record_touch(
        call.tx,
        code=body["code"],
        buyer_id=body["buyer_id"],
        visitor_id=body["visitor_id"],
        parent_touch_id=body["parent_touch_id"],
        device_id=body["device_id"],
        ip=body["ip"],
        at=body["at"] or call.now,
        now=call.now,
    )
    return {"id": touch.id, "promoter_id": touch.promoter_id, "depth": touch.depth}


@routes.call(
    "POST", "/me/touches", who=SHOPPERS, body=NewOwnTouch, answer=TouchAnswer, status=201, writes_relations=True,
    refusals=["404 link_not_found", "404 touch_not_found"], example={"code": "k3Xw9aQz1B"},
)  # fmt: skip
def post_own_touch(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Record that the caller opened a link, as a mini-program has to: it keeps no cookies.

    The answer's `id` goes with what is put into the cart, or with the order, as `touch_id`.
    """
    touch = attribution.record_touch(
        call.tx, buyer_id=call.user_id, ip=_public_ip(request.remote_addr), at=call.now, now=call.now, **body
    )
    return {"id": touch.id, "promoter_id": touch.promoter_id, "depth": touch.depth}


@routes.call("GET", "/touches/<id:touch_id>/path", who=READERS, answer=SharePath, in_transaction=False,
             refusals=["403 not_your_merchant", "404 touch_not_found", "503 graph_unavailable"])  # fmt: skip
def get_share_path(call: Call, touch_id: str) -> dict[str, Any]:
    """Follow a touch back to the first share, nearest first."""
    check_platform(call)
    path = attribution.get_share_path(call.graph, touch_id=touch_id)
    return {
        "items": [
            {
                "id": step.touch_id,
                "promoter_id": step.promoter_id,
                "code": step.code,
                "depth": step.depth,
                "at": instant(step.at),
            }
            for step in path
        ],
        "next_cursor": None,
    }


@short_links.route("/s/<id:code>", methods=["GET"])
def open_link(code: str) -> Response:
    """Send a visitor on to what a link points to, recording the touch; HEAD looks without touching."""
    services: Services = current_app.extensions["tuike"]
    now = read_clock()
    if request.method == "HEAD":
        with services.db.transaction() as tx:
            link = attribution.get_link(tx, code=code)
        return _no_store(redirect(_to_location(services.config, link, None), 302))
    visitor_id = request.cookies.get(VISITOR_COOKIE, "")
    if not _VISITOR.fullmatch(visitor_id):
        visitor_id = f"vis_{ULID()}"
    with services.db.transaction() as tx:
        link = attribution.get_link(tx, code=code)
        touch = attribution.record_touch(
            tx,
            code=code,
            buyer_id=None,
            visitor_id=visitor_id,
            parent_touch_id=None,
            device_id=None,
            ip=_public_ip(request.remote_addr),
            at=now,
            now=now,
        )
    apply_relations(services.db, services.graph)
    response = redirect(_to_location(services.config, link, touch.id), 302)
    response.set_cookie(
        VISITOR_COOKIE,
        visitor_id,
        max_age=_YEAR_SECONDS,
        secure=services.config.public_url.startswith("https:"),
        httponly=True,
        samesite="Lax",
        path="/",
    )
    return _no_store(response)


def _to_location(config: Config, link: attribution.Link, touch_id: str | None) -> str:
    shop = config.shop_url.rstrip("/")
    path = {"product": "/products", "page": "/pages"}.get(link.target_type, "/")
    if link.target_id is not None and path != "/":
        path = f"{path}/{quote(link.target_id, safe='')}"
    return f"{shop}{path}" if touch_id is None else f"{shop}{path}?tuike_touch={touch_id}"


def _no_store(response: Any) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _public_ip(address: str | None) -> str | None:
    """Return the caller's address unless it is a proxy's or this machine's, which would tie strangers together."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    return str(parsed) if parsed.is_global else None
