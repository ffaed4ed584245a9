"""Rows of payments that come in, and of the notifies that speak of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from tuike.db import Transaction
from tuike.payments.model import PayBy, Payment, PaymentOutcome, PaymentState
from tuike.payments.store.rows import MERCHANT, PAYMENT_COLUMNS, list_where, read_payment

_SELECT = f"SELECT {PAYMENT_COLUMNS} FROM payments"
_LIVING = "state IN ('asking', 'pending')"


def add_payment(tx: Transaction, payment: Payment) -> None:
    """Insert a payment. Raises IntegrityError when the order has a living one with this provider."""
    names = [name.strip() for name in PAYMENT_COLUMNS.split(",")]
    values = ", ".join(f":{name}" for name in names)
    tx.execute(
        text(f"INSERT INTO payments ({PAYMENT_COLUMNS}) VALUES ({values})"),
        {name: getattr(payment, name) for name in names},
    )


def find_payment(tx: Transaction, *, payment_id: str, lock: bool = False) -> Payment | None:
    """Return a payment, locked until the transaction ends when asked."""
    row = tx.execute(text(f"{_SELECT} WHERE id = :id{' FOR UPDATE' if lock else ''}"), {"id": payment_id}).one_or_none()
    return read_payment(row) if row else None


def find_living(tx: Transaction, *, order_id: str, provider: PayBy) -> Payment | None:
    """Return the order's payment that waits for money by a provider."""
    query = f"{_SELECT} WHERE order_id = :order_id AND provider = :provider AND {_LIVING} FOR UPDATE"
    row = tx.execute(text(query), {"order_id": order_id, "provider": provider}).one_or_none()
    return read_payment(row) if row else None


def find_paying(tx: Transaction, *, order_id: str) -> Payment | None:
    """Return the payment that paid the order."""
    query = f"{_SELECT} WHERE order_id = :order_id AND outcome = 'paid_order'"
    row = tx.execute(text(query), {"order_id": order_id}).one_or_none()
    return read_payment(row) if row else None


def list_payments(
    tx: Transaction,
    *,
    order_id: str | None,
    state: str | None,
    merchant_ids: Sequence[str],
    before: str | None,
    limit: int,
) -> list[Payment]:
    """Return payments, newest first; with `merchant_ids` those of their orders only."""
    conditions = [("order_id", order_id), ("state", state), (MERCHANT, list(merchant_ids) or None)]
    rows = list_where(tx, select=_SELECT, prefix="", conditions=conditions, before=before, limit=limit)
    return [read_payment(row) for row in rows]


def list_by_ids(tx: Transaction, *, ids: Sequence[str]) -> list[Payment]:
    """Return payments by their ids."""
    return [read_payment(row) for row in tx.execute(text(f"{_SELECT} WHERE id = ANY (:ids)"), {"ids": list(ids)})]


def set_prepaid(tx: Transaction, *, payment_id: str, prepay_id: str, next_at: datetime, now: datetime) -> None:
    """Write what the provider answered to the opening; a payment that moved on meanwhile keeps its state."""
    tx.execute(
        text(
            "UPDATE payments SET prepay_id = :prepay_id, prepaid_at = :now, next_at = :next_at, attempts = 0, "
            f"state = 'pending' WHERE id = :id AND {_LIVING}"
        ),
        {"id": payment_id, "prepay_id": prepay_id, "next_at": next_at, "now": now},
    )


def set_asked(tx: Transaction, *, payment_id: str, now: datetime) -> None:
    """Write that the provider was asked about a payment."""
    tx.execute(text("UPDATE payments SET asked_at = :now WHERE id = :id"), {"id": payment_id, "now": now})


def set_next(tx: Transaction, *, payment_id: str, next_at: datetime | None) -> None:
    """Write when to ask about an open payment again."""
    query = "UPDATE payments SET next_at = :next_at WHERE id = :id AND state IN ('asking', 'pending', 'closing')"
    tx.execute(text(query), {"id": payment_id, "next_at": next_at})


def set_arrived(
    tx: Transaction,
    *,
    payment_id: str,
    state: PaymentState,
    outcome: PaymentOutcome,
    provider_no: str | None,
    received_minor: int,
    paid_at: datetime,
    note: str | None,
) -> None:
    """Write that money came and what became of it."""
    tx.execute(
        text(
            """
            UPDATE payments SET state = :state, outcome = :outcome, provider_no = :provider_no, note = :note,
                   received_minor = :received_minor, paid_at = :paid_at, next_at = NULL WHERE id = :id
            """
        ),
        {
            "id": payment_id,
            "state": state,
            "outcome": outcome,
            "provider_no": provider_no,
            "received_minor": received_minor,
            "paid_at": paid_at,
            "note": note,
        },
    )


