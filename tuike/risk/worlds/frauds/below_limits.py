"""Amounts that stay a little below the limit from which somebody looks: many buyers, one promoter, the same band."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(1, 3)), aged=0.4)
    plot.leaders.update(promoters.tolist())
    buyers = plot.recruit_buyers(plot.size(6, 22))
    plot.share("payment_account", buyers, is_buyer=True, pool=max(1, len(buyers) // 4))
    plot.share("device", buyers, is_buyer=True, pool=max(1, len(buyers) // 4), overlap=plot.knobs.overlap * 0.5)
    limit = int(rng.choice(np.array([50_000, 100_000, 200_000, 500_000])))
    times = 2 + rng.poisson(4 * plot.knobs.density, len(buyers))
    who = np.repeat(buyers, times)
    amounts = limit - 1 - (rng.random(len(who)) ** 2 * limit * rng.uniform(0.004, 0.03)).astype(np.int64)
    plot.deal(who, promoters[rng.integers(0, len(promoters), len(who))], world.pick_skus(len(who)),
              plot.instants(len(who)), amounts=amounts, lag=0.5, refunded=0.01)  # fmt: skip


FRAUD = Fraud("below_limits", __doc__ or "", _plant)
