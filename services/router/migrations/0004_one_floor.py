"""The log of cases has the columns of the whistles' log; a pause is kept in working time too."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE case_log ADD COLUMN concerns text")
    op.execute("ALTER TABLE clock ADD COLUMN paused_worked interval NOT NULL DEFAULT '0'")


def downgrade() -> None:
    op.execute("ALTER TABLE case_log DROP COLUMN concerns")
    op.execute("ALTER TABLE clock DROP COLUMN paused_worked")
