"""The OpenAPI 3.1 description, made from the routes' own declarations."""

import json
from collections.abc import Iterable
from typing import Any

import flask_smorest  # type: ignore[import-untyped]
from flask import Flask

from api import fields as f
from api.examples import add_examples
from api.routing import ErrorAnswer, IdConverter, Routes

VERSION = "1"
_ABOUT = """\
Promoters for a social shop: who invited whom, which promoter an order belongs to, and what each level earns.

Amounts are integers of the smallest unit (`amount_minor`) with a `currency`; rates are basis points; instants are
RFC 3339 with an offset, answered in UTC with `Z`. Errors have one shape. Lists take `limit` and `cursor`. A POST with
an `Idempotency-Key` takes effect once. What each error code means is said in docs/api.md.
"""


_CREDENTIALS = {
    "apiKey": "An API key, `tk_…`, of `tuike key create`.",
    "shopperToken": "A shopper's access token, of a login.",
    "staffToken": "A staff member's access token, of a staff login; what it opens depends on the permissions.",
}


_METRICS = """\
# HELP tuike_http_requests_total Requests answered.
# TYPE tuike_http_requests_total counter
tuike_http_requests_total{method="GET",route="/api/v1/home",status="200"} 4711.0
"""


class _Api(flask_smorest.Api):
    ERROR_SCHEMA = ErrorAnswer
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Leave errors to api.errors."""


def describe(app: Flask, capabilities: Iterable[Routes]) -> str:
    """Register the routes of every capability and return the description as JSON."""
    app.config.update(API_TITLE="tuike", API_VERSION=VERSION, OPENAPI_VERSION="3.1.0")
    api = _Api(
        app,
        spec_kwargs={
            "info": {"description": _ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
            "security": [{"apiKey": []}],
            "servers": [{"url": "/"}],
        },
    )
    for name, text in _CREDENTIALS.items():
        api.spec.components.security_scheme(name, {"type": "http", "scheme": "bearer", "description": text})
    api.register_converter(IdConverter, lambda _: {"type": "string", "minLength": 1, "maxLength": 128})
    api.register_field(f.Instant, "string", "date-time")
    api.register_field(f.QueryInstant, "string", "date-time")
    for routes in capabilities:
        api.register_blueprint(routes)
    api.spec.tag({"name": "system", "description": "Health, metrics and this description. No key needed."})
    document = api.spec.to_dict()
    add_examples(document)
    document["paths"] |= _describe_public_paths()
    return json.dumps(document, ensure_ascii=False, indent=1)


def _describe_public_paths() -> dict[str, Any]:
    """Describe the few calls that need no key and belong to no capability."""
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}}
    part = {"type": "string", "enum": ["up", "down"]}
    health: dict[str, Any] = {
        "type": "object",
        "required": ["status", "parts"],
        "properties": {
            "status": {"type": "string", "enum": ["ok", "degraded", "down"]},
            "parts": {
                "type": "object",
                "required": ["postgres", "graph", "queue"],
                "properties": {"postgres": part, "graph": part, "queue": part},
            },
        },
    }
    up: dict[str, Any] = {"status": "ok", "parts": {"postgres": "up", "graph": "up", "queue": "up"}}
    down = {"status": "down", "parts": {**up["parts"], "postgres": "down"}}
    health_call = {
        "summary": "Say which parts work.",
        "tags": ["system"],
        "security": [],
        "responses": {
            "200": {
                "description": "Requests will succeed.",
                "content": {"application/json": {"schema": health, "example": up}},
            },
            "503": {
                "description": "A part is down.",
                "content": {"application/json": {"schema": health, "example": down}},
            },
        },
    }
    metrics_call = {
        "summary": "Answer Prometheus.",
        "tags": ["system"],
        "security": [],
        "responses": {"200": {"description": "Text format.", "content": {"text/plain": {"example": _METRICS}}}},
    }
    description_call = {
        "summary": "This description.",
        "tags": ["system"],
        "security": [],
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {}}}},
    }
    name = {"in": "path", "name": "name", "required": True, "schema": {"type": "string", "minLength": 1}}
    part_of_it = {"in": "header", "name": "Range", "required": False, "schema": {"type": "string"}}
    files: dict[str, Any] = {"image/webp": {}, "video/mp4": {}}
    file_call = {
        "summary": "Fetch a picture or video.",
        "description": "Its name is the hash of what is in it: it may be cached for ever. One range may be asked for.",
        "tags": ["media"],
        "security": [],
        "parameters": [name, part_of_it],
        "responses": {
            "200": {"description": "The file.", "content": files},
            "206": {"description": "The range asked for.", "content": files},
            "304": {"description": "The caller has it."},
            "404": {"description": "`media_not_found`", **error},
            "416": {"description": "`range_not_satisfiable`", **error},
            "503": {"description": "`media_unavailable`", **error},
        },
    }
    page = {"content": {**error["content"], "text/html": {}}}  # a person's browser gets a page
    open_call = {
        "summary": "Open a share link.",
        "description": "Records a touch, sets a first-party visitor cookie, and sends the visitor on; the target's "
        "query carries `tuike_touch`, which the shop sends back as an order's `touch_id`.",
        "tags": ["links"],
        "security": [],
        "parameters": [{"in": "path", "name": "code", "required": True, "schema": {"type": "string", "minLength": 1}}],
        "responses": {
            "302": {
                "description": "To the product, page or shop.",
                "headers": {"Location": {"schema": {"type": "string"}}},
            },
            "404": {"description": "`link_not_found`", **page},
            "503": {"description": "`postgres_unavailable`", **page},
        },
    }
    return {
        "/health": {"get": {"operationId": "get_health", **health_call}},
        "/api/v1/health": {"get": {"operationId": "get_health_under_base_path", **health_call}},
        "/metrics": {"get": {"operationId": "get_metrics", **metrics_call}},
        "/api/v1/metrics": {"get": {"operationId": "get_metrics_under_base_path", **metrics_call}},
        "/api/openapi.json": {"get": {"operationId": "get_openapi", **description_call}},
        "/media/{name}": {"get": {"operationId": "get_file", **file_call}},
        "/s/{code}": {"get": {"operationId": "open_link", **open_call}},
    }
