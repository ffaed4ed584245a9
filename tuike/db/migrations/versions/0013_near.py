"""Who shares what the shop itself knows with the members of a case, and cases that orders open.

Runs every `0013_*.sql` beside this file, in name order. Migrations only go forward.
"""

from pathlib import Path

from alembic import op

from tuike.db.migrate import run_script

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for path in sorted(Path(__file__).parent.glob(f"{revision}_*.sql")):
        run_script(op.get_bind(), path.read_text(encoding="utf-8"))
