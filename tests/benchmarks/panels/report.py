"""Sweeps the worlds with the command as it is shipped, judges, prints the tables and writes build/panels.json."""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.measuring import Row, at_least, at_most, say
from tests.benchmarks.panels.files import Scribe, write_world
from tests.benchmarks.panels.judge import EVERYBODY_ELSE, LINES, RingVerdict, Verdict, add_up, judge
from tests.benchmarks.panels.plan import Trial, make_world
from tests.benchmarks.panels.world import World

RESULT = Path(__file__).resolve().parents[3] / "build" / "panels.json"
PRECISION, RECALL, FALSE_POSITIVES = 0.97, 0.95, 0.002


def measure(trials: list[Trial], directory: Path, console: Console, *, keep: bool = False) -> list[Row]:
    """Make, sweep and judge the worlds below a directory; return the rows of the benchmark table."""
    verdicts = _run_all(trials, directory, keep=keep)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([v.to_json() for v in verdicts], indent=1) + "\n", encoding="utf-8")
    for show in (show_hosts, show_patterns, show_lookalikes, show_knobs, show_lines):
        console.print(show(verdicts))
    return _list_rows(verdicts)


def try_world(trial: Trial, directory: Path, keep: bool) -> Verdict:
    """Make one world, sweep it in a process of its own, judge it, and delete its files unless they are to be kept."""
    world = make_world(trial)
    files, output = directory / trial.name / "input", directory / trial.name / "output"
    write_world(world, files)
    command = [
        str(Path(sys.executable).parent / "tuike"),
        "risk",
        "sweep",
        "--input",
        str(files),
        "--output",
        str(output),
    ]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{trial.name}: {done.stderr.strip()}")
    verdict = judge(world, output, trial.name, trial.part)
    verdict.seconds = time.monotonic() - begun
    if keep:
        _write_truth(directory / trial.name, world, verdict)
    else:
        for file in (*files.iterdir(), *output.iterdir()):
            file.unlink()
    return verdict


