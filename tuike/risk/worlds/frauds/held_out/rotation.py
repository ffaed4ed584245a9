"""Promoters take turns: the same buyers serve one promoter a week, then the next, so that no pair stays together."""

from tuike.risk.worlds.frauds.plot import Fraud, Plot
from tuike.risk.worlds.model import DAY


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(4, 9)), aged=0.15)
    plot.leaders.update(promoters[:1].tolist())
    buyers = plot.recruit_buyers(plot.size(8, 24))
    plot.share("device", buyers, is_buyer=True, pool=max(1, len(buyers) // 4), overlap=plot.knobs.overlap * 0.5)
    plot.share(
        "payout_account", promoters, is_buyer=False, pool=max(1, len(promoters) // 3), overlap=plot.knobs.overlap * 0.5
    )
    turn = int(max(DAY, min(7 * DAY, (world.end - plot.since - 2 * DAY) // len(promoters))))
    for number, promoter in enumerate(promoters.tolist()):
        some = buyers[rng.random(len(buyers)) < 0.35 + 0.6 * plot.knobs.density]
        at = plot.instants(len(some), since=plot.since + number * turn, spread=turn)
        plot.deal(some, promoter, world.pick_skus(len(some)), at, lag=0.5, refunded=0.01)


FRAUD = Fraud("rotation", __doc__ or "", _plant, is_held_out=True)
