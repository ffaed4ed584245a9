"""Throws the graph away and builds it again from the journal."""

import time
from collections.abc import Iterator

import structlog
from sqlalchemy import text

from tuike.db import Database, Transaction
from tuike.graph import journal
from tuike.graph.applying import (
    Row,
    apply_kinds,
    apply_usage,
    create_promoters,
    open_bindings,
    seat_row,
    write_rows,
)
from tuike.graph.driver import READY_SECONDS, Graph
from tuike.graph.expected import Forest, Progress, read_forest
from tuike.graph.migrations import apply_schema, drop_schema
from tuike.graph.writer import catch_up, writing

log = structlog.get_logger(__name__)

PAGE = 4_000


def rebuild(db: Database, graph: Graph, progress: Progress | None = None) -> dict[str, int]:
    """Wipe the graph and build it from the applied rows of the journal; return how many rows of each kind there were.

    Works beside a running service: meanwhile whatever reads the graph is told that it is unavailable, what is
    recorded waits in the journal, and both end when the rebuild does. A rebuild that dies leaves the graph marked as
    not ready; run it again. Nothing is decided anew: bindings keep their ids and instants. Raises GraphUnavailable,
    PostgresUnavailable.
    """
    tell = progress or (lambda _stage, _done, _total: None)
    with writing(db, graph) as tx:
        # Held for minutes: the work between two statements here is done by the graph.
        tx.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        graph.set_ready(False)
        counts = journal.count_applied(tx)
        tree = sum(counts.get(kind, 0) for kind in ("promoter", "binding", "status"))
        forest = read_forest(tx, total=tree, progress=tell)
        time.sleep(READY_SECONDS + 0.1)  # every process has seen by now that it may not read
        drop_schema(graph)
        _wipe(graph, tell)
        _write_promoters(graph, forest, tell)
        apply_schema(graph)
        _write_bindings(graph, forest, tell)
        _write_facts(tx, graph, counts, tell)
        _write_usage(tx, graph, counts, tell)
        graph.set_ready(True)
    catch_up(db, graph)
    log.info("graph.rebuilt", **counts)
    return counts


def _wipe(graph: Graph, tell: Progress) -> None:
    wiped = 0
    while True:
        count = graph.write("graph.wipe_nodes", count=PAGE)[0]["wiped"]
        wiped += count
        tell("wipe", wiped, wiped)
        if count < PAGE:
            return


def _write_promoters(graph: Graph, forest: Forest, tell: Progress) -> None:
    seats, sizes = forest.give_seats(), forest.count_teams()
    for page in _pages(len(forest)):
        rows: list[Row] = []
        for place in page:
            row: Row = {
                "id": forest.user_ids[place],
                "promoter_id": forest.ids[place],
                "promoter_no": forest.numbers[place],
                "binding_no": forest.binding_nos[place],
                "status": forest.statuses[place],
                "joined_at": forest.bound_ats[place],
                **seat_row([level[place] or None for level in seats]),
            }
            for level, size in enumerate(sizes, start=1):
                # Seats are given out without gaps here, so as many are taken as there are members.
                row[f"team_{level}"] = row[f"seats_{level}"] = size[place]
            rows.append(row)
        with graph.transaction() as tx:
            create_promoters(tx, rows)
        tell("promoters", page.stop, len(forest))


def _write_bindings(graph: Graph, forest: Forest, tell: Progress) -> None:
    for page in _pages(len(forest)):
        living = [
            {
                "inviter_id": forest.ids[forest.inviters[place]],
                "promoter_id": forest.ids[place],
                "binding_id": forest.binding_ids[place],
                "binding_no": forest.binding_nos[place],
                "valid_from": forest.bound_ats[place],
            }
            for place in page
            if forest.inviters[place] >= 0
        ]
        with graph.transaction() as tx:
            open_bindings(tx, living)
        tell("bindings", page.stop, len(forest))
    for page in _pages(len(forest.closed)):
        closed = [
            {
                "inviter_id": forest.ids[binding.inviter],
                "promoter_id": forest.ids[binding.promoter],
                "binding_id": binding.binding_id,
                "binding_no": binding.binding_no,
                "valid_from": binding.valid_from,
                "valid_to": binding.valid_to,
            }
            for binding in forest.closed[page.start : page.stop]
        ]
        with graph.transaction() as tx:
            write_rows(tx, "graph.create_closed_bindings", closed)
        tell("closed bindings", page.stop, len(forest.closed))


def _write_facts(tx: Transaction, graph: Graph, counts: dict[str, int], tell: Progress) -> None:
    stages = {"link": "links", "touch": "touches", "touch_claim": "claims", "order": "orders"}
    for kind, stage in (stages | {journal.FORGOTTEN: "forgotten"}).items():
        done = 0
        for rows in journal.iter_applied(tx, kinds=[kind], page=PAGE):
            with graph.transaction() as graph_tx:
                apply_kinds(graph_tx, rows)
            done += len(rows)
            tell(stage, done, counts[kind])


def _write_usage(tx: Transaction, graph: Graph, counts: dict[str, int], tell: Progress) -> None:
    done = 0
    for accounts in journal.iter_identified_accounts(tx):
        usage = journal.list_usage(tx, accounts=accounts, seqs=[])
        with graph.transaction() as graph_tx:
            apply_usage(graph_tx, usage)
        done += sum(use["times"] for use in usage)
        tell("identifiers", done, counts["identifier"])


def _pages(total: int) -> Iterator[range]:
    return (range(start, min(start + PAGE, total)) for start in range(0, total, PAGE))
