"""What the demo prints fits 80 columns and leaves no code unexplained."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from tuike.commission import Commission, CommissionStatus, TraceStep
from tuike.demo import screen
from tuike.demo.screen import Screen, format_money
from tuike.demo.story import Month

DOCS = Path(__file__).parents[3] / "docs" / "commission.md"


def make_screen():
    return Screen(Console(file=io.StringIO(), width=80, highlight=False))


def read(shown):
    return shown.console.file.getvalue().splitlines()


@pytest.mark.parametrize(("minor", "text"), [(0, "¥0.00"), (5, "¥0.05"), (123_456, "¥1,234.56"), (-7, "-¥0.07")])
def test_money_has_two_decimals(minor, text):
    assert format_money(minor) == text


def test_every_documented_trace_code_is_put_into_words():
    codes = set(re.findall(r"^\| `(?:binding|rule|cap|rounding|outcome)` \| `(\w+)`", DOCS.read_text(), re.MULTILINE))
    assert len(codes) > 10
    assert codes == set(screen._CODES)


def test_a_year_of_large_months_fits_80_columns():
    shown = make_screen()
    start = datetime(2017, 1, 1, tzinfo=UTC)
    shown.show_months([Month(start, 123_456, 12_345, 123_456_789, 1_234, 9_999, 12_345_678, 12_345_678)])
    assert max(cell_len(line) for line in read(shown)) <= 80


def test_a_split_says_who_gets_what_and_why():
    trace = (
        TraceStep("binding", 1, "credited_by_attribution", {"promoter_id": "prm_1"}),
        TraceStep("rule", 1, "plan_rate", {"line": 0, "base_minor": 1_000, "rate_bps": 1_000, "plan_version": 1}),
        TraceStep("rule", 1, "plan_rate", {"line": 1, "base_minor": 999, "rate_bps": 1_000, "plan_version": 1}),
        TraceStep("rounding", 1, "floored", {"line": 1, "amount_minor": 99, "dropped_bps_minor": 9_000}),
        TraceStep("outcome", 1, "paid", {"amount_minor": 199}),
    )
    item = Commission("com_1", "ord_1", "prm_1", 1, 1_999, 1_000, 199, 0, CommissionStatus.PENDING, None, None, trace)
    shown = make_screen()
    shown.show_split([item], name=lambda _: "王小明")
    text = "\n".join(read(shown))
    assert "王小明" in text
    assert "10% × ¥19.99" in text
    assert "floored × 1" in text
    assert "earns ¥1.99" in text


def test_the_last_line_stays_one_line():
    shown = make_screen()
    shown.end("DEMO " + "x" * 500)
    assert read(shown) == ["DEMO " + "x" * 500]
