"""Every read and write of attribution: links in PostgreSQL, touches in the journal and the graph."""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from tuike.db import Transaction
from tuike.graph import Graph
from tuike.shared.clock import from_micros

_PATH_LIMIT = 200


def insert_link(
    tx: Transaction,
    *,
    code: str,
    promoter_id: str,
    target_type: str,
    target_id: str | None,
    channel: str | None,
    created_at: datetime,
) -> bool:
    """Add a link; False when the code is taken."""
    rows = tx.execute(
        text(
            "INSERT INTO links (code, promoter_id, target_type, target_id, channel, created_at)"
            " VALUES (:code, :promoter_id, :target_type, :target_id, :channel, :created_at)"
            " ON CONFLICT DO NOTHING RETURNING code"
        ),
        {
            "code": code,
            "promoter_id": promoter_id,
            "target_type": target_type,
            "target_id": target_id,
            "channel": channel,
            "created_at": created_at,
        },
    )
    return rows.one_or_none() is not None


def find_link(tx: Transaction, code: str) -> Row[Any] | None:
    """Return the link's row, or None."""
    query = text("SELECT code, promoter_id, target_type, target_id, channel, created_at FROM links WHERE code = :code")
    return tx.execute(query, {"code": code}).one_or_none()


def get_salt(tx: Transaction) -> bytes:
    """Return the salt of identifier digests, made once per installation."""
    find = text("SELECT value FROM settings WHERE name = 'identifier_salt'")
    value = tx.execute(find).scalar_one_or_none()
    if value is None:
        tx.execute(
            text(
                "INSERT INTO settings (name, value) VALUES ('identifier_salt', CAST(:value AS jsonb))"
                " ON CONFLICT DO NOTHING"
            ),
            {"value": json.dumps(secrets.token_hex(32))},
        )
        value = tx.execute(find).scalar_one()
    return bytes.fromhex(value)


def find_attribution(
    graph: Graph, *, buyer_id: str, visitor_id: str | None, touch_id: str | None, placed_at: int, since: int, sign: int
) -> dict[str, Any] | None:
    """Return the deciding touch with its promoter and chain, or None; one round trip."""
    rows = graph.read(
        "attribution.find_attribution",
        buyer_id=buyer_id,
        visitor_id=visitor_id or "",
        touch_id=touch_id or "",
        placed_at=placed_at,
        since=since,
        sign=sign,
    )
    return rows[0] if rows else None


def list_share_path(graph: Graph, touch_id: str) -> Sequence[Mapping[str, Any]]:
    """Return the touches from one up to its root, nearest first; one round trip for each 200 of them."""
    path: list[dict[str, Any]] = []
    while True:
        rows = graph.read("attribution.list_share_path", touch_id=touch_id)
        path += rows[1:] if path else rows
        if len(rows) <= _PATH_LIMIT:
            return [row | {"at": from_micros(row["at"])} for row in path]
        touch_id = rows[-1]["touch_id"]
