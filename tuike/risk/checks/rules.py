"""Decisions about an order: facts and rules in, findings and an outcome out. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from tuike.risk.checks.model import (
    CaseHit,
    CaseMark,
    Edge,
    Facts,
    Finding,
    GraphFacts,
    Mode,
    Outcome,
    ParametersUnfit,
    RiskRule,
)
from tuike.risk.nearness import CLEARED, join_scores, weigh_share
from tuike.shared.errors import ValidationFailed
from tuike.shared.money import CURRENCIES, DEFAULT_CURRENCY

HELD = frozenset({"held", "confirmed", "banned"})
CONFIRMED = frozenset({"confirmed", "banned"})
_OF_A_PERSON = frozenset({"case_held", "deny_list"})
"""Rules that act on what a person decided: no list of the allowed overrides them."""

PARAMETERS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "case_held": {},
    "deny_list": {},
    "case_open": {},
    "near_case": {"score_bps": (1, 10_000)},
    "gathering": {"buyers": (2, 200), "days": (1, 365), "users_max": (2, 50)},
    "shared_identifier": {"users_max": (2, 50)},
    "shared_with_upline": {"users_max": (2, 50)},
    "own_team": {"orders": (1, 200), "days": (1, 365)},
    "purchase_cycle": {"length_max": (2, 4), "days": (1, 365)},
    "buyer_velocity": {"orders": (1, 200), "minutes": (1, 10_080)},
    "promoter_velocity": {"orders": (1, 10_000), "minutes": (1, 10_080)},
    "device_velocity": {"buyers": (2, 200), "minutes": (1, 43_200)},
    "ip_velocity": {"buyers": (2, 200), "minutes": (1, 43_200)},
    "large_order": {"amount_minor": (1, 10**15)},
    "fast_order": {"seconds": (0, 3_600)},
    "refund_habit": {"orders": (1, 200), "refunded_bps": (1, 10_000), "days": (1, 365)},
}
"""The parameters of each rule with the least and the greatest value."""

_AMOUNT = "amount_minor"
_OPTIONAL: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "large_order": {
        f"{_AMOUNT}_{currency.lower()}": PARAMETERS["large_order"][_AMOUNT]
        for currency in CURRENCIES - {DEFAULT_CURRENCY}
    }
}
"""Parameters that a rule takes besides: what is large is said for each currency, and nothing is converted."""


def check_parameters(rule_id: str, parameters: Mapping[str, Any]) -> dict[str, int]:
    """Return the parameters of a rule as kept. Raises ParametersUnfit naming each that is missing, unknown or out."""
    bounds = dict(PARAMETERS[rule_id])
    bounds |= {name: both for name, both in _OPTIONAL.get(rule_id, {}).items() if name in parameters}
    faults: dict[str, list[str]] = {}
    for name in sorted(set(parameters) | set(bounds)):
        if name not in bounds:
            faults[f"parameters.{name}"] = ["The rule has no such parameter."]
        elif name not in parameters:
            faults[f"parameters.{name}"] = ["Is missing."]
        else:
            value, (low, high) = parameters[name], bounds[name]
            if type(value) is not int or not low <= value <= high:
                faults[f"parameters.{name}"] = [f"Must be an integer from {low} to {high}."]
    if faults:
        raise ParametersUnfit(fields=faults)
    return dict(parameters)


def spell_ip(value: str) -> str:
    """Return a network address as touches have it. Raises ValidationFailed for what is none."""
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValidationFailed(fields={"value": ["Must be an IPv4 or IPv6 address."]}) from None


def decide_findings(facts: Facts, graph: GraphFacts, rules: Sequence[RiskRule]) -> tuple[Finding, ...]:
    """Return what the rules that are not off find at an order, in the order of the rules."""
    found: list[Finding] = []
    for rule in rules:
        if rule.mode is Mode.OFF:
            continue
        seen = _LOOK[rule.id](facts, graph, rule.parameters)
        if seen is None:
            continue
        detail, edges, case_id = seen
        found.append(Finding(rule.id, rule.version, rule.action, rule.mode, detail, tuple(edges), case_id))
    if any(hit.list == "allow" for hit in facts.lists):
        return tuple(finding for finding in found if finding.rule_id in _OF_A_PERSON)
    return tuple(found)


def decide_outcome(findings: Iterable[Finding], *, as_if_live: bool = False) -> Outcome:
    """Return the gravest action of the findings that count: those of live rules, or of all."""
    actions = {finding.action for finding in findings if as_if_live or finding.mode is Mode.LIVE}
    return next((one for one in (Outcome.HOLD, Outcome.REVIEW) if one in actions), Outcome.PASS)


_Seen = tuple[dict[str, Any], Sequence[Edge], str | None] | None
_Look = Callable[[Facts, GraphFacts, Mapping[str, int]], _Seen]


def _placed(facts: Facts) -> tuple[Edge, Edge]:
    return (
        Edge("buyer", facts.buyer_id, "placed", "order", facts.order_id),
        Edge("order", facts.order_id, "credited_to", "promoter", facts.promoter_id),
    )


def _in_case(hits: Sequence[CaseHit]) -> _Seen:
    if not hits:
        return None
    first = hits[0]
    edges = [Edge("case", hit.case_id, "accuses", hit.account_kind, hit.account_id) for hit in hits]
    return {"case_id": first.case_id, "state": first.state}, edges, first.case_id


def _case_held(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    return _in_case([hit for hit in facts.cases if hit.is_held and hit.state in HELD])


def _case_open(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    return _in_case([hit for hit in facts.cases if not (hit.is_held and hit.state in HELD)])


def measure_shown(facts: Facts, marks: Sequence[CaseMark]) -> dict[str, float]:
    """Return, by case, how near what an order's buyer uses brings it to accused members."""
    shown: dict[str, list[float]] = {}
    for mark in marks:
        shown.setdefault(mark.case_id, []).append(weigh_share(len(mark.members), mark.users))
    part = CLEARED if facts.is_cleared else 1.0
    return {case_id: part * join_scores(scores) for case_id, scores in shown.items()}


