"""What every fraud is made with: recruits, shared identifiers, dealings, camouflage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tuike.risk.worlds import identity, shopping
from tuike.risk.worlds.hosts import Host
from tuike.risk.worlds.model import DAY, HOUR, UNKNOWN, Floats, Ints, Knobs, Ring
from tuike.risk.worlds.world import World

_COVERED = 0.55


@dataclass(frozen=True, slots=True)
class Fraud:
    """A documented fraud: its name, what the cheats do and why, and how one ring of it is planted."""

    name: str
    says: str
    plant: "Callable[[Plot], None]"
    is_held_out: bool = False
    seen_by: tuple[str, ...] = ()
    """Input files or kinds of identifier of which one has to be there for the fraud to leave any trace."""

    def leaves_traces_in(self, host: Host) -> bool:
        """Return whether a shop of this shape records anything that gives the fraud away."""
        return not self.seen_by or any(
            name not in host.missing_files if name.endswith(".csv")
            else host.get_coverage(name) >= _COVERED and "identifiers.csv" not in host.missing_files
            for name in self.seen_by
        )  # fmt: skip


@dataclass
class Plot:
    """One ring in the making."""

    world: World
    fraud: str
    knobs: Knobs
    promoters: list[int] = field(default_factory=list)
    buyers: list[int] = field(default_factory=list)
    victims: list[int] = field(default_factory=list)
    leaders: set[int] = field(default_factory=set)
    hijacked: set[int] = field(default_factory=set)
    new_promoters: list[int] = field(default_factory=list)
    new_buyers: list[int] = field(default_factory=list)
    rows: list[Ints] = field(default_factory=list)
    since: int = 0
    _instead: dict[tuple[bool, int], set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world = self.world
        room = max(0.0, world.end - 3 * DAY - self.spread - world.start)
        self.since = world.start + int(room * (0.2 + 0.8 * world.rng.random() ** 0.7))

    @property
    def spread(self) -> int:
        """Over how many seconds synchronised dealings are spread; never more than half of the world."""
        return int(min(self.knobs.spread_hours * HOUR, self.world.host.days * DAY / 2))

    def size(self, low: int, high: int) -> int:
        """Return a size between the bounds, small ones more often."""
        return round(low * (high / low) ** self.world.rng.random())

    def recruit_promoters(self, count: int, *, aged: float = 0.3, joined: Ints | None = None,
                          inviters: Ints | None = None) -> Ints:  # fmt: skip
        """Win promoters: with chance `aged` each is one with some honest trade, else a new account."""
        world, rng = self.world, self.world.rng
        honest = len(world.trade.promoter_weight)
        free = world.is_free(honest, world.taken_promoters)
        weight = world.trade.promoter_weight
        modest = free & (weight > 0) & (weight < np.quantile(weight[weight > 0], 0.7))
        modest &= world.promoters["joined_at"][:honest] < self.since
        known, own = world.same_person["promoter"], world.same_person["buyer"]
        busy = np.isin(own, np.fromiter(world.taken_buyers, np.int64, len(world.taken_buyers)))
        modest[known[busy & (known < honest)]] = False
        candidates = np.flatnonzero(modest)
        old = min(int(rng.binomial(count, aged)), len(candidates))
        chosen = rng.choice(candidates, old, replace=False) if old else np.empty(0, np.int64)
        fresh = count - old
        if joined is None:
            joined = self.since - (rng.lognormal(np.log(12), 1.0, count) * DAY).astype(np.int64)
        if inviters is None:
            inviters = np.where(rng.random(count) < 0.6, rng.integers(0, honest, count), UNKNOWN)
        added = world.promoters.append(
            fresh, joined_at=joined[:fresh], inviter=inviters[:fresh], person=world.new_persons(fresh),
            city=rng.integers(0, world.host.cities, fresh))  # fmt: skip
        self.new_promoters += added.tolist()
        both = np.concatenate((chosen, added))
        self.promoters += both.tolist()
        world.taken_promoters.update(both.tolist())
        self._add_own_buyers(chosen)
        return both

    def _add_own_buyers(self, promoters: Ints) -> None:
        """Take the buyer accounts that are known to be the promoters' own into the ring: they are the same people."""
        known, own = self.world.same_person["promoter"], self.world.same_person["buyer"]
        theirs = own[np.isin(known, promoters)].tolist()
        self.buyers += theirs
        self.world.taken_buyers.update(theirs)

    def recruit_buyers(self, count: int, *, registered: Ints | None = None, aged: float = 0.0) -> Ints:
        """Add buyer accounts, `registered` when given and else in the weeks before; some may be old honest ones."""
        world, rng = self.world, self.world.rng
        if registered is None:
            registered = self.since - (rng.lognormal(np.log(9), 1.2, count) * DAY).astype(np.int64)
        old = self.pick_honest_buyers(int(rng.binomial(count, aged))) if aged else np.empty(0, np.int64)
        fresh = count - len(old)
        persons = world.new_persons(fresh)
        added = world.buyers.append(
            fresh, registered_at=np.clip(registered[:fresh], world.start - 200 * DAY, world.end - DAY),
            person=persons, city=rng.integers(0, world.host.cities, fresh), home=persons)  # fmt: skip
        self.new_buyers += added.tolist()
        both = np.concatenate((old, added))
        self.buyers += both.tolist()
        world.taken_buyers.update(both.tolist())
        return both

    def pick_honest_buyers(self, count: int) -> Ints:
        """Choose old accounts that take part in nothing else."""
        world = self.world
        honest = world.honest_buyers
        free = world.is_free(honest, world.taken_buyers) & (
            world.buyers["registered_at"][:honest] < self.since - 5 * DAY
        )
        promoting = world.same_person["buyer"]
        free[promoting[promoting < honest]] = False
        candidates = np.flatnonzero(free)
        return world.rng.choice(candidates, min(count, len(candidates)), replace=False)

    def share(self, kind: str, accounts: Sequence[int] | Ints, *, is_buyer: bool, pool: int | Ints = 1,
              overlap: float | None = None, also_own: float = 0.3) -> None:  # fmt: skip
        """Let accounts show identifiers of the ring: each, with chance `overlap`, one of a pool of values."""
        world, rng = self.world, self.world.rng
        values = world.new_values(pool) if isinstance(pool, int) else pool
        if kind == "address" and isinstance(pool, int):
            values = values * identity.ROOMS + 1 + rng.integers(0, identity.ROOMS - 1, pool)
        chance = self.knobs.overlap if overlap is None else overlap
        covered = min(1.0, world.host.get_coverage(kind) + 0.03) if world.host.get_coverage(kind) else 0.0
        members = np.asarray(accounts, np.int64)
        which = members[rng.random(len(members)) < chance * covered]
        if not len(which):
            return
        shown = values[rng.integers(0, len(values), len(which))]
        seen = self.since + (rng.random(len(which)) * max(self.spread, DAY)).astype(np.int64)
        world.see(kind, is_buyer=is_buyer, accounts=which, values=shown, seen_at=np.minimum(seen, world.end - 1))
        for number in which[rng.random(len(which)) >= also_own].tolist():
            self._instead.setdefault((is_buyer, number), set()).add(kind)

    def deal(
        self, buyers: Ints, promoters: Ints | int, skus: Ints, at: Ints, **how: "Ints | Floats | float | None"
    ) -> Ints:
        """Place the ring's own orders; see `World.place`."""
        rows = self.world.place(buyers, promoters, skus, at, **how)  # type: ignore[arg-type]
        self.rows.append(rows)
        return rows

    def instants(self, count: int, *, since: int | None = None, spread: int | None = None) -> Ints:
        """Return instants within the spread, at waking hours when it is longer than a day."""
        begin, length = self.since if since is None else since, self.spread if spread is None else spread
        at = begin + (self.world.rng.random(count) * max(length, 60)).astype(np.int64)
        if length > 1.5 * DAY:
            at = self.world.at_waking_hours(at)
        return np.clip(at, self.world.start, self.world.end - 2 * HOUR)

    def finish(self) -> Ring:
        """Add camouflage and ordinary identifiers, and remember the ring as truth."""
        world, rng = self.world, self.world.rng
        rows = np.concatenate(self.rows) if self.rows else np.empty(0, np.int64)
        fresh = np.array(self.new_buyers, np.int64)
        if len(fresh) and self.knobs.camouflage > 0:
            per_buyer = len(rows) * self.knobs.camouflage / max(1, len(self.buyers))
            shopping.shop_for(world, fresh, rng.poisson(per_buyer, len(fresh)))
        for is_buyer, accounts in ((True, self.new_buyers), (False, self.new_promoters)):
            by_skip: dict[frozenset[str], list[int]] = {}
            for number in accounts:
                by_skip.setdefault(frozenset(self._instead.get((is_buyer, number), ())), []).append(number)
            equip = identity.equip_buyers if is_buyer else identity.equip_promoters
            for skip, members in sorted(by_skip.items(), key=lambda item: sorted(item[0])):
                equip(world, np.array(members, np.int64), skip=tuple(skip))
        ring = Ring(
            id=f"r{len(world.rings) + 1:05d}", fraud=self.fraud, promoters=tuple(self.promoters),
            buyers=tuple(self.buyers), victims=tuple(self.victims), leaders=frozenset(self.leaders),
            hijacked=frozenset(self.hijacked), orders=rows,
            knobs=self.knobs)  # fmt: skip
        world.rings.append(ring)
        return ring


def pairs_of(plot: Plot, left: Ints, right: Ints, density: float) -> tuple[Ints, Ints]:
    """Return a part of all pairs; every left one has at least one, every right one too where there are enough."""
    rng = plot.world.rng
    grid = rng.random((len(left), len(right))) < density
    grid[np.arange(len(left)), rng.integers(0, len(right), len(left))] = True
    grid[rng.integers(0, len(left), len(right)), np.arange(len(right))] = True
    rows, columns = np.nonzero(grid)
    return left[rows], right[columns]
