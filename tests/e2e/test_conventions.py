"""What holds for every call: who may, what is refused and in which shape, what happens twice, how lists page."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection
from typing import Any

import pytest
import structlog
from werkzeug.test import TestResponse

from api import CAPABILITIES, create_app
from tests.e2e.conftest import PLACED_AT, Caller
from tuike import identity
from tuike.app import App
from tuike.shared.clock import read_clock

ErrorOf = Callable[[TestResponse], tuple[int, str, list[str]]]

SCOPES = ("integration", "operator", "analyst", "auditor")
OPERATOR_ONLY = {
    "POST /withdrawals/<id>/approve",
    "POST /withdrawals/<id>/reject",
    "POST /withdrawals/<id>/paid",
    "POST /withdrawals/<id>/failed",
    "POST /commissions/<id>/hold",
    "POST /commissions/<id>/unhold",
    "PUT /promoters/<id>/status",
    "PUT /plans/default",
    "PUT /withdrawal-policy",
}
CONTRACT = {
    "POST /promoters", "GET /promoters/<id>", "PUT /promoters/<id>/inviter", "GET /promoters/<id>/upline",
    "GET /promoters/<id>/team", "GET /promoters/<id>/team/size", "POST /links", "POST /touches", "POST /orders",
    "POST /orders/<id>/payment", "POST /orders/<id>/receipt", "POST /orders/<id>/refunds", "GET /orders/<id>",
    "GET /orders", "GET /orders/<id>/commissions", "GET /wallets/<id>", "POST /withdrawals",
    "POST /withdrawals/<id>/approve", "POST /withdrawals/<id>/reject", "POST /withdrawals/<id>/paid",
    "POST /withdrawals/<id>/failed", "GET /ledger/check", "PUT /plans/default", "GET /plans/default",
}  # fmt: skip
NEEDS_NO_KEY = {
    "/",
    "/health",
    "/api/v1/health",
    "/metrics",
    "/api/v1/metrics",
    "/api/openapi.json",
    "/s/<id:code>",
    "/media/<name>",
    # What a payment provider calls is signed instead.
    "/notify/wechat-pay",
    "/notify/wechat-pay/refunds",
    "/notify/wechat-pay/transfers",
    "/notify/alipay",
}


def _list_routes(*, is_open: bool | None = None, of: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return declared routes as method and path, ids written `<id>`: all, or those open to anyone, or of some files."""
    found = []
    for routes in CAPABILITIES:
        if of and routes.name not in of:
            continue
        for route in routes.declared:
            if is_open is not None and route.is_open != is_open:
                continue
            parts = ["<id>" if part.startswith("<") else part for part in route.rule.split("/")]
            found.append((route.method, "/".join(parts)))
    return found


# Who may


def test_every_call_of_the_contract_is_served_and_every_path_is_declared(caller: Caller) -> None:
    assert {f"{method} {path}" for method, path in _list_routes()} >= CONTRACT
    declared = {"/api/v1" + route.rule for routes in CAPABILITIES for route in routes.declared}
    assert {rule.rule for rule in caller.flask.url_map.iter_rules()} == declared | NEEDS_NO_KEY


def test_each_scope_may_call_what_it_may_and_nothing_else(caller: Caller, error_of: ErrorOf) -> None:
    for method, path in (tuple(line.split(" ")) for line in sorted(CONTRACT | OPERATOR_ONLY)):
        for scope in SCOPES:
            reads = method == "GET"
            may = reads or scope == "operator" or (scope == "integration" and f"{method} {path}" not in OPERATOR_ONLY)
            body = None if reads else "[]"
            answer = caller.as_scope(scope).send(method, "/api/v1" + path.replace("<id>", "x"), data=body)
            if may:
                assert answer.status_code not in (401, 403, 500), (method, path, scope, answer.text)
            else:
                assert error_of(answer) == (403, "forbidden", []), (method, path, scope)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer tk_unknown", "Basic dGs6", "tk_x", "Bearer tk_\xff", "Bearer a b",
     "Bearer tk_" + "x" * 5000],
)  # fmt: skip
def test_no_call_answers_without_a_good_key(caller: Caller, error_of: ErrorOf, header: str) -> None:
    for method, path in _list_routes(is_open=False):
        answer = caller.send(method, "/api/v1" + path.replace("<id>", "x"), headers={"Authorization": header})
        assert error_of(answer) == (401, "unauthenticated", [])
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_key_is_refused_by_a_process_that_has_not_seen_it(caller: Caller, error_of: ErrorOf) -> None:
    with caller.app.db.transaction() as tx:
        key, secret = identity.create_key(tx, name="shop", scope="integration", now=read_clock())
        identity.revoke_key(tx, key_id=key.id, now=read_clock())
    answer = caller.get("plans/default", headers={"Authorization": f"Bearer {secret}"})
    assert error_of(answer) == (401, "unauthenticated", [])


