"""Answers that everybody gets alike, kept in this process for as long as nothing they were made of has changed.

Once a second at most a process asks PostgreSQL what changed (`catalog.read_changes`) and forgets the answers made of
it; so an answer is at most about a second behind, however long it may be kept.
"""

import hashlib
import threading
import time
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import structlog

from tuike import catalog
from tuike.db import Database

log = structlog.get_logger("api")

LOOK_EVERY_S = 1.0
MAX_BYTES = 64 * 1024 * 1024
"""How much one process keeps; the oldest answers make way."""
_ENTRY_BYTES = 600
_ASLEEP_S = 1_800
"""Whoever has not looked for so long forgets everything: the changes themselves are forgotten after an hour."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A body with its validator, made of what `tags` name (`product:prd_…`, `tree`, `shelf`)."""

    body: bytes
    etag: str
    tags: frozenset[str]
    until: float


class AnswerCache:
    """Answers by request; safe for many threads, and none of them waits for another's look at the changes."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: dict[Hashable, KeptAnswer] = {}
        self._by_tag: dict[str, set[Hashable]] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._mark: str | None = None
        self._looked_at = -_ASLEEP_S - 1.0
        self.round = 0
        """Grows with every look that found a change: what was read before it must not be kept after it."""

    def find(self, key: Hashable) -> KeptAnswer | None:
        """Return the answer to a request if it is still true. Raises PostgresUnavailable when that cannot be asked."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._look(now)
        kept = self._kept.get(key)
        return kept if kept is not None and now < kept.until else None

    def keep(self, key: Hashable, body: bytes, *, tags: Iterable[str], seconds: float, round_: int) -> KeptAnswer:
        """Keep an answer that was begun in round `round_` for `seconds` at most, and return it."""
        etag = hashlib.blake2b(body, digest_size=12).hexdigest()
        answer = KeptAnswer(body, etag, frozenset(tags), time.monotonic() + seconds)
        with self._lock:
            if round_ == self.round:
                self._drop(key)
                self._kept[key] = answer
                self._bytes += len(body) + _ENTRY_BYTES
                for tag in answer.tags:
                    self._by_tag.setdefault(tag, set()).add(key)
                while self._bytes > MAX_BYTES:
                    self._drop(next(iter(self._kept)))
        return answer

    def look_soon(self) -> None:
        """Look at the changes before the next answer: something was changed through this process."""
        self._looked_at = min(self._looked_at, time.monotonic() - LOOK_EVERY_S)

    def _look(self, now: float) -> None:
        if not self._looking.acquire(blocking=now - self._looked_at > 2 * LOOK_EVERY_S):
            return  # somebody is at it, and what we have is not old
        try:
            if time.monotonic() - self._looked_at < LOOK_EVERY_S:
                return
            is_new = self._mark is None or now - self._looked_at > _ASLEEP_S
            begun = time.monotonic()
            with self._db.transaction() as tx:
                self._mark, changes = catalog.read_changes(tx, mark=None if is_new else self._mark)
            self._forget(None if is_new else changes)
            self._looked_at = begun
        finally:
            self._looking.release()

    def _forget(self, changes: list[tuple[str, str]] | None) -> None:
        """Drop the answers made of what changed; None or `everything`: all of them."""
        if changes == []:
            return
        with self._lock:
            self.round += 1
            if changes is None or any(topic == "everything" for topic, _ in changes):
                self._kept.clear()
                self._by_tag.clear()
                self._bytes = 0
                return
            for tag in {f"{topic}:{key}" if topic == "product" else topic for topic, key in changes}:
                for key in list(self._by_tag.get(tag, ())):
                    self._drop(key)

    def _drop(self, key: Hashable) -> None:
        gone = self._kept.pop(key, None)
        if gone is None:
            return
        self._bytes -= len(gone.body) + _ENTRY_BYTES
        for tag in gone.tags:
            keys = self._by_tag.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._by_tag[tag]
