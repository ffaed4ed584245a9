"""Money that comes in: opening a payment, hearing of it, asking about it, closing it.

The order of things is always: commit what is about to be asked, ask with no transaction open, commit the answer.
Whoever dies in between leaves a row whose `next_at` brings the next worker to ask the provider how it ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy.exc import IntegrityError

from tuike import fulfilment, identity, orders, team, wallet
from tuike import providers as outside
from tuike.db import Database, Transaction
from tuike.payments import rules
from tuike.payments.desks import Counter, pay_by_of
from tuike.payments.model import (
    Attention,
    CurrencyNotTaken,
    PayBy,
    PayerUnknown,
    Payment,
    PaymentNotFound,
    PaymentOutcome,
    PaymentState,
    PaymentWrongState,
    RefundCause,
)
from tuike.payments.store import charges as store
from tuike.payments.store import refunds as refund_store
from tuike.payments.store import rows
from tuike.shared import ids
from tuike.shared.pages import Page, decode_cursor, encode_cursor

log = structlog.get_logger(__name__)

OVERDUE_AFTER_MINUTES = 30
_REASONS = {
    RefundCause.ORDER_CLOSED: "订单已关闭 The order was closed",
    RefundCause.PAID_TWICE: "重复支付 The order was paid twice",
    RefundCause.STOCK_GONE: "商品已售罄 The goods are gone",
    RefundCause.AMOUNT_DIFFERS: "金额不符 The amount is wrong",
}
_OUTCOMES = {
    fulfilment.PaidOutcome.RECORDED: PaymentOutcome.PAID_ORDER,
    fulfilment.PaidOutcome.DUPLICATE: PaymentOutcome.PAID_ORDER,
    fulfilment.PaidOutcome.CLOSED: PaymentOutcome.ORDER_CLOSED,
    fulfilment.PaidOutcome.STOCK_GONE: PaymentOutcome.STOCK_GONE,
    fulfilment.PaidOutcome.ALREADY_PAID: PaymentOutcome.PAID_TWICE,
    fulfilment.PaidOutcome.AMOUNT_DIFFERS: PaymentOutcome.AMOUNT_DIFFERS,
}


@dataclass(frozen=True, slots=True)
class OpenedPayment:
    """A payment, and what the shopper's client passes to the provider while money is waited for."""

    payment: Payment
    request: Mapping[str, str] | None


def start_payment(
    db: Database, counter: Counter, *, order_id: str, shopper_id: str, provider: PayBy, now: datetime
) -> OpenedPayment:
    """Open a payment of an order, or return the one that waits for money already.

    A wallet pays at once. Raises OrderNotFound, OrderClosed, AlreadyPaid, PayerUnknown, CurrencyNotTaken,
    InsufficientBalance, ProviderNotConfigured, ProviderUnavailable (the same call again goes on where this one
    stopped), ProviderRefused.
    """
    if provider is PayBy.WALLET:
        with db.transaction() as tx:
            return OpenedPayment(pay_from_wallet(tx, order_id=order_id, shopper_id=shopper_id, now=now), None)
    desk = counter.at(provider)
    for _ in range(2):
        with db.transaction() as tx:
            payment = _prepare(tx, counter, order_id=order_id, shopper_id=shopper_id, provider=provider, now=now)
        if _is_fresh(payment, now=now):
            return OpenedPayment(payment, desk.make_payment_request(payment, now=now))
        try:
            prepay_id = desk.open(payment)
        except outside.ProviderRefused as refusal:
            settled = _learn_from_refusal(db, counter, payment, refusal, now=now)
            if settled.state is PaymentState.CLOSED:
                continue  # nobody can pay that one any more: the next round opens another
            return OpenedPayment(settled, None)
        with db.transaction() as tx:
            next_at = rules.next_look_at(replace(payment, attempts=0), now=now)
            store.set_prepaid(tx, payment_id=payment.id, prepay_id=prepay_id, next_at=next_at, now=now)
            payment = get_payment(tx, payment_id=payment.id)
        is_open = payment.state is PaymentState.PENDING
        return OpenedPayment(payment, desk.make_payment_request(payment, now=now) if is_open else None)
    raise PaymentWrongState


