"""`tuike catalog`."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import click

from tuike.cli.session import opens_app, show_progress


@click.group()
def catalog() -> None:
    """The catalogue: out to a sheet and in from one, and clearing away what nothing uses."""


@catalog.command("import")
@click.argument("sheet", type=click.File("rb"))
@click.option("--merchant", default="main", show_default=True, help="Whose catalogue.")
@click.option("--dry-run", is_flag=True, help="Look at everything and write nothing.")
@opens_app
def import_(app: Any, sheet: BinaryIO, merchant: str, dry_run: bool) -> None:
    """Bring a catalogue in line with the CSV file SHEET (`-`: standard input), all of it or nothing."""
    from tuike import catalog as catalogue
    from tuike.shared import clock

    with show_progress("Importing") as progress, app.db.transaction() as tx:
        try:
            done = catalogue.import_catalogue(
                tx, merchant_id=merchant, content=sheet, made_by="command", dry_run=dry_run,
                progress=lambda count, total: progress("", count, total), now=clock.read_clock(),
            )  # fmt: skip
        except catalogue.SheetUnreadable as error:
            for place, sentences in (error.fields or {}).items():
                line, _, column = place.partition(".")
                click.echo(f"line {line}{f', {column}' if column else ''}: {' '.join(sentences)}", err=True)
            raise
    click.echo(json.dumps({"created": done.created, "changed": done.changed, "skus": done.skus, "dry_run": dry_run}))


@catalog.command()
@click.argument("sheet", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@click.option("--merchant", default="main", show_default=True, help="Whose catalogue.")
@opens_app
def export(app: Any, sheet: Path, merchant: str) -> None:
    """Write a catalogue to the CSV file SHEET (`-`: standard output)."""
    from tuike import catalog as catalogue

    with show_progress("Exporting") as progress, app.db.transaction() as tx:
        with click.open_file(str(sheet), "w", encoding="utf-8", atomic=str(sheet) != "-") as file:
            for chunk in catalogue.export_catalogue(
                tx, merchant_id=merchant, progress=lambda count, total: progress("", count, total)
            ):
                file.write(chunk)


@catalog.command("clear-media")
@opens_app
def clear_media(app: Any) -> None:
    """Delete pictures and videos that nothing has used for a day, and print how many."""
    from tuike import catalog as catalogue
    from tuike import fulfilment
    from tuike.shared import clock

    cleared = fulfilment.clear_media(app.db, catalogue.open_storage(app.config), now=clock.read_clock())
    click.echo(json.dumps({"cleared": cleared}))
