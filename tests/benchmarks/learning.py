"""Learns what the kinds of evidence weigh on two simulators' worlds, and leaves each documented fraud out in turn.

`python -m tests.benchmarks.learning` writes `build/learnt.json`, to be put at `tuike/risk/sweep/learnt.json`, and tells
for each fraud how many of its rings are found by what was learnt without it: by their hubs, and by whole sweeps of other
worlds. Held-out frauds are never planted here. The worlds are not those of the benchmark. It wants the extra `learn`.
"""

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import lightgbm
import numpy as np
from scipy.optimize import minimize

from tests.benchmarks import bazaar
from tuike.risk import worlds
from tuike.risk.sweep import read_world, sweep_files, sweep_world, weighing
from tuike.risk.sweep.learnt import FILE, Learnt
from tuike.risk.sweep.weighing import FEATURES, FREE

PRIOR, PULL = 0.15, 1e-3
TREES = 600
GROWING = {
    "objective": "binary", "num_leaves": 4, "max_depth": 2, "learning_rate": 0.1, "min_data_in_leaf": 20,
    "lambda_l2": 1.0, "feature_fraction": 0.5, "feature_fraction_bynode": 0.5, "boost_from_average": False,
    "monotone_constraints": [1] * (len(FEATURES) - FREE) + [0] * FREE, "monotone_constraints_method": "advanced",
    "seed": 0, "deterministic": True, "force_row_wise": True, "num_threads": 2, "verbose": -1,
}  # fmt: skip
"""How trees are grown: no kind of evidence may speak against a ring in them either."""
HEADS, FLOOR = 4.0, 3.0
"""A wrong hub is as bad as it has accounts, in fours; a small one counts as twelve: friends fear it most."""
SCALE_MIN = 0.1
"""What the lessons hardly show is not trusted beyond what its nats say."""
DIGITS, HALF = 6, 5e-7
HIT, CLEAN = 0.5, 0.1
SETS, APART = 6, 300_000
BUILT = Path("build") / FILE


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


def list_plans() -> list[Plan | bazaar.Shop]:
    """Return the worlds to learn from: several sets that differ in nothing but their seeds."""
    hosts = list(worlds.HOSTS)
    plans: list[Plan | bazaar.Shop] = [
        Plan(host, "small", rate, 3000 + 100 * n + m) for n, rate in enumerate((0.03, 0.05, 0.04, 0.04, 0.0, 0.0))
        for m, host in enumerate(hosts)
    ]  # fmt: skip
    plans += [Plan(host, "medium", 0.007, 3700 + n) for n, host in enumerate(hosts)]
    plans += [Plan(host, "medium", 0.02, 3800 + n) for n, host in enumerate(hosts)]
    plans += bazaar.list_shops()
    return [replace(plan, seed=plan.seed + APART * number) for number in range(SETS) for plan in plans]


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


def fit(lessons: list[Lesson], *, without: str = "") -> Learnt:
    """Return what is learnt; `without` names a fraud to leave out.

    A hub is a ring when their accounts overlap by half, and honest when hardly any cheat is in it; others teach nothing.
    Victims are no matter of hubs.
    """
    rows, truth, counts = [], [], []
    heads = FEATURES.index("accounts")
    for lesson in lessons:
        fraud = np.array([*lesson.frauds, ""])[lesson.ring]
        is_ring, is_honest = lesson.overlap >= HIT, lesson.bad < CLEAN
        use = (is_ring | is_honest) & (fraud != "touch_stuffing") & ((fraud != without) | (lesson.ring < 0))
        rows.append(lesson.features[use])
        truth.append(is_ring[use])
        accounts = np.exp(lesson.features[use, heads])
        counts.append(np.where(is_ring[use], 2.0, np.clip(accounts / HEADS, FLOOR, 20.0)))
    # A sum of fractions differs in its last digits with the order of rows: bars stand half-way between rounded values.
    x, y, count = np.concatenate(rows).round(DIGITS), np.concatenate(truth).astype(np.float64), np.concatenate(counts)
    weights, bias = _fit_weights(x, y, count)
    return Learnt(bias, weights, *_grow_trees(x, y, count, x @ weights + bias))


