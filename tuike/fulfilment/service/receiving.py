"""Receipt: by the shopper, by the code at a pick-up point, or by itself after some days."""

from datetime import datetime

from tuike import orders
from tuike.db import Database, Transaction
from tuike.fulfilment import rules
from tuike.fulfilment.model import (
    AfterSaleOpen,
    OrderState,
    PickupCodeUnknown,
    PointNotFound,
    ShopOrder,
)
from tuike.fulfilment.service.orders import get_order, lock_order
from tuike.fulfilment.store import orders as store
from tuike.fulfilment.store import parcels as parcel_store

_AT_ONCE = 200


def receive_order(tx: Transaction, *, order_id: str, shopper_id: str | None, made_by: str, now: datetime) -> ShopOrder:
    """Record that the shopper has everything, which starts the holding period; a second time changes nothing.

    Raises OrderNotFound, WrongState, AfterSaleOpen.
    """
    order = lock_order(tx, order_id=order_id, shopper_id=shopper_id)
    if order.state is OrderState.COMPLETED:
        return order
    rules.check_state(order, OrderState.SHIPPED)
    if order.in_after_sale:
        raise AfterSaleOpen
    return _complete(tx, order, "received", made_by=made_by, now=now)


def receive_due(db: Database, *, now: datetime) -> int:
    """Count as received what was shipped long enough ago and has no open case; return how many orders.

    Each in a transaction of its own, looked at again under its lock: any number of workers may do so at once.
    """
    with db.transaction() as tx:
        due = store.list_receipt_due(tx, now=now, limit=_AT_ONCE)
    done = 0
    for order_id in due:
        with db.transaction() as tx:
            order = lock_order(tx, order_id=order_id)
            is_due = order.receive_by is not None and order.receive_by <= now
            if order.state is OrderState.SHIPPED and is_due and not order.in_after_sale:
                _complete(tx, order, "received_by_itself", made_by="system", now=now)
                done += 1
    return done


def hand_over(tx: Transaction, *, point_id: str, promoter_id: str, code: str, made_by: str, now: datetime) -> ShopOrder:
    """Record that an order was picked up at a promoter's point by whoever knew its code.

    Raises PointNotFound (another promoter's point too), PickupCodeUnknown, WrongState (it has not arrived there),
    AfterSaleOpen.
    """
    point = parcel_store.find_point(tx, point_id=point_id)
    if point is None or point.promoter_id != promoter_id:
        raise PointNotFound
    order_id = store.find_id_by_code(tx, pickup_point_id=point_id, code=code)
    if order_id is None:
        raise PickupCodeUnknown
    order = lock_order(tx, order_id=order_id)
    rules.check_state(order, OrderState.SHIPPED)
    if order.in_after_sale:
        raise AfterSaleOpen
    return _complete(tx, order, "picked_up", made_by=made_by, now=now)


def _complete(tx: Transaction, order: ShopOrder, kind: str, *, made_by: str, now: datetime) -> ShopOrder:
    rules.check_step(order.state, OrderState.COMPLETED)
    orders.record_receipt(tx, order_id=order.id, received_at=now, now=now)
    store.change_order(tx, order, kind, made_by=made_by, now=now, state=OrderState.COMPLETED, completed_at=now)
    return get_order(tx, order_id=order.id)
