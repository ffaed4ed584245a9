"""Rows of rules, lists and checks, and what is asked of PostgreSQL and the graph about an order."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Text

from tuike.db import Transaction
from tuike.graph import Graph
from tuike.risk.checks.model import (
    CaseHit,
    CaseMark,
    Decision,
    Edge,
    Facts,
    Finding,
    ListEntry,
    ListHit,
    Mode,
    OrderCheck,
    Outcome,
    ReachHit,
    RiskRule,
)
from tuike.risk.model import IdentifierKind
from tuike.risk.nearness import RAISED_FROM
from tuike.shared.clock import from_micros

_RULE_COLUMNS = "id, version, parameters, action, mode, author_id, author_name, created_at"
_ENTRY_COLUMNS = "id, list, kind, value, reason, author_id, author_name, added_at, removed_at"
_CHECK_COLUMNS = (
    "order_id, buyer_id, promoter_id, placed_at, outcome, dry_outcome, findings, decision, decided_by, decided_at, "
    "reason, version, checked_at"
)
_PAST_ORDERS = 200
"""So many of a buyer's orders are looked at, the newest first."""

# Both sides of a case's state come through the index: cases that hold are few beside all that ever were.
_ACTS = text(
    """
    SELECT EXISTS (SELECT 1 FROM risk_cases WHERE state IN ('held', 'confirmed', 'banned'))
        OR EXISTS (SELECT 1 FROM risk_list_entries WHERE list = 'deny' AND removed_at IS NULL)
    """
)

