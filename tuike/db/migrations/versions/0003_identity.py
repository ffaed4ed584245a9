"""Shoppers, sessions, staff, agreements, consents, and the record of what staff did."""

from pathlib import Path

from alembic import op

from tuike.db.migrate import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
