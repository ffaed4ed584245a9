"""The cart and its checkout."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant
from api.media import picture_url_of
from api.routing import SHOPPERS, Answer, Call, Routes, Shape
from api.shop_orders import ShopOrderAnswer, render_order
from tuike import cart, checkout

routes = Routes("cart", description="A shopper's cart, what it costs, and the order that comes of it.")


class NewCartLine(Shape):
    sku_id = f.Id(required=True)
    quantity = f.Integer(required=True, low=1, high=9999)
    touch_id = f.Text(load_default=None, allow_none=True)
    visitor_id = f.Text(load_default=None, allow_none=True)


class CartLineChange(Shape):
    quantity = f.Integer(load_default=None, low=1, high=9999)
    is_chosen = f.Flag(load_default=None)


class CartLineAnswer(Answer):
    sku_id = ma.fields.String(required=True)
    quantity = ma.fields.Integer(required=True)
    is_chosen = ma.fields.Boolean(required=True)
    price_seen_minor = ma.fields.Integer(required=True)
    added_at = ma.fields.DateTime(required=True)


class CartAnswer(Answer):
    version = ma.fields.Integer(required=True)
    lines = ma.fields.List(ma.fields.Nested(CartLineAnswer), required=True)


class WantedLine(Shape):
    sku_id = f.Id(required=True)
    quantity = f.Integer(required=True, low=1, high=9999)


class WantedShape(Shape):
    lines = ma.fields.List(
        ma.fields.Nested(WantedLine), load_default=None, allow_none=True, validate=ma.validate.Length(1, 100),
        metadata={"description": "Bought at once; without it, what is chosen in the cart."},
    )  # fmt: skip
    address_id = f.Id(load_default=None, allow_none=True)
    pickup_point_id = f.Id(load_default=None, allow_none=True)
    coupon_id = f.Id(load_default=None, allow_none=True)
    touch_id = f.Text(load_default=None, allow_none=True)
    visitor_id = f.Text(load_default=None, allow_none=True)


class NewShopOrder(WantedShape):
    fingerprint = f.Text(required=True, high=64, metadata={"description": "That of the quote that was shown."})
    note = f.Text(low=0, high=200, load_default="")


class QuotedLineAnswer(Answer):
    sku_id = ma.fields.String(required=True)
    product_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    spec = ma.fields.List(ma.fields.String(), required=True)
    picture = ma.fields.String(required=True, allow_none=True)
    picture_url = ma.fields.String(required=True, allow_none=True, metadata={"description": "A thumbnail."})
    price_minor = ma.fields.Integer(required=True)
    price_seen_minor = ma.fields.Integer(required=True, allow_none=True)
    quantity = ma.fields.Integer(required=True)
    amount_minor = ma.fields.Integer(required=True)
    available = ma.fields.Integer(required=True)
    problem = ma.fields.String(required=True, allow_none=True)


class QuoteAnswer(Answer):
    merchant_id = ma.fields.String(required=True)
    currency = ma.fields.String(required=True)
    lines = ma.fields.List(ma.fields.Nested(QuotedLineAnswer), required=True)
    address_id = ma.fields.String(required=True, allow_none=True)
    pickup_point_id = ma.fields.String(required=True, allow_none=True)
    coupon_id = ma.fields.String(required=True, allow_none=True)
    goods_minor = ma.fields.Integer(required=True)
    discount_minor = ma.fields.Integer(required=True)
    freight_minor = ma.fields.Integer(required=True)
    payable_minor = ma.fields.Integer(required=True)
    can_be_placed = ma.fields.Boolean(required=True)
    fingerprint = ma.fields.String(required=True)
    quoted_at = ma.fields.DateTime(required=True)


_QUOTE_REFUSALS = [
    "404 address_not_found", "404 pickup_point_not_found", "404 coupon_not_found", "409 cart_empty",
    "409 coupon_taken", "422 cart_mixed", "422 coupon_not_usable", "422 not_deliverable",
]  # fmt: skip


def _render_cart(found: cart.Cart) -> dict[str, Any]:
    lines = [
        {
            "sku_id": line.sku_id,
            "quantity": line.quantity,
            "is_chosen": line.is_chosen,
            "price_seen_minor": line.price_seen_minor,
            "added_at": instant(line.added_at),
        }
        for line in found.lines
    ]
    return {"version": found.version, "lines": lines}


def _render_quote(quote: checkout.Quote) -> dict[str, Any]:
    return {
        "merchant_id": quote.merchant_id,
        "currency": quote.currency,
        "lines": [
            {
                "sku_id": line.sku_id,
                "product_id": line.product_id,
                "name": line.name,
                "spec": list(line.spec),
                "picture": line.picture,
                "picture_url": picture_url_of(line.picture),
                "price_minor": line.price_minor,
                "price_seen_minor": line.price_seen_minor,
                "quantity": line.quantity,
                "amount_minor": line.amount_minor,
                "available": line.available,
                "problem": line.problem,
            }
            for line in quote.lines
        ],
        "address_id": quote.address_id,
        "pickup_point_id": quote.pickup_point_id,
        "coupon_id": quote.coupon_id,
        "goods_minor": quote.goods_minor,
        "discount_minor": quote.discount_minor,
        "freight_minor": quote.freight_minor,
        "payable_minor": quote.payable_minor,
        "can_be_placed": quote.can_be_placed,
        "fingerprint": quote.fingerprint,
        "quoted_at": instant(quote.quoted_at),
    }


def _to_wanted(body: dict[str, Any]) -> checkout.Wanted:
    return checkout.Wanted(
        pieces=tuple((line["sku_id"], line["quantity"]) for line in body["lines"] or ()),
        address_id=body["address_id"],
        pickup_point_id=body["pickup_point_id"],
        coupon_id=body["coupon_id"],
        note=body.get("note", ""),
        touch_id=body["touch_id"],
        visitor_id=body["visitor_id"],
    )


@routes.call("GET", "/me/cart", who=SHOPPERS, answer=CartAnswer)
def get_my_cart(call: Call) -> dict[str, Any]:
    """Get the cart; what it costs now is asked with `POST /me/checkout/quote`."""
    return _render_cart(cart.read_cart(call.tx, shopper_id=call.user_id))


@routes.call(
    "POST", "/me/cart/lines", who=SHOPPERS, body=NewCartLine, answer=CartAnswer,
    refusals=["404 sku_not_found", "409 not_on_sale", "409 cart_full"],
    example={"sku_id": "sku_01K9ZQ4T6M8F2V7R3X5Y1W0ABC", "quantity": 2},
)  # fmt: skip
def post_my_cart_line(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Put pieces of a SKU in the cart, onto those that are in it."""
    return _render_cart(cart.add_to_cart(call.tx, shopper_id=call.user_id, now=call.now, **body))


