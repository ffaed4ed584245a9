"""Orders: placed, paid, received, refunded."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.confinement import check_merchant, list_merchants_of
from api.routing import INTEGRATORS, READERS, SUPPORT, Answer, Call, PageQuery, Routes, Shape
from tuike import checkout, fulfilment, orders
from tuike.shared.money import DEFAULT_CURRENCY, check_currency

routes = Routes("orders", description="Orders, payments, receipts and refunds.")

MAX_LINES = 500
MAX_QUANTITY = 1_000_000


class NewLine(Shape):
    sku = f.Text(required=True)
    quantity = f.Integer(required=True, low=1, high=MAX_QUANTITY)
    amount_minor = f.Amount(required=True, metadata={"description": "The line's total after discounts."})
    category = f.Text(load_default=None, allow_none=True)
    rates_bps = f.Rates(load_default=None, allow_none=True)


class NewOrder(Shape):
    external_id = f.Text(required=True)
    buyer_id = f.Text(required=True)
    currency = f.currency_field()
    placed_at = f.Instant(required=True)
    touch_id = f.Text(load_default=None, allow_none=True)
    visitor_id = f.Text(load_default=None, allow_none=True)
    shipping_minor = f.Amount(low=0, load_default=0, allow_none=True)
    lines = ma.fields.List(ma.fields.Nested(NewLine), required=True, validate=ma.validate.Length(1, MAX_LINES))


class OrderAttribution(Answer):
    promoter_id = ma.fields.String(required=True, allow_none=True)
    model = ma.fields.String(required=True)
    reason = ma.fields.String(required=True)
    touch_id = ma.fields.String(required=True, allow_none=True)


class LineAnswer(Answer):
    no = ma.fields.Integer(required=True)
    sku = ma.fields.String(required=True)
    quantity = ma.fields.Integer(required=True)
    amount_minor = ma.fields.Integer(required=True)
    refunded_minor = ma.fields.Integer(required=True)
    category = ma.fields.String(required=True, allow_none=True)
    rates_bps = ma.fields.List(ma.fields.Integer(), required=True, allow_none=True)


class OrderAnswer(Answer):
    id = ma.fields.String(required=True)
    external_id = ma.fields.String(required=True)
    buyer_id = ma.fields.String(required=True)
    merchant_id = ma.fields.String(required=True)
    currency = ma.fields.String(required=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["placed", "paid", "received", "refunded"]))
    placed_at = ma.fields.DateTime(required=True)
    paid_at = ma.fields.DateTime(required=True, allow_none=True)
    received_at = ma.fields.DateTime(required=True, allow_none=True)
    goods_minor = ma.fields.Integer(required=True)
    shipping_minor = ma.fields.Integer(required=True)
    refunded_minor = ma.fields.Integer(required=True)
    payment_id = ma.fields.String(required=True, allow_none=True)
    plan_version = ma.fields.Integer(required=True)
    attribution = ma.fields.Nested(OrderAttribution, required=True)
    lines = ma.fields.List(ma.fields.Nested(LineAnswer), required=True)


class OrderQuery(PageQuery):
    external_id = f.Text(load_default=None)
    buyer_id = f.Text(load_default=None)


class OrderPage(Answer):
    items = ma.fields.List(ma.fields.Nested(OrderAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class NewPayment(Shape):
    payment_id = f.Text(required=True)
    paid_at = f.Instant(required=True)
    amount_minor = f.Amount(required=True, metadata={"description": "The sum of the lines plus shipping_minor."})


class NewReceipt(Shape):
    received_at = f.Instant(required=True)


class NewRefundLine(Shape):
    sku = f.Text(required=True)
    quantity = f.Integer(required=True, low=0, high=MAX_QUANTITY)
    amount_minor = f.Amount(required=True)


class NewRefund(Shape):
    refund_id = f.Text(required=True)
    refunded_at = f.Instant(required=True)
    amount_minor = f.Amount(load_default=None, allow_none=True)
    lines = ma.fields.List(
        ma.fields.Nested(NewRefundLine), load_default=None, allow_none=True, validate=ma.validate.Length(1, MAX_LINES)
    )


class RefundLineAnswer(Answer):
    no = ma.fields.Integer(required=True)
    sku = ma.fields.String(required=True)
    amount_minor = ma.fields.Integer(required=True)


class RefundAnswer(Answer):
    refund_id = ma.fields.String(required=True)
    order_id = ma.fields.String(required=True)
    refunded_at = ma.fields.DateTime(required=True)
    amount_minor = ma.fields.Integer(required=True)
    shipping_minor = ma.fields.Integer(required=True)
    lines = ma.fields.List(ma.fields.Nested(RefundLineAnswer), required=True)


class RefundList(Answer):
    items = ma.fields.List(ma.fields.Nested(RefundAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


def render_order(order: orders.Order) -> dict[str, Any]:
    """Return an order as it is answered everywhere."""
    credit = order.attribution
    return {
        "id": order.id,
        "external_id": order.external_id,
        "buyer_id": order.buyer_id,
        "merchant_id": order.merchant_id,
        "currency": order.currency,
        "status": order.status,
        "placed_at": instant(order.placed_at),
        "paid_at": instant(order.paid_at),
        "received_at": instant(order.received_at),
        "goods_minor": order.goods_minor,
        "shipping_minor": order.shipping_minor,
        "refunded_minor": order.refunded_minor,
        "payment_id": order.payment_id,
        "plan_version": order.plan_version,
        "attribution": {
            "promoter_id": credit.promoter_id,
            "model": credit.model,
            "reason": credit.reason,
            "touch_id": credit.touch_id,
        },
        "lines": [
            {
                "no": line.no,
                "sku": line.sku,
                "quantity": line.quantity,
                "amount_minor": line.amount_minor,
                "refunded_minor": line.refunded_minor,
                "category": line.category,
                "rates_bps": None if line.rates_bps is None else list(line.rates_bps),
            }
            for line in order.lines
        ],
    }


def see_order(call: Call, order_id: str) -> orders.Order:
    """Return an order that the caller may see. Raises OrderNotFound, NotYourMerchant."""
    order = orders.get_order(call.tx, order_id=order_id)
    check_merchant(call, order.merchant_id)
    return order


def render_refund(refund: orders.Refund) -> dict[str, Any]:
    """Return a refund as it is answered."""
    return {
        "refund_id": refund.id,
        "order_id": refund.order_id,
        "refunded_at": instant(refund.refunded_at),
        "amount_minor": refund.amount_minor,
        "shipping_minor": refund.shipping_minor,
        "lines": [{"no": part.no, "sku": part.sku, "amount_minor": part.amount_minor} for part in refund.lines],
    }


@routes.call(
    "POST", "/orders", who=INTEGRATORS, body=NewOrder, answer=OrderAnswer, status=201, in_one_statement=True,
    refusals=["409 external_id_taken", "422 amount_not_positive", "422 currency_unknown", "422 too_many_levels",
              "422 amount_too_large", "422 rates_too_high"],
    example={
        "external_id": "o-1", "buyer_id": "u-2002", "currency": "CNY", "placed_at": "2026-11-01T08:05:00+08:00",
        "shipping_minor": 800, "lines": [{"sku": "sku-1", "quantity": 2, "amount_minor": 19900}],
    },
)  # fmt: skip
def post_order(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Place an order; who it is credited to is decided now and kept."""
    currency = DEFAULT_CURRENCY if body["currency"] is None else body["currency"]
    check_currency(currency)
    order = checkout.place_order(
        call.tx,
        call.graph,
        external_id=body["external_id"],
        buyer_id=body["buyer_id"],
        currency=currency,
        placed_at=body["placed_at"],
        touch_id=body["touch_id"],
        visitor_id=body["visitor_id"],
        shipping_minor=body["shipping_minor"] or 0,
        lines=[
            orders.LineInput(
                sku=line["sku"],
                quantity=line["quantity"],
                amount_minor=line["amount_minor"],
                category=line["category"],
                rates_bps=None if line["rates_bps"] is None else tuple(line["rates_bps"]),
            )
            for line in body["lines"]
        ],
        now=call.now,
    )
    call.writes_relations = body["touch_id"] is not None
    return render_order(order)


