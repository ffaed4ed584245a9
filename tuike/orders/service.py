"""Verbs of orders: each records a fact once and emits what follows from it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from tuike.db import Transaction, Write, outbox
from tuike.orders import store
from tuike.orders.model import (
    AlreadyPaid,
    AmountMismatch,
    Attribution,
    Line,
    NewOrder,
    Order,
    OrderExternalIdTaken,
    OrderNotFound,
    OrderNotPaid,
    OrderStatus,
    PaymentIdTaken,
    Refund,
    RefundAmbiguous,
    RefundIdTaken,
    RefundLine,
    RefundPart,
)
from tuike.orders.rules import check_freight, decide_refund_by_amount, decide_refund_by_lines
from tuike.shared import clock
from tuike.shared.pages import Page, decode_cursor, encode_cursor


def add_order(tx: Transaction, new: NewOrder, *, also: Sequence[Write] = (), now: datetime) -> Order:
    """Record a placed order with the decisions taken for it, and `also` what others keep of it, in one statement.

    Raises OrderExternalIdTaken (`external_id_taken`).
    """
    try:
        store.add_order(tx, new, also=also, now=now)
    except IntegrityError as error:
        if _broken(error) == "orders_external_id_key":
            raise OrderExternalIdTaken(fields={"external_id": ["Another order has it."]}) from error
        raise
    lines = tuple(
        Line(no, line.sku, line.quantity, line.amount_minor, 0, line.category, line.rates_bps)
        for no, line in enumerate(new.lines)
    )
    return Order(
        id=new.id,
        external_id=new.external_id,
        buyer_id=new.buyer_id,
        merchant_id=new.merchant_id,
        currency=new.currency,
        status=OrderStatus.PLACED,
        goods_minor=sum(line.amount_minor for line in lines),
        shipping_minor=new.shipping_minor,
        refunded_minor=0,
        refunded_shipping_minor=0,
        touch_id=new.touch_id,
        visitor_id=new.visitor_id,
        plan_name=new.plan_name,
        plan_version=new.plan_version,
        attribution=new.attribution,
        payment_id=None,
        placed_at=new.placed_at,
        paid_at=None,
        received_at=None,
        lines=lines,
    )


def record_payment(
    tx: Transaction, *, order_id: str, payment_id: str, paid_at: datetime, amount_minor: int, now: datetime
) -> Order:
    """Record that an order was paid; the same payment again changes nothing.

    Raises OrderNotFound, AlreadyPaid (by another payment), PaymentIdTaken, AmountMismatch, ValidationFailed (future).
    """
    clock.refuse_future("paid_at", paid_at, now=now)
    order = _lock(tx, order_id)
    if order.payment_id is not None and order.payment_id != payment_id:
        raise AlreadyPaid(fields={"payment_id": ["The order was paid by another payment."]})
    if amount_minor != order.total_minor:
        raise AmountMismatch(fields={"amount_minor": [f"The order costs {order.total_minor}."]})
    if order.payment_id is not None:
        return order
    try:
        store.set_paid(tx, order_id=order_id, payment_id=payment_id, paid_at=paid_at)
    except IntegrityError as error:
        if _broken(error) == "orders_payment_id_key":
            raise PaymentIdTaken(fields={"payment_id": ["Another order was paid by it."]}) from error
        raise
    _emit(tx, "order.paid", order, now=now)
    return _get(tx, order_id)


def record_receipt(tx: Transaction, *, order_id: str, received_at: datetime, now: datetime) -> Order:
    """Record that the goods arrived, which starts the holding period; a second receipt keeps the first instant.

    Raises OrderNotFound, OrderNotPaid, ValidationFailed (future).
    """
    clock.refuse_future("received_at", received_at, now=now)
    order = _lock(tx, order_id)
    if order.payment_id is None:
        raise OrderNotPaid
    if order.received_at is not None:
        return order
    store.set_received(tx, order_id=order_id, received_at=received_at)
    _emit(tx, "order.received", order, now=now)
    return _get(tx, order_id)


def record_refund(
    tx: Transaction,
    *,
    order_id: str,
    refund_id: str,
    refunded_at: datetime,
    amount_minor: int | None = None,
    lines: Sequence[RefundLine] | None = None,
    shipping_minor: int = 0,
    now: datetime,
) -> tuple[Refund, bool]:
    """Record a refund by amount or by lines; return it and whether it is new. The same one again changes nothing.

    `shipping_minor` is freight that goes back beside the lines; a refund by amount decides about freight itself.
    Raises OrderNotFound, OrderNotPaid, RefundIdTaken, RefundAmbiguous, RefundExceedsPaid, LineNotFound,
    AmountNotPositive, ValidationFailed (future).
    """
    clock.refuse_future("refunded_at", refunded_at, now=now)
    if (amount_minor is None) == (lines is None):
        raise RefundAmbiguous(fields={"amount_minor": ["Give either amount_minor or lines."]})
    if lines is None and shipping_minor:
        raise RefundAmbiguous(fields={"shipping_minor": ["Goes with lines only."]})
    order = _lock(tx, order_id)
    request = _describe(refunded_at, amount_minor, lines, shipping_minor)
    known = store.find_refund(tx, refund_id=refund_id)
    if known is not None:
        return _repeat(known, order_id, request), False
    if order.payment_id is None:
        raise OrderNotPaid
    if lines is None:
        parts, freight = decide_refund_by_amount(order, amount_minor or 0)
    else:
        parts, freight = decide_refund_by_lines(order, lines), check_freight(order, shipping_minor)
    refund = Refund(
        refund_id,
        order_id,
        refunded_at,
        sum(parts) + freight,
        freight,
        tuple(RefundPart(line.no, line.sku, part) for line, part in zip(order.lines, parts, strict=True) if part),
    )
    try:
        store.add_refund(tx, order, refund, parts=parts, request=request, now=now)
    except IntegrityError as error:
        if _broken(error) == "refunds_pkey":
            raise RefundIdTaken(fields={"refund_id": ["Another refund has it."]}) from error
        raise
    if refund.lines:
        _emit(tx, "order.refunded", order, now=now)
    return refund, True


def get_order(tx: Transaction, *, order_id: str) -> Order:
    """Return an order. Raises OrderNotFound."""
    return _get(tx, order_id)


def list_orders(
    tx: Transaction,
    *,
    external_id: str | None = None,
    buyer_id: str | None = None,
    merchant_ids: Sequence[str] = (),
    limit: int,
    cursor: str | None = None,
) -> Page[Order]:
    """Return a page of orders, oldest first, optionally of one external id, one buyer or some merchants."""
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_orders(
        tx, external_id=external_id, buyer_id=buyer_id, merchant_ids=merchant_ids, after=after, limit=limit + 1
    )
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def list_refunds(tx: Transaction, *, order_id: str) -> list[Refund]:
    """Return an order's refunds, oldest first. Raises OrderNotFound."""
    _get(tx, order_id)
    return store.list_refunds(tx, order_id=order_id)


