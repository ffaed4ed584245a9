"""One large purchase is cut into dozens of small orders over several accounts, each below every limit."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoter = int(plot.recruit_promoters(1, aged=0.4)[0])
    plot.leaders.add(promoter)
    buyers = plot.recruit_buyers(plot.size(4, 12))
    plot.share("payment_account", buyers, is_buyer=True, pool=1, overlap=plot.knobs.overlap * 0.8)
    plot.share("address", buyers, is_buyer=True, pool=1, overlap=plot.knobs.overlap * 0.6)
    sessions = 1 + int(rng.poisson(3 * plot.knobs.density))
    sku = world.pick_ordinary_skus(2)
    for number in range(sessions):
        begin = plot.since + int((world.end - plot.since - 2 * DAY) * number / sessions * rng.uniform(0.6, 1.0))
        who = np.tile(buyers, int(rng.integers(2, 6)))
        at = begin + np.arange(len(who)) * int(rng.integers(15, 90)) + rng.integers(0, 8, len(who))
        goods = np.full(len(who), sku[number % 2])
        plot.deal(who, promoter, goods, at, amounts=np.full(len(who), int(world.trade.sku_price[goods[0]]) * 3),
                  touched=0.4, lag=0.1, refunded=0.0)  # fmt: skip


FRAUD = Fraud("splitting", __doc__ or "", _plant, is_held_out=True)
