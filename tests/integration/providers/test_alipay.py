"""Alipay against the simulator, and against an SDK of other hands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alipay import AliPay, DCAliPay
from cryptography.hazmat.primitives.serialization import Encoding

from simulator.keys import make_certificate, make_key, to_pem
from tests.simulators import Ear, Simulated, wait_until
from tuike.providers import (
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
    TransferState,
)
from tuike.providers.alipay.signing import join_params, number_certificate, number_root_certificates, sign_params
from tuike.shared.errors import ValidationFailed

Make = Callable[..., str]


@pytest.fixture
def buyer(simulator: Simulated) -> str:
    return str(simulator.person("hanmeimei")["alipay_id"])


@pytest.fixture
def create(providers: Providers, buyer: str, ear: Ear) -> Make:
    """A function that opens a payment and returns its out number."""

    def make(out_no: str = "order_1", amount_minor: int = 8_888) -> str:
        providers.alipay.create_payment(
            out_no=out_no, subject="一箱橙子 & more=less", amount_minor=amount_minor, buyer_id=buyer,
            notify_url=ear.url, expires_at=datetime.now(UTC) + timedelta(minutes=30),
        )  # fmt: skip
        return out_no

    return make


@pytest.fixture
def buy(simulator: Simulated, create: Make) -> Make:
    """A function that opens a payment and has it paid."""

    def make(out_no: str = "order_1", amount_minor: int = 8_888) -> str:
        create(out_no, amount_minor)
        simulator.control(f"trades/{out_no}/pay")
        return out_no

    return make


def read(providers: Providers, heard: Any, **changes: Any) -> Any:
    return providers.alipay.read_notify(params=heard.form | changes, now=datetime.now(UTC))


def refund(providers: Providers, number: str = "r_1", amount_minor: int = 888) -> Any:
    return providers.alipay.refund(
        out_refund_no=number, out_no="order_1", amount_minor=amount_minor, total_minor=8_888, reason="坏了"
    )


def test_a_code_says_who_logged_in_once(simulator: Simulated, providers: Providers, buyer: str) -> None:
    code = simulator.control("codes", name="hanmeimei", purpose="alipay")["code"]
    user = providers.alipay.log_in(code=code)
    assert user.id == buyer
    assert user.access_token not in repr(user)
    with pytest.raises(ProviderRefused) as refused:
        providers.alipay.log_in(code=code)
    assert refused.value.provider_code == "isv.code-invalid"


def test_a_payment_is_opened_paid_told_and_read(
    simulator: Simulated, providers: Providers, create: Make, buyer: str, ear: Ear
) -> None:
    out_no = create()
    assert providers.alipay.get_payment(out_no=out_no).state is PaymentState.UNPAID
    simulator.control(f"trades/{out_no}/pay")
    notify = read(providers, ear.wait()[0])
    assert notify.payment == providers.alipay.get_payment(out_no=out_no)
    assert (notify.payment.state, notify.payment.amount_minor, notify.payment.payer_id) == (
        PaymentState.PAID, 8_888, buyer,
    )  # fmt: skip


def test_the_same_payment_again_is_the_same_and_another_is_refused(providers: Providers, create: Make) -> None:
    assert create() == create()
    with pytest.raises(ProviderRefused) as refused:
        create(amount_minor=1)
    assert refused.value.provider_code == "ACQ.CONTEXT_INCONSISTENT"


def test_a_closed_payment_cannot_be_paid_and_a_paid_one_not_closed(
    simulator: Simulated, providers: Providers, create: Make, buy: Make
) -> None:
    create()
    providers.alipay.close_payment(out_no="order_1")
    providers.alipay.close_payment(out_no="order_1")
    assert simulator.http.post(f"{simulator.url}/_control/trades/order_1/pay").status_code == 409
    assert providers.alipay.get_payment(out_no="order_1").state is PaymentState.CLOSED
    buy("order_2")
    with pytest.raises(ProviderRefused) as refused:
        providers.alipay.close_payment(out_no="order_2")
    assert refused.value.provider_code == "ACQ.TRADE_STATUS_ERROR"


def test_a_refund_is_made_once_and_read(providers: Providers, buy: Make, ear: Ear) -> None:
    buy()
    assert refund(providers).state is RefundState.SUCCEEDED
    assert refund(providers).state is RefundState.PROCESSING  # nothing changed: the query has the last word
    known = providers.alipay.get_refund(out_refund_no="r_1", out_no="order_1")
    assert (known.state, known.amount_minor, known.total_minor) == (RefundState.SUCCEEDED, 888, 8_888)
    states = {read(providers, heard).payment.state for heard in ear.wait(2)}
    assert states == {PaymentState.PAID, PaymentState.REFUNDED}
    with pytest.raises(ProviderRefused):
        refund(providers, "r_2", amount_minor=8_001)
    refund(providers, "r_2", amount_minor=8_000)
    assert providers.alipay.get_payment(out_no="order_1").state is PaymentState.REFUNDED


def test_unknown_numbers_are_not_found(providers: Providers, buy: Make) -> None:
    buy()
    with pytest.raises(ProviderNotFound):
        providers.alipay.get_payment(out_no="never_was")
    with pytest.raises(ProviderNotFound):
        providers.alipay.get_refund(out_refund_no="never_was", out_no="order_1")
    with pytest.raises(ProviderNotFound):
        providers.alipay.get_transfer(out_no="never_was")


def test_a_transfer_is_made_once_and_read(simulator: Simulated, providers: Providers, buyer: str) -> None:
    asked = [providers.alipay.transfer(out_no="W1", payee_id=buyer, amount_minor=5_000, title="佣金") for _ in range(2)]
    assert asked[0] == asked[1]
    assert asked[0].state is TransferState.SUCCEEDED
    known = providers.alipay.get_transfer(out_no="W1")
    assert (known.state, known.amount_minor, known.provider_no) == (asked[0].state, 5_000, asked[0].provider_no)
    assert len(simulator.read_state()["alipay_transfer"]) == 1


@pytest.mark.parametrize(
    ("payee", "state"), [("slow@a.b", TransferState.SUCCEEDED), ("fail@a.b", TransferState.FAILED)]
)
def test_a_transfer_may_end_later(providers: Providers, payee: str, state: TransferState) -> None:
    asked = providers.alipay.transfer(
        out_no="W1", payee_id=payee, amount_minor=5_000, title="佣金", is_logon_id=True, name="李雷"
    )
    assert asked.state is TransferState.PROCESSING
    wait_until(lambda: providers.alipay.get_transfer(out_no="W1").state is state)
    reason = providers.alipay.get_transfer(out_no="W1").reason
    assert reason == ("PAYEE_USERINFO_ERROR" if state is TransferState.FAILED else None)


def test_a_logon_id_needs_a_name(providers: Providers) -> None:
    with pytest.raises(ValidationFailed):
        providers.alipay.transfer(out_no="W1", payee_id="a@b.c", amount_minor=1, title="x", is_logon_id=True)


@pytest.mark.parametrize("code", ["PAYER_BALANCE_NOT_ENOUGH", "PAYEE_NOT_EXIST", "EXCEED_LIMIT_SM_AMOUNT"])
def test_each_documented_refusal_comes_through_with_its_code(
    simulator: Simulated, providers: Providers, buyer: str, code: str
) -> None:
    simulator.fault("alipay.fund.trans.uni.transfer", "error", code=code)
    with pytest.raises(ProviderRefused) as refused:
        providers.alipay.transfer(out_no="W1", payee_id=buyer, amount_minor=5_000, title="佣金")
    assert refused.value.provider_code == code


@pytest.mark.parametrize("fault", [{"kind": "error"}, {"kind": "drop", "when": "after"}])
def test_what_may_be_tried_again_is_tried_again_with_the_same_number(
    simulator: Simulated, providers: Providers, buyer: str, fault: dict[str, str]
) -> None:
    simulator.fault("alipay.fund.trans.uni.transfer", **fault)
    asked = providers.alipay.transfer(out_no="W1", payee_id=buyer, amount_minor=5_000, title="佣金")
    assert asked.state is TransferState.SUCCEEDED
    assert len(simulator.read_state()["alipay_transfer"]) == 1


def test_while_alipay_is_down_the_outcome_is_unknown(simulator: Simulated, providers: Providers, buyer: str) -> None:
    simulator.fault("alipay.*", "error", times=9)
    with pytest.raises(ProviderUnavailable) as down:
        providers.alipay.transfer(out_no="W1", payee_id=buyer, amount_minor=5_000, title="佣金")
    assert (down.value.is_outcome_unknown, down.value.part) == (True, "alipay")


@pytest.mark.parametrize("kind", ["bad_signature", "unsigned", "garbage", "huge"])
def test_an_answer_that_alipay_did_not_sign_is_not_believed(
    simulator: Simulated, providers: Providers, buy: Make, kind: str
) -> None:
    buy()
    simulator.fault("alipay.trade.query", kind, status=200)
    with pytest.raises(ProviderAnswerInvalid):
        providers.alipay.get_payment(out_no="order_1")


def test_a_signed_answer_about_another_number_is_not_believed(
    simulator: Simulated, providers: Providers, buy: Make
) -> None:
    buy()
    simulator.fault("alipay.trade.query", "edit", edit={"out_trade_no": "order_2"})
    with pytest.raises(ProviderAnswerInvalid):
        providers.alipay.get_payment(out_no="order_1")


def test_a_login_is_not_sent_twice_when_its_answer_is_lost(simulator: Simulated, providers: Providers) -> None:
    code = simulator.control("codes", name="hanmeimei", purpose="alipay")["code"]
    simulator.fault("alipay.system.oauth.token", "drop", when="after")
    with pytest.raises(ProviderUnavailable):
        providers.alipay.log_in(code=code)


def test_somebody_elses_signature_is_refused(simulator: Simulated) -> None:
    other = simulator.make_providers(TUIKE_ALIPAY_PRIVATE_KEY=simulator.settings["TUIKE_WECHAT_PAY_PRIVATE_KEY"])
    with pytest.raises(ProviderRefused) as refused:
        other.alipay.get_payment(out_no="order_1")
    assert refused.value.provider_code == "isv.invalid-signature"
    unknown = simulator.make_providers(TUIKE_ALIPAY_APP_ID="2021000000000000")
    with pytest.raises(ProviderRefused) as refused:
        unknown.alipay.get_payment(out_no="order_1")
    assert refused.value.provider_code == "isv.invalid-app-id"


# Notifies


@pytest.mark.parametrize("kind", ["bad_signature", "unsigned"])
def test_a_forged_notify_is_refused_and_the_true_one_read(
    simulator: Simulated, providers: Providers, buy: Make, ear: Ear, kind: str
) -> None:
    simulator.control("notifies/policy", kind=kind)
    buy()
    forged, true = ear.wait(2)
    with pytest.raises(SignatureInvalid):
        read(providers, forged)
    assert read(providers, true).payment.is_paid


@pytest.mark.parametrize(
    "changes",
    [{"total_amount": "0.01"}, {"out_trade_no": "order_2"}, {"trade_status": "TRADE_FINISHED"}, {"extra": "1"},
     {"sign": ""}],
)  # fmt: skip
def test_a_changed_notify_is_refused(providers: Providers, buy: Make, ear: Ear, changes: dict[str, str]) -> None:
    buy()
    with pytest.raises(SignatureInvalid):
        read(providers, ear.wait()[0], **changes)


def test_an_old_notify_and_one_for_another_application_are_refused(
    simulator: Simulated, providers: Providers, buy: Make, ear: Ear
) -> None:
    simulator.control("notifies/policy", kind="stale")
    buy()
    with pytest.raises(NotifyStale):
        read(providers, ear.wait()[0])
    other = simulator.make_providers(TUIKE_ALIPAY_APP_ID="2021000000000000")
    with pytest.raises(NotifyMalformed):
        read(other, ear.heard[0])


def test_a_notify_comes_again_until_it_is_answered_with_success(
    simulator: Simulated, providers: Providers, buy: Make, ear: Ear
) -> None:
    simulator.control("settings", time_factor=0.0005)
    ear.answer = lambda _: (200, b"ok" if len(ear.heard) < 3 else b"success")
    buy()
    assert {read(providers, heard).payment.out_no for heard in ear.wait(3)} == {"order_1"}


# Bills


def today() -> date:
    return (datetime.now(UTC) + timedelta(hours=8)).date()


def test_a_days_bill_holds_its_payments_and_refunds(simulator: Simulated, providers: Providers, buy: Make) -> None:
    buy()
    refund(providers)
    simulator.control("clock", advance_seconds=2 * 86_400)
    lines = providers.alipay.download_trade_bill(on=today()).lines
    assert [(line.kind.value, line.out_no, line.out_refund_no, line.amount_minor) for line in lines] == [
        ("payment", "order_1", None, 8_888),
        ("refund", "order_1", "r_1", 888),
    ]
    assert providers.alipay.download_trade_bill(on=date(2020, 1, 1)).lines == ()


# The other hands


@pytest.fixture
def sdk(simulator: Simulated) -> AliPay:
    settings = simulator.settings
    made = AliPay(
        appid=settings["TUIKE_ALIPAY_APP_ID"],
        app_private_key_string=Path(settings["TUIKE_ALIPAY_PRIVATE_KEY"]).read_text(),
        alipay_public_key_string=Path(settings["TUIKE_ALIPAY_PUBLIC_KEY"]).read_text(),
    )
    made._gateway = settings["TUIKE_ALIPAY_URL"]
    return made


def test_the_sdk_asks_the_simulator_and_believes_it(simulator: Simulated, sdk: AliPay, buy: Make) -> None:
    buy()
    answer = sdk.api_alipay_trade_query(out_trade_no="order_1")
    assert (answer["code"], answer["trade_status"], answer["total_amount"]) == ("10000", "TRADE_SUCCESS", "88.88")
    again = sdk.api_alipay_trade_refund(refund_amount="1.00", out_trade_no="order_1", out_request_no="sdk_1")
    assert again["fund_change"] == "Y"


def test_the_sdk_verifies_the_notifies_that_we_verify(providers: Providers, sdk: AliPay, buy: Make, ear: Ear) -> None:
    buy()
    heard = ear.wait()[0]
    form = heard.form
    assert sdk.verify({name: value for name, value in form.items() if name != "sign"}, form["sign"])
    assert read(providers, heard).payment.is_paid


def test_our_signature_is_the_sdks_to_the_letter(sdk: AliPay, providers: Providers) -> None:
    params = {
        "method": "alipay.trade.query",
        "app_id": "1",
        "biz_content": '{"subject":"橙子 & a=b"}',
        "charset": "utf-8",
    }
    text = join_params(params, leave_out=frozenset())
    assert sign_params(params, providers.alipay.application.key) == sdk._sign(text)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:alipay", "ignore:X509.*:DeprecationWarning")
def test_the_numbers_of_certificates_are_the_sdks() -> None:
    made = {name: make_key() for name in ("App", "Root One", "Root Two")}
    app, first, second = (make_certificate(key, name).public_bytes(Encoding.PEM).decode() for name, key in made.items())
    theirs = DCAliPay(
        appid="1", app_notify_url=None, app_private_key_string=to_pem(made["App"]), app_public_key_cert_string=app,
        alipay_public_key_cert_string=first, alipay_root_cert_string=f"{first}\n{second}",
    )  # fmt: skip
    assert number_certificate(app) == theirs.app_cert_sn
    assert number_root_certificates(f"{first}\n{second}") == theirs.alipay_root_cert_sn


def test_certificate_mode_sends_both_numbers_and_works(simulator: Simulated, buyer: str, tmp_path: Path) -> None:
    own, root = (make_certificate(make_key(), name).public_bytes(Encoding.PEM).decode() for name in ("App", "Root"))
    providers = simulator.make_providers(TUIKE_ALIPAY_APP_CERTIFICATE=own, TUIKE_ALIPAY_ROOT_CERTIFICATE=root)
    asked = providers.alipay.transfer(out_no="W1", payee_id=buyer, amount_minor=5_000, title="佣金")
    assert asked.state is TransferState.SUCCEEDED
    assert providers.alipay.application.certificate_no == number_certificate(own)


def test_the_end_of_a_transfer_is_told_to_the_gateway(
    simulator: Simulated, providers: Providers, buyer: str, ear: Ear
) -> None:
    simulator.control("settings", alipay_gateway_url=ear.url)
    providers.alipay.transfer(out_no="W1", payee_id=buyer, amount_minor=5_000, title="佣金")
    notify = read(providers, ear.wait()[0])
    assert notify.kind is NotifyKind.TRANSFER
    assert (notify.transfer.out_no, notify.transfer.state, notify.transfer.amount_minor) == (
        "W1", TransferState.SUCCEEDED, 5_000,
    )  # fmt: skip
