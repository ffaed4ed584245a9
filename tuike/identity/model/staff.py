"""Staff: accounts with a password, a second factor and permissions; and the record of what they did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tuike.identity.model.callers import Scope
from tuike.identity.model.sessions import TooManyRequests
from tuike.shared.errors import Conflict, Forbidden, NotFound, Refused, Unauthenticated

NEED_SECOND_FACTOR = frozenset({Scope.FINANCE, Scope.ADMIN})
"""Permissions that a password alone never opens: money leaves by them, and accounts are made."""


class StaffStatus(StrEnum):
    """A disabled member is out at once."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Somebody who works for the platform. `totp` is encrypted; it counts once `totp_since` is set."""

    id: str
    username: str
    name: str
    permissions: tuple[Scope, ...]
    status: StaffStatus
    must_change_password: bool
    generation: int
    created_at: datetime
    last_login_at: datetime | None = None
    totp_since: datetime | None = None
    totp_step: int = 0
    totp: bytes | None = field(default=None, repr=False)
    password_hash: str = field(default="", repr=False)

    @property
    def lacks_second_factor(self) -> bool:
        """Tell whether the permissions need a second factor that is not enrolled."""
        return self.totp_since is None and not NEED_SECOND_FACTOR.isdisjoint(self.permissions)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did. `detail` never holds secrets or personal data."""

    id: int
    at: datetime
    actor_kind: str
    actor_id: str
    action: str
    subject: str
    detail: Mapping[str, Any]


class StaffNotFound(NotFound):
    code, message = "staff_not_found", "There is no such member of staff."


class UsernameTaken(Conflict):
    code, message = "username_taken", "Another member of staff has this username."


class LastAdmin(Conflict):
    code, message = "last_admin", "Somebody must remain who is active and an admin."


class CredentialsWrong(Unauthenticated):
    code, message = "credentials_wrong", "Username, password or second factor are wrong."


class SecondFactorNeeded(Unauthenticated):
    code, message = "second_factor_needed", "The code of the second factor is needed as well."


class PasswordChangeNeeded(Forbidden):
    code, message = "password_change_needed", "The password must be changed first: POST /staff/password."


class PasswordTooWeak(Refused):
    code, message = "password_too_weak", "The new password is too easily guessed."


class SecondFactorInPlace(Conflict):
    code, message = "second_factor_in_place", "A second factor is in place; an admin can reset it."


class SecondFactorMissing(Forbidden):
    """Who moves money or makes accounts needs a second factor; without one a login opens its enrolment only."""

    code = "second_factor_missing"
    message = "These permissions need a second factor; enrol one first: POST /staff/me/second-factor."


class OwnReset(Conflict):
    code, message = "own_reset", "Nobody resets the own account; another admin does, or `tuike staff reset`."


class SecondFactorWrong(Refused):
    code, message = "second_factor_wrong", "The code does not fit; check the clock of the device."


class AccountLocked(TooManyRequests):
    code, message = "account_locked", "Too many failed attempts; wait before the next one."
