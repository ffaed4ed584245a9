"""A wallet as a means of payment: available money pays an order, and comes back when the order is refunded."""

from datetime import datetime

from tuike.db import Transaction
from tuike.wallet.accounts import promoter_address, sales_address
from tuike.wallet.ledger import lock_balances, post
from tuike.wallet.model import InsufficientBalance, LedgerTransaction, Posting
from tuike.wallet.rules import credit_postings


def pay_from_available(
    tx: Transaction,
    *,
    promoter_id: str,
    merchant_id: str,
    payment_id: str,
    amount_minor: int,
    currency: str,
    now: datetime,
) -> None:
    """Move available money to a merchant's sales, all or nothing; of two payments for the same money one succeeds.

    Raises InsufficientBalance.
    """
    available, sales = promoter_address(promoter_id, "available"), sales_address(merchant_id)
    balances = lock_balances(tx, accounts=[(available, currency), (sales, currency)])
    if balances.of(available, currency) < amount_minor:
        raise InsufficientBalance(
            fields={"provider": [f"Only {balances.of(available, currency)} is available, {amount_minor} is needed."]}
        )
    posting = Posting(available, sales, amount_minor, currency)
    post(
        tx, transactions=[LedgerTransaction(f"payment:{payment_id}:paid", "order.paid_from_wallet", payment_id,
                                            [posting])], now=now,
    )  # fmt: skip


def return_to_available(
    tx: Transaction,
    *,
    promoter_id: str,
    merchant_id: str,
    payment_id: str,
    refund_id: str,
    amount_minor: int,
    currency: str,
    now: datetime,
) -> None:
    """Move money of a payment from a merchant's sales back to the promoter, to debt first."""
    sales = sales_address(merchant_id)
    available, debt = promoter_address(promoter_id, "available"), promoter_address(promoter_id, "debt")
    balances = lock_balances(tx, accounts=[(sales, currency), (available, currency), (debt, currency)])
    postings = credit_postings(promoter_id, sales, amount_minor, -balances.of(debt, currency), currency)
    one = LedgerTransaction(
        f"payment_refund:{refund_id}:refunded", "order.refunded_to_wallet", payment_id, postings,
        f"payment:{payment_id}:paid",
    )  # fmt: skip
    post(tx, transactions=[one], now=now)
