"""Callers and their scopes, API keys, and requests that carry an idempotency key."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tuike.shared.errors import Conflict, NotFound


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
    """Who makes a request. `id` is of the key, shopper or staff member; `user_id` is set for shoppers only."""

    id: str
    kind: CallerKind
    scopes: frozenset[Scope]
    user_id: str | None = None
    name: str = ""


NOBODY = Caller("", CallerKind.NOBODY, frozenset())
"""The caller of a request without credentials."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret."""

    id: str
    name: str
    scope: Scope
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request under an idempotency key: the same request again has the same method, path and body hash."""

    caller_id: str
    key: str
    method: str
    path: str
    body_hash: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered: an HTTP status and the body as it was sent."""

    status: int
    body: str = field(repr=False)


class ApiKeyNotFound(NotFound):
    code, message = "api_key_not_found", "There is no API key with this id."


class IdempotencyKeyReused(Conflict):
    code = "idempotency_key_reused"
    message = "This Idempotency-Key was used for another request; use a new key for a new request."


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"
    message = "The request with this Idempotency-Key is still being worked on; send it again in a moment."
