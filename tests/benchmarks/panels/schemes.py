"""Frauds that nobody documented for this platform: what a cheat would think of who has read its rules.

The rules: attribution to the last touch, commission released seven days after receipt, a minimum for payouts, three
levels, coupons for newcomers.
"""

from tests.benchmarks.panels.crews import PERSONAL, Crew, Knobs, gather, join, pick_start, recruit, share_values
from tests.benchmarks.panels.rings import IDENTITY, Pattern, known_kinds, make_own_promoter, pick_goods
from tests.benchmarks.panels.world import DAY, HOUR, Account, World


def _coupon_mill(world: World, knobs: Knobs) -> Crew:
    """One account after the other on the same hand-set: each takes the newcomer's coupon, orders once and is thrown away."""
    crew = recruit(world, knobs, sellers=max(1, knobs.size // 50), aged=0)
    rng, goods = world.rng, pick_goods(world, 5)
    handsets = max(1, knobs.size // 12)
    kinds = known_kinds(world, "device", "phone", "address", "payment_account")[:2]
    values = [{kind: world.make_value(kind) for kind in kinds} for _ in range(handsets)]
    minimum = int(world.prices[goods[0]]) + 500
    for place, person in enumerate(crew.people):
        at = int(crew.since + knobs.spread * (place + rng.random()) / knobs.size)
        world.buyers[person.buyer] = at - int(rng.uniform(120, 1500))
        for kind, value in values[place % handsets].items():
            world.see(("buyer", person.buyer), kind, value, at)
        amounts = [minimum + rng.randint(0, 200)]
        crew.buy(person.buyer, rng.choice(crew.sellers), [rng.choice(goods)], at, amounts=amounts)
    return crew


def _costly_half(world: World, knobs: Knobs) -> Crew:
    """Each order holds a dear thing and a trifle; the dear one goes back after the commission is out."""
    crew = recruit(world, knobs, sellers=max(1, knobs.size // 30), rest=24 * DAY, aged=0.6)
    rng = world.rng
    goods = sorted(pick_goods(world, 40), key=lambda sku: world.prices[sku])
    trifles, dear = goods[:12], goods[-12:]
    for buyer in crew.buyers:
        for _ in range(rng.randint(2, 4)):
            first, costly = len(world.lines), rng.choice(dear)
            at = world.habits.draw_instant(rng, max(crew.since, world.buyers[buyer]), crew.until)
            order = [costly, rng.choice(trifles)]
            crew.buy(buyer, rng.choice(crew.sellers), order, at, refunded_after=rng.uniform(7.1, 16) * DAY)
            world.refund_lines(first, {costly})
    return crew


def _below_the_radar(world: World, knobs: Knobs) -> Crew:
    """Promoters who earn just the minimum for a payout and are left; the same buyers feed the next ones."""
    rng = world.rng
    crew = recruit(world, knobs, sellers=max(5, knobs.size), aged=0.7)
    sellers: list[Account] = [("promoter", seller) for seller in crew.sellers]
    share_values(world, "payout_account", sellers, knobs.overlap, (2, 4), crew.since, crew.until)
    each = min(len(crew.buyers), 4)
    for place, seller in enumerate(crew.sellers):
        begin = crew.since + knobs.spread * place / len(crew.sellers)
        for buyer in rng.sample(crew.buyers, each):
            at = max(begin + rng.uniform(0, 36 * HOUR), world.buyers[buyer] + 60)
            crew.buy(buyer, seller, [world.pick_sku()], min(at, world.habits.end - 60))
    return crew


def _recycling(world: World, knobs: Knobs) -> Crew:
    """One pot of money goes round: as soon as a week's commission is out, all buy again for nearly the same sum."""
    rng = world.rng
    crew = recruit(
        world, knobs, sellers=0, share=known_kinds(world, "payment_account", "device")[:1], group=(3, 6), aged=0.6
    )
    for person in crew.people:
        if rng.random() < 0.5 or not crew.sellers:
            crew.sellers.append(make_own_promoter(world, person, crew.since))
    goods, stake = pick_goods(world, 15), int(world.prices.mean()) // 100 * 100
    first, rounds = crew.since, max(3, min(6, knobs.spread // (9 * DAY)))
    for turn in range(rounds):
        begin = first + turn * min(9 * DAY, (world.habits.end - first) // (rounds + 1))
        for person in crew.people:
            seller = rng.choice([s for s in crew.sellers if s != person.promoter] or crew.sellers)
            at = max(begin + rng.uniform(0, 20 * HOUR), world.buyers[person.buyer] + 60)
            amounts = [int(stake * 0.97**turn) + rng.randint(-50, 50)]
            crew.buy(person.buyer, seller, [rng.choice(goods)], min(at, world.habits.end - 60), amounts=amounts)
    return crew


def _click_flood(world: World, knobs: Knobs) -> Crew:
    """A hidden frame opens the ring's links for thousands of visitors at a machine's pace; some order within the month."""
    rng = world.rng
    since = pick_start(world, knobs.spread)
    crew = Crew(world, knobs, since, gather(world, knobs.size), [])
    crew.sellers += [join(world, since, upline=None) for _ in range(rng.randint(2, 4))]
    sellers: list[Account] = [("promoter", seller) for seller in crew.sellers]
    for kind in known_kinds(world, "payout_account", "device", "phone")[:2]:
        share_values(world, kind, sellers, 1, (2, 4), crew.since, crew.until)
    for seller in crew.sellers:
        at: float = crew.since
        for _ in range(12 * knobs.size // len(crew.sellers)):
            at += rng.uniform(28, 32)
            world.touch(seller, rng.randrange(len(world.people)), int(at))
    for buyer in crew.buyers:
        at = world.habits.draw_instant(rng, max(crew.since, world.buyers[buyer] + HOUR), crew.until)
        seller = rng.choice(crew.sellers)
        crew.buy(buyer, seller, [world.pick_sku()], at, touched_before=rng.uniform(60, 48 * HOUR))
    crew.trades.clear()
    return crew


def _inside_job(world: World, knobs: Knobs) -> Crew:
    """Clerks of the order desk put their own codes on orders of customers who opened no link of theirs, or of anybody."""
    rng = world.rng
    since = pick_start(world, knobs.spread)
    crew = Crew(world, knobs, since, gather(world, knobs.size), [])
    crew.sellers += [join(world, since, upline=None) for _ in range(rng.randint(2, 4))]
    sellers: list[Account] = [("promoter", seller) for seller in crew.sellers]
    for kind in known_kinds(world, "device", "payout_account", "ip"):
        share_values(world, kind, sellers, 1, (2, 4), crew.since, crew.until)
    for buyer in crew.buyers:
        at = world.habits.draw_instant(rng, max(crew.since, world.buyers[buyer] + HOUR), crew.until)
        number = len(world.touches)
        crew.buy(buyer, rng.choice(crew.sellers), [world.pick_sku()], at, touched_before=60)
        del world.touches[number:]
    crew.trades.clear()
    return crew


def _received_at_once(world: World, knobs: Knobs) -> Crew:
    """Nothing is ever sent: receipt is confirmed within the hour, so that the holding period starts at once."""
    crew = recruit(world, knobs, sellers=max(1, knobs.size // 30), aged=0.5)
    rng, goods = world.rng, pick_goods(world, 12)
    for buyer in crew.buyers:
        for _ in range(rng.randint(2, 5)):
            at = world.habits.draw_instant(rng, max(crew.since, world.buyers[buyer]), crew.until)
            quick = rng.uniform(0.05, 1) * HOUR
            crew.buy(buyer, rng.choice(crew.sellers), [rng.choice(goods)], at, received_after=quick)
    return crew


def _stolen_cards(world: World, knobs: Knobs) -> Crew:
    """A few buyers pay with cards of many strangers, who have the money called back weeks later."""
    rng = world.rng
    crew = recruit(world, knobs, sellers=rng.randint(1, 3), rest=30 * DAY, aged=0.3)
    cards = [p.own["payment_account"] for p in world.people if "payment_account" in p.own]
    goods = pick_goods(world, 10)
    for buyer in crew.buyers:
        for card in rng.sample(cards, min(len(cards), rng.randint(4, 8))):
            at = world.habits.draw_instant(rng, max(crew.since, world.buyers[buyer]), crew.until)
            world.see(("buyer", buyer), "payment_account", card, at)
            called_back = rng.uniform(12, 28) * DAY if rng.random() < 0.7 else None
            crew.buy(buyer, rng.choice(crew.sellers), [rng.choice(goods)], at, refunded_after=called_back)
    return crew


def _handing_over(world: World, knobs: Knobs) -> Crew:
    """Every week other promoters, the same buyers: an identity is dropped before anybody looks at it."""
    rng = world.rng
    crew = recruit(world, knobs, sellers=5, share=known_kinds(world, *PERSONAL)[:1], group=(4, 8), aged=0.5)
    goods, step = pick_goods(world, 10), knobs.spread / 5
    for turn, seller in enumerate(crew.sellers):
        for buyer in crew.buyers:
            if rng.random() < max(0.6, knobs.density):
                at = max(crew.since + step * (turn + rng.random()), world.buyers[buyer] + 60)
                crew.buy(buyer, seller, [rng.choice(goods)], min(at, world.habits.end - 60))
    return crew


def _quota(world: World, knobs: Knobs) -> Crew:
    """On the last day before a tiered rate is counted a team lifts its promoters over the step with orders of its own."""
    crew = recruit(world, knobs, sellers=max(2, knobs.size // 6), share=known_kinds(world, *PERSONAL)[:1], aged=0.8)
    rng, goods, world_end = world.rng, pick_goods(world, 20), world.habits.end
    for month in range(max(1, min(3, knobs.spread // (28 * DAY) + 1))):
        eve = min(crew.since + month * 30 * DAY, world_end - DAY)
        for buyer in crew.buyers:
            for seller in rng.sample(crew.sellers, max(1, len(crew.sellers) // 2)):
                at = max(eve + rng.uniform(0, 10 * HOUR), world.buyers[buyer] + 60)
                crew.buy(buyer, seller, rng.sample(goods, 1), min(at, world_end - 60))
    return crew


_PLACED = frozenset({"placed_at"})
_REFUND = (frozenset({"refunded_at"}), frozenset({"received_at"}))
INVENTED = (
    Pattern("coupon-mill", _coupon_mill, (IDENTITY, frozenset({"registered_at", "seen_at"})), "accounts follow each other on one hand-set, each with one order just above the coupon's minimum", (8, 100), invented=True),
    Pattern("costly-half", _costly_half, _REFUND, "of each order the dear line is refunded just after the commission was released", (5, 60), invented=True),
    Pattern("below-the-radar", _below_the_radar, (_PLACED,), "the same few buyers are nearly all the customers of promoters who come and go", (5, 24), invented=True),
    Pattern("recycling", _recycling, (IDENTITY,), "the same people buy from each other for one shrinking sum every nine days", (6, 40), invented=True),
    Pattern("click-flood", _click_flood, (frozenset({"touches"}), frozenset({"device", "phone", "payout_account"})), "links opened every thirty seconds, day and night, by people who never come back; promoters share things", (25, 100), victims=True, invented=True),
    Pattern("inside-job", _inside_job, (frozenset({"touches"}), frozenset({"device", "payout_account"})), "orders without any opened link where nearly every other has one; clerks share a desk and a purse", (25, 100), victims=True, invented=True),
    Pattern("received-at-once", _received_at_once, (frozenset({"received_at"}),), "received within the hour where parcels take days, only here", (5, 100), invented=True),
    Pattern("stolen-cards", _stolen_cards, (frozenset({"payment_account"}), *_REFUND), "each buyer pays with cards of several strangers, and the money is called back", (3, 8), invented=True),
    Pattern("handing-over", _handing_over, (IDENTITY,), "the same buyers move together from promoter to promoter, and share things", (6, 60), invented=True),
    Pattern("quota", _quota, (IDENTITY,), "a team buys from itself in the last hours of the month, and shares things", (8, 60), invented=True),
)  # fmt: skip
