"""Nouns of cases: who is accused of what, on which evidence, and what was decided. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tuike.shared.errors import Conflict, NotFound, Refused


class CaseState(StrEnum):
    """Where a case stands. From `held` on its promoters' commission is frozen; `innocent` silences repeats."""

    OPEN = "open"
    HELD = "held"
    CONFIRMED = "confirmed"
    BANNED = "banned"
    INNOCENT = "innocent"


class CaseAction(StrEnum):
    """What a person can do with a case."""

    HOLD = "hold"
    RELEASE = "release"
    CONFIRM = "confirm"
    BAN = "ban"
    INNOCENT = "innocent"
    ASSIGN = "assign"
    COMMENT = "comment"


class CaseSource(StrEnum):
    """Who opened a case: a sweep, a person, or the orders of a group that gathered between two sweeps."""

    SWEEP = "sweep"
    PERSON = "person"
    ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class CaseMember:
    """An account in a case; `accused` is False for victims and context. `held`: the case freezes its commission.

    `banned` and `locked_out`: the case, and nothing before it, suspended the promoter and banned the person.
    """

    account_kind: str
    account_id: str
    role: str
    score: float
    accused: bool
    held: bool = False
    banned: bool = False
    locked_out: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What the account is known by."""
        return self.account_kind, self.account_id


@dataclass(frozen=True, slots=True)
class Evidence:
    """An edge between two things that stands in one row of what was swept."""

    from_kind: str
    from_id: str
    relation: str
    to_kind: str
    to_id: str
    weight: float


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One entry of a case's history, which is only ever added to."""

    no: int
    at: datetime
    actor_id: str
    actor_name: str
    action: str
    note: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AtStake:
    """What the accused promoters have in one currency; `frozen_minor` may be frozen by more than this case."""

    currency: str
    pending_minor: int = 0
    frozen_minor: int = 0
    available_minor: int = 0
    withdrawing_minor: int = 0


@dataclass(frozen=True, slots=True)
class RiskCase:
    """A group of accounts that act together, and what was decided about it."""

    id: str
    source: CaseSource
    state: CaseState
    pattern: str
    score: float
    orders_count: int
    commission_base_minor: int
    summary: str
    assignee_id: str | None
    assignee_name: str | None
    version: int
    sweep_id: str | None
    created_at: datetime
    updated_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    joined_orders_count: int = 0


@dataclass(frozen=True, slots=True)
class FoundCase:
    """What a sweep says of one group."""

    pattern: str
    score: float
    orders_count: int
    commission_base_minor: int
    summary: str
    members: tuple[CaseMember, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of a group when a person found it innocent; `shared` are identifiers in its evidence."""

    pattern: str
    orders_count: int
    shared: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reach:
    """An account near the accused of a confirmed case: `score` from 0 to 1, by `distance` steps, to `members`."""

    account_kind: str
    account_id: str
    score: float
    distance: int
    members: int

    @property
    def key(self) -> tuple[str, str]:
        """What the account is known by."""
        return self.account_kind, self.account_id


@dataclass(frozen=True, slots=True)
class OpenWithdrawal:
    """A withdrawal that is not at its end; `is_under_way`: a provider is paying it, which nobody here can stop."""

    id: str
    currency: str
    amount_minor: int
    status: str
    is_under_way: bool


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many of something, and how much in one currency."""

    currency: str
    count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """Whom and what a ban touches, now. `fingerprint` stands for all of it: a ban names it, so that it does no more.

    `suspended_ids` are those of the accused promoters who are active, `shopper_ids` the accused persons who can log in;
    `commissions` are the accused promoters' entries that are not available yet, `uplines` those of others on accused
    orders. `withdrawals` go back to the wallet, which stays shut; those `under_way` at a provider cannot be stopped.
    """

    case_id: str
    promoter_ids: Sequence[str]
    suspended_ids: Sequence[str]
    shopper_ids: Sequence[str]
    orders: Sequence[Amounts]
    commissions: Sequence[Amounts]
    upline_promoter_ids: Sequence[str]
    uplines: Sequence[Amounts]
    withdrawals: Sequence[Amounts]
    under_way: Sequence[Amounts]
    available: Sequence[Amounts]
    fingerprint: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of the cases of a sweep."""

    new: int = 0
    updated: int = 0
    suppressed: int = 0


class CaseNotFound(NotFound):
    code, message = "risk_case_not_found", "There is no such case."


class CaseChanged(Conflict):
    code, message = "case_changed", "Somebody changed the case meanwhile; read it again and decide anew."


class CaseStateWrong(Conflict):
    code, message = "case_state_wrong", "The case's state does not allow this."


class BlastChanged(Conflict):
    code, message = "blast_changed", "What a ban would touch is not what was shown; look at the preview again."


class NobodyAccused(Refused):
    code, message = "nobody_accused", "A case accuses at least one account."


class MemberUnknown(Refused):
    code, message = "member_unknown", "A member of the case is not known here."
