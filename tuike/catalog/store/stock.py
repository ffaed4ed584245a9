"""Rows of stock and reservations. Locks are taken in one order: reservation, then stock by SKU id, then buyers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import BigInteger, Integer, Text

from tuike.catalog.model import Reservation, ReservationState, StockCorrection, StockLine
from tuike.db import Transaction

_SKUS = bindparam("skus", type_=ARRAY(Text))
_QUANTITIES = bindparam("quantities", type_=ARRAY(BigInteger))

_LOCK_RESERVATION = text("SELECT * FROM stock_reservations WHERE order_id = :order_id FOR UPDATE")

_LOCK_DUE = text(
    """
    SELECT * FROM stock_reservations WHERE state = 'reserved' AND expires_at <= :now
    ORDER BY expires_at, order_id LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)

# The rows are locked after the sort, so in the order of their ids; a row with too little is not locked at all.
_LOCK_ENOUGH = text(
    """
    SELECT s.sku_id, s.available, k.product_id, k.limit_per_person,
           p.state = 'on_sale' AND NOT k.is_dropped AND m.status = 'active' AS is_on_sale
    FROM unnest(:skus, :quantities) AS wanted (sku_id, quantity)
    JOIN stock s ON s.sku_id = wanted.sku_id
    JOIN skus k ON k.id = s.sku_id
    JOIN products p ON p.id = k.product_id
    JOIN merchants m ON m.id = k.merchant_id
    WHERE s.available >= wanted.quantity
    ORDER BY s.sku_id FOR NO KEY UPDATE OF s
    """
).bindparams(_SKUS, _QUANTITIES)

_LOCK = text(
    """
    SELECT s.sku_id, s.available, s.reserved, s.sold, k.product_id FROM stock s JOIN skus k ON k.id = s.sku_id
    WHERE s.sku_id = ANY (:skus) ORDER BY s.sku_id FOR NO KEY UPDATE OF s
    """
).bindparams(_SKUS)

_RESERVE = text(
    """
    WITH moved AS (
        UPDATE stock s SET available = s.available - wanted.quantity, reserved = s.reserved + wanted.quantity
        FROM unnest(:skus, :quantities) AS wanted (sku_id, quantity)
        WHERE s.sku_id = wanted.sku_id)
    INSERT INTO stock_reservations (order_id, buyer_id, state, sku_ids, quantities, returned, expires_at, created_at)
    VALUES (:order_id, :buyer_id, 'reserved', :skus, :quantities, :none_returned, :expires_at, :now)
    ON CONFLICT (order_id) DO UPDATE
    SET state = 'reserved', buyer_id = excluded.buyer_id, sku_ids = excluded.sku_ids, quantities = excluded.quantities,
        returned = excluded.returned, expires_at = excluded.expires_at
    WHERE stock_reservations.state = 'released'
    """
).bindparams(_SKUS, bindparam("quantities", type_=ARRAY(Integer)), bindparam("none_returned", type_=ARRAY(Integer)))
# Counted under the lock of the SKU's stock, so nobody else counts the same buyer's pieces meanwhile.
_COUNT_BUYER = text(
    """
    INSERT INTO stock_buyers AS b (sku_id, buyer_id, quantity)
    SELECT sku_id, :buyer_id, quantity FROM unnest(:skus, :quantities) AS wanted (sku_id, quantity)
    ON CONFLICT (sku_id, buyer_id) DO UPDATE SET quantity = b.quantity + excluded.quantity
    WHERE b.quantity + excluded.quantity
          <= COALESCE((SELECT k.limit_per_person FROM skus k WHERE k.id = b.sku_id), 9000000000000000)
    RETURNING sku_id
    """
).bindparams(_SKUS, _QUANTITIES)


def lock_reservation(tx: Transaction, *, order_id: str) -> Reservation | None:
    """Return an order's reservation, locked."""
    row = tx.execute(_LOCK_RESERVATION, {"order_id": order_id}).one_or_none()
    return None if row is None else _reservation(row)


