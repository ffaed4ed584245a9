"""Hired buyers order the same goods through the same promoters within minutes, days or weeks, beside their own."""

from tuike.risk.worlds.frauds.plot import Fraud, Plot, pairs_of


def _plant(plot: Plot) -> None:
    rng, world = plot.world.rng, plot.world
    promoters = plot.recruit_promoters(int(rng.integers(1, 4)), aged=0.5)
    plot.leaders.update(promoters.tolist())
    buyers = plot.recruit_buyers(plot.size(10, 45), aged=0.0)
    goods = world.pick_ordinary_skus(int(rng.integers(4, 12)))
    plot.share("device", buyers, is_buyer=True, pool=max(1, len(buyers) // 5), overlap=plot.knobs.overlap * 0.4)
    plot.share("ip", buyers, is_buyer=True, pool=max(1, len(buyers) // 8), overlap=plot.knobs.overlap * 0.4)
    who, sku = pairs_of(plot, buyers, goods, plot.knobs.density)
    begin = dict(zip(goods.tolist(), plot.instants(len(goods), spread=plot.spread * 3).tolist(), strict=True))
    at = plot.instants(len(who), since=0) * 0 + [begin[number] for number in sku.tolist()]
    at = at + (rng.random(len(who)) * max(plot.spread, 120)).astype(int)
    through = promoters[sku % len(promoters)]
    plot.deal(who, through, sku, at.clip(world.start, world.end - 3600), lag=0.2, refunded=0.01)


FRAUD = Fraud("lockstep", __doc__ or "", _plant)
