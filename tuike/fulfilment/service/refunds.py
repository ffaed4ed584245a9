"""Refunds: what after-sale decided, and what became of it at the provider."""

from datetime import datetime

from tuike import catalog, orders
from tuike.catalog import StockLine
from tuike.db import Transaction, outbox
from tuike.fulfilment import rules
from tuike.fulfilment.model import (
    Case,
    CaseKind,
    CaseState,
    RefundNotFound,
    RefundState,
    ShopOrder,
    ShopRefund,
    WrongState,
)
from tuike.fulfilment.service.orders import lock_order
from tuike.fulfilment.service.progress import settle_progress
from tuike.fulfilment.store import cases as store
from tuike.fulfilment.store import orders as order_store
from tuike.shared import ids

REFUND_DUE = "refund.due"
"""Outbox topic: money has to go back; its key is the refund's id."""

_MAX_REFUNDS = 200


def owe_refund(tx: Transaction, case: Case, *, now: datetime) -> ShopRefund:
    """Let the refund of a decided case be due; its order is locked."""
    refund_id = ids.new_id("refund")
    store.add_refund(tx, refund_id=refund_id, case=case, now=now)
    outbox.emit(tx, topic=REFUND_DUE, key=refund_id, now=now)
    return get_refund(tx, refund_id=refund_id)


def get_refund(tx: Transaction, *, refund_id: str) -> ShopRefund:
    """Return a refund. Raises RefundNotFound."""
    refund = store.find_refund(tx, refund_id=refund_id)
    if refund is None:
        raise RefundNotFound
    return refund


def find_refund_of_case(tx: Transaction, *, case_id: str) -> ShopRefund | None:
    """Return the refund that a case led to."""
    return store.find_refund(tx, case_id=case_id)


def list_refunds_due(tx: Transaction, *, limit: int) -> list[ShopRefund]:
    """Return refunds that the provider was not asked for, or whose answer is open (`sent`), oldest first."""
    return store.list_refunds(tx, states=(RefundState.DUE, RefundState.SENT), limit=limit)


def list_shop_refunds(tx: Transaction, *, order_id: str) -> list[ShopRefund]:
    """Return an order's refunds, oldest first."""
    return store.list_refunds(tx, order_id=order_id, limit=_MAX_REFUNDS)


def mark_refund_sent(tx: Transaction, *, refund_id: str, now: datetime) -> ShopRefund:
    """Keep that the provider was asked for a refund, whatever it answers. Raises RefundNotFound."""
    _, refund = _lock(tx, refund_id)
    if refund.state is RefundState.DUE:
        store.set_refund(tx, refund_id=refund_id, state=RefundState.SENT, now=now)
    return get_refund(tx, refund_id=refund_id)


def mark_refunded(tx: Transaction, *, refund_id: str, refunded_at: datetime, now: datetime) -> ShopRefund:
    """Record that money went back: commissions follow, pieces go back on the shelf, the case ends.

    A second time changes nothing; a refund that had failed may succeed after all. Raises RefundNotFound.
    """
    order, refund = _lock(tx, refund_id)
    if refund.state is RefundState.SUCCEEDED:
        return refund
    lines = {line.no: line for line in order.lines}
    orders.record_refund(
        tx,
        order_id=order.id,
        refund_id=refund_id,
        refunded_at=min(refunded_at, now),
        lines=[
            orders.RefundLine(lines[part.no].sku_id, part.quantity, part.amount_minor)
            for part in refund.lines
            if part.amount_minor
        ],
        shipping_minor=refund.freight_minor,
        now=now,
    )
    store.set_refund(tx, refund_id=refund_id, state=RefundState.SUCCEEDED, now=now)
    store.change_case(tx, case_id=refund.case_id, state=CaseState.REFUNDED, ended_at=now, deadline_at=None)
    changes: dict[str, object] = {"open_cases": order.open_cases - 1}
    if order.receive_by is not None:
        changes["receive_by"] = max(order.receive_by, now + rules.RECEIVE_AFTER_CASE)
    detail = {"case_id": refund.case_id, "refund_id": refund_id, "amount_minor": refund.amount_minor}
    order_store.change_order(tx, order, "refunded", made_by="system", detail=detail, now=now, **changes)
    settle_progress(tx, order_id=order.id, now=now)
    _return_pieces(tx, order, refund, now=now)
    return get_refund(tx, refund_id=refund_id)


def mark_refund_failed(tx: Transaction, *, refund_id: str, reason: str, now: datetime) -> ShopRefund:
    """Keep why a refund failed at the provider; the case stays open until staff tries again. Raises RefundNotFound.

    One that succeeded stays so.
    """
    order, refund = _lock(tx, refund_id)
    if refund.state in {RefundState.SUCCEEDED, RefundState.FAILED}:
        return refund
    store.set_refund(tx, refund_id=refund_id, state=RefundState.FAILED, failure=reason[:500], now=now)
    detail = {"case_id": refund.case_id, "refund_id": refund_id}
    order_store.change_order(tx, order, "refund_failed", made_by="system", detail=detail, now=now)
    return get_refund(tx, refund_id=refund_id)


def retry_refund(tx: Transaction, *, refund_id: str, made_by: str, now: datetime) -> ShopRefund:
    """Let a failed refund be due again, under the same number. Raises RefundNotFound, WrongState."""
    order, refund = _lock(tx, refund_id)
    if refund.state is RefundState.DUE:
        return refund
    if refund.state is not RefundState.FAILED:
        raise WrongState(f"The refund is {refund.state}.", fields={"state": [refund.state.value]})
    store.set_refund(tx, refund_id=refund_id, state=RefundState.DUE, now=now)
    detail = {"case_id": refund.case_id, "refund_id": refund_id}
    order_store.change_order(tx, order, "refund_retried", made_by=made_by, detail=detail, now=now)
    outbox.emit(tx, topic=REFUND_DUE, key=refund_id, now=now)
    return get_refund(tx, refund_id=refund_id)


def _return_pieces(tx: Transaction, order: ShopOrder, refund: ShopRefund, *, now: datetime) -> None:
    """Put back on the shelf what did not leave or came back; pieces that the shopper keeps are gone."""
    case = store.find_case(tx, case_id=refund.case_id)
    assert case is not None, "a refund has a case"
    came_back = case.kind is CaseKind.RETURN_AND_REFUND
    skus = {line.no: line.sku_id for line in order.lines}
    back = [
        StockLine(skus[line.no], pieces)
        for line in case.lines
        if (pieces := line.quantity if came_back else line.unshipped_quantity)
    ]
    if back:
        catalog.return_stock(tx, order_id=order.id, return_id=refund.id, lines=back, now=now)


def _lock(tx: Transaction, refund_id: str) -> tuple[ShopOrder, ShopRefund]:
    order = lock_order(tx, order_id=get_refund(tx, refund_id=refund_id).order_id)
    return order, get_refund(tx, refund_id=refund_id)