def find_reservation(tx: Transaction, *, order_id: str) -> Reservation | None:
    """Return an order's reservation."""
    row = tx.execute(
        text("SELECT * FROM stock_reservations WHERE order_id = :order_id"), {"order_id": order_id}
    ).one_or_none()
    return None if row is None else _reservation(row)


def lock_due_reservations(tx: Transaction, *, now: datetime, limit: int) -> list[Reservation]:
    """Return up to `limit` reservations that are over, locked; what somebody else has in hand is left out."""
    return [_reservation(row) for row in tx.execute(_LOCK_DUE, {"now": now, "limit": limit})]


def lock_enough(tx: Transaction, *, wanted: Mapping[str, int]) -> list[Row[Any]]:
    """Lock the stock of the SKUs that have enough, in the order of their ids, and return what is offered of them."""
    return list(tx.execute(_LOCK_ENOUGH, {"skus": list(wanted), "quantities": list(wanted.values())}))


def lock_stock(tx: Transaction, *, sku_ids: Sequence[str]) -> list[Row[Any]]:
    """Lock stock rows in the order of their ids."""
    return list(tx.execute(_LOCK, {"skus": list(sku_ids)}))


def reserve(
    tx: Transaction, *, order_id: str, buyer_id: str, wanted: Mapping[str, int], expires_at: datetime, now: datetime
) -> bool:
    """Move pieces of locked SKUs from available to reserved and keep for which order.

    False when a twin made a reservation for the order meanwhile; the transaction must be rolled back then.
    """
    parameters = {
        "order_id": order_id, "buyer_id": buyer_id, "skus": list(wanted), "quantities": list(wanted.values()),
        "none_returned": [0] * len(wanted), "expires_at": expires_at, "now": now,
    }  # fmt: skip
    return tx.execute(_RESERVE, parameters).rowcount == 1


def count_buyer(tx: Transaction, *, buyer_id: str, wanted: Mapping[str, int]) -> set[str]:
    """Add pieces to what a person has of each SKU; return the SKUs whose limit allows it."""
    parameters = {"buyer_id": buyer_id, "skus": list(wanted), "quantities": list(wanted.values())}
    return set(tx.execute(_COUNT_BUYER, parameters).scalars())


def discount_buyers(tx: Transaction, *, pieces: Mapping[tuple[str, str], int]) -> None:
    """Take pieces off what persons have, by (SKU, buyer)."""
    tx.execute(
        text(
            """
            UPDATE stock_buyers b SET quantity = GREATEST(b.quantity - gone.quantity, 0)
            FROM unnest(:skus, :buyers, :quantities) AS gone (sku_id, buyer_id, quantity)
            WHERE b.sku_id = gone.sku_id AND b.buyer_id = gone.buyer_id
            """
        ).bindparams(_SKUS, bindparam("buyers", type_=ARRAY(Text)), _QUANTITIES),
        {
            "skus": [sku_id for sku_id, _ in pieces],
            "buyers": [buyer_id for _, buyer_id in pieces],
            "quantities": list(pieces.values()),
        },
    )


def move_stock(tx: Transaction, *, available: int, reserved: int, sold: int, pieces: Mapping[str, int]) -> None:
    """Add each SKU's pieces, times the sign given for each place (-1, 0, 1), to its stock; rows are locked before."""
    tx.execute(
        text(
            """
            UPDATE stock s SET available = s.available + :available * moved.quantity,
                   reserved = s.reserved + :reserved * moved.quantity, sold = s.sold + :sold * moved.quantity
            FROM unnest(:skus, :quantities) AS moved (sku_id, quantity) WHERE s.sku_id = moved.sku_id
            """
        ).bindparams(_SKUS, _QUANTITIES),
        {
            "available": available, "reserved": reserved, "sold": sold,
            "skus": list(pieces), "quantities": list(pieces.values()),
        },
    )  # fmt: skip


