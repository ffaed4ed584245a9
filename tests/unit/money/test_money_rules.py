"""Integer money: where division happens and what it never loses."""

import pytest

from tuike.shared.money import (
    CURRENCIES,
    MAX_AMOUNT_MINOR,
    CurrencyUnknown,
    check_currency,
    cut_to_cap,
    scale_down,
    share_of,
    spread,
)


@pytest.mark.parametrize(
    ("amount", "rooms", "parts"),
    [
        (700, [1000, 333], [525, 175]),
        (0, [3, 5], [0, 0]),
        (8, [3, 5], [3, 5]),
        (1, [1, 1, 1], [0, 0, 1]),
        (2, [1, 1, 1], [0, 1, 1]),
        (100, [1, 100, 1], [0, 99, 1]),
    ],
)
def test_an_amount_is_spread_in_proportion_and_the_remainder_goes_to_the_last(amount, rooms, parts):
    assert spread(amount, rooms) == parts


def test_a_remainder_that_the_last_room_cannot_hold_goes_to_the_room_before_it():
    assert spread(6, [3, 3, 1]) == [2, 3, 1]


def test_a_remainder_skips_rooms_that_are_full_or_empty():
    assert spread(5, [2, 2, 2, 0]) == [1, 2, 2, 0]


def test_nothing_can_be_spread_over_no_rooms_but_nothing():
    assert spread(0, []) == []
    assert spread(0, [0, 0]) == [0, 0]


@pytest.mark.parametrize(("amount", "rooms"), [(-1, [5]), (6, [5]), (1, []), (1, [0])])
def test_an_amount_that_does_not_fit_is_refused(amount, rooms):
    with pytest.raises(ValueError, match="does not fit"):
        spread(amount, rooms)


def test_amounts_within_the_cap_stay_as_they_are():
    assert cut_to_cap([60, 40], 100) == [60, 40]
    assert cut_to_cap([], 0) == []
    assert cut_to_cap([0, 0], 0) == [0, 0]


def test_amounts_above_the_cap_are_cut_in_proportion_and_floored():
    assert cut_to_cap([100, 30, 0], 100) == [76, 23, 0]
    assert cut_to_cap([7, 7, 7], 2) == [0, 0, 0]
    assert cut_to_cap([5], 0) == [0]


def test_a_share_is_floored_and_exact_at_the_largest_amount():
    assert share_of(999, 1000) == 99
    assert share_of(1, 9_999) == 0
    assert share_of(MAX_AMOUNT_MINOR, 3_333) == 3_333_000_000_000
    assert share_of(MAX_AMOUNT_MINOR - 1, 10_000) == MAX_AMOUNT_MINOR - 1


def test_scaling_down_keeps_all_or_nothing_at_the_ends():
    assert scale_down(99, 999, 999) == 99
    assert scale_down(99, 0, 999) == 0
    assert scale_down(99, 998, 999) == 98


def test_the_largest_amounts_stay_inside_a_64_bit_integer():
    assert MAX_AMOUNT_MINOR * 10_000 < 2**63
    assert MAX_AMOUNT_MINOR * 900_000 < 2**63


@pytest.mark.parametrize("code", ["CNY", "USD", "EUR", "JPY", "KWD"])
def test_active_currencies_are_known(code):
    check_currency(code)


@pytest.mark.parametrize("code", ["cny", "RMB", "", "CNY ", "DEM", "XXXX", "C\x00Y"])
def test_other_codes_are_refused_naming_the_field(code):
    with pytest.raises(CurrencyUnknown) as refusal:
        check_currency(code, field="currency")
    assert list(refusal.value.fields) == ["currency"]


def test_a_very_long_code_is_not_echoed_whole():
    with pytest.raises(CurrencyUnknown) as refusal:
        check_currency("X" * 5_000)
    assert len(refusal.value.fields["currency"][0]) < 80


def test_there_are_many_currencies():
    assert len(CURRENCIES) > 150
