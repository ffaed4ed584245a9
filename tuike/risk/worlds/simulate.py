"""Making a whole world: honest trade first, then honest people who look like a ring, then the rings."""

from collections.abc import Iterable, Sequence

import numpy as np

from tuike.risk.worlds.confounders import CONFOUNDERS
from tuike.risk.worlds.frauds import FRAUDS, Fraud, Plot
from tuike.risk.worlds.hosts import HOSTS, Host
from tuike.risk.worlds.identity import equip_hosts
from tuike.risk.worlds.model import BUYERS_COUNT, DAY, LEVELS, KnobRanges, Size, UnknownName
from tuike.risk.worlds.population import add_population, make_trade
from tuike.risk.worlds.sharing import add_browsing, link_touches
from tuike.risk.worlds.shopping import add_shopping
from tuike.risk.worlds.world import World

DEFAULT_RATE = 0.007
_FIRST_DAY = 1_735_660_800  # 2025-01-01 00:00 in Shanghai
_CROWD_SHARE = 0.2
"""About which part of the buyers takes part in confounders."""


def simulate_world(
    *, seed: int, size: Size = Size.SMALL, host: str | None = None, frauds: Sequence[str] = ("documented",),
    confounders: Sequence[str] = ("all",), fraud_rate: float = DEFAULT_RATE, knobs: KnobRanges = LEVELS["usual"],
    buyers: int | None = None, rings_max: int | None = None,
) -> World:  # fmt: skip
    """Return a world; the same arguments always make the same one.

    `host` is a shape of honest trade, drawn from the seed when None. `frauds` are names, or `documented`, `held-out`,
    `all`, `none`; `confounders` are names, `all` or `none`. About `fraud_rate` of all accounts belong to rings, of
    which there are at most `rings_max`; frauds that leave no trace in such a host are left out when others are left.
    `buyers` overrides the size.

    Raises:
        UnknownName: a name is not documented.
    """
    rng = np.random.default_rng(np.random.SeedSequence((seed, list(Size).index(size))))
    chosen_frauds, chosen_confounders = choose_frauds(frauds), choose_confounders(confounders)
    shape = HOSTS[str(rng.choice(sorted(HOSTS)))] if host is None else get_host(host)
    world = World(rng=rng, host=shape, start=_FIRST_DAY + int(rng.integers(0, 300)) * DAY)
    count = buyers or BUYERS_COUNT[size]
    promoters = max(160, int(count * shape.promoters_per_buyer))
    make_trade(world, buyers=count, promoters=promoters)
    add_population(world, buyers=count, promoters=promoters)
    world.honest_buyers = count
    add_shopping(world)
    equip_hosts(world)
    add_browsing(world)
    _place_confounders(world, chosen_confounders)
    _plant_rings(world, chosen_frauds, fraud_rate, knobs, rings_max)
    link_touches(world)
    return world


def get_host(name: str) -> Host:
    """Return the host of that name."""
    if name not in HOSTS:
        raise UnknownName(f"There is no host {name!r}; there are {', '.join(HOSTS)}.")
    return HOSTS[name]


def choose_frauds(names: Iterable[str]) -> list[Fraud]:
    """Return the frauds that the names stand for."""
    sets = {
        "documented": [fraud for fraud in FRAUDS.values() if not fraud.is_held_out],
        "held-out": [fraud for fraud in FRAUDS.values() if fraud.is_held_out],
        "all": list(FRAUDS.values()),
        "none": [],
    }
    chosen: dict[str, Fraud] = {}
    for name in names:
        if name not in sets and name not in FRAUDS:
            raise UnknownName(f"There is no fraud {name!r}; there are {', '.join((*sets, *FRAUDS))}.")
        chosen |= {fraud.name: fraud for fraud in sets.get(name, [])} or {name: FRAUDS[name]} if name != "none" else {}
    return list(chosen.values())


def choose_confounders(names: Iterable[str]) -> list[str]:
    """Return the names of the confounders that the names stand for."""
    chosen: dict[str, None] = {}
    for name in names:
        if name not in {"all", "none"} and name not in CONFOUNDERS:
            raise UnknownName(f"There is no confounder {name!r}; there are all, none, {', '.join(CONFOUNDERS)}.")
        chosen |= dict.fromkeys(CONFOUNDERS if name == "all" else () if name == "none" else (name,))
    return list(chosen)


def _place_confounders(world: World, names: list[str]) -> None:
    if not names:
        return
    wanted = int(world.honest_buyers * _CROWD_SHARE)
    for number in range(100_000):
        if len(world.taken_buyers) >= (wanted if number >= len(names) else wanted * 2):
            break
        if number % len(names) == 0:
            names = world.rng.permutation(names).tolist()
        CONFOUNDERS[names[number % len(names)]].place(world)


def _plant_rings(world: World, frauds: list[Fraud], rate: float, knobs: KnobRanges, most: int | None) -> None:
    if not frauds or rate <= 0:
        return
    frauds = [fraud for fraud in frauds if fraud.leaves_traces_in(world.host)] or frauds
    accounts = world.buyers.count + world.promoters.count
    planted = 0
    order: list[int] = []
    while (planted < rate * accounts or not world.rings) and len(world.rings) != most:
        order = order or world.rng.permutation(len(frauds)).tolist()
        fraud = frauds[order.pop()]
        plot = Plot(world, fraud.name, knobs.draw(world.rng))
        fraud.plant(plot)
        ring = plot.finish()
        planted += len(ring.promoters) + len(ring.buyers)
