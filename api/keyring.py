"""Who is calling: the bearer secret of a request to its caller, and whether that is a promoter, for a few seconds."""

import hashlib
import time
from datetime import datetime

from tuike import identity, team
from tuike.db import Database
from tuike.shared.errors import Unauthenticated

REMEMBER_SECONDS = 5.0
_REMEMBER_PROMOTER_SECONDS = 10.0
_REMEMBER_OTHER_SECONDS = 3.0
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


class Standing:
    """Remembers for a few seconds which credentials are those of an active promoter, so that a crowd costs few queries.

    Who becomes a promoter sees it within that time; so does who stops being one.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[str, tuple[float, bool]] = {}

    def recall(self, header: str) -> bool | None:
        """Return whether an Authorization header is a promoter's, None when nobody asked of late."""
        found = self._known.get(header)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def is_promoter(self, header: str, caller: identity.Caller) -> bool:
        """Tell whether the caller whose header this is is a shopper who is an active promoter.

        Raises PostgresUnavailable.
        """
        is_promoter = False
        if caller.user_id is not None:
            with self._db.autocommit() as tx:
                is_promoter = team.is_active_promoter(tx, external_id=caller.user_id)
        if len(self._known) >= _MAX_REMEMBERED:
            self._known.clear()
        # Whoever becomes a promoter wants to see it soon.
        seconds = _REMEMBER_PROMOTER_SECONDS if is_promoter else _REMEMBER_OTHER_SECONDS
        self._known[header] = (time.monotonic() + seconds, is_promoter)
        return is_promoter
