"""Nouns of the check of an order: rules, facts, findings, and what is refused. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tuike.shared.errors import Conflict, NotFound, Refused
from tuike.shared.money import DEFAULT_CURRENCY


class Outcome(StrEnum):
    """What a check says of an order. Both `hold` and `review` freeze its commission; a review waits for a person."""

    PASS = "pass"  # noqa: S105 - no password
    REVIEW = "review"
    HOLD = "hold"


class Mode(StrEnum):
    """What a rule may do: nothing, only record, or act."""

    OFF = "off"
    DRY_RUN = "dry_run"
    LIVE = "live"


class Decision(StrEnum):
    """What a person said of an order that a check stopped."""

    PASSED = "passed"
    UPHELD = "upheld"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, for the history."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class RiskRule:
    """A version of a rule: what it looks at is its id, from where on is in its parameters."""

    id: str
    version: int
    parameters: Mapping[str, int]
    action: Outcome
    mode: Mode
    author_id: str
    author_name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ListEntry:
    """Somebody or something always or never to be held. `value` is an id, or the digest of a device or an ip."""

    id: str
    list: str
    kind: str
    value: str
    reason: str
    author_id: str
    author_name: str
    added_at: datetime
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """What connects two things, as evidence; `weight` is from 0 to 1."""

    from_kind: str
    from_id: str
    relation: str
    to_kind: str
    to_id: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found at an order, with the numbers it compared and the edges it saw."""

    rule_id: str
    version: int
    action: Outcome
    mode: Mode
    detail: Mapping[str, Any] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    case_id: str | None = None


@dataclass(frozen=True, slots=True)
class ListHit:
    """An entry of a list that an order touches."""

    list: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class CaseHit:
    """A case that the buyer or the promoter of an order is accused in."""

    case_id: str
    state: str
    account_kind: str
    account_id: str
    is_held: bool


@dataclass(frozen=True, slots=True)
class ReachHit:
    """The buyer or the promoter of an order stands near the members of a confirmed case; `score` is from 0 to 1."""

    case_id: str
    account_kind: str
    account_id: str
    score: float


@dataclass(frozen=True, slots=True)
class CaseMark:
    """An identifier of the buyer's that accused members of a case used, with how many persons use it at all."""

    case_id: str
    state: str
    kind: str
    digest: str
    members: tuple[tuple[str, str], ...]
    users: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an order when it is checked; `persons` are (promoter, person) by level, nearest first.

    `gathered` are other buyers who shared an identifier with the promoter lately; `is_cleared`: a person has found the
    buyer innocent.
    """

    order_id: str
    buyer_id: str
    promoter_id: str
    persons: tuple[tuple[str, str], ...]
    buyer_promoter_id: str | None
    goods_minor: int
    placed_at: datetime
    touch_id: str | None
    touched_at: datetime | None
    device_key: str | None
    ip_key: str | None
    buyer_recent: int = 0
    promoter_recent: int = 0
    device_buyers: int = 0
    ip_buyers: int = 0
    own_orders: int = 0
    settled_orders: int = 0
    refunded_orders: int = 0
    cases: tuple[CaseHit, ...] = ()
    lists: tuple[ListHit, ...] = ()
    currency: str = DEFAULT_CURRENCY
    gathered: frozenset[str] = frozenset()
    reach: tuple[ReachHit, ...] = ()
    is_cleared: bool = False


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What the graph knows of an order: identifiers shared with each level, its team, and the circle it closes.

    `shared` maps a level to (identifier, how many persons use it); `circle` is the persons from the promoter back to
    the buyer, each of whom bought through the next; `marks` are identifiers of the buyer's that cases know.
    """

    shared: Mapping[int, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    is_in_team: bool = False
    circle: tuple[str, ...] = ()
    marks: tuple[CaseMark, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderCheck:
    """A check with its outcome: what was done, and what would have been done were every rule live."""

    order_id: str
    buyer_id: str
    promoter_id: str
    placed_at: datetime
    outcome: Outcome
    dry_outcome: Outcome
    findings: tuple[Finding, ...]
    decision: Decision | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    version: int
    checked_at: datetime


class RiskRuleNotFound(NotFound):
    code, message = "risk_rule_not_found", "There is no such rule."


class RuleChanged(Conflict):
    code, message = "rule_changed", "Somebody changed the rule meanwhile; read it again and repeat your change."


class ParametersUnfit(Refused):
    code, message = "parameters_unfit", "The rule does not take these parameters."


class CheckNotFound(NotFound):
    code, message = "check_not_found", "The order was not checked: it is not paid, or earns nobody anything."


class CheckDecided(Conflict):
    code, message = "check_decided", "Somebody decided this meanwhile, or there is nothing to decide."


class ListEntryNotFound(NotFound):
    code, message = "list_entry_not_found", "There is no such entry, or it was removed."


class ListEntryTaken(Conflict):
    code, message = "list_entry_taken", "The list has this entry already."


class WithdrawalHeld(Conflict):
    code, message = "withdrawal_held", "The promoter's money is held until a person has decided about it."
