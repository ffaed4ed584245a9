"""Detection on simulated worlds: ours and every baseline beside it; see docs/risk-worlds.md for what is in the worlds."""

import json
import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.measuring import Row, at_least, at_most, say
from tests.benchmarks.trials import OURS, Outcome, list_trials, run_trial
from tuike.risk.worlds import Judgement, add_up

RESULT = Path(__file__).resolve().parents[2] / "build" / "detection.json"
PRECISION, RING_RECALL, FALSE_POSITIVES, ALONE = 0.95, 0.97, 0.002, 0.8


def measure(*, everything: bool, console: Console) -> list[Row]:
    """Try the worlds, print the tables, write build/detection.json, and return the rows of the benchmark table."""
    outcomes = _run_all(everything=everything)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps([outcome.to_json() for outcome in outcomes], ensure_ascii=False, indent=1), encoding="utf-8"
    )
    parts = {part: [o for o in outcomes if o.trial.part == part] for part in ("worlds", "silent", "alone", "held-out")}
    for table in (
        _show_worlds(parts["worlds"] + parts["silent"]),
        _show_detectors(parts["worlds"]),
        _show_frauds(outcomes),
        _show_confounders(outcomes),
    ):
        console.print(table)
    return _list_rows(parts, outcomes)


def _run_all(*, everything: bool) -> list[Outcome]:
    trials = list_trials(everything=everything)
    outcomes = []
    workers = min(2, os.cpu_count() or 1)
    # Forked children would inherit the locks of whatever threads a library keeps.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for outcome in pool.map(run_trial, trials):
            ours = outcome.judgements[OURS]
            say(f"{len(outcomes) + 1}/{len(trials)} {outcome.trial.name}: {_percent(ours.ring_recall)} of the rings")
            outcomes.append(outcome)
    return outcomes


def _list_rows(parts: dict[str, list[Outcome]], outcomes: list[Outcome]) -> list[Row]:
    total = _total(OURS, parts["worlds"])
    rings = sum(planted for _, planted in total.rings.values())
    worst_kind, worst = _total(OURS, outcomes).worst_confounder or ("none", 0.0)
    alone = {kind: found / planted for kind, (found, planted) in _total(OURS, parts["alone"]).rings.items()}
    held = {kind: found / planted for kind, (found, planted) in _total(OURS, parts["held-out"]).rings.items()}
    hardest, unseen = min(alone, key=lambda kind: alone[kind]), min(held, key=lambda kind: held[kind])
    ahead, cells = _count_ahead(parts["worlds"])
    accounts = f"{total.flagged:,} flagged"
    return [
        at_least("detection: precision", total.precision or 0.0, "", accounts, (total.precision or 0) / PRECISION, 1),
        at_least("detection: rings found", total.ring_recall or 0.0, "", f"{rings} rings",
                 (total.ring_recall or 0) / RING_RECALL, 1),
        at_least("detection: money in time", total.unpaid_recall or 0.0, "", "not yet paid out",
                 (total.unpaid_recall or 0) / RING_RECALL, 1),
        at_most("detection: worst confounder", worst, "", worst_kind, worst / FALSE_POSITIVES, 1),
        at_least("detection: worst fraud alone", alone[hardest], "", hardest, alone[hardest] / ALONE, 1),
        at_least("detection: worst held-out fraud", held[unseen], "", unseen, held[unseen] / ALONE, 1),
        at_least("detection: ahead of baselines", ahead, "", f"{cells} cells", ahead / cells, 1),
    ]  # fmt: skip


def _count_ahead(outcomes: list[Outcome]) -> tuple[int, int]:
    """Return in how many cells of world × baseline ours ranks accounts better and finds no fewer rings."""
    ahead = cells = 0
    for outcome in outcomes:
        ours = outcome.judgements[OURS]
        for name, other in outcome.judgements.items():
            if name != OURS:
                cells += 1
                ahead += (ours.average_precision or 0) > (other.average_precision or 0) and (ours.ring_recall or 0) >= (
                    other.ring_recall or 0
                )
    return ahead, cells


def _total(detector: str, outcomes: Iterable[Outcome]) -> Judgement:
    return add_up([outcome.judgements[detector] for outcome in outcomes])


def _show_worlds(outcomes: list[Outcome]) -> Table:
    table = Table("world", "rows", "cheats", "rings", "found", "precision", "money", "in time", "AP", "best AP beside it",
                  "worst confounder", "s", title="Worlds")  # fmt: skip
    for outcome in outcomes:
        ours = outcome.judgements[OURS]
        others = {n: j.average_precision or 0.0 for n, j in outcome.judgements.items() if n != OURS}
        best = max(others, key=lambda name: others[name])
        worst = ours.worst_confounder
        table.add_row(
            outcome.trial.name, f"{outcome.rows:,}", str(ours.fraudulent), str(sum(p for _, p in ours.rings.values())),
            _percent(ours.ring_recall), _percent(ours.precision), _percent(ours.money_recall),
            _percent(ours.unpaid_recall), _percent(ours.average_precision), f"{_percent(others[best])} {best}",
            f"{_percent(worst[1])} {worst[0]}" if worst and worst[1] else "–", f"{outcome.seconds[OURS]:.1f}")  # fmt: skip
    return table


def _show_detectors(outcomes: list[Outcome]) -> Table:
    table = Table("detector", "flagged", "precision", "recall", "rings found", "money", "in time", "AP (mean)",
                  "worst confounder", "s", title=f"Detectors over {len(outcomes)} worlds")  # fmt: skip
    for name in outcomes[0].judgements:
        total = _total(name, outcomes)
        worst = total.worst_confounder or ("", 0.0)
        taken = sum(outcome.seconds[name] for outcome in outcomes)
        table.add_row(
            name, f"{total.flagged:,}", _percent(total.precision), _percent(total.recall), _percent(total.ring_recall),
            _percent(total.money_recall), _percent(total.unpaid_recall), _percent(total.average_precision),
            f"{_percent(worst[1])} {worst[0]}", f"{taken:.0f}")  # fmt: skip
    return table


def _show_frauds(outcomes: list[Outcome]) -> Table:
    table = Table(
        "fraud", "rings", "found", "alone", "best beside it", title="Frauds; the held-out ones were never tuned on"
    )
    totals = {name: _total(name, outcomes).rings for name in outcomes[0].judgements}
    alone = _total(OURS, [o for o in outcomes if o.trial.part in {"alone", "held-out"}]).rings
    for fraud, (found, planted) in sorted(totals[OURS].items()):
        others = {name: rings[fraud][0] / planted for name, rings in totals.items() if name != OURS}
        best = max(others, key=lambda name: others[name])
        hits, of = alone.get(fraud, (0, 0))
        table.add_row(fraud, str(planted), _percent(found / planted), _percent(hits / of if of else None),
                      f"{_percent(others[best])} {best}")  # fmt: skip
    return table


def _show_confounders(outcomes: list[Outcome]) -> Table:
    names = list(outcomes[0].judgements)
    table = Table("confounder", "accounts", *names, title="Honest accounts flagged")
    totals = {name: _total(name, outcomes).confounders for name in names}
    for kind, (_, accounts) in sorted(totals[OURS].items()):
        table.add_row(kind, f"{accounts:,}", *(_percent(totals[name][kind][0] / max(accounts, 1)) for name in names))
    return table


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
