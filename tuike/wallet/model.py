"""Nouns of the wallet: ledger transactions, wallets, withdrawals, and the refusals they know. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tuike.shared.errors import Conflict, NotFound, Refused


class WithdrawalStatus(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    PAID = "paid"
    FAILED = "failed"


class WithdrawalMethod(StrEnum):
    MANUAL = "manual"
    WECHAT = "wechat"
    ALIPAY = "alipay"
    BANK = "bank"


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount greater than 0 that moves from one account to another, both in `currency`."""

    from_address: str
    to_address: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class LedgerTransaction:
    """Postings that happen together, under a key that can be posted only once.

    `subject` is what it is about (an order, a withdrawal); `reverses` names the key of the transaction it takes back.
    """

    key: str
    reason: str
    subject: str
    postings: Sequence[Posting]
    reverses: str | None = None


@dataclass(frozen=True, slots=True)
class Wallet:
    """What a promoter holds in one currency; no amount is ever negative. `withdrawn_minor` includes fees."""

    promoter_id: str
    currency: str
    pending_minor: int = 0
    frozen_minor: int = 0
    available_minor: int = 0
    withdrawing_minor: int = 0
    withdrawn_minor: int = 0
    debt_minor: int = 0


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A promoter's request to be paid; `amount_minor` includes `fee_minor`."""

    id: str
    promoter_id: str
    currency: str
    amount_minor: int
    fee_minor: int
    method: WithdrawalMethod
    account: str | None
    status: WithdrawalStatus
    needs_review: bool
    reason: str | None
    requested_at: datetime
    decided_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class WithdrawalPolicy:
    """The platform's rules for withdrawals, versioned. None means no limit."""

    version: int
    valid_from: datetime
    minimum_minor: int
    fee_bps: int
    daily_limit_minor: int | None
    review_above_minor: int | None


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """The outcome of proving the ledger; `ok` only when nothing is broken. `head` is the last seal's hash in hex."""

    ok: bool
    sums: dict[str, int]
    transactions: int
    entries: int
    head: str
    sealed: int
    unsealed: int
    breaks: list[str] = field(default_factory=list)


class InsufficientBalance(Refused):
    code, message = "insufficient_balance", "The wallet does not have that much available."


class BelowMinimum(Refused):
    code, message = "below_minimum", "The amount is below the minimum withdrawal."


class DailyLimitExceeded(Refused):
    code, message = "daily_limit_exceeded", "The daily withdrawal limit would be exceeded."


class AmountTooLarge(Refused):
    code, message = "amount_too_large", "The amount is larger than this platform handles."


class WithdrawalNotFound(NotFound):
    code, message = "withdrawal_not_found", "There is no such withdrawal."


class WrongState(Conflict):
    code, message = "wrong_state", "The present state does not allow this."


class WalletOwnerNotFound(NotFound):
    code, message = "promoter_not_found", "There is no such promoter."
