"""The shapes of synthetic hosts: seven shops that differ in everything a detector might lean on."""

from dataclasses import dataclass
from datetime import UTC, datetime

from tests.benchmarks.panels.world import IDENTIFIERS, INSTANTS, Habits

_ALL = frozenset(
    {*IDENTIFIERS, *INSTANTS, "joined_at", "inviter_id", "registered_at", "seen_at", "touches", "at", "same_person"}
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes and tails of a host. Exponents are of Zipf's law: 0 is flat, above 1 a few take most of it."""

    habits: Habits
    buyers: int
    promoters: int
    goods: int
    orders: int
    goods_tail: float
    promoter_tail: float
    activity_sigma: float  # of the lognormal share of trade that a buyer has
    favourites: float  # promoters that somebody buys through, on average, beyond the first
    live: float  # part of trade that happens in live shows
    cadence: float  # part of buyers who come every week for the same things
    villages: int  # communities that keep to themselves
    passing_on: float  # part of touches that come from a friend who passed the link on
    idle_touches: float  # touches that lead to nothing, for each order
    price: tuple[float, float]  # mu and sigma of the lognormal price in minor units


def _start(year: int, month: int) -> int:
    return int(datetime(year, month, 3, 16, tzinfo=UTC).timestamp())  # midnight in Shanghai


SHAPES: dict[str, Shape] = {
    # Everything is known, tails are heavy, everybody buys everywhere: the large marketplace.
    "market": Shape(
        Habits(_start(2026, 1), 120, _ALL, newcomers=0.35, lines=1.2),
        buyers=26_000, promoters=1_300, goods=8_000, orders=60_000, goods_tail=1.05, promoter_tail=0.95,
        activity_sigma=1.2, favourites=1.2, live=0.06, cadence=0.02, villages=60, passing_on=0.2,
        idle_touches=1.2, price=(8.6, 1.0),
    ),
    # Few goods, full baskets, week after week from the same few promoters; no links are opened.
    "grocer": Shape(
        Habits(
            _start(2025, 9), 100,
            _ALL - {"touches", "at", "device", "ip", "same_person", "refunded_at"},
            coverage=0.9, organic=0.2, refunds=0.02, receipt_days=0.8, newcomers=0.15, lines=3.2,
        ),
        buyers=5_000, promoters=160, goods=500, orders=34_000, goods_tail=0.6, promoter_tail=0.5,
        activity_sigma=0.6, favourites=0.4, live=0, cadence=0.5, villages=40, passing_on=0,
        idle_touches=0, price=(6.6, 0.6),
    ),
    # Half a year old, alive in live shows; links go from hand to hand; only devices and networks are known.
    "bazaar": Shape(
        Habits(
            _start(2026, 3), 60,
            _ALL - {"phone", "address", "payment_account", "payout_account", "same_person"},
            coverage=0.85, organic=0.15, refunds=0.14, newcomers=0.95, lines=1.1,
        ),
        buyers=12_000, promoters=500, goods=2_500, orders=26_000, goods_tail=1.2, promoter_tail=1.15,
        activity_sigma=0.9, favourites=0.8, live=0.45, cadence=0, villages=12, passing_on=0.45,
        idle_touches=2.0, price=(8.0, 0.7),
    ),
    # Neighbours order from a handful of group leaders; telephone numbers and addresses are all that is known.
    "village": Shape(
        Habits(
            _start(2025, 11), 90,
            frozenset({"phone", "address", "registered_at", "joined_at", "inviter_id", "placed_at", "received_at"}),
            coverage=0.95, organic=0.05, refunds=0.03, receipt_days=1.2, newcomers=0.3, lines=1.3,
        ),
        buyers=3_500, promoters=110, goods=350, orders=15_000, goods_tail=0.8, promoter_tail=0.4,
        activity_sigma=0.8, favourites=0.5, live=0.15, cadence=0.25, villages=50, passing_on=0,
        idle_touches=0, price=(7.2, 0.7),
    ),
    # An export from an old system: who bought what through whom, and when it was ordered. Nothing else.
    "bare": Shape(
        Habits(_start(2025, 5), 150, frozenset({"placed_at"}), organic=0.5, lines=1.5),
        buyers=15_000, promoters=700, goods=5_000, orders=45_000, goods_tail=0.9, promoter_tail=0.8,
        activity_sigma=1.1, favourites=1.0, live=0.04, cadence=0.08, villages=80, passing_on=0,
        idle_touches=0, price=(8.2, 0.9),
    ),
    # Two days of sales bring four orders in ten; telephones, purses and links are known, links are opened in passing.
    "festival": Shape(
        Habits(
            _start(2025, 9), 80,
            _ALL - {"device", "ip", "address", "seen_at", "same_person"},
            coverage=0.6, organic=0.3, refunds=0.1, receipt_days=5, newcomers=0.5, lines=1.3, festivals=(38, 69),
        ),
        buyers=16_000, promoters=900, goods=4_000, orders=30_000, goods_tail=1.0, promoter_tail=0.7,
        activity_sigma=0.5, favourites=1.5, live=0.1, cadence=0, villages=30, passing_on=0.3,
        idle_touches=0.6, price=(8.8, 0.8),
    ),
    # Dear things for a year, rarely bought, flat tails; days instead of instants; cards and purses are known.
    "boutique": Shape(
        Habits(
            _start(2025, 1), 360,
            _ALL - {"device", "ip", "touches", "at", "seen_at", "paid_at"},
            coverage=0.8, organic=0.5, lines=1.4, refunds=0.22, receipt_days=4, newcomers=0.6, whole_days=True,
        ),
        buyers=14_000, promoters=1_100, goods=1_500, orders=28_000, goods_tail=0.3, promoter_tail=0.3,
        activity_sigma=0.7, favourites=0.6, live=0.01, cadence=0, villages=120, passing_on=0,
        idle_touches=0, price=(10.6, 0.6),
    ),
}  # fmt: skip
