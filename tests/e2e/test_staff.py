"""Staff: passwords, lock-out, the second factor, permissions that hold at once, and the record of what they did."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from tests.e2e.conftest import Caller
from tests.e2e.persons import PASSWORD, Someone, Town, totp_at
from tuike import identity
from tuike.shared.clock import read_clock

ErrorOf = Callable[[TestResponse], tuple[int, str, list[str]]]


@pytest.fixture
def town(caller: Caller) -> Town:
    return Town(caller)


def _make(town: Town, username: str, *permissions: str) -> str:
    with town.app.db.transaction() as tx:
        _, first = identity.create_staff(
            tx, username=username, name="Mei", permissions=permissions or ("support",), now=read_clock()
        )
    return first


# Passwords


def test_the_first_password_opens_nothing_but_its_own_change(town: Town, error_of: ErrorOf) -> None:
    first = _make(town, "mei")
    assert error_of(town.log_in_staff("mei", first)) == (403, "password_change_needed", [])
    change = {"username": "mei", "password": first}
    for weak in ("short", "mei-mei-mei-mei", "aaaaaaaaaaaaaa", first):
        answer = town.send("POST", "staff/password", change | {"new_password": weak})
        assert error_of(answer) == (422, "password_too_weak", ["new_password"])
    assert town.send("POST", "staff/password", change | {"new_password": PASSWORD}).get_json() == {"done": True}
    again = town.send("POST", "staff/password", change | {"new_password": PASSWORD})
    assert error_of(again) == (401, "credentials_wrong", [])
    assert town.log_in_staff("mei").get_json()["permissions"] == ["support"]


def test_a_new_password_ends_every_session(town: Town, error_of: ErrorOf) -> None:
    member = town.hire("support")
    body = {"username": member.tokens["username"], "password": PASSWORD, "new_password": PASSWORD + "!"}
    assert town.send("POST", "staff/password", body).status_code == 200
    assert error_of(member.get("staff/me")) == (401, "unauthenticated", [])
    assert error_of(member.refresh()) == (401, "refresh_token_invalid", [])


def test_unknown_names_wrong_passwords_and_disabled_accounts_are_answered_alike(town: Town, error_of: ErrorOf) -> None:
    member, admin = town.hire("support"), town.hire("admin")
    disabled = town.hire("support")
    assert admin.send("PATCH", f"staff/{disabled.tokens['staff_id']}", {"status": "disabled"}).status_code == 200
    answers = [
        town.log_in_staff("nobody"),
        town.log_in_staff(member.tokens["username"], "wrong password"),
        town.log_in_staff(disabled.tokens["username"]),
    ]
    documents = []
    for answer in answers:
        assert error_of(answer) == (401, "credentials_wrong", [])
        document = answer.get_json()["error"]
        documents.append({name: value for name, value in document.items() if name != "request_id"})
    assert documents[0] == documents[1] == documents[2]


def test_unknown_names_take_as_long_as_known_ones(town: Town) -> None:
    member = town.hire("support")

    def measure(username: str) -> float:
        begun = time.perf_counter()
        assert town.log_in_staff(username, "wrong password").status_code == 401
        return time.perf_counter() - begun

    measure("warm-up")
    known, unknown = measure(member.tokens["username"]), measure("nobody")
    assert unknown > known / 5, "the hash is computed for both"


# Lock-out


def test_failures_in_a_row_lock_a_name_for_growing_spans(town: Town) -> None:
    _make(town, "mei")
    now = read_clock()

    def fail(at_seconds: float) -> str:
        try:
            identity.log_in_staff(
                town.app.db,
                town.vault,
                username="mei",
                password="wrong",
                device="",
                now=now + timedelta(seconds=at_seconds),
            )
        except (identity.CredentialsWrong, identity.AccountLocked) as error:
            return f"{error.code} {getattr(error, 'retry_after', '')}".strip()
        raise AssertionError("a wrong password was right")

    assert [fail(0) for _ in range(5)] == ["credentials_wrong"] * 5
    assert fail(1) == "account_locked 30"
    assert fail(30) == "credentials_wrong"
    assert fail(31) == "account_locked 60"
    assert fail(90) == "credentials_wrong"
    assert fail(91) == "account_locked 120"
    assert fail(91 + 24 * 3600) == "credentials_wrong"
    assert fail(92 + 24 * 3600) == "credentials_wrong", "a day without attempts starts anew"


def test_a_locked_name_refuses_the_right_password_too_and_unknown_names_lock_alike(
    town: Town, error_of: ErrorOf
) -> None:
    member = town.hire("support")
    for username in (member.tokens["username"], "nobody"):
        for _ in range(5):
            assert town.log_in_staff(username, "wrong password").status_code == 401
        answer = town.log_in_staff(username)
        assert error_of(answer) == (429, "account_locked", [])
        assert 1 <= int(answer.headers["Retry-After"]) <= 31


def test_spelling_a_name_otherwise_is_no_way_around_the_lock(town: Town, error_of: ErrorOf) -> None:
    _make(town, "Mei")
    for spelling in ("mei", "MEI", " mei ", "ｍｅｉ", "Mei\u00a0"):
        assert error_of(town.log_in_staff(spelling, "wrong password"))[1] == "credentials_wrong"
    assert error_of(town.log_in_staff("mei", "wrong password"))[1] == "account_locked"


def test_a_crowd_of_attempts_at_once_is_counted_one_by_one(town: Town) -> None:
    _make(town, "mei")
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: town.log_in_staff("mei", "wrong password").status_code, range(16)))
    assert statuses.count(401) == 5
    assert statuses.count(429) == 11


def test_a_good_login_starts_the_count_anew(town: Town) -> None:
    member = town.hire("support")
    for _ in range(3):
        for _ in range(4):
            assert town.log_in_staff(member.tokens["username"], "wrong password").status_code == 401
        assert town.log_in_staff(member.tokens["username"]).status_code == 200


# Second factor


def test_a_second_factor_is_asked_for_once_it_is_confirmed(town: Town, error_of: ErrorOf) -> None:
    member = town.hire("support")
    username = member.tokens["username"]
    assert error_of(member.post("staff/me/second-factor/confirm", {"code": "123456"}))[1] == "second_factor_wrong"
    secret = member.post("staff/me/second-factor").get_json()["secret"]
    assert town.log_in_staff(username).status_code == 200, "not in force before it is confirmed"
    assert error_of(member.post("staff/me/second-factor/confirm", {"code": "000000"}))[1] == "second_factor_wrong"
    assert member.post("staff/me/second-factor/confirm", {"code": totp_at(secret, ahead=-1)}).status_code == 200
    assert error_of(member.post("staff/me/second-factor")) == (409, "second_factor_in_place", [])
    assert error_of(town.log_in_staff(username)) == (401, "second_factor_needed", [])
    assert error_of(town.log_in_staff(username, code="000000")) == (401, "credentials_wrong", [])
    assert error_of(town.log_in_staff(username, "wrong", code=totp_at(secret)))[1] == "credentials_wrong"
    assert town.log_in_staff(username, code=totp_at(secret)).status_code == 200
    assert member.get("staff/me").get_json()["has_second_factor"] is True
    with town.app.db.transaction() as tx:
        assert secret not in "".join(tx.exec_driver_sql("SELECT staff::text FROM staff").scalars())


def test_a_code_works_once_also_when_sent_twice_at_once(town: Town) -> None:
    member = town.hire("support")
    secret, _ = member.enrol()
    code = totp_at(secret, ahead=1)
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: town.log_in_staff(member.tokens["username"], code=code).status_code, range(4))
    assert sorted(answers) == [200, 401, 401, 401]


def test_a_recovery_code_works_once(town: Town) -> None:
    member = town.hire("support")
    _, codes = member.enrol()
    assert len(set(codes)) == 10
    username = member.tokens["username"]
    assert town.log_in_staff(username, recovery_code=codes[0].upper()).status_code == 200
    assert town.log_in_staff(username, recovery_code=codes[0]).status_code == 401
    assert town.log_in_staff(username, recovery_code="0" * 10).status_code == 401
    assert town.log_in_staff(username, recovery_code=codes[1]).status_code == 200


def test_who_moves_money_or_makes_accounts_enrols_before_anything_else(town: Town, error_of: ErrorOf) -> None:
    for permission in ("finance", "admin"):
        first = _make(town, f"mei-{permission}", permission, "support")
        body = {"username": f"mei-{permission}", "password": first, "new_password": PASSWORD}
        assert town.send("POST", "staff/password", body).status_code == 200
        answer = town.log_in_staff(f"mei-{permission}")
        assert answer.get_json()["must_enrol_second_factor"] is True
        member = Someone(town.flask, answer.get_json())
        for path in ("ledger/check", "orders", "staff", "audit"):
            expected = (
                "forbidden" if permission == "finance" and path in ("staff", "audit") else "second_factor_missing"
            )
            assert error_of(member.get(path)) == (403, expected, []), path
        assert error_of(member.send("PUT", "plans/default", {}))[0] == 403
        assert member.get("staff/me").get_json()["lacks_second_factor"] is True
        assert town.send("GET", "home").get_json() == member.get("home").get_json(), "an open call stays open"
        assert member.refresh().status_code == 200, "and its tokens open no more than these did"
        secret, _ = member.enrol()
        assert member.get("ledger/check").status_code == 200
        assert member.get("staff/me").get_json()["lacks_second_factor"] is False
        again = town.log_in_staff(f"mei-{permission}", code=totp_at(secret)).get_json()
        assert again["must_enrol_second_factor"] is False


def test_who_is_given_money_to_move_enrols_before_the_next_request(town: Town, error_of: ErrorOf) -> None:
    admin, member = town.hire("admin"), town.hire("support")
    assert member.get("orders").status_code == 200
    path = f"staff/{member.tokens['staff_id']}"
    assert admin.send("PATCH", path, {"permissions": ["support", "finance"]}).status_code == 200
    assert error_of(member.get("orders")) == (403, "second_factor_missing", [])
    assert member.post("logout").status_code == 200, "logging out stays open"


def test_another_admin_takes_a_lost_second_factor_away_and_nobody_the_own(town: Town, error_of: ErrorOf) -> None:
    admin, other = town.hire("admin"), town.hire("admin")
    assert error_of(admin.post(f"staff/{admin.tokens['staff_id']}/reset")) == (409, "own_reset", [])
    first = admin.post(f"staff/{other.tokens['staff_id']}/reset").get_json()["password"]
    assert error_of(other.get("staff")) == (401, "unauthenticated", [])
    body = {"username": other.tokens["username"], "password": first, "new_password": PASSWORD + "2"}
    assert town.send("POST", "staff/password", body).status_code == 200
    back = town.log_in_staff(other.tokens["username"], PASSWORD + "2").get_json()
    assert back["must_enrol_second_factor"] is True


# Odd input


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"password": "x" * 1_000_000}, (413, "body_too_large", [])),
        ({"password": "x" * 257}, (422, "validation_failed", ["password"])),
        ({"password": "a\x00b"}, (422, "validation_failed", ["password"])),
        ({"username": "a\x00b"}, (422, "validation_failed", ["username"])),
        ({"username": "x" * 201}, (422, "validation_failed", ["username"])),
        ({"username": "%' OR 1=1 --"}, (401, "credentials_wrong", [])),
        ({"username": "\ufdfa" * 60}, (401, "credentials_wrong", [])),
        ({"code": 123456}, (422, "validation_failed", ["code"])),
    ],
)
def test_odd_input_has_a_clear_answer(
    town: Town, error_of: ErrorOf, fields: dict[str, object], expected: tuple[int, str, list[str]]
) -> None:
    body = {"username": "mei", "password": "wrong password"} | fields
    assert error_of(town.send("POST", "staff/login", body)) == expected


# Accounts


def test_an_admin_makes_changes_and_resets_accounts(town: Town, error_of: ErrorOf) -> None:
    admin = town.hire("admin")
    new = {"username": "Lei", "name": "李雷", "permissions": ["support", "finance"]}
    made = admin.post("staff", new, headers={"Idempotency-Key": "k"})
    assert (made.status_code, made.get_json()["permissions"]) == (201, ["finance", "support"])
    assert error_of(admin.post("staff", new)) == (409, "username_taken", [])
    assert error_of(admin.post("staff", new | {"username": "LEI"})) == (409, "username_taken", [])
    first = made.get_json()["password"]
    body = {"username": "lei", "password": first, "new_password": PASSWORD}
    assert town.send("POST", "staff/password", body).status_code == 200
    member = Someone(town.flask, town.log_in_staff("lei").get_json())
    member.enrol()
    path = f"staff/{made.get_json()['id']}"
    assert member.get("ledger/check").status_code == 200
    assert admin.send("PATCH", path, {"permissions": ["support"]}).status_code == 200
    assert error_of(member.get("ledger/check")) == (403, "forbidden", []), "holds at the next request"
    assert admin.send("PATCH", path, {"status": "disabled"}).get_json()["status"] == "disabled"
    assert error_of(member.get("orders")) == (401, "unauthenticated", [])
    assert admin.send("PATCH", path, {"status": "active"}).status_code == 200
    reset = admin.post(f"{path}/reset").get_json()
    assert reset["must_change_password"] is True
    assert error_of(town.log_in_staff("lei", reset["password"])) == (403, "password_change_needed", [])
    listed = admin.get("staff?limit=1").get_json()
    assert listed["next_cursor"] is not None
    assert "password" not in listed["items"][0]
    actions = [entry["action"] for entry in admin.get(f"audit?subject={made.get_json()['id']}").get_json()["items"]]
    assert actions == [
        "post_staff_reset", "patch_staff", "patch_staff", "patch_staff", "confirm_second_factor", "post_second_factor",
        "log_in", "change_password", "post_staff",
    ]  # fmt: skip
    with town.app.db.transaction() as tx:
        kept = list(tx.exec_driver_sql("SELECT audit_log::text FROM audit_log").scalars())
        kept += tx.exec_driver_sql("SELECT body FROM idempotency_keys").scalars()
    assert not any(first in row for row in kept)


def test_nobody_but_an_admin_touches_accounts(town: Town, error_of: ErrorOf) -> None:
    member = town.hire("finance", "support", "risk", "content")
    assert error_of(member.get("staff")) == (403, "forbidden", [])
    assert error_of(town.keys.as_scope("operator").get("staff")) == (403, "forbidden", [])
    new = {"username": "x", "name": "x", "permissions": ["admin"]}
    assert error_of(member.post("staff", new)) == (403, "forbidden", [])
    own = f"staff/{member.tokens['staff_id']}"
    assert error_of(member.send("PATCH", own, {"permissions": ["admin"]})) == (403, "forbidden", [])


def test_the_last_admin_stays(town: Town, error_of: ErrorOf) -> None:
    first, second = town.hire("admin"), town.hire("admin")
    paths = [f"staff/{one.tokens['staff_id']}" for one in (first, second)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda pair: pair[0].send("PATCH", pair[1], {"status": "disabled"}),
                [(first, paths[1]), (second, paths[0])],
            )
        )
    assert min(answer.status_code for answer in answers) == 200
    last = first if answers[0].status_code == 200 else second
    own = f"staff/{last.tokens['staff_id']}"
    assert error_of(last.send("PATCH", own, {"permissions": ["support"]})) == (409, "last_admin", [])
    assert error_of(last.send("PATCH", own, {"status": "disabled"})) == (409, "last_admin", [])


def test_an_admin_may_do_what_an_operator_may(town: Town) -> None:
    admin = town.hire("admin")
    assert admin.send("PUT", "plans/default", {"holding_days": 0}).status_code == 200
    assert admin.get("ledger/check").status_code == 200


def test_what_staff_do_is_kept_with_the_request_and_nothing_can_change_it(town: Town) -> None:
    promoter = town.keys.make_promoter()
    risk = town.hire("risk")
    path = f"promoters/{promoter['id']}/status"
    answer = risk.send("PUT", path, {"status": "suspended"}, headers={"X-Request-Id": "req-7", "Idempotency-Key": "k"})
    assert answer.status_code == 200
    assert risk.send("PUT", path, {"status": "suspended"}, headers={"Idempotency-Key": "k"}).status_code == 200
    found = town.keys.as_scope("auditor").get(f"audit?subject={promoter['id']}").get_json()["items"]
    assert [(entry["action"], entry["actor_id"], entry["detail"]["request_id"]) for entry in found] == [
        ("put_status", risk.tokens["staff_id"], "req-7")
    ]
    for statement in ("DELETE FROM audit_log", "UPDATE audit_log SET action = ''", "TRUNCATE audit_log"):
        with pytest.raises(Exception, match="append-only"), town.app.db.transaction() as tx:
            tx.exec_driver_sql(statement)


def test_a_refused_change_leaves_no_entry(town: Town, error_of: ErrorOf) -> None:
    risk = town.hire("risk")
    assert error_of(risk.send("PUT", "promoters/prm_x/status", {"status": "suspended"}))[0] == 404
    assert town.hire("admin").get("audit?subject=prm_x").get_json()["items"] == []


def test_a_staff_session_ends_after_half_a_day(town: Town, error_of: ErrorOf) -> None:
    member = town.hire("support")
    turned = member.refresh().get_json()
    assert turned["refresh_expires_at"] == member.tokens["refresh_expires_at"]
    assert member.post("logout").get_json() == {"sessions_ended": 1}
    assert error_of(member.get("staff/me")) == (401, "unauthenticated", []), "at once, for staff"
