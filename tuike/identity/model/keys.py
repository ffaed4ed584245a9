"""API keys, and requests that carry an idempotency key."""

from dataclasses import dataclass, field
from datetime import datetime

from tuike.identity.model.callers import Scope
from tuike.shared.errors import Conflict, NotFound


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
