"""Integer money: amounts in the smallest unit, rates in basis points. The only module that divides money."""

from collections.abc import Sequence

import pycountry

from tuike.shared.errors import Refused

BPS_WHOLE = 10_000
DEFAULT_CURRENCY = "CNY"
MAX_AMOUNT_MINOR = 10**13
"""Largest amount of one order, payment or withdrawal: 100 billion yuan. It keeps `amount × 10 000` and the sum of
nearly a million such amounts inside a 64-bit integer; larger input is refused, never rounded."""

CURRENCIES = frozenset(currency.alpha_3 for currency in pycountry.currencies)


class CurrencyUnknown(Refused):
    code, message = "currency_unknown", "This is not an active ISO 4217 currency code."


def check_currency(currency: str, *, field: str = "currency") -> None:
    """Raise CurrencyUnknown naming `field` unless `currency` is an active ISO 4217 code in capitals."""
    if currency not in CURRENCIES:
        raise CurrencyUnknown(fields={field: [f"{currency[:16]!r} is not an active ISO 4217 code."]})


def share_of(base_minor: int, rate_bps: int) -> int:
    """Return floor(base × rate / 10 000): what `rate_bps` of a base is worth (domain.md, commission 1)."""
    return base_minor * rate_bps // BPS_WHOLE


def scale_down(amount_minor: int, part: int, whole: int) -> int:
    """Return floor(amount × part / whole), for 0 ≤ part ≤ whole and whole > 0."""
    return amount_minor * part // whole


def cut_to_cap(amounts: Sequence[int], cap_minor: int) -> list[int]:
    """Return amounts that sum to at most `cap_minor`, each cut in the same proportion and floored.

    Amounts within the cap come back unchanged.
    """
    total = sum(amounts)
    if total <= cap_minor:
        return list(amounts)
    return [scale_down(amount, cap_minor, total) for amount in amounts]


def spread(amount_minor: int, rooms: Sequence[int]) -> list[int]:
    """Split an amount over rooms in proportion to their size, the remainder to the last room that can hold it.

    The parts sum to exactly `amount_minor` and no part exceeds its room; what the last room cannot hold goes to the
    room before it. Requires 0 ≤ amount ≤ sum(rooms). Source: contract.md, exact reading 4.
    """
    total = sum(rooms)
    if not 0 <= amount_minor <= total:
        raise ValueError("amount does not fit the rooms")
    if amount_minor == 0:
        return [0] * len(rooms)
    parts = [scale_down(amount_minor, room, total) for room in rooms]
    rest = amount_minor - sum(parts)
    for index in reversed(range(len(rooms))):
        taken = min(rest, rooms[index] - parts[index])
        parts[index] += taken
        rest -= taken
    return parts
