"""The engine and the transaction that a verb runs in."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tuike.shared.errors import PostgresUnavailable

Transaction = Connection
"""A connection inside an open transaction: what every verb takes first and never commits itself."""


class Database:
    """PostgreSQL behind a pool; `transaction()` is the way in.

    `url` is any PostgreSQL URL (`postgresql://…`); the psycopg 3 driver is chosen here.
    """

    def __init__(self, url: str, *, pool_size: int = 12, application_name: str = "tuike") -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self.engine: Engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=4,
            pool_timeout=10,
            pool_pre_ping=False,
            # What a statement was given may be a phone number or an account: no log says it, nor why a task failed.
            hide_parameters=True,
            connect_args={
                "application_name": application_name,
                "connect_timeout": 5,
                # Prepare at once: the statements of a server are few and each is run for ever.
                "prepare_threshold": 1,
                # random_page_cost: what is hot is in memory, so an index is what we want even on a small table.
                "options": "-c timezone=UTC -c lock_timeout=10s -c idle_in_transaction_session_timeout=120s "
                "-c random_page_cost=1.1",
            },
        )

        self._apart = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Run a block in one transaction: committed when it ends, rolled back when it raises.

        Raises PostgresUnavailable when the server cannot be reached or goes away.
        """
        try:
            with self.engine.begin() as tx:
                yield tx
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            if _means_down(error):
                raise PostgresUnavailable from error
            raise

    @contextmanager
    def autocommit(self) -> Iterator[Transaction]:
        """Run a block without a transaction around it: each statement is one round trip, committed by itself.

        For reads that do not have to agree with one another, and for at most one statement that writes. Raises
        PostgresUnavailable as `transaction` does.
        """
        try:
            with self._apart.connect() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            if _means_down(error):
                raise PostgresUnavailable from error
            raise

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _means_down(error: Exception) -> bool:
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    cause = error.orig
    # 57P0x: the server is stopping or starting; 08xxx and no state at all: the connection is gone.
    state = getattr(cause, "sqlstate", None)
    if isinstance(cause, psycopg.OperationalError):
        return state is None or state.startswith(("08", "57P"))
    return isinstance(cause, psycopg.InterfaceError)