def test_the_secret_is_stored_only_as_a_hash(caller: Caller) -> None:
    secret = caller.secrets["integration"]
    with caller.app.db.transaction() as tx:
        rows = tx.exec_driver_sql("SELECT api_keys::text FROM api_keys").scalars().all()
    assert len(rows) == 4
    assert not any(secret in row or secret[3:] in row for row in rows)


def test_what_needs_no_key_answers_without_one(caller: Caller) -> None:
    client = caller.flask.test_client()
    assert client.get("/health").get_json() == {
        "status": "ok",
        "parts": {"postgres": "up", "graph": "up", "queue": "up"},
    }
    assert client.get("/api/v1/health").status_code == 200
    assert b"tuike_http_requests_total" in client.get("/metrics").data
    assert b"tuike_journal_unapplied" in client.get("/metrics").data
    assert client.get("/api/openapi.json").get_json()["openapi"] == "3.1.0"
    assert "text/html" in client.get("/").content_type


def test_payout_accounts_are_masked_for_analysts_and_auditors(caller: Caller, operator: Caller) -> None:
    promoter = _make_earner(caller, operator)
    body = {"promoter_id": promoter["id"], "amount_minor": 200, "method": "bank", "account": "6222020200112233"}
    made = caller.post("withdrawals", body).get_json()
    for scope, account in (("integration", "6222020200112233"), ("operator", "6222020200112233"),
                           ("analyst", "****2233"), ("auditor", "****2233")):  # fmt: skip
        reader = caller.as_scope(scope)
        assert reader.read(f"withdrawals/{made['id']}")["account"] == account
        assert [item["account"] for item in reader.read("withdrawals")["items"]] == [account]


