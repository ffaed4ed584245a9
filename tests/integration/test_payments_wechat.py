"""Orders paid by WeChat Pay over the simulator: the good day, and every bad one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from tests.integration.till import Till, open_till
from tests.simulators import Ear, wait_until
from tuike import catalog, fulfilment, payments, reactions
from tuike.embedded import PostgresServer
from tuike.orders import AlreadyPaid, OrderNotFound
from tuike.payments import PayBy
from tuike.providers import Limits, ProviderUnavailable

NOTIFY = "/notify/wechat-pay"


@pytest.fixture(scope="module")
def till(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    with open_till(postgres, "payments_wechat", tmp_path_factory.mktemp("simulator")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def calm(till: Till) -> Iterator[None]:
    yield
    till.simulated.control("faults/clear")
    till.simulated.control("notifies/policy", times=1)
    till.simulated.control("notifies/release")


def count_notifies(till: Till, **named: str) -> int:
    with till.db.transaction() as tx:
        return int(
            tx.execute(text("SELECT coalesce(sum(times), 0) FROM provider_notifies WHERE no = :no"), named).scalar_one()
        )


def capture(till: Till, order: fulfilment.ShopOrder) -> tuple[payments.Payment, Ear]:
    """Open a payment whose notifies go to an ear instead of the shop, and let it be paid."""
    ear = Ear()
    counter = payments.Counter(
        till.counter.providers, ear.url.removesuffix("/notify"), wechat_app_id=till.config.wechat_app_id
    )
    payment = till.open(order, counter=counter)
    till.hand_over(payment)
    ear.wait(1)
    return payment, ear


def send(till: Till, heard, *, body: bytes | None = None, **headers: str) -> httpx.Response:
    kept = {name: value for name, value in heard.headers.items() if name.startswith("Wechatpay")}
    return httpx.post(
        till.config.public_url + NOTIFY, content=heard.body if body is None else body, headers=kept | headers,
        trust_env=False,
    )  # fmt: skip


# The good day


def test_an_order_is_paid_by_what_wechat_tells_us(till):
    order = till.order(price=1990)
    opened = payments.start_payment(
        till.db, till.counter, order_id=order.id, shopper_id=order.shopper_id, provider=PayBy.WECHAT, now=till.now
    )
    assert opened.payment.state == "pending"
    assert opened.request["package"].startswith("prepay_id=")
    assert opened.request["signType"] == "RSA"
    assert till.get(order).state == "unpaid"
    till.hand_over(opened.payment)
    paid = till.wait_for(opened.payment, "succeeded")
    assert (paid.outcome, paid.received_minor) == ("paid_order", 1990)
    assert till.get(order).state == "to_ship"
    assert till.get_facts(order).payment_id == paid.id


def test_a_second_tap_goes_on_with_the_same_payment(till):
    order = till.order()
    first, second = till.open(order), till.open(order)
    assert (first.id, first.prepay_id) == (second.id, second.prepay_id)
    assert till.pay_by(order).id == first.id
    with pytest.raises(AlreadyPaid):
        till.open(order)


def test_twins_that_open_a_payment_open_one(till):
    order = till.order()
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: till.open(order).id, range(8)))
    assert len(set(opened)) == 1


def test_nobody_pays_another_shoppers_order(till):
    order = till.order("lilei")
    with pytest.raises(OrderNotFound):
        payments.start_payment(
            till.db, till.counter, order_id=order.id, shopper_id=till.log_in("hanmei"), provider=PayBy.WECHAT,
            now=till.now,
        )  # fmt: skip


def test_a_question_finds_out_what_no_notify_told(till):
    order = till.order()
    payment = till.open(order)
    till.simulated.control("notifies/policy", drop=True, times=1)
    till.hand_over(payment)
    assert till.look(payment).state == "pending"
    checked = payments.check_payment(
        till.db, till.counter, payment_id=payment.id, shopper_id=order.shopper_id, now=till.now
    )
    assert (checked.state, checked.outcome) == ("succeeded", "paid_order")


def test_the_workers_ask_about_what_waits(till):
    order = till.order()
    payment = till.open(order)
    till.simulated.control("notifies/policy", drop=True, times=1)
    till.hand_over(payment)
    till.work()
    assert till.look(payment).outcome == "paid_order"


# Notifies


def test_a_forged_notify_is_refused_and_changes_nothing(till):
    order = till.order()
    payment = till.open(order)
    till.simulated.control("notifies/policy", kind="bad_signature", times=1, hold=False)
    till.hand_over(payment)
    assert till.wait_for(payment, "succeeded")  # the true one follows
    notify = next(one for one in till.state()["notify"] if one["resource"].get("out_trade_no") == payment.id)
    assert [one["outcome"] for one in notify["attempts"]] == ["401", "ok"]


@pytest.mark.parametrize("kind", ["unsigned", "probe", "unknown_serial", "stale", "garbage"])
def test_a_notify_that_proves_nothing_is_refused(till, kind):
    order = till.order()
    payment = till.open(order)
    till.simulated.control("notifies/policy", kind=kind, times=1)
    till.hand_over(payment)
    till.wait_for(payment, "succeeded")
    wait_until(lambda: "ok" in str(_attempts(till, payment)))
    refused, kept = _attempts(till, payment)
    assert refused == ("400" if kind == "garbage" else "401")
    assert kept == "ok"
    assert count_notifies(till, no=payment.id) == 1


def _attempts(till: Till, payment: payments.Payment) -> list[str]:
    notify = next(one for one in till.state()["notify"] if one["resource"].get("out_trade_no") == payment.id)
    return [one["outcome"] for one in notify["attempts"]]


def test_a_refusal_is_answered_in_the_documented_words(till):
    answer = httpx.post(till.config.public_url + NOTIFY, content=b"{}", trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["code"] == "FAIL"
    assert answer.json()["message"]


def test_a_replayed_notify_has_no_second_effect(till):
    order = till.order()
    payment, ear = capture(till, order)
    answers = [send(till, ear.heard[0]) for _ in range(3)]
    assert [one.status_code for one in answers] == [204, 204, 204]
    assert count_notifies(till, no=payment.id) == 3
    assert till.look(payment).outcome == "paid_order"
    assert till.refunds_of(payment) == []
    ear.close()


def test_twin_notifies_at_the_same_time_have_one_effect(till):
    order = till.order()
    payment, ear = capture(till, order)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(till, ear.heard[0]).status_code, range(8)))
    assert answers == [204] * 8
    assert till.look(payment).outcome == "paid_order"
    assert till.get(order).state == "to_ship"
    ear.close()


def test_a_notify_with_a_changed_body_is_refused(till):
    payment, ear = capture(till, till.order())
    answer = send(till, ear.heard[0], body=ear.heard[0].body.replace(b"TRANSACTION.SUCCESS", b"TRANSACTION.SUCCESs"))
    assert answer.status_code == 401
    old = str(int(ear.heard[0].headers["Wechatpay-Timestamp"]) - 301)
    assert send(till, ear.heard[0], **{"Wechatpay-Timestamp": old}).status_code == 401
    assert till.look(payment).state == "pending"
    ear.close()


def test_a_huge_notify_is_refused(till):
    answer = httpx.post(till.config.public_url + NOTIFY, content=b"x" * 200_000, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (400, "FAIL")


def test_a_notify_that_cannot_be_kept_is_not_acknowledged(till):
    order = till.order()
    payment, ear = capture(till, order)
    with till.db.transaction() as tx:  # somebody holds the order for longer than the provider waits
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('payments:' || :id, 0))"), {"id": order.id})
        answer = send(till, ear.heard[0])
    assert (answer.status_code, answer.json()["code"]) == (503, "FAIL")
    assert answer.elapsed.total_seconds() < 5
    assert send(till, ear.heard[0]).status_code == 204
    assert till.look(payment).outcome == "paid_order"
    ear.close()


# Wrong money


def test_a_wrong_amount_is_held_for_a_person_and_never_pays(till):
    order = till.order(price=5000)
    payment = till.open(order)
    till.simulated.control("notifies/policy", edit={"amount.total": 1}, times=1)
    till.hand_over(payment)
    held = till.wait_for(payment, "held")
    assert (held.outcome, held.received_minor) == ("amount_differs", 1)
    assert till.get(order).state == "unpaid"
    assert till.refunds_of(payment) == []


def test_money_that_comes_after_the_close_goes_back_by_itself(till):
    order = till.order()
    payment = till.open(order)
    assert till.do(fulfilment.close_unpaid, order_id=order.id, reason=fulfilment.CloseReason.SHOPPER, now=till.now)
    till.hand_over(payment)
    assert till.wait_for(payment, "succeeded").outcome == "order_closed"
    wait_until(lambda: bool(till.work()) and till.refunds_of(payment)[0].state == "succeeded")
    (refund,) = till.refunds_of(payment)
    assert (refund.amount_minor, refund.cause) == (1000, "order_closed")
    assert till.get(order).state == "closed"
    assert till.get_facts(order).payment_id is None


def test_the_second_payment_of_an_order_goes_back_by_itself(till):
    order = till.order()
    first, second = till.open(order), till.open(order, PayBy.ALIPAY)
    till.hand_over(first)
    till.hand_over(second)
    till.wait_for(first, "succeeded")
    till.wait_for(second, "succeeded")
    assert {till.look(first).outcome, till.look(second).outcome} == {"paid_order", "paid_twice"}
    loser = first if till.look(first).outcome == "paid_twice" else second
    wait_until(lambda: bool(till.work()) and till.refunds_of(loser)[0].state == "succeeded")
    assert till.refunds_of(first if loser is second else second) == []
    assert till.get(order).state == "to_ship"


def test_the_other_payment_is_closed_when_one_has_paid(till):
    order = till.order()
    other = till.open(order, PayBy.ALIPAY)
    till.pay_by(order)
    till.work()
    assert till.look(other).state == "closed"
    trade = next(one for one in till.state()["trade"] if one["out_trade_no"] == other.id)
    assert trade["state"] == "TRADE_CLOSED"


# Closing


def test_an_order_that_nobody_pays_is_closed_there_and_here(till):
    order = till.order()
    payment = till.open(order)
    till.expire(order)
    till.work()
    assert till.look(payment).state == "closed"
    assert till.get(order).state == "closed"
    (there,) = [one for one in till.state()["payment"] if one["out_trade_no"] == payment.id]
    assert there["state"] == "CLOSED"


def test_money_that_comes_right_before_the_close_pays_the_order(till):
    order = till.order()
    payment = till.open(order)
    till.simulated.control("notifies/policy", drop=True, times=1)
    till.hand_over(payment)
    till.expire(order)
    till.work()
    assert till.look(payment).outcome == "paid_order"
    assert till.get(order).state == "to_ship"


def test_an_order_without_a_payment_is_closed_when_its_time_is_over(till):
    order = till.order()
    till.expire(order)
    till.work()
    assert till.get(order).state == "closed"


def test_an_order_that_its_shopper_closes_cannot_be_paid_at_the_provider_any_more(till):
    order = till.order()
    payment = till.open(order)
    till.do(
        fulfilment.cancel_order, order_id=order.id, shopper_id=order.shopper_id, made_by=order.shopper_id, now=till.now
    )
    reactions.drain(till.db, till.app.graph, topic=fulfilment.CLOSED)
    assert till.look(payment).state == "closing"
    till.work()
    assert till.look(payment).state == "closed"
    (there,) = [one for one in till.state()["payment"] if one["out_trade_no"] == payment.id]
    assert there["state"] == "CLOSED"


def test_stock_that_is_gone_at_payment_sends_the_money_back_by_itself(till):
    sku = till.make_sku(stock=1)
    order = till.place((sku, 1), shopper=till.log_in("lilei"))
    payment = till.open(order)
    with till.db.transaction() as tx:
        tx.execute(text("UPDATE stock_reservations SET expires_at = now() - interval '1 s'"))
        assert order.id in catalog.expire_reservations(tx, now=till.now)
    till.make_paid((sku, 1), shopper="usr_faster")
    till.hand_over(payment)
    assert till.wait_for(payment, "succeeded").outcome == "stock_gone"
    wait_until(lambda: bool(till.work()) and till.refunds_of(payment)[0].state == "succeeded")
    assert (till.get(order).state, till.get(order).close_reason) == ("closed", "stock_gone")
    assert till.stock_of(sku) == (0, 0, 1)


def test_the_pieces_of_an_order_that_cannot_be_closed_are_free_again_after_a_while(till):
    sku = till.make_sku(stock=1)
    order = till.place((sku, 1), shopper=till.log_in("lilei"))
    till.open(order)
    late = order.expires_at + fulfilment.STOCK_GRACE
    assert order.id not in till.do(catalog.expire_reservations, now=late - timedelta(seconds=1), limit=999)
    assert order.id in till.do(catalog.expire_reservations, now=late, limit=999)
    assert till.stock_of(sku) == (1, 0, 0)


# WeChat down


def test_wechat_down_while_a_payment_is_opened(till):
    order = till.order()
    till.simulated.fault("pay.prepay", "drop", times=3)
    with pytest.raises(ProviderUnavailable):
        till.open(order)
    payment = till.open(order)
    assert payment.state == "pending"
    assert len([one for one in till.state()["payment"] if one["out_trade_no"] == payment.id]) == 1


def test_an_answer_that_was_lost_does_not_open_a_second_payment(till):
    order = till.order()
    till.simulated.fault("pay.prepay", "drop", when="after", times=3)
    with pytest.raises(ProviderUnavailable):
        till.open(order)
    with till.db.transaction() as tx:
        (waiting,) = payments.list_payments(tx, order_id=order.id, limit=5).items
    assert waiting.state == "asking"
    payment = till.open(order)
    assert payment.id == waiting.id
    till.hand_over(payment)
    assert till.wait_for(payment, "succeeded").outcome == "paid_order"


def test_wechat_down_for_the_workers_leaves_everything_due(till):
    order = till.order()
    payment = till.open(order)
    till.expire(order)
    till.simulated.fault("pay.get_payment", "error", times=100, status=503)
    till.work(counter=till.make_counter(Limits(connect_s=1, read_s=0.3, deadline_s=0.5, tries=1)))
    assert till.look(payment).state.is_open
    assert till.get(order).state == "unpaid"
    till.simulated.control("faults/clear")
    till.work()
    assert till.get(order).state == "closed"


def test_an_answer_that_wechat_did_not_sign_is_not_believed(till):
    order = till.order()
    payment = till.open(order)
    till.simulated.fault("pay.get_payment", "bad_signature", times=1)
    till.simulated.control("notifies/policy", drop=True, times=1)
    till.hand_over(payment)
    checked = payments.check_payment(
        till.db, till.counter, payment_id=payment.id, shopper_id=order.shopper_id, now=till.now
    )
    assert checked.state == "pending"
