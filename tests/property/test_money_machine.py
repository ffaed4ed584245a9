"""Everything that can happen to orders and wallets, in any order, on a real PostgreSQL; nothing may ever be lost."""

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from tests.property.money_shop import REACTIONS, MoneyShop, make_plan, wipe
from tuike import commission, orders, wallet
from tuike.db import Database

PLANS = (
    make_plan(),
    make_plan(rates=(1000, 300, 0), levels=2, holding_days=1),
    make_plan(rates=(9000, 6000, 3333), holding_days=0),
    make_plan(rates=(3000, 2000, 1000), cap=2500),
    make_plan(rates=(5000, 0, 0), levels=1),
)
LINES = st.lists(
    st.one_of(
        st.integers(1, 30),
        st.integers(100, 5_000),
        st.tuples(st.integers(1, 3_000), st.sampled_from([(2000,), (0, 5000), (10_000,), (), (3333, 3333, 3334)])),
    ),
    min_size=1,
    max_size=3,
)
MONEY = st.integers(1, 40) | st.integers(1, 6_000)
CURRENCIES = st.sampled_from(["CNY", "CNY", "CNY", "USD"])


def left_of(split: commission.Split, level: int, refunded: list[int]) -> int:
    """What a level keeps, by the words of the domain rules."""
    total = 0
    for line, gone in zip(split.lines, refunded, strict=True):
        amount, base_left = line.amounts_minor[level], line.base_minor - gone
        if line.is_capped:
            total += amount * base_left // line.base_minor
        elif amount:
            total += base_left * line.rates_bps[level] // 10_000
    return total


