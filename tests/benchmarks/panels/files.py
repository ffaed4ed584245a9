"""Writes a world as the files that a sweep reads: rows shuffled, ids that say nothing, and only what the host knows."""

import csv
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.panels.world import DAY, INSTANTS, Account, World

Table = tuple[list[str], Iterator[list[str]]]


def write_world(world: World, directory: Path) -> None:
    """Write the files of a world; tables without rows get none."""
    directory.mkdir(parents=True, exist_ok=True)
    scribe = Scribe(world)
    tables: dict[str, Callable[[], Table]] = {
        "promoters": scribe.list_promoters,
        "buyers": scribe.list_buyers,
        "identifiers": scribe.list_identifiers,
        "touches": scribe.list_touches,
        "orders": scribe.list_orders,
        "same_person": scribe.list_same_persons,
    }
    for name, make in tables.items():
        header, made = make()
        rows = list(made)
        if rows:
            random.Random(f"{name}/{world.seed}").shuffle(rows)
            with (directory / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *rows])


class Scribe:
    """Spells the rows of one world."""

    def __init__(self, world: World) -> None:
        self._world, self._habits = world, world.habits
        rng = random.Random(f"names/{world.name}/{world.seed}")
        self._factor, self._shift = rng.getrandbits(40) | 1, rng.getrandbits(40)

    def name(self, kind: str, number: int | None) -> str:
        """Return an id: a permutation of all numbers, so that equal ones get equal ids and order says nothing."""
        return "" if number is None else f"{kind[0]}{(number * self._factor + self._shift) % (1 << 40):010x}"

    def name_account(self, account: Account) -> tuple[str, str]:
        """Return kind and id of an account."""
        return account[0], self.name(*account)

    def spell(self, column: str, at: int | None) -> str:
        """Return an instant; nothing if it is not known here or has not come yet."""
        habits = self._habits
        if at is None or column not in habits.knows or at > habits.end:
            return ""
        return datetime.fromtimestamp(at // DAY * DAY if habits.whole_days else at, UTC).isoformat()

    def list_promoters(self) -> Table:
        """Return promoters.csv."""
        invited = "inviter_id" in self._habits.knows
        rows = (
            [self.name("promoter", n), self.spell("joined_at", at), self.name("promoter", up if invited else None)]
            for n, (at, up) in enumerate(self._world.promoters)
        )
        return ["promoter_id", "joined_at", "inviter_id"], rows

    def list_buyers(self) -> Table:
        """Return buyers.csv."""
        buyers = enumerate(self._world.buyers)
        return ["buyer_id", "registered_at"], (
            [self.name("buyer", n), self.spell("registered_at", at)] for n, at in buyers
        )

    def list_identifiers(self) -> Table:
        """Return identifiers.csv."""
        rows = (
            [who, self.name(who, n), kind, value, self.spell("seen_at", at)]
            for who, n, kind, value, at in self._world.identifiers
            if kind in self._habits.knows
        )
        return ["account_kind", "account_id", "kind", "value", "seen_at"], rows

    def list_touches(self) -> Table:
        """Return touches.csv."""
        touches = self._world.touches if "touches" in self._habits.knows else []
        rows = (
            [
                self.name("touch", n),
                self.name("promoter", p),
                self.name("buyer", b),
                self.name("touch", up),
                self.spell("at", at),
            ]
            for n, (p, b, up, at) in enumerate(touches)
            if at <= self._habits.end
        )
        return ["touch_id", "promoter_id", "buyer_id", "parent_touch_id", "at"], rows

    def list_orders(self) -> Table:
        """Return orders.csv."""
        rows = (
            [self.name("order", o), self.name("buyer", b), self.name("promoter", p), self.name("sku", sku), str(amount)]
            + [self.spell(column, at) for column, at in zip(INSTANTS, (placed, *later), strict=True)]
            for o, b, p, sku, amount, placed, *later in self._world.lines
            if placed <= self._habits.end
        )
        return ["order_id", "buyer_id", "promoter_id", "sku", "amount_minor", *INSTANTS], rows

    def list_same_persons(self) -> Table:
        """Return same_person.csv."""
        known = self._world.same if "same_person" in self._habits.knows else []
        return ["promoter_id", "buyer_id"], ([self.name("promoter", p), self.name("buyer", b)] for p, b in known)
