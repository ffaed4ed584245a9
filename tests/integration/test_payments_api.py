"""Payments over REST: what each may see and do, and what every route answers twice."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import text

from tests.integration.till import Till, open_till
from tests.simulators import wait_until
from tuike import payments, wallet
from tuike.embedded import PostgresServer


@pytest.fixture(scope="module")
def till(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    with open_till(postgres, "payments_api", tmp_path_factory.mktemp("simulator")) as opened:
        yield opened


def test_a_shopper_pays_an_order_over_rest(till):
    order = till.order("lilei", price=1990)
    opened = till.call("POST", f"/me/orders/{order.id}/payments", who="lilei", provider="wechat")
    assert opened.status_code == 201, opened.text
    body = opened.json()
    assert (body["state"], body["amount_minor"], body["outcome"]) == ("pending", 1990, None)
    assert set(body["request"]) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    again = till.call("POST", f"/me/orders/{order.id}/payments", who="lilei", provider="wechat")
    assert again.json()["id"] == body["id"]
    till.simulated.control("notifies/policy", drop=True, times=1)
    till.simulated.control(f"payments/{body['id']}/pay")
    for _ in range(2):
        checked = till.call("POST", f"/me/payments/{body['id']}/check", who="lilei")
        assert (checked.status_code, checked.json()["state"]) == (200, "succeeded")
        assert checked.json()["request"] is None
    assert till.call("GET", f"/me/payments/{body['id']}", who="lilei").json()["outcome"] == "paid_order"
    refused = till.call("POST", f"/me/orders/{order.id}/payments", who="lilei", provider="wechat")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "already_paid")


def test_alipay_and_unknown_providers_over_rest(till):
    order = till.order("lilei")
    opened = till.call("POST", f"/me/orders/{order.id}/payments", who="lilei", provider="alipay")
    assert list(opened.json()["request"]) == ["tradeNO"]
    wrong = till.call("POST", f"/me/orders/{order.id}/payments", who="lilei", provider="cash")
    assert (wrong.status_code, list(wrong.json()["error"]["fields"])) == (422, ["provider"])


def test_others_orders_and_payments_are_not_there(till):
    order = till.order("lilei")
    answer = till.call("POST", f"/me/orders/{order.id}/payments", who="hanmei", provider="wechat")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "order_not_found")
    payment = till.open(order)
    for method, path in (("GET", f"/me/payments/{payment.id}"), ("POST", f"/me/payments/{payment.id}/check")):
        answer = till.call(method, path, who="hanmei")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "payment_not_found")


def test_a_provider_that_is_down_is_a_503_that_names_it(till):
    order = till.order("lilei")
    till.simulated.fault("pay.prepay", "error", times=20, status=503)
    answer = till.call("POST", f"/me/orders/{order.id}/payments", who="lilei", provider="wechat")
    till.simulated.control("faults/clear")
    assert answer.status_code == 503
    assert (answer.json()["error"]["code"], answer.json()["error"]["part"]) == ("provider_unavailable", "wechat_pay")
    assert till.call("POST", f"/me/orders/{order.id}/payments", who="lilei", provider="wechat").status_code == 201


def test_a_held_payment_is_sent_back_by_finance(till):
    payment = till.open(till.order(price=4000))
    till.simulated.control("notifies/policy", edit={"amount.total": 3999}, times=1)
    till.hand_over(payment)
    till.wait_for(payment, "held")
    held = till.call("GET", "/payments?state=held", who="operator").json()["items"]
    assert [one["id"] for one in held] == [payment.id]
    assert till.call("POST", f"/payments/{payment.id}/refund", who="auditor").status_code == 403
    assert till.call("POST", f"/payments/{payment.id}/refund", who="operator").status_code == 200
    assert till.call("POST", f"/payments/{payment.id}/refund", who="operator").status_code == 409
    (refund,) = till.call("GET", f"/payment-refunds?payment_id={payment.id}", who="operator").json()["items"]
    assert (refund["cause"], refund["amount_minor"]) == ("amount_differs", 3999)
    assert till.call("POST", f"/payment-refunds/{refund['id']}/retry", who="operator").status_code == 409
    assert till.call("POST", f"/payment-refunds/{refund['id']}/settle", who="operator", note="x").status_code == 409
    assert till.call("GET", f"/payment-refunds/{refund['id']}", who="auditor").status_code == 200


def test_a_promoter_withdraws_and_confirms_over_rest(till):
    shopper = till.log_in("promoter")
    assert till.call("POST", "/me/withdrawals", who="promoter", amount_minor=100, method="wechat").status_code == 404
    promoter = till.make_promoter(shopper, available=3000)
    asked = till.call("POST", "/me/withdrawals", who="promoter", amount_minor=3000, method="wechat", account="other")
    assert (asked.status_code, asked.json()["account"]) == (201, None)
    withdrawal = asked.json()["id"]
    assert till.call("POST", f"/withdrawals/{withdrawal}/payout", who="operator").status_code == 409
    till.call("POST", f"/withdrawals/{withdrawal}/approve", who="operator")
    started = till.call("POST", f"/withdrawals/{withdrawal}/payout", who="operator")
    again = till.call("POST", f"/withdrawals/{withdrawal}/payout", who="operator")
    assert (started.status_code, again.json()["id"]) == (201, started.json()["id"])
    by_hand = till.call("POST", f"/withdrawals/{withdrawal}/paid", who="operator")
    assert (by_hand.status_code, by_hand.json()["error"]["code"]) == (409, "payout_under_way")
    till.work()
    (own,) = till.call("GET", "/me/payouts", who="promoter").json()["items"]
    assert (own["state"], set(own["request"])) == ("waiting_for_user", {"mchId", "appId", "package"})
    assert till.call("GET", f"/me/payouts/{own['id']}", who="hanmei").status_code == 404
    till.simulated.control(f"transfers/{started.json()['out_no']}/confirm")
    wait_until(lambda: till.call("GET", f"/me/payouts/{own['id']}", who="promoter").json()["state"] == "succeeded")
    assert till.wallet_of(promoter).withdrawn_minor == 3000
    assert till.call("POST", f"/me/payouts/{own['id']}/cancel", who="promoter").status_code == 409
    assert till.call("GET", "/me/withdrawals", who="promoter").json()["items"][0]["status"] == "paid"
    for word in ("cancel", "retry", "give-up"):
        assert till.call("POST", f"/payouts/{own['id']}/{word}", who="operator").status_code == 409
    assert till.call("GET", f"/payouts/{own['id']}", who="auditor").json()["state"] == "succeeded"
    assert len(till.call("GET", "/payouts?state=succeeded", who="operator").json()["items"]) == 1


@pytest.mark.parametrize(
    "path",
    ["/payments/x", "/payment-refunds/x", "/payouts/x", "/me/payments/x", "/payments/%00", "/payments/" + "x" * 9000],
)
def test_ids_that_name_nothing_are_a_404(till, path):
    who = "lilei" if path.startswith("/me") else "operator"
    assert till.call("GET", path, who=who).status_code == 404


def test_nobody_sees_payments_without_credentials(till):
    for path in ("/payments", "/payment-refunds", "/payouts", "/me/payouts", "/me/withdrawals"):
        assert till.call("GET", path).status_code == 401


def test_alipay_notifies_are_answered_in_alipays_words(till):
    refused = httpx.post(till.config.public_url + "/notify/alipay", data={"a": "b"}, trust_env=False)
    assert (refused.status_code, refused.text) == (401, "failure")
    twice = httpx.post(till.config.public_url + "/notify/alipay", content=b"a=1&a=2", trust_env=False)
    assert (twice.status_code, twice.text) == (400, "failure")
    payment = till.pay_by(till.order(), payments.PayBy.ALIPAY)
    wait_until(lambda: any(one["state"] == "delivered" for one in till.state()["notify"] if one["host"] == "alipay"))
    assert payment.outcome == "paid_order"


def test_what_waits_shows_in_the_metrics(till):
    shown = httpx.get(till.config.public_url + "/metrics", trust_env=False).text
    for name in ("tuike_payments_waiting", "tuike_payments_held", "tuike_bill_differences_open"):
        assert name in shown
    assert isinstance(till.do(wallet.check_ledger).ok, bool)


def test_finance_compares_a_day_and_exports_what_differs(till):
    from datetime import timedelta

    from tuike.shared.clock import BUSINESS_ZONE

    payment = till.pay_by(till.order(price=777))
    with till.db.transaction() as tx:
        tx.execute(text("UPDATE payments SET received_minor = 776 WHERE id = :id"), {"id": payment.id})
    today = till.now.astimezone(BUSINESS_ZONE)
    day = str(today.date())
    early = till.call("POST", "/reconciliations", who="operator", provider="wechat", on_day=day)
    assert (early.status_code, early.json()["error"]["code"]) == (409, "bill_not_ready")
    noon = (today + timedelta(days=1)).replace(hour=12)
    till.simulated.control("clock", advance_seconds=(noon - today).total_seconds())
    for _ in range(2):
        done = till.call("POST", "/reconciliations", who="operator", provider="wechat", on_day=day)
        assert done.status_code == 201, done.text
        assert done.json()["differences"] >= 1
    till.simulated.control("clock", advance_seconds=-(noon - today).total_seconds())
    assert till.call("GET", f"/reconciliations/{done.json()['id']}", who="auditor").json()["on_day"] == day
    assert len(till.call("GET", f"/reconciliations?on_day={day}", who="auditor").json()["items"]) == 2
    found = till.call("GET", f"/bill-differences?on_day={day}", who="auditor").json()["items"]
    (mine,) = [one for one in found if one["no"] == payment.id]
    assert (mine["kind"], mine["ours_minor"], mine["theirs_minor"]) == ("amount_differs", 776, 777)
    assert till.call("GET", f"/bill-differences/{mine['id']}", who="auditor").json() == mine
    assert till.call("GET", "/bill-differences?kind=missing_here", who="auditor").json()["items"] == []
    (bill,) = till.call("GET", f"/bills?on_day={day}&limit=1", who="auditor").json()["items"]
    assert bill["id"] == f"wechat_{day}"
    assert bill["open_differences"] >= 1
    assert till.call("GET", f"/bills/{bill['id']}", who="auditor").json() == bill
    lines = till.call("GET", f"/bills/{bill['id']}/lines", who="auditor").json()["items"]
    (line,) = [one for one in lines if one["no"] == payment.id]
    assert (line["what"], line["amount_minor"], line["fee_micros"]) == ("payment", 777, 777 * 60)
    written = till.call("GET", f"/bills/{bill['id']}/text", who="auditor")
    assert hashlib.sha256(written.content).hexdigest() == bill["sha256"]
    for path in ("/bills/wechat_2001-01-01", "/bills/x", "/bills/x/lines", "/bills/wechat_x/text"):
        assert till.call("GET", path, who="auditor").json()["error"]["code"] == "bill_not_found"
    assert till.call("GET", "/bills", who="analyst").status_code == 403
    exported = till.call("GET", "/bill-differences/export?provider=wechat", who="auditor")
    assert exported.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert payment.id in exported.text
    for _ in range(2):
        resolved = till.call("POST", f"/bill-differences/{mine['id']}/resolve", who="operator", note="ok")
        assert resolved.json()["resolved_at"] is not None
    assert till.call("POST", "/bill-differences/x/resolve", who="operator", note="ok").status_code == 404
    assert payment.id not in till.call("GET", "/bill-differences/export", who="auditor").text
    assert till.call("GET", "/bill-differences", who="analyst").status_code == 403


@pytest.mark.parametrize("day", ["2026-02-30", "20261101", "0001-01-01", "x", ""])
def test_a_day_that_is_none_is_refused_by_name(till, day):
    answer = till.call("POST", "/reconciliations", who="operator", provider="wechat", on_day=day)
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (422, ["on_day"])
