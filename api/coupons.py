"""Coupons and freight."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.confinement import check_merchant, list_merchants_of
from api.routing import ANYONE, CONTENT, SHOPPERS, Answer, Call, PageQuery, Routes, Shape
from tuike import catalog, offers

routes = Routes("coupons", description="Coupons that shoppers claim, and what freight costs.")


class NewTemplate(Shape):
    name = f.Text(required=True, high=64)
    kind = f.Choice("fixed", "percentage", required=True)
    stock = f.Integer(required=True, low=1, high=10**8)
    claim_from = f.Instant(required=True)
    claim_to = f.Instant(required=True)
    valid_from = f.Instant(required=True)
    valid_to = f.Instant(required=True)
    merchant_id = f.Id(load_default=None, allow_none=True, metadata={"description": "None: the whole platform's."})
    currency = f.Text(load_default="CNY", high=3)
    amount_minor = f.Amount(load_default=None, allow_none=True)
    off_bps = f.Integer(load_default=None, allow_none=True, low=1, high=10_000)
    cap_minor = f.Amount(load_default=None, allow_none=True)
    threshold_minor = f.Amount(low=0, load_default=0)
    scope = f.Choice("all", "category", "product", load_default="all")
    scope_ids = ma.fields.List(f.Id(), load_default=list, validate=ma.validate.Length(0, 200))
    newcomers_only = f.Flag(load_default=False)
    per_person = f.Integer(load_default=1, low=1, high=100)
    valid_days = f.Integer(load_default=None, allow_none=True, low=1, high=3660)


class TemplateChange(Shape):
    version = f.Integer(required=True, low=1)
    name = f.Text(load_default=None, high=64)
    stock = f.Integer(load_default=None, low=1, high=10**8)
    is_open = f.Flag(load_default=None)


class TemplateAnswer(Answer):
    id = ma.fields.String(required=True)
    merchant_id = ma.fields.String(required=True, allow_none=True)
    name = ma.fields.String(required=True)
    kind = ma.fields.String(required=True)
    currency = ma.fields.String(required=True)
    amount_minor = ma.fields.Integer(required=True, allow_none=True)
    off_bps = ma.fields.Integer(required=True, allow_none=True)
    cap_minor = ma.fields.Integer(required=True, allow_none=True)
    threshold_minor = ma.fields.Integer(required=True)
    scope = ma.fields.String(required=True)
    scope_ids = ma.fields.List(ma.fields.String(), required=True)
    newcomers_only = ma.fields.Boolean(required=True)
    stock = ma.fields.Integer(required=True)
    claimed_count = ma.fields.Integer(required=True)
    per_person = ma.fields.Integer(required=True)
    claim_from = ma.fields.DateTime(required=True)
    claim_to = ma.fields.DateTime(required=True)
    valid_days = ma.fields.Integer(required=True, allow_none=True)
    valid_from = ma.fields.DateTime(required=True)
    valid_to = ma.fields.DateTime(required=True)
    is_open = ma.fields.Boolean(required=True)
    version = ma.fields.Integer(required=True)


class TemplatePage(Answer):
    items = ma.fields.List(ma.fields.Nested(TemplateAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class Claim(Shape):
    template_id = f.Id(required=True)


class CouponAnswer(Answer):
    id = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf([x.value for x in offers.CouponState]))
    order_id = ma.fields.String(required=True, allow_none=True)
    valid_from = ma.fields.DateTime(required=True)
    valid_to = ma.fields.DateTime(required=True)
    claimed_at = ma.fields.DateTime(required=True)
    used_at = ma.fields.DateTime(required=True, allow_none=True)
    template = ma.fields.Nested(TemplateAnswer, required=True)


class CouponQuery(PageQuery):
    state = f.Choice(*(x.value for x in offers.CouponState), load_default=None)


class CouponPage(Answer):
    items = ma.fields.List(ma.fields.Nested(CouponAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class ZoneShape(Shape):
    regions = ma.fields.List(f.Text(high=6), required=True, validate=ma.validate.Length(0, 400))
    first = f.Integer(required=True, low=1, high=10**7)
    first_minor = f.Amount(required=True, low=0)
    step = f.Integer(required=True, low=1, high=10**7)
    step_minor = f.Amount(required=True, low=0)
    free_from_minor = f.Amount(low=0, load_default=None, allow_none=True)
    is_excluded = f.Flag(load_default=False)


class NewFreight(Shape):
    version = f.Integer(required=True, metadata={"description": "The version read, 0 when there was none."})
    unit = f.Choice("piece", "weight", required=True)
    zones = ma.fields.List(ma.fields.Nested(ZoneShape), required=True, validate=ma.validate.Length(1, 100))


class FreightAnswer(Answer):
    merchant_id = ma.fields.String(required=True)
    unit = ma.fields.String(required=True)
    zones = ma.fields.List(ma.fields.Nested(ZoneShape), required=True)
    version = ma.fields.Integer(required=True)


def render_template(one: offers.Template) -> dict[str, Any]:
    """Return a coupon template as it is answered."""
    terms = one.draft
    return {
        "id": one.id,
        "merchant_id": terms.merchant_id,
        "name": terms.name,
        "kind": terms.kind,
        "currency": terms.currency,
        "amount_minor": terms.amount_minor,
        "off_bps": terms.off_bps,
        "cap_minor": terms.cap_minor,
        "threshold_minor": terms.threshold_minor,
        "scope": terms.scope,
        "scope_ids": list(terms.scope_ids),
        "newcomers_only": terms.newcomers_only,
        "stock": terms.stock,
        "claimed_count": one.claimed_count,
        "per_person": terms.per_person,
        "claim_from": instant(terms.claim_from),
        "claim_to": instant(terms.claim_to),
        "valid_days": terms.valid_days,
        "valid_from": instant(terms.valid_from),
        "valid_to": instant(terms.valid_to),
        "is_open": one.is_open,
        "version": one.version,
    }


def _render_coupon(one: offers.Coupon) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state,
        "order_id": one.order_id,
        "valid_from": instant(one.valid_from),
        "valid_to": instant(one.valid_to),
        "claimed_at": instant(one.claimed_at),
        "used_at": instant(one.used_at),
        "template": render_template(one.template),
    }


def _render_freight(rule: offers.FreightRule | None, merchant_id: str) -> dict[str, Any]:
    if rule is None:
        return {"merchant_id": merchant_id, "unit": "piece", "zones": [], "version": 0}
    zones = [
        {
            "regions": list(zone.regions),
            "first": zone.first,
            "first_minor": zone.first_minor,
            "step": zone.step,
            "step_minor": zone.step_minor,
            "free_from_minor": zone.free_from_minor,
            "is_excluded": zone.is_excluded,
        }
        for zone in rule.zones
    ]
    return {"merchant_id": rule.merchant_id, "unit": rule.unit, "zones": zones, "version": rule.version}


@routes.call("GET", "/coupons", who=ANYONE, query=PageQuery, answer=TemplatePage)
def list_claimable_coupons(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List the coupons that can be claimed now, newest first."""
    return page(offers.list_templates(call.tx, claimable_at=call.now, **query), render_template)


