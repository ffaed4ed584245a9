"""Rows of orders, lines and refunds."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import BigInteger, Integer, SmallInteger, Text

from tuike.db import Transaction, Write, write_together
from tuike.orders.model import Attribution, AttributionReason, Line, NewOrder, Order, OrderStatus, Refund, RefundPart

_ADD_ORDER = """
    INSERT INTO orders (id, external_id, buyer_id, merchant_id, currency, status, goods_minor, shipping_minor,
                        touch_id, visitor_id, plan_name, plan_version, attribution_state, attribution_promoter_id,
                        attribution_model, attribution_reason, attribution_touch_id, placed_at, created_at)
    VALUES (:id, :external_id, :buyer_id, :merchant_id, :currency, 'placed', :goods_minor, :shipping_minor,
            :touch_id, :visitor_id, :plan_name, :plan_version, :state, :promoter_id, :model, :reason,
            :attribution_touch_id, :placed_at, :now)
"""
# Line rates travel as text ('{1000,300}'), because arrays of arrays must be square.
_ADD_LINES = """
    INSERT INTO order_lines (order_id, no, sku, quantity, amount_minor, category, rates_bps)
    SELECT :id, line.no, line.sku, line.quantity, line.amount_minor, line.category, line.rates_bps ::integer[]
    FROM unnest(:nos, :skus, :quantities, :amounts, :categories, :rates)
         AS line (no, sku, quantity, amount_minor, category, rates_bps)
"""
_LINE_TYPES = (
    bindparam("nos", type_=ARRAY(SmallInteger)),
    bindparam("skus", type_=ARRAY(Text)),
    bindparam("quantities", type_=ARRAY(Integer)),
    bindparam("amounts", type_=ARRAY(BigInteger)),
    bindparam("categories", type_=ARRAY(Text)),
    bindparam("rates", type_=ARRAY(Text)),
)

_SELECT_ORDERS = """
    SELECT o.*, (SELECT json_agg(json_build_array(l.no, l.sku, l.quantity, l.amount_minor, l.refunded_minor, l.category,
                                                  l.rates_bps) ORDER BY l.no)
                 FROM order_lines l WHERE l.order_id = o.id) AS lines
    FROM orders o
"""

_GET_ORDER = text(f"{_SELECT_ORDERS} WHERE o.id = :id")
_LOCK_ORDER = text("SELECT 1 FROM orders WHERE id = :id FOR UPDATE")

_PROGRESS = text(
    """
    SELECT o.id, o.received_at,
           (SELECT array_agg(l.refunded_minor ORDER BY l.no) FROM order_lines l WHERE l.order_id = o.id) AS refunded
    FROM orders o WHERE o.id = ANY (:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(Text)))

_ADD_REFUND = text(
    """
    INSERT INTO refunds (id, order_id, refunded_at, amount_minor, shipping_minor, parts, request, created_at)
    VALUES (:id, :order_id, :refunded_at, :amount_minor, :shipping_minor, :parts, :request, :now)
    """
).bindparams(bindparam("parts", type_=ARRAY(BigInteger)), bindparam("request", type_=JSONB))

_TAKE_FROM_LINES = text(
    """
    UPDATE order_lines l SET refunded_minor = l.refunded_minor + part.amount
    FROM unnest(:nos, :amounts) AS part (no, amount)
    WHERE l.order_id = :order_id AND l.no = part.no
    """
).bindparams(bindparam("nos", type_=ARRAY(SmallInteger)), bindparam("amounts", type_=ARRAY(BigInteger)))


