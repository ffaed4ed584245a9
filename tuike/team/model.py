"""Nouns of the team: promoters, their uplines and members, moves, and what can be refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tuike.shared.errors import Conflict, NotFound, Refused


class PromoterStatus(StrEnum):
    """`active` promoters earn and share; `suspended` ones keep their place in the team but do neither."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Promoter:
    """Somebody who shares and invites. `inviter_id` is the present one; `level` is whatever the shop keeps there."""

    id: str
    external_id: str
    name: str
    invite_code: str
    inviter_id: str | None
    status: PromoterStatus
    level: Any
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Upline:
    """A promoter `level` steps (1–3) above another."""

    promoter_id: str
    level: int


@dataclass(frozen=True, slots=True)
class Member:
    """A promoter `level` steps (1–3) below another, bound since `joined_at`; `team_size` counts its three levels."""

    promoter_id: str
    level: int
    joined_at: datetime
    team_size: int


@dataclass(frozen=True, slots=True)
class MovePreview:
    """What a move would do, without doing it.

    `refusal` is the code it would be refused with, or None; `members` are how many promoters one, two and three steps
    below would come along (deeper ones come along too); `leaving` and `entering` are the uplines before and after.
    """

    promoter_id: str
    inviter_id: str | None
    refusal: str | None
    members: tuple[int, int, int]
    leaving: Sequence[Upline]
    entering: Sequence[Upline]


class PromoterNotFound(NotFound):
    code, message = "promoter_not_found", "There is no such promoter."


class InviterNotFound(NotFound):
    code, message = "inviter_not_found", "There is no such inviter."


class ExternalIdTaken(Conflict):
    code, message = "external_id_taken", "This external_id belongs to another promoter."


class InviteCodeTaken(Conflict):
    code, message = "invite_code_taken", "This invite_code belongs to another promoter."


class AlreadyBound(Conflict):
    code, message = "already_bound", "The promoter has an inviter already; `force` replaces it."


class BindingCycle(Conflict):
    code, message = "binding_cycle", "The new inviter stands below the promoter."


class SelfBinding(Refused):
    code, message = "self_binding", "A promoter cannot invite itself."