_OPEN = text(
    """
    INSERT INTO risk_checks (order_id, buyer_id, promoter_id, placed_at, device_key, ip_key, outcome, dry_outcome,
                             checked_at)
    SELECT o.id, o.buyer_id, o.attribution_promoter_id, o.placed_at,
           (SELECT payload->>'key' FROM journal j
            WHERE j.kind = 'identifier' AND j.id = o.attribution_touch_id || '\\:device'),
           (SELECT payload->>'key' FROM journal j
            WHERE j.kind = 'identifier' AND j.id = o.attribution_touch_id || '\\:ip'),
           'pass', 'pass', :now
    FROM unnest(:order_ids) AS asked (order_id) JOIN orders o ON o.id = asked.order_id
    WHERE o.attribution_promoter_id IS NOT NULL
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))

_FACTS = text(
    """
    SELECT c.order_id, c.buyer_id, c.promoter_id, c.placed_at, c.device_key, c.ip_key, o.goods_minor, o.currency,
           o.attribution_touch_id AS touch_id,
           (SELECT (j.payload->>'at')::bigint FROM journal j
            WHERE j.kind = 'touch' AND j.id = o.attribution_touch_id) AS touched_at,
           (SELECT p.id FROM promoters p WHERE p.external_id = c.buyer_id) AS buyer_promoter_id,
           (SELECT json_agg(json_build_array(p.id, p.external_id) ORDER BY level.no)
            FROM commission_splits s, unnest(s.promoter_ids) WITH ORDINALITY AS level (promoter_id, no)
            JOIN promoters p ON p.id = level.promoter_id
            WHERE s.order_id = c.order_id) AS persons,
           past.recent, past.own, past.settled, past.refunded,
           (SELECT count(*) FROM (SELECT 1 FROM risk_checks x WHERE x.promoter_id = c.promoter_id
              AND x.placed_at > c.placed_at - make_interval(mins => :promoter_minutes) AND x.placed_at <= c.placed_at
              LIMIT :promoter_most) few) AS promoter_recent,
           (SELECT count(DISTINCT few.buyer_id) FROM (SELECT x.buyer_id FROM risk_checks x
              WHERE x.device_key = c.device_key AND x.promoter_id = c.promoter_id
              AND x.placed_at > c.placed_at - make_interval(mins => :device_minutes) AND x.placed_at <= c.placed_at
              LIMIT 500) few) AS device_buyers,
           (SELECT count(DISTINCT few.buyer_id) FROM (SELECT x.buyer_id FROM risk_checks x
              WHERE x.ip_key = c.ip_key AND x.promoter_id = c.promoter_id
              AND x.placed_at > c.placed_at - make_interval(mins => :ip_minutes) AND x.placed_at <= c.placed_at
              LIMIT 500) few) AS ip_buyers,
           (SELECT json_agg(DISTINCT few.buyer_id)
            FROM (SELECT x.buyer_id, x.findings FROM risk_checks x
                  WHERE x.promoter_id = c.promoter_id AND x.dry_outcome <> 'pass'
                    AND x.placed_at > span.until - make_interval(days => :gathering_days)
                    AND x.placed_at <= span.until
                  ORDER BY x.placed_at DESC LIMIT 500) few
            WHERE few.findings @> '[{"rule_id": "shared_identifier"}]') AS gathered,
           (SELECT json_agg(json_build_array(r.case_id, r.account_kind, r.account_id, r.score) ORDER BY r.case_id)
            FROM (VALUES ('buyer', c.buyer_id), ('promoter', c.promoter_id),
                         ('promoter', (SELECT p.id FROM promoters p WHERE p.external_id = c.buyer_id)))
                 AS who (kind, id)
            JOIN risk_reach r ON r.account_kind = who.kind AND r.account_id = who.id
            JOIN risk_cases k ON k.id = r.case_id AND k.state IN ('confirmed', 'banned')) AS reach,
           EXISTS (SELECT 1 FROM risk_case_members m JOIN risk_cases k ON k.id = m.case_id
                   WHERE m.account_kind = 'buyer' AND m.account_id = c.buyer_id AND m.accused
                     AND k.state = 'innocent') AS is_cleared,
           (SELECT json_agg(json_build_array(k.id, k.state, m.account_kind, m.account_id, m.held) ORDER BY k.id)
            FROM (VALUES ('buyer', c.buyer_id), ('promoter', c.promoter_id)) AS who (kind, id)
            JOIN risk_case_members m ON m.account_kind = who.kind AND m.account_id = who.id AND m.accused
            JOIN risk_cases k ON k.id = m.case_id AND k.state <> 'innocent') AS cases,
           (SELECT json_agg(json_build_array(e.list, e.kind, e.value) ORDER BY e.list, e.kind, e.value)
            FROM (VALUES ('person', c.buyer_id), ('promoter', c.promoter_id),
                         ('device', substr(c.device_key, 8)), ('ip', substr(c.ip_key, 4))
                  UNION ALL SELECT 'sku', l.sku FROM order_lines l WHERE l.order_id = c.order_id) AS what (kind, value)
            JOIN risk_list_entries e ON e.kind = what.kind AND e.value = what.value AND e.removed_at IS NULL) AS lists
    FROM unnest(:order_ids) AS asked (order_id) JOIN risk_checks c ON c.order_id = asked.order_id
    JOIN orders o ON o.id = c.order_id
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE b.placed_at > c.placed_at - make_interval(mins => :buyer_minutes)
                                  AND b.placed_at <= c.placed_at) AS recent,
               count(*) FILTER (WHERE b.attribution_promoter_id = c.promoter_id AND b.placed_at <= c.placed_at
                                  AND b.placed_at > c.placed_at - make_interval(days => :team_days)) AS own,
               count(*) FILTER (WHERE b.paid_at IS NOT NULL AND b.placed_at <= c.placed_at
                                  AND b.placed_at > c.placed_at - make_interval(days => :refund_days)) AS settled,
               count(*) FILTER (WHERE b.refunded_minor > 0 AND b.placed_at <= c.placed_at
                                  AND b.placed_at > c.placed_at - make_interval(days => :refund_days)) AS refunded
        FROM (SELECT placed_at, paid_at, refunded_minor, attribution_promoter_id FROM orders
              WHERE buyer_id = c.buyer_id ORDER BY id DESC LIMIT :past_orders) b) past
    CROSS JOIN LATERAL (
        -- Orders come late and out of turn: one counts among those after it as much as among those before it.
        SELECT CASE WHEN newest.at > c.placed_at AND newest.at < c.placed_at + make_interval(days => :gathering_days)
                    THEN newest.at ELSE c.placed_at END AS until
        FROM (SELECT max(x.placed_at) AS at FROM risk_checks x
              WHERE x.promoter_id = c.promoter_id AND x.dry_outcome <> 'pass') newest) span
    ORDER BY c.order_id
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))

