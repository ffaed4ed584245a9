"""Cases that orders open before a sweep has seen the group: buyers who share identifiers with a promoter gather there.

Rule `gathering` says when, if it is live; in a dry run it only records. Its case accuses the promoter and those buyers,
holds nothing, and is a case like any other: later orders join it, people decide about it, and the next sweep takes it
over where it finds the same group. What was found innocent before stays silent as it does for sweeps. One promoter's
orders are checked by one worker at a time, so of two that complete a group at once one opens the case and the other
finds it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tuike.db import Transaction
from tuike.risk.cases import rules
from tuike.risk.cases.growing import WATCHER
from tuike.risk.cases.model import CaseMember, CaseSource, CaseState, Evidence, FoundCase, RiskCase
from tuike.risk.cases.store import cases as case_store
from tuike.risk.cases.store import evidence as evidence_store
from tuike.risk.cases.store import growth, sharers
from tuike.risk.cases.store import members as member_store
from tuike.risk.checks.model import Facts, Finding, Mode, RiskRule
from tuike.risk.checks.sentences import tell_finding
from tuike.risk.model import Role
from tuike.shared import ids

RULE = "gathering"
PATTERN = "gathering"
_SCORE = 0.5
"""Nobody has weighed the group against the rest of the shop."""
_ORDERS_MOST = 500


@dataclass(frozen=True, slots=True)
class Gathering:
    """An order at which the rule found that buyers gather at its promoter."""

    facts: Facts
    finding: Finding


def lock_promoters(tx: Transaction, *, order_ids: Sequence[str], known: Iterable[RiskRule]) -> None:
    """Wait for other checks of the same promoters' orders, before any case is locked; nobody else is in the way."""
    if any(rule.id == RULE and rule.mode is Mode.LIVE for rule in known):
        growth.lock_promoters(tx, order_ids=order_ids)


def find_gathering(facts: Facts, findings: Iterable[Finding]) -> Gathering | None:
    """Return what the rule found at an order, if it found anything and is live."""
    is_live = (one for one in findings if one.rule_id == RULE and one.mode is Mode.LIVE)
    return next((Gathering(facts, finding) for finding in is_live), None)


def write_gathered(
    tx: Transaction, gathered: Iterable[Gathering], *, known: Iterable[RiskRule], now: datetime
) -> list[str]:
    """Open or grow the cases of groups that orders have proved, and return those, with all their orders counted.

    The checks of the orders are written and their promoters locked.
    """
    rule = next(rule for rule in known if rule.id == RULE)
    latest = {one.facts.promoter_id: one for one in sorted(gathered, key=lambda one: one.facts.placed_at)}
    return [
        case_id
        for _, one in sorted(latest.items())
        if (case_id := _write_group(tx, one, rule=rule, now=now)) is not None
    ]


def _write_group(tx: Transaction, one: Gathering, *, rule: RiskRule, now: datetime) -> str | None:
    found = _find_group(tx, one, rule)
    if found is None:
        return None
    accused = rules.get_accused(found.members)
    promoter = ("promoter", one.facts.promoter_id)
    related = member_store.list_related(tx, accounts=accused)
    alive = {case_id: members for case_id, (state, members) in related.items() if state is not CaseState.INNOCENT}
    living = [case_id for case_id, members in alive.items() if promoter in members]
    same = rules.find_same(accused, alive)
    if living or same is not None:
        return _grow(tx, living or [same or ""], found, now=now)
    innocent = {case_id: members for case_id, (state, members) in related.items() if state is CaseState.INNOCENT}
    cleared = rules.find_cleared(accused, innocent)
    if cleared is not None:
        before = evidence_store.get_known(tx, case_id=cleared)
        # Sharing is nothing new of a group that was cleared as whatever else: only what nobody had seen counts.
        if not rules.is_materially_new(before, replace(found, pattern=before.pattern)):
            return None
    return _open(tx, found, order_id=one.facts.order_id, cleared=cleared, now=now)


