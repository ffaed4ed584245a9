"""Stock for checkout: pieces are available, reserved by an open order, or sold, and their sum never changes by itself.

Each verb locks in one order (the order's reservation, then stock by SKU id, then what the buyer has), so no two of them
can stand in each other's way for ever. The rows of a SKU that many want stay locked until the transaction ends: reserve
last, right before the commit.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from tuike.catalog import rules
from tuike.catalog.model import (
    LimitExceeded,
    NotOnSale,
    OutOfStock,
    Reservation,
    ReservationExists,
    ReservationExpired,
    ReservationNotFound,
    ReservationState,
    ReturnExceedsTaken,
    ReturnIdTaken,
    SkuNotFound,
    StockCorrection,
    StockLine,
)
from tuike.catalog.store import products as product_store
from tuike.catalog.store import stock as store
from tuike.db import Transaction, outbox
from tuike.shared import ids
from tuike.shared.errors import ValidationFailed
from tuike.shared.pages import Page, decode_cursor, encode_cursor

STOCK_CHANGED = "catalog.stock_changed"
"""Outbox topic: a product's stock appeared, ran out or was sold; its key is the product's id."""


def reserve_stock(
    tx: Transaction,
    *,
    order_id: str,
    buyer_id: str,
    lines: Sequence[StockLine],
    expires_at: datetime,
    now: datetime,
) -> None:
    """Set pieces aside for an order until `expires_at`; all lines or none. The same reservation again changes nothing.

    An order whose reservation was released may reserve anew. After a refusal the transaction must be rolled back.
    Raises SkuNotFound, NotOnSale, OutOfStock, LimitExceeded (each naming `lines.N`), ReservationExists,
    ValidationFailed.
    """
    wanted = rules.merge_lines(lines)
    earlier = store.lock_reservation(tx, order_id=order_id)
    if earlier is not None and earlier.state is not ReservationState.RELEASED:
        if earlier.buyer_id == buyer_id and _pieces(earlier) == wanted:
            return
        raise ReservationExists
    locked = store.lock_enough(tx, wanted=wanted)
    if len(locked) < len(wanted) or not all(row.is_on_sale for row in locked):
        _refuse(tx, lines, wanted)
    if not store.reserve(tx, order_id=order_id, buyer_id=buyer_id, wanted=wanted, expires_at=expires_at, now=now):
        raise ReservationExists
    over = {row.sku_id for row in locked if wanted[row.sku_id] > (row.limit_per_person or rules.MAX_QUANTITY)}
    over |= wanted.keys() - store.count_buyer(tx, buyer_id=buyer_id, wanted=wanted)
    if over:
        raise LimitExceeded(fields=_name_lines(lines, over, "One person may not have that many."))
    left = {row.sku_id: (row.product_id, row.available, row.available - wanted[row.sku_id]) for row in locked}
    _note_available(tx, left, now=now)


def release_stock(tx: Transaction, *, order_id: str, now: datetime) -> bool:
    """Give free what an order has reserved; return whether it had anything. What was taken stays taken."""
    reservation = store.lock_reservation(tx, order_id=order_id)
    if reservation is None or reservation.state is not ReservationState.RESERVED:
        return False
    _release(tx, [reservation], now=now)
    return True


def expire_reservations(tx: Transaction, *, now: datetime, limit: int = 200) -> list[str]:
    """Give free up to `limit` reservations whose time is over and return their orders' ids, oldest first.

    Any number of workers may do so at once; an order that is being paid at this moment is left alone.
    """
    due = store.lock_due_reservations(tx, now=now, limit=limit)
    if due:
        _release(tx, due, now=now)
    return [one.order_id for one in due]


def take_stock(tx: Transaction, *, order_id: str, now: datetime) -> None:
    """Count what an order has reserved as sold: it is paid. A second time changes nothing.

    A reservation whose time is over counts until it is given free.
    Raises ReservationNotFound, ReservationExpired (given free: `reserve_stock` again, then this).
    """
    reservation = store.lock_reservation(tx, order_id=order_id)
    if reservation is None:
        raise ReservationNotFound
    if reservation.state is ReservationState.TAKEN:
        return
    if reservation.state is ReservationState.RELEASED:
        raise ReservationExpired
    pieces = _pieces(reservation)
    rows = store.lock_stock(tx, sku_ids=list(pieces))
    store.move_stock(tx, available=0, reserved=-1, sold=1, pieces=pieces)
    store.set_reservation_states(tx, order_ids=[order_id], state=ReservationState.TAKEN)
    _emit_changed(tx, {row.product_id for row in rows}, now=now)


def return_stock(tx: Transaction, *, order_id: str, return_id: str, lines: Sequence[StockLine], now: datetime) -> None:
    """Put pieces of a paid order back on the shelf; the same `return_id` again changes nothing.

    Call it for goods that can be sold again. The buyer's limit counts them no more.
    Raises ReservationNotFound, ReturnExceedsTaken naming the line, ReturnIdTaken, ValidationFailed.
    """
    back = rules.merge_lines(lines)
    reservation = store.lock_reservation(tx, order_id=order_id)
    if reservation is None or reservation.state is not ReservationState.TAKEN:
        raise ReservationNotFound
    earlier = store.add_return(tx, return_id=return_id, order_id=order_id, pieces=back, now=now)
    if earlier is not None:
        if earlier != (order_id, back):
            raise ReturnIdTaken
        return
    room = {
        line.sku_id: line.quantity - gone
        for line, gone in zip(reservation.lines, reservation.returned, strict=True)
    }  # fmt: skip
    over = {sku_id for sku_id, quantity in back.items() if quantity > room.get(sku_id, 0)}
    if over:
        raise ReturnExceedsTaken(fields=_name_lines(lines, over, "The order took fewer, or they came back already."))
    rows = store.lock_stock(tx, sku_ids=list(back))
    store.move_stock(tx, available=1, reserved=0, sold=-1, pieces=back)
    store.discount_buyers(tx, pieces={(sku_id, reservation.buyer_id): count for sku_id, count in back.items()})
    returned = [
        gone + back.get(line.sku_id, 0) for line, gone in zip(reservation.lines, reservation.returned, strict=True)
    ]
    store.set_returned(tx, order_id=order_id, returned=returned)
    _emit_changed(tx, {row.product_id for row in rows}, now=now)
    _note_available(
        tx, {row.sku_id: (row.product_id, row.available, row.available + back[row.sku_id]) for row in rows}, now=now
    )


def correct_stock(
    tx: Transaction, *, sku_id: str, change: int, reason: str, made_by: str, now: datetime
) -> StockCorrection:
    """Add pieces to a SKU's stock, or take some away, and keep who did it and why.

    Raises SkuNotFound, OutOfStock (more would be taken than is available), ValidationFailed.
    """
    rules.check_name(reason, field="reason")
    if change == 0 or abs(change) > rules.MAX_STOCK:
        raise ValidationFailed(fields={"change": [f"Must be 1 to {rules.MAX_STOCK}, or as many less."]})
    rows = store.lock_stock(tx, sku_ids=[sku_id])
    if not rows:
        raise SkuNotFound
    (row,) = rows
    available = row.available + change
    if available < 0:
        raise OutOfStock(fields={"change": [f"Only {row.available} are available."]})
    if available > rules.MAX_STOCK:
        raise ValidationFailed(fields={"change": [f"There would be more than {rules.MAX_STOCK}."]})
    store.move_stock(tx, available=1, reserved=0, sold=0, pieces={sku_id: change})
    correction = StockCorrection(ids.new_id("correction"), sku_id, change, available, reason, made_by, now)
    store.add_corrections(tx, corrections=[correction])
    _note_available(tx, {sku_id: (row.product_id, row.available, available)}, now=now)
    return correction


def list_corrections(tx: Transaction, *, sku_id: str, limit: int, cursor: str | None = None) -> Page[StockCorrection]:
    """Return a page of a SKU's corrections, newest first. Raises SkuNotFound."""
    if store.find_sku_place(tx, sku_id=sku_id) is None:
        raise SkuNotFound
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_corrections(tx, sku_id=sku_id, before=before, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def get_merchant_of_sku(tx: Transaction, *, sku_id: str) -> str:
    """Return the id of the merchant who sells a SKU. Raises SkuNotFound."""
    place = store.find_sku_place(tx, sku_id=sku_id)
    if place is None:
        raise SkuNotFound
    return str(place.merchant_id)


def find_reservation(tx: Transaction, *, order_id: str) -> Reservation | None:
    """Return what an order holds or held."""
    return store.find_reservation(tx, order_id=order_id)


def refresh_stock(tx: Transaction, *, product_ids: Sequence[str]) -> None:
    """Bring what products say of their stock (in stock, sold) in line with it; safe to repeat."""
    product_store.refresh_products(tx, product_ids=product_ids)
    product_store.note_changes(tx, "product", list(product_ids))


def _release(tx: Transaction, reservations: Sequence[Reservation], *, now: datetime) -> None:
    pieces: Counter[str] = Counter()
    by_buyer: Counter[tuple[str, str]] = Counter()
    for one in reservations:
        for line in one.lines:
            pieces[line.sku_id] += line.quantity
            by_buyer[line.sku_id, one.buyer_id] += line.quantity
    rows = store.lock_stock(tx, sku_ids=list(pieces))
    store.move_stock(tx, available=1, reserved=-1, sold=0, pieces=pieces)
    store.discount_buyers(tx, pieces=by_buyer)
    store.set_reservation_states(tx, order_ids=[one.order_id for one in reservations], state=ReservationState.RELEASED)
    _note_available(
        tx, {row.sku_id: (row.product_id, row.available, row.available + pieces[row.sku_id]) for row in rows}, now=now
    )


def _note_available(tx: Transaction, changes: Mapping[str, tuple[str, int, int]], *, now: datetime) -> None:
    """Tell caches what shoppers can see, and search what appeared or ran out; by SKU: (product, before, after)."""
    seen = {product for product, before, after in changes.values() if rules.shows_change(before, after)}
    if seen:
        product_store.note_changes(tx, "product", sorted(seen))
    _emit_changed(tx, {product for product, before, after in changes.values() if (not before) != (not after)}, now=now)


def _emit_changed(tx: Transaction, product_ids: set[str], *, now: datetime) -> None:
    for product_id in sorted(product_ids):
        outbox.emit(tx, topic=STOCK_CHANGED, key=product_id, now=now)


def _refuse(tx: Transaction, lines: Sequence[StockLine], wanted: Mapping[str, int]) -> None:
    """Raise for the SKUs that cannot be had: unknown ones first, then those not on sale, then those that are short."""
    offers = product_store.list_offers(tx, sku_ids=list(wanted))
    unknown = wanted.keys() - offers.keys()
    if unknown:
        raise SkuNotFound(fields=_name_lines(lines, unknown, "There is no such SKU."))
    away = {sku_id for sku_id, offer in offers.items() if not offer.is_on_sale}
    if away:
        raise NotOnSale(fields=_name_lines(lines, away, "Is not on sale now."))
    short = {sku_id for sku_id, offer in offers.items() if offer.available < wanted[sku_id]}
    # Pieces may have come back between the two looks; then the refusal is still the truth of a moment ago.
    raise OutOfStock(fields=_name_lines(lines, short or set(wanted), "Less is left than was asked for."))


def _name_lines(
    lines: Sequence[StockLine], sku_ids: "set[str] | frozenset[str]", sentence: str
) -> dict[str, list[str]]:
    return {f"lines.{no}": [sentence] for no, line in enumerate(lines) if line.sku_id in sku_ids}


def _pieces(reservation: Reservation) -> dict[str, int]:
    return {line.sku_id: line.quantity for line in sorted(reservation.lines, key=lambda line: line.sku_id)}
