"""Rows of cases, and the history of each."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from tuike.db import Transaction
from tuike.risk.cases.model import CaseEvent, CaseSource, CaseState, RiskCase

_COLUMNS = (
    "id, source, state, pattern, score, orders_count, commission_base_minor, summary, assignee_id, assignee_name, "
    "version, sweep_id, created_at, updated_at, decided_at, decided_by, joined_orders_count"
)


def add_case(tx: Transaction, case: RiskCase) -> None:
    """Insert a case without members."""
    names = _COLUMNS.split(", ")
    values = ", ".join(f":{name}" for name in names)
    tx.execute(
        text(f"INSERT INTO risk_cases ({_COLUMNS}) VALUES ({values})"), {name: getattr(case, name) for name in names}
    )


def set_case(tx: Transaction, case: RiskCase) -> None:
    """Write everything of a case that can change."""
    names = [name for name in _COLUMNS.split(", ") if name not in ("id", "source", "created_at")]
    values = ", ".join(f"{name} = :{name}" for name in names)
    tx.execute(
        text(f"UPDATE risk_cases SET {values} WHERE id = :id"), {name: getattr(case, name) for name in (*names, "id")}
    )


def find_case(tx: Transaction, *, case_id: str, lock: bool = False) -> RiskCase | None:
    """Return a case, locked when asked."""
    query = f"SELECT {_COLUMNS} FROM risk_cases WHERE id = :id{' FOR NO KEY UPDATE' if lock else ''}"
    row = tx.execute(text(query), {"id": case_id}).one_or_none()
    return _case(row) if row else None


def list_cases(
    tx: Transaction, *, state: str | None, assignee_id: str | None, before: str | None, limit: int
) -> list[RiskCase]:
    """Return cases, newest first."""
    asked = {"state": state, "assignee_id": assignee_id, "before": before}
    given = {name: value for name, value in asked.items() if value is not None}
    conditions = {"state": "state = :state", "assignee_id": "assignee_id = :assignee_id", "before": "id < :before"}
    where = " AND ".join(conditions[name] for name in given) or "true"
    rows = tx.execute(
        text(f"SELECT {_COLUMNS} FROM risk_cases WHERE {where} ORDER BY id DESC LIMIT :limit"), given | {"limit": limit}
    )
    return [_case(row) for row in rows]


def list_unseen(tx: Transaction, *, until: datetime) -> list[str]:
    """Return the open cases that orders opened until an instant and that no sweep has said anything about."""
    rows = tx.execute(
        text(
            """
            SELECT c.id FROM risk_cases c
            WHERE c.state = 'open' AND c.source = 'orders' AND c.sweep_id IS NULL AND c.created_at <= :until
              AND NOT EXISTS (SELECT 1 FROM risk_case_events e WHERE e.case_id = c.id AND e.action = 'not_found')
            ORDER BY c.id FOR NO KEY UPDATE
            """
        ),
        {"until": until},
    )
    return [row.id for row in rows]


def list_confirmed(tx: Transaction, *, limit: int) -> list[str]:
    """Return the confirmed cases, the newest ones."""
    rows = tx.execute(
        text("SELECT id FROM risk_cases WHERE state IN ('confirmed', 'banned') ORDER BY id DESC LIMIT :limit"),
        {"limit": limit},
    )
    return [row.id for row in rows]


def add_event(
    tx: Transaction,
    *,
    case_id: str,
    actor_id: str,
    actor_name: str,
    action: str,
    note: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> None:
    """Add to a case's history; the case must be locked."""
    tx.execute(
        text(
            """
            INSERT INTO risk_case_events (case_id, no, at, actor_id, actor_name, action, note, detail)
            SELECT :case_id, coalesce(max(no), 0) + 1, :now, :actor_id, :actor_name, :action, :note, :detail
            FROM risk_case_events WHERE case_id = :case_id
            """
        ).bindparams(bindparam("detail", type_=JSONB)),
        {
            "case_id": case_id,
            "now": now,
            "actor_id": actor_id,
            "actor_name": actor_name,
            "action": action,
            "note": note,
            "detail": dict(detail),
        },
    )


def list_events(tx: Transaction, *, case_id: str) -> list[CaseEvent]:
    """Return a case's history, oldest first, its last 1,000 entries."""
    rows = tx.execute(
        text(
            "SELECT no, at, actor_id, actor_name, action, note, detail FROM risk_case_events "
            "WHERE case_id = :case_id ORDER BY no DESC LIMIT 1000"
        ),
        {"case_id": case_id},
    )
    return [CaseEvent(*row) for row in rows][::-1]


def _case(row: Row[Any]) -> RiskCase:
    values = row._asdict()
    values["source"] = CaseSource(values["source"])
    values["state"] = CaseState(values["state"])
    return RiskCase(**values)
