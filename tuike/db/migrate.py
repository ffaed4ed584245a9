"""Brings the schema up to date, once, however many starters ask at the same time."""

import time
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config as AlembicConfig
from pgmq.install import get_embedded_install_sql
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from tuike.db.engine import Database
from tuike.shared.errors import PostgresUnavailable

_ASK_EVERY_S = 0.1
_LOCK = 7_485_001
"""Advisory lock of whoever migrates; held by the session, so a starter that dies frees it."""


def migrate(database: Database, *, with_queue: bool = True) -> None:
    """Run every migration that has not run yet, and install the queue's tables when `with_queue`.

    Starters that come meanwhile wait and then find nothing to do. Raises PostgresUnavailable.
    """
    # A plain connection: the pool's statement settings (lock_timeout) are for requests, and waiting here is the point.
    engine = create_engine(database.url, poolclass=NullPool, connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            _take_turn(connection)
            _upgrade(connection)
            if with_queue:
                _install_queue(connection)
    except (OperationalError, InterfaceError) as error:
        if isinstance(error.orig, psycopg.OperationalError) and error.orig.sqlstate is None:
            raise PostgresUnavailable from error
        raise
    finally:
        engine.dispose()


def _take_turn(connection: Connection) -> None:
    """Wait without a statement that is under way: an index that is built beside writers waits for all of those."""
    while not connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar_one():
        connection.commit()
        time.sleep(_ASK_EVERY_S)
    connection.commit()


def _upgrade(connection: Connection) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


def _install_queue(connection: Connection) -> None:
    """Install PGMQ's plain SQL once: Celery's broker where no other is configured."""
    if connection.execute(text("SELECT to_regclass('pgmq.meta') IS NOT NULL")).scalar_one():
        connection.commit()
        return
    run_script(connection, get_embedded_install_sql())
    connection.commit()


def run_script(connection: Connection, script: str) -> None:
    """Run several statements as written: no parameters, so `%` and `:` mean themselves."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.execute(script.encode(), prepare=False)
