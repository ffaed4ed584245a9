"""Rows of refunds at a provider."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text

from tuike.db import Transaction
from tuike.payments.model import PaymentRefund, RefundCause, RefundState
from tuike.payments.store.rows import MERCHANT, REFUND_SELECT, list_where, read_refund


def add_refund(
    tx: Transaction,
    *,
    id: str,
    payment_id: str,
    cause: RefundCause,
    amount_minor: int,
    reason: str,
    now: datetime,
) -> bool:
    """Insert a refund that is due now; return False when it is there already."""
    row = tx.execute(
        text(
            """
            INSERT INTO payment_refunds
                (id, out_no, payment_id, cause, amount_minor, reason, state, next_at, created_at)
            VALUES (:id, :id, :payment_id, :cause, :amount_minor, :reason, 'due', :now, :now)
            ON CONFLICT DO NOTHING RETURNING id
            """
        ),
        {"id": id, "payment_id": payment_id, "cause": cause, "amount_minor": amount_minor, "reason": reason,
         "now": now},
    )  # fmt: skip
    return row.one_or_none() is not None


def find_refund(tx: Transaction, *, refund_id: str, lock: bool = False) -> PaymentRefund | None:
    """Return a refund, locked until the transaction ends when asked."""
    query = f"{REFUND_SELECT} WHERE r.id = :id{' FOR UPDATE OF r' if lock else ''}"
    row = tx.execute(text(query), {"id": refund_id}).one_or_none()
    return read_refund(row) if row else None


def find_id_by_number(tx: Transaction, *, out_no: str) -> str | None:
    """Return the id of the refund that a provider knows by a number."""
    row = tx.execute(text("SELECT id FROM payment_refunds WHERE out_no = :out_no"), {"out_no": out_no}).one_or_none()
    return None if row is None else str(row.id)


def set_number(tx: Transaction, *, refund_id: str, out_no: str, now: datetime) -> None:
    """Let a refund whose number the provider has closed be due under another one."""
    query = (
        "UPDATE payment_refunds SET out_no = :out_no, state = 'due', asked_at = NULL, provider_no = NULL, "
        "next_at = :now WHERE id = :id"
    )
    tx.execute(text(query), {"id": refund_id, "out_no": out_no, "now": now})


def list_turns(
    tx: Transaction, *, payment_id: str, other_than: str
) -> list[tuple[RefundState, datetime | None]]:  # fmt: skip
    """Return state and last asking of a payment's other refunds."""
    query = "SELECT state, asked_at FROM payment_refunds WHERE payment_id = :payment_id AND id <> :id"
    rows = tx.execute(text(query), {"payment_id": payment_id, "id": other_than})
    return [(RefundState(row.state), row.asked_at) for row in rows]


def set_asking(tx: Transaction, *, refund_id: str, now: datetime) -> None:
    """Write that the provider is about to be asked; the instant is that of the first time."""
    query = "UPDATE payment_refunds SET state = 'asking', asked_at = coalesce(asked_at, :now) WHERE id = :id"
    tx.execute(text(query), {"id": refund_id, "now": now})


def set_state(
    tx: Transaction,
    *,
    refund_id: str,
    state: RefundState,
    next_at: datetime | None,
    provider_no: str | None = None,
    refunded_at: datetime | None = None,
    note: str | None = None,
) -> None:
    """Write where a refund stands and when to look again."""
    tx.execute(
        text(
            """
            UPDATE payment_refunds SET state = :state, next_at = :next_at, note = coalesce(:note, note),
                   provider_no = coalesce(:provider_no, provider_no),
                   refunded_at = coalesce(:refunded_at, refunded_at) WHERE id = :id
            """
        ),
        {"id": refund_id, "state": state, "next_at": next_at, "provider_no": provider_no, "refunded_at": refunded_at,
         "note": note},
    )  # fmt: skip


def list_refunds(
    tx: Transaction,
    *,
    payment_id: str | None,
    state: str | None,
    merchant_ids: Sequence[str],
    before: str | None,
    limit: int,
) -> list[PaymentRefund]:
    """Return refunds, newest first; with `merchant_ids` those of their orders only."""
    conditions = [("r.payment_id", payment_id), ("r.state", state), (MERCHANT, list(merchant_ids) or None)]
    rows = list_where(tx, select=REFUND_SELECT, prefix="r.", conditions=conditions, before=before, limit=limit)
    return [read_refund(row) for row in rows]
