"""A share path run by a script: the same accounts pass a link on in the same order, with the same pauses."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY, HOUR, UNKNOWN


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(1, 3)), aged=0.2)
    plot.leaders.update(promoters.tolist())
    count = plot.size(6, 18)
    buyers = plot.recruit_buyers(count)
    plot.share("ip", buyers, is_buyer=True, pool=2, overlap=plot.knobs.overlap * 0.6)
    pause = int(rng.uniform(30, 900))
    rounds = 4 + int(rng.poisson(10 * plot.knobs.density))
    span = int(min(max(plot.spread, 6 * DAY), world.end - plot.since - 2 * DAY))
    for number in range(rounds):
        begin = plot.since + span * number // rounds + int(rng.integers(0, HOUR))
        promoter = promoters[number % len(promoters)]
        parent = UNKNOWN - 1
        order = np.roll(buyers, -int(rng.integers(0, 2)))
        for step, buyer in enumerate(order.tolist()):
            at = begin + step * pause + int(rng.integers(0, 6))
            row = world.touch(np.array([promoter]), np.array([buyer]), np.array([at]), np.array([parent]))
            parent = int(row[0])
        last = order[-1 - int(rng.integers(0, 3))]
        plot.deal(np.array([last]), int(promoter), world.pick_skus(1), np.array([begin + (count + 1) * pause + 60]),
                  touched=0.0, refunded=0.0)  # fmt: skip


FRAUD = Fraud("relay", __doc__ or "", _plant, is_held_out=True, seen_by=("touches.csv",))
