"""Rows of bills, of what differs, and of the comparisons."""

import zlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, DateTime, Text

from tuike.db import Transaction
from tuike.payments.model import BY_COMPARISON, Bill, BillLine, Difference, DifferenceKind, PayBy, Reconciliation
from tuike.payments.store.rows import list_where

_DIFFERENCE = (
    "SELECT id, provider, on_day, kind, what, no, ours_minor, theirs_minor, ours_state, theirs_state, found_at, "
    "resolved_at, note, resolved_by FROM bill_differences"
)
_RECONCILIATION = (
    "SELECT id, provider, on_day, run_at, lines, matched, differences, ours_minor, theirs_minor FROM reconciliations"
)

_BILL = """
    SELECT b.provider, b.on_day, b.downloaded_at, b.digest, b.payments, b.payments_minor, b.refunds, b.refunds_minor,
           b.fee_micros, (SELECT count(*) FROM bill_differences d WHERE d.provider = b.provider
                          AND d.on_day = b.on_day AND d.resolved_at IS NULL) AS open_differences
    FROM bills b
"""

_ADD_LINES = text(
    """
    INSERT INTO bill_lines (provider, on_day, what, no, provider_no, amount_minor, fee_micros, state, at)
    SELECT :provider, :on_day, line.* FROM unnest(:whats, :nos, :provider_nos, :amounts, :fees, :states, :ats) AS line
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("whats", "nos", "provider_nos", "states")),
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("amounts", "fees")),
    bindparam("ats", type_=ARRAY(DateTime(timezone=True))),
)

# Both sides of a day. Ours: what came, and what we asked to go back, in the day's bounds. A line of theirs is looked
# for by its number on whatever day, and the other way round: the two clocks may disagree about midnight.
_COMPARE = text(
    """
    WITH ours AS (
        SELECT 'payment' AS what, id AS no, received_minor AS amount, state, paid_at AS at FROM payments
        WHERE provider = :provider AND paid_at >= :day_from AND paid_at < :day_to
        UNION ALL
        SELECT 'refund', r.out_no, r.amount_minor, r.state, coalesce(r.asked_at, r.refunded_at)
        FROM payment_refunds r JOIN payments p ON p.id = r.payment_id
        WHERE p.provider = :provider AND r.state IN ('processing', 'succeeded')
          AND r.asked_at >= :day_from AND r.asked_at < :day_to
    ), theirs AS (
        SELECT what, no, amount_minor AS amount, state FROM bill_lines WHERE provider = :provider AND on_day = :on_day
    )
    SELECT t.what, t.no, t.amount AS theirs_minor, t.state AS theirs_state,
           CASE t.what WHEN 'payment' THEN p.received_minor ELSE r.amount_minor END AS ours_minor,
           CASE t.what WHEN 'payment' THEN p.state ELSE r.state END AS ours_state,
           CASE WHEN p.id IS NULL AND r.id IS NULL THEN 'missing_here'
                WHEN t.what = 'payment' AND p.state NOT IN ('succeeded', 'held') THEN 'state_differs'
                WHEN t.what = 'refund' AND r.state NOT IN ('processing', 'succeeded', 'asking', 'held')
                  THEN 'state_differs'
                WHEN t.amount <> CASE t.what WHEN 'payment' THEN p.received_minor ELSE r.amount_minor END
                  THEN 'amount_differs' END AS kind
    FROM theirs t
    LEFT JOIN payments p ON t.what = 'payment' AND p.id = t.no AND p.provider = :provider
    LEFT JOIN (SELECT r.*, p.provider FROM payment_refunds r JOIN payments p ON p.id = r.payment_id) r
      ON t.what = 'refund' AND r.out_no = t.no AND r.provider = :provider
    UNION ALL
    SELECT o.what, o.no, NULL, NULL, o.amount, o.state, 'missing_there'
    FROM ours o
    WHERE NOT EXISTS (SELECT 1 FROM bill_lines b WHERE b.provider = :provider AND b.what = o.what AND b.no = o.no)
    ORDER BY 1, 2
    """
)

_SUM_OURS = text(
    """
    SELECT coalesce(sum(received_minor), 0)::bigint - (
        SELECT coalesce(sum(r.amount_minor), 0)::bigint FROM payment_refunds r JOIN payments p ON p.id = r.payment_id
        WHERE p.provider = :provider AND r.state IN ('processing', 'succeeded')
          AND r.asked_at >= :day_from AND r.asked_at < :day_to)
    FROM payments WHERE provider = :provider AND paid_at >= :day_from AND paid_at < :day_to
    """
)


def replace_bill(
    tx: Transaction, *, provider: PayBy, on_day: date, body: str, digest: bytes, lines: Sequence[Any], now: datetime
) -> None:
    """Keep a day's bill in place of an earlier one. `lines` are (what, no, provider no, amount, fee, state, at)."""
    sums = dict.fromkeys(("payments", "payments_minor", "refunds", "refunds_minor", "fee_micros"), 0)
    for what, _, _, amount, fee, _, _ in lines:
        sums[f"{what}s"] += 1
        sums[f"{what}s_minor"] += amount
        sums["fee_micros"] += fee
    tx.execute(
        text(
            """
            INSERT INTO bills (provider, on_day, body, digest, downloaded_at, payments, payments_minor, refunds,
                               refunds_minor, fee_micros)
            VALUES (:provider, :on_day, :body, :digest, :now, :payments, :payments_minor, :refunds, :refunds_minor,
                    :fee_micros)
            ON CONFLICT (provider, on_day) DO UPDATE SET body = excluded.body, digest = excluded.digest,
                   downloaded_at = excluded.downloaded_at, payments = excluded.payments,
                   payments_minor = excluded.payments_minor, refunds = excluded.refunds,
                   refunds_minor = excluded.refunds_minor, fee_micros = excluded.fee_micros
            """
        ),
        {"provider": provider, "on_day": on_day, "body": zlib.compress(body.encode()), "digest": digest, "now": now}
        | sums,
    )
    tx.execute(
        text("DELETE FROM bill_lines WHERE provider = :provider AND on_day = :on_day"),
        {"provider": provider, "on_day": on_day},
    )
    if lines:
        names = ("whats", "nos", "provider_nos", "amounts", "fees", "states", "ats")
        columns = dict(zip(names, (list(column) for column in zip(*lines, strict=True)), strict=True))
        tx.execute(_ADD_LINES, columns | {"provider": provider, "on_day": on_day})


def list_bills(
    tx: Transaction, *, provider: str | None, on_day: date | None, before: tuple[date, str] | None, limit: int
) -> list[Bill]:
    """Return bills, newest day first; `before` is the (day, provider) of the last one seen."""
    named: dict[str, Any] = {"provider": provider, "on_day": on_day, "limit": limit}
    where = ["b.provider = :provider"] if provider is not None else []
    where += ["b.on_day = :on_day"] if on_day is not None else []
    if before is not None:
        where.append("(b.on_day, b.provider) < (:before_day, :before_provider)")
        named |= {"before_day": before[0], "before_provider": before[1]}
    query = f"{_BILL} WHERE {' AND '.join(where) or 'true'} ORDER BY b.on_day DESC, b.provider DESC LIMIT :limit"
    return [_read_bill(row) for row in tx.execute(text(query), named)]


def find_bill(tx: Transaction, *, provider: PayBy, on_day: date) -> Bill | None:
    """Return the bill of a provider and day."""
    query = f"{_BILL} WHERE b.provider = :provider AND b.on_day = :on_day"
    row = tx.execute(text(query), {"provider": provider, "on_day": on_day}).one_or_none()
    return _read_bill(row) if row else None


def read_bill_text(tx: Transaction, *, provider: PayBy, on_day: date) -> str:
    """Return a bill as it was downloaded; it must exist."""
    query = "SELECT body FROM bills WHERE provider = :provider AND on_day = :on_day"
    body = tx.execute(text(query), {"provider": provider, "on_day": on_day}).scalar_one()
    return zlib.decompress(bytes(body)).decode()


def list_bill_lines(
    tx: Transaction, *, provider: PayBy, on_day: date, after: tuple[str, str], limit: int
) -> list[BillLine]:
    """Return lines of a bill behind (what, no): payments first, then refunds, each by our number."""
    query = """
        SELECT what, no, provider_no, amount_minor, fee_micros, state, at FROM bill_lines
        WHERE provider = :provider AND on_day = :on_day AND (what, no) > (:what, :no) ORDER BY what, no LIMIT :limit
    """
    named = {"provider": provider, "on_day": on_day, "what": after[0], "no": after[1], "limit": limit}
    return [BillLine(*row) for row in tx.execute(text(query), named)]


def compare(
    tx: Transaction, *, provider: PayBy, on_day: date, day_from: datetime, day_to: datetime
) -> Sequence[Row[Any]]:
    """Return every line of theirs with ours beside it, and ours that they lack; `kind` is None where both agree."""
    named = {"provider": provider, "on_day": on_day, "day_from": day_from, "day_to": day_to}
    return tx.execute(_COMPARE, named).all()


def sum_ours(tx: Transaction, *, provider: PayBy, day_from: datetime, day_to: datetime) -> int:
    """Return what came less what went back on a day, by our rows."""
    named = {"provider": provider, "day_from": day_from, "day_to": day_to}
    return int(tx.execute(_SUM_OURS, named).scalar_one())


def sum_theirs(tx: Transaction, *, provider: PayBy, on_day: date) -> int:
    """Return what came less what went back on a day, by the bill."""
    query = """
        SELECT coalesce(sum(CASE what WHEN 'payment' THEN amount_minor ELSE -amount_minor END), 0)::bigint
        FROM bill_lines WHERE provider = :provider AND on_day = :on_day
    """
    return int(tx.execute(text(query), {"provider": provider, "on_day": on_day}).scalar_one())


def put_difference(tx: Transaction, difference: Difference) -> None:
    """Keep a difference, once.

    One that a comparison resolved and that is found again is open again; one that a person settled stays settled while
    nothing about it changes.
    """
    tx.execute(
        text(
            """
            INSERT INTO bill_differences AS d (id, provider, on_day, kind, what, no, ours_minor, theirs_minor,
                                               ours_state, theirs_state, found_at)
            VALUES (:id, :provider, :on_day, :kind, :what, :no, :ours_minor, :theirs_minor, :ours_state,
                    :theirs_state, :found_at)
            ON CONFLICT (provider, on_day, what, no, kind) DO UPDATE SET ours_minor = excluded.ours_minor,
                   theirs_minor = excluded.theirs_minor, ours_state = excluded.ours_state,
                   theirs_state = excluded.theirs_state,
                   (resolved_at, resolved_by) = (SELECT d.resolved_at, d.resolved_by
                       WHERE d.resolved_by IS DISTINCT FROM :comparison
                         AND (d.ours_minor, d.theirs_minor, d.ours_state, d.theirs_state) IS NOT DISTINCT FROM
                             (excluded.ours_minor, excluded.theirs_minor, excluded.ours_state, excluded.theirs_state))
            """
        ),
        {name: getattr(difference, name) for name in ("id", "provider", "on_day", "kind", "what", "no", "ours_minor",
                                                      "theirs_minor", "ours_state", "theirs_state", "found_at")}
        | {"comparison": BY_COMPARISON},
    )  # fmt: skip


def resolve_gone(
    tx: Transaction, *, provider: PayBy, on_day: date, still: Sequence[tuple[str, str, str]], now: datetime
) -> int:
    """Resolve open differences: the day's own that are not found any more, and those of other days that a bill ends."""
    rows = tx.execute(
        text(
            """
            UPDATE bill_differences d SET resolved_at = :now, resolved_by = :comparison,
                   note = coalesce(note, 'agrees now')
            WHERE d.provider = :provider AND d.resolved_at IS NULL AND (
                (d.on_day = :on_day AND NOT EXISTS (
                    SELECT 1 FROM unnest(:kinds, :whats, :nos) AS s (kind, what, no)
                    WHERE s.kind = d.kind AND s.what = d.what AND s.no = d.no))
                OR (d.kind = 'missing_there' AND EXISTS (
                    SELECT 1 FROM bill_lines b WHERE b.provider = d.provider AND b.what = d.what AND b.no = d.no)))
            """
        ).bindparams(*(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "whats", "nos"))),
        {
            "provider": provider,
            "on_day": on_day,
            "now": now,
            "kinds": [one[0] for one in still],
            "whats": [one[1] for one in still],
            "nos": [one[2] for one in still],
            "comparison": BY_COMPARISON,
        },
    )
    return int(rows.rowcount)


