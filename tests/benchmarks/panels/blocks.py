"""The injection experiments of the literature: dense blocks of buyers × goods or promoters, in time, with camouflage.

After FRAUDAR (camouflage at random or biased to what is popular, hijacked accounts), CopyCatch and HoloScope (lockstep
in a window of time). Goods are real goods of the host; what the block buys earns promoters of its own.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from tests.benchmarks.panels.crews import Crew, Knobs, gather, join, pick_start, recruit
from tests.benchmarks.panels.shapes import SHAPES
from tests.benchmarks.panels.world import DAY, HOUR, Account, Ring, World

T = TypeVar("T")

BUYERS = (10, 30, 100)
TARGETS = (5, 20, 100)
DENSITIES = (0.1, 0.3, 0.6)
CAMOUFLAGE = ((0, False), (1, False), (1, True), (3, False), (3, True))
_CAMPAIGN = 10 * DAY  # or more: each target has a window of its own, `spread` wide, somewhere in these days
SPREADS = (2 * HOUR, 48 * HOUR, 14 * DAY, 56 * DAY)


def is_provable(
    buyers: int, targets: int, density: float, spread: int, kind: str, *, custom: float, lively: bool, whole_days: bool
) -> bool:
    """Say whether somebody who has all files could tell such a block from friends or from a group that buys together.

    Within hours: everybody meets two others or more, at four goods or two promoters; in a `lively` host, where honest
    promoters have followers who do so, three in ten or more join each time. Within two days that is what offers to a
    circle of customers look like, unless six in ten join, or three in ten at promoter after promoter. Slower: any two
    have three promoters in common, or twice as many goods as customers of one promoter have here by `custom`, and each
    target has five buyers.
    """
    company, stops = density * buyers, density * targets
    if kind == "promoters":
        least, quick, within_days, common = 2, 0.1, 0.3, 3.0
    else:
        least, quick, within_days, common = 4, 0.3 if lively else 0.1, 0.6, 2 * custom + 1
    if spread > 48 * HOUR or (whole_days and spread < DAY):
        return company >= 5 and stops >= least and density * stops >= common
    return company >= 3 and stops >= least and density >= (quick if spread < DAY else within_days)


def measure_custom(world: World) -> float:
    """Return how many goods two regular customers of one promoter have in common there: rarely more than this."""
    baskets: dict[int, dict[int, set[int]]] = {}
    orders: Counter[tuple[int, int]] = Counter()
    for _, buyer, promoter, sku, *_ in world.lines:
        if promoter is not None:
            baskets.setdefault(promoter, {}).setdefault(buyer, set()).add(sku)
            orders[promoter, buyer] += 1
    rng, common = random.Random(f"custom/{world.name}/{world.seed}"), [0]
    for promoter in rng.sample(sorted(baskets), min(200, len(baskets))):
        regular = [buyer for buyer in baskets[promoter] if orders[promoter, buyer] >= 3]
        for _ in range(min(20, len(regular) * (len(regular) - 1) // 2)):
            one, other = rng.sample(regular, 2)
            common.append(len(baskets[promoter][one] & baskets[promoter][other]))
    return sorted(common)[len(common) * 95 // 100]


def count_orders(knobs: Knobs, targets: int) -> int:
    """Return about how many orders a block places, innocent ones included."""
    return int(knobs.size * targets * knobs.density * (1 + knobs.camouflage))


def draw_cells(rng: random.Random, world: World, count: int, largest: int) -> list[tuple[Knobs, int, str]]:
    """Return cells of the grid, each level of each knob as often as any other where that is possible."""
    decks = [_deal(rng, levels, count * 5) for levels in (BUYERS, TARGETS, DENSITIES, CAMOUFLAGE, SPREADS)]
    kinds = _deal(rng, ("goods", "promoters", "hijacked"), count * 5)
    cells: list[tuple[Knobs, int, str]] = []
    days, custom = world.habits.days - 5, measure_custom(world)
    lively = world.name in SHAPES and SHAPES[world.name].live >= 0.1
    for buyers, targets, density, (camouflage, biased), spread, kind in zip(*decks, kinds, strict=True):
        if len(cells) == count:
            break
        fits = buyers <= largest and (kind != "promoters" or targets <= min(20, largest)) and spread <= days * DAY
        if fits and is_provable(
            buyers, targets, density, spread, kind, custom=custom, lively=lively, whole_days=world.habits.whole_days
        ):
            cells.append((Knobs(buyers, density, camouflage, biased=biased, spread=spread, overlap=0), targets, kind))
    return cells


def plant_block(world: World, knobs: Knobs, targets: int, kind: str) -> Ring:
    """Plant one block and return it. `kind`: goods, promoters (the targets are promoters of the ring), hijacked."""
    rng = world.rng
    span = min(
        max(_CAMPAIGN, 8 * knobs.spread if knobs.spread <= 48 * HOUR else knobs.spread), (world.habits.days - 4) * DAY
    )
    rest = span - knobs.spread + DAY
    sellers = targets if kind == "promoters" else max(1, min(5, targets // 10))
    if kind == "hijacked":
        since = pick_start(world, knobs.spread, rest)
        crew = Crew(world, knobs, since, gather(world, knobs.size), [])
        crew.sellers += [join(world, since, upline=None) for _ in range(sellers)]
    else:
        crew = recruit(world, knobs, sellers=sellers, rest=rest)
    goods = [world.pick_sku(popular=rng.random() < 0.5) for _ in range(targets)]
    for number in range(targets):
        window = crew.since + rng.random() * (span - knobs.spread)
        for buyer in crew.buyers:
            if rng.random() < knobs.density:
                at = min(window + rng.random() * knobs.spread, world.habits.end - 1)
                seller = crew.sellers[number] if kind == "promoters" else rng.choice(crew.sellers)
                sku = world.pick_sku() if kind == "promoters" else goods[number]
                crew.buy(buyer, seller, [sku], max(at, world.buyers[buyer] + 60))
    crew.hide()
    members, victims = crew.list_members(), frozenset[Account]()
    if kind == "hijacked":
        victims = frozenset(account for account in members if account[0] == "buyer")
        members -= victims
    proof = "the same buyers meet at the same targets more often, or closer in time, than their popularity explains"
    return Ring(f"block-{kind}", members, victims, {**knobs.to_json(), "targets": targets}, proof)


def _deal(rng: random.Random, levels: Sequence[T], count: int) -> list[T]:
    deck = [levels[number % len(levels)] for number in range(count)]
    rng.shuffle(deck)
    return deck
