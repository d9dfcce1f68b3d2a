"""Dead letters that a person has thrown away: who, and why."""

from pathlib import Path

from alembic import op

import shared.migrations

revision = "0008"
down_revision = "0007"

DISCARDED = Path(shared.migrations.__path__[0]) / "messaging_2.sql"


def upgrade() -> None:
    op.execute(DISCARDED.read_text())


def downgrade() -> None:
    raise NotImplementedError("restore a backup: who threw messages away would be lost")
