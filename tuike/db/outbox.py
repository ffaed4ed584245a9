"""The outbox: what a committed change still has to cause, handed to exactly one worker at a time.

A row is written in the transaction of its cause and deleted in the transaction of its effect, so an effect happens
once however often workers die in between. Rows are never dropped: one that keeps failing waits longer each time,
keeps its error and shows in `/metrics`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import BigInteger, Text

from tuike.db.engine import Transaction
from tuike.db.together import Write, write_together

_MAX_WAIT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to `key` (an order's id) and still has consequences."""

    id: int
    topic: str
    key: str
    payload: Mapping[str, Any] | None
    attempts: int


_EMIT = """
    INSERT INTO outbox (topic, key, payload, created_at, next_at)
    VALUES (:emitted_topic, :emitted_key, :emitted_payload, :emitted_at, :emitted_at)
"""
_EMIT_TYPES = (bindparam("emitted_payload", type_=JSONB(none_as_null=True)),)

_EMIT_MANY = text(
    """
    INSERT INTO outbox (topic, key, created_at, next_at)
    SELECT :topic, key, :now, :now FROM unnest(:keys) AS happened (key)
    """
).bindparams(bindparam("keys", type_=ARRAY(Text)))

_CLAIM = text(
    """
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox WHERE topic = :topic AND next_at <= :now ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id, topic, key, payload, attempts
    """
)

_CLAIM_ONE = text(
    """
    DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE id = :id FOR UPDATE SKIP LOCKED)
    RETURNING id, topic, key, payload, attempts
    """
)

_POSTPONE = text(
    """
    UPDATE outbox SET attempts = attempts + 1, error = :error,
           next_at = :now + LEAST(:max_wait, interval '1 second' * power(2, LEAST(attempts, 20)))
    WHERE id = ANY (:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(BigInteger)))

_LIST_DUE = text("SELECT id FROM outbox WHERE topic = :topic AND next_at <= :now ORDER BY id LIMIT :limit")


def emit(tx: Transaction, *, topic: str, key: str, payload: Mapping[str, Any] | None = None, now: datetime) -> None:
    """Record that `topic` happened to `key`; a worker reacts after this transaction commits."""
    write_together(tx, write(topic=topic, key=key, payload=payload, now=now))


def write(*, topic: str, key: str, payload: Mapping[str, Any] | None = None, now: datetime) -> Write:
    """Return the write that `emit` makes, for whoever writes more in the same statement."""
    values = {"emitted_topic": topic, "emitted_key": key, "emitted_payload": payload, "emitted_at": now}
    return Write("emitted", _EMIT, values, _EMIT_TYPES)


def emit_many(tx: Transaction, *, topic: str, keys: Sequence[str], now: datetime) -> None:
    """Record that `topic` happened to each of `keys`, in one statement."""
    tx.execute(_EMIT_MANY, {"topic": topic, "keys": list(keys), "now": now})


def claim(tx: Transaction, *, topic: str, limit: int, now: datetime) -> list[Event]:
    """Take up to `limit` due events of a topic, oldest first; they are gone when this transaction commits.

    Events held by another worker are skipped, so any number of workers may claim at once.
    """
    rows = tx.execute(_CLAIM, {"topic": topic, "limit": limit, "now": now})
    return sorted((Event(*row) for row in rows), key=lambda event: event.id)


def claim_one(tx: Transaction, *, id: int) -> Event | None:
    """Take one event, or None when it is gone or in another worker's hands."""
    row = tx.execute(_CLAIM_ONE, {"id": id}).one_or_none()
    return Event(*row) if row else None


def list_due(tx: Transaction, *, topic: str, limit: int, now: datetime) -> list[int]:
    """Return ids of due events without taking them: for postponing what a failed batch had claimed."""
    return list(tx.execute(_LIST_DUE, {"topic": topic, "limit": limit, "now": now}).scalars())


def postpone(tx: Transaction, *, ids: Sequence[int], error: str, now: datetime) -> None:
    """Let events wait, twice as long after each failure and five minutes at most, and keep the error."""
    tx.execute(_POSTPONE, {"ids": list(ids), "error": error[:500], "now": now, "max_wait": _MAX_WAIT})


def hurry(tx: Transaction, *, topic: str, now: datetime) -> None:
    """Make a topic's postponed events due at once: for when what they waited for is back."""
    tx.execute(
        text("UPDATE outbox SET next_at = :now WHERE topic = :topic AND next_at > :now"), {"topic": topic, "now": now}
    )


def is_quiet(tx: Transaction, *, key: str) -> bool:
    """Tell whether nothing that happened to `key` still waits for its consequences."""
    return not tx.execute(text("SELECT EXISTS (SELECT 1 FROM outbox WHERE key = :key)"), {"key": key}).scalar_one()


def has_due(tx: Transaction, *, now: datetime) -> bool:
    """Tell whether any event is due, those in a worker's hands included."""
    return bool(
        tx.execute(text("SELECT EXISTS (SELECT 1 FROM outbox WHERE next_at <= :now)"), {"now": now}).scalar_one()
    )


def count_waiting(tx: Transaction) -> dict[str, int]:
    """Return how many events wait, by topic."""
    rows = tx.execute(text("SELECT topic, count(*) AS waiting FROM outbox GROUP BY topic"))
    return {row.topic: row.waiting for row in rows}
