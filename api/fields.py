"""Strict fields: a value of another type is refused, never converted; every fault names its field."""

import base64
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from tuike.commission import TooManyLevels
from tuike.orders import AmountNotPositive
from tuike.shared.errors import TuikeError, ValidationFailed
from tuike.shared.money import DEFAULT_CURRENCY, MAX_AMOUNT_MINOR

NOT_POSITIVE = "Must be greater than 0."
THREE_LEVELS = "Commission has at most three levels."
MAX_TEXT = 128
MAX_INTEGER = 2**31 - 1
FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
UNREADABLE_ID = "-"
"""What an id that cannot be one of ours is looked up as: it names nothing, so the answer is that of any unknown id."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)
_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
)
_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
_QUERY_OFFSET = re.compile(r" ([0-9]{2}:[0-9]{2})$")
_QUERY_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class Integer(fields.Integer):
    """A whole number written as one: booleans, strings and `1.0` are refused."""

    def __init__(
        self, *, low: int = 0, high: int = MAX_INTEGER, out_of_range: str | None = None, **kwargs: Any
    ) -> None:
        self.low, self.high = low, high
        super().__init__(validate=validate.Range(low, high, error=out_of_range), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise ValidationError("Must be a whole number.")
        return value


class Amount(Integer):
    """An amount of money above zero in the smallest unit, at most MAX_AMOUNT_MINOR."""

    def __init__(self, *, low: int = 1, **kwargs: Any) -> None:
        described = {"minimum": low, "maximum": MAX_AMOUNT_MINOR} | kwargs.pop("metadata", {})
        super().__init__(low=low, high=MAX_AMOUNT_MINOR, metadata=described, **kwargs)
        self.validators = []  # said below, in words that tell a sharper error code

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        number = super()._deserialize(value, attr, data, **kwargs)
        if number < self.low:
            raise ValidationError(NOT_POSITIVE if self.low == 1 else f"Must be {self.low} or more.")
        if number > self.high:
            raise ValidationError(f"Must be at most {self.high}.")
        return number


class Flag(fields.Boolean):
    """`true` or `false` and nothing that looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise ValidationError("Must be true or false.")
        return value


class Text(fields.String):
    """Text of `low` to `high` characters, compared exactly, without control characters and lone surrogates."""

    def __init__(self, *, low: int = 1, high: int = MAX_TEXT, **kwargs: Any) -> None:
        kwargs.setdefault("validate", validate.Length(low, high))
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str:
            raise ValidationError("Must be text.")
        if _UNPRINTABLE.search(value):
            raise ValidationError("Must not contain control characters or lone surrogates.")
        return value


class Cursor(Text):
    """A cursor of ours, or something that looks like one; text inside it is as clean as any other text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(high=1000, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        cursor = super()._deserialize(value, attr, data, **kwargs)
        try:
            position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (ValueError, RecursionError):
            raise ValidationError("Is not a cursor of this list.") from None
        if type(position) is not list or any(type(x) is str and _UNPRINTABLE.search(x) for x in position):
            raise ValidationError("Is not a cursor of this list.")
        return cursor


class Id(Text):
    """The id of something of ours; one that is not shaped like an id is looked up as one that names nothing."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str:
            raise ValidationError("Must be text.")
        return readable_id(value)


class Choice(fields.String):
    """One of a few words."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        self.words = words
        super().__init__(validate=validate.OneOf(words), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str:
            raise ValidationError("Must be text.")
        return value


class Ip(Text):
    """An IPv4 or IPv6 address, kept in its canonical spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise ValidationError("Must be an IPv4 or IPv6 address.") from None


class Instant(fields.String):
    """An RFC 3339 instant with an offset; digits beyond microseconds are cut off, more than nine are refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:  # type: ignore[override]
        if type(value) is not str:
            raise ValidationError("Must be an RFC 3339 instant as text.")
        return parse_instant(value)


class Day(fields.String):
    """A calendar day as `YYYY-MM-DD`, of this century."""

    def __init__(self, **kwargs: Any) -> None:
        described = {"format": "date", "example": "2026-11-01"} | kwargs.pop("metadata", {})
        super().__init__(metadata=described, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:  # type: ignore[override]
        if type(value) is not str or not _DAY.fullmatch(value):
            raise ValidationError("Must be a day like 2026-11-01.")
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValidationError("Is not a day that exists.") from None


class QueryInstant(Instant):
    """An instant in a query, where an unescaped `+` of the offset arrives as a space."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:  # type: ignore[override]
        return super()._deserialize(_QUERY_OFFSET.sub(r"+\1", value), attr, data, **kwargs)


