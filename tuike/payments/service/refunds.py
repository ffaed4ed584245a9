"""Money that goes back: what after-sale decides and what could not be kept, each once however often it is asked for."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from tuike import fulfilment, orders, wallet
from tuike import providers as outside
from tuike.db import Database, Transaction
from tuike.payments import rules
from tuike.payments.desks import Counter
from tuike.payments.model import (
    PayBy,
    PaymentRefund,
    PaymentRefundNotFound,
    PaymentWrongState,
    RefundCause,
    RefundState,
)
from tuike.payments.store import charges as charge_store
from tuike.payments.store import refunds as store
from tuike.payments.store import rows
from tuike.shared.pages import Page, decode_cursor, encode_cursor

log = structlog.get_logger(__name__)

CLOSED_THERE = "the provider closed the refund"
_LOOK_EVERY = timedelta(seconds=30)
_SOON = timedelta(seconds=3)


def take_refund(tx: Transaction, *, refund_id: str, now: datetime) -> None:
    """Take over what after-sale has decided to give back; again after it failed, under another number.

    An order that no payment of ours paid gets its refund marked as failed. Raises RefundNotFound.
    """
    due = fulfilment.get_refund(tx, refund_id=refund_id)
    rows.lock_order(tx, due.order_id)
    payment = charge_store.find_paying(tx, order_id=due.order_id)
    if payment is None:
        fulfilment.mark_refund_failed(tx, refund_id=refund_id, reason="no payment of ours paid this order", now=now)
        return
    is_new = store.add_refund(
        tx, id=refund_id, payment_id=payment.id, cause=RefundCause.AFTER_SALE, amount_minor=due.amount_minor,
        reason="售后退款 After-sale", now=now,
    )  # fmt: skip
    if not is_new:
        known = _lock(tx, refund_id)
        if known.state is RefundState.FAILED:
            store.set_number(tx, refund_id=refund_id, out_no=rules.next_refund_number(known.out_no), now=now)
    fulfilment.mark_refund_sent(tx, refund_id=refund_id, now=now)


def execute_refund(db: Database, counter: Counter, *, refund_id: str, now: datetime) -> PaymentRefund:
    """Bring a refund that is due one step on: ask for it, or ask how it went.

    Raises PaymentRefundNotFound, ProviderUnavailable; it then stays due.
    """
    with db.transaction() as tx:
        refund = _lock(tx, refund_id)
        if refund.state in (RefundState.SUCCEEDED, RefundState.FAILED, RefundState.HELD):
            return refund
        if refund.provider is PayBy.WALLET:
            return _refund_to_wallet(tx, refund, now=now)
        if refund.asked_at is None:
            waits_until = _find_turn(tx, refund, now=now)
            if waits_until is not None:
                store.set_state(tx, refund_id=refund_id, state=waits_until[0], next_at=waits_until[1])
                return get_refund(tx, refund_id=refund_id)
        is_first = refund.state in (RefundState.DUE, RefundState.ASKING)
        if is_first:
            store.set_asking(tx, refund_id=refund_id, now=now)
    desk = counter.at(refund.provider)
    try:
        found = desk.refund(refund) if is_first else desk.find_refund(refund)
    except outside.ProviderRefused as refusal:
        return _learn_from_refusal(db, counter, refund, refusal, now=now)
    with db.transaction() as tx:
        applied = apply_refund(tx, found, now=now) if found is not None else None
        return applied or get_refund(tx, refund_id=refund_id)


def apply_refund(tx: Transaction, fact: outside.Refund, *, now: datetime) -> PaymentRefund | None:
    """Bring a refund in line with what its provider says, however often; None when it is not ours."""
    refund_id = store.find_id_by_number(tx, out_no=fact.out_refund_no)
    if refund_id is None:
        log.error("refund.unknown", out_refund_no=fact.out_refund_no[:64])
        return None
    refund = _lock(tx, refund_id)
    if refund.state in (RefundState.SUCCEEDED, RefundState.FAILED) or refund.out_no != fact.out_refund_no:
        return refund
    if fact.amount_minor != refund.amount_minor:
        _write(tx, refund, RefundState.HELD, note=f"the provider speaks of {fact.amount_minor}", now=now)
    elif fact.state is outside.RefundState.SUCCEEDED:
        _succeed(tx, refund, fact.provider_no, min(fact.refunded_at or now, now), now=now)
    elif fact.state is outside.RefundState.CLOSED:
        _fail(tx, refund, CLOSED_THERE, now=now)
    elif fact.state is outside.RefundState.ABNORMAL:
        _write(tx, refund, RefundState.HELD, note="abnormal: the payer's account takes no money", now=now)
    else:
        wait = _SOON if refund.state is not RefundState.PROCESSING else _LOOK_EVERY
        next_at = rules.next_try_at(refund.attempts, now=now, first=wait)
        store.set_state(
            tx, refund_id=refund.id, state=RefundState.PROCESSING, next_at=next_at, provider_no=fact.provider_no
        )
    return get_refund(tx, refund_id=refund.id)


def retry_refund(tx: Transaction, *, refund_id: str, now: datetime) -> PaymentRefund:
    """Ask the provider again for a refund that is held: under the same number, unless the provider has closed it.

    Raises PaymentRefundNotFound, PaymentWrongState.
    """
    refund = _lock(tx, refund_id)
    if refund.state is not RefundState.HELD:
        raise PaymentWrongState(f"The refund is {refund.state.value}; this needs one that is held.")
    if refund.note == CLOSED_THERE:
        store.set_number(tx, refund_id=refund_id, out_no=rules.next_refund_number(refund.out_no), now=now)
    else:
        store.set_state(tx, refund_id=refund_id, state=RefundState.ASKING, next_at=now)
    return get_refund(tx, refund_id=refund_id)


def settle_refund_by_hand(tx: Transaction, *, refund_id: str, note: str, now: datetime) -> PaymentRefund:
    """Record that a person gave the money of a held refund back by other means.

    Raises PaymentRefundNotFound, PaymentWrongState.
    """
    refund = _lock(tx, refund_id)
    if refund.state is not RefundState.HELD:
        raise PaymentWrongState(f"The refund is {refund.state.value}; this needs one that is held.")
    store.set_state(tx, refund_id=refund_id, state=RefundState.HELD, next_at=None, note=f"by hand: {note}")
    _succeed(tx, refund, None, now, now=now)
    return get_refund(tx, refund_id=refund_id)


def get_refund(tx: Transaction, *, refund_id: str) -> PaymentRefund:
    """Return a refund. Raises PaymentRefundNotFound."""
    refund = store.find_refund(tx, refund_id=refund_id)
    if refund is None:
        raise PaymentRefundNotFound
    return refund


def list_refunds(
    tx: Transaction,
    *,
    payment_id: str | None = None,
    state: str | None = None,
    merchant_ids: Sequence[str] = (),
    limit: int,
    cursor: str | None = None,
) -> Page[PaymentRefund]:
    """Return a page of refunds, newest first; with `merchant_ids` those of their orders only."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_refunds(
        tx, payment_id=payment_id, state=state, merchant_ids=merchant_ids, before=before, limit=limit + 1
    )
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def _lock(tx: Transaction, refund_id: str) -> PaymentRefund:
    """Return a refund under the lock of its order, which always comes first."""
    rows.lock_order(tx, get_refund(tx, refund_id=refund_id).order_id)
    refund = store.find_refund(tx, refund_id=refund_id, lock=True)
    assert refund is not None
    return refund


