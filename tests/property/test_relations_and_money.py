"""Teams that move, links that are touched, orders that follow: attribution, chain and money against a plain model.

The model keeps lists and looks through them; the service asks the graph once. Both must agree on every order, as of its
own instant, and at the end the graph agrees with the journal and the ledger proves.
"""

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tuike import attribution, checkout, commission, orders, reactions, team, wallet
from tuike.app import App
from tuike.commission import ChainLink, LineTerms
from tuike.orders import LineInput
from tuike.shared import clock

_numbers = count(1)
MICROSECOND = timedelta(microseconds=1)


@dataclass
class Person:
    """A promoter in the model; `bindings` are (valid_from, inviter or None), oldest first."""

    id: str
    external_id: str
    is_active: bool = True
    code: str = ""
    bindings: list[tuple[datetime, "Person | None"]] = field(default_factory=list)

    def find_inviter(self, at: datetime) -> "Person | None":
        holding = [inviter for since, inviter in self.bindings if since <= at]
        return holding[-1] if holding else None


@dataclass
class Opening:
    """A touch in the model; `owners` are the buyers and visitors that it counts for."""

    id: str
    at: datetime
    no: int
    person: Person
    owners: set[str]


class RelationsMachine(RuleBasedStateMachine):
    """`app` is set by the test; every run has people of its own in the same database and graph."""

    app: App
    placed = Bundle("placed")

    def __init__(self) -> None:
        super().__init__()
        self.people: list[Person] = []
        self.openings: list[Opening] = []
        self.instants: list[datetime] = []
        self.strangers = [f"buyer-{next(_numbers)}" for _ in range(2)]
        self.visitors = [f"visitor-{next(_numbers)}" for _ in range(2)]
        with self.app.db.transaction() as tx:
            self.plan = commission.replace_plan(
                tx, levels_max=3, rates_bps=[1000, 500, 200], holding_days=0, base="paid", self_purchase=False,
                lock_days=30, attribution="last" if next(_numbers) % 2 else "first", order_cap_bps=None,
                now=clock.read_clock(),
            )  # fmt: skip

    def _tick(self) -> datetime:
        now = clock.read_clock()
        while self.instants and now <= self.instants[-1]:
            now = clock.read_clock()
        self.instants.append(now)
        return now

    def _catch_up(self) -> None:
        team.catch_up(self.app.db, self.app.graph)

    def _pick(self, index: int) -> Person:
        return self.people[index % len(self.people)]

    # Relations

    def _join(self, inviter: Person | None) -> Person:
        now, external_id = self._tick(), f"person-{next(_numbers)}"
        with self.app.db.transaction() as tx:
            made = team.create_promoter(
                tx, external_id=external_id, name="x", inviter_id=inviter.id if inviter else None, now=now
            )
            link = attribution.create_link(tx, promoter_id=made.id, target_type="shop", now=now)
        self._catch_up()
        person = Person(made.id, external_id, code=link.code, bindings=[(now, inviter)])
        self.people.append(person)
        return person

    @initialize()
    def have_a_line_of_four(self):
        above = None
        for _ in range(4):
            above = self._join(above)

    @rule(inviter=st.none() | st.integers(0, 20))
    def join(self, inviter):
        self._join(None if inviter is None else self._pick(inviter))

    @rule(who=st.integers(0, 20), inviter=st.none() | st.integers(0, 20), force=st.sampled_from([True, True, False]))
    def move(self, who, inviter, force):
        person, target = self._pick(who), None if inviter is None else self._pick(inviter)
        now = self._tick()
        present = person.find_inviter(now)
        above, loops = target, False
        while above is not None:
            loops = loops or above is person
            above = above.find_inviter(now)
        expected = None
        if target is person:
            expected = team.SelfBinding
        elif target is present:
            expected = None
        elif present is not None and not force:
            expected = (team.AlreadyBound, team.BindingCycle) if loops else team.AlreadyBound
        elif loops:
            expected = team.BindingCycle

        def act():
            team.change_inviter(
                self.app.db, self.app.graph, promoter_id=person.id, inviter_id=target.id if target else None,
                reason="test", force=force, now=now,
            )  # fmt: skip

        if expected is None:
            act()
            if target is not present:
                person.bindings.append((now, target))
        else:
            with pytest.raises(expected):
                act()

    @rule(who=st.integers(0, 20))
    def suspend_or_revive(self, who):
        person = self._pick(who)
        with self.app.db.transaction() as tx:
            status = "suspended" if person.is_active else "active"
            team.change_status(tx, promoter_id=person.id, status=status, reason="test", now=self._tick())
        self._catch_up()
        person.is_active = not person.is_active

    def _pick_buyer(self, index: int) -> str:
        buyers = [*self.strangers, *(person.external_id for person in self.people)]
        return buyers[index % len(buyers)]

    @rule(
        whose=st.integers(0, 20), buyer=st.none() | st.integers(0, 9), visitor=st.none() | st.integers(0, 1),
        parent=st.none() | st.integers(0, 20), days=st.sampled_from([0, 0, 0, 1, 29, 30, 31]),
    )  # fmt: skip
    def touch(self, whose, buyer, visitor, parent, days):
        person, now = self._pick(whose), self._tick()
        at = now - timedelta(days=days)
        buyer_id = None if buyer is None else self._pick_buyer(buyer)
        visitor_id = None if visitor is None else self.visitors[visitor]
        parent_id = None if parent is None or not self.openings else self.openings[parent % len(self.openings)].id
        with self.app.db.transaction() as tx:
            made = attribution.record_touch(
                tx,
                code=person.code,
                buyer_id=buyer_id,
                visitor_id=visitor_id,
                parent_touch_id=parent_id,
                at=at,
                now=now,
            )
        self._catch_up()
        owners = {owner for owner in (buyer_id, visitor_id) if owner}
        self.openings.append(Opening(made.id, at, len(self.openings), person, owners))
        self.instants.append(now)

    # Orders

    @rule(
        target=placed, data=st.data(), buyer=st.integers(0, 9), visitor=st.none() | st.integers(0, 1),
        named=st.none() | st.none() | st.integers(0, 20), amounts=st.lists(st.integers(1, 5_000), min_size=1, max_size=3),
        steps=st.integers(0, 3),
    )  # fmt: skip
    def place(self, data, buyer, visitor, named, amounts, steps):
        """Place an order now, or as of an instant around something that happened before."""
        past = data.draw(st.none() | st.none() | st.integers(0, len(self.instants) - 1))
        shift = 0 if past is None else data.draw(st.integers(-1, 1))
        now = self._tick()
        placed_at = now if past is None else self.instants[past] + shift * MICROSECOND
        buyer_id = self._pick_buyer(buyer)
        visitor_id = None if visitor is None else self.visitors[visitor]
        touch = self.openings[named % len(self.openings)] if named is not None and self.openings else None
        with self.app.db.transaction() as tx:
            plan = commission.find_plan_at(tx, at=placed_at)
            order = checkout.place_order(
                tx, self.app.graph, external_id=f"order-{next(_numbers)}", buyer_id=buyer_id, placed_at=placed_at,
                touch_id=touch.id if touch else None, visitor_id=visitor_id,
                lines=[LineInput(f"s{no}", 1, amount) for no, amount in enumerate(amounts)], now=now,
            )  # fmt: skip
        self._catch_up()
        self._compare(order, plan, touch, buyer_id, visitor_id)
        if touch:
            touch.owners.add(buyer_id)
        if steps > 0:
            self._pay(order)
        if steps > 1:
            self.settle()
        if steps > 2:
            self._receive(order)
        return order

    def _compare(self, order, plan, touch, buyer_id, visitor_id):
        holding = [
            opening
            for opening in self.openings
            if (opening is touch or opening.owners & {buyer_id, visitor_id})
            and opening.at <= order.placed_at < opening.at + timedelta(days=plan.lock_days)
        ]
        choose = max if plan.attribution == "last" else min
        decider = choose(holding, key=lambda opening: (opening.at, opening.no)) if holding else None
        chain, person = [], decider.person if decider else None
        while person is not None and len(chain) < 3:
            chain.append(person)
            person = person.find_inviter(order.placed_at)
        assert order.attribution.promoter_id == (chain[0].id if chain else None)
        assert order.attribution.touch_id == (decider.id if decider else None)
        expected = commission.decide_split(
            order_id=order.id, merchant_id=order.merchant_id, currency=order.currency, plan=plan,
            lines=[LineTerms(line.no, line.amount_minor, line.rates_bps) for line in order.lines],
            chain=[ChainLink(one.id, one.is_active, one.external_id == buyer_id) for one in chain],
        )  # fmt: skip
        with self.app.db.transaction() as tx:
            assert commission.store.find_split(tx, order_id=order.id) == expected

    def _pay(self, order):
        with self.app.db.transaction() as tx:
            orders.record_payment(
                tx, order_id=order.id, payment_id=f"pay-{order.id}", paid_at=order.placed_at,
                amount_minor=order.total_minor, now=self._tick(),
            )  # fmt: skip

    def _receive(self, order):
        with self.app.db.transaction() as tx:
            orders.record_receipt(tx, order_id=order.id, received_at=order.placed_at, now=self._tick())

    @rule(target=placed, order=consumes(placed), part=st.sampled_from([0.1, 0.5, 1.0]))
    def refund(self, order, part):
        now = self._tick()
        with self.app.db.transaction() as tx:
            seen = orders.get_order(tx, order_id=order.id)
            left = seen.total_minor - seen.refunded_minor
            if seen.payment_id is None or not left:
                return order if left else multiple()
            orders.record_refund(
                tx, order_id=order.id, refund_id=f"refund-{next(_numbers)}", refunded_at=now,
                amount_minor=max(1, int(left * part)), now=now,
            )  # fmt: skip
        return order

    @rule()
    def settle(self):
        reactions.settle_outstanding(self.app.db, self.app.graph)

    @rule()
    def release_and_pay_out(self):
        now = self._tick()
        commission.release_due(self.app.db, now=now)
        for person in self.people:
            with self.app.db.transaction() as tx:
                available = wallet.get_wallet(tx, promoter_id=person.id).available_minor
                if available < 100:
                    continue
                made = wallet.request_withdrawal(
                    tx, promoter_id=person.id, amount_minor=available, method="manual", now=now
                )
                wallet.approve_withdrawal(tx, withdrawal_id=made.id, now=now)
                wallet.mark_paid(tx, withdrawal_id=made.id, now=now)

    @rule()
    def look_at_the_team(self):
        self._compare_teams(self.instants[len(self.instants) // 2])

    def _compare_teams(self, past: datetime) -> None:
        now = self.instants[-1]
        sizes = {id(person): [0, 0, 0] for person in self.people}
        for person in self.people:
            for at in (None, past, now):
                above, expected = person, []
                while len(expected) < 3 and (above := above.find_inviter(at or now)) is not None:
                    expected.append(above)
                seen = team.list_upline(self.app.graph, promoter_id=person.id, at=at)
                assert [one.promoter_id for one in seen] == [one.id for one in expected]
            for level, above in enumerate(expected):
                sizes[id(above)][level] += 1
        for person in self.people:
            seen = team.get_team_sizes(self.app.graph, promoter_id=person.id)
            assert [seen[level] for level in (1, 2, 3)] == sizes[id(person)]

    def teardown(self):
        if not self.people:
            return
        self.settle()
        self._compare_teams(self.instants[0])
        commission.release_due(self.app.db, now=self._tick())
        with self.app.db.transaction() as tx:
            check = wallet.check_ledger(tx)
        assert check.ok, check.breaks
        report = team.check_drift(self.app.db, self.app.graph)
        assert (report["drift"], report["unapplied"]) == (0, 0), report


def test_attribution_chain_and_money_agree_with_a_plain_model_whatever_moves_meanwhile(embedded_app: App):
    deep = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
    RelationsMachine.app = embedded_app
    run_state_machine_as_test(
        RelationsMachine,
        settings=settings(
            max_examples=150 if deep else 6, stateful_step_count=50 if deep else 25, deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=list(Phase) if deep else [Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
        ),
    )  # fmt: skip
