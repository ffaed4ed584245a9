"""Imports of a catalogue that run in the background.

Runs every `0012_*.sql` beside this file, in name order. Migrations only go forward.
"""

from pathlib import Path

from alembic import op

from tuike.db.migrate import run_script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for path in sorted(Path(__file__).parent.glob(f"{revision}_*.sql")):
        run_script(op.get_bind(), path.read_text(encoding="utf-8"))
