"""The check of one order on a graph of a million edges, and what it changes in cases beside a sweep of the same shop."""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.benchmarks.measuring import Row, at_least, at_most, percentile, say, time_calls
from tests.benchmarks.teams import plant
from tests.stacks import start_stack
from tuike import risk
from tuike.app import App, build_app
from tuike.config import Config
from tuike.embedded import DataDirectory
from tuike.risk import CaseMember, Evidence, FoundCase
from tuike.risk.checks.model import Facts
from tuike.risk.checks.rules import decide_findings
from tuike.risk.checks.service import look_in_graph
from tuike.shared import clock

BUYERS = 100_000
ORDERS = 250_000
USES = 500_000
PROMOTERS = 2_000
CALLS = 1_000
CASES = 200
CASE_BUYERS = 12
_NOW = datetime(2026, 11, 1, 4, tzinfo=UTC)
_WARM_UP = 8_000
"""A server that has just started reads its pages and compiles its queries for the first minute: it is let."""
_WARM_UP_ORDERS = 300


@dataclass(slots=True)
class Crowd:
    """Whom orders can be about: promoters as (promoter, person), buyers, and the orders that are still to be checked."""

    promoters: Sequence[tuple[str, str]]
    buyers: Sequence[str]
    fresh: list[str] = field(default_factory=list)


def measure(directory: Path) -> list[Row]:
    """Return the rows of the check, of the update of cases by one order, and the sweep that it is compared with."""
    with start_stack(directory) as stack, closing(_open_app(directory)) as app:
        tree = plant(app, "checking", (PROMOTERS,))
        crowd = Crowd([(promoter_id, f"checking-{promoter_id}") for promoter_id in tree.levels[0]],
                      [f"checked-{number}" for number in range(BUYERS)])  # fmt: skip
        document = _make_world(app, crowd)
        stack.stop()
    say(f"loading {sum(len(edges) for edges in document['edges'].values()):,} edges")
    _load_graph(directory, document)
    with start_stack(directory), closing(_open_app(directory)) as app:
        return [*_measure_checks(app, crowd), *_measure_updates(app, crowd)]


def _open_app(directory: Path) -> App:
    note = DataDirectory(directory).read_note()
    assert note is not None
    return build_app(note.apply_to(Config()))


def _measure_checks(app: App, crowd: Crowd) -> list[Row]:
    say("checking single orders")
    with app.db.transaction() as tx:
        rules = risk.list_rules(tx)
    cycles = next(rule for rule in rules if rule.id == "purchase_cycle")
    asked = iter(list(_make_facts(crowd, _WARM_UP + CALLS)))  # nobody is asked about twice
    found = 0

    def check() -> None:
        nonlocal found
        facts = next(asked)
        (seen,) = look_in_graph(app.graph, found=[facts], cycles=cycles)
        found += bool(decide_findings(facts, seen, rules))

    taken, ask = time_calls(check, app.graph.check, count=CALLS, warm_up=_WARM_UP)
    say(f"{found:,} checks found something")
    p50, one = statistics.median(taken), statistics.median(ask)
    p99, slow = percentile(taken, 99), percentile(ask, 99)
    return [
        at_most("check of an order, 1M edges, p50", p50, "ms", f"RETURN 1 over Bolt, p50 {one:.2f} ms", p50 / one, 2),
        at_most("check of an order, 1M edges, p99", p99, "ms", f"RETURN 1 over Bolt, p99 {slow:.2f} ms", p99 / slow, 4),
    ]


