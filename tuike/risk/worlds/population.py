"""Honest people: promoters in a tree of inviters, buyers in households, and who of them is one person."""

import numpy as np

from tuike.risk.worlds.hashing import hash_shares
from tuike.risk.worlds.model import DAY, UNKNOWN, Floats, Ints
from tuike.risk.worlds.world import Trade, World

_INVITED = 0.78
_REDIRECTED = 0.72
"""A newcomer's inviter is often the inviter of somebody met: teams get a heavy tail with exponent 1 + 1/0.72."""
_REBOUND = 0.03
"""How many promoters were moved below an inviter who joined after them."""
_HOUSEHOLDS = (0.42, 0.26, 0.2, 0.08, 0.04)
_HOURS = np.array([9, 4, 2, 1, 1, 2, 6, 14, 24, 34, 41, 43, 46, 40, 36, 35, 36, 38, 42, 54, 66, 68, 50, 26], np.float64)
_WEEK = np.array([1.0, 0.97, 0.98, 1.0, 1.08, 1.22, 1.2])
_PARTNER_DAYS = 260


def make_trade(world: World, *, buyers: int, promoters: int) -> None:
    """Decide on what days and hours people shop, what is on sale, and how much is sold of it."""
    rng, host = world.rng, world.host
    days = np.arange(host.days)
    share = _WEEK[days % 7] * (1 + 0.6 * days / host.days) * rng.lognormal(0, 0.12, host.days)
    if host.season_days:
        first = int(host.days * rng.uniform(0.5, 0.75))
        burst = slice(first, first + host.season_days)
        rest = share.sum() - share[burst].sum()
        peak = rng.dirichlet(np.full(host.season_days, 4.0))
        share[burst] = peak * rest * host.season_share / (1 - host.season_share)
    skus = max(60, int(buyers * host.skus_per_buyer))
    popularity = 1.0 / (np.arange(skus) + 3.0) ** host.sku_exponent
    price = np.exp(rng.normal(host.price_log_mean, host.price_log_sigma, skus))
    endings = rng.choice(np.array([0, 90, 99, 50]), skus, p=[0.3, 0.35, 0.2, 0.15])
    weight = rng.pareto(host.promoter_tail, promoters) + 0.05
    weight[rng.random(promoters) < 0.35] = 0.0
    weight = np.minimum(weight, weight.sum() * 0.12)
    sku_share = rng.permutation(popularity / popularity.sum())
    prices = np.maximum(190, (price // 100).astype(np.int64) * 100 + endings)
    category = rng.integers(0, host.categories, skus)
    world.trade = Trade(
        day_share=share / share.sum(),
        hour_share=_HOURS / _HOURS.sum(),
        sku_share=sku_share,
        sku_price=prices,
        sku_category=category,
        promoter_weight=weight / weight.sum(),
        sku_cdf=np.cumsum(sku_share),
        sku_rank=np.argsort(-sku_share, kind="stable"),
        category_order=np.argsort(category, kind="stable"),
    )


def add_population(world: World, *, buyers: int, promoters: int) -> None:
    """Add honest buyers and promoters; some promoters are buyers too."""
    rng, host = world.rng, world.host
    registered = _spread_arrivals(world, buyers)
    sizes = rng.choice(np.arange(1, 6), buyers, p=_HOUSEHOLDS)
    homes = np.repeat(np.arange(buyers), sizes)[:buyers]
    members = rng.permutation(buyers)
    home = np.empty(buyers, np.int64)
    home[members] = members[np.searchsorted(homes, homes)]
    city_of_home = (hash_shares(home, 1) ** 2 * host.cities).astype(np.int64)
    world.new_persons(buyers)
    world.buyers.append(buyers, registered_at=registered, person=np.arange(buyers), city=city_of_home, home=home)

    joined = np.sort(_spread_arrivals(world, promoters))
    person = world.new_persons(promoters)
    both = np.flatnonzero(rng.random(promoters) < min(host.same_person, 0.8 * buyers / promoters))
    theirs = rng.choice(buyers, len(both), replace=False)
    person[both] = theirs
    city = (rng.random(promoters) ** 2 * host.cities).astype(np.int64)
    city[both] = city_of_home[theirs]
    world.promoters.append(
        promoters, joined_at=joined, inviter=_grow_tree(rng, joined), person=person, city=city)  # fmt: skip
    world.same_person.append(len(both), promoter=both, buyer=theirs)


def _spread_arrivals(world: World, count: int) -> Ints:
    rng, host = world.rng, world.host
    before = _PARTNER_DAYS if host.days > 40 else 0
    days = (before + host.days) * rng.random(count) ** 0.75 - before
    instants = world.start + (days * DAY).astype(np.int64)
    return np.minimum(instants, world.end - DAY)


def _grow_tree(rng: np.random.Generator, joined: Ints) -> Ints:
    count = len(joined)
    met = (rng.random(count) * np.arange(count)).astype(np.int64).tolist()
    redirected = (rng.random(count) < _REDIRECTED).tolist()
    invited = (rng.random(count) < _INVITED).tolist()
    inviters = [UNKNOWN] * count
    for number in range(1, count):
        if invited[number]:
            other = met[number]
            if redirected[number] and inviters[other] != UNKNOWN:
                other = inviters[other]
            inviters[number] = other
    for number in np.flatnonzero(rng.random(count) < _REBOUND).tolist():
        later = int(rng.integers(0, count))
        if not _is_above(inviters, number, later):
            inviters[number] = later
    return np.array(inviters, np.int64)


def _is_above(inviters: list[int], above: int, below: int) -> bool:
    while below != UNKNOWN:
        if below == above:
            return True
        below = inviters[below]
    return False


def draw_counts(rng: np.random.Generator, count: int, mean: float, sigma: float) -> Ints:
    """Return counts with a heavy tail: log-normal, rounded down, about `mean` on average."""
    drawn: Floats = rng.lognormal(np.log(mean) - sigma * sigma / 2, sigma, count) + 0.5
    return np.minimum(drawn.astype(np.int64), 400)
