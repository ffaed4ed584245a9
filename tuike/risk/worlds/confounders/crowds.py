"""Many buy the same at the same time: shows, group buys, sales, festivals, schools, monthly deliveries, limits."""

import numpy as np

from tuike.risk.worlds import shopping
from tuike.risk.worlds.confounders.crowd import Confounder, add_buyers, new_building, pick_buyers, pick_promoters, see
from tuike.risk.worlds.model import DAY, HOUR, UNKNOWN, Ints
from tuike.risk.worlds.world import World


def _evening(world: World, low: float = 0.15, high: float = 0.95) -> int:
    day = int(world.rng.uniform(low, high) * (world.host.days - 2))
    return world.start + day * DAY + 20 * HOUR


def _after(world: World, buyers: Ints, at: Ints) -> tuple[Ints, Ints]:
    fits = world.buyers["registered_at"][buyers] < at
    return buyers[fits], at[fits]


def _place_livestream(world: World) -> None:
    rng = world.rng
    host = pick_promoters(world, 1, low=0.85)
    viewers = pick_buyers(world, min(int(rng.integers(80, 400)), world.honest_buyers // 8))
    for _ in range(int(rng.integers(1, 5))):
        begin = _evening(world)
        goods = world.pick_ordinary_skus(int(rng.integers(3, 9)))
        some = np.repeat(viewers, rng.poisson(0.8, len(viewers)))
        some, at = _after(world, some, begin + (rng.gamma(2.0, 900, len(some))).astype(np.int64))
        world.place(some, int(host[0]), goods[rng.integers(0, len(goods), len(some))], at, lag=0.3)
    newcomers = int(len(viewers) * 0.25)
    registered = begin + rng.integers(0, 5400, newcomers)
    added = add_buyers(world, registered)
    world.place(added, int(host[0]), goods[rng.integers(0, len(goods), newcomers)], registered + 300, lag=0.1)
    world.mark_group("livestream", host, np.concatenate((viewers, added)))


def _place_group_buy(world: World) -> None:
    rng = world.rng
    leader = pick_promoters(world, 1, low=0.4)
    members = pick_buyers(world, int(rng.integers(20, 90)))
    if rng.random() < 0.6:
        see(world, "address", members, np.array([new_building(world)]))
    for _ in range(int(rng.integers(2, 9))):
        begin = _evening(world, 0.05)
        goods = world.pick_ordinary_skus(int(rng.integers(1, 4)))
        for sku in goods.tolist():
            some = members[rng.random(len(members)) < 0.55]
            some, at = _after(world, some, begin + (rng.exponential(1.5, len(some)) * HOUR).astype(np.int64))
            world.place(some, int(leader[0]), np.full(len(some), sku), at, lag=0.5)
    world.mark_group("group_buy", leader, members)


def _place_flash_sale(world: World) -> None:
    rng = world.rng
    members = pick_buyers(world, min(int(rng.integers(200, 700)), world.honest_buyers // 6))
    begin = _evening(world)
    goods = world.pick_ordinary_skus(3)
    members, at = _after(world, members, begin + (rng.exponential(100, len(members))).astype(np.int64))
    cdf = np.cumsum(world.trade.promoter_weight)
    through = np.searchsorted(cdf, rng.random(len(members)), side="right").clip(0, len(cdf) - 1)
    through[rng.random(len(members)) < 0.5] = UNKNOWN
    half = (world.trade.sku_price // 2)[goods]
    chosen = rng.integers(0, 3, len(members))
    world.place(members, through, goods[chosen], at, amounts=half[chosen])
    world.mark_group("flash_sale", (), members)


def _place_school_fund(world: World) -> None:
    rng = world.rng
    teacher = pick_promoters(world, 1, high=0.6)
    begin = _evening(world)
    count = int(rng.integers(20, 60))
    registered = begin + (rng.random(count) * 5 * DAY).astype(np.int64)
    parents = add_buyers(world, registered, city=int(world.promoters["city"][teacher[0]]))
    see(world, "address", parents[rng.random(count) < 0.3], np.array([new_building(world)]))
    goods = world.pick_ordinary_skus(3)
    world.place(parents, int(teacher[0]), goods[rng.integers(0, 3, count)], registered + rng.integers(200, 4000, count))
    shopping.shop_for(world, parents, rng.poisson(0.7, count))
    world.mark_group("school_fund", teacher, parents)


def _place_subscription(world: World) -> None:
    rng = world.rng
    promoter = pick_promoters(world, 1, low=0.4)
    members = pick_buyers(world, int(rng.integers(15, 50)))
    sku = int(world.pick_ordinary_skus(1)[0])
    price = np.full(1, world.trade.sku_price[sku])
    for month in range(world.host.days // 30):
        at = world.start + month * 30 * DAY + 2 * HOUR + rng.integers(0, 300, len(members))
        some, when = _after(world, members, at)
        world.place(
            some, int(promoter[0]), np.full(len(some), sku), when, amounts=np.repeat(price, len(some)), touched=0.05
        )
    world.mark_group("subscription", promoter, members)


def _place_below_limit_price(world: World) -> None:
    rng = world.rng
    members = pick_buyers(world, int(rng.integers(40, 120)))
    price = int(rng.choice(np.array([49_900, 99_900, 199_900, 499_900])))
    sku = np.full(len(members), world.pick_ordinary_skus(1)[0])
    cdf = np.cumsum(world.trade.promoter_weight)
    through = np.searchsorted(cdf, rng.random(len(members)), side="right").clip(0, len(cdf) - 1)
    world.place(members, through, sku, world.pick_instants(world.buyers["registered_at"][members]),
                amounts=np.full(len(members), price))  # fmt: skip
    world.mark_group("priced_below_limit", (), members)


def _place_welcome_wave(world: World) -> None:
    rng = world.rng
    promoter = pick_promoters(world, 1, low=0.7)
    begin = _evening(world, 0.1, 0.7)
    count = int(rng.integers(40, 150))
    registered = begin + (rng.random(count) ** 2 * 7 * DAY).astype(np.int64)
    newcomers = add_buyers(world, registered)
    world.place(newcomers, int(promoter[0]), world.pick_skus(count),
                registered + (rng.exponential(6, count) * HOUR).astype(np.int64) + 200)  # fmt: skip
    shopping.shop_for(world, newcomers, rng.poisson(0.5, count))
    world.mark_group("welcome_wave", promoter, newcomers)


CONFOUNDERS = (
    Confounder("livestream", "hundreds order what a show is about within the hour, many of them for the first time",
               _place_livestream),
    Confounder("group_buy", "a neighbourhood orders the same goods again and again on one evening through its leader",
               _place_group_buy),
    Confounder("flash_sale", "hundreds of strangers order three goods within minutes at half price", _place_flash_sale),
    Confounder("school_fund", "parents sign up and order once to support a school trip through one teacher",
               _place_school_fund),
    Confounder("subscription", "the same goods at the same minute every month", _place_subscription),
    Confounder("priced_below_limit", "a good product costs 499 where amounts from 500 are looked at",
               _place_below_limit_price),
    Confounder("welcome_wave", "a well-known promoter joins and brings fans who are all new", _place_welcome_wave),
)  # fmt: skip
