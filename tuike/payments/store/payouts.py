"""Rows of payouts."""

from datetime import datetime
from typing import Any

from sqlalchemy import text

from tuike.db import Transaction
from tuike.payments.model import Payout, PayoutState
from tuike.payments.store.rows import PAYOUT_SELECT, list_where, read_payout

_COLUMNS = (
    "id, withdrawal_id, provider, out_no, payee_id, is_logon_id, name, amount_minor, currency, state, next_at, "
    "created_at"
)


def add_payout(tx: Transaction, payout: Payout) -> None:
    """Insert a payout. Raises IntegrityError when the withdrawal has one."""
    names = [name.strip() for name in _COLUMNS.split(",")]
    values = ", ".join(f":{name}" for name in names)
    tx.execute(
        text(f"INSERT INTO payouts ({_COLUMNS}) VALUES ({values})"), {name: getattr(payout, name) for name in names}
    )


def find_payout(tx: Transaction, *, payout_id: str, lock: bool = False) -> Payout | None:
    """Return a payout, locked until the transaction ends when asked."""
    return _find(tx, "p.id", payout_id, lock=lock)


def find_by_withdrawal(tx: Transaction, *, withdrawal_id: str) -> Payout | None:
    """Return the payout of a withdrawal."""
    return _find(tx, "p.withdrawal_id", withdrawal_id, lock=False)


def find_by_number(tx: Transaction, *, out_no: str, lock: bool = False) -> Payout | None:
    """Return the payout that a provider knows by a number."""
    return _find(tx, "p.out_no", out_no, lock=lock)


def list_payouts(
    tx: Transaction, *, promoter_id: str | None, state: str | None, before: str | None, limit: int
) -> list[Payout]:
    """Return payouts, newest first."""
    conditions: list[tuple[str, Any]] = [("w.promoter_id", promoter_id), ("p.state", state)]
    rows = list_where(tx, select=PAYOUT_SELECT, prefix="p.", conditions=conditions, before=before, limit=limit)
    return [read_payout(row) for row in rows]


def set_asking(tx: Transaction, *, payout_id: str, now: datetime) -> None:
    """Write that the provider is about to be asked for the transfer."""
    tx.execute(
        text("UPDATE payouts SET state = 'asking', asked_at = :now WHERE id = :id"), {"id": payout_id, "now": now}
    )


def set_state(
    tx: Transaction,
    *,
    payout_id: str,
    state: PayoutState,
    next_at: datetime | None,
    provider_no: str | None = None,
    package: str | None = None,
    note: str | None = None,
    finished_at: datetime | None = None,
) -> None:
    """Write where a payout stands; the recipient's name is forgotten at the end."""
    tx.execute(
        text(
            """
            UPDATE payouts SET state = :state, next_at = :next_at, provider_no = coalesce(:provider_no, provider_no),
                   package = coalesce(:package, package), note = coalesce(:note, note), finished_at = :finished_at,
                   name = CASE WHEN :finished_at ::timestamptz IS NULL THEN name END WHERE id = :id
            """
        ),
        {"id": payout_id, "state": state, "next_at": next_at, "provider_no": provider_no, "package": package,
         "note": note, "finished_at": finished_at},
    )  # fmt: skip


def set_cancelling(tx: Transaction, *, payout_id: str, now: datetime) -> None:
    """Write that a payout is to be taken back."""
    query = "UPDATE payouts SET state = 'cancelling', next_at = :now, attempts = 0 WHERE id = :id"
    tx.execute(text(query), {"id": payout_id, "now": now})


def _find(tx: Transaction, column: str, value: str, *, lock: bool) -> Payout | None:
    query = f"{PAYOUT_SELECT} WHERE {column} = :value{' FOR UPDATE OF p' if lock else ''}"
    row = tx.execute(text(query), {"value": value}).one_or_none()
    return read_payout(row) if row else None
