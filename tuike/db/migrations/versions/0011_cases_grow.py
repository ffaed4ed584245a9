"""Cases between two sweeps: what joins them, who stands near them, and how far a sweep has come.

Runs every `0011_*.sql` beside this file, in name order. Migrations only go forward.
"""

from pathlib import Path

from alembic import op

from tuike.db.migrate import run_script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for path in sorted(Path(__file__).parent.glob(f"{revision}_*.sql")):
        run_script(op.get_bind(), path.read_text(encoding="utf-8"))
