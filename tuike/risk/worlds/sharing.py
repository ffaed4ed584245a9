"""Share cascades: who looked without buying, and whose touch followed whose."""

import numpy as np

from tuike.risk.worlds.model import UNKNOWN
from tuike.risk.worlds.world import World

DEPTH_SHARES = (0.616, 0.226, 0.076, 0.035, 0.018, 0.010)
"""Measured on real cascades: shares of touches at depth 0 to 5; the rest, 1.9 %, lies deeper, at most at 57."""
DEPTH_MAX = 57

_WISHED = (0.52, 0.25, 0.1, 0.052, 0.03, 0.018)
"""What is asked for so that DEPTH_SHARES comes out: some touches find nobody to follow."""
_HUBS = 0.5


def add_browsing(world: World) -> None:
    """Add touches that led to no order."""
    rng, host = world.rng, world.host
    count = int(world.touches.count * host.browsing)
    busy = world.orders["buyer"][rng.integers(0, world.orders.count, count)]
    anybody = rng.integers(0, world.buyers.count, count)
    buyer = np.where(rng.random(count) < 0.6, busy, anybody)
    cdf = np.cumsum(world.trade.promoter_weight)
    promoter = np.searchsorted(cdf, rng.random(count), side="right").clip(0, len(cdf) - 1)
    at = world.pick_instants(np.maximum(
        world.buyers["registered_at"][buyer], world.promoters["joined_at"][promoter]))  # fmt: skip
    world.touch(promoter, buyer, at)


def link_touches(world: World) -> None:
    """Let touches follow earlier touches of the same promoter, as deep and as unevenly as real cascades do."""
    rng, touches = world.rng, world.touches
    order = np.lexsort((touches["at"], touches["promoter"]))
    promoter = touches["promoter"][order]
    parent = np.full(len(order), UNKNOWN, np.int64)
    depth = _wish_depths(rng, len(order))
    first = np.searchsorted(promoter, promoter)
    for level in range(1, DEPTH_MAX + 1):
        wanting = np.flatnonzero(depth == level)
        if not len(wanting):
            break
        above = np.flatnonzero(depth == level - 1)
        low = np.searchsorted(above, first[wanting])
        room = np.searchsorted(above, wanting) - low
        found = room > 0
        depth[wanting[~found]] = 0
        low, room, wanting = low[found], room[found], wanting[found]
        drawn = rng.random(len(wanting))
        early = (room * drawn**7).astype(np.int64)
        recent = room - 1 - (room * drawn**4).astype(np.int64)
        parent[wanting] = above[low + np.where(rng.random(len(wanting)) < _HUBS, early, recent.clip(0))]
    numbers = np.full(len(order), UNKNOWN, np.int64)
    followed = parent != UNKNOWN
    numbers[order[followed]] = order[parent[followed]]
    own = touches["parent"]
    touches["parent"][:] = np.where(own == UNKNOWN, numbers, own)


def _wish_depths(rng: np.random.Generator, count: int) -> "np.typing.NDArray[np.int64]":
    depth = np.searchsorted(np.cumsum(_WISHED), rng.random(count), side="right")
    deep = depth == len(_WISHED)
    depth[deep] = np.minimum(len(_WISHED) - 1 + rng.geometric(0.25, int(deep.sum())), DEPTH_MAX)
    return depth
