"""Rows of cases with members, evidence and history, and the sums that a decision about a case needs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Boolean, Float, Text

from tuike.db import Transaction
from tuike.risk.cases.model import (
    Amounts,
    AtStake,
    CaseEvent,
    CaseMember,
    CaseSource,
    CaseState,
    Evidence,
    RiskCase,
)
from tuike.risk.model import IdentifierKind

_COLUMNS = (
    "id, source, state, pattern, score, orders_count, commission_base_minor, summary, assignee_id, assignee_name, "
    "version, sweep_id, created_at, updated_at, decided_at, decided_by"
)
_MEMBER_COLUMNS = "account_kind, account_id, role, score, accused, held, banned"
_EVIDENCE_COLUMNS = "from_kind, from_id, relation, to_kind, to_id, weight"
_EVIDENCE_BATCH = 5_000


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
    query = f"SELECT {_COLUMNS} FROM risk_cases WHERE id = :id{' FOR UPDATE' if lock else ''}"
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


def list_members(tx: Transaction, *, case_id: str) -> list[CaseMember]:
    """Return the members of a case, in a fixed order."""
    rows = tx.execute(
        text(
            f"SELECT {_MEMBER_COLUMNS} FROM risk_case_members WHERE case_id = :case_id "
            "ORDER BY account_kind, account_id"
        ),
        {"case_id": case_id},
    )
    return [CaseMember(*row) for row in rows]


_ADD_MEMBERS = text(
    f"""
    INSERT INTO risk_case_members (case_id, {_MEMBER_COLUMNS})
    SELECT :case_id, * FROM unnest(:kinds, :ids, :roles, :scores, :accused, :held, :banned)
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "ids", "roles")),
    bindparam("scores", type_=ARRAY(Float(53))),
    *(bindparam(name, type_=ARRAY(Boolean)) for name in ("accused", "held", "banned")),
)


def replace_members(tx: Transaction, *, case_id: str, members: Sequence[CaseMember]) -> None:
    """Write the members of a case anew."""
    tx.execute(text("DELETE FROM risk_case_members WHERE case_id = :case_id"), {"case_id": case_id})
    tx.execute(
        _ADD_MEMBERS,
        {
            "case_id": case_id,
            "kinds": [one.account_kind for one in members],
            "ids": [one.account_id for one in members],
            "roles": [one.role for one in members],
            "scores": [one.score for one in members],
            "accused": [one.accused for one in members],
            "held": [one.held for one in members],
            "banned": [one.banned for one in members],
        },
    )


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


def replace_evidence(tx: Transaction, *, case_id: str, evidence: Sequence[Evidence]) -> None:
    """Write the evidence of a case anew, the heaviest edges first."""
    tx.execute(text("DELETE FROM risk_case_evidence WHERE case_id = :case_id"), {"case_id": case_id})
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


