"""The verbs of carts and address books. Whatever changes a cart locks it first: two devices go one by one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tuike import catalog
from tuike.cart import rules, store
from tuike.cart.model import (
    AddressDraft,
    AddressNotFound,
    Cart,
    CartFull,
    CartLine,
    CartLineNotFound,
    SavedAddress,
    TooManyAddresses,
)
from tuike.db import Transaction
from tuike.shared import ids


def read_cart(tx: Transaction, *, shopper_id: str) -> Cart:
    """Return a shopper's cart; empty for one who never put anything in."""
    return store.read_cart(tx, shopper_id=shopper_id)


def lock_cart(tx: Transaction, *, shopper_id: str) -> Cart:
    """Return a shopper's cart, which no other device changes until the transaction ends."""
    return store.lock_cart(tx, shopper_id=shopper_id)


def add_to_cart(
    tx: Transaction,
    *,
    shopper_id: str,
    sku_id: str,
    quantity: int,
    touch_id: str | None = None,
    visitor_id: str | None = None,
    now: datetime,
) -> Cart:
    """Put pieces of a SKU in a cart, onto those that are in it, and choose them.

    Raises SkuNotFound, NotOnSale, CartFull, ValidationFailed.
    """
    rules.check_quantity(quantity)
    offer = catalog.list_offers(tx, sku_ids=[sku_id]).get(sku_id)
    if offer is None:
        raise catalog.SkuNotFound
    if not offer.is_on_sale:
        raise catalog.NotOnSale
    cart = store.lock_cart(tx, shopper_id=shopper_id)
    there = {line.sku_id: line for line in cart.lines}.get(sku_id)
    if there is None and len(cart.lines) >= rules.MAX_LINES:
        raise CartFull
    wanted = quantity + (0 if there is None else there.quantity)
    rules.check_quantity(wanted)
    line = CartLine(sku_id, wanted, True, offer.price_minor, touch_id, visitor_id, now)
    store.put_line(tx, line, shopper_id=shopper_id)
    return _next(tx, shopper_id)


def change_line(
    tx: Transaction, *, shopper_id: str, sku_id: str, quantity: int | None = None, is_chosen: bool | None = None
) -> Cart:
    """Change how many pieces of a SKU a cart has, or whether they are chosen. Raises CartLineNotFound."""
    if quantity is not None:
        rules.check_quantity(quantity)
    cart = store.lock_cart(tx, shopper_id=shopper_id)
    there = {line.sku_id: line for line in cart.lines}.get(sku_id)
    if there is None:
        raise CartLineNotFound
    changed = replace(
        there,
        quantity=there.quantity if quantity is None else quantity,
        is_chosen=there.is_chosen if is_chosen is None else is_chosen,
    )
    store.put_line(tx, changed, shopper_id=shopper_id)
    return _next(tx, shopper_id)


def remove_lines(tx: Transaction, *, shopper_id: str, sku_ids: Sequence[str]) -> Cart:
    """Take SKUs out of a cart; those that are not in it are out of it already."""
    store.lock_cart(tx, shopper_id=shopper_id)
    store.delete_lines(tx, shopper_id=shopper_id, sku_ids=sku_ids)
    return _next(tx, shopper_id)


def check_out_lines(tx: Transaction, *, shopper_id: str, sku_ids: Sequence[str]) -> None:
    """Take what was ordered out of a cart that this transaction has locked."""
    store.delete_lines(tx, shopper_id=shopper_id, sku_ids=sku_ids)
    store.raise_version(tx, shopper_id=shopper_id)


def list_addresses(tx: Transaction, *, shopper_id: str) -> list[SavedAddress]:
    """Return a shopper's address book, the default first."""
    return store.list_addresses(tx, shopper_id=shopper_id)


def get_address(tx: Transaction, *, address_id: str, shopper_id: str) -> SavedAddress:
    """Return an address of a shopper. Raises AddressNotFound, for another shopper's too."""
    found = store.find_address(tx, address_id=address_id, shopper_id=shopper_id)
    if found is None:
        raise AddressNotFound
    return found


def add_address(tx: Transaction, *, shopper_id: str, draft: AddressDraft, now: datetime) -> SavedAddress:
    """Write an address into a shopper's book; the first is the default. Raises TooManyAddresses, ValidationFailed."""
    rules.check_address(draft)
    store.lock_cart(tx, shopper_id=shopper_id)  # one shopper's changes go one by one
    there = store.list_addresses(tx, shopper_id=shopper_id)
    if len(there) >= rules.MAX_ADDRESSES:
        raise TooManyAddresses
    address_id = ids.new_id("address")
    first = replace(draft, is_default=draft.is_default or not there)
    store.save_address(tx, address_id=address_id, shopper_id=shopper_id, draft=first, now=now)
    return get_address(tx, address_id=address_id, shopper_id=shopper_id)


def change_address(
    tx: Transaction, *, address_id: str, shopper_id: str, draft: AddressDraft, now: datetime
) -> SavedAddress:
    """Write an address anew; orders that were placed keep what they had. Raises AddressNotFound, ValidationFailed."""
    rules.check_address(draft)
    store.lock_cart(tx, shopper_id=shopper_id)
    get_address(tx, address_id=address_id, shopper_id=shopper_id)
    store.save_address(tx, address_id=address_id, shopper_id=shopper_id, draft=draft, now=now)
    return get_address(tx, address_id=address_id, shopper_id=shopper_id)


def delete_address(tx: Transaction, *, address_id: str, shopper_id: str) -> None:
    """Take an address out of a shopper's book. Raises AddressNotFound."""
    store.lock_cart(tx, shopper_id=shopper_id)
    get_address(tx, address_id=address_id, shopper_id=shopper_id)
    store.delete_address(tx, address_id=address_id)


def forget_shopper(tx: Transaction, *, shopper_id: str) -> None:
    """Delete a shopper's cart and address book."""
    store.delete_cart(tx, shopper_id=shopper_id)


def _next(tx: Transaction, shopper_id: str) -> Cart:
    store.raise_version(tx, shopper_id=shopper_id)
    return store.read_cart(tx, shopper_id=shopper_id)
