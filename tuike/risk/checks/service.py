"""Verbs of the check: ask for it, do it, decide about what it stopped; and the rules and lists it goes by."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError

from tuike import attribution, commission
from tuike.db import Database, Transaction, outbox
from tuike.graph import Graph
from tuike.risk.cases import gathering, growing
from tuike.risk.checks import rules, store
from tuike.risk.checks.model import (
    Actor,
    CaseMark,
    CheckDecided,
    CheckNotFound,
    Decision,
    Facts,
    GraphFacts,
    ListEntry,
    ListEntryNotFound,
    ListEntryTaken,
    Mode,
    OrderCheck,
    Outcome,
    RiskRule,
    RiskRuleNotFound,
    RuleChanged,
    WithdrawalHeld,
)
from tuike.shared import clock, ids
from tuike.shared.errors import GraphUnavailable
from tuike.shared.pages import Page, decode_cursor, encode_cursor

log = structlog.get_logger(__name__)

_QUIETLY = "check:"
"""Before the key of a check that cannot hold anything: nobody has to wait for it."""
_USERS_MOST = 51
_ORDERS_MOST = 200
_FRONTIER_MOST = 200
_RECENT = 1_000
"""Orders that a server is warmed up with."""
_WINDOW_OF = {
    "buyer_minutes": ("buyer_velocity", "minutes"),
    "promoter_minutes": ("promoter_velocity", "minutes"),
    "promoter_most": ("promoter_velocity", "orders"),
    "device_minutes": ("device_velocity", "minutes"),
    "ip_minutes": ("ip_velocity", "minutes"),
    "team_days": ("own_team", "days"),
    "refund_days": ("refund_habit", "days"),
    "gathering_days": ("gathering", "days"),
}


def request_checks(tx: Transaction, *, order_ids: Sequence[str], now: datetime) -> None:
    """Let paid orders be checked by a worker, whatever is up or down meanwhile.

    While anything could hold an order, its commission is not released before its check; else nobody waits for it.
    """
    holds = any(rule.mode is Mode.LIVE and rule.id not in _BY_PERSONS for rule in store.list_rules(tx))
    prefix = "" if holds or store.acts(tx) else _QUIETLY
    keys = [f"{prefix}{order_id}" for order_id in order_ids]
    outbox.emit_many(tx, topic=commission.UNCHECKED, keys=keys, now=now)


_BY_PERSONS = ("case_held", "deny_list", "near_case")


def check_orders(tx: Transaction, graph: Graph, *, keys: Sequence[str], now: datetime) -> list[OrderCheck]:
    """Check paid orders, each once, and freeze the commission of those that a live rule stops; return those checked.

    An order of members joins their case, and a group that orders alone prove becomes one. `keys` are ids of orders as
    `request_checks` wrote them. Raises GraphUnavailable: then nothing is done.
    """
    growing.let_grow(tx)
    order_ids = store.open_checks(tx, order_ids=[key.removeprefix(_QUIETLY) for key in keys], now=now)
    if not order_ids:
        return []
    known = store.list_rules(tx)
    gathering.lock_promoters(tx, order_ids=order_ids, known=known)
    # Before anything is read: what is decided about a case meanwhile waits, and then sees these orders.
    touched = growing.lock_touched(tx, order_ids=order_ids)
    done = []
    groups = []
    gathered: dict[str, list[tuple[str, datetime]]] = {}
    span = next(timedelta(days=rule.parameters["days"]) for rule in known if rule.id == gathering.RULE)
    for found, seen in gather_facts(tx, graph, order_ids=order_ids, known=known):
        earlier = gathered.setdefault(found.promoter_id, [])
        beside = {buyer for buyer, at in earlier if abs(at - found.placed_at) < span}
        facts = replace(found, gathered=found.gathered | beside)
        findings = rules.decide_findings(facts, seen, known)
        if any(one.rule_id == "shared_identifier" for one in findings):
            earlier.append((facts.buyer_id, facts.placed_at))
        outcome, dry = rules.decide_outcome(findings), rules.decide_outcome(findings, as_if_live=True)
        if findings:
            store.close_check(tx, order_id=facts.order_id, outcome=outcome, dry_outcome=dry, findings=findings)
        done.append(OrderCheck(
            facts.order_id, facts.buyer_id, facts.promoter_id, facts.placed_at, outcome, dry, findings, None, None,
            None, None, 1, now,
        ))  # fmt: skip
        growing.join_order(touched, facts, seen)
        groups.append(gathering.find_gathering(facts, findings))
    grown = gathering.write_gathered(tx, [one for one in groups if one is not None], known=known, now=now)
    growing.write_joined(tx, touched, but=grown, now=now)
    _hold(tx, [check for check in done if check.outcome is not Outcome.PASS], now=now)
    return done


def gather_facts(
    tx: Transaction, graph: Graph, *, order_ids: Sequence[str], known: Sequence[RiskRule]
) -> list[tuple[Facts, GraphFacts]]:
    """Return what is known of orders whose checks are open: one statement and, mostly, one round trip to the graph.

    Only what is shared is counted, and circles are only followed from buyers who are promoters themselves.
    """
    by_id = {rule.id: rule for rule in known}
    windows = {name: by_id[rule_id].parameters[parameter] for name, (rule_id, parameter) in _WINDOW_OF.items()}
    found = store.list_facts(tx, order_ids=order_ids, windows=windows)
    used = _list_used(graph, found)
    seen = look_in_graph(graph, found=found, used=used, cycles=by_id["purchase_cycle"])
    marks = _find_marks(tx, graph, found, used)
    return [(facts, replace(one, marks=marks.get(facts.order_id, ()))) for facts, one in zip(found, seen, strict=True)]


def look_in_graph(
    graph: Graph, *, found: Sequence[Facts], cycles: RiskRule, used: Mapping[str, set[str]] | None = None
) -> list[GraphFacts]:
    """Return what the graph knows of orders; mostly one round trip for all of them. Raises GraphUnavailable."""
    shared = _find_shared(graph, found, _list_used(graph, found) if used is None else used)
    circles, teams = _look_at_promoters(
        graph, [one for one in found if one.buyer_promoter_id and one.buyer_promoter_id != one.promoter_id], cycles
    )
    return [
        GraphFacts(shared.get(one.order_id, {}), one.order_id in teams, circles.get(one.order_id, ())) for one in found
    ]


def warm_up(db: Database, graph: Graph, *, looks_max: int, deadline: datetime) -> int:
    """Look once more at orders that were checked last, so that a server that just started is quick; return how many.

    Such a server reads its pages and compiles what it runs while the first thousands of checks wait. Writes nothing; a
    server that is away is left alone.
    """
    with db.transaction() as tx:
        cycles = next(rule for rule in store.list_rules(tx) if rule.id == "purchase_cycle")
        recent = store.list_recent(tx, limit=_RECENT)
    looked = 0
    for one in cycle(recent):
        if looked >= looks_max or clock.read_clock() >= deadline:
            break
        try:
            look_in_graph(graph, found=[one], cycles=cycles)
        except GraphUnavailable:
            break
        looked += 1
    log.info("risk.warmed_up", looks=looked)
    return looked


def _list_used(graph: Graph, found: Sequence[Facts]) -> dict[str, set[str]]:
    """Return the identifiers that the buyers and promoters of orders used."""
    person_ids = sorted({one.buyer_id for one in found} | {person for one in found for _, person in one.persons})
    return store.list_identifiers(graph, person_ids=person_ids)


def _list_own(one: Facts, used: Mapping[str, set[str]]) -> set[str]:
    """Return what a buyer used; the touch may be so fresh that what it showed is not in the graph yet."""
    return used.get(one.buyer_id, set()) | {key for key in (one.device_key, one.ip_key) if key}


def _find_marks(
    tx: Transaction, graph: Graph, found: Sequence[Facts], used: Mapping[str, set[str]]
) -> dict[str, tuple[CaseMark, ...]]:
    """Return, by order, the identifiers of its buyer that cases know; how many use them is counted where any does."""
    shop = store.list_own_identifiers(tx, order_ids=[one.order_id for one in found])
    own = {one.order_id: _list_own(one, used) | shop.get(one.order_id, set()) for one in found}
    known = store.list_marks(tx, keys=sorted({key for keys in own.values() for key in keys}))
    if not known:
        return {}
    users = store.count_users(graph, keys=sorted(known), most=_USERS_MOST)
    return {
        order_id: tuple(
            replace(mark, users=max(users.get(key, mark.users), len(mark.members) + 1))
            for key in sorted(keys) for mark in known.get(key, ())
        )
        for order_id, keys in own.items()
    }  # fmt: skip


def _find_shared(
    graph: Graph, found: Sequence[Facts], used: Mapping[str, set[str]]
) -> dict[str, dict[int, tuple[tuple[str, int], ...]]]:
    levels: dict[str, dict[int, set[str]]] = {}
    for one in found:
        own = _list_own(one, used)
        common = {
            level: own & used.get(person, set())
            for level, (_, person) in enumerate(one.persons, 1)
            if person != one.buyer_id
        }
        if any(common.values()):
            levels[one.order_id] = common
    keys = sorted({key for common in levels.values() for found_keys in common.values() for key in found_keys})
    users = store.count_users(graph, keys=keys, most=_USERS_MOST) if keys else {}
    return {order_id: store.group_shared(common, users) for order_id, common in levels.items()}


def _look_at_promoters(
    graph: Graph, found: Sequence[Facts], cycles: RiskRule
) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """Return the circles that promoters close with what they buy, and which of their orders came from the own team."""
    if not found:
        return {}, set()
    earliest = min(one.placed_at for one in found) - timedelta(days=cycles.parameters["days"])
    steps = cycles.parameters["length_max"] - 1
    dealings = store.list_dealings(
        graph, buyer_ids=sorted({one.buyer_id for one in found}),
        person_ids=sorted({one.persons[0][1] for one in found if one.persons})[:_FRONTIER_MOST] or [""],
        steps=steps, since=clock.to_micros(earliest), most=_ORDERS_MOST, widest=_FRONTIER_MOST,
    )  # fmt: skip
    circles = {one.order_id: _find_circle(one, dealings.through, steps) for one in found}
    teams = {one.order_id for one in found if one.promoter_id in dealings.above.get(one.buyer_id, ())}
    return {order_id: circle for order_id, circle in circles.items() if circle}, teams


def _find_circle(one: Facts, through: Mapping[str, Sequence[str]], steps: int) -> tuple[str, ...]:
    """Walk from the promoter along what it bought through others, until the buyer is met or the circle is too long."""
    reached: dict[str, tuple[str, ...]] = {}
    if one.persons:
        reached[one.persons[0][1]] = one.buyer_id, one.persons[0][1]
    for _ in range(steps):
        following: dict[str, tuple[str, ...]] = {}
        for person, path in sorted(reached.items()):
            for other in through.get(person, ()):
                if other == one.buyer_id:
                    return path
                if other not in path:
                    following.setdefault(other, (*path, other))
        reached = following
    return ()


def _hold(tx: Transaction, stopped: Sequence[OrderCheck], *, now: datetime) -> None:
    """Freeze all levels of the orders that were stopped, noting every case and, for the rest, the first rule."""
    if not stopped:
        return
    keys = commission.list_open_entries(tx, order_ids=[check.order_id for check in stopped])
    held = freeze(tx, keys=keys, reason="risk check", now=now)
    for check in stopped:
        own = [key for key in held if key[0] == check.order_id]
        live = [one for one in check.findings if one.mode is Mode.LIVE]
        for case_id in sorted({one.case_id for one in live if one.rule_id == "case_held" and one.case_id}):
            store.add_holds(tx, keys=own, case_id=case_id, rule_id="case_held", now=now)
        rule_id = next((one.rule_id for one in live if one.rule_id != "case_held"), None)
        if rule_id is not None:
            store.add_holds(tx, keys=own, case_id=None, rule_id=rule_id, now=now)
        log.info("risk.held", order_id=check.order_id, rules=[one.rule_id for one in live])


def get_check(tx: Transaction, *, order_id: str) -> OrderCheck:
    """Return the check of an order. Raises CheckNotFound."""
    check = store.find_check(tx, order_id=order_id)
    if check is None:
        raise CheckNotFound
    return check


def list_checks(tx: Transaction, *, waiting: bool = False, limit: int, cursor: str | None = None) -> Page[OrderCheck]:
    """Return a page of checks that found something, newest first; `waiting`: only those a person must decide."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_checks(tx, waiting=waiting, before=before, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].order_id) if more else None)


