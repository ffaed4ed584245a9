"""`tuike risk`."""

import json
import os
import select
import signal
import threading
from pathlib import Path
from typing import Any

import click

from tuike.cli.session import open_app, show_progress, takes_data_dir


@click.group()
def risk() -> None:
    """Risk: rings of cheats, found with their evidence."""


@risk.command()
@click.option(
    "--input",
    "source",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The CSV files of a world: promoters, buyers, identifiers, touches, orders, same_person.",
)
@click.option(
    "--output",
    "target",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where accounts.csv, cases.csv, members.csv, evidence.csv and report.json are written.",
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Give a sweep of the shop up after so many minutes."
)
@click.option("--while", "descriptor", type=click.IntRange(min=0), hidden=True)
@takes_data_dir
def sweep(
    source: Path | None, target: Path | None, minutes: float | None, descriptor: int | None, directory: Path
) -> None:
    """Find rings in the living shop, or in a world of CSV files, and print the counts and seconds as JSON.

    Without directories the shop's own data is swept, and what is found becomes cases. With them every row is proved
    before anything is computed; a fault names file, line and column. Either way everything is written or nothing.
    """
    from tuike import risk as capability

    if source is None and target is None:
        _sweep_living(directory, minutes, descriptor)
        return
    if source is None or target is None:
        missing = "--input" if source is None else "--output"
        raise click.UsageError(f"Say {missing} DIR too: CSV files in, CSV files out; with neither the shop is swept.")
    if target.exists() and not target.is_dir():
        raise click.ClickException(f"{target} is no directory.")
    try:
        with show_progress("Sweeping") as progress:
            report = capability.sweep_files(source, target, progress=progress)
    except capability.PartMissing as error:
        raise click.ClickException(str(error)) from error
    for warning in report["warnings"]:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(json.dumps({"counts": report["counts"], "seconds": report["seconds"]}))


_GRACE_S = 5.0
"""So long may a sweep take to say that it was ended; then it ends without."""


def _sweep_living(directory: Path, minutes: float | None, descriptor: int | None) -> None:
    from tuike import risk as capability

    def give_up(*_: object) -> None:
        raise TimeoutError(f"The sweep took longer than {minutes:g} minutes.")

    def end(*_: object) -> None:
        raise capability.SweepEnded("The sweep was ended before it was done.")

    signal.signal(signal.SIGTERM, end)
    if minutes is not None:  # where the system has no alarm, whoever started the sweep ends it
        signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    if descriptor is not None:
        threading.Thread(target=_end_with, args=(descriptor,), daemon=True).start()
    try:
        with open_app(directory) as app, show_progress("Sweeping") as progress:
            done = capability.sweep_living(app.db, app.graph, progress=progress)
    except (capability.PartMissing, capability.SweepRunning, TimeoutError, capability.SweepEnded) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps({"sweep_id": done.id, "counts": done.counts, "seconds": done.seconds}))


def _end_with(descriptor: int) -> None:
    """End this process once whoever started it has ended, which the descriptor tells; what it did is undone."""
    watch = select.poll()
    watch.register(descriptor, select.POLLIN)
    watch.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_GRACE_S)
    os._exit(1)


# Simulated worlds need no stack; --data-dir is taken because every command takes it.


def _split(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


@risk.command()
@takes_data_dir
@click.option(
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the input files of a sweep and truth/ are written.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="The same seed and options always make the same files.",
)
@click.option(
    "--size",
    type=click.Choice(["small", "medium", "large", "huge"]),
    default="small",
    show_default=True,
    help="About 60 thousand, 300 thousand, 1.2 million or 12 million rows.",
)
@click.option("--host", metavar="NAME", help="The shape of honest trade; drawn from the seed if none is named.")
@click.option(
    "--frauds",
    metavar="NAMES",
    default="documented",
    show_default=True,
    callback=_split,
    help="Names with commas between, or documented, held-out, all, none.",
)
@click.option(
    "--confounders",
    metavar="NAMES",
    default="all",
    show_default=True,
    callback=_split,
    help="Names with commas between, or all, none.",
)
@click.option(
    "--fraud-rate",
    type=click.FloatRange(0, 0.5),
    default=0.007,
    show_default=True,
    help="Which part of all accounts belongs to rings.",
)
@click.option(
    "--hiding",
    type=click.Choice(["easy", "usual", "hard"]),
    default="usual",
    show_default=True,
    help="How well rings hide: density, camouflage, spread in time and shared identifiers.",
)
def simulate(
    output: Path, seed: int, size: str, host: str | None, frauds: tuple[str, ...], confounders: tuple[str, ...],
    fraud_rate: float, hiding: str, directory: Path,
) -> None:  # fmt: skip
    """Simulate a world with planted rings and honest look-alikes, and write it as the files that a sweep reads."""
    from tuike.risk import worlds

    world = worlds.simulate_world(
        seed=seed, size=worlds.Size(size), host=host, frauds=frauds, confounders=confounders, fraud_rate=fraud_rate,
        knobs=worlds.LEVELS[hiding])  # fmt: skip
    rows = worlds.write_world(world, output)
    click.echo(
        json.dumps({"host": world.host.name, "rows": rows, "rings": len(world.rings), "groups": len(world.groups)})
    )


@risk.command("worlds")
@takes_data_dir
def list_worlds(directory: Path) -> None:
    """List the hosts, frauds and confounders that a world can have, as JSON."""
    from tuike.risk import worlds

    told: dict[str, dict[str, Any]] = {
        "hosts": {name: host.says for name, host in worlds.HOSTS.items()},
        "frauds": {name: fraud.says for name, fraud in worlds.FRAUDS.items() if not fraud.is_held_out},
        "held_out": {name: fraud.says for name, fraud in worlds.FRAUDS.items() if fraud.is_held_out},
        "confounders": {name: confounder.says for name, confounder in worlds.CONFOUNDERS.items()},
    }
    click.echo(json.dumps(told, ensure_ascii=False, indent=1))


@risk.command()
@takes_data_dir
@click.option(
    "--world",
    metavar="DIR",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A directory that `tuike risk simulate` wrote.",
)
@click.option(
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="What a sweep of it wrote.",
)
def judge(world: Path, output: Path, directory: Path) -> None:
    """Compare what a sweep found in a simulated world with the truth; the answer is JSON."""
    from tuike.risk import worlds

    click.echo(json.dumps(worlds.judge_output(world, output).to_json(), ensure_ascii=False, indent=1))
