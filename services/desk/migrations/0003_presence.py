"""Who has which case open now: worth no log, as nothing of it outlives a minute."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
        CREATE UNLOGGED TABLE presence (
            session text NOT NULL,
            number text NOT NULL,
            name text NOT NULL,
            called text NOT NULL,
            unit text,
            checked_at timestamptz NOT NULL,
            seen_at timestamptz NOT NULL,
            PRIMARY KEY (number, session)
        )
    """)
    op.execute("CREATE INDEX presence_session ON presence (session)")


def downgrade() -> None:
    op.execute("DROP TABLE presence")
