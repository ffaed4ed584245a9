"""The split of an order and what a refund takes back of it."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tuike.commission import (
    ChainLink,
    LineTerms,
    Plan,
    RatesTooHigh,
    SplitLine,
    TooManyLevels,
    check_rates,
    decide_split,
)
from tuike.commission.rules import LEVELS_CEILING, decide_left, decide_reversed


def make_plan(*, levels=3, rates=(1000, 300, 100), cap=None, self_purchase=False):
    since = datetime(1970, 1, 1, tzinfo=UTC)
    return Plan("default", 7, since, levels, rates, 7, 30, "last", "paid", self_purchase, cap)


def make_chain(length=3, *, inactive=(), buyer=None):
    return [ChainLink(f"p{level}", level not in inactive, level == buyer) for level in range(1, length + 1)]


def split(*lines, plan=None, chain=None):
    """A split of lines given as amounts or (amount, rates)."""
    terms = [LineTerms(no, *(line if isinstance(line, tuple) else (line, None))) for no, line in enumerate(lines)]
    return decide_split(
        order_id="ord_1", merchant_id="main", currency="CNY", plan=plan or make_plan(), lines=terms,
        chain=make_chain() if chain is None else chain,
    )  # fmt: skip


def codes(decision, level):
    return [(step.step, step.code) for step in decision.trace if step.level == level]


def outcome(decision, level):
    (code,) = [step.code for step in decision.trace if step.level == level and step.step == "outcome"]
    return code


# Rates


def test_rates_are_padded_to_three_levels():
    assert check_rates([], field="rates_bps") == (0, 0, 0)
    assert check_rates([5], field="rates_bps") == (5, 0, 0)
    assert check_rates([10_000, 0, 0], field="rates_bps") == (10_000, 0, 0)


def test_a_fourth_rate_is_refused_even_when_it_is_zero():
    with pytest.raises(TooManyLevels) as refusal:
        check_rates([1, 1, 1, 0], field="lines.2.rates_bps")
    assert list(refusal.value.fields) == ["lines.2.rates_bps"]
    assert refusal.value.code == "too_many_levels"


@pytest.mark.parametrize("rates", [[-1], [10_001], [0, 0, 10_001], [10_000, -1], [9000, 600, 401], [10_000, 0, 1]])
def test_rates_that_promise_more_than_the_whole_are_refused(rates):
    with pytest.raises(RatesTooHigh):
        check_rates(rates, field="rates_bps")


def test_the_base_itself_caps_a_split_whatever_the_rates():
    decision = split(1000, plan=make_plan(rates=(9000, 6000, 0)))
    assert decision.amounts_minor == (600, 400, 0)
    (cap,) = [step for step in decision.trace if step.step == "cap" and step.level == 1]
    assert cap.code == "base_cap"
    assert cap.detail == {"line": 0, "cap_bps": 10_000, "from_minor": 900, "to_minor": 600}


def test_the_ceiling_of_three_levels_is_a_constant():
    assert LEVELS_CEILING == 3


# The split


def test_each_open_level_gets_its_rate_of_each_line_floored():
    decision = split(1000, 333)
    assert decision.amounts_minor == (133, 39, 13)
    assert decision.base_minor == 1333
    assert [line.amounts_minor for line in decision.lines] == [(100, 30, 10), (33, 9, 3)]
    assert decision.promoter_ids == ("p1", "p2", "p3")
    assert decision.rates_bps == (1000, 300, 100)
    assert decision.holding_days == 7


def test_a_lines_own_rates_go_before_the_plans_as_a_whole():
    decision = split((1000, (2000,)), 1000, (1000, (0, 0, 0)), (1000, ()))
    assert [line.amounts_minor for line in decision.lines] == [(200, 0, 0), (100, 30, 10), (0, 0, 0), (0, 0, 0)]


def test_lines_of_different_rates_show_the_rate_they_make_together():
    decision = split((1000, (2000, 0, 0)), 3000)
    assert decision.rates_bps == (1250, 225, 75)
    rules = [step.detail["rate_bps"] for step in decision.trace if step.step == "rule" and step.level == 1]
    assert rules == [2000, 1000]


def test_a_lines_rates_never_open_a_level_that_the_plan_closes():
    decision = split((1000, (100, 200, 300)), plan=make_plan(levels=2))
    assert decision.amounts_minor == (10, 20, 0)
    assert decision.lines[0].rates_bps == (100, 200, 0)
    assert outcome(decision, 3) == "level_closed"


def test_an_order_that_belongs_to_nobody_pays_nobody_and_says_so_on_every_level():
    decision = split(1000, chain=[])
    assert decision.amounts_minor == (0, 0, 0)
    assert decision.promoter_ids == (None, None, None)
    assert [codes(decision, level) for level in (1, 2, 3)] == [[("outcome", "no_attribution")]] * 3


def test_a_level_without_an_inviter_says_so():
    decision = split(1000, chain=make_chain(1))
    assert decision.amounts_minor == (100, 0, 0)
    assert decision.promoter_ids == ("p1", None, None)
    assert codes(decision, 2) == [("outcome", "no_inviter")]


def test_a_level_above_the_plan_is_closed_even_where_nobody_stands():
    assert outcome(split(1000, plan=make_plan(levels=1), chain=make_chain(1)), 3) == "level_closed"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_buyer_earns_nothing_at_any_level_and_the_others_no_more(level):
    plain, own = split(1000), split(1000, chain=make_chain(buyer=level))
    expected = [0 if index == level - 1 else amount for index, amount in enumerate(plain.amounts_minor)]
    assert list(own.amounts_minor) == expected
    assert outcome(own, level) == "self_purchase"
    assert own.promoter_ids == ("p1", "p2", "p3")


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_plan_may_let_buyers_earn(level):
    decision = split(1000, plan=make_plan(self_purchase=True), chain=make_chain(buyer=level))
    assert decision.amounts_minor == (100, 30, 10)
    assert outcome(decision, level) == "paid"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_promoter_who_is_not_active_earns_nothing_and_passes_nothing_on(level):
    decision = split(1000, chain=make_chain(inactive=[level]))
    assert decision.amounts_minor[level - 1] == 0
    assert sum(decision.amounts_minor) == 140 - (100, 30, 10)[level - 1]
    assert outcome(decision, level) == "promoter_not_active"


def test_of_several_reasons_the_first_that_holds_is_named():
    both = [ChainLink("p1", is_active=False, is_buyer=True)]
    assert outcome(split(1000, chain=both), 1) == "self_purchase"
    assert outcome(split(1000, chain=both, plan=make_plan(self_purchase=True)), 1) == "promoter_not_active"


def test_a_fourth_ancestor_is_never_paid():
    decision = split(1000, chain=make_chain(5))
    assert decision.promoter_ids == ("p1", "p2", "p3")
    assert len(decision.amounts_minor) == 3


# Caps


def test_the_order_cap_cuts_all_levels_of_a_line_in_proportion():
    decision = split(1000, plan=make_plan(cap=700))
    assert decision.amounts_minor == (50, 15, 5)
    assert decision.lines[0].is_capped


def test_the_cap_holds_for_each_line_and_a_generous_line_borrows_nothing_from_a_modest_one():
    decision = split((1000, (3000, 1000)), (1000, (100,)), plan=make_plan(cap=2000))
    assert [line.amounts_minor for line in decision.lines] == [(150, 50, 0), (10, 0, 0)]
    assert [line.is_capped for line in decision.lines] == [True, False]


def test_a_cap_that_is_met_exactly_cuts_nothing():
    decision = split(1000, plan=make_plan(cap=1400))
    assert decision.amounts_minor == (100, 30, 10)
    assert not decision.lines[0].is_capped


def test_a_cap_of_zero_pays_nobody():
    assert split(1000, plan=make_plan(cap=0)).amounts_minor == (0, 0, 0)


def test_levels_that_earn_nothing_do_not_count_towards_the_cap():
    decision = split(1000, plan=make_plan(rates=(1000, 500, 0), cap=500), chain=make_chain(buyer=1))
    assert decision.amounts_minor == (0, 50, 0)


def test_rates_of_the_whole_base_pay_exactly_the_base():
    assert split(7, plan=make_plan(rates=(10_000, 0, 0))).amounts_minor == (7, 0, 0)
    assert sum(split(7, plan=make_plan(rates=(3333, 3333, 3334))).amounts_minor) <= 7


# The trace


def test_the_trace_tells_binding_rule_cap_and_outcome_in_this_order():
    decision = split(1001, plan=make_plan(cap=700))
    assert codes(decision, 1) == [
        ("binding", "credited_by_attribution"),
        ("rule", "plan_rate"),
        ("cap", "order_cap"),
        ("outcome", "paid"),
    ]
    assert codes(decision, 2)[0] == ("binding", "inviter_as_of_placed_at")
    assert [step.level for step in decision.trace] == sorted(step.level for step in decision.trace)


def test_the_trace_names_what_rounding_dropped():
    decision = split(1005)
    rounding = [step for step in decision.trace if step.step == "rounding" and step.level == 1]
    assert [step.detail for step in rounding] == [{"line": 0, "amount_minor": 100, "dropped_bps_minor": 5000}]


def test_a_level_of_rate_zero_and_one_below_a_unit_are_told_apart():
    decision = split(9, plan=make_plan(rates=(1000, 0, 0)))
    assert decision.amounts_minor == (0, 0, 0)
    assert outcome(decision, 1) == "below_one_unit"
    assert outcome(decision, 2) == "rate_zero"


def test_every_level_has_exactly_one_outcome_whatever_happens():
    for chain in ([], make_chain(1), make_chain(3, inactive=[2]), make_chain(3, buyer=1)):
        for plan in (make_plan(), make_plan(levels=1), make_plan(cap=0), make_plan(rates=(0, 0, 0))):
            decision = split(1000, (1, (5000, 5000)), plan=plan, chain=chain)
            assert [step.level for step in decision.trace if step.step == "outcome"] == [1, 2, 3]


def test_a_lines_rule_names_the_plan_version():
    decision = split((1000, (500,)), 1000)
    rules = [(step.code, step.detail["plan_version"]) for step in decision.trace if step.step == "rule"][:2]
    assert rules == [("line_rate", 7), ("plan_rate", 7)]


# Refunds


def test_a_partial_refund_takes_back_every_level_in_proportion():
    decision = split(1000)
    assert decide_reversed(decision, [500]) == (50, 15, 5)


def test_partial_refunds_that_add_up_to_the_whole_leave_exactly_nothing():
    decision = split(999, 333, (7, (3333, 3333, 3334)))
    assert decide_reversed(decision, [999, 333, 7]) == decision.amounts_minor
    seen = [decide_reversed(decision, [part, min(part, 333), min(part, 7)]) for part in range(1000)]
    assert seen[0] == (0, 0, 0)
    assert all(a <= b for one, two in pairwise(seen) for a, b in zip(one, two, strict=True))


def test_a_refund_of_one_line_leaves_the_others_commission_alone():
    decision = split((1000, (2000, 0, 0)), 500)
    assert decide_reversed(decision, [1000, 0]) == (200, 0, 0)
    assert decide_reversed(decision, [0, 500]) == (50, 15, 5)


def test_a_capped_line_reverses_in_proportion_to_the_base_left():
    decision = split(1000, plan=make_plan(rates=(3000, 2000, 0), cap=1000))
    assert decision.amounts_minor == (60, 40, 0)
    assert decide_reversed(decision, [500]) == (30, 20, 0)
    assert decide_reversed(decision, [999]) == (60, 40, 0)
    assert decide_reversed(decision, [1000]) == (60, 40, 0)


def test_a_level_that_earned_nothing_has_nothing_to_give_back():
    decision = split(1000, chain=make_chain(buyer=1))
    assert decide_reversed(decision, [400]) == (0, 12, 4)


def test_the_first_minor_unit_refunded_takes_back_the_fraction_that_it_breaks():
    line = SplitLine(0, 1000, (1000, 0, 0), (100, 0, 0), is_capped=False)
    assert decide_left(line, 0, 1000) == 100
    assert decide_left(line, 0, 999) == 99
    assert decide_left(line, 0, 0) == 0


def test_bug_rates_beyond_the_whole_that_fit_by_rounding_outgrew_the_line_after_a_refund():
    decision = split(8, plan=make_plan(rates=(6000, 6000, 0)))
    assert decision.amounts_minor == (4, 4, 0)
    for refunded in range(9):
        left = sum(decision.amounts_minor) - sum(decide_reversed(decision, [refunded]))
        assert left <= 8 - refunded