def decide_check(
    tx: Transaction, *, order_id: str, decision: str, reason: str, actor: Actor, now: datetime
) -> OrderCheck:
    """Let an order that rules stopped go on, or keep it frozen for good; of two who decide at once one is refused.

    What a case holds besides stays frozen. Raises CheckNotFound, CheckDecided.
    """
    check = store.find_check(tx, order_id=order_id, lock=True)
    if check is None:
        raise CheckNotFound
    if check.outcome is Outcome.PASS or check.decision is not None:
        raise CheckDecided
    if Decision(decision) is Decision.PASSED:
        lift(tx, keys=store.lift_holds(tx, order_id=order_id, now=now), now=now)
    store.decide_check(tx, order_id=order_id, decision=Decision(decision), decided_by=actor.id, reason=reason, now=now)
    return get_check(tx, order_id=order_id)


def freeze(tx: Transaction, *, keys: Sequence[tuple[str, int]], reason: str, now: datetime) -> list[tuple[str, int]]:
    """Freeze what is pending, and return it with what risk holds already; what a person froze alone is left out."""
    frozen = {(one.order_id, one.level) for one in commission.hold_entries(tx, keys=keys, reason=reason, now=now)}
    return sorted(frozen | store.list_held(tx, keys=keys))


def lift(tx: Transaction, *, keys: Sequence[tuple[str, int]], now: datetime) -> int:
    """Let entries go on that nothing holds any more; return how many."""
    if not keys:
        return 0
    commission.take_turn(tx, keys=keys)  # of two who let go, or one who lets go and one who holds, the second sees both
    held = store.list_held(tx, keys=keys)
    return len(commission.lift_entries(tx, keys=[key for key in keys if key not in held], now=now))


