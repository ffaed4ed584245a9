"""Reading JSON bodies strictly: UTF-8 only, no key twice, no NaN, nothing that could crash what comes after."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from flask import Request, Response, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from api.errors import BodyTooLarge, UnsupportedMediaType, UploadTooLarge
from tuike.shared.errors import Malformed, ValidationFailed

MAX_BODY_BYTES = 256 * 1024
_FORM_BYTES = 16 * 1024
"""What a multipart form has around its file."""
_MAX_DIGITS = 40
_OVERSIZED = 10**_MAX_DIGITS
"""Stands for any integer of more than 40 digits; every field refuses it, and none is rounded into range."""


def read_to_the_end(response: Response) -> Response:
    """Read, after each request, what nobody read of a small body.

    A refusal may come before its body has. A server closes a connection with half a request on it, and whoever sends
    the next one over it gets no answer at all.
    """
    if request.content_length and request.content_length <= MAX_BODY_BYTES:
        with suppress(BadRequest, OSError):  # the client left
            request.stream.read()
    return response


def read_json(request: Request, *, optional: bool = False) -> Any:
    """Return the parsed body; `{}` for an empty one when `optional`.

    Raises UnsupportedMediaType (415), Malformed (400), BodyTooLarge and werkzeug's
    RequestEntityTooLarge (both 413).
    """
    raw = request.get_data(cache=False)
    if request.content_length is None and len(raw) >= MAX_BODY_BYTES:
        raise BodyTooLarge  # of a body without a stated length werkzeug reads this much and leaves the rest
    if not raw and optional:
        return {}
    if not _is_json(request) or request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8 at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise Malformed(f"The body is not JSON: {error.msg} at {where}.") from error
    except RecursionError as error:
        raise Malformed("The body is nested too deeply.") from error


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent; what its sender calls it and says of its type is not believed and not kept."""

    content: BinaryIO = field(repr=False)
    digest: str


def read_upload(request: Request, *, most: int) -> Upload:
    """Return the one file, `file`, of a multipart form of at most `most` bytes and a little.

    Raises UploadTooLarge (413), UnsupportedMediaType (415), Malformed (400), ValidationFailed (422).
    """
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("An upload is multipart/form-data with one file named `file`.")
    if request.content_length is None:
        raise Malformed("An upload states its Content-Length.")
    request.max_content_length = most + _FORM_BYTES
    request.max_form_parts = 2
    try:
        files, form = request.files, request.form
    except RequestEntityTooLarge as error:
        raise UploadTooLarge(f"An upload may have {most:,} bytes.") from error
    if len(files) != 1 or "file" not in files or form or len(files.getlist("file")) != 1:
        raise ValidationFailed(fields={"file": ["Send one file of this name and nothing else."]})
    content = cast("BinaryIO", files["file"].stream)
    digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type,unused-ignore]
    content.seek(0)
    return Upload(content, digest)


def _is_json(request: Request) -> bool:
    kind = request.mimetype
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        return False
    return request.mimetype_params.get("charset", "utf-8").lower() in ("utf-8", "utf8")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise Malformed("The body names a field twice in one object.")
    return document


def _refuse_constant(name: str) -> Any:
    raise Malformed(f"The body is not JSON: {name} is not a JSON number.")


def _parse_int(digits: str) -> int:
    return int(digits) if len(digits) <= _MAX_DIGITS else _OVERSIZED


_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant, parse_int=_parse_int)
