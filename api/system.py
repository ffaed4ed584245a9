"""What is served beside the capabilities: health, metrics, the OpenAPI text, and a page for people."""

from typing import Any

from flask import Blueprint, Response, current_app

from api.answers import JSON_TYPE, dump_json
from api.telemetry import METRICS_TYPE
from tuike.app import App

system = Blueprint("system", __name__)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>tuike</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}
code{font-size:.95em}</style>
</head><body><h1>tuike 推客</h1>
<p>Promoters for a social shop. This is the API; other programs talk to it under <code>/api/v1</code>.</p>
<ul><li><a href="/api/openapi.json">OpenAPI description</a> of every call</li>
<li><a href="/health">Health</a> and <a href="/metrics">metrics</a></li></ul>
<p>A key is made with <code>tuike key create --name NAME --scope integration</code> and sent as
<code>Authorization: Bearer tk_…</code>.</p></body></html>
"""


def check_health(app: App) -> tuple[dict[str, Any], int]:
    """Return the state of each part, with 503 when PostgreSQL or the graph is down, which requests need.

    A queue that is down delays commissions but refuses no request, so it degrades the status and keeps the 200.
    """
    parts = app.check_parts()
    if "down" in (parts["postgres"], parts["graph"]):
        return {"status": "down", "parts": parts}, 503
    return {"status": "ok" if set(parts.values()) == {"up"} else "degraded", "parts": parts}, 200


@system.get("/health")
@system.get("/api/v1/health")
def get_health() -> Response:
    """Say which parts work."""
    document, status = check_health(current_app.extensions["tuike"].app)
    return Response(dump_json(document), status, content_type=JSON_TYPE)


@system.get("/metrics")
@system.get("/api/v1/metrics")
def get_metrics() -> Response:
    """Answer Prometheus."""
    return Response(current_app.extensions["tuike-telemetry"].render(), content_type=METRICS_TYPE)


@system.get("/api/openapi.json")
def get_openapi() -> Response:
    """Answer the description of this API."""
    return Response(current_app.extensions["tuike-openapi"], content_type=JSON_TYPE)


@system.get("/")
def get_index() -> Response:
    """Point people to where things are."""
    return Response(_PAGE, content_type="text/html; charset=utf-8")
