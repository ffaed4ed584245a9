"""Decisions about touches: values in, values out."""

import hashlib
import hmac
from datetime import datetime, timedelta

from tuike.shared.clock import to_micros

_SIGN = {"last": -1, "first": 1}


def sort_sign(model: str) -> int:
    """Return the factor that puts the deciding touch first when touches are sorted by time.

    `last` takes the newest touch, `first` the oldest. Source: domain.md, relations 4.
    """
    return _SIGN[model]


def decide_since(*, placed_at: datetime, lock_days: int) -> int:
    """Return the instant (microseconds) after which a touch still holds at `placed_at`.

    A touch at t holds during [t, t + lock_days), so it must be later than `placed_at - lock_days`.
    """
    return to_micros(placed_at) - timedelta(days=lock_days) // timedelta(microseconds=1)


def digest_identifier(kind: str, value: str, *, salt: bytes) -> str:
    """Return the salted digest under which a device or an ip is kept; the value itself is kept nowhere."""
    return hmac.new(salt, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()
