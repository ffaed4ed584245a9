"""Orders by merchant.

Orders are placed while this runs, so the index is built beside them: each `0015_*.sql` here is one statement
outside a transaction. A build that broke off leaves an index that is not valid, which goes first.
"""

from pathlib import Path

from alembic import op

from tuike.db.migrate import run_script

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS orders_merchant")
        for path in sorted(Path(__file__).parent.glob(f"{revision}_*.sql")):
            run_script(op.get_bind(), path.read_text(encoding="utf-8"))
