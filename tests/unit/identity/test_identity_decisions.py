"""What a refresh token is worth, how names are spelled, which codes fit, which passwords are weak."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuike.identity import CallerKind, RefreshClaims, Scope, Session, mask_phone, rules, scopes_of
from tuike.people.rules import find_obstacles

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SESSION = Session("ses_x", CallerKind.SHOPPER, "usr_x", 0, 5, NOW, "", NOW, NOW + timedelta(days=30))
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def _worth(turn: int, *, after_seconds: float = 0, session: Session = SESSION) -> str:
    now = NOW + timedelta(seconds=after_seconds)
    return rules.decide_turn(session, RefreshClaims("ses_x", turn), now=now).value


def test_only_the_newest_refresh_token_gets_a_successor_and_a_twin_the_same_one() -> None:
    assert _worth(5, after_seconds=3600) == "next"
    assert _worth(4, after_seconds=10) == "twin"
    assert _worth(4, after_seconds=10.001) == "reused"
    assert _worth(3) == "reused"
    assert _worth(6) == "reused", "a turn that never was"


def test_a_session_that_is_over_gives_nothing_out() -> None:
    assert _worth(5, session=replace(SESSION, ended_at=NOW)) == "over"
    assert _worth(5, after_seconds=30 * 24 * 3600) == "over"
    assert _worth(3, session=replace(SESSION, ended_at=NOW)) == "over"


@given(st.text(max_size=80))
def test_a_spelled_name_stays_as_it_is(text: str) -> None:
    once = rules.normalise_username(text)
    assert rules.normalise_username(once) == once


@pytest.mark.parametrize("text", ["Mei", " mei ", "ｍｅｉ", "MEI\u00a0", "mEi"])
def test_spellings_of_one_name_are_one(text: str) -> None:
    assert rules.normalise_username(text) == "mei"


def test_a_code_fits_its_step_and_the_neighbours_and_never_twice() -> None:
    step = int(NOW.timestamp()) // 30
    code = pyotp.TOTP(SECRET).at(NOW)
    for shift in (-30, 0, 30):
        assert rules.find_totp_step(SECRET, code, after=0, now=NOW + timedelta(seconds=shift)) == step
    for shift in (-60, 60):
        assert rules.find_totp_step(SECRET, code, after=0, now=NOW + timedelta(seconds=shift)) is None
    assert rules.find_totp_step(SECRET, code, after=step, now=NOW) is None
    for odd in ("", "1", "é" * 6, "0" * 100):
        assert rules.find_totp_step(SECRET, odd, after=0, now=NOW) is None


def test_weak_passwords_are_named_for_what_is_wrong() -> None:
    assert rules.find_password_faults("correct horse battery", username="mei") == []
    assert len(rules.find_password_faults("short", username="mei")) == 2 - 1
    assert len(rules.find_password_faults("aaaaaaaaaaaa", username="mei")) == 1
    assert len(rules.find_password_faults("xx MEI 12345678", username="mei")) == 1


def test_an_admin_has_an_operators_scope_and_nobody_else() -> None:
    assert Scope.OPERATOR in scopes_of([Scope.ADMIN])
    for scope in (Scope.FINANCE, Scope.SUPPORT, Scope.RISK, Scope.CONTENT):
        assert scopes_of([scope]) == {scope}


@given(st.from_regex(r"[0-9]{1,3}", fullmatch=True), st.from_regex(r"[0-9 -]{4,18}", fullmatch=True))
def test_a_phone_number_is_digits_and_its_mask_hides_most(code: str, number: str) -> None:
    phone = rules.normalise_phone(code, number)
    if phone is not None:
        assert phone[0] == "+"
        assert phone[1:].isdigit()
        assert sum(char.isdigit() for char in mask_phone(phone)) == 4
        assert len(mask_phone(phone)) == len(mask_phone("+8613800138000"))


def test_what_is_owed_either_way_stands_in_the_way_of_an_erasure() -> None:
    nothing = {"open_orders_count": 0, "open_withdrawals_count": 0, "unsettled_count": 0}
    assert find_obstacles([("available", "CNY", 0), ("debt", "CNY", 0)], **nothing) == {}
    found = find_obstacles([("available", "CNY", 5), ("debt", "USD", -7)], **nothing)
    assert set(found) == {"wallet", "debt"}
    assert "7 USD" in found["debt"][0]
    every = dict.fromkeys(nothing, 1)
    assert set(find_obstacles([], **every)) == {"orders", "withdrawals", "commissions"}
