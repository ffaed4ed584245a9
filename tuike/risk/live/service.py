"""Verbs of sweeping the living shop: export, look for rings, and turn them into cases in one transaction."""

import csv
import hashlib
import heapq
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from tuike.db import Database, Transaction
from tuike.graph import Graph
from tuike.risk.cases import service as cases
from tuike.risk.cases.model import CaseMember, Evidence, FoundCase
from tuike.risk.live import store
from tuike.risk.live.model import SweepEnded, SweepRun, SweepRunning, SweepState
from tuike.shared import clock, ids
from tuike.shared.pages import Page, decode_cursor, encode_cursor

log = structlog.get_logger(__name__)

Progress = Callable[[str, int, int | None], None]
Sweeper = Callable[[Path, Path, Progress], dict[str, Any]]
_EVIDENCE_MOST = 2_000
"""Edges of a case that are kept, the heaviest."""
_TRY_AGAIN = timedelta(hours=1)
_ACCUSED = frozenset({"beneficiary", "buyer", "recruit"})


def sweep_living(db: Database, graph: Graph, *, sweeper: Sweeper, progress: Progress = lambda *_: None) -> SweepRun:
    """Sweep the shop as it is now: what is found becomes cases, all at once or not at all.

    A killed sweep leaves nothing but a row that says so. Raises SweepRunning, GraphUnavailable, PostgresUnavailable.
    """
    with store.only_sweep(db) as may:
        if not may:
            raise SweepRunning
        sweep_id = ids.new_id("risk_sweep")
        began = clock.read_clock()
        with db.transaction() as tx:
            store.add_sweep(tx, sweep_id=sweep_id, now=began)

        def tell(stage: str, done: int, total: int | None) -> None:
            progress(stage, done, total)
            with db.transaction() as tx:
                now = clock.read_clock()
                store.note_progress(tx, sweep_id=sweep_id, stage=stage, done=done, total=total, now=now)

        try:
            with tempfile.TemporaryDirectory(prefix="tuike-sweep-") as scratch:
                source, target = Path(scratch, "world"), Path(scratch, "found")
                source.mkdir()
                with db.transaction() as tx:
                    store.export_world(tx, graph, source, progress=tell)
                report = sweeper(source, target, tell)
                found = list(iter_found(target))
            tell("merging", 0, None)
            return _finish(db, sweep_id, found, report, seen_until=began)
        except Exception as error:
            with db.transaction() as tx:
                store.end_sweep(tx, sweep_id=sweep_id, problem=_tell_problem(error), now=clock.read_clock())
            raise


def iter_found(directory: Path) -> Iterator[FoundCase]:
    """Read what a sweep wrote, case by case."""
    scores: dict[tuple[str, str], tuple[float, str]] = {}
    for row in _iter_rows(directory / "accounts.csv"):
        if row["flagged"] == "1":
            scores[row["account_kind"], row["account_id"]] = float(row["score"]), row["case_id"]
    members: dict[str, list[CaseMember]] = defaultdict(list)
    for row in _iter_rows(directory / "members.csv"):
        key = row["account_kind"], row["account_id"]
        score, case_id = scores.get(key, (0.0, ""))
        accused = case_id == row["case_id"] and row["role"] in _ACCUSED
        members[row["case_id"]].append(CaseMember(*key, row["role"], score if accused else 0.0, accused))
    edges: dict[str, list[tuple[float, tuple[str, str, str, str, str]]]] = defaultdict(list)
    for row in _iter_rows(directory / "evidence.csv"):
        edge = (row["from_kind"], row["from_id"], row["relation"], row["to_kind"], _blind(row["to_kind"], row["to_id"]))
        heap, item = edges[row["case_id"]], (float(row["weight"]), edge)
        if len(heap) < _EVIDENCE_MOST:
            heapq.heappush(heap, item)
        else:
            heapq.heappushpop(heap, item)
    for row in _iter_rows(directory / "cases.csv"):
        yield FoundCase(
            row["pattern"],
            float(row["score"]),
            int(row["orders"]),
            int(row["commission_base_minor"]),
            row["summary"],
            tuple(members[row["case_id"]]),
            tuple(Evidence(*edge, weight) for weight, edge in sorted(edges[row["case_id"]], reverse=True)),
        )


def list_sweeps(tx: Transaction, *, limit: int, cursor: str | None = None) -> Page[SweepRun]:
    """Return a page of sweeps, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_sweeps(tx, before=before, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def is_sweep_due(tx: Transaction, *, every: timedelta, now: datetime) -> bool:
    """Tell whether it is time for the next sweep; a shop younger than `every` is not swept by itself.

    One that failed is tried again an hour later, or after `every` if that is sooner.
    """
    return bool(every) and store.is_due(tx, since=now - every, tried_since=now - min(every, _TRY_AGAIN))


def get_sweep_state(tx: Transaction) -> SweepState:
    """Return how the latest sweeps stand, for whoever watches over the shop."""
    return store.get_state(tx)


def _finish(
    db: Database, sweep_id: str, found: list[FoundCase], report: dict[str, Any], *, seen_until: datetime
) -> SweepRun:
    now = clock.read_clock()
    with db.transaction() as tx:
        merged = cases.merge_found(tx, found=found, sweep_id=sweep_id, seen_until=seen_until, now=now)
        counts = report["counts"] | {"cases": asdict(merged)}
        store.end_sweep(tx, sweep_id=sweep_id, counts=counts, seconds=report["seconds"], now=now)
        run = store.list_sweeps(tx, before=None, limit=1)[0]
    log.info("risk.swept", sweep_id=sweep_id, **asdict(merged))
    return run


def _tell_problem(error: BaseException) -> str:
    """Say why a sweep failed; one that is ended in the middle of a query looks as if the server had gone."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, SweepEnded | TimeoutError):
        cause = cause.__cause__ or cause.__context__
    told = cause or error
    return f"{type(told).__name__}: {told}"[:500]


def _blind(kind: str, value: str) -> str:
    """Addresses are compared as text and kept as digests."""
    return hashlib.sha256(value.encode()).hexdigest() if kind == "address" else value


def _iter_rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
