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
    """Authenticates requests: an API key by at most one query in five seconds, a token as `identity.read_caller` does.

    Unknown secrets are never remembered.
    """

    def __init__(self, db: Database, vault: identity.Vault) -> None:
        self._db = db
        self._vault = vault
        self._known: dict[bytes, tuple[float, identity.Caller]] = {}

    def authenticate(self, header: str | None, *, now: datetime) -> identity.Caller:
        """Return the caller whose credentials an Authorization header carries. Raises Unauthenticated."""
        if not header:
            raise Unauthenticated
        kind, _, secret = header.partition(" ")
        if kind.lower() != "bearer":
            raise Unauthenticated
        secret = secret.strip()
        if not secret.startswith(identity.SECRET_PREFIX):
            caller = identity.read_caller(self._db, self._vault, token=secret, now=now)
            if caller is None:
                raise Unauthenticated
            return caller
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
