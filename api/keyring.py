"""Who is calling: the bearer secret of a request to its caller, remembered for a few seconds."""

import hashlib
import time
from datetime import datetime

from tuike import identity
from tuike.db import Database
from tuike.shared.errors import Unauthenticated

REMEMBER_SECONDS = 5.0
_MAX_REMEMBERED = 10_000


class Keyring:
    """Authenticates requests with at most one query per key and five seconds; unknown secrets are never remembered."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[bytes, tuple[float, identity.Caller]] = {}

    def authenticate(self, header: str | None, *, now: datetime) -> identity.Caller:
        """Return the caller whose credentials an Authorization header carries. Raises Unauthenticated."""
        if not header:
            raise Unauthenticated
        kind, _, secret = header.partition(" ")
        if kind.lower() != "bearer":
            raise Unauthenticated
        secret = secret.strip()
        digest = hashlib.sha256(secret.encode("latin-1", "replace")).digest()
        found = self._known.get(digest)
        if found is not None and found[0] > time.monotonic():
            return found[1]
        with self._db.transaction() as tx:
            key = identity.authenticate(tx, secret=secret)
        if key is None:
            self._known.pop(digest, None)
            raise Unauthenticated
        caller = identity.Caller(key.id, identity.CallerKind.KEY, frozenset({key.scope}), None, key.name)
        if len(self._known) >= _MAX_REMEMBERED:
            self._known.clear()
        self._known[digest] = (time.monotonic() + REMEMBER_SECONDS, caller)
        return caller
