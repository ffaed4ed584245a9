"""The worlds that detectors are tried on, and how one trial runs."""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuike import risk
from tuike.risk import worlds

OURS = "tuike"


@dataclass(frozen=True, slots=True)
class Trial:
    """One world. `part` says which table it belongs to: `worlds`, `silent`, `alone` or `held-out`."""

    part: str
    host: str
    size: str
    rate: float
    seed: int
    frauds: str = "documented"
    hiding: str = "usual"
    rings_max: int | None = None

    @property
    def name(self) -> str:
        frauds = "" if self.frauds == "documented" else f" {self.frauds}"
        hiding = "" if self.hiding == "usual" else f" {self.hiding}"
        return f"{self.host} {self.size} {100 * self.rate:g} %{frauds}{hiding} #{self.seed}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What each detector did on one world."""

    trial: Trial
    rows: int
    judgements: dict[str, worlds.Judgement]
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return {
            "world": self.trial.name, "rows": self.rows, **asdict(self.trial), "seconds": self.seconds,
            "detectors": {name: judgement.to_json() for name, judgement in self.judgements.items()},
        }  # fmt: skip


def list_trials(*, everything: bool) -> list[Trial]:
    """Return the worlds to try: about forty, or some two hundred."""
    hosts = list(worlds.HOSTS)
    trials = [Trial("worlds", host, "small", 0.03, 100 + n) for n, host in enumerate(hosts)]
    trials += [Trial("worlds", host, "medium", 0.007, 200 + n) for n, host in enumerate(hosts)]
    trials += [Trial("worlds", host, "medium", 0.02, 300 + n) for n, host in enumerate(hosts[::2])]
    trials += [Trial("worlds", host, "small", 0.007, 350 + n) for n, host in enumerate(hosts[1::3])]
    trials += [Trial("worlds", host, "large", 0.007, 400 + n) for n, host in enumerate(("town", "longtail"))]
    trials += [Trial("silent", host, "small", 0.0, 500 + n, frauds="none") for n, host in enumerate(hosts[::2])]
    documented = [name for name, fraud in worlds.FRAUDS.items() if not fraud.is_held_out]
    held_out = [name for name, fraud in worlds.FRAUDS.items() if fraud.is_held_out]
    for part, frauds, seed in (("alone", documented, 600), ("held-out", held_out, 700)):
        trials += [
            Trial(part, hosts[(n + 3 * again) % 8], "small", 0.05, seed + 50 * again + n, frauds=fraud, rings_max=6)
            for n, fraud in enumerate(frauds)
            for again in (0, 1)
        ]
    if everything:
        trials += [
            Trial("worlds", host, size, rate, 1000 + 10 * n, hiding=hiding)
            for n, host in enumerate(hosts)
            for size, rate in (("small", 0.01), ("medium", 0.007), ("medium", 0.03), ("large", 0.007))
            for hiding in (("easy", "usual", "hard") if size == "medium" else ("usual",))
        ]
        trials += [
            Trial(part, host, "medium", 0.02, 2000 + 100 * n + m, frauds=fraud, rings_max=20)
            for n, host in enumerate(("town", "longtail", "livestream", "few_ids"))
            for part, frauds in (("alone", documented), ("held-out", held_out))
            for m, fraud in enumerate(frauds)
        ]
    return trials


def run_trial(trial: Trial) -> Outcome:
    """Make the world, let every detector look at it, and judge them."""
    from tests.benchmarks.baselines import BASELINES, read_data

    with tempfile.TemporaryDirectory(prefix="tuike-world-") as scratch:
        world, output = Path(scratch) / "world", Path(scratch) / "output"
        simulated = worlds.simulate_world(
            seed=trial.seed, size=worlds.Size(trial.size), host=trial.host, frauds=(trial.frauds,),
            fraud_rate=trial.rate, knobs=worlds.LEVELS[trial.hiding],
            rings_max=trial.rings_max)  # fmt: skip
        rows = sum(worlds.write_world(simulated, world).values())
        truth = worlds.read_truth(world)
        begun = time.perf_counter()
        risk.sweep_files(world, output)
        seconds = {OURS: time.perf_counter() - begun}
        judgements = {OURS: worlds.judge_output(world, output)}
        data = read_data(world)
        for name, run in BASELINES.items():
            begun = time.perf_counter()
            verdicts = run(data, len(truth.fraudulent))
            seconds[name] = time.perf_counter() - begun
            judgements[name] = worlds.judge(truth, verdicts)
    return Outcome(trial, rows, judgements, {name: round(taken, 3) for name, taken in seconds.items()})
