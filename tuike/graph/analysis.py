"""Runs the text of an analyst on a driver of its own, within limits: time, rows, bytes, connections.

The text passed the gate of `tuike.workbench` before it comes here. What each server adds:

- Neo4j: access mode READ refuses writes, EXPLAIN says what a query is before it runs, the transaction's own timeout
  ends it.
- The embedded server refuses no write in READ mode and may execute what EXPLAIN names, so it is not asked; there the
  user of this driver (`NEO4J_READER`) may read records and nothing else. It knows no timeout of a statement.

On both, what still runs when its time is over is ended by TERMINATE TRANSACTIONS from another connection, found by the
address of ours.
"""

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from neo4j import READ_ACCESS, Driver, GraphDatabase, Transaction
from neo4j.exceptions import DriverError, Neo4jError, ServiceUnavailable, TransientError
from neo4j.graph import Node, Path, Relationship
from neo4j.spatial import Point
from neo4j.time import Date, DateTime, Duration, Time

from tuike.config import Config
from tuike.shared.errors import GraphUnavailable, TuikeError

log = structlog.get_logger(__name__)

CONNECTIONS_MAX = 6
_GRACE_SECONDS = 2.0
_FETCH_SIZE = 200
_DEEPEST = 12
_WRITING = (
    "Create", "Merge", "Set", "Delete", "Detach", "Remove", "Foreach", "LoadCSV", "Transaction", "Administration",
    "Terminate", "Lock", "Drop", "Alter", "Grant", "Revoke", "Show", "Procedure",
)  # fmt: skip


class QueryFailed(TuikeError):
    """`kind` is what the server calls it. Once a query ran, the server's words may quote what it had read."""

    code, status, message = "query_failed", 422, "The graph server could not run the query."

    def __init__(self, kind: str, said: str = "", *, may_quote: bool = False) -> None:
        words = f": {said[:1_000]}" if said else "."
        super().__init__(f"The graph server could not run the query: {kind or 'unknown error'}{words}")
        self.kind = kind
        self.may_quote = may_quote

    def without_words(self) -> "QueryFailed":
        """Return the same without the server's words."""
        return QueryFailed(self.kind)


class QueryTimedOut(TuikeError):
    code, status, message = "query_timed_out", 422, "The query took longer than it was given and was stopped."


class QueryTooLarge(TuikeError):
    code, status, message = "answer_too_large", 422, "The answer is too large and was stopped."


class PlanRefused(TuikeError):
    code, status, message = "query_refused", 422, "The graph server says that the query does more than read."


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node as both servers have it."""

    id: str
    label: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """A relation as both servers have it."""

    id: str
    type: str
    from_id: str
    to_id: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GraphPath:
    """A path: one node more than edges."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take."""

    seconds: float = 10.0
    rows: int = 10_000
    bytes: int = 16_000_000