def _find_turn(
    tx: Transaction, refund: PaymentRefund, *, now: datetime
) -> tuple[RefundState, datetime | None] | None:  # fmt: skip
    """Return where a refund has to wait, None when it may be asked for now."""
    try:
        free_at = rules.decide_refund_turn(
            store.list_turns(tx, payment_id=refund.payment_id, other_than=refund.id), now=now
        )
    except ValueError:
        _write(tx, refund, RefundState.HELD, note="the provider takes no more refunds of this payment", now=now)
        return RefundState.HELD, None
    return None if free_at is None else (RefundState.DUE, free_at)


def _refund_to_wallet(tx: Transaction, refund: PaymentRefund, *, now: datetime) -> PaymentRefund:
    payment = charge_store.find_payment(tx, payment_id=refund.payment_id)
    assert payment is not None
    assert payment.payer_id is not None
    wallet.return_to_available(
        tx, promoter_id=payment.payer_id, merchant_id=orders.get_order(tx, order_id=payment.order_id).merchant_id,
        payment_id=payment.id, refund_id=refund.id, amount_minor=refund.amount_minor, currency=refund.currency, now=now,
    )  # fmt: skip
    store.set_asking(tx, refund_id=refund.id, now=now)
    _succeed(tx, refund, None, now, now=now)
    return get_refund(tx, refund_id=refund.id)


