"""What orders bring to cases: which they join, what they add up to, who gathers; and the locks around that."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text

from tuike.db import Transaction
from tuike.risk.cases.model import Evidence

_GROWTH = 7_485_012
"""Advisory lock on who is a member: shared by checks of orders, exclusive for who changes the accused."""


def lock_growth(tx: Transaction, *, shared: bool) -> None:
    """Wait for the right to add to cases beside others, or to change alone whom they accuse, until the commit."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    tx.execute(text(f"SELECT {function}(:lock)"), {"lock": _GROWTH})


_STANDING = """
    FROM risk_checks k
    CROSS JOIN LATERAL (VALUES ('buyer', k.buyer_id), ('promoter', k.promoter_id)) AS who (kind, id)
    JOIN risk_case_members m ON m.account_kind = who.kind AND m.account_id = who.id
    WHERE k.order_id = ANY (:order_ids)
"""


@dataclass(frozen=True, slots=True)
class Living:
    """What a case needs for an order to join it."""

    state: str
    score: float
    has_promoters: bool


_LOCK_LIVING = text(
    f"""
    SELECT c.id, c.state, c.score,
           EXISTS (SELECT 1 FROM risk_case_members p WHERE p.case_id = c.id AND p.account_kind = 'promoter'
                   AND p.role <> 'context') AS has_promoters
    FROM risk_cases c WHERE c.id IN (SELECT m.case_id {_STANDING}) AND c.state <> 'innocent'
    ORDER BY c.id FOR NO KEY UPDATE
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))


def lock_living(tx: Transaction, *, order_ids: Sequence[str]) -> dict[str, Living]:
    """Lock the cases, innocent ones aside, that name a buyer or promoter of checked orders; return them."""
    rows = tx.execute(_LOCK_LIVING, {"order_ids": list(order_ids)})
    return {row.id: Living(row.state, row.score, row.has_promoters) for row in rows}


_LIST_STANDING = text(
    f"SELECT DISTINCT m.case_id, m.account_kind, m.account_id, m.role, m.accused {_STANDING}"
    " AND m.case_id = ANY (:case_ids)"
).bindparams(bindparam("order_ids", type_=ARRAY(Text)), bindparam("case_ids", type_=ARRAY(Text)))


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
