"""Compares the graph with the journal, kind by kind, in pages, and says what differs.

What should be there is looked up by key; what should not be there shows because there is more of it than was looked up.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from tuike.db import Database, Transaction
from tuike.graph import journal
from tuike.graph.driver import Graph
from tuike.graph.expected import Forest, Progress, read_forest
from tuike.graph.seating import LEVELS_MAX, SEAT_WIDTH
from tuike.graph.writer import apply_lazy, catch_up, writing

PAGE = 2_000
_EXAMPLES_MAX = 20


@dataclass(slots=True)
class Part:
    """The comparison of one kind of thing."""

    expected: int = 0
    found: int = 0
    missing: int = 0
    extra: int = 0
    wrong: int = 0

    def to_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in ("expected", "found", "missing", "extra", "wrong")}


@dataclass(slots=True)
class Comparison:
    """All parts so far, and up to twenty differences in words."""

    parts: dict[str, Part] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def compare(self, part: str, key: str, expected: Sequence[Hashable], found: Sequence[Hashable]) -> None:
        """Compare all things of one key, in any order: what is on one side only, is missing, extra, or (both) wrong."""
        tally = self.parts.setdefault(part, Part())
        tally.expected += len(expected)
        tally.found += len(found)
        absent, surplus = _subtract(expected, found), _subtract(found, expected)
        wrong = min(len(absent), len(surplus))
        tally.wrong += wrong
        tally.missing += len(absent) - wrong
        tally.extra += len(surplus) - wrong
        if absent or surplus:
            self._note(f"{part} {key}: expected {absent or 'nothing'}, found {surplus or 'nothing'}")

    def compare_total(self, part: str, total: int) -> None:
        """Count everything beyond what was looked up by key as extra."""
        tally = self.parts.setdefault(part, Part())
        surplus = total - tally.found
        if surplus > 0:
            tally.extra += surplus
            tally.found = total
            self._note(f"{part}: {surplus} more than the journal has")

    def compare_count(self, part: str, expected: int, found: int) -> None:
        """Compare two numbers of things that are not looked at one by one."""
        tally = Part(expected, found, missing=max(0, expected - found), extra=max(0, found - expected))
        self.parts[part] = tally
        if expected != found:
            self._note(f"{part}: expected {expected}, found {found}")

    def report_wrong(self, part: str, what: str) -> None:
        """Count one thing of a part as wrong."""
        self.parts.setdefault(part, Part()).wrong += 1
        self._note(f"{part}: {what}")

    def count_drift(self) -> int:
        return sum(part.missing + part.extra + part.wrong for part in self.parts.values())

    def _note(self, text: str) -> None:
        if len(self.examples) < _EXAMPLES_MAX:
            self.examples.append(text)


def check_drift(db: Database, graph: Graph, progress: Progress | None = None) -> dict[str, Any]:
    """Compare the graph with the journal and return {"drift", "unapplied", "parts", "examples"}.

    `drift` counts every missing, extra and wrong thing, 0 when graph and journal agree; `unapplied` counts rows that
    the graph has not been given yet, which is no drift. Brings the graph up to date first. Looks once while others
    write; only if that shows a difference, a second time while nobody does. Raises GraphUnavailable,
    PostgresUnavailable.
    """
    tell = progress or (lambda _stage, _done, _total: None)
    catch_up(db, graph)
    while apply_lazy(db, graph):
        pass
    with db.transaction() as tx:
        report = _check(tx, graph, tell)
    if report["drift"]:
        with writing(db, graph) as tx:
            report = _check(tx, graph, tell)
    return report


def _check(tx: Transaction, graph: Graph, tell: Progress) -> dict[str, Any]:
    tx.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    comparison = Comparison()
    unapplied = sum(journal.list_unapplied_count(tx).values())
    counts = journal.count_applied(tx)
    forest = read_forest(
        tx, total=sum(counts.get(kind, 0) for kind in ("promoter", "binding", "status")), progress=tell
    )
    _check_promoters(graph, forest, comparison, tell)
    _check_links(tx, graph, comparison, counts, tell)
    _check_touches(tx, graph, comparison, counts, tell)
    _check_orders(tx, graph, comparison, counts, tell)
    _check_usage(tx, graph, comparison, counts, tell)
    totals = graph.inspect("graph.count_everything")[0]
    for part in _TOTALS:
        comparison.compare_total(part, totals[part])
    for part, expected in journal.count_people(tx).items():
        comparison.compare_count(part, expected, totals[part])
    return {
        "drift": comparison.count_drift(),
        "unapplied": unapplied,
        "parts": {name: part.to_dict() for name, part in comparison.parts.items()},
        "examples": comparison.examples,
    }


_TOTALS = (
    "promoters", "bindings", "closed_bindings", "links", "shared", "touches", "opened", "made", "followed", "orders",
    "placed", "credits", "used",
)  # fmt: skip


def _check_promoters(graph: Graph, forest: Forest, comparison: Comparison, tell: Progress) -> None:
    sizes = forest.count_teams()
    closed: dict[int, list[Hashable]] = {}
    for binding in forest.closed:
        edge = (binding.binding_id, binding.binding_no, binding.valid_from, binding.valid_to)
        closed.setdefault(binding.promoter, []).append((forest.ids[binding.inviter], *edge))
    taken = [array("q") for _ in range(LEVELS_MAX)]
    given = [array("q", bytes(8 * len(forest))) for _ in range(LEVELS_MAX)]
    for start in range(0, len(forest), PAGE):
        places = range(start, min(start + PAGE, len(forest)))
        for place, items in _look_up(graph, "graph.inspect_promoters", places, forest.ids):
            key = forest.ids[place]
            person = (
                forest.user_ids[place],
                forest.numbers[place],
                forest.binding_nos[place],
                forest.bound_ats[place],
                forest.statuses[place],
            )
            comparison.compare("promoters", key, [person], [tuple(item[1]) for item in items])
            living: list[Hashable] = []
            if forest.inviters[place] >= 0:
                inviter_id = forest.ids[forest.inviters[place]]
                living = [(inviter_id, forest.binding_ids[place], forest.binding_nos[place], forest.bound_ats[place])]
            comparison.compare("bindings", key, living, [tuple(edge) for item in items for edge in item[4]])
            comparison.compare(
                "closed_bindings", key, closed.get(place, []), [tuple(edge) for item in items for edge in item[5]]
            )
            team = tuple(level[place] for level in sizes)
            comparison.compare("team_sizes", key, [team], [tuple(item[2][:LEVELS_MAX]) for item in items])
            owners = [forest.numbers[ancestor] for ancestor in forest.list_ancestors(place)]
            owners += [0] * (LEVELS_MAX - len(owners))
            for item in items:
                comparison.compare(
                    "seats", key, [tuple(owners)], [tuple((seat or 0) // SEAT_WIDTH for seat in item[3])]
                )
                for level, seat in enumerate(item[3]):
                    given[level][place] = item[2][LEVELS_MAX + level] or 0
                    if seat:
                        taken[level].append(seat)
        tell("promoters", places.stop, len(forest))
    _check_seats(forest, taken, given, comparison)


def _check_seats(
    forest: Forest, taken: Sequence[array[int]], given: Sequence[array[int]], comparison: Comparison
) -> None:
    """Check that no seat is held twice and none lies beyond those its owner gave out."""
    place_of = {number: place for place, number in enumerate(forest.numbers)}
    for level, seats in enumerate(taken):
        before = -1
        for seat in sorted(seats):
            owner = place_of.get(seat // SEAT_WIDTH)
            if seat == before or (owner is not None and not 0 < seat % SEAT_WIDTH <= given[level][owner]):
                comparison.report_wrong(
                    "seats", f"seat {seat} of level {level + 1} is held twice or was never given out"
                )
            before = seat


def _check_links(
    tx: Transaction, graph: Graph, comparison: Comparison, counts: Mapping[str, int], tell: Progress
) -> None:
    done = 0
    for rows in journal.iter_applied(tx, kinds=["link"], page=PAGE):
        for row, items in _look_up(graph, "graph.inspect_links", rows, [row.id for row in rows]):
            comparison.compare("links", row.id, [row.id], [item[0] for item in items])
            promoter_id = row.payload["promoter_id"]
            comparison.compare("shared", row.id, [promoter_id], [edge for item in items for edge in item[1]])
        done += len(rows)
        tell("links", done, counts["link"])


def _check_touches(
    tx: Transaction, graph: Graph, comparison: Comparison, counts: Mapping[str, int], tell: Progress
) -> None:
    claims: dict[str, set[str]] = {}
    for rows in journal.iter_applied(tx, kinds=["touch_claim"]):
        for row in rows:
            claims.setdefault(row.payload["touch_id"], set()).add(row.payload["buyer_id"])
    done = 0
    for rows in journal.iter_applied(tx, kinds=["touch"], page=PAGE):
        for row, items in _look_up(graph, "graph.inspect_touches", rows, [row.id for row in rows]):
            payload = row.payload
            properties = (payload["at"], row.seq, payload["depth"])
            comparison.compare("touches", row.id, [properties], [tuple(item[1]) for item in items])
            comparison.compare("opened", row.id, [payload["code"]], [code for item in items for code in item[2]])
            parent = [payload["parent_touch_id"]] if payload["parent_touch_id"] else []
            comparison.compare("followed", row.id, parent, [parent for item in items for parent in item[3]])
            users = claims.get(row.id, set()) | ({payload["buyer_id"]} if payload["buyer_id"] else set())
            makers = [("user", user) for user in users]
            makers += [("visitor", payload["visitor_id"])] if payload["visitor_id"] else []
            found = [("user", user) for item in items for user in item[4]]
            found += [("visitor", visitor) for item in items for visitor in item[5]]
            comparison.compare("made", row.id, makers, found)
        done += len(rows)
        tell("touches", done, counts["touch"])


def _check_orders(
    tx: Transaction, graph: Graph, comparison: Comparison, counts: Mapping[str, int], tell: Progress
) -> None:
    done = 0
    for rows in journal.iter_applied(tx, kinds=["order"], page=PAGE):
        for row, items in _look_up(graph, "graph.inspect_orders", rows, [row.id for row in rows]):
            payload = row.payload
            comparison.compare("orders", row.id, [payload["placed_at"]], [item[1] for item in items])
            comparison.compare("placed", row.id, [payload["buyer_id"]], [buyer for item in items for buyer in item[2]])
            credit = (payload["promoter_id"], payload["model"], payload["reason"])
            comparison.compare(
                "credits",
                row.id,
                [] if payload["promoter_id"] is None else [credit],
                [tuple(edge) for item in items for edge in item[3]],
            )
        done += len(rows)
        tell("orders", done, counts["order"])


def _check_usage(
    tx: Transaction, graph: Graph, comparison: Comparison, counts: Mapping[str, int], tell: Progress
) -> None:
    done = 0
    fields = ("key", "kind", "digest", "first_at", "last_at", "times")
    for accounts in journal.iter_identified_accounts(tx):
        expected: dict[tuple[str, str], list[Hashable]] = {}
        for use in journal.list_usage(tx, accounts=accounts, seqs=[]):
            expected.setdefault((use["label"], use["account"]), []).append(tuple(use[name] for name in fields))
            done += use["times"]
        for label, name in (("User", "graph.inspect_user_usage"), ("Visitor", "graph.inspect_visitor_usage")):
            for account, items in _look_up(graph, name, accounts, accounts):
                uses = [tuple(use) for item in items for use in item[1]]
                comparison.compare("used", account, expected.get((label, account), []), uses)
        tell("identifiers", done, counts["identifier"])


def _look_up(graph: Graph, name: str, things: Sequence[Any], ids: Sequence[str]) -> Iterator[tuple[Any, list[Any]]]:
    """Return each thing with the items that the graph has under its id (none, one, or by mistake several).

    `ids` belong to `things` one by one, unless `things` is a range: then they are its places in `ids`.
    """
    keys = [ids[place] for place in things] if isinstance(things, range) else list(ids)
    rows = graph.inspect(name, ids=keys)
    found: dict[str, list[Any]] = {}
    for item in rows[0]["found"] if rows else []:
        found.setdefault(item[0], []).append(item)
    for thing, key in zip(things, keys, strict=True):
        yield thing, found.get(key, [])


def _subtract(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Hashable]:
    """Return what `left` has more of than `right`, counting how often."""
    if left == right:
        return []
    rest = list(right)
    over = []
    for item in left:
        if item in rest:
            rest.remove(item)
        else:
            over.append(item)
    return over
