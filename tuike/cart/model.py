"""Nouns of carts and address books and the refusals they know. Pure."""

from dataclasses import dataclass
from datetime import datetime

from tuike.shared.errors import Conflict, NotFound, Refused


@dataclass(frozen=True, slots=True)
class CartLine:
    """So many pieces of a SKU that a shopper thinks of buying; `price_seen_minor` is the price when they were put in.

    `touch_id` and `visitor_id` are of the share that led there, so that the order is credited to it.
    """

    sku_id: str
    quantity: int
    is_chosen: bool
    price_seen_minor: int
    touch_id: str | None
    visitor_id: str | None
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Cart:
    """A shopper's cart; `version` grows with each change, from whichever device."""

    shopper_id: str
    version: int
    lines: tuple[CartLine, ...]


@dataclass(frozen=True, slots=True)
class AddressDraft:
    """An address as a shopper writes it; `region_code` is an administrative code of six digits (GB/T 2260)."""

    name: str
    phone: str
    region_code: str
    region: str
    detail: str
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class SavedAddress:
    """An address of an address book."""

    id: str
    shopper_id: str
    name: str
    phone: str
    region_code: str
    region: str
    detail: str
    is_default: bool
    created_at: datetime


class CartLineNotFound(NotFound):
    code, message = "cart_line_not_found", "The SKU is not in the cart."


class CartFull(Conflict):
    code, message = "cart_full", "The cart holds no more lines."


class CartEmpty(Conflict):
    code, message = "cart_empty", "Nothing in the cart is chosen."


class CartMixed(Refused):
    code, message = "cart_mixed", "One order has goods of one merchant and one currency."


class AddressNotFound(NotFound):
    code, message = "address_not_found", "There is no such address."


class TooManyAddresses(Conflict):
    code, message = "too_many_addresses", "The address book is full."
