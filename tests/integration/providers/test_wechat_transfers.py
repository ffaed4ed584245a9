"""Transfers to people, confirmed by them, and bills, against the simulator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.simulators import Ear, Simulated, wait_until
from tuike.providers import (
    NotifyKind,
    ProviderAnswerInvalid,
    ProviderNotFound,
    ProviderRefused,
    Providers,
    ProviderUnavailable,
    Transfer,
    TransferState,
)
from tuike.shared.errors import ValidationFailed

Make = Callable[..., str]
REPORT = ({"info_type": "岗位类型", "info_content": "推客"}, {"info_type": "报酬说明", "info_content": "推广佣金"})


@pytest.fixture
def transfer(providers: Providers, openid: str, ear: Ear) -> Callable[..., Transfer]:
    """A function that asks for a transfer."""

    def make(out_no: str = "W1", amount_minor: int = 5_000, **changes: Any) -> Transfer:
        given = {"openid": openid, "scene_id": "1005", "remark": "推广佣金", "report": REPORT, "notify_url": ear.url}
        return providers.wechat_pay.transfer(out_no=out_no, amount_minor=amount_minor, **{**given, **changes})  # type: ignore[arg-type]

    return make


def read_transfer(providers: Providers, ear: Ear, count: int = 1) -> Transfer:
    heard = ear.wait(count)[count - 1]
    notify = providers.wechat_pay.read_notify(headers=heard.headers, body=heard.body, now=datetime.now(UTC))
    assert notify.kind is NotifyKind.TRANSFER
    assert notify.transfer is not None
    return notify.transfer


def test_a_transfer_waits_for_its_recipient_and_then_succeeds(
    simulator: Simulated, providers: Providers, transfer: Callable[..., Transfer], ear: Ear
) -> None:
    asked = transfer()
    assert asked.state is TransferState.WAITING_FOR_USER
    assert asked.package is not None
    assert asked.package not in repr(asked)
    request = providers.wechat_pay.make_transfer_request(package=asked.package)
    assert request["package"] == asked.package
    assert request["mchId"] == simulator.settings["TUIKE_WECHAT_PAY_MERCHANT_ID"]
    simulator.control("transfers/W1/confirm")
    told = read_transfer(providers, ear)
    assert (told.out_no, told.state, told.amount_minor) == ("W1", TransferState.SUCCEEDED, 5_000)
    known = providers.wechat_pay.get_transfer(out_no="W1")
    assert (known.state, known.state.is_final, known.provider_no) == (told.state, True, asked.provider_no)


def test_the_same_transfer_again_is_the_same_transfer(simulator: Simulated, transfer: Callable[..., Transfer]) -> None:
    assert transfer().provider_no == transfer().provider_no
    assert len(simulator.read_state()["transfer"]) == 1
    with pytest.raises(ProviderRefused) as refused:
        transfer(amount_minor=6_000)
    assert refused.value.provider_code == "INVALID_REQUEST"


def test_nobody_who_confirms_within_a_day_gets_nothing(
    simulator: Simulated, providers: Providers, transfer: Callable[..., Transfer], ear: Ear
) -> None:
    transfer()
    simulator.control("clock", advance_seconds=86_399 - 60)
    assert providers.wechat_pay.get_transfer(out_no="W1").state is TransferState.WAITING_FOR_USER
    simulator.control("clock", advance_seconds=62)
    told = read_transfer(providers, ear)
    assert (told.state, told.reason) == (TransferState.FAILED, "OVERDUE_CLOSE")
    assert simulator.http.post(f"{simulator.url}/_control/transfers/W1/confirm").status_code == 409


def test_a_transfer_is_taken_back_before_it_is_confirmed_and_not_after(
    simulator: Simulated, providers: Providers, transfer: Callable[..., Transfer], ear: Ear
) -> None:
    transfer()
    assert providers.wechat_pay.cancel_transfer(out_no="W1").state in (
        TransferState.CANCELLING, TransferState.CANCELLED,
    )  # fmt: skip
    assert read_transfer(providers, ear).state is TransferState.CANCELLED
    transfer("W2")
    simulator.control("transfers/W2/confirm")
    with pytest.raises(ProviderRefused):
        providers.wechat_pay.cancel_transfer(out_no="W2")


def test_a_large_transfer_needs_the_right_name(
    simulator: Simulated, providers: Providers, transfer: Callable[..., Transfer], ear: Ear
) -> None:
    with pytest.raises(ValidationFailed):
        transfer(amount_minor=200_000)
    simulator.person("lilei", real_name="李雷")
    assert transfer("W1", amount_minor=200_000, name="李雷").state is TransferState.WAITING_FOR_USER
    transfer("W2", amount_minor=200_000, name="韩梅梅")
    told = read_transfer(providers, ear)
    assert (told.out_no, told.state, told.reason) == ("W2", TransferState.FAILED, "NAME_NOT_CORRECT")


def test_a_name_is_encrypted_with_a_certificate_where_no_public_key_is_set(simulator: Simulated, openid: str) -> None:
    providers = simulator.make_providers(TUIKE_WECHAT_PAY_PUBLIC_KEY_ID="", TUIKE_WECHAT_PAY_PUBLIC_KEY="")
    simulator.control("settings", signs_with="certificate")
    providers.wechat_pay.transfer(
        out_no="W1", openid=openid, amount_minor=300_000, scene_id="1005", remark="x", report=REPORT, name="李雷"
    )
    assert simulator.read_state()["transfer"][0]["name"] == "李雷"


@pytest.mark.parametrize("kind", ["drop", "hang"])
def test_a_transfer_whose_answer_is_lost_is_made_once(
    simulator: Simulated, transfer: Callable[..., Transfer], kind: str
) -> None:
    simulator.fault("pay.transfer", kind, when="after", seconds=2 if kind == "hang" else 0)
    assert transfer().out_no == "W1"
    assert len(simulator.read_state()["transfer"]) == 1


def test_while_the_platform_is_down_the_outcome_is_unknown_and_a_query_tells(
    simulator: Simulated, providers: Providers, transfer: Callable[..., Transfer]
) -> None:
    simulator.fault("pay.transfer", "drop", when="after", times=9)
    with pytest.raises(ProviderUnavailable) as down:
        transfer()
    assert down.value.is_outcome_unknown
    simulator.control("faults/clear")
    assert providers.wechat_pay.get_transfer(out_no="W1").state is TransferState.WAITING_FOR_USER


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "NOT_ENOUGH"), (403, "NO_AUTH"), (400, "INVALID_REQUEST"), (400, "PARAM_ERROR"), (404, "NOT_FOUND")],
)
def test_each_documented_refusal_comes_through_and_makes_nothing(
    simulator: Simulated, transfer: Callable[..., Transfer], status: int, code: str
) -> None:
    simulator.fault("pay.transfer", "error", status=status, code=code)
    with pytest.raises(ProviderRefused) as refused:
        transfer()
    assert refused.value.provider_code == code
    assert simulator.read_state()["transfer"] == []


@pytest.mark.parametrize("out_no", ["", "a" * 33, "with-dash", "../x", "单号"])
def test_a_number_that_cannot_be_one_is_never_sent(
    providers: Providers, transfer: Callable[..., Transfer], out_no: str
) -> None:
    for ask in (transfer, lambda no: providers.wechat_pay.get_transfer(out_no=no)):
        with pytest.raises(ValidationFailed):
            ask(out_no)


def test_a_transfer_is_forgotten_after_a_month(
    simulator: Simulated, providers: Providers, transfer: Callable[..., Transfer]
) -> None:
    transfer()
    simulator.control("clock", advance_seconds=31 * 86_400)
    with pytest.raises(ProviderNotFound):
        providers.wechat_pay.get_transfer(out_no="W1")


# Bills


def today() -> date:
    return (datetime.now(UTC) + timedelta(hours=8)).date()


def test_a_days_bills_hold_its_payments_refunds_and_transfers(
    simulator: Simulated, providers: Providers, pay: Make, transfer: Callable[..., Transfer]
) -> None:
    pay("order-1")
    pay("order-2", 100)
    providers.wechat_pay.refund(out_refund_no="r-1", out_no="order-1", amount_minor=345, total_minor=12_345, reason="x")
    wait_until(lambda: simulator.read_state()["refund"][0]["status"] == "SUCCESS")
    transfer()
    simulator.control("clock", advance_seconds=2 * 86_400)
    trades = providers.wechat_pay.download_trade_bill(on=today()).lines
    assert [(line.kind, line.out_no, line.out_refund_no, line.amount_minor) for line in trades] == [
        (NotifyKind.PAYMENT, "order-1", None, 12_345),
        (NotifyKind.PAYMENT, "order-2", None, 100),
        (NotifyKind.REFUND, "order-1", "r-1", 345),
    ]
    assert trades[0].provider_no == providers.wechat_pay.get_payment(out_no="order-1").provider_no
    funds = providers.wechat_pay.download_fund_bill(on=today()).lines
    assert sorted((line.business, line.amount_minor) for line in funds) == sorted(
        [("交易", 12_345), ("交易", 100), ("退款", -345), ("商家转账", -5_000)]
    )
    assert [line.balance_minor for line in funds][-1] == 12_345 + 100 - 345 - 5_000


def test_a_day_without_anything_has_an_empty_bill(simulator: Simulated, providers: Providers) -> None:
    simulator.control("clock", advance_seconds=2 * 86_400)
    assert providers.wechat_pay.download_trade_bill(on=today()).lines == ()
    assert providers.wechat_pay.download_fund_bill(on=today()).lines == ()


def test_a_bill_that_is_not_made_yet_is_refused(providers: Providers) -> None:
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat_pay.download_trade_bill(on=today())
    assert refused.value.provider_code == "INVALID_REQUEST"


@pytest.mark.parametrize("kind", ["edit", "garbage"])
def test_a_bill_that_was_changed_on_the_way_is_not_believed(
    simulator: Simulated, providers: Providers, pay: Make, kind: str
) -> None:
    pay()
    simulator.control("clock", advance_seconds=2 * 86_400)
    simulator.fault("pay.download_bill", kind, status=200)
    with pytest.raises(ProviderAnswerInvalid):
        providers.wechat_pay.download_trade_bill(on=today())


@pytest.mark.parametrize("url", ["https://elsewhere.example/bill", "file:///etc/passwd", "", "//x"])
def test_a_bill_is_downloaded_from_the_platform_only(
    simulator: Simulated, providers: Providers, pay: Make, url: str
) -> None:
    pay()
    simulator.control("clock", advance_seconds=2 * 86_400)
    simulator.fault("pay.get_trade_bill", "edit", edit={"download_url": url})
    with pytest.raises(ProviderAnswerInvalid):
        providers.wechat_pay.download_trade_bill(on=today())
