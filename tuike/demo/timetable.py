"""Simulated courses of orders: when each was paid and received, and what came back. Pure; fixed by the seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from tuike.demo.data import Basket
from tuike.orders import Line, RefundLine
from tuike.shared.clock import BUSINESS_ZONE

_UNPAID = 0.01
_NOT_RECEIVED = 0.02
_REFUNDED = 0.05
_KINDS = {"line": 45, "part": 25, "whole": 30}


@dataclass(frozen=True, slots=True)
class Course:
    """What happens to a basket after it was placed; None means never. `refund` is `line`, `part` or `whole`."""

    paid_at: datetime | None
    received_at: datetime | None
    refunded_at: datetime | None
    refund: str | None


def make_courses(random: Random, baskets: Sequence[Basket]) -> list[Course]:
    """Return a course for each basket: paid within minutes, received within days, a few sent back within weeks."""
    return [_make_course(random, basket) for basket in baskets]


def _make_course(random: Random, basket: Basket) -> Course:
    if random.random() < _UNPAID:
        return Course(None, None, None, None)
    paid_at = basket.placed_at + timedelta(seconds=random.randint(20, 600))
    if random.random() < _NOT_RECEIVED:
        return Course(paid_at, None, None, None)
    received_at = paid_at + timedelta(hours=random.uniform(12, 110))
    if random.random() >= _REFUNDED:
        return Course(paid_at, received_at, None, None)
    kind = random.choices(list(_KINDS), list(_KINDS.values()))[0]
    return Course(paid_at, received_at, received_at + timedelta(days=1 + min(random.expovariate(1 / 9), 40)), kind)


def choose_refund(kind: str, lines: Sequence[Line]) -> tuple[int | None, list[RefundLine] | None]:
    """Return what to send back as (amount_minor, None) or (None, lines): all of it, a third, or the dearest line."""
    left = sum(line.left_minor for line in lines)
    if kind == "whole":
        return left, None
    if kind == "part" and left >= 3:
        return left // 3, None
    line = max(lines, key=lambda line: (line.left_minor, line.sku))
    return None, [RefundLine(line.sku, line.quantity, line.left_minor)]


def start_of_month(instant: datetime, *, later: int = 0) -> datetime:
    """Return the start of the Asia/Shanghai month that holds `instant`, or of the one `later` months on."""
    local = instant.astimezone(BUSINESS_ZONE)
    number = local.year * 12 + local.month - 1 + later
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=BUSINESS_ZONE)


def list_months(instants: Iterable[datetime]) -> list[datetime]:
    """Return the starts of all months from the first to the last instant."""
    known = sorted(instants)
    months = [start_of_month(known[0])]
    while months[-1] < start_of_month(known[-1]):
        months.append(start_of_month(months[-1], later=1))
    return months
