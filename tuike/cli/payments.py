"""`tuike payments`."""

import json
import sys
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import click

from tuike.cli.session import opens_app


@click.group()
def payments() -> None:
    """Payments: money through WeChat Pay and Alipay, and its proof against their books."""


@payments.command()
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="A business day (Asia/Shanghai) that is over."
)
@click.option(
    "--provider",
    type=click.Choice(["wechat", "alipay"]),
    multiple=True,
    help="Whose bill; every provider that is configured unless said otherwise.",
)
@opens_app
def reconcile(app: Any, day: datetime, provider: tuple[str, ...]) -> None:
    """Compare a day's bills with our rows, print the findings as JSON, and exit 1 on any difference."""
    from tuike import payments as money
    from tuike.shared.clock import read_clock

    asked = [money.PayBy(name) for name in provider] or [one for one in money.BILLED if app.counter.has(one)]
    if not asked:
        raise click.ClickException("No provider is configured.")
    on_day: date = day.date()
    found = [money.reconcile_day(app.db, app.counter, provider=one, on_day=on_day, now=read_clock()) for one in asked]
    with app.db.transaction() as tx:
        differences = money.list_differences(tx, on_day=on_day, only_open=True, limit=200).items
    findings = {
        "reconciliations": [asdict(one) for one in found],
        "differences": [asdict(one) for one in differences if one.provider in asked],
    }
    click.echo(json.dumps(findings, default=str, ensure_ascii=False))
    sys.exit(1 if any(one.differences for one in found) else 0)
