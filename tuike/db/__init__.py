"""PostgreSQL: the engine, one transaction per verb, the outbox, the graph's journal, and the schema's migrations."""

from tuike.db.engine import Database, Transaction
from tuike.db.schema import metadata
from tuike.db.together import Write, write_together

__all__ = ["Database", "Transaction", "Write", "metadata", "write_together"]
