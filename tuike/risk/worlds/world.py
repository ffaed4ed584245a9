"""A world under construction: columns that grow, accounts, dealings and identifiers, and what is true of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tuike.risk.worlds.hosts import Host
from tuike.risk.worlds.model import DAY, UNKNOWN, Bools, Floats, Group, Ints, Ring

HOLDING_DAYS = 7
"""Commission is paid out on the Monday after the holding period from receipt."""


class Table:
    """Columns of integers that grow and are read as whole arrays; an array read is stale after the next append."""

    def __init__(self, *columns: str) -> None:
        self.columns = columns
        self.count = 0
        self._room = 0
        self._arrays: dict[str, Ints] = {column: np.empty(0, np.int64) for column in columns}

    def append(self, count: int, **values: Ints | int) -> Ints:
        """Add `count` rows and return their numbers; a single integer stands for a whole column."""
        assert set(values) == set(self.columns), set(values) ^ set(self.columns)
        end = self.count + count
        if end > self._room:
            self._room = max(end, self._room * 2)
            for column, array in self._arrays.items():
                wider = np.empty(self._room, np.int64)
                wider[: self.count] = array[: self.count]
                self._arrays[column] = wider
        for column, value in values.items():
            self._arrays[column][self.count : end] = value
        self.count = end
        return np.arange(end - count, end)

    def __getitem__(self, column: str) -> Ints:
        return self._arrays[column][: self.count]


@dataclass(frozen=True, slots=True)
class Trade:
    """What the honest trade of a world looks like, so that camouflage can look like it too."""

    day_share: Floats
    hour_share: Floats
    sku_share: Floats
    sku_price: Ints
    sku_category: Ints
    promoter_weight: Floats
    sku_cdf: Floats
    sku_rank: Ints
    """Goods, best sellers first."""
    category_order: Ints
    """Goods, sorted by category."""


@dataclass
class World:
    """A world under construction. Accounts, orders, touches and goods are numbered from 0; instants are seconds."""

    rng: np.random.Generator
    host: Host
    start: int
    promoters: Table = field(default_factory=lambda: Table("joined_at", "inviter", "person", "city"))
    buyers: Table = field(default_factory=lambda: Table("registered_at", "person", "city", "home"))
    orders: Table = field(
        default_factory=lambda: Table(
            "order", "buyer", "promoter", "sku", "amount_minor", "placed_at", "paid_at", "received_at", "refunded_at"
        )
    )
    touches: Table = field(default_factory=lambda: Table("promoter", "buyer", "parent", "at"))
    identifiers: Table = field(
        default_factory=lambda: Table("is_buyer", "account", "kind", "value", "style", "seen_at")
    )
    same_person: Table = field(default_factory=lambda: Table("promoter", "buyer"))
    rings: list[Ring] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    taken_promoters: set[int] = field(default_factory=set)
    taken_buyers: set[int] = field(default_factory=set)
    order_count: int = 0
    value_count: int = 1_000_000_000
    person_count: int = 0
    honest_buyers: int = 0
    """The first so many buyers are the host's own; later ones came with confounders and frauds."""
    trade: Trade = field(init=False)

    @property
    def end(self) -> int:
        return self.start + self.host.days * DAY

    def new_values(self, count: int) -> Ints:
        """Return values of identifiers that nobody else has."""
        self.value_count += count
        return np.arange(self.value_count - count, self.value_count)

    def new_persons(self, count: int) -> Ints:
        """Return numbers of people nobody has met before."""
        self.person_count += count
        return np.arange(self.person_count - count, self.person_count)

    def pick_skus(self, count: int) -> Ints:
        """Return goods as popular as goods are here."""
        return np.searchsorted(self.trade.sku_cdf, self.rng.random(count)).clip(
            0, len(self.trade.sku_share) - 1)  # fmt: skip

    def pick_ordinary_skus(self, count: int) -> Ints:
        """Return different goods that are neither the best sellers nor unheard of."""
        ranked = self.trade.sku_rank
        low, high = min(len(ranked) // 20, 30), max(len(ranked) // 2, count + 1)
        return self.rng.choice(ranked[low:high], min(count, high - low), replace=False)

    def pick_instants(self, since: Ints) -> Ints:
        """Return an instant after each of `since`, with the days and hours at which people shop here."""
        rng, cdf = self.rng, np.concatenate(([0.0], np.cumsum(self.trade.day_share)))
        day = ((since - self.start) // DAY + 1).clip(0, self.host.days - 1)
        low = cdf[day]
        share = low + (cdf[-1] - low) * rng.random(len(since))
        days = (np.searchsorted(cdf, share, side="right") - 1).clip(0, self.host.days - 1)
        hours = np.searchsorted(np.cumsum(self.trade.hour_share), rng.random(len(since))).clip(0, 23)
        instants: Ints = self.start + days * DAY + hours * 3600 + rng.integers(0, 3600, len(since))
        return np.maximum(instants, np.minimum(since + 60, self.end - 1))

    def at_waking_hours(self, instants: Ints) -> Ints:
        """Return the same days at hours at which people shop."""
        hours = np.searchsorted(np.cumsum(self.trade.hour_share), self.rng.random(len(instants))).clip(0, 23)
        days = (instants - self.start) // DAY
        return self.start + days * DAY + hours * 3600 + self.rng.integers(0, 3600, len(instants))

    def place(
        self, buyers: Ints, promoters: Ints | int, skus: Ints, placed_at: Ints, *,
        amounts: Ints | None = None, received_days: Floats | None = None, refunded_at: Ints | None = None,
        refunded: float | None = None, touched: float = 0.9, lag: float = 4.0,
    ) -> Ints:  # fmt: skip
        """Place one order of one line for each buyer and return the rows' numbers.

        They are paid within minutes and received within days, some are sent back. With chance `touched` the buyer
        opened the promoter's link before, about `lag` hours earlier. What would happen after the end of the world has
        not happened yet.
        """
        count = len(buyers)
        rng = self.rng
        promoter = np.full(count, promoters, np.int64) if isinstance(promoters, int) else promoters
        placed = np.clip(placed_at, self.start, self.end - 1)
        if amounts is None:
            amounts = self.trade.sku_price[skus] * (1 + (rng.random(count) < 0.12))
        rows = self.append_orders(
            self.new_orders(count), buyers, promoter, skus, amounts, placed,
            received_days=received_days, refunded_at=refunded_at, refunded=refunded)  # fmt: skip
        linked = (rng.random(count) < touched) & (promoter != UNKNOWN)
        if linked.any():
            before = (rng.lognormal(np.log(lag * 3600), 1.2, count)).astype(np.int64) + 5
            self.touch(promoter[linked], buyers[linked], placed[linked] - before[linked])
        return rows

    def new_orders(self, count: int) -> Ints:
        """Return new order numbers."""
        self.order_count += count
        return np.arange(self.order_count - count, self.order_count)

    def append_orders(
        self, order: Ints, buyers: Ints, promoters: Ints, skus: Ints, amounts: Ints, placed: Ints, *,
        received_days: Floats | None = None, refunded_at: Ints | None = None, refunded: float | None = None,
    ) -> Ints:  # fmt: skip
        """Add order lines with the usual course of payment, receipt and refund."""
        count, rng = len(order), self.rng
        paid = placed + rng.integers(8, 600, count)
        paid = np.where((rng.random(count) < 0.015) | (paid >= self.end), UNKNOWN, paid)
        days = rng.gamma(4.0, 0.8, count) + 0.6 if received_days is None else received_days
        received = paid + (days * DAY).astype(np.int64)
        received = np.where((paid == UNKNOWN) | (received >= self.end), UNKNOWN, received)
        if refunded_at is None:
            share = self.host.refunded if refunded is None else refunded
            back = received + (rng.exponential(4.0, count) * DAY).astype(np.int64) + 3600
            refunded_at = np.where((rng.random(count) < share) & (received != UNKNOWN), back, UNKNOWN)
        refunded_at = np.where((refunded_at >= self.end) | (paid == UNKNOWN), UNKNOWN, refunded_at)
        return self.orders.append(
            count, order=order, buyer=buyers, promoter=promoters, sku=skus, amount_minor=np.maximum(amounts, 1),
            placed_at=placed, paid_at=paid, received_at=received, refunded_at=refunded_at)  # fmt: skip

    def touch(self, promoters: Ints, buyers: Ints, at: Ints, parents: Ints | None = None) -> Ints:
        """Add touches; a touch is never before the world begins."""
        return self.touches.append(
            len(buyers), promoter=promoters, buyer=buyers, parent=UNKNOWN if parents is None else parents,
            at=np.clip(at, self.start - 5 * DAY, self.end - 1))  # fmt: skip

    def see(self, kind: str, *, is_buyer: bool, accounts: Ints, values: Ints, seen_at: Ints) -> None:
        """Record that accounts showed identifiers; values carry the kind's own meaning only inside it."""
        from tuike.risk.worlds.model import IDENTIFIER_KINDS

        self.identifiers.append(
            len(accounts), is_buyer=int(is_buyer), account=accounts, kind=IDENTIFIER_KINDS.index(kind),
            value=values, style=self.rng.integers(0, 1 << 16, len(accounts)), seen_at=seen_at)  # fmt: skip

    def mark_group(
        self, confounder: str, promoters: Sequence[int] | Ints = (), buyers: Sequence[int] | Ints = ()
    ) -> None:
        """Remember a group of honest accounts that must come out clean."""
        own, theirs = tuple(int(n) for n in promoters), tuple(int(n) for n in buyers)
        self.groups.append(Group(f"g{len(self.groups) + 1:05d}", confounder, own, theirs))
        self.taken_promoters.update(own)
        self.taken_buyers.update(theirs)

    def is_free(self, count: int, taken: set[int]) -> Bools:
        """Return which of the first `count` accounts take part in nothing yet."""
        free = np.ones(count, np.bool_)
        numbers = np.fromiter(taken, np.int64, len(taken))
        free[numbers[numbers < count]] = False
        return free
