"""Rows of splits and entries, and the set-based statements that book a batch."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.types import BigInteger, Integer, SmallInteger, Text

from tuike.commission.model import CommissionStatus, Entry, OpenCommission, Split, SplitLine, TraceStep
from tuike.db import Transaction, Write

UNCHECKED = "order.unchecked"
"""Topic of paid orders that somebody wants to look at before their commission is released."""

_ADD_SPLIT = """
    INSERT INTO commission_splits (order_id, merchant_id, currency, base_minor, holding_days, promoter_ids, rates_bps,
                                   amounts_minor, lines, trace)
    VALUES (:split_order_id, :split_merchant_id, :split_currency, :split_base_minor, :split_holding_days,
            :split_promoter_ids, :split_rates_bps, :split_amounts_minor, :split_lines, :split_trace)
"""
_SPLIT_TYPES = (
    bindparam("split_promoter_ids", type_=ARRAY(Text)),
    bindparam("split_rates_bps", type_=ARRAY(Integer)),
    bindparam("split_amounts_minor", type_=ARRAY(BigInteger)),
    bindparam("split_lines", type_=JSONB),
    bindparam("split_trace", type_=JSONB),
)

_SPLIT_COLUMNS = (
    "order_id, merchant_id, currency, base_minor, holding_days, promoter_ids, rates_bps, amounts_minor, lines, trace, "
    "due_at"
)
_ENTRY_COLUMNS = (
    "order_id, level, promoter_id, merchant_id, currency, amount_minor, reversed_minor, status, due_at, hold_reason"
)

# Books what is not booked yet: the entries decide, so accruing twice books once. Locking the split first lets a receipt
# and an accrual of one order take turns.
ACCRUE = """
    WITH locked AS MATERIALIZED (
        SELECT order_id, merchant_id, currency, promoter_ids, amounts_minor, due_at
        FROM commission_splits WHERE order_id = ANY (CAST(:order_ids AS text[])) ORDER BY order_id FOR UPDATE
    ), entered AS (
        INSERT INTO commission_entries (order_id, level, promoter_id, merchant_id, currency, amount_minor, status,
                                        due_at)
        SELECT s.order_id, part.level, part.promoter_id, s.merchant_id, s.currency, part.amount_minor, 'pending',
               s.due_at
        FROM locked s, unnest(s.promoter_ids, s.amounts_minor)
                       WITH ORDINALITY AS part (promoter_id, amount_minor, level)
        WHERE part.amount_minor > 0
        ON CONFLICT (order_id, level) DO NOTHING
        RETURNING order_id, level, promoter_id, merchant_id, currency, amount_minor
    )
    {stage}
    SELECT 'accrual\\:' || order_id, 'commission.accrued', order_id, NULL, level,
           'merchant\\:' || merchant_id || '\\:payable', 'promoter\\:' || promoter_id || '\\:pending',
           amount_minor, currency
    FROM entered
"""

# An UPDATE locks in the order of its plan; batches that share orders must lock in the order of the ids.
_TAKE_TURNS = text(
    "SELECT 1 FROM commission_splits WHERE order_id = ANY (:order_ids) ORDER BY order_id FOR UPDATE"
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))

_START_HOLDING = text(
    """
    UPDATE commission_splits s SET due_at = r.received_at + s.holding_days * interval '1 day'
    FROM unnest(:order_ids, :received_ats) AS r (order_id, received_at)
    WHERE s.order_id = r.order_id AND s.due_at IS NULL
    """
).bindparams(
    bindparam("order_ids", type_=ARRAY(Text)), bindparam("received_ats", type_=ARRAY(TIMESTAMP(timezone=True)))
)

_DATE_ENTRIES = text(
    """
    UPDATE commission_entries e SET due_at = s.due_at FROM commission_splits s
    WHERE s.order_id = ANY (:order_ids) AND e.order_id = s.order_id AND e.due_at IS NULL AND s.due_at IS NOT NULL
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))

_LOCK_SPLITS = text(
    f"SELECT {_SPLIT_COLUMNS} FROM commission_splits WHERE order_id = ANY (:order_ids) ORDER BY order_id FOR UPDATE"
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))

