"""Verbs of wallets and withdrawals. Money of a withdrawal leaves `available` when it is requested."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tuike import team
from tuike.db import Transaction
from tuike.shared import clock, ids
from tuike.shared.money import DEFAULT_CURRENCY, check_currency
from tuike.shared.pages import Page, decode_cursor, encode_cursor
from tuike.wallet import store
from tuike.wallet.accounts import FEES, WORLD, PromoterAccount, promoter_address
from tuike.wallet.ledger import lock_balances, post
from tuike.wallet.model import (
    LedgerTransaction,
    Posting,
    Wallet,
    WalletOwnerNotFound,
    Withdrawal,
    WithdrawalMethod,
    WithdrawalNotFound,
    WithdrawalPolicy,
    WithdrawalStatus,
    WrongState,
)
from tuike.wallet.rules import credit_postings, decide_withdrawal


def get_wallet(tx: Transaction, *, promoter_id: str, currency: str = DEFAULT_CURRENCY) -> Wallet:
    """Return what a promoter holds in a currency; all 0 when nothing was ever posted.

    Raises WalletOwnerNotFound (`promoter_not_found`) and CurrencyUnknown.
    """
    check_currency(currency)
    if not team.is_promoter(tx, promoter_id=promoter_id):
        raise WalletOwnerNotFound
    balances = store.find_balances(tx, promoter_id=promoter_id, currency=currency)
    return Wallet(
        promoter_id,
        currency,
        pending_minor=balances.get("pending", 0),
        frozen_minor=balances.get("frozen", 0),
        available_minor=balances.get("available", 0),
        withdrawing_minor=balances.get("withdrawing", 0),
        withdrawn_minor=balances["withdrawn"],
        debt_minor=-balances.get("debt", 0),
    )


def request_withdrawal(
    tx: Transaction,
    *,
    promoter_id: str,
    amount_minor: int,
    currency: str = DEFAULT_CURRENCY,
    method: str,
    account: str | None = None,
    needs_review: bool = False,
    now: datetime,
) -> Withdrawal:
    """Set available money aside for a payout; of two requests for the same money exactly one succeeds.

    A person looks at large ones, by the policy, and at this one where `needs_review` says so.

    Raises WalletOwnerNotFound, CurrencyUnknown, AmountTooLarge, BelowMinimum, InsufficientBalance, DailyLimitExceeded.
    """
    check_currency(currency)
    if not team.is_promoter(tx, promoter_id=promoter_id):
        raise WalletOwnerNotFound(fields={"promoter_id": ["Names no promoter."]})
    available, withdrawing = _addresses(promoter_id, "available", "withdrawing")
    balances = lock_balances(tx, accounts=[(available, currency), (withdrawing, currency)])
    fee_minor, is_large = decide_withdrawal(
        amount_minor,
        available_minor=balances.of(available, currency),
        today_minor=store.sum_requested_since(
            tx, promoter_id=promoter_id, currency=currency, since=clock.start_of_business_day(now)
        ),
        policy=store.get_policy(tx),
    )
    withdrawal = Withdrawal(
        ids.new_id("withdrawal"), promoter_id, currency, amount_minor, fee_minor, WithdrawalMethod(method), account,
        WithdrawalStatus.REQUESTED, needs_review or is_large, None, now, None, None,
    )  # fmt: skip
    store.add_withdrawal(tx, withdrawal)
    _post(tx, withdrawal, "requested", [Posting(available, withdrawing, amount_minor, currency)], now=now)
    return withdrawal


def approve_withdrawal(tx: Transaction, *, withdrawal_id: str, reason: str | None = None, now: datetime) -> Withdrawal:
    """Let a requested withdrawal be paid. Raises WithdrawalNotFound, WrongState."""
    withdrawal = _lock(tx, withdrawal_id, WithdrawalStatus.REQUESTED)
    return _change(tx, withdrawal, WithdrawalStatus.APPROVED, reason, decided_at=now)


def reject_withdrawal(tx: Transaction, *, withdrawal_id: str, reason: str | None = None, now: datetime) -> Withdrawal:
    """Refuse a requested withdrawal and give the money back, to debt first. Raises WithdrawalNotFound, WrongState."""
    withdrawal = _lock(tx, withdrawal_id, WithdrawalStatus.REQUESTED)
    _give_back(tx, withdrawal, "rejected", now=now)
    return _change(tx, withdrawal, WithdrawalStatus.REJECTED, reason, decided_at=now, finished_at=now)


def mark_paid(tx: Transaction, *, withdrawal_id: str, reason: str | None = None, now: datetime) -> Withdrawal:
    """Record that an approved withdrawal reached the promoter. Raises WithdrawalNotFound, WrongState."""
    withdrawal = _lock(tx, withdrawal_id, WithdrawalStatus.APPROVED)
    (source,) = _addresses(withdrawal.promoter_id, "withdrawing")
    parts = ((WORLD, withdrawal.amount_minor - withdrawal.fee_minor), (FEES, withdrawal.fee_minor))
    postings = [Posting(source, target, amount, withdrawal.currency) for target, amount in parts if amount]
    _post(tx, withdrawal, "paid", postings, now=now)
    return _change(tx, withdrawal, WithdrawalStatus.PAID, reason, finished_at=now)


def mark_failed(tx: Transaction, *, withdrawal_id: str, reason: str | None = None, now: datetime) -> Withdrawal:
    """Record that an approved withdrawal could not be paid and give the money back, to debt first.

    Raises WithdrawalNotFound, WrongState.
    """
    withdrawal = _lock(tx, withdrawal_id, WithdrawalStatus.APPROVED)
    _give_back(tx, withdrawal, "failed", now=now)
    return _change(tx, withdrawal, WithdrawalStatus.FAILED, reason, finished_at=now)


def get_withdrawal(tx: Transaction, *, withdrawal_id: str) -> Withdrawal:
    """Return a withdrawal. Raises WithdrawalNotFound."""
    withdrawal = store.find_withdrawal(tx, withdrawal_id=withdrawal_id)
    if withdrawal is None:
        raise WithdrawalNotFound
    return withdrawal


def lock_withdrawal(tx: Transaction, *, withdrawal_id: str) -> Withdrawal:
    """Return a withdrawal that nobody else changes until the transaction ends. Raises WithdrawalNotFound."""
    withdrawal = store.find_withdrawal(tx, withdrawal_id=withdrawal_id, lock=True)
    if withdrawal is None:
        raise WithdrawalNotFound
    return withdrawal


def list_withdrawals(
    tx: Transaction, *, promoter_id: str | None = None, status: str | None = None, limit: int, cursor: str | None = None
) -> Page[Withdrawal]:
    """Return a page of withdrawals, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_withdrawals(tx, promoter_id=promoter_id, status=status, before=before, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def get_policy(tx: Transaction) -> WithdrawalPolicy:
    """Return the withdrawal policy in force."""
    return store.get_policy(tx)


def replace_policy(
    tx: Transaction,
    *,
    minimum_minor: int,
    fee_bps: int,
    daily_limit_minor: int | None,
    review_above_minor: int | None,
    now: datetime,
) -> WithdrawalPolicy:
    """Put a new version of the withdrawal policy in force; withdrawals already requested keep their fee."""
    current = store.get_policy(tx, lock=True)
    policy = WithdrawalPolicy(
        current.version + 1, now, minimum_minor, fee_bps, daily_limit_minor, review_above_minor
    )  # fmt: skip
    store.add_policy(tx, policy)
    return policy


def _addresses(promoter_id: str, *kinds: PromoterAccount) -> tuple[str, ...]:
    return tuple(promoter_address(promoter_id, kind) for kind in kinds)


def _lock(tx: Transaction, withdrawal_id: str, expected: WithdrawalStatus) -> Withdrawal:
    withdrawal = store.find_withdrawal(tx, withdrawal_id=withdrawal_id, lock=True)
    if withdrawal is None:
        raise WithdrawalNotFound
    if withdrawal.status is not expected:
        raise WrongState(f"The withdrawal is {withdrawal.status.value}; this needs one that is {expected.value}.")
    return withdrawal


def _give_back(tx: Transaction, withdrawal: Withdrawal, event: str, *, now: datetime) -> None:
    source, debt, available = _addresses(withdrawal.promoter_id, "withdrawing", "debt", "available")
    currency = withdrawal.currency
    balances = lock_balances(tx, accounts=[(source, currency), (debt, currency), (available, currency)])
    postings = credit_postings(
        withdrawal.promoter_id, source, withdrawal.amount_minor, -balances.of(debt, currency), currency
    )
    _post(tx, withdrawal, event, postings, reverses=f"withdrawal:{withdrawal.id}:requested", now=now)


def _post(
    tx: Transaction,
    withdrawal: Withdrawal,
    event: str,
    postings: Sequence[Posting],
    *,
    reverses: str | None = None,
    now: datetime,
) -> None:
    key = f"withdrawal:{withdrawal.id}:{event}"
    post(tx, transactions=[LedgerTransaction(key, f"withdrawal.{event}", withdrawal.id, postings, reverses)], now=now)


def _change(
    tx: Transaction,
    withdrawal: Withdrawal,
    status: WithdrawalStatus,
    reason: str | None,
    *,
    decided_at: datetime | None = None,
    finished_at: datetime | None = None,
) -> Withdrawal:
    changed = replace(
        withdrawal,
        status=status,
        reason=reason or withdrawal.reason,
        decided_at=decided_at or withdrawal.decided_at,
        finished_at=finished_at or withdrawal.finished_at,
    )
    store.set_state(tx, changed)
    return changed
