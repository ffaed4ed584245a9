"""Shoppers: one account for each person however they log in, tokens that work once, and nothing taken over."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from api import create_app
from tests.conftest import KEYS
from tests.e2e.conftest import PLACED_AT, Caller
from tests.e2e.persons import Person, Someone, Town
from tests.simulators import Simulated, start_simulator
from tuike import identity, team
from tuike.shared.clock import read_clock

ErrorOf = Callable[[TestResponse], tuple[int, str, list[str]]]


@pytest.fixture
def town(caller: Caller) -> Town:
    return Town(caller)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    with start_simulator(tmp_path_factory.mktemp("simulator")) as simulated:
        yield simulated


# One tap


def test_a_person_has_one_account_however_often_they_come(town: Town) -> None:
    first, again = town.log_in(Person("o-1")), town.log_in(Person("o-1"))
    assert first.tokens["user_id"] == again.tokens["user_id"]
    assert first.tokens["user_id"].startswith("usr_")
    assert town.log_in(Person("o-2")).tokens["user_id"] != first.tokens["user_id"]


def test_a_union_id_joins_the_apps_of_one_person(town: Town) -> None:
    first = town.log_in(Person("o-1", "union"))
    with town.app.db.transaction() as tx:
        login = identity.Login(identity.LoginKind.WECHAT_UNION, "", "union")
        linked = identity.link_logins(tx, shopper_id=first.tokens["user_id"], logins=[login], now=read_clock())
        assert linked.id == first.tokens["user_id"]
    assert town.log_in(Person("o-1")).tokens["user_id"] == first.tokens["user_id"]


def test_a_login_never_joins_two_accounts(town: Town) -> None:
    holder = town.log_in(Person("o-1", "union"))
    other = town.log_in(Person("o-2"))
    assert town.log_in(Person("o-2", "union")).tokens["user_id"] == other.tokens["user_id"]
    assert town.log_in(Person("o-1", "union")).tokens["user_id"] == holder.tokens["user_id"]
    assert other.get("me").get_json()["logins"] == ["wechat"]


def test_a_crowd_of_first_logins_of_one_person_makes_one_account(town: Town) -> None:
    def log_in(_: int) -> str:
        return str(town.log_in(Person("o-1", "union")).tokens["user_id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(log_in, range(16)))) == 1
    with town.app.db.transaction() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM shoppers").scalar_one() == 1


def test_a_code_works_once(town: Town, error_of: ErrorOf) -> None:
    code = town.outside.code_of(Person("o-1"))
    assert town.send("POST", "login/wechat", {"code": code}).status_code == 200
    assert error_of(town.send("POST", "login/wechat", {"code": code}))[0] == 422


def test_nothing_is_half_done_when_wechat_is_down(town: Town, error_of: ErrorOf) -> None:
    town.outside.is_down = True
    answer = town.send("POST", "login/wechat", {"code": town.outside.code_of(Person("o-1"))})
    assert error_of(answer)[0] == 503
    assert answer.get_json()["error"]["part"] == "wechat"
    with town.app.db.transaction() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM shoppers").scalar_one() == 0
        assert tx.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one() == 0


def test_no_answer_of_a_login_is_kept(town: Town) -> None:
    code = town.outside.code_of(Person("o-1"))
    key = {"Idempotency-Key": "k"}
    assert town.send("POST", "login/wechat", {"code": code}, headers=key).status_code == 200
    answer = town.send("POST", "login/wechat", {"code": code}, headers=key)
    assert answer.status_code == 422, "a stranger with the same code gets no tokens"
    with town.app.db.transaction() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM idempotency_keys").scalar_one() == 0


def test_alipay_logs_in_and_can_be_linked(town: Town, error_of: ErrorOf) -> None:
    answer = town.send("POST", "login/alipay", {"code": town.outside.code_of_alipay("2088")})
    by_alipay = answer.get_json()
    assert answer.status_code == 200
    shopper = town.log_in()
    taken = shopper.post("me/logins/alipay", {"code": town.outside.code_of_alipay("2088")})
    assert error_of(taken) == (409, "login_taken", [])
    for _ in range(2):
        linked = shopper.post("me/logins/alipay", {"code": town.outside.code_of_alipay("2099")})
        assert linked.get_json()["logins"] == ["alipay", "wechat"]
    other = shopper.post("me/logins/alipay", {"code": town.outside.code_of_alipay("2077")})
    assert error_of(other) == (409, "login_in_place", [])
    again = town.send("POST", "login/alipay", {"code": town.outside.code_of_alipay("2099")}).get_json()
    assert again["user_id"] == shopper.tokens["user_id"] != by_alipay["user_id"]


def test_a_wechat_of_another_account_is_not_taken_over(town: Town, error_of: ErrorOf) -> None:
    town.log_in(Person("o-1", "u-1"))
    by_alipay = Someone(
        town.flask, town.send("POST", "login/alipay", {"code": town.outside.code_of_alipay("2088")}).get_json()
    )
    for person in (Person("o-1"), Person("o-9", "u-1")):
        answer = by_alipay.post("me/logins/wechat", {"code": town.outside.code_of(person)})
        assert error_of(answer) == (409, "login_taken", [])
    assert by_alipay.get("me").get_json()["logins"] == ["alipay"]


# Profile and phone


def test_a_profile_is_changed_and_what_is_left_out_stays(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    for _ in range(2):
        answer = shopper.send("PATCH", "me", {"nickname": "小梅", "avatar_url": "https://cdn.example/a.png"})
        assert (answer.status_code, answer.get_json()["nickname"]) == (200, "小梅")
    assert shopper.send("PATCH", "me", {"locale": "en"}).get_json()["nickname"] == "小梅"
    assert shopper.send("PATCH", "me", {"avatar_url": ""}).get_json()["avatar_url"] is None
    for body, field in (({"avatar_url": "javascript:x"}, "avatar_url"), ({"locale": "fr"}, "locale"),
                        ({"nickname": "a\x00"}, "nickname"), ({"nickname": "x" * 65}, "nickname"),
                        ({"status": "active"}, "status")):  # fmt: skip
        assert error_of(shopper.send("PATCH", "me", body)) == (422, "validation_failed", [field])


def test_a_phone_number_belongs_to_one_account_and_is_stored_encrypted(town: Town, error_of: ErrorOf) -> None:
    first, second = town.log_in(), town.log_in()
    for no in range(2):
        code = town.outside.code_of_phone("138 0013-8000")
        bound = first.post("me/phone", {"code": code}, headers={"Idempotency-Key": f"k{no}"})
        assert bound.get_json()["phone"] == "+86****00", "kept answers hold no phone number"
    assert first.get("me").get_json()["phone"] == "+8613800138000"
    taken = second.post("me/phone", {"code": town.outside.code_of_phone("13800138000")})
    assert error_of(taken) == (409, "phone_taken", [])
    assert second.get("me").get_json()["phone"] is None
    with town.app.db.transaction() as tx:
        stored = "".join(tx.exec_driver_sql("SELECT shoppers::text FROM shoppers").scalars())
        stored += "".join(tx.exec_driver_sql("SELECT body FROM idempotency_keys").scalars())
    assert "13800138000" not in stored
    assert b"13800138000".hex() not in stored
    support = town.hire("support")
    assert support.get(f"shoppers/{first.tokens['user_id']}").get_json()["phone"] == "+86****00"
    found = support.get("shoppers?phone=%2B8613800138000").get_json()["items"]
    assert [item["id"] for item in found] == [first.tokens["user_id"]]
    assert first.send("DELETE", "me/phone").get_json()["phone"] is None
    assert second.post("me/phone", {"code": town.outside.code_of_phone("13800138000")}).status_code == 200


def test_of_two_accounts_that_bind_one_phone_at_once_one_gets_it(town: Town) -> None:
    people = [town.log_in() for _ in range(6)]

    def bind(someone: Someone) -> int:
        return someone.post("me/phone", {"code": town.outside.code_of_phone("13800138000")}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(bind, people)) == [200, 409, 409, 409, 409, 409]


def test_what_cannot_be_a_phone_number_is_refused(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    for number in ("1", "x" * 11, "1" * 20, "１３８００１３８０００"):
        answer = shopper.post("me/phone", {"code": town.outside.code_of_phone(number)})
        assert error_of(answer) == (422, "validation_failed", ["phone"])


# Refresh tokens


def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    first = shopper.tokens["refresh_token"]
    second = shopper.refresh(first).get_json()
    third = shopper.refresh(second["refresh_token"]).get_json()
    assert len({first, second["refresh_token"], third["refresh_token"]}) == 3
    assert error_of(shopper.refresh(first)) == (401, "refresh_token_invalid", [])
    assert error_of(shopper.refresh(third["refresh_token"])) == (401, "refresh_token_invalid", [])
    assert error_of(Someone(town.flask, third).send("PATCH", "me", {"locale": "en"}))[0] == 401


def test_a_twin_gets_the_same_successor_and_only_for_seconds(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    token = shopper.tokens["refresh_token"]
    barrier = threading.Barrier(8)

    def refresh(_: int) -> TestResponse:
        barrier.wait(10)
        return shopper.refresh(token)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(refresh, range(8)))
    assert {answer.status_code for answer in answers} == {200}
    successors = {answer.get_json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    with town.app.db.transaction() as tx:
        tx.exec_driver_sql("UPDATE sessions SET turned_at = turned_at - interval '11 seconds'")
    assert error_of(shopper.refresh(token)) == (401, "refresh_token_invalid", [])
    assert error_of(shopper.refresh(successors.pop())) == (401, "refresh_token_invalid", [])


@pytest.mark.parametrize("change", ["session", "turn", "mac", "kid", "shape", "empty", "nul", "long"])
def test_a_refresh_token_cannot_be_made_up(town: Town, change: str) -> None:
    shopper, other = town.log_in(), town.log_in()
    kid, session, turn, mac = shopper.tokens["refresh_token"].removeprefix("rt_").split(".")
    forged = {
        "session": f"rt_{kid}.{other.tokens['session_id']}.{turn}.{mac}",
        "turn": f"rt_{kid}.{session}.1.{mac}",
        "mac": f"rt_{kid}.{session}.{turn}.{'0' * 64}",
        "kid": f"rt_t2.{session}.{turn}.{mac}",
        "shape": f"rt_{kid}.{session}.-1.{mac}",
        "empty": "rt_",
        "nul": f"rt_{kid}.{session}.{turn}.{mac}\x00",
        "long": "rt_" + "9" * 1_990,
    }[change]
    assert shopper.refresh(forged).status_code in (401, 422)
    assert shopper.refresh().status_code == 200


# Access tokens


def _forge(claims: dict[str, Any], *, key: bytes = b"x" * 32, alg: str = "HS256", **header: Any) -> str:
    return jwt.encode(claims, None if alg == "none" else key, algorithm=alg, headers=header)


def test_no_made_up_access_token_is_believed(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    good = shopper.tokens["access_token"]
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    raw_key = base64.urlsafe_b64decode(KEYS["TUIKE_TOKEN_KEYS"].split(":")[1])
    other = json.dumps(claims | {"sub": town.log_in().tokens["user_id"]}).encode()
    forged = [
        _forge(claims, kid="t1"),
        _forge(claims, key=raw_key, kid="t1"),
        _forge(claims, key=b"", alg="none", kid="t1"),
        _forge(claims),
        _forge(claims, kid="../../dev/null"),
        _forge(claims, kid="t2"),
        _forge(claims, alg="HS512", key=b"x" * 64, kid="t1"),
        f"{head}.{base64.urlsafe_b64encode(other).decode().rstrip('=')}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}..{signature}",
        base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=") + f".{body}.",
        base64.urlsafe_b64encode(b'{"alg":"HS256","kid":{"a":1}}').decode().rstrip("=") + f".{body}.{signature}",
        shopper.tokens["refresh_token"],
        good + "A" * 3_000,
        "é",
    ]
    for token in forged:
        headers = {"Authorization": f"Bearer {token}"}
        assert error_of(town.send("GET", "me", headers=headers)) == (401, "unauthenticated", []), token
        assert town.send("GET", "agreements", headers=headers).status_code == 200, "open to anyone all the same"
    assert shopper.get("me").status_code == 200


def test_an_access_token_expires(town: Town) -> None:
    now = read_clock()
    claims = identity.AccessClaims(identity.CallerKind.SHOPPER, "usr_x", "ses_x", 0)
    token = town.vault.sign_access(claims, now=now - timedelta(minutes=15))
    assert town.vault.read_access(token, now=now - timedelta(seconds=1)) == claims
    assert town.vault.read_access(token, now=now) is None
    assert town.send("GET", "me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_rotated_key_is_accepted_until_it_is_dropped(town: Town) -> None:
    shopper = town.log_in()
    old = KEYS["TUIKE_TOKEN_KEYS"]
    new = "t2:" + base64.urlsafe_b64encode(b"n" * 32).decode()
    both, alone = identity.Vault(token_keys=f"{new},{old}"), identity.Vault(token_keys=new)
    now = read_clock()
    assert both.read_access(shopper.tokens["access_token"], now=now) is not None
    assert alone.read_access(shopper.tokens["access_token"], now=now) is None
    turned = identity.refresh_session(town.app.db, both, refresh_token=shopper.tokens["refresh_token"], now=now)
    assert alone.read_access(turned.access_token, now=now) is not None
    assert identity.refresh_session(town.app.db, alone, refresh_token=turned.refresh_token, now=now)


# Logging out


def test_a_log_out_holds_at_once_for_every_change(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    assert shopper.post("logout").get_json() == {"sessions_ended": 1}
    assert error_of(shopper.refresh()) == (401, "refresh_token_invalid", [])
    assert error_of(shopper.send("PATCH", "me", {"locale": "en"})) == (401, "unauthenticated", [])
    assert error_of(shopper.get("me/export")) == (401, "unauthenticated", [])
    assert shopper.get("me").status_code == 200, "reads go on for the rest of the token's life"


def test_a_log_out_everywhere_ends_every_device(town: Town, error_of: ErrorOf) -> None:
    phone, tablet = town.log_in(Person("o-1"), device="phone"), town.log_in(Person("o-1"), device="tablet")
    stranger = town.log_in()
    assert {item["device"] for item in phone.get("me/sessions").get_json()["items"]} == {"phone", "tablet"}
    assert tablet.post("logout/everywhere").get_json() == {"sessions_ended": 2}
    for someone in (phone, tablet):
        assert error_of(someone.refresh())[0] == 401
        assert error_of(someone.send("PATCH", "me", {"locale": "en"}))[0] == 401
    assert stranger.refresh().status_code == 200
    assert town.log_in(Person("o-1")).send("PATCH", "me", {"locale": "en"}).status_code == 200


def test_one_device_is_logged_out_and_nobody_elses(town: Town, error_of: ErrorOf) -> None:
    phone, tablet, stranger = town.log_in(Person("o-1")), town.log_in(Person("o-1")), town.log_in()
    theirs = f"me/sessions/{stranger.tokens['session_id']}"
    assert error_of(phone.send("DELETE", theirs)) == (404, "session_not_found", [])
    left = phone.send("DELETE", f"me/sessions/{tablet.tokens['session_id']}").get_json()["items"]
    assert [(item["id"], item["is_current"]) for item in left] == [(phone.tokens["session_id"], True)]
    assert error_of(tablet.refresh())[0] == 401
    assert stranger.refresh().status_code == 200


def test_of_many_devices_the_oldest_are_logged_out(town: Town) -> None:
    devices = [town.log_in(Person("o-1")) for _ in range(22)]
    assert [device.refresh().status_code for device in devices] == [401, 401] + [200] * 20


# Bans


def test_a_ban_holds_at_once_for_changes_and_logins(town: Town, error_of: ErrorOf) -> None:
    shopper, risk = town.log_in(Person("o-1")), town.hire("risk")
    path = f"shoppers/{shopper.tokens['user_id']}/status"
    for _ in range(2):
        banned = risk.send("PUT", path, {"status": "banned", "reason": "fraud"})
        assert banned.get_json()["status"] == "banned"
    assert error_of(shopper.send("PATCH", "me", {"locale": "en"})) == (403, "account_banned", [])
    assert error_of(shopper.refresh()) == (401, "refresh_token_invalid", [])
    assert shopper.get("me").status_code == 200, "reads go on for the rest of the token's life"
    code = town.outside.code_of(Person("o-1"))
    assert error_of(town.send("POST", "login/wechat", {"code": code})) == (403, "account_banned", [])
    assert risk.send("PUT", path, {"status": "active"}).status_code == 200
    assert town.log_in(Person("o-1")).send("PATCH", "me", {"locale": "en"}).status_code == 200
    shown = town.hire("admin").get(f"audit?subject={shopper.tokens['user_id']}").get_json()["items"]
    assert [entry["action"] for entry in shown] == ["put_shopper_status"] * 3


def test_a_ban_suspends_the_promoter_with_the_person_in_postgres_and_graph(town: Town) -> None:
    shopper, risk = town.log_in(Person("o-1")), town.hire("risk")
    promoter = shopper.post("me/promoter").get_json()["id"]
    path = f"shoppers/{shopper.tokens['user_id']}/status"
    code = town.keys.make_link(promoter)["code"]
    for status, expected in (("banned", "suspended"), ("banned", "suspended"), ("active", "active")):
        assert risk.send("PUT", path, {"status": status}).status_code == 200
        assert town.keys.read(f"promoters/{promoter}")["status"] == expected
        assert team.check_drift(town.app.db, town.app.graph)["drift"] == 0
        asked = {"promoter_id": promoter, "target": {"type": "shop"}}
        assert town.keys.post("links", asked).status_code == (201 if expected == "active" else 403)
        buyer = f"buyer-{status}-{expected}"
        town.keys.make_touch(code, buyer_id=buyer, at=PLACED_AT)
        order = town.keys.make_paid_order(buyer_id=buyer)
        town.keys.settle()
        earned = [one["amount_minor"] for one in town.keys.read(f"orders/{order['id']}/commissions")["items"]]
        assert (sum(earned) > 0) is (expected == "active"), earned


def test_lifting_a_ban_leaves_a_promoter_suspended_who_was_so_before(town: Town) -> None:
    shopper, risk = town.log_in(Person("o-1")), town.hire("risk")
    promoter = shopper.post("me/promoter").get_json()["id"]
    assert risk.send("PUT", f"promoters/{promoter}/status", {"status": "suspended"}).status_code == 200
    for status in ("banned", "active"):
        assert risk.send("PUT", f"shoppers/{shopper.tokens['user_id']}/status", {"status": status}).status_code == 200
    assert town.keys.read(f"promoters/{promoter}")["status"] == "suspended"


def test_a_ban_ends_every_session_of_the_person(town: Town, error_of: ErrorOf) -> None:
    devices = [town.log_in(Person("o-1")) for _ in range(2)]
    path = f"shoppers/{devices[0].tokens['user_id']}/status"
    assert town.hire("risk").send("PUT", path, {"status": "banned"}).status_code == 200
    assert town.hire("risk").send("PUT", path, {"status": "active"}).status_code == 200
    for device in devices:
        assert error_of(device.send("PATCH", "me", {"locale": "en"})) == (401, "unauthenticated", [])
        assert error_of(device.refresh()) == (401, "refresh_token_invalid", [])


# Limits and rest


def test_logins_are_limited_over_processes_and_say_when_to_come_again(town: Town, error_of: ErrorOf) -> None:
    now = read_clock()
    for _ in range(3):
        identity.limit_requests(town.app.db, name="n", who="1.1.1.1", per_minute=3, now=now)
    with pytest.raises(identity.TooManyRequests) as caught:
        identity.limit_requests(town.app.db, name="n", who="1.1.1.1", per_minute=3, now=now)
    assert 1 <= caught.value.retry_after <= 21
    identity.limit_requests(town.app.db, name="n", who="2.2.2.2", per_minute=3, now=now)
    later = now + timedelta(seconds=caught.value.retry_after)
    identity.limit_requests(town.app.db, name="n", who="1.1.1.1", per_minute=3, now=later)
    soon = read_clock() + timedelta(seconds=10)
    for _ in range(30):
        identity.limit_requests(town.app.db, name="staff login", who="127.0.0.1", per_minute=30, now=soon)
    answer = town.log_in_staff("nobody")
    assert error_of(answer) == (429, "too_many_requests", [])
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_without_keys_nobody_logs_in_and_api_keys_work_on(caller: Caller, error_of: ErrorOf) -> None:
    bare = replace(caller.app, config=replace(caller.app.config, token_keys="", data_keys="", digest_key=""))
    town = Town(Caller(caller.flask, bare, caller.secrets))
    answer = town.send("POST", "login/wechat", {"code": town.outside.code_of(Person("o-1"))})
    assert error_of(answer) == (503, "keys_missing", [])
    assert town.keys.get("plans/default").status_code == 200
    with town.app.db.transaction() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM shoppers").scalar_one() == 0


def test_a_way_to_log_in_that_is_not_set_up_says_so(caller: Caller, error_of: ErrorOf) -> None:
    for path in ("login/wechat", "login/alipay"):
        answer = caller.flask.test_client().post(f"/api/v1/{path}", json={"code": "x"})
        assert error_of(answer) == (503, "provider_not_configured", [])


def test_logins_and_phone_numbers_come_through_the_real_client(
    caller: Caller, simulator: Simulated, error_of: ErrorOf
) -> None:
    providers = simulator.make_providers()
    flask = create_app(caller.app, logins=providers)

    def log_in(code: str) -> TestResponse:
        return flask.test_client().post("/api/v1/login/wechat", json={"code": code})

    code = simulator.control("codes", name="mei", purpose="login")["code"]
    shopper = Someone(flask, log_in(code).get_json())
    assert shopper.tokens["user_id"].startswith("usr_")
    assert error_of(log_in(code)) == (422, "login_refused", [])
    again = log_in(simulator.control("codes", name="mei", purpose="login")["code"]).get_json()
    assert again["user_id"] == shopper.tokens["user_id"]
    phone = simulator.control("codes", name="mei", purpose="phone")["code"]
    bound = shopper.post("me/phone", {"code": phone})
    assert bound.get_json()["phone"].startswith("+86"), bound.text
    assert error_of(shopper.post("me/phone", {"code": phone})) == (422, "login_refused", [])
    alipay = simulator.control("codes", name="mei", purpose="alipay")["code"]
    assert shopper.post("me/logins/alipay", {"code": alipay}).get_json()["logins"][0] == "alipay"
    simulator.fault("*", "drop", times=9)
    down = log_in(simulator.control("codes", name="lei", purpose="login")["code"])
    assert error_of(down) == (503, "provider_unavailable", [])
    assert down.get_json()["error"]["part"] == "wechat"
    providers.close()


def test_a_shopper_sees_nothing_of_the_integration_api(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    for path in ("orders", "promoters", "withdrawals", "wallets/prm_x", "ledger/check", "staff", "shoppers", "audit"):
        assert error_of(shopper.get(path)) == (403, "forbidden", [])


def test_idempotency_keys_belong_to_one_shopper(town: Town) -> None:
    first, second = town.log_in(), town.log_in()
    key = {"Idempotency-Key": "same"}
    body = {"nickname": "A"}
    assert first.send("PATCH", "me", body, headers=key).status_code == 200
    answer = second.send("PATCH", "me", body, headers=key)
    assert "Idempotency-Hit" not in answer.headers
    assert answer.get_json()["id"] == second.tokens["user_id"]
    assert first.send("PATCH", "me", body, headers=key).headers["Idempotency-Hit"] == "true"


def test_only_a_trusted_proxy_says_where_a_caller_is(caller: Caller) -> None:
    config = replace(caller.app.config, trusted_proxies=1)
    for app, addresses in ((caller.app, 1), (replace(caller.app, config=config), 3)):
        client = create_app(app).test_client()
        for no in range(3):
            sent = {"X-Forwarded-For": f"6.6.6.6, 8.8.8.{no}"}
            client.post("/api/v1/login/refresh", json={"refresh_token": "rt_"}, headers=sent)
        with caller.app.db.transaction() as tx:
            assert tx.exec_driver_sql("SELECT count(*) FROM rate_limits").scalar_one() == addresses
            tx.exec_driver_sql("DELETE FROM rate_limits")
