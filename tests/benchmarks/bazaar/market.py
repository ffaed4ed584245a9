"""A market: the rows that a platform knows, as they come about. Instants are seconds since it opened, until they are written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tuike.risk.worlds.model import DAY, HOUR, Bools, Floats, Ints

Texts = npt.NDArray[np.object_]

NOBODY = -1
"""Stands for no promoter: an order that nobody referred, somebody whom nobody invited, a customer without habits."""

PROMOTERS_OWN = ("device", "payout_account", "ip")
BUYERS_OWN = {"device": 1.0, "ip": 1.0, "address": 0.8, "payment_account": 0.7, "phone": 0.7}
"""How likely the market has seen which identifier that is a buyer's alone."""

PAUSE_AT_LEAST_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Ring:
    """Accounts that live on `orders` which are no trade; `is_taken_over`: its buyers' accounts were honest people's."""

    fraud: str
    promoters: Ints
    buyers: Ints
    orders: Ints
    is_taken_over: bool = False


@dataclass(frozen=True, slots=True)
class LookAlike:
    """Honest accounts that have something in common."""

    kind: str
    promoters: Ints
    buyers: Ints


class Rows:
    """Rows of one kind; columns of equal length, added to at the end."""

    def __init__(self, *columns: str) -> None:
        self.count = 0
        self._parts: dict[str, list[Any]] = {column: [] for column in columns}

    def __getitem__(self, column: str) -> Any:
        parts = self._parts[column]
        return np.concatenate(parts) if parts else np.empty(0)

    def add(self, count: int, **columns: Any) -> Ints:
        """Add `count` rows and return their numbers; a single value stands for all of them."""
        for column, parts in self._parts.items():
            parts.append(np.broadcast_to(np.asarray(columns[column]), (count,)))
        self.count += count
        return np.arange(self.count - count, self.count)


