"""What was erased of whom, when, by whom and why.

Only adds: a release that knows nothing of it goes on working.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

TABLES = """
ALTER TABLE ticket ADD COLUMN erased_at timestamptz;
CREATE TABLE erasure (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    by_ text NOT NULL,
    reason text NOT NULL,
    what text NOT NULL,
    numbers text[] NOT NULL
);
CREATE INDEX ticket_words ON ticket (received_at) WHERE erased_at IS NULL AND status = 'closed';
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    raise NotImplementedError("what was erased must stay on record")