@dataclass(slots=True)
class Table:
    """An answer: rows of plain values, GraphNode, GraphEdge and GraphPath; `truncated` when there was more."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    truncated: bool = False


class AnalysisGraph:
    """The graph server as analysts see it. Cheap to make; connects when first used; close it when the process ends."""

    def __init__(self, config: Config, *, connect_seconds: float = 5.0) -> None:
        self._database = config.neo4j_database
        self._connect_seconds = connect_seconds
        if config.neo4j_reader:
            self._auth: tuple[str, str] | None = (config.neo4j_reader, config.neo4j_reader_password)
        else:
            self._auth = (config.neo4j_user, config.neo4j_password) if config.neo4j_user else None
        self._uri = config.neo4j_uri
        self._is_neo4j: bool | None = None
        self._opened: tuple[Driver, Driver] | None = None
        self._lock = threading.Lock()

    def run(self, text: str, params: Mapping[str, Any], limits: Limits, *, calls_procedures: bool = False) -> Table:
        """Run a query that passed the gate, in a transaction that is rolled back, and return its answer.

        Raises PlanRefused, QueryFailed with the server's words, QueryTimedOut, QueryTooLarge, GraphUnavailable.
        """
        end = time.monotonic() + limits.seconds
        meter = _Meter(limits.bytes)
        has_run = False
        try:
            with self._begin(limits) as (transaction, connection), meter.measure(connection, limits.seconds):
                stop = threading.Timer(limits.seconds, self._terminate, (connection,))
                stop.daemon = True
                stop.start()
                try:
                    if self._ask_whether_neo4j():
                        _check_plan(transaction, text, params, calls_procedures=calls_procedures)
                    has_run = True
                    return self._fetch(transaction, connection, text, params, limits)
                finally:
                    stop.cancel()
        except (Neo4jError, DriverError, OSError) as error:
            is_late = time.monotonic() >= end - 0.05
            raise self._translate(error, is_late=is_late, is_large=meter.is_exceeded, has_run=has_run) from error

    def explain(self, text: str, params: Mapping[str, Any], *, calls_procedures: bool = False) -> dict[str, Any] | None:
        """Return the server's plan of a query that passed the gate, as a tree; None where asking would run things.

        Raises PlanRefused, QueryFailed, GraphUnavailable.
        """
        try:
            if not self._ask_whether_neo4j():
                return None
            with self._begin(Limits()) as (transaction, _):
                return _check_plan(transaction, text, params, calls_procedures=calls_procedures)
        except (Neo4jError, DriverError, OSError) as error:
            raise self._translate(error, is_late=False, is_large=False, has_run=False) from error

    def close(self) -> None:
        """Close every pooled connection."""
        with self._lock:
            for driver in self._opened or ():
                driver.close()
            self._opened = None

    @property
    def _driver(self) -> Driver:
        return self._drivers()[0]

    @property
    def _stopper(self) -> Driver:
        """What ends queries has connections of its own, as all others may be waiting for answers."""
        return self._drivers()[1]

    def _drivers(self) -> tuple[Driver, Driver]:
        with self._lock:
            if self._opened is None:
                self._opened = self._open(CONNECTIONS_MAX), self._open(2)
            return self._opened

    def _fetch(
        self, transaction: Transaction, connection: Any, text: str, params: Mapping[str, Any], limits: Limits
    ) -> Table:
        result = transaction.run(text, dict(params))
        table = Table(columns=list(result.keys()))
        for record in result:
            if len(table.rows) >= limits.rows:
                table.truncated = True
                self._terminate(connection)  # or the server would go on for an answer that nobody takes
                break
            table.rows.append([to_plain(value) for value in record.values()])
        return table

    @contextmanager
    def _begin(self, limits: Limits) -> Iterator[tuple[Transaction, Any]]:
        """Open a transaction for a block; whatever happens in it is rolled back."""
        with self._driver.session(
            database=self._database, default_access_mode=READ_ACCESS, fetch_size=_FETCH_SIZE
        ) as session:
            transaction = session.begin_transaction(timeout=limits.seconds)
            try:
                yield transaction, transaction._connection  # noqa: SLF001 - only it tells which one is ours
            finally:
                with suppress(Neo4jError, DriverError, OSError):
                    transaction.rollback()

    def _ask_whether_neo4j(self) -> bool:
        if self._is_neo4j is None:
            self._is_neo4j = "ArcadeDB" not in self._stopper.get_server_info().agent
        return self._is_neo4j

    def _terminate(self, connection: Any) -> None:
        """End what runs on one of our connections; what cannot be ended is left to the socket's time limit."""
        try:
            host, port = connection.socket.getsockname()[:2]
            with self._stopper.session(database=self._database, default_access_mode=READ_ACCESS) as session:
                for row in session.run("SHOW TRANSACTIONS").data():
                    if str(row["clientAddress"]).lstrip("/") in (f"{host}:{port}", f"[{host}]:{port}"):
                        session.run("TERMINATE TRANSACTIONS $id", id=row["transactionId"]).consume()
        except (Neo4jError, DriverError, OSError) as error:
            log.warning("analysis.terminate_failed", error=type(error).__name__)

    def _translate(self, error: Exception, *, is_late: bool, is_large: bool, has_run: bool) -> TuikeError:
        code = getattr(error, "code", None) or ""
        if is_large:
            return QueryTooLarge()
        if is_late or "TimedOut" in code:
            return QueryTimedOut()
        if isinstance(error, Neo4jError) and not isinstance(error, TransientError | ServiceUnavailable):
            if not code.startswith(("Neo.ClientError.Database.", "Neo.ClientError.Security.Unauth")):
                return _word_failure(error, has_run=has_run)
        elif isinstance(error, TransientError) and "DatabaseUnavailable" not in code:
            return _word_failure(error, has_run=has_run)
        log.warning("analysis.unavailable", error=type(error).__name__)
        self._is_neo4j = None
        return GraphUnavailable()

    def _open(self, size: int) -> Driver:
        return GraphDatabase.driver(
            self._uri,
            auth=self._auth,
            connection_timeout=self._connect_seconds,
            connection_acquisition_timeout=self._connect_seconds,
            connection_write_timeout=2 * self._connect_seconds,
            max_connection_pool_size=size,
            max_transaction_retry_time=0,
            keep_alive=True,
            notifications_min_severity="OFF",
            user_agent="tuike-workbench/0.1",
        )


