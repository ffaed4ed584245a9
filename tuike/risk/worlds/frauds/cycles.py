"""Buying in circles: promoters' own buyer accounts buy through the next promoter, so nobody buys from himself."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    length = int(rng.integers(3, 7))
    promoters = plot.recruit_promoters(length, aged=0.2)
    buyers = plot.recruit_buyers(length)
    known = rng.random(length) < 0.6
    world.same_person.append(int(known.sum()), promoter=promoters[known], buyer=buyers[known])
    for promoter, buyer in zip(promoters.tolist(), buyers.tolist(), strict=True):
        own = world.new_values(1)
        plot.share("device", [promoter], is_buyer=False, pool=own, overlap=0.9)
        plot.share("device", [buyer], is_buyer=True, pool=own, overlap=0.9)
    rounds = 3 + int(rng.poisson(8 * plot.knobs.density))
    sku = world.pick_ordinary_skus(4)
    steps = np.arange(length)
    span = min(max(plot.spread, DAY), world.end - plot.since - DAY)
    for number in range(rounds):
        at = plot.since + int(span * number / rounds) + (rng.random(length) * 6 * 3600).astype(np.int64)
        goods = sku[rng.integers(0, len(sku), length)]
        plot.deal(buyers, promoters[(steps + 1) % length], goods, at, refunded=0.0, lag=0.3)
        if rng.random() < plot.knobs.density / 2:
            plot.deal(buyers, promoters[(steps + 2) % length], goods, at + 7200, refunded=0.0, lag=0.3)
    plot.leaders.update(promoters.tolist())


FRAUD = Fraud("cycles", __doc__ or "", _plant, seen_by=("same_person.csv", "device"))
