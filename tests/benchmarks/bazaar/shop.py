"""Which shops there are, and how one comes about."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks.bazaar.files import write_market
from tests.benchmarks.bazaar.hosts import HOSTS, open_market
from tests.benchmarks.bazaar.lookalikes import plant_lookalikes
from tests.benchmarks.bazaar.rings import plant_rings

SEEDS = range(31, 38)
SILENT_SEEDS = range(31, 34)
"""Those whose shops are also made without cheats: all that a sweep flags there is wrong."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop of the second simulator: the honest trade, its seed, and whether anybody cheats."""

    host: str
    seed: int
    has_frauds: bool


def list_shops() -> list[Shop]:
    """Return the shops to learn from."""
    cheated = [Shop(host, seed, has_frauds=True) for seed in SEEDS for host in HOSTS]
    return cheated + [Shop(host, seed, has_frauds=False) for seed in SILENT_SEEDS for host in HOSTS]


def make_shop(shop: Shop, directory: Path) -> None:
    """Write a shop's input files and `truth/` below `directory`; the same shop always has the same files."""
    market = open_market(HOSTS[shop.host], np.random.default_rng(shop.seed))
    rings = plant_rings(market) if shop.has_frauds else []
    lookalikes = plant_lookalikes(market)
    write_market(market, rings, lookalikes, directory)