def list_rules(tx: Transaction) -> list[RiskRule]:
    """Return the rules in force."""
    return store.list_rules(tx)


def list_rule_versions(tx: Transaction, *, rule_id: str) -> list[RiskRule]:
    """Return every version of a rule, newest first. Raises RiskRuleNotFound."""
    found = store.list_versions(tx, rule_id=rule_id)
    if not found:
        raise RiskRuleNotFound
    return found


def replace_rule(
    tx: Transaction,
    *,
    rule_id: str,
    version: int,
    parameters: Mapping[str, Any],
    action: str,
    mode: str,
    actor: Actor,
    now: datetime,
) -> RiskRule:
    """Put a new version of a rule in force; orders checked before keep what was found then.

    Raises RiskRuleNotFound, RuleChanged, ParametersUnfit.
    """
    current = list_rule_versions(tx, rule_id=rule_id)[0]
    if current.version != version:
        raise RuleChanged
    kept = rules.check_parameters(rule_id, parameters)
    rule = replace(
        current, version=version + 1, parameters=kept, action=Outcome(action), mode=Mode(mode), author_id=actor.id,
        author_name=actor.name, created_at=now,
    )  # fmt: skip
    try:
        store.add_rule(tx, rule)
    except IntegrityError as error:
        raise RuleChanged from error
    return rule


