"""Rows of imports, and the locks by which one runs after the other."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from tuike.catalog.model import Import, ImportState
from tuike.db import Transaction

_ONE_AT_A_TIME = 7_485_006
_OF_MERCHANT = 7_485_007
_COLUMNS = (
    "id, merchant_id, is_dry_run, byte_count, made_by, state, products_done, products_total, created, changed, skus, "
    "problem, message, faults, created_at, started_at, finished_at"
)


def try_lock(tx: Transaction) -> bool:
    """Tell whether this transaction is the one that runs imports now; nobody waits."""
    return bool(tx.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _ONE_AT_A_TIME}).scalar_one())


def try_lock_merchant(tx: Transaction, *, merchant_id: str) -> bool:
    """Do as `lock_merchant` does unless somebody else has the lock; tell whether it was taken."""
    query = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:merchant_id, :lock))")
    return bool(tx.execute(query, {"merchant_id": merchant_id, "lock": _OF_MERCHANT}).scalar_one())


def lock_merchant(tx: Transaction, *, merchant_id: str) -> None:
    """Let no other import write this merchant's catalogue until the end of the transaction."""
    query = text("SELECT pg_advisory_xact_lock(hashtextextended(:merchant_id, :lock))")
    tx.execute(query, {"merchant_id": merchant_id, "lock": _OF_MERCHANT})


def insert_import(
    tx: Transaction, *, import_id: str, merchant_id: str, content: bytes, is_dry_run: bool, made_by: str, now: datetime
) -> None:
    """Keep a sheet that waits to be imported."""
    tx.execute(
        text(
            "INSERT INTO catalog_imports (id, merchant_id, is_dry_run, content, byte_count, made_by, created_at) "
            "VALUES (:id, :merchant_id, :is_dry_run, :content, :byte_count, :made_by, :now)"
        ),
        {
            "id": import_id, "merchant_id": merchant_id, "is_dry_run": is_dry_run, "content": content,
            "byte_count": len(content), "made_by": made_by, "now": now,
        },
    )  # fmt: skip


def count_open(tx: Transaction, *, merchant_id: str) -> int:
    """Return how many sheets of a merchant have not ended."""
    query = "SELECT count(*) FROM catalog_imports WHERE state IN ('waiting', 'running') AND merchant_id = :merchant_id"
    return int(tx.execute(text(query), {"merchant_id": merchant_id}).scalar_one())


def find_next(tx: Transaction) -> Import | None:
    """Return the import that has waited longest, or whose worker died."""
    query = f"SELECT {_COLUMNS} FROM catalog_imports WHERE state IN ('waiting', 'running') ORDER BY id LIMIT 1"
    row = tx.execute(text(query)).one_or_none()
    return None if row is None else _read(row)


def find_import(tx: Transaction, *, import_id: str) -> Import | None:
    """Return an import."""
    row = tx.execute(text(f"SELECT {_COLUMNS} FROM catalog_imports WHERE id = :id"), {"id": import_id}).one_or_none()
    return None if row is None else _read(row)


def list_imports(tx: Transaction, *, merchant_ids: Sequence[str], before: str | None, limit: int) -> list[Import]:
    """Return imports, newest first; with `merchant_ids` those only."""
    query = (
        f"SELECT {_COLUMNS} FROM catalog_imports WHERE (:all OR merchant_id = ANY (:merchant_ids)) "
        "AND (CAST(:before AS text) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
    )
    values = {"all": not merchant_ids, "merchant_ids": list(merchant_ids), "before": before, "limit": limit}
    return [_read(row) for row in tx.execute(text(query), values)]


def begin(tx: Transaction, *, import_id: str, now: datetime) -> tuple[int, bytes]:
    """Write that an import runs from now on; return the how-manieth attempt it is, and its sheet."""
    row = tx.execute(
        text(
            "UPDATE catalog_imports SET state = 'running', attempts = attempts + 1, products_done = 0, "
            "started_at = coalesce(started_at, :now) WHERE id = :id RETURNING attempts, content"
        ),
        {"id": import_id, "now": now},
    ).one()
    return row.attempts, bytes(row.content)


def note_progress(tx: Transaction, *, import_id: str, done: int, total: int | None) -> None:
    """Write how many products are done."""
    query = "UPDATE catalog_imports SET products_done = :done, products_total = :total WHERE id = :id"
    tx.execute(text(query), {"id": import_id, "done": done, "total": total})


def end(
    tx: Transaction,
    *,
    import_id: str,
    state: ImportState,
    counts: Mapping[str, int] | None = None,
    problem: str | None = None,
    message: str | None = None,
    faults: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write how an import ended, and let its sheet go."""
    values = {"created": None, "changed": None, "skus": None, **(counts or {})}
    tx.execute(
        text(
            "UPDATE catalog_imports SET state = :state, content = NULL, created = :created, changed = :changed, "
            "skus = :skus, problem = :problem, message = :message, faults = CAST(:faults AS jsonb), "
            "finished_at = clock_timestamp() WHERE id = :id"
        ),
        values | {
            "id": import_id, "state": state.value, "problem": problem, "message": message,
            "faults": json.dumps(faults or {}),
        },
    )  # fmt: skip


def _read(row: Row[Any]) -> Import:
    values = row._asdict()
    return Import(**values | {"state": ImportState(values["state"])})
