"""One log line and a few numbers per request; never a body, a secret or an account."""

import re
import time
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from tuike import graph, payments, risk, wallet
from tuike.db import outbox
from tuike.shared.clock import read_clock
from tuike.shared.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from api.routing import Services

log = structlog.get_logger("api")

_OVERDUE_AFTER = timedelta(minutes=30)
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Telemetry:
    """Counts requests of this process and, when asked, what waits in PostgreSQL."""

    def __init__(self, services: "Services") -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tuike_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "tuike_http_seconds", "Time to answer.", ["method", "route"], buckets=_BUCKETS, registry=self.registry
        )
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self.registry.register(_Depths(services))

    def record(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        known = self._children.get((method, route, status))
        if known is None:
            known = (self._requests.labels(method, route, status), self._seconds.labels(method, route))
            self._children[method, route, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def note(
        self, *, request_id: str, caller_id: str | None, method: str, route: str, status: int, code: str | None,
        seconds: float,
    ) -> None:  # fmt: skip
        """Count and log one answered request."""
        self.record(method, route, status, seconds)
        log.info(
            "http.request", request_id=request_id, caller_id=caller_id, method=method, route=route, status=status,
            code=code, ms=round(seconds * 1000, 2),
        )  # fmt: skip

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Depths:
    """What waits, read at the moment of the scrape; left out when PostgreSQL is down."""

    def __init__(self, services: "Services") -> None:
        self._services = services

    def describe(self) -> list["Metric"]:
        return []

    def collect(self) -> "Iterator[Metric]":
        up = GaugeMetricFamily("tuike_part_up", "Whether a part answers.", labels=["part"])
        try:
            with self._services.db.transaction() as tx:
                waiting = outbox.count_waiting(tx)
                unapplied = graph.journal.list_unapplied_count(tx)
                unsealed = wallet.count_unsealed(tx)
                attention = payments.get_attention(tx, overdue_before=read_clock() - _OVERDUE_AFTER)
                sweeps = risk.get_sweep_state(tx)
        except Unavailable:
            up.add_metric(["postgres"], 0)
            yield up
            return
        up.add_metric(["postgres"], 1)
        yield up
        depth = GaugeMetricFamily("tuike_outbox_waiting", "Events that wait for a worker.", labels=["topic"])
        for topic, count in sorted(waiting.items()):
            depth.add_metric([topic], count)
        yield depth
        behind = GaugeMetricFamily("tuike_journal_unapplied", "Changes not in the graph yet.", labels=["lane"])
        for lane, count in sorted(unapplied.items()):
            behind.add_metric([str(lane)], count)
        yield behind
        yield GaugeMetricFamily("tuike_ledger_unsealed", "Ledger transactions without a seal yet.", unsealed)
        yield from _describe_attention(attention)
        yield from _describe_sweeps(sweeps)


def _describe_attention(found: payments.Attention) -> "Iterator[Metric]":
    """What waits at the providers, and what waits for a person: alarms belong on the last three."""
    waiting = GaugeMetricFamily("tuike_payments_waiting", "What a provider has still to be asked.", labels=["what"])
    waiting.add_metric(["payments"], found.open_payments)
    waiting.add_metric(["refunds"], found.waiting_refunds)
    waiting.add_metric(["payouts"], found.waiting_payouts)
    yield waiting
    held = GaugeMetricFamily("tuike_payments_held", "What waits for a person.", labels=["what"])
    held.add_metric(["payments"], found.held_payments)
    held.add_metric(["refunds"], found.held_refunds)
    held.add_metric(["payouts"], found.held_payouts)
    yield held
    overdue = "Payments open for half an hour after their end: a provider is not being asked."
    yield GaugeMetricFamily("tuike_payments_overdue", overdue, found.overdue_payments)
    yield GaugeMetricFamily("tuike_bill_differences_open", "What bills and our rows disagree about.",
                            found.open_differences)  # fmt: skip


def _describe_sweeps(found: risk.SweepState) -> "Iterator[Metric]":
    """When sweeps for rings ended; what never happened is left out."""
    ended = GaugeMetricFamily("tuike_risk_sweep_ended_seconds", "When a sweep for rings last ended.", labels=["how"])
    for how, at in (("done", found.done_at), ("failed", found.failed_at)):
        if at is not None:
            ended.add_metric([how], at.timestamp())
    yield ended
    running = 0.0 if found.running_since is None else (read_clock() - found.running_since).total_seconds()
    yield GaugeMetricFamily("tuike_risk_sweep_running_seconds", "For how long a sweep has been running.", running)


def name_request(given: str) -> str:
    """Return the name of a request in the logs: the caller's own, if it is fit for one."""
    return given if _REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"


def watch_requests(app: Flask, telemetry: Telemetry) -> None:
    """Name, time, count and log every request."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()
        g.request_id = name_request(request.headers.get("X-Request-Id", ""))

    @app.after_request
    def finish(response: Response) -> Response:
        seconds = time.perf_counter() - g.started
        route = request.url_rule.rule if request.url_rule is not None else "none"
        method = request.method if request.method in _METHODS else "OTHER"
        headers = response.headers
        headers["X-Request-Id"] = g.request_id
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
        telemetry.note(
            request_id=g.request_id, caller_id=g.get("caller_id"), method=method, route=route,
            status=response.status_code, code=g.get("error_code"), seconds=seconds,
        )  # fmt: skip
        return response


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
