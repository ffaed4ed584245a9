"""Rows of wallets and withdrawals."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from tuike.db import Transaction
from tuike.wallet.model import Withdrawal, WithdrawalMethod, WithdrawalPolicy, WithdrawalStatus

_COLUMNS = (
    "id, promoter_id, currency, amount_minor, fee_minor, method, account, status, needs_review, reason, "
    "requested_at, decided_at, finished_at"
)


def find_balances(tx: Transaction, *, promoter_id: str, currency: str) -> dict[str, int]:
    """Return a promoter's balances by kind of account, plus `withdrawn`."""
    rows = tx.execute(
        text(
            """
            SELECT kind, balance_minor FROM ledger_accounts
            WHERE owner = :promoter_id AND currency = :currency AND address LIKE 'promoter:%'
            UNION ALL
            SELECT 'withdrawn', coalesce(sum(amount_minor), 0)::bigint FROM withdrawals
            WHERE promoter_id = :promoter_id AND currency = :currency AND status = 'paid'
            """
        ),
        {"promoter_id": promoter_id, "currency": currency},
    )
    return {row.kind: row.balance_minor for row in rows}


def sum_requested_since(tx: Transaction, *, promoter_id: str, currency: str, since: datetime) -> int:
    """Return what was requested since an instant and neither rejected nor failed."""
    return int(
        tx.execute(
            text(
                """
                SELECT coalesce(sum(amount_minor), 0) FROM withdrawals
                WHERE promoter_id = :promoter_id AND currency = :currency AND requested_at >= :since
                  AND status NOT IN ('rejected', 'failed')
                """
            ),
            {"promoter_id": promoter_id, "currency": currency, "since": since},
        ).scalar_one()
    )


def add_withdrawal(tx: Transaction, withdrawal: Withdrawal) -> None:
    """Insert a withdrawal."""
    names = [name.strip() for name in _COLUMNS.split(",")]
    values = ", ".join(f":{name}" for name in names)
    tx.execute(
        text(f"INSERT INTO withdrawals ({_COLUMNS}) VALUES ({values})"),
        {name: getattr(withdrawal, name) for name in names},
    )


def find_withdrawal(tx: Transaction, *, withdrawal_id: str, lock: bool = False) -> Withdrawal | None:
    """Return a withdrawal, locked until the transaction ends when asked."""
    query = f"SELECT {_COLUMNS} FROM withdrawals WHERE id = :id{' FOR UPDATE' if lock else ''}"
    row = tx.execute(text(query), {"id": withdrawal_id}).one_or_none()
    return _withdrawal(row) if row else None


def list_withdrawals(
    tx: Transaction, *, promoter_id: str | None, status: str | None, before: str | None, limit: int
) -> list[Withdrawal]:
    """Return withdrawals, newest first, older than the id `before`."""
    rows = tx.execute(
        text(
            f"""
            SELECT {_COLUMNS} FROM withdrawals
            WHERE (CAST(:promoter_id AS text) IS NULL OR promoter_id = :promoter_id)
              AND (CAST(:status AS text) IS NULL OR status = :status)
              AND (CAST(:before AS text) IS NULL OR id < :before)
            ORDER BY id DESC LIMIT :limit
            """
        ),
        {"promoter_id": promoter_id, "status": status, "before": before, "limit": limit},
    )
    return [_withdrawal(row) for row in rows]


def set_state(tx: Transaction, withdrawal: Withdrawal) -> None:
    """Write a withdrawal's status, reason and instants."""
    tx.execute(
        text(
            "UPDATE withdrawals SET status = :status, reason = :reason, decided_at = :decided_at, "
            "finished_at = :finished_at WHERE id = :id"
        ),
        {
            "id": withdrawal.id,
            "status": withdrawal.status.value,
            "reason": withdrawal.reason,
            "decided_at": withdrawal.decided_at,
            "finished_at": withdrawal.finished_at,
        },
    )


_POLICY_COLUMNS = "version, valid_from, minimum_minor, fee_bps, daily_limit_minor, review_above_minor"


def get_policy(tx: Transaction, *, lock: bool = False) -> WithdrawalPolicy:
    """Return the newest policy; with `lock`, nobody else can add one until the transaction ends."""
    query = f"SELECT {_POLICY_COLUMNS} FROM withdrawal_policies ORDER BY version DESC LIMIT 1"
    if lock:
        tx.execute(text("LOCK TABLE withdrawal_policies IN SHARE ROW EXCLUSIVE MODE"))
    return WithdrawalPolicy(*tx.execute(text(query)).one())


def add_policy(tx: Transaction, policy: WithdrawalPolicy) -> None:
    """Insert a version of the policy."""
    names = [name.strip() for name in _POLICY_COLUMNS.split(",")]
    values = ", ".join(f":{name}" for name in names)
    tx.execute(
        text(f"INSERT INTO withdrawal_policies ({_POLICY_COLUMNS}) VALUES ({values})"),
        {name: getattr(policy, name) for name in names},
    )


def _withdrawal(row: Row[Any]) -> Withdrawal:
    values = row._asdict()
    values["method"] = WithdrawalMethod(values["method"])
    values["status"] = WithdrawalStatus(values["status"])
    return Withdrawal(**values)