class QueryInteger(Integer):
    """A whole number in a query: decimal digits and nothing else."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not _QUERY_INTEGER.fullmatch(value):
            raise ValidationError("Must be a whole number.")
        return int(value)


class Rates(fields.List[int]):
    """One to three rates in basis points, nearest level first; their sum is judged by `tuike.commission`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Integer(low=0, high=10_000), validate=validate.Length(1, 3), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[int | None]:
        if type(value) is not list:
            raise ValidationError("Must be a list of rates.")
        if len(value) > 3:
            raise ValidationError(THREE_LEVELS)
        return super()._deserialize(value, attr, data, **kwargs)


class Level(fields.Raw):
    """A promoter's grade in the caller's own words: a whole number up to 1000 or text of 1 to 32 characters."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int | str:
        if type(value) is int and 0 <= value <= 1000:
            return value
        if type(value) is str and 1 <= len(value) <= 32 and not _UNPRINTABLE.search(value):
            return value
        raise ValidationError("Must be a whole number of 0 to 1000 or text of 1 to 32 characters.")


class Ignored(fields.Raw):
    """Something that is answered and may be sent back, but is not read."""


def currency_field(**kwargs: Any) -> Text:
    """Return the field for a currency; whether the code exists is checked apart, with its own error code."""
    return Text(load_default=DEFAULT_CURRENCY, allow_none=True, low=0, high=1000, metadata={"example": "CNY"}, **kwargs)


def readable_id(text: str) -> str:
    """Return an id as sent, or UNREADABLE_ID for what cannot be one."""
    return text if _ID.fullmatch(text) else UNREADABLE_ID


def parse_instant(text: str) -> datetime:
    """Return an RFC 3339 instant in UTC. Raises marshmallow's ValidationError in the field's words."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValidationError("Must be an RFC 3339 instant with an offset, like 2026-11-01T08:00:00+08:00.")
    year, month, day, hour, minute, second, fraction, zulu, sign, off_hour, off_minute = found.groups()
    try:
        zone = UTC if zulu else _zone(sign, int(off_hour), int(off_minute))
        micros = int((fraction or "").ljust(6, "0")[:6])
        local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micros, tzinfo=zone)
        instant = local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError("Is not a date and time that exists.") from None
    if instant < FIRST_INSTANT:
        raise ValidationError("Must not be before 1970.")
    return instant


def load(schema: Schema, document: Any) -> dict[str, Any]:
    """Return the values of a document. Raises ValidationFailed, or a sharper error when all faults are of one kind."""
    if type(document) is not dict:
        raise ValidationFailed("The body must be a JSON object.", fields={"body": ["Must be a JSON object."]})
    try:
        values: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        raise to_refusal(error) from error
    return values


def to_refusal(error: ValidationError) -> TuikeError:
    """Return the refusal for marshmallow's faults, with a path such as `lines.0.amount_minor` for each."""
    faults: dict[str, list[str]] = {}
    _flatten(error.messages, "", faults)
    reasons = {reason for found in faults.values() for reason in found}
    if reasons == {NOT_POSITIVE}:
        return AmountNotPositive(fields=faults)
    if reasons == {THREE_LEVELS}:
        return TooManyLevels(fields=faults)
    return ValidationFailed(fields=faults)


def _flatten(messages: Any, path: str, into: dict[str, list[str]]) -> None:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            if name == "_schema":
                _flatten(inner, path or "body", into)
            else:
                _flatten(inner, f"{path}.{name}" if path else str(name), into)
    elif isinstance(messages, Sequence) and not isinstance(messages, str):
        into.setdefault(path, []).extend(str(message) for message in messages)
    else:
        into.setdefault(path, []).append(str(messages))


def _zone(sign: str, hours: int, minutes: int) -> timezone:
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)
