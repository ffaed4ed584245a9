"""Random lives of shop orders: whatever is done in whatever order, stock, coupons, money and states stay right."""

from __future__ import annotations

from typing import Any

import psycopg
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.integration.shop import Shop
from tuike import catalog, fulfilment, offers
from tuike.db import Database
from tuike.embedded import PostgresServer
from tuike.fulfilment import OrderState
from tuike.shared.errors import TuikeError

_STOCK = 6
_FORWARD = {
    OrderState.UNPAID: {"unpaid", "to_ship", "closed", "shipped", "completed"},
    OrderState.TO_SHIP: {"to_ship", "shipped", "completed", "closed"},
    OrderState.SHIPPED: {"shipped", "completed", "closed"},
    OrderState.COMPLETED: {"completed"},
    OrderState.CLOSED: {"closed"},
}
orders_drawn = st.integers(0, 30)
small = st.integers(0, 3)


def test_random_lives_of_orders_keep_stock_coupons_money_and_states_right(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.make_url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop_machine TEMPLATE tuike_template")
    database = Database(postgres.make_url("shop_machine"))

    class Machine(_Lives):
        shop = Shop(database)

    try:
        run_state_machine_as_test(Machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None))
    finally:
        database.close()


class _Lives(RuleBasedStateMachine):
    """Shoppers, staff, the provider and the clock take turns; a refusal is an answer, anything else is a defect."""

    shop: Shop

    def __init__(self) -> None:
        super().__init__()
        self.placed: list[str] = []
        self.states: dict[str, OrderState] = {}
        self.cases: list[str] = []

    @initialize(prices=st.lists(st.integers(1, 5000), min_size=2, max_size=2), freight=st.integers(0, 900))
    def open(self, prices: list[int], freight: int) -> None:
        self.skus = [self.shop.make_sku(price=price, stock=_STOCK) for price in prices]
        self.people = self.shop.make_promoters(2)
        self.coupon = self.shop.make_coupon(amount_minor=777)
        self.freight = freight

    def attempt(self, verb: Any, **named: Any) -> Any:
        try:
            return self.shop.do(verb, **named)
        except TuikeError as refused:
            return refused

    def order(self, drawn: int) -> fulfilment.ShopOrder | None:
        if not self.placed:
            return None
        found: fulfilment.ShopOrder = self.shop.do(fulfilment.get_order, order_id=self.placed[drawn % len(self.placed)])
        return found

    @rule(first=st.integers(0, 3), second=st.integers(0, 3), with_coupon=st.booleans())
    def place(self, first: int, second: int, with_coupon: bool) -> None:
        pieces = [(sku, n) for sku, n in zip(self.skus, (first, second), strict=True) if n]
        if not pieces:
            return
        try:
            made = self.shop.place(
                *pieces, chain=self.people, freight=self.freight, coupon=self.coupon if with_coupon else None
            )
        except TuikeError:
            return
        self.placed.append(made.id)

    @rule(drawn=orders_drawn, right=st.booleans())
    def pay(self, drawn: int, right: bool) -> None:
        order = self.order(drawn)
        if order is not None:
            outcome = self.shop.pay(order, amount=order.payable_minor + (not right))
            assert right or outcome != "recorded"

    @rule(drawn=orders_drawn)
    def close(self, drawn: int) -> None:
        if order := self.order(drawn):
            self.attempt(fulfilment.close_unpaid, order_id=order.id, reason="expired", now=self.shop.now)

    @rule(drawn=orders_drawn)
    def lose_the_reservation(self, drawn: int) -> None:
        if order := self.order(drawn):
            self.attempt(catalog.release_stock, order_id=order.id, now=self.shop.now)

    @rule(drawn=orders_drawn, no=st.integers(0, 1), quantity=small, whole=st.booleans())
    def ship(self, drawn: int, no: int, quantity: int, whole: bool) -> None:
        if order := self.order(drawn):
            lines = None if whole else [fulfilment.Pieces(no, quantity)]
            self.attempt(
                fulfilment.ship_parcel, order_id=order.id, carrier="SF", tracking_no=f"T{self.shop.number()}",
                lines=lines, shipped_by="staff", now=self.shop.now,
            )  # fmt: skip

    @rule(drawn=orders_drawn)
    def receive(self, drawn: int) -> None:
        if order := self.order(drawn):
            self.attempt(
                fulfilment.receive_order, order_id=order.id, shopper_id=order.shopper_id, made_by="a",
                now=self.shop.now,
            )  # fmt: skip

    @rule(drawn=orders_drawn, no=st.integers(0, 1), quantity=small, amount=st.none() | st.integers(0, 9000),
          kind=st.sampled_from(list(fulfilment.CaseKind)))  # fmt: skip
    def ask(self, drawn: int, no: int, quantity: int, amount: int | None, kind: fulfilment.CaseKind) -> None:
        if order := self.order(drawn):
            case = self.attempt(
                fulfilment.open_case, order_id=order.id, shopper_id=order.shopper_id, kind=kind,
                claims=[fulfilment.Claim(no, quantity, amount)], reason="x", made_by="a", now=self.shop.now,
            )  # fmt: skip
            if isinstance(case, fulfilment.Case):
                self.cases.append(case.id)

    @rule(drawn=orders_drawn, what=st.sampled_from(["approve", "reject", "cancel", "send", "back", "back"]))
    def decide(self, drawn: int, what: str) -> None:
        if not self.cases:
            return
        case_id, now = self.cases[drawn % len(self.cases)], self.shop.now
        calls: dict[str, tuple[Any, dict[str, Any]]] = {
            "approve": (fulfilment.approve_case, {"decided_by": "staff"}),
            "reject": (fulfilment.reject_case, {"decided_by": "staff", "answer": "no"}),
            "cancel": (fulfilment.cancel_case, {"shopper_id": "usr_a", "made_by": "a"}),
            "send": (fulfilment.send_back, {"shopper_id": "usr_a", "carrier": "SF", "tracking_no": "B"}),
            "back": (fulfilment.receive_back, {"made_by": "staff"}),
        }
        verb, named = calls[what]
        self.attempt(verb, case_id=case_id, now=now, **named)

    @rule(fails=st.booleans())
    def refund(self, fails: bool) -> None:
        for due in self.shop.do(fulfilment.list_refunds_due, limit=5):
            if fails:
                self.shop.do(fulfilment.mark_refund_failed, refund_id=due.id, reason="x", now=self.shop.now)
                self.shop.do(fulfilment.retry_refund, refund_id=due.id, made_by="staff", now=self.shop.now)
            else:
                for _ in range(2):
                    self.shop.do(
                        fulfilment.mark_refunded, refund_id=due.id, refunded_at=self.shop.now, now=self.shop.now
                    )

    @rule(days=st.integers(0, 11))
    def wait(self, days: int) -> None:
        self.shop.wind(days=days)
        fulfilment.receive_due(self.shop.db, now=self.shop.now)
        fulfilment.end_due_cases(self.shop.db, now=self.shop.now)
        self.shop.settle()

    @invariant()
    def pieces_are_conserved(self) -> None:
        for sku in getattr(self, "skus", ()):
            assert sum(self.shop.stock_of(sku)) == _STOCK

    @invariant()
    def sums_are_exact_and_states_go_forward(self) -> None:
        holders = []
        for order_id in self.placed:
            order = self.shop.do(fulfilment.get_order, order_id=order_id)
            facts = self.shop.get_facts(order)
            assert order.goods_minor - order.discount_minor + order.freight_minor == order.payable_minor
            assert sum(line.amount_minor for line in order.lines) == order.goods_minor - order.discount_minor
            assert (facts.total_minor, facts.payment_id) == (order.payable_minor, order.payment_id)
            refunds = self.shop.do(fulfilment.list_shop_refunds, order_id=order_id)
            back = sum(one.amount_minor for one in refunds if one.state == "succeeded")
            assert facts.refunded_minor == back <= (order.payable_minor if order.payment_id else 0)
            assert order.state in _FORWARD[self.states.get(order_id, OrderState.UNPAID)]
            assert (facts.received_at is not None) == (order.state is OrderState.COMPLETED)
            open_cases = [
                one
                for one in self.shop.do(fulfilment.list_cases, order_id=order_id, limit=50).items
                if one.ended_at is None
            ]
            assert order.open_cases == len(open_cases)
            self.states[order_id] = order.state
            if order.coupon_id is not None and (order.state is not OrderState.CLOSED or order.payment_id is not None):
                holders.append(order_id)
        assert len(holders) <= 1
        if holders:
            coupon = self.shop.do(offers.get_coupon, coupon_id=self.coupon.id, shopper_id="usr_a")
            assert coupon.order_id == holders[0]

    def teardown(self) -> None:
        if self.placed:
            self.shop.settle()
            self.shop.check_ledger()
