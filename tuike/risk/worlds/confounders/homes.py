"""People under one roof: families, dormitories, offices, and those who fetch parcels at the same place."""

import numpy as np

from tuike.risk.worlds import shopping
from tuike.risk.worlds.confounders.crowd import Confounder, add_buyers, new_building, pick_buyers, pick_promoters, see
from tuike.risk.worlds.model import DAY
from tuike.risk.worlds.world import World


def _place_family(world: World) -> None:
    rng = world.rng
    members = pick_buyers(world, int(rng.integers(3, 6)))
    home, device, card = np.array([new_building(world) + 12]), world.new_values(1), world.new_values(1)
    connection = world.new_values(1)
    see(world, "address", members, home)
    see(world, "ip", members, connection)
    see(world, "device", members[rng.random(len(members)) < 0.7], device)
    see(world, "payment_account", members[rng.random(len(members)) < 0.6], card)
    promoters = np.empty(0, np.int64)
    if rng.random() < 0.35:
        promoters = pick_promoters(world, 1, high=0.8)
        see(world, "ip", promoters, connection, is_buyer=False)
        through = np.repeat(members, rng.poisson(0.8, len(members)))
        world.place(through, int(promoters[0]), world.pick_skus(len(through)),
                    world.pick_instants(world.buyers["registered_at"][through]))  # fmt: skip
    world.mark_group("family", promoters, members)


def _place_dormitory(world: World) -> None:
    rng = world.rng
    members = pick_buyers(world, int(rng.integers(40, 160)))
    building = new_building(world)
    rooms = building + np.where(rng.random(len(members)) < 0.45, 0, rng.integers(1, 400, len(members)))
    see(world, "address", members, rooms)
    see(world, "ip", np.repeat(members, 2), world.new_values(3))
    ambassador = pick_promoters(world, 1, low=0.6)
    buyers = np.repeat(members, rng.poisson(0.9, len(members)))
    favourites = world.pick_skus(8)
    at = world.pick_instants(world.buyers["registered_at"][buyers])
    world.place(buyers, int(ambassador[0]), favourites[rng.integers(0, 8, len(buyers))], at)
    world.mark_group("dormitory", ambassador, members)


def _place_office(world: World) -> None:
    rng = world.rng
    members = pick_buyers(world, int(rng.integers(15, 80)))
    see(world, "address", members, np.array([new_building(world)]))
    connection = world.new_values(1)
    see(world, "ip", np.repeat(members, 2), connection)
    colleague = pick_promoters(world, 1, low=0.3)
    see(world, "ip", colleague, connection, is_buyer=False)
    for _ in range(int(rng.integers(1, 4))):
        lunch = int(world.pick_instants(np.array([world.start]))[0]) // DAY * DAY + 4 * 3600
        some = members[rng.random(len(members)) < 0.4]
        at = np.maximum(lunch + rng.integers(0, 3600, len(some)), world.buyers["registered_at"][some] + 60)
        world.place(some, int(colleague[0]), np.full(len(some), world.pick_skus(1)[0]), at)
    world.mark_group("office", colleague, members)


def _place_pickup_point(world: World) -> None:
    rng = world.rng
    count = int(rng.integers(60, 200))
    members = pick_buyers(world, count)
    shop = np.array([new_building(world)])
    see(world, "address", members, shop)
    keeper = pick_promoters(world, 1, low=0.5)
    see(world, "address", keeper, shop, is_buyer=False)
    buyers = np.repeat(members, rng.poisson(2.0, len(members)))
    at = world.pick_instants(world.buyers["registered_at"][buyers])
    world.place(buyers, int(keeper[0]), world.pick_skus(len(buyers)), at)
    world.mark_group("pickup_point", keeper, members)


def _place_grandparents(world: World) -> None:
    rng = world.rng
    start = world.start + int(rng.uniform(0.2, 0.8) * world.host.days * DAY)
    helper = pick_buyers(world, 1)
    elders = add_buyers(
        world, start + rng.integers(0, 20 * DAY, int(rng.integers(2, 5))), skip=("device", "payment_account")
    )
    both = np.concatenate((helper, elders))
    see(world, "device", both, world.new_values(1))
    see(world, "payment_account", both, world.new_values(1))
    shopping.shop_for(world, elders, 1 + rng.poisson(2.0, len(elders)))
    world.mark_group("grandparents", (), both)


CONFOUNDERS = (
    Confounder("family", "a household shares address, connection, a tablet and a card; sometimes one of them promotes",
               _place_family),
    Confounder("dormitory", "students behind one building's address and connection follow one campus ambassador",
               _place_dormitory),
    Confounder("office", "colleagues have parcels sent to work and order lunch or gifts together", _place_office),
    Confounder("pickup_point", "a village fetches its parcels at one shop whose keeper is the promoter",
               _place_pickup_point),
    Confounder("grandparents", "children order and pay on their phone for parents who have accounts of their own",
               _place_grandparents),
)  # fmt: skip
