"""Money that goes back: after-sale by WeChat, Alipay and wallet, and the days on which it does not work."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.integration.till import Till, open_till
from tests.simulators import wait_until
from tuike import fulfilment, payments, wallet
from tuike.embedded import PostgresServer
from tuike.orders import AlreadyPaid
from tuike.payments import PayBy
from tuike.providers import Limits, ProviderUnavailable

IMPATIENT = Limits(connect_s=1, read_s=0.3, deadline_s=0.5, tries=1)


@pytest.fixture(scope="module")
def till(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    with open_till(postgres, "payments_refunds", tmp_path_factory.mktemp("simulator")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def calm(till: Till) -> Iterator[None]:
    yield
    till.simulated.control("faults/clear")
    till.simulated.control("notifies/policy", times=1)
    till.simulated.control("notifies/release")


def make_paid(till: Till, by: PayBy = PayBy.WECHAT, *, price: int = 1000, pieces: int = 1, name: str = "lilei"):
    order = till.place((till.make_sku(price=price, stock=200), pieces), shopper=till.log_in(name))
    return order, till.pay_by(order, by)


def ask_back(till: Till, order, pieces: int = 1) -> None:
    """Open a case for some pieces, have it approved, and let the workers take it up."""
    case = till.ask(order, (0, pieces))
    till.approve(case)
    till.react()


def wait_for_refund(till: Till, payment, state: str = "succeeded"):
    wait_until(lambda: bool(till.work()) and till.refunds_of(payment)[0].state == state)
    return till.refunds_of(payment)[0]


@pytest.mark.parametrize("by", [PayBy.WECHAT, PayBy.ALIPAY])
def test_after_sale_gives_back_a_part_and_then_the_rest(till, by):
    order, payment = make_paid(till, by, pieces=3)
    ask_back(till, order, 1)
    refund = wait_for_refund(till, payment)
    assert (refund.amount_minor, refund.cause) == (1000, "after_sale")
    assert till.get_facts(order).refunded_minor == 1000
    ask_back(till, order, 2)
    with till.db.transaction() as tx:  # the provider wants a minute between two
        tx.execute(text("UPDATE payment_refunds SET asked_at = asked_at - interval '2 min'"))
    if by is PayBy.WECHAT:
        till.simulated.control("clock", advance_seconds=61)
    wait_for_refund(till, payment)
    assert till.get_facts(order).refunded_minor == 3000
    assert till.get(order).state == "closed"


def test_a_second_refund_waits_a_minute(till):
    order, payment = make_paid(till, pieces=2)
    ask_back(till, order, 1)
    wait_for_refund(till, payment)
    ask_back(till, order, 1)
    till.work()
    second = till.refunds_of(payment)[0]
    assert second.state == "due"
    assert second.next_at - till.now > timedelta(seconds=50)
    assert len([one for one in till.state()["refund"] if one["out_trade_no"] == payment.id]) == 1


def test_a_fifty_first_refund_is_held_for_a_person(till):
    order, payment = make_paid(till, pieces=2)
    with till.db.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO payment_refunds (id, out_no, payment_id, cause, amount_minor, reason, state, asked_at,"
                " created_at) SELECT 'prf_x' || n, 'prf_x' || n, :payment, 'after_sale', 1, 'x', 'succeeded',"
                " now() - interval '1 h', now() FROM generate_series(1, 50) n"
            ),
            {"payment": payment.id},
        )
    ask_back(till, order, 1)
    till.work()
    assert till.refunds_of(payment)[0].state == "held"


def test_wechat_down_during_a_refund_asks_again_under_the_same_number(till):
    order, payment = make_paid(till)
    ask_back(till, order)
    (due,) = till.refunds_of(payment)
    till.simulated.fault("pay.refund", "drop", when="after", times=1)
    with pytest.raises(ProviderUnavailable):
        payments.execute_refund(till.db, till.make_counter(IMPATIENT), refund_id=due.id, now=till.now)
    assert till.refunds_of(payment)[0].state == "asking"
    wait_for_refund(till, payment)
    assert len([one for one in till.state()["refund"] if one["out_trade_no"] == payment.id]) == 1
    assert till.get_facts(order).refunded_minor == 1000


def test_a_merchant_without_money_refunds_when_it_has_some(till):
    order, payment = make_paid(till)
    ask_back(till, order)
    (due,) = till.refunds_of(payment)
    till.simulated.fault("pay.refund", "error", status=403, code="NOT_ENOUGH")
    payments.execute_refund(till.db, till.counter, refund_id=due.id, now=till.now)
    refund = till.refunds_of(payment)[0]
    assert (refund.state, refund.note) == ("asking", "NOT_ENOUGH")
    wait_for_refund(till, payment)


def test_an_abnormal_refund_waits_for_a_person_who_settles_it(till):
    order, payment = make_paid(till)
    ask_back(till, order)
    till.simulated.control("settings", refund_seconds=30)
    till.work()
    refund = till.refunds_of(payment)[0]
    till.simulated.control("settings", refund_seconds=0.5)
    till.simulated.control(f"refunds/{refund.out_no}/outcome", outcome="ABNORMAL")
    assert wait_for_refund(till, payment, "held").note.startswith("abnormal")
    assert till.get_facts(order).refunded_minor == 0
    settled = till.do(payments.settle_refund_by_hand, refund_id=refund.id, note="cash", now=till.now)
    assert settled.state == "succeeded"
    assert till.get_facts(order).refunded_minor == 1000
    with pytest.raises(payments.PaymentWrongState):
        till.do(payments.settle_refund_by_hand, refund_id=refund.id, note="cash", now=till.now)


def test_a_refund_that_the_provider_closed_is_tried_again_under_another_number(till):
    order, payment = make_paid(till)
    ask_back(till, order)
    till.simulated.control("settings", refund_seconds=30)
    till.work()
    refund = till.refunds_of(payment)[0]
    till.simulated.control("settings", refund_seconds=0.5)
    till.simulated.control(f"refunds/{refund.out_no}/outcome", outcome="CLOSED")
    wait_for_refund(till, payment, "failed")
    (failed,) = till.do(fulfilment.list_shop_refunds, order_id=order.id)
    assert failed.state == "failed"
    till.do(fulfilment.retry_refund, refund_id=failed.id, made_by="staff", now=till.now)
    till.react()
    till.simulated.control("clock", advance_seconds=61)
    again = wait_for_refund(till, payment)
    assert again.out_no == f"{refund.out_no}_2"
    assert till.get_facts(order).refunded_minor == 1000


def test_refund_notifies_that_come_twice_and_late_have_one_effect(till):
    order, payment = make_paid(till)
    ask_back(till, order)
    till.simulated.control("notifies/policy", hold=True, repeat=2, times=1)
    wait_for_refund(till, payment)  # a question was faster than the notify
    till.simulated.control("notifies/release", order="reverse")
    wait_until(lambda: all(one["state"] == "delivered" for one in till.state()["notify"]))
    assert till.get_facts(order).refunded_minor == 1000
    till.check_ledger()


def test_a_refund_notify_that_comes_before_the_payment_notify_makes_us_ask(till):
    order = till.order()
    payment = till.open(order)
    till.simulated.control("notifies/policy", hold=True)
    till.hand_over(payment)
    client = till.counter.providers.wechat_pay
    client.refund(
        out_refund_no="by-hand-at-the-platform-1" + payment.id[-6:], out_no=payment.id, amount_minor=400,
        total_minor=1000, reason="x", notify_url=f"{till.config.public_url}/notify/wechat-pay/refunds",
    )  # fmt: skip
    held = lambda: [one for one in till.state()["notify"] if one["state"] == "held"]  # noqa: E731
    wait_until(lambda: len(held()) == 2)
    till.simulated.control("notifies/release", order="reverse")
    till.wait_for(payment, "succeeded")
    assert till.look(payment).outcome == "paid_order"
    assert till.refunds_of(payment) == []


# The wallet


def test_a_wallet_pays_an_order_and_gets_its_money_back(till):
    shopper = till.log_in("weifang")
    promoter = till.make_promoter(shopper, available=5000)
    order = till.order("weifang", price=3000)
    payment = till.open(order, PayBy.WALLET)
    assert (payment.state, payment.outcome) == ("succeeded", "paid_order")
    assert till.wallet_of(promoter).available_minor == 2000
    assert till.get(order).state == "to_ship"
    till.check_ledger()
    ask_back(till, order)
    till.work()
    assert till.refunds_of(payment)[0].state == "succeeded"
    assert till.wallet_of(promoter).available_minor == 5000
    assert till.get_facts(order).refunded_minor == 3000
    till.check_ledger()


def test_a_wallet_never_pays_more_than_it_has(till):
    shopper = till.log_in("poor")
    promoter = till.make_promoter(shopper, available=999)
    order = till.order("poor", price=1000)
    with pytest.raises(wallet.InsufficientBalance):
        till.open(order, PayBy.WALLET)
    assert till.wallet_of(promoter).available_minor == 999
    assert till.get(order).state == "unpaid"


def test_a_shopper_without_a_wallet_cannot_pay_by_it(till):
    with pytest.raises(payments.PayerUnknown):
        till.open(till.order("nobody"), PayBy.WALLET)


def test_twins_that_pay_from_a_wallet_pay_once(till):
    from concurrent.futures import ThreadPoolExecutor

    shopper = till.log_in("twin")
    promoter = till.make_promoter(shopper, available=1500)
    orders = [till.order("twin", price=1000) for _ in range(4)]

    def attempt(order):
        try:
            return till.open(order, PayBy.WALLET).state
        except (wallet.InsufficientBalance, AlreadyPaid) as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attempt, orders * 2))
    assert results.count("succeeded") == 1
    assert till.wallet_of(promoter).available_minor == 500
    till.check_ledger()


def test_a_wallet_payment_closes_the_one_that_waited_for_money(till):
    shopper = till.log_in("mixed")
    till.make_promoter(shopper, available=5000)
    order = till.order("mixed")
    waiting = till.open(order)
    till.open(order, PayBy.WALLET)
    till.work()
    assert till.look(waiting).state == "closed"
