"""Payments, refunds and their notifies against the simulator: the good way, and every way to go wrong."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulators import Ear, Simulated, wait_until
from tuike.providers import (
    PAID_ALREADY,
    NotifyKind,
    NotifyMalformed,
    NotifyStale,
    PaymentState,
    ProviderAnswerInvalid,
    ProviderNotFound,
    ProviderRefused,
    Providers,
    ProviderUnavailable,
    RefundState,
    SignatureInvalid,
)
from tuike.shared.errors import ValidationFailed

Make = Callable[..., str]


def read(providers: Providers, heard: Any, **changes: Any) -> Any:
    given = {"headers": heard.headers, "body": heard.body, "now": datetime.now(UTC)} | changes
    return providers.wechat_pay.read_notify(**given)


def read_refund(providers: Providers, ear: Ear) -> Any:
    """Return the notify of the refund, whichever came first."""
    return next(one for one in (read(providers, heard) for heard in ear.wait(2)) if one.kind is NotifyKind.REFUND)


def refund(providers: Providers, number: str = "r-1", amount_minor: int = 345, **changes: Any) -> Any:
    given = {"out_refund_no": number, "out_no": "order-1", "amount_minor": amount_minor, "total_minor": 12_345,
             "reason": "坏了 broken"} | changes  # fmt: skip
    return providers.wechat_pay.refund(**given)


# The good way


def test_a_payment_is_opened_paid_told_and_read(
    simulator: Simulated, providers: Providers, open_payment: Make, ear: Ear, openid: str
) -> None:
    out_no = open_payment()
    before = providers.wechat_pay.get_payment(out_no=out_no)
    assert (before.state, before.is_paid, before.amount_minor) == (PaymentState.UNPAID, False, 12_345)
    simulator.control(f"payments/{out_no}/pay")
    notify = read(providers, ear.wait()[0])
    assert notify.kind is NotifyKind.PAYMENT
    assert notify.payment == providers.wechat_pay.get_payment(out_no=out_no)
    assert (notify.payment.state, notify.payment.amount_minor, notify.payment.payer_id) == (
        PaymentState.PAID, 12_345, openid,
    )  # fmt: skip
    assert abs(notify.payment.paid_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert openid not in repr(notify)


def test_what_the_client_gets_is_signed_for_the_prepay_id(providers: Providers, now: datetime) -> None:
    request = providers.wechat_pay.make_payment_request(prepay_id="wx1", now=now)
    assert set(request) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert (request["package"], request["signType"]) == ("prepay_id=wx1", "RSA")


def test_opening_the_same_payment_again_gives_the_same(providers: Providers, open_payment: Make) -> None:
    assert open_payment() == open_payment()
    with pytest.raises(ProviderRefused) as refused:
        open_payment(amount_minor=1)
    assert refused.value.provider_code == "INVALID_REQUEST"


def test_a_refund_is_asked_for_told_and_read(simulator: Simulated, providers: Providers, pay: Make, ear: Ear) -> None:
    pay()
    asked = refund(providers, notify_url=ear.url)
    assert (asked.state, asked.amount_minor, asked.total_minor) == (RefundState.PROCESSING, 345, 12_345)
    notify = read_refund(providers, ear)
    assert (notify.refund.out_refund_no, notify.refund.state) == ("r-1", RefundState.SUCCEEDED)
    assert providers.wechat_pay.get_refund(out_refund_no="r-1").refunded_at == notify.refund.refunded_at
    assert providers.wechat_pay.get_payment(out_no="order-1").state is PaymentState.REFUNDED


@pytest.mark.parametrize(("outcome", "state"), [("CLOSED", RefundState.CLOSED), ("ABNORMAL", RefundState.ABNORMAL)])
def test_a_refund_can_end_badly(
    simulator: Simulated, providers: Providers, pay: Make, ear: Ear, outcome: str, state: RefundState
) -> None:
    pay()
    simulator.control("settings", refund_seconds=60)
    refund(providers, notify_url=ear.url)
    simulator.control("refunds/r-1/outcome", outcome=outcome)
    assert read_refund(providers, ear).refund.state is state


# Twice, late, too much


def test_the_same_refund_again_is_the_same_refund(providers: Providers, pay: Make) -> None:
    pay()
    assert refund(providers).provider_no == refund(providers).provider_no
    with pytest.raises(ProviderRefused) as refused:
        refund(providers, amount_minor=1)
    assert refused.value.provider_code == "INVALID_REQUEST"


def test_a_second_refund_waits_a_minute(simulator: Simulated, providers: Providers, pay: Make) -> None:
    pay()
    refund(providers, "r-1")
    with pytest.raises(ProviderUnavailable) as busy:
        refund(providers, "r-2")
    assert (busy.value.reason, busy.value.is_outcome_unknown) == ("frequency_limited", False)
    simulator.control("clock", advance_seconds=61)
    assert refund(providers, "r-2").amount_minor == 345


def test_a_payment_has_fifty_refunds_and_never_more_than_it_is_worth(
    simulator: Simulated, providers: Providers, pay: Make
) -> None:
    pay()
    with pytest.raises(ProviderRefused):
        refund(providers, "r-0", amount_minor=12_346)
    for number in range(50):
        refund(providers, f"r-{number}", amount_minor=1)
        simulator.control("clock", advance_seconds=61)
    with pytest.raises(ProviderRefused) as refused:
        refund(providers, "r-50", amount_minor=1)
    assert refused.value.provider_code == "RULE_LIMIT"


def test_nothing_is_refunded_after_a_year(simulator: Simulated, providers: Providers, pay: Make) -> None:
    pay()
    simulator.control("clock", advance_seconds=366 * 86_400)
    with pytest.raises(ProviderRefused):
        refund(providers)


def test_a_closed_payment_cannot_be_paid_and_closing_again_changes_nothing(
    simulator: Simulated, providers: Providers, open_payment: Make
) -> None:
    out_no = open_payment()
    providers.wechat_pay.close_payment(out_no=out_no)
    providers.wechat_pay.close_payment(out_no=out_no)
    assert simulator.http.post(f"{simulator.url}/_control/payments/{out_no}/pay").status_code == 409
    assert providers.wechat_pay.get_payment(out_no=out_no).state is PaymentState.CLOSED


def test_a_payment_that_was_paid_first_cannot_be_closed(providers: Providers, pay: Make) -> None:
    out_no = pay()
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat_pay.close_payment(out_no=out_no)
    assert refused.value.provider_code in PAID_ALREADY


def test_a_payment_somebody_is_at_cannot_be_closed(
    simulator: Simulated, providers: Providers, open_payment: Make
) -> None:
    out_no = open_payment()
    simulator.control(f"payments/{out_no}/state", state="USERPAYING")
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat_pay.close_payment(out_no=out_no)
    assert refused.value.provider_code == "USERPAYING"
    assert providers.wechat_pay.get_payment(out_no=out_no).state is PaymentState.PAYING


def test_nobody_pays_after_the_expiry(simulator: Simulated, open_payment: Make) -> None:
    out_no = open_payment()
    simulator.control("clock", advance_seconds=31 * 60)
    assert simulator.http.post(f"{simulator.url}/_control/payments/{out_no}/pay").status_code == 409


def test_an_unknown_number_is_not_found(providers: Providers) -> None:
    with pytest.raises(ProviderNotFound):
        providers.wechat_pay.get_payment(out_no="never-was")
    with pytest.raises(ProviderNotFound):
        providers.wechat_pay.get_refund(out_refund_no="never-was")


@pytest.mark.parametrize("out_no", ["short", "a" * 33, "with space", "../../../x", "order-1/close", "订单号码一二"])
def test_a_number_that_cannot_be_one_is_never_sent(providers: Providers, out_no: str) -> None:
    with pytest.raises(ValidationFailed):
        providers.wechat_pay.get_payment(out_no=out_no)


# Answers that go wrong


@pytest.mark.parametrize("kind", ["bad_signature", "probe", "unsigned", "unknown_serial", "stale", "edit"])
def test_an_answer_that_the_platform_did_not_sign_is_not_believed(
    simulator: Simulated, providers: Providers, pay: Make, kind: str
) -> None:
    out_no = pay()
    changes = {"edit": {"out_trade_no": "another-1"}} if kind == "edit" else {}
    simulator.fault("pay.get_payment", kind, **changes)
    with pytest.raises(ProviderAnswerInvalid) as invalid:
        providers.wechat_pay.get_payment(out_no=out_no)
    assert invalid.value.is_outcome_unknown
    assert providers.wechat_pay.get_payment(out_no=out_no).is_paid


@pytest.mark.parametrize("amount", [-1, "12345", 1.5, True, None])
def test_an_amount_that_is_none_is_not_believed_even_if_signed(
    simulator: Simulated, providers: Providers, pay: Make, amount: object
) -> None:
    out_no = pay()
    simulator.fault("pay.get_payment", "edit", edit={"amount.total": amount})
    with pytest.raises(ProviderAnswerInvalid):
        providers.wechat_pay.get_payment(out_no=out_no)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "PARAM_ERROR"), (400, "INVALID_REQUEST"), (403, "NO_AUTH"), (403, "NOT_ENOUGH"), (403, "RULE_LIMIT"),
     (403, "TRADE_ERROR"), (403, "OUT_TRADE_NO_USED"), (400, "APPID_MCHID_NOT_MATCH"), (404, "MCH_NOT_EXISTS")],
)  # fmt: skip
def test_each_documented_refusal_comes_through_with_its_code(
    simulator: Simulated, providers: Providers, pay: Make, status: int, code: str
) -> None:
    pay()
    simulator.fault("pay.refund", "error", status=status, code=code)
    with pytest.raises(ProviderRefused) as refused:
        refund(providers)
    assert (refused.value.provider_code, refused.value.provider_status) == (code, status)
    assert refund(providers).amount_minor == 345  # nothing was done, and nothing was sent twice


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "SYSTEM_ERROR"), (429, "FREQUENCY_LIMITED"), (429, "RATELIMIT_EXCEEDED"), (500, "BANK_ERROR")],
)
def test_what_says_try_again_is_tried_again_with_the_same_number(
    simulator: Simulated, providers: Providers, pay: Make, status: int, code: str
) -> None:
    pay()
    simulator.fault("pay.refund", "error", status=status, code=code, times=2)
    assert refund(providers).out_refund_no == "r-1"
    assert len(simulator.read_state()["refund"]) == 1


@pytest.mark.parametrize("kind", ["drop", "hang", "garbage"])
def test_a_refund_whose_answer_is_lost_is_made_once(
    simulator: Simulated, providers: Providers, pay: Make, kind: str
) -> None:
    pay()
    simulator.fault("pay.refund", kind, when="after", seconds=2 if kind == "hang" else 0, status=502)
    assert refund(providers).out_refund_no == "r-1"
    assert len(simulator.read_state()["refund"]) == 1


def test_a_platform_that_stays_down_leaves_the_outcome_unknown(
    simulator: Simulated, providers: Providers, pay: Make
) -> None:
    pay()
    simulator.fault("pay.refund", "drop", when="after", times=9)
    with pytest.raises(ProviderUnavailable) as down:
        refund(providers)
    assert down.value.is_outcome_unknown
    simulator.control("faults/clear")
    assert providers.wechat_pay.get_refund(out_refund_no="r-1").amount_minor == 345


def test_a_platform_that_is_not_there_leaves_nothing_unknown(simulator: Simulated) -> None:
    providers = simulator.make_providers(TUIKE_WECHAT_PAY_URL="http://127.0.0.1:9/pay")
    with pytest.raises(ProviderUnavailable) as down:
        providers.wechat_pay.get_payment(out_no="order-1")
    assert (down.value.reason, down.value.is_outcome_unknown) == ("not_reached", False)


@pytest.mark.parametrize("code", [["SYSTEM_ERROR"], {"a": 1}, 5, None, "X" * 5_000])
def test_a_refusal_in_a_strange_shape_is_a_refusal_or_not_believed(
    simulator: Simulated, providers: Providers, pay: Make, code: object
) -> None:
    out_no = pay()
    simulator.fault("pay.get_payment", "garbage", status=400, body={"code": code, "message": ["no"]})
    with pytest.raises((ProviderRefused, ProviderAnswerInvalid)):
        providers.wechat_pay.get_payment(out_no=out_no)


def test_retry_after_is_waited_for_and_no_longer_than_the_deadline(
    simulator: Simulated, providers: Providers, pay: Make
) -> None:
    out_no = pay()
    simulator.fault("pay.get_payment", "error", status=429, code="FREQUENCY_LIMITED", headers={"Retry-After": "1"})
    begun = time.monotonic()
    assert providers.wechat_pay.get_payment(out_no=out_no).is_paid
    assert time.monotonic() - begun >= 1
    simulator.fault("pay.get_payment", "error", status=429, code="FREQUENCY_LIMITED", headers={"Retry-After": "900"})
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        providers.wechat_pay.get_payment(out_no=out_no)
    assert time.monotonic() - begun < 1


def test_an_answer_that_drips_ends_with_the_deadline(simulator: Simulated, providers: Providers, pay: Make) -> None:
    out_no = pay()
    simulator.fault("pay.get_payment", "drip", seconds=30, times=9)
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        providers.wechat_pay.get_payment(out_no=out_no)
    assert time.monotonic() - begun < 6


def test_an_endless_answer_is_not_read(simulator: Simulated, providers: Providers, pay: Make) -> None:
    out_no = pay()
    simulator.fault("pay.get_payment", "huge", bytes=30_000_000)
    with pytest.raises(ProviderAnswerInvalid):
        providers.wechat_pay.get_payment(out_no=out_no)


# Our own signature


@pytest.mark.parametrize(
    "changes",
    [
        {"TUIKE_WECHAT_PAY_MERCHANT_ID": "1900000001"},
        {"TUIKE_WECHAT_PAY_CERTIFICATE_SERIAL": "ABC"},
        {"TUIKE_WECHAT_PAY_PRIVATE_KEY": "alipay"},
    ],
)
def test_somebody_elses_signature_is_refused_by_the_platform(
    simulator: Simulated, open_payment: Make, changes: dict[str, str]
) -> None:
    if changes.get("TUIKE_WECHAT_PAY_PRIVATE_KEY"):
        changes = {"TUIKE_WECHAT_PAY_PRIVATE_KEY": simulator.settings["TUIKE_ALIPAY_PRIVATE_KEY"]}
    with pytest.raises(ProviderRefused) as refused:
        open_payment(pay=simulator.make_providers(**changes).wechat_pay)
    assert (refused.value.provider_code, refused.value.provider_status) == ("SIGN_ERROR", 401)


def test_a_clock_that_is_ten_minutes_off_is_noticed_on_both_sides(
    simulator: Simulated, providers: Providers, pay: Make
) -> None:
    out_no = pay()
    simulator.control("settings", skew_seconds=600)
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat_pay.get_payment(out_no=out_no)
    assert refused.value.provider_code == "SIGN_ERROR"


# Notifies that go wrong


@pytest.mark.parametrize("kind", ["bad_signature", "probe", "unsigned", "unknown_serial"])
def test_a_notify_that_the_platform_did_not_sign_is_refused_and_the_true_one_read(
    simulator: Simulated, providers: Providers, pay: Make, ear: Ear, kind: str
) -> None:
    simulator.control("notifies/policy", kind=kind)
    pay()
    forged, true = ear.wait(2)
    with pytest.raises(SignatureInvalid):
        read(providers, forged)
    assert read(providers, true).payment.is_paid


def test_a_stale_notify_is_refused(simulator: Simulated, providers: Providers, pay: Make, ear: Ear) -> None:
    pay()
    heard = ear.wait()[0]
    for away in (timedelta(minutes=6), -timedelta(minutes=6)):
        with pytest.raises(NotifyStale):
            read(providers, heard, now=datetime.now(UTC) + away)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[]", b"{" * 100_000])
def test_another_body_under_a_true_signature_is_refused(providers: Providers, pay: Make, ear: Ear, body: bytes) -> None:
    pay()
    with pytest.raises((SignatureInvalid, NotifyMalformed)):
        read(providers, ear.wait()[0], body=body)


def test_one_changed_byte_is_refused(providers: Providers, pay: Make, ear: Ear) -> None:
    pay()
    heard = ear.wait()[0]
    changed = heard.body.replace(b"TRANSACTION.SUCCESS", b"TRANSACTION.SUCCESs")
    with pytest.raises(SignatureInvalid):
        read(providers, heard, body=changed)


def test_headers_are_read_in_any_case(providers: Providers, pay: Make, ear: Ear) -> None:
    pay()
    heard = ear.wait()[0]
    lower = {name.lower(): value for name, value in heard.headers.items()}
    assert read(providers, heard, headers=lower).payment.is_paid


@pytest.mark.parametrize("value", ["签名", "\xff\xfe", "", "a" * 60_000, "\r\nX: 1"])
@pytest.mark.parametrize("name", ["Signature", "Serial", "Timestamp", "Nonce"])
def test_headers_of_any_kind_are_refused_and_nothing_else(
    providers: Providers, pay: Make, ear: Ear, name: str, value: str
) -> None:
    pay()
    heard = ear.wait()[0]
    with pytest.raises(SignatureInvalid):
        read(providers, heard, headers={**heard.headers, f"Wechatpay-{name}": value})


def test_a_notify_for_another_merchant_is_refused(
    simulator: Simulated, providers: Providers, pay: Make, ear: Ear
) -> None:
    simulator.control("notifies/policy", edit={"mchid": "1900000001"})
    pay()
    with pytest.raises(NotifyMalformed):
        read(providers, ear.wait()[0])


def test_a_notify_with_the_wrong_secret_cannot_be_opened(simulator: Simulated, pay: Make, ear: Ear) -> None:
    pay()
    other = simulator.make_providers(TUIKE_WECHAT_PAY_API_V3_KEY="0" * 32)
    with pytest.raises(NotifyMalformed):
        read(other, ear.wait()[0])


def test_a_wrong_amount_is_read_as_it_is(simulator: Simulated, providers: Providers, pay: Make, ear: Ear) -> None:
    simulator.control("notifies/policy", edit={"amount.total": 1})
    pay()
    assert read(providers, ear.wait()[0]).payment.amount_minor == 1


def test_a_notify_comes_again_until_it_is_answered_well(
    simulator: Simulated, providers: Providers, pay: Make, ear: Ear
) -> None:
    ear.answer = lambda _: (500, b"") if len(ear.heard) < 4 else (204, b"")
    pay()
    heard = ear.wait(4)
    assert len({read(providers, one).id for one in heard}) == 1
    gaps = [(b.at - a.at).total_seconds() for a, b in itertools.pairwise(heard)]
    assert gaps[0] >= 0.14  # 15 s at a hundredth
    assert gaps[2] >= 0.29  # 30 s
    wait_until(lambda: simulator.read_state()["notify"][0]["state"] == "delivered")


def test_notifies_come_twice_late_and_out_of_order_on_request(
    simulator: Simulated, providers: Providers, pay: Make, ear: Ear
) -> None:
    simulator.control("notifies/policy", repeat=2)
    pay("order-1")
    assert len(ear.wait(3)) == 3
    simulator.control("notifies/policy", hold=True)
    pay("order-2")
    pay("order-3")
    assert len(ear.heard) == 3
    simulator.control("notifies/release", order="reverse")
    later = [read(providers, one).payment.out_no for one in ear.wait(5)[3:]]
    assert later == ["order-3", "order-2"]
    simulator.control("notifies/policy", drop=True)
    pay("order-4")
    time.sleep(0.3)
    assert len(ear.heard) == 5


# Keys


def test_platform_certificates_work_where_no_public_key_is_set(simulator: Simulated, pay: Make, ear: Ear) -> None:
    out_no = pay()
    simulator.control("settings", signs_with="certificate")
    providers = simulator.make_providers(TUIKE_WECHAT_PAY_PUBLIC_KEY_ID="", TUIKE_WECHAT_PAY_PUBLIC_KEY="")
    assert providers.wechat_pay.get_payment(out_no=out_no).is_paid
    pay("order-2")
    assert read(providers, ear.wait(2)[1]).payment.out_no == "order-2"


def test_a_certificate_may_sign_although_a_public_key_is_set(
    simulator: Simulated, providers: Providers, pay: Make
) -> None:
    out_no = pay()
    simulator.control("settings", signs_with="certificate")
    assert providers.wechat_pay.get_payment(out_no=out_no).is_paid


def test_a_new_certificate_is_fetched_when_it_first_signs(simulator: Simulated, pay: Make) -> None:
    out_no = pay()
    simulator.control("settings", signs_with="certificate")
    providers = simulator.make_providers(TUIKE_WECHAT_PAY_PUBLIC_KEY_ID="", TUIKE_WECHAT_PAY_PUBLIC_KEY="")
    assert providers.wechat_pay.get_payment(out_no=out_no).is_paid
    simulator.control("keys/rotate", which="certificate")
    with pytest.raises(ProviderAnswerInvalid):  # at most one look a minute, whatever serials strangers send
        providers.wechat_pay.get_payment(out_no=out_no)
    providers.wechat_pay._looked_at = None
    assert providers.wechat_pay.get_payment(out_no=out_no).is_paid


def test_certificates_that_somebody_else_hands_out_are_not_believed(simulator: Simulated, pay: Make) -> None:
    out_no = pay()
    simulator.control("settings", signs_with="certificate")
    providers = simulator.make_providers(TUIKE_WECHAT_PAY_PUBLIC_KEY_ID="", TUIKE_WECHAT_PAY_PUBLIC_KEY="")
    simulator.fault("pay.get_certificates", "bad_signature")
    with pytest.raises(ProviderAnswerInvalid):
        providers.wechat_pay.get_payment(out_no=out_no)
    other = simulator.make_providers(
        TUIKE_WECHAT_PAY_PUBLIC_KEY_ID="", TUIKE_WECHAT_PAY_PUBLIC_KEY="", TUIKE_WECHAT_PAY_API_V3_KEY="0" * 32
    )
    with pytest.raises(ProviderAnswerInvalid):  # what our own secret does not open was not made for us
        other.wechat_pay.get_payment(out_no=out_no)


def test_the_state_of_the_simulator_is_json_and_survives_a_look(simulator: Simulated, pay: Make) -> None:
    pay()
    assert json.dumps(simulator.read_state())
