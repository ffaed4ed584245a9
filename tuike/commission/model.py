"""Nouns of commission and the refusals they know. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tuike.shared.errors import NotFound, Refused


class CommissionStatus(StrEnum):
    PENDING = "pending"
    FROZEN = "frozen"
    AVAILABLE = "available"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Plan:
    """A version of the rules by which orders placed from `valid_from` on pay commission."""

    name: str
    version: int
    valid_from: datetime
    levels_max: int
    rates_bps: tuple[int, int, int]
    holding_days: int
    lock_days: int
    attribution: str
    base: str
    self_purchase: bool
    order_cap_bps: int | None


@dataclass(frozen=True, slots=True)
class EarningTerms:
    """What a sale of a product would be split by: the plan in force, and the rates that go before the plan's."""

    plan: Plan
    rates_bps: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A promoter at one level of an order's chain, as the tree stood when the order was placed."""

    promoter_id: str
    is_active: bool
    is_buyer: bool


@dataclass(frozen=True, slots=True)
class LineTerms:
    """What a split needs to know of a line."""

    no: int
    base_minor: int
    rates_bps: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class SplitLine:
    """One line's commission by level; `is_capped` says that a cap cut or may cut it, so it reverses in proportion."""

    no: int
    base_minor: int
    rates_bps: tuple[int, int, int]
    amounts_minor: tuple[int, int, int]
    is_capped: bool


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One thing that decided a level's amount. `level` None concerns every level. Codes: docs/commission.md."""

    step: str
    level: int | None
    code: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Split:
    """Who gets what of an order, by level, and why; decided when the order was placed and never again."""

    order_id: str
    merchant_id: str
    currency: str
    base_minor: int
    holding_days: int
    promoter_ids: tuple[str | None, str | None, str | None]
    rates_bps: tuple[int, int, int]
    amounts_minor: tuple[int, int, int]
    lines: tuple[SplitLine, ...]
    trace: tuple[TraceStep, ...]
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A level's commission of a paid order, as booked."""

    order_id: str
    level: int
    promoter_id: str
    merchant_id: str
    currency: str
    amount_minor: int
    reversed_minor: int
    status: CommissionStatus
    due_at: datetime | None

    @property
    def left_minor(self) -> int:
        """What is not taken back."""
        return self.amount_minor - self.reversed_minor


@dataclass(frozen=True, slots=True)
class Commission:
    """One level of an order as shown: the entry, or why there is none."""

    id: str
    order_id: str
    promoter_id: str | None
    level: int
    base_minor: int
    rate_bps: int
    amount_minor: int
    reversed_minor: int
    status: CommissionStatus
    due_at: datetime | None
    hold_reason: str | None
    trace: tuple[TraceStep, ...]


@dataclass(frozen=True, slots=True)
class OpenCommission:
    """Commission in one currency that is booked and not yet available: how many entries, and how much they hold."""

    currency: str
    entries: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Released:
    """How many entries became available, and how much of them in minor units over all currencies."""

    released: int = 0
    released_minor: int = 0


class TooManyLevels(Refused):
    code, message = "too_many_levels", "Commission is paid over 1 to 3 levels, never more."


class RatesTooHigh(Refused):
    code, message = "rates_too_high", "The rates of all levels together must not exceed 10,000 bps."


class CommissionNotFound(NotFound):
    code, message = "commission_not_found", "There is no such commission, or its level was paid nothing."
