"""The timeline can be read by time: which tickets something has happened to of late.

Only adds: a release that knows nothing of it goes on working.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("CREATE INDEX timeline_at ON timeline USING brin (at)")


def downgrade() -> None:
    op.execute("DROP INDEX timeline_at")
