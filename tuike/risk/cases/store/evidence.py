"""The edges that prove a case, whoever saw them: a sweep, orders, or a look around it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Float, Text

from tuike.db import Transaction
from tuike.risk.cases.model import Evidence, Known
from tuike.risk.model import IdentifierKind

_EVIDENCE_COLUMNS = "from_kind, from_id, relation, to_kind, to_id, weight"
_EVIDENCE_BATCH = 5_000
_APPENDED_FROM = 1_000_000
"""The first number of edges that no sweep wrote."""
_APPENDED_MOST = 4_000
_ADD_EVIDENCE = text(
    f"""
    INSERT INTO risk_case_evidence (case_id, no, {_EVIDENCE_COLUMNS})
    SELECT :case_id, :first + no, from_kind, from_id, relation, to_kind, to_id, weight
    FROM unnest(:from_kinds, :from_ids, :relations, :to_kinds, :to_ids, :weights) WITH ORDINALITY
         AS edge (from_kind, from_id, relation, to_kind, to_id, weight, no)
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("from_kinds", "from_ids", "relations", "to_kinds", "to_ids")),
    bindparam("weights", type_=ARRAY(Float(53))),
)


def replace_evidence(
    tx: Transaction, *, case_id: str, evidence: Sequence[Evidence], seen_until: datetime | None = None
) -> None:
    """Write the evidence of a case anew, the heaviest edges first; what orders added after `seen_until` stays."""
    tx.execute(
        text(
            "DELETE FROM risk_case_evidence WHERE case_id = :case_id "
            "AND (origin = 'sweep' OR (origin = 'order' AND added_at <= :until))"
        ),
        {"case_id": case_id, "until": seen_until},
    )
    ordered = sorted(evidence, key=lambda edge: (-edge.weight, edge.relation, edge.from_id, edge.to_id))
    for first in range(0, len(ordered), _EVIDENCE_BATCH):
        batch = ordered[first : first + _EVIDENCE_BATCH]
        tx.execute(
            _ADD_EVIDENCE,
            {
                "case_id": case_id,
                "first": first,
                "from_kinds": [edge.from_kind for edge in batch],
                "from_ids": [edge.from_id for edge in batch],
                "relations": [edge.relation for edge in batch],
                "to_kinds": [edge.to_kind for edge in batch],
                "to_ids": [edge.to_id for edge in batch],
                "weights": [edge.weight for edge in batch],
            },
        )


_APPEND_EVIDENCE = text(
    f"""
    INSERT INTO risk_case_evidence (case_id, no, {_EVIDENCE_COLUMNS}, origin, added_at)
    SELECT e.case_id, last.no + row_number() OVER (PARTITION BY e.case_id ORDER BY e.place),
           e.from_kind, e.from_id, e.relation, e.to_kind, e.to_id, e.weight, :origin, :now
    FROM unnest(:case_ids, :from_kinds, :from_ids, :relations, :to_kinds, :to_ids, :weights) WITH ORDINALITY
         AS e (case_id, from_kind, from_id, relation, to_kind, to_id, weight, place)
    CROSS JOIN LATERAL (SELECT greatest(:first, coalesce(max(x.no), 0)) AS no FROM risk_case_evidence x
                        WHERE x.case_id = e.case_id) last
    WHERE last.no < :first + :most
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text))
      for name in ("case_ids", "from_kinds", "from_ids", "relations", "to_kinds", "to_ids")),
    bindparam("weights", type_=ARRAY(Float(53))),
)  # fmt: skip


def append_evidence(tx: Transaction, *, edges: Sequence[tuple[str, Evidence]], origin: str, now: datetime) -> None:
    """Add edges to locked cases, after all others, up to a bound; a case that has reached it keeps counting orders."""
    if not edges:
        return
    tx.execute(
        _APPEND_EVIDENCE,
        {
            "case_ids": [case_id for case_id, _ in edges],
            "from_kinds": [edge.from_kind for _, edge in edges],
            "from_ids": [edge.from_id for _, edge in edges],
            "relations": [edge.relation for _, edge in edges],
            "to_kinds": [edge.to_kind for _, edge in edges],
            "to_ids": [edge.to_id for _, edge in edges],
            "weights": [edge.weight for _, edge in edges],
            "origin": origin,
            "now": now,
            "first": _APPENDED_FROM,
            "most": _APPENDED_MOST,
        },
    )


def list_evidence(tx: Transaction, *, case_id: str, after: int, limit: int) -> list[tuple[int, Evidence]]:
    """Return edges of a case with their numbers, the heaviest first."""
    rows = tx.execute(
        text(
            f"SELECT no, {_EVIDENCE_COLUMNS} FROM risk_case_evidence WHERE case_id = :case_id AND no > :after "
            "ORDER BY no LIMIT :limit"
        ),
        {"case_id": case_id, "after": after, "limit": limit},
    )
    return [(row.no, Evidence(*row[1:])) for row in rows]


def list_edges(tx: Transaction, *, case_id: str) -> set[tuple[str, ...]]:
    """Return what the edges of a case say, without their weights."""
    rows = tx.execute(
        text("SELECT from_kind, from_id, relation, to_kind, to_id FROM risk_case_evidence WHERE case_id = :case_id"),
        {"case_id": case_id},
    )
    return {tuple(row) for row in rows}


_SEEN = text(
    """
    SELECT e.to_kind, e.to_id, array_agg(DISTINCT coalesce(p.external_id, e.from_id)) AS persons
    FROM risk_case_evidence e
    JOIN risk_case_members m ON m.case_id = e.case_id AND m.account_kind = e.from_kind AND m.account_id = e.from_id
                            AND m.accused
    LEFT JOIN promoters p ON e.from_kind = 'promoter' AND p.id = e.from_id
    WHERE e.case_id = :case_id AND e.relation = 'used' GROUP BY 1, 2 ORDER BY 1, 2 LIMIT :limit
    """
)


def list_seen(tx: Transaction, *, case_id: str, limit: int) -> dict[str, set[str]]:
    """Return, by identifier in a case's evidence, the accused persons who used it, whatever they use today."""
    rows = tx.execute(_SEEN, {"case_id": case_id, "limit": limit})
    return {f"{row.to_kind}:{row.to_id}": set(row.persons) for row in rows}


def get_known(tx: Transaction, *, case_id: str) -> Known:
    """Return what a case says of its group; it is no longer changed once the group was found innocent."""
    case = tx.execute(
        text("SELECT pattern, orders_count FROM risk_cases WHERE id = :case_id"), {"case_id": case_id}
    ).one()
    rows = tx.execute(
        text("SELECT DISTINCT to_kind, to_id FROM risk_case_evidence WHERE case_id = :case_id AND relation = 'used'"),
        {"case_id": case_id},
    )
    return Known(case.pattern, case.orders_count, frozenset((row.to_kind, row.to_id) for row in rows))


_FORGET = text(
    """
    DELETE FROM risk_case_evidence e
    WHERE e.case_id IN (
        SELECT m.case_id FROM risk_case_members m WHERE m.account_kind = :kind AND m.account_id = :account_id
        UNION SELECT r.case_id FROM risk_reach r WHERE r.account_kind = :kind AND r.account_id = :account_id)
      AND e.from_kind = :kind AND e.from_id = :account_id AND e.to_kind = ANY (:kinds)
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)))


def forget_identifiers(tx: Transaction, *, account_kind: str, account_id: str) -> None:
    """Delete the evidence that names the identifiers of somebody in or near cases."""
    kinds = [kind.value for kind in IdentifierKind]
    tx.execute(_FORGET, {"kind": account_kind, "account_id": account_id, "kinds": kinds})
