"""`tuike commission`."""

import json
from datetime import datetime
from typing import Any

import click

from tuike.cli.session import Instant, opens_app, show_progress


@click.group()
def commission() -> None:
    """Commission: what was earned and when it is released."""


@commission.command()
@click.option("--now", type=Instant(), required=True, help="Release what is due at this RFC 3339 instant or before.")
@opens_app
def release(app: Any, now: datetime) -> None:
    """Make commission available whose holding period is over, and print how much it was as JSON.

    What happened to orders before is settled first, so nothing that was acknowledged is left out.
    """
    from tuike import commission as commissions
    from tuike import reactions

    with show_progress("Releasing") as progress:
        reactions.settle_outstanding(app.db, app.graph)
        released = commissions.release_due(app.db, now=now, progress=lambda so_far: progress("", so_far.released, None))
    click.echo(json.dumps({"released": released.released, "released_minor": released.released_minor}))
