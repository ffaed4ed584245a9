"""Every role and no role against every declared route: refused or let through exactly as the route declares."""

from __future__ import annotations

import pytest

from api import CAPABILITIES
from api.routing import Route
from tests.e2e.conftest import Caller
from tests.e2e.persons import Town
from tuike.identity import KEY_SCOPES, PERMISSIONS, Scope, scopes_of

ROUTES = [route for routes in CAPABILITIES for route in routes.declared]
ROLES = (*(scope.value for scope in KEY_SCOPES), "shopper", *(f"staff:{scope.value}" for scope in PERMISSIONS))
ENDS_THE_CALLER = {"/logout", "/logout/everywhere"}
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
