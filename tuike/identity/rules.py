"""Decisions about secrets, names, passwords, codes and tokens: values in, values out."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pyotp

from tuike.identity.model.callers import Scope
from tuike.identity.model.sessions import RefreshClaims, Session

SECRET_PREFIX = "tk_"  # noqa: S105 - how every secret begins is no secret
MAX_SECRET_LENGTH = 200

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 256
MIN_PASSWORD_LETTERS = 5

TWIN_SECONDS = 10
"""How long after a refresh the token before it still gets the same successor: for a twin, or a lost answer."""

TOTP_SECONDS = 30


def hash_secret(secret: str) -> bytes:
    """Return the SHA-256 digest of a secret.

    A secret holds 256 random bits, so a plain hash cannot be guessed backwards; a slow one would only slow requests.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def looks_like_secret(text: str) -> bool:
    """Tell whether `text` could be a secret at all, before it is looked up."""
    return text.startswith(SECRET_PREFIX) and len(text) <= MAX_SECRET_LENGTH and text.isascii() and text.isprintable()


def scopes_of(permissions: Iterable[Scope]) -> frozenset[Scope]:
    """Return what staff with these permissions may do: `admin` may do all that an operator's key may."""
    scopes = frozenset(permissions)
    return scopes | {Scope.OPERATOR} if Scope.ADMIN in scopes else scopes


def fingerprint_of(document: Any) -> bytes:
    """Return a digest that is equal for equal JSON documents, whatever their spacing and the order of their keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).digest()


class Turn(StrEnum):
    """What a refresh token is worth."""

    NEXT = "next"
    TWIN = "twin"
    REUSED = "reused"
    OVER = "over"


def decide_turn(session: Session, claims: RefreshClaims, *, now: datetime) -> Turn:
    """Say what a refresh token of a session is worth.

    The newest gets a successor. The one before it gets the same successor within TWIN_SECONDS of its use. Any older one
    was used and is shown again, so one of two holders stole it: reused.
    """
    if session.ended_at is not None or now >= session.expires_at:
        return Turn.OVER
    if claims.turn == session.turn:
        return Turn.NEXT
    if claims.turn == session.turn - 1 and now <= session.turned_at + timedelta(seconds=TWIN_SECONDS):
        return Turn.TWIN
    return Turn.REUSED


def normalise_username(text: str) -> str:
    """Return the one spelling of a username: no outer spaces, one width, one case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def find_password_faults(password: str, *, username: str) -> list[str]:
    """Return what makes a password too easily guessed, in sentences."""
    faults = []
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        faults.append(f"Must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters.")
    if len(set(password)) < MIN_PASSWORD_LETTERS:
        faults.append(f"Must have at least {MIN_PASSWORD_LETTERS} different characters.")
    if username and username in password.casefold():
        faults.append("Must not contain the username.")
    return faults


def find_totp_step(secret: str, code: str, *, after: int, now: datetime) -> int | None:
    """Return the time step that a code belongs to: this one or a neighbour, and later than `after`; None for no such.

    Source: RFC 6238; one step on either side for clocks that differ, and no code twice.
    """
    generator = pyotp.TOTP(secret)
    present = int(now.timestamp()) // TOTP_SECONDS
    fitting = [
        step
        for step in (present - 1, present, present + 1)
        if step > after and pyotp.utils.strings_equal(generator.generate_otp(step), code)
    ]
    return fitting[0] if fitting else None


def normalise_phone(country_code: str, number: str) -> str | None:
    """Return a phone number as `+` and digits, or None for what cannot be one."""
    code, digits = country_code.lstrip("+"), number.replace(" ", "").replace("-", "")
    if not (code + digits).isascii() or not (code + digits).isdigit() or not 1 <= len(code) <= 3:
        return None
    return f"+{code}{digits}" if 4 <= len(digits) <= 14 else None


def mask_phone(phone: str) -> str:
    """Return a phone number with only its country's first digits and its last two."""
    return f"{phone[:3]}****{phone[-2:]}"