@routes.call("GET", "/me/coupons", who=SHOPPERS, query=CouponQuery, answer=CouponPage)
def list_my_coupons(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List one's own coupons, newest first."""
    state = None if query["state"] is None else offers.CouponState(query["state"])
    found = offers.list_coupons(
        call.tx, shopper_id=call.user_id, state=state, limit=query["limit"], cursor=query["cursor"]
    )
    return page(found, _render_coupon)


@routes.call(
    "POST", "/me/coupons", who=SHOPPERS, body=Claim, answer=CouponAnswer, status=201,
    refusals=["404 coupon_template_not_found", "409 coupon_not_open", "409 coupon_sold_out",
              "409 coupon_limit_reached"],
    example={"template_id": "cpt_01K9ZQ4T6M8F2V7R3X5Y1W0ABC"},
)  # fmt: skip
def post_my_coupon(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Claim a coupon."""
    return _render_coupon(
        offers.claim_coupon(call.tx, template_id=body["template_id"], shopper_id=call.user_id, now=call.now)
    )


@routes.call("GET", "/shop/coupon-templates", who=CONTENT, query=PageQuery, answer=TemplatePage)
def list_coupon_templates(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List coupon templates, newest first; who works for a merchant sees that merchant's."""
    mine = list_merchants_of(call)
    return page(offers.list_templates(call.tx, merchant_ids=mine, **query), render_template)


@routes.call(
    "POST", "/shop/coupon-templates", who=CONTENT, body=NewTemplate, answer=TemplateAnswer, status=201,
    looks_ahead=True,
    refusals=["403 not_your_merchant", "404 merchant_not_found", "422 currency_unknown", "422 amount_not_positive"],
    example={
        "name": "满 100 减 10", "kind": "fixed", "amount_minor": 1000, "threshold_minor": 10000, "stock": 500,
        "claim_from": "2026-11-01T00:00:00+08:00", "claim_to": "2026-12-01T00:00:00+08:00",
        "valid_from": "2026-11-01T00:00:00+08:00", "valid_to": "2027-01-01T00:00:00+08:00",
    },
)  # fmt: skip
def post_coupon_template(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Make a coupon that shoppers can claim; its terms stay as they are."""
    check_merchant(call, body["merchant_id"])
    draft = offers.TemplateDraft(
        **body
        | {
            "kind": offers.CouponKind(body["kind"]),
            "scope": offers.CouponScope(body["scope"]),
            "scope_ids": tuple(body["scope_ids"]),
        }
    )
    return render_template(offers.create_template(call.tx, draft=draft, now=call.now))


@routes.call(
    "PATCH", "/shop/coupon-templates/<id:template_id>", who=CONTENT, body=TemplateChange, answer=TemplateAnswer,
    refusals=["403 not_your_merchant", "404 coupon_template_not_found", "409 edit_conflict"],
    example={"version": 1, "is_open": False},
)  # fmt: skip
def patch_coupon_template(call: Call, template_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Change a template's name or stock, or stop giving it out; coupons that were claimed stay."""
    there = offers.get_template(call.tx, template_id=template_id)
    check_merchant(call, there.draft.merchant_id)
    return render_template(offers.change_template(call.tx, template_id=template_id, **body))


@routes.call("GET", "/shop/freight/<id:merchant_id>", who=CONTENT, answer=FreightAnswer,
             refusals=["403 not_your_merchant", "404 merchant_not_found"])  # fmt: skip
def get_freight(call: Call, merchant_id: str) -> dict[str, Any]:
    """Get what a merchant's freight costs; without zones it is free everywhere."""
    check_merchant(call, merchant_id)
    catalog.get_merchant(call.tx, merchant_id=merchant_id)
    return _render_freight(offers.find_freight_rule(call.tx, merchant_id=merchant_id), merchant_id)


@routes.call(
    "PUT", "/shop/freight/<id:merchant_id>", who=CONTENT, body=NewFreight, answer=FreightAnswer,
    refusals=["403 not_your_merchant", "404 merchant_not_found", "409 edit_conflict", "422 amount_not_positive"],
    example={
        "version": 0, "unit": "piece",
        "zones": [{"regions": ["44"], "first": 1, "first_minor": 500, "step": 1, "step_minor": 100,
                   "free_from_minor": 9900},
                  {"regions": [], "first": 1, "first_minor": 1000, "step": 1, "step_minor": 200}],
    },
)  # fmt: skip
def put_freight(call: Call, merchant_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Write what a merchant's freight costs, whole; the zone with the longest matching region counts."""
    check_merchant(call, merchant_id)
    rule = offers.save_freight_rule(
        call.tx,
        merchant_id=merchant_id,
        unit=offers.FreightUnit(body["unit"]),
        zones=[offers.Zone(**(zone | {"regions": tuple(zone["regions"])})) for zone in body["zones"]],
        version=body["version"],
        changed_by=call.caller.id,
        now=call.now,
    )
    return _render_freight(rule, merchant_id)
