"""Money under real threads on a real PostgreSQL: whatever runs at the same time, each thing happens once."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.property.money_shop import REACTIONS, MoneyShop, make_plan, open_money_database, wipe
from tuike import commission, orders, wallet
from tuike.db import Database, outbox
from tuike.embedded import PostgresServer
from tuike.shared.errors import PostgresUnavailable


@pytest.fixture(scope="module")
def money_database(postgres: PostgresServer) -> Iterator[Database]:
    with open_money_database(postgres, "money_concurrency") as database:
        yield database


@pytest.fixture
def shop(money_database: Database) -> MoneyShop:
    wipe(money_database)
    return MoneyShop(money_database)


def run_together(*actions: Callable[[], object]) -> list[object]:
    """Run actions in threads that start at one moment; return what each returned or raised."""
    barrier = threading.Barrier(len(actions))
    results: list[object] = [None] * len(actions)

    def run(index: int, action: Callable[[], object]) -> None:
        barrier.wait()
        try:
            results[index] = action()
        except Exception as error:  # noqa: BLE001 — the test judges it
            results[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results


def errors_of(results: Sequence[object]) -> list[object]:
    return [one for one in results if isinstance(one, Exception)]


def place_many(shop: MoneyShop, people: Sequence[str], number: int, *, seed: int = 1) -> list[orders.Order]:
    """Paid orders whose chains all end at the same few uplines; nothing of them is drained."""
    chance = random.Random(seed)
    made = []
    for _ in range(number):
        chain = [chance.choice(people[4:]), *chance.sample(people[:4], 2)]
        made.append(shop.place(chain, lines=[chance.randint(100, 9_000)], plan=make_plan(holding_days=0)))
        shop.pay(made[-1])
    return made


# Twins


def test_the_same_money_cannot_be_withdrawn_by_two_quick_requests(shop):
    for _ in range(5):
        (promoter,) = shop.make_promoters(1)
        shop.earn(promoter, 1000)
        results = run_together(*[lambda: shop.withdraw(promoter, 1000)] * 6)  # noqa: B023
        refused = errors_of(results)
        assert len(refused) == 5
        assert all(isinstance(error, wallet.InsufficientBalance) for error in refused)
        assert shop.holds(promoter) == {"withdrawing": 1000}
    assert shop.check().ok


def test_quick_requests_succeed_exactly_as_often_as_the_money_reaches(shop):
    (promoter,) = shop.make_promoters(1)
    shop.earn(promoter, 1000)
    results = run_together(*[lambda: shop.withdraw(promoter, 300)] * 8)
    assert len(errors_of(results)) == 5
    assert shop.holds(promoter) == {"withdrawing": 900, "available": 100}


def test_the_daily_limit_holds_for_requests_at_the_same_time(shop):
    (promoter,) = shop.make_promoters(1)
    shop.earn(promoter, 10_000)
    with shop.db.transaction() as tx:
        wallet.replace_policy(
            tx, minimum_minor=100, fee_bps=0, daily_limit_minor=700, review_above_minor=None, now=shop.now
        )
    results = run_together(*[lambda: shop.withdraw(promoter, 300)] * 6)
    assert Counter(type(one) for one in errors_of(results)) == {wallet.DailyLimitExceeded: 4}


def test_a_withdrawal_is_decided_once_however_many_press_the_button(shop):
    (promoter,) = shop.make_promoters(1)
    shop.earn(promoter, 1000)
    withdrawal = shop.withdraw(promoter, 600)
    results = run_together(*[lambda: shop.decide(withdrawal, "approve"), lambda: shop.decide(withdrawal, "reject")] * 3)
    assert Counter(type(one) for one in errors_of(results)) == {wallet.WrongState: 5}
    assert shop.holds(promoter) in ({"available": 400, "withdrawing": 600}, {"available": 1000})


def test_the_same_payment_at_the_same_time_has_one_effect(shop):
    order = shop.place(shop.make_promoters(2))
    results = run_together(*[lambda: shop.pay(order)] * 6)
    assert not errors_of(results)
    assert shop.count("outbox") == 1


def test_two_payments_for_one_order_at_the_same_time_pay_it_once(shop):
    order = shop.place(shop.make_promoters(2))
    results = run_together(*[lambda n=n: shop.pay(order, payment_id=f"p{n}") for n in range(6)])
    assert Counter(type(one) for one in errors_of(results)) == {orders.AlreadyPaid: 5}


def test_one_payment_for_two_orders_at_the_same_time_pays_one(shop):
    made = [shop.place(shop.make_promoters(1)) for _ in range(4)]
    results = run_together(*[lambda order=order: shop.pay(order, payment_id="p") for order in made])
    assert Counter(type(one) for one in errors_of(results)) == {orders.PaymentIdTaken: 3}
    assert Counter(shop.get_order(order).status for order in made) == {"placed": 3, "paid": 1}


def test_the_same_receipt_at_the_same_time_has_one_effect(shop):
    order = shop.place(shop.make_promoters(2))
    shop.pay(order)
    shop.drain()
    instants = [shop.now - timedelta(hours=hours) for hours in range(6)]
    results = run_together(*[lambda at=at: shop.receive(order, at=at) for at in instants])
    assert not errors_of(results)
    assert len({one.received_at for one in results}) == 1
    assert shop.count("outbox") == 1


def test_the_same_refund_at_the_same_time_has_one_effect(shop):
    order = shop.place(shop.make_promoters(2))
    shop.pay(order)
    results = run_together(*[lambda: shop.refund(order, 400, refund_id="r")] * 6)
    assert not errors_of(results)
    assert sorted(created for _, created in results) == [False] * 5 + [True]
    assert shop.get_order(order).refunded_minor == 400


def test_refunds_at_the_same_time_never_exceed_what_was_paid(shop):
    order = shop.place(shop.make_promoters(2), lines=[600, 400])
    shop.pay(order)
    results = run_together(*[lambda: shop.refund(order, 300)] * 6)
    assert Counter(type(one) for one in errors_of(results)) == {orders.RefundExceedsPaid: 3}
    assert shop.get_order(order).refunded_minor == 900


def test_one_refund_id_for_two_orders_at_the_same_time_refunds_one(shop):
    made = [shop.place(shop.make_promoters(1)) for _ in range(4)]
    for order in made:
        shop.pay(order)
    results = run_together(*[lambda order=order: shop.refund(order, 10, refund_id="r") for order in made])
    assert Counter(type(one) for one in errors_of(results)) == {orders.RefundIdTaken: 3}
    assert sum(shop.get_order(order).refunded_minor for order in made) == 10


def test_one_external_id_for_two_orders_at_the_same_time_places_one(shop):
    people = shop.make_promoters(1)
    shops = [MoneyShop(shop.db) for _ in range(4)]  # each counts its external ids from 1
    results = run_together(*[lambda one=one: one.place(people) for one in shops])
    assert Counter(type(one) for one in errors_of(results)) == {orders.OrderExternalIdTaken: 3}
    assert shop.count("orders") == 1
    assert shop.count("commission_splits") == 1


def test_a_hold_at_the_same_time_freezes_once(shop):
    order = shop.place(shop.make_promoters(2))
    shop.pay(order)
    shop.drain()
    results = run_together(*[lambda: shop.hold(order)] * 5)
    assert Counter(type(one) for one in errors_of(results)) == {wallet.WrongState: 4}
    assert shop.list_commissions(order)[0].status == "frozen"


# Workers


def test_eight_workers_that_accrue_the_same_orders_book_each_once(shop):
    made = place_many(shop, shop.make_promoters(20), 60)
    order_ids = [order.id for order in made]

    def accrue(seed: int) -> None:
        mine = random.Random(seed).sample(order_ids, len(order_ids))
        for start in range(0, len(mine), 15):
            with shop.db.transaction() as tx:
                commission.accrue_for_orders(tx, order_ids=mine[start : start + 15], now=shop.now)

    assert not errors_of(run_together(*[lambda seed=seed: accrue(seed) for seed in range(8)]))
    assert shop.count("ledger_transactions") == len(made)
    check = shop.check()
    assert check.ok, check.breaks
    for order in made:
        assert sum(one.amount_minor for one in shop.list_commissions(order)) > 0


def test_many_batches_on_hot_uplines_and_one_merchant_finish_without_a_deadlock(shop):
    made = place_many(shop, shop.make_promoters(30), 240)
    for order in made:
        shop.receive(order)
        shop.refund(order, 50)

    def work(topic: str) -> int:
        done = 0
        while True:
            with shop.db.transaction() as tx:
                events = outbox.claim(tx, topic=topic, limit=20, now=shop.now)
                if not events:
                    return done
                REACTIONS[topic](tx, [event.key for event in events], shop.now)
            done += len(events)

    results = run_together(*[lambda topic=topic: work(topic) for topic in [*REACTIONS, *REACTIONS, "order.paid"]])
    assert not errors_of(results)
    assert sum(results) == 3 * len(made)
    check = shop.check()
    assert check.ok, check.breaks


def test_bug_a_reversal_and_a_release_of_one_promoter_deadlocked(shop):
    """The reversal held accounts and waited for the entry, the release held the entry and waited for accounts."""
    people = shop.make_promoters(2)
    (order,) = [shop.place(people, plan=make_plan(holding_days=0))]
    shop.pay(order)
    shop.receive(order)
    shop.drain()
    shop.refund(order, 100)
    is_locked, may_go_on = threading.Event(), threading.Event()

    def release() -> None:
        with shop.db.transaction() as tx:
            entries = commission.store.claim_due(tx, now=shop.now, limit=10)
            assert len(entries) == 3 - 1
            is_locked.set()
            may_go_on.wait(10)
            addresses = [wallet.promoter_address(entry.promoter_id, "pending") for entry in entries]
            wallet.lock_balances(tx, accounts=[(address, "CNY") for address in addresses])

    def reverse() -> None:
        is_locked.wait(10)
        threading.Timer(0.5, may_go_on.set).start()
        with shop.db.transaction() as tx:
            commission.reverse_for_orders(tx, order_ids=[order.id], now=shop.now)

    assert not errors_of(run_together(release, reverse))
    assert shop.list_commissions(order)[0].reversed_minor == 10


def test_bug_receipts_and_accruals_of_the_same_orders_deadlocked(shop):
    """The holding period was started in the order of the plan of an UPDATE, the accrual in the order of the ids."""
    first, second = place_many(shop, shop.make_promoters(10), 2)
    for order in (first, second):
        shop.receive(order)
    # The first order's row moves behind the second's, and only a scan of the table is left to the planner.
    shop.run_sql(f"UPDATE commission_splits SET base_minor = base_minor WHERE order_id = '{first.id}'")
    is_locked, may_go_on = threading.Event(), threading.Event()

    def take_turns() -> None:
        with shop.db.transaction() as tx:
            commission.store.lock_splits(tx, order_ids=[first.id])
            is_locked.set()
            may_go_on.wait(10)
            commission.accrue_for_orders(tx, order_ids=[first.id, second.id], now=shop.now)

    def start() -> None:
        is_locked.wait(10)
        threading.Timer(0.5, may_go_on.set).start()
        with shop.db.transaction() as tx:
            for kind in ("nestloop", "indexscan", "bitmapscan", "mergejoin"):
                tx.execute(text(f"SET LOCAL enable_{kind} = off"))
            commission.start_holding(tx, order_ids=[second.id, first.id])

    assert not errors_of(run_together(take_turns, start))
    assert all(one.due_at == shop.now for order in (first, second) for one in shop.list_commissions(order))


def test_a_refund_racing_a_release_racing_a_withdrawal_loses_nothing(shop):
    people = shop.make_promoters(3)
    for round_no in range(12):
        order = shop.place(people, lines=[10_000], plan=make_plan(rates=(5000, 3000, 1000), holding_days=0))
        shop.pay(order)
        shop.receive(order)
        shop.drain()
        shop.refund(order, 2_500 if round_no % 2 else 10_000)

        def withdraw() -> None:
            for _ in range(4):
                available = shop.get_wallet(people[0]).available_minor
                if available >= 100:
                    shop.withdraw(people[0], available)

        results = run_together(lambda: shop.drain("order.refunded"), shop.release, withdraw, shop.release)
        assert all(isinstance(error, wallet.InsufficientBalance) for error in errors_of(results))
        shop.release()
        for promoter in people:
            seen = shop.get_wallet(promoter)
            assert seen.available_minor * seen.debt_minor == 0
    check = shop.check()
    assert check.ok, check.breaks
    total = sum(one.left for one in _entries(shop))
    out = sum(_net(shop.get_wallet(promoter)) for promoter in people)
    assert total == out


def _entries(shop: MoneyShop) -> list:
    with shop.db.transaction() as tx:
        return tx.execute(text("SELECT amount_minor - reversed_minor AS left FROM commission_entries")).all()


def _net(seen: wallet.Wallet) -> int:
    held = seen.pending_minor + seen.frozen_minor + seen.available_minor + seen.withdrawing_minor + seen.withdrawn_minor
    return held - seen.debt_minor


def test_two_releases_at_the_same_time_release_each_entry_once(shop):
    people = shop.make_promoters(12)
    for order in place_many(shop, people, 60):
        shop.receive(order)
    shop.drain()
    with shop.db.transaction() as tx:
        due = tx.execute(text("SELECT count(*) FROM commission_entries")).scalar_one()
    results = run_together(*[shop.release] * 4)
    assert not errors_of(results)
    assert sum(one.released for one in results) == due
    assert shop.release() == commission.Released()
    assert shop.check().ok


# Seals


def test_sealing_while_posting_covers_everything_in_an_unbroken_chain(shop):
    people = shop.make_promoters(12)
    made = place_many(shop, people, 160)
    is_over = threading.Event()

    def write(part: int) -> None:
        for order in made[part::8]:
            with shop.db.transaction() as tx:
                commission.accrue_for_orders(tx, order_ids=[order.id], now=shop.now)

    def write_all() -> list[object]:
        results = run_together(*[lambda part=part: write(part) for part in range(8)])
        is_over.set()
        return results

    def seal() -> int:
        sealed = 0
        while not is_over.is_set():
            with shop.db.transaction() as tx:
                sealed += wallet.seal_transactions(tx, now=shop.now, limit=7)
        return sealed

    written, first, second = run_together(write_all, seal, seal)
    assert not errors_of(written)
    assert not errors_of([first, second])
    assert shop.check().ok
    shop.seal(3)
    check = shop.check()
    assert check.ok, check.breaks
    assert (check.sealed, check.unsealed) == (len(made), 0)


def test_what_commits_late_with_a_low_number_is_sealed_and_not_skipped(shop):
    (promoter,) = shop.make_promoters(1)
    posting = [wallet.Posting(wallet.WORLD, wallet.FEES, 5, "CNY")]
    other = [wallet.Posting("merchant:m:payable", wallet.promoter_address(promoter, "pending"), 5, "CNY")]
    with shop.db.transaction() as late:
        wallet.post(late, transactions=[wallet.LedgerTransaction("late", "test", "x", posting)], now=shop.now)
        with shop.db.transaction() as tx:
            wallet.post(tx, transactions=[wallet.LedgerTransaction("early", "test", "x", other)], now=shop.now)
        shop.seal(3)
        assert shop.count("ledger_seals") == 0
    shop.seal(3)
    check = shop.check()
    assert check.ok, check.breaks
    assert (check.sealed, check.unsealed) == (2, 0)


def test_a_low_number_held_by_a_younger_transaction_is_sealed_and_not_skipped(shop):
    (promoter,) = shop.make_promoters(1)
    posting = [wallet.Posting(wallet.WORLD, wallet.FEES, 5, "CNY")]
    other = [wallet.Posting("merchant:m:payable", wallet.promoter_address(promoter, "pending"), 5, "CNY")]
    with shop.db.transaction() as young:
        with shop.db.transaction() as old:
            old.execute(text("SELECT pg_current_xact_id()"))
            wallet.post(young, transactions=[wallet.LedgerTransaction("low", "test", "x", posting)], now=shop.now)
            wallet.post(old, transactions=[wallet.LedgerTransaction("high", "test", "x", other)], now=shop.now)
        shop.seal(3)
        assert shop.count("ledger_seals") == 0
    shop.seal(3)
    check = shop.check()
    assert check.ok, check.breaks
    assert (check.sealed, check.unsealed) == (2, 0)


def test_sealing_refuses_a_transaction_that_has_written(shop):
    shop.make_promoters(1)
    with pytest.raises(RuntimeError, match="of its own"), shop.db.transaction() as tx:
        tx.execute(text("SELECT pg_current_xact_id()"))
        wallet.seal_transactions(tx, now=shop.now)


def test_a_rolled_back_transaction_leaves_a_gap_that_is_no_break(shop):
    (promoter,) = shop.make_promoters(1)
    shop.earn(promoter, 500)
    with pytest.raises(RuntimeError), shop.db.transaction() as tx:
        wallet.request_withdrawal(tx, promoter_id=promoter, amount_minor=500, method="manual", now=shop.now)
        raise RuntimeError
    shop.withdraw(promoter, 500)
    shop.seal(2)
    check = shop.check()
    assert check.ok, check.breaks
    assert check.unsealed == 0


# Death in the middle


def _terminate(shop: MoneyShop, pid: int) -> None:
    with shop.db.transaction() as tx:
        tx.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


@pytest.mark.parametrize("topic", ["order.paid", "order.refunded"])
def test_a_worker_killed_in_the_middle_leaves_nothing_half_done(shop, topic):
    people = shop.make_promoters(3)
    order = shop.place(people, plan=make_plan(holding_days=0))
    shop.pay(order)
    if topic == "order.refunded":
        shop.drain()
        shop.refund(order, 500)
    before = shop.check()
    with pytest.raises(PostgresUnavailable), shop.db.transaction() as tx:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        events = outbox.claim(tx, topic=topic, limit=10, now=shop.now)
        assert [event.key for event in events] == [order.id]
        REACTIONS[topic](tx, [order.id], shop.now)
        _terminate(shop, pid)
    assert shop.check() == before
    assert shop.count("outbox") == 1
    assert shop.drain() == 1
    assert shop.list_commissions(order)[0].reversed_minor == (50 if topic == "order.refunded" else 0)
    assert shop.check().ok


def test_a_withdrawal_killed_before_its_commit_never_was(shop):
    (promoter,) = shop.make_promoters(1)
    shop.earn(promoter, 500)
    with pytest.raises(PostgresUnavailable), shop.db.transaction() as tx:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        wallet.request_withdrawal(tx, promoter_id=promoter, amount_minor=500, method="manual", now=shop.now)
        _terminate(shop, pid)
    assert shop.count("withdrawals") == 0
    assert shop.holds(promoter) == {"available": 500}
    shop.withdraw(promoter, 500)


def test_a_release_killed_between_two_batches_goes_on_where_it_stopped(shop):
    people = shop.make_promoters(6)
    for order in place_many(shop, people, 10):
        shop.receive(order)
    shop.drain()
    with shop.db.transaction() as tx:
        first = commission.release_batch(tx, now=shop.now, limit=7)
    with pytest.raises(PostgresUnavailable), shop.db.transaction() as tx:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        commission.release_batch(tx, now=shop.now, limit=7)
        _terminate(shop, pid)
    rest = shop.release()
    assert first.released + rest.released == shop.count("commission_entries")
    assert shop.check().ok
