"""`tuike payments`."""

import json
import sys
from collections.abc import Iterator
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
    "--on",
    "--day",
    "day",
    metavar="DAY",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="A business day (Asia/Shanghai) that is over.",
)
@click.option(
    "--provider",
    type=click.Choice(["wechat", "alipay"]),
    multiple=True,
    help="Whose bill; every provider that is configured unless said otherwise.",
)
@opens_app
def reconcile(app: Any, day: datetime, provider: tuple[str, ...]) -> None:
    """Compare a day's bills with our rows, print the findings as JSON, and exit 1 while any difference is open.

    Differences that a person has settled are printed with their note and do not count.
    """
    from tuike import payments as money
    from tuike.shared.clock import read_clock

    asked = [money.PayBy(name) for name in provider] or [one for one in money.BILLED if app.counter.has(one)]
    if not asked:
        raise click.ClickException("No provider is configured.")
    on_day: date = day.date()
    found = [money.reconcile_day(app.db, app.counter, provider=one, on_day=on_day, now=read_clock()) for one in asked]
    with app.db.transaction() as tx:
        bills = [money.get_bill(tx, bill_id=f"{one.value}_{on_day}") for one in asked]
        differences = [one for name in asked for one in _list_differences(tx, name.value, on_day)]
    findings = {
        "reconciliations": [asdict(one) for one in found],
        "bills": [asdict(one) | {"id": one.id, "digest": one.digest.hex()} for one in bills],
        "differences": [asdict(one) for one in differences],
        "open": sum(one.resolved_at is None for one in differences),
    }
    click.echo(json.dumps(findings, default=str, ensure_ascii=False))
    sys.exit(1 if findings["open"] else 0)


def _list_differences(tx: Any, provider: str, on_day: date) -> Iterator[Any]:
    from tuike import payments as money

    cursor: str | None = None
    while True:
        page = money.list_differences(tx, provider=provider, on_day=on_day, limit=200, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
