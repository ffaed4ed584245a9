"""Nouns of a checkout and the refusal it knows. Pure."""

from dataclasses import dataclass
from datetime import datetime

from tuike.shared.errors import Conflict


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a shopper wants to check out: the lines named, or what is chosen in the cart when there are none.

    It goes to an address, or to a pick-up point where the address only says who comes; without either, a quote takes
    the default address. `touch_id` and `visitor_id` count for lines that are named; a cart keeps its own.
    """

    pieces: tuple[tuple[str, int], ...] = ()
    address_id: str | None = None
    pickup_point_id: str | None = None
    coupon_id: str | None = None
    note: str = ""
    touch_id: str | None = None
    visitor_id: str | None = None


@dataclass(frozen=True, slots=True)
class QuotedLine:
    """A line as it would be bought now; `problem` is the code of why it cannot be, and it costs nothing then."""

    sku_id: str
    product_id: str
    code: str
    name: str
    spec: tuple[str, ...]
    picture: str | None
    price_minor: int
    price_seen_minor: int | None
    quantity: int
    amount_minor: int
    available: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Quote:
    """What a checkout costs now. Who places it sends `fingerprint` back, which stands for everything that counts."""

    merchant_id: str
    currency: str
    lines: tuple[QuotedLine, ...]
    address_id: str | None
    pickup_point_id: str | None
    coupon_id: str | None
    goods_minor: int
    discount_minor: int
    freight_minor: int
    payable_minor: int
    fingerprint: str
    quoted_at: datetime

    @property
    def can_be_placed(self) -> bool:
        """Whether every line can be had and it is said where they go."""
        return self.address_id is not None and all(line.problem is None for line in self.lines)


class QuoteChanged(Conflict):
    """Prices, stock or discounts are not what was shown; `quote` is what holds now."""

    code, message = "quote_changed", "Prices, stock or discounts are not what was shown; look at them again."

    def __init__(self, quote: Quote) -> None:
        super().__init__()
        self.quote = quote
