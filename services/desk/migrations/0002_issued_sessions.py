"""Who is signed in by an issuer's word."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE issued_session (
            key text PRIMARY KEY,
            subject text NOT NULL,
            called text NOT NULL,
            role text NOT NULL,
            unit text,
            csrf text NOT NULL,
            sealed bytea NOT NULL,
            expires_at timestamptz NOT NULL,
            renewing_until timestamptz,
            created_at timestamptz NOT NULL,
            seen_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX issued_session_created ON issued_session (created_at)")


def downgrade() -> None:
    op.execute("DROP TABLE issued_session")
