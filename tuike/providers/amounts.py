"""Amounts of 元 as text, to and from whole 分, and fees to the millionth of a yuan, exactly. Pure."""

import re

MICROS_DECIMALS = 6

_YUAN = re.compile(r"(-?)(\d{1,14})(?:\.(\d{1,8}))?")


def parse_yuan(text: str) -> int:
    """Return the 分 of an amount such as `12.5` or `-0.01`. Raises ValueError for fractions of a 分."""
    found = _YUAN.fullmatch(text)
    if found is None or not text.isascii():
        raise ValueError("not an amount of yuan")
    sign, whole, fraction = found.group(1), found.group(2), (found.group(3) or "").ljust(2, "0")
    if fraction[2:].strip("0"):
        raise ValueError("a fraction of a cent")
    amount = int(whole) * 100 + int(fraction[:2])
    return -amount if sign else amount


def parse_yuan_micros(text: str) -> int:
    """Return the millionths of a yuan of an amount such as `0.00600`, which is 0.6 分: fees are as fine as that.

    Raises ValueError for what is finer still.
    """
    found = _YUAN.fullmatch(text)
    if found is None or not text.isascii():
        raise ValueError("not an amount of yuan")
    sign, whole, fraction = found.group(1), found.group(2), (found.group(3) or "").ljust(MICROS_DECIMALS, "0")
    if fraction[MICROS_DECIMALS:].strip("0"):
        raise ValueError("a fraction of a millionth")
    amount = int(whole) * 10**MICROS_DECIMALS + int(fraction[:MICROS_DECIMALS])
    return -amount if sign else amount


def format_yuan(amount_minor: int) -> str:
    """Return an amount of 分 as yuan with two decimals."""
    sign = "-" if amount_minor < 0 else ""
    whole, fraction = divmod(abs(amount_minor), 100)
    return f"{sign}{whole}.{fraction:02d}"
