"""Parcels, and what a payment provider has to be told of them."""

from collections.abc import Sequence
from datetime import datetime

from tuike.db import Transaction, outbox
from tuike.fulfilment import rules
from tuike.fulfilment.model import (
    AfterSaleOpen,
    Delivery,
    OrderState,
    Parcel,
    ParcelExists,
    ParcelNotFound,
    Pieces,
    ShippingUpload,
)
from tuike.fulfilment.service.orders import get_order, lock_order
from tuike.fulfilment.service.progress import settle_progress
from tuike.fulfilment.store import orders as order_store
from tuike.fulfilment.store import parcels as store
from tuike.shared import ids

SHIPPED = "parcel.shipped"
"""Outbox topic: a parcel left; its key is the order's id."""


def ship_parcel(
    tx: Transaction,
    *,
    order_id: str,
    carrier: str,
    tracking_no: str,
    lines: Sequence[Pieces] | None = None,
    shipped_by: str,
    now: datetime,
) -> Parcel:
    """Record that a parcel left with the pieces named, or with all that are left; the same parcel again does nothing.

    With the last of its pieces the order is `shipped`, and counts as received some days later.
    Raises OrderNotFound, WrongState, AfterSaleOpen (a case holds what is left), PiecesExceeded, ParcelExists,
    ValidationFailed.
    """
    order = lock_order(tx, order_id=order_id)
    earlier = [x for x in store.list_parcels(tx, order_id=order_id) if (x.carrier, x.tracking_no)
               == (carrier, tracking_no)]  # fmt: skip
    if earlier:
        if lines is None or tuple(sorted(lines, key=lambda one: one.no)) == earlier[0].lines:
            return earlier[0]
        raise ParcelExists
    rules.check_state(order, OrderState.TO_SHIP)
    if lines is None and order.in_after_sale and not any(line.to_ship_quantity for line in order.lines):
        raise AfterSaleOpen
    packed = rules.decide_parcel(order, lines)
    parcel = Parcel(ids.new_id("parcel"), order_id, carrier, tracking_no, packed, shipped_by, now, None)
    store.add_parcel(tx, parcel)
    order_store.add_to_lines(
        tx, order_id=order_id, nos=[one.no for one in packed], shipped=[one.quantity for one in packed]
    )
    detail = {"parcel_id": parcel.id, "carrier": carrier, "tracking_no": tracking_no}
    order_store.change_order(tx, order, "parcel_shipped", made_by=shipped_by, detail=detail, now=now)
    settle_progress(tx, order_id=order_id, now=now)
    outbox.emit(tx, topic=SHIPPED, key=order_id, now=now)
    return parcel


def list_parcels(tx: Transaction, *, order_id: str, shopper_id: str | None = None) -> list[Parcel]:
    """Return an order's parcels, oldest first. Raises OrderNotFound."""
    get_order(tx, order_id=order_id, shopper_id=shopper_id)
    return store.list_parcels(tx, order_id=order_id)


def list_shipping_uploads_due(tx: Transaction, *, limit: int) -> list[ShippingUpload]:
    """Return parcels that the payment provider was not told of, oldest first, those of one order in their order."""
    return [
        ShippingUpload(
            parcel_id=row.id,
            order_id=row.order_id,
            payment_id=row.payment_id,
            delivery=Delivery(row.delivery),
            carrier=row.carrier,
            tracking_no=row.tracking_no,
            description="、".join(row.names)[:120],
            phone=rules.mask_phone(row.phone),
            shipped_at=row.shipped_at,
            all_shipped=row.all_shipped,
        )
        for row in store.list_upload_due(tx, limit=limit)
    ]


def mark_shipping_uploaded(tx: Transaction, *, parcel_id: str, now: datetime) -> None:
    """Keep that the provider was told of a parcel, or need not be; a second time changes nothing.

    Raises ParcelNotFound.
    """
    if not store.set_uploaded(tx, parcel_id=parcel_id, now=now):
        raise ParcelNotFound