_LOCK_ENTRIES = text(
    f"""
    SELECT {_ENTRY_COLUMNS} FROM commission_entries WHERE order_id = ANY (:order_ids)
    ORDER BY order_id, level FOR UPDATE
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)))

# What waits for its check is not released before it: the check may hold it.
_CLAIM_DUE = text(
    f"""
    SELECT {_ENTRY_COLUMNS} FROM commission_entries e WHERE status = 'pending' AND due_at <= :now
      AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.key = e.order_id AND o.topic = '{UNCHECKED}')
    ORDER BY due_at, order_id, level LIMIT :limit FOR UPDATE OF e SKIP LOCKED
    """
)

_LIST_OPEN_KEYS = text(
    """
    SELECT order_id, level FROM commission_entries
    WHERE promoter_id = ANY (:promoter_ids) AND status IN ('pending', 'frozen')
    UNION
    SELECT order_id, level FROM commission_entries
    WHERE order_id = ANY (:order_ids) AND status IN ('pending', 'frozen')
    ORDER BY order_id, level
    """
).bindparams(bindparam("promoter_ids", type_=ARRAY(Text)), bindparam("order_ids", type_=ARRAY(Text)))

_SET_HOLDS = text(
    """
    UPDATE commission_entries e SET status = :status, hold_reason = :reason
    FROM unnest(:order_ids, :levels) AS x (order_id, level) WHERE e.order_id = x.order_id AND e.level = x.level
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)), bindparam("levels", type_=ARRAY(SmallInteger)))

_SUM_OPEN_THROUGH = text(
    """
    SELECT e.currency, count(*), sum(e.amount_minor - e.reversed_minor)::bigint
    FROM commission_entries e JOIN commission_splits s ON s.order_id = e.order_id
    WHERE e.promoter_id = ANY (:above) AND e.status IN ('pending', 'frozen')
      AND :promoter_id = ANY (s.promoter_ids[1 : e.level - 1])
    GROUP BY e.currency ORDER BY e.currency
    """
).bindparams(bindparam("above", type_=ARRAY(Text)))

_SET_STATUS = text(
    """
    UPDATE commission_entries e SET status = :status FROM unnest(:order_ids, :levels) AS x (order_id, level)
    WHERE e.order_id = x.order_id AND e.level = x.level
    """
).bindparams(bindparam("order_ids", type_=ARRAY(Text)), bindparam("levels", type_=ARRAY(SmallInteger)))

_SET_REVERSED = text(
    """
    UPDATE commission_entries e SET reversed_minor = x.reversed_minor,
           status = CASE WHEN x.reversed_minor = e.amount_minor THEN 'reversed' ELSE e.status END
    FROM unnest(:order_ids, :levels, :reversed) AS x (order_id, level, reversed_minor)
    WHERE e.order_id = x.order_id AND e.level = x.level
    """
).bindparams(
    bindparam("order_ids", type_=ARRAY(Text)),
    bindparam("levels", type_=ARRAY(SmallInteger)),
    bindparam("reversed", type_=ARRAY(BigInteger)),
)


def write_split(split: Split) -> Write:
    """Return the write that inserts an order's split."""
    return Write(
        "split",
        _ADD_SPLIT,
        {
            "split_order_id": split.order_id,
            "split_merchant_id": split.merchant_id,
            "split_currency": split.currency,
            "split_base_minor": split.base_minor,
            "split_holding_days": split.holding_days,
            "split_promoter_ids": list(split.promoter_ids),
            "split_rates_bps": list(split.rates_bps),
            "split_amounts_minor": list(split.amounts_minor),
            "split_lines": [[x.no, x.base_minor, x.rates_bps, x.amounts_minor, x.is_capped] for x in split.lines],
            "split_trace": [[step.step, step.level, step.code, step.detail] for step in split.trace],
        },
        _SPLIT_TYPES,
    )


def find_split(tx: Transaction, *, order_id: str) -> Split | None:
    """Return an order's split."""
    row = tx.execute(
        text(f"SELECT {_SPLIT_COLUMNS} FROM commission_splits WHERE order_id = :order_id"), {"order_id": order_id}
    ).one_or_none()
    return _split(row) if row else None


def lock_splits(tx: Transaction, *, order_ids: Sequence[str]) -> list[Split]:
    """Return splits, locked in the order of their ids."""
    return [_split(row) for row in tx.execute(_LOCK_SPLITS, {"order_ids": list(order_ids)})]


def lock_order_splits(tx: Transaction, *, order_ids: Sequence[str]) -> None:
    """Take the turn at orders, in the order of their ids."""
    tx.execute(_TAKE_TURNS, {"order_ids": list(order_ids)})


