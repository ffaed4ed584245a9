"""The comparison with the providers' bills, for finance and auditors."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.payments import get_counter
from api.routing import FINANCE, Answer, Call, PageQuery, Routes, Shape
from tuike import payments
from tuike.identity import Scope
from tuike.payments import PayBy

routes = Routes("reconciliations", description="Days of the payment providers, compared with our rows.")

BILLED = tuple(one.value for one in payments.BILLED)
KINDS = tuple(one.value for one in payments.DifferenceKind)
_SEE = FINANCE | {Scope.AUDITOR}


class NewReconciliation(Shape):
    provider = f.Choice(*BILLED, required=True)
    on_day = f.Day(required=True, metadata={"description": "A business day (Asia/Shanghai) that is over."})


class ReconciliationAnswer(Answer):
    id = ma.fields.String(required=True)
    provider = ma.fields.String(required=True, validate=ma.validate.OneOf(BILLED))
    on_day = ma.fields.Date(required=True)
    run_at = ma.fields.DateTime(required=True)
    lines = ma.fields.Integer(required=True, metadata={"description": "Lines of the bill."})
    matched = ma.fields.Integer(required=True)
    differences = ma.fields.Integer(required=True)
    ours_minor = ma.fields.Integer(required=True, metadata={"description": "What came less what went back, by us."})
    theirs_minor = ma.fields.Integer(required=True, metadata={"description": "The same by the bill."})


class DifferenceAnswer(Answer):
    id = ma.fields.String(required=True)
    provider = ma.fields.String(required=True, validate=ma.validate.OneOf(BILLED))
    on_day = ma.fields.Date(required=True)
    kind = ma.fields.String(required=True, validate=ma.validate.OneOf(KINDS))
    what = ma.fields.String(required=True, validate=ma.validate.OneOf(("payment", "refund")))
    no = ma.fields.String(required=True, metadata={"description": "Our number of the payment or refund."})
    ours_minor = ma.fields.Integer(required=True, allow_none=True)
    theirs_minor = ma.fields.Integer(required=True, allow_none=True)
    ours_state = ma.fields.String(required=True, allow_none=True)
    theirs_state = ma.fields.String(required=True, allow_none=True)
    found_at = ma.fields.DateTime(required=True)
    resolved_at = ma.fields.DateTime(required=True, allow_none=True)
    resolved_by = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "A person's or key's id, or `comparison`."}
    )
    note = ma.fields.String(required=True, allow_none=True)


class BillAnswer(Answer):
    id = ma.fields.String(required=True, metadata={"description": "Provider and day, such as `wechat_2026-11-01`."})
    provider = ma.fields.String(required=True, validate=ma.validate.OneOf(BILLED))
    on_day = ma.fields.Date(required=True)
    downloaded_at = ma.fields.DateTime(required=True)
    sha256 = ma.fields.String(required=True, metadata={"description": "Of the bill's text, in hex."})
    payments = ma.fields.Integer(required=True)
    payments_minor = ma.fields.Integer(required=True)
    refunds = ma.fields.Integer(required=True)
    refunds_minor = ma.fields.Integer(required=True)
    fee_micros = ma.fields.Integer(
        required=True, metadata={"description": "Fees in millionths of a yuan: they are fractions of a 分."}
    )
    open_differences = ma.fields.Integer(required=True)


class BillPage(Answer):
    items = ma.fields.List(ma.fields.Nested(BillAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class BillLineAnswer(Answer):
    what = ma.fields.String(required=True, validate=ma.validate.OneOf(("payment", "refund")))
    no = ma.fields.String(required=True, metadata={"description": "Our number, as the provider has it."})
    provider_no = ma.fields.String(required=True)
    amount_minor = ma.fields.Integer(required=True)
    fee_micros = ma.fields.Integer(required=True)
    state = ma.fields.String(required=True, metadata={"description": "In the provider's words."})
    at = ma.fields.DateTime(required=True)


class BillLinePage(Answer):
    items = ma.fields.List(ma.fields.Nested(BillLineAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class BillQuery(PageQuery):
    provider = f.Choice(*BILLED, load_default=None)
    on_day = f.Day(load_default=None)


class ReconciliationQuery(PageQuery):
    provider = f.Choice(*BILLED, load_default=None)
    on_day = f.Day(load_default=None)


class DifferenceFilter(Shape):
    provider = f.Choice(*BILLED, load_default=None)
    on_day = f.Day(load_default=None)
    kind = f.Choice(*KINDS, load_default=None)
    state = f.Choice("open", "all", load_default="open")


class DifferenceQuery(PageQuery):
    provider = f.Choice(*BILLED, load_default=None)
    on_day = f.Day(load_default=None)
    kind = f.Choice(*KINDS, load_default=None)
    state = f.Choice("open", "all", load_default="open")


class ReconciliationPage(Answer):
    items = ma.fields.List(ma.fields.Nested(ReconciliationAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class DifferencePage(Answer):
    items = ma.fields.List(ma.fields.Nested(DifferenceAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class Resolution(Shape):
    note = f.Text(required=True, high=500, metadata={"description": "How it was settled."})


def render_reconciliation(found: payments.Reconciliation) -> dict[str, Any]:
    """Return a comparison as it is answered."""
    return {
        "id": found.id,
        "provider": found.provider.value,
        "on_day": found.on_day.isoformat(),
        "run_at": instant(found.run_at),
        "lines": found.lines,
        "matched": found.matched,
        "differences": found.differences,
        "ours_minor": found.ours_minor,
        "theirs_minor": found.theirs_minor,
    }


def render_difference(found: payments.Difference) -> dict[str, Any]:
    """Return a difference as it is answered."""
    return {
        "id": found.id,
        "provider": found.provider.value,
        "on_day": found.on_day.isoformat(),
        "kind": found.kind.value,
        "what": found.what,
        "no": found.no,
        "ours_minor": found.ours_minor,
        "theirs_minor": found.theirs_minor,
        "ours_state": found.ours_state,
        "theirs_state": found.theirs_state,
        "found_at": instant(found.found_at),
        "resolved_at": instant(found.resolved_at),
        "resolved_by": found.resolved_by,
        "note": found.note,
    }


def render_bill(found: payments.Bill) -> dict[str, Any]:
    """Return a bill as it is answered."""
    return {
        "id": found.id,
        "provider": found.provider.value,
        "on_day": found.on_day.isoformat(),
        "downloaded_at": instant(found.downloaded_at),
        "sha256": found.digest.hex(),
        "payments": found.payments,
        "payments_minor": found.payments_minor,
        "refunds": found.refunds,
        "refunds_minor": found.refunds_minor,
        "fee_micros": found.fee_micros,
        "open_differences": found.open_differences,
    }


def render_bill_line(found: payments.BillLine) -> dict[str, Any]:
    """Return a line of a bill as it is answered."""
    return {
        "what": found.what,
        "no": found.no,
        "provider_no": found.provider_no,
        "amount_minor": found.amount_minor,
        "fee_micros": found.fee_micros,
        "state": found.state,
        "at": instant(found.at),
    }


@routes.call("GET", "/bills", who=_SEE, query=BillQuery, answer=BillPage)
def list_bills(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List the providers' bills that were downloaded, newest day first."""
    return page(payments.list_bills(call.tx, **query), render_bill)


