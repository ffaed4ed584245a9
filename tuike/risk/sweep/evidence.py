"""The output tables: accounts, cases, members, and the edges that prove a case, each from one input row."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tuike.risk.model import MISSING, Case, Family, IdentifierKind, Role
from tuike.risk.sweep.world import World

if TYPE_CHECKING:
    from tuike.risk.sweep.run import Sweep

_KINDS = tuple(kind.value for kind in IdentifierKind)
Row = tuple[object, ...]
_TELLING = 0.5
"""Nats for each member from which goods or touches are listed as proof."""
ACCOUNTS = ("account_kind", "account_id", "score", "flagged", "case_id")
CASES = ("case_id", "pattern", "score", "orders", "commission_base_minor", "summary")
MEMBERS = ("case_id", "account_kind", "account_id", "role")
EDGES = ("case_id", "from_kind", "from_id", "relation", "to_kind", "to_id", "weight")


def list_tables(sweep: "Sweep") -> dict[str, tuple[tuple[str, ...], Any]]:
    """Return header and rows of each output file."""
    world = sweep.world
    names = [(f"case_{number:04d}", case) for number, case in enumerate(sweep.cases, 1)]
    edges: list[Row] = []
    for name, case in names:
        edges += list_edges(sweep, name, case)
    of_account = {member.account: (name, member.flagged) for name, case in names for member in case.members}
    return {
        "accounts.csv": (ACCOUNTS, _iter_accounts(world, sweep.scores, of_account)),
        "cases.csv": (
            CASES,
            [
                (name, case.pattern, f"{case.score:.6f}", case.orders, case.base_minor, " ".join(case.sentences))
                for name, case in names
            ],
        ),
        "members.csv": (
            MEMBERS,
            [
                (name, *world.describe(member.account), member.role.value)
                for name, case in names
                for member in sorted(case.members, key=lambda member: world.describe(member.account))
            ],
        ),
        "evidence.csv": (EDGES, edges),
    }


def _iter_accounts(world: World, scores: np.ndarray, cases: dict[int, tuple[str, bool]]) -> Iterator[Row]:
    for kind, ids, first in (("promoter", world.promoter_ids, 0), ("buyer", world.buyer_ids, world.promoters)):
        names = ids.to_pylist()
        for number in sorted(range(len(names)), key=names.__getitem__):
            case, flagged = cases.get(first + number, ("", False))
            yield kind, names[number], f"{scores[first + number]:.6f}", int(flagged), case if flagged else ""


def list_edges(sweep: "Sweep", name: str, case: Case) -> list[Row]:
    """List what ties the members of a case to each other, and count its orders and the commission's base."""
    world, orders = sweep.world, sweep.world.orders
    inside = np.zeros(world.accounts, bool)
    inside[[member.account for member in case.members if member.role is not Role.CONTEXT]] = True
    lines = np.flatnonzero((orders.buyer >= 0) & (orders.promoter >= 0))
    lines = lines[inside[orders.buyer[lines] + world.promoters] & inside[orders.promoter[lines]]]
    case.orders = int(np.unique(orders.order[lines]).size)
    case.base_minor = sum(amount for amount in orders.amount[lines].tolist() if amount != MISSING)
    weight = min(1.0, case.score)
    rows: dict[Row, float] = {}

    def add(edge: Row, value: float) -> None:
        rows[edge] = max(rows.get(edge, 0.0), value)

    for line in lines.tolist():
        order = ("order", world.orders.order_ids[int(orders.order[line])].as_py())
        add((*world.describe(int(orders.buyer[line]) + world.promoters), "placed", *order), weight)
        add((*order, "credited_to", *world.describe(int(orders.promoter[line]))), weight)
    for line in lines[orders.sku[lines] >= 0].tolist() if case.nats.get(Family.TIME, 0.0) >= _TELLING else ():
        order = ("order", world.orders.order_ids[int(orders.order[line])].as_py())
        add((*order, "of", "sku", world.orders.sku_ids[int(orders.sku[line])].as_py()), weight * 0.8)
    if case.nats.get(Family.TOUCH, 0.0) >= _TELLING:
        for edge in _iter_touch_edges(sweep, inside):
            add(edge, weight * 0.9)
    shared: dict[int, int] = {}
    shown = world.identifiers
    uses = np.flatnonzero(inside[shown.account]) if shown.account.size else np.empty(0, np.int64)
    tokens, members = shown.token[uses], world.person[shown.account[uses]]
    pairs = np.unique(tokens.astype(np.int64) * max(world.persons, 1) + members) // max(world.persons, 1)
    values, counts = np.unique(pairs, return_counts=True)
    users = sweep.world.uses.users
    telling = values[(counts > 1) & (counts * 2 >= users[values])] if values.size else values
    for use in uses[np.isin(tokens, telling)].tolist():
        token, kind = int(shown.token[use]), _KINDS[shown.kind[use]]
        shared[token] = int(counts[np.searchsorted(values, token)])
        raw = shown.texts[int(shown.raw[use])].as_py()
        add((*world.describe(int(shown.account[use])), "used", kind, raw), float(shared[token] / users[token]))
    same = np.flatnonzero(inside[world.same_promoters] & inside[world.same_buyers + world.promoters])
    for row in same.tolist():
        promoter, buyer = int(world.same_promoters[row]), int(world.same_buyers[row]) + world.promoters
        add((*world.describe(promoter), "same_person", *world.describe(buyer)), 1.0)
    invited = np.flatnonzero(world.inviters >= 0)
    invited = invited[inside[invited] & inside[world.inviters[invited]]]
    for promoter in invited.tolist():
        add((*world.describe(int(world.inviters[promoter])), "invited", *world.describe(promoter)), 0.5)
    case.sentences = _tell(sweep, case, shared, len(same), len(invited))
    kept = sorted(rows.items(), key=lambda item: (-item[1], item[0]))[: sweep.settings.evidence_edges_max]
    return [(name, *edge, f"{value:.4f}") for edge, value in sorted(kept)]


