"""Risk: rules and lists, what they said of orders, cases and the decisions about them, and one's own held money."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import dump_json, instant, page
from api.routing import RISK, SHOPPERS, Answer, Call, PageQuery, Routes, Shape
from tuike import risk, team, workbench
from tuike.identity import Scope
from tuike.risk import Actor

routes = Routes("risk", description="Risk: rules, checks of orders, cases with evidence, and decisions about them.")

SEERS = RISK | {Scope.ANALYST, Scope.AUDITOR}
LISTS = ("allow", "deny")
STATES = ("open", "held", "confirmed", "banned", "innocent")
_DECISIONS = ["404 risk_case_not_found", "409 case_changed", "409 case_state_wrong"]
_EXAMPLE = {"version": 1, "reason": "one phone for all of them"}


class RiskRuleAnswer(Answer):
    id = ma.fields.String(required=True, metadata={"description": "What each looks at is said in docs/risk.md."})
    version = ma.fields.Integer(required=True)
    parameters = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)
    action = ma.fields.String(required=True, validate=ma.validate.OneOf(["hold", "review"]))
    mode = ma.fields.String(required=True, validate=ma.validate.OneOf(["off", "dry_run", "live"]))
    author_id = ma.fields.String(required=True)
    author_name = ma.fields.String(required=True)
    created_at = ma.fields.DateTime(required=True)


class RiskRuleList(Answer):
    items = ma.fields.List(ma.fields.Nested(RiskRuleAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class NewRiskRule(Shape):
    version = f.Integer(required=True, low=1, metadata={"description": "The version that this replaces."})
    parameters = ma.fields.Dict(required=True)
    action = f.Choice("hold", "review", required=True)
    mode = f.Choice("off", "dry_run", "live", required=True)


class NewListEntry(Shape):
    kind = f.Choice("person", "promoter", "device", "ip", "sku", required=True)
    value = f.Text(
        required=True, high=200,
        metadata={"description": "Devices and IPs are kept as digests, IPs whatever their spelling."},
    )  # fmt: skip
    reason = f.Text(required=True, high=500)


class ListEntryAnswer(Answer):
    id = ma.fields.String(required=True)
    list = ma.fields.String(required=True, validate=ma.validate.OneOf(LISTS))
    kind = ma.fields.String(required=True)
    value = ma.fields.String(required=True)
    reason = ma.fields.String(required=True)
    author_id = ma.fields.String(required=True)
    author_name = ma.fields.String(required=True)
    added_at = ma.fields.DateTime(required=True)
    removed_at = ma.fields.DateTime(required=True, allow_none=True)


class ListEntryPage(Answer):
    items = ma.fields.List(ma.fields.Nested(ListEntryAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class EdgeAnswer(Answer):
    from_kind = ma.fields.String(required=True)
    from_id = ma.fields.String(required=True)
    relation = ma.fields.String(required=True)
    to_kind = ma.fields.String(required=True)
    to_id = ma.fields.String(required=True)
    weight = ma.fields.Float(required=True)
    sentence = ma.fields.String(required=True)
    sentence_zh = ma.fields.String(required=True)


class FindingAnswer(Answer):
    rule_id = ma.fields.String(required=True)
    version = ma.fields.Integer(required=True)
    action = ma.fields.String(required=True)
    mode = ma.fields.String(required=True)
    detail = ma.fields.Dict(required=True)
    sentence = ma.fields.String(required=True)
    sentence_zh = ma.fields.String(required=True)
    edges = ma.fields.List(ma.fields.Nested(EdgeAnswer), required=True)


class CheckAnswer(Answer):
    order_id = ma.fields.String(required=True)
    buyer_id = ma.fields.String(required=True)
    promoter_id = ma.fields.String(required=True)
    placed_at = ma.fields.DateTime(required=True)
    outcome = ma.fields.String(required=True, validate=ma.validate.OneOf(["pass", "hold", "review"]))
    dry_outcome = ma.fields.String(
        required=True, metadata={"description": "What the outcome would be, were every rule that is not off live."}
    )
    decision = ma.fields.String(required=True, allow_none=True)
    decided_by = ma.fields.String(required=True, allow_none=True)
    decided_at = ma.fields.DateTime(required=True, allow_none=True)
    reason = ma.fields.String(required=True, allow_none=True)
    checked_at = ma.fields.DateTime(required=True)
    findings = ma.fields.List(ma.fields.Nested(FindingAnswer), required=True)


class CheckPage(Answer):
    items = ma.fields.List(ma.fields.Nested(CheckAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class CheckQuery(PageQuery):
    waiting = f.Choice(
        "true", "false", load_default="false", metadata={"description": "Only what a person must decide."}
    )


class CheckDecision(Shape):
    decision = f.Choice("passed", "upheld", required=True)
    reason = f.Text(required=True, high=500)


class NewCaseMember(Shape):
    account_kind = f.Choice("promoter", "buyer", required=True)
    account_id = f.Text(required=True)


class NewRiskCase(Shape):
    members = ma.fields.List(ma.fields.Nested(NewCaseMember), required=True, validate=ma.validate.Length(1, 500))
    pattern = f.Text(load_default="reported", high=100)
    note = f.Text(required=True, high=2_000)


class RiskMemberAnswer(Answer):
    account_kind = ma.fields.String(required=True)
    account_id = ma.fields.String(required=True)
    role = ma.fields.String(required=True)
    score = ma.fields.Float(required=True)
    accused = ma.fields.Boolean(required=True)
    held = ma.fields.Boolean(required=True)
    banned = ma.fields.Boolean(required=True)
    locked_out = ma.fields.Boolean(required=True, metadata={"description": "The case banned the person's account."})


class AtStakeAnswer(Answer):
    currency = ma.fields.String(required=True)
    pending_minor = ma.fields.Integer(required=True)
    frozen_minor = ma.fields.Integer(required=True)
    available_minor = ma.fields.Integer(required=True)
    withdrawing_minor = ma.fields.Integer(required=True)


class CaseEventAnswer(Answer):
    no = ma.fields.Integer(required=True)
    at = ma.fields.DateTime(required=True)
    actor_id = ma.fields.String(required=True)
    actor_name = ma.fields.String(required=True)
    action = ma.fields.String(required=True)
    note = ma.fields.String(required=True)
    detail = ma.fields.Dict(required=True)


class RiskCaseBrief(Answer):
    id = ma.fields.String(required=True)
    source = ma.fields.String(required=True, validate=ma.validate.OneOf(["sweep", "person", "orders"]))
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(STATES))
    pattern = ma.fields.String(required=True)
    score = ma.fields.Float(required=True)
    orders_count = ma.fields.Integer(
        required=True, metadata={"description": "Paid orders among its members, as of now."}
    )
    joined_orders_count = ma.fields.Integer(
        required=True, metadata={"description": "Those of them that came since the group was last found."}
    )
    commission_base_minor = ma.fields.Integer(required=True)
    summary = ma.fields.String(required=True)
    assignee_id = ma.fields.String(required=True, allow_none=True)
    assignee_name = ma.fields.String(required=True, allow_none=True)
    version = ma.fields.Integer(required=True)
    created_at = ma.fields.DateTime(required=True)
    updated_at = ma.fields.DateTime(required=True)
    decided_at = ma.fields.DateTime(required=True, allow_none=True)
    decided_by = ma.fields.String(required=True, allow_none=True)
    actions = ma.fields.List(ma.fields.String(), required=True, metadata={"description": "What the state allows."})


class RiskCaseAnswer(RiskCaseBrief):
    members = ma.fields.List(
        ma.fields.Nested(RiskMemberAnswer), required=True, metadata={"description": "The first 200; all are pages."}
    )
    members_count = ma.fields.Integer(required=True)
    at_stake = ma.fields.List(ma.fields.Nested(AtStakeAnswer), required=True)
    sentences = ma.fields.List(
        ma.fields.String(), required=True, metadata={"description": "What opened it, and joined it, by itself."}
    )
    sentences_zh = ma.fields.List(ma.fields.String(), required=True)
    history = ma.fields.List(ma.fields.Nested(CaseEventAnswer), required=True)


class RiskCasePage(Answer):
    items = ma.fields.List(ma.fields.Nested(RiskCaseBrief), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class ReachAnswer(Answer):
    account_kind = ma.fields.String(required=True)
    account_id = ma.fields.String(required=True)
    score = ma.fields.Float(required=True, metadata={"description": "From 0 to 1."})
    distance = ma.fields.Integer(required=True)
    members = ma.fields.Integer(required=True)
    sentence = ma.fields.String(required=True)
    sentence_zh = ma.fields.String(required=True)


class ReachPage(Answer):
    items = ma.fields.List(ma.fields.Nested(ReachAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class RiskCaseQuery(PageQuery):
    state = f.Choice(*STATES, load_default=None)
    assignee_id = f.Id(load_default=None)


class RiskMemberPage(Answer):
    items = ma.fields.List(ma.fields.Nested(RiskMemberAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class EvidencePage(Answer):
    items = ma.fields.List(ma.fields.Nested(EdgeAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class AmountsAnswer(Answer):
    currency = ma.fields.String(required=True)
    count = ma.fields.Integer(required=True)
    amount_minor = ma.fields.Integer(required=True)


class BlastAnswer(Answer):
    case_id = ma.fields.String(required=True)
    promoter_ids = ma.fields.List(ma.fields.String(), required=True)
    suspended_ids = ma.fields.List(
        ma.fields.String(), required=True, metadata={"description": "Promoters who are active now."}
    )
    shopper_ids = ma.fields.List(
        ma.fields.String(), required=True, metadata={"description": "Persons whose every login ends."}
    )
    upline_promoter_ids = ma.fields.List(ma.fields.String(), required=True)
    orders = ma.fields.List(ma.fields.Nested(AmountsAnswer), required=True)
    commissions = ma.fields.List(ma.fields.Nested(AmountsAnswer), required=True)
    uplines = ma.fields.List(ma.fields.Nested(AmountsAnswer), required=True)
    withdrawals = ma.fields.List(
        ma.fields.Nested(AmountsAnswer), required=True, metadata={"description": "Go back to wallets, which stay shut."}
    )
    under_way = ma.fields.List(
        ma.fields.Nested(AmountsAnswer), required=True,
        metadata={"description": "Withdrawals that a provider is paying: these cannot be stopped."},
    )  # fmt: skip
    available = ma.fields.List(ma.fields.Nested(AmountsAnswer), required=True)
    fingerprint = ma.fields.String(required=True, metadata={"description": "Goes into the ban that follows."})


class CaseDecision(Shape):
    version = f.Integer(required=True, low=1, metadata={"description": "The version of the case that you saw."})
    reason = f.Text(required=True, high=2_000)


class CaseBan(CaseDecision):
    fingerprint = f.Text(required=True, high=64)


class CaseAssignment(Shape):
    version = f.Integer(required=True, low=1)
    assignee_id = f.Text(load_default=None, allow_none=True, metadata={"description": "Nobody, if left out."})
    assignee_name = f.Text(load_default=None, allow_none=True, high=200)


class CaseComment(Shape):
    note = f.Text(required=True, high=2_000)


class SweepAnswer(Answer):
    id = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(["running", "done", "failed"]))
    started_at = ma.fields.DateTime(required=True)
    finished_at = ma.fields.DateTime(required=True, allow_none=True)
    counts = ma.fields.Dict(required=True, allow_none=True)
    seconds = ma.fields.Dict(required=True, allow_none=True)
    problem = ma.fields.String(required=True, allow_none=True)
    stage = ma.fields.String(required=True, allow_none=True, metadata={"description": "What it did last."})
    stage_done = ma.fields.Integer(required=True, allow_none=True)
    stage_total = ma.fields.Integer(required=True, allow_none=True)
    progressed_at = ma.fields.DateTime(required=True, allow_none=True)


class SweepPage(Answer):
    items = ma.fields.List(ma.fields.Nested(SweepAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class OwnHold(Answer):
    order_id = ma.fields.String(required=True)
    level = ma.fields.Integer(required=True)
    currency = ma.fields.String(required=True)
    amount_minor = ma.fields.Integer(required=True)
    held_at = ma.fields.DateTime(required=True, allow_none=True)
    sentence = ma.fields.String(required=True)
    sentence_zh = ma.fields.String(required=True)


class OwnHoldPage(Answer):
    items = ma.fields.List(ma.fields.Nested(OwnHold), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


def _actor(call: Call) -> Actor:
    return Actor(call.caller.id, call.caller.name)


def _mask(call: Call, document: Any) -> Any:
    """Return a document as its reader may see it: analysts and auditors see pseudonyms in place of persons."""
    if not call.caller.scopes.isdisjoint(RISK):
        return document
    plain = json.loads(dump_json(document))
    return workbench.mask(call.db, call.graph, plain, known=dict(_list_named(plain)))


_NAMED = (("account_kind", "account_id"), ("from_kind", "from_id"), ("to_kind", "to_id"), ("kind", "value"))
_KINDS = {"buyer": "user", "person": "user"} | dict.fromkeys((kind.value for kind in risk.IdentifierKind), "identifier")


def _list_named(document: Any) -> Iterator[tuple[str, str]]:
    """Yield what a document says is a person or an identifier: the graph does not know phones, nor who never came."""
    if isinstance(document, list):
        for item in document:
            yield from _list_named(item)
    if not isinstance(document, dict):
        return
    for kind_name, name in _NAMED:
        kind, text = _KINDS.get(str(document.get(kind_name))), document.get(name)
        if kind is not None and isinstance(text, str):
            yield text, kind
    persons = [document.get("buyer_id")]
    for name in ("shopper_ids", "locked_out", "let_in"):
        found = document.get(name)
        persons += found if isinstance(found, list) else []
    yield from ((text, "user") for text in persons if isinstance(text, str))
    for item in document.values():
        yield from _list_named(item)


def _render_rule(rule: risk.RiskRule) -> dict[str, Any]:
    return asdict(rule) | {"created_at": instant(rule.created_at)}


def _render_entry(entry: risk.ListEntry) -> dict[str, Any]:
    return asdict(entry) | {"added_at": instant(entry.added_at), "removed_at": instant(entry.removed_at)}


def _tell_edge(edge: dict[str, Any]) -> dict[str, Any]:
    english, chinese = risk.tell_edge(risk.Edge(**edge))
    return edge | {"sentence": english, "sentence_zh": chinese}


def _render_check(call: Call, check: risk.OrderCheck) -> dict[str, Any]:
    """Return a check; what is masked is masked before it becomes part of a sentence."""
    document = asdict(check) | {
        name: instant(getattr(check, name)) for name in ("placed_at", "decided_at", "checked_at")
    }
    masked: dict[str, Any] = _mask(call, document)
    findings = []
    for raw, found in zip(masked["findings"], check.findings, strict=True):
        english, chinese = risk.tell_finding(
            risk.Finding(found.rule_id, found.version, found.action, found.mode, raw["detail"])
        )
        edges = [_tell_edge(edge) for edge in raw["edges"]]
        findings.append(raw | {"sentence": english, "sentence_zh": chinese, "edges": edges})
    return masked | {"findings": findings}


_MEMBERS_SHOWN = 200


def _render_brief(case: risk.RiskCase) -> dict[str, Any]:
    instants = {name: instant(getattr(case, name)) for name in ("created_at", "updated_at", "decided_at")}
    return asdict(case) | instants | {"actions": risk.list_allowed(case.state)}


def _render_case(call: Call, case: risk.RiskCase) -> dict[str, Any]:
    members = risk.list_members(call.tx, case_id=case.id)
    english, chinese = risk.tell_growth(case, members)
    history = risk.list_events(call.tx, case_id=case.id)
    document = _render_brief(case) | {
        "members": [asdict(member) for member in members[:_MEMBERS_SHOWN]],
        "members_count": len(members),
        "at_stake": [asdict(amounts) for amounts in risk.get_at_stake(call.tx, members=members)],
        "sentences": english,
        "sentences_zh": chinese,
        "history": [asdict(event) | {"at": instant(event.at)} for event in history],
    }
    masked: dict[str, Any] = _mask(call, document)
    return masked


@routes.call("GET", "/risk/rules", who=SEERS, answer=RiskRuleList)
def list_risk_rules(call: Call) -> dict[str, Any]:
    """List the rules in force: what they look at, from where on, and what they may do."""
    return {"items": [_render_rule(rule) for rule in risk.list_rules(call.tx)], "next_cursor": None}


@routes.call("GET", "/risk/rules/<id:rule_id>/versions", who=SEERS, answer=RiskRuleList,
             refusals=["404 risk_rule_not_found"])  # fmt: skip
def list_risk_rule_versions(call: Call, rule_id: str) -> dict[str, Any]:
    """List every version of a rule with its author, newest first."""
    found = risk.list_rule_versions(call.tx, rule_id=rule_id)
    return {"items": [_render_rule(rule) for rule in found], "next_cursor": None}


@routes.call(
    "PUT", "/risk/rules/<id:rule_id>", who=RISK, body=NewRiskRule, answer=RiskRuleAnswer,
    refusals=["404 risk_rule_not_found", "409 rule_changed", "422 parameters_unfit"],
    example={"version": 1, "parameters": {"amount_minor": 500_000}, "action": "review", "mode": "live"},
)  # fmt: skip
def put_risk_rule(call: Call, rule_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Put a new version of a rule in force, for orders that are checked from now on."""
    return _render_rule(risk.replace_rule(call.tx, rule_id=rule_id, actor=_actor(call), now=call.now, **body))