# The one shape


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/nothing", (404, "not_found", [])),
        ("GET", "/nothing", (404, "not_found", [])),
        ("GET", "/api/v1/promoters/", (404, "not_found", [])),
        ("GET", "/api/v1//promoters", (404, "not_found", [])),
        ("DELETE", "/api/v1/promoters", (405, "method_not_allowed", [])),
        ("POST", "/health", (405, "method_not_allowed", [])),
        ("PUT", "/api/v1/orders/x/payment", (405, "method_not_allowed", [])),
        ("GET", "/s/nothing", (404, "link_not_found", [])),
        ("GET", "/s/%00", (404, "link_not_found", [])),
        ("GET", "/api/v1/orders/%00", (404, "order_not_found", [])),
        ("GET", "/api/v1/orders/prm_01K9ZJ0000000000000000000A", (404, "order_not_found", [])),
        ("GET", "/api/v1/promoters/%F0%9F%98%80", (404, "promoter_not_found", [])),
        ("GET", "/api/v1/promoters/%FF/team", (404, "promoter_not_found", [])),
        ("GET", "/api/v1/promoters/x/upline", (404, "promoter_not_found", [])),
        ("GET", "/api/v1/promoters/x/team/size", (404, "promoter_not_found", [])),
        ("GET", "/api/v1/wallets/x", (404, "promoter_not_found", [])),
        ("GET", "/api/v1/orders/x/commissions", (404, "order_not_found", [])),
        ("GET", "/api/v1/orders/x/refunds", (404, "order_not_found", [])),
        ("GET", "/api/v1/touches/x/path", (404, "touch_not_found", [])),
        ("GET", "/api/v1/withdrawals/x", (404, "withdrawal_not_found", [])),
        ("GET", "/api/v1/promoters?limit=0", (422, "validation_failed", ["limit"])),
        ("GET", "/api/v1/promoters?limit=201", (422, "validation_failed", ["limit"])),
        ("GET", "/api/v1/promoters?limit=1.0", (422, "validation_failed", ["limit"])),
        ("GET", "/api/v1/promoters?limit=%D9%A1", (422, "validation_failed", ["limit"])),
        ("GET", "/api/v1/promoters?limit=", (422, "validation_failed", ["limit"])),
        ("GET", "/api/v1/promoters?limit=1&limit=2", (422, "validation_failed", ["limit"])),
        ("GET", "/api/v1/promoters?lmit=1", (422, "validation_failed", ["lmit"])),
        ("GET", "/api/v1/promoters?external_id=%00", (422, "validation_failed", ["external_id"])),
        ("GET", "/api/v1/promoters?cursor=x", (422, "validation_failed", ["cursor"])),
        ("GET", "/api/v1/orders?cursor=WyJcdTAwMDAiXQ", (422, "validation_failed", ["cursor"])),
        ("GET", "/api/v1/orders?cursor=WzFd", (422, "validation_failed", ["cursor"])),
        ("GET", "/api/v1/orders?cursor=%E6%8E%A8", (422, "validation_failed", ["cursor"])),
        ("GET", "/api/v1/withdrawals?status=gone", (422, "validation_failed", ["status"])),
        ("GET", "/api/v1/wallets/x?currency=cny", (422, "currency_unknown", ["currency"])),
        ("GET", "/api/v1/promoters/x/team?level=4", (422, "validation_failed", ["level"])),
        ("GET", "/api/v1/promoters/x/upline?at=2026-11-01", (422, "validation_failed", ["at"])),
        ("GET", "/api/v1/promoters/x/upline?at=2999-01-01T00:00:00Z", (422, "validation_failed", ["at"])),
    ],
)  # fmt: skip
def test_every_refusal_has_the_one_shape(
    caller: Caller, error_of: ErrorOf, method: str, path: str, expected: tuple[int, str, list[str]]
) -> None:
    assert error_of(caller.send(method, path)) == expected


