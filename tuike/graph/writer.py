"""The one writer of the graph: takes waiting journal rows in order, applies them in batches, and marks them.

Whoever writes holds an advisory lock of PostgreSQL (one writer over all processes) and, inside the process, a round
(tuike.graph.rounds). A crash between the graph's commit and the mark means that rows are applied again, which changes
nothing, so the mark need not be flushed to disk.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from neo4j.exceptions import Neo4jError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tuike.db import Database, Transaction
from tuike.graph import journal
from tuike.graph.applying import GraphDamaged, Row, apply_run, split_runs
from tuike.graph.driver import Graph, GraphContended, GraphNotReady
from tuike.graph.journal import JournalRow
from tuike.shared.errors import GraphUnavailable

log = structlog.get_logger(__name__)

BATCH = 1_000
WRITER_LOCK = 0x7475_696B_6501
_ATTEMPTS = 6
_LOCK_NOT_AVAILABLE = "55P03"


def catch_up(db: Database, graph: Graph) -> None:
    """Bring the graph up to date with every change of the sync lane that was committed before this call.

    Many callers at once share the work. While the graph is away the rows stay in the journal, marked as deferred, and
    nothing is raised; a later call brings them in. Raises PostgresUnavailable.
    """
    graph.rounds.run(lambda: _drain(db, graph))


def apply_lazy(db: Database, graph: Graph, limit: int = 5_000) -> int:
    """Apply up to `limit` rows of the lazy lane (orders, identifiers) and return how many were applied.

    Brings in the sync lane first, because orders credit promoters of it. Returns 0 while the graph is away.
    """
    catch_up(db, graph)
    applied = 0
    while applied < limit:
        with graph.rounds.writing:
            count = _apply_batch(db, graph, lane=journal.LAZY, limit=min(BATCH, limit - applied))
        applied += count
        if count < BATCH:
            break
    return applied


@contextmanager
def deciding(db: Database, graph: Graph) -> Iterator[Transaction]:
    """Run a block in a transaction while nobody else writes to the graph and it has every answered change.

    For decisions that only the graph can make: read it, then append the decided row to the journal in this transaction.
    Raises GraphUnavailable, with nothing changed.
    """
    with graph.rounds.writing, db.transaction() as tx:
        _take_lock(tx, lasting=True)
        count = BATCH
        while count == BATCH:
            rows = journal.list_pending(tx, lane=journal.SYNC, limit=BATCH)
            _apply(tx, graph, rows)
            count = len(rows)
        yield tx


@contextmanager
def writing(db: Database, graph: Graph) -> Iterator[Transaction]:
    """Run a block in a transaction that holds the writer's lock, without bringing anything in first.

    Raises GraphUnavailable when another process keeps the lock for longer than the lock timeout.
    """
    with graph.rounds.writing, db.transaction() as tx:
        _take_lock(tx, lasting=True)
        yield tx


def _drain(db: Database, graph: Graph) -> None:
    if graph.confirmed:
        with db.autocommit() as tx:
            if not journal.has_waiting(tx):
                return  # whatever was committed before is in the graph: nobody needs to queue for the lock
    while _apply_batch(db, graph, lane=journal.SYNC, limit=BATCH) == BATCH:
        pass


def _apply_batch(db: Database, graph: Graph, *, lane: int, limit: int) -> int:
    """Apply one batch in one transaction; return how many rows, 0 when the graph is away (rows are deferred then)."""
    try:
        with db.transaction() as tx:
            _take_lock(tx, lasting=False)
            rows = journal.list_pending(tx, lane=lane, limit=limit)
            _apply(tx, graph, rows)
            return len(rows)
    except GraphUnavailable as error:
        log.warning("graph.deferred", error=str(error))
        with db.transaction() as tx:
            journal.defer(tx)
        return 0


def _take_lock(tx: Transaction, *, lasting: bool) -> None:
    """Take the writer's lock until the transaction ends. Raises GraphUnavailable when it cannot be had in time."""
    try:
        tx.execute(
            text(
                "SELECT set_config('synchronous_commit', :flush, true), set_config('lock_timeout', '5s', true),"
                " pg_advisory_xact_lock(:lock)"
            ),
            {"flush": "on" if lasting else "off", "lock": WRITER_LOCK},
        )
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise GraphUnavailable(
                "Another process is writing to the graph. Nothing was changed; try again."
            ) from error
        raise


def _apply(tx: Transaction, graph: Graph, rows: Sequence[JournalRow]) -> None:
    """Apply rows and mark them. Raises GraphUnavailable; what was applied by then is applied again later."""
    if not graph.confirmed:
        _confirm(tx, graph)
    if not rows:
        return
    usage_rows = [row for row in rows if row.kind == "identifier"]
    runs = split_runs([row for row in rows if row.kind != "identifier"])
    for run in runs:
        _apply_retrying(graph, run, usage=[])
    forgotten = {row.subject for row in rows if row.kind == journal.FORGOTTEN}
    if usage_rows or forgotten:
        accounts = sorted({row.subject for row in usage_rows} | forgotten)
        keys = {row.payload["key"] for row in usage_rows}
        usage = journal.list_usage(tx, accounts=accounts, seqs=[row.seq for row in usage_rows])
        # Of who was forgotten everything is set again that was used since, whenever this row comes to be applied.
        usage = [use for use in usage if use["key"] in keys or use["account"] in forgotten]
        _apply_retrying(graph, [], usage=usage)
    journal.mark_applied(tx, [row.seq for row in rows])


def _confirm(tx: Transaction, graph: Graph) -> None:
    """Make sure, once per process and after every loss of the server, that this graph is not an empty new one.

    A graph that nobody wrote to while the journal has applied rows was lost: it is marked as not ready, so that
    nothing is believed of it until a rebuild. Raises GraphUnavailable.
    """
    state = graph.find_state()
    if state is None:
        raise GraphNotReady
    if state["ready"] and state["turn"] == 0 and journal.has_applied(tx):
        log.error("graph.lost")
        graph.set_ready(False)
        raise GraphNotReady
    graph.confirmed = True


def _apply_retrying(graph: Graph, run: Sequence[JournalRow], *, usage: Sequence[Row]) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            return apply_run(graph, run, usage=usage)
        except GraphContended as error:
            log.info("graph.contended", attempt=attempt, error=str(error)[:200])
            time.sleep(0.01 * 2**attempt)
        except Neo4jError as error:
            # Decided rows cannot be refused: the graph is not what the journal made it, or a statement is wrong.
            log.exception("graph.apply_failed", seqs=[row.seq for row in run][:20])
            raise GraphDamaged from error
    raise GraphUnavailable("The graph is too busy. Nothing was changed; try again.")
