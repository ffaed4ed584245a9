"""`tuike ledger`."""

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from tuike.cli.session import opens_database


@click.group()
def ledger() -> None:
    """The ledger: money in double entry, vouchers in a hash chain."""


@ledger.command()
@opens_database
def check(db: Any) -> None:
    """Prove the ledger, print the findings as JSON, and exit 1 on any break.

    Every currency sums to 0, every balance equals its postings, the hash chain is unbroken; what is not sealed yet is
    named.
    """
    from tuike import wallet

    with db.transaction() as tx:
        found = wallet.check_ledger(tx)
    click.echo(json.dumps(asdict(found)))
    sys.exit(0 if found.ok else 1)