class _Meter:
    """Counts what comes in on a connection and cuts it off beyond a limit, before it is made into values."""

    def __init__(self, limit: int) -> None:
        self.is_exceeded = False
        self._left = limit

    @contextmanager
    def measure(self, connection: Any, seconds: float) -> Iterator[None]:
        """Watch a connection for a block; also bounds how long one answer may keep us waiting."""
        socket = connection.socket
        receive = socket.recv_into

        def receive_some(buffer: Any, nbytes: int) -> int:
            count = int(receive(buffer, nbytes))
            self._left -= count
            if self._left < 0:
                self.is_exceeded = True
                raise OSError("more came than one answer may have")
            return count

        socket.recv_into = receive_some
        socket.set_read_timeout(seconds + _GRACE_SECONDS)
        try:
            yield
        finally:
            if not self.is_exceeded:
                del socket.recv_into


def _check_plan(
    transaction: Transaction, text: str, params: Mapping[str, Any], *, calls_procedures: bool
) -> dict[str, Any]:
    """Let Neo4j say what a query is before it runs. Raises PlanRefused."""
    summary = transaction.run("EXPLAIN " + text, dict(params)).consume()
    plan: Any = summary.plan or {}
    writing = [
        name
        for name in _list_operators(plan)
        if name.startswith(_WRITING) and not (calls_procedures and name == "ProcedureCall")
    ]
    if summary.query_type != "r" or writing:
        raise PlanRefused
    return _tell_plan(plan)


def _list_operators(plan: Mapping[str, Any]) -> Iterator[str]:
    yield str(plan.get("operatorType", "")).partition("@")[0]
    for child in plan.get("children", ()):
        yield from _list_operators(child)


def _tell_plan(plan: Mapping[str, Any]) -> dict[str, Any]:
    args = plan.get("args", {})
    return {
        "operator": str(plan.get("operatorType", "")).partition("@")[0],
        "details": str(args.get("Details", "")),
        "rows": args.get("EstimatedRows"),
        "children": [_tell_plan(child) for child in plan.get("children", ())],
    }


def _word_failure(error: Neo4jError, *, has_run: bool) -> QueryFailed:
    """Return what the server says about a query; the embedded one says it with its code only."""
    kind = (error.code or "").rpartition(".")[2]
    said = (error.message or "").strip()
    if not said or said.startswith("The request failed."):
        return QueryFailed(kind)
    return QueryFailed(kind, said, may_quote=has_run)


def to_plain(value: Any, depth: int = 0) -> Any:
    """Return a value of the driver as JSON has it, or a GraphNode, GraphEdge, GraphPath."""
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth > _DEEPEST:
        raise QueryTooLarge("The answer is nested too deeply.")
    if isinstance(value, Node):
        return GraphNode(value.element_id, next(iter(sorted(value.labels)), ""), _plain_map(value, depth))
    if isinstance(value, Relationship):
        return _to_edge(value, depth)
    if isinstance(value, Path):
        nodes = tuple(to_plain(node, depth + 1) for node in value.nodes)
        return GraphPath(nodes, tuple(_to_edge(edge, depth) for edge in value.relationships))
    if isinstance(value, list | tuple | set) and not isinstance(value, Duration | Point):
        return [to_plain(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return _plain_map(value, depth)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, Date | DateTime | Time | Duration):
        return value.iso_format()
    return str(value)


def _to_edge(value: Relationship, depth: int) -> GraphEdge:
    start, end = value.nodes
    return GraphEdge(
        value.element_id,
        value.type,
        start.element_id if start is not None else "",
        end.element_id if end is not None else "",
        _plain_map(value, depth),
    )


def _plain_map(value: Any, depth: int) -> dict[str, Any]:
    return {str(key): to_plain(item, depth + 1) for key, item in value.items()}