class Market:
    """Promoters, buyers and their orders over some days; `knows_people` says whether it keeps identifiers and touches."""

    def __init__(
        self, rng: np.random.Generator, *, days: int, prices_minor: Ints, demand: Floats, knows_people: bool
    ) -> None:
        self.rng, self.end, self.knows_people = rng, days * DAY, knows_people
        self.prices_minor, self.demand = prices_minor, demand
        self.promoters = Rows("joined_at", "inviter")
        self.buyers = Rows("registered_at")
        self.orders = Rows("buyer", "promoter", "placed_at", "paid_at", "received_at", "refunded_at")
        self.lines = Rows("order", "sku")
        self.touches = Rows("promoter", "buyer", "at")
        self.same_person = Rows("promoter", "buyer")
        self.identifiers = Rows("account_kind", "account", "kind", "value", "seen_at")
        self.usual_promoter = np.empty(0, np.int64)
        """Of each of the host's buyers, who are numbered first: whom he mostly buys from."""
        self.host_promoters_count = 0
        self._invented = 0

    # People

    def hire(self, count: int, *, joined: tuple[float, float] | None = None, inviter: Ints | int = NOBODY,
             own: Iterable[str] = PROMOTERS_OWN) -> Ints:  # fmt: skip
        """Return new promoters who joined between two parts of the market's time, or else in the 200 days before it."""
        since, until = (part * self.end for part in joined) if joined else (-200.0 * DAY, 0.0)
        new = self.promoters.add(count, joined_at=self.rng.uniform(since, until, count), inviter=inviter)
        for kind in own:
            self.identify("promoter", new, kind, self.draw_ips(count) if kind == "ip" else self.invent(kind, count))
        return new

    def register(self, registered_at: Floats, *, own: Iterable[str] = tuple(BUYERS_OWN)) -> Ints:
        """Return new buyers, each with identifiers of the own kinds that nobody else has."""
        new = self.buyers.add(len(registered_at), registered_at=registered_at)
        for kind in own:
            seen = new[self.toss(len(new), BUYERS_OWN[kind])]
            self.identify("buyer", seen, kind, self._draw_values(kind, len(seen)))
        return new

    def draw_past(self, count: int, *, since_day: float = -300.0, until_day: float = 0.0) -> Floats:
        """Return instants between two days; of the 300 days before the market opened if nothing is said."""
        return self.rng.uniform(since_day, until_day, count) * DAY

    def pick_customers(self, count: int, *, again: bool = False) -> Ints:
        """Return buyers of the host, the same one at most once unless `again`."""
        return self.rng.choice(self.usual_promoter.size, count, replace=again)

    def pick_promoters(self, count: int) -> Ints:
        """Return promoters of the host, some perhaps more than once."""
        return self.rng.integers(0, self.host_promoters_count, count)

    # What the market knows of them

    def identify(self, account_kind: str, accounts: Ints, kind: str, values: str | Sequence[str] | Texts,
                 seen_at: Floats | None = None) -> None:  # fmt: skip
        """Note which values of an identifier accounts used, at any time if none is said."""
        if self.knows_people:
            seen_at = self.rng.uniform(0, self.end, len(accounts)) if seen_at is None else seen_at
            self.identifiers.add(len(accounts), account_kind=np.asarray(account_kind, object), account=accounts,
                                 kind=np.asarray(kind, object), value=np.asarray(values, object), seen_at=seen_at)  # fmt: skip

    def invent(self, prefix: str, count: int) -> list[str]:
        """Return so many values that nobody has."""
        self._invented += count
        return [f"{prefix}-{number:06d}" for number in range(self._invented - count, self._invented)]

    def invent_one(self, prefix: str) -> str:
        """Return a value that nobody has."""
        return self.invent(prefix, 1)[0]

    def draw_ips(self, count: int, net: str = "") -> list[str]:
        """Return addresses of the internet, all below `net` ("81.2.") if it is given."""
        four = zip(*(self.rng.integers(low, high, count).tolist() for low, high in _OCTETS), strict=True)
        return [net + ".".join(map(str, octets[net.count(".") :])) for octets in four]

    def _draw_values(self, kind: str, count: int) -> list[str]:
        if kind == "ip":
            return self.draw_ips(count)
        if kind == "address":
            parts = zip(*(self.rng.integers(1, high, count).tolist() for high in (400, 3000, 60)), strict=True)
            return [f"{house} Road {road}, flat {flat}" for house, road, flat in parts]
        return self.invent(kind, count)

    # Goods and chances

    def toss(self, count: int, chance: float | Floats) -> Bools:
        """Return which of so many tosses come out."""
        return self.rng.random(count) < chance

    def pick_goods(self, count: int) -> Ints:
        """Return goods as customers want them."""
        return self.rng.choice(self.demand.size, count, p=self.demand)

    def pick_assortment(self, count: int) -> Ints:
        """Return different goods, likely the popular ones."""
        return self.rng.choice(self.demand.size, count, replace=False, p=self.demand)

    def pick_any_goods(self, count: int) -> Ints:
        """Return goods without a look at what customers want."""
        return self.rng.integers(0, self.demand.size, count)

    def draw_instants(self, count: int) -> Floats:
        """Return instants at any time but the last day."""
        return self.rng.uniform(0, self.end - DAY, count)

    def draw_windows(self, windows: int, each: int, spread: float, *, latest: float = 0.8) -> Floats:
        """Return `each` instants within `spread` seconds, for one window after the other."""
        begins = self.rng.uniform(0.1, latest, windows) * (self.end - spread)
        return np.repeat(begins, each) + self.rng.random(windows * each) * spread

    def draw_script_pauses(self, count: int) -> Floats:
        """Return the seconds from link to order of somebody who has a list to work off: a minute or two."""
        return np.abs(self.rng.normal(90, 40, count)) + 5

    # Trade

    def place(self, buyers: Ints, promoters: Ints, goods: Ints, at: Floats, *, pauses: Floats | None = None,
              refund_chance: float = 0.03, refund_days: tuple[float, float] = (0.2, 7.0)) -> Ints:  # fmt: skip
        """Place orders of one line each and return their numbers.

        Each is paid within minutes, received within days and rarely sent back `refund_days` later; the promoter's link
        was opened `pauses` seconds before, or hours if nothing is said.
        """
        count = len(buyers)
        paid_at = at + self.rng.exponential(120, count) + 5
        received_at = self._until_end(paid_at + self.rng.uniform(1, 6, count) * DAY)
        refunded_at = self._until_end(received_at + self.rng.uniform(*refund_days, count) * DAY)
        refunded_at[~self.toss(count, refund_chance)] = np.nan
        orders = self.orders.add(count, buyer=buyers, promoter=promoters, placed_at=at, paid_at=paid_at,
                                 received_at=received_at, refunded_at=refunded_at)  # fmt: skip
        self.add_lines(orders, goods)
        if self.knows_people:
            pauses = self.rng.exponential(3 * HOUR, count) + PAUSE_AT_LEAST_SECONDS if pauses is None else pauses
            led = promoters != NOBODY
            self.touches.add(int(led.sum()), promoter=promoters[led], buyer=buyers[led], at=(at - pauses)[led])
        return orders

    def add_lines(self, orders: Ints, goods: Ints) -> None:
        """Add a line to each of some orders."""
        self.lines.add(len(orders), order=orders, sku=goods)

    def place_everyday(self, buyers: Ints, each: Ints) -> None:
        """Let buyers order what customers want from whom they usually buy, or from anybody, `each` so often."""
        who = np.repeat(buyers, each)
        is_hosts = who < self.usual_promoter.size
        usual = np.where(is_hosts, self.usual_promoter[np.where(is_hosts, who, 0)], NOBODY)
        promoters = np.where(usual == NOBODY, self.pick_promoters(len(who)), usual)
        self.place(who, promoters, self.pick_goods(len(who)), self.draw_instants(len(who)))

    def _until_end(self, at: Floats) -> Floats:
        return np.where(at > self.end, np.nan, at)


_OCTETS = ((1, 223), (0, 255), (0, 255), (1, 254))
