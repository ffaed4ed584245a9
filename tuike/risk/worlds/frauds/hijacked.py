"""Old accounts of honest buyers are taken over and buy through the thief's promoter, from the thief's devices."""

import numpy as np

from tuike.risk.worlds import shopping
from tuike.risk.worlds.frauds.plot import Fraud, Plot, pairs_of
from tuike.risk.worlds.model import DAY

_FEWEST = 8


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(1, 4)), aged=0.1)
    plot.leaders.update(promoters.tolist())
    stolen = plot.pick_honest_buyers(plot.size(10, 40))
    plot.buyers += stolen.tolist()
    world.taken_buyers.update(stolen.tolist())
    if len(stolen) < _FEWEST:
        old = plot.since - rng.integers(60, 150, _FEWEST - len(stolen)) * DAY
        more = plot.recruit_buyers(_FEWEST - len(stolen), registered=old)
        shopping.shop_for(world, more, 1 + rng.poisson(3, len(more)))
        stolen = np.concatenate((stolen, more))
    plot.hijacked.update(stolen.tolist())
    goods = world.pick_ordinary_skus(int(rng.integers(3, 9)))
    who, sku = pairs_of(plot, stolen, goods, plot.knobs.density * 0.7)
    plot.share(
        "device", stolen, is_buyer=True, pool=max(1, len(stolen) // 6), overlap=plot.knobs.overlap * 0.7, also_own=1.0
    )
    plot.share("ip", stolen, is_buyer=True, pool=2, overlap=plot.knobs.overlap * 0.7, also_own=1.0)
    plot.share(
        "address", stolen, is_buyer=True, pool=max(1, len(stolen) // 10), overlap=plot.knobs.overlap * 0.5, also_own=1.0
    )
    plot.deal(who, promoters[np.asarray(sku) % len(promoters)], sku, plot.instants(len(who)), lag=0.02, refunded=0.02)


FRAUD = Fraud("hijacked", __doc__ or "", _plant)
