"""The API in this process, over a real PostgreSQL and a real graph server, and a caller that speaks to it."""

from __future__ import annotations

import itertools
import json as json_module
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from api import create_app
from tests.e2e.described import check_described
from tests.e2e.shops import embedded_shop, neo4j_shop, shop
from tuike import identity, reactions
from tuike.app import App
from tuike.shared.clock import read_clock

__all__ = ["embedded_shop", "neo4j_shop", "shop"]

PLACED_AT = "2026-10-01T08:00:00Z"


@dataclass
class Caller:
    """Calls the API with the key of one scope, and checks that each answer is one that the API describes.

    `make_*` go through public calls and return what was answered.
    """

    flask: Flask
    app: App
    secrets: dict[str, str]
    scope: str = "integration"
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def as_scope(self, scope: str) -> Caller:
        """Return the same caller with another key."""
        return Caller(self.flask, self.app, self.secrets, scope, self.numbers)

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        content_type: str | None = "application/json",
    ) -> TestResponse:
        """Send a request; a path that does not start with `/` stands under `/api/v1/`."""
        if json is not None:
            data = json_module.dumps(json)
        sent = {"Authorization": f"Bearer {self.secrets[self.scope]}"} | (headers or {})
        where = path if path.startswith("/") else f"/api/v1/{path}"
        answer = self.flask.test_client().open(
            where, method=method, data=data, headers=sent, content_type=None if data is None else content_type
        )
        return check_described(self.flask, method, where, answer)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.send("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.send("POST", path, json=json, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.send("PUT", path, json=json, **options)

    def read(self, path: str) -> Any:
        """Return the answer to a GET that succeeds."""
        return _expect(self.get(path), 200)

    def make_promoter(self, **fields: Any) -> dict[str, Any]:
        body = {"external_id": f"person-{next(self.numbers)}", "name": "Li Lei"} | fields
        return dict(_expect(self.post("promoters", body), 201))

    def make_link(self, promoter_id: str, **fields: Any) -> dict[str, Any]:
        body = {"promoter_id": promoter_id, "target": {"type": "product", "id": "sku-1"}} | fields
        return dict(_expect(self.post("links", body), 201))

    def make_touch(self, code: str, **fields: Any) -> dict[str, Any]:
        return dict(_expect(self.post("touches", {"code": code} | fields), 201))

    def order_body(self, **fields: Any) -> dict[str, Any]:
        number = next(self.numbers)
        lines = [{"sku": "sku-1", "quantity": 1, "amount_minor": 10_000}]
        return {
            "external_id": f"o-{number}",
            "buyer_id": f"b-{number}",
            "placed_at": PLACED_AT,
            "lines": lines,
        } | fields

    def make_order(self, **fields: Any) -> dict[str, Any]:
        return dict(_expect(self.post("orders", self.order_body(**fields)), 201))

    def pay(self, order: dict[str, Any]) -> dict[str, Any]:
        body = {
            "payment_id": f"pay-{order['id']}",
            "paid_at": PLACED_AT,
            "amount_minor": order["goods_minor"] + order["shipping_minor"],
        }
        return dict(_expect(self.post(f"orders/{order['id']}/payment", body), 200))

    def make_paid_order(self, **fields: Any) -> dict[str, Any]:
        return self.pay(self.make_order(**fields))

    def settle(self) -> None:
        """Do at once what the workers would do."""
        for topic in reactions.REACTIONS:
            reactions.drain(self.app.db, self.app.graph, topic=topic)


def _expect(response: TestResponse, status: int) -> Any:
    assert response.status_code == status, response.text
    return response.get_json()


def make_caller(app: App) -> Caller:
    """Return a caller with one key of each scope."""
    secrets = {}
    with app.db.transaction() as tx:
        for scope in identity.KEY_SCOPES:
            _, secrets[scope.value] = identity.create_key(tx, name=scope, scope=scope, now=read_clock())
    return Caller(create_app(app), app, secrets)


@pytest.fixture
def caller(embedded_app: App) -> Caller:
    """The API over the embedded stack, called with an integration key."""
    return make_caller(embedded_app)


@pytest.fixture
def operator(caller: Caller) -> Caller:
    """The same API, called with an operator's key."""
    return caller.as_scope("operator")


@pytest.fixture
def error_of() -> Callable[[TestResponse], tuple[int, str, list[str]]]:
    """A function that checks the one shape of an error and returns its status, code and fields."""

    def read(response: TestResponse) -> tuple[int, str, list[str]]:
        document = response.get_json()
        assert set(document) == {"error"}, response.text
        error = document["error"]
        assert {"code", "message", "request_id"} <= set(error) <= {"code", "message", "request_id", "fields", "part"}
        assert error["request_id"] == response.headers["X-Request-Id"]
        assert response.content_type == "application/json"
        fields = error.get("fields", {})
        assert all(isinstance(reason, str) for reasons in fields.values() for reason in reasons)
        return response.status_code, error["code"], sorted(fields)

    return read
