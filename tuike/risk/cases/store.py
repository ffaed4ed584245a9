"""Rows of cases with members, evidence and history, and the sums that a decision about a case needs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import BigInteger, Boolean, Float, Text

from tuike.db import Transaction
from tuike.graph import Graph
from tuike.risk.cases.model import (
    Amounts,
    AtStake,
    CaseEvent,
    CaseMember,
    CaseSource,
    CaseState,
    Evidence,
    Known,
    OpenWithdrawal,
    Reach,
    RiskCase,
)
from tuike.risk.model import IdentifierKind

_COLUMNS = (
    "id, source, state, pattern, score, orders_count, commission_base_minor, summary, assignee_id, assignee_name, "
    "version, sweep_id, created_at, updated_at, decided_at, decided_by, joined_orders_count"
)
_MEMBER_COLUMNS = "account_kind, account_id, role, score, accused, held, banned, locked_out"
_EVIDENCE_COLUMNS = "from_kind, from_id, relation, to_kind, to_id, weight"
_EVIDENCE_BATCH = 5_000
_GROWTH = 7_485_012
"""Advisory lock on who is a member: shared by checks of orders, exclusive for who changes the accused."""
_APPENDED_FROM = 1_000_000
"""The first number of edges that no sweep wrote."""
_APPENDED_MOST = 4_000


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


def list_member_page(tx: Transaction, *, case_id: str, after: int, limit: int) -> list[CaseMember]:
    """Return members of a case in a fixed order, from the `after`-th on."""
    rows = tx.execute(
        text(
            f"SELECT {_MEMBER_COLUMNS} FROM risk_case_members WHERE case_id = :case_id "
            "ORDER BY account_kind, account_id OFFSET :after LIMIT :limit"
        ),
        {"case_id": case_id, "after": after, "limit": limit},
    )
    return [CaseMember(*row) for row in rows]


_ADD_MEMBERS = text(
    f"""
    INSERT INTO risk_case_members (case_id, {_MEMBER_COLUMNS})
    SELECT :case_id, * FROM unnest(:kinds, :ids, :roles, :scores, :accused, :held, :banned, :locked_out)
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "ids", "roles")),
    bindparam("scores", type_=ARRAY(Float(53))),
    *(bindparam(name, type_=ARRAY(Boolean)) for name in ("accused", "held", "banned", "locked_out")),
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
            "locked_out": [one.locked_out for one in members],
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


@dataclass(frozen=True, slots=True)
class Living:
    """What a case needs for an order to join it."""

    state: str
    score: float
    has_promoters: bool


def lock_growth(tx: Transaction, *, shared: bool) -> None:
    """Wait for the right to add to cases beside others, or to change alone whom they accuse, until the commit."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    tx.execute(text(f"SELECT {function}(:lock)"), {"lock": _GROWTH})


_GATHERING = 7_485_013
"""First half of the advisory locks of promoters whose orders are checked for who gathers there."""
# By hash, so that whoever locks several does so in one sequence; two promoters of one hash share a lock.
_LOCK_PROMOTERS = text(
    """
    SELECT pg_advisory_xact_lock(:space, one.hash)
    FROM (SELECT DISTINCT hashtext(promoter_id) AS hash FROM risk_checks WHERE order_id = ANY (:order_ids)
          ORDER BY 1) one
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))


def lock_promoters(tx: Transaction, *, order_ids: Sequence[str]) -> None:
    """Wait for the right to say who gathers at the promoters of checked orders, until the commit."""
    tx.execute(_LOCK_PROMOTERS, {"space": _GATHERING, "order_ids": list(order_ids)})


@dataclass(frozen=True, slots=True)
class SharingOrder:
    """A checked order whose buyer shares identifiers with the promoter, with the edges that say so."""

    order_id: str
    buyer_id: str
    edges: tuple[Evidence, ...]


