"""The orders, commissions, withdrawals and wallets that a decision about a case touches."""

from collections.abc import Sequence

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from tuike.db import Transaction
from tuike.risk.cases.model import Amounts, AtStake, OpenWithdrawal

_BUYER_IDS = bindparam("buyer_ids", type_=ARRAY(Text))
_PROMOTER_IDS = bindparam("promoter_ids", type_=ARRAY(Text))
_CASE_ORDERS = """
    SELECT o.id, o.currency, o.goods_minor FROM orders o
    WHERE o.buyer_id = ANY (:buyer_ids)
      AND (o.attribution_promoter_id = ANY (:promoter_ids)
           OR (cardinality(:promoter_ids) = 0 AND o.attribution_promoter_id IS NOT NULL))
"""
_LIST_CASE_ORDERS = text(f"{_CASE_ORDERS} ORDER BY o.id").bindparams(_BUYER_IDS, _PROMOTER_IDS)


def list_case_orders(tx: Transaction, *, buyer_ids: Sequence[str], promoter_ids: Sequence[str]) -> list[str]:
    """Return the orders that accused buyers placed through accused promoters, or through any where none is accused."""
    given = {"buyer_ids": list(buyer_ids), "promoter_ids": list(promoter_ids)}
    return [row.id for row in tx.execute(_LIST_CASE_ORDERS, given)]


_SUM_ORDERS = text(
    f"SELECT currency, count(*), sum(goods_minor)::bigint FROM ({_CASE_ORDERS}) mine "
    "GROUP BY currency ORDER BY currency"
).bindparams(_BUYER_IDS, _PROMOTER_IDS)


def sum_orders(tx: Transaction, *, buyer_ids: Sequence[str], promoter_ids: Sequence[str]) -> list[Amounts]:
    """Return how many such orders there are and what their goods cost."""
    rows = tx.execute(_SUM_ORDERS, {"buyer_ids": list(buyer_ids), "promoter_ids": list(promoter_ids)})
    return [Amounts(*row) for row in rows]


_SUM_COMMISSIONS = text(
    """
    SELECT currency, count(*), sum(amount_minor - reversed_minor)::bigint FROM commission_entries
    WHERE promoter_id = ANY (:promoter_ids) AND status IN ('pending', 'frozen') GROUP BY currency ORDER BY currency
    """
).bindparams(_PROMOTER_IDS)


def sum_commissions(tx: Transaction, *, promoter_ids: Sequence[str]) -> list[Amounts]:
    """Return promoters' entries that are not available yet."""
    return [Amounts(*row) for row in tx.execute(_SUM_COMMISSIONS, {"promoter_ids": list(promoter_ids)})]


_LIST_UPLINES = text(
    f"""
    SELECT e.currency, count(*), sum(e.amount_minor - e.reversed_minor)::bigint, array_agg(DISTINCT e.promoter_id)
    FROM ({_CASE_ORDERS}) mine JOIN commission_entries e ON e.order_id = mine.id
    WHERE e.promoter_id <> ALL (:promoter_ids) AND e.status IN ('pending', 'frozen')
    GROUP BY e.currency ORDER BY e.currency
    """
).bindparams(_BUYER_IDS, _PROMOTER_IDS)


def sum_uplines(
    tx: Transaction, *, buyer_ids: Sequence[str], promoter_ids: Sequence[str]
) -> tuple[list[Amounts], list[str]]:
    """Return what others earn from accused orders, and who they are."""
    found = tx.execute(_LIST_UPLINES, {"buyer_ids": list(buyer_ids), "promoter_ids": list(promoter_ids)}).all()
    return [Amounts(*row[:3]) for row in found], sorted({promoter_id for row in found for promoter_id in row[3]})


_OPEN_WITHDRAWALS = """
    SELECT w.id, w.currency, w.amount_minor, w.status,
           EXISTS (SELECT 1 FROM payouts p WHERE p.withdrawal_id = w.id
                   AND p.state NOT IN ('succeeded', 'failed', 'cancelled')) AS is_under_way
    FROM withdrawals w WHERE w.promoter_id = ANY (:promoter_ids) AND w.status IN ('requested', 'approved')
    ORDER BY w.id
"""


def list_withdrawals(tx: Transaction, *, promoter_ids: Sequence[str], lock: bool = False) -> list[OpenWithdrawal]:
    """Return promoters' withdrawals that are asked for or approved, locked when asked."""
    if lock:  # the state of a payout is read once its withdrawal can no longer change
        tx.execute(
            text(
                "SELECT id FROM withdrawals WHERE promoter_id = ANY (:promoter_ids) "
                "AND status IN ('requested', 'approved') ORDER BY id FOR NO KEY UPDATE"
            ).bindparams(_PROMOTER_IDS),
            {"promoter_ids": list(promoter_ids)},
        )
    rows = tx.execute(text(_OPEN_WITHDRAWALS).bindparams(_PROMOTER_IDS), {"promoter_ids": list(promoter_ids)})
    return [OpenWithdrawal(*row) for row in rows]


_SUM_ACCOUNTS = text(
    """
    SELECT currency, kind, count(*) AS owners, sum(balance_minor)::bigint AS amount_minor FROM ledger_accounts
    WHERE owner = ANY (:promoter_ids) AND kind IN ('pending', 'frozen', 'available', 'withdrawing')
      AND balance_minor <> 0
    GROUP BY currency, kind ORDER BY currency, kind
    """
).bindparams(_PROMOTER_IDS)


def sum_accounts(tx: Transaction, *, promoter_ids: Sequence[str]) -> tuple[list[AtStake], list[Amounts]]:
    """Return what promoters have by currency, and how many of them have how much available."""
    held: dict[str, dict[str, int]] = {}
    available = []
    for row in tx.execute(_SUM_ACCOUNTS, {"promoter_ids": list(promoter_ids)}):
        held.setdefault(row.currency, {})[f"{row.kind}_minor"] = row.amount_minor
        if row.kind == "available":
            available.append(Amounts(row.currency, row.owners, row.amount_minor))
    return [AtStake(currency, **amounts) for currency, amounts in held.items()], available
