"""The workbench: analysts ask the graph in Cypher, keep queries and rules; auditors read who asked what."""

import math
from typing import Any

import marshmallow as ma
from flask import current_app

from api import fields as f
from api.answers import instant, page
from api.routing import Answer, Call, PageQuery, Routes, Services, Shape
from tuike import workbench
from tuike.identity import Scope
from tuike.workbench import ROWS_MAX, SECONDS_DEFAULT, SECONDS_MAX, Author, Desk

routes = Routes("workbench", description="Cypher for analysts, strictly reading; saved queries, rules, the log.")

ANALYSTS = frozenset({Scope.ANALYST, Scope.RISK, Scope.OPERATOR})
LOG_READERS = frozenset({Scope.AUDITOR, Scope.OPERATOR})
SEES_PERSONS = frozenset({Scope.RISK, Scope.OPERATOR})
PARAMS_MAX_CHARS = 16_000
_DEPTH_MAX = 6
_LIMITS = ["422 query_refused", "422 query_failed", "422 query_timed_out", "422 answer_too_large",
           "429 too_many_queries", "503 graph_unavailable"]  # fmt: skip
_LINE_SIGNS = str.maketrans("", "", "\n\r\t")


class QueryText(ma.fields.String):
    """The text of a query: anything, as what is wrong with it is for the gate to say."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=ma.validate.Length(1, 20_000), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str:
            raise ma.ValidationError("Must be text.")
        return value


class Params(ma.fields.Dict):
    """Parameters of a query: names to texts, numbers, flags, lists and maps of such."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(keys=ma.fields.String(), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise ma.ValidationError("Must be an object.")
        if _measure(value, 0) > PARAMS_MAX_CHARS:
            raise ma.ValidationError(f"All parameters together have at most {PARAMS_MAX_CHARS} characters.")
        return value


