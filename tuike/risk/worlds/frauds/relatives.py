"""Buying from oneself through the accounts of relatives, to get commission on the own household's purchases."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoter = int(plot.recruit_promoters(1, aged=0.3)[0])
    plot.leaders.add(promoter)
    buyers = plot.recruit_buyers(plot.size(3, 8))
    for kind, pool in (("device", 1), ("address", 1), ("payment_account", 1), ("ip", 2)):
        values = world.new_values(pool) if kind != "address" else world.new_values(pool) * 4096 + 77
        plot.share(kind, buyers, is_buyer=True, pool=values)
        if kind in {"device", "ip"}:
            plot.share(kind, [promoter], is_buyer=False, pool=values, also_own=0.6)
    per_buyer = 2 + rng.poisson(6 * plot.knobs.density, len(buyers))
    who = np.repeat(buyers, per_buyer)
    span = min(60 * DAY, int((world.end - plot.since) * 0.95))
    at = plot.instants(len(who), spread=span)
    plot.deal(who, promoter, world.pick_skus(len(who)), at, touched=0.95, lag=0.15, refunded=0.01)


FRAUD = Fraud("relatives", __doc__ or "", _plant, seen_by=("device", "address", "payment_account"))
