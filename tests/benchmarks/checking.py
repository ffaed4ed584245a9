"""The check of one order on a graph of a million edges."""

import itertools
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.benchmarks.measuring import Row, at_most, percentile, say, time_calls
from tests.benchmarks.teams import plant
from tuike import risk
from tuike.app import App
from tuike.risk.checks.model import Facts
from tuike.risk.checks.rules import decide_findings
from tuike.risk.checks.service import look_in_graph
from tuike.shared import clock

BUYERS = 100_000
ORDERS = 250_000
USES = 500_000
PROMOTERS = 2_000
CALLS = 1_000
_BATCH = 5_000
_NOW = datetime(2026, 11, 1, 4, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Whom orders can be about: promoters as (promoter, person), and buyers."""

    promoters: Sequence[tuple[str, str]]
    buyers: Sequence[str]


def measure(app: App) -> list[Row]:
    """Return the rows of the median and of the slowest check in a hundred."""
    crowd = _plant(app)
    say("checking single orders")
    with app.db.transaction() as tx:
        rules = risk.list_rules(tx)
    cycles = next(rule for rule in rules if rule.id == "purchase_cycle")
    asked = itertools.cycle(list(_make_facts(crowd, CALLS)))
    found = 0

    def check() -> None:
        nonlocal found
        facts = next(asked)
        (seen,) = look_in_graph(app.graph, found=[facts], cycles=cycles)
        found += bool(decide_findings(facts, seen, rules))

    taken, ask = time_calls(check, app.graph.check, count=CALLS, warm_up=300)
    say(f"{found:,} checks found something")
    p50, one = statistics.median(taken), statistics.median(ask)
    p99, slow = percentile(taken, 99), percentile(ask, 99)
    return [
        at_most("check of an order, 1M edges, p50", p50, "ms", f"RETURN 1 over Bolt, p50 {one:.2f} ms", p50 / one, 2),
        at_most("check of an order, 1M edges, p99", p99, "ms", f"RETURN 1 over Bolt, p99 {slow:.2f} ms", p99 / slow, 4),
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


def _plant(app: App) -> Crowd:
    tree = plant(app, "checking", (PROMOTERS,))
    say(f"planting {2 * ORDERS + USES:,} edges")
    chance = random.Random(7)
    promoters = [(promoter_id, f"checking-{promoter_id}") for promoter_id in tree.levels[0]]
    buyers = [f"checked-{number}" for number in range(BUYERS)]
    persons = [*buyers, *(person for _, person in promoters)]
    keys = [f"{index:064x}" for index in range(USES * 4 // 5)]
    since = clock.to_micros(_NOW - timedelta(days=80))

    def write(name: str, rows: Iterator[dict[str, Any]]) -> None:
        while batch := list(itertools.islice(rows, _BATCH)):
            app.graph.write(name, rows=batch)

    write(
        "graph.merge_identifiers",
        ({"key": f"device:{key}", "kind": "device", "digest": key} for key in keys),
    )
    orders = [(f"planted-{number}", chance.choice(persons), chance.choice(promoters)[0]) for number in range(ORDERS)]
    write(
        "graph.create_orders",
        ({"id": order_id, "buyer_id": buyer, "placed_at": since} for order_id, buyer, _ in orders),
    )
    write(
        "graph.credit_orders",
        ({"id": order_id, "promoter_id": promoter_id, "model": "last", "reason": "last_touch"}
         for order_id, _, promoter_id in orders),
    )  # fmt: skip
    write(
        "graph.use_identifiers_as_users",
        ({"account": chance.choice(persons), "key": f"device:{keys[number % len(keys)]}", "first_at": since,
          "last_at": since, "times": 1} for number in range(USES)),
    )  # fmt: skip
    return Crowd(promoters, buyers)
