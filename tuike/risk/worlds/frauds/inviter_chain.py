"""A ladder of sham promoters, each inviting the next, so that every purchase pays several levels to one person."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY, HOUR


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    count = plot.size(5, 16)
    gaps = (rng.exponential(max(plot.spread, 2 * HOUR) / count, count)).astype(np.int64) + 300
    joined = plot.since - 2 * DAY + np.cumsum(gaps)
    plot.since = min(int(joined[-1]) + HOUR, world.end - 6 * DAY)
    joined = np.minimum(joined, plot.since - HOUR)
    promoters = plot.recruit_promoters(count, aged=0.0, joined=joined)
    steps = np.arange(1, count)
    above = np.where(rng.random(count - 1) < 0.25, (rng.random(count - 1) * steps).astype(np.int64), steps - 1)
    world.promoters["inviter"][promoters[1:]] = promoters[above]
    plot.leaders.update(promoters[:1].tolist())
    for kind in ("device", "payout_account", "ip"):
        plot.share(kind, promoters, is_buyer=False, pool=1 + count // 8, overlap=plot.knobs.overlap * 0.7)
    buyers = plot.recruit_buyers(count + int(rng.integers(0, count)))
    plot.share("device", buyers, is_buyer=True, pool=max(1, count // 4), overlap=plot.knobs.overlap * 0.6)
    times = 1 + rng.poisson(2 * plot.knobs.density, len(buyers))
    who = np.repeat(buyers, times)
    low = promoters[count // 2 :]
    through = np.where(rng.random(len(who)) < 0.7, low[rng.integers(0, len(low), len(who))],
                       promoters[rng.integers(0, count, len(who))])  # fmt: skip
    plot.deal(who, through, world.pick_skus(len(who)), plot.instants(len(who)), lag=0.2, refunded=0.01)


FRAUD = Fraud("inviter_chain", __doc__ or "", _plant)
