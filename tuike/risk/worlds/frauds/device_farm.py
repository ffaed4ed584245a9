"""A shelf of telephones: dozens of buyer accounts on a handful of devices behind one or two promoters."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(1, 4)), aged=0.2)
    plot.leaders.update(promoters[:1].tolist())
    buyers = plot.recruit_buyers(plot.size(12, 60))
    devices = world.new_values(max(2, round(len(buyers) / rng.uniform(4, 12))))
    plot.share("device", buyers, is_buyer=True, pool=devices, overlap=0.6 + 0.4 * plot.knobs.overlap, also_own=0.1)
    plot.share("device", promoters, is_buyer=False, pool=devices, overlap=plot.knobs.overlap, also_own=0.5)
    plot.share("ip", buyers, is_buyer=True, pool=3)
    times = 1 + rng.poisson(1 + 4 * plot.knobs.density, len(buyers))
    who = np.repeat(buyers, times)
    plot.deal(
        who, promoters[who % len(promoters)], world.pick_skus(len(who)), plot.instants(len(who)), lag=0.1, refunded=0.01
    )


FRAUD = Fraud("device_farm", __doc__ or "", _plant)
