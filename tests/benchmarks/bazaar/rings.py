"""Who cheats: shapes of rings, and the knobs of those in one shop."""

import numpy as np

from tests.benchmarks.bazaar.market import BUYERS_OWN, Market, Ring
from tuike.risk.worlds.model import DAY, HOUR, Floats, Ints, Range


def plant_rings(market: Market) -> list[Ring]:
    """Plant the rings of one shop, each with its own knobs: 17 where people are known, 12 where they are not."""
    rings = [plant_block(market, is_taken_over=is_taken_over) for _ in range(3) for is_taken_over in (False, True)]
    if market.knows_people:
        rings += [plant_relatives(market) for _ in range(2)]
        rings += [plant_cycle(market, is_known=False), plant_device_star(market), plant_payout(market)]
    rings += [plant_cycle(market, is_known=True) for _ in range(2)]
    rings += [plant_star(market) for _ in range(2)]
    return rings + [plant_refunds(market) for _ in range(2)]


def plant_block(market: Market, *, is_taken_over: bool) -> Ring:
    """Hired or taken-over accounts order the same goods through the same few promoters, beside innocent orders."""
    rng = market.rng
    heads, goods_count = _draw_count(market, 12, 110), _draw_count(market, 5, 90)
    density = min(max(_draw(market, 0.1, 0.7), 2 / goods_count), 0.9)
    innocent, spread = rng.choice([0.0, 1.0, 4.0, 12.0]), _draw(market, HOUR, 45 * DAY)
    promoters = market.hire(int(rng.integers(1, 6)), joined=(0, 0.3))
    sharing = rng.choice([0.0, 0.0, 0.5, 0.9]) if market.knows_people else 0.0
    if is_taken_over:
        buyers = market.pick_customers(heads)
    else:
        buyers = market.register(market.draw_past(heads, since_day=-20, until_day=20))
    goods = market.pick_assortment(goods_count)
    rows, columns = np.nonzero(rng.random((heads, goods_count)) < density)
    at = market.draw_windows(1, rows.size, spread, latest=0.7)
    orders = market.place(buyers[rows], rng.choice(promoters, rows.size), goods[columns], at)
    market.place_everyday(buyers, rng.poisson(innocent, heads))
    if sharing:
        shelf = np.array(market.invent("device", max(1, heads // 8)), object)
        users = buyers[market.toss(heads, sharing)]
        market.identify("buyer", users, "device", rng.choice(shelf, users.size))
    fraud = "hijacked" if is_taken_over else "device_farm" if sharing else "lockstep"
    return Ring(fraud, promoters, buyers, orders, is_taken_over)


def plant_relatives(market: Market) -> Ring:
    """A promoter buys from himself through accounts of relatives, on his device, to his door, partly with his card."""
    rng = market.rng
    heads, each, spread = int(rng.integers(3, 10)), int(rng.integers(2, 7)), _draw(market, 5 * DAY, 60 * DAY)
    promoter = market.hire(1)
    device, card = market.invent_one("device"), market.invent_one("card")
    buyers = market.register(market.draw_past(heads), own=())
    market.identify("promoter", promoter, "device", device)
    market.identify("buyer", buyers[market.toss(heads, 0.8)], "device", device)
    market.identify("buyer", buyers[market.toss(heads, 0.5)], "payment_account", card)
    market.identify("buyer", buyers, "address", f"{rng.integers(1, 99)} Hidden Street {market.invent_one('street')}")
    orders = _work_off(market, rng.choice(buyers, heads * each), promoter, market.pick_any_goods(heads * each),
                       market.draw_windows(1, heads * each, spread))  # fmt: skip
    return Ring("relatives", promoter, buyers, orders)


def plant_cycle(market: Market, *, is_known: bool) -> Ring:
    """Promoters buy through one another in a circle; that buyer and promoter are one is known, or told by a device."""
    rng = market.rng
    heads, rounds, spread = int(rng.integers(3, 7)), int(rng.integers(2, 7)), _draw(market, 5 * DAY, 60 * DAY)
    promoters, buyers = market.hire(heads), market.register(market.draw_past(heads))
    if is_known:
        market.same_person.add(heads, promoter=promoters, buyer=buyers)
    else:
        devices = market.invent("device", heads)
        market.identify("promoter", promoters, "device", devices)
        market.identify("buyer", buyers, "device", devices)
    orders = market.place(np.repeat(buyers, rounds), np.repeat(np.roll(promoters, -1), rounds),
                          market.pick_any_goods(heads * rounds), market.draw_windows(heads, rounds, spread))  # fmt: skip
    return Ring("cycles", promoters, buyers, orders)


def plant_star(market: Market) -> Ring:
    """New accounts on four cards order once each through one promoter, minutes after they registered."""
    promoter, buyers, orders = _draw_star(market, own=tuple(BUYERS_OWN))
    cards = np.array(market.invent("card", 4), object)[np.arange(buyers.size) % 4]
    shows = market.toss(buyers.size, 0.6)
    market.identify("buyer", buyers[shows], "payment_account", cards[shows])
    return Ring("star", promoter, buyers, orders)


def plant_device_star(market: Market) -> Ring:
    """New accounts on a handful of devices order once each through one promoter, minutes after they registered."""
    promoter, buyers, orders = _draw_star(market, own=tuple(kind for kind in BUYERS_OWN if kind != "device"))
    devices = market.invent("device", int(market.rng.integers(2, 7)))
    market.identify("buyer", buyers, "device", np.array(devices, object)[np.arange(buyers.size) % len(devices)])
    return Ring("star", promoter, buyers, orders)


def plant_payout(market: Market) -> Ring:
    """Many small promoters, each with a few accounts that buy in vain, are paid out to one account."""
    rng = market.rng
    heads, fakes = int(rng.integers(4, 13)), int(rng.integers(2, 7))
    promoters = market.hire(heads, joined=(0, 0.5), own=("device", "ip"))
    market.identify("promoter", promoters, "payout_account", market.invent_one("payout"))
    buyers = market.register(market.draw_past(heads * fakes))
    orders = market.place(np.repeat(buyers, 3), np.repeat(promoters, 3 * fakes), market.pick_any_goods(3 * buyers.size),
                          market.draw_windows(buyers.size, 3, 10 * DAY))  # fmt: skip
    return Ring("payout", promoters, buyers, orders)


def plant_refunds(market: Market) -> Ring:
    """Buyers in league with a promoter send nearly everything back, a week after receipt, when commission was paid."""
    rng = market.rng
    heads, each, spread = int(rng.integers(5, 20)), int(rng.integers(2, 6)), _draw(market, 5 * DAY, 60 * DAY)
    promoter, buyers = market.hire(1), market.register(market.draw_past(heads))
    orders = market.place(np.repeat(buyers, each), np.repeat(promoter, heads * each),
                          market.pick_any_goods(heads * each), market.draw_windows(heads, each, spread),
                          refund_chance=0.85, refund_days=(8, 10))  # fmt: skip
    return Ring("refund_after", promoter, buyers, orders)


def _draw_star(market: Market, *, own: tuple[str, ...]) -> tuple[Ints, Ints, Ints]:
    heads = _draw_count(market, 15, 60)
    spread = _draw(market, 2 * HOUR, 30 * DAY)
    at = market.draw_windows(1, heads, spread, latest=0.7)
    promoter, buyers = market.hire(1), market.register(at - market.rng.uniform(60, 3600, heads), own=own)
    goods = market.rng.integers(0, min(market.demand.size, 30), heads)
    return promoter, buyers, _work_off(market, buyers, promoter, goods, at)


def _work_off(market: Market, buyers: Ints, promoter: Ints, goods: Ints, at: Floats) -> Ints:
    pauses = market.draw_script_pauses(buyers.size)
    return market.place(buyers, np.repeat(promoter, buyers.size), goods, at, pauses=pauses)


def _draw(market: Market, low: float, high: float) -> float:
    return Range(low, high, is_log=True).draw(market.rng)


def _draw_count(market: Market, low: int, high: int) -> int:
    return int(_draw(market, low, high))
