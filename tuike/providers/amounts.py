"""Amounts of 元 as text, to and from whole 分, exactly. Pure."""

import re

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


def format_yuan(amount_minor: int) -> str:
    """Return an amount of 分 as yuan with two decimals."""
    sign = "-" if amount_minor < 0 else ""
    whole, fraction = divmod(abs(amount_minor), 100)
    return f"{sign}{whole}.{fraction:02d}"
