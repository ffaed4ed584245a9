"""What cannot be taken is refused in the one shape, by the whole stack and not only by the application in it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.shops import Shop, expect, make_line

HOSTILE_TEXT = ["\u0000", "a\u0000b", "\u001b[31m", "a\nb", "\u007f", "\u0085", "\ud800", "x\udfff"]
KIND_TEXT = [
    "推客 · 王芳",
    "🧧🧧",
    "O'Brien \"; DROP TABLE--",
    "%00%2e",
    "a" * 128,
    " ",
    "é",
    "e\u0301",
    "١٢٣",
    "{}",
    "-1",
]


@pytest.fixture
def shop(embedded_shop: Shop) -> Shop:
    return embedded_shop


def test_a_connection_lives_on_after_a_refusal_that_came_before_the_body(shop: Shop) -> None:
    where = urlsplit(shop.url)
    head = f"Host: {where.netloc}\r\nAuthorization: Bearer nobody\r\nContent-Type: application/json\r\n"
    body = json.dumps({"external_id": "x" * 2_000, "name": "n"}).encode()
    with closing(socket.create_connection((where.hostname, where.port), timeout=10)) as connection:
        for _ in range(3):
            connection.sendall(f"POST /api/v1/promoters HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode())
            time.sleep(0.2)  # a packet that was late
            connection.sendall(body)
            answer = HTTPResponse(connection)
            answer.begin()
            assert (answer.status, json.loads(answer.read())["error"]["code"]) == (401, "unauthenticated")


# 20. Ids and names


@pytest.mark.parametrize("text", KIND_TEXT)
def test_ids_of_the_caller_are_compared_exactly(shop: Shop, text: str) -> None:
    external_id = f"{shop.new_id('')}{text}"[-128:]
    made = shop.make_promoter(external_id=external_id, name="n" * 200)
    assert made["external_id"] == external_id
    assert [item["id"] for item in shop.get("promoters", external_id=external_id)["items"]] == [made["id"]]
    shop.post("promoters", {"external_id": external_id, "name": "n"}, 409, "external_id_taken")
    order = shop.place(external_id=external_id, buyer_id=external_id)
    listed = shop.get("orders", external_id=external_id)["items"]
    assert [(item["id"], item["external_id"], item["buyer_id"]) for item in listed] == [
        (order["id"], external_id, external_id)
    ]
    if external_id.upper() != external_id:
        assert shop.get("orders", external_id=external_id.upper())["items"] == []


@pytest.mark.parametrize("text", HOSTILE_TEXT, ids=range(len(HOSTILE_TEXT)))
def test_control_characters_and_lone_surrogates_are_refused_in_every_text(shop: Shop, text: str) -> None:
    person = shop.make_promoter()
    bodies = [
        ("promoters", {"external_id": text, "name": "n"}), ("promoters", {"external_id": shop.new_id("p"), "name": text}),
        ("orders", shop.order_body(external_id=text)), ("orders", shop.order_body(buyer_id=text)),
        ("orders", shop.order_body(make_line(sku=text))), ("orders", shop.order_body(make_line(category=text))),
        ("links", {"promoter_id": person["id"], "target": {"type": "page", "id": text}}),
        ("withdrawals", {"promoter_id": person["id"], "amount_minor": 100, "method": "bank", "account": text}),
    ]  # fmt: skip
    for path, body in bodies:
        sent = json.dumps(body)
        answer = shop.api.post(path, content=sent, headers={"Content-Type": "application/json"})
        assert expect(answer, 422)["error"]["fields"], (path, sent)


@pytest.mark.parametrize(("field", "length"), [("external_id", 129), ("name", 201), ("external_id", 0), ("name", 0)])
def test_lengths_have_limits(shop: Shop, field: str, length: int) -> None:
    body = {"external_id": shop.new_id("p"), "name": "n"} | {field: "推" * length}
    assert set(shop.post("promoters", body, 422)["error"]["fields"]) == {field}


def test_lists_are_paged_within_limits_and_hold_everything_once(shop: Shop) -> None:
    buyer = shop.new_id("buyer")
    placed = [shop.place(buyer_id=buyer)["id"] for _ in range(7)]
    for limit in (1, 2, 3, 7, 200):
        assert [order["id"] for order in shop.read_all("orders", buyer_id=buyer, limit=limit)] == placed
    for path in ("orders", "promoters", "withdrawals"):
        for limit in ("0", "201", "-1", "1e1", "", "99999999999999999999"):
            error = expect(shop.api.get(path, params={"limit": limit}), 422)["error"]
            assert set(error["fields"]) == {"limit"}


# 18. Errors


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe{\x00}\x00", "application/json", 400),
        (b"[" * 200_000, "application/json", 400),
        (b'{"external_id": "a", "name": "b", "name": "c"}', "application/json", 400),
        (b'{"external_id": "a", "name": NaN}', "application/json", 400),
        (b'{"external_id": "a", "name": "b"} {}', "application/json", 400),
        (b'{"name": "' + b"x" * 1_000_000 + b'"}', "application/json", 413),
        (b" " * 300_000, "application/json", 413),
        (b'{"external_id": "a", "name": "b"}', "text/plain", 415),
        (b'{"external_id": "a", "name": "b"}', "application/x-www-form-urlencoded", 415),
        (b'{"external_id": "a", "name": "b"}', "multipart/form-data; boundary=x", 415),
        (b'{"external_id": "a", "name": "b"}', None, 415),
        (b'"text"', "application/json", 422),
        (b"null", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused_with_the_right_status(
    shop: Shop, content: bytes, content_type: str | None, status: int
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    expect(shop.api.post("promoters", content=content, headers=headers), status)


def test_a_body_sent_in_chunks_is_read_like_any_other(shop: Shop) -> None:
    body = json.dumps({"external_id": shop.new_id("p"), "name": "n"}).encode()

    def in_chunks(content: bytes) -> Iterator[bytes]:
        for start in range(0, len(content), 9_999):
            yield content[start : start + 9_999]

    headers = {"Content-Type": "application/json"}
    expect(shop.api.post("promoters", content=in_chunks(body), headers=headers), 201)
    large = b'{"name": "' + b"x" * 300_000 + b'"}'
    expect(shop.api.post("promoters", content=in_chunks(large), headers=headers), 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404), ("GET", "/nothing", 404), ("GET", "/api/v1/", 404), ("GET", "/api/v2/orders", 404),
        ("DELETE", "/api/v1/orders", 405), ("PATCH", "/api/v1/promoters", 405), ("POST", "/health", 405),
        ("POST", "/s/x", 405), ("PUT", "/api/openapi.json", 405), ("BREW", "/api/v1/orders", 405),
        ("GET", "/api/v1/promoters/%00", 404), ("GET", "/api/v1/promoters/" + "x" * 4_000, 404),
        ("GET", "/api/v1/promoters/%ff%fe", 404), ("GET", "/api/v1/promoters/..%2f..", 404), ("GET", "/s/%0d%0a", 404),
    ],
)  # fmt: skip
def test_an_unknown_path_or_method_is_refused_in_the_one_shape(shop: Shop, method: str, path: str, status: int) -> None:
    with httpx.Client(headers=dict(shop.api.headers) | {"Accept": "application/json"}) as client:
        answer = client.request(method, f"{shop.url}{path}")
    expect(answer, status)
    if status == 405:
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer tk_", "Bearer tk_" + "0" * 43, "Basic dGs6", "tk_x", "Bearer a b c"]
)
def test_no_credentials_or_bad_ones_are_refused(shop: Shop, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for path in ("orders", "plans/default", "wallets/x"):
        answer = httpx.get(f"{shop.url}/api/v1/{path}", headers=headers)
        expect(answer, 401)
        assert answer.headers["WWW-Authenticate"]


def test_analysts_and_auditors_read_everything_and_change_nothing(shop: Shop) -> None:
    promoter = shop.make_promoter()
    order = shop.sell(promoter)
    paths = [f"promoters/{promoter['id']}{tail}" for tail in ("", "/upline", "/team", "/team/size")]
    paths += [f"orders/{order['id']}", f"orders/{order['id']}/commissions", "orders", f"wallets/{promoter['id']}",
              "ledger/check", "plans/default"]  # fmt: skip
    for scope in ("analyst", "auditor"):
        for path in paths:
            expect(shop.callers[scope].get(path), 200)
        for path in ("promoters", "links", "touches", "orders", f"orders/{order['id']}/payment", "withdrawals"):
            expect(shop.callers[scope].post(path, json={}), 403, "forbidden")
        expect(shop.callers[scope].put("plans/default", json={}), 403, "forbidden")


def test_a_payout_account_is_masked_for_who_only_reads(shop: Shop) -> None:
    promoter = shop.make_promoter()
    shop.earn(promoter, 1_000)
    account = "6222020200112233"
    withdrawal = shop.withdraw(promoter, 200, method="bank", account=account)
    assert withdrawal["account"] == account
    for scope in ("analyst", "auditor"):
        for path in (f"withdrawals/{withdrawal['id']}", f"withdrawals?promoter_id={promoter['id']}"):
            assert account not in expect_text(shop.callers[scope].get(path))


def expect_text(answer: httpx.Response) -> str:
    expect(answer, 200)
    return answer.text


def test_health_and_metrics_need_no_key(shop: Shop) -> None:
    health = httpx.get(f"{shop.url}/health")
    assert (health.status_code, set(health.json()["parts"])) == (200, {"postgres", "graph", "queue"})
    metrics = httpx.get(f"{shop.url}/metrics")
    assert metrics.status_code == 200
    assert metrics.text.startswith("#")


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /api/v1/orders\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        "NOT HTTP AT ALL\r\n\r\n",
        "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + "x" * 70_000 + "\r\n\r\n",
        "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    ],
    ids=range(6),
)
def test_bytes_that_are_no_request_hurt_nobody_else(shop: Shop, request_text: str) -> None:
    address = urlsplit(shop.url)
    assert address.hostname is not None
    assert address.port is not None
    with closing(socket.create_connection((address.hostname, address.port), timeout=2)) as raw:
        raw.sendall(request_text.encode("latin-1"))
        raw.settimeout(1)
        try:
            answered = raw.recv(4_096)
        except (TimeoutError, ConnectionError):
            answered = b""
    assert answered == b"" or not answered.startswith(b"HTTP/1.1 5")
    assert shop.get("plans/default")["version"] >= 1


def test_a_wrong_type_in_any_field_names_the_field(shop: Shop) -> None:
    wrong: list[Any] = [1, 1.5, True, [], {}, [None]]
    good = shop.order_body()
    for field in ("external_id", "buyer_id", "placed_at", "currency", "touch_id", "visitor_id"):
        for value in wrong:
            error = shop.post("orders", good | {field: value}, 422)["error"]
            assert set(error["fields"]) == {field}, (field, value)
    for value in (1, "x", {}, [], [1], [[]], None):
        error = shop.post("orders", good | {"lines": value}, 422)["error"]
        assert all(name.split(".")[0] == "lines" for name in error["fields"]), value
    for instant in ("2026-01-01", "2026-01-01T00:00:00", "yesterday", "", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
                    "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+25:00", "２026-01-01T00:00:00Z"):  # fmt: skip
        shop.post("orders", good | {"placed_at": instant}, 422, "validation_failed")
