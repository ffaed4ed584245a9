"""How the numbered things of a world are named in its files."""

import numpy as np

from tuike.risk.worlds.model import UNKNOWN, Ints
from tuike.risk.worlds.world import World


class Names:
    """How the numbered things of a world are spelled. Numbers are shuffled: a spelling tells nothing."""

    def __init__(self, world: World) -> None:
        rng, plain = np.random.default_rng(world.rng.integers(1 << 60)), world.host.plain_ids
        self.promoters = _spell(rng, world.promoters.count, "" if plain else "p_")
        self.buyers = _spell(rng, world.buyers.count, "" if plain else "u")
        self.orders = _spell(rng, world.order_count, "" if plain else "20-")
        self.touches = _spell(rng, world.touches.count, "" if plain else "t")
        self.skus = _spell(rng, len(world.trade.sku_share), "" if plain else "sku-")


def _spell(rng: np.random.Generator, count: int, prefix: str) -> list[str]:
    first = 10 ** max(3, len(str(count)))
    return [f"{prefix}{number}" for number in (rng.permutation(count) + first).tolist()]


def write_instants(seconds: Ints) -> list[str]:
    """Return RFC 3339 text; unknown instants are empty."""
    text = np.datetime_as_string(seconds.astype("datetime64[s]"), timezone="UTC").tolist()
    return ["" if second == UNKNOWN else instant for second, instant in zip(seconds.tolist(), text, strict=True)]


def name_all(spelled: list[str], numbers: Ints) -> list[str]:
    """Return the names of numbers; negative numbers have none."""
    return ["" if number < 0 else spelled[number] for number in numbers.tolist()]
