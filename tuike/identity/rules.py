"""Decisions about secrets and repeated requests: values in, values out."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from tuike.identity.model import Scope

SECRET_PREFIX = "tk_"  # noqa: S105 - how every secret begins is no secret
MAX_SECRET_LENGTH = 200


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
