"""Shop orders: for the shopper who placed them, for staff who ships them, for who runs a pick-up point."""

import csv
import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import marshmallow as ma
from flask import Response, request

from api import fields as f
from api.answers import dump_json, instant, page
from api.confinement import check_merchant, list_merchants_of
from api.media import picture_url_of
from api.routing import SHOPPERS, SUPPORT, Answer, Call, PageQuery, Routes, Shape
from tuike import catalog, fulfilment, people
from tuike.fulfilment import OrderFilter, OrderState, ShopOrder
from tuike.shared.errors import TuikeError, ValidationFailed

routes = Routes("shop-orders", description="Orders of the shop: their way from payment to receipt.")

MAX_PARCELS = 500
MAX_EXPORTED = 5_000
STREAM_SECONDS = 10
_BEAT_SECONDS = 1.0
_STREAMS = threading.BoundedSemaphore(2)
"""Streams hold one of a process's few threads, so few may wait at once; the others are told to come back."""

_COLUMNS = (
    "no", "state", "in_after_sale", "merchant_id", "shopper_id", "placed_at", "paid_at", "shipped_at", "completed_at",
    "currency", "goods_minor", "discount_minor", "freight_minor", "payable_minor", "delivery", "receiver", "phone",
    "region", "detail", "note", "goods",
)  # fmt: skip


class AddressShape(Answer):
    name = ma.fields.String(required=True)
    phone = ma.fields.String(required=True)
    region_code = ma.fields.String(required=True)
    region = ma.fields.String(required=True)
    detail = ma.fields.String(required=True)


class ShopLineAnswer(Answer):
    no = ma.fields.Integer(required=True)
    sku_id = ma.fields.String(required=True)
    product_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    spec = ma.fields.List(ma.fields.String(), required=True)
    picture = ma.fields.String(required=True, allow_none=True)
    picture_url = ma.fields.String(required=True, allow_none=True, metadata={"description": "A thumbnail."})
    price_minor = ma.fields.Integer(required=True)
    quantity = ma.fields.Integer(required=True)
    amount_minor = ma.fields.Integer(required=True)
    shipped_quantity = ma.fields.Integer(required=True)
    claimable_quantity = ma.fields.Integer(required=True)
    claimable_minor = ma.fields.Integer(required=True)


class ShopOrderAnswer(Answer):
    id = ma.fields.String(required=True)
    no = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf([x.value for x in OrderState]))
    in_after_sale = ma.fields.Boolean(required=True)
    actions = ma.fields.List(ma.fields.String(), required=True)
    version = ma.fields.Integer(required=True)
    shopper_id = ma.fields.String(required=True)
    merchant_id = ma.fields.String(required=True)
    currency = ma.fields.String(required=True)
    delivery = ma.fields.String(required=True)
    address = ma.fields.Nested(AddressShape, required=True)
    pickup_point_id = ma.fields.String(required=True, allow_none=True)
    pickup_code = ma.fields.String(required=True, allow_none=True)
    note = ma.fields.String(required=True)
    goods_minor = ma.fields.Integer(required=True)
    discount_minor = ma.fields.Integer(required=True)
    freight_minor = ma.fields.Integer(required=True)
    payable_minor = ma.fields.Integer(required=True)
    coupon_id = ma.fields.String(required=True, allow_none=True)
    placed_at = ma.fields.DateTime(required=True)
    expires_at = ma.fields.DateTime(required=True)
    paid_at = ma.fields.DateTime(required=True, allow_none=True)
    shipped_at = ma.fields.DateTime(required=True, allow_none=True)
    receive_by = ma.fields.DateTime(required=True, allow_none=True)
    completed_at = ma.fields.DateTime(required=True, allow_none=True)
    closed_at = ma.fields.DateTime(required=True, allow_none=True)
    close_reason = ma.fields.String(required=True, allow_none=True)
    lines = ma.fields.List(ma.fields.Nested(ShopLineAnswer), required=True)


