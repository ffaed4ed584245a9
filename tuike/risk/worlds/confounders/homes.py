"""People under one roof: families, dormitories, offices, and those who fetch parcels at the same place."""

import numpy as np

from tuike.risk.worlds import identity, shopping
from tuike.risk.worlds.confounders.crowd import Confounder, add_buyers, new_building, pick_buyers, pick_promoters, see
from tuike.risk.worlds.model import DAY, UNKNOWN, Ints
from tuike.risk.worlds.world import World


def _place_families(world: World) -> None:
    for _ in range(3):
        _place_family(world)


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
    if rng.random() < 0.45:
        promoters = pick_promoters(world, 1 + int(rng.random() < 0.4), high=0.8)
        see(world, "ip", promoters, connection, is_buyer=False)
        if rng.random() < 0.4:
            see(world, "device", promoters, device, is_buyer=False)
        _buy_among(world, members, promoters, mean=float(rng.uniform(0.5, 2.0)))
    world.mark_group("family", promoters, members)


def _buy_among(world: World, members: Ints, promoters: Ints, *, mean: float, own: Ints | None = None) -> None:
    """Let members order through any of the promoters now and then, hours or days after a link was sent.

    `own` names, for each member, the place among the promoters of the account that is the member's own, or -1: who
    wants to save asks a friend.
    """
    rng = world.rng
    row = np.repeat(np.arange(len(members)), rng.poisson(mean, len(members)))
    chosen = rng.integers(0, len(promoters), len(row))
    if own is not None and len(promoters) > 1:
        chosen = np.where(chosen == own[row], (chosen + 1) % len(promoters), chosen)
    sku = world.pick_skus(len(row))
    if rng.random() < 0.4:
        favourites = world.pick_ordinary_skus(3)
        sku = np.where(rng.random(len(row)) < 0.5, favourites[rng.integers(0, len(favourites), len(row))], sku)
    at = world.pick_instants(np.maximum(world.buyers["registered_at"][members[row]], world.start))
    if rng.random() < 0.25:
        weekend = int(world.pick_instants(np.array([world.start]))[0])
        at = np.where(rng.random(len(row)) < 0.3, weekend + rng.integers(0, 3 * DAY, len(row)), at)
        at = np.maximum(at, world.buyers["registered_at"][members[row]] + 600)
    world.place(members[row], promoters[chosen], sku, at, lag=float(rng.uniform(1.0, 12.0)))


def _place_all_roommates(world: World) -> None:
    for _ in range(int(world.rng.integers(3, 6))):
        _place_roommates(world)


def _place_roommates(world: World) -> None:
    rng = world.rng
    count = round(6 * (20 / 6) ** rng.random())
    if rng.random() < 0.4:
        intake = world.start + int(rng.uniform(0.0, 0.5) * world.host.days * DAY)
        members = add_buyers(world, intake + rng.integers(0, 20 * DAY, count))
        shopping.shop_for(world, members, rng.poisson(float(rng.choice([0.0, 1.0, 2.5])), count))
    else:
        members = pick_buyers(world, count)
    promoters, own = _choose_hosts(world, members, round(12 ** rng.random()))
    roof, connection, computer = np.array([new_building(world)]), world.new_values(1), world.new_values(1)
    if rng.random() < 0.75:
        see(world, "address", members, roof)
        see(world, "ip", members, connection)
        see(world, "ip", promoters, connection, is_buyer=False)
    if rng.random() < 0.65:
        see(world, "device", members[rng.random(len(members)) < rng.uniform(0.5, 1.0)], computer)
        if rng.random() < 0.4:
            see(world, "device", promoters, computer, is_buyer=False)
    _buy_among(world, members, promoters, mean=float(rng.choice([1.0, 2.0, 3.0, 4.0])), own=own)
    world.mark_group("roommates", promoters, members)


def _choose_hosts(world: World, members: Ints, count: int) -> tuple[Ints, Ints]:
    """Return promoters for friends, and which of them is each friend's own account, or -1.

    They are known people with customers, neighbours who sell to friends alone, or the friends themselves.
    """
    rng = world.rng
    count = min(count, len(members))
    nobody = np.full(len(members), -1, np.int64)
    if rng.random() < 0.4:
        return pick_promoters(world, count, high=0.8), nobody
    persons = world.new_persons(count)
    is_own = rng.random() < 0.6
    if is_own:
        persons = world.buyers["person"][members[:count]]
        nobody[:count] = np.arange(count)
    joined = world.pick_instants(np.full(count, world.start)) - rng.integers(0, 90 * DAY, count)
    inviters = np.where(rng.random(count) < 0.6, rng.integers(0, len(world.trade.promoter_weight), count), UNKNOWN)
    promoters = world.promoters.append(
        count, joined_at=joined, inviter=inviters, person=persons, city=world.buyers["city"][members[:count]]
    )
    if rng.random() < 0.4:
        world.promoters["inviter"][promoters[1:]] = promoters[0]
    identity.equip_promoters(world, promoters)
    known = is_own & (rng.random(count) < 0.6)
    world.same_person.append(int(known.sum()), promoter=promoters[known], buyer=members[:count][known])
    return promoters, nobody


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
    if rng.random() < 0.3:
        others = pick_promoters(world, int(rng.integers(1, 4)), high=0.7)
        see(world, "ip", others, connection, is_buyer=False)
        colleague = np.concatenate((colleague, others))
        _buy_among(world, members[: 2 + len(members) // 3], colleague, mean=1.5)
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
    Confounder("family", "a household shares address, connection, a tablet and a card; sometimes some promote",
               _place_families),
    Confounder("roommates", "a few friends under one roof, some of them promoters, buy through each other's links",
               _place_all_roommates),
    Confounder("dormitory", "students behind one building's address and connection follow one campus ambassador",
               _place_dormitory),
    Confounder("office", "colleagues have parcels sent to work and order lunch or gifts together, through some of them",
               _place_office),
    Confounder("pickup_point", "a village fetches its parcels at one shop whose keeper is the promoter",
               _place_pickup_point),
    Confounder("grandparents", "children order and pay on their phone for parents who have accounts of their own",
               _place_grandparents),
)  # fmt: skip
