"""The mini-program's server API against the simulator."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from tests.simulators import Ear, Simulated
from tuike.config import read_config
from tuike.db import Database
from tuike.providers import (
    AccessToken,
    DatabaseTokenStore,
    MemoryTokenStore,
    Parcel,
    ProviderAnswerInvalid,
    ProviderNotFound,
    ProviderRefused,
    Providers,
    ProviderUnavailable,
    ShippingState,
    ShippingWay,
    SignatureInvalid,
    TextVerdict,
)
from tuike.shared.errors import ValidationFailed


def make_code(simulator: Simulated, name: str = "lilei", purpose: str = "login") -> str:
    return str(simulator.control("codes", name=name, purpose=purpose)["code"])


def test_a_code_says_who_logged_in(simulator: Simulated, providers: Providers) -> None:
    session = providers.wechat.log_in(code=make_code(simulator))
    assert session.openid == simulator.person("lilei")["openid"]
    assert session.unionid == simulator.person("lilei")["unionid"]
    assert session.session_key not in repr(session)


@pytest.mark.parametrize("code", ["", "nothing", "\0", "a" * 10_000, "代码"])
def test_a_code_that_was_never_given_is_refused(providers: Providers, code: str) -> None:
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat.log_in(code=code)
    assert refused.value.provider_code == "40029"


def test_a_code_works_once(simulator: Simulated, providers: Providers) -> None:
    code = make_code(simulator)
    providers.wechat.log_in(code=code)
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat.log_in(code=code)
    assert refused.value.provider_code == "40029"


def test_a_code_ends_after_five_minutes(simulator: Simulated, providers: Providers) -> None:
    code = make_code(simulator)
    simulator.control("clock", advance_seconds=301)
    with pytest.raises(ProviderRefused):
        providers.wechat.log_in(code=code)


def test_a_login_is_not_sent_twice_when_its_answer_is_lost(simulator: Simulated, providers: Providers) -> None:
    code = make_code(simulator)
    simulator.fault("wechat.log_in", "drop", when="after", times=1)
    with pytest.raises(ProviderUnavailable) as lost:
        providers.wechat.log_in(code=code)
    assert lost.value.is_outcome_unknown
    assert (lost.value.code, lost.value.status, lost.value.part) == ("provider_unavailable", 503, "wechat")


@pytest.mark.parametrize("code", ["45011", "40226", "40013", "41002"])
def test_each_documented_refusal_comes_through_with_its_code(
    simulator: Simulated, providers: Providers, code: str
) -> None:
    simulator.fault("wechat.log_in", "error", code=code, message="no")
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat.log_in(code=make_code(simulator))
    assert refused.value.provider_code == code


def test_a_busy_platform_is_unavailable(simulator: Simulated, providers: Providers) -> None:
    simulator.fault("wechat.log_in", "error", code="-1", message="system error", times=9)
    with pytest.raises(ProviderUnavailable):
        providers.wechat.log_in(code=make_code(simulator))


def test_somebody_who_logs_in_a_hundred_times_a_minute_is_slowed(simulator: Simulated, providers: Providers) -> None:
    for number in range(100):
        providers.wechat.log_in(code=f"dev:busy{id(simulator) % 1000}:{number}")
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat.log_in(code=f"dev:busy{id(simulator) % 1000}:100")
    assert refused.value.provider_code == "45011"


@pytest.mark.parametrize("kind", ["garbage", "huge"])
def test_an_answer_that_makes_no_sense_is_not_believed(simulator: Simulated, providers: Providers, kind: str) -> None:
    simulator.fault("wechat.log_in", kind, status=200)
    with pytest.raises(ProviderAnswerInvalid):
        providers.wechat.log_in(code=make_code(simulator))


def test_a_phone_number_comes_for_its_code_once(simulator: Simulated, providers: Providers, now: datetime) -> None:
    code = make_code(simulator, purpose="phone")
    phone = providers.wechat.get_phone_number(code=code, now=now)
    assert phone.number == simulator.person("lilei")["phone"]
    assert phone.number not in repr(phone)
    with pytest.raises(ProviderRefused):
        providers.wechat.get_phone_number(code=code, now=now)


def test_all_share_one_token_until_it_is_about_to_end(simulator: Simulated, now: datetime) -> None:
    store = MemoryTokenStore()
    first, second = (simulator.make_providers().wechat for _ in range(2))
    first._tokens = second._tokens = store
    token = first.get_access_token(now=now)
    simulator.fault("wechat.stable_token", "error", code="40125", times=1)
    assert second.get_access_token(now=now) == token
    simulator.control("faults/clear")
    simulator.control("clock", advance_seconds=7_200 - 299)
    later = now + timedelta(seconds=7_200 - 299)
    assert second.get_access_token(now=later) != token


def test_a_token_that_the_platform_forgot_is_replaced_once(
    simulator: Simulated, providers: Providers, now: datetime
) -> None:
    wechat = providers.wechat
    wechat._tokens.put(wechat.app_id, AccessToken("forgotten", now + timedelta(hours=1)))
    assert wechat.make_code_image(scene="p=1", page="pages/index", now=now).startswith(b"\x89PNG")
    assert wechat._tokens.find(wechat.app_id) != AccessToken("forgotten", now + timedelta(hours=1))


def test_processes_share_the_token_through_postgresql(simulator: Simulated, database: Database, now: datetime) -> None:
    first, second = (
        Providers(read_config(simulator.settings), tokens=DatabaseTokenStore(database)).wechat for _ in range(2)
    )
    token = first.get_access_token(now=now)
    simulator.fault("wechat.stable_token", "error", code="40125", times=9)
    assert second.get_access_token(now=now) == token
    store = DatabaseTokenStore(database)
    store.put(first.app_id, AccessToken("older", now))
    assert store.find(first.app_id).value == token  # type: ignore[union-attr]


def test_a_token_that_another_process_replaced_is_looked_up(
    simulator: Simulated, database: Database, now: datetime
) -> None:
    store = DatabaseTokenStore(database)
    first, second = (Providers(read_config(simulator.settings), tokens=store).wechat for _ in range(2))
    second.get_access_token(now=now)
    first._fetch_token(now=now, is_forced=True)
    simulator.fault("wechat.stable_token", "error", code="45009", times=9)
    assert second.make_code_image(scene="a", page="pages/index", now=now)


def test_a_store_that_fails_does_not_stop_a_call(simulator: Simulated, providers: Providers, now: datetime) -> None:
    class Broken:
        def find(self, name: str) -> AccessToken | None:
            raise OSError

        def put(self, name: str, token: AccessToken) -> None:
            raise OSError

    providers.wechat._tokens = Broken()
    assert providers.wechat.make_code_image(scene="p=1", page="pages/index", now=now)


@pytest.mark.parametrize("scene", ["", "a" * 33, "a%20b", "中文", "a b"])
def test_a_scene_that_no_code_can_carry_is_refused_before_anything_is_sent(
    providers: Providers, now: datetime, scene: str
) -> None:
    with pytest.raises(ValidationFailed):
        providers.wechat.make_code_image(scene=scene, page="pages/index", now=now)


def test_a_missing_page_is_refused(providers: Providers, now: datetime) -> None:
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat.make_code_image(scene="a", page="missing/page", now=now)
    assert refused.value.provider_code == "41030"


def test_one_consent_is_one_message(simulator: Simulated, providers: Providers, openid: str, now: datetime) -> None:
    simulator.person("lilei", consents={"shipped": 1})
    send = {"openid": openid, "template_id": "shipped", "data": {"thing1": "苹果"}, "now": now}
    providers.wechat.send_message(**send)
    with pytest.raises(ProviderRefused) as refused:
        providers.wechat.send_message(**send)
    assert refused.value.provider_code == "43101"


@pytest.mark.parametrize(("content", "verdict"), [("你好", "pass"), ("可疑", "review"), ("违禁品", "risky")])
def test_a_text_gets_its_verdict(
    simulator: Simulated, providers: Providers, openid: str, now: datetime, content: str, verdict: str
) -> None:
    checked = providers.wechat.check_text(openid=openid, content=content, scene=2, now=now)
    assert checked.verdict is TextVerdict(verdict)


def test_a_text_longer_than_the_platform_reads_is_never_passed(
    providers: Providers, openid: str, now: datetime
) -> None:
    with pytest.raises(ValidationFailed):
        providers.wechat.check_text(openid=openid, content="好" * 2_501, scene=2, now=now)


def test_shipping_is_told_parcel_by_parcel_and_read_back(
    simulator: Simulated, providers: Providers, pay: object, openid: str, now: datetime
) -> None:
    out_no = pay()  # type: ignore[operator]
    merchant_id = simulator.settings["TUIKE_WECHAT_PAY_MERCHANT_ID"]
    parcels = [Parcel("苹果", "SF1", "SF", "139****0000")]
    told = {"merchant_id": merchant_id, "out_no": out_no, "openid": openid, "way": ShippingWay.EXPRESS, "now": now}
    where = {"merchant_id": merchant_id, "out_no": out_no, "now": now}
    providers.wechat.upload_shipping(**told, parcels=parcels, is_split=True, is_last=False, uploaded_at=now)
    assert providers.wechat.get_shipping(**where).state is ShippingState.TO_SHIP
    with pytest.raises(ProviderRefused) as refused:  # the time must grow
        providers.wechat.upload_shipping(**told, parcels=parcels, is_split=True, is_last=True, uploaded_at=now)
    assert refused.value.provider_code == "10060023"
    later = now + timedelta(seconds=1)
    providers.wechat.upload_shipping(**told, parcels=parcels, is_split=True, is_last=True, uploaded_at=later)
    assert providers.wechat.get_shipping(**where).state is ShippingState.SHIPPED
    simulator.control(f"payments/{out_no}/received")
    assert providers.wechat.get_shipping(**where).state is ShippingState.RECEIVED


def test_shipping_of_an_unpaid_order_is_unknown(
    simulator: Simulated, providers: Providers, open_payment: object, now: datetime
) -> None:
    out_no = open_payment()  # type: ignore[operator]
    with pytest.raises(ProviderNotFound):
        providers.wechat.get_shipping(
            merchant_id=simulator.settings["TUIKE_WECHAT_PAY_MERCHANT_ID"], out_no=out_no, now=now
        )


def test_a_push_is_verified_decrypted_and_read(simulator: Simulated, providers: Providers, ear: Ear) -> None:
    event = {"Event": "trade_manage_order_settlement", "merchant_trade_no": "order-1"}
    simulator.control("notifies/policy", kind="bad_signature")
    simulator.control("pushes", url=ear.url, event=event)
    forged, true = (parse(heard.path) for heard in ear.wait(2))
    with pytest.raises(SignatureInvalid):
        providers.wechat.read_push(forged, ear.heard[0].body)
    read = providers.wechat.read_push(true, ear.heard[1].body)
    assert (read.name, read.fields["merchant_trade_no"]) == ("trade_manage_order_settlement", "order-1")


def test_nothing_secret_is_logged(
    simulator: Simulated, providers: Providers, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    session = providers.wechat.log_in(code=make_code(simulator))
    token = providers.wechat.get_access_token(now=datetime.now(UTC))
    printed = caplog.text + "".join(capsys.readouterr())
    secret = simulator.settings["TUIKE_WECHAT_APP_SECRET"]
    for hidden in (session.session_key, session.openid, token, secret):
        assert hidden not in printed


def parse(path: str) -> dict[str, str]:
    from urllib.parse import parse_qsl, urlsplit

    return dict(parse_qsl(urlsplit(path).query))
