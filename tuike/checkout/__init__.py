"""Checkout: placing an order, where everything about its commission is decided once.

Placement resolves whom the order belongs to and who stands above (one graph round trip), decides the split by the plan
in force, and records order, split and journal row in one transaction. If the graph is down or behind, the sale is
recorded all the same with attribution `pending`, and decided later as of its own time.

A cart is checked out in two steps: a *quote* says what it costs, and placing keeps the quote's word or refuses with a
new one. One order comes of one cart, however many devices place it at once.
"""

from tuike.checkout.model import Quote, QuoteChanged, QuotedLine, Wanted
from tuike.checkout.service.carts import place_cart, quote_cart
from tuike.checkout.service.placing import place_order, resolve_attribution

__all__ = [
    "Quote",
    "QuoteChanged",
    "QuotedLine",
    "Wanted",
    "place_cart",
    "place_order",
    "quote_cart",
    "resolve_attribution",
]