def test_a_method_that_is_not_known_names_those_that_are(caller: Caller) -> None:
    assert caller.send("DELETE", "orders").headers["Allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"{", "application/json", (400, "malformed", [])),
        (b"", "application/json", (400, "malformed", [])),
        (b'{"external_id": "a", "external_id": "b", "name": "n"}', "application/json", (400, "malformed", [])),
        (b'{"external_id": NaN, "name": "n"}', "application/json", (400, "malformed", [])),
        (b"[" * 100_000, "application/json", (400, "malformed", [])),
        (b'{"external_id": "\xff", "name": "n"}', "application/json", (400, "malformed", [])),
        (b'{"external_id": "a", "name": "n"}', "text/plain", (415, "unsupported_media_type", [])),
        (b'{"external_id": "a", "name": "n"}', None, (415, "unsupported_media_type", [])),
        (b"external_id=a&name=n", "application/x-www-form-urlencoded", (415, "unsupported_media_type", [])),
        (b'{"external_id": "' + b"a" * 300_000 + b'"}', "application/json", (413, "body_too_large", [])),
        (b"[]", "application/json", (422, "validation_failed", ["body"])),
        (b"null", "application/json", (422, "validation_failed", ["body"])),
        (b"{}", "application/json", (422, "validation_failed", ["external_id", "name"])),
        (b'{"external_id": "a", "name": "n", "x": 1}', "application/json", (422, "validation_failed", ["x"])),
        (b'{"external_id": "\\ud800", "name": "n"}', "application/json", (422, "validation_failed", ["external_id"])),
        (b'{"external_id": "a", "name": "\\u0000"}', "application/json", (422, "validation_failed", ["name"])),
        (b'{"external_id": 1, "name": true}', "application/json", (422, "validation_failed", ["external_id", "name"])),
        (b'{"external_id": "a", "name": "n", "inviter_id": "x y"}', "application/json", (404, "inviter_not_found", [])),
        (b'{"external_id": "a", "name": "n", "inviter_id": "\\u0000"}', "application/json",
         (404, "inviter_not_found", [])),
        (b'{"external_id": "a", "name": "n"}', "text/json", (415, "unsupported_media_type", [])),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_taken_is_refused_in_the_right_way(
    caller: Caller, error_of: ErrorOf, data: bytes, content_type: str | None, expected: tuple[int, str, list[str]]
) -> None:
    for headers in ({}, {"Idempotency-Key": "k"}):
        answer = caller.post("promoters", data=data, content_type=content_type, headers=headers)
        assert error_of(answer) == expected


def test_a_field_name_that_is_no_text_is_still_answered_as_json(caller: Caller, error_of: ErrorOf) -> None:
    answer = caller.post("promoters", data=b'{"\\ud800\\u0000": 1, "external_id": "a", "name": "n"}')
    assert error_of(answer)[:2] == (422, "validation_failed")
    answer.data.decode("utf-8")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"amount_minor": 0}, (422, "amount_not_positive", ["lines.0.amount_minor"])),
        ({"amount_minor": -5}, (422, "amount_not_positive", ["lines.0.amount_minor"])),
        ({"amount_minor": 100.0}, (422, "validation_failed", ["lines.0.amount_minor"])),
        ({"amount_minor": "100"}, (422, "validation_failed", ["lines.0.amount_minor"])),
        ({"amount_minor": True}, (422, "validation_failed", ["lines.0.amount_minor"])),
        ({"amount_minor": 10**19}, (422, "validation_failed", ["lines.0.amount_minor"])),
        ({"quantity": 0}, (422, "validation_failed", ["lines.0.quantity"])),
        ({"sku": "\x00"}, (422, "validation_failed", ["lines.0.sku"])),
        ({"rates_bps": [1, 1, 1, 1]}, (422, "too_many_levels", ["lines.0.rates_bps"])),
        ({"rates_bps": [10_001]}, (422, "validation_failed", ["lines.0.rates_bps.0"])),
        ({"rates_bps": [-1]}, (422, "validation_failed", ["lines.0.rates_bps.0"])),
    ],
)
def test_a_bad_order_line_is_named(
    caller: Caller, error_of: ErrorOf, line: dict[str, Any], expected: tuple[int, str, list[str]]
) -> None:
    good = {"sku": "sku-1", "quantity": 1, "amount_minor": 100}
    assert error_of(caller.post("orders", caller.order_body(lines=[good | line]))) == expected


@pytest.mark.parametrize("name", ["", "k" * 256, "a\x7fb", "推", "a\tb"])
def test_an_unusable_idempotency_key_is_refused(caller: Caller, error_of: ErrorOf, name: str) -> None:
    raw = name.encode().decode("latin-1")
    answer = caller.post("promoters", {"external_id": "a", "name": "n"}, headers={"Idempotency-Key": raw})
    assert error_of(answer) == (422, "validation_failed", ["Idempotency-Key"])


def test_an_instant_ahead_is_refused_and_one_from_the_past_is_taken_as_said(caller: Caller, error_of: ErrorOf) -> None:
    for instant in ("2999-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-10-01T08:00:00", "0001-01-01T00:00:00Z"):
        answer = caller.post("orders", caller.order_body(placed_at=instant))
        assert error_of(answer) == (422, "validation_failed", ["placed_at"])
    order = caller.make_order(placed_at="2001-02-03T04:05:06.000007+08:00")
    assert caller.read(f"orders/{order['id']}")["placed_at"] == "2001-02-02T20:05:06.000007Z"


@pytest.mark.parametrize("currency", ["cny", "", "XYZ", "CNYCNYCNYCNYCNYCNYCNY", "US"])
def test_a_currency_is_an_active_iso_code_in_capitals(caller: Caller, error_of: ErrorOf, currency: str) -> None:
    unknown = (422, "currency_unknown", ["currency"])
    promoter = caller.make_promoter()
    asked = {"promoter_id": promoter["id"], "amount_minor": 100, "method": "manual", "currency": currency}
    assert error_of(caller.post("orders", caller.order_body(currency=currency))) == unknown
    assert error_of(caller.post("withdrawals", asked)) == unknown
    assert error_of(caller.get(f"wallets/{promoter['id']}?currency={currency}")) == unknown
    assert caller.make_order(currency=None)["currency"] == "CNY"


