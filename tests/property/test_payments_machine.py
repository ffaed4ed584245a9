"""Orders are paid, closed, refunded and withdrawn while the providers misbehave at random; in the end it all adds up.

The simulator drops, repeats, holds back, reorders and forges what it sends, and dies before or after it did what it was
asked. When it is well again and everything due is done: every order is paid exactly once or its money is back, the
providers' books equal ours, and the ledger sums to 0.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from tests.integration.till import Till, open_till
from tuike import fulfilment, payments, wallet
from tuike.embedded import PostgresServer
from tuike.payments import PayBy, PaymentState
from tuike.providers import Limits, ProviderUnavailable
from tuike.shared.errors import Conflict, Refused, Unavailable

QUICK = Limits(connect_s=1, read_s=0.4, deadline_s=0.8, tries=2, first_wait_s=0.01)
CALLS = ("pay.prepay", "pay.get_payment", "pay.close_payment", "pay.refund", "pay.get_refund", "pay.transfer",
         "pay.get_transfer", "alipay.trade.create", "alipay.trade.query", "alipay.trade.refund", "pay.*")  # fmt: skip
EXAMPLES = int(os.environ.get("TUIKE_PAYMENTS_EXAMPLES", "10"))
PEOPLE = ("lilei", "hanmei", "promoter")


@pytest.fixture(scope="module")
def till(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    with open_till(postgres, "payments_machine", tmp_path_factory.mktemp("simulator")) as opened:
        yield opened


def make_machine(till: Till) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        orders = Bundle("orders")

        @initialize()
        def begin(self) -> None:
            self.counter = till.make_counter(QUICK)
            self.placed: list[str] = []
            self.payouts: list[str] = []
            self.sku = till.make_sku(price=700, stock=1_000)
            self.promoter = self.find_promoter()
            for who in PEOPLE:
                self.place(who, 2, [PayBy.WECHAT, PayBy.ALIPAY], 1)

        def find_promoter(self) -> str:
            shopper = till.log_in("promoter")
            with till.db.transaction() as tx:
                query = text("SELECT id FROM promoters WHERE external_id = :id")
                known = tx.execute(query, {"id": shopper}).scalar_one_or_none()
            return known or till.make_promoter(shopper, available=20_000)

        @rule(
            target=orders,
            who=st.sampled_from(PEOPLE),
            pieces=st.integers(1, 3),
            ways=st.lists(st.sampled_from([PayBy.WECHAT, PayBy.WECHAT, PayBy.ALIPAY, PayBy.WALLET]), max_size=3),
            pays=st.integers(0, 3),
        )
        def place(self, who: str, pieces: int, ways: list[PayBy], pays: int) -> str:
            """Place an order, open payments of it, and mostly pay them."""
            order = till.place((self.sku, pieces), shopper=till.log_in(who))
            self.placed.append(order.id)
            for by in ways:
                self.open(order.id, by)
            if pays:
                self.hand_over(order.id)
            return order.id

        @rule(order=orders, by=st.sampled_from([PayBy.WECHAT, PayBy.ALIPAY, PayBy.WALLET]))
        def open_another(self, order: str, by: PayBy) -> None:
            self.open(order, by)

        @rule(order=orders)
        def pay(self, order: str) -> None:
            self.hand_over(order)

        def open(self, order: str, by: PayBy) -> None:
            shop_order = till.do(fulfilment.get_order, order_id=order)
            try:
                till.open(shop_order, by, counter=self.counter)
            except (Conflict, Refused, Unavailable):
                return

        def hand_over(self, order: str) -> None:
            """Pay whatever can be paid for an order, however often."""
            for payment in till.do(payments.list_payments, order_id=order, limit=50).items:
                if payment.provider is not PayBy.WALLET and payment.prepay_id is not None:
                    kind = "payments" if payment.provider is PayBy.WECHAT else "trades"
                    till.simulated.http.post(f"{till.simulated.url}/_control/{kind}/{payment.id}/pay", json={})

        @rule(order=orders)
        def give_up(self, order: str) -> None:
            till.do(fulfilment.close_unpaid, order_id=order, reason=fulfilment.CloseReason.SHOPPER, now=till.now)

        @rule(order=orders)
        def run_out_of_time(self, order: str) -> None:
            till.expire(till.do(fulfilment.get_order, order_id=order))

        def ask_back(self, order: str, pieces: int) -> None:
            try:
                till.approve(till.ask(till.do(fulfilment.get_order, order_id=order), (0, pieces)))
            except (Conflict, Refused):
                return

        @rule(order=orders, pieces=st.integers(1, 3))
        def pay_and_ask_back(self, order: str, pieces: int) -> None:
            self.hand_over(order)
            self.check(order)
            self.ask_back(order, pieces)

        @rule(amount=st.integers(100, 3_000))
        def withdraw(self, amount: int) -> None:
            try:
                asked = till.do(
                    wallet.request_withdrawal, promoter_id=self.promoter, amount_minor=amount, method="wechat",
                    now=till.now,
                )  # fmt: skip
            except wallet.InsufficientBalance:
                return
            till.do(wallet.approve_withdrawal, withdrawal_id=asked.id, now=till.now)
            with till.db.transaction() as tx:
                payout = payments.start_payout(tx, self.counter, till.app.vault, withdrawal_id=asked.id, now=till.now)
            self.payouts.append(payout.id)

        @rule(turn=st.integers(0, 5), takes=st.booleans())
        def answer_payout(self, turn: int, takes: bool) -> None:
            if not self.payouts:
                return
            payout = till.do(payments.get_payout, payout_id=self.payouts[turn % len(self.payouts)])
            if takes:
                url = f"{till.simulated.url}/_control/transfers/{payout.out_no}/confirm"
                till.simulated.http.post(url, json={})
            elif payout.state is payments.PayoutState.WAITING_FOR_USER:
                till.do(payments.cancel_payout, payout_id=payout.id, now=till.now)

        @rule(call=st.sampled_from(CALLS), kind=st.sampled_from(["drop", "error", "bad_signature", "garbage"]),
              when=st.sampled_from(["before", "after"]), times=st.integers(1, 3))  # fmt: skip
        def break_a_call(self, call: str, kind: str, when: str, times: int) -> None:
            till.simulated.fault(call, kind, when=when, times=times, status=500)

        @rule(kind=st.sampled_from(["", "bad_signature", "probe", "unsigned", "stale"]), repeat=st.integers(0, 3),
              drop=st.booleans(), hold=st.booleans(), times=st.integers(1, 4))  # fmt: skip
        def break_notifies(self, kind: str, repeat: int, drop: bool, hold: bool, times: int) -> None:
            till.simulated.control(
                "notifies/policy", kind=kind, repeat=repeat, drop=drop and not hold, hold=hold, times=times
            )

        @rule(order=st.sampled_from(["fifo", "reverse", "random"]))
        def release(self, order: str) -> None:
            till.simulated.control("notifies/release", order=order)

        @rule()
        def work(self) -> None:
            till.work(counter=self.counter)

        @rule(order=orders)
        def check(self, order: str) -> None:
            for payment in till.do(payments.list_payments, order_id=order, limit=50).items:
                payments.check_payment(
                    till.db, self.counter, payment_id=payment.id, shopper_id=payment.shopper_id, now=till.now
                )

        @invariant()
        def an_order_is_paid_by_one_payment(self) -> None:
            query = """
                SELECT count(*) FROM shop_orders o LEFT JOIN payments p ON p.order_id = o.id AND p.outcome = 'paid_order'
                WHERE o.payment_id IS DISTINCT FROM p.id
            """
            with till.db.transaction() as tx:  # one statement: notifies come in all the time
                assert tx.execute(text(query)).scalar_one() == 0

        def teardown(self) -> None:
            if not hasattr(self, "placed"):
                return
            till.simulated.control("faults/clear")
            till.simulated.control("notifies/policy", times=1)
            till.simulated.control("notifies/release", order="random")
            for order in self.placed:
                till.expire(till.do(fulfilment.get_order, order_id=order))
            self.finish()
            self.prove()

        def finish(self) -> None:
            """Do everything that is due, with a minute between refunds, until nothing is."""
            for _ in range(40):
                till.simulated.control("clock", advance_seconds=62)
                till.set_each("payment_refunds", "asked_at = asked_at - interval '62 s'")
                till.work()
                for payout in self.payouts:
                    found = till.do(payments.get_payout, payout_id=payout)
                    if found.state is payments.PayoutState.HELD:
                        till.do(payments.retry_payout, payout_id=payout, now=till.now)
                    elif found.state is payments.PayoutState.WAITING_FOR_USER:
                        self.answer_all(found.out_no)
                with till.db.transaction() as tx:
                    for held in payments.list_refunds(tx, state="held", limit=50).items:
                        payments.retry_refund(tx, refund_id=held.id, now=till.now)
                    attention = payments.get_attention(tx, overdue_before=till.now)
                waits = (attention.open_payments, attention.waiting_refunds, attention.held_refunds,
                         attention.waiting_payouts, attention.held_payouts)  # fmt: skip
                if not any(waits):
                    return
                time.sleep(0.1)
            raise AssertionError(f"it never ends: {attention}")

        def answer_all(self, out_no: str) -> None:
            till.simulated.http.post(f"{till.simulated.url}/_control/transfers/{out_no}/confirm", json={})

        def prove(self) -> None:
            state = till.state()
            paid = {one["out_trade_no"]: one["total"] for one in state["payment"] if one["transaction_id"]}
            paid |= {one["out_trade_no"]: one["total"] for one in state["trade"] if one["paid_at"]}
            back: Counter[str] = Counter()
            for one in state["refund"]:
                back[one["out_trade_no"]] += one["refund"] if one["status"] == "SUCCESS" else 0
            for one in state["trade"]:
                back[one["out_trade_no"]] += sum(part["amount"] for part in one["refunds"].values())
            for order_id in self.placed:
                order = till.do(fulfilment.get_order, order_id=order_id)
                facts = till.get_facts(order)
                kept = {}
                for payment in till.do(payments.list_payments, order_id=order_id, limit=50).items:
                    assert payment.state in (PaymentState.SUCCEEDED, PaymentState.CLOSED, PaymentState.FAILED), payment
                    if payment.provider is PayBy.WALLET:
                        refunds = till.do(payments.list_refunds, payment_id=payment.id, limit=50).items
                        kept[payment.id] = payment.amount_minor - sum(one.amount_minor for one in refunds)
                        continue
                    assert (payment.state is PaymentState.SUCCEEDED) == (payment.id in paid), payment
                    kept[payment.id] = paid.get(payment.id, 0) - back[payment.id]
                is_paid = order.payment_id is not None
                assert sum(kept.values()) == (facts.total_minor - facts.refunded_minor if is_paid else 0), (order, kept)
                assert all(left == 0 for one, left in kept.items() if one != order.payment_id), kept
                assert is_paid == (facts.payment_id is not None)
                assert order.state != "unpaid"
            for payout in self.payouts:
                found = till.do(payments.get_payout, payout_id=payout)
                there = [one["state"] for one in state["transfer"] if one["out_bill_no"] == found.out_no]
                assert found.state.is_final
                assert (found.state == "succeeded") == (there == ["SUCCESS"]), (found, there)
            till.check_ledger()
            assert till.wallet_of(self.promoter).withdrawing_minor == 0

    return Machine


def test_whatever_the_providers_do_every_order_is_paid_once_or_its_money_is_back(till: Till) -> None:
    machine = make_machine(till)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )  # fmt: skip


def test_a_provider_that_is_away_is_an_error_the_machine_knows(till: Till) -> None:
    till.simulated.fault("pay.prepay", "drop", times=4)
    with pytest.raises(ProviderUnavailable):
        till.open(till.order(), counter=till.make_counter(QUICK))
    till.simulated.control("faults/clear")
