"""Nouns of ring detection: the settings, the faults of an input, and what a sweep finds."""

from dataclasses import dataclass, field
from enum import StrEnum

MISSING = -(2**63)
"""Stands for an unknown instant or amount in columns of 64-bit integers."""


class InputFault(ValueError):
    """A file of the input cannot be used: names the file, the line (1-based, the header counts) and the column."""

    def __init__(self, file: str, line: int, column: str, problem: str) -> None:
        super().__init__(f"{file}, line {line}, column {column}: {problem}")
        self.file, self.line, self.column, self.problem = file, line, column, problem


class AccountKind(StrEnum):
    """The two kinds of account; one person may have one of each."""

    PROMOTER = "promoter"
    BUYER = "buyer"


class IdentifierKind(StrEnum):
    """What an account can be recognised by."""

    DEVICE = "device"
    IP = "ip"
    PHONE = "phone"
    ADDRESS = "address"
    PAYMENT_ACCOUNT = "payment_account"
    PAYOUT_ACCOUNT = "payout_account"


class Role(StrEnum):
    """What a member does in a case; victims and context are not accused."""

    BENEFICIARY = "beneficiary"
    BUYER = "buyer"
    RECRUIT = "recruit"
    VICTIM = "victim"
    CONTEXT = "context"


class Family(StrEnum):
    """Independent kinds of evidence; a case needs two of them, or one that is overwhelming."""

    IDENTITY = "identity"
    STRUCTURE = "structure"
    TIME = "time"
    LIFE = "life"
    REFUND = "refund"
    MANNER = "manner"
    CYCLE = "cycle"
    TREE = "tree"
    TOUCH = "touch"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a sweep can be told; one set for every input. Evidence is counted in nats (natural logarithms)."""

    identity_users_max: int = 12
    """Past so many persons an identifier says nothing by itself."""
    pairs_per_event_max: int = 12
    """Work budget: pairs of buyers looked at, as a multiple of the order lines. Rare targets come first."""
    members_min: int = 3
    cycle_length_max: int = 4
    score_flagged: float = 0.5
    evidence_edges_max: int = 20_000


@dataclass(frozen=True, slots=True)
class Member:
    """An account in a case. `account` is its number in the world, promoters first."""

    account: int
    role: Role
    score: float
    flagged: bool = True


@dataclass(slots=True)
class Case:
    """A group of accounts that act together, with what says so."""

    pattern: str
    members: list[Member]
    score: float
    nats: dict[Family, float]
    sentences: list[str] = field(default_factory=list)
    orders: int = 0
    base_minor: int = 0
