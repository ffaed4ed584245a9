"""Verbs of the workbench: ask, keep queries, keep rules, read the log."""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError

from tuike.config import Config
from tuike.db import Database, Transaction
from tuike.graph import (
    AnalysisGraph,
    Graph,
    GraphEdge,
    GraphNode,
    GraphPath,
    Limits,
    PlanRefused,
    QueryFailed,
    QueryTimedOut,
    QueryTooLarge,
    Table,
)
from tuike.shared.errors import GraphUnavailable, TuikeError, ValidationFailed
from tuike.shared.ids import new_id
from tuike.shared.pages import Page, decode_cursor, encode_cursor
from tuike.workbench import store
from tuike.workbench.library import get_library_query
from tuike.workbench.model import (
    BYTES_MAX,
    QUERIES_PER_OWNER_MAX,
    ROWS_MAX,
    RULES_MAX,
    SECONDS_DEFAULT,
    SECONDS_MAX,
    Answer,
    Author,
    EditConflict,
    Hit,
    NameTaken,
    Origin,
    Outcome,
    QueryNotFound,
    QueryRefused,
    Rule,
    RuleNotFound,
    Run,
    RunNotFound,
    SavedQuery,
    TooMany,
    TooManyQueries,
)
from tuike.workbench.rules.gate import RANGE_MAX, Admitted, admit
from tuike.workbench.rules.showing import explain_hit, list_texts, make_pseudonym, replace_texts, retell_hit

log = structlog.get_logger(__name__)

AT_ONCE_MAX = 3
"""Queries of one process at a time: fewer than it has threads, so that there is always one for the shop."""
AT_ONCE_OF_ONE_MAX = 2
_LOOK_UP_AT_ONCE = 2_000
_HITS_MAX = 1_000
_KEY_PREFIXES = ["", "device:", "ip:"]