_LIST_SHARING = text(
    """
    SELECT x.order_id, x.buyer_id, finding->'edges' AS edges
    FROM (SELECT max(placed_at) FILTER (WHERE placed_at < CAST(:around AS timestamptz) + make_interval(days => :days))
                 AS until
          FROM risk_checks WHERE promoter_id = :promoter_id AND dry_outcome <> 'pass' AND placed_at >= :around) span
    CROSS JOIN LATERAL (
        SELECT * FROM risk_checks
        WHERE promoter_id = :promoter_id AND dry_outcome <> 'pass'
          AND placed_at > span.until - make_interval(days => :days) AND placed_at <= span.until
        ORDER BY placed_at DESC LIMIT :limit) x
    CROSS JOIN LATERAL jsonb_array_elements(x.findings) finding
    WHERE finding->>'rule_id' = 'shared_identifier' AND (finding->'detail'->>'users')::int <= :users_max
      AND x.decision IS DISTINCT FROM 'passed'
    ORDER BY x.order_id
    """
)


def list_sharing(
    tx: Transaction, *, promoter_id: str, around: datetime, days: int, users_max: int, limit: int
) -> list[SharingOrder]:
    """Return a promoter's orders whose buyers share what few enough use, but for those that a person passed.

    Those of so many days up to the newest one that is no further from a checked order, placed `around` an instant.
    """
    asked = {"promoter_id": promoter_id, "around": around, "days": days, "users_max": users_max, "limit": limit}
    return [
        SharingOrder(row.order_id, row.buyer_id, tuple(Evidence(**edge) for edge in row.edges))
        for row in tx.execute(_LIST_SHARING, asked)
    ]


def list_edges(tx: Transaction, *, case_id: str) -> set[tuple[str, ...]]:
    """Return what the edges of a case say, without their weights."""
    rows = tx.execute(
        text("SELECT from_kind, from_id, relation, to_kind, to_id FROM risk_case_evidence WHERE case_id = :case_id"),
        {"case_id": case_id},
    )
    return {tuple(row) for row in rows}


_ACCUSE_MEMBERS = text(
    """
    INSERT INTO risk_case_members AS m (case_id, account_kind, account_id, role, score, accused)
    SELECT :case_id, one.kind, one.id, one.role, one.score, true
    FROM unnest(:kinds, :ids, :roles, :scores) AS one (kind, id, role, score)
    ON CONFLICT (case_id, account_kind, account_id) DO UPDATE
        SET role = excluded.role, score = excluded.score, accused = true WHERE NOT m.accused
    RETURNING account_kind, account_id
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "ids", "roles")),
    bindparam("scores", type_=ARRAY(Float(53))),
)


def accuse_members(tx: Transaction, *, case_id: str, members: Sequence[CaseMember]) -> set[tuple[str, str]]:
    """Accuse accounts in a locked case, and return those whom it did not accuse before."""
    rows = tx.execute(
        _ACCUSE_MEMBERS,
        {
            "case_id": case_id,
            "kinds": [one.account_kind for one in members],
            "ids": [one.account_id for one in members],
            "roles": [one.role for one in members],
            "scores": [one.score for one in members],
        },
    )
    return {(row.account_kind, row.account_id) for row in rows}


_STANDING = """
    FROM risk_checks k
    CROSS JOIN LATERAL (VALUES ('buyer', k.buyer_id), ('promoter', k.promoter_id)) AS who (kind, id)
    JOIN risk_case_members m ON m.account_kind = who.kind AND m.account_id = who.id
    WHERE k.order_id = ANY (:order_ids)
"""
_LOCK_LIVING = text(
    f"""
    SELECT c.id, c.state, c.score,
           EXISTS (SELECT 1 FROM risk_case_members p WHERE p.case_id = c.id AND p.account_kind = 'promoter'
                   AND p.role <> 'context') AS has_promoters
    FROM risk_cases c WHERE c.id IN (SELECT m.case_id {_STANDING}) AND c.state <> 'innocent'
    ORDER BY c.id FOR NO KEY UPDATE
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))
_LIST_STANDING = text(
    f"SELECT DISTINCT m.case_id, m.account_kind, m.account_id, m.role, m.accused {_STANDING}"
    " AND m.case_id = ANY (:case_ids)"
).bindparams(bindparam("order_ids", type_=ARRAY(Text)), bindparam("case_ids", type_=ARRAY(Text)))


