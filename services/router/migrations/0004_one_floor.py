"""One log for all, pauses in working time, and an end that comes before its case."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE case_log ADD COLUMN concerns text")
    op.execute("ALTER TABLE early_urge ADD COLUMN outcome text")
    op.execute("ALTER TABLE clock ADD COLUMN paused_worked interval NOT NULL DEFAULT '0'")


def downgrade() -> None:
    op.execute("ALTER TABLE case_log DROP COLUMN concerns")
    op.execute("ALTER TABLE early_urge DROP COLUMN outcome")
    op.execute("ALTER TABLE clock DROP COLUMN paused_worked")
