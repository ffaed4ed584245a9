"""A shop's back end: it speaks HTTP to a running stack and runs the `tuike` command beside it, as a caller would.

`embedded_shop` has a `tuike up`; `shop` runs a test once there and once on an API, worker and beat over Neo4j. Both have
a simulator of their own, in which people pay and confirm.
"""

from __future__ import annotations

import itertools
import json as json_module
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import pytest

from tests.conftest import KEYS
from tests.neo4j_server import find_obstacle, start_neo4j
from tests.simulators import start_simulator
from tests.stacks import Stack
from tuike.embedded import PostgresServer, find_free_port, processes

ROOT = Path(__file__).resolve().parents[2]
SCOPES = ("integration", "operator", "analyst", "auditor")
SETTLED_WITHIN_S = 30
DEFAULT_PLAN = {
    "levels_max": 2, "rates_bps": [1000, 300, 0], "holding_days": 7, "base": "paid", "self_purchase": False,
    "lock_days": 30, "attribution": "last",
}  # fmt: skip

Result = TypeVar("Result")


def read_clock() -> datetime:
    return datetime.now(UTC)


def ago(**span: float) -> datetime:
    """Return the instant that lies so far back."""
    return read_clock() - timedelta(**span)


def to_text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def do_at_once(actions: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run every action in a thread of its own, all released at the same moment; return what each returned."""
    start = threading.Barrier(len(actions))

    def run(action: Callable[[], Result]) -> Result:
        start.wait(30)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def expect(answer: httpx.Response, status: int, code: str | None = None) -> Any:
    """Return the document of an answer that has this status, and this error code if one is named."""
    assert answer.status_code == status, (
        f"{answer.request.method} {answer.request.url} {answer.status_code}: {answer.text}"
    )
    document = answer.json()
    if status >= 400:
        assert set(document) == {"error"}, answer.text
        assert {"code", "message", "request_id"} <= set(document["error"]), answer.text
        assert code is None or document["error"]["code"] == code, answer.text
    return document


@dataclass
class Shop:
    """Calls one stack with one key of each scope; `make_*` and the verbs expect success and return what was answered."""

    url: str
    words: Sequence[str]
    environ: Mapping[str, str]
    simulator_url: str = ""
    callers: dict[str, httpx.Client] = field(default_factory=dict)
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:10])
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def api(self) -> httpx.Client:
        """The shop's own back end: scope integration."""
        return self.callers["integration"]

    @property
    def operator(self) -> httpx.Client:
        return self.callers["operator"]

    def new_id(self, kind: str) -> str:
        """Return an id nobody has used on any stack."""
        return f"{kind}-{self.run_id}-{next(self.numbers)}"

    # Commands

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one `tuike` command beside the stack."""
        done = subprocess.run(
            [sys.executable, "-m", "tuike.cli", *words, *self.words],
            capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL, env=dict(self.environ),
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"tuike {' '.join(words)} ended with {done.returncode}: {done.stdout} {done.stderr}")
        return done

    def run_for_json(self, *words: str) -> Any:
        return json_module.loads(self.run(*words).stdout)

    def release(self, now: datetime | None = None) -> dict[str, int]:
        """Release what is due as of `now` (the present if None)."""
        released: dict[str, int] = self.run_for_json("commission", "release", "--now", to_text(now or read_clock()))
        return released

    def check_books(self) -> None:
        """Fail unless the ledger is sound and the graph agrees with PostgreSQL."""
        ledger = self.get("ledger/check")
        assert ledger["ok"], ledger
        assert set(ledger["sums"].values()) <= {0}, ledger
        checked = self.run("graph", "check", check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert json_module.loads(checked.stdout)["drift"] == 0

    # Calls

    def get(self, path: str, **params: Any) -> Any:
        return expect(self.api.get(path, params=params), 200)

    def post(self, path: str, body: Any, status: int = 201, code: str | None = None) -> Any:
        return expect(self.api.post(path, json=body), status, code)

    def make_promoter(self, inviter: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        body = {"external_id": self.new_id("person"), "name": "Li Lei"} | fields
        if inviter is not None:
            body["inviter_id"] = inviter["id"]
        return dict(self.post("promoters", body))

    def make_chain(self, length: int) -> list[dict[str, Any]]:
        """Return promoters from the top down, each invited by the one before."""
        chain: list[dict[str, Any]] = []
        for _ in range(length):
            chain.append(self.make_promoter(chain[-1] if chain else None))
        return chain

    def make_link(self, promoter: Mapping[str, Any], **fields: Any) -> str:
        body = {"promoter_id": promoter["id"], "target": {"type": "product", "id": "sku-1"}} | fields
        return str(self.post("links", body)["code"])

    def touch(self, code: str, **fields: Any) -> dict[str, Any]:
        return dict(self.post("touches", {"code": code} | fields))

    def order_body(self, *lines: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        return {
            "external_id": self.new_id("order"), "buyer_id": self.new_id("buyer"), "placed_at": to_text(read_clock()),
            "lines": list(lines or [make_line()]),
        } | fields  # fmt: skip

    def place(self, *lines: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        return dict(self.post("orders", self.order_body(*lines, **fields)))

    def pay(self, order: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        return dict(self.post(f"orders/{order['id']}/payment", self.payment_body(order, **fields), 200))

    def payment_body(self, order: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        total = sum(line["amount_minor"] for line in order["lines"]) + order["shipping_minor"]
        return {"payment_id": f"pay-{order['id']}", "paid_at": to_text(read_clock()), "amount_minor": total} | fields

    def receive(self, order: Mapping[str, Any], at: datetime | None = None) -> dict[str, Any]:
        body = {"received_at": to_text(at or read_clock())}
        return dict(self.post(f"orders/{order['id']}/receipt", body, 200))

    def refund(self, order: Mapping[str, Any], amount_minor: int | None = None, **fields: Any) -> dict[str, Any]:
        body = {"refund_id": self.new_id("refund"), "refunded_at": to_text(read_clock())} | fields
        if amount_minor is not None:
            body["amount_minor"] = amount_minor
        return dict(self.post(f"orders/{order['id']}/refunds", body))

    def sell(self, promoter: Mapping[str, Any], *lines: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        """Return a paid order of a fresh buyer (or `buyer_id`) who came by the promoter's link just before."""
        buyer_id = fields.pop("buyer_id", None) or self.new_id("buyer")
        placed_at = fields.pop("placed_at", None) or to_text(read_clock())
        came_at = datetime.fromisoformat(placed_at) - timedelta(minutes=1)
        self.touch(self.make_link(promoter), buyer_id=buyer_id, at=to_text(came_at))
        return self.pay(self.place(*lines, buyer_id=buyer_id, placed_at=placed_at, **fields))

    def earn(self, promoter: Mapping[str, Any], available_minor: int, currency: str = "CNY") -> dict[str, Any]:
        """Return a received order whose commission of the promoter's own level is available now."""
        order = self.sell(promoter, make_line(available_minor * 10), currency=currency)
        self.receive(order, ago(days=8))
        self.list_commissions(order)
        self.release()
        return order

    def wait_until_settled(self, order: Mapping[str, Any]) -> httpx.Response:
        """Return the order's commissions once they carry `Settled: true`."""
        end = time.monotonic() + SETTLED_WITHIN_S
        while True:
            answer = self.api.get(f"orders/{order['id']}/commissions")
            expect(answer, 200)
            assert answer.headers["Settled"] in ("true", "false")
            if answer.headers["Settled"] == "true":
                return answer
            assert time.monotonic() < end, f"the order did not settle within {SETTLED_WITHIN_S} s"
            time.sleep(0.1)

    def list_commissions(self, order: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the settled commissions of an order, level 1 first."""
        items: list[dict[str, Any]] = self.wait_until_settled(order).json()["items"]
        assert [item["level"] for item in items] == [1, 2, 3], items
        return items

    def amounts(self, order: Mapping[str, Any]) -> list[int]:
        """Return what each level has of an order at present: amount less reversed."""
        return [item["amount_minor"] - item["reversed_minor"] for item in self.list_commissions(order)]

    def wallet(self, promoter: Mapping[str, Any], currency: str = "CNY") -> dict[str, int]:
        """Return the amounts of a wallet without their `_minor`, those that are not 0."""
        wallet = self.get(f"wallets/{promoter['id']}", currency=currency)
        assert wallet["currency"] == currency
        amounts = {name.removesuffix("_minor"): value for name, value in wallet.items() if name.endswith("_minor")}
        assert set(amounts) == {"pending", "frozen", "available", "withdrawing", "withdrawn", "debt"}
        assert min(amounts.values()) >= 0, amounts
        return {name: value for name, value in amounts.items() if value}

    def withdraw(self, promoter: Mapping[str, Any], amount_minor: int, **fields: Any) -> dict[str, Any]:
        body = {"promoter_id": promoter["id"], "amount_minor": amount_minor, "method": "manual"} | fields
        return dict(self.post("withdrawals", body))

    def decide(self, withdrawal: Mapping[str, Any], word: str) -> dict[str, Any]:
        return dict(expect(self.operator.post(f"withdrawals/{withdrawal['id']}/{word}", json={}), 200))

    def move(self, promoter: Mapping[str, Any], inviter: Mapping[str, Any] | None, **fields: Any) -> httpx.Response:
        body = {"inviter_id": None if inviter is None else inviter["id"], "reason": "asked for"} | fields
        return self.api.put(f"promoters/{promoter['id']}/inviter", json=body)

    def upline(self, promoter: Mapping[str, Any], at: datetime | None = None) -> list[str]:
        """Return the ids above, nearest first."""
        params = {} if at is None else {"at": to_text(at)}
        items = self.get(f"promoters/{promoter['id']}/upline", **params)["items"]
        assert [item["level"] for item in items] == list(range(1, len(items) + 1))
        return [item["promoter_id"] for item in items]

    def team_sizes(self, promoter: Mapping[str, Any]) -> list[int]:
        levels = self.get(f"promoters/{promoter['id']}/team/size")["levels"]
        assert set(levels) == {"1", "2", "3"}
        return [levels["1"], levels["2"], levels["3"]]

    def read_all(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Return every item of a list, page after page."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(path, **params)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    def set_plan(self, **changes: Any) -> dict[str, Any]:
        return dict(expect(self.operator.put("plans/default", json=DEFAULT_PLAN | changes), 200))


def make_line(amount_minor: int = 10_000, **fields: Any) -> dict[str, Any]:
    return {"sku": "sku-1", "quantity": 1, "amount_minor": amount_minor} | fields


@contextmanager
def open_shop(
    url: str,
    *,
    words: Sequence[str],
    environ: Mapping[str, str] | None = None,
    simulator_url: str = "",
    scopes: Sequence[str] = SCOPES,
) -> Iterator[Shop]:
    """Yield a shop that calls the stack at `url`; `words` and `environ` lead the command to the same stack."""
    shop = Shop(url, words, make_environ(environ or {}), simulator_url)
    with ExitStack() as opened, ThreadPoolExecutor(2) as pool:
        secrets = pool.map(lambda scope: shop.run("key", "create", "--name", scope, "--scope", scope).stdout, scopes)
        for scope, secret in zip(scopes, map(str.strip, secrets), strict=True):
            assert secret.startswith("tk_")
            client = httpx.Client(
                base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {secret}"}, timeout=30,
                limits=httpx.Limits(max_connections=64),
            )  # fmt: skip
            shop.callers[scope] = opened.enter_context(client)
        yield shop


def make_environ(settings: Mapping[str, str]) -> dict[str, str]:
    """Return our environment, leading to no stack but the one in `settings`."""
    away = {"DATABASE_URL", "NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD", "NEO4J_DATABASE", "CELERY_BROKER_URL"}
    kept = {name: value for name, value in os.environ.items() if name not in away}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"} | dict(settings)


@contextmanager
def start_services(directory: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run API, worker and beat over servers that run already; yield the API's address."""
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    environ = make_environ(dict(settings) | {"TUIKE_PUBLIC_URL": url})
    celery = ["-m", "celery", "-A", "workers.celery_app"]
    commands = {
        "api": ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
                "--blocking-threads", "8", "--log-level", "warning", "--no-ws", "api.wsgi:application"],
        "worker": [*celery, "worker", "--concurrency", "2", "--loglevel", "WARNING", "--without-gossip",
                   "--without-mingle", "--without-heartbeat"],
        "beat": [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""],
    }  # fmt: skip
    started = []
    try:
        for name, command in commands.items():
            log = directory / f"{name}.log"
            started.append(processes.spawn([sys.executable, *command], log=log, environ=environ, directory=ROOT))
        processes.wait_until(lambda: _answers(url), started[0], name="The API", log=directory / "api.log", seconds=60)
        yield url
    finally:
        for process in started:
            processes.stop(process, with_signal=signal.SIGTERM, patience=5)


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    return False


@pytest.fixture(scope="session")
def embedded_shop(stack: Stack) -> Iterator[Shop]:
    """A shop on the session's `tuike up`."""
    words = ["--data-dir", str(stack.directory)]
    with open_shop(stack.url, words=words, simulator_url=stack.simulator_url) as shop:
        yield shop


@pytest.fixture(scope="session")
def neo4j_shop(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop on an API, worker and beat over PostgreSQL and a Neo4j of its own, led there by the environment."""
    obstacle = find_obstacle()
    if obstacle is not None:
        if os.environ.get("TUIKE_REQUIRE_NEO4J") == "1":
            pytest.fail(f"{obstacle} (TUIKE_REQUIRE_NEO4J=1 makes it mandatory)", pytrace=False)
        pytest.skip(f"{obstacle}; TUIKE_REQUIRE_NEO4J=1 turns this into a failure")
    directory = tmp_path_factory.mktemp("services")
    with psycopg.connect(postgres.make_url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE services")
    with start_neo4j(tmp_path_factory.mktemp("shop-neo4j")) as neo4j, start_simulator(directory / "sim") as simulated:
        url = postgres.make_url("services")
        settings = {
            "DATABASE_URL": url, "CELERY_BROKER_URL": "pgmq://", "TUIKE_MEDIA_STORAGE": str(directory / "media"),
            **KEYS, **simulated.settings, **neo4j.settings,
        }  # fmt: skip
        words = ["--data-dir", str(directory / "unused")]
        Shop("", words, make_environ(settings)).run("db", "migrate")
        with (
            start_services(directory, settings) as url,
            open_shop(url, words=words, environ=settings, simulator_url=simulated.url) as shop,
        ):
            yield shop


@pytest.fixture(scope="session", params=["embedded", "neo4j"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """A shop on each graph server in turn."""
    found: Shop = request.getfixturevalue(f"{request.param}_shop")
    return found
