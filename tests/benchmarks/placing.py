"""Placing orders over HTTP on a running `tuike up`: how long one takes, and what 50,000 of them cost in memory."""

import itertools
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import LiteralString

import psutil
import psycopg

from tests.benchmarks.client import Client
from tests.benchmarks.measuring import Row, at_most, percentile, run_threads, say, time_calls
from tests.stacks import Stack
from tuike.app import App
from tuike.shared.clock import format_instant

PLACED = 1_000
CLIENTS = 4
ORDERS_VARIABLE = "TUIKE_BENCH_ORDERS"
DEFAULT_ORDERS = 50_000
LONGEST_S = 300
WARM_UP_ORDERS = 2_000
GROWTH_MB = 50
_PARTS = {"api": "API", "worker": "worker"}


class Shop:
    """Buyers who opened a share link of a promoter with an inviter above, and what they order."""

    def __init__(self, client: Client, name: str, *, buyers: int) -> None:
        self._name = name
        self._numbers = itertools.count(1)
        top = client.post("/promoters", {"external_id": f"{name}-top", "name": "Top"})
        promoter = client.post(
            "/promoters", {"external_id": f"{name}-promoter", "name": "Promoter", "inviter_id": top["id"]}
        )
        link = client.post("/links", {"promoter_id": promoter["id"], "target": {"type": "shop"}})
        self.buyers = [f"{name}-buyer-{number}" for number in range(buyers)]
        for buyer in self.buyers:
            client.post("/touches", {"code": link["code"], "buyer_id": buyer})
        self.promoter_id = promoter["id"]

    def place(self, client: Client, *, pay: bool = False) -> None:
        """Place one order of two lines, and pay it if asked to."""
        number = next(self._numbers)
        now = format_instant(datetime.now(UTC))
        order = client.post(
            "/orders",
            {
                "external_id": f"{self._name}-{number}",
                "buyer_id": self.buyers[number % len(self.buyers)],
                "placed_at": now,
                "shipping_minor": 800,
                "lines": [
                    {"sku": "sku-1", "quantity": 2, "amount_minor": 19900},
                    {"sku": "sku-2", "quantity": 1, "amount_minor": 4900},
                ],
            },
        )
        assert order["attribution"]["promoter_id"] == self.promoter_id, order
        if pay:
            payment = {"payment_id": f"{self._name}-{number}", "paid_at": now, "amount_minor": 25600}
            client.post(f"/orders/{order['id']}/payment", payment, status=200)


def measure_latency(stack: Stack, app: App, key: str) -> list[Row]:
    """Return the row of one placement."""
    say("placing single orders")
    client = Client(stack.url, key)
    shop = Shop(client, "placing", buyers=200)
    with psycopg.connect(app.config.database_url, autocommit=True) as connection:

        def commit_after(statement: LiteralString) -> None:
            connection.execute("BEGIN")
            connection.execute(statement)
            connection.execute("COMMIT")

        place, ask, commit, flush = time_calls(
            lambda: shop.place(client),
            app.graph.check,
            lambda: commit_after("SELECT pg_current_xact_id()"),
            lambda: commit_after("SELECT pg_logical_emit_message(true, '', '')"),
            count=PLACED,
            warm_up=200,
        )
    client.close()
    parts = [statistics.median(ask), statistics.median(commit)]
    p50 = statistics.median(place)
    flushed = statistics.median(flush)
    say(f"p99 {percentile(place, 99):.2f} ms; a commit that is flushed to disk takes {flushed:.2f} ms, with which")
    say(f"as part of the yardstick the ratio would be {p50 / (parts[0] + flushed):.2f}×")
    yardstick = f"RETURN 1 over Bolt {parts[0]:.2f} ms + an empty commit {parts[1]:.2f} ms"
    return [at_most("placing an order over HTTP, p50", p50, "ms", yardstick, p50 / sum(parts), 4)]


def measure_memory(stack: Stack, key: str) -> list[Row]:
    """Return a row for the API and one for the worker: how much larger they are after many orders, in MB."""
    clients = [Client(stack.url, key) for _ in range(CLIENTS)]
    shop = Shop(clients[0], "memory", buyers=1_000)

    def place_many(number: int, orders: int) -> None:
        for _ in range(orders // CLIENTS):
            shop.place(clients[number], pay=True)

    def run(orders: int) -> float:
        return orders / run_threads(lambda number: place_many(number, orders), CLIENTS)

    say(f"placing and paying {WARM_UP_ORDERS:,} orders to warm up")
    rate = run(WARM_UP_ORDERS)
    count = _choose_count(rate)
    _wait_until_quiet(stack)
    before = {part: _resident_mb(stack, part) for part in _PARTS}
    say(f"placing and paying {count:,} orders")
    rate = run(count)
    _wait_until_quiet(stack)
    rows = []
    for part, title in _PARTS.items():
        after = _resident_mb(stack, part)
        grown = after - before[part]
        rows.append(
            Row(
                f"memory of the {title} after {count:,} orders placed and paid", after, "MB",
                f"{before[part]:.0f} MB after {WARM_UP_ORDERS:,}", after / before[part],
                f"≤ +{GROWTH_MB} MB", grown <= GROWTH_MB,
            )
        )  # fmt: skip
    say(f"{rate:,.0f} orders/s placed and paid by {CLIENTS} clients")
    for client in clients:
        client.close()
    return rows


def _choose_count(rate: float) -> int:
    """Return how many orders to place: what the variable says, else as many of the usual number as the time allows."""
    if ORDERS_VARIABLE in os.environ:
        return int(os.environ[ORDERS_VARIABLE])
    affordable = int(rate * LONGEST_S) // 1_000 * 1_000
    return max(1_000, min(DEFAULT_ORDERS, affordable))


def _resident_mb(stack: Stack, part: str) -> float:
    """Return the memory of a part with its children, pages that they share counted once."""
    process = psutil.Process(stack.read_note()["parts"][part])
    return sum(one.memory_full_info().pss for one in [process, *process.children(recursive=True)]) / 2**20


def _wait_until_quiet(stack: Stack) -> None:
    _wait(lambda: _count_waiting(stack) == 0, seconds=300)


def _count_waiting(stack: Stack) -> int:
    with psycopg.connect(stack.read_note()["settings"]["DATABASE_URL"]) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM journal WHERE status <> 'applied')"
        ).fetchone()
    assert found is not None
    return int(found[0])


def _wait(done: Callable[[], bool], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise AssertionError("the workers did not catch up")
        time.sleep(0.5)
