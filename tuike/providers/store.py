"""The access token in PostgreSQL, where every process finds it."""

from sqlalchemy import text

from tuike.db import Database
from tuike.providers.wechat.tokens import AccessToken

_FIND = text("SELECT token, expires_at FROM provider_tokens WHERE name = :name")
# The one that ends last wins, so that a slow process does not bring an old token back.
_PUT = text("""
    INSERT INTO provider_tokens (name, token, expires_at) VALUES (:name, :token, :expires_at)
    ON CONFLICT (name) DO UPDATE SET token = excluded.token, expires_at = excluded.expires_at
    WHERE provider_tokens.expires_at <= excluded.expires_at
""")


class DatabaseTokenStore:
    """Keeps tokens in the table `provider_tokens`, in transactions of its own."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def find(self, name: str) -> AccessToken | None:
        """Return the token kept under `name`."""
        with self._db.transaction() as tx:
            row = tx.execute(_FIND, {"name": name}).one_or_none()
        return None if row is None else AccessToken(row.token, row.expires_at)

    def put(self, name: str, token: AccessToken) -> None:
        """Keep a token in place of one that ends earlier."""
        with self._db.transaction() as tx:
            tx.execute(_PUT, {"name": name, "token": token.value, "expires_at": token.expires_at})
