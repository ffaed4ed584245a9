"""Every consequence on one screen: what follows from what, and how a batch of it is worked off.

A reaction runs in the transaction that takes its events from the outbox, so it happens once however often workers die;
each may still be called twice for the same order and then changes nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from tuike import catalog, checkout, commission, fulfilment, payments, risk
from tuike.db import Database, Transaction, outbox
from tuike.graph import Graph
from tuike.shared import clock
from tuike.shared.errors import GraphUnavailable, PostgresUnavailable

log = structlog.get_logger()

React = Callable[[Transaction, Graph, Sequence[str], datetime], None]


def _accrue(tx: Transaction, graph: Graph, order_ids: Sequence[str], now: datetime) -> None:
    commission.accrue_for_orders(tx, order_ids=order_ids, now=now)
    risk.request_checks(tx, order_ids=order_ids, now=now)


def _check(tx: Transaction, graph: Graph, keys: Sequence[str], now: datetime) -> None:
    risk.check_orders(tx, graph, keys=keys, now=now)


def _spread(tx: Transaction, graph: Graph, case_ids: Sequence[str], now: datetime) -> None:
    for case_id in case_ids:
        risk.spread_case(tx, graph, case_id=case_id, now=now)


def _start_holding(tx: Transaction, graph: Graph, order_ids: Sequence[str], now: datetime) -> None:
    commission.start_holding(tx, order_ids=order_ids)


def _reverse(tx: Transaction, graph: Graph, order_ids: Sequence[str], now: datetime) -> None:
    commission.reverse_for_orders(tx, order_ids=order_ids, now=now)


def _resolve(tx: Transaction, graph: Graph, order_ids: Sequence[str], now: datetime) -> None:
    for order_id in order_ids:
        checkout.resolve_attribution(tx, graph, order_id=order_id, now=now)


def _refresh_stock(tx: Transaction, graph: Graph, product_ids: Sequence[str], now: datetime) -> None:
    catalog.refresh_stock(tx, product_ids=product_ids)


def _follow_name(tx: Transaction, graph: Graph, keys: Sequence[str], now: datetime) -> None:
    for key in keys:
        catalog.follow_name(tx, key=key, now=now)


def _leave_to_schedule(tx: Transaction, graph: Graph, keys: Sequence[str], now: datetime) -> None:
    """What these tell of is in its table, where the schedule finds it."""


def _close_payments(tx: Transaction, graph: Graph, order_ids: Sequence[str], now: datetime) -> None:
    for order_id in order_ids:
        payments.close_payments(tx, order_id=order_id, now=now)


def _take_refund(tx: Transaction, graph: Graph, refund_ids: Sequence[str], now: datetime) -> None:
    for refund_id in refund_ids:
        payments.take_refund(tx, refund_id=refund_id, now=now)


@dataclass(frozen=True, slots=True)
class Reaction:
    """What to do with the keys of a topic's events, and how many to take at once."""

    react: React
    batch: int


REACTIONS = {
    "order.unresolved": Reaction(_resolve, batch=1),
    "order.paid": Reaction(_accrue, batch=500),
    commission.UNCHECKED: Reaction(_check, batch=100),
    risk.CONFIRMED: Reaction(_spread, batch=1),  # each locks its case
    "order.received": Reaction(_start_holding, batch=500),
    "order.refunded": Reaction(_reverse, batch=100),
    catalog.STOCK_CHANGED: Reaction(_refresh_stock, batch=500),
    catalog.RENAMED: Reaction(_follow_name, batch=1),
    fulfilment.CLOSED: Reaction(_close_payments, batch=1),  # each locks its order
    fulfilment.SHIPPED: Reaction(_leave_to_schedule, batch=500),
    fulfilment.REFUND_DUE: Reaction(_take_refund, batch=1),  # each locks its order
}


def drain(db: Database, graph: Graph, *, topic: str, deadline: datetime | None = None) -> int:
    """Work off the due events of a topic until none is left or `deadline` passes; return how many were done.

    A batch that fails is tried one event at a time, so that a bad one cannot stop the others: it waits, keeps its
    error, and is tried again. Raises PostgresUnavailable.
    """
    reaction = REACTIONS[topic]
    done = 0
    while deadline is None or clock.read_clock() < deadline:
        now = clock.read_clock()
        try:
            count = _take_batch(db, graph, topic, reaction, now)
        except PostgresUnavailable:
            raise
        except GraphUnavailable:
            break  # no other event of this topic would fare better; all stay due
        except Exception:
            log.warning("outbox.batch_failed", topic=topic, exc_info=reaction.batch > 1)
            count = _take_singly(db, graph, topic, reaction, now)
            done += count
            continue
        if not count:
            break
        done += count
    return done


def settle_outstanding(db: Database, graph: Graph, *, patience: timedelta = timedelta(seconds=30)) -> int:
    """Work off everything that is due on every topic, as the workers would; return how many events were done.

    What a worker has in hand just now is waited for, `patience` at most. Postponed events stay.
    """
    deadline = clock.read_clock() + patience
    done = 0
    while True:
        done += sum(drain(db, graph, topic=topic) for topic in REACTIONS)
        with db.transaction() as tx:
            waiting = outbox.has_due(tx, now=clock.read_clock())
        if not waiting or clock.read_clock() > deadline:
            return done
        time.sleep(0.05)


def _take_batch(db: Database, graph: Graph, topic: str, reaction: Reaction, now: datetime) -> int:
    with db.transaction() as tx:
        events = outbox.claim(tx, topic=topic, limit=reaction.batch, now=now)
        if events:
            reaction.react(tx, graph, list(dict.fromkeys(event.key for event in events)), now)
        return len(events)


def _take_singly(db: Database, graph: Graph, topic: str, reaction: Reaction, now: datetime) -> int:
    with db.transaction() as tx:
        due = outbox.list_due(tx, topic=topic, limit=reaction.batch, now=now)
    done = 0
    for event_id in due:
        try:
            with db.transaction() as tx:
                event = outbox.claim_one(tx, id=event_id)
                if event is None:
                    continue
                reaction.react(tx, graph, [event.key], now)
            done += 1
        except PostgresUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the other events
            log.warning("outbox.event_failed", topic=topic, event_id=event_id, error=repr(error))
            with db.transaction() as tx:
                outbox.postpone(tx, ids=[event_id], error=repr(error), now=clock.read_clock())
    return done
