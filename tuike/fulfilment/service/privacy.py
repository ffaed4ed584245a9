"""What shop orders know of a person, and forgetting it. `tuike.people` joins it with what other capabilities know."""

from collections.abc import Iterator
from typing import Any

from tuike import catalog
from tuike.db import Transaction
from tuike.fulfilment.model import Case, OrderFilter, Parcel, ShopOrder
from tuike.fulfilment.service.after_sale import list_cases
from tuike.fulfilment.service.orders import list_orders
from tuike.fulfilment.service.points import list_points
from tuike.fulfilment.store import parcels as parcel_store
from tuike.fulfilment.store import privacy as store
from tuike.shared.clock import format_instant

ERASED = ("addresses and notes of shop orders", "tracking numbers", "what after-sale cases say", "pick-up points")
"""What `forget_shopper` takes away."""

_PAGE = 200


def count_open(tx: Transaction, *, shopper_id: str, promoter_id: str | None = None) -> int:
    """Return how many orders wait for something: the shopper's own, and those on their way to the promoter's points."""
    at_points = 0 if promoter_id is None else store.count_at_points(tx, promoter_id=promoter_id)
    return store.count_open(tx, shopper_id=shopper_id) + at_points


def export_shopper(tx: Transaction, *, shopper_id: str, promoter_id: str | None = None) -> dict[str, Any]:
    """Return, ready for JSON, everything kept of a shopper's orders on their way, and of the promoter's points."""
    return {
        "shop_orders": [_export_order(tx, order) for order in _iter_orders(tx, shopper_id)],
        "after_sale_cases": [_export_case(case) for case in _iter_cases(tx, shopper_id)],
        "pickup_points": [] if promoter_id is None else _export_points(tx, promoter_id),
    }


def forget_shopper(tx: Transaction, *, shopper_id: str, promoter_id: str | None = None) -> None:
    """Take out of a shopper's orders, and of the promoter's points, what names a person; amounts and goods stay."""
    catalog.let_pictures_go(tx, used_by=store.list_case_ids(tx, shopper_id=shopper_id))
    store.forget_shopper(tx, shopper_id=shopper_id)
    if promoter_id is not None:
        store.forget_points(tx, promoter_id=promoter_id)


def _iter_orders(tx: Transaction, shopper_id: str) -> Iterator[ShopOrder]:
    cursor: str | None = None
    while True:
        page = list_orders(tx, wanted=OrderFilter(shopper_id=shopper_id), limit=_PAGE, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _iter_cases(tx: Transaction, shopper_id: str) -> Iterator[Case]:
    cursor: str | None = None
    while True:
        page = list_cases(tx, shopper_id=shopper_id, limit=_PAGE, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _export_order(tx: Transaction, order: ShopOrder) -> dict[str, Any]:
    return {
        "id": order.id,
        "no": order.no,
        "state": order.state.value,
        "currency": order.currency,
        "payable_minor": order.payable_minor,
        "address": {name: getattr(order.address, name) for name in type(order.address).__slots__},
        "note": order.note,
        "coupon_id": order.coupon_id,
        "placed_at": format_instant(order.placed_at),
        "lines": [
            {"name": line.name, "spec": list(line.spec), "quantity": line.quantity, "amount_minor": line.amount_minor}
            for line in order.lines
        ],
        "parcels": [_export_parcel(parcel) for parcel in parcel_store.list_parcels(tx, order_id=order.id)],
    }


def _export_parcel(parcel: Parcel) -> dict[str, Any]:
    shipped_at = format_instant(parcel.shipped_at)
    return {"carrier": parcel.carrier, "tracking_no": parcel.tracking_no, "shipped_at": shipped_at}


def _export_case(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "order_id": case.order_id,
        "kind": case.kind.value,
        "state": case.state.value,
        "reason": case.reason,
        "description": case.description,
        "pictures": list(case.pictures),
        "amount_minor": case.amount_minor,
        "answer": case.answer,
        "return_carrier": case.return_carrier,
        "return_tracking_no": case.return_tracking_no,
        "created_at": format_instant(case.created_at),
    }


def _export_points(tx: Transaction, promoter_id: str) -> list[dict[str, Any]]:
    found = list_points(tx, promoter_id=promoter_id, limit=_PAGE)
    return [
        {"id": one.id, "name": one.name, "address": one.address, "phone": one.phone, "hours": one.hours}
        for one in found.items
    ]