def _learn_from_refusal(
    db: Database, counter: Counter, refund: PaymentRefund, refusal: outside.ProviderRefused, *, now: datetime
) -> PaymentRefund:
    """Return a refund after a refusal, which is final only when the provider knows nothing under its number."""
    log.warning("refund.refused", refund_id=refund.id, code=refusal.provider_code)
    found = counter.at(refund.provider).find_refund(refund)
    with db.transaction() as tx:
        if found is not None:
            applied = apply_refund(tx, found, now=now)
            assert applied is not None
            return applied
        locked = _lock(tx, refund.id)
        if refusal.provider_code in _COME_BACK and locked.state is RefundState.ASKING:
            next_at = rules.next_try_at(locked.attempts, now=now)
            store.set_state(
                tx, refund_id=refund.id, state=RefundState.ASKING, next_at=next_at, note=refusal.provider_code
            )
        elif locked.state is RefundState.ASKING:
            _write(tx, locked, RefundState.HELD, note=refusal.provider_code, now=now)
        return get_refund(tx, refund_id=refund.id)


_COME_BACK = frozenset({"NOT_ENOUGH", "NOTENOUGH", "ACQ.SELLER_BALANCE_NOT_ENOUGH", "FREQUENCY_LIMITED"})
"""Refusals that money in the merchant's account or time cures."""


def _succeed(
    tx: Transaction, refund: PaymentRefund, provider_no: str | None, refunded_at: datetime, *, now: datetime
) -> None:
    store.set_state(
        tx, refund_id=refund.id, state=RefundState.SUCCEEDED, next_at=None, provider_no=provider_no,
        refunded_at=refunded_at,
    )  # fmt: skip
    if refund.cause is RefundCause.AFTER_SALE:
        fulfilment.mark_refunded(tx, refund_id=refund.id, refunded_at=refunded_at, now=now)
    log.info("refund.succeeded", refund_id=refund.id, payment_id=refund.payment_id, cause=refund.cause.value)


def _fail(tx: Transaction, refund: PaymentRefund, note: str, *, now: datetime) -> None:
    """Nothing went back: after-sale has to decide anew; money nobody wants here waits for a person."""
    is_ours = refund.cause is not RefundCause.AFTER_SALE
    _write(tx, refund, RefundState.HELD if is_ours else RefundState.FAILED, note=note, now=now)
    if not is_ours:
        fulfilment.mark_refund_failed(tx, refund_id=refund.id, reason=note, now=now)


def _write(tx: Transaction, refund: PaymentRefund, state: RefundState, *, note: str, now: datetime) -> None:
    log.error("refund.needs_a_person", refund_id=refund.id, state=state.value, note=note, at=now.isoformat())
    store.set_state(tx, refund_id=refund.id, state=state, next_at=None, note=note)
