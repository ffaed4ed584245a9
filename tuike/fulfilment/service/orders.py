"""Orders from placing to closing, and how they are read."""

from collections.abc import Sequence
from datetime import datetime

from tuike import catalog, offers
from tuike.db import Database, Transaction, outbox
from tuike.fulfilment import rules
from tuike.fulfilment.model import (
    CloseReason,
    OrderEvent,
    OrderFilter,
    OrderNote,
    OrderState,
    PlacedInShop,
    ShopOrder,
    ShopOrderDraft,
)
from tuike.fulfilment.store import orders as store
from tuike.orders import OrderNotFound
from tuike.shared import ids
from tuike.shared.pages import Page, decode_cursor, encode_cursor

CLOSED = "shop_order.closed"
"""Outbox topic: an order was closed unpaid; whoever waits for its payment need not. Its key is the order's id."""

MAX_EVENTS = 100
MAX_NOTES = 100


def clear_media(db: Database, storage: catalog.Storage, *, now: datetime) -> int:
    """Delete pictures and videos that nothing has used for a day; what an order shows is used.

    An order keeps the picture that its goods had, also once the product has another one. Returns how many were deleted.
    """
    return catalog.clear_media(db, storage, find_shown=lambda tx, names: store.find_pictures(tx, names=names), now=now)


def next_number(tx: Transaction, *, now: datetime) -> str:
    """Return a number that people can read to each other; no two orders have the same."""
    return rules.make_number(store.next_count(tx), now=now)


def add_order(tx: Transaction, draft: ShopOrderDraft, *, now: datetime) -> ShopOrder:
    """Keep an order that was just recorded, so that it waits for its payment until its `expires_at`.

    Its pieces are reserved by the caller, as the last step before the commit.
    """
    store.add_order(tx, draft, expires_at=now + rules.PAY_WITHIN, now=now)
    store.add_first_event(tx, order_id=draft.id, made_by=draft.shopper_id, now=now)
    return get_order(tx, order_id=draft.id)


def refuse_shop_order(tx: Transaction, *, order_id: str) -> None:
    """Raise PlacedInShop for an order of the shop, which is paid, received and refunded by no word from outside.

    Such a word would pay commission for goods that nobody paid, and keep the real payment or refund from its record.
    """
    if store.has_order(tx, order_id=order_id):
        raise PlacedInShop


def get_order(tx: Transaction, *, order_id: str, shopper_id: str | None = None) -> ShopOrder:
    """Return an order, of this shopper if one is named. Raises OrderNotFound, for another shopper's order too."""
    order = store.find_order(tx, order_id=order_id)
    if order is None or (shopper_id is not None and order.shopper_id != shopper_id):
        raise OrderNotFound
    return order


def lock_order(tx: Transaction, *, order_id: str, shopper_id: str | None = None) -> ShopOrder:
    """Return an order that nobody else changes until the transaction ends. Raises OrderNotFound."""
    order = store.find_order(tx, order_id=order_id, lock=True)
    if order is None or (shopper_id is not None and order.shopper_id != shopper_id):
        raise OrderNotFound
    return order


def list_orders(tx: Transaction, *, wanted: OrderFilter, limit: int, cursor: str | None = None) -> Page[ShopOrder]:
    """Return a page of orders, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_orders(tx, wanted, before=before, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def count_states(tx: Transaction, *, shopper_id: str) -> dict[str, int]:
    """Return how many orders a shopper has in each state, and how many in after-sale: the badges of a home page."""
    found = store.count_states(tx, shopper_id=shopper_id)
    return {name: found.get(name, 0) for name in (*OrderState, "after_sale")}


def has_bought(tx: Transaction, *, shopper_id: str) -> bool:
    """Tell whether a shopper is no newcomer: has an order that is open, or one that was paid."""
    return store.has_bought(tx, shopper_id=shopper_id)


def list_order_ids(tx: Transaction, *, numbers: Sequence[str]) -> dict[str, str]:
    """Return orders' ids by their numbers; unknown ones are left out."""
    return store.list_order_ids(tx, numbers=numbers)


def list_events(
    tx: Transaction, *, order_id: str, shopper_id: str | None = None, after: int = 0, limit: int = MAX_EVENTS
) -> list[OrderEvent]:
    """Return what happened to an order after a version, oldest first. Raises OrderNotFound."""
    get_order(tx, order_id=order_id, shopper_id=shopper_id)
    return store.list_events(tx, order_id=order_id, after=after, limit=limit)


def add_note(tx: Transaction, *, order_id: str, body: str, made_by: str, now: datetime) -> OrderNote:
    """Keep a remark of staff on an order. Raises OrderNotFound."""
    get_order(tx, order_id=order_id)
    note = OrderNote(ids.new_id("note"), order_id, body, made_by, now)
    store.add_note(tx, note)
    return note


def list_notes(tx: Transaction, *, order_id: str) -> list[OrderNote]:
    """Return the newest remarks on an order. Raises OrderNotFound."""
    get_order(tx, order_id=order_id)
    return store.list_notes(tx, order_id=order_id, limit=MAX_NOTES)


def cancel_order(tx: Transaction, *, order_id: str, shopper_id: str | None, made_by: str, now: datetime) -> ShopOrder:
    """Close an order that is not paid, by its shopper or by staff (`shopper_id` None); closing it again does nothing.

    A payment that comes all the same is not recorded and goes back. Raises OrderNotFound, WrongState.
    """
    order = lock_order(tx, order_id=order_id, shopper_id=shopper_id)
    if order.state is OrderState.CLOSED and order.payment_id is None:
        return order
    rules.check_state(order, OrderState.UNPAID)
    reason = CloseReason.STAFF if shopper_id is None else CloseReason.SHOPPER
    close_locked(tx, order, reason=reason, made_by=made_by, now=now)
    return get_order(tx, order_id=order_id)


def close_unpaid(tx: Transaction, *, order_id: str, reason: str, now: datetime) -> bool:
    """Close an order that is not paid and give its pieces and its coupon back; return whether it was open.

    Raises OrderNotFound.
    """
    order = lock_order(tx, order_id=order_id)
    if order.state is not OrderState.UNPAID:
        return False
    close_locked(tx, order, reason=reason, made_by="system", now=now)
    return True


def list_expired(tx: Transaction, *, now: datetime, limit: int) -> list[str]:
    """Return ids of unpaid orders whose time is over, the longest over first."""
    return store.list_unpaid_due(tx, now=now, limit=limit)


def close_locked(tx: Transaction, order: ShopOrder, *, reason: str, made_by: str, now: datetime) -> None:
    """Close a locked, unpaid order."""
    rules.check_step(order.state, OrderState.CLOSED)
    store.change_order(
        tx, order, "closed", made_by=made_by, detail={"reason": str(reason)}, now=now,
        state=OrderState.CLOSED, closed_at=now, close_reason=str(reason),
    )  # fmt: skip
    if order.coupon_id is not None:
        offers.release_coupon(tx, coupon_id=order.coupon_id, order_id=order.id)
    outbox.emit(tx, topic=CLOSED, key=order.id, now=now)
    catalog.release_stock(tx, order_id=order.id, now=now)
