"""Tickets that were split off another one."""

from alembic import op

revision = "0002"
down_revision = "0001"

COLUMNS = """
ALTER TABLE ticket ADD COLUMN parent text REFERENCES ticket, ADD COLUMN demand text;
CREATE INDEX ticket_parent ON ticket (parent) WHERE parent IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: whose parts these tickets are would be lost")