_CLOSE = text(
    "UPDATE risk_checks SET outcome = :outcome, dry_outcome = :dry_outcome, findings = :findings "
    "WHERE order_id = :order_id"
).bindparams(bindparam("findings", type_=JSONB))

_NEWEST = "SELECT DISTINCT ON (id) * FROM risk_rules ORDER BY id, version DESC"


def list_rules(tx: Transaction) -> list[RiskRule]:
    """Return the newest version of each rule."""
    return [_rule(row) for row in tx.execute(text(f"SELECT {_RULE_COLUMNS} FROM ({_NEWEST}) newest ORDER BY id"))]


def list_versions(tx: Transaction, *, rule_id: str) -> list[RiskRule]:
    """Return every version of a rule, newest first."""
    rows = tx.execute(
        text(f"SELECT {_RULE_COLUMNS} FROM risk_rules WHERE id = :id ORDER BY version DESC"), {"id": rule_id}
    )
    return [_rule(row) for row in rows]


def add_rule(tx: Transaction, rule: RiskRule) -> None:
    """Insert a version of a rule. Raises IntegrityError when somebody else made it first."""
    tx.execute(
        text(
            f"INSERT INTO risk_rules ({_RULE_COLUMNS}) VALUES (:id, :version, :parameters, :action, :mode, :author_id, "
            ":author_name, :created_at)"
        ).bindparams(bindparam("parameters", type_=JSONB)),
        {name: getattr(rule, name) for name in _RULE_COLUMNS.split(", ")},
    )


def acts(tx: Transaction) -> bool:
    """Tell whether any case or entry of a list may hold an order."""
    return bool(tx.execute(_ACTS).scalar_one())


def open_checks(tx: Transaction, *, order_ids: Sequence[str], now: datetime) -> list[str]:
    """Insert checks of orders that were not checked yet and belong to a promoter; return their ids."""
    rows = tx.execute(_OPEN, {"order_ids": sorted(set(order_ids)), "now": now})
    return sorted(row.order_id for row in rows)


def list_facts(tx: Transaction, *, order_ids: Sequence[str], windows: Mapping[str, int]) -> list[Facts]:
    """Return what PostgreSQL knows of orders whose checks are open."""
    rows = tx.execute(_FACTS, {"order_ids": list(order_ids), "past_orders": _PAST_ORDERS, **windows})
    return [
        Facts(
            order_id=row.order_id,
            buyer_id=row.buyer_id,
            promoter_id=row.promoter_id,
            persons=tuple((promoter_id, person_id) for promoter_id, person_id in row.persons or ()),
            buyer_promoter_id=row.buyer_promoter_id,
            goods_minor=row.goods_minor,
            placed_at=row.placed_at,
            touch_id=row.touch_id,
            touched_at=None if row.touched_at is None else from_micros(row.touched_at),
            device_key=row.device_key,
            ip_key=row.ip_key,
            buyer_recent=row.recent,
            promoter_recent=row.promoter_recent,
            device_buyers=row.device_buyers,
            ip_buyers=row.ip_buyers,
            own_orders=row.own,
            settled_orders=row.settled,
            refunded_orders=row.refunded,
            cases=tuple(CaseHit(*hit) for hit in row.cases or ()),
            lists=tuple(ListHit(*hit) for hit in row.lists or ()),
            currency=row.currency,
            gathered=frozenset(row.gathered or ()),
            reach=tuple(ReachHit(*hit) for hit in row.reach or ()),
            is_cleared=row.is_cleared,
        )
        for row in rows
    ]


_RECENT = text(
    """
    SELECT c.order_id, c.buyer_id, c.promoter_id, c.placed_at, c.device_key, c.ip_key, s.persons,
           (SELECT p.id FROM promoters p WHERE p.external_id = c.buyer_id) AS buyer_promoter_id
    FROM (SELECT * FROM risk_checks ORDER BY order_id DESC LIMIT :limit) c
    CROSS JOIN LATERAL (
        SELECT json_agg(json_build_array(p.id, p.external_id) ORDER BY level.no) AS persons
        FROM commission_splits s, unnest(s.promoter_ids) WITH ORDINALITY AS level (promoter_id, no)
        JOIN promoters p ON p.id = level.promoter_id
        WHERE s.order_id = c.order_id) s
    """
)


