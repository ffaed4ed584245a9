"""The description of the API is kept: a change of it is a change of a file, seen in review.

`TUIKE_WRITE_SNAPSHOTS=1 pytest tests/architecture/test_openapi.py` writes the file anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from api import CAPABILITIES, create_app
from tuike.app import build_app
from tuike.config import Config
from tuike.identity import KEY_SCOPES, Scope

_SNAPSHOT = Path(__file__).with_name("openapi.json")


@pytest.fixture(scope="module")
def description() -> Any:
    """The description as it is served; no server is contacted."""
    app = build_app(Config(database_url="postgresql://nowhere/none", neo4j_uri="bolt://127.0.0.1:1"))
    answer = create_app(app).test_client().get("/api/openapi.json")
    app.close()
    assert answer.status_code == 200
    return answer.get_json()


def test_the_description_is_the_one_that_was_reviewed(description: Any) -> None:
    text = json.dumps(description, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    if os.environ.get("TUIKE_WRITE_SNAPSHOTS") == "1":
        _SNAPSHOT.write_text(text)
    assert json.loads(_SNAPSHOT.read_text()) == description


def test_every_route_is_described_with_example_scopes_and_errors(description: Any) -> None:
    for routes in CAPABILITIES:
        for route in routes.declared:
            path = "/api/v1" + route.rule.replace("<id:", "{").replace(">", "}")
            operation = description["paths"][path][route.method.lower()]
            assert operation["summary"].endswith("."), path
            assert operation["x-scopes"] == sorted(scope.value for scope in route.who)
            assert {str(route.status), "500", "503"} <= set(operation["responses"])
            assert route.is_open or {"401", "403"} <= set(operation["responses"]), path
            assert "{" not in path or "404" in operation["responses"], path
            if route.body is not None:
                assert {"400", "413", "415", "422"} <= set(operation["responses"])
                assert "409" in operation["responses"] or not route.keeps_answers, path
                assert "example" in operation["requestBody"]["content"]["application/json"], path
            for status, response in operation["responses"].items():
                if status < "400" and route.text_type is not None:
                    assert list(response["content"]) == [route.text_type], path
                    continue
                schema = response["content"]["application/json"]["schema"]["$ref"]
                assert (schema == "#/components/schemas/ErrorAnswer") == (status >= "400"), (path, status)


def test_every_call_says_which_credentials_open_it(description: Any) -> None:
    assert description["security"] == [{"apiKey": []}]
    schemes = set(description["components"]["securitySchemes"])
    assert schemes == {"apiKey", "shopperToken", "staffToken"}
    for routes in CAPABILITIES:
        for route in routes.declared:
            path = "/api/v1" + route.rule.replace("<id:", "{").replace(">", "}")
            named = description["paths"][path][route.method.lower()]["security"]
            assert named, path
            assert ({} in named) == route.is_open, path
            assert {kind for one in named for kind in one} <= schemes
            assert ({"apiKey": []} in named) == any(scope in KEY_SCOPES for scope in route.who), path
            assert ({"shopperToken": []} in named) == (route.is_open or Scope.SHOPPER in route.who), path


def test_only_these_calls_read_no_credentials(description: Any) -> None:
    public = {
        path for path, item in description["paths"].items() for operation in item.values()
        if isinstance(operation, dict) and operation.get("security") == []
    }  # fmt: skip
    assert public == {
        "/health", "/api/v1/health", "/metrics", "/api/v1/metrics", "/api/openapi.json", "/s/{code}",
        "/media/{name}",
    }  # fmt: skip


def test_operation_names_are_unique(description: Any) -> None:
    names = [
        operation["operationId"]
        for item in description["paths"].values()
        for name, operation in item.items()
        if name in ("get", "post", "put", "patch", "delete")
    ]
    assert len(set(names)) == len(names) >= 38


def test_bodies_refuse_unknown_fields_and_answers_may_gain_some(description: Any) -> None:
    schemas = description["components"]["schemas"]
    for routes in CAPABILITIES:
        for route in routes.declared:
            assert route.text_type or "additionalProperties" not in schemas[route.answer.__name__]
            if route.body is not None:
                assert schemas[type(route.body).__name__]["additionalProperties"] is False