@routes.call("GET", "/bills/<id:bill_id>", who=_SEE, answer=BillAnswer, refusals=["404 bill_not_found"])
def get_bill(call: Call, bill_id: str) -> dict[str, Any]:
    """Get a bill: what it adds up to, and how many differences are open."""
    return render_bill(payments.get_bill(call.tx, bill_id=bill_id))


@routes.call("GET", "/bills/<id:bill_id>/lines", who=_SEE, query=PageQuery, answer=BillLinePage,
             refusals=["404 bill_not_found"])  # fmt: skip
def list_bill_lines(call: Call, bill_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List the lines of a bill, payments first, then refunds, each by our number."""
    return page(payments.list_bill_lines(call.tx, bill_id=bill_id, **query), render_bill_line)


@routes.call("GET", "/bills/<id:bill_id>/text", who=_SEE, answer=Answer, text_type="text/csv",
             refusals=["404 bill_not_found"])  # fmt: skip
def get_bill_text(call: Call, bill_id: str) -> str:
    """Get a bill as its provider wrote it."""
    content = payments.get_bill_text(call.tx, bill_id=bill_id)
    call.headers["Content-Disposition"] = f'attachment; filename="{bill_id}.csv"'
    return content


@routes.call(
    "POST", "/reconciliations", who=FINANCE, body=NewReconciliation, answer=ReconciliationAnswer, status=201,
    in_transaction=False,
    refusals=["409 bill_not_ready", "503 provider_not_configured", "503 provider_unavailable",
              "503 provider_answer_invalid"],
    example={"provider": "wechat", "on_day": "2026-11-01"},
)  # fmt: skip
def post_reconciliation(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Download a day's bill and compare it with our rows now; the schedule does so every morning."""
    found = payments.reconcile_day(
        call.db, get_counter(), provider=PayBy(body["provider"]), on_day=body["on_day"], now=call.now
    )
    return render_reconciliation(found)


@routes.call("GET", "/reconciliations", who=_SEE, query=ReconciliationQuery, answer=ReconciliationPage)
def list_reconciliations(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List comparisons, of one provider or day if asked for, newest first."""
    return page(payments.list_reconciliations(call.tx, **query), render_reconciliation)


@routes.call("GET", "/reconciliations/<id:reconciliation_id>", who=_SEE, answer=ReconciliationAnswer,
             refusals=["404 reconciliation_not_found"])  # fmt: skip
def get_reconciliation(call: Call, reconciliation_id: str) -> dict[str, Any]:
    """Get a comparison."""
    return render_reconciliation(payments.get_reconciliation(call.tx, reconciliation_id=reconciliation_id))


@routes.call("GET", "/bill-differences", who=_SEE, query=DifferenceQuery, answer=DifferencePage)
def list_bill_differences(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List what bills and our rows disagree about, newest first."""
    only_open = query.pop("state") == "open"
    return page(payments.list_differences(call.tx, only_open=only_open, **query), render_difference)


@routes.call("GET", "/bill-differences/export", who=_SEE, query=DifferenceFilter, answer=Answer, text_type="text/csv")
def export_bill_differences(call: Call, query: dict[str, Any]) -> str:
    """Export what bills and our rows disagree about as CSV, 100,000 rows at most."""
    only_open = query.pop("state") == "open"
    call.headers["Content-Disposition"] = 'attachment; filename="bill-differences.csv"'
    return payments.export_differences(call.tx, only_open=only_open, **query)


@routes.call("GET", "/bill-differences/<id:difference_id>", who=_SEE, answer=DifferenceAnswer,
             refusals=["404 difference_not_found"])  # fmt: skip
def get_bill_difference(call: Call, difference_id: str) -> dict[str, Any]:
    """Get what a bill and our rows disagree about."""
    return render_difference(payments.get_difference(call.tx, difference_id=difference_id))


@routes.call("POST", "/bill-differences/<id:difference_id>/resolve", who=FINANCE, body=Resolution,
             answer=DifferenceAnswer, refusals=["404 difference_not_found"],
             example={"note": "客户已线下退款"})  # fmt: skip
def post_difference_resolution(call: Call, difference_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Record that a difference was settled, and how; it stays settled while nothing about it changes."""
    found = payments.resolve_difference(
        call.tx, difference_id=difference_id, note=body["note"], by=call.caller.id, now=call.now
    )
    return render_difference(found)