def list_recent(tx: Transaction, *, limit: int) -> list[Facts]:
    """Return of the newest orders that were checked what is needed to look at them in the graph, and no more."""
    return [
        Facts(
            row.order_id, row.buyer_id, row.promoter_id, tuple((one, person) for one, person in row.persons or ()),
            row.buyer_promoter_id, 0, row.placed_at, None, None, row.device_key, row.ip_key,
        )
        for row in tx.execute(_RECENT, {"limit": limit})
    ]  # fmt: skip


def close_check(
    tx: Transaction, *, order_id: str, outcome: Outcome, dry_outcome: Outcome, findings: Sequence[Finding]
) -> None:
    """Write what a check found."""
    tx.execute(
        _CLOSE,
        {
            "order_id": order_id,
            "outcome": outcome.value,
            "dry_outcome": dry_outcome.value,
            "findings": [asdict(finding) for finding in findings],
        },
    )


_FORGET = text(
    """
    UPDATE risk_checks c SET device_key = NULL, ip_key = NULL, findings = (
        SELECT jsonb_agg(finding || jsonb_build_object('edges', (
            SELECT coalesce(jsonb_agg(edge), '[]') FROM jsonb_array_elements(finding -> 'edges') edge
            WHERE NOT edge ->> 'to_kind' = ANY (:kinds)
        ))) FROM jsonb_array_elements(c.findings) finding
    )
    WHERE c.order_id IN (SELECT id FROM orders WHERE buyer_id = :buyer_id)
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)))
_FORGET_PROMOTER = text(
    """
    UPDATE risk_checks c SET findings = (
        SELECT jsonb_agg(finding || jsonb_build_object('edges', (
            SELECT coalesce(jsonb_agg(edge), '[]') FROM jsonb_array_elements(finding -> 'edges') edge
            WHERE NOT (edge ->> 'from_kind' = 'promoter' AND edge ->> 'from_id' = :promoter_id
                       AND edge ->> 'to_kind' = ANY (:kinds))
        ))) FROM jsonb_array_elements(c.findings) finding
    )
    WHERE c.dry_outcome <> 'pass' AND c.findings @> :named
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)), bindparam("named", type_=JSONB))


def forget_identifiers(tx: Transaction, *, buyer_id: str, promoter_id: str | None = None) -> None:
    """Forget by which devices and network addresses a buyer's orders were checked, and others by the promoter's own.

    What was found stays.
    """
    kinds = [kind.value for kind in IdentifierKind]
    tx.execute(_FORGET, {"buyer_id": buyer_id, "kinds": kinds})
    if promoter_id is not None:
        named = [{"edges": [{"from_kind": "promoter", "from_id": promoter_id}]}]
        tx.execute(_FORGET_PROMOTER, {"promoter_id": promoter_id, "kinds": kinds, "named": named})


def list_identifiers(graph: Graph, *, person_ids: Sequence[str]) -> dict[str, set[str]]:
    """Return the identifiers of those persons who used any, in one round trip."""
    used: dict[str, set[str]] = defaultdict(set)
    for row in graph.read("risk.list_identifiers", person_ids=list(person_ids)):
        for person_id, key in row["found"]:
            used[person_id].add(key)
    return used


def count_users(graph: Graph, *, keys: Sequence[str], most: int) -> dict[str, int]:
    """Return how many persons use each identifier, `most` standing for more."""
    return {row["key"]: row["users"] for row in graph.read("risk.count_users", keys=list(keys), most=most)}


@dataclass(frozen=True, slots=True)
class Dealings:
    """Through whom persons bought, and the promoters above buyers who are promoters, nearest first."""

    through: Mapping[str, Sequence[str]]
    above: Mapping[str, Sequence[str]]


def list_dealings(
    graph: Graph,
    *,
    buyer_ids: Sequence[str],
    person_ids: Sequence[str],
    steps: int,
    since: int,
    most: int,
    widest: int,
) -> Dealings:
    """Return who stands above buyers, and through whom persons bought since an instant, and those in turn.

    One round trip for up to three steps.
    """
    rows = graph.read(
        "risk.list_dealings", buyer_ids=list(buyer_ids), person_ids=list(person_ids), steps=steps, since=since,
        most=most, widest=widest, nobody="",
    )  # fmt: skip
    through: dict[str, list[str]] = {}
    above: dict[str, list[str]] = {}
    for row in rows:
        for person_id, others in (*row["first"], *row["second"], *row["third"]):
            through[person_id] = sorted(others)
        above |= {buyer_id: [one for one in promoters if one is not None] for buyer_id, promoters in row["above"]}
    through.pop("", None)  # stands where there was nobody to follow
    return Dealings(through, above)


