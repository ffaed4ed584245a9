"""The frauds that are documented: what each needs to be known in a host, and what would prove it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.panels.crews import PERSONAL, Crew, Knobs, gather, join, pick_start, recruit, share_values
from tests.benchmarks.panels.world import DAY, HOUR, Account, Person, Ring, World

Plant = Callable[[World, Knobs], Crew]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A fraud. `needs` is a list of alternatives, of each of which the host must know one; `sizes` its usual buyers."""

    name: str
    plant: Plant
    needs: tuple[frozenset[str], ...]
    proof: str
    sizes: tuple[int, int] = (5, 200)
    victims: bool = False  # its buyers are people who know nothing of it
    invented: bool = False

    def is_provable(self, world: World) -> bool:
        """Say whether the host knows what would prove it."""
        return all(alternatives & world.habits.knows for alternatives in self.needs)


IDENTITY = frozenset(PERSONAL)


def plant_pattern(pattern: Pattern, world: World, knobs: Knobs) -> Ring:
    """Plant a ring and return its truth."""
    crew = pattern.plant(world, knobs)
    crew.hide()
    members, victims = crew.list_members(), frozenset[Account]()
    if pattern.victims:
        victims = frozenset(account for account in members if account[0] == "buyer")
        members -= victims
    return Ring(pattern.name, members, victims, knobs.to_json(), pattern.proof)


def pick_goods(world: World, count: int) -> list[int]:
    """Return goods that a ring deals in: half what sells, half anything."""
    return [world.pick_sku(popular=world.rng.random() < 0.5) for _ in range(count)]


def known_kinds(world: World, *kinds: str) -> list[str]:
    """Return those kinds that this host knows, in random order."""
    known = [kind for kind in kinds if kind in world.habits.knows]
    world.rng.shuffle(known)
    return known


def spread_orders(crew: Crew, goods: list[int], rounds: tuple[int, int], **ways: object) -> None:
    """Let each buyer order now and then from now one, now another of the crew's promoters."""
    world, rng = crew.world, crew.world.rng
    for buyer in crew.buyers:
        mine = rng.sample(crew.sellers, max(1, round(crew.knobs.density * len(crew.sellers))))
        for _ in range(rng.randint(*rounds)):
            at = world.habits.draw_instant(rng, max(crew.since, world.buyers[buyer]), crew.until)
            crew.buy(buyer, rng.choice(mine), [rng.choice(goods)], at, **ways)