def test_an_invite_code_names_the_inviter(caller: Caller, error_of: ErrorOf) -> None:
    top, other = caller.make_promoter(), caller.make_promoter()
    assert caller.make_promoter(invite_code=top["invite_code"])["inviter_id"] == top["id"]
    assert caller.make_promoter(invite_code=top["invite_code"], inviter_id=top["id"])["inviter_id"] == top["id"]
    body = {"external_id": "x", "name": "n", "invite_code": top["invite_code"], "inviter_id": other["id"]}
    assert error_of(caller.post("promoters", body)) == (422, "validation_failed", ["invite_code"])
    body = {"external_id": "x", "name": "n", "invite_code": "NOBODYS"}
    assert error_of(caller.post("promoters", body)) == (404, "inviter_not_found", ["invite_code"])


def test_a_request_id_is_taken_over_if_it_is_sane(caller: Caller) -> None:
    assert caller.get("plans/default", headers={"X-Request-Id": "shop-1:2"}).headers["X-Request-Id"] == "shop-1:2"
    for given in ("a b", "x" * 129, "", "推".encode().decode("latin-1")):
        answered = caller.get("plans/default", headers={"X-Request-Id": given}).headers["X-Request-Id"]
        assert answered.startswith("req_")


def test_a_browser_outside_the_api_gets_a_page_and_a_program_gets_json(caller: Caller) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert caller.get("/s/nothing", headers=browser).content_type.startswith("text/html")
    assert caller.get("/s/nothing", headers={"Accept": "*/*"}).content_type == "application/json"
    assert caller.get("/s/nothing", headers={"Accept": "application/json"}).content_type == "application/json"
    assert caller.get("/api/v1/nothing", headers=browser).content_type == "application/json"


def test_a_defect_answers_its_request_id_and_nothing_else(embedded_app: App, error_of: ErrorOf) -> None:
    flask = create_app(embedded_app)

    @flask.get("/defect")
    def defect() -> str:
        raise RuntimeError("the secret cause")

    with structlog.testing.capture_logs() as logs:
        answer = flask.test_client().get("/defect")
    assert error_of(answer) == (500, "internal_error", [])
    assert "secret cause" not in answer.text
    failed = [entry for entry in logs if entry["event"] == "http.failed"]
    assert [entry["request_id"] for entry in failed] == [answer.headers["X-Request-Id"]]


def test_a_request_is_logged_in_one_line_without_bodies_or_secrets(caller: Caller) -> None:
    with structlog.testing.capture_logs() as logs:
        caller.make_promoter(name="a private name")
    lines = [entry for entry in logs if entry["event"] == "http.request"]
    assert len(lines) == 1
    line = lines[0]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/api/v1/promoters", 201)
    assert {"request_id", "caller_id", "ms"} <= set(line)
    assert "a private name" not in str(logs)
    assert caller.secrets["integration"] not in str(logs)


# Twice