class ShopOrderPage(Answer):
    items = ma.fields.List(ma.fields.Nested(ShopOrderAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class MyOrderQuery(PageQuery):
    state = f.Choice(*(x.value for x in OrderState), "after_sale", load_default=None)


class StaffFilter(Shape):
    state = f.Choice(*(x.value for x in OrderState), "after_sale", load_default=None)
    shopper_id = f.Id(load_default=None)
    text = f.Text(load_default=None, high=64, metadata={"description": "An order's number or a tracking number."})
    placed_from = f.QueryInstant(load_default=None)
    placed_to = f.QueryInstant(load_default=None)


class StaffQuery(PageQuery, StaffFilter):
    """What staff narrows a list to."""


class OrderCounts(Answer):
    unpaid = ma.fields.Integer(required=True)
    to_ship = ma.fields.Integer(required=True)
    shipped = ma.fields.Integer(required=True)
    completed = ma.fields.Integer(required=True)
    closed = ma.fields.Integer(required=True)
    after_sale = ma.fields.Integer(required=True)


class PiecesShape(Shape):
    no = f.Integer(required=True, high=32_000)
    quantity = f.Integer(required=True, low=1)


class ParcelAnswer(Answer):
    id = ma.fields.String(required=True)
    order_id = ma.fields.String(required=True)
    carrier = ma.fields.String(required=True)
    tracking_no = ma.fields.String(required=True)
    shipped_at = ma.fields.DateTime(required=True)
    lines = ma.fields.List(ma.fields.Nested(PiecesShape), required=True)


class ParcelList(Answer):
    items = ma.fields.List(ma.fields.Nested(ParcelAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class NewParcel(Shape):
    carrier = f.Text(required=True, high=32)
    tracking_no = f.Text(required=True, high=64)
    lines = ma.fields.List(
        ma.fields.Nested(PiecesShape), load_default=None, allow_none=True, validate=ma.validate.Length(1, 500),
        metadata={"description": "What is in it; without it, everything that is left."},
    )  # fmt: skip


class NewParcels(Shape):
    table = ma.fields.String(
        required=True, validate=ma.validate.Length(1, 200_000),
        metadata={"description": "CSV with the columns order_no, carrier, tracking_no; at most 500 rows."},
    )  # fmt: skip


class ParcelRow(Answer):
    row = ma.fields.Integer(required=True)
    order_no = ma.fields.String(required=True)
    parcel_id = ma.fields.String(required=True, allow_none=True)
    error = ma.fields.String(required=True, allow_none=True)
    message = ma.fields.String(required=True, allow_none=True)


class ParcelRows(Answer):
    shipped_count = ma.fields.Integer(required=True)
    rows = ma.fields.List(ma.fields.Nested(ParcelRow), required=True)


class EventQuery(Shape):
    since = f.QueryInteger(low=0, load_default=0, metadata={"description": "The version seen last."})


class EventAnswer(Answer):
    version = ma.fields.Integer(required=True)
    kind = ma.fields.String(required=True)
    state = ma.fields.String(required=True)
    detail = ma.fields.Dict(required=True)
    created_at = ma.fields.DateTime(required=True)


class EventList(Answer):
    items = ma.fields.List(ma.fields.Nested(EventAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class NewNote(Shape):
    body = f.Text(required=True, high=1000)


class NoteAnswer(Answer):
    id = ma.fields.String(required=True)
    body = ma.fields.String(required=True)
    made_by = ma.fields.String(required=True)
    created_at = ma.fields.DateTime(required=True)


class NoteList(Answer):
    items = ma.fields.List(ma.fields.Nested(NoteAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class PointAnswer(Answer):
    id = ma.fields.String(required=True)
    merchant_id = ma.fields.String(required=True)
    promoter_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    address = ma.fields.String(required=True)
    phone = ma.fields.String(required=True)
    hours = ma.fields.String(required=True)
    is_open = ma.fields.Boolean(required=True)
    version = ma.fields.Integer(required=True)


class PointPage(Answer):
    items = ma.fields.List(ma.fields.Nested(PointAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class NewPoint(Shape):
    merchant_id = f.Id(load_default=catalog.MAIN_MERCHANT)
    promoter_id = f.Id(required=True)
    name = f.Text(required=True, high=64)
    address = f.Text(required=True, high=256)
    phone = f.Text(required=True, high=20)
    hours = f.Text(low=0, high=128, load_default="")


class PointChange(Shape):
    promoter_id = f.Id()
    name = f.Text(high=64)
    address = f.Text(high=256)
    phone = f.Text(high=20)
    hours = f.Text(low=0, high=128)
    is_open = f.Flag()


class PickupCode(Shape):
    code = f.Text(required=True, high=16)


def render_order(order: ShopOrder) -> dict[str, Any]:
    """Return a shop order as it is answered."""
    return {
        "id": order.id,
        "no": order.no,
        "state": order.state,
        "in_after_sale": order.in_after_sale,
        "actions": list(fulfilment.list_actions(order)),
        "version": order.version,
        "shopper_id": order.shopper_id,
        "merchant_id": order.merchant_id,
        "currency": order.currency,
        "delivery": order.delivery,
        "address": {name: getattr(order.address, name) for name in fulfilment.Address.__slots__},
        "pickup_point_id": order.pickup_point_id,
        "pickup_code": order.pickup_code,
        "note": order.note,
        "goods_minor": order.goods_minor,
        "discount_minor": order.discount_minor,
        "freight_minor": order.freight_minor,
        "payable_minor": order.payable_minor,
        "coupon_id": order.coupon_id,
        "placed_at": instant(order.placed_at),
        "expires_at": instant(order.expires_at),
        "paid_at": instant(order.paid_at),
        "shipped_at": instant(order.shipped_at),
        "receive_by": instant(order.receive_by),
        "completed_at": instant(order.completed_at),
        "closed_at": instant(order.closed_at),
        "close_reason": order.close_reason,
        "lines": [
            {
                "no": line.no,
                "sku_id": line.sku_id,
                "product_id": line.product_id,
                "name": line.name,
                "spec": list(line.spec),
                "picture": line.picture,
                "picture_url": picture_url_of(line.picture),
                "price_minor": line.price_minor,
                "quantity": line.quantity,
                "amount_minor": line.amount_minor,
                "shipped_quantity": line.shipped_quantity,
                "claimable_quantity": line.left_quantity,
                "claimable_minor": line.left_minor,
            }
            for line in order.lines
        ],
    }


def _hide_code(order: ShopOrder) -> dict[str, Any]:
    """Return an order for those who hand it out: its code is what they have to be told."""
    return render_order(order) | {"pickup_code": None}


def _render_parcel(parcel: fulfilment.Parcel) -> dict[str, Any]:
    return {
        "id": parcel.id,
        "order_id": parcel.order_id,
        "carrier": parcel.carrier,
        "tracking_no": parcel.tracking_no,
        "shipped_at": instant(parcel.shipped_at),
        "lines": [{"no": one.no, "quantity": one.quantity} for one in parcel.lines],
    }


def _render_event(event: fulfilment.OrderEvent) -> dict[str, Any]:
    return {
        "version": event.version,
        "kind": event.kind,
        "state": event.state,
        "detail": dict(event.detail),
        "created_at": instant(event.created_at),
    }


def _render_note(note: fulfilment.OrderNote) -> dict[str, Any]:
    return {"id": note.id, "body": note.body, "made_by": note.made_by, "created_at": instant(note.created_at)}


def _render_point(point: fulfilment.PickupPoint) -> dict[str, Any]:
    return {name: getattr(point, name) for name in PointAnswer._declared_fields}  # noqa: SLF001 - marshmallow's own


def own_order(call: Call, order_id: str) -> ShopOrder:
    """Return an order that the calling staff may work on. Raises OrderNotFound, NotYourMerchant."""
    order = fulfilment.get_order(call.tx, order_id=order_id)
    check_merchant(call, order.merchant_id)
    return order


def _to_filter(call: Call, query: dict[str, Any]) -> OrderFilter:
    state = query["state"]
    return OrderFilter(
        shopper_id=query["shopper_id"],
        merchant_ids=tuple(list_merchants_of(call)),
        state=None if state in {None, "after_sale"} else OrderState(state),
        in_after_sale=True if state == "after_sale" else None,
        text=query["text"],
        placed_from=query["placed_from"],
        placed_to=query["placed_to"],
    )


# For the shopper


@routes.call("GET", "/me/orders", who=SHOPPERS, query=MyOrderQuery, answer=ShopOrderPage)
def list_my_orders(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List one's own orders, newest first, in one state or in after-sale if asked for."""
    state = query["state"]
    wanted = OrderFilter(
        shopper_id=call.user_id,
        state=None if state in {None, "after_sale"} else OrderState(state),
        in_after_sale=True if state == "after_sale" else None,
    )
    return page(
        fulfilment.list_orders(call.tx, wanted=wanted, limit=query["limit"], cursor=query["cursor"]), render_order
    )


@routes.call("GET", "/me/orders/counts", who=SHOPPERS, answer=OrderCounts)
def count_my_orders(call: Call) -> dict[str, Any]:
    """Count one's own orders by state."""
    return dict(fulfilment.count_states(call.tx, shopper_id=call.user_id))


@routes.call("GET", "/me/orders/<id:order_id>", who=SHOPPERS, answer=ShopOrderAnswer,
             refusals=["404 order_not_found"])  # fmt: skip
def get_my_order(call: Call, order_id: str) -> dict[str, Any]:
    """Get one's own order; what was seen before is told by `version`."""
    return render_order(fulfilment.get_order(call.tx, order_id=order_id, shopper_id=call.user_id))


@routes.call("GET", "/me/orders/<id:order_id>/history", who=SHOPPERS, query=EventQuery, answer=EventList,
             refusals=["404 order_not_found"])  # fmt: skip
def list_my_order_events(call: Call, order_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List what happened to an order since a version: the way to follow it without a stream."""
    found = fulfilment.list_events(call.tx, order_id=order_id, shopper_id=call.user_id, after=query["since"])
    return {"items": [_render_event(one) for one in found], "next_cursor": None}


@routes.call("GET", "/me/orders/<id:order_id>/events", who=SHOPPERS, query=EventQuery, answer=Answer,
             text_type="text/event-stream", in_transaction=False, refusals=["404 order_not_found"])  # fmt: skip
def stream_my_order_events(call: Call, order_id: str, query: dict[str, Any]) -> Response:
    """Stream what happens to an order as server-sent events (`text/event-stream`), for some seconds at a time.

    Each event's id is the order's version; a client that comes back with `Last-Event-ID` (or `since`) misses nothing.
    """
    last = request.headers.get("Last-Event-ID", "")
    since = int(last) if last.isascii() and last.isdigit() and len(last) < 10 else query["since"]
    with call.db.transaction() as tx:
        fulfilment.get_order(tx, order_id=order_id, shopper_id=call.user_id)
    waits = _STREAMS.acquire(blocking=False)
    stream = _stream(call, order_id, since, seconds=STREAM_SECONDS if waits else 0)
    answer = Response(stream, content_type="text/event-stream", headers={"Cache-Control": "no-store"})
    if waits:
        answer.call_on_close(_STREAMS.release)
    return answer


def _stream(call: Call, order_id: str, since: int, *, seconds: float) -> Iterator[str]:
    yield "retry: 3000\n\n"
    end = time.monotonic() + seconds
    while True:
        with call.db.transaction() as tx:
            found = fulfilment.list_events(tx, order_id=order_id, after=since)
        for event in found:
            since = event.version
            yield f"id: {since}\nevent: order\ndata: {dump_json(_render_event(event))}\n\n"
        if time.monotonic() >= end:
            return
        if not found:
            yield ": still here\n\n"
        time.sleep(_BEAT_SECONDS)


@routes.call("GET", "/me/orders/<id:order_id>/parcels", who=SHOPPERS, answer=ParcelList,
             refusals=["404 order_not_found"])  # fmt: skip
def list_my_parcels(call: Call, order_id: str) -> dict[str, Any]:
    """List the parcels of one's own order."""
    found = fulfilment.list_parcels(call.tx, order_id=order_id, shopper_id=call.user_id)
    return {"items": [_render_parcel(one) for one in found], "next_cursor": None}


@routes.call("POST", "/me/orders/<id:order_id>/cancel", who=SHOPPERS, answer=ShopOrderAnswer,
             refusals=["404 order_not_found", "409 wrong_state"])  # fmt: skip
def cancel_my_order(call: Call, order_id: str) -> dict[str, Any]:
    """Close an order that is not paid; money that comes all the same goes back."""
    return render_order(
        fulfilment.cancel_order(call.tx, order_id=order_id, shopper_id=call.user_id, made_by=call.user_id, now=call.now)
    )


@routes.call("POST", "/me/orders/<id:order_id>/receipt", who=SHOPPERS, answer=ShopOrderAnswer,
             refusals=["404 order_not_found", "409 wrong_state", "409 after_sale_open"])  # fmt: skip
def receive_my_order(call: Call, order_id: str) -> dict[str, Any]:
    """Say that everything arrived."""
    return render_order(
        fulfilment.receive_order(
            call.tx, order_id=order_id, shopper_id=call.user_id, made_by=call.user_id, now=call.now
        )
    )


@routes.call("GET", "/me/pickup-points", who=SHOPPERS, query=PageQuery, answer=PointPage)
def list_pickup_points(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List the pick-up points that are open."""
    return page(fulfilment.list_points(call.tx, only_open=True, **query), _render_point)


# For who runs a pick-up point


@routes.call("GET", "/me/points", who=SHOPPERS, query=PageQuery, answer=PointPage)
def list_my_points(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List the pick-up points that one runs as a promoter."""
    return page(fulfilment.list_points(call.tx, promoter_id=_promoter_id(call), **query), _render_point)


@routes.call("GET", "/me/points/<id:point_id>/orders", who=SHOPPERS, query=PageQuery, answer=ShopOrderPage,
             refusals=["404 pickup_point_not_found"])  # fmt: skip
def list_orders_of_my_point(call: Call, point_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List the orders that arrived at one's own pick-up point and wait to be fetched; their codes are not told."""
    point = fulfilment.get_point(call.tx, point_id=point_id)
    if point.promoter_id != _promoter_id(call):
        raise fulfilment.PointNotFound
    wanted = OrderFilter(pickup_point_id=point_id, state=OrderState.SHIPPED)
    return page(fulfilment.list_orders(call.tx, wanted=wanted, **query), _hide_code)


@routes.call(
    "POST", "/me/points/<id:point_id>/handovers", who=SHOPPERS, body=PickupCode, answer=ShopOrderAnswer,
    refusals=["404 pickup_point_not_found", "404 pickup_code_unknown", "409 wrong_state", "409 after_sale_open"],
    example={"code": "12345678"},
)  # fmt: skip
def hand_over_at_my_point(call: Call, point_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Hand an order over to whoever tells its code."""
    return _hide_code(
        fulfilment.hand_over(
            call.tx, point_id=point_id, promoter_id=_promoter_id(call), code=body["code"], made_by=call.user_id,
            now=call.now,
        )
    )  # fmt: skip


def _promoter_id(call: Call) -> str:
    return people.find_promoter_id(call.tx, user_id=call.user_id) or "-"


# For staff


@routes.call("GET", "/shop/orders", who=SUPPORT, query=StaffQuery, answer=ShopOrderPage)
def list_shop_orders(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List orders, newest first; who works for a merchant sees that merchant's."""
    found = fulfilment.list_orders(
        call.tx, wanted=_to_filter(call, query), limit=query["limit"], cursor=query["cursor"]
    )
    return page(found, _hide_code)


@routes.call("GET", "/shop/orders/export", who=SUPPORT, query=StaffFilter, answer=Answer, text_type="text/csv")
def export_shop_orders(call: Call, query: dict[str, Any]) -> str:
    """Export the newest 5000 orders of a list as CSV (`text/csv`); a cell never starts a formula."""
    wanted, written = _to_filter(call, query), io.StringIO()
    table = csv.writer(written)
    table.writerow(_COLUMNS)
    cursor, left = None, MAX_EXPORTED
    while left > 0:
        found = fulfilment.list_orders(call.tx, wanted=wanted, limit=min(left, 500), cursor=cursor)
        table.writerows(_to_row(one) for one in found.items)
        left, cursor = left - len(found.items), found.next_cursor
        if cursor is None:
            break
    call.headers |= {"Content-Disposition": 'attachment; filename="orders.csv"', "Cache-Control": "no-store"}
    return "\ufeff" + written.getvalue()


def _to_row(order: ShopOrder) -> list[str]:
    to, goods = order.address, [f"{x.name} {' '.join(x.spec)} ×{x.quantity}" for x in order.lines]
    cells = [
        order.no, order.state, str(order.in_after_sale).lower(), order.merchant_id, order.shopper_id,
        instant(order.placed_at), instant(order.paid_at), instant(order.shipped_at), instant(order.completed_at),
        order.currency, str(order.goods_minor), str(order.discount_minor), str(order.freight_minor),
        str(order.payable_minor), order.delivery, to.name, to.phone, to.region, to.detail, order.note,
        "; ".join(goods),
    ]  # fmt: skip
    return [f"'{cell}" if cell and cell[0] in "=+-@\t\r" else (cell or "") for cell in cells]


@routes.call("GET", "/shop/orders/<id:order_id>", who=SUPPORT, answer=ShopOrderAnswer,
             refusals=["403 not_your_merchant", "404 order_not_found"])  # fmt: skip
def get_shop_order(call: Call, order_id: str) -> dict[str, Any]:
    """Get an order."""
    return _hide_code(own_order(call, order_id))


@routes.call("GET", "/shop/orders/<id:order_id>/history", who=SUPPORT, query=EventQuery, answer=EventList,
             refusals=["403 not_your_merchant", "404 order_not_found"])  # fmt: skip
def list_shop_order_events(call: Call, order_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List what happened to an order since a version."""
    own_order(call, order_id)
    found = fulfilment.list_events(call.tx, order_id=order_id, after=query["since"])
    return {"items": [_render_event(one) for one in found], "next_cursor": None}


@routes.call("POST", "/shop/orders/<id:order_id>/close", who=SUPPORT, answer=ShopOrderAnswer,
             refusals=["403 not_your_merchant", "404 order_not_found", "409 wrong_state"])  # fmt: skip
def close_shop_order(call: Call, order_id: str) -> dict[str, Any]:
    """Close an order that is not paid."""
    own_order(call, order_id)
    return _hide_code(
        fulfilment.cancel_order(call.tx, order_id=order_id, shopper_id=None, made_by=call.caller.id, now=call.now)
    )


@routes.call("GET", "/shop/orders/<id:order_id>/notes", who=SUPPORT, answer=NoteList,
             refusals=["403 not_your_merchant", "404 order_not_found"])  # fmt: skip
def list_shop_order_notes(call: Call, order_id: str) -> dict[str, Any]:
    """List the remarks of staff on an order, newest first."""
    own_order(call, order_id)
    found = fulfilment.list_notes(call.tx, order_id=order_id)
    return {"items": [_render_note(one) for one in found], "next_cursor": None}


@routes.call("POST", "/shop/orders/<id:order_id>/notes", who=SUPPORT, body=NewNote, answer=NoteAnswer, status=201,
             refusals=["403 not_your_merchant", "404 order_not_found"],
             example={"body": "Called; wants it on Friday."})  # fmt: skip
def post_shop_order_note(call: Call, order_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Add a remark that the shopper does not see."""
    own_order(call, order_id)
    return _render_note(
        fulfilment.add_note(call.tx, order_id=order_id, body=body["body"], made_by=call.caller.id, now=call.now)
    )


@routes.call("GET", "/shop/orders/<id:order_id>/parcels", who=SUPPORT, answer=ParcelList,
             refusals=["403 not_your_merchant", "404 order_not_found"])  # fmt: skip
def list_shop_parcels(call: Call, order_id: str) -> dict[str, Any]:
    """List an order's parcels."""
    own_order(call, order_id)
    found = fulfilment.list_parcels(call.tx, order_id=order_id)
    return {"items": [_render_parcel(one) for one in found], "next_cursor": None}


@routes.call(
    "POST", "/shop/orders/<id:order_id>/parcels", who=SUPPORT, body=NewParcel, answer=ParcelAnswer, status=201,
    refusals=["403 not_your_merchant", "404 order_not_found", "409 wrong_state", "409 after_sale_open",
              "409 parcel_exists", "422 pieces_exceeded"],
    example={"carrier": "SF", "tracking_no": "SF1234567890"},
)  # fmt: skip
def post_shop_parcel(call: Call, order_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ship a parcel: everything that is left, or the pieces named."""
    own_order(call, order_id)
    lines = None if body["lines"] is None else [fulfilment.Pieces(**one) for one in body["lines"]]
    return _render_parcel(
        fulfilment.ship_parcel(
            call.tx, order_id=order_id, carrier=body["carrier"], tracking_no=body["tracking_no"], lines=lines,
            shipped_by=call.caller.id, now=call.now,
        )
    )  # fmt: skip


@routes.call(
    "POST", "/shop/parcels", who=SUPPORT, body=NewParcels, answer=ParcelRows,
    example={"table": "order_no,carrier,tracking_no\n26112300000001,SF,SF1234567890\n"}, in_transaction=False,
)  # fmt: skip
def post_shop_parcels(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Ship many orders whole, from CSV; each row stands for itself, so the table may be sent again."""
    rows = _read_table(body["table"])
    with call.db.transaction() as tx:
        order_ids = fulfilment.list_order_ids(tx, numbers=[row["order_no"] for row in rows])
    answered = [_ship_row(call, no, row, order_ids.get(row["order_no"])) for no, row in enumerate(rows, start=1)]
    return {"shipped_count": sum(row["error"] is None for row in answered), "rows": answered}


def _read_table(table: str) -> list[dict[str, str]]:
    wanted = ("order_no", "carrier", "tracking_no")
    try:
        rows = list(csv.DictReader(io.StringIO(table.lstrip("\ufeff")), strict=True))
    except csv.Error as error:
        raise ValidationFailed(fields={"table": [f"Is not CSV: {error}."]}) from error
    if not rows or not set(wanted) <= set(rows[0]):
        raise ValidationFailed(fields={"table": [f"Needs the columns {', '.join(wanted)} and a row."]})
    if len(rows) > MAX_PARCELS:
        raise ValidationFailed(fields={"table": [f"At most {MAX_PARCELS} rows."]})
    return [{name: (row.get(name) or "").strip().lstrip("'") for name in wanted} for row in rows]


def _ship_row(call: Call, no: int, row: dict[str, str], order_id: str | None) -> dict[str, Any]:
    answered: dict[str, Any] = {"row": no, "order_no": row["order_no"][:64], "parcel_id": None, "error": None,
                                "message": None}  # fmt: skip
    if order_id is None:
        return answered | {"error": "order_not_found", "message": "There is no such order."}
    try:
        parcel = f.load(_NEW_PARCEL, {"carrier": row["carrier"], "tracking_no": row["tracking_no"]})
        with call.db.transaction() as tx:
            order = fulfilment.get_order(tx, order_id=order_id)
            check_merchant(call, order.merchant_id)
            shipped = fulfilment.ship_parcel(
                tx, order_id=order_id, shipped_by=call.caller.id, now=call.now, **parcel
            )  # fmt: skip
    except TuikeError as refused:
        return answered | {"error": refused.code, "message": str(refused)}
    return answered | {"parcel_id": shipped.id}


_NEW_PARCEL = NewParcel()


@routes.call("GET", "/shop/pickup-points", who=SUPPORT, query=PageQuery, answer=PointPage)
def list_shop_points(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List pick-up points; who works for some merchants sees theirs."""
    mine = list_merchants_of(call)
    return page(fulfilment.list_points(call.tx, merchant_ids=mine, **query), _render_point)


@routes.call(
    "POST", "/shop/pickup-points", who=SUPPORT, body=NewPoint, answer=PointAnswer, status=201,
    refusals=["403 not_your_merchant", "404 merchant_not_found", "404 promoter_not_found"],
    example={"promoter_id": "prm_01K9ZQ4T6M8F2V7R3X5Y1W0ABC", "name": "南门", "address": "南门 1 号",
             "phone": "13800000000"},
)  # fmt: skip
def post_shop_point(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Open a pick-up point that a promoter runs."""
    check_merchant(call, body["merchant_id"])
    return _render_point(fulfilment.create_point(call.tx, now=call.now, **body))


@routes.call(
    "PATCH", "/shop/pickup-points/<id:point_id>", who=SUPPORT, body=PointChange, answer=PointAnswer,
    refusals=["403 not_your_merchant", "404 pickup_point_not_found", "404 promoter_not_found"],
    example={"is_open": False},
)  # fmt: skip
def patch_shop_point(call: Call, point_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Change a pick-up point; a closed one takes no new orders."""
    point = fulfilment.get_point(call.tx, point_id=point_id)
    check_merchant(call, point.merchant_id)
    return _render_point(fulfilment.change_point(call.tx, point_id=point_id, changes=body))