_OWN_IDENTIFIERS = text(
    """
    SELECT p.order_id, 'payment_account' AS kind,
           encode(sha256(convert_to(p.provider || '|' || p.payer_id, 'UTF8')), 'hex') AS digest
    FROM payments p WHERE p.order_id = ANY (:order_ids) AND p.payer_id IS NOT NULL AND p.state = 'succeeded'
    UNION
    SELECT o.id, own.kind, encode(sha256(convert_to(own.value, 'UTF8')), 'hex')
    FROM orders o JOIN addresses a ON a.shopper_id = o.buyer_id,
         LATERAL (VALUES ('phone', a.phone), ('address', a.region || ' ' || a.detail)) AS own (kind, value)
    WHERE o.id = ANY (:order_ids) AND a.phone <> '' AND a.detail <> ''
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))

# The accused who used an identifier stand in the evidence of their case, each with one edge.
_MARKS = text(
    """
    SELECT asked.kind, asked.digest, e.case_id, k.state, max(e.weight) AS weight,
           json_agg(DISTINCT jsonb_build_array(m.account_kind, m.account_id)) AS members
    FROM unnest(:kinds, :digests) AS asked (kind, digest)
    JOIN risk_case_evidence e ON e.relation = 'used' AND e.to_id = asked.digest AND e.to_kind = asked.kind
    JOIN risk_case_members m ON m.case_id = e.case_id AND m.account_kind = e.from_kind AND m.account_id = e.from_id
                            AND m.accused
    JOIN risk_cases k ON k.id = e.case_id AND k.state <> 'innocent'
    GROUP BY 1, 2, 3, 4
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)), bindparam("digests", type_=ARRAY(Text)))


def list_own_identifiers(tx: Transaction, *, order_ids: Sequence[str]) -> dict[str, set[str]]:
    """Return, by order, what the shop knows its buyer by and the graph does not: who paid, phones and addresses."""
    own: dict[str, set[str]] = defaultdict(set)
    for row in tx.execute(_OWN_IDENTIFIERS, {"order_ids": list(order_ids)}):
        own[row.order_id].add(f"{row.kind}:{row.digest}")
    return own


def list_marks(tx: Transaction, *, keys: Sequence[str]) -> dict[str, list[CaseMark]]:
    """Return, by identifier, the living cases whose accused members used it; users are those the sweep counted."""
    parts = [key.partition(":") for key in keys]
    marks: dict[str, list[CaseMark]] = defaultdict(list)
    for row in tx.execute(_MARKS, {"kinds": [part[0] for part in parts], "digests": [part[2] for part in parts]}):
        members = tuple(sorted((kind, account_id) for kind, account_id in row.members))
        users = max(len(members), round(len(members) / row.weight) if row.weight > 0 else 0) + 1
        marks[f"{row.kind}:{row.digest}"].append(
            CaseMark(row.case_id, row.state, row.kind, row.digest, members, users)
        )  # fmt: skip
    return marks


def find_check(tx: Transaction, *, order_id: str, lock: bool = False) -> OrderCheck | None:
    """Return the check of an order, locked when asked."""
    query = f"SELECT {_CHECK_COLUMNS} FROM risk_checks WHERE order_id = :order_id{' FOR UPDATE' if lock else ''}"
    row = tx.execute(text(query), {"order_id": order_id}).one_or_none()
    return _check(row) if row else None


def list_checks(tx: Transaction, *, waiting: bool, before: str | None, limit: int) -> list[OrderCheck]:
    """Return checks that found something, newest first; only those that wait for a person when asked."""
    condition = "outcome <> 'pass' AND decision IS NULL" if waiting else "dry_outcome <> 'pass'"
    later = "AND order_id < :before" if before is not None else ""
    rows = tx.execute(
        text(f"SELECT {_CHECK_COLUMNS} FROM risk_checks WHERE {condition} {later} ORDER BY order_id DESC LIMIT :limit"),
        {"before": before, "limit": limit} if before is not None else {"limit": limit},
    )
    return [_check(row) for row in rows]


