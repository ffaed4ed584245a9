"""Uplines, team sizes and pages of a team, and joining below one hot inviter."""

import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from tests.benchmarks.client import Client
from tests.benchmarks.measuring import Row, at_least, at_most, medians, run_threads, say, time_calls
from tests.stacks import Stack
from tuike import team
from tuike.app import App
from tuike.shared import clock, ids

LEVELS = (30_000, 20_000, 10_000)
SMALL_LEVELS = (3, 2, 1)
CALLS = 600
MANY = 1_000
JOIN_SECONDS = 2.0
JOIN_ROUNDS = 4
JOIN_CLIENTS = 8


@dataclass(frozen=True, slots=True)
class Tree:
    """A promoter with its team, level by level."""

    top: str
    levels: Sequence[Sequence[str]]

    @property
    def size(self) -> int:
        return sum(len(level) for level in self.levels)


def measure(app: App, server: str) -> list[Row]:
    """Return the rows of reading uplines and teams on one graph server."""
    hub, small = plant(app, "hub", LEVELS), plant(app, "small", SMALL_LEVELS)
    say(f"reading uplines and teams on {server}")
    return [*_measure_uplines(app, hub, server), *_measure_teams(app, hub, small, server)]


def _measure_uplines(app: App, hub: Tree, server: str) -> list[Row]:
    lowest = hub.levels[-1][:MANY]
    turn = itertools.cycle(lowest)
    one, ask = medians(
        time_calls(
            lambda: team.list_upline(app.graph, promoter_id=next(turn)), app.graph.check, count=CALLS, warm_up=400
        )
    )
    uplines = team.list_uplines(app.graph, promoter_ids=lowest)
    assert all(len(upline) == 3 for upline in uplines.values())

    def read_singly() -> None:
        for promoter_id in lowest:
            team.list_upline(app.graph, promoter_id=promoter_id)

    at_once, singly = medians(
        time_calls(lambda: team.list_uplines(app.graph, promoter_ids=lowest), read_singly, count=7, warm_up=2, chunk=1)
    )
    return [
        at_most(f"upline of one, p50, {server}", one, "ms", f"RETURN 1 over Bolt: {ask:.2f} ms", one / ask, 1.3),
        at_least(
            f"uplines of {MANY:,} in one call, {server}", at_once, "ms", f"{MANY:,} single calls: {singly:,.0f} ms",
            singly / at_once, 20,
        ),
    ]  # fmt: skip


def _measure_teams(app: App, hub: Tree, small: Tree, server: str) -> list[Row]:
    for tree in (hub, small):
        sizes = team.get_team_sizes(app.graph, promoter_id=tree.top)
        assert list(sizes.values()) == [len(level) for level in tree.levels], sizes
    large_size, small_size = medians(
        time_calls(
            lambda: team.get_team_sizes(app.graph, promoter_id=hub.top),
            lambda: team.get_team_sizes(app.graph, promoter_id=small.top),
            count=CALLS,
        )
    )
    large_page, small_page = medians(
        time_calls(
            lambda: team.list_team(app.graph, promoter_id=hub.top, limit=50),
            lambda: team.list_team(app.graph, promoter_id=small.top, limit=50),
            count=CALLS // 2,
        )
    )
    return [
        at_most(
            f"team size of a hub with {hub.size:,} below, p50, {server}", large_size, "ms",
            f"of a promoter with {small.size}: {small_size:.2f} ms", large_size / small_size, 1.5,
        ),
        at_most(
            f"first page of that hub's team, p50, {server}", large_page, "ms",
            f"of the team of {small.size}: {small_page:.2f} ms", large_page / small_page, 2,
        ),
    ]  # fmt: skip


def measure_joining(stack: Stack, key: str) -> list[Row]:
    """Return the row of joining below one hot inviter over HTTP."""
    say("joining below one hot inviter")
    clients = [Client(stack.url, key) for _ in range(JOIN_CLIENTS)]
    numbers = itertools.count(1)

    def join(client: Client, inviter_id: str | None) -> str:
        number = next(numbers)
        body = {"external_id": f"joining-{number}", "name": "Joining", "inviter_id": inviter_id}
        return str(client.post("/promoters", body)["id"])

    hot = join(clients[0], None)
    others = [join(clients[0], None) for _ in range(200)]
    turn = itertools.cycle(others)

    def join_below_hot(number: int) -> int:
        end, joined = time.perf_counter() + JOIN_SECONDS, 0
        while time.perf_counter() < end:
            join(clients[number], hot)
            joined += 1
        return joined

    many_rates, one_rates = [], []
    for number in range(JOIN_ROUNDS + 1):
        counts = [0] * JOIN_CLIENTS

        def work(place: int, counts: list[int] = counts) -> None:
            counts[place] = join_below_hot(place)

        seconds = run_threads(work, JOIN_CLIENTS)
        many = sum(counts) / seconds
        begun, joined = time.perf_counter(), 0
        while time.perf_counter() - begun < JOIN_SECONDS:
            join(clients[0], next(turn))
            joined += 1
        one = joined / (time.perf_counter() - begun)
        if number:
            many_rates.append(many)
            one_rates.append(one)
    size = clients[0].get(f"/promoters/{hot}/team/size")["levels"]["1"]
    say(f"{size:,} below the hot inviter")
    for client in clients:
        client.close()
    ratio = statistics.median(many / one for many, one in zip(many_rates, one_rates, strict=True))
    one = statistics.median(one_rates)
    name = f"joining below one hot inviter, {JOIN_CLIENTS} clients"
    yardstick = f"one client on different inviters: {one:,.0f} /s"
    return [at_least(name, statistics.median(many_rates), "promoters/s", yardstick, ratio, 0.7)]


def plant(app: App, name: str, levels: Sequence[int]) -> Tree:
    """Bring a promoter with a team of that shape into PostgreSQL and graph, and return it."""
    say(f"planting a team of {sum(levels):,}")
    now = clock.read_clock()
    top = ids.new_id("promoter")
    tree = Tree(top, [[ids.new_id("promoter") for _ in range(count)] for count in levels])
    inviters: dict[str, str | None] = {top: None}
    above: Sequence[str] = [top]
    for level in tree.levels:
        inviters |= {promoter_id: above[place % len(above)] for place, promoter_id in enumerate(level)}
        above = level
    with psycopg.connect(app.config.database_url) as connection:
        cursor = connection.cursor()
        columns = "id, external_id, name, invite_code, status, inviter_at_joining, joined_at"
        with cursor.copy(f"COPY promoters ({columns}) FROM STDIN") as copy:
            for promoter_id, inviter_id in inviters.items():
                copy.write_row((promoter_id, f"{name}-{promoter_id}", name, promoter_id, "active", inviter_id, now))
        with cursor.copy("COPY journal (lane, kind, id, subject, payload, recorded_at) FROM STDIN") as copy:
            for promoter_id, inviter_id in inviters.items():
                payload = {
                    "external_id": f"{name}-{promoter_id}",
                    "promoter_id": promoter_id,
                    "status": "active",
                    "inviter_id": inviter_id,
                    "binding_id": None if inviter_id is None else ids.new_id("binding"),
                    "at": clock.to_micros(now),
                }
                copy.write_row((0, "promoter", promoter_id, promoter_id, Jsonb(payload), now))
    with psycopg.connect(app.config.database_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    team.catch_up(app.db, app.graph)
    return tree