def lock_living(tx: Transaction, *, order_ids: Sequence[str]) -> dict[str, Living]:
    """Lock the cases, innocent ones aside, that name a buyer or promoter of checked orders; return them."""
    rows = tx.execute(_LOCK_LIVING, {"order_ids": list(order_ids)})
    return {row.id: Living(row.state, row.score, row.has_promoters) for row in rows}


def list_standing(
    tx: Transaction, *, order_ids: Sequence[str], case_ids: Sequence[str]
) -> dict[tuple[str, str], dict[str, tuple[str, bool]]]:
    """Return, by account, its role in each of some cases and whether that accuses it."""
    standing: dict[tuple[str, str], dict[str, tuple[str, bool]]] = defaultdict(dict)
    for row in tx.execute(_LIST_STANDING, {"order_ids": list(order_ids), "case_ids": list(case_ids)}):
        standing[row.account_kind, row.account_id][row.case_id] = row.role, row.accused
    return standing


_ADD_TO_COUNTS = text(
    """
    UPDATE risk_cases c SET orders_count = c.orders_count + more.orders, updated_at = :now,
        commission_base_minor = c.commission_base_minor + more.base_minor,
        joined_orders_count = c.joined_orders_count + more.orders
    FROM (SELECT case_id, count(*) AS orders, sum(base_minor)::bigint AS base_minor
          FROM unnest(:case_ids, :bases) AS one (case_id, base_minor) GROUP BY case_id) more
    WHERE c.id = more.case_id
    """
).bindparams(bindparam("case_ids", type_=ARRAY(Text)), bindparam("bases", type_=ARRAY(BigInteger)))


def add_to_counts(tx: Transaction, *, joined: Sequence[tuple[str, int]], now: datetime) -> None:
    """Count orders that join locked cases, given as (case id, price of the goods)."""
    tx.execute(
        _ADD_TO_COUNTS,
        {"case_ids": [case_id for case_id, _ in joined], "bases": [base for _, base in joined], "now": now},
    )


# The orders that members placed through members, counted once they are checked: exactly those that join one by one.
_COUNT_ORDERS = text(
    """
    SELECT count(*) AS orders, coalesce(sum(o.goods_minor), 0)::bigint AS base_minor,
           count(*) FILTER (WHERE k.checked_at > :since) AS joined
    FROM risk_case_members b
    JOIN orders o ON o.buyer_id = b.account_id
    JOIN risk_checks k ON k.order_id = o.id
    WHERE b.case_id = :case_id AND b.account_kind = 'buyer' AND b.role <> 'context'
      AND (EXISTS (SELECT 1 FROM risk_case_members p WHERE p.case_id = :case_id AND p.account_kind = 'promoter'
                   AND p.account_id = k.promoter_id AND p.role <> 'context')
           OR NOT EXISTS (SELECT 1 FROM risk_case_members p WHERE p.case_id = :case_id AND p.account_kind = 'promoter'
                          AND p.role <> 'context'))
    """
)


def count_orders(tx: Transaction, *, case_id: str, since: datetime) -> tuple[int, int, int]:
    """Return how many orders members placed through members, what their goods cost, and how many came after `since`."""
    row = tx.execute(_COUNT_ORDERS, {"case_id": case_id, "since": since}).one()
    return row.orders, row.base_minor, row.joined


def add_context(tx: Transaction, *, case_id: str, member: CaseMember) -> bool:
    """Add a member who is accused of nothing; False where the account stands in the case already."""
    row = tx.execute(
        text(
            """
            INSERT INTO risk_case_members (case_id, account_kind, account_id, role, score, accused)
            VALUES (:case_id, :account_kind, :account_id, :role, :score, false)
            ON CONFLICT DO NOTHING RETURNING 1
            """
        ),
        {"case_id": case_id, "account_kind": member.account_kind, "account_id": member.account_id,
         "role": member.role, "score": member.score},
    ).one_or_none()  # fmt: skip
    return row is not None


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


def list_accused_persons(tx: Transaction, *, case_id: str, limit: int) -> dict[str, tuple[str, str]]:
    """Return the accused as persons of the graph, each with the account that the case names, the surest first."""
    rows = tx.execute(
        text(
            """
            SELECT coalesce(p.external_id, m.account_id) AS person_id, m.account_kind, m.account_id
            FROM risk_case_members m
            LEFT JOIN promoters p ON m.account_kind = 'promoter' AND p.id = m.account_id
            WHERE m.case_id = :case_id AND m.accused ORDER BY m.score DESC, m.account_kind, m.account_id LIMIT :limit
            """
        ),
        {"case_id": case_id, "limit": limit},
    )
    return {row.person_id: (row.account_kind, row.account_id) for row in rows}


