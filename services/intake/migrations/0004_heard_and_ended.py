"""What the words of a ticket say beside its matter, the calls that reached nobody, its end."""

from alembic import op

revision = "0004"
down_revision = "0003"

COLUMNS = """
ALTER TABLE ticket ADD COLUMN heard text[] NOT NULL DEFAULT '{}',
    ADD COLUMN refers_to text[] NOT NULL DEFAULT '{}',
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN outcome text;
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: how tickets ended would be lost")