def _fit_weights(x: np.ndarray, y: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the weights and bias of a logistic regression in which no evidence speaks against a ring."""
    scale = np.maximum(x.std(axis=0), SCALE_MIN)
    scaled = np.column_stack((x / scale, np.ones(len(x))))
    bound = len(FEATURES) - FREE
    start = np.concatenate((np.full(bound, PRIOR), np.zeros(FREE + 1)))

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = scaled @ w
        away = w - start
        away[-1] = 0.0
        p = 1.0 / (1.0 + np.exp(-np.clip(z, -30, 30)))
        value = (count * (np.logaddexp(0, z) - y * z)).sum() / count.sum() + PULL * (away**2).sum()
        return float(value), scaled.T @ (count * (p - y)) / count.sum() + 2 * PULL * away

    bounds = [(0.0, None)] * bound + [(None, None)] * (FREE + 1)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000})
    return best.x[:-1] / scale, float(best.x[-1])


def _grow_trees(
    x: np.ndarray, y: np.ndarray, count: np.ndarray, odds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the questions, bars and additions of trees that correct the odds."""
    lessons = lightgbm.Dataset(x, y, weight=count / count.mean(), init_score=odds)
    model = lightgbm.train(GROWING, lessons, TREES).dump_model()
    asks, bars, adds = [], [], []
    for tree in model["tree_info"]:
        top = tree["tree_structure"]
        if "leaf_value" in top:
            continue
        sides = [top["left_child"], top["right_child"]]
        # A side without another question answers alike to any.
        questions = [top, *(side if "threshold" in side else top for side in sides)]
        asks.append([question["split_feature"] for question in questions])
        # Nothing is told from something a little above nothing.
        bars.append([question["threshold"] if abs(question["threshold"]) > HALF else HALF for question in questions])
        ends = [end for side in sides for end in (side.get("left_child", side), side.get("right_child", side))]
        adds.append([end["leaf_value"] for end in ends])
    return np.array(asks), np.array(bars), np.array(adds)


def count_found(lessons: list[Lesson], learnt: Learnt) -> dict[str, list[int]]:
    """Count, for each fraud, the rings that some hub above even odds is, those that some hub is, and all."""
    counts: dict[str, list[int]] = {}
    for lesson in lessons:
        odds = learnt.weigh(lesson.features)
        for n, fraud in enumerate(lesson.frauds):
            of = counts.setdefault(fraud, [0, 0, 0])
            is_it = (lesson.ring == n) & (lesson.overlap >= HIT)
            of[0] += bool((odds[is_it] >= 0).any())
            of[1] += bool(is_it.any())
            of[2] += 1
    return dict(sorted(counts.items()))


def count_wrong(lessons: list[Lesson], learnt: Learnt) -> int:
    """Count the hubs above even odds in which hardly anybody cheats."""
    return sum(int(((learnt.weigh(lesson.features) >= 0) & (lesson.bad < 0.3)).sum()) for lesson in lessons)


def try_without(task: tuple[str, int, Learnt]) -> tuple[str, int, int, int, int]:
    """Sweep a world of one fraud alone with what was learnt without it; returns rings found and planted, flags and hits."""
    fraud, again, weighing.LEARNT = task
    host = list(worlds.HOSTS)[(list(worlds.FRAUDS).index(fraud) + 3 * again) % 8]
    made = worlds.simulate_world(seed=4000 + again, host=host, frauds=(fraud,), fraud_rate=0.05, rings_max=6)
    with tempfile.TemporaryDirectory(prefix="tuike-without-") as scratch:
        worlds.write_world(made, Path(scratch))
        sweep_files(Path(scratch), Path(scratch) / "found")
        judged = worlds.judge_output(Path(scratch), Path(scratch) / "found")
    found, planted = judged.rings[fraud]
    return fraud, found, planted, judged.flagged, round((judged.precision or 0.0) * judged.flagged)


def leave_out(learnt: dict[str, Learnt], pool: ProcessPoolExecutor) -> Iterator[str]:
    """Tell how many rings of each fraud whole sweeps find by what was learnt without that fraud."""
    tasks = [(fraud, again, without) for fraud, without in learnt.items() for again in range(3)]
    totals = {fraud: np.zeros(4, np.int64) for fraud in learnt}
    for fraud, *counts in pool.map(try_without, tasks):
        totals[fraud] += counts
    for fraud, (found, planted, flagged, right) in totals.items():
        yield f"alone, learnt without {fraud}: {found} of {planted}, precision {right / max(1, flagged):.3f}"
    found, planted, flagged, right = sum(totals.values())
    yield f"all: {found} of {planted} = {found / planted:.3f}, precision {right / max(1, flagged):.3f}"


def main() -> None:
    """Learn, write and tell."""
    with ProcessPoolExecutor(2) as pool:
        lessons = list(pool.map(learn_from, list_plans()))
        learnt = fit(lessons)
        BUILT.parent.mkdir(exist_ok=True)
        BUILT.write_text(learnt.write(FEATURES))
        _print(f"found, to be found, all: {count_found(lessons, learnt)}")
        _print(f"honest hubs above even odds: {count_wrong(lessons, learnt)}")
        frauds = sorted({fraud for lesson in lessons for fraud in lesson.frauds})
        without = {fraud: fit(lessons, without=fraud) for fraud in frauds}
        for fraud in frauds:
            _print(f"without {fraud}: {count_found(lessons, without[fraud])[fraud]}")
        for line in leave_out(without, pool):
            _print(line)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
