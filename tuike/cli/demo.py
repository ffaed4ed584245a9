"""`tuike demo`."""

import sys
from pathlib import Path

import click

from tuike.cli.session import prepare


def _read_count(_context: click.Context, _option: click.Parameter, value: str) -> int:
    from tuike.demo import BASKETS_MAX

    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= BASKETS_MAX:
        raise click.ClickException(f"DEMO_ORDERS must be a whole number from 1 to {BASKETS_MAX}, not {value!r}.")
    return int(value)


@click.command()
@click.option(
    "--orders",
    "orders_count",
    envvar="DEMO_ORDERS",
    default="5000",
    show_default=True,
    metavar="N",
    callback=_read_count,
    help="How many real baskets to play, up to 155848; also DEMO_ORDERS.",
)
@click.option("--once", envvar="DEMO_ONCE", is_flag=True, help="Stop after the summary; also DEMO_ONCE=1.")
@click.option("--reuse", is_flag=True, help="Serve what the last demo left instead of starting afresh.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="The port to listen on, 8000 unless said otherwise; the next free one when it is taken.",
)
@click.option(
    "--data-dir",
    "directory",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".tuike/demo"),
    show_default=True,
    help="The demo's own data directory; wiped at the start.",
)
def demo(*, orders_count: int, once: bool, reuse: bool, host: str, port: int | None, directory: Path) -> None:
    """Play a year of real orders through the whole of tuike, tell the story, and keep serving until Ctrl-C.

    Products, amounts and times are real; promoters, shares and identities are simulated on top. The last line before
    serving is `DEMO {json}`.
    """
    from tuike.demo import run_demo
    from tuike.embedded.supervisor import Stopped
    from tuike.shared.logs import configure_logs

    configure_logs("ERROR")
    try:
        run_demo(
            orders_count=orders_count,
            once=once,
            reuse=reuse,
            host=host,
            port=port,
            directory=directory,
            prepare=prepare,
        )
    except Stopped:
        click.echo("Stopped before the story was told.", err=True)
        sys.exit(130)
