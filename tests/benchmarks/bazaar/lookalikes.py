"""Who only looks like a ring: honest people with something in common, and the knobs of those in one shop."""

import numpy as np

from tests.benchmarks.bazaar.market import NOBODY, LookAlike, Market
from tuike.risk.worlds.model import DAY, Ints, Range

NO_ACCOUNTS = np.empty(0, np.int64)
NOON = DAY / 2


def plant_lookalikes(market: Market) -> list[LookAlike]:
    """Plant the look-alikes of one shop, each with its own knobs: 26 where people are known, 11 where they are not."""
    found = []
    if market.knows_people:
        found += [plant_dormitory(market) for _ in range(4)]
        found += [plant_family(market) for _ in range(6)]
        found += [plant_office(market) for _ in range(2)]
        found += [plant_tablet(market) for _ in range(2)]
        found += [plant_agency(market)]
    found += [plant_group_buy(market) for _ in range(3)]
    found += [plant_show(market) for _ in range(3)]
    found += [plant_super_promoter(market) for _ in range(2)]
    return found + [plant_own_customer(market) for _ in range(3)]


def plant_dormitory(market: Market) -> LookAlike:
    """Students of one hall, mostly around one computer, buy what is in fashion there through those of them who promote."""
    rng = market.rng
    heads = _draw_count(market, 5, 60)
    ambassadors = max(1, min(heads // 2, _draw_count(market, 1, 8)))
    has_computer = rng.random() < 0.6
    ip, computer = market.draw_ips(1, "203.0.")[0], market.invent_one("device")
    buyers, promoters = market.register(market.draw_past(heads)), market.hire(ambassadors)
    market.identify("buyer", buyers, "ip", ip)
    market.identify("promoter", promoters, "ip", ip)
    market.identify("buyer", buyers, "address", f"Campus {market.invent_one('hall')}")
    market.same_person.add(ambassadors, promoter=promoters, buyer=buyers[:ambassadors])
    if has_computer:
        market.identify("buyer", buyers[market.toss(heads, 0.6)], "device", computer)
        market.identify("promoter", promoters[market.toss(ambassadors, 0.5)], "device", computer)
    who = np.repeat(buyers, 1 + rng.poisson(3, heads))
    fashion = rng.choice(market.pick_assortment(12), who.size)
    goods = np.where(market.toss(who.size, 0.4), fashion, market.pick_goods(who.size))
    market.place(who, rng.choice(promoters, who.size), goods, market.draw_instants(who.size))
    return LookAlike("dormitory", promoters, buyers)


def plant_family(market: Market) -> LookAlike:
    """A household shares a door and a connection, some a tablet and a card, and buys a third through its promoter."""
    rng = market.rng
    heads = int(rng.integers(2, 5))
    ip, tablet, card = market.draw_ips(1, "81.2.")[0], market.invent_one("device"), market.invent_one("card")
    promoter, buyers = market.hire(1), market.register(market.draw_past(heads))
    market.identify("promoter", promoter, "ip", ip)
    market.identify("promoter", promoter[market.toss(1, 0.5)], "device", tablet)
    market.identify("buyer", buyers, "ip", ip)
    market.identify("buyer", buyers, "address", f"{rng.integers(1, 99)} Home {market.invent_one('street')}")
    market.identify("buyer", buyers[market.toss(heads, 0.5)], "device", tablet)
    market.identify("buyer", buyers[market.toss(heads, 0.4)], "payment_account", card)
    who = np.repeat(buyers, 1 + rng.poisson(4, heads))
    others = np.where(market.toss(who.size, 0.5), market.pick_promoters(who.size), NOBODY)
    _place_anytime(market, who, np.where(market.toss(who.size, 0.35), promoter, others))
    _serve_customers(market, promoter, 8)
    return LookAlike("family", promoter, buyers)


def plant_office(market: Market) -> LookAlike:
    """Colleagues have parcels sent to work and order at noon, half of it through one of them."""
    rng = market.rng
    heads = _draw_count(market, 6, 40)
    ip = market.draw_ips(1, "62.4.")[0]
    promoter, buyers = market.hire(1), market.register(market.draw_past(heads))
    market.identify("promoter", promoter, "ip", ip)
    market.identify("buyer", buyers, "ip", ip)
    market.identify("buyer", buyers, "address", f"Tower {market.invent_one('tower')}")
    market.same_person.add(1, promoter=promoter, buyer=buyers[:1])
    who = np.repeat(buyers, 1 + rng.poisson(3, heads))
    at = market.draw_instants(who.size) // DAY * DAY + NOON + rng.normal(0, 1500, who.size)
    market.place(who, _half(market, promoter, who.size), market.pick_goods(who.size), at)
    return LookAlike("office", promoter, buyers)


def plant_tablet(market: Market) -> LookAlike:
    """A promoter signs customers up on a tablet in a shop: each orders ten minutes later, and some come back."""
    rng = market.rng
    heads = _draw_count(market, 20, 120)
    at = rng.uniform(0.1, 0.9, heads) * market.end
    promoter, buyers = market.hire(1), market.register(at - 600)
    market.identify("buyer", buyers, "device", market.invent_one("device"), at - 600)
    market.place(
        buyers, np.repeat(promoter, heads), market.pick_goods(heads), at, pauses=60 + rng.exponential(300, heads)
    )
    who = buyers
    while who.size:
        again = market.toss(who.size, 0.3) & (at + 2 * DAY < market.end)
        who, at = who[again], rng.uniform(at[again], market.end - DAY)
        market.place(who, _half(market, promoter, who.size), market.pick_goods(who.size), at)
    return LookAlike("shop_tablet", promoter, buyers)


def plant_agency(market: Market) -> LookAlike:
    """An agency takes the commission of promoters who have customers of their own."""
    heads = int(market.rng.integers(4, 16))
    promoters = market.rng.choice(market.host_promoters_count, heads, replace=False)
    market.identify("promoter", promoters, "payout_account", market.invent_one("payout"))
    return LookAlike("agency_payout", promoters, NO_ACCOUNTS)


def plant_group_buy(market: Market) -> LookAlike:
    """A neighbourhood orders the same two goods on one evening a week through its leader."""
    rng = market.rng
    heads, weeks = _draw_count(market, 10, 50), int(rng.integers(1, 12))
    promoter, buyers = market.hire(1), market.register(market.draw_past(heads))
    market.place_everyday(buyers, rng.poisson(1, heads))
    first_at = rng.uniform(0, 7) * DAY
    for week in range(weeks):
        opens_at = first_at + week * 7 * DAY
        if opens_at + DAY > market.end:
            break
        one, other = market.pick_assortment(2).tolist()
        who = buyers[market.toss(heads, 0.6)]
        wants_one, wants_other = market.toss(who.size, 0.8), market.toss(who.size, 0.8)
        goods = np.where(wants_one | ~wants_other, one, other)
        orders = market.place(who, np.repeat(promoter, who.size), goods, opens_at + rng.exponential(2400, who.size))
        both = orders[wants_one & wants_other]
        market.add_lines(both, np.repeat(other, both.size))
    return LookAlike("group_buy", promoter, buyers)


def plant_show(market: Market) -> LookAlike:
    """Hundreds order the three goods of a show within the hour, half of them for the first time."""
    rng = market.rng
    heads = _draw_count(market, 40, 300)
    promoter, goods = market.hire(1), market.pick_assortment(3)
    at = rng.uniform(0.2, 0.8) * market.end + rng.exponential(1500, heads)
    is_new = market.toss(heads, 0.5)
    newcomers = market.register(at[is_new] - rng.uniform(60, 900, int(is_new.sum())))
    market.place_everyday(newcomers, market.toss(newcomers.size, 0.25).astype(np.int64))
    buyers = market.pick_customers(heads, again=True)
    buyers[is_new] = newcomers
    market.place(buyers, np.repeat(promoter, heads), rng.choice(goods, heads, p=[0.6, 0.3, 0.1]), at,
                 pauses=20 + rng.exponential(240, heads))  # fmt: skip
    return LookAlike("livestream", promoter, np.unique(buyers))


def plant_super_promoter(market: Market) -> LookAlike:
    """Hundreds of customers like what one promoter recommends."""
    rng = market.rng
    fans = market.pick_customers(_draw_count(market, 60, 250))
    promoter, shelf = market.hire(1), market.pick_assortment(30)
    who = np.repeat(fans, rng.poisson(4, fans.size))
    market.place(who, np.repeat(promoter, who.size), rng.choice(shelf, who.size), market.draw_instants(who.size))
    return LookAlike("super_promoter", promoter, NO_ACCOUNTS)


def plant_own_customer(market: Market) -> LookAlike:
    """A promoter who is known to be a buyer too buys a lot through the own link, and has other customers."""
    promoter, buyer = market.hire(1), market.register(market.draw_past(1))
    market.same_person.add(1, promoter=promoter, buyer=buyer)
    _place_anytime(market, np.repeat(buyer, 12), np.repeat(promoter, 12))
    _serve_customers(market, promoter, 10)
    return LookAlike("heavy_customer", promoter, buyer)


def _serve_customers(market: Market, promoter: Ints, count: int) -> None:
    _place_anytime(market, market.pick_customers(count, again=True), np.repeat(promoter, count))


def _place_anytime(market: Market, buyers: Ints, promoters: Ints) -> None:
    market.place(buyers, promoters, market.pick_goods(buyers.size), market.draw_instants(buyers.size))


def _half(market: Market, promoter: Ints, count: int) -> Ints:
    return np.where(market.toss(count, 0.5), promoter, NOBODY)


def _draw_count(market: Market, low: int, high: int) -> int:
    return int(Range(low, high, is_log=True).draw(market.rng))
