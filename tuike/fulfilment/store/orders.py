"""Rows of orders, their lines, events and notes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import BigInteger, Integer, SmallInteger, Text

from tuike.db import Transaction
from tuike.fulfilment.model import (
    Address,
    Delivery,
    OrderEvent,
    OrderFilter,
    OrderNote,
    OrderState,
    ShopLine,
    ShopOrder,
    ShopOrderDraft,
)

_SELECT = """
    SELECT o.*, (SELECT json_agg(json_build_array(l.no, l.sku_id, l.product_id, l.code, l.name, l.spec, l.picture,
                                                  l.price_minor, l.quantity, l.amount_minor, l.shipped_quantity,
                                                  l.cancelled_quantity, l.claimed_quantity, l.claimed_minor)
                                 ORDER BY l.no)
                 FROM shop_order_lines l WHERE l.order_id = o.id) AS lines
    FROM shop_orders o
"""

_ADD = text(
    """
    INSERT INTO shop_orders (id, no, shopper_id, merchant_id, currency, state, delivery, address, pickup_point_id, note,
                             goods_minor, discount_minor, freight_minor, payable_minor, coupon_id, expires_at,
                             placed_at)
    VALUES (:id, :no, :shopper_id, :merchant_id, :currency, 'unpaid', :delivery, :address, :pickup_point_id, :note,
            :goods_minor, :discount_minor, :freight_minor, :payable_minor, :coupon_id, :expires_at, :now)
    """
).bindparams(bindparam("address", type_=JSONB))

# A line's spec travels as JSON, because arrays of arrays must be square.
_ADD_LINES = text(
    """
    INSERT INTO shop_order_lines (order_id, no, sku_id, product_id, code, name, spec, picture, price_minor, quantity,
                                  amount_minor)
    SELECT :order_id, line.no, line.sku_id, line.product_id, line.code, line.name,
           ARRAY(SELECT jsonb_array_elements_text(line.spec)), line.picture, line.price_minor, line.quantity,
           line.amount_minor
    FROM jsonb_to_recordset(:lines) AS line (no smallint, sku_id text, product_id text, code text, name text,
                                             spec jsonb, picture text, price_minor bigint, quantity integer,
                                             amount_minor bigint)
    """
).bindparams(bindparam("lines", type_=JSONB))

_ADD_EVENT = text(
    """
    INSERT INTO shop_order_events (order_id, version, kind, state, detail, made_by, created_at)
    VALUES (:order_id, :version, :kind, :state, :detail, :made_by, :now)
    """
).bindparams(bindparam("detail", type_=JSONB))

_CHANGEABLE = frozenset({
    "state", "pickup_code", "claimed_freight_minor", "payment_id", "open_cases", "paid_at", "shipped_at", "receive_by",
    "completed_at", "closed_at", "close_reason",
})  # fmt: skip

_ADD_TO_LINES = text(
    """
    UPDATE shop_order_lines l
    SET shipped_quantity = l.shipped_quantity + part.shipped,
        cancelled_quantity = l.cancelled_quantity + part.cancelled,
        claimed_quantity = l.claimed_quantity + part.claimed, claimed_minor = l.claimed_minor + part.minor
    FROM unnest(:nos, :shipped, :cancelled, :claimed, :minor) AS part (no, shipped, cancelled, claimed, minor)
    WHERE l.order_id = :order_id AND l.no = part.no
    """
).bindparams(
    bindparam("nos", type_=ARRAY(SmallInteger)),
    bindparam("shipped", type_=ARRAY(Integer)),
    bindparam("cancelled", type_=ARRAY(Integer)),
    bindparam("claimed", type_=ARRAY(Integer)),
    bindparam("minor", type_=ARRAY(BigInteger)),
)


def next_count(tx: Transaction) -> int:
    """Return how many order numbers were given out, this one included."""
    return int(tx.execute(text("SELECT nextval('shop_order_numbers')")).scalar_one())


def has_order(tx: Transaction, *, order_id: str) -> bool:
    """Tell whether an order was placed in the shop."""
    return tx.execute(text("SELECT 1 FROM shop_orders WHERE id = :id"), {"id": order_id}).first() is not None


def find_pictures(tx: Transaction, *, names: Sequence[str]) -> set[str]:
    """Return those of some pictures that lines of orders show."""
    if not names:
        return set()
    found = tx.execute(
        text("SELECT DISTINCT picture FROM shop_order_lines WHERE picture = ANY (:names)"), {"names": list(names)}
    )
    return set(found.scalars())


def add_order(tx: Transaction, draft: ShopOrderDraft, *, expires_at: datetime, now: datetime) -> None:
    """Insert an order that waits for its payment, with its lines."""
    tx.execute(
        _ADD,
        {
            "id": draft.id,
            "no": draft.no,
            "shopper_id": draft.shopper_id,
            "merchant_id": draft.merchant_id,
            "currency": draft.currency,
            "delivery": (Delivery.PICKUP if draft.pickup_point_id else Delivery.PARCEL).value,
            "address": asdict(draft.address),
            "pickup_point_id": draft.pickup_point_id,
            "note": draft.note,
            "goods_minor": draft.goods_minor,
            "discount_minor": draft.discount_minor,
            "freight_minor": draft.freight_minor,
            "payable_minor": draft.payable_minor,
            "coupon_id": draft.coupon_id,
            "expires_at": expires_at,
            "now": now,
        },
    )
    lines = [{"no": no, **asdict(line)} for no, line in enumerate(draft.lines)]
    tx.execute(_ADD_LINES, {"order_id": draft.id, "lines": lines})


def find_order(tx: Transaction, *, order_id: str, lock: bool = False) -> ShopOrder | None:
    """Return an order; with `lock`, nobody else changes anything of it until the transaction ends."""
    if lock:
        locked = tx.execute(text("SELECT 1 FROM shop_orders WHERE id = :id FOR NO KEY UPDATE"), {"id": order_id})
        if locked.one_or_none() is None:
            return None
    row = tx.execute(text(f"{_SELECT} WHERE o.id = :id"), {"id": order_id}).one_or_none()
    return None if row is None else _order(row)


def find_id_by_number(tx: Transaction, *, no: str) -> str | None:
    """Return the id of the order with a number."""
    return tx.execute(text("SELECT id FROM shop_orders WHERE no = :no"), {"no": no}).scalar_one_or_none()


def find_id_by_code(tx: Transaction, *, pickup_point_id: str, code: str) -> str | None:
    """Return the id of the order that waits at a point under a code."""
    found = tx.execute(
        text(
            "SELECT id FROM shop_orders WHERE pickup_point_id = :point AND pickup_code = :code"
            " AND state IN ('to_ship', 'shipped')"
        ),
        {"point": pickup_point_id, "code": code},
    )
    return found.scalar_one_or_none()


def list_orders(tx: Transaction, wanted: OrderFilter, *, before: str | None, limit: int) -> list[ShopOrder]:
    """Return orders, newest first, before the id `before`."""
    # Only the conditions asked for, each with an index of its own.
    conditions = {
        "shopper_id": ("o.shopper_id = :shopper_id", wanted.shopper_id),
        "merchant_ids": ("o.merchant_id = ANY (:merchant_ids)", list(wanted.merchant_ids) or None),
        "state": ("o.state = :state", None if wanted.state is None else wanted.state.value),
        "in_after_sale": ("(o.open_cases > 0) = :in_after_sale", wanted.in_after_sale),
        "pickup_point_id": ("o.pickup_point_id = :pickup_point_id", wanted.pickup_point_id),
        "text": (
            "(o.no = :text OR o.id IN (SELECT p.order_id FROM parcels p WHERE p.tracking_no = :text))",
            wanted.text,
        ),
        "placed_from": ("o.placed_at >= :placed_from", wanted.placed_from),
        "placed_to": ("o.placed_at < :placed_to", wanted.placed_to),
        "before": ("o.id < :before", before),
    }
    asked = {name: value for name, (_, value) in conditions.items() if value is not None}
    if wanted.in_after_sale:
        conditions["in_after_sale"] = ("o.open_cases > 0", None)
        asked.pop("in_after_sale")
    names = [*asked, *(["in_after_sale"] if wanted.in_after_sale else [])]
    where = " AND ".join(conditions[name][0] for name in names) or "true"
    rows = tx.execute(text(f"{_SELECT} WHERE {where} ORDER BY o.id DESC LIMIT :limit"), asked | {"limit": limit})
    return [_order(row) for row in rows]


def count_states(tx: Transaction, *, shopper_id: str) -> dict[str, int]:
    """Return how many orders a shopper has in each state, and `after_sale`."""
    rows = tx.execute(
        text(
            "SELECT state, count(*) AS number, count(*) FILTER (WHERE open_cases > 0) AS open"
            " FROM shop_orders WHERE shopper_id = :id GROUP BY state"
        ),
        {"id": shopper_id},
    ).all()
    return {row.state: row.number for row in rows} | {"after_sale": sum(row.open for row in rows)}


def has_bought(tx: Transaction, *, shopper_id: str) -> bool:
    """Tell whether a shopper has an order that is open or was paid."""
    found = tx.execute(
        text(
            "SELECT EXISTS (SELECT 1 FROM shop_orders WHERE shopper_id = :id"
            " AND (state <> 'closed' OR payment_id IS NOT NULL))"
        ),
        {"id": shopper_id},
    )
    return bool(found.scalar_one())


def list_unpaid_due(tx: Transaction, *, now: datetime, limit: int) -> list[str]:
    """Return ids of unpaid orders whose time is over, the longest over first."""
    rows = tx.execute(
        text(
            "SELECT id FROM shop_orders WHERE state = 'unpaid' AND expires_at <= :now ORDER BY expires_at, id LIMIT :n"
        ),
        {"now": now, "n": limit},
    )
    return list(rows.scalars())


def list_receipt_due(tx: Transaction, *, now: datetime, limit: int) -> list[str]:
    """Return ids of shipped orders that count as received, the longest over first."""
    rows = tx.execute(
        text(
            "SELECT id FROM shop_orders WHERE state = 'shipped' AND open_cases = 0 AND receive_by <= :now"
            " ORDER BY receive_by, id LIMIT :n"
        ),
        {"now": now, "n": limit},
    )
    return list(rows.scalars())


def change_order(
    tx: Transaction,
    order: ShopOrder,
    kind: str,
    *,
    made_by: str,
    detail: Mapping[str, Any] | None = None,
    now: datetime,
    **changes: Any,
) -> None:
    """Write changes of a locked order, give it its next version, and keep what happened under it."""
    assert changes.keys() <= _CHANGEABLE, changes
    state = changes.get("state", order.state)
    assignments = "".join(f"{name} = :{name}, " for name in changes)
    values = {name: value.value if isinstance(value, StrEnum) else value for name, value in changes.items()}
    tx.execute(
        text(f"UPDATE shop_orders SET {assignments}version = version + 1 WHERE id = :id"), {"id": order.id, **values}
    )
    tx.execute(
        _ADD_EVENT,
        {
            "order_id": order.id,
            "version": order.version + 1,
            "kind": kind,
            "state": str(state),
            "detail": dict(detail or {}),
            "made_by": made_by,
            "now": now,
        },
    )


def add_first_event(tx: Transaction, *, order_id: str, made_by: str, now: datetime) -> None:
    """Keep that an order was placed, as its first version."""
    tx.execute(
        _ADD_EVENT,
        {"order_id": order_id, "version": 1, "kind": "placed", "state": "unpaid", "detail": {}, "made_by": made_by,
         "now": now},
    )  # fmt: skip


def add_to_lines(
    tx: Transaction,
    *,
    order_id: str,
    nos: Sequence[int],
    shipped: Sequence[int] | None = None,
    cancelled: Sequence[int] | None = None,
    claimed: Sequence[int] | None = None,
    minor: Sequence[int] | None = None,
) -> None:
    """Add to what was shipped, cancelled and claimed of lines; what is not given stays."""
    none = [0] * len(nos)
    tx.execute(
        _ADD_TO_LINES,
        {
            "order_id": order_id,
            "nos": list(nos),
            "shipped": list(shipped or none),
            "cancelled": list(cancelled or none),
            "claimed": list(claimed or none),
            "minor": list(minor or none),
        },
    )


def list_events(tx: Transaction, *, order_id: str, after: int, limit: int) -> list[OrderEvent]:
    """Return what happened to an order after a version, oldest first."""
    rows = tx.execute(
        text("SELECT * FROM shop_order_events WHERE order_id = :id AND version > :after ORDER BY version LIMIT :limit"),
        {"id": order_id, "after": after, "limit": limit},
    )
    return [
        OrderEvent(x.order_id, x.version, x.kind, OrderState(x.state), x.detail, x.made_by, x.created_at) for x in rows
    ]


def add_note(tx: Transaction, note: OrderNote) -> None:
    """Insert a remark of staff."""
    tx.execute(
        text(
            "INSERT INTO shop_order_notes (id, order_id, body, made_by, created_at)"
            " VALUES (:id, :order_id, :body, :made_by, :created_at)"
        ),
        asdict(note),
    )


def list_notes(tx: Transaction, *, order_id: str, limit: int) -> list[OrderNote]:
    """Return the remarks on an order, newest first."""
    rows = tx.execute(
        text("SELECT * FROM shop_order_notes WHERE order_id = :id ORDER BY id DESC LIMIT :limit"),
        {"id": order_id, "limit": limit},
    )
    return [OrderNote(x.id, x.order_id, x.body, x.made_by, x.created_at) for x in rows]


def list_order_ids(tx: Transaction, *, numbers: Sequence[str]) -> dict[str, str]:
    """Return orders' ids by their numbers; unknown ones are left out."""
    rows = tx.execute(
        text("SELECT no, id FROM shop_orders WHERE no = ANY (:numbers)").bindparams(
            bindparam("numbers", type_=ARRAY(Text))
        ),
        {"numbers": list(numbers)},
    )
    return {row.no: row.id for row in rows}


