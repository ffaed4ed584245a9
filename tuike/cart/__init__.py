"""Carts and address books of shoppers.

Words: *cart line* (pieces of one SKU, chosen for the next checkout or not, with the price and the share seen),
*address*.

Invariants: one line for a SKU; a cart is changed by one device at a time; nothing is reserved by being in a cart, and
nothing there has a price but what the catalogue says at checkout.
"""

from tuike.cart.model import (
    AddressDraft,
    AddressNotFound,
    Cart,
    CartEmpty,
    CartFull,
    CartLine,
    CartLineNotFound,
    CartMixed,
    SavedAddress,
    TooManyAddresses,
)
from tuike.cart.service import (
    add_address,
    add_to_cart,
    change_address,
    change_line,
    check_out_lines,
    delete_address,
    forget_shopper,
    get_address,
    list_addresses,
    lock_cart,
    read_cart,
    remove_lines,
)

__all__ = [
    "AddressDraft",
    "AddressNotFound",
    "Cart",
    "CartEmpty",
    "CartFull",
    "CartLine",
    "CartLineNotFound",
    "CartMixed",
    "SavedAddress",
    "TooManyAddresses",
    "add_address",
    "add_to_cart",
    "change_address",
    "change_line",
    "check_out_lines",
    "delete_address",
    "forget_shopper",
    "get_address",
    "list_addresses",
    "lock_cart",
    "read_cart",
    "remove_lines",
]
