"""Settling paid orders in batches, beside pgbench's TPC-B on the same PostgreSQL."""

import os
import random
import re
import statistics
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg.types.json import Jsonb

from tests.benchmarks.measuring import Row, at_least, run_threads, say
from tuike import commission, reactions, wallet
from tuike.commission import ChainLink, LineTerms, Plan
from tuike.db import Database
from tuike.db.migrate import migrate
from tuike.embedded import PostgresServer, start_postgres
from tuike.graph import Graph
from tuike.shared import clock, ids

WORKERS = 8
ORDERS = 16_000
ROUNDS = 4
HOT = 50
PROMOTERS = 5_000
BUYERS = 20_000
PGBENCH_SCALE = 20
PGBENCH_SECONDS = 4

_SPLIT = (
    "order_id, merchant_id, currency, base_minor, holding_days, promoter_ids, rates_bps, amounts_minor, lines, trace"
)


def measure(directory: Path) -> list[Row]:
    """Return the row of settling."""
    with start_postgres(directory / "settling" / "postgres") as server:
        database = Database(server.url, pool_size=WORKERS)
        try:
            migrate(database, with_queue=False)
            return [_measure(server, database)]
        finally:
            database.close()


def _measure(server: PostgresServer, database: Database) -> Row:
    with database.transaction() as tx:
        plan = commission.replace_plan(
            tx, levels_max=3, rates_bps=[1000, 300, 100], holding_days=7, base="paid", self_purchase=False,
            lock_days=30, attribution="last", order_cap_bps=None, now=clock.read_clock(),
        )  # fmt: skip
    tpc_b = Pgbench(server)
    tpc_b.prepare()
    shop = _Shop(plan)
    settled, transactions = [], []
    for number in range(ROUNDS + 1):
        say(f"settling, round {number} of {ROUNDS}")
        shop.place(server.url, ORDERS)
        rate = ORDERS / run_threads(lambda _: _settle(database), WORKERS)
        tps = tpc_b.run(clients=WORKERS, seconds=PGBENCH_SECONDS if number else 1)
        say(f"settled {rate:,.0f} orders/s, pgbench {tps:,.0f} tps")
        if number:  # the first round warms both up
            settled.append(rate)
            transactions.append(tps)
    _prove(database, ORDERS * (ROUNDS + 1))
    ratio = statistics.median(rate / tps for rate, tps in zip(settled, transactions, strict=True))
    tps = statistics.median(transactions)
    name = f"settled orders, 3 levels, {WORKERS} batches at once, half on {HOT} hot uplines"
    return at_least(
        name, statistics.median(settled), "orders/s", f"pgbench TPC-B, {WORKERS} clients: {tps:,.0f} tps", ratio, 3
    )


def _settle(database: Database) -> None:
    graph: Graph = None  # type: ignore[assignment]  # settling needs PostgreSQL only
    reactions.drain(database, graph, topic="order.paid")


def _prove(database: Database, orders: int) -> None:
    with database.transaction() as tx:
        check = wallet.check_ledger(tx)
    if not check.ok or check.transactions != orders:
        raise AssertionError(f"the ledger does not add up after settling: {check}")


class _Shop:
    """Paid orders that wait for their commission, brought in by COPY; half of them have hot uplines."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.hot = [ids.new_id("promoter") for _ in range(HOT)]
        self.many = [ids.new_id("promoter") for _ in range(PROMOTERS)]
        self.random = random.Random(7)

    def place(self, url: str, count: int) -> None:
        now = clock.read_clock() - timedelta(seconds=1)
        splits = [self._split(number) for number in range(count)]
        with psycopg.connect(url) as connection:
            cursor = connection.cursor()
            with cursor.copy(
                "COPY orders (id, external_id, buyer_id, currency, status, goods_minor, shipping_minor, plan_name,"
                " plan_version, attribution_state, attribution_promoter_id, attribution_model, attribution_reason,"
                " payment_id, placed_at, paid_at, created_at) FROM STDIN"
            ) as copy:
                for split in splits:
                    copy.write_row(self._order(split, now))
            with cursor.copy(f"COPY commission_splits ({_SPLIT}) FROM STDIN") as copy:
                for split in splits:
                    copy.write_row((
                        split.order_id, split.merchant_id, split.currency, split.base_minor, split.holding_days,
                        list(split.promoter_ids), list(split.rates_bps), list(split.amounts_minor),
                        Jsonb([[x.no, x.base_minor, x.rates_bps, x.amounts_minor, x.is_capped] for x in split.lines]),
                        Jsonb([[step.step, step.level, step.code, step.detail] for step in split.trace]),
                    ))  # fmt: skip
            with cursor.copy("COPY outbox (topic, key, created_at, next_at) FROM STDIN") as copy:
                for split in splits:
                    copy.write_row(("order.paid", split.order_id, now, now))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

    def _split(self, number: int) -> commission.Split:
        depth = self.random.choice((2, 3))
        first = self.random.choice(self.many)
        above = [self.random.choice(self.hot if number % 2 else self.many) for _ in range(depth - 1)]
        chain = list(dict.fromkeys([first, *above]))
        return commission.decide_split(
            order_id=ids.new_id("order"),
            merchant_id="main",
            currency="CNY",
            plan=self.plan,
            lines=[LineTerms(0, self.random.randint(500, 90_000), None)],
            chain=[ChainLink(promoter_id, True, False) for promoter_id in chain],
        )

    def _order(self, split: commission.Split, now: datetime) -> tuple[object, ...]:
        buyer = f"buyer-{self.random.randrange(BUYERS)}"
        return (
            split.order_id, split.order_id, buyer, "CNY", "paid", split.base_minor, 0, self.plan.name,
            self.plan.version, "resolved", split.promoter_ids[0], "last", "last_touch", f"pay-{split.order_id}", now,
            now, now,
        )  # fmt: skip


class Pgbench:
    """pgbench in a database of its own on the server that is measured."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        host = parse_qs(urlsplit(server.url).query)["host"][0]
        self._program = str(server._bin / "pgbench")
        self._environ = os.environ | {"PGHOST": host, "PGUSER": "postgres", "PGDATABASE": "pgbench"}

    def prepare(self) -> None:
        """Make and fill the tables."""
        with psycopg.connect(self._server.make_url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE pgbench")
        self._call("-i", "-q", "-s", str(PGBENCH_SCALE))

    def run(self, *, clients: int, seconds: int) -> float:
        """Return transactions per second."""
        output = self._call("-n", "-c", str(clients), "-j", "2", "-T", str(seconds))
        found = re.search(r"tps = ([0-9.]+)", output)
        assert found is not None, output
        return float(found.group(1))

    def _call(self, *options: str) -> str:
        done = subprocess.run(
            [self._program, *options], env=self._environ, capture_output=True, text=True, check=True, timeout=120
        )
        return done.stdout