class MoneyMachine(RuleBasedStateMachine):
    """Keeps what it asked for beside what the service says; `database` is set by the test."""

    database: Database
    placed = Bundle("placed")
    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.shop = MoneyShop(self.database)
        wipe(self.database)
        self.people = self.shop.make_promoters(3)
        self.payments: dict[str, str] = {}
        self.refunds: dict[str, tuple] = {}
        self.received: dict[str, object] = {}

        with self.database.transaction() as tx:
            wallet.replace_policy(
                tx, minimum_minor=2, fee_bps=250, daily_limit_minor=None, review_above_minor=None, now=self.shop.now
            )

    # Orders

    @initialize(target=placed, amounts=st.lists(st.integers(500, 5_000), min_size=2, max_size=4))
    def have_some_orders_with_released_commission(self, amounts):
        made = [self.shop.place(self.people, lines=[amount], plan=PLANS[2]) for amount in amounts]
        for order in made[1:]:
            self.complete(order)
        return multiple(*made)

    @rule(
        target=placed, chain=st.permutations(range(3)), length=st.sampled_from([0, 1, 2, 3, 3, 3]), lines=LINES,
        shipping=st.integers(0, 9), plan=st.sampled_from(PLANS), currency=CURRENCIES,
        follow=st.just([]) | st.lists(st.sampled_from([*REACTIONS, "receive", "refund", "release"]), max_size=6),
    )  # fmt: skip
    def place(self, chain, length, lines, shipping, plan, currency, follow):
        """Place an order and perhaps let a few things follow at once, in any order."""
        people = [self.people[index] for index in chain[:length]]
        order = self.shop.place(people, lines=lines, shipping=shipping, plan=plan, currency=currency)
        if follow:
            self.pay(order)
        acts = {
            "receive": lambda: self.receive(order, 0),
            "refund": lambda: self.refund(order, max(1, order.goods_minor // 7)),
            "release": self.shop.release,
        }
        for step in follow:
            if step in acts:
                acts[step]()
            else:
                self.shop.drain(step)
        return order

    @rule(order=placed)
    def pay(self, order):
        self.shop.pay(order)
        self.payments[order.id] = f"pay-{order.external_id}"

    @rule(order=placed)
    def complete(self, order):
        """The life that most orders have: paid, arrived, released."""
        if order.id not in self.payments:
            self.pay(order)
        self.receive(order, 0)
        self.shop.drain()
        self.wait_and_release(24 * 8)

    @rule(order=placed, other=placed, wrong=st.integers(-3, 3))
    def pay_wrongly(self, order, other, wrong):
        taken, own = f"pay-{other.external_id}", self.payments.get(order.id)
        expected = None
        if own is not None and own != taken:
            expected = orders.AlreadyPaid
        elif wrong:
            expected = orders.AmountMismatch
        elif own is None and taken in self.payments.values():
            expected = orders.PaymentIdTaken
        if expected is None:
            self.shop.pay(order, payment_id=taken)
            self.payments[order.id] = taken
        else:
            with pytest.raises(expected):
                self.shop.pay(order, payment_id=taken, amount=order.total_minor + wrong)

    @rule(order=placed, days_ago=st.integers(0, 3))
    def receive(self, order, days_ago):
        at = self.shop.now - timedelta(days=days_ago)
        if order.id not in self.payments:
            with pytest.raises(orders.OrderNotPaid):
                self.shop.receive(order, at=at)
        else:
            self.received.setdefault(order.id, at)
            assert self.shop.receive(order, at=at).received_at == self.received[order.id]

    @rule(order=placed, amount=MONEY | st.none())
    def refund(self, order, amount):
        """Refund an amount, or with None all that is left."""
        now = self.shop.get_order(order)
        left = now.total_minor - now.refunded_minor
        amount = amount or max(left, 1)
        if order.id not in self.payments:
            with pytest.raises(orders.OrderNotPaid):
                self.shop.refund(order, amount)
        elif amount > left:
            with pytest.raises(orders.RefundExceedsPaid):
                self.shop.refund(order, amount)
        else:
            refund, created = self.shop.refund(order, amount)
            assert created
            assert refund.amount_minor == amount
            self.refunds[refund.id] = (order, amount, None, self.shop.now)

    @rule(order=placed, number=st.integers(0, 2), amount=MONEY)
    def refund_a_line(self, order, number, amount):
        now = self.shop.get_order(order)
        line = now.lines[number % len(now.lines)]
        lines = [(line.sku, amount)]
        if order.id not in self.payments:
            with pytest.raises(orders.OrderNotPaid):
                self.shop.refund(order, lines=lines)
        elif amount > line.left_minor:
            with pytest.raises(orders.RefundExceedsPaid):
                self.shop.refund(order, lines=lines)
        else:
            refund, _ = self.shop.refund(order, lines=lines)
            assert [(part.no, part.amount_minor) for part in refund.lines] == [(line.no, amount)]
            self.refunds[refund.id] = (order, None, lines, self.shop.now)

    @rule(data=st.data(), other=placed)
    def refund_again(self, data, other):
        if not self.refunds:
            return
        refund_id = data.draw(st.sampled_from(sorted(self.refunds)))
        order, amount, lines, at = self.refunds[refund_id]
        _, created = self.shop.refund(order, amount, lines=lines, refund_id=refund_id, at=at)
        assert not created
        with pytest.raises(orders.RefundIdTaken):
            self.shop.refund(order, 5_000_000, refund_id=refund_id, at=at)
        if other.id != order.id:
            with pytest.raises(orders.RefundIdTaken):
                self.shop.refund(other, amount, lines=lines, refund_id=refund_id, at=at)

    # Work in the background

    @rule(topic=st.sampled_from(sorted(REACTIONS)), limit=st.sampled_from([1, 2, 500]))
    def drain_one_topic(self, topic, limit):
        self.shop.drain(topic, limit=limit)

    @rule(topics=st.permutations(sorted(REACTIONS)))
    def drain_all(self, topics):
        self.shop.drain(*topics)

    @rule(order=placed, topic=st.sampled_from(sorted(REACTIONS)))
    def react_once_more(self, order, topic):
        """A reaction may be called again for an order to which its event has happened."""
        happened = {
            "order.paid": order.id in self.payments, "order.received": order.id in self.received,
            "order.refunded": any(known[0].id == order.id for known in self.refunds.values()),
        }  # fmt: skip
        if happened[topic]:
            with self.database.transaction() as tx:
                REACTIONS[topic](tx, [order.id], self.shop.now)

    @rule(hours=st.sampled_from([0, 1, 12, 24, 24 * 8]))
    def wait_and_release(self, hours):
        self.shop.wind(hours=hours)
        self.shop.release()

    @rule()
    def pay_everybody_out(self):
        for promoter in self.people:
            if self.shop.get_wallet(promoter).available_minor >= 2:
                withdrawal = self.shop.withdraw(promoter, self.shop.get_wallet(promoter).available_minor)
                self.shop.decide(withdrawal, "approve", "paid")

    @rule()
    def seal(self):
        self.shop.seal(1)

    # Holds and withdrawals

    @rule(data=st.data(), verb=st.sampled_from(["hold", "hold", "lift"]))
    def hold_or_lift_what_can_be(self, data, verb):
        wanted = "pending" if verb == "hold" else "frozen"
        entries = sorted(key for key, status in self._list_entries().items() if status == wanted)
        if entries:
            order_id, level = data.draw(st.sampled_from(entries))
            with self.database.transaction() as tx:
                order = orders.get_order(tx, order_id=order_id)
            self.hold_or_lift(order, level, verb)

    @rule(order=placed, level=st.integers(1, 3), verb=st.sampled_from(["hold", "lift"]))
    def hold_or_lift(self, order, level, verb):
        status = self._list_entries().get((order.id, level))
        if status is None:
            expected = commission.CommissionNotFound
        elif status == ("pending" if verb == "hold" else "frozen"):
            expected = None
        else:
            expected = wallet.WrongState
        act = self.shop.hold if verb == "hold" else self.shop.lift
        if expected is None:
            assert act(order, level).status == ("frozen" if verb == "hold" else "pending")
        else:
            with pytest.raises(expected):
                act(order, level)

    @rule(target=asked, person=st.integers(0, 2), amount=st.none() | st.integers(1, 2_000), currency=CURRENCIES)
    def withdraw(self, person, amount, currency):
        """Withdraw an amount, or with None all that is available."""
        promoter = self.people[person]
        available = self.shop.get_wallet(promoter, currency).available_minor
        amount = amount or max(available, 1)
        if amount < 2:
            with pytest.raises(wallet.BelowMinimum):
                self.shop.withdraw(promoter, amount, currency=currency)
        elif amount > available:
            with pytest.raises(wallet.InsufficientBalance):
                self.shop.withdraw(promoter, amount, currency=currency)
        else:
            return self.shop.withdraw(promoter, amount, currency=currency)
        return multiple()

    @rule(target=asked, withdrawal=consumes(asked), is_good=st.booleans())
    def decide_as_usual(self, withdrawal, is_good):
        verbs = {"requested": ("reject", "approve"), "approved": ("failed", "paid")}.get(withdrawal.status)
        return self.decide(withdrawal, verbs[is_good]) if verbs else multiple()

    @rule(target=asked, withdrawal=consumes(asked), verb=st.sampled_from(["approve", "reject", "paid", "failed"]))
    def decide(self, withdrawal, verb):
        allowed = {"requested": {"approve": "approved", "reject": "rejected"},
                   "approved": {"paid": "paid", "failed": "failed"}}.get(withdrawal.status, {})  # fmt: skip
        if verb not in allowed:
            with pytest.raises(wallet.WrongState):
                self.shop.decide(withdrawal, verb)
            return withdrawal
        decided = self.shop.decide(withdrawal, verb)
        assert decided.status == allowed[verb]
        return decided

    # What holds after every step

    def _list_entries(self):
        with self.database.transaction() as tx:
            rows = tx.execute(text("SELECT order_id, level, status FROM commission_entries"))
            return {(row.order_id, row.level): row.status for row in rows}

    @invariant()
    def the_ledger_proves(self):
        check = self.shop.check()
        assert check.ok, check.breaks
        assert not any(check.sums.values())

    @invariant()
    def wallets_are_what_entries_and_withdrawals_make_them(self):
        with self.database.transaction() as tx:
            entries = tx.execute(
                text(
                    "SELECT promoter_id, currency, status, sum(amount_minor - reversed_minor)::bigint AS left_minor"
                    " FROM commission_entries GROUP BY 1, 2, 3"
                )
            ).all()
            withdrawals = tx.execute(
                text(
                    "SELECT promoter_id, currency, status, sum(amount_minor)::bigint AS sum"
                    " FROM withdrawals GROUP BY 1, 2, 3"
                )
            ).all()
            payable = dict(
                tx.execute(text("SELECT currency, balance_minor FROM ledger_accounts WHERE kind = 'payable'")).all()
            )
            for currency in ("CNY", "USD"):
                left = {(e.promoter_id, e.status): e.left_minor for e in entries if e.currency == currency}
                out = {(w.promoter_id, w.status): w.sum for w in withdrawals if w.currency == currency}
                assert payable.get(currency, 0) == -sum(left.values())
                for promoter in self.people:
                    seen = wallet.get_wallet(tx, promoter_id=promoter, currency=currency)
                    gone = {status: out.get((promoter, status), 0) for status in ("requested", "approved", "paid")}
                    assert seen.pending_minor == left.get((promoter, "pending"), 0)
                    assert seen.frozen_minor == left.get((promoter, "frozen"), 0)
                    assert seen.withdrawing_minor == gone["requested"] + gone["approved"]
                    assert seen.withdrawn_minor == gone["paid"]
                    assert seen.available_minor * seen.debt_minor == 0
                    assert min(seen.available_minor, seen.debt_minor) >= 0
                    released = left.get((promoter, "available"), 0)
                    assert seen.available_minor - seen.debt_minor == released - sum(gone.values())
                    assert left.get((promoter, "reversed"), 0) == 0

    @invariant()
    def once_drained_entries_are_as_the_rules_say(self):
        with self.database.transaction() as tx:
            if tx.execute(text("SELECT count(*) FROM outbox")).scalar_one():
                return
            entries = {
                (row.order_id, row.level): row for row in tx.execute(text("SELECT * FROM commission_entries")).all()
            }
            for order in orders.list_orders(tx, limit=200).items:
                split = commission.store.find_split(tx, order_id=order.id)
                refunded = [line.refunded_minor for line in order.lines]
                assert commission.is_settled(tx, order_id=order.id)
                left_by_line = sum(line.left_minor for line in order.lines)
                kept = 0
                for level in range(3):
                    entry = entries.get((order.id, level + 1))
                    assert (entry is not None) == (order.payment_id is not None and split.amounts_minor[level] > 0)
                    if entry is None:
                        continue
                    left = left_of(split, level, refunded)
                    kept += left
                    assert entry.amount_minor == split.amounts_minor[level]
                    assert entry.reversed_minor == entry.amount_minor - left
                    assert (entry.status == "reversed") == (left == 0)
                    if order.received_at is None:
                        assert entry.due_at is None
                    else:
                        assert entry.due_at == order.received_at + timedelta(days=split.holding_days)
                assert kept <= left_by_line

    def teardown(self):
        self.shop.drain()
        self.shop.wind(days=400)
        self.shop.release()
        self.once_drained_entries_are_as_the_rules_say()
        self.wallets_are_what_entries_and_withdrawals_make_them()
        self.shop.seal(3)
        check = self.shop.check()
        assert check.ok, check.breaks
        assert check.unsealed == 0


def test_money_is_never_lost_whatever_happens_in_whatever_order(database: Database):
    deep = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
    MoneyMachine.database = database
    run_state_machine_as_test(
        MoneyMachine,
        settings=settings(
            max_examples=400 if deep else 20, stateful_step_count=60 if deep else 30, deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=list(Phase) if deep else [Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
        ),
    )  # fmt: skip
