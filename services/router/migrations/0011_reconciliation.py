"""What was found when intake's tickets were last compared with the router's cases.

Only adds: a release that knows nothing of it goes on working.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLE = """
CREATE TABLE reconciliation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    since timestamptz,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    tickets bigint NOT NULL,
    missed jsonb NOT NULL
)
"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("DROP TABLE reconciliation")
