"""What is signed, on vectors of the official documents where they give any."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tuike.config import Config, read_config
from tuike.providers import ProviderNotConfigured, Providers, SignatureInvalid
from tuike.providers.alipay.signing import join_params, split_answer
from tuike.providers.amounts import format_yuan, parse_yuan
from tuike.providers.signing import DecryptionFailed, decrypt_aes_gcm, encrypt_oaep, is_signed, sign_sha256
from tuike.providers.wechat.rules import check_push, sign_push
from tuike.providers.wechat_pay.signing import Trust, decide_trust

KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def make_headers(body: bytes, *, at: datetime = NOW, serial: str = "PUB_KEY_ID_1", **changes: str) -> httpx.Headers:
    timestamp = str(int(at.timestamp()))
    signature = sign_sha256(KEY, f"{timestamp}\nnonce\n".encode() + body + b"\n")
    given = {"Serial": serial, "Signature": signature, "Timestamp": timestamp, "Nonce": "nonce"} | changes
    return httpx.Headers({f"Wechatpay-{name}": value for name, value in given.items()})


def decide(headers: httpx.Headers, body: bytes = b"{}", now: datetime = NOW) -> Trust:
    return decide_trust(headers, body, keys={"PUB_KEY_ID_1": KEY.public_key()}, now=now)


def test_the_documented_vector_of_message_push() -> None:
    signature = "f464b24fc39322e44b38aa78f5edd27bd1441696"
    assert sign_push("AAAAA", "1714036504", "1514711492") == signature
    check_push(signature, "AAAAA", "1714036504", "1514711492")
    for wrong in ("", "f464", signature.upper(), "签名"):
        with pytest.raises(SignatureInvalid):
            check_push(wrong, "AAAAA", "1714036504", "1514711492")


def test_a_signature_of_the_platform_is_valid_for_five_minutes_either_way() -> None:
    headers = make_headers(b"{}")
    assert decide(headers) is Trust.VALID
    for away in (300, -300):
        assert decide(headers, now=NOW + timedelta(seconds=away)) is Trust.VALID
    for away in (301, -301):
        assert decide(headers, now=NOW + timedelta(seconds=away)) is Trust.STALE


@pytest.mark.parametrize(
    ("changes", "trust"),
    [
        ({"Signature": ""}, Trust.UNSIGNED),
        ({"Serial": ""}, Trust.UNSIGNED),
        ({"Serial": "PUB_KEY_ID_2"}, Trust.KEY_UNKNOWN),
        ({"Timestamp": "yesterday"}, Trust.INVALID),
        ({"Timestamp": "-1"}, Trust.INVALID),
        ({"Timestamp": "1" * 400}, Trust.INVALID),
        ({"Nonce": "another"}, Trust.INVALID),
        ({"Signature": "not base64!"}, Trust.INVALID),
        ({"Signature": "WECHATPAY/SIGNTEST/" + "A" * 344}, Trust.INVALID),
    ],
)
def test_what_is_wrong_with_a_signature_has_a_name(changes: dict[str, str], trust: Trust) -> None:
    assert decide(make_headers(b"{}", **changes)) is trust


@given(st.binary(max_size=300), st.integers(0, 299))
def test_any_changed_byte_breaks_a_signature(body: bytes, place: int) -> None:
    headers = make_headers(body)
    assert decide(headers, body) is Trust.VALID
    changed = bytearray(body or b"x")
    changed[place % len(changed)] ^= 1
    assert decide(headers, bytes(changed)) is Trust.INVALID


@given(st.text())
def test_no_text_is_a_signature_by_chance(text: str) -> None:
    assert not is_signed(KEY.public_key(), text, b"message")


def test_what_was_changed_or_sealed_with_another_secret_does_not_open() -> None:
    secret, other = b"0" * 32, b"1" * 32
    sealed = base64.b64encode(AESGCM(secret).encrypt(b"nonce-nonce!", "苹果".encode(), b"about")).decode()
    opened = decrypt_aes_gcm(secret, nonce="nonce-nonce!", associated_data="about", ciphertext=sealed)
    assert opened.decode() == "苹果"
    for key, about, text in (
        (other, "about", sealed),
        (secret, "", sealed),
        (secret, "about", "????"),
        (secret, "about", ""),
    ):
        with pytest.raises(DecryptionFailed):
            decrypt_aes_gcm(key, nonce="nonce-nonce!", associated_data=about, ciphertext=text)


def test_a_name_too_long_for_the_key_is_an_error_and_not_a_cut() -> None:
    with pytest.raises(ValueError, match=r"."):
        encrypt_oaep(KEY.public_key(), "名" * 200)


# Alipay


def test_parameters_are_sorted_and_empty_ones_left_out() -> None:
    params = {"b": "2", "a": "1", "sign": "x", "empty": "", "A": "0"}
    assert join_params(params, leave_out=frozenset({"sign"})) == "A=0&a=1&b=2"


def test_an_answer_is_split_into_the_very_texts_that_were_signed() -> None:
    text = '{ "alipay_trade_query_response" : {"a":"}\\"","b":{"c":[1, 2]}} , "sign":"s==" }'
    members = split_answer(text)
    assert members["alipay_trade_query_response"] == '{"a":"}\\"","b":{"c":[1, 2]}}'
    assert json.loads(members["sign"]) == "s=="


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a":1}x', '{"a":1,"a":2}', '{"a" 1}', "{1:2}", '{"a":1,}'])
def test_what_is_no_answer_is_not_split(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_answer(text)


@given(st.integers(-(10**13), 10**13))
def test_amounts_come_back_from_yuan_exactly(amount: int) -> None:
    assert parse_yuan(format_yuan(amount)) == amount


@pytest.mark.parametrize(
    ("text", "amount"), [("0.01", 1), ("12", 1_200), ("12.5", 1_250), ("-3.00", -300), ("0.10000", 10)]
)
def test_yuan_are_read_exactly(text: str, amount: int) -> None:
    assert parse_yuan(text) == amount


@pytest.mark.parametrize("text", ["", "1.001", "1,000.00", "1e3", ".5", "1.", "٣", "NaN", " 1", "1" * 20])
def test_what_is_no_amount_of_yuan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_yuan(text)


# Configuration


@pytest.mark.parametrize(
    ("name", "part", "variable"),
    [
        ("wechat", "wechat", "TUIKE_WECHAT_APP_ID"),
        ("wechat_pay", "wechat_pay", "TUIKE_WECHAT_APP_ID"),
        ("alipay", "alipay", "TUIKE_ALIPAY_APP_ID"),
    ],
)
def test_a_provider_without_its_variables_says_which_one_is_missing(name: str, part: str, variable: str) -> None:
    with pytest.raises(ProviderNotConfigured, match=variable) as missing:
        getattr(Providers(Config()), name)
    assert (missing.value.code, missing.value.status, missing.value.part) == ("provider_not_configured", 503, part)


@pytest.mark.parametrize("key", ["nonsense", "/nowhere/key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n", "\0"])
def test_a_key_that_cannot_be_read_is_named_and_not_shown(key: str) -> None:
    config = read_config({
        "TUIKE_ALIPAY_APP_ID": "1", "TUIKE_ALIPAY_PRIVATE_KEY": key, "TUIKE_ALIPAY_PUBLIC_KEY": key,
    })  # fmt: skip
    with pytest.raises(ValueError, match="TUIKE_ALIPAY_PRIVATE_KEY") as wrong:
        _ = Providers(config).alipay
    assert key not in str(wrong.value)


def test_the_configuration_shows_no_secret() -> None:
    secrets = {name: f"secret-{name}" for name in Config.__dataclass_fields__ if "key" in name or "secret" in name}
    shown = repr(Config(**{name: value for name, value in secrets.items() if name != "wechat_pay_public_key_id"}))  # type: ignore[arg-type]
    assert "secret-" not in shown
