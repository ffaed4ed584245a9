"""Staff: accounts made by admins, passwords, second factor, logging in; and the audit log."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import argon2
import pyotp

from tuike.db import Database, Transaction
from tuike.identity import rules
from tuike.identity.model.callers import PERMISSIONS, Caller, CallerKind, Scope
from tuike.identity.model.sessions import Tokens
from tuike.identity.model.staff import (
    AccountLocked,
    AuditEntry,
    CredentialsWrong,
    LastAdmin,
    OwnReset,
    PasswordChangeNeeded,
    PasswordTooWeak,
    SecondFactorInPlace,
    SecondFactorNeeded,
    SecondFactorWrong,
    StaffMember,
    StaffNotFound,
    StaffStatus,
    UsernameTaken,
)
from tuike.identity.service.sessions import open_session
from tuike.identity.store import sessions as session_store
from tuike.identity.store import staff as store
from tuike.identity.vault import Vault
from tuike.shared.errors import ValidationFailed
from tuike.shared.ids import is_id, new_id
from tuike.shared.pages import Page, decode_cursor, encode_cursor

FREE_ATTEMPTS = 5
"""How many attempts in a row may fail before each next one has to wait."""
FIRST_LOCK = timedelta(seconds=30)
LONGEST_LOCK = timedelta(hours=1)
FORGET_ATTEMPTS = timedelta(hours=24)
RECOVERY_CODES = 10

# OWASP's second choice for argon2id: 19 MiB and two passes, about 30 ms here.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def create_staff(
    tx: Transaction, *, username: str, name: str, permissions: Collection[Scope | str], now: datetime
) -> tuple[StaffMember, str]:
    """Add a member of staff and return the first password, which is known only here and now and must be changed.

    Raises ValidationFailed, UsernameTaken.
    """
    spelled = rules.normalise_username(username)
    faults: dict[str, list[str]] = {}
    if not 1 <= len(spelled) <= 64 or not spelled.isprintable() or " " in spelled:
        faults["username"] = ["Must be 1 to 64 printable characters without spaces."]
    if not 1 <= len(name) <= 200 or not name.isprintable():
        faults["name"] = ["Must be 1 to 200 printable characters."]
    if faults:
        raise ValidationFailed(fields=faults)
    password = secrets.token_urlsafe(15)
    member = StaffMember(
        id=new_id("staff"),
        username=spelled,
        name=name,
        permissions=_check_permissions(permissions),
        status=StaffStatus.ACTIVE,
        must_change_password=True,
        generation=0,
        created_at=now,
        password_hash=_HASHER.hash(password),
    )
    if not store.insert_staff(tx, member):
        raise UsernameTaken
    return member, password


def log_in_staff(
    db: Database,
    vault: Vault,
    *,
    username: str,
    password: str,
    code: str | None = None,
    recovery_code: str | None = None,
    device: str,
    now: datetime,
) -> tuple[StaffMember, Tokens]:
    """Log a member of staff in. Unknown names, wrong passwords and disabled accounts look and take the same.

    Where a second factor is needed and none is enrolled yet, the tokens open its enrolment and nothing else.
    Raises AccountLocked, CredentialsWrong, SecondFactorNeeded, PasswordChangeNeeded.
    """
    member = _verify(db, vault, username, password, code=code, recovery_code=recovery_code, now=now)
    if member.must_change_password:
        raise PasswordChangeNeeded
    with db.transaction() as tx:
        member = _get(tx, member.id, lock=True)
        if member.status is not StaffStatus.ACTIVE:
            raise CredentialsWrong
        if _HASHER.check_needs_rehash(member.password_hash):
            member = replace(member, password_hash=_HASHER.hash(password))
        member = replace(member, last_login_at=now)
        store.update_staff(tx, member)
        tokens = open_session(
            tx, vault, kind=CallerKind.STAFF, owner_id=member.id, generation=member.generation, device=device, now=now
        )
        _audit(tx, member.id, "log_in", member.id, {"device": device}, now=now)
        return member, tokens


def change_password(
    db: Database,
    vault: Vault,
    *,
    username: str,
    password: str,
    new_password: str,
    code: str | None = None,
    recovery_code: str | None = None,
    now: datetime,
) -> None:
    """Change a password, also the first one, knowing the old; every session ends.

    Raises as `log_in_staff` does, and PasswordTooWeak.
    """
    faults = rules.find_password_faults(new_password, username=rules.normalise_username(username))
    if new_password == password:
        faults.append("Must differ from the old one.")
    if faults:
        raise PasswordTooWeak(fields={"new_password": faults})
    member = _verify(db, vault, username, password, code=code, recovery_code=recovery_code, now=now)
    password_hash = _HASHER.hash(new_password)
    with db.transaction() as tx:
        member = _get(tx, member.id, lock=True)
        store.update_staff(
            tx,
            replace(member, password_hash=password_hash, must_change_password=False, generation=member.generation + 1),
        )
        session_store.end_sessions(tx, owner_id=member.id, reason="password_changed", now=now)
        _audit(tx, member.id, "change_password", member.id, {}, now=now)


def _verify(
    db: Database,
    vault: Vault,
    username: str,
    password: str,
    *,
    code: str | None,
    recovery_code: str | None,
    now: datetime,
) -> StaffMember:
    """Return the member whose credentials these are. The attempt counts as failed until it has succeeded."""
    spelled = rules.normalise_username(username)
    key = rules.fingerprint_of(["staff", spelled])
    with db.transaction() as tx:
        locked_until = session_store.count_attempt(
            tx, key=key, free=FREE_ATTEMPTS, first=FIRST_LOCK, longest=LONGEST_LOCK, forget=FORGET_ATTEMPTS, now=now
        )
        member = store.find_staff_by_username(tx, username=spelled)
    if locked_until is not None:
        raise AccountLocked(max(1, int((locked_until - now).total_seconds()) + 1))
    is_right = _is_password(_dummy_hash() if member is None else member.password_hash, password)
    if member is None or not is_right or member.status is not StaffStatus.ACTIVE:
        raise CredentialsWrong
    with db.transaction() as tx:
        member = _get(tx, member.id, lock=True)
        if member.totp_since is not None:
            if code is None and recovery_code is None:
                raise SecondFactorNeeded
            member = _use_second_factor(tx, vault, member, code=code, recovery_code=recovery_code, now=now)
        session_store.forget_attempts(tx, key=key)
    return member


def _use_second_factor(
    tx: Transaction,
    vault: Vault,
    member: StaffMember,
    *,
    code: str | None,
    recovery_code: str | None,
    now: datetime,
) -> StaffMember:
    if recovery_code is not None:
        if not store.use_recovery_code(tx, staff_id=member.id, digest=_digest_recovery(vault, recovery_code)):
            raise CredentialsWrong
        _audit(tx, member.id, "use_recovery_code", member.id, {}, now=now)
        return member
    step = rules.find_totp_step(_open_totp(vault, member), code or "", after=member.totp_step, now=now)
    if step is None:
        raise CredentialsWrong
    member = replace(member, totp_step=step)
    store.update_staff(tx, member)
    return member


def enrol_second_factor(tx: Transaction, vault: Vault, *, staff_id: str, issuer: str) -> tuple[str, str]:
    """Make a secret for an authenticator app and return it with its `otpauth:` address; it counts once confirmed.

    Raises SecondFactorInPlace.
    """
    member = _get(tx, staff_id, lock=True)
    if member.totp_since is not None:
        raise SecondFactorInPlace
    secret = pyotp.random_base32()
    store.update_staff(tx, replace(member, totp=vault.encrypt(secret, context=_totp_context(staff_id)), totp_step=0))
    return secret, pyotp.TOTP(secret).provisioning_uri(name=member.username, issuer_name=issuer)


def confirm_second_factor(tx: Transaction, vault: Vault, *, staff_id: str, code: str, now: datetime) -> list[str]:
    """Put an enrolled second factor in force with its first code, and return ten recovery codes, once.

    Raises SecondFactorInPlace, SecondFactorWrong.
    """
    member = _get(tx, staff_id, lock=True)
    if member.totp_since is not None:
        raise SecondFactorInPlace
    if member.totp is None:
        raise SecondFactorWrong
    step = rules.find_totp_step(_open_totp(vault, member), code, after=member.totp_step, now=now)
    if step is None:
        raise SecondFactorWrong
    store.update_staff(tx, replace(member, totp_since=now, totp_step=step))
    codes = [secrets.token_hex(5) for _ in range(RECOVERY_CODES)]
    store.replace_recovery_codes(tx, staff_id=staff_id, digests=[_digest_recovery(vault, one) for one in codes])
    return codes


def get_staff(tx: Transaction, *, staff_id: str) -> StaffMember:
    """Return a member of staff. Raises StaffNotFound."""
    return _get(tx, staff_id)


def find_staff_id(tx: Transaction, *, username: str) -> str | None:
    """Return the id of the member of staff with a username, however it is spelled, or None."""
    member = store.find_staff_by_username(tx, username=rules.normalise_username(username))
    return None if member is None else member.id


def list_staff(tx: Transaction, *, limit: int, cursor: str | None = None) -> Page[StaffMember]:
    """Return a page of staff, oldest first, disabled ones too."""
    after = decode_cursor(cursor, str)[0] if cursor else ""
    found = store.list_staff(tx, after=after, limit=limit + 1)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def change_staff(
    tx: Transaction,
    *,
    staff_id: str,
    name: str | None = None,
    permissions: Collection[Scope | str] | None = None,
    status: StaffStatus | None = None,
    now: datetime,
) -> StaffMember:
    """Change what is given; a change of permissions or status holds from the next request on.

    Raises StaffNotFound, ValidationFailed, and LastAdmin when nobody would be left who is one.
    """
    store.lock_admins(tx)
    member = _get(tx, staff_id, lock=True)
    changed = replace(
        member,
        name=name or member.name,
        permissions=member.permissions if permissions is None else _check_permissions(permissions),
        status=status or member.status,
    )
    store.update_staff(tx, changed)
    was_admin = member.status is StaffStatus.ACTIVE and Scope.ADMIN in member.permissions
    if was_admin and not store.has_admin(tx):
        raise LastAdmin
    if changed.status is StaffStatus.DISABLED:
        session_store.end_sessions(tx, owner_id=staff_id, reason="disabled", now=now)
    return changed


def reset_staff(
    tx: Transaction, *, staff_id: str, by: Caller | None = None, now: datetime
) -> tuple[StaffMember, str]:  # fmt: skip
    """Give a member a new first password, take the second factor away and end every session.

    Nobody does so for the own account: whoever holds a stolen session would have the account for good. Raises
    StaffNotFound, OwnReset.
    """
    if by is not None and by.id == staff_id:
        raise OwnReset
    member = _get(tx, staff_id, lock=True)
    password = secrets.token_urlsafe(15)
    member = replace(
        member,
        password_hash=_HASHER.hash(password),
        must_change_password=True,
        generation=member.generation + 1,
        totp=None,
        totp_since=None,
        totp_step=0,
    )
    store.update_staff(tx, member)
    store.replace_recovery_codes(tx, staff_id=staff_id, digests=[])
    session_store.end_sessions(tx, owner_id=staff_id, reason="reset", now=now)
    session_store.forget_attempts(tx, key=rules.fingerprint_of(["staff", member.username]))
    return member, password


def record_audit(
    tx: Transaction, *, caller: Caller, action: str, subject: str, detail: Mapping[str, Any], now: datetime
) -> None:
    """Write down that a caller did something; the entry commits with what was done and is never changed."""
    store.insert_audit(
        tx, actor_kind=caller.kind.value, actor_id=caller.id, action=action, subject=subject, detail=detail, now=now
    )


def record_command(tx: Transaction, *, action: str, subject: str, detail: Mapping[str, Any], now: datetime) -> None:
    """Write down that somebody did something by a command on the server itself."""
    store.insert_audit(tx, actor_kind="command", actor_id="", action=action, subject=subject, detail=detail, now=now)


def list_audit(
    tx: Transaction, *, actor_id: str | None = None, subject: str | None = None, limit: int, cursor: str | None = None
) -> Page[AuditEntry]:
    """Return a page of what was done, newest first, by one actor or to one subject if asked for."""
    before = decode_cursor(cursor, int)[0] if cursor else None
    found = store.list_audit(tx, actor_id=actor_id, subject=subject, before=before, limit=limit + 1)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def _get(tx: Transaction, staff_id: str, *, lock: bool = False) -> StaffMember:
    member = store.find_staff(tx, staff_id=staff_id, lock=lock) if is_id("staff", staff_id) else None
    if member is None:
        raise StaffNotFound
    return member


def _check_permissions(permissions: Collection[Scope | str]) -> tuple[Scope, ...]:
    if not permissions or not set(permissions) <= set(PERMISSIONS):
        raise ValidationFailed(fields={"permissions": [f"Must be some of {', '.join(PERMISSIONS)}."]})
    return tuple(scope for scope in PERMISSIONS if scope in set(permissions))


def _is_password(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except argon2.exceptions.VerifyMismatchError:
        return False


@cache
def _dummy_hash() -> str:
    """Return what passwords of unknown names are compared with, so that they take as long as any other."""
    return _HASHER.hash(secrets.token_urlsafe(15))


def _open_totp(vault: Vault, member: StaffMember) -> str:
    assert member.totp is not None, "a second factor that was never enrolled"
    return vault.decrypt(member.totp, context=_totp_context(member.id))


def _totp_context(staff_id: str) -> str:
    return f"totp {staff_id}"


def _digest_recovery(vault: Vault, code: str) -> bytes:
    return vault.digest("recovery code", code.strip().lower().replace("-", ""))


def _audit(
    tx: Transaction, staff_id: str, action: str, subject: str, detail: Mapping[str, Any], *, now: datetime
) -> None:
    store.insert_audit(
        tx,
        actor_kind=CallerKind.STAFF.value,
        actor_id=staff_id,
        action=action,
        subject=subject,
        detail=detail,
        now=now,
    )