def add_reconciliation(tx: Transaction, found: Reconciliation) -> None:
    """Insert a comparison."""
    tx.execute(
        text(
            """
            INSERT INTO reconciliations
            VALUES (:id, :provider, :on_day, :run_at, :lines, :matched, :differences, :ours_minor, :theirs_minor)
            """
        ),
        {name: getattr(found, name) for name in Reconciliation.__dataclass_fields__},
    )


def find_reconciliation(tx: Transaction, *, id: str) -> Reconciliation | None:
    """Return a comparison."""
    row = tx.execute(text(f"{_RECONCILIATION} WHERE id = :id"), {"id": id}).one_or_none()
    return _read_reconciliation(row) if row else None


def is_reconciled(tx: Transaction, *, provider: PayBy, on_day: date) -> bool:
    """Tell whether a day's bill was compared once."""
    query = "SELECT EXISTS (SELECT 1 FROM reconciliations WHERE provider = :provider AND on_day = :on_day)"
    return bool(tx.execute(text(query), {"provider": provider, "on_day": on_day}).scalar_one())


def list_reconciliations(
    tx: Transaction, *, provider: str | None, on_day: date | None, before: str | None, limit: int
) -> list[Reconciliation]:
    """Return comparisons, newest first."""
    conditions: list[tuple[str, Any]] = [("provider", provider), ("on_day", on_day)]
    rows = list_where(tx, select=_RECONCILIATION, prefix="", conditions=conditions, before=before, limit=limit)
    return [_read_reconciliation(row) for row in rows]


