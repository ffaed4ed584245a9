"""Learns the weights of the kinds of evidence on two simulators' worlds, and leaves each documented fraud out in turn.

`python -m tests.benchmarks.learning` prints the table for `tuike/risk/sweep/weights.py` and, for each fraud, how many
of its rings are found by weights that were learnt without it: by their hubs, and by whole sweeps of other worlds. Held-out frauds are never planted here. The worlds are
not those of the benchmark.
"""

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from tests.benchmarks import bazaar
from tuike.risk import worlds
from tuike.risk.sweep import read_world, sweep_files, sweep_world, weighing
from tuike.risk.sweep.weighing import FEATURES, FREE

PRIOR, PULL = 0.15, 1e-3
HEADS, FLOOR = 7.0, 3.0
"""A wrong hub is as bad as it has accounts, in sevens; a small one counts as 21: friends fear it most."""
SCALE_MIN = 0.1
"""What the lessons hardly show is not trusted beyond what its nats say."""
HIT, CLEAN = 0.5, 0.1


@dataclass(slots=True)
class Lesson:
    """The hubs of one world: features, the ring that each is (or -1), and whether it is honest."""

    features: np.ndarray
    ring: np.ndarray
    overlap: np.ndarray
    bad: np.ndarray
    frauds: list[str]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    host: str
    size: str
    rate: float
    seed: int


def list_plans() -> list[Plan]:
    """Return the worlds to learn from."""
    hosts = list(worlds.HOSTS)
    plans = [Plan(host, "small", rate, 3000 + 100 * n + m) for n, rate in enumerate((0.03, 0.05, 0.04, 0.04, 0.0, 0.0))
             for m, host in enumerate(hosts)]  # fmt: skip
    plans += [Plan(host, "medium", 0.007, 3700 + n) for n, host in enumerate(hosts)]
    return plans + [Plan(host, "medium", 0.02, 3800 + n) for n, host in enumerate(hosts)]


def learn_from(plan: Plan | bazaar.Shop) -> Lesson:
    """Make one world, sweep it, and say which of its hubs are rings."""
    with tempfile.TemporaryDirectory(prefix="tuike-learn-") as scratch:
        directory = Path(scratch)
        if isinstance(plan, bazaar.Shop):
            bazaar.make_shop(plan, directory)
        else:
            made = worlds.simulate_world(
                seed=plan.seed, size=worlds.Size(plan.size), host=plan.host, fraud_rate=plan.rate,
                frauds=("documented",) if plan.rate else ("none",))  # fmt: skip
            worlds.write_world(made, directory)
        return study(directory, worlds.read_truth(directory), str(plan))


def study(directory: Path, truth: worlds.Truth, name: str) -> Lesson:
    """Return what the sweep of a world says of its hubs beside the truth."""
    sweep = sweep_world(read_world(directory))
    assert sweep.weighed is not None
    world = sweep.world
    dealings, fit, weighed, hub_of, promoter_of = sweep.weighed
    number = {("promoter", name): n for n, name in enumerate(world.promoter_ids.to_pylist())}
    number |= {("buyer", name): n + world.promoters for n, name in enumerate(world.buyer_ids.to_pylist())}
    rings = [{number[a] for a in ring.members if a in number} for ring in truth.rings]
    hijacked = [{number[a] for a in ring.hijacked if a in number} for ring in truth.rings]
    of_account: dict[int, set[int]] = {}
    for n, ring in enumerate(rings):
        for account in ring:
            of_account.setdefault(account, set()).add(n)
    order = np.argsort(hub_of, kind="stable")
    starts = np.searchsorted(hub_of[order], np.arange(weighed.odds.size + 1))
    chosen = np.flatnonzero(np.isfinite(weighed.odds))
    found, overlap, bad = np.full(chosen.size, -1), np.zeros(chosen.size), np.zeros(chosen.size)
    for row, hub in enumerate(chosen.tolist()):
        first, last = dealings.starts[hub], dealings.starts[hub + 1]
        buyers = dealings.buyer[first:last][fit.share[first:last] >= HIT] + world.promoters
        accounts = set(promoter_of[order[starts[hub] : starts[hub + 1]]].tolist()) | set(buyers.tolist())
        for n in set().union(*(of_account.get(account, set()) for account in accounts)):
            alike = _measure(accounts, rings[n])
            if hijacked[n] and accounts - hijacked[n]:
                alike = max(alike, _measure(accounts - hijacked[n], rings[n] - hijacked[n]))
            if alike > overlap[row]:
                overlap[row], found[row] = alike, n
        bad[row] = sum(account in of_account for account in accounts) / len(accounts)
    return Lesson(weighed.features[chosen], found, overlap, bad, [ring.fraud for ring in truth.rings], name)


def _measure(left: set[int], right: set[int]) -> float:
    return len(left & right) / max(1, len(left | right))


