"""What an upload really is, by looking into it, and what is kept of it."""

import hashlib
import io
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from tuike.shared.errors import Refused, TuikeError

MAX_PICTURE_BYTES = 10 * 1024 * 1024
MAX_VIDEO_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 2_048
"""A picture's longer side is at most this when it is kept, in pixels."""
THUMBNAIL_SIDE = 400
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_QUALITY = 85
_NAME = re.compile(r"[0-9a-f]{64}(?:(_t)?\.webp|\.mp4)", re.ASCII)
_TYPES = {"webp": "image/webp", "mp4": "video/mp4"}
_BRANDS = {b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"mmp4", b"dash"}
_BOXES = {
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"udta", b"uuid", b"meta", b"moof", b"mfra", b"sidx", b"styp",
    b"pdin",
}  # fmt: skip
_MAX_BOXES = 100_000
# A decoded picture takes up to 160 MB; two at a time are enough for a shop and little enough for a server.
_DECODING = threading.Semaphore(2)


class MediaTooLarge(TuikeError):
    code, status, message = "media_too_large", 413, "A picture may have 10 MiB, a video 50 MiB."


class MediaUnreadable(Refused):
    code, message = "media_unreadable", "This is no JPEG, PNG, WebP or GIF picture and no MP4 video."


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it is kept."""

    name: str
    content: BinaryIO = field(repr=False)
    byte_count: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """An upload ready to be kept: what it is, and its files, the first of which names it."""

    kind: str
    width: int | None
    height: int | None
    files: tuple[StoredFile, ...]

    @property
    def name(self) -> str:
        return self.files[0].name


def prepare_media(content: BinaryIO) -> Prepared:
    """Return what is to be kept of an upload.

    A picture becomes WebP of at most 2,048 pixels a side, upright, without whatever else was in the file, with a
    thumbnail beside it; of an animation the first frame is kept. A video is kept as it is.
    Raises MediaTooLarge (413), MediaUnreadable (422).
    """
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    head = content.read(16)
    content.seek(0)
    if head[4:8] == b"ftyp":
        return _prepare_video(content, size)
    return _prepare_picture(content, size)


def thumbnail_of(name: str) -> str:
    """Return the name of a picture's thumbnail."""
    return name.replace(".webp", "_t.webp")


def type_of(name: str) -> str | None:
    """Return the content type of a file by its name; None for a name that is none of ours."""
    return _TYPES[name.rpartition(".")[2]] if _NAME.fullmatch(name) else None


def _prepare_picture(content: BinaryIO, size: int) -> Prepared:
    if size > MAX_PICTURE_BYTES:
        raise MediaTooLarge
    with _DECODING:
        picture = _decode(content)
        kept = _encode(picture, MAX_SIDE)
        small = _encode(picture, THUMBNAIL_SIDE)
    name = f"{hashlib.sha256(kept[0]).hexdigest()}.webp"
    return Prepared(
        "picture",
        kept[1],
        kept[2],
        (_to_file(name, kept[0]), _to_file(thumbnail_of(name), small[0])),
    )


def _decode(content: BinaryIO) -> Image.Image:
    """Return a picture, upright. Raises MediaUnreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Pillow then reads all the same
            with Image.open(content, formats=_FORMATS) as opened:
                if opened.width * opened.height > MAX_PIXELS:  # known before anything is decoded
                    raise MediaUnreadable(f"A picture may have {MAX_PIXELS:,} pixels.")
                opened.draft("RGB", (MAX_SIDE, MAX_SIDE))  # a JPEG is decoded at a fraction of its size
                opened.load()
                upright = ImageOps.exif_transpose(opened)
                return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except MediaUnreadable:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise MediaUnreadable from error
    except Exception as error:  # Pillow's decoders raise many kinds for a broken file
        raise MediaUnreadable("The picture is broken.") from error


def _encode(picture: Image.Image, side: int) -> tuple[bytes, int, int]:
    copy = picture.copy()
    copy.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    copy.save(buffer, "WEBP", quality=_QUALITY, method=3)
    return buffer.getvalue(), copy.width, copy.height


def _to_file(name: str, content: bytes) -> StoredFile:
    return StoredFile(name, io.BytesIO(content), len(content))


def _prepare_video(content: BinaryIO, size: int) -> Prepared:
    if size > MAX_VIDEO_BYTES:
        raise MediaTooLarge
    boxes = list(_iter_boxes(content, size))
    if b"moov" not in boxes or not set(boxes) <= _BOXES:
        raise MediaUnreadable("The video is no MP4.")
    content.seek(8)
    if content.read(4) not in _BRANDS:
        raise MediaUnreadable("The video is of a kind of MP4 that is not kept.")
    content.seek(0)
    digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type,unused-ignore]
    content.seek(0)
    return Prepared("video", None, None, (StoredFile(f"{digest}.mp4", content, size),))


def _iter_boxes(content: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the names of an MP4's outermost boxes, which must fill the file to its last byte."""
    at = 0
    for _ in range(_MAX_BOXES):
        content.seek(at)
        head = content.read(16)
        length = int.from_bytes(head[:4], "big")
        least = 8
        if length == 1:
            length, least = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:
            length = size - at
        if len(head) < least or length < least or at + length > size:
            raise MediaUnreadable("The video is broken.")
        yield head[4:8]
        at += length
        if at == size:
            return
    raise MediaUnreadable("The video is broken.")
