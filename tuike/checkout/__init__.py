"""Checkout: placing an order, where everything about its commission is decided once.

Placement resolves whom the order belongs to and who stands above (one graph round trip), decides the split by the plan
in force, and records order, split and journal row in one transaction. If the graph is down or behind, the sale is
recorded all the same with attribution `pending`, and decided later as of its own time.
"""

from tuike.checkout.service import place_order, resolve_attribution

__all__ = ["place_order", "resolve_attribution"]
