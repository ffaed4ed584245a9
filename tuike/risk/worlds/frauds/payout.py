"""Many promoters, each small enough not to be noticed, whose commission is paid out to the same one or two places."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(plot.size(5, 22), aged=0.15)
    plot.leaders.update(promoters[:1].tolist())
    plot.share("payout_account", promoters, is_buyer=False, pool=1 + int(len(promoters) > 12),
               overlap=0.65 + 0.35 * plot.knobs.overlap, also_own=0.1)  # fmt: skip
    plot.share("device", promoters, is_buyer=False, pool=2, overlap=plot.knobs.overlap * 0.5)
    buyers = plot.recruit_buyers(len(promoters) + int(rng.integers(0, len(promoters))))
    plot.share("device", buyers, is_buyer=True, pool=max(1, len(buyers) // 4), overlap=plot.knobs.overlap * 0.6)
    plot.share("payment_account", buyers, is_buyer=True, pool=max(1, len(buyers) // 5),
               overlap=plot.knobs.overlap * 0.5)  # fmt: skip
    times = 1 + rng.poisson(1 + 3 * plot.knobs.density, len(buyers))
    who = np.repeat(buyers, times)
    through = promoters[
        np.concatenate((np.arange(len(promoters)), rng.integers(0, len(promoters), len(who))))[: len(who)]
    ]
    plot.deal(who, through, world.pick_skus(len(who)), plot.instants(len(who)), lag=0.5, refunded=0.02)


FRAUD = Fraud("payout", __doc__ or "", _plant, seen_by=("payout_account",))
