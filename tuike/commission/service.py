"""Verbs of commission. Those that workers call take batches and may run twice: state decides, not the event.

Locks are taken in one order everywhere: splits, then entries, then ledger accounts (all at once).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from ulid import ULID

from tuike import orders, wallet
from tuike.commission import store
from tuike.commission.model import (
    Commission,
    CommissionNotFound,
    CommissionStatus,
    Entry,
    OpenCommission,
    Released,
    Split,
)
from tuike.commission.rules import LEVELS_CEILING, decide_reversed
from tuike.db import Database, Transaction, Write, outbox, write_together
from tuike.shared.ids import PREFIXES, is_id
from tuike.wallet import LedgerTransaction, Posting, PromoterAccount, WrongState, payable_address, promoter_address

_RELEASE_BATCH = 1_000
_ACCOUNT_OF: dict[CommissionStatus, PromoterAccount] = {
    CommissionStatus.PENDING: "pending",
    CommissionStatus.FROZEN: "frozen",
}


def add_split(tx: Transaction, split: Split) -> None:
    """Keep the split that was decided for an order."""
    write_together(tx, store.write_split(split))


def write_split(split: Split) -> Write:
    """Return the write that keeps the split of an order being placed."""
    return store.write_split(split)


def accrue_for_orders(tx: Transaction, *, order_ids: Sequence[str], now: datetime) -> None:
    """Book the commission of paid orders as pending, each order once however often this is called."""
    wallet.stage_from_query(tx, query=store.ACCRUE, parameters={"order_ids": list(order_ids)}, now=now)


def start_holding(tx: Transaction, *, order_ids: Sequence[str]) -> None:
    """Start the holding period of received orders: due at receipt plus the plan's holding days."""
    progress = orders.list_progress(tx, order_ids=order_ids)
    received = sorted((order_id, at) for order_id, (at, _) in progress.items() if at is not None)
    store.start_holding(tx, received=received)


def reverse_for_orders(tx: Transaction, *, order_ids: Sequence[str], now: datetime) -> None:
    """Take back, on every level, what the refunds of these orders so far call for.

    It is taken from where the money is: pending, frozen or available; past that it becomes debt. Pending money of
    other orders is never touched. Source: domain.md, commission 6–7; contract.md, exact reading 13.
    """
    splits = store.lock_splits(tx, order_ids=order_ids)
    if not splits:
        return
    # Before the accounts: a release holds entries while it waits for accounts.
    store.lock_entries(tx, order_ids=[split.order_id for split in splits])
    balances = wallet.lock_balances(tx, accounts=[account for split in splits for account in _accounts(split)])
    # A refund can overtake the accrual; the accounts are locked already, so booking it first is safe.
    accrue_for_orders(tx, order_ids=[split.order_id for split in splits], now=now)
    refunded = orders.list_progress(tx, order_ids=[split.order_id for split in splits])
    entries: dict[str, list[Entry]] = defaultdict(list)
    for entry in store.lock_entries(tx, order_ids=list(refunded)):
        entries[entry.order_id].append(entry)
    available: dict[tuple[str, str], int] = {}
    transactions: list[LedgerTransaction] = []
    changed: list[tuple[Entry, int]] = []
    for split in splits:
        refunded_lines = refunded[split.order_id][1]
        targets = decide_reversed(split, refunded_lines)
        postings: list[Posting] = []
        for entry in entries[split.order_id]:
            target = targets[entry.level - 1]
            if target <= entry.reversed_minor:
                continue
            changed.append((entry, target))
            source = (promoter_address(entry.promoter_id, "available"), entry.currency)
            room = available.setdefault(source, balances.of(*source))
            taken = _take_back(entry, target - entry.reversed_minor, room)
            available[source] -= sum(p.amount_minor for p in taken if p.from_address == source[0])
            postings += taken
        transactions.append(
            LedgerTransaction(
                f"reversal:{split.order_id}:{sum(refunded_lines)}",
                "commission.reversed",
                split.order_id,
                postings,
                reverses=f"accrual:{split.order_id}",
            )
        )
    store.set_reversed(tx, changed)
    wallet.post(tx, transactions=transactions, now=now)