_RELATED = text(
    """
    SELECT m.case_id, c.state, m.account_kind, m.account_id FROM risk_case_members m
    JOIN risk_cases c ON c.id = m.case_id
    WHERE m.accused AND m.case_id IN (
        SELECT k.case_id FROM unnest(:kinds, :ids) AS found (kind, id)
        JOIN risk_case_members k ON k.account_kind = found.kind AND k.account_id = found.id AND k.accused)
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)), bindparam("ids", type_=ARRAY(Text)))


def list_related(
    tx: Transaction, *, accounts: Iterable[tuple[str, str]]
) -> dict[str, tuple[CaseState, frozenset[tuple[str, str]]]]:
    """Return the cases that accuse any of some accounts: their state, and everybody whom they accuse."""
    wanted = sorted(set(accounts))
    rows = tx.execute(_RELATED, {"kinds": [kind for kind, _ in wanted], "ids": [id_ for _, id_ in wanted]})
    states: dict[str, CaseState] = {}
    accused: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        states[row.case_id] = CaseState(row.state)
        accused.setdefault(row.case_id, set()).add((row.account_kind, row.account_id))
    return {case_id: (states[case_id], frozenset(accused[case_id])) for case_id in sorted(states)}


_CASE_ORDERS = """
    SELECT o.id, o.currency, o.goods_minor FROM orders o
    WHERE o.buyer_id = ANY (:buyer_ids)
      AND (o.attribution_promoter_id = ANY (:promoter_ids)
           OR (cardinality(:promoter_ids) = 0 AND o.attribution_promoter_id IS NOT NULL))
"""
_TYPES = (bindparam("buyer_ids", type_=ARRAY(Text)), bindparam("promoter_ids", type_=ARRAY(Text)))
_LIST_CASE_ORDERS = text(f"{_CASE_ORDERS} ORDER BY o.id").bindparams(*_TYPES)
_SUM_ORDERS = text(
    f"SELECT currency, count(*), sum(goods_minor)::bigint FROM ({_CASE_ORDERS}) mine "
    "GROUP BY currency ORDER BY currency"
).bindparams(*_TYPES)
_SUM_COMMISSIONS = text(
    """
    SELECT currency, count(*), sum(amount_minor - reversed_minor)::bigint FROM commission_entries
    WHERE promoter_id = ANY (:promoter_ids) AND status IN ('pending', 'frozen') GROUP BY currency ORDER BY currency
    """
).bindparams(_TYPES[1])
_LIST_UPLINES = text(
    f"""
    SELECT e.currency, count(*), sum(e.amount_minor - e.reversed_minor)::bigint, array_agg(DISTINCT e.promoter_id)
    FROM ({_CASE_ORDERS}) mine JOIN commission_entries e ON e.order_id = mine.id
    WHERE e.promoter_id <> ALL (:promoter_ids) AND e.status IN ('pending', 'frozen', 'available')
    GROUP BY e.currency ORDER BY e.currency
    """
).bindparams(*_TYPES)
_SUM_WITHDRAWALS = text(
    """
    SELECT currency, count(*), sum(amount_minor)::bigint FROM withdrawals
    WHERE promoter_id = ANY (:promoter_ids) AND status IN ('requested', 'approved') GROUP BY currency ORDER BY currency
    """
).bindparams(_TYPES[1])
_SUM_ACCOUNTS = text(
    """
    SELECT currency, kind, count(*) AS owners, sum(balance_minor)::bigint AS amount_minor FROM ledger_accounts
    WHERE owner = ANY (:promoter_ids) AND kind IN ('pending', 'frozen', 'available', 'withdrawing')
      AND balance_minor <> 0
    GROUP BY currency, kind ORDER BY currency, kind
    """
).bindparams(_TYPES[1])


def list_case_orders(tx: Transaction, *, buyer_ids: Sequence[str], promoter_ids: Sequence[str]) -> list[str]:
    """Return the orders that accused buyers placed through accused promoters, or through any where none is accused."""
    given = {"buyer_ids": list(buyer_ids), "promoter_ids": list(promoter_ids)}
    return [row.id for row in tx.execute(_LIST_CASE_ORDERS, given)]


def sum_orders(tx: Transaction, *, buyer_ids: Sequence[str], promoter_ids: Sequence[str]) -> list[Amounts]:
    """Return how many such orders there are and what their goods cost."""
    rows = tx.execute(_SUM_ORDERS, {"buyer_ids": list(buyer_ids), "promoter_ids": list(promoter_ids)})
    return [Amounts(*row) for row in rows]


def sum_commissions(tx: Transaction, *, promoter_ids: Sequence[str]) -> list[Amounts]:
    """Return promoters' entries that are not available yet."""
    return [Amounts(*row) for row in tx.execute(_SUM_COMMISSIONS, {"promoter_ids": list(promoter_ids)})]


def sum_uplines(
    tx: Transaction, *, buyer_ids: Sequence[str], promoter_ids: Sequence[str]
) -> tuple[list[Amounts], list[str]]:
    """Return what others earn from accused orders, and who they are."""
    found = tx.execute(_LIST_UPLINES, {"buyer_ids": list(buyer_ids), "promoter_ids": list(promoter_ids)}).all()
    return [Amounts(*row[:3]) for row in found], sorted({promoter_id for row in found for promoter_id in row[3]})


def sum_withdrawals(tx: Transaction, *, promoter_ids: Sequence[str]) -> list[Amounts]:
    """Return promoters' withdrawals that are under way."""
    return [Amounts(*row) for row in tx.execute(_SUM_WITHDRAWALS, {"promoter_ids": list(promoter_ids)})]


def sum_accounts(tx: Transaction, *, promoter_ids: Sequence[str]) -> tuple[list[AtStake], list[Amounts]]:
    """Return what promoters have by currency, and how many of them have how much available."""
    held: dict[str, dict[str, int]] = {}
    available = []
    for row in tx.execute(_SUM_ACCOUNTS, {"promoter_ids": list(promoter_ids)}):
        held.setdefault(row.currency, {})[f"{row.kind}_minor"] = row.amount_minor
        if row.kind == "available":
            available.append(Amounts(row.currency, row.owners, row.amount_minor))
    return [AtStake(currency, **amounts) for currency, amounts in held.items()], available


def list_banned_elsewhere(tx: Transaction, *, case_id: str, promoter_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return (promoter id, case id) where another ban accuses the same promoter too."""
    rows = tx.execute(
        text(
            """
            SELECT DISTINCT ON (m.account_id) m.account_id, m.case_id FROM risk_case_members m
            JOIN risk_cases c ON c.id = m.case_id
            WHERE m.account_kind = 'promoter' AND m.account_id = ANY (:promoter_ids) AND m.accused
              AND m.case_id <> :case_id AND c.state = 'banned'
            ORDER BY m.account_id, m.case_id
            """
        ).bindparams(_TYPES[1]),
        {"case_id": case_id, "promoter_ids": list(promoter_ids)},
    )
    return [(row.account_id, row.case_id) for row in rows]


def pass_ban_on(tx: Transaction, *, case_id: str, promoter_id: str) -> None:
    """Let another case carry a promoter's suspension on."""
    tx.execute(
        text(
            "UPDATE risk_case_members SET banned = true "
            "WHERE case_id = :case_id AND account_kind = 'promoter' AND account_id = :promoter_id"
        ),
        {"case_id": case_id, "promoter_id": promoter_id},
    )


def _case(row: Row[Any]) -> RiskCase:
    values = row._asdict()
    values["source"] = CaseSource(values["source"])
    values["state"] = CaseState(values["state"])
    return RiskCase(**values)


_FORGET = text(
    """
    DELETE FROM risk_case_evidence e USING risk_case_members m
    WHERE m.account_kind = :kind AND m.account_id = :account_id AND e.case_id = m.case_id
      AND e.from_kind = m.account_kind AND e.from_id = m.account_id AND e.to_kind = ANY (:kinds)
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)))


def forget_identifiers(tx: Transaction, *, account_kind: str, account_id: str) -> None:
    """Delete the evidence that names a member's identifiers."""
    kinds = [kind.value for kind in IdentifierKind]
    tx.execute(_FORGET, {"kind": account_kind, "account_id": account_id, "kinds": kinds})
