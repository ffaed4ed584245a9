"""The one family of errors that a caller can act on; everything else is a defect and becomes a 500."""

from collections.abc import Mapping
from typing import Any


class TuikeError(Exception):
    """An anticipated refusal with a stable code, the HTTP status it maps to, and optionally the fields at fault.

    `fields` maps a field's path (`lines.0.amount_minor`) to a list of sentences about it; `details` is what a caller
    needs to go on, ready for JSON.
    """

    code = "error"
    status = 422
    message = "The request was refused."

    def __init__(self, message: str | None = None, *, fields: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(message or self.message)
        self.fields = dict(fields) if fields else None
        self.details: Mapping[str, Any] | None = None


class Malformed(TuikeError):
    code, status, message = "malformed", 400, "The request could not be read."


class Unauthenticated(TuikeError):
    code, status, message = "unauthenticated", 401, "Valid credentials are needed: Authorization: Bearer …"


class Forbidden(TuikeError):
    code, status, message = "forbidden", 403, "You may not do that."


class NotFound(TuikeError):
    code, status, message = "not_found", 404, "There is no such thing."


class Conflict(TuikeError):
    code, status, message = "conflict", 409, "The request conflicts with what is there."


class Refused(TuikeError):
    code, status, message = "refused", 422, "The request is well formed but cannot be done."


class ValidationFailed(Refused):
    code, message = "validation_failed", "Some fields are not acceptable."


class Unavailable(TuikeError):
    """A part that the request needs is down; `part` is `postgres`, `graph` or `queue`."""

    code, status, message = "unavailable", 503, "A part of the service is down. Nothing was changed; try again."
    part = "service"


class PostgresUnavailable(Unavailable):
    code, message, part = "postgres_unavailable", "PostgreSQL is down. Nothing was changed; try again.", "postgres"


class GraphUnavailable(Unavailable):
    code, message, part = "graph_unavailable", "The graph server is down. Nothing was changed; try again.", "graph"
