"""The living shop as the files of a world, streamed; and the rows of sweeps."""

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from tuike import team
from tuike.db import Database, Transaction
from tuike.graph import Graph, journal
from tuike.risk.live.model import SweepRun, SweepState
from tuike.shared.clock import format_instant, from_micros

_LOCK = 7_485_011
"""Advisory lock of whoever sweeps; held by the session, so a sweep that dies frees it."""
_PAGE = 1_000
_LATEST = 100
_UNFINISHED = "The process ended before the sweep did."
# The row of a killed sweep says what it said; that nobody holds the right to sweep tells that it runs no more.
_SWEEPS = f"""
    SELECT id, CASE WHEN is_lost THEN 'failed' ELSE state END AS state, started_at,
           CASE WHEN is_lost THEN coalesce(progressed_at, started_at) ELSE finished_at END AS finished_at,
           counts, seconds, CASE WHEN is_lost THEN '{_UNFINISHED}' ELSE problem END AS problem,
           stage, stage_done, stage_total, progressed_at
    FROM (SELECT *, state = 'running' AND NOT EXISTS (
              SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = {_LOCK}
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS is_lost
          FROM risk_sweeps) sweeps
"""

_AT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


def _at(column: str) -> str:
    return _AT.format(column)


def _micros(column: str) -> str:
    return _at(f"to_timestamp(({column})::double precision / 1000000)")


_DIGEST = "encode(sha256(convert_to({}, 'UTF8')), 'hex')"

_TABLES: Mapping[str, str] = {
    "buyers.csv": f"""
        SELECT b.id AS buyer_id, {_at("s.created_at")} AS registered_at
        FROM (SELECT buyer_id AS id FROM orders
              UNION SELECT payload->>'buyer_id' FROM journal WHERE kind = 'touch' AND payload->>'buyer_id' <> '') b
        LEFT JOIN shoppers s ON s.id = b.id
    """,
    "touches.csv": f"""
        SELECT t.id AS touch_id, t.payload->>'promoter_id' AS promoter_id,
               coalesce(t.payload->>'buyer_id', o.buyer_id) AS buyer_id,
               t.payload->>'parent_touch_id' AS parent_touch_id,
               {_micros("t.payload->>'at'")} AS at
        FROM journal t
        LEFT JOIN (SELECT attribution_touch_id AS id, min(buyer_id) AS buyer_id FROM orders
                   WHERE attribution_touch_id IS NOT NULL GROUP BY 1) o ON o.id = t.id
        WHERE t.kind = 'touch'
    """,
    "orders.csv": f"""
        SELECT o.id AS order_id, o.buyer_id, o.attribution_promoter_id AS promoter_id, l.sku, l.amount_minor,
               {_at("o.placed_at")} AS placed_at, {_at("o.paid_at")} AS paid_at, {_at("o.received_at")} AS received_at,
               {_at("r.refunded_at")} AS refunded_at
        FROM orders o JOIN order_lines l ON l.order_id = o.id
        LEFT JOIN (SELECT order_id, min(refunded_at) AS refunded_at FROM refunds GROUP BY 1) r ON r.order_id = o.id
    """,
    "same_person.csv": """
        SELECT p.id AS promoter_id, p.external_id AS buyer_id FROM promoters p
        WHERE EXISTS (SELECT 1 FROM orders o WHERE o.buyer_id = p.external_id)
           OR EXISTS (SELECT 1 FROM journal t WHERE t.kind = 'touch' AND t.subject = p.external_id
                      AND t.payload->>'buyer_id' = p.external_id)
    """,
}