def pay_from_wallet(tx: Transaction, *, order_id: str, shopper_id: str, now: datetime) -> Payment:
    """Pay an order from what is available to its shopper as a promoter, all or nothing.

    Raises OrderNotFound, OrderClosed, AlreadyPaid, PayerUnknown, InsufficientBalance.
    """
    rows.lock_order(tx, order_id)
    payable = fulfilment.get_payable(tx, order_id=order_id, shopper_id=shopper_id)
    promoter_id = team.find_promoter_id(tx, external_id=shopper_id)
    if promoter_id is None:
        raise PayerUnknown("This shopper has no wallet.", fields={"provider": ["Only promoters have a wallet."]})
    payment = _make(payable, PayBy.WALLET, promoter_id, now=now)
    wallet.pay_from_available(
        tx, promoter_id=promoter_id, merchant_id=orders.get_order(tx, order_id=order_id).merchant_id,
        payment_id=payment.id,
        amount_minor=payment.amount_minor, currency=payment.currency, now=now,
    )  # fmt: skip
    store.add_payment(tx, payment)
    paid = fulfilment.mark_paid(
        tx, order_id=order_id, payment_id=payment.id, paid_at=now, amount_minor=payment.amount_minor, now=now
    )
    if paid is not fulfilment.PaidOutcome.RECORDED:
        raise PaymentWrongState(f"The order cannot be paid now: {paid.value}.")  # rolls the wallet back
    _write_arrival(tx, payment, PaymentOutcome.PAID_ORDER, None, payment.amount_minor, now, None, now=now)
    return get_payment(tx, payment_id=payment.id)


def check_payment(db: Database, counter: Counter, *, payment_id: str, shopper_id: str, now: datetime) -> Payment:
    """Return a shopper's payment after asking the provider about it, if it still waits and was not asked just now.

    Raises PaymentNotFound. A provider that does not answer changes nothing.
    """
    with db.transaction() as tx:
        payment = get_payment(tx, payment_id=payment_id, shopper_id=shopper_id)
        was_just_asked = payment.asked_at is not None and now - payment.asked_at < rules.CHECK_PAUSE
        if not payment.state.is_open or payment.provider is PayBy.WALLET or was_just_asked:
            return payment
        store.set_asked(tx, payment_id=payment_id, now=now)
    try:
        found = counter.at(payment.provider).find_payment(payment)
    except (outside.ProviderUnavailable, outside.ProviderRefused) as error:
        log.warning("payment.check_failed", payment_id=payment_id, error=type(error).__name__)
        return payment
    if found is None:
        return payment
    with db.transaction() as tx:
        return apply_payment(tx, found, now=now) or payment


def apply_payment(tx: Transaction, fact: outside.Payment, *, now: datetime) -> Payment | None:
    """Bring a payment in line with what its provider says, whoever asked and however often; None when it is not ours.

    Money that comes for an order that waits for it pays it; any other money goes back by itself, except a wrong amount,
    which waits for a person.
    """
    known = store.find_payment(tx, payment_id=fact.out_no)
    if known is None or known.provider is not pay_by_of(fact.provider):
        log.error("payment.unknown", out_no=fact.out_no[:64], provider=fact.provider.value)
        return None
    rows.lock_order(tx, known.order_id)
    payment = store.find_payment(tx, payment_id=fact.out_no, lock=True)
    assert payment is not None
    arrival = rules.judge_arrival(
        payment, is_paid=fact.is_paid, amount_minor=fact.amount_minor, currency=fact.currency,
        provider_no=fact.provider_no,
    )  # fmt: skip
    if arrival is rules.Arrival.NOTHING:
        if fact.state is outside.PaymentState.CLOSED and payment.state.is_open:
            store.set_ended(tx, payment_id=payment.id, state=PaymentState.CLOSED, note=None)
    elif arrival is rules.Arrival.FIRST:
        _receive(tx, payment, fact, now=now)
    elif arrival is rules.Arrival.DIFFERENT:
        _hold(tx, payment, fact, now=now)
    return get_payment(tx, payment_id=payment.id)


def settle_payment(db: Database, counter: Counter, *, payment_id: str, now: datetime) -> None:
    """Ask the provider about an open payment; close it there and here when nobody is to pay it any more.

    Raises ProviderUnavailable; the payment then stays due.
    """
    with db.transaction() as tx:
        payment = get_payment(tx, payment_id=payment_id)
        if not payment.state.is_open:
            store.set_next(tx, payment_id=payment_id, next_at=None)
            return
        store.set_asked(tx, payment_id=payment_id, now=now)
    desk = counter.at(payment.provider)
    found = desk.find_payment(payment)
    has_ended = rules.has_ended(payment, now=now)
    if found is not None and has_ended and found.state is not outside.PaymentState.CLOSED and not found.is_paid:
        _close_there(counter, payment)
        found = desk.find_payment(payment)  # somebody may have been faster
    with db.transaction() as tx:
        if found is not None:
            apply_payment(tx, found, now=now)
        elif has_ended:
            rows.lock_order(tx, payment.order_id)
            if get_payment(tx, payment_id=payment_id).state.is_open:
                store.set_ended(tx, payment_id=payment_id, state=PaymentState.CLOSED, note="never reached the provider")
        store.set_next(tx, payment_id=payment_id, next_at=rules.next_look_at(payment, now=now))