def _iter_touch_edges(sweep: "Sweep", inside: np.ndarray) -> Iterator[Row]:
    """Iterate over the touches among members: who opened whose link, and whose touch followed whose."""
    world, touches = sweep.world, sweep.world.touches
    rows = np.flatnonzero((touches.buyer >= 0) & (touches.promoter >= 0))
    rows = rows[inside[touches.buyer[rows] + world.promoters] & inside[touches.promoter[rows]]]
    among = np.zeros(touches.promoter.size, bool)
    among[rows] = True
    for row in rows.tolist():
        touch = ("touch", touches.touch_ids[int(touches.touch[row])].as_py())
        yield (*world.describe(int(touches.buyer[row]) + world.promoters), "opened", *touch)
        yield (*touch, "of_link_of", *world.describe(int(touches.promoter[row])))
        above = int(touches.parent[row])
        if above >= 0 and among[above]:
            yield (*touch, "followed", "touch", touches.touch_ids[int(touches.touch[above])].as_py())


_SAYS = {
    "identity": "members share identifiers that hardly anybody else uses",
    "structure": "they deal with one another far more than with anybody else",
    "time": "they buy the same goods at the same times",
    "life": "the accounts were made for this: new, or registered together",
    "refund": "orders go back after the commission was settled",
    "manner": "amounts, delays or hours repeat as if one hand placed the orders",
    "cycle": "members buy through one another in a circle",
    "tree": "promoters were recruited in one go below each other",
    "touch": "links are opened, or are not before orders, in a way that is not ordinary buyers'",
}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _tell(sweep: "Sweep", case: Case, shared: dict[int, int], same: int, invited: int) -> list[str]:
    world = sweep.world
    promoters = sum(member.account < world.promoters for member in case.members)
    buyers = len(case.members) - promoters
    text = [
        (
            _count(promoters, "promoter")
            + " and "
            + _count(buyers, "buyer")
            + f" with {case.orders} orders among themselves."
        )
    ]
    by_kind: dict[str, list[int]] = {}
    shown = world.identifiers
    if shared:
        kinds = np.zeros(int(shown.token.max()) + 1, np.int8)
        kinds[shown.token] = shown.kind
        for token, count in shared.items():
            by_kind.setdefault(_KINDS[kinds[token]], []).append(count)
    for kind in _KINDS:
        if kind in by_kind:
            counts = by_kind[kind]
            label = _count(len(counts), "shared " + kind.replace("_", " ")).replace("addresss", "addresses")
            text.append(f"{_count(sum(counts), 'use')} of {label}, up to {max(counts)} on one.")
    if same:
        text.append(f"{same} promoter and buyer pairs are known to be one person.")
    if invited:
        text.append(f"{invited} of the promoters were invited by another member.")
    strongest = sorted(case.nats.items(), key=lambda item: -item[1])
    said = [f"{_SAYS[family.value]} ({value:.1f} nats a member)" for family, value in strongest if value >= 0.5]
    if said:
        text.append("Against honest trade: " + "; ".join(said) + ".")
    return text
