"""The `tuike` command: one file per group of words; errors are one sentence on stderr and exit status 1."""

import sys

import click

from tuike.cli.catalog import catalog
from tuike.cli.commission import commission
from tuike.cli.db import db
from tuike.cli.demo import demo
from tuike.cli.graph import graph
from tuike.cli.key import key
from tuike.cli.ledger import ledger
from tuike.cli.payments import payments
from tuike.cli.risk import risk
from tuike.cli.staff import staff
from tuike.cli.up import up
from tuike.embedded import DirectoryInUse, StartFailed
from tuike.shared.errors import TuikeError


class _Command(click.Group):
    """Turns what can be expected to go wrong into one sentence."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (TuikeError, StartFailed, DirectoryInUse, ValueError, OSError) as error:
            raise click.ClickException(_to_sentence(error)) from error
        except Exception as error:
            if not _is_of_postgres(error):
                raise
            cause = getattr(error, "orig", None) or error
            raise click.ClickException(f"PostgreSQL refused: {_to_sentence(cause)}") from error


def _is_of_postgres(error: Exception) -> bool:
    """Tell whether PostgreSQL refused; `--help` does not wait for its libraries."""
    import psycopg
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, SQLAlchemyError | psycopg.Error)


def _to_sentence(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tuike")
def cli() -> None:
    """Promoters for a social shop: relations in a graph, money in a ledger, both provably in step."""


for command in (up, demo, key, staff, commission, graph, ledger, risk, db, catalog, payments):
    cli.add_command(command)


def main() -> None:
    """Run the `tuike` command; what goes wrong is said in one sentence on stderr."""
    try:
        status = cli.main(prog_name="tuike", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