def add_order(tx: Transaction, new: NewOrder, *, also: Sequence[Write] = (), now: datetime) -> None:
    """Insert an order with its lines, and what goes with it in the same statement.

    Raises IntegrityError on a taken external id.
    """
    order = {
        "id": new.id,
        "external_id": new.external_id,
        "buyer_id": new.buyer_id,
        "merchant_id": new.merchant_id,
        "currency": new.currency,
        "goods_minor": sum(line.amount_minor for line in new.lines),
        "shipping_minor": new.shipping_minor,
        "touch_id": new.touch_id,
        "visitor_id": new.visitor_id,
        "plan_name": new.plan_name,
        "plan_version": new.plan_version,
        "state": "pending" if new.attribution.is_pending else "resolved",
        "promoter_id": new.attribution.promoter_id,
        "model": new.attribution.model,
        "reason": new.attribution.reason.value,
        "attribution_touch_id": new.attribution.touch_id,
        "placed_at": new.placed_at,
        "now": now,
    }
    lines = {
        "nos": list(range(len(new.lines))),
        "skus": [line.sku for line in new.lines],
        "quantities": [line.quantity for line in new.lines],
        "amounts": [line.amount_minor for line in new.lines],
        "categories": [line.category for line in new.lines],
        "rates": [None if x.rates_bps is None else f"{{{','.join(map(str, x.rates_bps))}}}" for x in new.lines],
    }
    placed = Write("placed", _ADD_ORDER, order)
    write_together(tx, placed, *also, Write("lined", _ADD_LINES, lines, _LINE_TYPES))


def find_order(tx: Transaction, *, order_id: str, lock: bool = False) -> Order | None:
    """Return an order with its lines; with `lock`, nobody else changes it until the transaction ends."""
    if lock and tx.execute(_LOCK_ORDER, {"id": order_id}).one_or_none() is None:
        return None
    row = tx.execute(_GET_ORDER, {"id": order_id}).one_or_none()
    return _order(row) if row else None


def list_orders(
    tx: Transaction,
    *,
    external_id: str | None,
    buyer_id: str | None,
    merchant_ids: Sequence[str],
    after: str | None,
    limit: int,
) -> list[Order]:
    """Return orders in the order of their ids, after `after`."""
    # Only the conditions asked for: one statement for all of them would be planned once, for none in particular.
    asked = {
        "external_id": external_id, "buyer_id": buyer_id, "merchant_ids": list(merchant_ids) or None, "after": after,
    }  # fmt: skip
    named = {name: value for name, value in asked.items() if value is not None}
    rows = tx.execute(_make_list(tuple(named)), named | {"limit": limit})
    return [_order(row) for row in rows]


@cache
def _make_list(names: tuple[str, ...]) -> TextClause:
    conditions = {"external_id": "o.external_id = :external_id", "buyer_id": "o.buyer_id = :buyer_id",
                  "merchant_ids": "o.merchant_id = ANY (:merchant_ids)", "after": "o.id > :after"}  # fmt: skip
    where = " AND ".join(conditions[name] for name in names) or "true"
    return text(f"{_SELECT_ORDERS} WHERE {where} ORDER BY o.id LIMIT :limit")


def list_progress(tx: Transaction, *, order_ids: Sequence[str]) -> dict[str, tuple[datetime | None, list[int]]]:
    """Return, by order, when it was received and what was refunded of each line."""
    return {row.id: (row.received_at, row.refunded) for row in tx.execute(_PROGRESS, {"ids": list(order_ids)})}


def set_attribution(tx: Transaction, *, order_id: str, attribution: Attribution) -> None:
    """Write the decision of an order that waited for it."""
    tx.execute(
        text(
            """
            UPDATE orders SET attribution_state = 'resolved', attribution_promoter_id = :promoter_id,
                   attribution_reason = :reason, attribution_touch_id = :touch_id
            WHERE id = :id AND attribution_state = 'pending'
            """
        ),
        {
            "id": order_id,
            "promoter_id": attribution.promoter_id,
            "reason": attribution.reason.value,
            "touch_id": attribution.touch_id,
        },
    )


def set_paid(tx: Transaction, *, order_id: str, payment_id: str, paid_at: datetime) -> None:
    """Write the payment. Raises IntegrityError when the payment id is taken."""
    tx.execute(
        text("UPDATE orders SET status = 'paid', payment_id = :payment_id, paid_at = :paid_at WHERE id = :id"),
        {"id": order_id, "payment_id": payment_id, "paid_at": paid_at},
    )


