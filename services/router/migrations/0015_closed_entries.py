"""Closed entries of queues are kept for a term: up to which number each queue has been cleared.

Only adds: a release that knows nothing of it goes on working.
"""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("ALTER TABLE unit_feed ADD COLUMN cleared bigint NOT NULL DEFAULT 0")
    op.execute("""
        CREATE TABLE feed_mark (
            unit text NOT NULL,
            day date NOT NULL,
            seq bigint NOT NULL,
            PRIMARY KEY (unit, day)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE feed_mark")
    op.execute("ALTER TABLE unit_feed DROP COLUMN cleared")
