"""Totals over everything that the demo did, read from the database at the end."""

from dataclasses import dataclass

from sqlalchemy import text

from tuike.db import Transaction

_COUNT = text(
    """
    SELECT (SELECT count(*) FROM orders WHERE id NOT IN (SELECT id FROM shop_orders)) AS orders,
           (SELECT coalesce(sum(goods_minor + shipping_minor), 0) FROM orders
            WHERE payment_id IS NOT NULL AND id NOT IN (SELECT id FROM shop_orders)) AS paid_minor,
           (SELECT count(*) FROM orders WHERE attribution_promoter_id IS NOT NULL) AS attributed_orders,
           (SELECT count(*) FROM orders WHERE attribution_state = 'pending') AS undecided_orders,
           (SELECT count(*) FROM promoters) AS promoters,
           (SELECT count(*) FROM links) AS links,
           (SELECT count(*) FROM journal WHERE kind = 'touch') AS touches,
           (SELECT count(*) FROM commission_entries) AS commission_entries,
           (SELECT coalesce(sum(amount_minor), 0) FROM commission_entries) AS commission_minor,
           (SELECT coalesce(sum(reversed_minor), 0) FROM commission_entries) AS reversed_minor,
           (SELECT count(*) FROM refunds) AS refunds,
           (SELECT coalesce(sum(amount_minor), 0) FROM refunds) AS refunded_minor,
           (SELECT count(*) FROM withdrawals WHERE status = 'paid') AS withdrawals,
           (SELECT coalesce(sum(amount_minor), 0) FROM withdrawals WHERE status = 'paid') AS withdrawn_minor,
           (SELECT coalesce(-sum(balance_minor), 0) FROM ledger_accounts WHERE kind = 'debt') AS debt_minor,
           (SELECT count(*) FROM products) AS products,
           (SELECT count(*) FROM skus) AS skus,
           (SELECT count(*) FROM shop_orders) AS shop_orders,
           (SELECT coalesce(sum(amount_minor), 0) FROM payments WHERE outcome = 'paid_order') AS shop_paid_minor
    """
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts and sums over the whole database; amounts in minor units. `orders` and `paid_minor` are the baskets'."""

    orders: int
    paid_minor: int
    attributed_orders: int
    undecided_orders: int
    promoters: int
    links: int
    touches: int
    commission_entries: int
    commission_minor: int
    reversed_minor: int
    refunds: int
    refunded_minor: int
    withdrawals: int
    withdrawn_minor: int
    debt_minor: int
    products: int
    skus: int
    shop_orders: int
    shop_paid_minor: int


def count_figures(tx: Transaction) -> Figures:
    """Return the totals as of now."""
    row = tx.execute(_COUNT).mappings().one()
    return Figures(**{name: int(value) for name, value in row.items()})
