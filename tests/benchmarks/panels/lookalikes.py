"""Honest people who look like a ring of some kind. All of them are people of the host: they shop elsewhere, at other times.

Each is made of an occasion or a circumstance that is added to lives that go on: who shares a roof keeps his own shops, who
takes part in a school's sale may never come back, and whoever promotes has customers whom he does not know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.benchmarks.panels.crews import PERSONAL, gather, place_innocent_order, retype
from tests.benchmarks.panels.rings import known_kinds
from tests.benchmarks.panels.world import DAY, HOUR, Account, Group, Person, World


@dataclass(slots=True)
class Party:
    """The members of a look-alike while it is made."""

    world: World
    people: list[Person]
    sellers: list[int]

    def share(
        self, kind: str, people: list[Person] | None = None, *, sellers: bool = False, retyped: bool = False
    ) -> None:
        """Let people use one new value of an identifier, as far as the platform sees it."""
        world, rng = self.world, self.world.rng
        if kind not in world.habits.knows:
            return
        value = world.make_value(kind)
        accounts: list[Account] = [("buyer", person.buyer) for person in (self.people if people is None else people)]
        accounts += [("promoter", seller) for seller in self.sellers] if sellers else []
        for account in accounts:
            if rng.random() < world.habits.coverage:
                at = int(rng.uniform(world.habits.start, world.habits.end))
                world.see(account, kind, retype(rng, value) if retyped else value, at)

    def promote(self, count: int, customers: int) -> None:
        """Make some of the people promoters with a few customers of their own outside, and sometimes an inviter here."""
        world, rng = self.world, self.world.rng
        for person in rng.sample(self.people, min(count, len(self.people))):
            seller = person.promoter
            if seller is None:
                joined = world.habits.draw_instant(rng, world.habits.start - 200 * DAY, world.habits.end - 20 * DAY)
                inside = self.sellers and rng.random() < 0.5
                seller = world.add_promoter(joined, rng.choice(self.sellers) if inside else world.pick_seller())
                person.promoter = seller
                if rng.random() < 0.4:
                    world.same.append((seller, person.buyer))
                for kind in known_kinds(world, "device", "phone"):
                    if kind in person.own and rng.random() < world.habits.coverage:
                        world.see(("promoter", seller), kind, person.own[kind], joined)
            self.sellers.append(seller)
            for _ in range(rng.randint(customers // 2, customers)):
                self.buy(rng.choice(world.people), seller)

    def buy(self, person: Person, seller: int | None, at: float | None = None, *goods: int, **ways: object) -> None:
        """Place an order at an instant or at any time, of goods or of anything."""
        world, habits = self.world, self.world.habits
        since = max(habits.start, world.buyers[person.buyer] + 60)
        when = habits.draw_instant(world.rng, since, habits.end) if at is None else max(at, since)
        basket = list(goods) if goods and ways else world.fill_basket(*goods)
        world.order(person.buyer, seller, basket, int(when), **ways)  # type: ignore[arg-type]

    def finish(self, likeness: str) -> Group:
        """Return the group."""
        buyers: list[Account] = [("buyer", person.buyer) for person in self.people]
        return Group(likeness, frozenset(buyers + [("promoter", seller) for seller in self.sellers]))


def _party(world: World, least: int, most: int) -> Party:
    return Party(world, gather(world, world.rng.randint(least, most)), [])


def _among_themselves(party: Party, mean: float) -> None:
    """People of a circle buy from those of it who promote, now and then."""
    rng = party.world.rng
    for person in party.people:
        others = [seller for seller in party.sellers if seller != person.promoter]
        for _ in range(min(8, int(rng.expovariate(1 / mean) + 0.5)) if others else 0):
            party.buy(person, rng.choice(others))


def _any_time(world: World, margin: float = 2) -> int:
    habits = world.habits
    return habits.draw_instant(world.rng, habits.start + DAY, habits.end - margin * DAY)


def _welcome(world: World, at: int) -> Person:
    """Return somebody who registers at an instant and sometimes comes back."""
    person = Person(world.add_buyer(at))
    person.own = {kind: world.make_value(kind) for kind in (*PERSONAL, "ip")}
    world.introduce(person, at, world.habits.end)
    for _ in range(world.rng.choice((0, 0, 1, 2))):
        place_innocent_order(world, person.buyer, popular=True)
    return person


def _family(world: World) -> Party:
    party = _party(world, 3, 6)
    for kind in ("address", "ip"):
        party.share(kind)
    party.share("payment_account", party.people[:2])
    party.share("device", world.rng.sample(party.people, 2))
    party.promote(world.rng.randint(1, 2), 10)
    _among_themselves(party, 2.5)
    return party


def _dormitory(world: World, *, computer: bool = False, several: bool = False) -> Party:
    rng = world.rng
    party = _party(world, 6, 30)
    party.promote(rng.randint(2, 6) if several else rng.randint(0, 1), 8)
    party.share("address", retyped=True)
    party.share("ip", sellers=True)
    if computer:
        party.share("device", rng.sample(party.people, len(party.people) // 2))
    _among_themselves(party, 1.5)
    return party


def _office(world: World, *, computer: bool = False, several: bool = False) -> Party:
    rng = world.rng
    party = _party(world, 8, 40)
    party.promote(rng.randint(2, 5) if several else rng.randint(0, 1), 15)
    party.share("ip", sellers=True)
    party.share("address", [p for p in party.people if rng.random() < 0.6], retyped=True)
    if computer:
        party.share("device", rng.sample(party.people, len(party.people) // 3))
    _among_themselves(party, 1)
    for _ in range(rng.randint(0, 3) if party.sellers else 0):  # somebody asks round who wants some too
        noon, good = _any_time(world), world.pick_sku()
        for person in rng.sample(party.people, len(party.people) // 3):
            party.buy(person, party.sellers[0], noon + rng.uniform(0, HOUR), good)
    return party


def _carrier(world: World) -> Party:
    rng = world.rng
    party = _party(world, 40, 200)
    for _ in range(3):  # one of the carrier's exits today, another tomorrow
        party.share("ip", rng.sample(party.people, len(party.people) * 2 // 3))
    return party


def _shop_tablet(world: World) -> Party:
    rng = world.rng
    party = _party(world, 15, 60)
    party.promote(1, 10)
    party.share("device", [p for p in party.people if rng.random() < 0.8], sellers=True)
    party.share("ip", sellers=True)
    for person in party.people:
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            party.buy(person, party.sellers[0], _any_time(world), touched_before=rng.uniform(15, 400))
    return party


def _live_stream(world: World) -> Party:
    rng = world.rng
    party = _party(world, 40, 150)
    host, goods = world.pick_seller(), [world.pick_sku() for _ in range(rng.randint(1, 4))]
    party.sellers.append(host)
    for _ in range(rng.randint(1, 2)):
        begin = _any_time(world)
        for person in party.people:
            if rng.random() < 0.8:
                party.buy(person, host, begin + min(rng.expovariate(1 / 900), 2 * HOUR), rng.choice(goods))
    return party


def _group_buy(world: World) -> Party:
    rng = world.rng
    party = _party(world, 12, 50)
    party.promote(1, 12)
    if rng.random() < 0.5:
        party.share("address", retyped=True)
    first, rounds = _any_time(world, 30), rng.randint(2, 4)
    for turn in range(rounds):
        good = world.pick_sku()
        price = [int(world.prices[good] * 0.85)]
        for person in party.people:
            if rng.random() < 0.55:
                at = first + turn * 7 * DAY + rng.triangular(0, 30 * HOUR, 3 * HOUR)
                party.buy(person, party.sellers[0], at, good, amounts=price)
    return party


def _staff_discount(world: World) -> Party:
    rng = world.rng
    party = _party(world, 10, 40)
    party.promote(1, 3)
    party.share("ip", sellers=True)
    first = _any_time(world, 40)
    for month in range(3):
        for person in party.people:
            if rng.random() < 0.5:
                good = world.pick_sku()
                at = first + month * 30 * DAY + rng.uniform(0, 3 * DAY)
                party.buy(person, party.sellers[0], at, good, amounts=[max(1, int(world.prices[good] * 0.7))])
    return party


def _super_promoter(world: World) -> Party:
    rng = world.rng
    party = _party(world, 60, 200)
    star = gather(world, 1)
    party.people, followers = star + party.people, party.people
    party.people = star
    party.promote(1, 5)
    party.people = star + followers
    # Who comes because of her is new.
    party.people[1:] = [_welcome(world, _any_time(world, 20)) if rng.random() < 0.4 else p for p in party.people[1:]]
    for person in party.people[1:]:
        for _ in range(rng.choice((1, 1, 2, 3))):
            party.buy(person, party.sellers[0])
    return party


def _agency(world: World) -> Party:
    rng = world.rng
    party = _party(world, 6, 20)
    party.promote(len(party.people), 14)
    value = world.make_value("payout_account")
    for seller in party.sellers:
        world.see(("promoter", seller), "payout_account", value, world.promoters[seller][0] + DAY)
    if rng.random() < 0.5:
        party.share("ip", sellers=True)
    return party


def _friends(world: World) -> Party:
    party = _party(world, 4, 8)
    party.promote(world.rng.randint(3, len(party.people)), 8)
    _among_themselves(party, 3)
    return party


def _school_sale(world: World) -> Party:
    rng = world.rng
    party = _party(world, 25, 100)
    party.promote(1, 3)
    begin, goods = _any_time(world, 9), [world.pick_sku() for _ in range(3)]
    for place in range(len(party.people)):
        if rng.random() < 0.5 and party.people[place].promoter is None:
            party.people[place] = _welcome(world, int(begin + rng.uniform(0, 5 * DAY)))
    party.share("ip", rng.sample(party.people, len(party.people) // 4))
    for person in party.people:
        party.buy(person, party.sellers[0], begin + rng.uniform(0, 7 * DAY), rng.choice(goods))
    return party


def _subscription(world: World) -> Party:
    rng = world.rng
    party = _party(world, 15, 60)
    seller, good = world.pick_seller(), world.pick_sku()
    party.sellers.append(seller)
    for person in party.people:
        at = world.habits.start + rng.uniform(0, 28) * DAY
        while at < world.habits.end:
            if world.buyers[person.buyer] < at:
                party.buy(
                    person,
                    seller,
                    at // DAY * DAY + 2 * HOUR + rng.uniform(0, 90),
                    good,
                    amounts=[int(world.prices[good])],
                )
            at += 28 * DAY
    return party


def _coupon_day(world: World) -> Party:
    rng = world.rng
    party = _party(world, 80, 250)
    day = _any_time(world) // DAY * DAY
    minimum = int(world.prices.mean()) // 100 * 100
    for place in range(len(party.people)):
        at = world.habits.draw_instant(rng, day, day + DAY - 1)
        if rng.random() < 0.2:
            party.people[place] = _welcome(world, at - int(rng.uniform(200, 20 * HOUR)))
        party.buy(
            party.people[place],
            world.pick_seller(),
            at,
            world.pick_sku(),
            amounts=[minimum + int(rng.expovariate(1 / 600))],
        )
    return party


def _wholesale(world: World) -> Party:
    rng = world.rng
    party = _party(world, 5, 15)
    party.promote(1, 4)
    for person in party.people:
        at = world.habits.start + rng.uniform(0, 10) * DAY
        stock = [world.pick_sku() for _ in range(4)]
        while at < world.habits.end:
            if world.buyers[person.buyer] < at:
                good = rng.choice(stock)
                party.buy(person, party.sellers[0], at, good, amounts=[int(world.prices[good]) * rng.randint(10, 40)])
            at += rng.uniform(5, 12) * DAY
    return party


def _pickup_point(world: World) -> Party:
    rng = world.rng
    party = _party(world, 15, 70)
    party.promote(rng.randint(1, 2), 5)
    party.share("address", retyped=True)
    party.share("phone", rng.sample(party.people, min(5, len(party.people))))
    _among_themselves(party, 0.8)
    for person in party.people:
        for _ in range(rng.randint(0, 3)):
            party.buy(person, world.pick_seller())
    return party


def _second_hand(world: World) -> Party:
    rng = world.rng
    party = _party(world, 10, 40)
    party.promote(1, 10)
    half = len(party.people) // 2
    for before, after in zip(party.people[:half], party.people[half:], strict=False):
        party.share("device", [before, after])
        if rng.random() < 0.3:
            party.buy(after, party.sellers[0])
    return party


LOOKALIKES: dict[str, Callable[[World], Party]] = {
    "family": _family,
    "dormitory": _dormitory,
    "dormitory, one computer": partial(_dormitory, computer=True),
    "dormitory, several promote": partial(_dormitory, several=True),
    "dormitory, both": partial(_dormitory, computer=True, several=True),
    "office": _office,
    "office, one computer": partial(_office, computer=True),
    "office, several promote": partial(_office, several=True),
    "office, both": partial(_office, computer=True, several=True),
    "carrier": _carrier,
    "shop tablet": _shop_tablet,
    "live stream": _live_stream,
    "group buy": _group_buy,
    "staff discount": _staff_discount,
    "super promoter": _super_promoter,
    "agency payout": _agency,
    "friends": _friends,
    "school sale": _school_sale,
    "subscription": _subscription,
    "coupon day": _coupon_day,
    "wholesale": _wholesale,
    "pickup point": _pickup_point,
    "second-hand phones": _second_hand,
}


def plant_lookalike(world: World, likeness: str) -> None:
    """Add one group of honest people."""
    world.groups.append(LOOKALIKES[likeness](world).finish(likeness))