def _measure_updates(app: App, crowd: Crowd) -> list[Row]:
    """Time single orders as a worker takes them, alone, cases and all; then sweep the shop."""
    _plant_cases(app, crowd)
    say("checking single orders with their cases")
    taken = []
    for number, order_id in enumerate(crowd.fresh):
        begun = time.perf_counter()
        with app.db.transaction() as tx:
            done = risk.check_orders(tx, app.graph, keys=[order_id], now=_NOW)
        if number >= _WARM_UP_ORDERS:
            taken.append((time.perf_counter() - begun) * 1000)
        assert len(done) == 1
    with app.db.transaction() as tx:
        grown = sum(case.joined_orders_count for case in risk.list_cases(tx, limit=CASES).items)
    say(f"{grown:,} of {len(crowd.fresh):,} orders joined a case; sweeping the shop")
    begun = time.perf_counter()
    run = risk.sweep_living(app.db, app.graph)
    seconds = time.perf_counter() - begun
    mean = statistics.mean(taken)
    say(f"swept {run.counts} in {seconds:.1f} s: {run.seconds}")
    yardstick = f"a full sweep of the same shop: {seconds:,.1f} s"
    return [
        at_least("update of risk by one new order, mean", mean, "ms", yardstick, seconds * 1000 / mean, 1_000),
    ]


def _make_facts(crowd: Crowd, count: int) -> Iterator[Facts]:
    """Make orders of which one in ten is a promoter's own purchase through another."""
    chance = random.Random(3)
    for number in range(count):
        promoter_id, person = chance.choice(crowd.promoters)
        own = chance.choice(crowd.promoters) if number % 10 == 0 else None
        yield Facts(
            order_id=f"new-{number}", buyer_id=own[1] if own else chance.choice(crowd.buyers), promoter_id=promoter_id,
            persons=((promoter_id, person),), buyer_promoter_id=own[0] if own else None, goods_minor=5_000,
            placed_at=_NOW, touch_id=None, touched_at=None, device_key=None, ip_key=None,
        )  # fmt: skip


