"""Accounts registered together months ago wake up in the same days, order through one promoter, and fall silent."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY, HOUR


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(1, 3)), aged=0.4)
    plot.leaders.update(promoters.tolist())
    count = plot.size(12, 45)
    batch = max(plot.since - int(rng.integers(40, 150)) * DAY, world.start - 180 * DAY)
    buyers = plot.recruit_buyers(count, registered=batch + (rng.random(count) * 4 * HOUR).astype(np.int64))
    plot.share("device", buyers, is_buyer=True, pool=max(1, count // 6), overlap=plot.knobs.overlap * 0.5)
    plot.share("phone", buyers, is_buyer=True, pool=max(1, count // 3), overlap=plot.knobs.overlap * 0.3)
    who = np.repeat(buyers, 1 + rng.poisson(2 * plot.knobs.density, count))
    plot.deal(who, promoters[rng.integers(0, len(promoters), len(who))], world.pick_skus(len(who)),
              plot.instants(len(who), spread=min(plot.spread, 5 * DAY)), lag=0.2, refunded=0.02)  # fmt: skip


FRAUD = Fraud("sleepers", __doc__ or "", _plant, is_held_out=True)
