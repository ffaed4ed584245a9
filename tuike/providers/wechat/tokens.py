"""The access token of the mini-program's server API: one for all processes, renewed before it ends."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

RENEW_BEFORE = timedelta(minutes=5)
"""The provider hands out the next token five minutes early and honours both until the old one ends."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and its end."""

    value: str = field(repr=False)
    expires_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether the token may still be used without asking for the next."""
        return now < self.expires_at - RENEW_BEFORE


class TokenStore(Protocol):
    """Where the present token is kept for everybody; both methods may fail without harm to a call."""

    def find(self, name: str) -> AccessToken | None: ...
    def put(self, name: str, token: AccessToken) -> None: ...


class MemoryTokenStore:
    """Keeps tokens in this process. Enough for the stable token, which is the same whoever asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, AccessToken] = {}

    def find(self, name: str) -> AccessToken | None:
        """Return the token kept under `name`."""
        with self._lock:
            return self._tokens.get(name)

    def put(self, name: str, token: AccessToken) -> None:
        """Keep a token in place of the last."""
        with self._lock:
            self._tokens[name] = token
