"""`python -m tests.benchmarks [GROUP …]`: measures, prints one table, and writes it to build/bench.json."""

import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.benchmarks import browsing, checking, placing, settling, teams
from tests.benchmarks.measuring import Row, say
from tests.neo4j_server import find_obstacle, start_neo4j
from tests.stacks import start_stack
from tuike.app import App, build_app
from tuike.config import Config, read_config
from tuike.db.migrate import migrate
from tuike.embedded import DataDirectory, start_postgres
from tuike.graph import migrate as migrate_graph

SHOP = ("browsing", "hot-sku", "notify")
RESULT = Path(__file__).resolve().parents[2] / "build" / "bench.json"
ON_STACK = ("placing", "teams", "joining", "memory", *SHOP)
GROUPS = ("settling", *ON_STACK, "neo4j", "checking")
ON_REQUEST = ("detection", "detection-all", "panels", "sweep", "sweep-large")


@click.command()
@click.argument("groups", nargs=-1, type=click.Choice((*GROUPS, *ON_REQUEST)))
def main(groups: tuple[str, ...]) -> None:
    """Measure GROUPS (if none is named, all but detection, panels and sweep), print the table and write build/bench.json.

    Ends with status 1 when a figure is out of its reach.
    """
    wanted = groups or GROUPS
    with tempfile.TemporaryDirectory(prefix="tuike-bench-") as scratch:
        rows = list(_measure(Path(scratch), wanted))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([row.to_json() for row in rows], ensure_ascii=False, indent=1) + "\n")
    _show(rows)
    sys.exit(0 if all(row.ok for row in rows) else 1)


def _measure(scratch: Path, wanted: tuple[str, ...]) -> list[Row]:
    rows: list[Row] = []
    if "settling" in wanted:
        rows += settling.measure(scratch)
    if set(wanted) & set(ON_STACK):
        rows += _measure_stack(scratch / "stack", wanted)
    if "checking" in wanted:
        rows += checking.measure(scratch / "checking")
    if "neo4j" in wanted:
        rows += _measure_neo4j(scratch)
    if {"sweep", "sweep-large"} & set(wanted):
        from tests.benchmarks import sweeping

        rows += sweeping.measure(everything="sweep-large" in wanted)
    if {"detection", "detection-all"} & set(wanted):
        from tests.benchmarks import detection

        rows += detection.measure(everything="detection-all" in wanted, console=_open_console())
    if "panels" in wanted:
        from tests.benchmarks.panels.plan import list_trials
        from tests.benchmarks.panels.report import measure

        rows += measure(list_trials([1, 2]), scratch / "panels", _open_console())
    return rows


def _measure_stack(directory: Path, wanted: tuple[str, ...]) -> list[Row]:
    say("starting the stack")
    rows: list[Row] = []
    with start_stack(directory) as stack:
        note = DataDirectory(directory).read_note()
        assert note is not None
        key = stack.create_key("operator")
        with closing(build_app(note.apply_to(Config()))) as app:
            steps: dict[str, Callable[[], list[Row]]] = {
                "placing": lambda: placing.measure_latency(stack, app, key),
                "joining": lambda: teams.measure_joining(stack, key),
                "memory": lambda: placing.measure_memory(stack, key),
                "teams": lambda: teams.measure(app, "embedded"),
            }
            for name, step in steps.items():
                if name in wanted:
                    rows += step()
            if set(wanted) & set(SHOP):
                rows += _measure_shop(browsing.Street(stack, app, key), wanted)
    return rows


def _measure_shop(street: browsing.Street, wanted: tuple[str, ...]) -> list[Row]:
    street.fill()
    steps = dict(zip(SHOP, (browsing.measure_browsing, browsing.measure_hot_sku, browsing.measure_notify), strict=True))
    return [row for name, step in steps.items() if name in wanted for row in step(street)]


def _measure_neo4j(scratch: Path) -> list[Row]:
    obstacle = find_obstacle()
    if obstacle is not None:
        say(f"not measured: {obstacle}")
        return []
    say("starting Neo4j")
    with start_postgres(scratch / "neo4j" / "postgres") as postgres, start_neo4j(scratch / "neo4j" / "home") as server:
        config = read_config({"DATABASE_URL": postgres.url, **server.settings})
        app: App
        with closing(build_app(config)) as app:
            migrate(app.db, with_queue=False)
            migrate_graph(app.graph)
            return teams.measure(app, "Neo4j")


def _show(rows: list[Row]) -> None:
    table = Table("what", "figure", "yardstick", "ratio", "reach", "ok", title="tuike benchmarks")
    for row in rows:
        figure = f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.2f}"
        ok = "[green]yes[/]" if row.ok else "[red]NO[/]"
        table.add_row(row.name, f"{figure} {row.unit}", row.yardstick, f"{row.ratio:.2f}×", row.reach, ok)
    _open_console().print(table)


def _open_console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 160)


if __name__ == "__main__":
    main()
