"""How a route is declared once and then served and documented.

A declaration says who may call, what is read, what is answered and which refusals are worth naming; from it come the
running view (authenticate → parse → one transaction with one verb → apply relations → answer) and the OpenAPI text.
Schemas are made once, at import; a request only walks them.
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import flask_smorest  # type: ignore[import-untyped]
import marshmallow as ma
import structlog
from flask import Response, current_app, g, request
from werkzeug.routing import BaseConverter

from api import fields as f
from api.answers import JSON_TYPE, dump_json
from api.bodies import read_json, read_upload
from api.caching import name_answer, without_body
from api.errors import is_worth_retrying
from tuike import catalog, identity, team
from tuike.app import App
from tuike.config import Config
from tuike.db import Database, Transaction
from tuike.graph import Graph, journal
from tuike.identity import Scope
from tuike.shared.clock import read_clock, refuse_future
from tuike.shared.errors import Forbidden, Malformed, Unauthenticated, ValidationFailed
from tuike.shared.pages import DEFAULT_LIMIT, MAX_LIMIT

if TYPE_CHECKING:
    from api.caching import AnswerCache
    from api.keyring import Keyring, Standing

log = structlog.get_logger("api")

# Who may call, by what a route is about. An admin carries the scope of an operator (identity.scopes_of).
KEYS = frozenset(identity.KEY_SCOPES)
STAFF = frozenset(identity.PERMISSIONS)
READERS = KEYS | {Scope.FINANCE, Scope.SUPPORT, Scope.RISK}
INTEGRATORS = frozenset({Scope.INTEGRATION, Scope.OPERATOR})
OPERATORS = frozenset({Scope.OPERATOR})
FINANCE = OPERATORS | {Scope.FINANCE}
SUPPORT = OPERATORS | {Scope.SUPPORT}
RISK = OPERATORS | {Scope.RISK}
CONTENT = OPERATORS | {Scope.CONTENT}
ADMINS = frozenset({Scope.ADMIN})
SHOPPERS = frozenset({Scope.SHOPPER})
ANYONE: frozenset[Scope] = frozenset()
"""Nobody needs credentials here; those that are good are read all the same, so that an answer may be personal."""

MAX_TRIES = 3
_IDEMPOTENCY_HEADER = "Idempotency-Key"


class Shape(ma.Schema):
    """A body, query or answer: fields in the order written, unknown ones refused."""

    class Meta:
        unknown = ma.RAISE


class Answer(Shape):
    """An answer: it may gain fields, so who reads it must not refuse those it does not know."""

    class Meta:
        unknown = ma.EXCLUDE


class Nothing(Shape):
    """An empty body."""


class PageQuery(Shape):
    """`limit` and `cursor` of every list."""

    limit = f.QueryInteger(
        low=1, high=MAX_LIMIT, load_default=DEFAULT_LIMIT, metadata={"description": "How many items at most."}
    )
    cursor = f.Cursor(load_default=None, metadata={"description": "`next_cursor` of the page before; opaque."})


@dataclass(frozen=True, slots=True)
class Services:
    """What requests are served with; the same for the life of a process."""

    app: App
    keyring: "Keyring"
    standing: "Standing"
    vault: identity.Vault
    logins: identity.Logins
    answers: "AnswerCache"
    media: catalog.Storage

    @property
    def db(self) -> Database:
        return self.app.db

    @property
    def graph(self) -> Graph:
        return self.app.graph

    @property
    def config(self) -> Config:
        return self.app.config


@dataclass(slots=True)
class Call:
    """One request that passed the door: its parts, its caller, its instant, and its transaction."""

    services: Services
    caller: identity.Caller
    now: datetime
    headers: dict[str, str] = field(default_factory=dict)
    writes_relations: bool = False
    open_tx: Transaction | None = None
    sees_earnings: bool = False
    """Whether the caller is a promoter, of a route that `shows_earnings`."""
    subject: str = ""
    """What the audit log names as changed, where the path does not."""
    detail: dict[str, Any] = field(default_factory=dict)
    """What the audit log says about the change; never a secret."""

    @property
    def db(self) -> Database:
        return self.services.db

    @property
    def vault(self) -> identity.Vault:
        return self.services.vault

    @property
    def logins(self) -> identity.Logins:
        return self.services.logins

    @property
    def graph(self) -> Graph:
        return self.services.graph

    @property
    def config(self) -> Config:
        return self.services.config

    @property
    def tx(self) -> Transaction:
        """The request's transaction, of a route that is declared with one."""
        assert self.open_tx is not None, "this route is declared without a transaction"
        return self.open_tx

    @property
    def user_id(self) -> str:
        """The shopper who calls, of a route that is declared for shoppers only."""
        assert self.caller.user_id is not None, "this route is not declared for shoppers only"
        return self.caller.user_id