def release_due(db: Database, *, now: datetime, progress: Callable[[Released], None] | None = None) -> Released:
    """Make available everything that is due as of `now` (inclusive) and not held, in batches; debt is settled first."""
    total = Released()
    while True:
        with db.transaction() as tx:
            batch = release_batch(tx, now=now)
        total = Released(total.released + batch.released, total.released_minor + batch.released_minor)
        if progress:
            progress(total)
        if not batch.released:
            return total


def release_batch(tx: Transaction, *, now: datetime, limit: int = _RELEASE_BATCH) -> Released:
    """Release up to `limit` due entries; entries in another transaction's hands are left to it."""
    entries = store.claim_due(tx, now=now, limit=limit)
    if not entries:
        return Released()
    kinds: tuple[PromoterAccount, ...] = ("pending", "debt", "available")
    balances = wallet.lock_balances(
        tx, accounts=[(promoter_address(e.promoter_id, kind), e.currency) for e in entries for kind in kinds]
    )
    debts: dict[tuple[str, str], int] = {}
    transactions = []
    for entry in entries:
        owner = (promoter_address(entry.promoter_id, "debt"), entry.currency)
        debt = debts.setdefault(owner, -balances.of(*owner))
        settled, _ = wallet.split_incoming(entry.left_minor, debt)
        debts[owner] -= settled
        source = promoter_address(entry.promoter_id, "pending")
        postings = wallet.credit_postings(entry.promoter_id, source, entry.left_minor, debt, entry.currency)
        key = f"release:{entry.order_id}:{entry.level}"
        transactions.append(LedgerTransaction(key, "commission.released", entry.order_id, postings))
    store.set_status(tx, entries, CommissionStatus.AVAILABLE)
    wallet.post(tx, transactions=transactions, now=now)
    return Released(len(entries), sum(entry.left_minor for entry in entries))


def hold_commission(tx: Transaction, *, commission_id: str, reason: str, now: datetime) -> Commission:
    """Freeze a pending commission so that it is not released. Raises CommissionNotFound, WrongState."""
    return _move_hold(tx, commission_id, CommissionStatus.PENDING, CommissionStatus.FROZEN, reason, now=now)


def lift_hold(tx: Transaction, *, commission_id: str, now: datetime) -> Commission:
    """Let a frozen commission go on; it is released when due. Raises CommissionNotFound, WrongState."""
    return _move_hold(tx, commission_id, CommissionStatus.FROZEN, CommissionStatus.PENDING, None, now=now)


def list_commissions(tx: Transaction, *, order_id: str) -> list[Commission]:
    """Return an item for every level 1–3 of a paid order, amount 0 with its reason where nothing is paid.

    Empty until the order is paid and its commission booked. Raises OrderNotFound.
    """
    order = orders.get_order(tx, order_id=order_id)
    split = store.find_split(tx, order_id=order_id)
    if order.payment_id is None or split is None:
        return []
    entries = {entry.level: (entry, reason) for entry, reason in store.list_entries(tx, order_id=order_id)}
    if len(entries) < sum(amount > 0 for amount in split.amounts_minor):
        return []
    # A level that earns nothing is shown as far along as the levels that do.
    status = next((entry.status for entry, _ in entries.values()), CommissionStatus.PENDING)
    return [_show(split, level, entries.get(level), status) for level in range(1, LEVELS_CEILING + 1)]


def list_open_through(tx: Transaction, *, promoter_id: str, above: Sequence[str]) -> list[OpenCommission]:
    """Return what promoters above have pending or frozen from orders that came up through `promoter_id`.

    A move leaves it where it is: an order keeps the upline of its own instant.
    """
    return store.sum_open_through(tx, promoter_id=promoter_id, above=above)