@routes.call("GET", "/orders", who=READERS, query=OrderQuery, answer=OrderPage)
def list_orders(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List orders, of one buyer or with one external id if asked for; who works for some merchants sees theirs."""
    mine = list_merchants_of(call)
    return page(orders.list_orders(call.tx, merchant_ids=mine, **query), render_order)


@routes.call("GET", "/orders/<id:order_id>", who=READERS, answer=OrderAnswer,
             refusals=["403 not_your_merchant", "404 order_not_found"])  # fmt: skip
def get_order(call: Call, order_id: str) -> dict[str, Any]:
    """Get an order with its lines, status and attribution."""
    return render_order(see_order(call, order_id))


@routes.call(
    "POST", "/orders/<id:order_id>/payment", who=INTEGRATORS, body=NewPayment, answer=OrderAnswer,
    refusals=["404 order_not_found", "409 already_paid", "409 payment_id_taken", "409 placed_in_shop",
              "422 amount_mismatch", "422 amount_not_positive"],
    example={"payment_id": "pay-1", "paid_at": "2026-11-01T08:06:00+08:00", "amount_minor": 20700},
)  # fmt: skip
def post_payment(call: Call, order_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Record that an order was paid in full; commission follows within seconds."""
    fulfilment.refuse_shop_order(call.tx, order_id=order_id)
    return render_order(orders.record_payment(call.tx, order_id=order_id, now=call.now, **body))


@routes.call(
    "POST", "/orders/<id:order_id>/receipt", who=INTEGRATORS | SUPPORT, body=NewReceipt, answer=OrderAnswer,
    refusals=["403 not_your_merchant", "404 order_not_found", "409 order_not_paid", "409 placed_in_shop"],
    example={"received_at": "2026-11-04T18:00:00+08:00"},
)  # fmt: skip
def post_receipt(call: Call, order_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Record that the goods arrived; the holding period starts."""
    see_order(call, order_id)
    fulfilment.refuse_shop_order(call.tx, order_id=order_id)
    return render_order(orders.record_receipt(call.tx, order_id=order_id, now=call.now, **body))


@routes.call(
    "POST", "/orders/<id:order_id>/refunds", who=INTEGRATORS | SUPPORT, body=NewRefund, answer=RefundAnswer, status=201,
    refusals=["403 not_your_merchant", "404 order_not_found", "409 order_not_paid", "409 placed_in_shop",
              "409 refund_id_taken",
              "422 refund_exceeds_paid", "422 amount_not_positive", "422 line_not_found", "422 refund_ambiguous"],
    example={"refund_id": "ref-1", "refunded_at": "2026-11-05T10:00:00+08:00", "amount_minor": 9950},
)  # fmt: skip
def post_refund(call: Call, order_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Record a refund, by amount or by lines; commission is taken back in proportion."""
    see_order(call, order_id)
    fulfilment.refuse_shop_order(call.tx, order_id=order_id)
    lines = None
    if body["lines"] is not None:
        lines = [orders.RefundLine(line["sku"], line["quantity"], line["amount_minor"]) for line in body["lines"]]
    refund, _ = orders.record_refund(
        call.tx,
        order_id=order_id,
        refund_id=body["refund_id"],
        refunded_at=body["refunded_at"],
        amount_minor=body["amount_minor"],
        lines=lines,
        now=call.now,
    )
    return render_refund(refund)


@routes.call("GET", "/orders/<id:order_id>/refunds", who=READERS, answer=RefundList,
             refusals=["403 not_your_merchant", "404 order_not_found"])  # fmt: skip
def list_refunds(call: Call, order_id: str) -> dict[str, Any]:
    """List an order's refunds."""
    see_order(call, order_id)
    found = orders.list_refunds(call.tx, order_id=order_id)
    return {"items": [render_refund(refund) for refund in found], "next_cursor": None}
