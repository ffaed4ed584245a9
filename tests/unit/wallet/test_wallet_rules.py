"""Decisions about money that comes in and goes out."""

from datetime import UTC, datetime

import pytest

from tuike.shared.money import MAX_AMOUNT_MINOR
from tuike.wallet import (
    AmountTooLarge,
    BelowMinimum,
    DailyLimitExceeded,
    InsufficientBalance,
    Posting,
    WithdrawalPolicy,
    credit_postings,
    payable_address,
    promoter_address,
    split_incoming,
    split_outgoing,
)
from tuike.wallet.rules import decide_withdrawal


def make_policy(*, minimum=100, fee_bps=0, daily=None, review=None):
    return WithdrawalPolicy(1, datetime(1970, 1, 1, tzinfo=UTC), minimum, fee_bps, daily, review)


def decide(amount, *, available=10**9, today=0, **policy):
    return decide_withdrawal(amount, available_minor=available, today_minor=today, policy=make_policy(**policy))


@pytest.mark.parametrize(
    ("amount", "debt", "parts"), [(100, 0, (0, 100)), (100, 30, (30, 70)), (100, 100, (100, 0)), (100, 500, (100, 0))]
)
def test_what_comes_in_settles_debt_first(amount, debt, parts):
    assert split_incoming(amount, debt) == parts


@pytest.mark.parametrize(
    ("amount", "available", "parts"), [(100, 100, (100, 0)), (100, 30, (30, 70)), (100, 0, (0, 100)), (1, 5, (1, 0))]
)
def test_what_cannot_be_taken_becomes_debt(amount, available, parts):
    assert split_outgoing(amount, available) == parts


def test_a_credit_has_no_posting_of_nothing():
    assert credit_postings("p", "world", 10, 0, "CNY") == [Posting("world", "promoter:p:available", 10, "CNY")]
    assert credit_postings("p", "world", 10, 10, "CNY") == [Posting("world", "promoter:p:debt", 10, "CNY")]
    assert len(credit_postings("p", "world", 10, 9, "CNY")) == 2


def test_addresses_name_owner_and_kind():
    assert promoter_address("prm_1", "withdrawing") == "promoter:prm_1:withdrawing"
    assert payable_address("main") == "merchant:main:payable"


def test_the_minimum_is_enough_and_one_less_is_not():
    assert decide(100) == (0, False)
    with pytest.raises(BelowMinimum):
        decide(99)


@pytest.mark.parametrize("amount", [0, -1, -(10**20)])
def test_nothing_and_less_than_nothing_are_below_any_minimum(amount):
    with pytest.raises(BelowMinimum):
        decide(amount, minimum=1)


def test_all_that_is_available_can_go_and_not_one_unit_more():
    decide(500, available=500)
    with pytest.raises(InsufficientBalance) as refusal:
        decide(501, available=500)
    assert "500" in refusal.value.fields["amount_minor"][0]


def test_an_amount_beyond_all_measure_is_refused_as_such():
    with pytest.raises(AmountTooLarge):
        decide(MAX_AMOUNT_MINOR + 1, available=2 * MAX_AMOUNT_MINOR)
    assert decide(MAX_AMOUNT_MINOR, available=MAX_AMOUNT_MINOR, fee_bps=9_999) == (9_999_000_000_000, False)


def test_the_daily_limit_counts_what_was_asked_for_today():
    decide(400, today=600, daily=1000)
    with pytest.raises(DailyLimitExceeded) as refusal:
        decide(401, today=600, daily=1000)
    assert "400" in refusal.value.fields["amount_minor"][0]


def test_a_limit_that_was_lowered_below_what_was_asked_for_leaves_nothing_more():
    with pytest.raises(DailyLimitExceeded) as refusal:
        decide(100, today=600, daily=500)
    assert "Only 0 more" in refusal.value.fields["amount_minor"][0]


def test_the_fee_is_floored_and_at_most_the_amount():
    assert decide(199, fee_bps=100) == (1, False)
    assert decide(199, fee_bps=10_000) == (199, False)


def test_a_review_is_needed_above_the_threshold_not_at_it():
    assert decide(500, review=500) == (0, False)
    assert decide(501, review=500) == (0, True)
    assert decide(100, review=0) == (0, True)
