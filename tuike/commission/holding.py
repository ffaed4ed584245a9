"""Holding many entries at once: for risk, which holds whole groups of promoters and whole orders.

Which hold wants an entry frozen is the caller's to know; here an entry is pending or frozen.
"""

from collections.abc import Sequence
from datetime import datetime

from ulid import ULID

from tuike import wallet
from tuike.commission import store
from tuike.commission.model import CommissionStatus, Entry
from tuike.db import Transaction
from tuike.wallet import LedgerTransaction, Posting, PromoterAccount, promoter_address


def list_open_entries(
    tx: Transaction, *, promoter_ids: Sequence[str] = (), order_ids: Sequence[str] = ()
) -> list[tuple[str, int]]:
    """Return the pending and frozen entries of promoters and of orders, as (order id, level)."""
    return store.list_open_keys(tx, promoter_ids=promoter_ids, order_ids=order_ids)


def take_turn(tx: Transaction, *, keys: Sequence[tuple[str, int]]) -> None:
    """Wait for whoever changes the orders of some entries; what they did is seen from here on."""
    if keys:
        store.lock_order_splits(tx, order_ids=sorted({order_id for order_id, _ in keys}))


def hold_entries(tx: Transaction, *, keys: Sequence[tuple[str, int]], reason: str, now: datetime) -> list[Entry]:
    """Freeze those entries that are pending, and return them."""
    entries = [entry for entry in _lock(tx, keys) if entry.status is CommissionStatus.PENDING]
    _move(tx, entries, CommissionStatus.FROZEN, reason, now=now)
    return entries


def lift_entries(tx: Transaction, *, keys: Sequence[tuple[str, int]], now: datetime) -> list[Entry]:
    """Let those entries go on that are frozen, and return them; they are released when due."""
    entries = [entry for entry in _lock(tx, keys) if entry.status is CommissionStatus.FROZEN]
    _move(tx, entries, CommissionStatus.PENDING, None, now=now)
    return entries


def _lock(tx: Transaction, keys: Sequence[tuple[str, int]]) -> list[Entry]:
    wanted = set(keys)
    order_ids = sorted({order_id for order_id, _ in wanted})
    if not order_ids:
        return []
    store.lock_order_splits(tx, order_ids=order_ids)
    return [entry for entry in store.lock_entries(tx, order_ids=order_ids) if (entry.order_id, entry.level) in wanted]


def _move(
    tx: Transaction, entries: Sequence[Entry], wanted: CommissionStatus, reason: str | None, *, now: datetime
) -> None:
    if not entries:
        return
    freezes = wanted is CommissionStatus.FROZEN
    source, target = _ways(freezes)
    store.set_holds(tx, entries, status=wanted, reason=reason)
    event = "commission.frozen" if freezes else "commission.unfrozen"
    # An entry may be frozen and freed many times; its status, under lock, guards against twins.
    turn = ULID()
    transactions = [
        LedgerTransaction(
            f"hold:{entry.order_id}:{entry.level}:{turn}", event, entry.order_id,
            [Posting(promoter_address(entry.promoter_id, source), promoter_address(entry.promoter_id, target),
                     entry.left_minor, entry.currency)],
        )
        for entry in entries
    ]  # fmt: skip
    wallet.post(tx, transactions=transactions, now=now)


def _ways(freezes: bool) -> tuple[PromoterAccount, PromoterAccount]:
    return ("pending", "frozen") if freezes else ("frozen", "pending")
