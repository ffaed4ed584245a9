"""How cheats get accounts and what they leave behind: crews of buyers and promoters, shared things, innocent orders."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.panels.world import DAY, HOUR, Account, Person, World

PERSONAL = ("device", "phone", "address", "payment_account")


@dataclass(frozen=True, slots=True)
class Knobs:
    """What a ring can choose.

    `size` counts buyers; `density` is the part of all its buyer × target pairs that trade; `camouflage` the innocent
    orders for each dishonest one, of popular things if `biased`, else of any; `spread` the seconds within which it is
    over; `overlap` the part of accounts that share something.
    """

    size: int = 20
    density: float = 0.6
    camouflage: int = 0
    biased: bool = False
    spread: int = 14 * DAY
    overlap: float = 0.75

    def to_json(self) -> dict[str, float | int | str]:
        """Return the knobs as the results name them."""
        spreads = {2 * HOUR: "2 h", 48 * HOUR: "48 h", 7 * DAY: "7 d", 14 * DAY: "2 weeks", 28 * DAY: "4 weeks"}
        camouflage = "none" if not self.camouflage else f"{self.camouflage} {'popular' if self.biased else 'random'}"
        return {
            "size": self.size,
            "density": self.density,
            "camouflage": camouflage,
            "spread": spreads.get(self.spread, "8 weeks"),
            "overlap": self.overlap,
        }


@dataclass(slots=True)
class Crew:
    """The accounts of a ring and when it is at work."""

    world: World
    knobs: Knobs
    since: int
    people: list[Person]
    sellers: list[int]
    trades: dict[int, int] = field(default_factory=dict)  # dishonest orders by buyer

    @property
    def until(self) -> int:
        """Return when the ring's work is over."""
        return self.since + self.knobs.spread

    @property
    def buyers(self) -> list[int]:
        """Return the buyer accounts."""
        return [person.buyer for person in self.people]

    def list_members(self) -> frozenset[Account]:
        """Return every account of the crew."""
        buyers: list[Account] = [("buyer", buyer) for buyer in self.buyers]
        sellers: list[Account] = [("promoter", seller) for seller in self.sellers]
        return frozenset(buyers + sellers)

    def buy(self, buyer: int, seller: int, goods: Iterable[int], at: float, **ways: object) -> None:
        """Place a dishonest order: it earns the crew's promoter a commission."""
        if self.knobs.camouflage == 0 and "touched_before" not in ways:
            ways["touched_before"] = self.world.rng.uniform(4, 240)
        elif self.knobs.camouflage and not ways:
            goods = self.world.fill_basket(*goods)
        self.world.order(buyer, seller, goods, int(at), **ways)  # type: ignore[arg-type]
        self.trades[buyer] = self.trades.get(buyer, 0) + 1

    def hide(self) -> None:
        """Place the innocent orders."""
        for buyer, count in self.trades.items():
            for _ in range(count * self.knobs.camouflage):
                place_innocent_order(self.world, buyer, popular=self.knobs.biased)


def pick_start(world: World, spread: int, rest: float = 2 * DAY) -> int:
    """Return when to begin so that `spread` and what follows, `rest` seconds, lie within the world."""
    habits = world.habits
    last = max(habits.start + DAY, habits.end - spread - rest)
    return habits.draw_instant(world.rng, min(habits.start + DAY, last), last)


def recruit(
    world: World,
    knobs: Knobs,
    *,
    sellers: int,
    share: Sequence[str] = (),
    group: tuple[int, int] = (3, 8),
    rest: float = 2 * DAY,
    aged: float = 0.4,
) -> Crew:
    """Return a crew of `knobs.size` buyers and new promoters.

    Each kind in `share` has values that `group` accounts use together, for `knobs.overlap` of the accounts; whatever a
    ring shares the platform has seen. `aged` is the part of accounts that were bought: they registered long before.
    """
    rng = world.rng
    since = pick_start(world, knobs.spread, rest)
    people = [Person(_register(world, since, aged=rng.random() < aged)) for _ in range(knobs.size)]
    world.taken.update(person.buyer for person in people)
    accounts: list[Account] = [("buyer", person.buyer) for person in people]
    crew = Crew(world, knobs, since, people, [])
    for _ in range(sellers):
        crew.sellers.append(join(world, since, upline=rng.choice(crew.sellers) if crew.sellers else None))
    accounts += [("promoter", seller) for seller in crew.sellers]
    known = [kind for kind in share if kind in world.habits.knows]
    for kind in known:
        share_values(world, kind, accounts, knobs.overlap, group, since, crew.until)
    for person in people:
        person.own = {kind: world.make_value(kind) for kind in (*PERSONAL, "ip") if kind not in known}
        world.introduce(person, since, crew.until)
    return crew


def join(world: World, since: int, upline: int | None) -> int:
    """Add a promoter of a ring, who joined some days before it begins, mostly below another one of it."""
    rng = world.rng
    if upline is None or rng.random() < 0.3:
        upline = rng.randrange(len(world.pull))
    return world.add_promoter(since - int(rng.uniform(0.2, 12) * DAY), upline)


def share_values(
    world: World, kind: str, accounts: Sequence[Account], part: float, group: tuple[int, int], since: int, until: int
) -> None:
    """Let a part of the accounts use values of a kind in groups; addresses are typed a little differently each time."""
    rng = world.rng
    usable = [a for a in accounts if kind not in {"payment_account", "address"} or a[0] == "buyer"]
    if kind == "payout_account":
        usable = [a for a in accounts if a[0] == "promoter"]
    count = round(part * len(usable))
    sharing = rng.sample(usable, count)
    while sharing:
        value = world.make_value(kind)
        several = rng.randint(*group)
        some, sharing = sharing[:several], sharing[several:]
        for account in some:
            entered = retype(rng, value) if kind == "address" else value
            world.see(account, kind, entered, int(rng.uniform(since, until)))


def retype(rng: random.Random, address: str) -> str:
    """Return an address as another hand would enter it."""
    ways = (
        lambda text: text,
        str.upper,
        str.lower,
        lambda text: text.replace(",", ""),
        lambda text: text.replace("Road", "Rd."),
        lambda text: ", ".join(reversed(text.split(", "))),
    )
    return rng.choice(ways)(address)


def gather(world: World, count: int) -> list[Person]:
    """Return people of the host who stand in no ring or group yet, from now on they do."""
    free = [person for person in world.people if person.buyer not in world.taken]
    chosen = world.rng.sample(free, min(count, len(free)))
    world.taken.update(person.buyer for person in chosen)
    return chosen


def place_innocent_order(world: World, buyer: int, *, popular: bool) -> None:
    """Place an order such as anybody might place, at some time in which the account exists."""
    rng, habits = world.rng, world.habits
    seller = None if rng.random() < habits.organic else world.pick_seller(popular=popular)
    since = max(habits.start, world.buyers[buyer])
    at = habits.draw_instant(rng, since, habits.end)
    world.order(buyer, seller, world.fill_basket(popular=popular), at)


def _register(world: World, since: int, *, aged: bool) -> int:
    rng, habits = world.rng, world.habits
    if aged:
        return world.add_buyer(since - int(rng.uniform(5, 500 if habits.newcomers < 0.9 else 50) * DAY))
    return world.add_buyer(since - int(rng.expovariate(1 / (6 * HOUR)) + 120))
