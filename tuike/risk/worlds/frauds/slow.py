"""A patient ring: the same few accounts buy through the same few promoters, a little every week, for months."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    plot.since = world.start + int(rng.uniform(0.02, 0.2) * world.host.days * DAY)
    promoters = plot.recruit_promoters(int(rng.integers(2, 5)), aged=0.2)
    plot.leaders.update(promoters.tolist())
    buyers = plot.recruit_buyers(plot.size(6, 20))
    for kind, pool in (("payment_account", 3), ("device", 3), ("address", 3)):
        plot.share(kind, buyers, is_buyer=True, pool=max(1, len(buyers) // pool // 2), overlap=plot.knobs.overlap * 0.6)
    plot.share("payout_account", promoters, is_buyer=False, pool=1)
    weeks = max(2.0, world.host.days / 7)
    times = 2 + rng.poisson(weeks * 0.45 * plot.knobs.density, len(buyers))
    who = np.repeat(buyers, times)
    at = plot.instants(len(who), spread=world.end - plot.since - 2 * DAY)
    plot.deal(
        who, promoters[rng.integers(0, len(promoters), len(who))], world.pick_skus(len(who)), at, lag=2.0, refunded=0.01
    )


FRAUD = Fraud("slow", __doc__ or "", _plant)
