"""Every role and no role against every declared route: refused or let through exactly as the route declares."""

from __future__ import annotations

import re

import pytest

from api import CAPABILITIES
from api.routing import Route
from tests.e2e.conftest import Caller
from tests.e2e.persons import Town
from tuike.identity import KEY_SCOPES, PERMISSIONS, Scope, scopes_of

ROUTES = [route for routes in CAPABILITIES for route in routes.declared]
ROLES = (*(scope.value for scope in KEY_SCOPES), "shopper", *(f"staff:{scope.value}" for scope in PERMISSIONS))
ENDS_THE_CALLER = {"/logout", "/logout/everywhere"}
UNDECLARED = {
    "/health", "/metrics", "/api/v1/health", "/api/v1/metrics", "/api/openapi.json", "/s/{code}", "/media/{name}",
}  # fmt: skip
NOT_DESCRIBED = {"/", "/notify/wechat-pay", "/notify/wechat-pay/refunds", "/notify/wechat-pay/transfers",
                 "/notify/alipay"}  # fmt: skip
DOOR = {"unauthenticated", "forbidden"}


@pytest.fixture
def headers(caller: Caller) -> dict[str, dict[str, str]]:
    town = Town(caller)
    tokens = {scope.value: caller.secrets[scope.value] for scope in KEY_SCOPES}
    tokens["shopper"] = town.log_in().tokens["access_token"]
    for scope in PERMISSIONS:
        tokens[f"staff:{scope.value}"] = town.hire(scope.value).tokens["access_token"]
    return {role: {"Authorization": f"Bearer {token}"} for role, token in tokens.items()} | {"nobody": {}}


def _scopes(role: str) -> frozenset[Scope]:
    if role == "nobody":
        return frozenset()
    kind, _, permission = role.partition(":")
    return scopes_of([Scope(permission)]) if kind == "staff" else frozenset({Scope(kind)})


def _call(caller: Caller, route: Route, headers: dict[str, str]) -> str:
    """Return the code that the door answers with, empty when it let the request through.

    The body is one that no route accepts, so that nothing is changed on the way.
    """
    path = "/".join("x" if part.startswith("<") else part for part in route.rule.split("/"))
    body = None if route.method == "GET" or route.body is None else "[]"
    answer = caller.flask.test_client().open(
        f"/api/v1{path}", method=route.method, data=body, headers=headers, content_type="application/json"
    )
    assert answer.status_code != 500, (route.method, path, answer.text)
    code = "" if answer.status_code < 400 else answer.get_json()["error"]["code"]
    return code if code in DOOR else ""


def test_every_role_passes_every_route_exactly_as_declared(caller: Caller, headers: dict[str, dict[str, str]]) -> None:
    wrong = []
    for route in ROUTES:
        if route.rule in ENDS_THE_CALLER:
            continue
        for role in ("nobody", *ROLES):
            if route.is_open or _scopes(role) & route.who:
                expected = ""
            else:
                expected = "unauthenticated" if role == "nobody" else "forbidden"
            found = _call(caller, route, headers[role])
            if found != expected:
                wrong.append(f"{route.method} {route.rule} by {role}: {found or 'passed'}, not {expected or 'passed'}")
    assert wrong == []


def test_every_role_opens_something_and_no_route_is_closed_to_all() -> None:
    for role in ROLES:
        assert any(_scopes(role) & route.who for route in ROUTES), role
    for route in ROUTES:
        assert route.is_open or any(_scopes(role) & route.who for role in ROLES), route.rule


def test_every_route_of_the_description_is_declared_or_open_to_everybody(caller: Caller) -> None:
    described = {
        (method.upper(), path)
        for path, item in caller.flask.test_client().get("/api/openapi.json").get_json()["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
    }
    declared = {(route.method, _described_path(route)) for route in ROUTES}
    assert described - declared == {("GET", path) for path in UNDECLARED}
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in caller.flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {path for _, path in served - described} == NOT_DESCRIBED


def _described_path(route: Route) -> str:
    return "/api/v1" + route.rule.replace("<id:", "{").replace(">", "}")


def test_a_shopper_reaches_only_what_is_the_shoppers_own() -> None:
    mixed = {route.rule for route in ROUTES if Scope.SHOPPER in route.who and route.who != {Scope.SHOPPER}}
    assert mixed <= ENDS_THE_CALLER


def test_money_and_accounts_are_decided_by_those_who_may() -> None:
    who = {(route.method, route.rule): route.who for route in ROUTES}
    assert who["POST", "/withdrawals/<id:withdrawal_id>/approve"] == {Scope.OPERATOR, Scope.FINANCE}
    assert who["POST", "/orders/<id:order_id>/payment"] == {Scope.INTEGRATION, Scope.OPERATOR}
    assert who["POST", "/commissions/<id:commission_id>/hold"] == {Scope.OPERATOR, Scope.RISK}
    assert who["POST", "/staff"] == {Scope.ADMIN}
    assert not any(
        Scope.CONTENT in found and rule.startswith(("/orders", "/wallets")) for (_, rule), found in who.items()
    )
