"""Which tickets' words were erased here, and when.

Only adds: a release that knows nothing of it goes on working.
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("CREATE TABLE erased_ticket (number text PRIMARY KEY, at timestamptz NOT NULL)")


def downgrade() -> None:
    raise NotImplementedError("what was erased must stay on record")