class IdConverter(BaseConverter):
    """A path segment that names something of ours; what cannot be an id becomes one that names nothing."""

    part_isolating = True

    def to_python(self, value: str) -> str:
        return f.readable_id(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Everything about a route, decided at import."""

    verb: Callable[..., Any]
    method: str
    rule: str
    who: frozenset[Scope]
    answer: type[Shape]
    body: Shape | None = None
    body_optional: bool = False
    query: Shape | None = None
    status: int = 200
    refusals: Sequence[str] = ()
    example: Mapping[str, Any] | None = None
    in_transaction: bool = True
    in_one_statement: bool = False
    """Whether the verb writes by one statement at most: where nothing is written beside it, it needs no transaction."""
    writes_relations: bool = False
    looks_ahead: bool = False
    """Whether the instants of the body may lie in the future."""
    answers_secrets: bool = False
    checks_shopper: bool | None = None
    agreements: Sequence[identity.AgreementKind] = ()
    kept_s: float = 0
    made_of: Callable[..., Sequence[str]] = field(default=lambda **_: ())
    shows_earnings: bool = False
    """Of an open GET that is kept: whether all promoters get another answer than all others."""
    upload_bytes: int = 0
    opens_enrolment: bool = False
    """Whether staff may call it who have yet to enrol the second factor that their permissions need."""
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    text_type: str | None = None
    """Of a GET whose verb returns a text, or streams one, instead of a document: the text's media type."""

    @property
    def is_open(self) -> bool:
        """Whether nobody needs credentials."""
        return not self.who

    @property
    def keeps_answers(self) -> bool:
        """Whether Idempotency-Key is honoured: the key needs an owner, and no secret is ever kept as an answer."""
        return self.method != "GET" and not self.is_open and not self.answers_secrets

    @property
    def asks_for_shopper(self) -> bool:
        """Whether PostgreSQL is asked if a shopper may still act: before every change, and where a route says so."""
        return self.method != "GET" if self.checks_shopper is None else self.checks_shopper

    def serve(self, ids: Mapping[str, str]) -> Response:
        services: Services = current_app.extensions["tuike"]
        if self.kept_s:
            return self._answer_kept(services, ids)
        now = read_clock()
        caller = self._admit(services, now)
        g.caller_id = caller.id
        call = Call(services, caller, now)
        call.writes_relations = self.writes_relations
        values: dict[str, Any] = dict(ids)
        if self.query is not None:
            values["query"] = load_query(self.query, call.now)
        if self.method == "GET":
            return self._answer(call, self._run(call, values))
        name = read_idempotency_key() if self.keeps_answers else None
        document = read_json(request, optional=self.body_optional) if self.body is not None else {}
        if self.upload_bytes:
            upload = read_upload(request, most=self.upload_bytes)
            values["upload"], document = upload.content, {"file": upload.digest}
        stored = None if name is None else _to_stored_request(caller, name, document)
        try:
            if self.body is not None:
                values["body"] = f.load(self.body, document)
                if not self.looks_ahead:
                    _refuse_future_fields(values["body"], call.now)
        except ValidationFailed:
            if stored is not None:  # a key that is taken is the older news
                with call.db.transaction() as tx:
                    identity.find_answer(tx, request=stored)
            raise
        response = self._answer_once(call, values, stored)
        if call.writes_relations:
            apply_relations(call.db, call.graph)
        return response

    def _answer_kept(self, services: Services, ids: Mapping[str, str]) -> Response:
        """Answer what everybody, or every promoter, gets alike from this process's memory, or keep the answer there."""
        answers = services.answers
        sees_earnings = self.shows_earnings and self._is_by_promoter(services)
        key = name_answer(request.environ, sees_earnings=sees_earnings)
        kept = answers.find(key)
        if kept is None:
            round_ = answers.round
            call = Call(services, identity.NOBODY, read_clock(), sees_earnings=sees_earnings)
            values: dict[str, Any] = dict(ids)
            if self.query is not None:
                values["query"] = load_query(self.query, call.now)
            with call.db.autocommit() as tx:  # one look at one instant is all that is wanted
                call.open_tx = tx
                body = dump_json(self.verb(call, **values)).encode()
            seconds = min(self.kept_s, _EARNINGS_KEPT_S) if sees_earnings else self.kept_s
            headers = {"Content-Type": JSON_TYPE, "Cache-Control": _PRIVATE_CONTROL if sees_earnings else _KEPT_CONTROL}
            if self.shows_earnings:
                headers["Vary"] = "Authorization"
            kept = answers.keep(
                key, body, tags=self.made_of(**ids), seconds=seconds, round_=round_,
                route=request.url_rule.rule if request.url_rule else "", headers=headers,
            )  # fmt: skip
        body_as_is, given = kept.plain
        if kept.mark in request.headers.get("If-None-Match", ""):
            return Response(status=304, headers=without_body(given))
        return Response(body_as_is, 200, list(given))

    def _is_by_promoter(self, services: Services) -> bool:
        header = request.headers.get("Authorization")
        if not header:
            return False
        known = services.standing.recall(header)
        return services.standing.is_promoter(header, self._admit(services, read_clock())) if known is None else known

    def _admit(self, services: Services, now: datetime) -> identity.Caller:
        """Return who calls; at an open route bad credentials are as good as none.

        Raises Unauthenticated, Forbidden, SecondFactorMissing.
        """
        header = request.headers.get("Authorization")
        if self.is_open:
            try:
                caller = services.keyring.authenticate(header, now=now) if header else identity.NOBODY
            except Unauthenticated:
                return identity.NOBODY
            return identity.NOBODY if caller.must_enrol else caller
        caller = services.keyring.authenticate(header, now=now)
        g.caller_id = caller.id
        if caller.scopes.isdisjoint(self.who):
            raise Forbidden
        if caller.must_enrol and not self.opens_enrolment:
            raise identity.SecondFactorMissing
        return caller

    def _answer(self, call: Call, document: Any) -> Response:
        if isinstance(document, Response):  # of a route that does not answer JSON
            return document
        if self.text_type is not None:
            return Response(document, self.status, call.headers, content_type=f"{self.text_type}; charset=utf-8")
        return Response(dump_json(document), self.status, call.headers, content_type=JSON_TYPE)

    def _run(self, call: Call, values: dict[str, Any]) -> Any:
        """Run the verb, again when PostgreSQL chose it to end a deadlock."""
        if not self.in_transaction:
            return self._run_apart(call, values)
        for left in reversed(range(MAX_TRIES)):
            try:
                with self._open(call) as tx:
                    call.open_tx = tx
                    return self._run_verb(call, tx, values)
            except Exception as error:
                if not left or not is_worth_retrying(error):
                    raise
        raise AssertionError("unreachable")

    def _open(self, call: Call) -> AbstractContextManager[Transaction]:
        """Open what the verb runs in. What others than keys do is written down beside it or checked before it."""
        alone = self.in_one_statement and call.caller.kind is identity.CallerKind.KEY
        return call.db.autocommit() if alone else call.db.transaction()

    def _run_verb(self, call: Call, tx: Transaction, values: dict[str, Any]) -> Any:
        """Run the verb between what must hold for its caller and what is written down about it."""
        if call.caller.kind is identity.CallerKind.SHOPPER and self.asks_for_shopper:
            identity.check_caller(tx, caller=call.caller, agreements=self.agreements)
        document = self.verb(call, **values)
        if call.caller.kind is identity.CallerKind.STAFF and self.method != "GET":
            self._audit(call, tx, values)
        return document

    def _run_apart(self, call: Call, values: dict[str, Any]) -> Any:
        """Do the same for a verb that makes its own transactions."""
        if call.caller.kind is identity.CallerKind.SHOPPER and self.asks_for_shopper:
            with call.db.transaction() as tx:
                identity.check_caller(tx, caller=call.caller, agreements=self.agreements)
        document = self.verb(call, **values)
        if call.caller.kind is identity.CallerKind.STAFF and self.method != "GET":
            with call.db.transaction() as tx:
                self._audit(call, tx, values)
        return document

    def _audit(self, call: Call, tx: Transaction, values: dict[str, Any]) -> None:
        ids = {name: value for name, value in values.items() if name not in ("body", "query", "upload")}
        detail = ids | call.detail | {"request_id": g.get("request_id", "")}
        subject = call.subject or next(iter(ids.values()), "")
        action = self.verb.__name__
        identity.record_audit(tx, caller=call.caller, action=action, subject=subject, detail=detail, now=call.now)

    def _answer_once(self, call: Call, values: dict[str, Any], stored: identity.StoredRequest | None) -> Response:
        """Answer a change, at most once per idempotency key."""
        if stored is None:
            return self._answer(call, self._run(call, values))
        if not self.in_transaction:
            return self._answer_apart(call, values, stored)
        for left in reversed(range(MAX_TRIES)):
            try:
                with call.db.transaction() as tx:
                    earlier = identity.claim_request(tx, request=stored, now=call.now)
                    if earlier is not None:
                        return _replay(earlier)
                    call.open_tx = tx
                    text = dump_json(self._run_verb(call, tx, values))
                    identity.store_answer(tx, request=stored, answer=identity.StoredAnswer(self.status, text))
                    return Response(text, self.status, call.headers, content_type=JSON_TYPE)
            except Exception as error:
                if not left or not is_worth_retrying(error):
                    raise
        raise AssertionError("unreachable")

    def _answer_apart(self, call: Call, values: dict[str, Any], stored: identity.StoredRequest) -> Response:
        """Answer a change whose verb makes its own transactions and may safely run twice."""
        with call.db.transaction() as tx:
            earlier = identity.find_answer(tx, request=stored)
        if earlier is not None:
            return _replay(earlier)
        text = dump_json(self._run_apart(call, values))
        with call.db.transaction() as tx:
            earlier = identity.claim_request(tx, request=stored, now=call.now)
            if earlier is None:
                identity.store_answer(tx, request=stored, answer=identity.StoredAnswer(self.status, text))
        return Response(text, self.status, call.headers, content_type=JSON_TYPE)


class Routes(flask_smorest.Blueprint):
    """A capability's routes."""

    def __init__(self, name: str, *, description: str) -> None:
        super().__init__(name, __name__, description=description, url_prefix="/api/v1")
        self.declared: list[Route] = []

    def call(
        self,
        method: str,
        rule: str,
        *,
        body: type[Shape] | None = None,
        query: type[Shape] | None = None,
        **declaration: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a route: the decorated function takes a Call, the ids of the path, and `body=` and `query=`.

        `declaration` holds the other fields of Route. `refusals` are `"409 external_id_taken"`; those that every
        route shares are added. All but GET honours Idempotency-Key, in its own transaction where it has one, unless
        it is open to ANYONE or `answers_secrets`. Before a change by a shopper PostgreSQL is asked whether the shopper
        may still act (`checks_shopper` says otherwise) and has accepted the newest `agreements`; a change by staff is
        written into the audit log.
        `kept_s` keeps the answers of an open GET for so many seconds, or until what they are `made_of` (tags, by the
        path's ids) changes; one that `shows_earnings` has another answer for promoters.
        `upload_bytes` takes a file of that size in a multipart form instead of a body: `upload=`.
        `writes_relations` applies the journal to the graph after the commit, so that the next request sees the change.
        """

        def declare(verb: Callable[..., Any]) -> Callable[..., Any]:
            route = Route(
                verb=verb,
                method=method,
                rule=rule,
                body=None if body is None else body(),
                query=None if query is None else query(),
                **declaration,
            )

            @functools.wraps(verb)
            def view(**ids: str) -> Response:
                return route.serve(ids)

            view._apidoc = self._describe(route)  # type: ignore[attr-defined]  # noqa: SLF001 - read by flask-smorest
            self.add_url_rule(rule, verb.__name__, view, methods=[method])
            self.declared.append(route)
            return verb

        return declare

    def _describe(self, route: Route) -> dict[str, Any]:
        """Return flask-smorest's notes for a route, written by its own decorators on a stand-in."""

        def stand_in() -> None: ...

        noted: Any = stand_in
        if route.body is not None:
            noted = self.arguments(type(route.body), required=not route.body_optional, example=route.example)(noted)
        if route.query is not None:
            noted = self.arguments(type(route.query), location="query")(noted)
        if route.upload_bytes:
            noted = self.doc(requestBody=_UPLOAD_BODY)(noted)
        headers = {name: _describe_header(text) for name, text in {**_ANSWER_HEADERS, **route.answer_headers}.items()}
        if route.keeps_answers:
            headers["Idempotency-Hit"] = _describe_header("`true` when this is the stored answer to the same request.")
        shape: Any = route.answer if route.text_type is None else {"type": "string"}
        noted = self.alt_response(
            route.status, schema=shape, headers=headers, success=True, content_type=route.text_type
        )(noted)
        for status, codes in _gather(route).items():
            description = ", ".join(f"`{code}`" for code in codes)
            noted = self.alt_response(status, schema=ErrorAnswer, description=description)(noted)
        extra: dict[str, Any] = {
            "operationId": route.verb.__name__,
            "x-scopes": sorted(scope.value for scope in route.who),
            "security": _list_credentials(route.who),
        }
        if route.keeps_answers:
            extra["parameters"] = [_IDEMPOTENCY_PARAMETER]
        notes: dict[str, Any] = self.doc(**extra)(noted)._apidoc  # noqa: SLF001 - written by flask-smorest
        return notes


_KEPT_CONTROL = "public, max-age=1, stale-while-revalidate=10"
_PRIVATE_CONTROL = "private, max-age=1"
_EARNINGS_KEPT_S = 5
"""What promoters see follows the plan, which no change of the catalogue tells of."""
_ANSWER_HEADERS = {"X-Request-Id": "Names this request in the logs."}
_IDEMPOTENCY_PARAMETER = {
    "in": "header",
    "name": _IDEMPOTENCY_HEADER,
    "required": False,
    "description": "The same key with the same body gives the same answer, for at least 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


_UPLOAD_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        }
    },
}


def _list_credentials(who: frozenset[Scope]) -> list[dict[str, list[str]]]:
    """Return OpenAPI's alternatives for a route: which kinds of credentials open it."""
    if not who:
        return [{}, {"shopperToken": []}]
    kinds = {"apiKey": KEYS, "shopperToken": SHOPPERS, "staffToken": STAFF | OPERATORS}
    return [{name: []} for name, scopes in kinds.items() if not scopes.isdisjoint(who)]


def _describe_header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


class ErrorBody(Answer):
    code = ma.fields.String(required=True, metadata={"description": "Stable, snake_case; see docs/api.md."})
    message = ma.fields.String(required=True)
    fields_ = ma.fields.Dict(
        keys=ma.fields.String(), values=ma.fields.List(ma.fields.String()), data_key="fields",
        metadata={"description": "The fields at fault by path, such as `lines.0.amount_minor`."},
    )  # fmt: skip
    details = ma.fields.Dict(metadata={"description": "What is needed to go on, where a code says so."})
    part = ma.fields.String(metadata={"description": "With 503: which part is down."})
    request_id = ma.fields.String(required=True)


class ErrorAnswer(Answer):
    error = ma.fields.Nested(ErrorBody, required=True)


def apply_relations(db: Database, graph: Graph) -> None:
    """Bring what was just committed into the graph, so that the next request sees it.

    The change is kept whatever happens here, so nothing that goes wrong may turn its answer into a refusal; a worker
    brings it in later.
    """
    try:
        team.catch_up(db, graph)
    except Exception:
        log.exception("graph.catch_up_failed", request_id=g.get("request_id"))
        # Nobody could be told that the change waits. Once answered it must count as missing, which it does by its age.
        time.sleep(journal.GRACE_SECONDS)


def load_query(schema: Shape, now: datetime) -> dict[str, Any]:
    """Return the values of the query string. Raises ValidationFailed, also for a parameter given twice."""
    given = request.args.to_dict(flat=False)
    twice = {name: ["Is given more than once."] for name, found in given.items() if len(found) > 1}
    if twice:
        raise ValidationFailed(fields=twice)
    values = f.load(schema, {name: found[0] for name, found in given.items()})
    _refuse_future_fields(values, now)
    return values


def read_idempotency_key() -> str | None:
    """Return the caller's Idempotency-Key, None without one. Raises ValidationFailed for an unusable one."""
    name = request.headers.get(_IDEMPOTENCY_HEADER)
    if name is None:
        return None
    if not 1 <= len(name) <= 255 or not name.isascii() or not name.isprintable():
        raise ValidationFailed(fields={_IDEMPOTENCY_HEADER: ["Must be 1 to 255 printable ASCII characters."]})
    return name


def _refuse_future_fields(values: Mapping[str, Any], now: datetime) -> None:
    for name, value in values.items():
        if isinstance(value, datetime):
            refuse_future(name, value, now=now)


def _to_stored_request(caller: identity.Caller, name: str, document: Any) -> identity.StoredRequest:
    try:
        fingerprint = identity.fingerprint_of(document)
    except RecursionError as error:
        raise Malformed("The body is nested too deeply.") from error
    return identity.StoredRequest(caller.id, name, request.method, request.path, fingerprint)


def _replay(earlier: identity.StoredAnswer) -> Response:
    return Response(earlier.body, earlier.status, {"Idempotency-Hit": "true"}, content_type=JSON_TYPE)


def _gather(route: Route) -> dict[int, list[str]]:
    """Return the error codes of a route by status: its own and those that its manner brings."""
    shared = ["500 internal_error", "503 postgres_unavailable", "503 busy"]
    if not route.is_open:
        shared += ["401 unauthenticated", "403 forbidden"]
        if not route.opens_enrolment and not route.who.isdisjoint(STAFF | OPERATORS):
            shared += ["403 second_factor_missing"]
    if route.keeps_answers:
        shared += ["409 idempotency_key_reused", "409 idempotency_in_progress"]
    if route.method != "GET":
        shared += ["422 validation_failed"]
    if route.upload_bytes:
        shared += ["400 malformed", "413 upload_too_large", "415 unsupported_media_type"]
    if route.body is not None:
        shared += ["400 malformed", "413 body_too_large", "415 unsupported_media_type"]
    if route.query is not None:
        shared += ["422 validation_failed"]
    if Scope.SHOPPER in route.who and route.asks_for_shopper:
        shared += ["403 account_banned"]
    if route.agreements:
        shared += ["403 agreement_needed"]
    gathered: dict[int, list[str]] = {}
    for refusal in [*route.refusals, *shared]:
        status, _, code = refusal.partition(" ")
        codes = gathered.setdefault(int(status), [])
        if code not in codes:
            codes.append(code)
    return dict(sorted(gathered.items()))