def _write_truth(directory: Path, world: World, verdict: Verdict) -> None:
    scribe = Scribe(world)
    truth = {
        "rings": [
            {
                "pattern": ring.pattern,
                "knobs": ring.knobs,
                "proof": ring.proof,
                "overlap": round(judged.overlap, 3),
                "flagged": round(judged.flagged, 3),
                "members": [scribe.name_account(account)[1] for account in sorted(ring.members)],
                "victims": [scribe.name_account(account)[1] for account in sorted(ring.victims)],
            }
            for ring, judged in zip(world.rings, verdict.rings, strict=True)
        ],
        "groups": [
            {
                "likeness": group.likeness,
                "members": [scribe.name_account(account)[1] for account in sorted(group.members)],
            }
            for group in world.groups
        ],
    }
    (directory / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


def _run_all(trials: list[Trial], directory: Path, *, keep: bool) -> list[Verdict]:
    verdicts = []
    with ProcessPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        running = [pool.submit(try_world, trial, directory, keep) for trial in trials]
        for future in running:
            verdict = future.result()
            verdicts.append(verdict)
            found = sum(ring.found for ring in verdict.rings)
            say(
                f"{verdict.world}: {found} of {len(verdict.rings)} rings, {verdict.right} right, {verdict.wrong} wrong, {verdict.seconds:.1f} s"
            )
    return verdicts


def show_hosts(verdicts: list[Verdict]) -> Table:
    """Return the table of hosts and parts."""
    table = Table(
        "host",
        "part",
        "worlds",
        "accounts",
        "rings",
        "found",
        "flagged",
        "wrong",
        "precision",
        title="Second set of worlds",
    )
    keys = sorted({(v.host, v.part) for v in verdicts}, key=lambda key: (key[1], key[0]))
    for host, part in keys:
        _add(table, (host, part), add_up(v for v in verdicts if (v.host, v.part) == (host, part)))
    for part in sorted({v.part for v in verdicts}):
        _add(table, ("all", part), add_up(v for v in verdicts if v.part == part))
    return table


def _add(table: Table, names: tuple[str, ...], sums: dict[str, float]) -> None:
    rings = f"{sums['recall']:.0%}" if sums["rings"] else "–"
    precision = f"{sums['precision']:.1%}" if sums["flagged"] else "–"
    counts = (f"{sums[key]:.0f}" for key in ("worlds", "accounts", "rings"))
    table.add_row(*names, *counts, rings, f"{sums['flagged']:.0f}", f"{sums['wrong']:.0f}", precision)


def show_patterns(verdicts: list[Verdict]) -> Table:
    """Return the table of frauds."""
    return _show_rings("fraud", verdicts, lambda ring: [ring.pattern])


def show_knobs(verdicts: list[Verdict]) -> Table:
    """Return the table of knobs: what makes rings hard."""

    def name_knobs(ring: RingVerdict) -> list[str]:
        kind = "block" if ring.pattern.startswith("block") else "fraud"
        size = next(
            f"{bound}" for bound in ("≤ 8", "≤ 30", "≤ 100", "≤ 400") if int(ring.knobs["size"]) <= int(bound[2:])
        )
        named = {**ring.knobs, "size": size}
        return [f"{kind} {knob} {value}" for knob, value in named.items()]

    return _show_rings("knob", verdicts, name_knobs)


def _show_rings(title: str, verdicts: list[Verdict], names: Callable[[RingVerdict], Iterable[str]]) -> Table:
    rows: dict[str, list[RingVerdict]] = defaultdict(list)
    for verdict in verdicts:
        for ring in verdict.rings:
            for name in names(ring):
                rows[name].append(ring)
    table = Table(title, "rings", "found", "", "accounts flagged")
    for name, rings in sorted(rows.items()):
        found = sum(ring.found for ring in rings)
        reached = sum(ring.flagged for ring in rings) / len(rings)
        table.add_row(name, str(len(rings)), str(found), f"{found / len(rings):.0%}", f"{reached:.0%}")
    return table


def show_lookalikes(verdicts: list[Verdict]) -> Table:
    """Return the table of look-alikes: how many of their members are accused."""
    rows: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for verdict in verdicts:
        for likeness, members, flagged in verdict.groups:
            rows[likeness].append((members, flagged))
    table = Table("look-alike", "groups", "accused", "members", "accused", "")
    for likeness, groups in sorted(rows.items()):
        members, flagged = sum(m for m, _ in groups), sum(f for _, f in groups)
        hit = sum(f > 0 for _, f in groups)
        table.add_row(
            likeness, str(len(groups)), str(hit), str(members), str(flagged), f"{flagged / max(1, members):.2%}"
        )
    return table


def show_lines(verdicts: list[Verdict]) -> Table:
    """Return the table of what would be found, and who accused, if the line lay elsewhere: rings by half their accounts."""
    table = Table("flagged from", "rings reached", "", "right", "wrong", "wrong where no ring is", "precision")
    rings = sum(len(v.rings) for v in verdicts)
    for place, line in enumerate(LINES):
        right, wrong, reached = (sum(v.lines[place][column] for v in verdicts) for column in (1, 2, 3))
        silent = sum(v.lines[place][2] for v in verdicts if v.part == "silent")
        precision = f"{right / max(1, right + wrong):.1%}"
        table.add_row(
            f"{line:g}", f"{reached}", f"{reached / max(1, rings):.0%}", f"{right}", f"{wrong}", f"{silent}", precision
        )
    return table


def _list_rows(verdicts: list[Verdict]) -> list[Row]:
    rows = []
    for part in sorted({v.part for v in verdicts} - {"silent"}):
        sums = add_up(v for v in verdicts if v.part == part)
        name = f"second set, {part}"
        rows.append(at_least(f"{name}: rings found", sums["recall"] * 100, "%", "all rings", sums["recall"], RECALL))
        rows.append(
            at_least(f"{name}: precision", sums["precision"] * 100, "%", "flagged", sums["precision"], PRECISION)
        )
    silent = add_up(v for v in verdicts if v.part == "silent")
    rows.append(at_most("second set, silent: flagged", silent["flagged"], "accounts", "none", silent["flagged"], 0))
    members = sum(m for v in verdicts for name, m, _ in v.groups if name != EVERYBODY_ELSE)
    accused = sum(f for v in verdicts for name, _, f in v.groups if name != EVERYBODY_ELSE)
    rate = accused / max(1, members)
    rows.append(at_most("second set: look-alikes accused", rate * 100, "%", "members", rate, FALSE_POSITIVES))
    return rows
