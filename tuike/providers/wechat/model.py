"""What the mini-program's server API answers. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class WeChatSession:
    """Who logged in. The session key decrypts what the client sends and never leaves the server."""

    openid: str
    unionid: str | None
    session_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number that its owner agreed to hand over."""

    number: str = field(repr=False)
    country_code: str


class TextVerdict(StrEnum):
    """What the text check suggests; `review` asks for a person's eye."""

    PASS = "pass"  # noqa: S105 - a verdict
    REVIEW = "review"
    RISKY = "risky"


@dataclass(frozen=True, slots=True)
class TextCheck:
    """The verdict on a text, the provider's label (100: fine) and its trace id."""

    verdict: TextVerdict
    label: int
    trace_id: str


class ShippingWay(StrEnum):
    """How goods travel."""

    EXPRESS = "express"
    LOCAL = "local"
    VIRTUAL = "virtual"
    PICK_UP = "pick_up"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One parcel of a shipment. `contact` is the recipient's masked phone number, which SF Express wants."""

    goods: str
    tracking_no: str | None = None
    express_company: str | None = None
    contact: str | None = field(default=None, repr=False)


class ShippingState(StrEnum):
    """What the platform knows about the delivery of a paid order."""

    TO_SHIP = "to_ship"
    SHIPPED = "shipped"
    RECEIVED = "received"
    COMPLETED = "completed"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Shipping:
    """The delivery of a paid order as the platform has it."""

    out_no: str
    provider_no: str
    state: ShippingState
    is_in_complaint: bool
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class PushEvent:
    """An event pushed to us: its name and its fields."""

    name: str
    fields: dict[str, object] = field(repr=False)
