"""What the clock brings: everything that is due at a provider, worked off side by side by one worker at a time.

A provider that does not answer is left alone until the next round, and never keeps more than one worker waiting.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from tuike import providers as outside
from tuike.db import Database
from tuike.identity import Vault
from tuike.payments import rules
from tuike.payments.desks import Counter
from tuike.payments.model import BillNotReady
from tuike.payments.service import bills, charges, notifies, payouts, refunds, shipping
from tuike.payments.store import rows
from tuike.shared import clock

log = structlog.get_logger(__name__)

_TURN = timedelta(seconds=60)
_ROUND = timedelta(seconds=20)
_BATCH = 64
_THREADS = 8
_GIVE_UP_AFTER = 3


@dataclass(slots=True)
class Work:
    """How much was done in a round."""

    payments: int = 0
    refunds: int = 0
    payouts: int = 0
    orders_closed: int = 0
    parcels: int = 0


def work_due(db: Database, counter: Counter, vault: Vault, *, now: datetime) -> Work | None:
    """Do what is due at the providers for up to 20 seconds; None when another worker is at it.

    Whatever fails stays due and is tried again later; whoever dies leaves what it had in hand due after a minute.
    """
    with db.transaction() as tx:
        if not rows.take_turn(tx, name="work", until=now + _TURN, now=now):
            return None
    done, end = Work(), clock.read_clock() + _ROUND
    try:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="provider") as pool:
            done.payments = _drain(
                db, pool, "payments", lambda one, at: charges.settle_payment(db, counter, payment_id=one, now=at), end
            )
            done.refunds = _drain(
                db, pool, "payment_refunds",
                lambda one, at: refunds.execute_refund(db, counter, refund_id=one, now=at), end,
            )  # fmt: skip
            done.payouts = _drain(
                db, pool, "payouts",
                lambda one, at: payouts.execute_payout(db, counter, vault, payout_id=one, now=at), end,
            )  # fmt: skip
        done.orders_closed = charges.close_expired_orders(db, now=clock.read_clock())
        done.parcels = _upload(db, counter)
    finally:
        with db.transaction() as tx:
            rows.end_turn(tx, name="work")
    return done


def reconcile_due(db: Database, counter: Counter, *, now: datetime) -> int:
    """Compare the days that were not compared yet; return how many. A provider without its bill comes back later."""
    with db.transaction() as tx:
        if not rows.take_turn(tx, name="bills", until=now + 2 * _TURN, now=now):
            return 0
        due = bills.list_days_due(tx, counter, now=now)
        notifies.purge_notifies(tx, now=now)
    done = 0
    try:
        for provider, day in due:
            try:
                bills.reconcile_day(db, counter, provider=provider, on_day=day, now=now)
                done += 1
            except (BillNotReady, outside.ProviderUnavailable) as error:
                log.warning("bill.later", provider=provider.value, on_day=str(day), error=str(error))
    finally:
        with db.transaction() as tx:
            rows.end_turn(tx, name="bills")
    return done


def _drain(
    db: Database, pool: ThreadPoolExecutor, table: str, act: Callable[[str, datetime], object], end: datetime
) -> int:
    """Work off what is due in a table, batch after batch; return how many were done without an error."""
    done = 0
    while clock.read_clock() < end:
        now = clock.read_clock()
        with db.transaction() as tx:
            claimed = rows.claim_due(tx, table=table, limit=_BATCH, until=now + rules.LEASE, now=now)
        if not claimed:
            break
        silent: list[str] = []
        results = list(pool.map(partial(_try, table, act, silent), claimed))
        done += sum(results)
        if len(silent) >= _GIVE_UP_AFTER or not any(results):
            break
    return done


def _try(table: str, act: Callable[[str, datetime], object], silent: list[str], id: str) -> bool:
    """Do one; `silent` collects who did not answer, and after three of them the rest of the batch is left for later."""
    if len(silent) >= _GIVE_UP_AFTER:
        return False
    try:
        act(id, clock.read_clock())
        return True
    except outside.ProviderUnavailable as error:
        silent.append(error.part)
        log.warning("provider.later", table=table, id=id, part=error.part, reason=error.reason)
    except outside.ProviderNotConfigured as error:
        log.warning("provider.not_configured", table=table, id=id, part=error.part)
    except Exception:
        log.exception("provider.failed", table=table, id=id)
    return False


def _upload(db: Database, counter: Counter) -> int:
    try:
        return shipping.upload_shipping(db, counter, now=clock.read_clock())
    except (outside.ProviderUnavailable, outside.ProviderNotConfigured) as error:
        log.warning("provider.later", table="parcels", part=error.part)
        return 0
