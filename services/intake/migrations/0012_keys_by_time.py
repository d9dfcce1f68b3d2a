"""Keys of repeated requests can be found by their age, and forgotten.

Only adds: a release that knows nothing of it goes on working. Writers of `idempotency` wait while
its index is built, about a second for a million keys.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("CREATE INDEX idempotency_at ON idempotency (at)")


def downgrade() -> None:
    op.execute("DROP INDEX idempotency_at")
