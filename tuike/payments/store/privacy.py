"""What payments and payouts say of a person, and how it is taken out of them."""

from collections.abc import Iterator

from sqlalchemy import text

from tuike.db import Transaction
from tuike.payments.model import Payment, Payout
from tuike.payments.store.payouts import list_payouts
from tuike.payments.store.rows import PAYMENT_COLUMNS, read_payment

_PAGE = 500


def iter_payments(tx: Transaction, *, shopper_id: str) -> Iterator[Payment]:
    """Yield the payments of a shopper's orders, order by order."""
    query = text(
        f"SELECT {PAYMENT_COLUMNS} FROM payments WHERE order_id IN (SELECT id FROM orders WHERE buyer_id = :id)"
        " ORDER BY order_id, id"
    )
    for row in tx.execute(query, {"id": shopper_id}):
        yield read_payment(row)


def iter_payouts(tx: Transaction, *, promoter_id: str) -> Iterator[Payout]:
    """Yield a promoter's payouts, newest first."""
    before: str | None = None
    while True:
        found = list_payouts(tx, promoter_id=promoter_id, state=None, before=before, limit=_PAGE)
        yield from found
        if len(found) < _PAGE:
            return
        before = found[-1].id


def forget_payer(tx: Transaction, *, shopper_id: str) -> None:
    """Take the provider's id of the payer out of payments that wait for nothing; a wallet's is a promoter's id."""
    tx.execute(
        text(
            "UPDATE payments SET payer_id = NULL WHERE order_id IN (SELECT id FROM orders WHERE buyer_id = :id)"
            " AND provider <> 'wallet' AND state IN ('succeeded', 'closed', 'failed', 'held')"
        ),
        {"id": shopper_id},
    )


def forget_payee(tx: Transaction, *, promoter_id: str) -> None:
    """Take the payee out of payouts that are over."""
    tx.execute(
        text(
            "UPDATE payouts SET payee_id = '-', name = NULL, package = NULL"
            " WHERE withdrawal_id IN (SELECT id FROM withdrawals WHERE promoter_id = :id)"
            " AND state IN ('succeeded', 'failed', 'cancelled')"
        ),
        {"id": promoter_id},
    )