def _declare_list(name: str) -> None:
    def list_entries(call: Call, query: dict[str, Any]) -> dict[str, Any]:
        found = risk.list_list_entries(call.tx, list_name=name, **query)
        document: dict[str, Any] = _mask(call, page(found, _render_entry))
        return document

    def post_entry(call: Call, body: dict[str, Any]) -> dict[str, Any]:
        return _render_entry(risk.add_to_list(call.tx, list_name=name, actor=_actor(call), now=call.now, **body))

    list_entries.__name__, post_entry.__name__ = f"list_{name}ed", f"post_{name}ed"
    list_entries.__doc__ = f"List who and what is on the {name} list, newest first; what was removed too."
    post_entry.__doc__ = f"Put somebody or something on the {name} list."
    routes.call("GET", f"/risk/lists/{name}", who=SEERS, query=PageQuery, answer=ListEntryPage)(list_entries)
    routes.call(
        "POST", f"/risk/lists/{name}", who=RISK, body=NewListEntry, answer=ListEntryAnswer, status=201,
        refusals=["409 list_entry_taken"], example={"kind": "device", "value": "3f2a", "reason": "a device farm"},
    )(post_entry)  # fmt: skip


for _name in LISTS:
    _declare_list(_name)


@routes.call("DELETE", "/risk/lists/entries/<id:entry_id>", who=RISK, answer=ListEntryAnswer,
             refusals=["404 list_entry_not_found"])  # fmt: skip