def add_to_list(
    tx: Transaction, *, list_name: str, kind: str, value: str, reason: str, actor: Actor, now: datetime
) -> ListEntry:
    """Put somebody or something on a list; devices and ips are kept as digests.

    Raises ListEntryTaken, ValidationFailed for what is no network address.
    """
    if kind == "ip":
        value = rules.spell_ip(value)
    if kind in ("device", "ip"):
        value = attribution.digest_identifier(tx, kind=kind, value=value)
    entry = ListEntry(ids.new_id("risk_list_entry"), list_name, kind, value, reason, actor.id, actor.name, now)
    try:
        store.add_list_entry(tx, entry)
    except IntegrityError as error:
        raise ListEntryTaken from error
    return entry


def remove_from_list(tx: Transaction, *, entry_id: str, actor: Actor, now: datetime) -> ListEntry:
    """Take an entry off its list; it stays readable. Raises ListEntryNotFound."""
    entry = store.remove_list_entry(tx, entry_id=entry_id, removed_by=actor.id, now=now)
    if entry is None:
        raise ListEntryNotFound
    return entry


def list_list_entries(tx: Transaction, *, list_name: str, limit: int, cursor: str | None = None) -> Page[ListEntry]:
    """Return a page of a list, newest first, with what was removed."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_list_entries(tx, name=list_name, before=before, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def needs_person(tx: Transaction, *, promoter_id: str) -> bool:
    """Tell whether a withdrawal of this promoter must be looked at, whatever its amount."""
    return store.is_accused(tx, promoter_id=promoter_id)


def refuse_while_held(tx: Transaction, *, promoter_id: str) -> None:
    """Raise WithdrawalHeld while a case holds what the promoter has: nothing is paid out then."""
    if store.is_held_member(tx, promoter_id=promoter_id):
        raise WithdrawalHeld


def list_frozen(tx: Transaction, *, promoter_id: str, limit: int, cursor: str | None = None) -> Page[dict[str, Any]]:
    """Return a page of a promoter's frozen commission: amounts and since when, never why."""
    after = decode_cursor(cursor, str, int) if cursor else ("", 0)
    found = store.list_frozen(tx, promoter_id=promoter_id, after=(after[0], after[1]), limit=limit + 1)
    more = len(found) > limit
    items = [dict(row._mapping) for row in found[:limit]]  # noqa: SLF001 - the documented way to a mapping
    return Page(items, encode_cursor(items[-1]["order_id"], items[-1]["level"]) if more else None)
