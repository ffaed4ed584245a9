"""Amounts of yuan as text: exact, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuike.providers.amounts import format_yuan, parse_yuan, parse_yuan_micros


@given(st.integers(-(10**14), 10**14))
def test_an_amount_survives_its_text(amount_minor: int) -> None:
    assert parse_yuan(format_yuan(amount_minor)) == amount_minor
    assert parse_yuan_micros(format_yuan(amount_minor)) == amount_minor * 10_000


@pytest.mark.parametrize(
    ("text", "micros"),
    [("0.006", 6_000), ("0.00600", 6_000), ("-0.00600", -6_000), ("0.00006", 60), ("0.000001", 1), ("12", 12_000_000),
     ("0.00000100", 1), ("3.1", 3_100_000)],
)  # fmt: skip
def test_fees_are_read_to_the_millionth(text: str, micros: int) -> None:
    assert parse_yuan_micros(text) == micros


@pytest.mark.parametrize("text", ["", "x", "0.0000001", "1e3", ".5", "1.", "+1", " 1", "１", "0.006x", "1,000"])
def test_what_is_finer_or_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_yuan_micros(text)


def test_amounts_of_money_have_no_fractions_of_a_cent() -> None:
    with pytest.raises(ValueError, match="fraction"):
        parse_yuan("0.006")
