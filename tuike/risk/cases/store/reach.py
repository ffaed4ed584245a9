"""Who stands near a confirmed case, and the edges that looking around it saw."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Float, Text

from tuike.db import Transaction
from tuike.risk.cases.model import Evidence, Reach
from tuike.risk.cases.store.evidence import append_evidence

_ADD_REACH = text(
    """
    INSERT INTO risk_reach (case_id, account_kind, account_id, score, distance, members)
    SELECT :case_id, * FROM unnest(:kinds, :ids, :scores, CAST(:distances AS smallint[]), CAST(:members AS integer[]))
    """
).bindparams(
    bindparam("kinds", type_=ARRAY(Text)), bindparam("ids", type_=ARRAY(Text)),
    bindparam("scores", type_=ARRAY(Float(53))),
)  # fmt: skip


def replace_reach(tx: Transaction, *, case_id: str, reach: Sequence[Reach]) -> None:
    """Write anew who stands near a case."""
    tx.execute(text("DELETE FROM risk_reach WHERE case_id = :case_id"), {"case_id": case_id})
    tx.execute(
        _ADD_REACH,
        {
            "case_id": case_id,
            "kinds": [one.account_kind for one in reach],
            "ids": [one.account_id for one in reach],
            "scores": [one.score for one in reach],
            "distances": [one.distance for one in reach],
            "members": [one.members for one in reach],
        },
    )


def replace_reach_evidence(
    tx: Transaction, *, case_id: str, evidence: Sequence[Evidence], now: datetime | None
) -> None:
    """Write anew which edges looking around a case has seen, but for those that its evidence has already."""
    tx.execute(
        text("DELETE FROM risk_case_evidence WHERE case_id = :case_id AND origin = 'reach'"), {"case_id": case_id}
    )
    if now is None:
        return
    rows = tx.execute(
        text(
            "SELECT DISTINCT from_kind, from_id, to_kind, to_id FROM risk_case_evidence "
            "WHERE case_id = :case_id AND relation = 'used'"
        ),
        {"case_id": case_id},
    )
    known = {tuple(row) for row in rows}
    fresh = [edge for edge in evidence if (edge.from_kind, edge.from_id, edge.to_kind, edge.to_id) not in known]
    append_evidence(tx, edges=[(case_id, edge) for edge in fresh], origin="reach", now=now)


def list_reach_keys(tx: Transaction, *, case_id: str) -> set[tuple[str, str]]:
    """Return the accounts near a case."""
    rows = tx.execute(
        text("SELECT account_kind, account_id FROM risk_reach WHERE case_id = :case_id"), {"case_id": case_id}
    )
    return {(row.account_kind, row.account_id) for row in rows}


def list_reach(tx: Transaction, *, case_id: str, after: int, limit: int) -> list[Reach]:
    """Return accounts near a case, the nearest first, from the `after`-th on."""
    rows = tx.execute(
        text(
            "SELECT account_kind, account_id, score, distance, members FROM risk_reach WHERE case_id = :case_id "
            "ORDER BY score DESC, account_kind, account_id OFFSET :after LIMIT :limit"
        ),
        {"case_id": case_id, "after": after, "limit": limit},
    )
    return [Reach(*row) for row in rows]
