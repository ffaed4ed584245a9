"""What must be known about a person before an erasure, read at one instant; and what other rows name the person."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from tuike.db import Transaction
from tuike.shared.clock import format_instant

PAGE = 500

_LOCK_ACCOUNTS = text(
    "SELECT kind, currency, balance_minor FROM ledger_accounts WHERE owner = :promoter_id AND address LIKE 'promoter:%'"
    " ORDER BY id FOR UPDATE"
)
_COUNT_OPEN_ORDERS = text("SELECT count(*) FROM orders WHERE buyer_id = :user_id AND status = 'paid'")
_COUNT_OPEN_WITHDRAWALS = text(
    "SELECT count(*) FROM withdrawals WHERE promoter_id = :promoter_id AND status IN ('requested', 'approved')"
)
# Orders that may still book something for the promoter: touched by an event that no worker has finished.
_COUNT_UNSETTLED = text(
    """
    SELECT count(*) FROM outbox o JOIN commission_splits s ON s.order_id = o.key
    WHERE :promoter_id = ANY(s.promoter_ids)
    """
)


def find_promoter(tx: Transaction, *, user_id: str) -> Any:
    """Return id, name, invite_code and status of the promoter that a shopper has become, or None."""
    query = text("SELECT id, name, invite_code, status, joined_at FROM promoters WHERE external_id = :user_id")
    return tx.execute(query, {"user_id": user_id}).one_or_none()


def lock_balances(tx: Transaction, *, promoter_id: str) -> list[tuple[str, str, int]]:
    """Return what a promoter holds as (kind, currency, amount), locked until the transaction ends."""
    return [tuple(row) for row in tx.execute(_LOCK_ACCOUNTS, {"promoter_id": promoter_id})]


def count_open_orders(tx: Transaction, *, user_id: str) -> int:
    """Return how many orders of a buyer are paid and not received."""
    return int(tx.execute(_COUNT_OPEN_ORDERS, {"user_id": user_id}).scalar_one())


def count_open_withdrawals(tx: Transaction, *, promoter_id: str) -> int:
    """Return how many withdrawals of a promoter are under way."""
    return int(tx.execute(_COUNT_OPEN_WITHDRAWALS, {"promoter_id": promoter_id}).scalar_one())


def count_unsettled(tx: Transaction, *, promoter_id: str) -> int:
    """Return how many events wait that may book something for a promoter."""
    return int(tx.execute(_COUNT_UNSETTLED, {"promoter_id": promoter_id}).scalar_one())


def iter_touches(tx: Transaction, *, user_id: str) -> Iterator[dict[str, Any]]:
    """Yield the links that a shopper opened, oldest first."""
    query = text(
        "SELECT seq, id, payload->>'code' AS code, (payload->>'promoter_id') AS promoter_id,"
        " to_timestamp((payload->>'at')::bigint / 1000000.0) AS at FROM journal"
        " WHERE kind = 'touch' AND subject = :user_id AND seq > :after ORDER BY seq LIMIT :limit"
    )
    after = 0
    while True:
        rows = tx.execute(query, {"user_id": user_id, "after": after, "limit": PAGE}).all()
        for row in rows:
            yield {"id": row.id, "code": row.code, "promoter_id": row.promoter_id, "at": format_instant(row.at)}
        if len(rows) < PAGE:
            return
        after = rows[-1].seq


def list_identifiers(tx: Transaction, *, user_id: str) -> list[dict[str, Any]]:
    """Return the kinds of identifiers of which digests are kept under a shopper's id."""
    query = text(
        "SELECT payload->>'kind' AS kind, count(DISTINCT payload->>'digest') AS digests FROM journal"
        " WHERE kind = 'identifier' AND subject = :user_id GROUP BY 1 ORDER BY 1"
    )
    return [{"kind": row.kind, "digests": row.digests} for row in tx.execute(query, {"user_id": user_id})]


def forget_promoter(tx: Transaction, *, promoter_id: str) -> None:
    """Take the promoter's name and payout accounts; ids, amounts and the ledger stay."""
    tx.execute(text("UPDATE promoters SET name = '-' WHERE id = :id"), {"id": promoter_id})
    tx.execute(
        text("UPDATE withdrawals SET account = NULL WHERE promoter_id = :id AND account IS NOT NULL"),
        {"id": promoter_id},
    )


def list_currencies(tx: Transaction, *, promoter_id: str) -> list[str]:
    """Return the currencies in which a promoter has accounts."""
    query = text("SELECT DISTINCT currency FROM ledger_accounts WHERE owner = :id ORDER BY 1")
    return list(tx.execute(query, {"id": promoter_id}).scalars())


def list_commissions(tx: Transaction, *, promoter_id: str, after: tuple[str, int]) -> list[Any]:
    """Return up to PAGE commission entries of a promoter behind (order_id, level)."""
    query = text(
        "SELECT order_id, level, currency, amount_minor, reversed_minor, status FROM commission_entries"
        " WHERE promoter_id = :id AND (order_id, level) > (:order_id, :level) ORDER BY order_id, level LIMIT :limit"
    )
    values = {"id": promoter_id, "order_id": after[0], "level": after[1], "limit": PAGE}
    return list(tx.execute(query, values))
