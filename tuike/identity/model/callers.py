"""Callers and what they may do."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a caller may do; the API decides per route.

    The first four are of API keys, `shopper` is that of a shopper's token, and the others are what staff is permitted.
    """

    INTEGRATION = "integration"
    OPERATOR = "operator"
    ANALYST = "analyst"
    AUDITOR = "auditor"
    SHOPPER = "shopper"
    FINANCE = "finance"
    SUPPORT = "support"
    RISK = "risk"
    CONTENT = "content"
    ADMIN = "admin"


KEY_SCOPES = (Scope.INTEGRATION, Scope.OPERATOR, Scope.ANALYST, Scope.AUDITOR)
"""The scopes that an API key can have."""

PERMISSIONS = (Scope.FINANCE, Scope.SUPPORT, Scope.RISK, Scope.CONTENT, Scope.ADMIN)
"""The scopes that staff can be permitted."""


class CallerKind(StrEnum):
    """What a caller showed: an API key, a shopper's or a staff member's token, or nothing."""

    KEY = "key"
    SHOPPER = "shopper"
    STAFF = "staff"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `id` is of the key, shopper or staff member; `user_id` is set for shoppers only.

    `session_id` and `generation` are those of the access token that was shown. One who `must_enrol` a second factor
    may do that, and nothing else.
    """

    id: str
    kind: CallerKind
    scopes: frozenset[Scope]
    user_id: str | None = None
    name: str = ""
    session_id: str | None = None
    generation: int = 0
    must_enrol: bool = False


NOBODY = Caller("", CallerKind.NOBODY, frozenset())
"""The caller of a request without credentials."""