# Beside what the graph knows: the devices and addresses of browsers that ordered, and accounts that were paid or pay.
_IDENTIFIERS = f"""
    SELECT 'buyer', o.buyer_id, j.payload->>'kind', j.payload->>'digest', {_micros("j.payload->>'at'")}
    FROM orders o JOIN journal j ON j.kind = 'identifier' AND j.subject = o.visitor_id
    WHERE o.visitor_id IS NOT NULL AND j.payload->>'label' = 'Visitor'
    UNION
    SELECT 'promoter', promoter_id, 'payout_account', {_DIGEST.format("method || '|' || account")},
           {_at("max(requested_at)")}
    FROM withdrawals WHERE account IS NOT NULL GROUP BY 1, 2, 3, 4
    UNION
    SELECT 'buyer', shopper_id, 'payment_account', {_DIGEST.format("provider || '|' || payer_id")},
           {_at("max(created_at)")}
    FROM payments WHERE payer_id IS NOT NULL AND state = 'succeeded' GROUP BY 1, 2, 3, 4
    UNION
    SELECT 'buyer', shopper_id, 'phone', {_DIGEST.format("phone")}, {_at("max(created_at)")}
    FROM addresses WHERE phone <> '' GROUP BY 1, 2, 3, 4
    UNION
    SELECT 'buyer', shopper_id, 'address', region || ' ' || detail, {_at("max(created_at)")}
    FROM addresses WHERE detail <> '' GROUP BY 1, 2, 3, 4
"""


@contextmanager
def only_sweep(db: Database) -> Iterator[bool]:
    """Hold the right to sweep for a block; False where somebody else has it."""
    with db.engine.connect() as connection:
        taken = bool(connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar_one())
        connection.commit()
        try:
            yield taken
        finally:
            if taken:
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                connection.commit()


def export_world(
    tx: Transaction, graph: Graph, directory: Path, *, progress: Callable[[str, int, int | None], None]
) -> None:
    """Write the files of a sweep as of one instant of PostgreSQL; nothing is held in memory but a page.

    Takes a fresh transaction. Raises GraphUnavailable.
    """
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    for number, (name, query) in enumerate(_TABLES.items()):
        progress(f"reading {name}", number, len(_TABLES) + 2)
        with (directory / name).open("wb") as file:
            _copy(tx, f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)", file.write)
    progress("reading promoters.csv", len(_TABLES), len(_TABLES) + 2)
    _write_rows(directory / "promoters.csv", ("promoter_id", "joined_at", "inviter_id"), _iter_promoters(tx, graph))
    progress("reading identifiers.csv", len(_TABLES) + 1, len(_TABLES) + 2)
    target = directory / "identifiers.csv"
    header = ("account_kind", "account_id", "kind", "value", "seen_at")
    _write_rows(target, header, _iter_usage(tx, graph))
    with target.open("ab") as file:
        _copy(tx, f"COPY ({_IDENTIFIERS}) TO STDOUT WITH (FORMAT csv)", file.write)


def _copy(tx: Transaction, statement: str, write: Callable[[Any], object]) -> None:
    driver = tx.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for data in copy:
            write(data)