def list_progress(tx: Transaction, *, order_ids: Sequence[str]) -> dict[str, tuple[datetime | None, list[int]]]:
    """Return, by order id, when it was received (or None) and what was refunded of each line, in line order."""
    return store.list_progress(tx, order_ids=order_ids)


def lock_pending(tx: Transaction, *, order_id: str) -> Order | None:
    """Return an order whose attribution is still pending, locked; None when it is decided. Raises OrderNotFound."""
    order = _lock(tx, order_id)
    return order if order.attribution.is_pending else None


def set_attribution(tx: Transaction, *, order: Order, attribution: Attribution, now: datetime) -> None:
    """Write the decision of an order that waited for it, and emit again what had happened to it meanwhile."""
    store.set_attribution(tx, order_id=order.id, attribution=attribution)
    if attribution.promoter_id is None:
        return
    happened = {
        "order.paid": order.payment_id is not None,
        "order.received": order.received_at is not None,
        "order.refunded": order.refunded_minor > 0,
    }
    for topic, did in happened.items():
        if did:
            outbox.emit(tx, topic=topic, key=order.id, now=now)


def _emit(tx: Transaction, topic: str, order: Order, *, now: datetime) -> None:
    # Without a promoter nothing follows; while the decision waits, `set_attribution` emits what happened.
    if order.attribution.promoter_id is not None:
        outbox.emit(tx, topic=topic, key=order.id, now=now)


def _lock(tx: Transaction, order_id: str) -> Order:
    order = store.find_order(tx, order_id=order_id, lock=True)
    if order is None:
        raise OrderNotFound
    return order


def _get(tx: Transaction, order_id: str) -> Order:
    order = store.find_order(tx, order_id=order_id)
    if order is None:
        raise OrderNotFound
    return order


def _repeat(known: tuple[Refund, dict[str, Any]], order_id: str, request: dict[str, Any]) -> Refund:
    refund, first_request = known
    if refund.order_id != order_id or first_request != request:
        raise RefundIdTaken(fields={"refund_id": ["Another refund has it."]})
    return refund


def _describe(
    refunded_at: datetime, amount_minor: int | None, lines: Sequence[RefundLine] | None, shipping_minor: int
) -> dict[str, Any]:
    freight = {"shipping_minor": shipping_minor} if shipping_minor else {}
    return freight | {
        "refunded_at": clock.format_instant(refunded_at),
        "amount_minor": amount_minor,
        "lines": None if lines is None else [[line.sku, line.quantity, line.amount_minor] for line in lines],
    }


def _broken(error: IntegrityError) -> str | None:
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "constraint_name", None)
