"""`tuike graph`."""

import json
import sys
from typing import Any

import click

from tuike.cli.session import opens_app, show_progress


@click.group()
def graph() -> None:
    """The graph: rebuilt from the journal, compared with PostgreSQL."""


@graph.command()
@opens_app
def rebuild(app: Any) -> None:
    """Throw the graph away and build it again from the journal; prints how many rows of each kind as JSON.

    Safe beside a running stack: what happens meanwhile waits in the journal.
    """
    from tuike import team

    with show_progress("Rebuilding") as progress:
        rebuilt = team.rebuild(app.db, app.graph, progress=progress)
    click.echo(json.dumps({"rebuilt": rebuilt}))


@graph.command()
@opens_app
def check(app: Any) -> None:
    """Compare graph and PostgreSQL, print the drift as JSON, and exit 1 if there is any."""
    from tuike import team

    with show_progress("Comparing") as progress:
        drift = team.check_drift(app.db, app.graph, progress=progress)
    click.echo(json.dumps(drift, default=str))
    sys.exit(1 if drift["drift"] else 0)
