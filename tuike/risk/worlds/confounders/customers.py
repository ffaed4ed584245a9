"""Single people who stand out: staff, super-promoters, gift givers, those who send back, promoters who buy a lot."""

import numpy as np

from tuike.risk.worlds.confounders.crowd import Confounder, new_building, pick_buyers, pick_promoters, see
from tuike.risk.worlds.model import DAY
from tuike.risk.worlds.world import World


def _place_staff_discount(world: World) -> None:
    rng = world.rng
    staff = pick_buyers(world, int(rng.integers(15, 50)))
    office = pick_promoters(world, 1, high=0.7)
    see(world, "ip", np.repeat(staff, 3), world.new_values(1))
    buyers = np.repeat(staff, 2 + rng.poisson(3, len(staff)))
    sku = world.pick_skus(len(buyers))
    world.place(buyers, int(office[0]), sku, world.pick_instants(world.buyers["registered_at"][buyers]),
                amounts=world.trade.sku_price[sku] * 7 // 10, touched=0.3)  # fmt: skip
    world.mark_group("staff_discount", office, staff)


def _place_super_promoter(world: World) -> None:
    rng = world.rng
    star = pick_promoters(world, 1, low=0.8)
    fans = pick_buyers(world, min(int(rng.integers(150, 600)), world.honest_buyers // 8))
    buyers = np.repeat(fans, 1 + rng.poisson(1.6, len(fans)))
    favourites = world.pick_skus(25)
    sku = np.where(
        rng.random(len(buyers)) < 0.5, favourites[rng.integers(0, 25, len(buyers))], world.pick_skus(len(buyers))
    )
    world.place(buyers, int(star[0]), sku, world.pick_instants(world.buyers["registered_at"][buyers]))
    world.mark_group("super_promoter", star, fans)


def _place_gift_buying(world: World) -> None:
    rng = world.rng
    givers = pick_buyers(world, int(rng.integers(8, 20)))
    for giver in givers.tolist():
        friends = int(rng.integers(3, 9))
        addresses = world.new_values(friends) * 4096 + 5
        who = np.full(friends, giver)
        at = world.pick_instants(np.full(friends, world.buyers["registered_at"][giver]))
        see(world, "address", who, addresses, at)
        world.place(who, -1, world.pick_skus(friends), at)
    receivers = pick_buyers(world, len(givers))
    see(world, "address", np.concatenate((givers, receivers)), np.tile(world.new_values(len(givers)) * 4096 + 9, 2)[
        : len(givers) + len(receivers)])  # fmt: skip
    world.mark_group("gift_buying", (), np.concatenate((givers, receivers)))


def _place_returns_prone(world: World) -> None:
    rng = world.rng
    members = pick_buyers(world, int(rng.integers(20, 50)))
    buyers = np.repeat(members, 3 + rng.poisson(4, len(members)))
    cdf = np.cumsum(world.trade.promoter_weight)
    through = np.searchsorted(cdf, rng.random(len(buyers)), side="right").clip(0, len(cdf) - 1)
    world.place(buyers, through, world.pick_skus(len(buyers)),
                world.pick_instants(world.buyers["registered_at"][buyers]), refunded=0.55)  # fmt: skip
    world.mark_group("returns_prone", (), members)


def _place_heavy_customer(world: World) -> None:
    rng = world.rng
    known, own = world.same_person["promoter"], world.same_person["buyer"]
    free = np.array([p not in world.taken_promoters and b not in world.taken_buyers
                     for p, b in zip(known.tolist(), own.tolist(), strict=True)], np.bool_)  # fmt: skip
    chosen = np.flatnonzero(free)
    chosen = rng.choice(chosen, min(len(chosen), int(rng.integers(5, 15))), replace=False)
    times = 8 + rng.poisson(10, len(chosen))
    buyers = np.repeat(own[chosen], times)
    world.place(buyers, np.repeat(known[chosen], times), world.pick_skus(len(buyers)),
                world.pick_instants(world.buyers["registered_at"][buyers]), touched=0.5)  # fmt: skip
    world.mark_group("heavy_customer", known[chosen], own[chosen])


def _place_small_shop(world: World) -> None:
    rng = world.rng
    supplier = pick_promoters(world, 1, low=0.4)
    shops = pick_buyers(world, int(rng.integers(5, 14)))
    goods = world.pick_ordinary_skus(6)
    for shop in shops.tolist():
        see(world, "address", np.array([shop]), np.array([new_building(world)]))
        weeks = np.arange(int(rng.integers(0, 7)), world.host.days - 1, 7)
        at = world.start + weeks * DAY + 9 * 3600 + rng.integers(0, 5400, len(weeks))
        at = at[at > world.buyers["registered_at"][shop]]
        sku = goods[rng.integers(0, 6, len(at))]
        world.place(np.full(len(at), shop), int(supplier[0]), sku, at,
                    amounts=world.trade.sku_price[sku] * rng.integers(10, 40, len(at)), touched=0.1)  # fmt: skip
    world.mark_group("small_shop", supplier, shops)


CONFOUNDERS = (
    Confounder("staff_discount", "a company's staff buys at a discount through one promoter from one network",
               _place_staff_discount),
    Confounder("super_promoter", "an honest promoter with hundreds of loyal fans who like the same goods",
               _place_super_promoter),
    Confounder("gift_buying", "some send gifts to many addresses, and two friends send to the same one",
               _place_gift_buying),
    Confounder("returns_prone", "some order three sizes and send two back", _place_returns_prone),
    Confounder("heavy_customer", "a promoter known to be a buyer too buys a lot through the own link",
               _place_heavy_customer),
    Confounder("small_shop", "small shops order the same goods in bulk every week through one supplier",
               _place_small_shop),
)  # fmt: skip
