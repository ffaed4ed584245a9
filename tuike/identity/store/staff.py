"""Rows of staff, recovery codes and the audit log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from tuike.db import Transaction
from tuike.identity.model.callers import Scope
from tuike.identity.model.staff import AuditEntry, StaffMember, StaffStatus

_COLUMNS = (
    "id, username, name, permissions, status, must_change_password, generation, created_at, last_login_at, totp_since, "
    "totp_step, totp, password_hash"
)
_LOCK_ADMINS = text("SELECT pg_advisory_xact_lock(7485003)")
_FIND_BY_SESSION = text(
    f"SELECT {', '.join('s.' + name.strip() for name in _COLUMNS.split(','))} FROM sessions e"
    " JOIN staff s ON s.id = e.owner_id AND s.generation = e.generation"
    " WHERE e.id = :session_id AND e.kind = 'staff' AND e.ended_at IS NULL AND s.status = 'active'"
)
_ADD_AUDIT = text(
    "INSERT INTO audit_log (at, actor_kind, actor_id, action, subject, detail)"
    " VALUES (:now, :actor_kind, :actor_id, :action, :subject, :detail)"
).bindparams(bindparam("detail", type_=JSONB))


def insert_staff(tx: Transaction, member: StaffMember) -> bool:
    """Add a member of staff; False when the username is taken."""
    query = text(
        "INSERT INTO staff (id, username, name, password_hash, must_change_password, permissions, status, created_at)"
        " VALUES (:id, :username, :name, :password_hash, true, :permissions, 'active', :now) ON CONFLICT DO NOTHING"
    )
    values = {
        "id": member.id,
        "username": member.username,
        "name": member.name,
        "password_hash": member.password_hash,
        "permissions": [scope.value for scope in member.permissions],
        "now": member.created_at,
    }
    return tx.execute(query, values).rowcount == 1


def find_staff(tx: Transaction, *, staff_id: str, lock: bool = False) -> StaffMember | None:
    """Return a member of staff, locked until the transaction ends when asked."""
    query = f"SELECT {_COLUMNS} FROM staff WHERE id = :id{' FOR NO KEY UPDATE' if lock else ''}"
    row = tx.execute(text(query), {"id": staff_id}).one_or_none()
    return None if row is None else _member(row)


def find_staff_by_username(tx: Transaction, *, username: str, lock: bool = False) -> StaffMember | None:
    """Return the member of staff with a username."""
    query = f"SELECT {_COLUMNS} FROM staff WHERE username = :username{' FOR NO KEY UPDATE' if lock else ''}"
    row = tx.execute(text(query), {"username": username}).one_or_none()
    return None if row is None else _member(row)


def find_staff_by_session(tx: Transaction, *, session_id: str) -> StaffMember | None:
    """Return the active member of staff whose living session this is."""
    row = tx.execute(_FIND_BY_SESSION, {"session_id": session_id}).one_or_none()
    return None if row is None else _member(row)


def list_staff(tx: Transaction, *, after: str, limit: int) -> list[StaffMember]:
    """Return members of staff with an id behind `after`."""
    query = text(f"SELECT {_COLUMNS} FROM staff WHERE id > :after ORDER BY id LIMIT :limit")
    return [_member(row) for row in tx.execute(query, {"after": after, "limit": limit})]


def lock_admins(tx: Transaction) -> None:
    """Wait until nobody else changes who is an admin, until this transaction ends."""
    tx.execute(_LOCK_ADMINS)


def has_admin(tx: Transaction) -> bool:
    """Tell whether an active admin exists."""
    query = "SELECT EXISTS (SELECT 1 FROM staff WHERE status = 'active' AND 'admin' = ANY(permissions))"
    return bool(tx.execute(text(query)).scalar_one())


def update_staff(tx: Transaction, member: StaffMember) -> None:
    """Write everything about a member of staff that can change."""
    query = text(
        "UPDATE staff SET name = :name, permissions = :permissions, status = :status, generation = :generation,"
        " must_change_password = :must_change, password_hash = :password_hash, last_login_at = :last_login_at,"
        " totp = :totp, totp_since = :totp_since, totp_step = :totp_step WHERE id = :id"
    )
    tx.execute(
        query,
        {
            "id": member.id,
            "name": member.name,
            "permissions": [scope.value for scope in member.permissions],
            "status": member.status,
            "generation": member.generation,
            "must_change": member.must_change_password,
            "password_hash": member.password_hash,
            "last_login_at": member.last_login_at,
            "totp": member.totp,
            "totp_since": member.totp_since,
            "totp_step": member.totp_step,
        },
    )


def replace_recovery_codes(tx: Transaction, *, staff_id: str, digests: Sequence[bytes]) -> None:
    """Forget the old recovery codes and keep the new ones' digests."""
    tx.execute(text("DELETE FROM staff_recovery_codes WHERE staff_id = :id"), {"id": staff_id})
    for digest in digests:
        query = text("INSERT INTO staff_recovery_codes (staff_id, digest) VALUES (:id, :digest)")
        tx.execute(query, {"id": staff_id, "digest": digest})


def use_recovery_code(tx: Transaction, *, staff_id: str, digest: bytes) -> bool:
    """Use a recovery code up; False when there is no such code, or no more."""
    query = text("DELETE FROM staff_recovery_codes WHERE staff_id = :id AND digest = :digest")
    return tx.execute(query, {"id": staff_id, "digest": digest}).rowcount == 1


def insert_audit(
    tx: Transaction,
    *,
    actor_kind: str,
    actor_id: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> None:
    """Write down that somebody did something."""
    tx.execute(
        _ADD_AUDIT,
        {
            "now": now,
            "actor_kind": actor_kind,
            "actor_id": actor_id,
            "action": action,
            "subject": subject,
            "detail": dict(detail),
        },
    )


def list_audit(
    tx: Transaction, *, actor_id: str | None, subject: str | None, before: int | None, limit: int
) -> list[AuditEntry]:
    """Return entries, newest first, of one actor or about one subject if asked for."""
    named: dict[str, Any] = {"actor_id": actor_id, "subject": subject, "before": before}
    asked = {name: value for name, value in named.items() if value is not None}
    conditions = {"actor_id": "actor_id = :actor_id", "subject": "subject = :subject", "before": "id < :before"}
    where = " AND ".join(conditions[name] for name in asked) or "true"
    query = text(
        f"SELECT id, at, actor_kind, actor_id, action, subject, detail FROM audit_log WHERE {where}"
        " ORDER BY id DESC LIMIT :limit"
    )
    return [AuditEntry(*row) for row in tx.execute(query, asked | {"limit": limit})]


def _member(row: Row[Any]) -> StaffMember:
    values = row._asdict()
    values["permissions"] = tuple(Scope(scope) for scope in values["permissions"])
    values["status"] = StaffStatus(values["status"])
    values["totp"] = None if values["totp"] is None else bytes(values["totp"])
    return StaffMember(**values)
