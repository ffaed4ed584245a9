"""Which worlds there are for a seed: of every host silent ones, mixed ones, and ones with blocks of the injection grid."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.panels.blocks import count_orders, draw_cells, measure_custom, plant_block
from tests.benchmarks.panels.crews import Knobs
from tests.benchmarks.panels.hosts import grow_host
from tests.benchmarks.panels.lookalikes import LOOKALIKES, plant_lookalike
from tests.benchmarks.panels.rings import DOCUMENTED, Pattern, plant_pattern
from tests.benchmarks.panels.schemes import INVENTED
from tests.benchmarks.panels.shapes import SHAPES
from tests.benchmarks.panels.world import DAY, HOUR, World

HOSTS = (*SHAPES, "stores", "makers")
PARTS = ("silent", "mixed", "grid")
MOST_CHEATS, FEWEST_CHEATS = 0.03, 0.005  # of all accounts
_MIXED, _GRID = 3, 3  # worlds of each host
_BUSY = 0.1  # of all orders may be of rings, innocent ones of theirs included
_CROWDED = 0.3  # of all people may stand in look-alikes
_SPREADS = (2 * HOUR, 48 * HOUR, 7 * DAY, 28 * DAY, 56 * DAY)


@dataclass(frozen=True, slots=True)
class Trial:
    """One world to be made and judged."""

    host: str
    part: str
    number: int
    seed: int

    @property
    def name(self) -> str:
        """Return what the world's directory is called."""
        return f"{self.host}-{self.part}{self.number}-{self.seed}"


def list_trials(seeds: list[int], hosts: tuple[str, ...] = HOSTS, parts: tuple[str, ...] = PARTS) -> list[Trial]:
    """Return the trials of some seeds."""
    counts = {"silent": 1, "mixed": _MIXED, "grid": _GRID}
    return [
        Trial(host, part, number, seed)
        for seed in seeds
        for host in hosts
        for part in parts
        for number in range(1, counts[part] + 1)
    ]


def make_world(trial: Trial) -> World:
    """Return the world of a trial: the host of its seed, honest look-alikes, and its rings."""
    world = _grow(trial)
    rng = world.rng = random.Random(f"{trial.name}/planting")
    accounts = len(world.buyers) + len(world.promoters)
    budget = int(accounts * rng.uniform(FEWEST_CHEATS, MOST_CHEATS))
    if trial.part == "mixed":
        _plant_patterns(world, trial, max(budget, accounts // 80))
    elif trial.part == "grid":
        _plant_blocks(world, max(budget, accounts // 60))
    _plant_lookalikes(world)
    return world


def _grow(trial: Trial) -> World:
    if trial.host in SHAPES:
        return grow_host(trial.host, trial.seed)
    from tests.benchmarks.panels.baskets import grow_baskets

    return grow_baskets(trial.host, trial.seed)


def _plant_patterns(world: World, trial: Trial, budget: int) -> None:
    """Deal the provable frauds over the mixed worlds of a host, so that each is in some, and repeat small ones."""
    provable = [pattern for pattern in (*DOCUMENTED, *INVENTED) if pattern.is_provable(world)]
    random.Random(f"{trial.host}/{trial.seed}").shuffle(provable)
    mine = provable[trial.number - 1 :: _MIXED]
    left = budget
    for pattern in (*mine, *mine, *mine, *provable):
        if pattern not in mine and world.rings:
            return
        knobs = _draw_knobs(world, pattern, max(budget // 3, 8), left)
        if knobs is not None:
            ring = plant_pattern(pattern, world, knobs)
            world.rings.append(ring)
            left -= len(ring.members) + len(ring.victims) // 2


def _draw_knobs(world: World, pattern: Pattern, largest: int, left: int) -> Knobs | None:
    """Return knobs for a ring that fits into what is left of the budget, or None."""
    rng = world.rng
    least, most = pattern.sizes
    most = min(most, largest, left)
    if most < least:
        return None
    sizes = [size for size in (3, 4, 5, 6, 8, 12, 20, 30, 50, 80, 120, 200) if least <= size <= most] or [least]
    camouflage, biased = rng.choice(((0, False), (0, False), (1, False), (1, True), (3, False), (3, True)))
    if pattern.name == "own-people":  # with a life of their own they would be a family
        camouflage = min(camouflage, 1)
    return Knobs(
        size=rng.choice(sizes),
        density=rng.choice((0.3, 0.6, 1.0)),
        camouflage=camouflage,
        biased=biased,
        spread=rng.choice(_list_spreads(world, pattern)),
        overlap=rng.choice(_OVERLAPS.get(pattern.name, (0.75, 1.0))),
    )


def _list_spreads(world: World, pattern: Pattern) -> list[int]:
    """Return spreads that this host has time for; what takes weeks by nature, or shows only when quick, is given that."""
    least, most = _PACE.get(pattern.name, (48 * HOUR, 56 * DAY))
    if pattern.name == "lockstep" and measure_custom(world) > 5:  # customers here have that much in common anyway
        most = 48 * HOUR
    most = min(most, (world.habits.days - 6 - _REST.get(pattern.name, 2)) * DAY)
    return [spread for spread in _SPREADS if least <= spread <= most] or [max(2 * DAY, most)]


# What is told by other signs too may share little; what is told by nothing else shares everything.
_OVERLAPS = dict.fromkeys(("one-purse", "ladder", "handing-over", "recycling"), (0.5, 0.75, 1.0)) | {
    "own-people": (1.0,)
}
_PACE = {
    "lockstep": (2 * HOUR, 28 * DAY),
    "hijacked": (2 * HOUR, 2 * HOUR),
    "star": (2 * HOUR, 28 * DAY),
    "recycling": (28 * DAY, 56 * DAY),
    "handing-over": (7 * DAY, 56 * DAY),
    "below-the-radar": (7 * DAY, 56 * DAY),
    "quota": (2 * HOUR, 56 * DAY),
    "circle": (7 * DAY, 56 * DAY),
    "click-flood": (7 * DAY, 28 * DAY),
}
_REST = {"after-settlement": 26, "costly-half": 24, "stolen-cards": 30, "lockstep": 12, "hijacked": 12}


def _plant_blocks(world: World, budget: int) -> None:
    left, orders = budget, int(world.count_orders() * _BUSY)
    for knobs, targets, kind in draw_cells(world.rng, world, 16, largest=max(30, budget // 2)):
        placed = count_orders(knobs, targets)
        cost = knobs.size // 2 if kind == "hijacked" else knobs.size
        cost += targets if kind == "promoters" else 1
        if cost <= left and placed <= orders:
            world.rings.append(plant_block(world, knobs, targets, kind))
            left, orders = left - cost, orders - placed


def _plant_lookalikes(world: World) -> None:
    """Add look-alikes in random order, one of each and more where there is room, until a part of all people stand in some."""
    room = len(world.people) * _CROWDED + len(world.taken)
    for likeness in _rounds(world.rng, 3):
        if len(world.taken) >= room:
            return
        plant_lookalike(world, likeness)


def _rounds(rng: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield from rng.sample(sorted(LOOKALIKES), len(LOOKALIKES))
