"""A caller's tickets known by the phone's fingerprint, and what a ticket is told of the others."""

from alembic import op

revision = "0003"
down_revision = "0002"

COLUMNS = """
ALTER TABLE caller_vault ADD COLUMN fingerprint bytea;
CREATE INDEX caller_vault_fingerprint ON caller_vault (fingerprint, number)
    WHERE fingerprint IS NOT NULL;
ALTER TABLE ticket ADD COLUMN earlier text[] NOT NULL DEFAULT '{}', ADD COLUMN usual_street text;
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: which tickets are one caller's would be lost")
