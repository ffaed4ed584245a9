"""Two or three promoters lend each other their friends: mine buy from you and yours from me, nobody from his own."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    sides = int(rng.integers(2, 4))
    promoters = plot.recruit_promoters(sides, aged=0.3)
    plot.leaders.update(promoters.tolist())
    camps = [plot.recruit_buyers(plot.size(3, 9)) for _ in range(sides)]
    for promoter, camp in zip(promoters.tolist(), camps, strict=True):
        home = world.new_values(1) * 4096 + 33
        wire = world.new_values(1)
        plot.share("address", camp, is_buyer=True, pool=home)
        plot.share("ip", camp, is_buyer=True, pool=wire)
        plot.share("ip", [promoter], is_buyer=False, pool=wire, also_own=1.0)
    for number, camp in enumerate(camps):
        who = np.repeat(camp, 2 + rng.poisson(4 * plot.knobs.density, len(camp)))
        through = promoters[(number + rng.integers(1, sides, len(who))) % sides]
        at = plot.instants(len(who), spread=max(plot.spread, 14 * DAY))
        plot.deal(who, through, world.pick_skus(len(who)), at, lag=0.3, refunded=0.01)


FRAUD = Fraud("barter", __doc__ or "", _plant, is_held_out=True, seen_by=("address", "ip"))
