"""People who are forgotten; fees of bills to the millionth, and who resolved a difference.

Runs every `0008_*.sql` beside this file, in name order. Migrations only go forward.
"""

from pathlib import Path

from alembic import op

from tuike.db.migrate import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for path in sorted(Path(__file__).parent.glob(f"{revision}_*.sql")):
        run_script(op.get_bind(), path.read_text(encoding="utf-8"))
