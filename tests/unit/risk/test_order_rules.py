"""What rules find at an order, and what becomes of a case: decisions without servers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuike.risk.cases.model import CaseAction, CaseMember, CaseState, Evidence, FoundCase, Known
from tuike.risk.cases.rules import (
    HOLDS,
    decide_state,
    find_cleared,
    find_same,
    is_materially_new,
    measure_overlap,
    merge_members,
)
from tuike.risk.checks.model import (
    CaseHit,
    CaseMark,
    Edge,
    Facts,
    Finding,
    GraphFacts,
    ListHit,
    Mode,
    Outcome,
    ParametersUnfit,
    ReachHit,
    RiskRule,
)
from tuike.risk.checks.rules import PARAMETERS, check_parameters, decide_findings, decide_outcome
from tuike.risk.checks.sentences import FOR_PROMOTERS, tell_edge, tell_finding

NOON = datetime(2026, 10, 1, 4, tzinfo=UTC)
FACTS = Facts(
    order_id="ord_1", buyer_id="b", promoter_id="p1", persons=(("p1", "u1"), ("p2", "u2")), buyer_promoter_id=None,
    goods_minor=10_000, placed_at=NOON, touch_id="tch_1", touched_at=NOON - timedelta(minutes=5), device_key="device:d",
    ip_key="ip:i",
)  # fmt: skip
DEFAULTS: dict[str, dict[str, int]] = {
    "shared_identifier": {"users_max": 8}, "shared_with_upline": {"users_max": 8},
    "own_team": {"orders": 5, "days": 30}, "purchase_cycle": {"length_max": 4, "days": 90},
    "buyer_velocity": {"orders": 10, "minutes": 60}, "promoter_velocity": {"orders": 100, "minutes": 10},
    "device_velocity": {"buyers": 4, "minutes": 1440}, "ip_velocity": {"buyers": 12, "minutes": 60},
    "large_order": {"amount_minor": 1_000_000}, "fast_order": {"seconds": 3},
    "refund_habit": {"orders": 5, "refunded_bps": 5000, "days": 90}, "near_case": {"score_bps": 5000},
    "gathering": {"buyers": 4, "days": 30, "users_max": 8},
}  # fmt: skip


def make_rules(mode: Mode = Mode.LIVE) -> list[RiskRule]:
    return [RiskRule(rule_id, 1, DEFAULTS.get(rule_id, {}), Outcome.HOLD, mode, "", "", NOON) for rule_id in PARAMETERS]


def find(graph: GraphFacts | None = None, **facts: Any) -> list[str]:
    found = decide_findings(replace(FACTS, **facts), graph or GraphFacts(), make_rules())
    return [finding.rule_id for finding in found]


def test_an_ordinary_order_is_found_nothing_at() -> None:
    assert find() == []


@pytest.mark.parametrize(
    ("rule", "below", "reached"),
    [
        ("buyer_velocity", {"buyer_recent": 9}, {"buyer_recent": 10}),
        ("promoter_velocity", {"promoter_recent": 99}, {"promoter_recent": 100}),
        ("device_velocity", {"device_buyers": 3}, {"device_buyers": 4}),
        ("ip_velocity", {"ip_buyers": 11}, {"ip_buyers": 12}),
        ("large_order", {"goods_minor": 999_999}, {"goods_minor": 1_000_000}),
        ("fast_order", {"touched_at": NOON - timedelta(seconds=3, microseconds=1)},
         {"touched_at": NOON - timedelta(seconds=3)}),
        ("refund_habit", {"settled_orders": 5, "refunded_orders": 2}, {"settled_orders": 5, "refunded_orders": 3}),
        ("refund_habit", {"settled_orders": 4, "refunded_orders": 4}, {"settled_orders": 6, "refunded_orders": 3}),
    ],
)  # fmt: skip
def test_a_rule_speaks_from_its_threshold_on(rule: str, below: dict[str, Any], reached: dict[str, Any]) -> None:
    assert find(**below) == []
    assert find(**reached) == [rule]


def test_a_shared_identifier_counts_while_few_people_use_it() -> None:
    assert find(GraphFacts(shared={1: (("device:d", 8),)})) == ["shared_identifier"]
    assert find(GraphFacts(shared={1: (("device:d", 9),)})) == []
    assert find(GraphFacts(shared={2: (("device:d", 2),)})) == ["shared_with_upline"]


def test_buying_from_oneself_is_no_finding_for_it_earns_that_level_nothing() -> None:
    assert find(GraphFacts(shared={1: (("device:d", 1),)}), buyer_promoter_id="p1") == []
    assert find(GraphFacts(shared={2: (("device:d", 1),)}), buyer_promoter_id="p2") == []


def test_a_circle_is_two_to_four_people() -> None:
    assert find(GraphFacts(circle=("b", "u1"))) == ["purchase_cycle"]
    assert find(GraphFacts(circle=("b", "u1", "u3", "u4"))) == ["purchase_cycle"]
    assert find(GraphFacts(circle=("b", "u1", "u3", "u4", "u5"))) == []


def test_the_own_team_counts_only_as_a_habit() -> None:
    assert find(GraphFacts(is_in_team=True), own_orders=4) == []
    assert find(GraphFacts(is_in_team=True), own_orders=5) == ["own_team"]
    assert find(own_orders=5) == []


def test_whoever_is_on_the_allow_list_is_spared_but_not_from_what_a_person_decided() -> None:
    held = CaseHit("rcs_1", "held", "promoter", "p1", is_held=True)
    allowed = ListHit("allow", "person", "b")
    assert find(buyer_recent=50, lists=(allowed,)) == []
    assert find(buyer_recent=50, lists=(allowed,), cases=(held,)) == ["case_held"]
    assert find(lists=(allowed, ListHit("deny", "sku", "x"))) == ["deny_list"]


def test_a_case_speaks_by_what_it_holds() -> None:
    assert find(cases=(CaseHit("rcs_1", "open", "buyer", "b", is_held=False),)) == ["case_open"]
    assert find(cases=(CaseHit("rcs_1", "held", "buyer", "b", is_held=False),)) == ["case_open"]
    for state in HOLDS:
        assert find(cases=(CaseHit("rcs_1", state.value, "buyer", "b", is_held=True),)) == ["case_held"]


def mark(case_id: str, members: str, users: int, *, state: str = "confirmed", digest: str = "d") -> CaseMark:
    return CaseMark(case_id, state, "device", digest, tuple(("buyer", name) for name in members), users)


def test_what_is_large_is_said_for_each_currency_and_nothing_is_converted() -> None:
    def find_in(currency: str, goods_minor: int, **parameters: int) -> int | None:
        rule = RiskRule(
            "large_order", 1, {"amount_minor": 1_000_000} | parameters, Outcome.REVIEW, Mode.LIVE, "", "", NOON
        )
        facts = replace(FACTS, currency=currency, goods_minor=goods_minor)
        found = decide_findings(facts, GraphFacts(), [rule])
        return found[0].detail["amount_minor"] if found else None

    assert find_in("CNY", 1_000_000) == 1_000_000
    assert find_in("JPY", 10**12) is None
    assert find_in("JPY", 10**12, amount_minor_jpy=20_000_000) == 20_000_000
    assert find_in("JPY", 19_999_999, amount_minor_jpy=20_000_000) is None
    assert find_in("CNY", 999_999, amount_minor_jpy=1) is None
    assert check_parameters("large_order", {"amount_minor": 5, "amount_minor_usd": 7}) == {
        "amount_minor": 5, "amount_minor_usd": 7,
    }  # fmt: skip
    for wrong in ({"amount_minor": 5, "amount_minor_xxy": 7}, {"amount_minor": 5, "amount_minor_usd": 0},
                  {"amount_minor_usd": 7}, {"amount_minor": 5, "amount_minor_cny": 7}):  # fmt: skip
        with pytest.raises(ParametersUnfit):
            check_parameters("large_order", wrong)


def test_who_shares_what_few_use_with_a_confirmed_case_is_looked_at() -> None:
    def near(*marks: CaseMark, **facts: Any) -> list[str]:
        return find(GraphFacts(marks=marks), **facts)

    assert near(mark("rcs_1", "m", 2)) == ["near_case"]
    assert near(mark("rcs_1", "mn", 3)) == ["near_case"]
    assert near(mark("rcs_1", "m", 3)) == []  # somebody else uses it too
    assert near(mark("rcs_1", "m", 3), mark("rcs_1", "m", 3, digest="e"), mark("rcs_1", "m", 3, digest="f")) == [
        "near_case"
    ]
    assert near(mark("rcs_1", "mnopqrstuvwxyz", 40)) == []  # a place
    assert near(mark("rcs_1", "m", 2, state="open")) == []  # nobody has confirmed it
    assert near(mark("rcs_1", "m", 2), is_cleared=True) == []
    assert near(reach=(ReachHit("rcs_1", "promoter", "p1", 0.5),)) == ["near_case"]
    assert near(reach=(ReachHit("rcs_1", "promoter", "p1", 0.49),)) == []
    inside = (CaseHit("rcs_1", "confirmed", "buyer", "b", is_held=True),)
    assert near(mark("rcs_1", "m", 2), cases=inside) == ["case_held"]


def test_buyers_who_share_with_their_promoter_gather() -> None:
    shared = GraphFacts({1: (("device:d", 5),)})
    assert "gathering" not in find(shared, gathered=frozenset("xy"))
    assert "gathering" not in find(shared, gathered=frozenset("bxy"))  # the buyer's own earlier orders
    assert "gathering" in find(shared, gathered=frozenset("xyz"))
    assert "gathering" not in find(gathered=frozenset("uvwxyz"))  # this one shares nothing


def test_only_live_rules_decide_and_hold_is_graver_than_review() -> None:
    dry = Finding("large_order", 1, Outcome.HOLD, Mode.DRY_RUN)
    review = Finding("fast_order", 1, Outcome.REVIEW, Mode.LIVE)
    assert decide_outcome([dry]) is Outcome.PASS
    assert decide_outcome([dry], as_if_live=True) is Outcome.HOLD
    assert decide_outcome([dry, review]) is Outcome.REVIEW
    assert decide_outcome([review, replace(review, action=Outcome.HOLD)]) is Outcome.HOLD
    assert decide_findings(replace(FACTS, buyer_recent=50), GraphFacts(), make_rules(Mode.OFF)) == ()


def test_every_finding_and_edge_reads_as_a_sentence_in_both_languages() -> None:
    facts = replace(
        FACTS, buyer_recent=99, promoter_recent=999, device_buyers=99, ip_buyers=99, goods_minor=10**9,
        touched_at=NOON, own_orders=99, settled_orders=9, refunded_orders=9,
        cases=(CaseHit("rcs_1", "held", "buyer", "b", is_held=True), CaseHit("rcs_2", "open", "buyer", "b", is_held=False)),
        lists=(ListHit("deny", "sku", "x"),), gathered=frozenset("xyz"),
        reach=(ReachHit("rcs_3", "promoter", "p1", 0.4),),
    )  # fmt: skip
    shared = {1: (("device:" + "0f" * 32, 2),), 2: (("ip:i", 2),)}
    marks = (CaseMark("rcs_3", "confirmed", "device", "0f" * 32, (("buyer", "m"),), 2),)
    seen = GraphFacts(shared, is_in_team=True, circle=("b", "u1"), marks=marks)
    found = decide_findings(facts, seen, make_rules())
    assert {finding.rule_id for finding in found} == set(PARAMETERS)
    for finding in found:
        english, chinese = tell_finding(finding)
        assert english.endswith(".")
        assert chinese.endswith("。")
        assert "{" not in english + chinese
        assert finding.edges
        for edge in finding.edges:
            english, chinese = tell_edge(edge)
            assert english.endswith(").")
            assert chinese.endswith("）。")
            assert "0f" * 32 not in english + chinese
    assert not any(word in FOR_PROMOTERS[0] for word in ("device", "rule", "circle", "case"))


def test_an_unknown_relation_is_told_as_it_stands() -> None:
    assert tell_edge(Edge("sku", "s", "resembles", "sku", "t"))[0] == "Sku s – resembles – sku t (weight 1.00)."


@pytest.mark.parametrize("rule", sorted(PARAMETERS))
def test_parameters_hold_to_their_bounds(rule: str) -> None:
    for name, (low, high) in PARAMETERS[rule].items():
        least = {other: bounds[0] for other, bounds in PARAMETERS[rule].items()}
        assert check_parameters(rule, least) == least
        for wrong in (low - 1, high + 1, float(low), str(low), True, None):
            with pytest.raises(Exception, match="parameters") as refused:
                check_parameters(rule, least | {name: wrong})
            assert list(refused.value.fields) == [f"parameters.{name}"]  # type: ignore[attr-defined]


# Cases


def test_no_state_is_a_dead_end_but_innocence() -> None:
    for state in CaseState:
        leads = {decide_state(state, action) for action in CaseAction if action.value not in ("assign", "comment")}
        assert (leads == {None}) == (state is CaseState.INNOCENT)


accounts = st.frozensets(st.tuples(st.sampled_from(["promoter", "buyer"]), st.sampled_from("abcdefgh")), max_size=8)


@given(accounts, accounts)
def test_overlap_is_between_none_and_all_and_the_same_both_ways(
    one: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]]
) -> None:
    overlap = measure_overlap(one, other)
    assert overlap == measure_overlap(other, one)
    assert 0 <= overlap <= 1
    assert (overlap == 1) == (one == other and bool(one))


def test_a_group_is_the_case_it_overlaps_most_from_one_half_on() -> None:
    def group(names: str) -> frozenset[tuple[str, str]]:
        return frozenset(("buyer", name) for name in names)

    known = {"rcs_1": group("abcd"), "rcs_2": group("abc"), "rcs_3": group("xyz")}
    assert find_same(group("abc"), known) == "rcs_2"
    assert find_same(group("abc"), known, taken={"rcs_2"}) == "rcs_1"
    assert find_same(group("ab"), {"rcs_1": group("abcd")}) == "rcs_1"
    assert find_same(group("a"), {"rcs_1": group("abc")}) is None
    assert find_same(group("a"), {}) is None


def test_who_is_held_stays_in_a_case_that_a_sweep_finds_smaller() -> None:
    held = CaseMember("promoter", "p1", "beneficiary", 0.9, accused=True, held=True)
    gone = CaseMember("buyer", "b1", "buyer", 0.9, accused=True)
    again = CaseMember("buyer", "b2", "buyer", 0.8, accused=True)
    members, fresh = merge_members([again], {held.key: held, gone.key: gone})
    assert members == [again, held]
    assert fresh == [again]


def test_a_group_found_innocent_is_known_by_most_of_its_members() -> None:
    def group(names: str) -> frozenset[tuple[str, str]]:
        return frozenset(("buyer", name) for name in names)

    innocent = {"rcs_1": group("abcdefgh"), "rcs_2": group("abc")}
    assert find_cleared(group("abc"), innocent) == "rcs_1"
    assert find_cleared(group("abcdx"), innocent) == "rcs_1"
    assert find_cleared(group("abcxyz"), innocent) is None  # half of them are new
    assert find_cleared(group("xyz"), {}) is None


def test_more_of_the_same_is_not_new_and_new_identifiers_are() -> None:
    def found(digests: str, *, pattern: str = "star", orders: int = 10) -> FoundCase:
        members = tuple(CaseMember("buyer", name, "buyer", 0.9, accused=True) for name in "ab")
        edges = tuple(Evidence("buyer", name, "used", "device", one, 1.0) for one in digests for name in "ab")
        return FoundCase(pattern, 0.9, orders, 0, "", members, edges)

    known = Known("star", 10, frozenset({("device", "1"), ("device", "2"), ("device", "3")}))
    assert not is_materially_new(known, found("123", orders=500))
    assert not is_materially_new(known, found("1234"))
    assert is_materially_new(known, found("12345"))
    assert not is_materially_new(known, found("123", pattern="lockstep", orders=19))
    assert is_materially_new(known, found("123", pattern="lockstep", orders=20))
    alone = FoundCase("star", 0.9, 10, 0, "", found("1").members,
                      tuple(Evidence("buyer", "a", "used", "device", str(n), 1.0) for n in range(50)))  # fmt: skip
    assert not is_materially_new(known, alone)  # one's own devices are no company