def _farm(world: World, knobs: Knobs) -> Crew:
    """A rack of telephones: many accounts on few devices, cards and addresses buy from its keeper's promoters."""
    kinds = known_kinds(world, *PERSONAL)[: world.rng.randint(1, 3)]
    crew = recruit(world, knobs, sellers=max(1, knobs.size // 40), share=[*kinds, "ip"], group=(3, 12))
    spread_orders(crew, pick_goods(world, 12), (1, 4))
    return crew


def _own_people(world: World, knobs: Knobs) -> Crew:
    """A promoter buys through its own link in the names of a few relatives, again and again."""
    kinds = known_kinds(world, "payment_account", "device", "phone")[:2] or known_kinds(world, *PERSONAL)[:1]
    crew = recruit(world, knobs, sellers=1, share=kinds, group=(4, 9), aged=0.7)
    spread_orders(crew, pick_goods(world, 25), (4, 9))
    return crew


def _circle(world: World, knobs: Knobs) -> Crew:
    """Three to six buy through the next, round and round: each promotes, each buys."""
    rng = world.rng
    crew = recruit(world, knobs, sellers=0, share=known_kinds(world, *PERSONAL)[:1], group=(2, 3), aged=0.8)
    for person in crew.people:
        person.promoter = join(world, crew.since, upline=None)
        crew.sellers.append(person.promoter)
        if "same_person" in world.habits.knows:
            world.same.append((person.promoter, person.buyer))
        for kind in known_kinds(world, "device", "phone"):  # the same hand-set for both of its roles
            value = world.make_value(kind)
            world.see(("buyer", person.buyer), kind, value, crew.since)
            world.see(("promoter", person.promoter), kind, value, crew.since)
    count = len(crew.people)
    for _ in range(rng.randint(4, 8)):
        begin = rng.uniform(crew.since, crew.until)
        for place, person in enumerate(crew.people):
            seller = crew.sellers[(place + 1) % count]
            crew.buy(person.buyer, seller, [world.pick_sku()], min(begin + rng.uniform(0, DAY), world.habits.end - 60))
    return crew


def _star(world: World, knobs: Knobs) -> Crew:
    """New accounts, one order each, all through one promoter; they live in a few hand-sets and flats."""
    crew = recruit(world, knobs, sellers=1, share=known_kinds(world, *PERSONAL)[:2], group=(3, 10), aged=0)
    rng, goods = world.rng, pick_goods(world, 6)
    for place, person in enumerate(crew.people):
        at = crew.since + knobs.spread * (place + rng.random()) / knobs.size
        world.buyers[person.buyer] = int(at - rng.uniform(90, 3 * HOUR))
        crew.buy(person.buyer, crew.sellers[0], [rng.choice(goods)], at)
    return crew


def _lockstep(world: World, knobs: Knobs) -> Crew:
    """The same buyers buy the same goods together, each good within `spread`, as a paid order group does."""
    crew = recruit(world, knobs, sellers=max(1, knobs.size // 25), rest=12 * DAY)
    rng, slow = world.rng, knobs.spread > 48 * HOUR
    density = max(0.8 if slow else 0.6, knobs.density)  # what is slow must be nearly complete to be more than a fashion
    for good in pick_goods(world, 20 if slow else rng.randint(8, 15)):
        begin = crew.since + rng.uniform(0, 9 * DAY if knobs.spread < 9 * DAY else DAY)
        for buyer in crew.buyers:
            if rng.random() < density:
                at = max(begin + rng.random() * knobs.spread, world.buyers[buyer] + 60)
                crew.buy(buyer, rng.choice(crew.sellers), [good], min(at, world.habits.end - 60))
    return crew


def _one_purse(world: World, knobs: Knobs) -> Crew:
    """Many promoters, one place to pay out to; each has a few buyers who meet again at the others."""
    sellers = max(4, knobs.size // 3)
    crew = recruit(world, knobs, sellers=sellers, aged=0.6)
    accounts = sorted(crew.list_members())
    share_values(world, "payout_account", accounts, 1, (sellers, sellers), crew.since, crew.until)
    for kind in known_kinds(world, "device", "payment_account")[:1]:
        share_values(world, kind, accounts, crew.knobs.overlap / 2, (2, 5), crew.since, crew.until)
    spread_orders(crew, pick_goods(world, 20), (3, 6))
    return crew


def _after_settlement(world: World, knobs: Knobs) -> Crew:
    """What is bought goes back once the commission is out, eight to twenty days after receipt."""
    crew = recruit(world, knobs, sellers=max(1, knobs.size // 30), rest=26 * DAY, aged=0.6)
    rng, goods = world.rng, pick_goods(world, 15)
    for buyer in crew.buyers:
        for _ in range(rng.randint(2, 4)):
            at = world.habits.draw_instant(rng, max(crew.since, world.buyers[buyer]), crew.until)
            ways = {"refunded_after": rng.uniform(7.2, 20) * DAY} if rng.random() < 0.85 else {}
            crew.buy(buyer, rng.choice(crew.sellers), [rng.choice(goods)], at, **ways)
    return crew


def _clockwork(world: World, knobs: Knobs) -> Crew:
    """A script: orders of nearly one amount, unequal goods, every few minutes through the night."""
    crew = recruit(world, knobs, sellers=max(1, knobs.size // 40), aged=0.3)
    rng, goods = world.rng, pick_goods(world, 20)
    target = int(world.prices[goods[0]] // 1000 * 1000 + 1000)
    rounds = rng.randint(2, 4)
    for turn in range(rounds):
        night = crew.since + turn * max(DAY, knobs.spread // rounds)
        at = night // DAY * DAY + 18.5 * HOUR  # half past two in Shanghai
        step = rng.uniform(90, 400)
        for buyer in rng.sample(crew.buyers, len(crew.buyers)):
            at += step + rng.gauss(0, 6)
            when = max(min(at, world.habits.end - 60), world.buyers[buyer] + 60)
            crew.buy(buyer, rng.choice(crew.sellers), [rng.choice(goods)], when, amounts=[target + rng.randint(0, 90)])
    return crew


def _ladder(world: World, knobs: Knobs) -> Crew:
    """Promoters who invite each other one below the other within the hour, and orders at the foot that pay all above."""
    rng = world.rng
    crew = recruit(world, knobs, sellers=0, share=known_kinds(world, *PERSONAL)[:1], group=(3, 6), aged=0.5)
    at, above = crew.since - int(rng.uniform(1, 5) * DAY), rng.randrange(len(world.pull))
    for _ in range(rng.randint(4, 9)):
        at += int(rng.uniform(60, 900))
        above = world.add_promoter(at, above)
        crew.sellers.append(above)
    sellers: list[Account] = [("promoter", seller) for seller in crew.sellers]
    for kind in known_kinds(world, "payout_account", "device", "phone")[:1]:
        share_values(world, kind, sellers, knobs.overlap, (2, 5), crew.since, crew.until)
    goods, foot = pick_goods(world, 10), crew.sellers[-3:]
    for buyer in crew.buyers:
        for _ in range(rng.randint(2, 5)):
            at = world.habits.draw_instant(rng, max(crew.since, world.buyers[buyer]), crew.until)
            crew.buy(buyer, rng.choice(foot), [rng.choice(goods)], at)
    return crew


def _stuffing(world: World, knobs: Knobs) -> Crew:
    """Links are opened unseen, seconds before strangers order who were about to order anyway."""
    rng = world.rng
    since = pick_start(world, knobs.spread)
    crew = Crew(world, knobs, since, gather(world, knobs.size), [])
    crew.sellers += [join(world, since, upline=None) for _ in range(rng.randint(2, 5))]
    sellers: list[Account] = [("promoter", seller) for seller in crew.sellers]
    for kind in known_kinds(world, "payout_account", "device", "phone")[:1]:
        share_values(world, kind, sellers, 1, (2, 5), crew.since, crew.until)
    for buyer in crew.buyers:
        for _ in range(1 if rng.random() < 0.8 else 2):
            at = world.habits.draw_instant(rng, max(crew.since, world.buyers[buyer] + 60), crew.until)
            crew.buy(buyer, rng.choice(crew.sellers), [world.pick_sku()], at, touched_before=rng.uniform(2, 9))
    crew.trades.clear()  # they go on with their own lives: there is nothing to hide
    return crew


def _hijacked(world: World, knobs: Knobs) -> Crew:
    """Accounts of strangers, taken over, buy a tenth of some goods each, in step, from the ring's promoters."""
    rng = world.rng
    since = pick_start(world, knobs.spread, rest=12 * DAY)
    crew = Crew(world, knobs, since, gather(world, knobs.size), [])
    crew.sellers += [join(world, since, upline=None) for _ in range(rng.randint(2, 4))]
    for good in pick_goods(world, 40):
        begin = crew.since + rng.uniform(0, 9 * DAY)
        for buyer in crew.buyers:
            if rng.random() < 0.1 and world.buyers[buyer] < begin:
                at = min(begin + rng.random() * min(knobs.spread, 48 * HOUR), world.habits.end - 60)
                crew.buy(buyer, rng.choice(crew.sellers), [good], at)
    return crew


def make_own_promoter(world: World, person: Person, since: int) -> int:
    """Let somebody of a crew be a promoter too, seen on the same hand-set."""
    person.promoter = join(world, since, upline=None)
    for kind in known_kinds(world, "device", "phone")[:1]:
        value = world.make_value(kind)
        world.see(("buyer", person.buyer), kind, value, since)
        world.see(("promoter", person.promoter), kind, value, since)
    return person.promoter


_PLACED = frozenset({"placed_at"})
DOCUMENTED = (
    Pattern("farm", _farm, (IDENTITY,), "buyers and promoters share personal identifiers, and trade with each other", (8, 200)),
    Pattern("own-people", _own_people, (IDENTITY,), "cards, devices or telephones of promoter and buyers are the same", (3, 6)),
    Pattern("circle", _circle, (IDENTITY | {"same_person"}, _PLACED), "who bought through whom closes, round after round", (3, 6)),
    Pattern("star", _star, (IDENTITY,), "new accounts with one order share hand-sets and flats", (8, 200)),
    Pattern("lockstep", _lockstep, (_PLACED,), "the same buyers meet at good after good, closer than chance", (8, 100)),
    Pattern("one-purse", _one_purse, (frozenset({"payout_account"}),), "promoters share a payout account and their buyers", (12, 60)),
    Pattern(
        "after-settlement", _after_settlement, (frozenset({"refunded_at"}), frozenset({"received_at"})),
        "nearly all is refunded, and just after the commission was released", (5, 100),
    ),
    Pattern("clockwork", _clockwork, (_PLACED,), "one amount for unequal goods at a beat of minutes, by the same accounts at night", (8, 100)),
    Pattern("ladder", _ladder, (frozenset({"joined_at"}), frozenset({"inviter_id"})), "a chain of invitations within the hour; trade only at its foot", (5, 40)),
    Pattern("stuffing", _stuffing, (frozenset({"touches"}),), "links opened seconds before each order, by people who have never come otherwise", (25, 100), victims=True),
    Pattern("hijacked", _hijacked, (_PLACED,), "strangers meet at good after good within hours, at promoters nobody else uses", (40, 100), victims=True),
)  # fmt: skip