def list_cleared(tx: Transaction, *, person_ids: Sequence[str]) -> set[str]:
    """Return those persons whom a person found innocent in some case, as buyers or as promoters."""
    rows = tx.execute(
        text(
            """
            SELECT who.person_id FROM (
                SELECT asked.id AS person_id, 'buyer' AS kind, asked.id FROM unnest(:ids) AS asked (id)
                UNION ALL
                SELECT p.external_id, 'promoter', p.id FROM promoters p WHERE p.external_id = ANY (:ids)
            ) who
            JOIN risk_case_members m ON m.account_kind = who.kind AND m.account_id = who.id AND m.accused
            JOIN risk_cases c ON c.id = m.case_id AND c.state = 'innocent'
            """
        ).bindparams(bindparam("ids", type_=ARRAY(Text))),
        {"ids": list(person_ids)},
    )
    return {row.person_id for row in rows}


@dataclass(frozen=True, slots=True)
class Sharers:
    """Who used an identifier as the graph has it: (person, promoter or None), and browsers without a login."""

    persons: Sequence[tuple[str, str | None]]
    visitors: Sequence[str]


def list_sharers(graph: Graph, *, keys: Sequence[str], most: int) -> dict[str, Sharers]:
    """Return who used each identifier, `most` persons and browsers of them at most; one round trip."""
    return {
        key: Sharers([(person, promoter) for person, promoter in persons], visitors)
        for row in graph.read("risk.list_sharers", keys=list(keys), most=most)
        for key, persons, visitors in row["found"]
    }