def test_the_same_key_and_body_give_the_same_answer(caller: Caller) -> None:
    headers = {"Idempotency-Key": "order-1"}
    body = caller.order_body()
    first = caller.post("orders", body, headers=headers)
    reordered = json.dumps(dict(reversed(body.items())), indent=4)
    again = caller.post("orders", data=reordered, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    assert "Idempotency-Hit" not in first.headers
    assert again.headers["Idempotency-Hit"] == "true"


def test_the_same_key_for_anything_else_is_refused(caller: Caller, error_of: ErrorOf) -> None:
    headers = {"Idempotency-Key": "k"}
    body = {"external_id": "a", "name": "n"}
    promoter = caller.post("promoters", body, headers=headers).get_json()
    link = {"promoter_id": promoter["id"], "target": {"type": "shop"}}
    reused = (409, "idempotency_key_reused", [])
    assert error_of(caller.post("promoters", body | {"name": "m"}, headers=headers)) == reused
    assert error_of(caller.post("promoters", {"name": "unacceptable"}, headers=headers)) == reused
    assert error_of(caller.post("links", link, headers=headers)) == reused
    assert caller.post("promoters", body, headers=headers).get_json() == promoter


def test_keys_belong_to_one_api_key(caller: Caller, operator: Caller) -> None:
    headers = {"Idempotency-Key": "k"}
    first = caller.post("promoters", {"external_id": "a", "name": "n"}, headers=headers)
    second = operator.post("promoters", {"external_id": "b", "name": "n"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert "Idempotency-Hit" not in second.headers


def test_a_refusal_leaves_the_key_free(caller: Caller, error_of: ErrorOf) -> None:
    order, headers = caller.make_order(), {"Idempotency-Key": "k"}
    receipt = {"received_at": PLACED_AT}
    assert error_of(caller.post(f"orders/{order['id']}/receipt", receipt, headers=headers))[:2] == (
        409,
        "order_not_paid",
    )
    caller.pay(order)
    answer = caller.post(f"orders/{order['id']}/receipt", receipt, headers=headers)
    assert answer.status_code == 200
    assert "Idempotency-Hit" not in answer.headers


def test_an_answer_outlives_the_process(caller: Caller) -> None:
    headers, body = {"Idempotency-Key": "k"}, caller.order_body()
    first = caller.post("orders", body, headers=headers)
    restarted = Caller(create_app(caller.app), caller.app, caller.secrets)
    again = restarted.post("orders", body, headers=headers)
    assert (again.data, again.headers["Idempotency-Hit"]) == (first.data, "true")


def test_no_body_and_an_empty_object_are_the_same_request(caller: Caller, operator: Caller) -> None:
    promoter = _make_earner(caller, operator)
    made = caller.post(
        "withdrawals", {"promoter_id": promoter["id"], "amount_minor": 200, "method": "manual"}
    ).get_json()
    headers = {"Idempotency-Key": "k"}
    first = operator.post(f"withdrawals/{made['id']}/approve", headers=headers)
    again = operator.post(f"withdrawals/{made['id']}/approve", {}, headers=headers)
    assert (first.status_code, again.status_code, again.data) == (200, 200, first.data)
    assert again.headers["Idempotency-Hit"] == "true"


def test_twins_at_the_same_time_take_effect_once(caller: Caller) -> None:
    body, answers = caller.order_body(), []
    start = threading.Barrier(6)

    def post() -> None:
        start.wait()
        answers.append(caller.post("orders", body, headers={"Idempotency-Key": "k"}))

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotency-Hit" not in answer.headers for answer in answers) == 1
    assert len(caller.read(f"orders?external_id={body['external_id']}")["items"]) == 1


def test_a_twin_of_a_request_that_hangs_is_told_so(caller: Caller, error_of: ErrorOf) -> None:
    body = caller.order_body()
    key = {"Idempotency-Key": "k"}
    caller.make_order()  # the key's id is known to the process from here on
    with caller.app.db.transaction() as tx:
        api_key = identity.authenticate(tx, secret=caller.secrets["integration"])
        assert api_key is not None
        request = identity.StoredRequest(api_key.id, "k", "POST", "/api/v1/orders", identity.fingerprint_of(body))
        assert identity.claim_request(tx, request=request, now=read_clock()) is None
        assert error_of(caller.post("orders", body, headers=key)) == (409, "idempotency_in_progress", [])


def test_every_change_can_be_sent_twice(caller: Caller, operator: Caller) -> None:
    seen: set[str] = set()

    def twice(who: Caller, method: str, path: str, body: dict[str, Any]) -> Any:
        key = {"Idempotency-Key": f"{method} {path}"}
        first = who.send(method, path, json=body, headers=key)
        assert first.status_code in (200, 201), first.text
        again = who.send(method, path, json=body, headers=key)
        assert (again.status_code, again.data) == (first.status_code, first.data)
        assert again.headers["Idempotency-Hit"] == "true"
        parts = ["<id>" if "_" in part else part for part in path.split("/")]
        seen.add(f"{method} /{'/'.join(parts)}")
        return first.get_json()

    top = twice(caller, "POST", "promoters", {"external_id": "top", "name": "Han Meimei"})
    low = caller.make_promoter(external_id="low")
    twice(caller, "POST", f"promoters/{low['id']}/inviter/preview", {"inviter_id": top["id"]})
    twice(caller, "PUT", f"promoters/{low['id']}/inviter", {"inviter_id": top["id"], "reason": "asked"})
    link = twice(caller, "POST", "links", {"promoter_id": low["id"], "target": {"type": "page", "id": "p"}})
    twice(caller, "POST", "touches", {"code": link["code"], "buyer_id": "b", "at": PLACED_AT})
    order = twice(caller, "POST", "orders", caller.order_body(buyer_id="b"))
    payment = {"payment_id": "p", "paid_at": PLACED_AT, "amount_minor": order["goods_minor"]}
    twice(caller, "POST", f"orders/{order['id']}/payment", payment)
    caller.settle()
    entry = caller.read(f"orders/{order['id']}/commissions")["items"][0]
    twice(operator, "POST", f"commissions/{entry['id']}/hold", {"reason": "look"})
    twice(operator, "POST", f"commissions/{entry['id']}/unhold", {})
    twice(caller, "POST", f"orders/{order['id']}/receipt", {"received_at": PLACED_AT})
    refund = {"refund_id": "r", "refunded_at": PLACED_AT, "amount_minor": 1_000}
    twice(caller, "POST", f"orders/{order['id']}/refunds", refund)
    plan = twice(operator, "PUT", "plans/default", {"holding_days": 0})
    assert caller.read("plans/default")["version"] == plan["version"] == 2
    twice(operator, "PUT", "withdrawal-policy", {"minimum_minor": 50})
    earner = _make_earner(caller, operator)
    for words in (("approve", "paid"), ("approve", "failed"), ("reject",)):
        asked = {"promoter_id": earner["id"], "amount_minor": 100, "method": "manual", "account": words[-1]}
        made = caller.send("POST", "withdrawals", json=asked).get_json()
        for word in words:
            twice(operator, "POST", f"withdrawals/{made['id']}/{word}", {})
    twice(caller, "POST", "withdrawals", {"promoter_id": earner["id"], "amount_minor": 100, "method": "bank"})
    twice(operator, "PUT", f"promoters/{low['id']}/status", {"status": "suspended"})
    integration = {"promoters", "links", "orders", "commissions", "wallets"}
    routes = _list_routes(of=integration)
    assert seen >= {f"{method} {path}" for method, path in routes if method != "GET" and not path.startswith("/me/")}


# Lists


def test_pages_hold_every_item_once(caller: Caller, operator: Caller) -> None:
    top = caller.make_promoter()
    for _ in range(5):
        caller.make_promoter(inviter_id=top["id"])
        caller.make_order(buyer_id="one buyer")
    earner = _make_earner(caller, operator)
    for _ in range(5):
        caller.post("withdrawals", {"promoter_id": earner["id"], "amount_minor": 100, "method": "manual"})
    lists = {
        "promoters": "id",
        "orders?buyer_id=one%20buyer": "id",
        f"withdrawals?promoter_id={earner['id']}": "id",
        f"promoters/{top['id']}/team": "promoter_id",
        f"promoters/{top['id']}/team?level=1": "promoter_id",
    }
    for path, name in lists.items():
        whole = [item[name] for item in caller.read(path)["items"]]
        assert len(whole) >= 5, path
        for limit in (1, 2, 5, 200):
            assert _read_all(caller, path, name, limit) == whole, (path, limit)


def _read_all(caller: Caller, path: str, name: str, limit: int) -> list[str]:
    found: list[str] = []
    cursor = None
    joint = "&" if "?" in path else "?"
    for _ in range(50):
        page = caller.read(f"{path}{joint}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert set(page) == {"items", "next_cursor"}
        assert len(page["items"]) <= limit
        found += [item[name] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
    raise AssertionError("the list does not end")


def _make_earner(caller: Caller, operator: Caller) -> dict[str, Any]:
    """Return a promoter with 1,000 available, by an order paid, received and released."""
    from tuike import commission

    promoter = caller.make_promoter()
    link = caller.make_link(promoter["id"])
    buyer = f"buyer of {promoter['id']}"
    caller.make_touch(link["code"], buyer_id=buyer, at="2026-09-30T00:00:00Z")
    order = caller.make_paid_order(buyer_id=buyer)
    caller.post(f"orders/{order['id']}/receipt", {"received_at": PLACED_AT})
    caller.settle()
    commission.release_due(caller.app.db, now=read_clock())
    assert caller.read(f"wallets/{promoter['id']}")["available_minor"] == 1_000
    return promoter
