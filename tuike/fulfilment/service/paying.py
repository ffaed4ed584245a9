"""What a payment needs to know of an order, and what it does to it."""

import secrets
from datetime import datetime

from tuike import catalog, offers, orders
from tuike.catalog import StockLine
from tuike.db import Transaction
from tuike.fulfilment import rules
from tuike.fulfilment.model import CloseReason, Delivery, OrderClosed, OrderState, PaidOutcome, Payable, ShopOrder
from tuike.fulfilment.service.orders import close_locked, get_order, lock_order
from tuike.fulfilment.store import orders as store
from tuike.orders import AlreadyPaid

_CODES = 10**8


def get_payable(tx: Transaction, *, order_id: str, shopper_id: str | None) -> Payable:
    """Return what is to be paid for an order, of any shopper when `shopper_id` is None.

    Whether its time is over is for the caller to judge by `expires_at`: until it is closed, money for it is accepted.
    Raises OrderNotFound (another shopper's order too), OrderClosed, AlreadyPaid.
    """
    order = get_order(tx, order_id=order_id, shopper_id=shopper_id)
    if order.payment_id is not None:
        raise AlreadyPaid("The order was paid.")
    if order.state is OrderState.CLOSED:
        raise OrderClosed
    return Payable(
        order.id,
        order.no,
        order.shopper_id,
        order.payable_minor,
        order.currency,
        rules.describe(order.lines),
        order.expires_at,
        order.state,
    )


def mark_paid(
    tx: Transaction, *, order_id: str, payment_id: str, paid_at: datetime, amount_minor: int, now: datetime
) -> PaidOutcome:
    """Record that an order was paid: its pieces are sold, its coupon is used, it waits for shipping.

    Anything but `recorded` and `duplicate` means that nothing was recorded and the money has to go back; with
    `stock_gone` the order was closed besides. The same payment again has the same outcome, but `duplicate` for
    `recorded`. Raises OrderNotFound.
    """
    order = lock_order(tx, order_id=order_id)
    if order.payment_id is not None:
        return PaidOutcome.DUPLICATE if order.payment_id == payment_id else PaidOutcome.ALREADY_PAID
    if order.state is OrderState.CLOSED:
        gone = order.close_reason == CloseReason.STOCK_GONE
        return PaidOutcome.STOCK_GONE if gone else PaidOutcome.CLOSED
    if amount_minor != order.payable_minor:
        return PaidOutcome.AMOUNT_DIFFERS
    try:
        with tx.begin_nested():
            _record(tx, order, payment_id=payment_id, paid_at=min(paid_at, now), now=now)
    except AlreadyPaid:
        return PaidOutcome.ALREADY_PAID
    except (catalog.OutOfStock, catalog.NotOnSale, catalog.SkuNotFound, catalog.LimitExceeded):
        close_locked(tx, order, reason=CloseReason.STOCK_GONE, made_by="system", now=now)
        return PaidOutcome.STOCK_GONE
    return PaidOutcome.RECORDED


def _record(tx: Transaction, order: ShopOrder, *, payment_id: str, paid_at: datetime, now: datetime) -> None:
    orders.record_payment(
        tx, order_id=order.id, payment_id=payment_id, paid_at=paid_at, amount_minor=order.payable_minor, now=now
    )
    rules.check_step(order.state, OrderState.TO_SHIP)
    store.change_order(
        tx, order, "paid", made_by="system", now=now, state=OrderState.TO_SHIP, payment_id=payment_id, paid_at=paid_at,
        pickup_code=_make_code(tx, order),
    )  # fmt: skip
    if order.coupon_id is not None:
        offers.use_coupon(tx, coupon_id=order.coupon_id, order_id=order.id, now=now)
    try:
        catalog.take_stock(tx, order_id=order.id, now=now)
    except (catalog.ReservationExpired, catalog.ReservationNotFound):
        catalog.reserve_stock(
            tx,
            order_id=order.id,
            buyer_id=order.shopper_id,
            lines=[StockLine(line.sku_id, line.quantity) for line in order.lines],
            expires_at=now + rules.STOCK_GRACE,
            now=now,
        )
        catalog.take_stock(tx, order_id=order.id, now=now)


def _make_code(tx: Transaction, order: ShopOrder) -> str | None:
    """Return a code that no other open order at the point has; two that meet in the same instant refuse each other."""
    if order.delivery is not Delivery.PICKUP:
        return None
    while True:
        code = f"{secrets.randbelow(_CODES):08d}"
        if store.find_id_by_code(tx, pickup_point_id=str(order.pickup_point_id), code=code) is None:
            return code
