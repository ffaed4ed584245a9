"""The daily comparison with the providers' books, and what it finds."""

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import structlog

from tuike import providers as outside
from tuike.db import Database, Transaction
from tuike.payments.desks import Counter
from tuike.payments.model import (
    Bill,
    BillLine,
    BillNotFound,
    BillNotReady,
    Difference,
    DifferenceKind,
    DifferenceNotFound,
    PayBy,
    Reconciliation,
    ReconciliationNotFound,
)
from tuike.payments.store import bills as store
from tuike.shared import clock, ids
from tuike.shared.errors import ValidationFailed
from tuike.shared.pages import Page, decode_cursor, encode_cursor

log = structlog.get_logger(__name__)

BILLED = (PayBy.WECHAT, PayBy.ALIPAY)
READY_AT = time(10, 30)
"""When a day's bill is asked for, in the business zone, on the day after: WeChat makes them by ten."""
LOOK_BACK_DAYS = 7
MAX_EXPORTED = 100_000

_CSV_COLUMNS = (
    "provider", "on_day", "kind", "what", "no", "ours_minor", "theirs_minor", "ours_state", "theirs_state", "found_at",
    "resolved_at", "resolved_by", "note",
)  # fmt: skip


def reconcile_day(
    db: Database, counter: Counter, *, provider: PayBy, on_day: date, now: datetime
) -> Reconciliation:  # fmt: skip
    """Download a day's bill and compare it with our rows, both ways; a second time replaces what the first found.

    Differences that are gone are resolved, new ones kept. Raises BillNotReady, ProviderNotConfigured,
    ProviderUnavailable.
    """
    try:
        bill = counter.at(provider).download_bill(on_day=on_day)
    except outside.ProviderRefused as refusal:
        raise BillNotReady(f"{provider.value} has no bill of {on_day} yet ({refusal.provider_code}).") from refusal
    day_from = clock.start_of_business_day(datetime.combine(on_day, time(12), tzinfo=clock.BUSINESS_ZONE))
    day_to = clock.start_of_business_day(day_from + timedelta(hours=36))
    with db.transaction() as tx:
        store.replace_bill(
            tx, provider=provider, on_day=on_day, body=bill.text, digest=hashlib.sha256(bill.text.encode()).digest(),
            lines=[_to_row(line) for line in bill.lines], now=now,
        )  # fmt: skip
        compared = store.compare(tx, provider=provider, on_day=on_day, day_from=day_from, day_to=day_to)
        found = [row for row in compared if row.kind is not None]
        for row in found:
            store.put_difference(
                tx,
                Difference(
                    ids.new_id("difference"), provider, on_day, DifferenceKind(row.kind), row.what, row.no,
                    row.ours_minor, row.theirs_minor, row.ours_state, row.theirs_state, now, None, None,
                ),
            )  # fmt: skip
        still = [(row.kind, row.what, row.no) for row in found]
        store.resolve_gone(tx, provider=provider, on_day=on_day, still=still, now=now)
        done = Reconciliation(
            id=ids.new_id("reconciliation"), provider=provider, on_day=on_day, run_at=now, lines=len(bill.lines),
            matched=len(compared) - len(found), differences=len(found),
            ours_minor=store.sum_ours(tx, provider=provider, day_from=day_from, day_to=day_to),
            theirs_minor=store.sum_theirs(tx, provider=provider, on_day=on_day),
        )  # fmt: skip
        store.add_reconciliation(tx, done)
    level = log.error if found else log.info
    level("bill.reconciled", provider=provider.value, on_day=str(on_day), lines=done.lines, differences=len(found))
    return done


def list_days_due(tx: Transaction, counter: Counter, *, now: datetime) -> list[tuple[PayBy, date]]:
    """Return which days of which provider were not compared yet, oldest first, of the last week."""
    local = now.astimezone(clock.BUSINESS_ZONE)
    last = local.date() - timedelta(days=1 if local.time() >= READY_AT else 2)
    days = [last - timedelta(days=back) for back in reversed(range(LOOK_BACK_DAYS))]
    return [
        (provider, day)
        for provider in BILLED
        if counter.has(provider)
        for day in days
        if not store.is_reconciled(tx, provider=provider, on_day=day)
    ]


def get_reconciliation(tx: Transaction, *, reconciliation_id: str) -> Reconciliation:
    """Return a comparison. Raises ReconciliationNotFound."""
    found = store.find_reconciliation(tx, id=reconciliation_id)
    if found is None:
        raise ReconciliationNotFound
    return found


