"""Alembic's entry: runs the migrations on the connection that `tuike.db.migrate` holds the lock with."""

from alembic import context

from tuike.db.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
