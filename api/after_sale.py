"""After-sale: cases of shoppers, and what staff decides about them."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.confinement import check_merchant, list_merchants_of
from api.media import get_config, url_of
from api.routing import SHOPPERS, SUPPORT, Answer, Call, PageQuery, Routes, Shape
from api.shop_orders import own_order
from tuike import fulfilment
from tuike.fulfilment import Case, CaseKind, CaseState, Claim

routes = Routes("after-sale", description="Refunds and returns of shop orders.")


class ClaimShape(Shape):
    no = f.Integer(required=True, high=32_000)
    quantity = f.Integer(required=True, low=0)
    amount_minor = f.Amount(low=0, load_default=None, allow_none=True)


class NewCase(Shape):
    kind = f.Choice("refund_only", "return_and_refund", required=True)
    lines = ma.fields.List(ma.fields.Nested(ClaimShape), required=True, validate=ma.validate.Length(1, 100))
    reason = f.Text(required=True, high=64)
    description = f.Text(low=0, high=1000, load_default="")
    pictures = ma.fields.List(
        f.Text(high=256), load_default=list, validate=ma.validate.Length(0, 9),
        metadata={"description": "Names of what was uploaded by `POST /me/media`."},
    )  # fmt: skip


class SendBack(Shape):
    carrier = f.Text(required=True, high=32)
    tracking_no = f.Text(required=True, high=64)


class AgreedLine(Shape):
    no = f.Integer(required=True, high=32_000)
    amount_minor = f.Amount(required=True, low=0)


class Approval(Shape):
    lines = ma.fields.List(ma.fields.Nested(AgreedLine), load_default=list, validate=ma.validate.Length(0, 100))
    freight_minor = f.Amount(low=0, load_default=None, allow_none=True)
    answer = f.Text(low=0, high=500, load_default="")


class Rejection(Shape):
    answer = f.Text(required=True, high=500)


class CaseLineAnswer(Answer):
    no = ma.fields.Integer(required=True)
    quantity = ma.fields.Integer(required=True)
    amount_minor = ma.fields.Integer(required=True)


class CaseAnswer(Answer):
    id = ma.fields.String(required=True)
    order_id = ma.fields.String(required=True)
    shopper_id = ma.fields.String(required=True)
    merchant_id = ma.fields.String(required=True)
    kind = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf([x.value for x in CaseState]))
    reason = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    pictures = ma.fields.List(ma.fields.String(), required=True)
    picture_urls = ma.fields.List(ma.fields.String(), required=True)
    goods_minor = ma.fields.Integer(required=True)
    freight_minor = ma.fields.Integer(required=True)
    amount_minor = ma.fields.Integer(required=True)
    answer = ma.fields.String(required=True)
    return_carrier = ma.fields.String(required=True, allow_none=True)
    return_tracking_no = ma.fields.String(required=True, allow_none=True)
    deadline_at = ma.fields.DateTime(required=True, allow_none=True)
    created_at = ma.fields.DateTime(required=True)
    decided_at = ma.fields.DateTime(required=True, allow_none=True)
    ended_at = ma.fields.DateTime(required=True, allow_none=True)
    version = ma.fields.Integer(required=True)
    lines = ma.fields.List(ma.fields.Nested(CaseLineAnswer), required=True)


class CasePage(Answer):
    items = ma.fields.List(ma.fields.Nested(CaseAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class MyCaseQuery(PageQuery):
    order_id = f.Id(load_default=None)


class CaseQuery(PageQuery):
    order_id = f.Id(load_default=None)
    shopper_id = f.Id(load_default=None)
    state = f.Choice(*(x.value for x in CaseState), load_default=None)
    overdue = f.Choice("true", load_default=None)


class RefundState(Answer):
    id = ma.fields.String(required=True)
    order_id = ma.fields.String(required=True)
    case_id = ma.fields.String(required=True)
    state = ma.fields.String(required=True)
    amount_minor = ma.fields.Integer(required=True)
    failure = ma.fields.String(required=True, allow_none=True)


def render_case(case: Case) -> dict[str, Any]:
    """Return a case as it is answered."""
    return {
        "id": case.id,
        "order_id": case.order_id,
        "shopper_id": case.shopper_id,
        "merchant_id": case.merchant_id,
        "kind": case.kind,
        "state": case.state,
        "reason": case.reason,
        "description": case.description,
        "pictures": list(case.pictures),
        "picture_urls": [url_of(get_config(), name) for name in case.pictures],
        "goods_minor": case.goods_minor,
        "freight_minor": case.freight_minor,
        "amount_minor": case.amount_minor,
        "answer": case.answer,
        "return_carrier": case.return_carrier,
        "return_tracking_no": case.return_tracking_no,
        "deadline_at": instant(case.deadline_at),
        "created_at": instant(case.created_at),
        "decided_at": instant(case.decided_at),
        "ended_at": instant(case.ended_at),
        "version": case.version,
        "lines": [{"no": x.no, "quantity": x.quantity, "amount_minor": x.amount_minor} for x in case.lines],
    }


def _own_case(call: Call, case_id: str) -> Case:
    case = fulfilment.get_case(call.tx, case_id=case_id)
    check_merchant(call, case.merchant_id)
    return case


# For the shopper


@routes.call(
    "POST", "/me/orders/<id:order_id>/cases", who=SHOPPERS, body=NewCase, answer=CaseAnswer, status=201,
    refusals=["404 order_not_found", "409 wrong_state", "409 after_sale_over", "409 too_many_cases",
              "422 pieces_exceeded", "422 claim_exceeds_paid", "422 amount_not_positive"],
    example={"kind": "refund_only", "lines": [{"no": 0, "quantity": 1}], "reason": "changed_mind"},
)  # fmt: skip
def post_my_case(call: Call, order_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask pieces or money of an order back, by line; without an amount, what the pieces cost."""
    case = fulfilment.open_case(
        call.tx,
        order_id=order_id,
        shopper_id=call.user_id,
        kind=CaseKind(body["kind"]),
        claims=[Claim(**line) for line in body["lines"]],
        reason=body["reason"],
        description=body["description"],
        pictures=body["pictures"],
        made_by=call.user_id,
        now=call.now,
    )
    return render_case(case)