# What the shop knows people by and the graph does not. One person pays often: so many rows are looked at for each.
_SHOP_USES = """
    SELECT p.external_id AS person_id, 'payout_account' AS kind, digest_text(w.method || '|' || w.account) AS digest
    FROM withdrawals w JOIN promoters p ON p.id = w.promoter_id WHERE w.account IS NOT NULL
    UNION ALL
    SELECT o.buyer_id, 'payment_account', digest_text(y.provider || '|' || y.payer_id)
    FROM payments y JOIN orders o ON o.id = y.order_id WHERE y.payer_id IS NOT NULL AND y.state = 'succeeded'
    UNION ALL
    SELECT shopper_id, 'phone', digest_text(phone) FROM addresses WHERE phone <> ''
    UNION ALL
    SELECT shopper_id, 'address', digest_text(region || ' ' || detail) FROM addresses WHERE detail <> ''
"""
_BROWSER_USES = """
    SELECT o.buyer_id AS person_id, j.payload->>'kind' AS kind, j.payload->>'digest' AS digest
    FROM orders o JOIN journal j ON j.kind = 'identifier' AND j.subject = o.visitor_id
    WHERE o.visitor_id IS NOT NULL AND j.payload->>'label' = 'Visitor'
"""
_USES_LOOKED_AT = 1_000
_LIST_SHOP_USES = text(
    f"""
    SELECT DISTINCT asked.id AS person_id, uses.kind, uses.digest FROM unnest(:ids) AS asked (id)
    CROSS JOIN LATERAL (
        (SELECT kind, digest FROM ({_SHOP_USES}) own WHERE own.person_id = asked.id LIMIT {_USES_LOOKED_AT})
        UNION ALL
        (SELECT kind, digest FROM ({_BROWSER_USES}) own WHERE own.person_id = asked.id LIMIT {_USES_LOOKED_AT})
    ) uses
    """
).bindparams(bindparam("ids", type_=ARRAY(Text)))
_LIST_SHOP_SHARERS = text(
    f"""
    SELECT DISTINCT asked.kind, asked.digest, uses.person_id FROM unnest(:kinds, :digests) AS asked (kind, digest)
    CROSS JOIN LATERAL (
        SELECT person_id FROM ({_SHOP_USES}) own WHERE own.kind = asked.kind AND own.digest = asked.digest
        LIMIT {_USES_LOOKED_AT}) uses
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)), bindparam("digests", type_=ARRAY(Text)))


def list_shop_uses(tx: Transaction, *, person_ids: Sequence[str]) -> set[str]:
    """Return what persons used beside what the graph knows: accounts, phones, addresses, their browsers."""
    rows = tx.execute(_LIST_SHOP_USES, {"ids": list(person_ids)})
    return {f"{row.kind}:{row.digest}" for row in rows}


def list_shop_sharers(tx: Transaction, *, keys: Sequence[str]) -> dict[str, set[str]]:
    """Return, by account, phone or address, the persons who used it."""
    parts = [key.partition(":") for key in keys]
    rows = tx.execute(
        _LIST_SHOP_SHARERS, {"kinds": [part[0] for part in parts], "digests": [part[2] for part in parts]}
    )
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[f"{row.kind}:{row.digest}"].add(row.person_id)
    return found


def list_visitors(tx: Transaction, *, visitor_ids: Sequence[str]) -> dict[str, set[str]]:
    """Return, by browser without a login, the persons who ordered in it."""
    rows = tx.execute(
        text("SELECT DISTINCT visitor_id, buyer_id FROM orders WHERE visitor_id = ANY (:ids)").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        ),
        {"ids": list(visitor_ids)},
    )
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row.visitor_id].add(row.buyer_id)
    return found


def list_promoters(tx: Transaction, *, person_ids: Sequence[str]) -> dict[str, str]:
    """Return, by person, the promoter it is."""
    rows = tx.execute(
        text("SELECT external_id, id FROM promoters WHERE external_id = ANY (:ids)").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        ),
        {"ids": list(person_ids)},
    )
    return {row.external_id: row.id for row in rows}


def list_erased_persons(tx: Transaction, *, person_ids: Sequence[str]) -> set[str]:
    """Return those persons who had their account erased: nothing is to be known of what they used."""
    rows = tx.execute(
        text("SELECT id FROM shoppers WHERE id = ANY (:ids) AND status = 'erased'").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        ),
        {"ids": list(person_ids)},
    )
    return {row.id for row in rows}


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
    WHERE e.promoter_id <> ALL (:promoter_ids) AND e.status IN ('pending', 'frozen')
    GROUP BY e.currency ORDER BY e.currency
    """
).bindparams(*_TYPES)
_OPEN_WITHDRAWALS = """
    SELECT w.id, w.currency, w.amount_minor, w.status,
           EXISTS (SELECT 1 FROM payouts p WHERE p.withdrawal_id = w.id
                   AND p.state NOT IN ('succeeded', 'failed', 'cancelled')) AS is_under_way
    FROM withdrawals w WHERE w.promoter_id = ANY (:promoter_ids) AND w.status IN ('requested', 'approved')
    ORDER BY w.id
"""
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


def list_withdrawals(tx: Transaction, *, promoter_ids: Sequence[str], lock: bool = False) -> list[OpenWithdrawal]:
    """Return promoters' withdrawals that are asked for or approved, locked when asked."""
    if lock:  # the state of a payout is read once its withdrawal can no longer change
        tx.execute(
            text(
                "SELECT id FROM withdrawals WHERE promoter_id = ANY (:promoter_ids) "
                "AND status IN ('requested', 'approved') ORDER BY id FOR NO KEY UPDATE"
            ).bindparams(_TYPES[1]),
            {"promoter_ids": list(promoter_ids)},
        )
    rows = tx.execute(text(_OPEN_WITHDRAWALS).bindparams(_TYPES[1]), {"promoter_ids": list(promoter_ids)})
    return [OpenWithdrawal(*row) for row in rows]


def list_active_promoters(tx: Transaction, *, promoter_ids: Sequence[str]) -> list[str]:
    """Return those promoters who are active."""
    rows = tx.execute(
        text("SELECT id FROM promoters WHERE id = ANY (:promoter_ids) AND status = 'active' ORDER BY id").bindparams(
            _TYPES[1]
        ),
        {"promoter_ids": list(promoter_ids)},
    )
    return [row.id for row in rows]


