"""Honest trade that nobody planned: people, households, promoters, goods and orders in the shape of a host."""

import random

import numpy as np

from tests.benchmarks.panels.shapes import SHAPES, Shape
from tests.benchmarks.panels.world import DAY, HOUR, Person, World

_RANGE = 40  # goods that a promoter talks about


def grow_host(name: str, seed: int) -> World:
    """Return an honest world of a shape in `SHAPES`."""
    shape = SHAPES[name]
    world = World(name, shape.habits, seed)
    dice = np.random.default_rng(world.rng.getrandbits(48))
    world.prices = np.maximum(100, dice.lognormal(*shape.price, shape.goods).astype(np.int64) // 10 * 10)
    world.fame = _tail(dice, shape.goods, shape.goods_tail)
    _add_promoters(world, shape)
    world.pull = _tail(dice, shape.promoters, shape.promoter_tail)
    _add_people(world, shape)
    for person in world.people:
        world.introduce(person, max(world.habits.start, world.buyers[person.buyer]), world.habits.end)
    _trade(world, shape, dice)
    _pass_by(world, shape)
    return world


def furnish(world: World, residents: list[int]) -> None:
    """Give people who live under one roof an address and a network, and each something of his own."""
    rng = world.rng
    roof = {kind: world.make_value(kind) for kind in ("address", "ip")}
    family_card, tablet = world.make_value("payment_account"), world.make_value("device")
    for resident in residents:
        own = dict(roof)
        for kind in ("device", "phone", "payment_account"):
            own[kind] = world.make_value(kind)
        if len(residents) > 1 and rng.random() < 0.3:
            own["payment_account"] = family_card
        if len(residents) > 1 and rng.random() < 0.2:
            own["device"] = tablet
        world.people[resident].own = own


def _tail(dice: np.random.Generator, count: int, exponent: float) -> np.ndarray:
    """Return cumulative shares after Zipf's law, ranks in random places, no share quite regular."""
    weights = (dice.permutation(count) + 3.0) ** -exponent * dice.lognormal(0, 0.3, count)
    return np.cumsum(weights / weights.sum())


def _add_promoters(world: World, shape: Shape) -> None:
    """Promoters joined over three years; most were invited, and who has invited many invites more."""
    rng, habits = world.rng, world.habits
    joined = sorted(habits.end - int(rng.random() ** 1.5 * 3 * 365 * DAY * _age(shape)) for _ in range(shape.promoters))
    tickets: list[int] = []
    for number, at in enumerate(joined):
        inviter = rng.choice(tickets) if tickets and rng.random() < 0.6 else None
        world.add_promoter(at, inviter)
        tickets.append(number)
        if inviter is not None:
            tickets.append(inviter)


def _age(shape: Shape) -> float:
    """Return how old a platform is, in three years: a shop of newcomers is young."""
    return 0.1 if shape.habits.newcomers > 0.9 else 1.0


def _add_people(world: World, shape: Shape) -> None:
    rng, habits = world.rng, world.habits
    for _ in range(shape.buyers):
        if rng.random() < habits.newcomers:
            registered = habits.start + int(rng.random() * (habits.days - 1) * DAY)
        else:
            registered = habits.start - int(rng.random() ** 1.3 * 900 * DAY)
        world.people.append(Person(world.add_buyer(registered)))
    first = 0
    while first < shape.buyers:
        size = min(rng.choices((1, 2, 3, 4, 5), (45, 25, 15, 11, 4))[0], shape.buyers - first)
        furnish(world, list(range(first, first + size)))
        first += size
    _share_networks(world, shape)
    for promoter, buyer in enumerate(rng.sample(range(shape.buyers), int(shape.promoters * 0.7))):
        person = world.people[buyer]
        person.promoter = promoter
        person.own["payout_account"] = world.make_value("payout_account")
        if rng.random() < 0.4:
            world.same.append((promoter, buyer))


def _share_networks(world: World, shape: Shape) -> None:
    """A third of all people come through one of a few addresses of their mobile carrier; some pick numbers up again."""
    rng = world.rng
    exits = [world.make_value("ip") for _ in range(max(3, shape.buyers // 400))]
    for person in world.people:
        if rng.random() < 0.35:
            person.own["ip"] = rng.choice(exits)
        if rng.random() < 0.01:
            person.own["phone"] = rng.choice(world.people).own.get("phone", person.own["phone"])


def _trade(world: World, shape: Shape, dice: np.random.Generator) -> None:
    rng = world.rng
    activity = dice.lognormal(0, shape.activity_sigma, shape.buyers)
    counts = dice.multinomial(int(shape.orders * (1 - shape.live)), activity / activity.sum())
    ranges = [sorted({world.pick_sku() for _ in range(_RANGE)}) for _ in range(shape.promoters)]
    villages = [[] for _ in range(shape.villages)]  # type: list[list[int]]
    for promoter in range(shape.promoters):
        villages[rng.randrange(shape.villages)].append(promoter)
    favourites: list[list[int]] = []
    for buyer, count in enumerate(counts):
        near = villages[buyer * shape.villages // shape.buyers]
        mine = [_pick_favourite(world, near) for _ in range(1 + _count(rng, shape.favourites))]
        own = world.people[buyer].promoter
        if own is not None and rng.random() < 0.3:
            mine[0] = own  # it earns nothing, but the link is at hand
        favourites.append(mine)
        if rng.random() < shape.cadence:
            _shop_weekly(world, buyer, int(count), mine[0], ranges)
        else:
            _shop(world, shape, buyer, int(count), mine, ranges)
    _show_live(world, shape, favourites, ranges)


def _pick_favourite(world: World, near: list[int]) -> int:
    rng = world.rng
    return rng.choice(near) if near and rng.random() < 0.5 else world.pick_seller()


def _count(rng: random.Random, mean: float) -> int:
    """Return a geometric count with the given mean."""
    count = 0
    while rng.random() < mean / (1 + mean):
        count += 1
    return count


def _open_from(world: World, buyer: int) -> int:
    return max(world.habits.start, world.buyers[buyer])


def _shop(world: World, shape: Shape, buyer: int, count: int, mine: list[int], ranges: list[list[int]]) -> None:
    rng, habits = world.rng, world.habits
    for _ in range(count):
        promoter = None if rng.random() < habits.organic else mine[min(_count(rng, 0.7), len(mine) - 1)]
        offer = ranges[promoter] if promoter is not None else None
        goods = {
            rng.choice(offer) if offer and rng.random() < 0.75 else world.pick_sku()
            for _ in range(1 + _count(rng, habits.lines - 1))
        }
        world.order(buyer, promoter, sorted(goods), habits.draw_instant(rng, _open_from(world, buyer), habits.end))


def _shop_weekly(world: World, buyer: int, count: int, promoter: int, ranges: list[list[int]]) -> None:
    rng, habits = world.rng, world.habits
    staple = rng.sample(ranges[promoter], min(4, len(ranges[promoter])))
    step = max(7 * DAY, (habits.end - _open_from(world, buyer)) / max(1, count))
    at = _open_from(world, buyer) + rng.random() * step
    while at < habits.end:
        goods = {sku for sku in staple if rng.random() < 0.6} | {rng.choice(ranges[promoter])}
        source = None if rng.random() < habits.organic / 3 else promoter
        when = max(at + rng.gauss(0, 2 * HOUR), _open_from(world, buyer))
        world.order(buyer, source, sorted(goods), int(when))
        at += step + rng.gauss(0, DAY / 3)


def _show_live(world: World, shape: Shape, favourites: list[list[int]], ranges: list[list[int]]) -> None:
    """In a live show a promoter's followers, and some who drop in, buy one of a few goods within an hour or two."""
    rng, habits = world.rng, world.habits
    followers: dict[int, list[int]] = {}
    for buyer, mine in enumerate(favourites):
        for promoter in mine:
            followers.setdefault(promoter, []).append(buyer)
    left = int(shape.orders * shape.live)
    while left > 0:
        promoter = world.pick_seller()
        begin = habits.draw_instant(rng, habits.start, habits.end - DAY)
        offer = rng.sample(ranges[promoter], min(rng.randint(1, 5), len(ranges[promoter])))
        crowd = [b for b in followers.get(promoter, []) if rng.random() < 0.25 and world.buyers[b] < begin]
        crowd += rng.sample(range(shape.buyers), rng.randint(1, 6))
        for buyer in crowd[:left]:
            at = begin + int(min(rng.expovariate(1 / 1500), 3 * HOUR))
            if world.buyers[buyer] < at:
                world.order(buyer, promoter, [rng.choice(offer)], at, touched_before=rng.uniform(20, at - begin + 60))
        left -= max(1, len(crowd))


def _pass_by(world: World, shape: Shape) -> None:
    """Most openings of links lead to nothing; some come from a friend who passed the link on."""
    rng, habits = world.rng, world.habits
    if "touches" not in habits.knows:
        return
    last: dict[int, int] = {}
    for _ in range(int(shape.orders * shape.idle_touches)):
        promoter, buyer = world.pick_seller(), rng.randrange(shape.buyers)
        since = _open_from(world, buyer)
        if since >= habits.end:
            continue
        at = habits.draw_instant(rng, since, habits.end)
        parent = last.get(promoter) if rng.random() < shape.passing_on else None
        if parent is not None and (world.touches[parent][3] >= at or world.touches[parent][1] == buyer):
            parent = None
        last[promoter] = world.touch(promoter, buyer, at, parent)
