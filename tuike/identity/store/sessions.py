"""Rows of sessions, failed attempts and rate limits."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from tuike.db import Transaction
from tuike.identity.model.callers import CallerKind
from tuike.identity.model.sessions import Session

_COLUMNS = "id, kind, owner_id, generation, turn, turned_at, device, created_at, expires_at, ended_at, end_reason"
_STANDING = text(
    """
    SELECT s.status, s.generation, e.ended_at, ARRAY(
        SELECT a.kind || ' ' || max(a.version) FROM agreements a WHERE a.kind = ANY(CAST(:kinds AS text[]))
        GROUP BY a.kind HAVING NOT EXISTS (SELECT 1 FROM agreement_acceptances c
            WHERE c.shopper_id = s.id AND c.kind = a.kind AND c.version = max(a.version))
        ORDER BY a.kind) AS missing
    FROM shoppers s JOIN sessions e ON e.id = :session_id AND e.owner_id = s.id
    WHERE s.id = :id
    """
)
_CHARGE = text(
    """
    INSERT INTO rate_limits AS r (key, due_at)
    VALUES (:key, CAST(:now AS timestamptz) + CAST(:every AS interval))
    ON CONFLICT (key) DO UPDATE SET due_at = greatest(r.due_at, :now) + CAST(:every AS interval)
        WHERE greatest(r.due_at, :now) + CAST(:every AS interval)
            <= CAST(:now AS timestamptz) + CAST(:burst AS interval)
    RETURNING due_at
    """
)
# A failure is written down before the attempt is judged, so that a crowd of attempts at once is counted one by one.
_ATTEMPT = text(
    """
    INSERT INTO login_attempts AS a (key, failed_count, locked_until, updated_at) VALUES (:key, 1, NULL, :now)
    ON CONFLICT (key) DO UPDATE SET
        failed_count = CASE WHEN a.updated_at < :forget THEN 1 ELSE a.failed_count + 1 END,
        locked_until = CASE WHEN a.updated_at >= :forget AND a.failed_count + 1 >= :free
            THEN CAST(:now AS timestamptz) + LEAST(CAST(:longest AS interval),
                 CAST(:first AS interval) * power(2, LEAST(a.failed_count + 1 - :free, 20))) END,
        updated_at = :now
    WHERE a.locked_until IS NULL OR a.locked_until <= :now
    RETURNING failed_count
    """
)


def insert_session(tx: Transaction, session: Session) -> None:
    """Keep a new session."""
    names = [name.strip() for name in _COLUMNS.split(",")]
    values = ", ".join(f":{name}" for name in names)
    tx.execute(
        text(f"INSERT INTO sessions ({_COLUMNS}) VALUES ({values})"), {name: getattr(session, name) for name in names}
    )


def lock_session(tx: Transaction, *, session_id: str) -> Session | None:
    """Return a session, locked until the transaction ends."""
    row = tx.execute(text(f"SELECT {_COLUMNS} FROM sessions WHERE id = :id FOR UPDATE"), {"id": session_id}).first()
    return None if row is None else _session(row)


def turn_session(tx: Transaction, *, session_id: str, turn: int, expires_at: datetime, now: datetime) -> None:
    """Write that the next refresh token is the good one now."""
    query = text("UPDATE sessions SET turn = :turn, turned_at = :now, expires_at = :expires_at WHERE id = :id")
    tx.execute(query, {"id": session_id, "turn": turn, "expires_at": expires_at, "now": now})


def list_sessions(tx: Transaction, *, owner_id: str, now: datetime) -> list[Session]:
    """Return the living sessions of somebody, newest first, at most 100."""
    query = text(
        f"SELECT {_COLUMNS} FROM sessions WHERE owner_id = :id AND ended_at IS NULL AND expires_at > :now"
        " ORDER BY id DESC LIMIT 100"
    )
    return [_session(row) for row in tx.execute(query, {"id": owner_id, "now": now})]


def end_sessions(
    tx: Transaction, *, owner_id: str, reason: str, now: datetime, only: Sequence[str] | None = None
) -> int:
    """End living sessions of somebody, or those of them that are named; return how many ended."""
    some = "" if only is None else " AND id = ANY(:only)"
    named = {} if only is None else {"only": list(only)}
    query = text(
        f"UPDATE sessions SET ended_at = :now, end_reason = :reason WHERE owner_id = :id AND ended_at IS NULL{some}"
    )
    return tx.execute(query, {"id": owner_id, "reason": reason, "now": now} | named).rowcount


def delete_sessions(tx: Transaction, *, owner_id: str) -> None:
    """Forget the sessions of somebody."""
    tx.execute(text("DELETE FROM sessions WHERE owner_id = :id"), {"id": owner_id})


def purge(tx: Transaction, *, sessions_before: datetime, now: datetime, limit: int) -> int:
    """Forget up to `limit` sessions that expired before an instant, and what limits no longer limit."""
    gone = tx.execute(
        text(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < :before"
            " ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
        ),
        {"before": sessions_before, "limit": limit},
    ).rowcount
    tx.execute(
        text(
            "DELETE FROM rate_limits WHERE key IN (SELECT key FROM rate_limits WHERE due_at < :now"
            " ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
        ),
        {"now": now, "limit": limit},
    )
    tx.execute(
        text(
            "DELETE FROM login_attempts WHERE key IN (SELECT key FROM login_attempts WHERE updated_at < :before"
            " LIMIT :limit FOR UPDATE SKIP LOCKED)"
        ),
        {"before": now - timedelta(days=2), "limit": limit},
    )
    return gone


def find_standing(tx: Transaction, *, shopper_id: str, session_id: str, kinds: Sequence[str]) -> Row[Any] | None:
    """Return a shopper's status and generation, when the session ended, and which newest agreements are missing."""
    return tx.execute(_STANDING, {"id": shopper_id, "session_id": session_id, "kinds": list(kinds)}).one_or_none()


def charge(tx: Transaction, *, key: bytes, every: timedelta, burst: timedelta, now: datetime) -> datetime | None:
    """Count one request; return when the next one is due if this one came too early, else None."""
    named = {"key": key, "now": now, "every": every, "burst": burst}
    if tx.execute(_CHARGE, named).one_or_none() is not None:
        return None
    return tx.execute(text("SELECT due_at FROM rate_limits WHERE key = :key"), {"key": key}).scalar_one_or_none() or now


def count_attempt(
    tx: Transaction, *, key: bytes, free: int, first: timedelta, longest: timedelta, forget: timedelta, now: datetime
) -> datetime | None:
    """Count one attempt as failed; return until when the name is locked if it is, and count nothing then."""
    named = {"key": key, "free": free, "first": first, "longest": longest, "forget": now - forget, "now": now}
    if tx.execute(_ATTEMPT, named).one_or_none() is not None:
        return None
    query = text("SELECT locked_until FROM login_attempts WHERE key = :key")
    return tx.execute(query, {"key": key}).scalar_one_or_none() or now


def forget_attempts(tx: Transaction, *, key: bytes) -> None:
    """Start counting anew: this attempt was a good one."""
    tx.execute(text("DELETE FROM login_attempts WHERE key = :key"), {"key": key})


def _session(row: Row[Any]) -> Session:
    values = row._asdict()
    values["kind"] = CallerKind(values["kind"])
    return Session(**values)