def set_received(tx: Transaction, *, order_id: str, received_at: datetime) -> None:
    """Write the receipt; a wholly refunded order keeps its status."""
    tx.execute(
        text(
            "UPDATE orders SET received_at = :received_at, "
            "status = CASE WHEN status = 'paid' THEN 'received' ELSE status END WHERE id = :id"
        ),
        {"id": order_id, "received_at": received_at},
    )


def find_refund(tx: Transaction, *, refund_id: str) -> tuple[Refund, dict[str, Any]] | None:
    """Return a refund with the request that made it."""
    row = tx.execute(text(f"{_SELECT_REFUNDS} WHERE r.id = :id"), {"id": refund_id}).one_or_none()
    return (_refund(row), row.request) if row else None


def list_refunds(tx: Transaction, *, order_id: str) -> list[Refund]:
    """Return an order's refunds, oldest first."""
    rows = tx.execute(
        text(f"{_SELECT_REFUNDS} WHERE r.order_id = :order_id ORDER BY r.created_at, r.id"), {"order_id": order_id}
    )
    return [_refund(row) for row in rows]


def add_refund(
    tx: Transaction, order: Order, refund: Refund, *, parts: Sequence[int], request: dict[str, Any], now: datetime
) -> None:
    """Insert a refund and take it from the order and its lines. Raises IntegrityError when the id is taken."""
    tx.execute(
        _ADD_REFUND,
        {
            "id": refund.id,
            "order_id": order.id,
            "refunded_at": refund.refunded_at,
            "amount_minor": refund.amount_minor,
            "shipping_minor": refund.shipping_minor,
            "parts": list(parts),
            "request": request,
            "now": now,
        },
    )
    tx.execute(
        _TAKE_FROM_LINES,
        {
            "order_id": order.id,
            "nos": [part.no for part in refund.lines],
            "amounts": [part.amount_minor for part in refund.lines],
        },
    )
    tx.execute(
        text(
            """
            UPDATE orders SET refunded_minor = refunded_minor + :amount,
                   refunded_shipping_minor = refunded_shipping_minor + :shipping,
                   status = CASE WHEN refunded_minor + :amount = goods_minor + shipping_minor THEN 'refunded'
                                 ELSE status END
            WHERE id = :id
            """
        ),
        {"id": order.id, "amount": refund.amount_minor, "shipping": refund.shipping_minor},
    )


_SELECT_REFUNDS = """
    SELECT r.*, (SELECT array_agg(l.sku ORDER BY l.no) FROM order_lines l WHERE l.order_id = r.order_id) AS skus
    FROM refunds r
"""


def _refund(row: Row[Any]) -> Refund:
    parts = tuple(
        RefundPart(no, sku, amount) for no, (sku, amount) in enumerate(zip(row.skus, row.parts, strict=True)) if amount
    )
    return Refund(row.id, row.order_id, row.refunded_at, row.amount_minor, row.shipping_minor, parts)


def _order(row: Row[Any]) -> Order:
    return Order(
        id=row.id,
        external_id=row.external_id,
        buyer_id=row.buyer_id,
        merchant_id=row.merchant_id,
        currency=row.currency,
        status=OrderStatus(row.status),
        goods_minor=row.goods_minor,
        shipping_minor=row.shipping_minor,
        refunded_minor=row.refunded_minor,
        refunded_shipping_minor=row.refunded_shipping_minor,
        touch_id=row.touch_id,
        visitor_id=row.visitor_id,
        plan_name=row.plan_name,
        plan_version=row.plan_version,
        attribution=Attribution(
            row.attribution_promoter_id,
            row.attribution_model,
            AttributionReason(row.attribution_reason),
            row.attribution_touch_id,
        ),
        payment_id=row.payment_id,
        placed_at=row.placed_at,
        paid_at=row.paid_at,
        received_at=row.received_at,
        lines=tuple(
            Line(no, sku, quantity, amount, refunded, category, None if rates is None else tuple(rates))
            for no, sku, quantity, amount, refunded, category, rates in row.lines
        ),
    )