@routes.call(
    "PATCH", "/me/cart/lines/<id:sku_id>", who=SHOPPERS, body=CartLineChange, answer=CartAnswer,
    refusals=["404 cart_line_not_found"], example={"quantity": 3},
)  # fmt: skip
def patch_my_cart_line(call: Call, sku_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Change how many pieces of a SKU the cart has, or whether they are chosen."""
    return _render_cart(cart.change_line(call.tx, shopper_id=call.user_id, sku_id=sku_id, **body))


@routes.call("DELETE", "/me/cart/lines/<id:sku_id>", who=SHOPPERS, answer=CartAnswer,
             refusals=["404 cart_line_not_found"])  # fmt: skip
def delete_my_cart_line(call: Call, sku_id: str) -> dict[str, Any]:
    """Take a SKU out of the cart."""
    if all(line.sku_id != sku_id for line in cart.read_cart(call.tx, shopper_id=call.user_id).lines):
        raise cart.CartLineNotFound
    return _render_cart(cart.remove_lines(call.tx, shopper_id=call.user_id, sku_ids=[sku_id]))


@routes.call(
    "POST", "/me/checkout/quote", who=SHOPPERS, body=WantedShape, answer=QuoteAnswer, refusals=_QUOTE_REFUSALS,
    example={"lines": [{"sku_id": "sku_01K9ZQ4T6M8F2V7R3X5Y1W0ABC", "quantity": 1}]},
)  # fmt: skip
def post_my_quote(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Say what a checkout costs now, line by line; nothing is reserved."""
    return _render_quote(checkout.quote_cart(call.tx, shopper_id=call.user_id, wanted=_to_wanted(body), now=call.now))


@routes.call(
    "POST", "/me/orders", who=SHOPPERS, body=NewShopOrder, answer=ShopOrderAnswer, status=201,
    refusals=[*_QUOTE_REFUSALS, "409 quote_changed", "409 limit_exceeded"],
    example={"fingerprint": "9c1185a5c5e9fc54612808977ee8f548", "address_id": "adr_01K9ZQ4T6M8F2V7R3X5Y1W0ABC"},
)  # fmt: skip
def post_my_order(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Place the order that was quoted; it waits 30 minutes for its payment.

    With `quote_changed`, `details.quote` is what holds now, and nothing was done.
    """
    wanted = _to_wanted(body)
    try:
        order = checkout.place_cart(
            call.tx, call.graph, shopper_id=call.user_id, wanted=wanted, fingerprint=body["fingerprint"], now=call.now
        )
    except checkout.QuoteChanged as refused:
        refused.details = {"quote": _render_quote(refused.quote)}
        raise
    call.writes_relations = True
    return render_order(order)
