"""Keys of an installation: what they sign, open and recognise, and what they refuse."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuike.identity import AccessClaims, CallerKind, KeysMissing, RefreshClaims, Vault

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def _key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


ONE = Vault(token_keys=f"a:{_key('a')}", data_keys=f"a:{_key('a')}", digest_key=_key("a"))
TWO = Vault(token_keys=f"b:{_key('b')},a:{_key('a')}", data_keys=f"b:{_key('b')},a:{_key('a')}", digest_key=_key("b"))
NONE = Vault()


@given(st.text(max_size=200), st.text(max_size=50), st.text(max_size=50))
def test_what_is_encrypted_is_read_in_its_own_context_only(text: str, context: str, other: str) -> None:
    blob = ONE.encrypt(text, context=context)
    assert ONE.decrypt(blob, context=context) == text
    assert TWO.decrypt(blob, context=context) == text
    assert ONE.encrypt(text, context=context) != blob
    if other != context:
        with pytest.raises(KeysMissing):
            ONE.decrypt(blob, context=other)


def test_a_key_that_was_dropped_or_replaced_reads_nothing() -> None:
    blob = TWO.encrypt("13800138000", context="c")
    for vault in (ONE, NONE, Vault(data_keys=f"b:{_key('x')}")):
        with pytest.raises(KeysMissing):
            vault.decrypt(blob, context="c")


@given(st.integers(0, 10**6), st.text(alphabet="0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26))
def test_a_refresh_token_says_what_it_was_made_for(turn: int, ulid: str) -> None:
    claims = RefreshClaims(f"ses_{ulid}", turn)
    token = ONE.make_refresh(claims)
    assert ONE.read_refresh(token) == TWO.read_refresh(token) == claims
    assert ONE.make_refresh(claims) == token
    assert NONE.read_refresh(token) is None


@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    assert ONE.read_access(text, now=NOW) is None
    assert ONE.read_refresh(text) is None


def test_an_access_token_is_good_for_fifteen_minutes() -> None:
    claims = AccessClaims(CallerKind.STAFF, "stf_x", "ses_x", 3)
    token = ONE.sign_access(claims, now=NOW)
    assert TWO.read_access(token, now=NOW + timedelta(minutes=14, seconds=59)) == claims
    assert TWO.read_access(token, now=NOW + timedelta(minutes=15)) is None


def test_digests_differ_by_kind_and_key() -> None:
    assert ONE.digest("phone", "1") == ONE.digest("phone", "1")
    assert (
        len({ONE.digest("phone", "1"), ONE.digest("mail", "1"), ONE.digest("phone", "2"), TWO.digest("phone", "1")})
        == 4
    )


def test_without_keys_nothing_is_made() -> None:
    for use in (
        lambda: NONE.sign_access(AccessClaims(CallerKind.STAFF, "s", "s", 0), now=NOW),
        lambda: NONE.make_refresh(RefreshClaims("ses_x", 0)),
        lambda: NONE.encrypt("x", context="c"),
        lambda: NONE.digest("phone", "1"),
    ):
        with pytest.raises(KeysMissing):
            use()


@pytest.mark.parametrize(
    ("name", "text"),
    [("token_keys", "a"), ("token_keys", "a:c2hvcnQ="), ("data_keys", f"a:{_key('a')},a:{_key('b')}"),
     ("data_keys", f"a b:{_key('a')}"), ("digest_key", "***"), ("digest_key", "c2hvcnQ=")],
)  # fmt: skip
def test_a_key_that_cannot_be_used_names_its_variable_and_not_its_value(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"TUIKE_{name.upper()}") as caught:
        Vault(**{name: text})
    assert text.partition(":")[2] not in str(caught.value) or ":" not in text