def fit(lessons: list[Lesson], *, without: str = "") -> tuple[np.ndarray, float]:
    """Return weights and bias; `without` names a fraud to leave out.

    A hub is a ring when their accounts overlap by half, and honest when hardly any cheat is in it; others teach nothing.
    Victims are no matter of hubs.
    """
    rows, truth, weights = [], [], []
    heads = FEATURES.index("accounts")
    for lesson in lessons:
        fraud = np.array([*lesson.frauds, ""])[lesson.ring]
        is_ring, is_honest = lesson.overlap >= HIT, lesson.bad < CLEAN
        use = (is_ring | is_honest) & (fraud != "touch_stuffing") & ((fraud != without) | (lesson.ring < 0))
        rows.append(lesson.features[use])
        truth.append(is_ring[use])
        accounts = np.exp(lesson.features[use, heads])
        weights.append(np.where(is_ring[use], 2.0, np.clip(accounts / HEADS, FLOOR, 20.0)))
    x, y = np.concatenate(rows), np.concatenate(truth).astype(np.float64)
    scale = np.maximum(x.std(axis=0), SCALE_MIN)
    x = np.column_stack((x / scale, np.ones(len(x))))
    count = len(FEATURES)
    start = np.concatenate((np.full(count - FREE, PRIOR), np.zeros(FREE + 1)))
    weight = np.concatenate(weights)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ w
        away = w - start
        away[-1] = 0.0
        p = 1.0 / (1.0 + np.exp(-np.clip(z, -30, 30)))
        value = (weight * (np.logaddexp(0, z) - y * z)).sum() / weight.sum() + PULL * (away**2).sum()
        return float(value), x.T @ (weight * (p - y)) / weight.sum() + 2 * PULL * away

    bounds = [(0.0, None)] * (count - FREE) + [(None, None)] * (FREE + 1)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000})
    return best.x[:-1] / scale, float(best.x[-1])


def count_found(lessons: list[Lesson], weights: np.ndarray, bias: float) -> dict[str, list[int]]:
    """Count, for each fraud, the rings that some hub above even odds is, those that some hub is, and all."""
    counts: dict[str, list[int]] = {}
    for lesson in lessons:
        odds = lesson.features @ weights + bias
        for n, fraud in enumerate(lesson.frauds):
            of = counts.setdefault(fraud, [0, 0, 0])
            is_it = (lesson.ring == n) & (lesson.overlap >= HIT)
            of[0] += bool((odds[is_it] >= 0).any())
            of[1] += bool(is_it.any())
            of[2] += 1
    return dict(sorted(counts.items()))


def count_wrong(lessons: list[Lesson], weights: np.ndarray, bias: float) -> int:
    """Count the hubs above even odds in which hardly anybody cheats."""
    return sum(int(((lesson.features @ weights + bias >= 0) & (lesson.bad < 0.3)).sum()) for lesson in lessons)


def try_without(task: tuple[str, int, np.ndarray, float]) -> tuple[str, int, int, int, int]:
    """Sweep a world of one fraud alone with weights that never saw it; returns rings found and planted, flags and hits."""
    fraud, again, weights, bias = task
    weighing.WEIGHTS.update(zip(FEATURES, weights.tolist(), strict=True))
    weighing.BIAS = bias
    host = list(worlds.HOSTS)[(list(worlds.FRAUDS).index(fraud) + 3 * again) % 8]
    made = worlds.simulate_world(seed=4000 + again, host=host, frauds=(fraud,), fraud_rate=0.05, rings_max=6)
    with tempfile.TemporaryDirectory(prefix="tuike-without-") as scratch:
        worlds.write_world(made, Path(scratch))
        sweep_files(Path(scratch), Path(scratch) / "found")
        judged = worlds.judge_output(Path(scratch), Path(scratch) / "found")
    found, planted = judged.rings[fraud]
    return fraud, found, planted, judged.flagged, round((judged.precision or 0.0) * judged.flagged)


def leave_out(lessons: list[Lesson], pool: ProcessPoolExecutor) -> Iterator[str]:
    """Tell how many rings of each fraud whole sweeps find whose weights were learnt without that fraud."""
    frauds = sorted({fraud for lesson in lessons for fraud in lesson.frauds})
    learnt = {fraud: fit(lessons, without=fraud) for fraud in frauds}
    tasks = [(fraud, again, *learnt[fraud]) for fraud in frauds for again in range(3)]
    totals = {fraud: np.zeros(4, np.int64) for fraud in frauds}
    for fraud, *counts in pool.map(try_without, tasks):
        totals[fraud] += counts
    for fraud, (found, planted, flagged, right) in totals.items():
        yield f"alone, learnt without {fraud}: {found} of {planted}, precision {right / max(1, flagged):.3f}"
    found, planted, flagged, right = sum(totals.values())
    yield f"all: {found} of {planted} = {found / planted:.3f}, precision {right / max(1, flagged):.3f}"


def _tell(lessons: list[Lesson]) -> Iterator[str]:
    weights, bias = fit(lessons)
    yield "WEIGHTS = {"
    yield from (f'    "{name}": {weight:.3f},' for name, weight in zip(FEATURES, weights, strict=True))
    yield "}"
    yield f"BIAS = {bias:.3f}"
    yield f"found, to be found, all: {count_found(lessons, weights, bias)}"
    yield f"honest hubs above even odds: {count_wrong(lessons, weights, bias)}"
    for fraud in sorted({fraud for lesson in lessons for fraud in lesson.frauds}):
        counts = count_found(lessons, *fit(lessons, without=fraud))
        yield f"without {fraud}: {counts[fraud]}"


def main() -> None:
    """Learn and print."""
    with ProcessPoolExecutor(2) as pool:
        lessons = list(pool.map(learn_from, [*list_plans(), *bazaar.list_shops()]))
        for line in (*_tell(lessons), *leave_out(lessons, pool)):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
