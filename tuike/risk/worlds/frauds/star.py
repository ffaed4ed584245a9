"""A star of new accounts with one order each around one promoter: newcomers' commission and rewards, many times."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import HOUR


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoter = int(plot.recruit_promoters(1, aged=0.4)[0])
    plot.leaders.add(promoter)
    count = plot.size(18, 70)
    placed = plot.instants(count)
    registered = placed - (rng.exponential(3.0, count) * HOUR).astype(np.int64) - 120
    buyers = plot.recruit_buyers(count, registered=registered)
    for kind, pool in (("device", 6), ("ip", 3), ("address", 8), ("payment_account", 8)):
        plot.share(kind, buyers, is_buyer=True, pool=max(1, count * pool // 60), overlap=plot.knobs.overlap * 0.7)
    cheap = np.argsort(world.trade.sku_price, kind="stable")[: max(8, len(world.trade.sku_price) // 12)]
    goods = rng.choice(cheap, 1 + int(6 * (1 - plot.knobs.density)))
    times = 1 + (rng.random(count) < 0.12)
    plot.deal(np.repeat(buyers, times), promoter, goods[rng.integers(0, len(goods), int(times.sum()))],
              np.repeat(placed, times) + rng.integers(0, 1800, int(times.sum())), lag=0.05, refunded=0.02)  # fmt: skip


FRAUD = Fraud("star", __doc__ or "", _plant)
