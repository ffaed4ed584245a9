"""`tuike db`."""

from pathlib import Path

import click

from tuike.cli.session import open_config, prepare, takes_data_dir


@click.group()
def db() -> None:
    """The schema of PostgreSQL and graph."""


@db.command()
@takes_data_dir
def migrate(directory: Path) -> None:
    """Bring the schema of PostgreSQL and graph up to date; starters that do so at the same time wait for each other."""
    with open_config(directory) as config:
        prepare(config)
    click.echo("The schema is up to date.")
