"""Agreements by version, who accepted which, and consents."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tuike.shared.errors import Conflict, Forbidden, NotFound


class AgreementKind(StrEnum):
    """What shoppers agree to: as users of the shop, as promoters, and how their data is used."""

    USER = "user"
    PROMOTER = "promoter"
    PRIVACY = "privacy"


@dataclass(frozen=True, slots=True)
class Agreement:
    """One published version; it never changes."""

    kind: AgreementKind
    version: int
    title: str
    body: str = field(repr=False)
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That a shopper accepted a version."""

    kind: AgreementKind
    version: int
    accepted_at: datetime


class ConsentPurpose(StrEnum):
    """What a shopper can allow or refuse, each by itself."""

    MARKETING = "marketing"
    PERSONALISATION = "personalisation"
    ANALYTICS = "analytics"


@dataclass(frozen=True, slots=True)
class Consent:
    """One decision about a purpose; the newest of a purpose counts."""

    purpose: ConsentPurpose
    is_granted: bool
    decided_at: datetime


class AgreementNotFound(NotFound):
    code, message = "agreement_not_found", "There is no such agreement."


class AgreementOutdated(Conflict):
    code, message = "agreement_outdated", "Only the newest version can be accepted."


class AgreementNeeded(Forbidden):
    """The newest version of an agreement has to be accepted first; `fields` names each with its version."""

    code, message = "agreement_needed", "The newest version of an agreement has to be accepted first."

    def __init__(self, missing: dict[str, int]) -> None:
        super().__init__(fields={kind: [f"Version {version} is not accepted."] for kind, version in missing.items()})
