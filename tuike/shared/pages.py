"""Pages of a list: a limit, an opaque cursor, and the items with the next cursor."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tuike.shared.errors import ValidationFailed

Item = TypeVar("Item")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Up to `limit` items in a total order; `next_cursor` is None on the last page."""

    items: Sequence[Item]
    next_cursor: str | None = None


def encode_cursor(*position: int | str) -> str:
    """Return an opaque, URL-safe cursor for a position of integers and strings."""
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *types: type) -> tuple[Any, ...]:
    """Return the position behind a cursor, checked against the expected types.

    Raises ValidationFailed naming `cursor` for anything that `encode_cursor` did not make. Integers must fit 63 bits.
    """
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise ValidationFailed(fields={"cursor": ["Is not a cursor of this list."]}) from error
    fits = isinstance(position, list) and len(position) == len(types)
    if not fits or not all(type(value) is kind for value, kind in zip(position, types, strict=True)):
        raise ValidationFailed(fields={"cursor": ["Is not a cursor of this list."]})
    if any(type(value) is int and not 0 <= value < 2**63 for value in position):
        raise ValidationFailed(fields={"cursor": ["Is not a cursor of this list."]})
    return tuple(position)