def decide_check(
    tx: Transaction, *, order_id: str, decision: Decision, decided_by: str, reason: str, now: datetime
) -> None:
    """Write a person's decision."""
    tx.execute(
        text(
            "UPDATE risk_checks SET decision = :decision, decided_by = :by, decided_at = :now, reason = :reason, "
            "version = version + 1 WHERE order_id = :order_id"
        ),
        {"order_id": order_id, "decision": decision.value, "by": decided_by, "now": now, "reason": reason},
    )


def add_list_entry(tx: Transaction, entry: ListEntry) -> None:
    """Insert an entry of a list. Raises IntegrityError when the list has it."""
    names = _ENTRY_COLUMNS.split(", ")
    values = ", ".join(f":{name}" for name in names)
    tx.execute(
        text(f"INSERT INTO risk_list_entries ({_ENTRY_COLUMNS}) VALUES ({values})"),
        {name: getattr(entry, name) for name in names},
    )


def remove_list_entry(tx: Transaction, *, entry_id: str, removed_by: str, now: datetime) -> ListEntry | None:
    """Close an entry; None when there is none that is open."""
    row = tx.execute(
        text(
            f"UPDATE risk_list_entries SET removed_at = :now, removed_by = :by "
            f"WHERE id = :id AND removed_at IS NULL RETURNING {_ENTRY_COLUMNS}"
        ),
        {"id": entry_id, "by": removed_by, "now": now},
    ).one_or_none()
    return ListEntry(*row) if row else None


def list_list_entries(tx: Transaction, *, name: str, before: str | None, limit: int) -> list[ListEntry]:
    """Return the entries of a list, newest first, removed ones too."""
    later = "AND id < :before" if before is not None else ""
    rows = tx.execute(
        text(
            f"SELECT {_ENTRY_COLUMNS} FROM risk_list_entries WHERE list = :list {later} ORDER BY id DESC LIMIT :limit"
        ),
        {"list": name, "limit": limit} | ({"before": before} if before is not None else {}),
    )
    return [ListEntry(*row) for row in rows]


