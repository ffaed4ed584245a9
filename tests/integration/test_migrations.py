"""Bringing the schema up to date beside whoever uses it, and beside others who do the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tuike.db import Database
from tuike.db.migrate import migrate

_VALID = text(
    "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = 'orders_merchant'"
)


@pytest.fixture
def behind(database: Database) -> Database:
    """A database whose last migration that builds an index beside writers has not run, or broke off in the middle."""
    with database.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0014'"))
        tx.execute(text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_merchant'::regclass"))
    return database


def test_many_starters_at_once_migrate_once_and_mend_an_index_that_broke_off(behind: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate(behind, with_queue=False), range(4)))
    with behind.transaction() as tx:
        assert tx.execute(_VALID).scalar_one() is True


def test_an_index_is_built_while_orders_are_written(behind: Database) -> None:
    with behind.transaction() as writer, ThreadPoolExecutor(1) as pool:
        writer.execute(text("LOCK TABLE orders IN ROW EXCLUSIVE MODE"))
        done = pool.submit(migrate, behind, with_queue=False)
        with pytest.raises(TimeoutError):
            done.result(0.7)
        with behind.transaction() as other:  # nobody waits behind the migration
            other.execute(text("SET LOCAL lock_timeout = '1s'"))
            other.execute(text("LOCK TABLE orders IN ROW EXCLUSIVE MODE"))
        writer.rollback()
        done.result(20)
    with behind.transaction() as tx:
        assert tx.execute(_VALID).scalar_one() is True
