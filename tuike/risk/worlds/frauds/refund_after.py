"""Goods go back as soon as the commission was paid out: buyers in league with a promoter refund after settlement."""

import numpy as np

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY, UNKNOWN
from tuike.risk.worlds.world import HOLDING_DAYS


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    room = max(0, min(plot.since, world.end - 16 * DAY - plot.spread) - world.start)
    plot.since = world.start + room
    promoters = plot.recruit_promoters(int(rng.integers(1, 3)), aged=0.4)
    plot.leaders.update(promoters.tolist())
    buyers = plot.recruit_buyers(plot.size(6, 25), aged=0.0)
    plot.share(
        "payment_account", buyers, is_buyer=True, pool=max(1, len(buyers) // 5), overlap=plot.knobs.overlap * 0.6
    )
    plot.share("ip", buyers, is_buyer=True, pool=2, overlap=plot.knobs.overlap * 0.5)
    times = 2 + rng.poisson(3 * plot.knobs.density, len(buyers))
    who = np.repeat(buyers, times)
    dear = np.argsort(-world.trade.sku_price, kind="stable")[: max(10, len(world.trade.sku_price) // 6)]
    rows = plot.deal(who, promoters[rng.integers(0, len(promoters), len(who))], rng.choice(dear, len(who)),
                     plot.instants(len(who)), received_days=rng.uniform(1.0, 3.0, len(who)), refunded=0.0)  # fmt: skip
    received = world.orders["received_at"][rows]
    back = received + HOLDING_DAYS * DAY + (rng.exponential(1.2, len(rows)) * DAY).astype(np.int64) + 3600
    returned = (received != UNKNOWN) & (back < world.end) & (rng.random(len(rows)) < 0.75 + 0.2 * plot.knobs.density)
    world.orders["refunded_at"][rows[returned]] = back[returned]


FRAUD = Fraud("refund_after", __doc__ or "", _plant)