def _order(row: Row[Any]) -> ShopOrder:
    return ShopOrder(
        id=row.id,
        no=row.no,
        shopper_id=row.shopper_id,
        merchant_id=row.merchant_id,
        currency=row.currency,
        state=OrderState(row.state),
        delivery=Delivery(row.delivery),
        address=Address(**row.address),
        pickup_point_id=row.pickup_point_id,
        pickup_code=row.pickup_code,
        note=row.note,
        goods_minor=row.goods_minor,
        discount_minor=row.discount_minor,
        freight_minor=row.freight_minor,
        payable_minor=row.payable_minor,
        claimed_freight_minor=row.claimed_freight_minor,
        coupon_id=row.coupon_id,
        payment_id=row.payment_id,
        open_cases=row.open_cases,
        placed_at=row.placed_at,
        expires_at=row.expires_at,
        paid_at=row.paid_at,
        shipped_at=row.shipped_at,
        receive_by=row.receive_by,
        completed_at=row.completed_at,
        closed_at=row.closed_at,
        close_reason=row.close_reason,
        version=row.version,
        lines=tuple(_line(*one) for one in row.lines),
    )


def _line(no: int, sku_id: str, product_id: str, code: str, name: str, spec: list[str], *rest: Any) -> ShopLine:
    return ShopLine(no, sku_id, product_id, code, name, tuple(spec), *rest)
