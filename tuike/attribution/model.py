"""Nouns of attribution: links, touches, the decision whom an order belongs to, and what can be refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tuike.shared.errors import Forbidden, NotFound

TARGET_TYPES = ("product", "page", "shop")
MODELS = ("last", "first")


@dataclass(frozen=True, slots=True)
class Link:
    """A share link: a code that leads to a target on behalf of a promoter."""

    code: str
    promoter_id: str
    target_type: str
    target_id: str | None
    channel: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Touch:
    """One opening of a link. `depth` is 0 for a first touch, its parent's + 1 for the touch of a re-share."""

    id: str
    promoter_id: str
    depth: int
    code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Earner:
    """One promoter of the chain that an order may pay: `level` 1 is the promoter the order belongs to.

    `user_id` is the external id of the person, equal to the buyer's id when they are the same person.
    """

    level: int
    promoter_id: str
    user_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whom an order belongs to: the touch that decided, its promoter, and the chain of up to three levels."""

    touch_id: str
    promoter_id: str
    touched_at: datetime
    chain: Sequence[Earner]


@dataclass(frozen=True, slots=True)
class Step:
    """One touch of a share path, nearest first."""

    touch_id: str
    depth: int
    at: datetime
    promoter_id: str
    code: str


class PromoterNotActive(Forbidden):
    code, message = "promoter_not_active", "The promoter is not active."


class LinkNotFound(NotFound):
    code, message = "link_not_found", "There is no link with this code."


class TouchNotFound(NotFound):
    code, message = "touch_not_found", "There is no such touch."