def delete_list_entry(call: Call, entry_id: str) -> dict[str, Any]:
    """Take an entry off its list; it stays in the list's history."""
    return _render_entry(risk.remove_from_list(call.tx, entry_id=entry_id, actor=_actor(call), now=call.now))


@routes.call("GET", "/risk/orders", who=SEERS, query=CheckQuery, answer=CheckPage,
             refusals=["503 graph_unavailable"])  # fmt: skip
def list_checks(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List the orders that rules said something about, newest first."""
    waiting = query.pop("waiting") == "true"
    return page(risk.list_checks(call.tx, waiting=waiting, **query), lambda check: _render_check(call, check))


@routes.call("GET", "/risk/orders/<id:order_id>", who=SEERS, answer=CheckAnswer,
             refusals=["404 check_not_found", "503 graph_unavailable"])  # fmt: skip
def get_check(call: Call, order_id: str) -> dict[str, Any]:
    """Get what the rules said of an order, with the edges that they saw, in sentences."""
    return _render_check(call, risk.get_check(call.tx, order_id=order_id))


@routes.call(
    "POST", "/risk/orders/<id:order_id>/decision", who=RISK, body=CheckDecision, answer=CheckAnswer,
    refusals=["404 check_not_found", "409 check_decided"], example={"decision": "passed", "reason": "a known customer"},
)  # fmt: skip
def post_check_decision(call: Call, order_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Let an order that was stopped go on, or keep its commission frozen."""
    return _render_check(call, risk.decide_check(call.tx, order_id=order_id, actor=_actor(call), now=call.now, **body))


@routes.call("GET", "/risk/cases", who=SEERS, query=RiskCaseQuery, answer=RiskCasePage)
def list_risk_cases(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List cases, newest first."""
    return page(risk.list_cases(call.tx, **query), _render_brief)


@routes.call(
    "POST", "/risk/cases", who=RISK, body=NewRiskCase, answer=RiskCaseAnswer, status=201,
    refusals=["422 nobody_accused", "422 member_unknown"],
    example={"members": [{"account_kind": "promoter", "account_id": "prm_01K9ZJ0000000000000000000A"}],
             "note": "a customer told us"},
)  # fmt: skip
def post_risk_case(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Open a case by hand; it holds nothing until somebody decides so."""
    members = [
        risk.CaseMember(one["account_kind"], one["account_id"],
                        "beneficiary" if one["account_kind"] == "promoter" else "buyer", 1.0, accused=True)
        for one in body["members"]
    ]  # fmt: skip
    case = risk.create_case(
        call.tx, pattern=body["pattern"], members=members, note=body["note"], actor=_actor(call), now=call.now
    )
    call.subject = case.id
    return _render_case(call, case)


@routes.call("GET", "/risk/cases/<id:case_id>", who=SEERS, answer=RiskCaseAnswer,
             refusals=["404 risk_case_not_found", "503 graph_unavailable"])  # fmt: skip
def get_risk_case(call: Call, case_id: str) -> dict[str, Any]:
    """Get a case: members with roles, the money at stake, and its history."""
    return _render_case(call, risk.get_case(call.tx, case_id=case_id))


@routes.call("GET", "/risk/cases/<id:case_id>/members", who=SEERS, query=PageQuery, answer=RiskMemberPage,
             refusals=["404 risk_case_not_found", "503 graph_unavailable"])  # fmt: skip
def list_members(call: Call, case_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List the members of a case with their roles, by kind and id."""
    masked: dict[str, Any] = _mask(call, page(risk.list_member_page(call.tx, case_id=case_id, **query), asdict))
    return masked


@routes.call("GET", "/risk/cases/<id:case_id>/evidence", who=SEERS, query=PageQuery, answer=EvidencePage,
             refusals=["404 risk_case_not_found", "503 graph_unavailable"])  # fmt: skip
def list_evidence(call: Call, case_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List the edges that prove a case, the heaviest first, each with its weight and a sentence."""
    found = page(risk.list_evidence(call.tx, case_id=case_id, **query), asdict)
    masked: dict[str, Any] = _mask(call, found)
    return masked | {"items": [_tell_edge(edge) for edge in masked["items"]]}


@routes.call("GET", "/risk/cases/<id:case_id>/reach", who=SEERS, query=PageQuery, answer=ReachPage,
             refusals=["404 risk_case_not_found", "503 graph_unavailable"])  # fmt: skip
def list_reach(call: Call, case_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List the accounts near the accused of a confirmed case, the nearest first; they are accused of nothing."""

    def render(near: risk.Reach) -> dict[str, Any]:
        english, chinese = risk.tell_reach(near)
        return asdict(near) | {"sentence": english, "sentence_zh": chinese}

    masked: dict[str, Any] = _mask(call, page(risk.list_reach(call.tx, case_id=case_id, **query), render))
    return masked


@routes.call("GET", "/risk/cases/<id:case_id>/ban-preview", who=SEERS, answer=BlastAnswer,
             refusals=["404 risk_case_not_found", "503 graph_unavailable"])  # fmt: skip
def get_ban_preview(call: Call, case_id: str) -> dict[str, Any]:
    """Get whom and what a ban would touch now; a ban names the fingerprint, so that it touches nothing else."""
    masked: dict[str, Any] = _mask(call, asdict(risk.preview_ban(call.tx, case_id=case_id)))
    return masked


def _declare_decision(word: str, verb: Callable[..., risk.RiskCase], promise: str, *, changes_standing: bool) -> None:
    def decide(call: Call, case_id: str, body: dict[str, Any]) -> dict[str, Any]:
        return _render_case(call, verb(call.tx, case_id=case_id, actor=_actor(call), now=call.now, **body))

    decide.__name__ = f"post_case_{word}"
    decide.__doc__ = promise
    is_ban = word == "ban"
    routes.call(
        "POST", f"/risk/cases/<id:case_id>/{word}", who=RISK, body=CaseBan if is_ban else CaseDecision,
        answer=RiskCaseAnswer, refusals=[*_DECISIONS, *(["409 blast_changed"] if is_ban else [])],
        writes_relations=changes_standing, example=_EXAMPLE | ({"fingerprint": "9f3c"} if is_ban else {}),
    )(decide)  # fmt: skip


_declare_decision("hold", risk.hold_case, "Freeze what the accused promoters have pending and earn from now on.",
                  changes_standing=False)  # fmt: skip
_declare_decision("confirm", risk.confirm_case, "Say that it is a fraud; what is not held yet is held.",
                  changes_standing=False)  # fmt: skip
_declare_decision("release", risk.release_case, "Let go what the case holds, and end the suspensions it brought.",
                  changes_standing=True)  # fmt: skip
_declare_decision("innocent", risk.label_innocent, "Say that nobody did wrong; later sweeps keep silent about them.",
                  changes_standing=True)  # fmt: skip
_declare_decision("ban", risk.ban_case, "Shut the accused out, send their withdrawals back and freeze what they earn.",
                  changes_standing=True)  # fmt: skip


@routes.call(
    "POST", "/risk/cases/<id:case_id>/assign", who=RISK, body=CaseAssignment, answer=RiskCaseAnswer,
    refusals=["404 risk_case_not_found", "409 case_changed"], example={"version": 1, "assignee_id": "stf_1"},
)  # fmt: skip
def post_case_assignment(call: Call, case_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Say who works on a case."""
    assignee = Actor(body["assignee_id"], body["assignee_name"] or "") if body["assignee_id"] else None
    case = risk.assign_case(
        call.tx, case_id=case_id, version=body["version"], assignee=assignee, actor=_actor(call), now=call.now
    )
    return _render_case(call, case)


@routes.call(
    "POST", "/risk/cases/<id:case_id>/comments", who=RISK, body=CaseComment, answer=RiskCaseAnswer,
    refusals=["404 risk_case_not_found"], example={"note": "asked the courier"},
)  # fmt: skip
def post_case_comment(call: Call, case_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Add a remark to a case's history."""
    case = risk.comment_case(call.tx, case_id=case_id, note=body["note"], actor=_actor(call), now=call.now)
    return _render_case(call, case)


@routes.call("GET", "/risk/sweeps", who=SEERS, query=PageQuery, answer=SweepPage)
def list_sweeps(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List the sweeps for rings, newest first, with what they counted and how they ended."""
    found = risk.list_sweeps(call.tx, **query)
    names = ("started_at", "finished_at", "progressed_at")
    return page(found, lambda run: asdict(run) | {name: instant(getattr(run, name)) for name in names})


@routes.call("GET", "/me/holds", who=SHOPPERS, query=PageQuery, answer=OwnHoldPage,
             refusals=["404 promoter_not_found"])  # fmt: skip
def list_own_holds(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List your own commission that is being verified."""
    promoter_id = team.find_promoter_id(call.tx, external_id=call.user_id)
    if promoter_id is None:
        raise team.PromoterNotFound
    english, chinese = risk.FOR_PROMOTERS
    found = risk.list_frozen(call.tx, promoter_id=promoter_id, **query)
    return page(found, lambda one: one | {"held_at": instant(one["held_at"]), "sentence": english,
                                          "sentence_zh": chinese})  # fmt: skip
