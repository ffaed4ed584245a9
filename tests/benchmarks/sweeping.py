"""How long a sweep takes after loading, and exact counting of short cycles, beside networkx on the same graphs.

Each measurement runs in a process of its own on one core, so that memory is the sweep's alone. Seconds are those of the
processor, for ours and for the yardstick: neither waits for anything but memory.
"""

import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from tests.benchmarks.measuring import Row, at_least, at_most, say

SECONDS_MAX, TIMES_MAX, GIGABYTES_MAX, CYCLES_TIMES = 1.0, 12.0, 6.0, 500.0
CYCLE_LENGTH = 4
CYCLE_EDGES, CYCLE_VERTICES = 1_000_000, 250_000
CYCLE_PATIENCE_SECONDS = 240.0
BUYERS = {"1 M": 80_000, "10 M": 800_000}
ROUNDS = 3


def measure(*, everything: bool) -> list[Row]:
    """Sweep a world of a million edges, and with `everything` one of ten million; count cycles."""
    with tempfile.TemporaryDirectory(prefix="tuike-bench-sweep-") as scratch:
        small = _run_apart("sweep", Path(scratch), "1 M")
        rows = [
            at_most(
                f"sweep of {small['edges']:,} edges", small["seconds"], "s",
                f"networkx weak components {small['yardstick']:.2f} s", small["seconds"] / small["yardstick"], SECONDS_MAX,
            )
        ]  # fmt: skip
        if everything:
            large = _run_apart("sweep", Path(scratch), "10 M")
            gigabytes = large["peak_bytes"] / 1e9
            rows += [
                at_most(
                    f"sweep of {large['edges']:,} edges", large["seconds"], "s", f"{small['edges']:,} edges",
                    large["seconds"] / small["seconds"], TIMES_MAX,
                ),
                at_most(
                    "sweep, peak memory with loading", gigabytes, "GB", f"{GIGABYTES_MAX:g} GB",
                    gigabytes / GIGABYTES_MAX, 1.0,
                ),
            ]  # fmt: skip
    return [*rows, *_measure_cycles()]


def _run_apart(what: str, scratch: Path, size: str) -> dict[str, Any]:
    say(f"{what}: {size} edges")
    one_core = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.sweeping", str(scratch / size.replace(" ", "")), size],
        env=os.environ | one_core, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _sweep_one(directory: Path, size: str) -> dict[str, Any]:
    """Load a world, sweep it and let networkx find its weak components, in turns."""
    from tuike.risk import worlds
    from tuike.risk.model import Settings
    from tuike.risk.sweep import read_world, sweep_world

    maker = multiprocessing.get_context("spawn").Process(target=_make_world, args=(directory, BUYERS[size]))
    maker.start()
    maker.join()
    assert maker.exitcode == 0, "no world"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    _warm_up(directory.parent / "warm", worlds, read_world, sweep_world)
    world = read_world(directory)
    ours, theirs = [], []
    edges = _list_edges(world)
    graph = None
    for _ in range(ROUNDS):
        # What a world has derived from its columns before is forgotten.
        fresh = replace(world)
        begun = time.process_time()
        sweep_world(fresh, settings=Settings())
        ours.append(time.process_time() - begun)
        if size == "1 M":
            graph = graph or nx.DiGraph(edges.tolist())
            begun = time.process_time()
            assert sum(1 for _ in nx.weakly_connected_components(graph))
            theirs.append(time.process_time() - begun)
    return {
        "edges": int(edges.shape[0]), "seconds": statistics.median(ours),
        "yardstick": statistics.median(theirs) if theirs else None,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }  # fmt: skip


def _make_world(directory: Path, buyers: int) -> None:
    from tuike.risk import worlds

    made = worlds.simulate_world(seed=71, size=worlds.Size.LARGE, host="longtail", buyers=buyers)
    worlds.write_world(made, directory)


def _warm_up(directory: Path, worlds: Any, read_world: Any, sweep_world: Any) -> None:
    """Compile the kernels before anything is measured."""
    worlds.write_world(worlds.simulate_world(seed=72, host="longtail"), directory)
    sweep_world(read_world(directory))