def set_reservation_states(tx: Transaction, *, order_ids: Sequence[str], state: ReservationState) -> None:
    """Write the state of reservations that are locked."""
    tx.execute(
        text("UPDATE stock_reservations SET state = :state WHERE order_id = ANY (:ids)").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        ),
        {"state": state, "ids": list(order_ids)},
    )


def set_returned(tx: Transaction, *, order_id: str, returned: Sequence[int]) -> None:
    """Write how many pieces of each line came back."""
    tx.execute(
        text("UPDATE stock_reservations SET returned = :returned WHERE order_id = :order_id").bindparams(
            bindparam("returned", type_=ARRAY(Integer))
        ),
        {"returned": list(returned), "order_id": order_id},
    )


def add_return(
    tx: Transaction, *, return_id: str, order_id: str, pieces: Mapping[str, int], now: datetime
) -> tuple[str, dict[str, int]] | None:
    """Keep a return; give back (order, pieces) of the one that has its id already, None when it is new."""
    inserted = tx.execute(
        text(
            "INSERT INTO stock_returns (id, order_id, lines, created_at) VALUES (:id, :order_id, :lines, :now) "
            "ON CONFLICT DO NOTHING"
        ).bindparams(bindparam("lines", type_=JSONB)),
        {"id": return_id, "order_id": order_id, "lines": dict(pieces), "now": now},
    )
    if inserted.rowcount:
        return None
    row = tx.execute(text("SELECT order_id, lines FROM stock_returns WHERE id = :id"), {"id": return_id}).one()
    return row.order_id, row.lines


def insert_stock(tx: Transaction, *, rows: Mapping[str, int]) -> None:
    """Give new SKUs their first pieces."""
    tx.execute(
        text(
            "INSERT INTO stock (sku_id, available) SELECT sku_id, quantity "
            "FROM unnest(:skus, :quantities) AS new (sku_id, quantity)"
        ).bindparams(_SKUS, _QUANTITIES),
        {"skus": list(rows), "quantities": list(rows.values())},
    )


def add_corrections(tx: Transaction, *, corrections: Sequence[StockCorrection]) -> None:
    """Append to the history of stock."""
    tx.execute(
        text(
            """
            INSERT INTO stock_corrections (id, sku_id, change, available, reason, made_by, created_at)
            SELECT id, sku_id, change, available, reason, made_by, :now
            FROM jsonb_to_recordset(:rows)
                 AS r (id text, sku_id text, change bigint, available bigint, reason text, made_by text)
            """
        ).bindparams(bindparam("rows", type_=JSONB)),
        {
            "rows": [
                {
                    "id": one.id, "sku_id": one.sku_id, "change": one.change, "available": one.available,
                    "reason": one.reason, "made_by": one.made_by,
                }
                for one in corrections
            ],
            "now": corrections[0].created_at,
        },
    )  # fmt: skip


def list_corrections(tx: Transaction, *, sku_id: str, before: str | None, limit: int) -> list[StockCorrection]:
    """Return a SKU's corrections, newest first, before `before`."""
    rows = tx.execute(
        text(
            "SELECT id, sku_id, change, available, reason, made_by, created_at FROM stock_corrections "
            "WHERE sku_id = :sku_id AND (CAST(:before AS text) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        ),
        {"sku_id": sku_id, "before": before, "limit": limit},
    )
    return [StockCorrection(*row) for row in rows]


def find_sku_place(tx: Transaction, *, sku_id: str) -> Row[Any] | None:
    """Return (product_id, merchant_id) of a SKU."""
    return tx.execute(text("SELECT product_id, merchant_id FROM skus WHERE id = :id"), {"id": sku_id}).one_or_none()


def _reservation(row: Row[Any]) -> Reservation:
    return Reservation(
        row.order_id,
        row.buyer_id,
        ReservationState(row.state),
        tuple(StockLine(*line) for line in zip(row.sku_ids, row.quantities, strict=True)),
        tuple(row.returned),
        row.expires_at,
    )
