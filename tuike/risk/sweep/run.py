"""The sweep itself: read, look, decide, write; each stage with its seconds."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tuike.risk.model import Case, Settings
from tuike.risk.sweep import (
    cases,
    clusters,
    evidence,
    hubs,
    lockstep,
    meeting,
    touching,
    trade,
    weighing,
)
from tuike.risk.sweep.memory import keep_memory
from tuike.risk.sweep.reading import read_world
from tuike.risk.sweep.world import World
from tuike.risk.sweep.writing import write_results

Progress = Callable[[str, int, int | None], None]
_STAGES = (
    "reading",
    "gathering",
    "linking",
    "circles",
    "clusters",
    "describing",
    "fitting",
    "touches",
    "lockstep",
    "deciding",
)


class Sweep:
    """What a sweep of one world found."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.world, self.settings = world, settings
        self.cases: list[Case] = []
        self.scores = np.zeros(world.accounts)
        self.counts: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self.purchases: trade.Purchases | None = None
        self.weighed: tuple[hubs.Dealings, hubs.Fit, weighing.Weighed, Any, Any] | None = None
        """What the odds were made of, with the columns of hub and promoter: for learning the weights."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 4)


def sweep_world(world: World, *, settings: Settings | None = None, progress: Progress = lambda *_: None) -> Sweep:
    """Find the rings in a world; neither the order of its rows nor the spelling of its ids changes the answer."""
    keep_memory()
    sweep = Sweep(world, settings or Settings())
    settings = sweep.settings

    def stage(name: str) -> Any:
        progress(name, _STAGES.index(name), len(_STAGES))
        return sweep.stage(name)

    with stage("gathering"):
        purchases = trade.gather_purchases(world)
        sweep.purchases = purchases
    with stage("linking"):
        links = trade.find_links(world, settings)
    with stage("circles"):
        circles = clusters.find_circles(world, purchases, links, settings)
    with stage("clusters"):
        hub_of, promoter_of, count = clusters.add_clusters(world, purchases, links, circles.number, settings)
        is_single = np.arange(count) < world.promoters
    with stage("describing"):
        dealings = hubs.describe_dealings(world, purchases, links, (hub_of, promoter_of), count, circles)
    with stage("fitting"):
        fit = hubs.fit(dealings, count, is_single)
        seats = clusters.measure_seats(world, links, hub_of, promoter_of, count)
        career = hubs.measure_careers(world, purchases, dealings, fit, (hub_of, promoter_of))
        inside = np.flatnonzero(fit.share >= settings.score_flagged)
        members = dealings.hub[inside], dealings.buyer[inside]
        company = clusters.measure_company(world, purchases, hub_of, promoter_of, members, count)
        purses, devices = hubs.count_shared(world, dealings, fit, (trade.PERSONAL, trade.STRONG - trade.PERSONAL))
    with stage("touches"):
        suspects, forced = touching.find_forced(world, purchases, links)
        suspects += touching.find_unopened(world, purchases, links) + touching.find_paced(world, purchases, links)
        accused = np.array([promoter for one in suspects for promoter in one.promoters.tolist()], np.int64)
        suspects += touching.find_relays(world, purchases)
    with stage("lockstep"):
        blocks, goods = lockstep.find_blocks(world, purchases, settings)
        met = meeting.measure_meetings(world, goods, members, (hub_of, promoter_of), count)
    with stage("deciding"):
        closed = np.bincount(hub_of, circles.closed[promoter_of], count)
        steps = lockstep.measure_steps(blocks, members, (hub_of, promoter_of), world.buyers, count)
        usual_orders = float(dealings.orders[is_single[dealings.hub]].mean()) if dealings.hub.size else 1.0
        bonds = weighing.Bonds(company, closed, *steps, met, purses, devices)
        weighed = weighing.weigh_hubs(dealings, fit, seats, bonds, career, hub_of, usual_orders)
        sweep.weighed = dealings, fit, weighed, hub_of, promoter_of
        found = cases.find_convicted(dealings, fit, seats, weighed, hub_of, promoter_of, forced, accused)
        found += cases.convict_blocks(blocks)
        found += cases.convict_suspects(suspects)
        sweep.cases = cases.build_cases(world, found, settings)
        _score_accounts(sweep, dealings, fit, weighed, hub_of, promoter_of)
    sweep.counts = {
        "promoters": world.promoters, "buyers": world.buyers, "orders": len(world.orders.order_ids),
        "hubs": count, "dealings": int(dealings.hub.size), "links": int(links.left.size),
        "cycles": int(circles.cycles.sum()), "blocks": len(blocks), "cases": len(sweep.cases),
        "flagged": sum(member.flagged for case in sweep.cases for member in case.members),
    }  # fmt: skip
    return sweep


def _score_accounts(
    sweep: Sweep, dealings: hubs.Dealings, fit: hubs.Fit, weighed: weighing.Weighed, hub_of: Any, promoter_of: Any
) -> None:
    """Score everybody: who is in no case stays below the line, the nearer to it the more suspicious the hub."""
    world, scores = sweep.world, sweep.scores
    strength = np.minimum(
        1.0 / (1.0 + np.exp(-np.clip(weighed.odds / 2.0, -30.0, 30.0))), sweep.settings.score_flagged - 0.01
    )
    np.maximum.at(scores, dealings.buyer + world.promoters, fit.share * strength[dealings.hub])
    np.maximum.at(scores, promoter_of, strength[hub_of])
    for case in sweep.cases:
        for member in case.members:
            if member.flagged:
                scores[member.account] = max(sweep.settings.score_flagged, min(1.0, member.score))


def sweep_files(
    source: Path, target: Path, *, settings: Settings | None = None, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Sweep the CSV files in `source` and write the findings into `target`; returns the report.

    Raises: InputFault when a file cannot be used, naming file, line and column; nothing is written then.
    """
    began = time.perf_counter()
    world = read_world(source, progress=progress)
    reading = time.perf_counter() - began
    sweep = sweep_world(world, settings=settings, progress=progress)
    progress("writing", len(_STAGES), len(_STAGES))
    seconds = {"reading": round(reading, 4), **sweep.seconds}
    with sweep.stage("explaining"):
        tables = evidence.list_tables(sweep)
    seconds |= {"explaining": sweep.seconds["explaining"], "total": round(time.perf_counter() - began, 4)}
    report = {
        "counts": {"rows": world.rows, **sweep.counts},
        "seconds": seconds,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "settings": asdict(sweep.settings),
        "lockstep": lockstep.get_bars(),
        "traits": hubs.get_settings_of_traits(sweep.settings),
        "odds": weighing.get_weights() | cases.get_bars(),
        "warnings": world.warnings,
    }
    write_results(target, tables, report)
    return report
