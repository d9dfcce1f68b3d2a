"""The inbox in parts of a day, so that old ones are dropped.

A release that knows nothing of it goes on working: what there was becomes the part for whatever
belongs to no day. Takes a lock on the inbox for an instant.
"""

from pathlib import Path

from alembic import op

import shared.migrations

revision = "0012"
down_revision = "0011"

PARTED = Path(shared.migrations.__path__[0]) / "messaging_3.sql"


def upgrade() -> None:
    op.execute(PARTED.read_text())


def downgrade() -> None:
    raise NotImplementedError("the release before works on this schema; nothing to undo")