def _find_group(tx: Transaction, one: Gathering, rule: RiskRule) -> FoundCase | None:
    """Return the group as the promoter's checked orders show it; None once too few of its buyers are left.

    Orders that a person let pass, and buyers who had their account erased, do not count.
    """
    orders = growth.list_sharing(
        tx, promoter_id=one.facts.promoter_id, around=one.facts.placed_at, days=rule.parameters["days"],
        users_max=rule.parameters["users_max"], limit=_ORDERS_MOST,
    )  # fmt: skip
    gone = sharers.list_erased_persons(tx, person_ids=sorted({order.buyer_id for order in orders}))
    orders = [order for order in orders if order.buyer_id not in gone]
    buyers = sorted({order.buyer_id for order in orders})
    if len(buyers) < rule.parameters["buyers"]:
        return None
    members = (
        CaseMember("promoter", one.facts.promoter_id, Role.BENEFICIARY.value, _SCORE, accused=True),
        *(CaseMember("buyer", buyer, Role.BUYER.value, _SCORE, accused=True) for buyer in buyers),
    )
    edges = {
        _name(edge): edge
        for order in orders
        for edge in (
            *order.edges,
            Evidence("buyer", order.buyer_id, "placed", "order", order.order_id, 1.0),
            Evidence("order", order.order_id, "credited_to", "promoter", one.facts.promoter_id, 1.0),
        )
    }
    summary = tell_finding(replace(one.finding, detail=dict(one.finding.detail) | {"buyers": len(buyers)}))[0]
    return FoundCase(PATTERN, _SCORE, len(orders), 0, summary, members, tuple(edges.values()))


def _open(tx: Transaction, found: FoundCase, *, order_id: str, cleared: str | None, now: datetime) -> str:
    case = RiskCase(
        ids.new_id("risk_case"), CaseSource.ORDERS, CaseState.OPEN, found.pattern, found.score, 0, 0, found.summary,
        None, None, 1, None, now, now, None, None,
    )  # fmt: skip
    case_store.add_case(tx, case)
    member_store.replace_members(tx, case_id=case.id, members=found.members)
    evidence_store.append_evidence(tx, edges=[(case.id, edge) for edge in found.evidence], origin="order", now=now)
    count, base_minor, _ = growth.count_orders(tx, case_id=case.id, since=now)
    case_store.set_case(tx, replace(case, orders_count=count, commission_base_minor=base_minor))
    detail: dict[str, Any] = {"members": len(found.members), "order_id": order_id}
    if cleared is not None:
        detail["innocent_before"] = cleared
    case_store.add_event(
        tx, case_id=case.id, actor_id=WATCHER.id, actor_name=WATCHER.name, action="gathered", note="",
        detail=detail, now=now,
    )  # fmt: skip
    return case.id


def _grow(tx: Transaction, living: Sequence[str], found: FoundCase, *, now: datetime) -> str | None:
    """Accuse newcomers in the case that orders opened, while no person and no sweep has said anything about it.

    Every other case of the promoter grows as cases do: by orders, and by newcomers who are accused of nothing.
    """
    cases = [case_store.find_case(tx, case_id=case_id, lock=True) for case_id in sorted(living)]
    own = next((one for one in cases if one is not None and _is_left_to_orders(one)), None)
    fresh = member_store.accuse_members(tx, case_id=own.id, members=found.members) if own is not None else set()
    if own is None or not fresh:
        return None
    known = evidence_store.list_edges(tx, case_id=own.id)
    edges = [(own.id, edge) for edge in found.evidence if _name(edge) not in known]
    evidence_store.append_evidence(tx, edges=edges, origin="order", now=now)
    count, base_minor, _ = growth.count_orders(tx, case_id=own.id, since=now)
    case_store.set_case(tx, replace(
        own, orders_count=count, commission_base_minor=base_minor, summary=found.summary, version=own.version + 1,
        joined_orders_count=own.joined_orders_count + count - own.orders_count, updated_at=now,
    ))  # fmt: skip
    for kind, account_id in sorted(fresh):
        detail = {"account_kind": kind, "account_id": account_id, "score": _SCORE, "accused": True}
        case_store.add_event(
            tx, case_id=own.id, actor_id=WATCHER.id, actor_name=WATCHER.name, action="joined", note="",
            detail=detail, now=now,
        )  # fmt: skip
    return own.id


def _is_left_to_orders(case: RiskCase) -> bool:
    return (
        case.source is CaseSource.ORDERS and case.state is CaseState.OPEN
        and case.sweep_id is None and case.decided_at is None
    )  # fmt: skip


def _name(edge: Evidence) -> tuple[str, str, str, str, str]:
    """Return what an edge says, whatever it weighs: what is shared weighs less with each who shares it."""
    return edge.from_kind, edge.from_id, edge.relation, edge.to_kind, edge.to_id
