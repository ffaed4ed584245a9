"""What one new order changes in the cases that a sweep or a person made: cases grow between two sweeps.

An order of members joins their case: its orders, its base and its evidence. An account that nobody accuses, and that
shares what only few people use with several members, joins as context with its first order through an accused promoter.
Each order does this once, in the transaction of its check, so crashes, repetitions and other sequences change nothing;
the next sweep counts the same orders itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tuike.db import Transaction
from tuike.risk.cases.model import CaseMember, Evidence
from tuike.risk.cases.store import cases as case_store
from tuike.risk.cases.store import evidence as evidence_store
from tuike.risk.cases.store import growth
from tuike.risk.cases.store import members as member_store
from tuike.risk.checks.model import Actor, Edge, Facts, GraphFacts
from tuike.risk.checks.rules import measure_shown, tell_marks
from tuike.risk.model import Role
from tuike.risk.nearness import USERS_MAX

WATCHER = Actor("", "orders")
_MEMBERS_MIN = 2
"""Of one member somebody may be the neighbour; who shares with two and buys through a third is looked at."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A case that an order belongs to, and how many edges prove that."""

    case_id: str
    edges: tuple[Evidence, ...]
    goods_minor: int = 0
    newcomer: CaseMember | None = None


@dataclass(slots=True)
class Touched:
    """The living cases that the buyers or promoters of some orders stand in, locked; and what joins them."""

    cases: dict[str, growth.Living]
    members: dict[tuple[str, str], dict[str, tuple[str, bool]]]
    grown: list[Grown] = field(default_factory=list)


def let_grow(tx: Transaction) -> None:
    """Keep sweeps from changing who is a member until the transaction ends; other checks go on."""
    growth.lock_growth(tx, shared=True)


def lock_touched(tx: Transaction, *, order_ids: Sequence[str]) -> Touched:
    """Lock the living cases that buyers or promoters of checked orders stand in, and return them with who they are."""
    living = growth.lock_living(tx, order_ids=order_ids)
    members = growth.list_standing(tx, order_ids=order_ids, case_ids=sorted(living)) if living else {}
    return Touched(living, members)


def join_order(touched: Touched, facts: Facts, seen: GraphFacts) -> None:
    """Note which cases an order joins, with its own edges, and whether its buyer joins one as context."""
    buyer = touched.members.get(("buyer", facts.buyer_id), {})
    promoter = touched.members.get(("promoter", facts.promoter_id), {})
    for case_id in sorted(buyer.keys() | promoter.keys()):
        case = touched.cases[case_id]
        sells = promoter[case_id][0] != Role.CONTEXT if case_id in promoter else not case.has_promoters
        if case_id in buyer and buyer[case_id][0] != Role.CONTEXT and sells:
            edges = _tell_order(facts, min(1.0, case.score))
            touched.grown.append(Grown(case_id, edges, facts.goods_minor))
        elif case_id not in buyer and case_id in promoter and promoter[case_id][1]:
            grown = _meet(case_id, facts, seen)
            if grown is not None:
                touched.grown.append(grown)


def write_joined(tx: Transaction, touched: Touched, *, but: Collection[str] = (), now: datetime) -> None:
    """Write what was noted of cases, `but` for those that have it already; the cases must be locked."""
    grown = [one for one in touched.grown if one.case_id not in but]
    joined = [one for one in grown if one.newcomer is None]
    if joined:
        growth.add_to_counts(tx, joined=[(one.case_id, one.goods_minor) for one in joined], now=now)
    met = {(one.case_id, one.newcomer.key): one for one in grown if one.newcomer is not None}
    for (case_id, _), one in sorted(met.items()):
        assert one.newcomer is not None
        if member_store.add_context(tx, case_id=case_id, member=one.newcomer):
            detail = {"account_kind": one.newcomer.account_kind, "account_id": one.newcomer.account_id}
            case_store.add_event(
                tx, case_id=case_id, actor_id=WATCHER.id, actor_name=WATCHER.name, action="joined", note="",
                detail=detail | {"score": one.newcomer.score}, now=now,
            )  # fmt: skip
    edges = [(one.case_id, edge) for one in grown for edge in one.edges]
    evidence_store.append_evidence(tx, edges=edges, origin="order", now=now)


def _tell_order(facts: Facts, weight: float) -> tuple[Evidence, ...]:
    return (
        Evidence("buyer", facts.buyer_id, "placed", "order", facts.order_id, weight),
        Evidence("order", facts.order_id, "credited_to", "promoter", facts.promoter_id, weight),
    )


def _meet(case_id: str, facts: Facts, seen: GraphFacts) -> Grown | None:
    marks = [mark for mark in seen.marks if mark.case_id == case_id and mark.users <= USERS_MAX]
    members = {member for mark in marks for member in mark.members}
    score = measure_shown(facts, marks).get(case_id, 0.0)
    if len(members) < _MEMBERS_MIN or score <= 0.0:
        return None
    own = [_as_evidence(edge) for edge in tell_marks(facts.buyer_id, marks) if edge.from_id == facts.buyer_id]
    newcomer = CaseMember("buyer", facts.buyer_id, Role.CONTEXT.value, score, accused=False)
    return Grown(case_id, (*own, *_tell_order(facts, score)), newcomer=newcomer)


def _as_evidence(edge: Edge) -> Evidence:
    return Evidence(edge.from_kind, edge.from_id, edge.relation, edge.to_kind, edge.to_id, edge.weight)