def _write_rows(path: Path, header: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _iter_promoters(tx: Transaction, graph: Graph) -> Iterator[tuple[object, ...]]:
    after = ""
    while True:
        rows = tx.execute(
            text("SELECT id, joined_at FROM promoters WHERE id > :after ORDER BY id LIMIT :page"),
            {"after": after, "page": _PAGE},
        ).all()
        uplines = team.list_uplines(graph, promoter_ids=[row.id for row in rows]) if rows else {}
        for row in rows:
            above = uplines.get(row.id)
            yield row.id, format_instant(row.joined_at), above[0].promoter_id if above else ""
        if len(rows) < _PAGE:
            return
        after = rows[-1].id


def _iter_usage(tx: Transaction, graph: Graph) -> Iterator[tuple[object, ...]]:
    for page in journal.iter_identified_accounts(tx, page=_PAGE):
        for person_id, promoter_id, uses in _list_usage(graph, page):
            account = ("promoter", promoter_id) if promoter_id else ("buyer", person_id)
            for kind, digest, last_at in uses:
                yield *account, kind, digest, format_instant(from_micros(last_at))


def _list_usage(graph: Graph, person_ids: list[str]) -> list[Any]:
    rows = graph.read("risk.list_usage", person_ids=person_ids)
    return list(rows[0]["found"]) if rows else []


def add_sweep(tx: Transaction, *, sweep_id: str, now: datetime) -> None:
    """Insert a sweep that begins, and close those whose process ended before them. Needs the right to sweep."""
    tx.execute(
        text("UPDATE risk_sweeps SET state = 'failed', finished_at = :now, problem = :problem WHERE state = 'running'"),
        {"now": now, "problem": _UNFINISHED},
    )
    tx.execute(
        text("INSERT INTO risk_sweeps (id, state, started_at) VALUES (:id, 'running', :now)"),
        {"id": sweep_id, "now": now},
    )


def end_sweep(
    tx: Transaction,
    *,
    sweep_id: str,
    counts: Mapping[str, Any] | None = None,
    seconds: Mapping[str, Any] | None = None,
    problem: str | None = None,
    now: datetime,
) -> None:
    """Write how a sweep ended."""
    tx.execute(
        text(
            "UPDATE risk_sweeps SET state = :state, finished_at = :now, counts = :counts, seconds = :seconds, "
            "problem = :problem WHERE id = :id"
        ).bindparams(
            bindparam("counts", type_=JSONB(none_as_null=True)), bindparam("seconds", type_=JSONB(none_as_null=True))
        ),
        {
            "id": sweep_id,
            "state": "done" if problem is None else "failed",
            "now": now,
            "counts": None if counts is None else dict(counts),
            "seconds": None if seconds is None else dict(seconds),
            "problem": problem,
        },
    )


def note_progress(tx: Transaction, *, sweep_id: str, stage: str, done: int, total: int | None, now: datetime) -> None:
    """Write what a sweep that runs is doing."""
    tx.execute(
        text(
            "UPDATE risk_sweeps SET stage = :stage, stage_done = :done, stage_total = :total, progressed_at = :now "
            "WHERE id = :id AND state = 'running'"
        ),
        {"id": sweep_id, "stage": stage[:100], "done": done, "total": total, "now": now},
    )


def get_state(tx: Transaction) -> SweepState:
    """Return how the latest sweeps stand."""
    row = tx.execute(
        text(
            f"""
            SELECT max(finished_at) FILTER (WHERE state = 'done') AS done_at,
                   max(finished_at) FILTER (WHERE state = 'failed') AS failed_at,
                   max(started_at) FILTER (WHERE state = 'running') AS running_since
            FROM ({_SWEEPS} ORDER BY id DESC LIMIT {_LATEST}) latest
            """
        )
    ).one()
    return SweepState(row.done_at, row.failed_at, row.running_since)


def list_sweeps(tx: Transaction, *, before: str | None, limit: int) -> list[SweepRun]:
    """Return sweeps, newest first."""
    where = "WHERE id < :before" if before is not None else ""
    rows = tx.execute(
        text(f"{_SWEEPS} {where} ORDER BY id DESC LIMIT :limit"),
        {"limit": limit} | ({"before": before} if before is not None else {}),
    )
    return [SweepRun(*row) for row in rows]


def is_due(tx: Transaction, *, since: datetime, tried_since: datetime) -> bool:
    """Tell whether the shop has older orders, no sweep ended well since, and none was tried just now."""
    return bool(
        tx.execute(
            text(
                f"""
                SELECT (SELECT created_at FROM orders ORDER BY id LIMIT 1) <= :since
                   AND NOT EXISTS (
                       SELECT 1 FROM (SELECT state, started_at FROM risk_sweeps ORDER BY id DESC LIMIT {_LATEST}) last
                       WHERE (last.state = 'done' AND last.started_at > :since) OR last.started_at > :tried_since)
                """
            ),
            {"since": since, "tried_since": tried_since},
        ).scalar_one()
    )
