"""Draining the outbox: a bad event waits with its error and never stops or loses the others."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from tests.property.money_shop import MoneyShop, make_plan, open_money_database, wipe
from tuike import catalog, commission, fulfilment, reactions, risk, wallet
from tuike.db import Database, outbox
from tuike.embedded import PostgresServer
from tuike.graph import journal
from tuike.orders import Attribution, AttributionReason, LineInput, NewOrder, add_order, get_order
from tuike.shared import clock, ids
from tuike.shared.errors import GraphUnavailable

NO_GRAPH = None
"""None of these reactions but `order.unresolved` asks the graph."""


class GraphAway:
    """A graph that cannot be reached."""

    def read(self, name, **params):
        raise GraphUnavailable


@pytest.fixture(scope="module")
def money_database(postgres: PostgresServer) -> Iterator[Database]:
    with open_money_database(postgres, "money_reactions") as database:
        yield database


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """Failures are logged with their traces; drawing those takes longer than the tests."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def shop(money_database: Database) -> MoneyShop:
    wipe(money_database)
    shop = MoneyShop(money_database)
    shop.now = clock.read_clock()  # reactions read the clock themselves
    return shop


def list_waiting(shop: MoneyShop) -> list:
    with shop.db.transaction() as tx:
        query = "SELECT topic, key, attempts, error, next_at FROM outbox WHERE topic <> :unchecked ORDER BY id"
        return tx.execute(text(query), {"unchecked": commission.UNCHECKED}).all()


def place_paid(shop: MoneyShop, number: int) -> list:
    people = shop.make_promoters(2)
    made = [shop.place(people, plan=make_plan(holding_days=0)) for _ in range(number)]
    for order in made:
        shop.pay(order)
    return made


def poison(shop: MoneyShop, order) -> None:
    """Take the key that the order's accrual needs, so that booking it breaks a constraint."""
    posting = wallet.Posting(wallet.WORLD, wallet.FEES, 1, "CNY")
    with shop.db.transaction() as tx:
        taken = wallet.LedgerTransaction(f"accrual:{order.id}", "poison", order.id, [posting])
        wallet.post(tx, transactions=[taken], now=shop.now)


def test_every_topic_that_is_emitted_has_a_reaction():
    emitted = set()
    for path in (Path(__file__).resolve().parents[2] / "tuike").rglob("*.py"):
        source = re.sub(r'log\.[a-z]+\("[^"]+"', "", path.read_text())
        if "outbox.emit(" in source or "outbox.write(" in source:
            emitted |= set(re.findall(r'"([a-z_]+\.[a-z_]+)"', source))
    emitted |= {commission.UNCHECKED, catalog.STOCK_CHANGED, catalog.RENAMED, fulfilment.CLOSED, fulfilment.SHIPPED,
                fulfilment.REFUND_DUE, risk.CONFIRMED}  # fmt: skip
    assert emitted == set(reactions.REACTIONS)


def test_settling_works_off_everything_and_a_second_time_nothing(shop):
    made = place_paid(shop, 5)
    for order in made:
        shop.receive(order)
        shop.refund(order, 100)
    assert reactions.settle_outstanding(shop.db, NO_GRAPH) == 15
    assert reactions.settle_outstanding(shop.db, NO_GRAPH) == 0
    assert all(shop.list_commissions(order)[0].reversed_minor == 10 for order in made)
    assert shop.check().ok


@pytest.mark.parametrize("position", [0, 3, 6])
def test_a_poisoned_event_does_not_stop_the_others_wherever_it_stands(shop, position):
    made = place_paid(shop, 7)
    poison(shop, made[position])
    assert reactions.drain(shop.db, NO_GRAPH, topic="order.paid") == 6
    (waiting,) = list_waiting(shop)
    assert (waiting.key, waiting.attempts) == (made[position].id, 1)
    assert "ledger_transactions_key_key" in waiting.error
    assert waiting.next_at > shop.now
    for index, order in enumerate(made):
        assert bool(shop.list_commissions(order)) == (index != position)
    with shop.db.transaction() as tx:
        assert not commission.is_settled(tx, order_id=made[position].id)
    assert shop.check().ok


def test_a_poisoned_event_is_tried_again_and_never_lost(shop):
    (order,) = place_paid(shop, 1)
    poison(shop, order)
    for attempts in (1, 2, 3):
        assert reactions.drain(shop.db, NO_GRAPH, topic="order.paid") == 0
        (waiting,) = list_waiting(shop)
        assert waiting.attempts == attempts
        with shop.db.transaction() as tx:
            outbox.hurry(tx, topic="order.paid", now=shop.now)
    shop.run_sql(
        "ALTER TABLE ledger_transactions DISABLE TRIGGER append_only",
        "UPDATE ledger_transactions SET key = 'healed' WHERE reason = 'poison'",
        "ALTER TABLE ledger_transactions ENABLE TRIGGER append_only",
    )
    assert reactions.drain(shop.db, NO_GRAPH, topic="order.paid") == 1
    assert shop.list_commissions(order)[0].amount_minor == 100
    assert list_waiting(shop) == []


def test_many_poisoned_events_end_the_drain_instead_of_spinning(shop):
    made = place_paid(shop, 6)
    for order in made:
        poison(shop, order)
    assert reactions.drain(shop.db, NO_GRAPH, topic="order.paid") == 0
    assert [one.attempts for one in list_waiting(shop)] == [1] * 6


def test_a_drain_stops_at_its_deadline(shop):
    place_paid(shop, 3)
    assert reactions.drain(shop.db, NO_GRAPH, topic="order.paid", deadline=clock.read_clock()) == 0
    assert len(list_waiting(shop)) == 3


def test_an_event_in_another_workers_hands_is_left_to_it(shop):
    made = place_paid(shop, 3)
    with shop.db.transaction() as tx:
        held = outbox.claim(tx, topic="order.paid", limit=1, now=shop.now)
        assert reactions.drain(shop.db, NO_GRAPH, topic="order.paid") == 2
        commission.accrue_for_orders(tx, order_ids=[event.key for event in held], now=shop.now)
    assert list_waiting(shop) == []
    assert all(shop.list_commissions(order) for order in made)


def test_an_order_that_waits_for_the_graph_keeps_waiting_and_its_payment_is_not_lost(shop):
    attribution = Attribution(None, "last", AttributionReason.PENDING)
    order_id = ids.new_id("order")
    with shop.db.transaction() as tx:
        new = NewOrder(order_id, "waits", "b", "main", "CNY", 0, None, None, "default", 1, attribution, shop.now,
                       (LineInput("a", 1, 1000),))  # fmt: skip
        order = add_order(tx, new, now=shop.now)
        outbox.emit(tx, topic="order.unresolved", key=order_id, now=shop.now)
    shop.pay(order)
    shop.receive(order)
    shop.refund(order, 300)
    assert reactions.settle_outstanding(shop.db, GraphAway(), patience=timedelta(0)) == 0
    (waiting,) = list_waiting(shop)
    assert (waiting.topic, waiting.attempts) == ("order.unresolved", 0)
    with shop.db.transaction() as tx:
        assert not commission.is_settled(tx, order_id=order_id)
        assert get_order(tx, order_id=order_id).attribution.is_pending
        assert journal.list_unapplied_count(tx) == {0: 0, 1: 0}
    assert shop.list_commissions(order) == []