def set_note(tx: Transaction, *, payment_id: str, note: str) -> None:
    """Write down something about a payment that a person should see."""
    tx.execute(text("UPDATE payments SET note = :note WHERE id = :id"), {"id": payment_id, "note": note})


def set_ended(tx: Transaction, *, payment_id: str, state: PaymentState, note: str | None) -> None:
    """Write a last state; nothing is left to ask."""
    tx.execute(
        text("UPDATE payments SET state = :state, note = coalesce(:note, note), next_at = NULL WHERE id = :id"),
        {"id": payment_id, "state": state, "note": note},
    )


def close_others(tx: Transaction, *, order_id: str, now: datetime) -> int:
    """Let every payment of an order that still waits for money be closed; return how many."""
    query = f"UPDATE payments SET state = 'closing', next_at = :now WHERE order_id = :order_id AND {_LIVING}"
    return int(tx.execute(text(query), {"order_id": order_id, "now": now}).rowcount)


def has_open(tx: Transaction, *, order_id: str) -> bool:
    """Tell whether money for an order may still come."""
    query = "SELECT EXISTS (SELECT 1 FROM payments WHERE order_id = :id AND state IN ('asking', 'pending', 'closing'))"
    return bool(tx.execute(text(query), {"id": order_id}).scalar_one())


def add_notify(
    tx: Transaction,
    *,
    provider: str,
    notify_id: str,
    kind: str,
    no: str | None,
    digest: bytes,
    body: bytes,
    now: datetime,
) -> bool:
    """Keep a notify; return whether it is new. A twin waits until the first is done."""
    row = tx.execute(
        text(
            """
            INSERT INTO provider_notifies AS n (provider, notify_id, kind, no, digest, body, received_at, last_at)
            VALUES (:provider, :notify_id, :kind, :no, :digest, :body, :now, :now)
            ON CONFLICT (provider, notify_id) DO UPDATE SET times = n.times + 1, last_at = :now
            RETURNING times
            """
        ),
        {
            "provider": provider,
            "notify_id": notify_id,
            "kind": kind,
            "no": no,
            "digest": digest,
            "body": body,
            "now": now,
        },
    ).one()
    return bool(row.times == 1)


def set_notify_outcome(tx: Transaction, *, provider: str, notify_id: str, outcome: str) -> None:
    """Write what a notify came to."""
    query = "UPDATE provider_notifies SET outcome = :outcome WHERE provider = :provider AND notify_id = :notify_id"
    tx.execute(text(query), {"provider": provider, "notify_id": notify_id, "outcome": outcome})


def purge_notifies(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Forget notifies received before an instant."""
    query = (
        "DELETE FROM provider_notifies WHERE (provider, notify_id) IN (SELECT provider, notify_id "
        "FROM provider_notifies WHERE received_at < :before LIMIT :limit)"
    )
    return int(tx.execute(text(query), {"before": before, "limit": limit}).rowcount)


def get_attention(tx: Transaction, *, overdue_before: datetime) -> dict[str, Any]:
    """Return the counts of what waits."""
    row = tx.execute(
        text(
            """
            SELECT
              (SELECT count(*) FROM payments WHERE next_at IS NOT NULL) AS open_payments,
              (SELECT count(*) FROM payments WHERE next_at IS NOT NULL AND expires_at < :overdue) AS overdue_payments,
              (SELECT count(*) FROM payments WHERE state = 'held') AS held_payments,
              (SELECT count(*) FROM payment_refunds WHERE next_at IS NOT NULL) AS waiting_refunds,
              (SELECT count(*) FROM payment_refunds WHERE state = 'held') AS held_refunds,
              (SELECT count(*) FROM payouts WHERE next_at IS NOT NULL) AS waiting_payouts,
              (SELECT count(*) FROM payouts WHERE state = 'held') AS held_payouts,
              (SELECT count(*) FROM bill_differences WHERE resolved_at IS NULL) AS open_differences
            """
        ),
        {"overdue": overdue_before},
    ).one()
    return row._asdict()


def find_shipping_told(tx: Transaction, *, payment_id: str) -> tuple[datetime | None, int]:
    """Return when the provider was last told of parcels, and how often; locked until the transaction ends."""
    query = "SELECT shipping_told_at, shipping_told_count FROM payments WHERE id = :id FOR UPDATE"
    row = tx.execute(text(query), {"id": payment_id}).one()
    return row.shipping_told_at, row.shipping_told_count


def set_shipping_told(tx: Transaction, *, payment_id: str, told_at: datetime) -> None:
    """Write the instant told with an upload, before it is told."""
    tx.execute(
        text(
            "UPDATE payments SET shipping_told_at = :at, shipping_told_count = shipping_told_count + 1 WHERE id = :id"
        ),
        {"id": payment_id, "at": told_at},
    )
