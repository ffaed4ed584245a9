"""Instants, pages and ids."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tuike.shared import clock, ids
from tuike.shared.errors import ValidationFailed
from tuike.shared.pages import decode_cursor, encode_cursor

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "instant",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 11, 1, 1, 30, 0, 1, tzinfo=timezone(timedelta(hours=-4))),
    ],
)
def test_an_instant_survives_the_way_through_microseconds_exactly(instant):
    assert clock.from_micros(clock.to_micros(instant)) == instant


def test_an_instant_is_shown_in_utc_with_microseconds_only_when_it_has_any():
    assert clock.format_instant(NOON) == "2026-03-01T12:00:00Z"
    shanghai = timezone(timedelta(hours=8))
    assert clock.format_instant(datetime(2026, 3, 1, 7, 0, 0, 1, tzinfo=shanghai)) == "2026-02-28T23:00:00.000001Z"


def test_five_minutes_ahead_is_taken_and_a_microsecond_more_is_refused():
    clock.refuse_future("at", NOON + timedelta(minutes=5), now=NOON)
    with pytest.raises(ValidationFailed) as refusal:
        clock.refuse_future("paid_at", NOON + timedelta(minutes=5, microseconds=1), now=NOON)
    assert list(refusal.value.fields) == ["paid_at"]


def test_the_business_day_turns_at_midnight_in_shanghai():
    midnight = datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert clock.start_of_business_day(midnight) == midnight
    assert clock.start_of_business_day(midnight - timedelta(microseconds=1)) == midnight - timedelta(days=1)
    assert clock.start_of_business_day(midnight + timedelta(hours=23, minutes=59)) == midnight


@pytest.mark.parametrize("position", [("ord_1",), (0, "x"), (2**63 - 1,), ("日本", 5), ()])
def test_a_cursor_leads_back_to_its_position(position):
    cursor = encode_cursor(*position)
    assert decode_cursor(cursor, *(type(value) for value in position)) == position
    assert cursor.isascii()
    assert "=" not in cursor


def _forge(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "%%%", "日", "A" * 999, _forge("ord_1"), _forge([1]), _forge([True]), _forge(["a", "b"]), _forge([]),
     _forge({"0": "a"}), _forge([None]), _forge([["a"]])],
)  # fmt: skip
def test_what_is_not_a_cursor_of_a_list_of_texts_is_refused(cursor):
    with pytest.raises(ValidationFailed) as refusal:
        decode_cursor(cursor, str)
    assert list(refusal.value.fields) == ["cursor"]


@pytest.mark.parametrize("number", [-1, 2**63, 1.5, True, "1"])
def test_an_integer_in_a_cursor_fits_63_bits_and_is_one(number):
    with pytest.raises(ValidationFailed):
        decode_cursor(_forge([number]), int)


def test_ids_say_what_they_name_and_sort_by_time():
    made = [ids.new_id("order") for _ in range(50)]
    assert len(set(made)) == 50
    assert all(ids.is_id("order", one) for one in made)
    assert not any(ids.is_id("touch", one) for one in made)
    assert [one[4:14] for one in made] == sorted(one[4:14] for one in made)


@pytest.mark.parametrize(
    "text", ["", "ord", "ord_", "ord_" + "0" * 25, "ord_" + "0" * 27, "ord_é" + "0" * 25, "prm_" + "0" * 26]
)
def test_what_is_not_shaped_like_an_order_id_is_none(text):
    assert not ids.is_id("order", text)


def test_no_two_kinds_of_id_share_a_prefix():
    assert len(set(ids.PREFIXES.values())) == len(ids.PREFIXES)
