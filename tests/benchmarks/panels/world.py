"""A world: the rows that a platform knows, who in it cheats, and who only looks like it."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

DAY, HOUR = 86_400, 3_600
Account = tuple[str, int]  # ("buyer" | "promoter", number)
IDENTIFIERS = ("device", "ip", "phone", "address", "payment_account", "payout_account")
INSTANTS = ("placed_at", "paid_at", "received_at", "refunded_at")


@dataclass(frozen=True, slots=True)
class Habits:
    """How people of one host live: what the platform knows of them, and how fast things happen there.

    `knows` names identifier kinds, columns of instants, `touches` and `same_person`; what it does not name is never
    written. `coverage` is the chance that a platform has seen an identifier that somebody has.
    """

    start: int
    days: int
    knows: frozenset[str]
    coverage: float = 0.7
    organic: float = 0.4
    refunds: float = 0.05
    touched: float = 0.8
    receipt_days: float = 3.0
    newcomers: float = 0.5
    lines: float = 1.2
    whole_days: bool = False
    festivals: tuple[int, ...] = ()  # days of sales, on which `festive` of what could fall on them happens
    festive: float = 0.4
    hours: tuple[float, ...] = (2, 1, 1, 0, 0, 1, 2, 4, 6, 8, 9, 9, 10, 8, 7, 7, 7, 8, 10, 13, 15, 14, 10, 5)

    @property
    def end(self) -> int:
        """Return the last instant of the world."""
        return self.start + self.days * DAY

    def draw_instant(self, rng: random.Random, since: float, until: float) -> int:
        """Return an instant in [since, until] at an hour at which people shop."""
        day = rng.uniform(since, max(since, until)) // DAY * DAY
        sales = [at for at in (self.start + offset * DAY for offset in self.festivals) if since <= at < until - DAY]
        if sales and rng.random() < self.festive:
            day = rng.choice(sales)
        hour = rng.choices(range(24), self.hours)[0]
        return int(min(max(day + hour * HOUR + rng.uniform(0, HOUR), since), max(since, until)))


@dataclass(slots=True)
class Person:
    """Somebody with a buyer account, perhaps a promoter account too, and one value of each identifier kind."""

    buyer: int
    promoter: int | None = None
    own: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ring:
    """People who live on commission for trade that is none. `victims` lent their accounts without knowing."""

    pattern: str
    members: frozenset[Account]
    victims: frozenset[Account]
    knobs: dict[str, float | int | str]
    proof: str


@dataclass(frozen=True, slots=True)
class Group:
    """Honest people who look like a ring of some kind."""

    likeness: str
    members: frozenset[Account]


class World:
    """Rows under construction. Numbers are positions; `files` draws ids that mean nothing."""

    def __init__(self, name: str, habits: Habits, seed: int) -> None:
        self.name, self.habits, self.seed = name, habits, seed
        self.rng = random.Random(f"{name}/{seed}")
        self.promoters: list[tuple[int, int | None]] = []
        self.buyers: list[int] = []
        self.identifiers: list[tuple[str, int, str, str, int]] = []
        self.touches: list[tuple[int, int, int | None, int]] = []
        self.lines: list[tuple[int, int, int | None, int, int, int, int, int, int | None]] = []
        self.same: list[tuple[int, int]] = []
        self.people: list[Person] = []
        self.prices = np.zeros(0, dtype=np.int64)
        self.fame = np.zeros(0)  # cumulative share of trade, by sku
        self.pull = np.zeros(0)  # cumulative share of trade, by honest promoter
        self.rings: list[Ring] = []
        self.groups: list[Group] = []
        self.taken: set[int] = set()  # buyers who stand in some ring or group already
        self._orders = 0
        self._values = 0

    # Accounts

    def add_promoter(self, joined_at: int, inviter: int | None) -> int:
        """Add a promoter account and return its number."""
        self.promoters.append((joined_at, inviter))
        return len(self.promoters) - 1

    def add_buyer(self, registered_at: int) -> int:
        """Add a buyer account and return its number."""
        self.buyers.append(registered_at)
        return len(self.buyers) - 1

    def make_value(self, kind: str) -> str:
        """Return a value of an identifier kind that nobody has."""
        self._values += 1
        number, rng = self._values, self.rng
        match kind:
            case "ip":
                return f"{rng.randint(11, 99)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            case "address":
                return f"Room {rng.randint(101, 2899)}, Building {rng.randint(1, 30)}, {number} Renmin Road, District {number % 17}"
            case "phone":
                return f"13{number:09d}"
            case _:
                return f"{kind[:3]}-{number:x}-{rng.getrandbits(32):08x}"

    def see(self, account: Account, kind: str, value: str, at: int) -> None:
        """Record that an account used an identifier."""
        self.identifiers.append((*account, kind, value, at))

    def introduce(self, person: Person, since: int, until: int) -> None:
        """Record of what somebody owns what the platform happened to see."""
        for kind, value in person.own.items():
            accounts: list[Account] = [] if kind == "payout_account" else [("buyer", person.buyer)]
            if person.promoter is not None and kind not in {"payment_account", "address"}:
                accounts.append(("promoter", person.promoter))
            for account in accounts:
                if self.rng.random() < self.habits.coverage:
                    self.see(account, kind, value, int(self.rng.uniform(since, until)))

    # Trade

    def touch(self, promoter: int, buyer: int, at: int, parent: int | None = None) -> int:
        """Record one opening of a link and return its number."""
        self.touches.append((promoter, buyer, parent, at))
        return len(self.touches) - 1

    def order(
        self,
        buyer: int,
        promoter: int | None,
        goods: Iterable[int],
        at: int,
        *,
        amounts: Iterable[int] | None = None,
        received_after: float | None = None,
        refunded_after: float | None = None,
        touched_before: float | None = None,
    ) -> int:
        """Record an order as it goes in this host, but for what is said, and return its instant.

        `received_after` counts seconds from payment, `refunded_after` from receipt, `touched_before` back from the order.
        """
        rng, habits = self.rng, self.habits
        skus = list(goods)
        prices = list(amounts) if amounts is not None else [self._charge(sku) for sku in skus]
        paid = at + int(min(rng.lognormvariate(3.8, 1.2), 6 * HOUR))
        if received_after is None:
            received_after = max(0.4, rng.gammavariate(4, habits.receipt_days / 4)) * DAY
        received = paid + int(received_after)
        if refunded_after is None and rng.random() < habits.refunds:
            late = rng.random() < 0.06
            refunded_after = rng.uniform(8, 40) * DAY if late else rng.triangular(0.1, 7, 2) * DAY
        refunded = None if refunded_after is None else received + int(refunded_after)
        for sku, price in zip(skus, prices, strict=True):
            self.lines.append((self._orders, buyer, promoter, sku, price, at, paid, received, refunded))
        self._orders += 1
        if promoter is not None and (touched_before is not None or rng.random() < habits.touched):
            before = touched_before if touched_before is not None else min(rng.lognormvariate(7.5, 2.2), 29 * DAY)
            self.touch(promoter, buyer, at - max(2, int(before)))
        return at

    def refund_lines(self, first: int, skus: set[int]) -> None:
        """Keep the refund only for lines of the given goods, among those from number `first` on."""
        for number in range(first, len(self.lines)):
            line = self.lines[number]
            if line[3] not in skus:
                self.lines[number] = (*line[:8], None)

    def _charge(self, sku: int) -> int:
        quantity = 1 if self.rng.random() < 0.8 else self.rng.randint(2, 4)
        discount = self.rng.choice((1, 1, 1, 0.95, 0.9, 0.88))
        return max(1, int(self.prices[sku] * quantity * discount))

    def pick_sku(self, *, popular: bool = True) -> int:
        """Return a good: as often as it is bought, or any."""
        if popular:
            return min(int(np.searchsorted(self.fame, self.rng.random(), side="right")), len(self.prices) - 1)
        return self.rng.randrange(len(self.prices))

    def fill_basket(self, *goods: int, popular: bool = True) -> list[int]:
        """Return goods with as many others as people here put into a basket."""
        basket = set(goods) or {self.pick_sku(popular=popular)}
        while self.rng.random() < 1 - 1 / self.habits.lines and len(basket) < 30:
            basket.add(self.pick_sku(popular=popular))
        return sorted(basket)

    def pick_seller(self, *, popular: bool = True) -> int:
        """Return an honest promoter: as often as people buy through it, or any."""
        if popular:
            return min(int(np.searchsorted(self.pull, self.rng.random(), side="right")), len(self.pull) - 1)
        return self.rng.randrange(len(self.pull))

    def count_orders(self) -> int:
        """Return how many orders were placed."""
        return self._orders
