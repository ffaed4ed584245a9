"""How values are answered: JSON, instants in UTC with `Z`, pages."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from tuike.shared.clock import format_instant
from tuike.shared.pages import Page

Item = TypeVar("Item")

JSON_TYPE = "application/json"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def dump_json(document: Any) -> str:
    """Return a JSON document, compact, with integers exact however large."""
    return _encode(document)


def instant(value: datetime | None) -> str | None:
    """Return an instant as RFC 3339 in UTC, None for none."""
    return None if value is None else format_instant(value)


def page(found: Page[Item], render: Callable[[Item], Mapping[str, Any]]) -> dict[str, Any]:
    """Return a page as it is answered."""
    return {"items": [render(item) for item in found.items], "next_cursor": found.next_cursor}