def _list_edges(world: Any) -> np.ndarray:
    """Return the distinct edges that rows tell: dealings, goods bought, touches, uses of identifiers, invitations."""
    buyers_from = world.promoters
    goods_from = buyers_from + world.buyers
    tokens_from = goods_from + len(world.orders.sku_ids)
    lines, touches, shown = world.orders, world.touches, world.identifiers
    credited = lines.promoter >= 0
    sold = (lines.sku >= 0) & ~credited
    invited = np.flatnonzero(world.inviters >= 0)
    parts = [
        (lines.buyer[credited] + buyers_from, lines.promoter[credited]),
        (lines.buyer[sold] + buyers_from, lines.sku[sold] + goods_from),
        (touches.buyer + buyers_from, touches.promoter),
        (shown.account, shown.token + tokens_from),
        (world.inviters[invited], invited),
    ]
    pairs = np.concatenate([np.stack((left, right), axis=1).astype(np.int64) for left, right in parts])
    return np.unique(pairs[(pairs >= 0).all(axis=1)], axis=0)


def make_payments(edges: int, vertices: int, seed: int) -> np.ndarray:
    """Return distinct directed edges among people: heavy tails on both ends, and some that pay back."""
    rng = np.random.default_rng(seed)
    weight = (rng.pareto(1.6, vertices) + 0.3).clip(0, 400)
    cdf = np.cumsum(weight / weight.sum())
    pairs = np.searchsorted(cdf, rng.random((int(edges * 1.1), 2))).clip(0, vertices - 1)
    back = pairs[rng.random(len(pairs)) < 0.02][:, ::-1]
    pairs = np.concatenate((pairs, back))
    found = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return found[np.sort(rng.choice(len(found), min(edges, len(found)), replace=False))]


def count_cycles(edges: np.ndarray, vertices: int) -> list[int]:
    """Count the cycles of 2 to 4 vertices with the kernel of the sweep; by length."""
    from tuike.risk.sweep import kernels
    from tuike.risk.sweep.trade import to_starts

    found: np.ndarray = kernels.find_cycles(
        to_starts(edges[:, 0], vertices), edges[:, 1].copy(), np.zeros(len(edges), np.int64), CYCLE_LENGTH
    )
    return [int(number) for number in found]


def _measure_cycles() -> list[Row]:
    say("cycles: exactness on a small graph")
    few = make_payments(20_000, 5_000, 7)
    plain = [0] * (CYCLE_LENGTH + 1)
    for cycle in nx.simple_cycles(nx.DiGraph(few.tolist()), length_bound=CYCLE_LENGTH):
        plain[len(cycle)] += 1
    is_exact = plain == count_cycles(few, 5_000)
    edges = make_payments(CYCLE_EDGES, CYCLE_VERTICES, 8)
    ours = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        found = count_cycles(edges, CYCLE_VERTICES)
        ours.append(time.process_time() - begun)
    say(f"cycles: {sum(found):,} in {len(edges):,} edges; networkx gets {CYCLE_PATIENCE_SECONDS:.0f} s")
    taken, is_done = _time_networkx(edges)
    seconds = statistics.median(ours)
    yardstick = f"networkx {'' if is_done else 'more than '}{taken:.0f} s" + ("" if is_exact else ", COUNTS DIFFER")
    ratio = taken / seconds if is_exact else 0.0
    return [at_least(f"cycles ≤ 4 of {len(edges):,} edges", seconds, "s", yardstick, ratio, CYCLES_TIMES)]


def _time_networkx(edges: np.ndarray) -> tuple[float, bool]:
    """Return how long networkx looks for the same cycles, and whether it came to an end within our patience."""
    graph = nx.DiGraph(edges.tolist())
    begun = time.process_time()
    for number, _ in enumerate(nx.simple_cycles(graph, length_bound=CYCLE_LENGTH)):
        if number % 64 == 0 and time.process_time() - begun > CYCLE_PATIENCE_SECONDS:
            return time.process_time() - begun, False
    return time.process_time() - begun, True


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_sweep_one(Path(sys.argv[1]), sys.argv[2])) + "\n")
