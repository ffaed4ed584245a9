"""Worlds as files: the CSV files that a sweep reads, and beside them the truth."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tuike.risk.worlds.model import IDENTIFIER_KINDS, Ints
from tuike.risk.worlds.naming import Names, name_all, write_instants
from tuike.risk.worlds.spelling import spell_values
from tuike.risk.worlds.truth import write_truth
from tuike.risk.worlds.world import World

_CHUNK = 200_000
_Render = Callable[[Ints], Sequence[Sequence[str]]]


def write_world(world: World, directory: Path) -> dict[str, int]:
    """Write a world's input files and `truth/` below `directory`; return how many rows each input file has."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "truth").mkdir(exist_ok=True)
    names = Names(world)
    rng = np.random.default_rng(world.rng.integers(1 << 60))
    counts = {}
    for file, (columns, count, render) in _list_files(world, names).items():
        if file in world.host.missing_files:
            (directory / file).unlink(missing_ok=True)
            continue
        missing = {column for name, column in world.host.missing_columns if name == file}
        order = rng.permutation(count)
        with (directory / file).open("w", encoding="utf-8", newline="") as out:
            out.write(",".join(columns) + "\n")
            for begin in range(0, count, _CHUNK):
                rows = order[begin : begin + _CHUNK]
                rendered = [
                    [""] * len(rows) if column in missing else cells
                    for column, cells in zip(columns, render(rows), strict=True)
                ]
                csv.writer(out, lineterminator="\n").writerows(zip(*rendered, strict=True))
        counts[file] = count
    write_truth(world, names, directory / "truth", counts)
    return counts


def _list_files(world: World, names: Names) -> dict[str, tuple[tuple[str, ...], int, _Render]]:
    promoters, buyers, orders, touches = world.promoters, world.buyers, world.orders, world.touches
    identifiers, same = world.identifiers, world.same_person

    return {
        "promoters.csv": (
            ("promoter_id", "joined_at", "inviter_id"), promoters.count,
            lambda rows: (name_all(names.promoters, rows), write_instants(promoters["joined_at"][rows]),
                          name_all(names.promoters, promoters["inviter"][rows]))),
        "buyers.csv": (
            ("buyer_id", "registered_at"), buyers.count,
            lambda rows: (name_all(names.buyers, rows), write_instants(buyers["registered_at"][rows]))),
        "identifiers.csv": (
            ("account_kind", "account_id", "kind", "value", "seen_at"), identifiers.count,
            lambda rows: _render_identifiers(world, names, rows)),
        "touches.csv": (
            ("touch_id", "promoter_id", "buyer_id", "parent_touch_id", "at"), touches.count,
            lambda rows: (name_all(names.touches, rows), name_all(names.promoters, touches["promoter"][rows]),
                          name_all(names.buyers, touches["buyer"][rows]),
                          name_all(names.touches, touches["parent"][rows]),
                          write_instants(touches["at"][rows]))),
        "orders.csv": (
            ("order_id", "buyer_id", "promoter_id", "sku", "amount_minor", "placed_at", "paid_at", "received_at",
             "refunded_at"), orders.count,
            lambda rows: (name_all(names.orders, orders["order"][rows]), name_all(names.buyers, orders["buyer"][rows]),
                          name_all(names.promoters, orders["promoter"][rows]),
                          name_all(names.skus, orders["sku"][rows]),
                          [str(amount) for amount in orders["amount_minor"][rows].tolist()],
                          *(write_instants(orders[column][rows])
                            for column in ("placed_at", "paid_at", "received_at", "refunded_at")))),
        "same_person.csv": (
            ("promoter_id", "buyer_id"), same.count,
            lambda rows: (name_all(names.promoters, same["promoter"][rows]),
                          name_all(names.buyers, same["buyer"][rows]))),
    }  # fmt: skip


def _render_identifiers(world: World, names: Names, rows: Ints) -> tuple[list[str], ...]:
    table = world.identifiers
    is_buyer, account, kind = table["is_buyer"][rows], table["account"][rows], table["kind"][rows]
    value, style = table["value"][rows], table["style"][rows]
    text = np.empty(len(rows), object)
    for number, name in enumerate(IDENTIFIER_KINDS):
        own = np.flatnonzero(kind == number)
        text[own] = list(spell_values(name, number, value[own], style[own]))
    buyers, promoters = names.buyers, names.promoters
    ids = [buyers[n] if b else promoters[n] for b, n in zip(is_buyer.tolist(), account.tolist(), strict=True)]
    account_kinds = ["buyer" if b else "promoter" for b in is_buyer.tolist()]
    kinds = [IDENTIFIER_KINDS[k] for k in kind.tolist()]
    return account_kinds, ids, kinds, text.tolist(), write_instants(table["seen_at"][rows])