def is_settled(tx: Transaction, *, order_id: str) -> bool:
    """Tell whether no work on an order is queued."""
    return outbox.is_quiet(tx, key=order_id)


def _accounts(split: Split) -> list[tuple[str, str]]:
    promoter_ids = {one for one, amount in zip(split.promoter_ids, split.amounts_minor, strict=True) if one and amount}
    own = [
        (promoter_address(promoter_id, kind), split.currency)
        for promoter_id in promoter_ids
        for kind in ("pending", "frozen", "available", "debt")
    ]
    return [*own, (payable_address(split.merchant_id), split.currency)] if own else []


def _take_back(entry: Entry, amount_minor: int, available_minor: int) -> list[Posting]:
    target = payable_address(entry.merchant_id)

    def from_account(kind: PromoterAccount, amount: int) -> list[Posting]:
        source = promoter_address(entry.promoter_id, kind)
        return [Posting(source, target, amount, entry.currency)] if amount else []

    if entry.status is CommissionStatus.PENDING:
        return from_account("pending", amount_minor)
    if entry.status is CommissionStatus.FROZEN:
        return from_account("frozen", amount_minor)
    taken, owed = wallet.split_outgoing(amount_minor, available_minor)
    return from_account("available", taken) + from_account("debt", owed)


def _move_hold(
    tx: Transaction,
    commission_id: str,
    expected: CommissionStatus,
    wanted: CommissionStatus,
    reason: str | None,
    *,
    now: datetime,
) -> Commission:
    order_id, level = _parse_id(commission_id)
    split = next(iter(store.lock_splits(tx, order_ids=[order_id])), None)
    entry = next((e for e in store.lock_entries(tx, order_ids=[order_id]) if e.level == level), None)
    if split is None or entry is None:
        raise CommissionNotFound
    if entry.status is not expected:
        raise WrongState(f"The commission is {entry.status.value}; this needs one that is {expected.value}.")
    addresses = [promoter_address(entry.promoter_id, _ACCOUNT_OF[status]) for status in (expected, wanted)]
    store.set_hold(tx, entry, status=wanted, reason=reason)
    # An entry may be frozen and freed many times, even at one instant; its status, under lock, guards against twins.
    key = f"hold:{order_id}:{level}:{ULID()}"
    posting = Posting(addresses[0], addresses[1], entry.left_minor, entry.currency)
    event = "commission.frozen" if wanted is CommissionStatus.FROZEN else "commission.unfrozen"
    wallet.post(tx, transactions=[LedgerTransaction(key, event, order_id, [posting])], now=now)
    held = next((e, why) for e, why in store.list_entries(tx, order_id=order_id) if e.level == level)
    return _show(split, level, held, wanted)


def _show(split: Split, level: int, booked: tuple[Entry, str | None] | None, status: CommissionStatus) -> Commission:
    entry, reason = booked or (None, None)
    return Commission(
        id=f"{PREFIXES['commission']}_{split.order_id.removeprefix('ord_')}_{level}",
        order_id=split.order_id,
        promoter_id=split.promoter_ids[level - 1],
        level=level,
        base_minor=split.base_minor,
        rate_bps=split.rates_bps[level - 1],
        amount_minor=entry.amount_minor if entry else 0,
        reversed_minor=entry.reversed_minor if entry else 0,
        status=entry.status if entry else status,
        due_at=entry.due_at if entry else split.due_at,
        hold_reason=reason,
        trace=tuple(step for step in split.trace if step.level in (None, level)),
    )


def _parse_id(commission_id: str) -> tuple[str, int]:
    prefix, _, rest = commission_id.partition("_")
    body, _, level = rest.rpartition("_")
    order_id = f"{PREFIXES['order']}_{body}"
    if prefix != PREFIXES["commission"] or not is_id("order", order_id) or level not in ("1", "2", "3"):
        raise CommissionNotFound
    return order_id, int(level)
