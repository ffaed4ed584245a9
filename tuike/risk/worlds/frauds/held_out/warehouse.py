"""Resellers strip a promotion: many accounts have goods sent to one warehouse, its doors written differently."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.identity import ROOMS


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(1, 4)), aged=0.3)
    plot.leaders.update(promoters.tolist())
    buyers = plot.recruit_buyers(plot.size(12, 50))
    building = int(world.new_values(1)[0]) * ROOMS
    doors = building + rng.integers(1, 600, max(1, len(buyers) // 6))
    plot.share("address", buyers, is_buyer=True, pool=doors, overlap=0.5 + plot.knobs.overlap / 2, also_own=0.15)
    dear = np.argsort(-world.trade.sku_price, kind="stable")[: max(10, len(world.trade.sku_price) // 8)]
    goods = rng.choice(dear, int(rng.integers(2, 6)))
    who = np.repeat(buyers, 1 + rng.poisson(3 * plot.knobs.density, len(buyers)))
    plot.deal(who, promoters[rng.integers(0, len(promoters), len(who))], goods[rng.integers(0, len(goods), len(who))],
              plot.instants(len(who)), lag=0.3, refunded=0.0)  # fmt: skip


FRAUD = Fraud("warehouse", __doc__ or "", _plant, is_held_out=True, seen_by=("address",))
