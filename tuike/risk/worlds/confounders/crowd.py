"""What every confounder is made with: honest accounts chosen or added, and things they share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuike.risk.worlds import identity
from tuike.risk.worlds.model import DAY, Ints
from tuike.risk.worlds.world import World


@dataclass(frozen=True, slots=True)
class Confounder:
    """An honest pattern that looks like fraud: its name, why it is honest, how one group of it is placed."""

    name: str
    says: str
    place: "Callable[[World], None]"


def pick_buyers(world: World, count: int, *, recent_days: float | None = None) -> Ints:
    """Choose honest buyers who take part in nothing else; with `recent_days`, late ones first.

    In a small world groups are smaller: none takes more than a fortieth of the buyers.
    """
    count = min(count, max(12, world.honest_buyers // 40))
    free = world.is_free(world.honest_buyers, world.taken_buyers)
    if recent_days is not None:
        recent = free & (world.buyers["registered_at"][: len(free)] > world.end - recent_days * DAY)
        free = recent if recent.sum() >= count else free
    candidates = np.flatnonzero(free)
    return world.rng.choice(candidates, min(count, len(candidates)), replace=False)


def pick_promoters(world: World, count: int, *, low: float = 0.0, high: float = 1.0) -> Ints:
    """Choose promoters who take part in nothing else, between two quantiles of how much they sell."""
    weight = world.trade.promoter_weight
    active = weight[weight > 0]
    free = world.is_free(len(weight), world.taken_promoters)
    free &= (weight > 0) & (weight >= np.quantile(active, low)) & (weight <= np.quantile(active, high))
    candidates = np.flatnonzero(free)
    return world.rng.choice(candidates, min(count, len(candidates)), replace=False)


def add_buyers(world: World, registered: Ints, *, city: int | None = None, skip: tuple[str, ...] = ()) -> Ints:
    """Add honest buyers with ordinary identifiers of their own, except the kinds in `skip`."""
    count, rng = len(registered), world.rng
    persons = world.new_persons(count)
    cities = rng.integers(0, world.host.cities, count) if city is None else np.full(count, city)
    buyers = world.buyers.append(
        count, registered_at=np.clip(registered, world.start - 200 * DAY, world.end - DAY), person=persons,
        city=cities, home=persons)  # fmt: skip
    identity.equip_buyers(world, buyers, skip=skip)
    world.taken_buyers.update(buyers.tolist())
    return buyers


def see(world: World, kind: str, buyers: Ints, values: Ints, at: Ints | None = None, *, is_buyer: bool = True) -> None:
    """Show one of `values` for each account that shows this kind here at all."""
    shown = world.rng.random(len(buyers)) < world.host.get_coverage(kind)
    if world.host.get_coverage(kind) == 0:
        return
    if at is None:
        at = world.pick_instants(np.full(len(buyers), world.start))
    drawn = values if len(values) == len(buyers) else values[world.rng.integers(0, len(values), len(buyers))]
    world.see(kind, is_buyer=is_buyer, accounts=buyers[shown], values=drawn[shown], seen_at=at[shown])


def new_building(world: World) -> int:
    """Return an address nobody else has, without a room; add 1 to 4,095 for its rooms."""
    return int(world.new_values(1)[0]) * identity.ROOMS
