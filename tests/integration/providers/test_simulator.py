"""The simulator as a program and as a page."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.simulators import ROOT, Ear, Simulated, start_simulator, wait_until
from tuike.providers import PaymentState, ProviderRefused, Providers

Make = Callable[..., str]


def open_payment(providers: Providers, openid: str, notify_url: str, out_no: str = "order-1") -> None:
    providers.wechat_pay.prepay(
        out_no=out_no, description="苹果", amount_minor=500, openid=openid, notify_url=notify_url,
        expires_at=datetime.now(UTC) + timedelta(minutes=30),
    )  # fmt: skip


def test_it_writes_settings_for_programs_and_shells_readable_by_its_owner_only(tmp_path: Path) -> None:
    with start_simulator(tmp_path / "sim") as simulator:
        lines = (tmp_path / "sim" / "settings.env").read_text().splitlines()
        assert dict(line.split("=", 1) for line in lines) == simulator.settings
        for path in (tmp_path / "sim").iterdir():
            if path.suffix in (".json", ".pem", ".env"):
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE((tmp_path / "sim").stat().st_mode) == 0o700
        simulator.process.send_signal(signal.SIGTERM)
        assert simulator.process.wait(10) == 0


def test_a_restart_forgets_neither_keys_nor_payments_nor_what_it_had_to_tell(tmp_path: Path) -> None:
    with Ear() as ear:
        with start_simulator(tmp_path / "sim") as simulator:
            settings = simulator.settings
            providers = simulator.make_providers()
            openid = providers.wechat.log_in(code="dev:lilei:1").openid
            open_payment(providers, openid, ear.url)
            ear.answer = lambda _: (500, b"")
            simulator.control("payments/order-1/pay")
            ear.wait(1)
            os.kill(simulator.process.pid, signal.SIGKILL)
            simulator.process.wait(10)
        ear.answer = lambda _: (204, b"")
        with start_simulator(tmp_path / "sim", "--time-factor", "0.001") as simulator:
            same = {name for name, value in settings.items() if simulator.settings[name] == value}
            assert set(settings) - same == {"TUIKE_WECHAT_URL", "TUIKE_WECHAT_PAY_URL", "TUIKE_ALIPAY_URL"}
            assert simulator.make_providers().wechat_pay.get_payment(out_no="order-1").state is PaymentState.PAID
            for notify in simulator.read_state()["notify"]:
                if notify["state"] == "waiting":  # its next try was planned with the real waits
                    simulator.control(f"notifies/{notify['id']}/send")
            ear.wait(2)


def test_a_taken_port_is_said_in_words_and_ends_it(simulator: Simulated, tmp_path: Path) -> None:
    port = simulator.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "simulator", "--directory", str(tmp_path / "sim"), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert done.returncode != 0
    assert "in use" in done.stderr.lower()


# The page


def test_a_person_pays_and_confirms_on_the_page(
    simulator: Simulated, providers: Providers, openid: str, ear: Ear
) -> None:
    open_payment(providers, openid, ear.url)
    providers.wechat_pay.transfer(
        out_no="W1", openid=openid, amount_minor=52_000, scene_id="1005", remark="佣金",
        report=[{"info_type": "岗位类型", "info_content": "推客"}],
    )  # fmt: skip
    page = simulator.http.get(simulator.url)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for shown in ("苹果", "¥5.00", "¥520.00", "lilei", 'lang="zh-CN"', 'name="viewport"'):
        assert shown in page.text
    for act in ("do/pay/order-1", "do/confirm/W1"):
        assert simulator.http.post(f"{simulator.url}/{act}").status_code == 303
    assert providers.wechat_pay.get_payment(out_no="order-1").is_paid
    ear.wait()
    again = simulator.http.post(f"{simulator.url}/do/pay/order-1", follow_redirects=True)
    assert "订单已支付" in again.text


def test_the_page_escapes_what_merchants_write(simulator: Simulated, providers: Providers, openid: str) -> None:
    providers.wechat_pay.prepay(
        out_no="order-1", description="<script>alert(1)</script>", amount_minor=500, openid=openid,
        notify_url="https://shop.example/notify", expires_at=datetime.now(UTC) + timedelta(minutes=30),
    )  # fmt: skip
    text = simulator.http.get(f"{simulator.url}/", params={"problem": "<b>x</b>"}).text
    assert "<script>" not in text
    assert "<b>x</b>" not in text


def test_a_page_elsewhere_can_neither_pay_nor_control(simulator: Simulated) -> None:
    for path in ("do/pay/order-1", "_control/reset"):
        answer = simulator.http.post(f"{simulator.url}/{path}", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403


# The controls


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"call": "*", "kind": "explode"}),
        ("faults", {"kind": "drop"}),
        ("faults", {"call": "*", "kind": "drop", "colour": "red"}),
        ("notifies/policy", {"kind": "explode"}),
        ("settings", {"colour": "red"}),
        ("clock", {"at": "yesterday"}),
        ("keys/rotate", {"which": "door"}),
        ("people/lilei", {"colour": "red"}),
    ],
)
def test_a_control_that_is_not_understood_says_so(simulator: Simulated, path: str, body: dict[str, str]) -> None:
    answer = simulator.http.post(f"{simulator.url}/_control/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("path", ["payments/x/pay", "payments/x/received", "transfers/x/confirm", "trades/x/pay",
                                  "notifies/x/send"])  # fmt: skip
def test_what_cannot_be_done_is_a_conflict(simulator: Simulated, path: str) -> None:
    assert simulator.http.post(f"{simulator.url}/_control/{path}", json={}).status_code == 409


def test_reset_leaves_nothing_behind(simulator: Simulated, pay: Make) -> None:
    pay()
    simulator.fault("pay.*", "drop", times=5)
    simulator.control("clock", advance_seconds=86_400)
    simulator.control("reset")
    state = simulator.read_state()
    assert all(not records for records in state.values())
    now = datetime.fromisoformat(simulator.http.get(f"{simulator.url}/_control/health").json()["now"])
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


# A crowd


def test_one_payment_is_paid_once_however_many_press_the_button(
    simulator: Simulated, providers: Providers, openid: str, ear: Ear
) -> None:
    open_payment(providers, openid, ear.url)
    barrier = threading.Barrier(8)

    def press() -> int:
        barrier.wait()
        return simulator.http.post(f"{simulator.url}/_control/payments/order-1/pay", json={}).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(press) for _ in range(8)]]
    assert sorted(answers) == [200] + [409] * 7
    ear.wait()
    wait_until(lambda: simulator.read_state()["notify"][0]["state"] == "delivered")
    assert len(ear.heard) == 1


def test_twins_of_one_refund_and_one_transfer_make_one(simulator: Simulated, providers: Providers, pay: Make) -> None:
    pay()
    openid = simulator.person("lilei")["openid"]

    def refund() -> str | None:
        return providers.wechat_pay.refund(
            out_refund_no="r-1", out_no="order-1", amount_minor=345, total_minor=12_345, reason="x"
        ).provider_no

    def transfer() -> str | None:
        return providers.wechat_pay.transfer(
            out_no="W1", openid=openid, amount_minor=500, scene_id="1005", remark="x",
            report=[{"info_type": "a", "info_content": "b"}],
        ).provider_no  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        for act in (refund, transfer):
            assert len({future.result() for future in [pool.submit(act) for _ in range(8)]}) == 1
    state = simulator.read_state()
    assert (len(state["refund"]), len(state["transfer"])) == (1, 1)


def test_a_merchant_who_never_answers_does_not_hold_up_the_others(
    simulator: Simulated, providers: Providers, openid: str, ear: Ear
) -> None:
    slow = Ear()
    release = threading.Event()
    slow.answer = lambda _: (200, b"") if release.wait(10) else (500, b"")
    for number in range(6):
        open_payment(providers, openid, slow.url, f"slow-{number}")
        simulator.control(f"payments/slow-{number}/pay")
    open_payment(providers, openid, ear.url)
    simulator.control("payments/order-1/pay")
    ear.wait(1, seconds=3)
    release.set()
    slow.close()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"amount": 5, "payer": "x", "order_key": []}', b"null"])
@pytest.mark.parametrize(
    "path",
    ["wechat/cgi-bin/stable_token", "wechat/wxa/msg_sec_check", "alipay/gateway.do?method=alipay.trade.create",
     "pay/v3/pay/transactions/jsapi", "pay/v3/nowhere", "_control/people/x", "do/pay/%00"],
)  # fmt: skip
def test_nonsense_is_never_a_500(simulator: Simulated, path: str, body: bytes) -> None:
    assert simulator.http.post(f"{simulator.url}/{path}", content=body).status_code < 500


@pytest.mark.parametrize("content", [{"amount": 5}, {"amount": {"total": "1"}, "payer": "x"}, {"settle_info": 1}])
def test_signed_nonsense_is_a_parameter_error(
    simulator: Simulated, providers: Providers, openid: str, content: dict[str, object]
) -> None:
    body = {
        "appid": simulator.settings["TUIKE_WECHAT_APP_ID"], "mchid": simulator.settings["TUIKE_WECHAT_PAY_MERCHANT_ID"],
        "out_trade_no": "order-1", "description": "x", "notify_url": "https://shop.example/n",
        "amount": {"total": 1, "currency": "CNY"}, "payer": {"openid": openid},
    } | content  # fmt: skip
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat_pay.call("prepay", "POST", "/v3/pay/transactions/jsapi", body=body)
    assert refused.value.provider_code == "PARAM_ERROR"
