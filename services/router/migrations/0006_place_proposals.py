"""Places that a person has settled and proposes to the register, until somebody decides."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE place_proposal (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text NOT NULL,
            street text NOT NULL,
            community text,
            ticket text,
            state text NOT NULL,
            proposed_by text NOT NULL,
            proposed_at timestamptz NOT NULL,
            decided_by text,
            decided_at timestamptz,
            reason text
        )
    """)
    op.execute(
        "CREATE UNIQUE INDEX place_proposal_open ON place_proposal (name, street)"
        " WHERE state = 'open'"
    )


def downgrade() -> None:
    op.execute("DROP TABLE place_proposal")