def close_expired_orders(db: Database, *, now: datetime, limit: int = 100) -> int:
    """Close orders whose time to pay is over, once no payment of theirs is open any more; return how many."""
    with db.transaction() as tx:
        due = fulfilment.list_expired(tx, now=now, limit=limit)
    closed = 0
    for order_id in due:
        with db.transaction() as tx:
            rows.lock_order(tx, order_id)
            if store.has_open(tx, order_id=order_id):
                store.close_others(tx, order_id=order_id, now=now)
                continue
            closed += fulfilment.close_unpaid(tx, order_id=order_id, reason=fulfilment.CloseReason.EXPIRED, now=now)
    return closed


def close_payments(tx: Transaction, *, order_id: str, now: datetime) -> int:
    """Let what is open of a closed order's payments be closed at the provider too, now; return how many.

    Nobody is to pay for what cannot be had any more; who was faster gets the money back.
    """
    rows.lock_order(tx, order_id)
    return store.close_others(tx, order_id=order_id, now=now)


def get_payment(tx: Transaction, *, payment_id: str, shopper_id: str | None = None) -> Payment:
    """Return a payment, of that shopper if one is named. Raises PaymentNotFound."""
    payment = store.find_payment(tx, payment_id=payment_id)
    if payment is None or (shopper_id is not None and payment.shopper_id != shopper_id):
        raise PaymentNotFound
    return payment


def list_payments(
    tx: Transaction,
    *,
    order_id: str | None = None,
    state: str | None = None,
    merchant_ids: Sequence[str] = (),
    limit: int,
    cursor: str | None = None,
) -> Page[Payment]:
    """Return a page of payments, newest first; with `merchant_ids` those of their orders only."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_payments(
        tx, order_id=order_id, state=state, merchant_ids=merchant_ids, before=before, limit=limit + 1
    )
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def refund_held(tx: Transaction, *, payment_id: str, now: datetime) -> Payment:
    """Send back the whole of a payment that is held. Raises PaymentNotFound, PaymentWrongState."""
    known = get_payment(tx, payment_id=payment_id)
    rows.lock_order(tx, known.order_id)
    payment = store.find_payment(tx, payment_id=payment_id, lock=True)
    assert payment is not None
    if payment.state is not PaymentState.HELD:
        raise PaymentWrongState(f"The payment is {payment.state.value}; this needs one that is held.")
    _send_back(tx, payment, RefundCause.AMOUNT_DIFFERS, payment.received_minor or 0, now=now)
    store.set_ended(tx, payment_id=payment_id, state=PaymentState.SUCCEEDED, note=None)
    return get_payment(tx, payment_id=payment_id)


def make_request(counter: Counter, payment: Payment, *, now: datetime) -> Mapping[str, str] | None:
    """Return what the shopper's client passes to the provider, None when there is nothing to pay (any more)."""
    is_payable = payment.state is PaymentState.PENDING and payment.prepay_id is not None and payment.expires_at > now
    return counter.at(payment.provider).make_payment_request(payment, now=now) if is_payable else None


def get_attention(tx: Transaction, *, overdue_before: datetime) -> Attention:
    """Return how much waits: for providers, for too long, for a person."""
    return Attention(**store.get_attention(tx, overdue_before=overdue_before))


def _prepare(
    tx: Transaction, counter: Counter, *, order_id: str, shopper_id: str, provider: PayBy, now: datetime
) -> Payment:
    """Return the order's living payment by a provider, made if need be, marked as being asked for."""
    rows.lock_order(tx, order_id)
    payable = fulfilment.get_payable(tx, order_id=order_id, shopper_id=shopper_id)
    known = store.find_living(tx, order_id=order_id, provider=provider)
    if known is not None:
        if not _is_fresh(known, now=now):
            store.set_next(tx, payment_id=known.id, next_at=now + rules.LEASE)
        return known
    if payable.currency != "CNY":
        raise CurrencyNotTaken
    if payable.expires_at - now < rules.SHORTEST_LIFE:
        raise fulfilment.OrderClosed("The time to pay is over.")
    if provider is PayBy.WECHAT:
        payer_id = identity.find_openid(tx, shopper_id=shopper_id, app_id=counter.wechat_app_id)
    else:
        payer_id = identity.find_alipay_user_id(tx, shopper_id=shopper_id, app_id=counter.alipay_app_id)
    if payer_id is None:
        raise PayerUnknown(fields={"provider": ["The shopper has not logged in with it."]})
    payment = _make(payable, provider, payer_id, now=now)
    try:
        store.add_payment(tx, payment)
    except IntegrityError as error:  # pragma: no cover - the lock on the order comes first
        raise PaymentWrongState from error
    return payment


