"""Finding the cases that orders opened, and the findings that name a promoter.

Runs every `0014_*.sql` beside this file, in name order. Migrations only go forward.
"""

from pathlib import Path

from alembic import op

from tuike.db.migrate import run_script

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for path in sorted(Path(__file__).parent.glob(f"{revision}_*.sql")):
        run_script(op.get_bind(), path.read_text(encoding="utf-8"))
