"""Decisions about money that comes in and goes out. Pure."""

from collections.abc import Sequence

from tuike.shared.money import MAX_AMOUNT_MINOR, share_of
from tuike.wallet.accounts import promoter_address
from tuike.wallet.model import (
    AmountTooLarge,
    BelowMinimum,
    DailyLimitExceeded,
    InsufficientBalance,
    Posting,
    WithdrawalPolicy,
)


def split_incoming(amount_minor: int, debt_minor: int) -> tuple[int, int]:
    """Return (towards debt, towards available): debt is settled before anything becomes available."""
    settled = min(amount_minor, debt_minor)
    return settled, amount_minor - settled


def split_outgoing(amount_minor: int, available_minor: int) -> tuple[int, int]:
    """Return (from available, as new debt): what cannot be taken becomes debt and never vanishes."""
    taken = min(amount_minor, available_minor)
    return taken, amount_minor - taken


def credit_postings(
    promoter_id: str, source: str, amount_minor: int, debt_minor: int, currency: str
) -> Sequence[Posting]:
    """Return the postings that bring an amount from `source` to a promoter: debt first, the rest available."""
    settled, rest = split_incoming(amount_minor, debt_minor)
    targets = ((promoter_address(promoter_id, "debt"), settled), (promoter_address(promoter_id, "available"), rest))
    return [Posting(source, target, amount, currency) for target, amount in targets if amount]


def decide_withdrawal(
    amount_minor: int, *, available_minor: int, today_minor: int, policy: WithdrawalPolicy
) -> tuple[int, bool]:
    """Return (fee, needs review) of a withdrawal that may be requested.

    `today_minor` is what was requested since the business day began and not given back.

    Raises AmountTooLarge, BelowMinimum, InsufficientBalance or DailyLimitExceeded, each naming `amount_minor`.
    """
    if amount_minor > MAX_AMOUNT_MINOR:
        raise AmountTooLarge(fields={"amount_minor": [f"Must not exceed {MAX_AMOUNT_MINOR}."]})
    if amount_minor < policy.minimum_minor:
        raise BelowMinimum(fields={"amount_minor": [f"Must be at least {policy.minimum_minor}."]})
    if amount_minor > available_minor:
        raise InsufficientBalance(fields={"amount_minor": [f"Only {available_minor} is available."]})
    if policy.daily_limit_minor is not None and today_minor + amount_minor > policy.daily_limit_minor:
        left = max(0, policy.daily_limit_minor - today_minor)
        raise DailyLimitExceeded(fields={"amount_minor": [f"Only {left} more can be withdrawn today."]})
    needs_review = policy.review_above_minor is not None and amount_minor > policy.review_above_minor
    return share_of(amount_minor, policy.fee_bps), needs_review
