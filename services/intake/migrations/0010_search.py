"""Tickets are sought by words in one form, whatever letters they were written with."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("ALTER TABLE ticket ADD COLUMN sought text")


def downgrade() -> None:
    op.execute("ALTER TABLE ticket DROP COLUMN sought")
