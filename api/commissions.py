"""Commission entries of an order, holds on them, and the plan they follow."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant
from api.orders import see_order
from api.routing import OPERATORS, READERS, RISK, Answer, Call, Nothing, Routes, Shape
from tuike import commission

routes = Routes("commissions", description="Commission entries, holds, and the plan with its rates.")

PLAN_DEFAULTS: dict[str, Any] = {
    "levels_max": 2,
    "rates_bps": [1000, 300, 0],
    "holding_days": 7,
    "base": "paid",
    "self_purchase": False,
    "lock_days": 30,
    "attribution": "last",
    "order_cap_bps": None,
}
MAX_DAYS = 3650


class TraceStep(Answer):
    step = ma.fields.String(required=True)
    level = ma.fields.Integer(required=True, allow_none=True)
    code = ma.fields.String(required=True, metadata={"description": "What each means is said in docs/commission.md."})
    detail = ma.fields.Dict(required=True)


class CommissionAnswer(Answer):
    id = ma.fields.String(required=True)
    promoter_id = ma.fields.String(required=True, allow_none=True)
    level = ma.fields.Integer(required=True)
    base_minor = ma.fields.Integer(required=True)
    rate_bps = ma.fields.Integer(required=True)
    amount_minor = ma.fields.Integer(required=True)
    reversed_minor = ma.fields.Integer(required=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["pending", "frozen", "available", "reversed"]))
    due_at = ma.fields.DateTime(required=True, allow_none=True)
    trace = ma.fields.List(ma.fields.Nested(TraceStep), required=True)


class CommissionList(Answer):
    items = ma.fields.List(ma.fields.Nested(CommissionAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class HoldReason(Shape):
    reason = f.Text(load_default=None, allow_none=True, high=500)


class NewPlan(Shape):
    levels_max = f.Integer(low=1, high=3, out_of_range=f.THREE_LEVELS, load_default=None, allow_none=True)
    rates_bps = f.Rates(load_default=None, allow_none=True)
    holding_days = f.Integer(low=0, high=MAX_DAYS, load_default=None, allow_none=True)
    base = f.Choice("paid", load_default=None, allow_none=True)
    self_purchase = f.Flag(load_default=None, allow_none=True)
    lock_days = f.Integer(low=1, high=MAX_DAYS, load_default=None, allow_none=True)
    attribution = f.Choice("last", "first", load_default=None, allow_none=True)
    order_cap_bps = f.Integer(low=0, high=10_000, load_default=None, allow_none=True)
    version = f.Ignored(load_default=None, allow_none=True, metadata={"description": "Answered; ignored if sent."})


class PlanAnswer(Answer):
    levels_max = ma.fields.Integer(required=True, validate=ma.validate.Range(1, 3))
    rates_bps = ma.fields.List(ma.fields.Integer(), required=True)
    holding_days = ma.fields.Integer(required=True)
    base = ma.fields.String(required=True)
    self_purchase = ma.fields.Boolean(required=True)
    lock_days = ma.fields.Integer(required=True)
    attribution = ma.fields.String(required=True)
    order_cap_bps = ma.fields.Integer(required=True, allow_none=True)
    version = ma.fields.Integer(required=True)


def render_commission(entry: commission.Commission) -> dict[str, Any]:
    """Return a commission entry as it is answered."""
    return {
        "id": entry.id,
        "promoter_id": entry.promoter_id,
        "level": entry.level,
        "base_minor": entry.base_minor,
        "rate_bps": entry.rate_bps,
        "amount_minor": entry.amount_minor,
        "reversed_minor": entry.reversed_minor,
        "status": entry.status,
        "due_at": instant(entry.due_at),
        "trace": [{"step": s.step, "level": s.level, "code": s.code, "detail": s.detail} for s in entry.trace],
    }


def render_plan(plan: commission.Plan) -> dict[str, Any]:
    """Return the plan: exactly what a PUT takes, so that it can be sent back changed."""
    return {
        "levels_max": plan.levels_max,
        "rates_bps": list(plan.rates_bps),
        "holding_days": plan.holding_days,
        "base": plan.base,
        "self_purchase": plan.self_purchase,
        "lock_days": plan.lock_days,
        "attribution": plan.attribution,
        "order_cap_bps": plan.order_cap_bps,
        "version": plan.version,
    }


@routes.call(
    "GET", "/orders/<id:order_id>/commissions", who=READERS, answer=CommissionList,
    refusals=["403 not_your_merchant", "404 order_not_found"],
    answer_headers={"Settled": "`true` once nothing about this order waits for a worker, else `false`."},
)  # fmt: skip
def list_commissions(call: Call, order_id: str) -> dict[str, Any]:
    """List what each level gets from an order, and why."""
    see_order(call, order_id)
    # Asked first: what is settled before the entries are read is in what is read.
    call.headers["Settled"] = "true" if commission.is_settled(call.tx, order_id=order_id) else "false"
    entries = commission.list_commissions(call.tx, order_id=order_id)
    return {"items": [render_commission(entry) for entry in entries], "next_cursor": None}


@routes.call(
    "POST", "/commissions/<id:commission_id>/hold", who=RISK, body=HoldReason, body_optional=True,
    answer=CommissionAnswer, refusals=["404 commission_not_found", "409 wrong_state"],
    example={"reason": "two accounts on one device"},
)  # fmt: skip
def post_hold(call: Call, commission_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Freeze a commission entry until the hold is lifted."""
    entry = commission.hold_commission(call.tx, commission_id=commission_id, reason=body["reason"] or "", now=call.now)
    return render_commission(entry)


@routes.call(
    "POST", "/commissions/<id:commission_id>/unhold", who=RISK, body=Nothing, body_optional=True,
    answer=CommissionAnswer, refusals=["404 commission_not_found", "409 wrong_state"], example={},
)  # fmt: skip
def post_unhold(call: Call, commission_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Lift the hold of a commission entry."""
    return render_commission(commission.lift_hold(call.tx, commission_id=commission_id, now=call.now))


@routes.call("GET", "/plans/default", who=READERS, answer=PlanAnswer)
def get_plan(call: Call) -> dict[str, Any]:
    """Get the plan in force."""
    return render_plan(commission.get_plan(call.tx))


@routes.call(
    "PUT", "/plans/default", who=OPERATORS, body=NewPlan, answer=PlanAnswer,
    refusals=["422 too_many_levels", "422 rates_too_high"],
    example={key: value for key, value in PLAN_DEFAULTS.items() if value is not None},
)  # fmt: skip
def put_plan(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Replace the plan; what is left out takes its default. Orders placed before keep the version they had."""
    chosen = PLAN_DEFAULTS | {name: body[name] for name in PLAN_DEFAULTS if body[name] is not None}
    return render_plan(commission.replace_plan(call.tx, now=call.now, **chosen))
