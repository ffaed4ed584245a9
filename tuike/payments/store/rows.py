"""From rows to nouns, and the claims by which workers share what is due."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from tuike.db import Transaction
from tuike.payments.model import (
    PayBy,
    Payment,
    PaymentOutcome,
    PaymentRefund,
    PaymentState,
    Payout,
    PayoutState,
    RefundCause,
    RefundState,
)

PAYMENT_COLUMNS = (
    "id, order_id, shopper_id, provider, payer_id, description, amount_minor, currency, state, outcome, prepay_id, "
    "prepaid_at, provider_no, received_minor, paid_at, expires_at, asked_at, attempts, next_at, note, created_at"
)
REFUND_SELECT = """
    SELECT r.id, r.out_no, r.payment_id, p.order_id, p.provider, r.cause, r.amount_minor,
           coalesce(p.received_minor, p.amount_minor) AS total_minor, p.currency, r.reason, r.state, r.provider_no,
           r.asked_at, r.attempts, r.next_at, r.refunded_at, r.note, r.created_at
    FROM payment_refunds r JOIN payments p ON p.id = r.payment_id
"""
PAYOUT_SELECT = """
    SELECT p.id, p.withdrawal_id, w.promoter_id, p.provider, p.out_no, p.payee_id, p.is_logon_id, p.name,
           p.amount_minor, p.currency, p.state, p.package, p.provider_no, p.note, p.asked_at, p.attempts, p.next_at,
           p.finished_at, p.created_at
    FROM payouts p JOIN withdrawals w ON w.id = p.withdrawal_id
"""


def read_payment(row: Row[Any]) -> Payment:
    """Return the payment of a row of PAYMENT_COLUMNS."""
    values = row._asdict()
    values["provider"] = PayBy(values["provider"])
    values["state"] = PaymentState(values["state"])
    values["outcome"] = None if values["outcome"] is None else PaymentOutcome(values["outcome"])
    return Payment(**values)


def read_refund(row: Row[Any]) -> PaymentRefund:
    """Return the refund of a row of REFUND_SELECT."""
    values = row._asdict()
    values["provider"] = PayBy(values["provider"])
    values["cause"] = RefundCause(values["cause"])
    values["state"] = RefundState(values["state"])
    return PaymentRefund(**values)


def read_payout(row: Row[Any]) -> Payout:
    """Return the payout of a row of PAYOUT_SELECT."""
    values = row._asdict()
    values["provider"] = PayBy(values["provider"])
    values["state"] = PayoutState(values["state"])
    values["name"] = None if values["name"] is None else bytes(values["name"])
    return Payout(**values)


def lock_order(tx: Transaction, order_id: str) -> None:
    """Let nobody else change what an order is paid with until the transaction ends: always the first lock."""
    tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('payments:' || :id, 0))"), {"id": order_id})


def claim_due(tx: Transaction, *, table: str, limit: int, until: datetime, now: datetime) -> list[str]:
    """Take what is due for asking, oldest first, for oneself until an instant; return the ids."""
    rows = tx.execute(
        text(
            f"""
            UPDATE {table} SET next_at = :until, attempts = attempts + 1 WHERE id IN (
                SELECT id FROM {table} WHERE next_at <= :now ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING id
            """
        ),
        {"now": now, "until": until, "limit": limit},
    )
    return list(rows.scalars())


def take_turn(tx: Transaction, *, name: str, until: datetime, now: datetime) -> bool:
    """Tell whether it is our turn at something until an instant, or until `end_turn`."""
    query = "UPDATE provider_turns SET until = :until WHERE name = :name AND until < :now RETURNING name"
    return tx.execute(text(query), {"name": name, "until": until, "now": now}).one_or_none() is not None


def end_turn(tx: Transaction, *, name: str) -> None:
    """Give the turn on."""
    tx.execute(text("UPDATE provider_turns SET until = 'epoch' WHERE name = :name"), {"name": name})


MERCHANT = "(SELECT merchant_id FROM orders WHERE id = order_id)"
"""The merchant of a payment's or refund's order, as a column of `list_where`."""


def list_where(
    tx: Transaction, *, select: str, prefix: str, conditions: Sequence[tuple[str, Any]], before: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Return rows, newest first, that meet `conditions`; those whose value is None do not count.

    A condition is a column and its value, or a column and all the values that it may have.
    """
    asked = [(column, value) for column, value in conditions if value is not None]
    where = [
        f"{column} = ANY (:v{number})" if isinstance(value, list) else f"{column} = :v{number}"
        for number, (column, value) in enumerate(asked)
    ]
    values: dict[str, Any] = {f"v{number}": value for number, (_, value) in enumerate(asked)}
    if before is not None:
        where.append(f"{prefix}id < :before")
        values["before"] = before
    query = f"{select} WHERE {' AND '.join(where) or 'true'} ORDER BY {prefix}id DESC LIMIT :limit"
    return tx.execute(text(query), values | {"limit": limit}).all()