_ADD_HOLDS = text(
    """
    INSERT INTO risk_holds (order_id, level, case_id, rule_id, placed_at)
    SELECT x.order_id, x.level, CAST(:case_id AS text), CAST(:rule_id AS text), :now
    FROM unnest(:order_ids, CAST(:levels AS smallint[])) AS x (order_id, level)
    WHERE NOT EXISTS (SELECT 1 FROM risk_holds h WHERE h.order_id = x.order_id AND h.level = x.level
                      AND h.lifted_at IS NULL AND h.case_id IS NOT DISTINCT FROM CAST(:case_id AS text))
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))


def add_holds(
    tx: Transaction, *, keys: Sequence[tuple[str, int]], case_id: str | None, rule_id: str | None, now: datetime
) -> None:
    """Note why entries are frozen; the same reason is noted once."""
    tx.execute(
        _ADD_HOLDS,
        {
            "order_ids": [order_id for order_id, _ in keys],
            "levels": [level for _, level in keys],
            "case_id": case_id,
            "rule_id": rule_id,
            "now": now,
        },
    )


def list_held(tx: Transaction, *, keys: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return those entries that something holds."""
    rows = tx.execute(
        text(
            "SELECT DISTINCT h.order_id, h.level FROM unnest(:order_ids, CAST(:levels AS smallint[])) "
            "AS x (order_id, level) "
            "JOIN risk_holds h ON h.order_id = x.order_id AND h.level = x.level AND h.lifted_at IS NULL"
        ).bindparams(bindparam("order_ids", type_=ARRAY(Text))),
        {"order_ids": [order_id for order_id, _ in keys], "levels": [level for _, level in keys]},
    )
    return {(row.order_id, row.level) for row in rows}


def lift_holds(
    tx: Transaction, *, case_id: str | None = None, order_id: str | None = None, now: datetime
) -> list[tuple[str, int]]:
    """Close the holds of a case, or those that rules placed on an order; return the entries they held."""
    condition = "case_id = :case_id" if case_id is not None else "order_id = :order_id AND case_id IS NULL"
    rows = tx.execute(
        text(
            f"UPDATE risk_holds SET lifted_at = :now WHERE lifted_at IS NULL AND {condition} RETURNING order_id, level"
        ),
        {"now": now} | ({"case_id": case_id} if case_id is not None else {"order_id": order_id}),
    )
    return sorted({(row.order_id, row.level) for row in rows})


_HELD_MEMBER = text(
    """
    SELECT EXISTS (
        SELECT 1 FROM risk_case_members m JOIN risk_cases c ON c.id = m.case_id
        WHERE m.account_kind = 'promoter' AND m.account_id = :promoter_id AND m.held
          AND c.state IN ('held', 'confirmed', 'banned'))
    """
)
_NAMED = text(
    """
    SELECT EXISTS (
        SELECT 1 FROM risk_case_members m JOIN risk_cases c ON c.id = m.case_id
        WHERE m.account_kind = 'promoter' AND m.account_id = :promoter_id AND m.accused AND c.state <> 'innocent')
        OR EXISTS (
        SELECT 1 FROM risk_reach r JOIN risk_cases c ON c.id = r.case_id
        WHERE r.account_kind = 'promoter' AND r.account_id = :promoter_id AND r.score >= :raised_from
          AND c.state IN ('confirmed', 'banned'))
    """
)


def is_held_member(tx: Transaction, *, promoter_id: str) -> bool:
    """Tell whether a person has decided to hold what this promoter has."""
    return bool(tx.execute(_HELD_MEMBER, {"promoter_id": promoter_id}).scalar_one())


def is_accused(tx: Transaction, *, promoter_id: str) -> bool:
    """Tell whether any case that was not found innocent accuses this promoter, or a confirmed one is very near."""
    return bool(tx.execute(_NAMED, {"promoter_id": promoter_id, "raised_from": RAISED_FROM}).scalar_one())


def list_frozen(tx: Transaction, *, promoter_id: str, after: tuple[str, int], limit: int) -> Sequence[Row[Any]]:
    """Return a promoter's frozen entries with the instant since when, in the order of their keys."""
    return tx.execute(
        text(
            """
            SELECT e.order_id, e.level, e.currency, e.amount_minor - e.reversed_minor AS amount_minor,
                   (SELECT min(h.placed_at) FROM risk_holds h
                    WHERE h.order_id = e.order_id AND h.level = e.level AND h.lifted_at IS NULL) AS held_at
            FROM commission_entries e
            WHERE e.promoter_id = :promoter_id AND e.status = 'frozen' AND (e.order_id, e.level) > (:order_id, :level)
            ORDER BY e.order_id, e.level LIMIT :limit
            """
        ),
        {"promoter_id": promoter_id, "order_id": after[0], "level": after[1], "limit": limit},
    ).all()


def _rule(row: Row[Any]) -> RiskRule:
    return RiskRule(
        row.id, row.version, row.parameters, Outcome(row.action), Mode(row.mode), row.author_id, row.author_name,
        row.created_at,
    )  # fmt: skip


def _check(row: Row[Any]) -> OrderCheck:
    findings = tuple(
        Finding(
            one["rule_id"], one["version"], Outcome(one["action"]), Mode(one["mode"]), one["detail"],
            tuple(Edge(**edge) for edge in one["edges"]), one["case_id"],
        )
        for one in row.findings or ()
    )  # fmt: skip
    return OrderCheck(
        row.order_id, row.buyer_id, row.promoter_id, row.placed_at, Outcome(row.outcome), Outcome(row.dry_outcome),
        findings, None if row.decision is None else Decision(row.decision), row.decided_by, row.decided_at, row.reason,
        row.version, row.checked_at,
    )  # fmt: skip


def group_shared(levels: Mapping[int, set[str]], users: Mapping[str, int]) -> dict[int, tuple[tuple[str, int], ...]]:
    """Return, by level, the shared identifiers with their number of users."""
    shared: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for level, keys in levels.items():
        for key in sorted(keys):
            shared[level].append((key, users.get(key, 2)))
    return {level: tuple(found) for level, found in shared.items()}
