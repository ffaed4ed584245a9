"""`tuike key`."""

from typing import Any

import click

from tuike.cli.session import opens_database

SCOPES = ("integration", "operator", "analyst", "auditor")  # identity.KEY_SCOPES, without its import


@click.group()
def key() -> None:
    """API keys: what callers of the REST API present."""


@key.command()
@click.option("--name", required=True, metavar="NAME", help="Who will use it; shown in lists, never checked.")
@click.option("--scope", required=True, type=click.Choice(SCOPES), help="What the key may do.")
@opens_database
def create(db: Any, name: str, scope: str) -> None:
    """Print one new API key (`tk_…`), once; only its hash is stored."""
    from tuike import identity
    from tuike.shared.clock import read_clock

    with db.transaction() as tx:
        _, secret = identity.create_key(tx, name=name, scope=scope, now=read_clock())
    click.echo(secret)
