"""Rows of shoppers and their logins."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from tuike.db import Transaction
from tuike.identity.model.shoppers import Login, LoginKind, Shopper, ShopperStatus

_SELECT = """
    SELECT s.id, s.nickname, s.avatar_url, s.locale, s.status, s.generation, s.created_at, s.phone, s.status_reason,
           ARRAY(SELECT l.kind FROM shopper_logins l WHERE l.shopper_id = s.id ORDER BY l.kind) AS logins
    FROM shoppers s
"""
_FIND_LOGIN = text(
    "SELECT shopper_id FROM shopper_logins WHERE kind = :kind AND app_id = :app_id AND subject = :subject"
)
_INSERT_LOGIN = text(
    "INSERT INTO shopper_logins (kind, app_id, subject, shopper_id, linked_at)"
    " VALUES (:kind, :app_id, :subject, :shopper_id, :now) ON CONFLICT DO NOTHING"
)
# One at a time for each outside id: two first logins of one person at once make one account.
_LOCK_LOGIN = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7485002))")


def lock_logins(tx: Transaction, logins: Iterable[Login]) -> None:
    """Wait until nobody else works on any of these logins, until this transaction ends."""
    for name in sorted(f"{login.kind} {login.app_id} {login.subject}" for login in logins):
        tx.execute(_LOCK_LOGIN, {"name": name})


def find_login_owner(tx: Transaction, login: Login) -> str | None:
    """Return whose login this is."""
    values = {"kind": login.kind, "app_id": login.app_id, "subject": login.subject}
    return tx.execute(_FIND_LOGIN, values).scalar_one_or_none()


def insert_login(tx: Transaction, login: Login, *, shopper_id: str, now: datetime) -> bool:
    """Link a login; False when it is taken or the shopper has another one of its kind."""
    values = {"kind": login.kind, "app_id": login.app_id, "subject": login.subject}
    return tx.execute(_INSERT_LOGIN, values | {"shopper_id": shopper_id, "now": now}).rowcount == 1


def list_logins(tx: Transaction, *, shopper_id: str) -> list[Login]:
    """Return a shopper's logins."""
    query = (
        "SELECT kind, app_id, subject, linked_at FROM shopper_logins WHERE shopper_id = :id ORDER BY linked_at, kind"
    )
    return [Login(LoginKind(row.kind), *row[1:]) for row in tx.execute(text(query), {"id": shopper_id})]


def delete_logins(tx: Transaction, *, shopper_id: str) -> None:
    """Forget a shopper's logins."""
    tx.execute(text("DELETE FROM shopper_logins WHERE shopper_id = :id"), {"id": shopper_id})


def insert_shopper(tx: Transaction, *, id: str, locale: str, now: datetime) -> None:
    """Add a shopper."""
    query = "INSERT INTO shoppers (id, locale, created_at) VALUES (:id, :locale, :now)"
    tx.execute(text(query), {"id": id, "locale": locale, "now": now})


def find_shopper(tx: Transaction, *, shopper_id: str, lock: bool = False) -> Shopper | None:
    """Return a shopper, locked until the transaction ends when asked."""
    query = text(f"{_SELECT} WHERE s.id = :id{' FOR NO KEY UPDATE OF s' if lock else ''}")
    row = tx.execute(query, {"id": shopper_id}).one_or_none()
    return None if row is None else _shopper(row)


def list_shoppers(tx: Transaction, *, phone_digest: bytes | None, after: str, limit: int) -> list[Shopper]:
    """Return shoppers with an id behind `after`, or the one with a phone number."""
    only = "" if phone_digest is None else " AND s.phone_digest = :digest"
    named = {} if phone_digest is None else {"digest": phone_digest}
    query = text(f"{_SELECT} WHERE s.id > :after{only} ORDER BY s.id LIMIT :limit")
    return [_shopper(row) for row in tx.execute(query, {"after": after, "limit": limit} | named)]


def update_profile(tx: Transaction, *, shopper: Shopper) -> None:
    """Write nickname, avatar and locale."""
    query = text("UPDATE shoppers SET nickname = :nickname, avatar_url = :avatar, locale = :locale WHERE id = :id")
    tx.execute(
        query,
        {"id": shopper.id, "nickname": shopper.nickname, "avatar": shopper.avatar_url, "locale": shopper.locale},
    )


def set_phone(tx: Transaction, *, shopper_id: str, phone: bytes | None, digest: bytes | None) -> bool:
    """Write a phone number, or none; False when it belongs to somebody else."""
    query = text(
        "UPDATE shoppers SET phone = :phone, phone_digest = :digest WHERE id = :id AND NOT EXISTS"
        " (SELECT 1 FROM shoppers o WHERE o.phone_digest = :digest AND o.id <> :id)"
    )
    return tx.execute(query, {"id": shopper_id, "phone": phone, "digest": digest}).rowcount == 1


def lock_phone(tx: Transaction, *, digest: bytes) -> None:
    """Wait until nobody else works on this phone number, until this transaction ends."""
    tx.execute(_LOCK_LOGIN, {"name": f"phone {digest.hex()}"})


def set_status(tx: Transaction, *, shopper_id: str, status: ShopperStatus, reason: str | None, now: datetime) -> None:
    """Write the status and why."""
    query = "UPDATE shoppers SET status = :status, status_reason = :reason, status_at = :now WHERE id = :id"
    tx.execute(text(query), {"id": shopper_id, "status": status, "reason": reason, "now": now})


def raise_generation(tx: Transaction, *, shopper_id: str) -> None:
    """Make every token handed out so far void."""
    tx.execute(text("UPDATE shoppers SET generation = generation + 1 WHERE id = :id"), {"id": shopper_id})


def erase_shopper(tx: Transaction, *, shopper_id: str, now: datetime) -> None:
    """Take everything that names the person from the row; its id stays."""
    query = text(
        "UPDATE shoppers SET status = 'erased', status_at = :now, status_reason = NULL, nickname = '',"
        " avatar_url = NULL, phone = NULL, phone_digest = NULL, locale = 'zh-CN', generation = generation + 1"
        " WHERE id = :id"
    )
    tx.execute(query, {"id": shopper_id, "now": now})


def _shopper(row: Row[Any]) -> Shopper:
    return Shopper(
        id=row.id,
        nickname=row.nickname,
        avatar_url=row.avatar_url,
        locale=row.locale,
        status=ShopperStatus(row.status),
        generation=row.generation,
        created_at=row.created_at,
        phone=None if row.phone is None else bytes(row.phone),
        status_reason=row.status_reason,
        logins=tuple(LoginKind(kind) for kind in row.logins),
    )
