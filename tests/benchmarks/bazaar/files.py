"""A market as files: what a sweep reads, and below `truth/` what the judge reads."""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np

from tests.benchmarks.bazaar.market import LookAlike, Market, Ring
from tuike.risk.worlds.model import UNKNOWN, Floats, Ints
from tuike.risk.worlds.naming import name_all, write_instants
from tuike.risk.worlds.truth import is_unpaid

OPENED_AT = int(np.datetime64("2026-01-01", "s").astype(np.int64))


def write_market(market: Market, rings: list[Ring], lookalikes: list[LookAlike], directory: Path) -> None:
    """Write the input files of a sweep; what the market does not know has no file."""
    names = _Names(market)
    files: dict[str, tuple[tuple[str, ...], list[Iterable[object]]]] = {
        "promoters.csv": (("promoter_id", "joined_at", "inviter_id"), _tell_promoters(market, names)),
        "buyers.csv": (("buyer_id", "registered_at"), [names.buyers, _tell(market.buyers["registered_at"])]),
        "orders.csv": (
            ("order_id", "buyer_id", "promoter_id", "sku", "amount_minor", "placed_at", "paid_at", "received_at", "refunded_at"),
            _tell_orders(market, names)),
        "same_person.csv": (("promoter_id", "buyer_id"), [
            name_all(names.promoters, market.same_person["promoter"]), name_all(names.buyers, market.same_person["buyer"])]),
    }  # fmt: skip
    if market.knows_people:
        files["identifiers.csv"] = (
            ("account_kind", "account_id", "kind", "value", "seen_at"),
            _tell_identifiers(market, names),
        )
        files["touches.csv"] = (
            ("touch_id", "promoter_id", "buyer_id", "parent_touch_id", "at"),
            _tell_touches(market, names),
        )
    for file, (columns, cells) in files.items():
        # Rings come about last; their rows must not lie at the end.
        rows = list(zip(*cells, strict=False))
        _write(directory / file, columns, (rows[number] for number in market.rng.permutation(len(rows)).tolist()))
    _write_truth(market, names, rings, lookalikes, directory / "truth")


class _Names:
    """How numbered things are spelled. Numbers are shuffled: a spelling tells nothing."""

    def __init__(self, market: Market) -> None:
        self._rng = market.rng
        self.promoters = self._spell("p", market.promoters.count)
        self.buyers = self._spell("b", market.buyers.count)
        self.orders = self._spell("o", market.orders.count)
        self.goods = self._spell("s", market.demand.size)

    def _spell(self, letter: str, count: int) -> list[str]:
        return [f"{letter}{number:06d}" for number in self._rng.permutation(count).tolist()]

    def name(self, account_kind: str, numbers: Ints) -> list[str]:
        return name_all(self.promoters if account_kind == "promoter" else self.buyers, numbers)


def _tell(at: Floats) -> list[str]:
    return write_instants(_date(at))


def _date(at: Floats) -> Ints:
    return np.where(np.isnan(at), UNKNOWN, OPENED_AT + np.floor(np.nan_to_num(at)).astype(np.int64))


def _tell_promoters(market: Market, names: _Names) -> list[Iterable[object]]:
    return [
        names.promoters,
        _tell(market.promoters["joined_at"]),
        name_all(names.promoters, market.promoters["inviter"]),
    ]


def _tell_orders(market: Market, names: _Names) -> list[Iterable[object]]:
    of, goods, orders = market.lines["order"], market.lines["sku"], market.orders
    instants = (_tell(orders[column][of]) for column in ("placed_at", "paid_at", "received_at", "refunded_at"))
    return [name_all(names.orders, of), name_all(names.buyers, orders["buyer"][of]),
            name_all(names.promoters, orders["promoter"][of]), name_all(names.goods, goods),
            market.prices_minor[goods].tolist(), *instants]  # fmt: skip


def _tell_identifiers(market: Market, names: _Names) -> list[Iterable[object]]:
    seen = market.identifiers
    kinds, numbers = seen["account_kind"].tolist(), seen["account"].tolist()
    ids = [names.promoters[number] if kind == "promoter" else names.buyers[number]
           for kind, number in zip(kinds, numbers, strict=True)]  # fmt: skip
    return [kinds, ids, seen["kind"].tolist(), seen["value"].tolist(), _tell(seen["seen_at"])]


def _tell_touches(market: Market, names: _Names) -> list[Iterable[object]]:
    touches = market.touches
    ids = [f"t{number:06d}" for number in market.rng.permutation(touches.count).tolist()]
    return [ids, name_all(names.promoters, touches["promoter"]), name_all(names.buyers, touches["buyer"]),
            repeat(""), _tell(touches["at"])]  # fmt: skip


def _write_truth(
    market: Market, names: _Names, rings: list[Ring], lookalikes: list[LookAlike], directory: Path
) -> None:
    _write(directory / "accounts.csv", ("account_kind", "account_id", "ring_id", "role", "fraud"),
           (row for number, ring in enumerate(rings) for row in _list_members(f"r{number}", ring, names)))  # fmt: skip
    _write(directory / "rings.csv", ("ring_id", "fraud", "promoters", "buyers", "orders"),
           ((f"r{number}", ring.fraud, ring.promoters.size, ring.buyers.size, ring.orders.size)
            for number, ring in enumerate(rings)))  # fmt: skip
    _write(directory / "orders.csv", ("order_id", "ring_id", "promoter_id", "buyer_id", "amount_minor", "unpaid"),
           _list_orders(market, names, rings))  # fmt: skip
    _write(directory / "confounders.csv", ("account_kind", "account_id", "group_id", "kind"),
           ((account_kind, account_id, f"g{number}", alike.kind)
            for number, alike in enumerate(lookalikes)
            for account_kind, accounts in (("promoter", alike.promoters), ("buyer", alike.buyers))
            for account_id in names.name(account_kind, accounts)))  # fmt: skip
    facts = {"ends_at": write_instants(np.array([OPENED_AT + market.end]))[0], "rings": len(rings),
             "accounts": market.buyers.count + market.promoters.count}  # fmt: skip
    (directory / "world.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _list_members(ring_id: str, ring: Ring, names: _Names) -> Iterator[tuple[str, ...]]:
    for account_id in names.name("promoter", ring.promoters):
        yield "promoter", account_id, ring_id, "promoter", ring.fraud
    for account_id in names.name("buyer", ring.buyers):
        yield "buyer", account_id, ring_id, "hijacked" if ring.is_taken_over else "buyer", ring.fraud


def _list_orders(market: Market, names: _Names, rings: list[Ring]) -> Iterator[tuple[object, ...]]:
    """Tell a line each, as in orders.csv; orders of rings have one."""
    first_line = np.zeros(market.orders.count, np.int64)
    first_line[market.lines["order"][::-1]] = np.arange(market.lines.count)[::-1]
    amounts = market.prices_minor[market.lines["sku"][first_line]]
    unpaid = is_unpaid(_date(market.orders["received_at"]), OPENED_AT + market.end)
    promoters, buyers = market.orders["promoter"], market.orders["buyer"]
    for number, ring in enumerate(rings):
        for order in ring.orders.tolist():
            yield (names.orders[order], f"r{number}", names.promoters[promoters[order]], names.buyers[buyers[order]],
                   amounts[order], int(unpaid[order]))  # fmt: skip


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[Iterable[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