def list_open_keys(tx: Transaction, *, promoter_ids: Sequence[str], order_ids: Sequence[str]) -> list[tuple[str, int]]:
    """Return (order id, level) of pending and frozen entries of promoters and of orders."""
    rows = tx.execute(_LIST_OPEN_KEYS, {"promoter_ids": list(promoter_ids), "order_ids": list(order_ids)})
    return [(row.order_id, row.level) for row in rows]


def start_holding(tx: Transaction, *, received: Sequence[tuple[str, datetime]]) -> None:
    """Set when the commissions of received orders fall due; what is set already stays."""
    order_ids = [order_id for order_id, _ in received]
    tx.execute(_TAKE_TURNS, {"order_ids": order_ids})
    tx.execute(_START_HOLDING, {"order_ids": order_ids, "received_ats": [instant for _, instant in received]})
    tx.execute(_DATE_ENTRIES, {"order_ids": order_ids})


def list_entries(tx: Transaction, *, order_id: str) -> list[tuple[Entry, str | None]]:
    """Return an order's entries with the reason of a hold, nearest level first."""
    rows = tx.execute(
        text(f"SELECT {_ENTRY_COLUMNS} FROM commission_entries WHERE order_id = :order_id ORDER BY level"),
        {"order_id": order_id},
    )
    return [(_entry(row), row.hold_reason) for row in rows]


def lock_entries(tx: Transaction, *, order_ids: Sequence[str]) -> list[Entry]:
    """Return the entries of orders, locked, in a fixed order."""
    return [_entry(row) for row in tx.execute(_LOCK_ENTRIES, {"order_ids": list(order_ids)})]


def claim_due(tx: Transaction, *, now: datetime, limit: int) -> list[Entry]:
    """Return pending entries that are due, locked; those that another transaction holds are left to it."""
    return [_entry(row) for row in tx.execute(_CLAIM_DUE, {"now": now, "limit": limit})]


def sum_open_through(tx: Transaction, *, promoter_id: str, above: Sequence[str]) -> list[OpenCommission]:
    """Return, by currency, what the promoters in `above` have pending or frozen from orders through `promoter_id`."""
    rows = tx.execute(_SUM_OPEN_THROUGH, {"promoter_id": promoter_id, "above": list(above)})
    return [OpenCommission(*row) for row in rows]


def set_status(tx: Transaction, entries: Sequence[Entry], status: CommissionStatus) -> None:
    """Write the status of entries."""
    tx.execute(
        _SET_STATUS,
        {
            "status": status.value,
            "order_ids": [entry.order_id for entry in entries],
            "levels": [entry.level for entry in entries],
        },
    )


def set_hold(tx: Transaction, entry: Entry, *, status: CommissionStatus, reason: str | None) -> None:
    """Write an entry's hold."""
    tx.execute(
        text(
            "UPDATE commission_entries SET status = :status, hold_reason = :reason "
            "WHERE order_id = :order_id AND level = :level"
        ),
        {"status": status.value, "reason": reason, "order_id": entry.order_id, "level": entry.level},
    )


def set_holds(tx: Transaction, entries: Sequence[Entry], *, status: CommissionStatus, reason: str | None) -> None:
    """Write the hold of many entries."""
    tx.execute(
        _SET_HOLDS,
        {
            "status": status.value,
            "reason": reason,
            "order_ids": [entry.order_id for entry in entries],
            "levels": [entry.level for entry in entries],
        },
    )


def set_reversed(tx: Transaction, reversed_so_far: Sequence[tuple[Entry, int]]) -> None:
    """Write how much of entries is taken back; wholly taken back means `reversed`."""
    tx.execute(
        _SET_REVERSED,
        {
            "order_ids": [entry.order_id for entry, _ in reversed_so_far],
            "levels": [entry.level for entry, _ in reversed_so_far],
            "reversed": [amount for _, amount in reversed_so_far],
        },
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        row.order_id, row.level, row.promoter_id, row.merchant_id, row.currency, row.amount_minor, row.reversed_minor,
        CommissionStatus(row.status), row.due_at,
    )  # fmt: skip


def _split(row: Row[Any]) -> Split:
    values = row._asdict()
    values["promoter_ids"] = tuple(values["promoter_ids"])
    values["rates_bps"] = tuple(values["rates_bps"])
    values["amounts_minor"] = tuple(values["amounts_minor"])
    values["lines"] = tuple(
        SplitLine(no, base, tuple(rates), tuple(amounts), capped)
        for no, base, rates, amounts, capped in values["lines"]
    )
    values["trace"] = tuple(TraceStep(*step) for step in values["trace"])
    return Split(**values)
