"""The SQL of the workbench."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from tuike.db import Transaction
from tuike.workbench.model import Hit, Origin, Outcome, Rule, Run, SavedQuery

_RUN = (
    "id, author_id, author_name, origin, query_name, text, params, started_at, duration_ms, row_count, outcome, message"
)
_QUERY = "id, owner_id, name, about, text, params, shared, version, created_at, updated_at"
_RULE = (
    'id, name, owner_id, query_id, library_name, params, "column", threshold, every_minutes, dry_run, enabled,'
    " version, created_at, next_at, last_run_id"
)
_HIT = 'id, rule_id, run_id, value, "row", explanation, explanation_zh, dry_run, found_at, seen_at'

_ADD_RUN = text(
    "INSERT INTO workbench_runs (id, author_id, author_name, origin, query_name, text, params, started_at, outcome)"
    " VALUES (:id, :author_id, :author_name, :origin, :query_name, :text, CAST(:params AS jsonb), :started_at,"
    " :outcome)"
)
_END_RUN = text(
    "UPDATE workbench_runs SET outcome = :outcome, duration_ms = :duration_ms, row_count = :row_count,"
    " message = :message WHERE id = :id"
)
_GET_RUN = text(f"SELECT {_RUN} FROM workbench_runs WHERE id = :id")
_LIST_RUNS = text(
    f"SELECT {_RUN} FROM workbench_runs WHERE (CAST(:before AS text) IS NULL OR id < :before)"
    " AND (CAST(:author_id AS text) IS NULL OR author_id = :author_id)"
    " AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome) ORDER BY id DESC LIMIT :limit"
)
_MASK_KEY = text("SELECT mask_key FROM workbench_settings")
_ADD_QUERY = text(
    f"INSERT INTO workbench_queries ({_QUERY}) VALUES (:id, :owner_id, :name, :about, :text, CAST(:params AS jsonb),"
    " :shared, :version, :created_at, :updated_at) ON CONFLICT DO NOTHING"
)
_ADD_VERSION = text(
    "INSERT INTO workbench_query_versions (query_id, version, author_id, name, about, text, params, shared, saved_at)"
    " VALUES (:id, :version, :author_id, :name, :about, :text, CAST(:params AS jsonb), :shared, :updated_at)"
)
_FIND_QUERY = text(f"SELECT {_QUERY} FROM workbench_queries WHERE id = :id AND deleted_at IS NULL")
_LOCK_QUERY = text(f"SELECT {_QUERY} FROM workbench_queries WHERE id = :id AND deleted_at IS NULL FOR UPDATE")
_FIND_QUERY_NAMED = text(
    f"SELECT {_QUERY} FROM workbench_queries WHERE owner_id = :owner_id AND name = :name AND deleted_at IS NULL"
)
_COUNT_QUERIES = text("SELECT count(*) FROM workbench_queries WHERE owner_id = :owner_id AND deleted_at IS NULL")
_LIST_QUERIES = text(
    f"SELECT {_QUERY} FROM workbench_queries WHERE deleted_at IS NULL AND (owner_id = :owner_id OR shared)"
    " AND (CAST(:before AS text) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
)
_LIST_VERSIONS = text(
    "SELECT query_id, version, author_id, name, about, text, params, shared, saved_at FROM workbench_query_versions"
    " WHERE query_id = :id AND (CAST(:before AS bigint) IS NULL OR version < :before)"
    " ORDER BY version DESC LIMIT :limit"
)
_CHANGE_QUERY = text(
    "UPDATE workbench_queries SET name = :name, about = :about, text = :text, params = CAST(:params AS jsonb),"
    " shared = :shared, version = :version, updated_at = :updated_at WHERE id = :id"
)
_DROP_QUERY = text("UPDATE workbench_queries SET deleted_at = :now WHERE id = :id")
_COUNT_RULES_OF = text("SELECT count(*) FROM workbench_rules WHERE query_id = :id AND deleted_at IS NULL")
_ADD_RULE = text(
    f"INSERT INTO workbench_rules ({_RULE}) VALUES (:id, :name, :owner_id, :query_id, :library_name,"
    " CAST(:params AS jsonb), :column, :threshold, :every_minutes, :dry_run, :enabled, :version, :created_at,"
    " :next_at, :last_run_id) ON CONFLICT DO NOTHING"
)
_FIND_RULE = text(f"SELECT {_RULE} FROM workbench_rules WHERE id = :id AND deleted_at IS NULL")
_LOCK_RULE = text(f"SELECT {_RULE} FROM workbench_rules WHERE id = :id AND deleted_at IS NULL FOR UPDATE")
_COUNT_RULES = text("SELECT count(*) FROM workbench_rules WHERE deleted_at IS NULL")
_LIST_RULES = text(
    f"SELECT {_RULE} FROM workbench_rules WHERE deleted_at IS NULL AND (CAST(:before AS text) IS NULL OR id < :before)"
    " ORDER BY id DESC LIMIT :limit"
)
_CHANGE_RULE = text(
    "UPDATE workbench_rules SET params = CAST(:params AS jsonb), threshold = :threshold,"
    " every_minutes = :every_minutes,"
    " dry_run = :dry_run, enabled = :enabled, next_at = :next_at, version = version + 1 WHERE id = :id"
)
_DROP_RULE = text("UPDATE workbench_rules SET deleted_at = :now WHERE id = :id")
_CLAIM_RULE = text(
    "UPDATE workbench_rules SET next_at = CAST(:now AS timestamptz) + make_interval(mins => every_minutes)"
    " WHERE id = (SELECT id FROM workbench_rules WHERE enabled AND deleted_at IS NULL AND next_at <= :now"
    f" ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING {_RULE}"
)
_NOTE_RULE_RUN = text("UPDATE workbench_rules SET last_run_id = :run_id WHERE id = :id")
_ADD_HIT = text(
    f"INSERT INTO workbench_hits ({_HIT}, row_hash) VALUES (:id, :rule_id, :run_id, :value, CAST(:row AS jsonb),"
    " :explanation, :explanation_zh, :dry_run, :now, :now, :row_hash)"
    " ON CONFLICT (rule_id, row_hash) DO UPDATE SET seen_at = :now, run_id = :run_id, dry_run = excluded.dry_run"
)
_LIST_HITS = text(
    f"SELECT {_HIT} FROM workbench_hits WHERE rule_id = :rule_id AND (CAST(:before AS text) IS NULL OR id < :before)"
    " ORDER BY id DESC LIMIT :limit"
)


def dump(value: Any) -> str:
    """Return JSON that PostgreSQL takes: it knows no NUL in text."""
    return json.dumps(_clean_all(value), ensure_ascii=False, allow_nan=False)


def _clean_all(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): _clean_all(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_all(item) for item in value]
    return value


def clean(words: str) -> str:
    """Return text that PostgreSQL and UTF-8 can keep; what cannot be kept is marked."""
    return words.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def add_run(tx: Transaction, run: Run) -> None:
    tx.execute(
        _ADD_RUN,
        {
            "id": run.id, "author_id": run.author_id, "author_name": run.author_name, "origin": run.origin.value,
            "query_name": run.query_name, "text": clean(run.text), "params": dump(run.params),
            "started_at": run.started_at, "outcome": run.outcome.value,
        },
    )  # fmt: skip


def end_run(
    tx: Transaction, *, run_id: str, outcome: Outcome, duration_ms: int, row_count: int | None, message: str | None
) -> None:
    tx.execute(
        _END_RUN,
        {
            "id": run_id, "outcome": outcome.value, "duration_ms": duration_ms, "row_count": row_count,
            "message": None if message is None else clean(message),
        },
    )  # fmt: skip


def find_run(tx: Transaction, run_id: str) -> Run | None:
    row = tx.execute(_GET_RUN, {"id": run_id}).one_or_none()
    return None if row is None else _to_run(row)


def list_runs(
    tx: Transaction, *, author_id: str | None, outcome: str | None, before: str | None, limit: int
) -> list[Run]:
    rows = tx.execute(_LIST_RUNS, {"author_id": author_id, "outcome": outcome, "before": before, "limit": limit})
    return [_to_run(row) for row in rows]


def get_mask_key(tx: Transaction) -> bytes:
    return str(tx.execute(_MASK_KEY).scalar_one()).encode()


def add_query(tx: Transaction, query: SavedQuery) -> bool:
    """Add a query and its first version; False when the owner has another of that name."""
    values = _query_values(query)
    if not tx.execute(_ADD_QUERY, values).rowcount:
        return False
    tx.execute(_ADD_VERSION, values | {"author_id": query.owner_id})
    return True


def find_query(tx: Transaction, query_id: str, *, lock: bool = False) -> SavedQuery | None:
    row = tx.execute(_LOCK_QUERY if lock else _FIND_QUERY, {"id": query_id}).one_or_none()
    return None if row is None else SavedQuery(*row)


def find_query_named(tx: Transaction, *, owner_id: str, name: str) -> SavedQuery | None:
    row = tx.execute(_FIND_QUERY_NAMED, {"owner_id": owner_id, "name": name}).one_or_none()
    return None if row is None else SavedQuery(*row)


def count_queries(tx: Transaction, owner_id: str) -> int:
    return int(tx.execute(_COUNT_QUERIES, {"owner_id": owner_id}).scalar_one())


def list_queries(tx: Transaction, *, owner_id: str, before: str | None, limit: int) -> list[SavedQuery]:
    rows = tx.execute(_LIST_QUERIES, {"owner_id": owner_id, "before": before, "limit": limit})
    return [SavedQuery(*row) for row in rows]


def list_versions(tx: Transaction, *, query_id: str, before: int | None, limit: int) -> Sequence[Mapping[str, Any]]:
    rows = tx.execute(_LIST_VERSIONS, {"id": query_id, "before": before, "limit": limit})
    return [row._asdict() for row in rows]


def change_query(tx: Transaction, query: SavedQuery, *, author_id: str) -> None:
    values = _query_values(query)
    tx.execute(_CHANGE_QUERY, values)
    tx.execute(_ADD_VERSION, values | {"author_id": author_id})


def drop_query(tx: Transaction, *, query_id: str, now: datetime) -> None:
    tx.execute(_DROP_QUERY, {"id": query_id, "now": now})


def count_rules_of(tx: Transaction, query_id: str) -> int:
    return int(tx.execute(_COUNT_RULES_OF, {"id": query_id}).scalar_one())


def add_rule(tx: Transaction, rule: Rule) -> bool:
    """Add a rule; False when another has its name."""
    values = {name: getattr(rule, name) for name in Rule.__slots__} | {"params": dump(rule.params)}
    return bool(tx.execute(_ADD_RULE, values).rowcount)


def find_rule(tx: Transaction, rule_id: str, *, lock: bool = False) -> Rule | None:
    row = tx.execute(_LOCK_RULE if lock else _FIND_RULE, {"id": rule_id}).one_or_none()
    return None if row is None else Rule(*row)


def count_rules(tx: Transaction) -> int:
    return int(tx.execute(_COUNT_RULES).scalar_one())


def list_rules(tx: Transaction, *, before: str | None, limit: int) -> list[Rule]:
    return [Rule(*row) for row in tx.execute(_LIST_RULES, {"before": before, "limit": limit})]


def change_rule(tx: Transaction, rule: Rule) -> None:
    values = {name: getattr(rule, name) for name in Rule.__slots__} | {"params": dump(rule.params)}
    tx.execute(_CHANGE_RULE, values)


def drop_rule(tx: Transaction, *, rule_id: str, now: datetime) -> None:
    tx.execute(_DROP_RULE, {"id": rule_id, "now": now})


def claim_rule(tx: Transaction, *, now: datetime) -> Rule | None:
    """Take the rule that is most due and put it down for its next time; nobody else gets it meanwhile."""
    row = tx.execute(_CLAIM_RULE, {"now": now}).one_or_none()
    return None if row is None else Rule(*row)


def note_rule_run(tx: Transaction, *, rule_id: str, run_id: str) -> None:
    tx.execute(_NOTE_RULE_RUN, {"id": rule_id, "run_id": run_id})


def add_hits(tx: Transaction, hits: Sequence[tuple[Hit, bytes]], *, now: datetime) -> None:
    """Keep hits; one that is known already is only seen again."""
    rows = [
        {
            "id": hit.id, "rule_id": hit.rule_id, "run_id": hit.run_id, "value": hit.value, "row": dump(hit.row),
            "explanation": clean(hit.explanation), "explanation_zh": clean(hit.explanation_zh),
            "dry_run": hit.dry_run, "now": now, "row_hash": row_hash,
        }
        for hit, row_hash in hits
    ]  # fmt: skip
    if rows:
        tx.execute(_ADD_HIT, rows)


def list_hits(tx: Transaction, *, rule_id: str, before: str | None, limit: int) -> list[Hit]:
    rows = tx.execute(_LIST_HITS, {"rule_id": rule_id, "before": before, "limit": limit})
    return [Hit(*row) for row in rows]


def _query_values(query: SavedQuery) -> dict[str, Any]:
    values = {name: getattr(query, name) for name in SavedQuery.__slots__}
    return values | {"params": dump(query.params)}


def _to_run(row: Row[Any]) -> Run:
    values = row._asdict()
    return Run(**values | {"origin": Origin(values["origin"]), "outcome": Outcome(values["outcome"])})
