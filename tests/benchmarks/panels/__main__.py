"""`python -m tests.benchmarks.panels`: some seeds, hosts or parts of the second set of worlds, kept if asked for."""

import tempfile
from pathlib import Path

import click
from rich.console import Console

from tests.benchmarks.panels.plan import HOSTS, PARTS, list_trials
from tests.benchmarks.panels.report import measure


@click.command()
@click.option("--seed", "seeds", type=int, multiple=True, default=(1, 2), help="Seeds of worlds (repeat).")
@click.option("--host", "hosts", type=click.Choice(HOSTS), multiple=True, default=HOSTS, help="Hosts (repeat).")
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, default=PARTS, help="Parts (repeat).")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep worlds, truth and what the sweep wrote here.")
def main(seeds: tuple[int, ...], hosts: tuple[str, ...], parts: tuple[str, ...], keep: Path | None) -> None:
    """Make the worlds, sweep them, and print what was found."""
    trials = list_trials(list(seeds), hosts, parts)
    with tempfile.TemporaryDirectory(prefix="tuike-panels-") as scratch:
        for row in measure(trials, keep or Path(scratch), Console(width=140), keep=keep is not None):
            print(f"{row.name}: {row.value:.2f} {row.unit} ({row.reach} {'ok' if row.ok else 'NOT reached'})")


if __name__ == "__main__":
    main()