def _make_world(app: App, crowd: Crowd) -> dict[str, Any]:
    """Write the shop's rows into PostgreSQL and return the nodes and edges that its graph consists of."""
    chance = random.Random(7)
    persons = [*crowd.buyers, *(person for _, person in crowd.promoters)]
    keys = [f"{index:064x}" for index in range(USES * 4 // 5)]
    at = clock.to_micros(_NOW - timedelta(days=80))
    orders = [
        (f"planted-{number:07}", chance.choice(persons), chance.choice(crowd.promoters)[0]) for number in range(ORDERS)
    ]
    crowd.fresh = [f"zfresh-{number:05}" for number in range(CALLS)]
    fresh = [
        (order_id, *(_list_of_case(crowd, number) if number % 5 == 0 else
                     (chance.choice(crowd.buyers), chance.choice(crowd.promoters)[0])))
        for number, order_id in enumerate(crowd.fresh)
    ]  # fmt: skip
    uses = [(chance.choice(persons), keys[number % len(keys)]) for number in range(USES)]
    say(f"writing {ORDERS:,} orders")
    with psycopg.connect(app.config.database_url) as connection:
        _copy_orders(connection, orders, days_ago=(1, 80), checked=True)
        _copy_orders(connection, fresh, days_ago=(0, 1), checked=False)
        with connection.cursor().copy(
            "COPY journal (lane, kind, id, subject, payload, recorded_at, status) FROM STDIN"
        ) as copy:
            for person in {person for person, _ in uses}:  # one of each is how the export finds who used anything
                copy.write_row((1, "identifier", f"use-{person}", person, Jsonb({}), _NOW, "applied"))
    with psycopg.connect(app.config.database_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    owner = dict(crowd.promoters)
    use = {"first_at": at, "last_at": at, "times": 1}
    credit = {"model": "last", "reason": "last_touch"}
    return {
        "nodes": {
            "User": [{"id": person} for person in persons],
            "Order": [{"id": order_id, "placed_at": at} for order_id, _, _ in orders],
            "Identifier": [{"key": f"device:{key}", "kind": "device", "digest": key} for key in keys],
        },
        "edges": {
            "PLACED": [(f"User:{buyer}", f"Order:{order_id}", {}) for order_id, buyer, _ in orders],
            "CREDITED_TO": [(f"Order:{order_id}", f"User:{owner[one]}", credit) for order_id, _, one in orders],
            "USED": [(f"User:{person}", f"Identifier:device:{key}", use) for person, key in dict.fromkeys(uses)],
        },
    }


def _copy_orders(
    connection: psycopg.Connection, orders: Sequence[tuple[str, str, str]], *, days_ago: tuple[int, int], checked: bool
) -> None:
    chance = random.Random(11)
    minutes = [chance.randrange(days_ago[0] * 1440, days_ago[1] * 1440) for _ in orders]
    instants = [_NOW - timedelta(minutes=ago) for ago in minutes]
    columns = (
        "id, external_id, buyer_id, currency, status, goods_minor, shipping_minor, plan_name, plan_version, "
        "attribution_state, attribution_promoter_id, attribution_model, attribution_reason, payment_id, placed_at, "
        "paid_at, created_at"
    )
    cursor = connection.cursor()
    with cursor.copy(f"COPY orders ({columns}) FROM STDIN") as copy:
        for (order_id, buyer, promoter), at in zip(orders, instants, strict=True):
            copy.write_row((order_id, order_id, buyer, "CNY", "paid", 5_000, 0, "default", 1, "resolved", promoter,
                            "last", "last_touch", order_id, at, at, at))  # fmt: skip
    with cursor.copy("COPY order_lines (order_id, no, sku, quantity, amount_minor) FROM STDIN") as copy:
        for order_id, _, _ in orders:
            copy.write_row((order_id, 0, f"sku-{chance.randrange(2_000)}", 1, 5_000))
    split = "order_id, merchant_id, currency, base_minor, holding_days, promoter_ids, rates_bps, amounts_minor, lines, trace"
    with cursor.copy(f"COPY commission_splits ({split}) FROM STDIN") as copy:
        for order_id, _, promoter in orders:
            row = (order_id, "main", "CNY", 5_000, 7, [promoter, None, None], [1_000, 300, 0], [500, 0, 0])
            copy.write_row((*row, Jsonb([]), Jsonb([])))
    if checked:
        columns = "order_id, buyer_id, promoter_id, placed_at, outcome, dry_outcome, checked_at"
        with cursor.copy(f"COPY risk_checks ({columns}) FROM STDIN") as copy:
            for (order_id, buyer, promoter), at in zip(orders, instants, strict=True):
                copy.write_row((order_id, buyer, promoter, at, "pass", "pass", at))


def _list_of_case(crowd: Crowd, number: int) -> tuple[str, str]:
    """Return the buyer and the promoter of an order among the members of a case."""
    case = number % CASES
    return crowd.buyers[case * CASE_BUYERS + number % CASE_BUYERS], crowd.promoters[case][0]


def _plant_cases(app: App, crowd: Crowd) -> None:
    say(f"opening {CASES:,} cases")
    found = []
    for case in range(CASES):
        buyers = crowd.buyers[case * CASE_BUYERS : (case + 1) * CASE_BUYERS]
        members = (
            CaseMember("promoter", crowd.promoters[case][0], "beneficiary", 0.9, accused=True),
            *(CaseMember("buyer", buyer, "buyer", 0.8, accused=True) for buyer in buyers),
        )
        edges = tuple(Evidence("buyer", buyer, "used", "device", f"{case:064x}", 1.0) for buyer in buyers)
        found.append(FoundCase("star", 0.9, 0, 0, "", members, edges))
    with app.db.transaction() as tx:
        risk.merge_found(tx, found=found, sweep_id=_add_sweep(app), now=_NOW)
    with psycopg.connect(app.config.database_url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def _add_sweep(app: App) -> str:
    with psycopg.connect(app.config.database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO risk_sweeps (id, state, started_at) VALUES ('rsw_0', 'done', now())")
    return "rsw_0"


def _load_graph(directory: Path, document: dict[str, Any]) -> None:
    (database,) = (path for path in directory.glob("*/databases/*") if path.is_dir())
    command = [sys.executable, "-m", "tests.benchmarks.graph_loading", str(database)]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with (directory / "loading.log").open("wb") as log:  # the loader writes its own log where it runs
        subprocess.run(command, input=json.dumps(document).encode(), check=True, cwd=directory, env=environ, stdout=log,
                       stderr=log)  # fmt: skip