class Desk:
    """Where queries are asked: the way to the graph and the seats, of one process."""

    def __init__(self, config: Config) -> None:
        self.graph = AnalysisGraph(config)
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()

    @contextmanager
    def seat(self, author_id: str) -> Iterator[None]:
        """Take a seat for a block. Raises TooManyQueries when all, or all of this author's, are taken."""
        with self._lock:
            if self._busy.total() >= AT_ONCE_MAX or self._busy[author_id] >= AT_ONCE_OF_ONE_MAX:
                raise TooManyQueries
            self._busy[author_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[author_id] -= 1

    def close(self) -> None:
        """Close the connections to the graph."""
        self.graph.close()


def run_query(
    db: Database,
    graph: Graph,
    desk: Desk,
    *,
    author: Author,
    text: str,
    params: Mapping[str, Any],
    now: datetime,
    seconds: int = SECONDS_DEFAULT,
    limit: int = ROWS_MAX,
    origin: Origin = Origin.TYPED,
    query_name: str | None = None,
) -> Answer:
    """Ask the graph and return what it answers; kept in the log whatever becomes of it.

    Raises QueryRefused, PlanRefused, QueryFailed, QueryTimedOut, QueryTooLarge, TooManyQueries, GraphUnavailable.
    """
    run = Run(
        new_id("run"), author.id, author.name, origin, query_name, text, params, now, None, None, Outcome.RUNNING, None
    )
    with db.transaction() as tx:
        store.add_run(tx, run)
    begun = time.monotonic()
    outcome, count, message = Outcome.FAILED, None, None
    try:
        admitted = admit(text)
        given = _check_params(admitted, params)
        limits = Limits(min(seconds, SECONDS_MAX), min(limit, ROWS_MAX), BYTES_MAX)
        with desk.seat(author.id):
            table = _ask(desk, author, admitted, given, limits)
            rows = [[to_json(value) for value in row] for row in table.rows]
            if not author.sees_persons:
                rows = mask(db, graph, rows)
        outcome, count = Outcome.TRUNCATED if table.truncated else Outcome.OK, len(rows)
        return Answer(run.id, table.columns, rows, table.truncated, _ms_since(begun), masked=not author.sees_persons)
    except TuikeError as error:
        outcome, message = _OUTCOMES.get(type(error), Outcome.FAILED), str(error)
        raise
    except Exception as error:
        message = type(error).__name__
        raise
    finally:
        with db.transaction() as tx:
            store.end_run(
                tx, run_id=run.id, outcome=outcome, duration_ms=_ms_since(begun), row_count=count, message=message
            )
        log.info("workbench.ran", run_id=run.id, author_id=author.id, outcome=outcome.value, rows=count)


def _ask(desk: Desk, author: Author, admitted: Admitted, params: Mapping[str, Any], limits: Limits) -> Table:
    """Send a query; who may not see persons does not see them in what the server says of a failure either."""
    try:
        return desk.graph.run(admitted.text, params, limits, calls_procedures=bool(admitted.procedures))
    except QueryFailed as error:
        if error.may_quote and not author.sees_persons:
            raise error.without_words() from error
        raise


_OUTCOMES: dict[type[TuikeError], Outcome] = {
    QueryRefused: Outcome.REFUSED,
    PlanRefused: Outcome.REFUSED,
    ValidationFailed: Outcome.REFUSED,
    QueryTimedOut: Outcome.TIMED_OUT,
    QueryTooLarge: Outcome.TOO_LARGE,
    TooManyQueries: Outcome.BUSY,
    GraphUnavailable: Outcome.UNAVAILABLE,
}


def explain_query(desk: Desk, *, author: Author, text: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the text as it would be sent and, on Neo4j, the plan; runs nothing.

    Raises QueryRefused, PlanRefused, QueryFailed, TooManyQueries, GraphUnavailable.
    """
    admitted = admit(text)
    given = _check_params(admitted, params)
    with desk.seat(author.id):
        plan = desk.graph.explain(admitted.text, given, calls_procedures=bool(admitted.procedures))
    return {"text": admitted.text, "params": sorted(admitted.params), "plan": plan}


def run_library_query(
    db: Database, graph: Graph, desk: Desk, *, author: Author, name: str, params: Mapping[str, Any], **how: Any
) -> Answer:
    """Run a query of the library; parameters that are left out take their defaults. Raises as `run_query`."""
    query = get_library_query(name)
    defaults = {parameter.name: parameter.default for parameter in query.params}
    given = {**defaults, **params}
    return run_query(
        db, graph, desk, author=author, text=query.text, params=given, origin=Origin.LIBRARY, query_name=name, **how
    )


def run_saved_query(
    db: Database, graph: Graph, desk: Desk, *, author: Author, query_id: str, params: Mapping[str, Any], **how: Any
) -> Answer:
    """Run a saved query; parameters that are left out take those it was saved with. Raises as `run_query`."""
    with db.transaction() as tx:
        query = get_query(tx, query_id=query_id, reader=author)
    given = {**query.params, **params}
    return run_query(
        db, graph, desk, author=author, text=query.text, params=given, origin=Origin.SAVED, query_name=query.name, **how
    )


def mask(db: Database, graph: Graph, value: Any, *, known: Mapping[str, str] | None = None) -> Any:
    """Return a JSON value with pseudonyms in place of the ids of persons, browsers and identifiers.

    `known` are texts that are such ids whether the graph has them or not, with their kind: `user`, `identifier`.
    """
    return replace_texts(value, _find_pseudonyms(db, graph, value, known or {}))


def mask_hits(db: Database, graph: Graph, document: dict[str, Any], *, rule: Rule) -> dict[str, Any]:
    """Return a page of a rule's hits with pseudonyms, also inside their sentences."""
    names = _find_pseudonyms(db, graph, [hit["row"] for hit in document["items"]], {})

    def blind(hit: dict[str, Any]) -> dict[str, Any]:
        row = replace_texts(hit["row"], names)
        english, chinese = retell_hit(
            hit["explanation"], rule_name=rule.name, column=rule.column, value=hit["value"], row=row
        )
        return {**hit, "row": row, "explanation": english, "explanation_zh": chinese}

    return {**document, "items": [blind(hit) for hit in document["items"]]}


def _find_pseudonyms(db: Database, graph: Graph, value: Any, known: Mapping[str, str]) -> dict[str, str]:
    """Return a pseudonym for every text in a JSON value that is the id of a person, a browser or an identifier."""
    texts = sorted(set(list_texts(value)) - set(known))
    if not texts and not known:
        return {}
    with db.transaction() as tx:
        key = store.get_mask_key(tx)
    names = {text: make_pseudonym(kind, text, key=key) for text, kind in known.items()}
    for start in range(0, len(texts), _LOOK_UP_AT_ONCE):
        batch = texts[start : start + _LOOK_UP_AT_ONCE]
        for found in graph.read("workbench.find_persons", texts=batch, prefixes=_KEY_PREFIXES):
            kind = "user" if found["is_person"] else "visitor" if found["is_visitor"] else "identifier"
            names[found["text"]] = make_pseudonym(kind, found["text"], key=key)
    return names


def to_json(value: Any) -> Any:
    """Return a value of an answer as JSON has it."""
    if isinstance(value, GraphNode):
        return {"kind": "node", "id": value.id, "label": value.label, "properties": to_json(value.properties)}
    if isinstance(value, GraphEdge):
        ends = {"from": value.from_id, "to": value.to_id}
        return {"kind": "edge", "id": value.id, "type": value.type, **ends, "properties": to_json(value.properties)}
    if isinstance(value, GraphPath):
        nodes, edges = [to_json(node) for node in value.nodes], [to_json(edge) for edge in value.edges]
        return {"kind": "path", "nodes": nodes, "edges": edges}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value


def list_runs(
    tx: Transaction, *, author_id: str | None = None, outcome: str | None = None, limit: int, cursor: str | None
) -> Page[Run]:
    """Return the log, newest first; of one author, or of one outcome, if named."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    runs = store.list_runs(tx, author_id=author_id, outcome=outcome, before=before, limit=limit + 1)
    return _to_page(runs, limit)


def get_run(tx: Transaction, *, run_id: str) -> Run:
    """Return one run. Raises RunNotFound."""
    run = store.find_run(tx, run_id)
    if run is None:
        raise RunNotFound
    return run


# Saved queries


def save_query(
    tx: Transaction, *, owner: Author, name: str, about: str, text: str, params: Mapping[str, Any], shared: bool,
    now: datetime,
) -> SavedQuery:  # fmt: skip
    """Keep a query that the gate admits. Raises QueryRefused, NameTaken, TooMany."""
    _check_params(admit(text), params, complete=False)
    if store.count_queries(tx, owner.id) >= QUERIES_PER_OWNER_MAX:
        raise TooMany
    query = SavedQuery(new_id("query"), owner.id, name, about, text, dict(params), shared, 1, now, now)
    if not store.add_query(tx, query):
        raise NameTaken(fields={"name": ["You have another query with this name."]})
    return query


def change_query(
    tx: Transaction, *, query_id: str, author: Author, version: int, name: str, about: str, text: str,
    params: Mapping[str, Any], shared: bool, now: datetime,
) -> SavedQuery:  # fmt: skip
    """Replace a query of one's own by its next version. Raises QueryNotFound, EditConflict, QueryRefused, NameTaken."""
    query = _get_own(tx, query_id, author)
    if query.version != version:
        raise EditConflict
    _check_params(admit(text), params, complete=False)
    same = store.find_query_named(tx, owner_id=query.owner_id, name=name)
    if same is not None and same.id != query.id:
        raise NameTaken(fields={"name": ["You have another query with this name."]})
    changed = replace(
        query,
        name=name,
        about=about,
        text=text,
        params=dict(params),
        shared=shared,
        version=version + 1,
        updated_at=now,
    )
    try:
        store.change_query(tx, changed, author_id=author.id)
    except IntegrityError as error:  # somebody took the name since
        raise NameTaken(fields={"name": ["You have another query with this name."]}) from error
    return changed


def delete_query(tx: Transaction, *, query_id: str, author: Author, now: datetime) -> None:
    """Put a query of one's own away; its versions stay. Raises QueryNotFound, TooMany while rules use it."""
    query = _get_own(tx, query_id, author)
    if store.count_rules_of(tx, query.id):
        raise TooMany("Rules use this query; delete those first.")
    store.drop_query(tx, query_id=query.id, now=now)


def get_query(tx: Transaction, *, query_id: str, reader: Author) -> SavedQuery:
    """Return a query that is one's own or shared. Raises QueryNotFound."""
    query = store.find_query(tx, query_id)
    if query is None or not (query.shared or query.owner_id == reader.id or reader.is_operator):
        raise QueryNotFound
    return query


def list_queries(tx: Transaction, *, reader: Author, limit: int, cursor: str | None) -> Page[SavedQuery]:
    """Return one's own queries and those that are shared, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    return _to_page(store.list_queries(tx, owner_id=reader.id, before=before, limit=limit + 1), limit)


def list_versions(
    tx: Transaction, *, query_id: str, reader: Author, limit: int, cursor: str | None
) -> Page[Mapping[str, Any]]:
    """Return the versions of a query, newest first. Raises QueryNotFound."""
    get_query(tx, query_id=query_id, reader=reader)
    before = decode_cursor(cursor, int)[0] if cursor else None
    found = store.list_versions(tx, query_id=query_id, before=before, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1]["version"]) if more else None)


def _get_own(tx: Transaction, query_id: str, author: Author) -> SavedQuery:
    query = store.find_query(tx, query_id, lock=True)
    if query is None or not (query.owner_id == author.id or author.is_operator):
        raise QueryNotFound
    return query


# Rules


def create_rule(
    tx: Transaction, *, owner: Author, name: str, query_id: str | None, library_name: str | None,
    params: Mapping[str, Any], column: str, threshold: float, every_minutes: int, dry_run: bool, now: datetime,
) -> Rule:  # fmt: skip
    """Let a query run by the clock. Raises QueryNotFound, ValidationFailed, NameTaken, TooMany."""
    if (query_id is None) == (library_name is None):
        raise ValidationFailed(fields={"query_id": ["Name either query_id or library_name."]})
    if store.count_rules(tx) >= RULES_MAX:
        raise TooMany
    if query_id is not None:
        query = get_query(tx, query_id=query_id, reader=owner)
        if not query.shared:
            raise ValidationFailed(fields={"query_id": ["Share the query first: others see what a rule finds."]})
        _check_params(admit(query.text), {**query.params, **params})
    elif library_name is not None:
        template = get_library_query(library_name)
        if column not in template.columns:
            raise ValidationFailed(fields={"column": [f"The query returns {', '.join(template.columns)}."]})
        defaults = {parameter.name: parameter.default for parameter in template.params}
        _check_params(admit(template.text), {**defaults, **params})
    rule = Rule(
        new_id("rule"), name, owner.id, query_id, library_name, dict(params), column, threshold, every_minutes, dry_run,
        True, 1, now, now,
    )  # fmt: skip
    if not store.add_rule(tx, rule):
        raise NameTaken(fields={"name": ["Another rule has this name."]})
    return rule


def change_rule(
    tx: Transaction, *, rule_id: str, version: int, params: Mapping[str, Any], threshold: float, every_minutes: int,
    dry_run: bool, enabled: bool, now: datetime,
) -> Rule:  # fmt: skip
    """Change how a rule runs; it runs next at once. One whose query may no longer run can still be switched off.

    Raises RuleNotFound, EditConflict, QueryNotFound, QueryRefused, ValidationFailed.
    """
    rule = store.find_rule(tx, rule_id, lock=True)
    if rule is None:
        raise RuleNotFound
    if rule.version != version:
        raise EditConflict
    if enabled:
        text, defaults = _find_rule_query(tx, rule)
        _check_params(admit(text), {**defaults, **params})
    changed = replace(
        rule, params=dict(params), threshold=threshold, every_minutes=every_minutes, dry_run=dry_run, enabled=enabled,
        next_at=now,
    )  # fmt: skip
    store.change_rule(tx, changed)
    return replace(changed, version=version + 1)


def delete_rule(tx: Transaction, *, rule_id: str, now: datetime) -> None:
    """Put a rule away; its hits stay. Raises RuleNotFound."""
    get_rule(tx, rule_id=rule_id)
    store.drop_rule(tx, rule_id=rule_id, now=now)


def get_rule(tx: Transaction, *, rule_id: str) -> Rule:
    """Return a rule. Raises RuleNotFound."""
    rule = store.find_rule(tx, rule_id)
    if rule is None:
        raise RuleNotFound
    return rule


def list_rules(tx: Transaction, *, limit: int, cursor: str | None) -> Page[Rule]:
    """Return the rules, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    return _to_page(store.list_rules(tx, before=before, limit=limit + 1), limit)


def list_hits(tx: Transaction, *, rule_id: str, limit: int, cursor: str | None) -> Page[Hit]:
    """Return what a rule found, newest first. Raises RuleNotFound."""
    get_rule(tx, rule_id=rule_id)
    before = decode_cursor(cursor, str)[0] if cursor else None
    return _to_page(store.list_hits(tx, rule_id=rule_id, before=before, limit=limit + 1), limit)


def run_due_rules(db: Database, graph: Graph, desk: Desk, *, now: datetime, rules_max: int = 5) -> int:
    """Run rules that are due, one after the other, and keep what they find; return how many ran.

    A rule whose query fails says so in its run and comes again at its next time. Nothing but hits comes of it.
    """
    for count in range(rules_max):
        with db.transaction() as tx:
            rule = store.claim_rule(tx, now=now)
        if rule is None:
            return count
        try:
            run_rule(db, graph, desk, rule=rule, now=now)
        except TuikeError as error:
            log.warning("workbench.rule_failed", rule_id=rule.id, code=error.code)
    return rules_max


def run_rule(db: Database, graph: Graph, desk: Desk, *, rule: Rule, now: datetime) -> list[Hit]:
    """Run one rule and keep its hits. Raises as `run_query`, QueryNotFound, ValidationFailed for a missing column."""
    author = Author(rule.id, rule.name, sees_persons=True, is_operator=True)
    how: dict[str, Any] = {"now": now, "seconds": SECONDS_MAX}
    with db.transaction() as tx:
        text, defaults = _find_rule_query(tx, rule)
    answer = run_query(
        db, graph, desk, author=author, text=text, params={**defaults, **rule.params}, origin=Origin.RULE,
        query_name=rule.name, **how,
    )  # fmt: skip
    if answer.rows and rule.column not in answer.columns:
        raise ValidationFailed(f"The query returns no column {rule.column}.")
    hits = list(find_hits(rule, answer))
    with db.transaction() as tx:
        store.note_rule_run(tx, rule_id=rule.id, run_id=answer.run_id)
        store.add_hits(tx, [(hit, _hash_row(hit.row)) for hit in hits], now=now)
    return hits


def find_hits(rule: Rule, answer: Answer) -> Iterator[Hit]:
    """Yield the rows of an answer whose column reaches the rule's threshold, each explained."""
    for values in answer.rows[:_HITS_MAX]:
        row = dict(zip(answer.columns, values, strict=True))
        value = row.get(rule.column)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < rule.threshold:
            continue
        english, chinese = explain_hit(rule.name, rule.column, float(value), rule.threshold, row)
        yield Hit(new_id("hit"), rule.id, answer.run_id, float(value), row, english, chinese, rule.dry_run)


def _find_rule_query(tx: Transaction, rule: Rule) -> tuple[str, Mapping[str, Any]]:
    if rule.library_name is not None:
        template = get_library_query(rule.library_name)
        return template.text, {parameter.name: parameter.default for parameter in template.params}
    query = store.find_query(tx, rule.query_id or "")
    if query is None:
        raise QueryNotFound
    return query.text, query.params


def _hash_row(row: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(row, sort_keys=True, ensure_ascii=True).encode()).digest()


def _check_params(admitted: Admitted, params: Mapping[str, Any], *, complete: bool = True) -> dict[str, Any]:
    """Return the parameters that a query names. Raises ValidationFailed for missing, unknown or oversized ones."""
    faults = {f"params.{name}": ["The query does not name it."] for name in sorted(set(params) - admitted.params)}
    if complete:
        faults |= {f"params.{name}": ["The query needs it."] for name in sorted(admitted.params - set(params))}
    for name in sorted(admitted.range_params & set(params)):
        value = params[name]
        if type(value) is not int or abs(value) > RANGE_MAX:
            faults[f"params.{name}"] = [f"Bounds a range: a whole number up to {RANGE_MAX}."]
    if faults:
        raise ValidationFailed(fields=faults)
    return dict(params)


def _to_page(items: Sequence[Any], limit: int) -> Page[Any]:
    more = len(items) > limit
    return Page(items[:limit], encode_cursor(items[limit - 1].id) if more else None)


def _ms_since(begun: float) -> int:
    return int((time.monotonic() - begun) * 1000)


RULE_MINUTES_MAX = int(timedelta(days=7).total_seconds() // 60)