def _measure(value: Any, depth: int) -> int:
    """Return how long a value is, about. Raises ValidationError for what the graph cannot take."""
    if depth > _DEPTH_MAX:
        raise ma.ValidationError("Parameters are nested too deeply.")
    if isinstance(value, str):
        if f._UNPRINTABLE.search(value.translate(_LINE_SIGNS)):  # noqa: SLF001 - the same rule with line breaks
            raise ma.ValidationError("Must not contain control characters or lone surrogates.")
        return len(value) + 2
    if isinstance(value, dict):
        return 2 + sum(_measure(name, depth) + _measure(item, depth + 1) for name, item in value.items())
    if isinstance(value, list):
        return 2 + sum(_measure(item, depth + 1) for item in value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ma.ValidationError("A whole number has at most 63 bits.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ma.ValidationError("A number is finite.")
    return 8


class Number(ma.fields.Float):
    """A finite number, whole or not."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > 1e15:
            raise ma.ValidationError("Must be a number.")
        return float(value)


class Limited(Shape):
    timeout_seconds = f.Integer(low=1, high=SECONDS_MAX, load_default=SECONDS_DEFAULT)
    limit = f.Integer(low=1, high=ROWS_MAX, load_default=1_000, metadata={"description": "Rows at most."})
    format = f.Choice(
        "rows", "graph", "csv", "graphml", load_default="rows",
        metadata={"description": "`rows`; `graph`: nodes and edges to draw; `csv` and `graphml`: text in `content`."},
    )  # fmt: skip


class AnalysisNewRun(Limited):
    text = QueryText(required=True, metadata={"description": "Cypher that reads; see docs/analysts.md."})
    params = Params(load_default=dict)


class AnalysisNamedRun(Limited):
    params = Params(load_default=dict, metadata={"description": "Those left out take their defaults."})


class AnalysisQuestion(Shape):
    text = QueryText(required=True)
    params = Params(load_default=dict)


class AnalysisNewQuery(Shape):
    name = f.Text(required=True)
    about = f.Text(load_default="", low=0, high=2_000)
    text = QueryText(required=True)
    params = Params(load_default=dict, metadata={"description": "Defaults of its parameters."})
    shared = f.Flag(load_default=False)


class AnalysisChangedQuery(AnalysisNewQuery):
    version = f.Integer(required=True, low=1)


class RuleChange(Shape):
    params = Params(load_default=dict)
    threshold = Number(required=True)
    every_minutes = f.Integer(low=5, high=10_080, load_default=60)
    dry_run = f.Flag(load_default=True)


class AnalysisNewRule(RuleChange):
    name = f.Text(required=True)
    query_id = f.Id(load_default=None, allow_none=True)
    library_name = f.Text(load_default=None, allow_none=True)
    column = f.Text(required=True, metadata={"description": "The column that is compared with `threshold`."})


class AnalysisChangedRule(RuleChange):
    version = f.Integer(required=True, low=1)
    enabled = f.Flag(load_default=True)


class RunQuery(PageQuery):
    author_id = f.Id(load_default=None)
    outcome = f.Choice(*(outcome.value for outcome in workbench.Outcome), load_default=None)


class AnalysisRowsAnswer(Answer):
    run_id = ma.fields.String(required=True)
    columns = ma.fields.List(ma.fields.String(), required=True)
    rows = ma.fields.List(ma.fields.List(ma.fields.Raw(allow_none=True)))
    nodes = ma.fields.List(ma.fields.Dict(), metadata={"description": "With `graph`: {id, label, properties}."})
    edges = ma.fields.List(
        ma.fields.Dict(), metadata={"description": "With `graph`: {id, type, from, to, properties}."}
    )
    content = ma.fields.String(metadata={"description": "With `csv` and `graphml`: the file."})
    media_type = ma.fields.String()
    row_count = ma.fields.Integer(required=True)
    truncated = ma.fields.Boolean(required=True, metadata={"description": "More rows were there than `limit`."})
    masked = ma.fields.Boolean(required=True, metadata={"description": "Pseudonyms stand for persons."})
    duration_ms = ma.fields.Integer(required=True)


class AnalysisPlanAnswer(Answer):
    text = ma.fields.String(required=True, metadata={"description": "The query as it would be sent."})
    params = ma.fields.List(ma.fields.String(), required=True)
    plan = ma.fields.Dict(required=True, allow_none=True, metadata={"description": "Null where asking would run it."})


class AnalysisLibraryItem(Answer):
    name = ma.fields.String(required=True)
    about = ma.fields.String(required=True)
    about_zh = ma.fields.String(required=True)
    params = ma.fields.List(ma.fields.Dict(), required=True)
    columns = ma.fields.Dict(required=True)
    text = ma.fields.String(required=True)


class AnalysisLibraryPage(Answer):
    items = ma.fields.List(ma.fields.Nested(AnalysisLibraryItem), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class AnalysisQueryAnswer(Answer):
    id = ma.fields.String(required=True)
    owner_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    about = ma.fields.String(required=True)
    text = ma.fields.String(required=True)
    params = ma.fields.Dict(required=True)
    shared = ma.fields.Boolean(required=True)
    version = ma.fields.Integer(required=True)
    created_at = ma.fields.DateTime(required=True)
    updated_at = ma.fields.DateTime(required=True)


class AnalysisQueryPage(Answer):
    items = ma.fields.List(ma.fields.Nested(AnalysisQueryAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class AnalysisVersionAnswer(Answer):
    query_id = ma.fields.String(required=True)
    version = ma.fields.Integer(required=True)
    author_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    about = ma.fields.String(required=True)
    text = ma.fields.String(required=True)
    params = ma.fields.Dict(required=True)
    shared = ma.fields.Boolean(required=True)
    saved_at = ma.fields.DateTime(required=True)


class AnalysisVersionPage(Answer):
    items = ma.fields.List(ma.fields.Nested(AnalysisVersionAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class AnalysisRunAnswer(Answer):
    id = ma.fields.String(required=True)
    author_id = ma.fields.String(required=True)
    author_name = ma.fields.String(required=True)
    origin = ma.fields.String(required=True)
    query_name = ma.fields.String(required=True, allow_none=True)
    text = ma.fields.String(required=True)
    params = ma.fields.Dict(required=True)
    started_at = ma.fields.DateTime(required=True)
    duration_ms = ma.fields.Integer(required=True, allow_none=True)
    row_count = ma.fields.Integer(required=True, allow_none=True)
    outcome = ma.fields.String(required=True)
    message = ma.fields.String(required=True, allow_none=True)


class AnalysisRunPage(Answer):
    items = ma.fields.List(ma.fields.Nested(AnalysisRunAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class AnalysisRuleAnswer(Answer):
    id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    owner_id = ma.fields.String(required=True)
    query_id = ma.fields.String(required=True, allow_none=True)
    library_name = ma.fields.String(required=True, allow_none=True)
    params = ma.fields.Dict(required=True)
    column = ma.fields.String(required=True)
    threshold = ma.fields.Float(required=True)
    every_minutes = ma.fields.Integer(required=True)
    dry_run = ma.fields.Boolean(required=True)
    enabled = ma.fields.Boolean(required=True)
    version = ma.fields.Integer(required=True)
    created_at = ma.fields.DateTime(required=True)
    next_at = ma.fields.DateTime(required=True)
    last_run_id = ma.fields.String(required=True, allow_none=True)


class AnalysisRulePage(Answer):
    items = ma.fields.List(ma.fields.Nested(AnalysisRuleAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class AnalysisHitAnswer(Answer):
    id = ma.fields.String(required=True)
    rule_id = ma.fields.String(required=True)
    run_id = ma.fields.String(required=True)
    value = ma.fields.Float(required=True)
    row = ma.fields.Dict(required=True)
    explanation = ma.fields.String(required=True)
    explanation_zh = ma.fields.String(required=True)
    dry_run = ma.fields.Boolean(required=True)
    found_at = ma.fields.DateTime(required=True)
    seen_at = ma.fields.DateTime(required=True)


class AnalysisHitPage(Answer):
    items = ma.fields.List(ma.fields.Nested(AnalysisHitAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class AnalysisDeleted(Answer):
    id = ma.fields.String(required=True)


def _desk() -> Desk:
    services: Services = current_app.extensions["tuike"]
    return services.app.desk


def _author(call: Call) -> Author:
    scopes = call.caller.scopes
    return Author(
        call.caller.id, call.caller.name,
        sees_persons=not scopes.isdisjoint(SEES_PERSONS), is_operator=Scope.OPERATOR in scopes,
    )  # fmt: skip


def _render(answer: workbench.Answer, shape: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "run_id": answer.run_id, "columns": answer.columns, "row_count": len(answer.rows),
        "truncated": answer.truncated, "masked": answer.masked, "duration_ms": answer.duration_ms,
    }  # fmt: skip
    if shape == "graph":
        return document | workbench.to_graph(answer.rows)
    if shape == "csv":
        return document | {"media_type": "text/csv", "content": workbench.to_csv(answer.columns, answer.rows)}
    if shape == "graphml":
        return document | {"media_type": "application/graphml+xml", "content": workbench.to_graphml(answer.rows)}
    return document | {"rows": answer.rows}


def _how(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "author": _author(call), "params": body["params"], "seconds": body["timeout_seconds"], "limit": body["limit"],
        "now": call.now,
    }  # fmt: skip


_INSTANTS = ("created_at", "updated_at", "started_at", "saved_at", "next_at", "found_at", "seen_at")


def _show(found: Any) -> dict[str, Any]:
    """Return a thing of the workbench as it is answered: its fields, instants as text."""
    names = type(found).__slots__
    return {name: instant(getattr(found, name)) if name in _INSTANTS else getattr(found, name) for name in names}


_EXAMPLE = workbench.load_library()["largest_teams"].text


@routes.call(
    "POST", "/analysis/queries/run", who=ANALYSTS, body=AnalysisNewRun, answer=AnalysisRowsAnswer, in_transaction=False,
    answers_secrets=True, refusals=_LIMITS,
    example={"text": _EXAMPLE, "params": {"minimum": 3}, "limit": 100, "format": "rows"},
)  # fmt: skip
def run_query(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Ask the graph. Only reads; within time, rows and size; every question is logged with its author."""
    answer = workbench.run_query(call.db, call.graph, _desk(), text=body["text"], **_how(call, body))
    return _render(answer, body["format"])


@routes.call(
    "POST", "/analysis/queries/explain", who=ANALYSTS, body=AnalysisQuestion, answer=AnalysisPlanAnswer,
    in_transaction=False, answers_secrets=True, refusals=_LIMITS, example={"text": _EXAMPLE, "params": {"minimum": 3}},
)  # fmt: skip
def explain_query(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Tell whether a query may run, and how the server would go about it; runs nothing."""
    return workbench.explain_query(_desk(), author=_author(call), text=body["text"], params=body["params"])


@routes.call("GET", "/analysis/library", who=ANALYSTS, answer=AnalysisLibraryPage, in_transaction=False)
def list_library(_call: Call) -> dict[str, Any]:
    """List the queries that come with tuike."""
    items = [
        {
            "name": query.name, "about": query.about, "about_zh": query.about_zh, "columns": query.columns,
            "text": query.text,
            "params": [
                {"name": param.name, "type": param.type, "default": param.default, "about": param.about}
                for param in query.params
            ],
        }
        for query in workbench.load_library().values()
    ]  # fmt: skip
    return {"items": items, "next_cursor": None}


@routes.call(
    "POST", "/analysis/library/<id:name>/run", who=ANALYSTS, body=AnalysisNamedRun, answer=AnalysisRowsAnswer,
    in_transaction=False, answers_secrets=True, body_optional=True, refusals=["404 query_not_found", *_LIMITS],
    example={"params": {"minimum": 3}, "format": "csv"},
)  # fmt: skip
def run_library_query(call: Call, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Run a query of the library by name."""
    answer = workbench.run_library_query(call.db, call.graph, _desk(), name=name, **_how(call, body))
    return _render(answer, body["format"])


@routes.call("GET", "/analysis/queries", who=ANALYSTS, query=PageQuery, answer=AnalysisQueryPage)
def list_saved_queries(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List your own saved queries and those that are shared, newest first."""
    return page(workbench.list_queries(call.tx, reader=_author(call), **query), _show)


@routes.call(
    "POST", "/analysis/queries", who=ANALYSTS, body=AnalysisNewQuery, answer=AnalysisQueryAnswer, status=201,
    refusals=["422 query_refused", "409 name_taken", "422 too_many"],
    example={"name": "teams", "about": "Teams by size.", "text": _EXAMPLE, "params": {"minimum": 3}, "shared": True},
)  # fmt: skip
def post_saved_query(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Keep a query, for yourself or shared with all analysts."""
    return _show(workbench.save_query(call.tx, owner=_author(call), now=call.now, **body))


@routes.call("GET", "/analysis/queries/<id:query_id>", who=ANALYSTS, answer=AnalysisQueryAnswer,
             refusals=["404 query_not_found"])  # fmt: skip
def get_saved_query(call: Call, query_id: str) -> dict[str, Any]:
    """Get a saved query."""
    return _show(workbench.get_query(call.tx, query_id=query_id, reader=_author(call)))


@routes.call(
    "PUT", "/analysis/queries/<id:query_id>", who=ANALYSTS, body=AnalysisChangedQuery, answer=AnalysisQueryAnswer,
    refusals=["404 query_not_found", "422 query_refused", "409 name_taken", "409 edit_conflict"],
    example={"name": "teams", "text": _EXAMPLE, "shared": True, "version": 1},
)  # fmt: skip
def put_saved_query(call: Call, query_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Replace a query of your own by its next version."""
    return _show(workbench.change_query(call.tx, query_id=query_id, author=_author(call), now=call.now, **body))


@routes.call("DELETE", "/analysis/queries/<id:query_id>", who=ANALYSTS, answer=AnalysisDeleted,
             refusals=["404 query_not_found", "422 too_many"])  # fmt: skip
def delete_saved_query(call: Call, query_id: str) -> dict[str, Any]:
    """Put a query of your own away."""
    workbench.delete_query(call.tx, query_id=query_id, author=_author(call), now=call.now)
    return {"id": query_id}


@routes.call("GET", "/analysis/queries/<id:query_id>/versions", who=ANALYSTS, query=PageQuery,
             answer=AnalysisVersionPage, refusals=["404 query_not_found"])  # fmt: skip
def list_query_versions(call: Call, query_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List the versions of a query, newest first."""
    found = workbench.list_versions(call.tx, query_id=query_id, reader=_author(call), **query)
    return page(found, lambda version: {**version, "saved_at": instant(version["saved_at"])})


@routes.call(
    "POST", "/analysis/queries/<id:query_id>/run", who=ANALYSTS, body=AnalysisNamedRun, answer=AnalysisRowsAnswer,
    in_transaction=False, answers_secrets=True, body_optional=True, refusals=["404 query_not_found", *_LIMITS],
    example={"params": {}, "format": "graph"},
)  # fmt: skip
def run_saved_query(call: Call, query_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Run a saved query."""
    answer = workbench.run_saved_query(call.db, call.graph, _desk(), query_id=query_id, **_how(call, body))
    return _render(answer, body["format"])


@routes.call("GET", "/analysis/runs", who=ANALYSTS, query=PageQuery, answer=AnalysisRunPage)
def list_own_runs(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List what you asked, newest first."""
    return page(workbench.list_runs(call.tx, author_id=call.caller.id, **query), _show)


@routes.call("GET", "/analysis/log", who=LOG_READERS, query=RunQuery, answer=AnalysisRunPage)
def list_log(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List who asked what, and what became of it, newest first; refused queries too."""
    return page(workbench.list_runs(call.tx, **query), _show)


@routes.call(
    "GET", "/analysis/log/<id:run_id>", who=LOG_READERS, answer=AnalysisRunAnswer, refusals=["404 run_not_found"]
)
def get_log_entry(call: Call, run_id: str) -> dict[str, Any]:
    """Get one entry of the log."""
    return _show(workbench.get_run(call.tx, run_id=run_id))


@routes.call("GET", "/analysis/rules", who=ANALYSTS, query=PageQuery, answer=AnalysisRulePage)
def list_rules(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List the rules, newest first."""
    return page(workbench.list_rules(call.tx, **query), _show)


@routes.call(
    "POST", "/analysis/rules", who=ANALYSTS, body=AnalysisNewRule, answer=AnalysisRuleAnswer, status=201,
    refusals=["404 query_not_found", "409 name_taken", "422 too_many"],
    example={"name": "crowded devices", "library_name": "crowded_identifiers", "params": {"minimum": 5},
             "column": "users", "threshold": 20, "every_minutes": 60, "dry_run": True},
)  # fmt: skip
def post_rule(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Let a query run by the clock: each row whose `column` reaches `threshold` is kept as a hit, explained."""
    return _show(workbench.create_rule(call.tx, owner=_author(call), now=call.now, **body))


@routes.call(
    "PUT", "/analysis/rules/<id:rule_id>", who=ANALYSTS, body=AnalysisChangedRule, answer=AnalysisRuleAnswer,
    refusals=["404 rule_not_found", "404 query_not_found", "409 edit_conflict", "422 query_refused"],
    example={"threshold": 30, "every_minutes": 60, "dry_run": False, "enabled": True, "version": 1},
)  # fmt: skip
def put_rule(call: Call, rule_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Change how a rule runs; it runs next at once."""
    return _show(workbench.change_rule(call.tx, rule_id=rule_id, now=call.now, **body))


@routes.call(
    "DELETE", "/analysis/rules/<id:rule_id>", who=ANALYSTS, answer=AnalysisDeleted, refusals=["404 rule_not_found"]
)
def delete_rule(call: Call, rule_id: str) -> dict[str, Any]:
    """Put a rule away; what it found stays in the log."""
    workbench.delete_rule(call.tx, rule_id=rule_id, now=call.now)
    return {"id": rule_id}


@routes.call("GET", "/analysis/rules/<id:rule_id>/hits", who=ANALYSTS, query=PageQuery, answer=AnalysisHitPage,
             refusals=["404 rule_not_found", "503 graph_unavailable"])  # fmt: skip
def list_hits(call: Call, rule_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List what a rule found, newest first."""
    document = page(workbench.list_hits(call.tx, rule_id=rule_id, **query), _show)
    if _author(call).sees_persons:
        return document
    rule = workbench.get_rule(call.tx, rule_id=rule_id)
    return dict(workbench.mask_hits(call.db, call.graph, document, rule=rule))
