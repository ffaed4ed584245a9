"""Instants: aware UTC datetimes with microseconds; entry points read the clock once and pass `now` down.

The graph keeps an instant as an integer of microseconds since 1970-01-01 UTC, because both graph servers carry a
64-bit integer exactly while their temporal types differ in precision.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tuike.shared.errors import ValidationFailed

BUSINESS_ZONE = ZoneInfo("Asia/Shanghai")
MAX_AHEAD = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def read_clock() -> datetime:
    """Return the present instant. Only entry points (API, workers, commands) call this."""
    return datetime.now(UTC)


def to_micros(instant: datetime) -> int:
    """Return an instant as whole microseconds since the epoch, exactly."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the instant of `to_micros`, exactly."""
    return _EPOCH + timedelta(microseconds=micros)


def format_instant(instant: datetime) -> str:
    """Return an instant as RFC 3339 in UTC, ending in `Z`, with microseconds when there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def refuse_future(field: str, instant: datetime, *, now: datetime) -> None:
    """Raise ValidationFailed naming `field` when `instant` lies more than five minutes ahead of `now`."""
    if instant > now + MAX_AHEAD:
        raise ValidationFailed(fields={field: ["Lies more than 5 minutes in the future."]})


def start_of_business_day(instant: datetime) -> datetime:
    """Return the start, as UTC, of the Asia/Shanghai day that holds `instant`."""
    return instant.astimezone(BUSINESS_ZONE).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
