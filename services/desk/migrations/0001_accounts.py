"""Who may sign in to the pages, and who is signed in."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE account (
            name text PRIMARY KEY,
            role text NOT NULL,
            unit text,
            password_hash text NOT NULL,
            must_change boolean NOT NULL,
            disabled boolean NOT NULL DEFAULT false,
            failures integer NOT NULL DEFAULT 0,
            locked_until timestamptz,
            created_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE session (
            key text PRIMARY KEY,
            account text NOT NULL REFERENCES account (name) ON DELETE CASCADE,
            csrf text NOT NULL,
            created_at timestamptz NOT NULL,
            seen_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE TABLE liveness (checked_at timestamptz NOT NULL)")
    op.execute("INSERT INTO liveness VALUES (now())")
    op.execute("CREATE INDEX session_account ON session (account)")
    op.execute("CREATE INDEX session_seen ON session (seen_at)")


def downgrade() -> None:
    op.execute("DROP TABLE liveness")
    op.execute("DROP TABLE session")
    op.execute("DROP TABLE account")
