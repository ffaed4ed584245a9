"""The truth of a world, written beside its input files."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tuike.risk.worlds.frauds import FRAUDS
from tuike.risk.worlds.model import DAY, UNKNOWN, Bools, Ints, Ring
from tuike.risk.worlds.naming import Names, write_instants
from tuike.risk.worlds.world import HOLDING_DAYS, World

COMMISSION_BPS = 1000
"""What the first level earns by the default plan; rings.csv tells money by it."""


def write_truth(world: World, names: Names, directory: Path, counts: dict[str, int]) -> None:
    """Write who belongs to which ring, what rings earn, and who only looks like it."""
    write = _Writer(directory)
    write("accounts.csv", ("account_kind", "account_id", "ring_id", "role", "fraud"), (
        row for ring in world.rings for row in _list_members(ring, names)))  # fmt: skip
    write("rings.csv", ("ring_id", "fraud", "held_out", "promoters", "buyers", "victims", "orders",
                        "commission_base_minor", "commission_minor", "unpaid_minor", "density", "camouflage",
                        "spread_hours", "overlap", "first_at", "last_at"),
          (_tell_ring(world, ring) for ring in world.rings))  # fmt: skip
    write("confounders.csv", ("account_kind", "account_id", "group_id", "kind"), (
        (kind, spelled[number], group.id, group.confounder)
        for group in world.groups
        for kind, spelled, numbers in (
            ("promoter", names.promoters, group.promoters), ("buyer", names.buyers, group.buyers))
        for number in dict.fromkeys(numbers)))  # fmt: skip
    write("orders.csv", ("order_id", "ring_id", "promoter_id", "buyer_id", "amount_minor", "unpaid"),
          (row for ring in world.rings for row in _list_orders(world, ring, names)))  # fmt: skip
    facts = {"host": world.host.name, "ends_at": write_instants(np.array([world.end]))[0], "rows": counts,
             "accounts": world.buyers.count + world.promoters.count, "rings": len(world.rings),
             "host_shape": asdict(world.host)}  # fmt: skip
    (directory / "world.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


class _Writer:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, file: str, columns: tuple[str, ...], rows: Iterable[Iterable[object]]) -> None:
        with (self.directory / file).open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)


def _list_members(ring: Ring, names: Names) -> Iterator[tuple[str, str, str, str, str]]:
    for number in dict.fromkeys(ring.promoters):
        role = "leader" if number in ring.leaders else "promoter"
        yield "promoter", names.promoters[number], ring.id, role, ring.fraud
    for number in dict.fromkeys(ring.buyers):
        yield "buyer", names.buyers[number], ring.id, "hijacked" if number in ring.hijacked else "buyer", ring.fraud
    for number in dict.fromkeys(ring.victims):
        yield "buyer", names.buyers[number], ring.id, "victim", ring.fraud


def _list_orders(world: World, ring: Ring, names: Names) -> Iterator[tuple[object, ...]]:
    orders, rows = world.orders, ring.orders[world.orders["paid_at"][ring.orders] != UNKNOWN]
    unpaid = is_unpaid(orders["received_at"][rows], world.end)
    columns = ("order", "promoter", "buyer", "amount_minor")
    for order, promoter, buyer, amount, late in zip(
            *(orders[column][rows].tolist() for column in columns), unpaid.tolist(), strict=True):  # fmt: skip
        yield names.orders[order], ring.id, names.promoters[promoter], names.buyers[buyer], amount, int(late)


def _tell_ring(world: World, ring: Ring) -> tuple[object, ...]:
    orders, rows = world.orders, ring.orders
    knobs = (round(ring.knobs.density, 3), round(ring.knobs.camouflage, 3), round(ring.knobs.spread_hours, 2),
             round(ring.knobs.overlap, 3))  # fmt: skip
    paid = rows[orders["paid_at"][rows] != UNKNOWN]
    base = orders["amount_minor"][paid]
    late = is_unpaid(orders["received_at"][paid], world.end)
    placed = orders["placed_at"][rows]
    first, last = write_instants(np.array([placed.min(), placed.max()])) if len(rows) else ("", "")
    return (ring.id, ring.fraud, int(FRAUDS[ring.fraud].is_held_out), len(set(ring.promoters)), len(set(ring.buyers)),
            len(set(ring.victims)), len(rows), int(base.sum()), int(base.sum()) * COMMISSION_BPS // 10_000,
            int(base[late].sum()) * COMMISSION_BPS // 10_000, *knobs, first, last)  # fmt: skip


def is_unpaid(received_at: Ints, now: int) -> Bools:
    """Return whose commission has not left yet: the holding period still runs, or the Monday after it lies ahead."""
    due = received_at + HOLDING_DAYS * DAY
    monday = (due - 4 * DAY) // (7 * DAY) * 7 * DAY + 11 * DAY
    return (received_at == UNKNOWN) | (monday > now)