def list_reconciliations(
    tx: Transaction, *, provider: str | None = None, on_day: date | None = None, limit: int, cursor: str | None = None
) -> Page[Reconciliation]:
    """Return a page of comparisons, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_reconciliations(tx, provider=provider, on_day=on_day, before=before, limit=limit + 1)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def list_differences(
    tx: Transaction,
    *,
    provider: str | None = None,
    on_day: date | None = None,
    only_open: bool = False,
    kind: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[Difference]:
    """Return a page of differences, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_differences(
        tx, provider=provider, on_day=on_day, only_open=only_open, kind=kind, before=before, limit=limit + 1
    )
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def export_differences(
    tx: Transaction,
    *,
    provider: str | None = None,
    on_day: date | None = None,
    only_open: bool = False,
    kind: str | None = None,
) -> str:
    """Return differences as CSV, newest first, 100,000 at most; no cell is taken for a formula by a spreadsheet."""
    found = store.list_differences(
        tx, provider=provider, on_day=on_day, only_open=only_open, kind=kind, before=None, limit=MAX_EXPORTED
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_CSV_COLUMNS)
    writer.writerows(_to_cells(one) for one in found)
    return text.getvalue()


def get_difference(tx: Transaction, *, difference_id: str) -> Difference:
    """Return a difference. Raises DifferenceNotFound."""
    found = store.find_difference(tx, id=difference_id)
    if found is None:
        raise DifferenceNotFound
    return found


def resolve_difference(tx: Transaction, *, difference_id: str, note: str, by: str, now: datetime) -> Difference:
    """Record that a person settled a difference, how, and who; the first instant stays. Raises DifferenceNotFound."""
    get_difference(tx, difference_id=difference_id)
    store.resolve_difference(tx, id=difference_id, note=note, by=by, now=now)
    return get_difference(tx, difference_id=difference_id)


def list_bills(
    tx: Transaction, *, provider: str | None = None, on_day: date | None = None, limit: int, cursor: str | None = None
) -> Page[Bill]:
    """Return a page of bills that were downloaded, newest day first. Raises ValidationFailed for a foreign cursor."""
    before = None
    if cursor:
        day, name = decode_cursor(cursor, str, str)
        try:
            before = (date.fromisoformat(day), name)
        except ValueError:
            raise ValidationFailed(fields={"cursor": ["Is not a cursor of this list."]}) from None
    found = store.list_bills(tx, provider=provider, on_day=on_day, before=before, limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], encode_cursor(last.on_day.isoformat(), last.provider.value) if last else None)


def get_bill(tx: Transaction, *, bill_id: str) -> Bill:
    """Return a bill by its id, such as `wechat_2026-11-01`. Raises BillNotFound."""
    provider, _, day = bill_id.partition("_")
    try:
        found = store.find_bill(tx, provider=PayBy(provider), on_day=date.fromisoformat(day))
    except ValueError:
        found = None
    if found is None:
        raise BillNotFound
    return found


def list_bill_lines(tx: Transaction, *, bill_id: str, limit: int, cursor: str | None = None) -> Page[BillLine]:
    """Return a page of a bill's lines, payments first. Raises BillNotFound, ValidationFailed."""
    bill = get_bill(tx, bill_id=bill_id)
    what, no = decode_cursor(cursor, str, str) if cursor else ("", "")
    found = store.list_bill_lines(
        tx, provider=bill.provider, on_day=bill.on_day, after=(what, no), limit=limit + 1
    )  # fmt: skip
    return Page(
        found[:limit], encode_cursor(found[limit - 1].what, found[limit - 1].no) if len(found) > limit else None
    )


def get_bill_text(tx: Transaction, *, bill_id: str) -> str:
    """Return a bill as its provider wrote it. Raises BillNotFound."""
    bill = get_bill(tx, bill_id=bill_id)
    return store.read_bill_text(tx, provider=bill.provider, on_day=bill.on_day)


def _to_row(line: outside.BillLine) -> tuple[str, str, str, int, int, str, datetime]:
    is_refund = line.kind is outside.NotifyKind.REFUND
    no = (line.out_refund_no or line.out_no) if is_refund else line.out_no
    provider_no = (line.provider_refund_no or line.provider_no) if is_refund else line.provider_no
    return (
        "refund" if is_refund else "payment", no, provider_no, line.amount_minor, line.fee_micros, line.state, line.at
    )  # fmt: skip


def _to_cells(one: Difference) -> Iterator[str]:
    for name in _CSV_COLUMNS:
        value = getattr(one, name)
        if isinstance(value, datetime):
            yield clock.format_instant(value)
            continue
        cell = "" if value is None else str(value)
        yield f"'{cell}" if isinstance(value, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
