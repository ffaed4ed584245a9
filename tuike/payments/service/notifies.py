"""What the providers tell us by themselves: verified first, then kept once together with what follows from it."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text

from tuike import providers as outside
from tuike.db import Database, Transaction
from tuike.payments.desks import Counter, pay_by_of
from tuike.payments.service import charges, payouts, refunds
from tuike.payments.store import charges as store

log = structlog.get_logger(__name__)

KEEP_DAYS = 180
_PURGE_AT_ONCE = 5_000


def receive_wechat(
    db: Database, counter: Counter, *, headers: Mapping[str, str], body: bytes, now: datetime
) -> outside.Notify:
    """Take in a notify of WeChat Pay; `body` are the bytes as they came.

    Raises SignatureInvalid, NotifyStale, NotifyMalformed, ProviderNotConfigured; nothing is changed then, and the
    provider will send it again.
    """
    notify = counter.providers.wechat_pay.read_notify(headers=headers, body=body, now=now)
    _take_in(db, notify, body=body, now=now)
    return notify


def receive_alipay(
    db: Database, counter: Counter, *, params: Mapping[str, str], body: bytes, now: datetime
) -> outside.Notify:
    """Take in a notify of Alipay; `params` is its decoded form. Raises as `receive_wechat` does."""
    notify = counter.providers.alipay.read_notify(params=params, now=now)
    _take_in(db, notify, body=body, now=now)
    return notify


def purge_notifies(tx: Transaction, *, now: datetime) -> int:
    """Forget some of the notifies older than half a year; return how many."""
    return store.purge_notifies(tx, before=now - timedelta(days=KEEP_DAYS), limit=_PURGE_AT_ONCE)


def _take_in(db: Database, notify: outside.Notify, *, body: bytes, now: datetime) -> None:
    provider = pay_by_of(notify.provider)
    no = _number_of(notify)
    with db.transaction() as tx:
        # The provider waits five seconds; what takes longer is left to its next try.
        tx.execute(text("SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '3s'"))
        is_new = store.add_notify(
            tx, provider=provider, notify_id=notify.id[:128], kind=notify.kind.value,
            no=None if no is None else no[:64], digest=hashlib.sha256(body).digest(), body=body, now=now,
        )  # fmt: skip
        if not is_new:
            log.info("notify.repeated", provider=provider, notify_id=notify.id[:128])
            return
        outcome = _react(tx, notify, now=now)
        store.set_notify_outcome(tx, provider=provider, notify_id=notify.id[:128], outcome=outcome)
    log.info("notify.received", provider=provider, kind=notify.kind.value, no=no, outcome=outcome)


def _react(tx: Transaction, notify: outside.Notify, *, now: datetime) -> str:
    """Do what follows from a notify; return a word about it. What is not ours is kept and answered all the same."""
    if notify.payment is not None:
        payment = charges.apply_payment(tx, notify.payment, now=now)
        return "unknown" if payment is None else payment.state.value
    if notify.refund is not None:
        refund = refunds.apply_refund(tx, notify.refund, now=now)
        if refund is not None:
            return refund.state.value
        charges.ask_soon(tx, payment_id=notify.refund.out_no or "", now=now)
        return "unknown"
    if notify.transfer is not None:
        payout = payouts.apply_transfer(tx, notify.transfer, now=now)
        return "unknown" if payout is None else payout.state.value
    return "other"


def _number_of(notify: outside.Notify) -> str | None:
    if notify.payment is not None:
        return notify.payment.out_no
    if notify.refund is not None:
        return notify.refund.out_refund_no
    return notify.transfer.out_no if notify.transfer is not None else None