def measure_nearness(facts: Facts, marks: Sequence[CaseMark]) -> dict[str, float]:
    """Return, by case, how near an order's buyer or promoter stands to accused members; accused ones are in, not near.

    What was found when a case was confirmed and what the buyer shows now tell of the same things: the greater counts.
    """
    near = measure_shown(facts, marks)
    for hit in facts.reach:
        near[hit.case_id] = max(near.get(hit.case_id, 0.0), hit.score)
    inside = {hit.case_id for hit in facts.cases}
    return {case_id: score for case_id, score in near.items() if case_id not in inside and score > 0.0}


def tell_marks(buyer_id: str, marks: Sequence[CaseMark]) -> list[Edge]:
    """Return the edges by which a buyer is tied to cases."""
    edges: dict[Edge, None] = {}
    for mark in marks:
        weight = round(weigh_share(len(mark.members), mark.users), 4)
        edges[Edge("buyer", buyer_id, "used", mark.kind, mark.digest, weight)] = None
        # Not who used it: an erasure of theirs would not find it in somebody else's check.
        edges[Edge("case", mark.case_id, "knows", mark.kind, mark.digest, weight)] = None
    return list(edges)


def _near_case(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    marks = [mark for mark in graph.marks if mark.state in CONFIRMED]
    near = measure_nearness(facts, marks)
    case_id, score = max(sorted(near.items()), key=lambda item: item[1], default=("", 0.0))
    if score * 10_000 < parameters["score_bps"]:
        return None
    edges = tell_marks(facts.buyer_id, [mark for mark in marks if mark.case_id == case_id])
    edges += [Edge(hit.account_kind, hit.account_id, "near", "case", case_id, hit.score)
              for hit in facts.reach if hit.case_id == case_id]  # fmt: skip
    return {"case_id": case_id, "percent": round(score * 100)}, edges, case_id


def _gathering(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    shared = _shared_identifier(facts, graph, parameters)
    buyers = len(facts.gathered - {facts.buyer_id}) + 1
    if shared is None or buyers < parameters["buyers"]:
        return None
    return {"buyers": buyers, "days": parameters["days"]}, [*_placed(facts), *shared[1]], None


def _deny_list(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    hits = [hit for hit in facts.lists if hit.list == "deny"]
    if not hits:
        return None
    return {"kind": hits[0].kind, "value": hits[0].value}, _placed(facts), None


def _shared(facts: Facts, graph: GraphFacts, levels: Sequence[int], users_max: int) -> _Seen:
    edges: list[Edge] = []
    shared = 0
    fewest = users_max
    for level in levels:
        promoter_id = facts.persons[level - 1][0] if level <= len(facts.persons) else ""
        for key, users in graph.shared.get(level, ()):
            if users > users_max:
                continue  # what a dormitory, an office or a shop's tablet shows says nothing
            shared, fewest = shared + 1, min(fewest, users)
            kind, _, digest = key.partition(":")
            weight = round(1 / max(users - 1, 1), 4)
            edges.append(Edge("buyer", facts.buyer_id, "used", kind, digest, weight))
            edges.append(Edge("promoter", promoter_id, "used", kind, digest, weight))
    if not shared:
        return None
    return {"identifiers": shared, "users": fewest}, edges, None


def _shared_identifier(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    if facts.buyer_promoter_id == facts.promoter_id:
        return None  # an own purchase, which earns its level nothing
    return _shared(facts, graph, [1], parameters["users_max"])


def _shared_with_upline(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    own = [level for level, (promoter_id, _) in enumerate(facts.persons, 1) if promoter_id == facts.buyer_promoter_id]
    return _shared(facts, graph, [level for level in (2, 3) if level not in own], parameters["users_max"])


def _own_team(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    if not graph.is_in_team or facts.own_orders < parameters["orders"]:
        return None
    return {"orders": facts.own_orders, "days": parameters["days"]}, _placed(facts), None


def _purchase_cycle(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    length = len(graph.circle)
    if not 2 <= length <= parameters["length_max"]:
        return None
    steps = [Edge("buyer", one, "bought_through", "person", other)
             for one, other in zip(graph.circle, graph.circle[1:], strict=False)]  # fmt: skip
    return {"length": length}, [*_placed(facts), *steps], None


def _velocity(count: int, most: int, name: str, minutes: int, edges: Sequence[Edge]) -> _Seen:
    return ({name: count, "minutes": minutes}, edges, None) if count >= most else None


def _buyer_velocity(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    return _velocity(facts.buyer_recent, parameters["orders"], "orders", parameters["minutes"], _placed(facts))


def _promoter_velocity(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    return _velocity(facts.promoter_recent, parameters["orders"], "orders", parameters["minutes"], _placed(facts))


def _used(facts: Facts, key: str | None) -> list[Edge]:
    kind, _, digest = (key or "").partition(":")
    return [Edge("buyer", facts.buyer_id, "used", kind, digest), *_placed(facts)]


def _device_velocity(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    edges = _used(facts, facts.device_key)
    return _velocity(facts.device_buyers, parameters["buyers"], "buyers", parameters["minutes"], edges)


def _ip_velocity(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    edges = _used(facts, facts.ip_key)
    return _velocity(facts.ip_buyers, parameters["buyers"], "buyers", parameters["minutes"], edges)


def _large_order(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    name = _AMOUNT if facts.currency == DEFAULT_CURRENCY else f"{_AMOUNT}_{facts.currency.lower()}"
    amount = parameters.get(name)
    if amount is None or facts.goods_minor < amount:
        return None
    detail = {"goods_minor": facts.goods_minor, "amount_minor": amount, "currency": facts.currency}
    return detail, _placed(facts), None


def _fast_order(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    if facts.touched_at is None or facts.touch_id is None:
        return None
    seconds = (facts.placed_at - facts.touched_at).total_seconds()
    if seconds > parameters["seconds"]:
        return None
    touched = Edge("buyer", facts.buyer_id, "made", "touch", facts.touch_id)
    return {"seconds": round(seconds, 3)}, [touched, *_placed(facts)], None


def _refund_habit(facts: Facts, graph: GraphFacts, parameters: Mapping[str, int]) -> _Seen:
    enough = facts.settled_orders >= parameters["orders"]
    if not enough or facts.refunded_orders * 10_000 < facts.settled_orders * parameters["refunded_bps"]:
        return None
    return {"orders": facts.settled_orders, "refunded": facts.refunded_orders}, _placed(facts), None


_LOOK: Mapping[str, _Look] = {
    "case_held": _case_held,
    "deny_list": _deny_list,
    "case_open": _case_open,
    "near_case": _near_case,
    "gathering": _gathering,
    "shared_identifier": _shared_identifier,
    "shared_with_upline": _shared_with_upline,
    "own_team": _own_team,
    "purchase_cycle": _purchase_cycle,
    "buyer_velocity": _buyer_velocity,
    "promoter_velocity": _promoter_velocity,
    "device_velocity": _device_velocity,
    "ip_velocity": _ip_velocity,
    "large_order": _large_order,
    "fast_order": _fast_order,
    "refund_habit": _refund_habit,
}
