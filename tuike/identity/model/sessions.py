"""Sessions: one device of one person, its access tokens and its refresh tokens."""

from dataclasses import dataclass, field
from datetime import datetime

from tuike.identity.model.callers import CallerKind
from tuike.shared.errors import NotFound, TuikeError, Unauthenticated, Unavailable


@dataclass(frozen=True, slots=True)
class Session:
    """One device that is logged in. `turn` counts its refresh tokens; only the newest is good."""

    id: str
    kind: CallerKind
    owner_id: str
    generation: int
    turn: int
    turned_at: datetime
    device: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    end_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login or a refresh hands out; lifetimes in seconds."""

    session_id: str
    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says, once its signature and its life are checked."""

    kind: CallerKind
    subject_id: str
    session_id: str
    generation: int


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a refresh token says, once its signature is checked."""

    session_id: str
    turn: int


class RefreshTokenInvalid(Unauthenticated):
    code, message = "refresh_token_invalid", "The refresh token is unknown, used up or expired; log in again."


class SessionNotFound(NotFound):
    code, message = "session_not_found", "There is no such session."


class KeysMissing(Unavailable):
    code, part = "keys_missing", "identity"
    message = "People cannot log in: the keys of this installation are not set."


class TooManyRequests(TuikeError):
    """Asked too often. `retry_after` is in whole seconds."""

    code, status, message = "too_many_requests", 429, "Too many requests; try again later."

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after
