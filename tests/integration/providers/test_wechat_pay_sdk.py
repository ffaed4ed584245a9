"""The maintained SDK `wechatpayv3` against the simulator, and each side's signatures against the other's checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from wechatpayv3 import SignType, WeChatPay, WeChatPayType
from wechatpayv3.utils import build_authorization, rsa_decrypt, rsa_verify

from tests.simulators import Ear, Simulated
from tuike.providers import Providers
from tuike.providers.signing import encrypt_oaep, load_private_key, load_public_key
from tuike.providers.wechat_pay.signing import Merchant, make_authorization

Make = Callable[..., str]


def make_sdk(simulator: Simulated, **changes: Any) -> Any:
    settings = simulator.settings
    given = {
        "wechatpay_type": WeChatPayType.MINIPROG,
        "mchid": settings["TUIKE_WECHAT_PAY_MERCHANT_ID"],
        "private_key": Path(settings["TUIKE_WECHAT_PAY_PRIVATE_KEY"]).read_text(),
        "cert_serial_no": settings["TUIKE_WECHAT_PAY_CERTIFICATE_SERIAL"],
        "apiv3_key": settings["TUIKE_WECHAT_PAY_API_V3_KEY"],
        "appid": settings["TUIKE_WECHAT_APP_ID"],
        "notify_url": "https://shop.example/notify",
        "public_key": Path(settings["TUIKE_WECHAT_PAY_PUBLIC_KEY"]).read_text(),
        "public_key_id": settings["TUIKE_WECHAT_PAY_PUBLIC_KEY_ID"],
        "timeout": (2, 5),
    } | changes
    sdk = WeChatPay(**given)
    sdk._core._gate_way = settings["TUIKE_WECHAT_PAY_URL"]
    return sdk


def test_the_sdk_and_the_simulator_agree_on_a_whole_payment(
    simulator: Simulated, providers: Providers, openid: str, ear: Ear
) -> None:
    sdk = make_sdk(simulator)
    status, text = sdk.pay(
        description="苹果", out_trade_no="sdk-order-1", amount={"total": 500}, payer={"openid": openid},
        notify_url=ear.url,
    )  # fmt: skip
    assert status == 200, text
    assert json.loads(text)["prepay_id"]
    simulator.control("payments/sdk-order-1/pay")
    status, text = sdk.query(out_trade_no="sdk-order-1")
    assert (status, json.loads(text)["trade_state"]) == (200, "SUCCESS")
    assert providers.wechat_pay.get_payment(out_no="sdk-order-1").is_paid
    status, text = sdk.refund(
        out_refund_no="sdk-r-1", out_trade_no="sdk-order-1", amount={"refund": 100, "total": 500, "currency": "CNY"}
    )
    assert status == 200, text
    assert sdk.query_refund(out_refund_no="sdk-r-1")[0] == 200
    assert sdk.close(out_trade_no="sdk-order-1")[0] == 400


def test_the_sdk_opens_the_notifies_that_we_open(
    simulator: Simulated, providers: Providers, pay: Make, ear: Ear
) -> None:
    pay()
    heard = ear.wait()[0]
    theirs = make_sdk(simulator).callback(heard.headers, heard.body)
    ours = providers.wechat_pay.read_notify(headers=heard.headers, body=heard.body, now=datetime.now(UTC))
    assert theirs["resource"]["out_trade_no"] == ours.payment.out_no  # type: ignore[union-attr]
    assert theirs["resource"]["transaction_id"] == ours.payment.provider_no  # type: ignore[union-attr]
    assert theirs["id"] == ours.id


@pytest.mark.parametrize("kind", ["bad_signature", "probe"])
def test_the_sdk_refuses_the_notifies_that_we_refuse(simulator: Simulated, pay: Make, ear: Ear, kind: str) -> None:
    simulator.control("notifies/policy", kind=kind)
    pay()
    heard = ear.wait()[0]
    try:
        assert make_sdk(simulator).callback(heard.headers, heard.body) is None
    except ValueError:  # the SDK trips over a probe's Base64
        assert kind == "probe"


def test_the_sdk_finds_its_way_by_certificates(simulator: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    from wechatpayv3.core import Core

    simulator.control("settings", signs_with="certificate")
    first = make_sdk(simulator)
    made: Any = Core.__init__

    def build(self: Any, *args: Any, **options: Any) -> None:
        monkeypatch.setattr(Core, "_init_certificates", lambda _: None)
        made(self, *args, **options)

    monkeypatch.setattr(Core, "__init__", build)
    sdk = make_sdk(simulator, public_key=None, public_key_id=None)
    sdk._core._gate_way = first._core._gate_way
    sdk._core._update_certificates()
    assert sdk.query(out_trade_no="never-was")[0] == 404
    assert len(sdk._core._certificates) >= 1


def test_the_sdk_transfers_with_an_encrypted_name(simulator: Simulated, providers: Providers, openid: str) -> None:
    status, text = make_sdk(simulator).mch_transfer_bills(
        out_bill_no="sdkT1", transfer_scene_id="1005", openid=openid, transfer_amount=250_000, transfer_remark="佣金",
        user_name="李雷", transfer_scene_report_infos=[{"info_type": "岗位类型", "info_content": "推客"}],
        notify_url="https://shop.example/transfers",
    )  # fmt: skip
    assert (status, json.loads(text)["state"]) == (200, "WAIT_USER_CONFIRM")
    assert simulator.read_state()["transfer"][0]["name"] == "李雷"
    assert providers.wechat_pay.get_transfer(out_no="sdkT1").amount_minor == 250_000


def test_the_sdk_downloads_the_bill_that_we_download(simulator: Simulated, providers: Providers, pay: Make) -> None:
    pay()
    on = (datetime.now(UTC) + timedelta(hours=8)).date()
    simulator.control("clock", advance_seconds=2 * 86_400)
    sdk = make_sdk(simulator)
    status, text = sdk.trade_bill(bill_date=on.isoformat(), tar_type=None)
    assert status == 200, text
    ours = providers.wechat_pay.download_trade_bill(on=on)
    assert [line.out_no for line in ours.lines] == ["order-1"]


# Vectors: the same input, both implementations


@pytest.fixture
def merchant(simulator: Simulated) -> Merchant:
    settings = simulator.settings
    key = load_private_key(Path(settings["TUIKE_WECHAT_PAY_PRIVATE_KEY"]).read_text())
    return Merchant(settings["TUIKE_WECHAT_APP_ID"], "1900000001", "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", key)


@pytest.mark.parametrize("body", ["", '{"name":"苹果"}', "{}"])
def test_our_authorization_is_the_sdks_to_the_letter(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr("wechatpayv3.utils.time.time", lambda: 1_554_208_460.9)
    path, nonce = "/v3/certificates?a=1&b=%E4%B8%AD", "593BEC0C930BF1AFEB40B4A08C8FB242"
    theirs = build_authorization(
        path, "POST", merchant.merchant_id, merchant.certificate_serial, merchant.key, data=body, nonce_str=nonce
    )
    ours = make_authorization(
        merchant, method="POST", path=path, body=body.encode(), timestamp=1_554_208_460, nonce=nonce
    )
    assert ours == theirs


def test_our_pay_sign_is_the_sdks_to_the_letter(simulator: Simulated, providers: Providers, now: datetime) -> None:
    request = providers.wechat_pay.make_payment_request(prepay_id="wx201410272009395522657a690389285100", now=now)
    app_id = simulator.settings["TUIKE_WECHAT_APP_ID"]
    lines = [app_id, request["timeStamp"], request["nonceStr"], request["package"]]
    assert request["paySign"] == make_sdk(simulator).sign(lines, sign_type=SignType.RSA_SHA256)


def test_the_sdk_verifies_what_we_sign_and_decrypts_what_we_encrypt(merchant: Merchant) -> None:
    from tuike.providers.signing import sign_sha256

    signature = sign_sha256(merchant.key, b"1\n2\nbody\n")
    assert rsa_verify("1", "2", "body", signature, merchant.key.public_key())
    assert rsa_decrypt(encrypt_oaep(merchant.key.public_key(), "欧阳娜娜"), merchant.key) == "欧阳娜娜"


def test_keys_are_read_in_every_form_they_are_handed_out_in(simulator: Simulated) -> None:
    pem = Path(simulator.settings["TUIKE_WECHAT_PAY_PRIVATE_KEY"]).read_text()
    bare = "".join(pem.strip().splitlines()[1:-1])
    number = load_private_key(pem).private_numbers()
    assert load_private_key(bare).private_numbers() == number
    one_line = simulator.make_providers(TUIKE_WECHAT_PAY_PRIVATE_KEY=pem.replace("\n", "\\n"))
    assert one_line.wechat_pay.merchant.key.private_numbers() == number
    in_base64 = simulator.make_providers(TUIKE_WECHAT_PAY_PRIVATE_KEY=bare)
    assert in_base64.wechat_pay.merchant.key.private_numbers() == number
    broken = simulator.make_providers(TUIKE_WECHAT_PAY_PRIVATE_KEY="A" * len(bare))  # too long for a path as well
    with pytest.raises(ValueError, match="TUIKE_WECHAT_PAY_PRIVATE_KEY"):
        _ = broken.wechat_pay
    public = Path(simulator.settings["TUIKE_WECHAT_PAY_PUBLIC_KEY"]).read_text()
    assert load_public_key("".join(public.strip().splitlines()[1:-1])) == load_public_key(public)
