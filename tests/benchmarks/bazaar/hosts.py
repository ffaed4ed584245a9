"""Honest trade: a shop of 120 days whose buyers, promoters and goods have heavy tails."""

from dataclasses import dataclass

import numpy as np

from tests.benchmarks.bazaar.market import NOBODY, Market
from tuike.risk.worlds.model import DAY, HOUR, Floats, Ints

DAYS = 120
CARRIERS = 6


@dataclass(frozen=True, slots=True)
class Host:
    """How much is traded, how steep demand falls from good to good, and whether identifiers and touches are known."""

    buyers: int
    orders: int
    goods: int
    promoters: int
    steepness: float = 1.0
    knows_people: bool = True


HOSTS = {
    "flat": Host(buyers=7_000, orders=22_000, goods=2_000, promoters=350),
    "flat_bare": Host(buyers=7_000, orders=22_000, goods=2_000, promoters=350, knows_people=False),
    "dense": Host(buyers=3_000, orders=30_000, goods=300, promoters=150, steepness=0.8),
    "sparse": Host(buyers=15_000, orders=20_000, goods=9_000, promoters=900, steepness=0.9),
}


def open_market(host: Host, rng: np.random.Generator) -> Market:
    """Return a market with its people and their honest trade."""
    prices = np.exp(rng.normal(8.3, 0.9, host.goods)).astype(np.int64) + 100
    market = Market(rng, days=DAYS, prices_minor=prices, demand=_rank(host.goods, host.steepness),
                    knows_people=host.knows_people)  # fmt: skip
    inviters = np.where(
        market.toss(host.promoters, 0.6),
        (rng.random(host.promoters) * np.arange(host.promoters)).astype(np.int64),
        NOBODY,
    )
    inviters[0] = NOBODY
    promoters = market.hire(host.promoters, inviter=inviters)
    registered_at = market.draw_past(host.buyers, since_day=-200, until_day=0.9 * DAYS)
    buyers = market.register(registered_at)
    market.host_promoters_count = promoters.size
    fame = _rank(promoters.size, 0.9)
    market.usual_promoter = np.where(market.toss(buyers.size, 0.5), rng.choice(promoters, buyers.size, p=fame), NOBODY)
    _settle(market, buyers)
    _trade(market, host, registered_at, fame)
    return market


def _rank(count: int, steepness: float) -> Floats:
    shares = 1 / np.arange(1, count + 1) ** steepness
    return shares / shares.sum()


def _settle(market: Market, buyers: Ints) -> None:
    """Let some buyers share a device or a card at home, and many the address of a carrier."""
    rng = market.rng
    for _ in range(buyers.size // 25):
        home = rng.choice(buyers, rng.integers(2, 5))
        lane = market.invent_one("lane")
        market.identify("buyer", home[market.toss(home.size, 0.7)], "device", f"device-{lane}")
        # They live door to door, not behind one door: a shared address has to be earned by a look-alike.
        market.identify("buyer", home, "address", [f"{door} Lane {lane}" for door in rng.integers(1, 400, home.size)])
        market.identify("buyer", home[market.toss(home.size, 0.3)], "payment_account", f"card-{lane}")
    for address in market.draw_ips(CARRIERS, "100.64."):
        market.identify("buyer", rng.choice(buyers, buyers.size // 30), "ip", address)


def _trade(market: Market, host: Host, registered_at: Floats, fame: Floats) -> None:
    """Let few buyers order much and many little, in the afternoon, half of them mostly through one promoter."""
    rng, count = market.rng, host.orders
    who = rng.choice(host.buyers, count, p=_rank(host.buyers, 0.5))
    since = np.maximum(registered_at[who], 0)
    day = (since + rng.random(count) * (market.end - since - DAY)) // DAY * DAY
    at = day + np.clip(rng.normal(15, 4, count), 0, 23.99) * HOUR
    at = np.where(at < since, since + rng.uniform(60, DAY, count), at)
    chance = rng.choice(fame.size, count, p=fame)
    chance[~market.toss(count, 0.35)] = NOBODY
    usual = market.usual_promoter[who]
    promoters = np.where((usual != NOBODY) & market.toss(count, 0.8), usual, chance)
    first = market.pick_goods(count)
    orders = market.place(who, promoters, first, at)
    more = np.repeat(np.arange(count), rng.poisson(0.7, count))
    lines = np.unique(more * host.goods + market.pick_goods(more.size))
    lines = lines[lines % host.goods != first[lines // host.goods]]
    market.add_lines(orders[lines // host.goods], lines % host.goods)
