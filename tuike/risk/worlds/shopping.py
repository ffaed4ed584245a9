"""Honest orders: heavy-tailed counts, tastes, promoters' posts, weekly baskets, a town's favourites."""

import numpy as np

from tuike.risk.worlds.hashing import hash_shares
from tuike.risk.worlds.model import DAY, UNKNOWN, Floats, Ints
from tuike.risk.worlds.population import draw_counts
from tuike.risk.worlds.world import World

_SILENT = 0.1
_TASTE = 0.45
_POOL = 6
_SELF = 0.35
_TOWN_SKUS = 40
_TOWN_PROMOTERS = 8


def add_shopping(world: World) -> None:
    """Add the honest buyers' orders and the touches that led to them."""
    rng, host = world.rng, world.host
    buyers = np.arange(world.buyers.count)
    counts = draw_counts(rng, len(buyers), host.orders_mean, host.orders_sigma)
    counts[rng.random(len(buyers)) < _SILENT] = 0
    shop_for(world, buyers, counts)
    if host.town:
        _add_core(world)


def shop_for(world: World, buyers: Ints, counts: Ints, *, since: Ints | None = None) -> Ints:
    """Let each buyer place some ordinary orders (after `since`, else after registering); return the rows' numbers.

    The same verb makes honest trade and the camouflage of rings.
    """
    rng, host = world.rng, world.host
    buyer = np.repeat(buyers, counts)
    registered = world.buyers["registered_at"][buyer]
    placed = world.pick_instants(registered if since is None else np.repeat(since, counts))
    promoter = _choose_promoters(world, buyer)
    sku = _choose_skus(world, buyer)

    posted = np.flatnonzero((rng.random(len(buyer)) < host.posted) & (promoter != UNKNOWN))
    post_at, post_sku = _find_posts(world, promoter[posted])
    answered = post_at + (rng.exponential(host.post_hours * 3600, len(posted))).astype(np.int64) + 40
    fits = (answered > registered[posted]) & (answered < world.end) & (answered > world.start)
    if since is not None:
        fits &= answered > np.repeat(since, counts)[posted]
    placed[posted[fits]] = answered[fits]
    sku[posted[fits]] = post_sku[fits]

    known = promoter != UNKNOWN
    early = np.zeros(len(buyer), np.bool_)
    early[known] = world.promoters["joined_at"][promoter[known]] > placed[known]
    promoter[early] = UNKNOWN
    quantity = 1 + (rng.random(len(buyer)) < 0.15) + (rng.random(len(buyer)) < 0.04) * rng.integers(1, 5, len(buyer))
    rows = world.append_orders(
        world.new_orders(len(buyer)), buyer, promoter, sku, world.trade.sku_price[sku] * quantity, placed)  # fmt: skip
    _add_lines(world, rows, buyer)
    _touch_before(world, buyer, promoter, placed)
    return rows


def _choose_promoters(world: World, buyer: Ints) -> Ints:
    rng, host = world.rng, world.host
    cdf = np.cumsum(world.trade.promoter_weight)
    last = len(cdf) - 1
    loyal = rng.random(len(buyer)) < host.loyal
    share = np.where(loyal, hash_shares(buyer, 7), rng.random(len(buyer)))
    promoter = np.searchsorted(cdf, share, side="right").clip(0, last)
    promoter[rng.random(len(buyer)) >= host.credited] = UNKNOWN
    own = np.full(world.buyers.count, UNKNOWN, np.int64)
    own[world.same_person["buyer"]] = world.same_person["promoter"]
    through_self = (own[buyer] != UNKNOWN) & (rng.random(len(buyer)) < _SELF)
    return np.where(through_self, own[buyer], promoter)


def _choose_skus(world: World, buyer: Ints) -> Ints:
    rng, trade = world.rng, world.trade
    count = len(buyer)
    again = rng.random(count) < world.host.repeated
    share = np.where(again, hash_shares(buyer * _POOL + rng.integers(0, _POOL, count), 11), rng.random(count))
    tasteful = rng.random(count) < _TASTE
    order = trade.category_order
    bounds = np.searchsorted(trade.sku_category[order], np.arange(world.host.categories + 1))
    cdf = np.concatenate(([0.0], np.cumsum(trade.sku_share[order])))
    category = (hash_shares(buyer, 13) * world.host.categories).astype(np.int64)
    low, high = cdf[bounds[category]], cdf[bounds[category + 1]]
    within = np.where(tasteful & (high > low), low + share * (high - low), share)
    return order[(np.searchsorted(cdf, within, side="right") - 1).clip(0, len(order) - 1)]


def _find_posts(world: World, promoter: Ints) -> tuple[Ints, Ints]:
    """Return when the promoter of each order posted something and what: a promoter's posts are fixed by its number."""
    host = world.host
    weight = np.append(world.trade.promoter_weight, 0.0)
    posts = 2 + (weight[np.minimum(promoter, len(weight) - 1)] * len(weight)).astype(np.int64).clip(0, 40)
    chosen = promoter * 64 + (world.rng.random(len(promoter)) * posts).astype(np.int64)
    day = (hash_shares(chosen, 17) * host.days).astype(np.int64)
    second = (19 + 3 * hash_shares(chosen, 19)) * 3600
    cdf = world.trade.sku_cdf
    sku = np.searchsorted(cdf, hash_shares(chosen, 23)).clip(0, len(cdf) - 1)
    return world.start + day * DAY + second.astype(np.int64), sku


def _add_lines(world: World, rows: Ints, buyer: Ints) -> None:
    rng = world.rng
    more = rng.geometric(1 / world.host.lines_mean, len(rows)) - 1
    source = np.repeat(rows, np.minimum(more, 12))
    if not len(source):
        return
    orders = world.orders
    sku = _choose_skus(world, np.repeat(buyer, np.minimum(more, 12)))
    back = orders["refunded_at"][source]
    world.orders.append(
        len(source), order=orders["order"][source], buyer=orders["buyer"][source], promoter=orders["promoter"][source],
        sku=sku, amount_minor=world.trade.sku_price[sku], placed_at=orders["placed_at"][source],
        paid_at=orders["paid_at"][source], received_at=orders["received_at"][source],
        refunded_at=np.where(rng.random(len(source)) < 0.6, back, UNKNOWN))  # fmt: skip


def _touch_before(world: World, buyer: Ints, promoter: Ints, placed: Ints) -> None:
    rng = world.rng
    linked = (promoter != UNKNOWN) & (rng.random(len(buyer)) < 0.88)
    wait: Floats = rng.lognormal(np.log(2.0 * 3600), 2.0, int(linked.sum()))
    world.touch(promoter[linked], buyer[linked], placed[linked] - 20 - np.minimum(wait, 28 * DAY).astype(np.int64))


def _add_core(world: World) -> None:
    """Add what everybody in a town does: a sixth of the people buy the same few things at the same few shops."""
    rng, trade = world.rng, world.trade
    core = np.flatnonzero(hash_shares(np.arange(world.buyers.count), 29) < 0.16)
    counts = rng.poisson(world.host.town * 30, len(core))
    buyer = np.repeat(core, counts)
    sku = trade.sku_rank[:_TOWN_SKUS][rng.integers(0, _TOWN_SKUS, len(buyer))]
    busiest = np.argsort(-trade.promoter_weight, kind="stable")[:_TOWN_PROMOTERS]
    world.place(buyer, busiest[rng.integers(0, _TOWN_PROMOTERS, len(buyer))], sku,
                world.pick_instants(world.buyers["registered_at"][buyer]), touched=0.5)  # fmt: skip