def _make(payable: fulfilment.Payable, provider: PayBy, payer_id: str, *, now: datetime) -> Payment:
    return Payment(
        id=ids.new_id("payment"), order_id=payable.order_id, shopper_id=payable.shopper_id, provider=provider,
        payer_id=payer_id, description=payable.description, amount_minor=payable.payable_minor,
        currency=payable.currency, state=PaymentState.ASKING, outcome=None, prepay_id=None, prepaid_at=None,
        provider_no=None, received_minor=None, paid_at=None, expires_at=payable.expires_at, asked_at=None, attempts=0,
        next_at=now + rules.LEASE, note=None, created_at=now,
    )  # fmt: skip


def _is_fresh(payment: Payment, *, now: datetime) -> bool:
    return payment.prepaid_at is not None and now - payment.prepaid_at < rules.PREPAY_FRESH


def _learn_from_refusal(
    db: Database, counter: Counter, payment: Payment, refusal: outside.ProviderRefused, *, now: datetime
) -> Payment:
    """Return a payment after the provider refused to open it: it may be paid or closed already, or cannot be opened."""
    log.warning("payment.refused", payment_id=payment.id, code=refusal.provider_code)
    found = counter.at(payment.provider).find_payment(payment)
    with db.transaction() as tx:
        settled = None if found is None else apply_payment(tx, found, now=now)
        if found is None:
            store.set_ended(tx, payment_id=payment.id, state=PaymentState.FAILED, note=refusal.provider_code)
    if settled is None or settled.state in (PaymentState.ASKING, PaymentState.PENDING):
        raise refusal
    return settled


def _close_there(counter: Counter, payment: Payment) -> None:
    try:
        counter.at(payment.provider).close(payment)
    except outside.ProviderRefused as refusal:  # paid, or being paid just now: the question that follows will tell
        log.info("payment.not_closed", payment_id=payment.id, code=refusal.provider_code)


def _receive(tx: Transaction, payment: Payment, fact: outside.Payment, *, now: datetime) -> None:
    """Book money that is exactly what was asked for."""
    paid_at = min(fact.paid_at or now, now)
    outcome = PaymentOutcome.PAID_TWICE
    if store.find_paying(tx, order_id=payment.order_id) is None:
        paid = fulfilment.mark_paid(
            tx, order_id=payment.order_id, payment_id=payment.id, paid_at=paid_at, amount_minor=payment.amount_minor,
            now=now,
        )  # fmt: skip
        outcome = _OUTCOMES[paid]
    _write_arrival(tx, payment, outcome, fact.provider_no, payment.amount_minor, paid_at, None, now=now)


def _hold(tx: Transaction, payment: Payment, fact: outside.Payment, *, now: datetime) -> None:
    """Keep money that is not what was asked for until a person decides; a paid order stays paid."""
    note = f"came: {fact.amount_minor} {fact.currency}, {fact.provider_no}"
    log.error("payment.differs", payment_id=payment.id, asked_minor=payment.amount_minor, came_minor=fact.amount_minor)
    if payment.state in (PaymentState.SUCCEEDED, PaymentState.HELD):
        store.set_note(tx, payment_id=payment.id, note=note)
        return
    _write_arrival(
        tx, payment, PaymentOutcome.AMOUNT_DIFFERS, fact.provider_no, fact.amount_minor or 0,
        min(fact.paid_at or now, now), note, now=now,
    )  # fmt: skip


def _write_arrival(
    tx: Transaction,
    payment: Payment,
    outcome: PaymentOutcome,
    provider_no: str | None,
    received_minor: int,
    paid_at: datetime,
    note: str | None,
    *,
    now: datetime,
) -> None:
    is_held = outcome is PaymentOutcome.AMOUNT_DIFFERS
    store.set_arrived(
        tx, payment_id=payment.id, state=PaymentState.HELD if is_held else PaymentState.SUCCEEDED, outcome=outcome,
        provider_no=provider_no, received_minor=received_minor, paid_at=paid_at, note=note,
    )  # fmt: skip
    if outcome is PaymentOutcome.PAID_ORDER:
        store.close_others(tx, order_id=payment.order_id, now=now)
    elif not is_held:
        _send_back(tx, payment, RefundCause(outcome.value), received_minor, now=now)
    log.info("payment.arrived", payment_id=payment.id, order_id=payment.order_id, outcome=outcome.value)


def _send_back(tx: Transaction, payment: Payment, cause: RefundCause, amount_minor: int, *, now: datetime) -> None:
    refund_store.add_refund(
        tx, id=ids.new_id("payment_refund"), payment_id=payment.id, cause=cause, amount_minor=amount_minor,
        reason=_REASONS[cause], now=now,
    )  # fmt: skip


def ask_soon(tx: Transaction, *, payment_id: str, now: datetime) -> None:
    """Let the provider be asked about an open payment at once: something else said that money had come."""
    store.set_next(tx, payment_id=payment_id, next_at=now)