def list_shoppers(
    tx: Transaction, *, promoter_ids: Sequence[str], buyer_ids: Sequence[str], lock: bool = False
) -> list[str]:
    """Return the persons behind accounts who have an account in the shop that is neither banned nor erased."""
    rows = tx.execute(
        text(
            f"""
            SELECT s.id FROM shoppers s WHERE s.status = 'active' AND s.id = ANY (
                SELECT p.external_id FROM promoters p WHERE p.id = ANY (:promoter_ids)
                UNION SELECT unnest(:buyer_ids))
            ORDER BY s.id {"FOR UPDATE" if lock else ""}
            """
        ).bindparams(*_TYPES),
        {"promoter_ids": list(promoter_ids), "buyer_ids": list(buyer_ids)},
    )
    return [row.id for row in rows]


def find_external_ids(tx: Transaction, *, promoter_ids: Sequence[str]) -> dict[str, str]:
    """Return, by promoter, the person at the shop."""
    rows = tx.execute(
        text("SELECT id, external_id FROM promoters WHERE id = ANY (:promoter_ids)").bindparams(_TYPES[1]),
        {"promoter_ids": list(promoter_ids)},
    )
    return {row.id: row.external_id for row in rows}


def find_ban(tx: Transaction, *, promoter_id: str) -> str | None:
    """Return the case that keeps a promoter suspended, if any does."""
    return tx.execute(
        text(
            "SELECT m.case_id FROM risk_case_members m JOIN risk_cases c ON c.id = m.case_id AND c.state = 'banned' "
            "WHERE m.account_kind = 'promoter' AND m.account_id = :promoter_id AND m.accused ORDER BY 1 LIMIT 1"
        ),
        {"promoter_id": promoter_id},
    ).scalar_one_or_none()


def find_lock_out(tx: Transaction, *, person_id: str, but: str = "") -> str | None:
    """Return a case that bans a person, other than `but`."""
    return tx.execute(
        text(
            """
            SELECT m.case_id FROM (
                SELECT 'buyer' AS kind, CAST(:person_id AS text) AS id
                UNION ALL SELECT 'promoter', p.id FROM promoters p WHERE p.external_id = :person_id
            ) who
            JOIN risk_case_members m ON m.account_kind = who.kind AND m.account_id = who.id AND m.accused
            JOIN risk_cases c ON c.id = m.case_id AND c.state = 'banned'
            WHERE m.case_id <> :but ORDER BY 1 LIMIT 1
            """
        ),
        {"person_id": person_id, "but": but},
    ).scalar_one_or_none()


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


def lock_shoppers(tx: Transaction, *, person_ids: Sequence[str]) -> None:
    """Wait for everybody who changes some shoppers."""
    tx.execute(
        text("SELECT id FROM shoppers WHERE id = ANY (:ids) ORDER BY id FOR UPDATE").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        ),
        {"ids": list(person_ids)},
    )


def list_erased(tx: Transaction, *, promoter_ids: Sequence[str]) -> set[str]:
    """Return those promoters whose person had the account erased."""
    rows = tx.execute(
        text(
            "SELECT p.id FROM promoters p JOIN shoppers s ON s.id = p.external_id AND s.status = 'erased' "
            "WHERE p.id = ANY (:promoter_ids)"
        ).bindparams(_TYPES[1]),
        {"promoter_ids": list(promoter_ids)},
    )
    return {row.id for row in rows}


def is_banned(tx: Transaction, *, person_id: str) -> bool:
    """Tell whether a person is banned in the shop; who was erased meanwhile is not."""
    query = text("SELECT EXISTS (SELECT 1 FROM shoppers WHERE id = :id AND status = 'banned')")
    return bool(tx.execute(query, {"id": person_id}).scalar_one())


def pass_lock_out_on(tx: Transaction, *, case_id: str, person_id: str) -> None:
    """Let another case carry on that a person is banned."""
    tx.execute(
        text(
            """
            UPDATE risk_case_members SET locked_out = true
            WHERE case_id = :case_id AND accused
              AND ((account_kind = 'buyer' AND account_id = :person_id)
                   OR (account_kind = 'promoter'
                       AND account_id IN (SELECT id FROM promoters WHERE external_id = :person_id)))
            """
        ),
        {"case_id": case_id, "person_id": person_id},
    )


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
