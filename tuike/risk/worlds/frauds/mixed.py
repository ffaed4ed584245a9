"""A ring that does a bit of everything and hides part of its identity: no single sign of it is strong."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot, pairs_of
from tuike.risk.worlds.model import DAY


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(2, 6)), aged=0.3)
    plot.leaders.update(promoters[:1].tolist())
    buyers = plot.recruit_buyers(plot.size(10, 35))
    for kind in ("device", "ip", "address", "payment_account", "phone"):
        if rng.random() < 0.6:
            plot.share(kind, buyers, is_buyer=True, pool=max(1, len(buyers) // int(rng.integers(3, 9))),
                       overlap=plot.knobs.overlap * rng.uniform(0.2, 0.9))  # fmt: skip
    plot.share("payout_account", promoters, is_buyer=False, pool=max(1, len(promoters) // 2))
    goods = world.pick_ordinary_skus(int(rng.integers(3, 7)))
    who, sku = pairs_of(plot, buyers, goods, plot.knobs.density * 0.6)
    plot.deal(
        who, promoters[rng.integers(0, len(promoters), len(who))], sku, plot.instants(len(who)), lag=0.4, refunded=0.05
    )
    more = np.repeat(buyers, rng.poisson(1.5, len(buyers)))
    plot.deal(more, promoters[rng.integers(0, len(promoters), len(more))], world.pick_skus(len(more)),
              plot.instants(len(more), spread=max(plot.spread, 10 * DAY)), lag=1.0, refunded=0.1)  # fmt: skip


FRAUD = Fraud("mixed", __doc__ or "", _plant)
