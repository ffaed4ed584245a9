"""Answers that everybody gets alike, kept in this process for as long as nothing they were made of has changed.

Once a second at most a process asks PostgreSQL what changed (`catalog.read_changes`) and forgets the answers made of
it; so an answer is at most about a second behind, however long it may be kept.
"""

import gzip
import hashlib
import threading
import time
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from api.telemetry import name_request
from tuike import catalog
from tuike.db import Database

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from api.keyring import Standing
    from api.telemetry import Telemetry

log = structlog.get_logger("api")

LOOK_EVERY_S = 1.0
MAX_BYTES = 64 * 1024 * 1024
"""How much one process keeps; the oldest answers make way."""
_ENTRY_BYTES = 1_200
_WORTH_PACKING = 1_000
_ASLEEP_S = 1_800
"""Whoever has not looked for so long forgets everything: the changes themselves are forgotten after an hour."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A body with its headers, also packed, made of what `tags` name (`product:prd_…`, `tree`, `shelf`).

    Both have an ETag that begins with `mark`.
    """

    route: str
    mark: str
    plain: tuple[bytes, tuple[tuple[str, str], ...]]
    packed: tuple[bytes, tuple[tuple[str, str], ...]]
    tags: frozenset[str]
    until: float
    gone_at: float
    """Until when it may still be handed out while somebody makes it anew."""

    @property
    def size(self) -> int:
        """How many bytes it takes, about."""
        packed = 0 if self.packed is self.plain else len(self.packed[0])
        return len(self.plain[0]) + packed + _ENTRY_BYTES


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
        """Return the answer to a request if it is still true. Raises PostgresUnavailable when that cannot be asked.

        When its time is over, the first who asks makes it anew; meanwhile all others get the old one, for a second at
        most, so that a crowd does not ask PostgreSQL for the same at once.
        """
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._look(now)
        kept = self._kept.get(key)
        if kept is None or now < kept.until:
            return kept
        with self._lock:
            if self._kept.get(key) is kept:
                if now < kept.gone_at:
                    self._kept[key] = replace(kept, until=kept.gone_at)
                return None
        return self.find(key)

    def keep(
        self,
        key: Hashable,
        body: bytes,
        *,
        tags: Iterable[str],
        seconds: float,
        round_: int,
        route: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> KeptAnswer:
        """Keep an answer that was begun in round `round_` for `seconds` at most, and return it.

        `headers` go with it, and those that follow from the body.
        """
        mark = hashlib.blake2b(body, digest_size=12).hexdigest()
        given = dict(headers or {})
        given["Vary"] = f"{given['Vary']}, Accept-Encoding" if "Vary" in given else "Accept-Encoding"
        plain = packed = _dress(body, f'"{mark}"', given)
        if len(body) >= _WORTH_PACKING:
            packed = _dress(gzip.compress(body, 5, mtime=0), f'"{mark}-gz"', given | {"Content-Encoding": "gzip"})
        until = time.monotonic() + seconds
        answer = KeptAnswer(route, mark, plain, packed, frozenset(tags), until, until + LOOK_EVERY_S)
        with self._lock:
            if round_ == self.round:
                self._drop(key)
                self._kept[key] = answer
                self._bytes += answer.size
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
        self._bytes -= gone.size
        for tag in gone.tags:
            keys = self._by_tag.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._by_tag[tag]


def name_answer(environ: Mapping[str, Any], *, sees_earnings: bool) -> Hashable:
    """Return what an answer is kept under: what was asked, as it came, and whether a promoter asks."""
    return environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", ""), sees_earnings


def without_body(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers of an answer that says that nothing has changed."""
    return [(name, value) for name, value in headers if not name.startswith("Content-")]


class Front:
    """Stands before the application and hands out what is kept, so that a crowd at the shop's window costs little.

    Everything else, and every fault, goes on to the application. What is handed out here is counted and logged like any
    other answer.
    """

    def __init__(
        self, application: "WSGIApplication", answers: AnswerCache, standing: "Standing", telemetry: "Telemetry"
    ) -> None:
        self._application = application
        self._answers = answers
        self._standing = standing
        self._telemetry = telemetry

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        """Answer a request by what is kept, or have it answered."""
        if environ["REQUEST_METHOD"] == "GET":
            begun = time.perf_counter()
            kept = self._find(environ)
            if kept is not None:
                return self._hand_out(kept, environ, start_response, begun)
        return self._application(environ, start_response)

    def _find(self, environ: "WSGIEnvironment") -> KeptAnswer | None:
        header = environ.get("HTTP_AUTHORIZATION")
        sees_earnings = self._standing.recall(header) if header else False
        if sees_earnings is None:
            return None
        try:
            return self._answers.find(name_answer(environ, sees_earnings=sees_earnings))
        except Exception:  # noqa: BLE001 - the application meets it again and says what it is
            return None

    def _hand_out(
        self, kept: KeptAnswer, environ: "WSGIEnvironment", start_response: "StartResponse", begun: float
    ) -> "Iterable[bytes]":
        request_id = name_request(environ.get("HTTP_X_REQUEST_ID", ""))
        is_known = kept.mark in environ.get("HTTP_IF_NONE_MATCH", "")
        body, given = kept.packed if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "") else kept.plain
        headers = without_body(given) if is_known else list(given)
        start_response("304 NOT MODIFIED" if is_known else "200 OK", [*headers, ("X-Request-Id", request_id)])
        self._telemetry.note(
            request_id=request_id, caller_id=None, method="GET", route=kept.route, status=304 if is_known else 200,
            code=None, seconds=time.perf_counter() - begun,
        )  # fmt: skip
        return [] if is_known else [body]


def _dress(body: bytes, etag: str, headers: Mapping[str, str]) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    return body, (("ETag", etag), ("Content-Length", str(len(body))), *headers.items())
