"""Rows of parcels and pick-up points."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Integer, SmallInteger

from tuike.db import Transaction
from tuike.fulfilment.model import Parcel, PickupPoint, Pieces

_ADD = text(
    """
    INSERT INTO parcels (id, order_id, carrier, tracking_no, line_nos, quantities, shipped_by, shipped_at)
    VALUES (:id, :order_id, :carrier, :tracking_no, :nos, :quantities, :shipped_by, :shipped_at)
    """
).bindparams(bindparam("nos", type_=ARRAY(SmallInteger)), bindparam("quantities", type_=ARRAY(Integer)))


def add_parcel(tx: Transaction, parcel: Parcel) -> None:
    """Insert a parcel."""
    tx.execute(
        _ADD,
        {
            "id": parcel.id,
            "order_id": parcel.order_id,
            "carrier": parcel.carrier,
            "tracking_no": parcel.tracking_no,
            "nos": [one.no for one in parcel.lines],
            "quantities": [one.quantity for one in parcel.lines],
            "shipped_by": parcel.shipped_by,
            "shipped_at": parcel.shipped_at,
        },
    )


def list_parcels(tx: Transaction, *, order_id: str) -> list[Parcel]:
    """Return an order's parcels, oldest first."""
    rows = tx.execute(text("SELECT * FROM parcels WHERE order_id = :id ORDER BY id"), {"id": order_id})
    return [_parcel(row) for row in rows]


def list_upload_due(tx: Transaction, *, limit: int) -> list[Row[Any]]:
    """Return parcels that no provider was told of, with what it wants to know of their orders."""
    return list(
        tx.execute(
            text(
                """
                SELECT p.id, p.order_id, p.carrier, p.tracking_no, p.shipped_at, o.payment_id, o.delivery,
                       o.address ->> 'phone' AS phone,
                       (SELECT array_agg(l.name ORDER BY l.no) FROM shop_order_lines l
                        WHERE l.order_id = o.id AND l.no = ANY (p.line_nos)) AS names,
                       NOT EXISTS (SELECT 1 FROM shop_order_lines l WHERE l.order_id = o.id
                                   AND l.shipped_quantity + l.cancelled_quantity < l.quantity) AS all_shipped
                FROM parcels p JOIN shop_orders o ON o.id = p.order_id
                WHERE p.uploaded_at IS NULL AND o.payment_id IS NOT NULL ORDER BY p.id LIMIT :limit
                """
            ),
            {"limit": limit},
        )
    )


def set_uploaded(tx: Transaction, *, parcel_id: str, now: datetime) -> bool:
    """Keep that the provider was told of a parcel; False when there is none."""
    done = tx.execute(
        text("UPDATE parcels SET uploaded_at = COALESCE(uploaded_at, :now) WHERE id = :id"),
        {"id": parcel_id, "now": now},
    )
    return done.rowcount == 1


def add_point(tx: Transaction, point: PickupPoint) -> None:
    """Insert a pick-up point."""
    tx.execute(
        text(
            """
            INSERT INTO pickup_points (id, merchant_id, promoter_id, name, address, phone, hours, is_open, version,
                                       created_at)
            VALUES (:id, :merchant_id, :promoter_id, :name, :address, :phone, :hours, :is_open, :version, :created_at)
            """
        ),
        asdict(point),
    )


def change_point(tx: Transaction, *, point_id: str, changes: Mapping[str, Any]) -> None:
    """Write changes of a point."""
    assert changes.keys() <= {"promoter_id", "name", "address", "phone", "hours", "is_open"}, changes
    assignments = "".join(f"{name} = :{name}, " for name in changes)
    tx.execute(
        text(f"UPDATE pickup_points SET {assignments}version = version + 1 WHERE id = :id"),
        {"id": point_id, **changes},
    )


def find_point(tx: Transaction, *, point_id: str, lock: bool = False) -> PickupPoint | None:
    """Return a pick-up point."""
    ending = " FOR NO KEY UPDATE" if lock else ""
    row = tx.execute(text(f"SELECT * FROM pickup_points WHERE id = :id{ending}"), {"id": point_id}).one_or_none()
    return None if row is None else _point(row)


def list_points(
    tx: Transaction,
    *,
    promoter_id: str | None,
    merchant_ids: Sequence[str],
    only_open: bool,
    after: str | None,
    limit: int,
) -> list[PickupPoint]:
    """Return points in the order of their ids, of one promoter, of merchants or those that are open, after an id."""
    conditions = ["id > :after"]
    if promoter_id is not None:
        conditions.append("promoter_id = :promoter_id")
    if merchant_ids:
        conditions.append("merchant_id = ANY (:merchant_ids)")
    if only_open:
        conditions.append("is_open")
    rows = tx.execute(
        text(f"SELECT * FROM pickup_points WHERE {' AND '.join(conditions)} ORDER BY id LIMIT :limit"),
        {"after": after or "", "promoter_id": promoter_id, "merchant_ids": list(merchant_ids), "limit": limit},
    )
    return [_point(row) for row in rows]


def _point(row: Row[Any]) -> PickupPoint:
    return PickupPoint(
        row.id, row.merchant_id, row.promoter_id, row.name, row.address, row.phone, row.hours, row.is_open, row.version,
        row.created_at,
    )  # fmt: skip


def _parcel(row: Row[Any]) -> Parcel:
    return Parcel(
        row.id,
        row.order_id,
        row.carrier,
        row.tracking_no,
        tuple(Pieces(no, quantity) for no, quantity in zip(row.line_nos, row.quantities, strict=True)),
        row.shipped_by,
        row.shipped_at,
        row.uploaded_at,
    )
