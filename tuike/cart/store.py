"""Rows of carts and addresses."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from tuike.cart.model import AddressDraft, Cart, CartLine, SavedAddress
from tuike.db import Transaction

_PUT = text(
    """
    INSERT INTO cart_lines AS c (shopper_id, sku_id, quantity, is_chosen, price_seen_minor, touch_id, visitor_id,
                                 added_at)
    VALUES (:shopper_id, :sku_id, :quantity, :is_chosen, :price, :touch_id, :visitor_id, :now)
    ON CONFLICT (shopper_id, sku_id) DO UPDATE
    SET quantity = excluded.quantity, is_chosen = excluded.is_chosen, price_seen_minor = excluded.price_seen_minor,
        touch_id = COALESCE(excluded.touch_id, c.touch_id), visitor_id = COALESCE(excluded.visitor_id, c.visitor_id)
    """
)


def lock_cart(tx: Transaction, *, shopper_id: str) -> Cart:
    """Return a shopper's cart, made if there was none, which no other device changes until the transaction ends."""
    lock = text("SELECT version FROM carts WHERE shopper_id = :id FOR NO KEY UPDATE")
    version = tx.execute(lock, {"id": shopper_id}).scalar_one_or_none()
    if version is None:
        tx.execute(text("INSERT INTO carts (shopper_id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": shopper_id})
        version = tx.execute(lock, {"id": shopper_id}).scalar_one()
    return _read_lines(tx, shopper_id, version)


def read_cart(tx: Transaction, *, shopper_id: str) -> Cart:
    """Return a shopper's cart, oldest line first."""
    found = tx.execute(text("SELECT version FROM carts WHERE shopper_id = :id"), {"id": shopper_id})
    return _read_lines(tx, shopper_id, found.scalar_one_or_none() or 1)


def _read_lines(tx: Transaction, shopper_id: str, version: int) -> Cart:
    rows = tx.execute(
        text("SELECT * FROM cart_lines WHERE shopper_id = :id ORDER BY added_at, sku_id"), {"id": shopper_id}
    )
    lines = tuple(
        CartLine(x.sku_id, x.quantity, x.is_chosen, x.price_seen_minor, x.touch_id, x.visitor_id, x.added_at)
        for x in rows
    )
    return Cart(shopper_id, version, lines)


def put_line(tx: Transaction, line: CartLine, *, shopper_id: str) -> None:
    """Write a line of a locked cart."""
    tx.execute(
        _PUT,
        {
            "shopper_id": shopper_id,
            "sku_id": line.sku_id,
            "quantity": line.quantity,
            "is_chosen": line.is_chosen,
            "price": line.price_seen_minor,
            "touch_id": line.touch_id,
            "visitor_id": line.visitor_id,
            "now": line.added_at,
        },
    )


def delete_lines(tx: Transaction, *, shopper_id: str, sku_ids: Sequence[str]) -> None:
    """Delete lines of a locked cart."""
    tx.execute(
        text("DELETE FROM cart_lines WHERE shopper_id = :id AND sku_id = ANY (:skus)").bindparams(
            bindparam("skus", type_=ARRAY(Text))
        ),
        {"id": shopper_id, "skus": list(sku_ids)},
    )


def raise_version(tx: Transaction, *, shopper_id: str) -> None:
    """Give a locked cart its next version."""
    tx.execute(text("UPDATE carts SET version = version + 1 WHERE shopper_id = :id"), {"id": shopper_id})


def delete_cart(tx: Transaction, *, shopper_id: str) -> None:
    """Delete everything of a shopper's cart and address book."""
    for table in ("cart_lines", "carts", "addresses"):
        tx.execute(text(f"DELETE FROM {table} WHERE shopper_id = :id"), {"id": shopper_id})


def list_addresses(tx: Transaction, *, shopper_id: str) -> list[SavedAddress]:
    """Return a shopper's addresses, the default first, then the newest."""
    rows = tx.execute(
        text("SELECT * FROM addresses WHERE shopper_id = :id ORDER BY is_default DESC, id DESC"), {"id": shopper_id}
    )
    return [_address(row) for row in rows]


def find_address(tx: Transaction, *, address_id: str, shopper_id: str) -> SavedAddress | None:
    """Return an address of a shopper."""
    row = tx.execute(
        text("SELECT * FROM addresses WHERE id = :id AND shopper_id = :shopper"),
        {"id": address_id, "shopper": shopper_id},
    ).one_or_none()
    return None if row is None else _address(row)


def save_address(tx: Transaction, *, address_id: str, shopper_id: str, draft: AddressDraft, now: datetime) -> None:
    """Write an address; a default one takes the place of the default before."""
    if draft.is_default:
        tx.execute(
            text("UPDATE addresses SET is_default = false WHERE shopper_id = :shopper AND is_default AND id <> :id"),
            {"shopper": shopper_id, "id": address_id},
        )
    tx.execute(
        text(
            """
            INSERT INTO addresses (id, shopper_id, name, phone, region_code, region, detail, is_default, created_at)
            VALUES (:id, :shopper, :name, :phone, :region_code, :region, :detail, :is_default, :now)
            ON CONFLICT (id) DO UPDATE
            SET name = excluded.name, phone = excluded.phone, region_code = excluded.region_code,
                region = excluded.region, detail = excluded.detail, is_default = excluded.is_default
            """
        ),
        asdict(draft) | {"id": address_id, "shopper": shopper_id, "now": now},
    )


def delete_address(tx: Transaction, *, address_id: str) -> None:
    """Delete an address."""
    tx.execute(text("DELETE FROM addresses WHERE id = :id"), {"id": address_id})


def _address(row: Row[Any]) -> SavedAddress:
    return SavedAddress(
        row.id, row.shopper_id, row.name, row.phone, row.region_code, row.region, row.detail, row.is_default,
        row.created_at,
    )  # fmt: skip