def list_differences(
    tx: Transaction,
    *,
    provider: str | None,
    on_day: date | None,
    only_open: bool,
    kind: str | None,
    before: str | None,
    limit: int,
) -> list[Difference]:
    """Return differences, newest first."""
    conditions: list[tuple[str, Any]] = [
        ("provider", provider),
        ("on_day", on_day),
        ("(resolved_at IS NULL)", True if only_open else None),
        ("kind", kind),
    ]
    rows = list_where(tx, select=_DIFFERENCE, prefix="", conditions=conditions, before=before, limit=limit)
    return [_read_difference(row) for row in rows]


def find_difference(tx: Transaction, *, id: str) -> Difference | None:
    """Return a difference."""
    row = tx.execute(text(f"{_DIFFERENCE} WHERE id = :id"), {"id": id}).one_or_none()
    return _read_difference(row) if row else None


def resolve_difference(tx: Transaction, *, id: str, note: str, by: str, now: datetime) -> None:
    """Write that a person settled a difference."""
    query = """
        UPDATE bill_differences SET resolved_at = coalesce(resolved_at, :now), note = :note, resolved_by = :by
        WHERE id = :id
    """
    tx.execute(text(query), {"id": id, "note": note, "by": by, "now": now})


def _read_bill(row: Row[Any]) -> Bill:
    values = row._asdict()
    values["provider"], values["digest"] = PayBy(values["provider"]), bytes(values["digest"])
    return Bill(**values)


def _read_difference(row: Row[Any]) -> Difference:
    values = row._asdict()
    values["provider"], values["kind"] = PayBy(values["provider"]), DifferenceKind(values["kind"])
    return Difference(**values)


def _read_reconciliation(row: Row[Any]) -> Reconciliation:
    values = row._asdict()
    values["provider"] = PayBy(values["provider"])
    return Reconciliation(**values)