@routes.call("GET", "/me/cases", who=SHOPPERS, query=MyCaseQuery, answer=CasePage)
def list_my_cases(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List one's own cases, newest first, of one order if asked for."""
    return page(fulfilment.list_cases(call.tx, shopper_id=call.user_id, **query), render_case)


@routes.call("GET", "/me/cases/<id:case_id>", who=SHOPPERS, answer=CaseAnswer,
             refusals=["404 case_not_found"])  # fmt: skip
def get_my_case(call: Call, case_id: str) -> dict[str, Any]:
    """Get one's own case."""
    return render_case(fulfilment.get_case(call.tx, case_id=case_id, shopper_id=call.user_id))


@routes.call("POST", "/me/cases/<id:case_id>/cancel", who=SHOPPERS, answer=CaseAnswer,
             refusals=["404 case_not_found", "409 wrong_state"])  # fmt: skip
def cancel_my_case(call: Call, case_id: str) -> dict[str, Any]:
    """Take a case back."""
    return render_case(
        fulfilment.cancel_case(call.tx, case_id=case_id, shopper_id=call.user_id, made_by=call.user_id, now=call.now)
    )


@routes.call(
    "POST", "/me/cases/<id:case_id>/return-parcel", who=SHOPPERS, body=SendBack, answer=CaseAnswer,
    refusals=["404 case_not_found", "409 wrong_state"], example={"carrier": "SF", "tracking_no": "SF1234567890"},
)  # fmt: skip
def post_my_return_parcel(call: Call, case_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Say how the goods of an approved return are sent back."""
    return render_case(fulfilment.send_back(call.tx, case_id=case_id, shopper_id=call.user_id, now=call.now, **body))


# For staff


@routes.call("GET", "/shop/cases", who=SUPPORT, query=CaseQuery, answer=CasePage)
def list_cases(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List cases, newest first, also only those that nobody answered in time; one's own merchants' only."""
    found = fulfilment.list_cases(
        call.tx,
        order_id=query["order_id"],
        shopper_id=query["shopper_id"],
        merchant_ids=list_merchants_of(call),
        state=None if query["state"] is None else CaseState(query["state"]),
        overdue_at=None if query["overdue"] is None else call.now,
        limit=query["limit"],
        cursor=query["cursor"],
    )
    return page(found, render_case)


@routes.call("GET", "/shop/cases/<id:case_id>", who=SUPPORT, answer=CaseAnswer,
             refusals=["403 not_your_merchant", "404 case_not_found"])  # fmt: skip
def get_case(call: Call, case_id: str) -> dict[str, Any]:
    """Get a case."""
    return render_case(_own_case(call, case_id))


@routes.call(
    "POST", "/shop/cases/<id:case_id>/approval", who=SUPPORT, body=Approval, answer=CaseAnswer,
    refusals=["403 not_your_merchant", "404 case_not_found", "409 wrong_state", "422 claim_exceeds_paid",
              "422 amount_not_positive"],
    example={"lines": [{"no": 0, "amount_minor": 900}], "answer": "Agreed."},
)  # fmt: skip
def approve_case(call: Call, case_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Agree to a case, on smaller amounts by line or other freight if given; money goes back from here on."""
    _own_case(call, case_id)
    case = fulfilment.approve_case(
        call.tx,
        case_id=case_id,
        amounts={line["no"]: line["amount_minor"] for line in body["lines"]},
        freight_minor=body["freight_minor"],
        answer=body["answer"],
        decided_by=call.caller.id,
        now=call.now,
    )
    return render_case(case)


@routes.call(
    "POST", "/shop/cases/<id:case_id>/rejection", who=SUPPORT, body=Rejection, answer=CaseAnswer,
    refusals=["403 not_your_merchant", "404 case_not_found", "409 wrong_state"],
    example={"answer": "It was worn."},
)  # fmt: skip
def reject_case(call: Call, case_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Turn a case down."""
    _own_case(call, case_id)
    return render_case(
        fulfilment.reject_case(call.tx, case_id=case_id, answer=body["answer"], decided_by=call.caller.id, now=call.now)
    )


@routes.call("POST", "/shop/cases/<id:case_id>/received-back", who=SUPPORT, answer=CaseAnswer,
             refusals=["403 not_your_merchant", "404 case_not_found", "409 wrong_state"])  # fmt: skip
def receive_case_back(call: Call, case_id: str) -> dict[str, Any]:
    """Say that the goods of a case came back; the money follows."""
    _own_case(call, case_id)
    return render_case(fulfilment.receive_back(call.tx, case_id=case_id, made_by=call.caller.id, now=call.now))


@routes.call("POST", "/shop/refunds/<id:refund_id>/retry", who=SUPPORT, answer=RefundState,
             refusals=["403 not_your_merchant", "404 refund_not_found", "404 order_not_found",
                       "409 wrong_state"])  # fmt: skip
def retry_refund(call: Call, refund_id: str) -> dict[str, Any]:
    """Let a refund that failed at the provider be tried again, under the same number."""
    own_order(call, fulfilment.get_refund(call.tx, refund_id=refund_id).order_id)
    refund = fulfilment.retry_refund(call.tx, refund_id=refund_id, made_by=call.caller.id, now=call.now)
    return {name: getattr(refund, name) for name in RefundState._declared_fields}  # noqa: SLF001 - marshmallow's own
