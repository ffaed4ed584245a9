"""Forced clicks: who is about to pay anyhow is given the cheat's touch seconds before, and knows nothing of it."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY, UNKNOWN


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(2, 6)), aged=0.1)
    plot.leaders.update(promoters.tolist())
    plot.share("payout_account", promoters, is_buyer=False, overlap=0.6 + plot.knobs.overlap * 0.4, also_own=0.2)
    for kind in ("device", "ip"):
        plot.share(kind, promoters, is_buyer=False, overlap=plot.knobs.overlap, also_own=0.3)
    orders = world.orders
    span = max(plot.spread, 7 * DAY)
    plain = (
        (orders["promoter"] == UNKNOWN) & (orders["placed_at"] > plot.since) & (orders["placed_at"] < plot.since + span)
    )
    candidates = np.unique(orders["order"][plain], return_index=True)[1]
    candidates = np.flatnonzero(plain)[candidates]
    wanted = len(promoters) * (14 + int(40 * plot.knobs.density))
    rows = rng.choice(candidates, min(wanted, len(candidates)), replace=False)
    through = promoters[rng.integers(0, len(promoters), len(rows))]
    credited = np.full(world.order_count, UNKNOWN)
    credited[orders["order"][rows]] = through
    lines = np.flatnonzero(credited[orders["order"]] != UNKNOWN)
    orders["promoter"][lines] = credited[orders["order"][lines]]
    lag = 1 + (rng.random(len(rows)) * (4 + 20 * rng.random())).astype(np.int64)
    roots = np.full(len(rows), UNKNOWN - 1)
    world.touch(through, orders["buyer"][rows], orders["placed_at"][rows] - lag, roots)
    extra = int(len(rows) * rng.uniform(2, 8))
    anybody = rng.integers(0, world.honest_buyers, extra)
    world.touch(promoters[rng.integers(0, len(promoters), extra)], anybody, plot.instants(extra, spread=span),
                np.full(extra, UNKNOWN - 1))  # fmt: skip
    plot.rows.append(lines)
    plot.victims += np.unique(orders["buyer"][rows]).tolist()


FRAUD = Fraud("touch_stuffing", __doc__ or "", _plant, seen_by=("touches.csv",))
