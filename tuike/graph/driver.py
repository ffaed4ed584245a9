"""The only place that touches the `neo4j` driver: sessions, timeouts, retries, and one error when the server is away.

What is awkward about the two servers and the driver, and where it is met:

- The embedded server answers `{id: null}` with a scan of the whole label; absent ids are sent as `""` (never an id).
- Both report contention as a transient error; `Graph.transaction` leaves the retry to the writer, which decides anew.
- A pooled connection may be stale after the server restarted: a read is tried once more on a fresh one.
- While the server is away every call would wait for a connection; for half a second after a failure all fail at once.
- A server that hangs keeps its connections open, and neither the driver nor the embedded server bounds how long an
  answer may take: the socket's read timeout does (`_limit_waiting`). Reads and writes have drivers of their own,
  because a large move may rightly take longer than any read.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from neo4j import READ_ACCESS, WRITE_ACCESS, Driver, GraphDatabase, Query, Transaction
from neo4j.exceptions import DriverError, Neo4jError, SessionExpired, TransientError

from tuike.config import Config
from tuike.graph.library import CypherLibrary, Statement
from tuike.graph.rounds import Rounds
from tuike.shared.errors import GraphUnavailable

log = structlog.get_logger(__name__)

READY_SECONDS = 1.0
"""How long a process trusts that the graph is whole; a rebuild waits longer than this before it wipes anything."""

_REST_SECONDS = 0.5
_WRITE_SECONDS = 120.0
_FETCH_SIZE = 10_000


class GraphNotReady(GraphUnavailable):
    """The server answers, but its content is missing or being rebuilt, so nothing read from it may be believed."""

    message = "The graph is being rebuilt from the journal. Nothing was changed; try again later."


class GraphContended(GraphUnavailable):
    """Another writer got in the way; the same work may be tried again at once."""


class GraphTransaction:
    """An open transaction on the graph; statements run by name."""

    def __init__(self, transaction: Transaction, library: CypherLibrary) -> None:
        self._transaction = transaction
        self._library = library

    def run(self, name: str, **params: Any) -> list[dict[str, Any]]:
        """Run a statement and return its records."""
        statement = self._library.get(name)
        result = self._transaction.run(statement.text, params)
        keys = result.keys()
        return [dict(zip(keys, record, strict=True)) for record in result]


class Graph:
    """The graph server behind named statements.

    Cheap to make; connects when first used. Safe for many threads, not across a fork: make one per process.
    Every call raises GraphUnavailable when the server cannot be reached, does not answer in time, or is not ready.
    """

    def __init__(self, config: Config, *, library: CypherLibrary | None = None) -> None:
        seconds = config.graph_timeout_ms / 1000
        self.library = library or CypherLibrary()
        self.rounds = Rounds()
        self.confirmed = False
        """Set by the writer once it knows that this graph belongs to the journal."""
        self._database = config.neo4j_database
        self._timeout_seconds = seconds
        self._queries: dict[str, Query] = {}
        self._down_until = 0.0
        self._ready_until = 0.0
        self._ready_lock = threading.Lock()
        self._reader = _open_driver(config, connect_seconds=seconds, answer_seconds=seconds)
        self._writer = _open_driver(config, connect_seconds=seconds, answer_seconds=max(seconds, _WRITE_SECONDS))

    def read(self, name: str, **params: Any) -> list[dict[str, Any]]:
        """Run a reading statement in one round trip and return its records.

        Raises GraphUnavailable, also while the graph's content is missing or being rebuilt.
        """
        self.require_ready()
        return self._read_now(name, params)

    def inspect(self, name: str, **params: Any) -> list[dict[str, Any]]:
        """Run a reading statement of maintenance, whatever state the content is in and however long it takes."""
        query = Query(self._get_reading(name).text)
        return self._run(self._writer, query, params, access=READ_ACCESS, attempts=2)

    def write(self, name: str, **params: Any) -> list[dict[str, Any]]:
        """Run one writing statement in its own transaction and return its records."""
        query = Query(self.library.get(name).text)
        return self._run(self._writer, query, params, access=WRITE_ACCESS, attempts=1)

    def run_schema(self, text: str) -> list[dict[str, Any]]:
        """Run one statement of a migration; its text comes from a file of ours, never from a caller."""
        return self._run(self._writer, Query(text), {}, access=WRITE_ACCESS, attempts=1)

    @contextmanager
    def transaction(self) -> Iterator[GraphTransaction]:
        """Run a block in one explicit transaction: committed when it ends, rolled back when it raises.

        Raises GraphContended when another writer got in the way, GraphUnavailable when the server is away.
        """
        self._refuse_while_down()
        with (
            self._translate(),
            self._writer.session(
                database=self._database, default_access_mode=WRITE_ACCESS, fetch_size=_FETCH_SIZE
            ) as session,
            session.begin_transaction(timeout=max(self._timeout_seconds, _WRITE_SECONDS)) as transaction,
        ):
            yield GraphTransaction(transaction, self.library)
            transaction.commit()

    def find_state(self) -> dict[str, Any] | None:
        """Return {ready, turn} of the graph's content, or None when not even that is there."""
        rows = self._read_now("graph.get_state", {})
        return rows[0] if rows else None

    def set_ready(self, ready: bool) -> None:
        """Say whether the graph's content may be believed; other processes notice within READY_SECONDS."""
        self.write("graph.set_ready", ready=ready)
        self._ready_until = 0.0

    def check(self) -> bool:
        """Tell whether the server answers a query now. Never raises for a server that is down."""
        try:
            return self._run(self._reader, Query("RETURN 1 AS one"), {}, access=READ_ACCESS, attempts=2) == [{"one": 1}]
        except GraphUnavailable:
            return False

    def forget_readiness(self) -> None:
        """Make the next read look again whether the graph is whole."""
        self._ready_until = 0.0

    def close(self) -> None:
        """Close every pooled connection."""
        self._reader.close()
        self._writer.close()

    def _read_now(self, name: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        query = self._queries.get(name)
        if query is None:
            query = self._queries[name] = Query(self._get_reading(name).text, timeout=self._timeout_seconds)
        return self._run(self._reader, query, params, access=READ_ACCESS, attempts=2)

    def _get_reading(self, name: str) -> Statement:
        statement = self.library.get(name)
        if statement.mode != "read":
            raise ValueError(f"{name} is not a reading statement")
        return statement

    def _run(
        self, driver: Driver, query: Query, params: dict[str, Any], *, access: str, attempts: int
    ) -> list[dict[str, Any]]:
        self._refuse_while_down()
        with self._translate():
            while True:
                attempts -= 1
                try:
                    with driver.session(
                        database=self._database, default_access_mode=access, fetch_size=_FETCH_SIZE
                    ) as session:
                        result = session.run(query, params)
                        keys = result.keys()
                        return [dict(zip(keys, record, strict=True)) for record in result]
                except (DriverError, TransientError, OSError):
                    if not attempts:
                        raise

    def _refuse_while_down(self) -> None:
        if time.monotonic() < self._down_until:
            raise GraphUnavailable

    def require_ready(self) -> None:
        """Raise GraphUnavailable unless the graph's content may be believed; looks at most once a second."""
        if time.monotonic() < self._ready_until:
            return
        with self._ready_lock:
            asked = time.monotonic()
            if asked < self._ready_until:
                return
            state = self.find_state()
            if state is None or not state["ready"]:
                raise GraphNotReady
            self._ready_until = asked + READY_SECONDS

    @contextmanager
    def _translate(self) -> Iterator[None]:
        """Turn what the driver raises into GraphUnavailable or GraphContended; a wrong statement stays what it is."""
        try:
            yield
        except TransientError as error:
            if "DatabaseUnavailable" in (error.code or ""):
                raise self._report_down(error) from error
            raise GraphContended(str(error)) from error
        except Neo4jError as error:
            if _means_down(error):
                raise self._report_down(error) from error
            raise
        except (DriverError, OSError) as error:
            raise self._report_down(error) from error

    def _report_down(self, error: Exception) -> GraphUnavailable:
        log.warning("graph.unavailable", error=type(error).__name__)
        self._ready_until = 0.0
        self.confirmed = False
        if not isinstance(error, SessionExpired):
            self._down_until = time.monotonic() + _REST_SECONDS
        return GraphUnavailable()


def _open_driver(config: Config, *, connect_seconds: float, answer_seconds: float) -> Driver:
    driver = GraphDatabase.driver(
        config.neo4j_uri,
        auth=(config.neo4j_user, config.neo4j_password) if config.neo4j_user else None,
        connection_timeout=min(connect_seconds, 3.0),
        connection_acquisition_timeout=connect_seconds,
        connection_write_timeout=connect_seconds,
        max_connection_pool_size=64,
        max_transaction_retry_time=0,
        keep_alive=True,
        notifications_min_severity="OFF",
        user_agent="tuike/0.1",
    )
    _limit_waiting(driver, answer_seconds)
    return driver


def _limit_waiting(driver: Driver, seconds: float) -> None:
    """Bound how long any answer may take. The driver offers no setting for it, so its pool's opener is wrapped."""
    pool = driver._pool  # noqa: SLF001
    opener = pool.opener

    def open_limited(*args: Any, **kwargs: Any) -> Any:
        connection = opener(*args, **kwargs)
        connection.socket.set_read_timeout(seconds)
        return connection

    pool.opener = open_limited


def _means_down(error: Neo4jError) -> bool:
    code = error.code or ""
    return (
        code.startswith(("Neo.ClientError.Security.", "Neo.ClientError.Database.", "Neo.DatabaseError."))
        or "TransactionTimedOut" in code
        or "TransactionTerminated" in code
        or "NotALeader" in code
    )
