"""The keys of an installation and all that is done with them: tokens, encryption, digests.

Keys come as `kid:base64,kid:base64`: the first signs and encrypts, all of them are accepted, so a key is rotated by
putting a new one in front and dropping the old one when nothing needs it any more. No two uses share a key: each is
derived under its own name.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from datetime import datetime
from typing import TypeVar

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tuike.identity.model.callers import CallerKind
from tuike.identity.model.sessions import AccessClaims, KeysMissing, RefreshClaims

Key = TypeVar("Key")

MIN_KEY_BYTES = 32
ACCESS_SECONDS = 15 * 60
MAX_TOKEN_LENGTH = 2_000

_ISSUER = "tuike"
_ALGORITHM = "HS256"
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_REFRESH = re.compile(r"rt_([A-Za-z0-9_-]{1,32})\.(ses_[0-9A-Z]{26})\.([0-9]{1,9})\.([0-9a-f]{64})", re.ASCII)
_NONCE_BYTES = 12
_CLAIMS = ("iss", "sub", "typ", "sid", "gen", "iat", "exp")


class Vault:
    """What only this installation can sign, open and recognise. Raises KeysMissing where a key is not set."""

    def __init__(self, *, token_keys: str = "", data_keys: str = "", digest_key: str = "") -> None:
        """Read the keys. Raises ValueError naming the variable when one is unreadable or too short."""
        tokens = _parse("TUIKE_TOKEN_KEYS", token_keys)
        data = _parse("TUIKE_DATA_KEYS", data_keys)
        digest = _parse("TUIKE_DIGEST_KEY", f"digest:{digest_key}" if digest_key else "")
        self._access = {kid: _derive(key, "access token") for kid, key in tokens.items()}
        self._refresh = {kid: _derive(key, "refresh token") for kid, key in tokens.items()}
        self._data = {kid: AESGCM(_derive(key, "personal data")) for kid, key in data.items()}
        self._digest = next((_derive(key, "digest") for key in digest.values()), None)

    def sign_access(self, claims: AccessClaims, *, now: datetime) -> str:
        """Return an access token that is good for fifteen minutes."""
        kid, key = _first(self._access)
        issued = int(now.timestamp())
        payload = {
            "iss": _ISSUER,
            "sub": claims.subject_id,
            "typ": claims.kind.value,
            "sid": claims.session_id,
            "gen": claims.generation,
            "iat": issued,
            "exp": issued + ACCESS_SECONDS,
        }
        return jwt.encode(payload, key, algorithm=_ALGORITHM, headers={"kid": kid})

    def read_access(self, token: str, *, now: datetime) -> AccessClaims | None:
        """Return what an access token says; None unless we signed it, with our algorithm, and it has not expired."""
        if len(token) > MAX_TOKEN_LENGTH:
            return None
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._access.get(kid) if isinstance(kid, str) else None
            if key is None:
                return None
            # The life of the token is judged by the caller's clock, below.
            options = {"verify_exp": False, "verify_iat": False, "require": list(_CLAIMS)}
            payload = jwt.decode(token, key, algorithms=[_ALGORITHM], issuer=_ISSUER, options=options)  # type: ignore[arg-type]
            claims = AccessClaims(CallerKind(payload["typ"]), payload["sub"], payload["sid"], payload["gen"])
            return claims if payload["exp"] > now.timestamp() else None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None

    def make_refresh(self, claims: RefreshClaims) -> str:
        """Return the refresh token of a session's turn: always the same one while the first key is the same."""
        kid, key = _first(self._refresh)
        return f"rt_{kid}.{claims.session_id}.{claims.turn}.{_seal(key, claims)}"

    def read_refresh(self, token: str) -> RefreshClaims | None:
        """Return what a refresh token says, or None unless we made it."""
        found = _REFRESH.fullmatch(token) if len(token) <= MAX_TOKEN_LENGTH else None
        key = self._refresh.get(found[1]) if found else None
        if found is None or key is None:
            return None
        claims = RefreshClaims(found[2], int(found[3]))
        return claims if hmac.compare_digest(_seal(key, claims), found[4]) else None

    def encrypt(self, text: str, *, context: str) -> bytes:
        """Return text that only `decrypt` with the same context reads: AES-256-GCM, the context authenticated."""
        kid, cipher = _first(self._data)
        nonce = os.urandom(_NONCE_BYTES)
        head = bytes([len(kid)]) + kid.encode()
        return head + nonce + cipher.encrypt(nonce, text.encode(), head + context.encode())

    def decrypt(self, blob: bytes, *, context: str) -> str:
        """Return the text of `encrypt`. Raises KeysMissing when no key at hand made it, or for another context."""
        size = 1 + blob[0]
        head, nonce, rest = blob[:size], blob[size : size + _NONCE_BYTES], blob[size + _NONCE_BYTES :]
        cipher = self._data.get(head[1:].decode("ascii", "replace"))
        if cipher is None:
            raise KeysMissing
        try:
            return cipher.decrypt(nonce, rest, head + context.encode()).decode()
        except InvalidTag as error:
            raise KeysMissing from error

    def digest(self, kind: str, text: str) -> bytes:
        """Return a keyed digest by which equal texts of a kind are found, and nobody without the key can guess them."""
        if self._digest is None:
            raise KeysMissing
        return hmac.digest(self._digest, f"{kind}\x00{text}".encode(), hashlib.sha256)


def _parse(variable: str, text: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kid, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            key = b""
        if not _KID.fullmatch(kid) or kid in keys or len(key) < MIN_KEY_BYTES:
            raise ValueError(f"{variable} must hold {MIN_KEY_BYTES} random bytes or more for each key, in base64url.")
        keys[kid] = key
    return keys


def _derive(key: bytes, use: str) -> bytes:
    return hmac.digest(key, f"tuike {use}".encode(), hashlib.sha256)


def _first(keys: dict[str, Key]) -> tuple[str, Key]:
    for kid, key in keys.items():
        return kid, key
    raise KeysMissing


def _seal(key: bytes, claims: RefreshClaims) -> str:
    return hmac.new(key, f"{claims.session_id}.{claims.turn}".encode(), hashlib.sha256).hexdigest()
