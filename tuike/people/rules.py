"""Decisions about a person: values in, values out."""

from collections.abc import Iterable, Mapping

_OWED_TO = ("pending", "frozen", "available", "withdrawing")


def find_obstacles(
    balances: Iterable[tuple[str, str, int]],
    *,
    open_orders_count: int,
    open_withdrawals_count: int,
    unsettled_count: int,
) -> Mapping[str, list[str]]:
    """Return why a person cannot be erased yet, by topic; empty when nothing is owed either way.

    `balances` are (kind of account, currency, amount) of the person's own accounts.
    """
    found: dict[str, list[str]] = {}
    for kind, currency, amount in balances:
        if amount and kind in _OWED_TO:
            found.setdefault("wallet", []).append(f"{amount} {currency} (smallest unit) are {kind}.")
        elif amount and kind == "debt":
            found.setdefault("debt", []).append(f"{-amount} {currency} (smallest unit) are owed back.")
    if open_withdrawals_count:
        found["withdrawals"] = [f"{open_withdrawals_count} under way."]
    if open_orders_count:
        found["orders"] = [f"{open_orders_count} wait to be paid, sent, received, or settled by after-sale."]
    if unsettled_count:
        found["commissions"] = ["Some are being booked; try again in a few seconds."]
    return found
