"""Strict fields: what is taken as said, and what is refused."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import fields as f
from api.routing import Shape
from tuike.commission import TooManyLevels
from tuike.orders import AmountNotPositive
from tuike.shared.clock import format_instant, from_micros, to_micros
from tuike.shared.errors import ValidationFailed
from tuike.shared.money import MAX_AMOUNT_MINOR


class _Line(Shape):
    amount_minor = f.Amount(required=True)
    rates_bps = f.Rates(load_default=None)


class _Body(Shape):
    name = f.Text(load_default=None)
    count = f.Integer(load_default=None, low=0, high=10)
    flag = f.Flag(load_default=None)
    at = f.Instant(load_default=None)
    level = f.Level(load_default=1)
    ip = f.Ip(load_default=None)
    lines = ma.fields.List(ma.fields.Nested(_Line), load_default=None)


_BODY = _Body()


def _refuse(document: Any) -> tuple[type, list[str]]:
    with pytest.raises((ValidationFailed, AmountNotPositive, TooManyLevels)) as caught:
        f.load(_BODY, document)
    return type(caught.value), sorted(caught.value.fields or {})


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-01T08:00:00+08:00", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00:00:00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01t00:00:00z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00:00:00-00:00", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00:00:00.1Z", datetime(2026, 11, 1, 0, 0, 0, 100_000, tzinfo=UTC)),
        ("2026-11-01T00:00:00.123456789Z", datetime(2026, 11, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_taken_to_the_microsecond(text: str, instant: datetime) -> None:
    assert f.load(_BODY, {"at": text})["at"] == instant


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-01T08:00:00", "2026-11-01", "", "now", "2026-11-01T08:00:00+0800", "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z", "2026-11-01T24:00:00Z", "2026-11-01T00:00:60Z", "2026-11-01T00:00:00.1234567890Z",
        "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
        "2026-11-01T00:00:00+24:00", "2026-11-01T00:00:00+08:60", "２０２６-11-01T00:00:00Z", 1_700_000_000, 1.5, True,
        ["2026-11-01T00:00:00Z"], "2026-11-01T00:00:00Z\n", "2026-11-01T00:00:00.Z",
    ],
)  # fmt: skip
def test_what_is_not_an_instant_with_an_offset_is_refused(value: Any) -> None:
    assert _refuse({"at": value}) == (ValidationFailed, ["at"])


@given(st.integers(min_value=0, max_value=to_micros(datetime(9999, 12, 31, tzinfo=UTC))))
def test_an_instant_answered_is_read_back_the_same(micros: int) -> None:
    instant = from_micros(micros)
    assert f.parse_instant(format_instant(instant)) == instant


@given(st.text(max_size=40))
def test_no_text_crashes_the_instant(text: str) -> None:
    with contextlib.suppress(ma.ValidationError):
        assert f.parse_instant(text).tzinfo is UTC


@pytest.mark.parametrize("value", ["1", 1.0, True, False, [1], {}, -1, 11, 2**63, 10**40])
def test_a_number_is_a_whole_number_in_range_and_nothing_else(value: Any) -> None:
    assert _refuse({"count": value}) == (ValidationFailed, ["count"])


@pytest.mark.parametrize("value", [0, -1, -(10**30)])
def test_an_amount_that_is_not_positive_has_its_own_code(value: int) -> None:
    body = {"lines": [{"amount_minor": 1}, {"amount_minor": value}]}
    assert _refuse(body) == (AmountNotPositive, ["lines.1.amount_minor"])


@pytest.mark.parametrize("value", ["1", 1.0, True, MAX_AMOUNT_MINOR + 1, 2**53 + 1, 2**63, 10**40])
def test_an_amount_of_another_type_or_too_large_is_refused_and_never_rounded(value: Any) -> None:
    assert _refuse({"lines": [{"amount_minor": value}]}) == (ValidationFailed, ["lines.0.amount_minor"])


def test_the_largest_amount_is_exact() -> None:
    assert f.load(_BODY, {"lines": [{"amount_minor": MAX_AMOUNT_MINOR}]})["lines"][0]["amount_minor"] == 10**13


def test_mixed_faults_are_all_named_under_one_code() -> None:
    body = {"nmae": "x", "count": "1", "lines": [{"amount_minor": 0}, {}]}
    assert _refuse(body) == (
        ValidationFailed,
        ["count", "lines.0.amount_minor", "lines.1.amount_minor", "nmae"],
    )


def test_a_fourth_rate_is_a_level_too_many() -> None:
    assert _refuse({"lines": [{"amount_minor": 1, "rates_bps": [1, 1, 1, 1]}]}) == (
        TooManyLevels,
        ["lines.0.rates_bps"],
    )


@pytest.mark.parametrize(
    "value", ["a\x00", "a\n", "\x7f", "\x85", "\ud800", "x\udfff", "", "x" * 129, 1, None.__class__]
)
def test_text_with_control_characters_surrogates_or_a_wrong_length_is_refused(value: Any) -> None:
    assert _refuse({"name": value}) == (ValidationFailed, ["name"])


@pytest.mark.parametrize("value", ["推客", " a ", "😀", "x" * 128, "\u202e", "Ω", "a'; DROP TABLE promoters; --"])
def test_any_other_text_is_kept_exactly(value: str) -> None:
    assert f.load(_BODY, {"name": value})["name"] == value


@pytest.mark.parametrize("value", [0, 1000, "gold", "城市合伙人"])
def test_a_level_is_kept_as_given(value: Any) -> None:
    assert f.load(_BODY, {"level": value})["level"] == value


@pytest.mark.parametrize("value", [-1, 1001, 1.0, True, "", "x" * 33, "\x00", [], None])
def test_any_other_level_is_refused(value: Any) -> None:
    assert _refuse({"level": value}) == (ValidationFailed, ["level"])


@pytest.mark.parametrize("value", [1, 0, "true", "false", "yes"])
def test_a_flag_is_true_or_false(value: Any) -> None:
    assert _refuse({"flag": value}) == (ValidationFailed, ["flag"])


def test_an_address_is_kept_in_one_spelling() -> None:
    assert f.load(_BODY, {"ip": "2001:DB8::0:1"})["ip"] == "2001:db8::1"
    assert _refuse({"ip": "300.1.1.1"}) == (ValidationFailed, ["ip"])


@pytest.mark.parametrize("document", [None, [], "x", 1, True])
def test_a_body_that_is_not_an_object_is_refused(document: Any) -> None:
    assert _refuse(document) == (ValidationFailed, ["body"])


def test_an_id_that_cannot_be_ours_names_nothing() -> None:
    assert f.readable_id("prm_01K9ZJ0000000000000000000A") == "prm_01K9ZJ0000000000000000000A"
    for text in ("", "a b", "\x00", "推", "x" * 129, "a/b", "\ud800"):
        assert f.readable_id(text) == f.UNREADABLE_ID
