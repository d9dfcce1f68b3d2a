"""Requests that were carried out under an Idempotency-Key, and what they were answered."""

from pathlib import Path

from alembic import op

import shared.migrations

revision = "0005"
down_revision = "0004"

REPEATS = Path(shared.migrations.__path__[0]) / "repeats_1.sql"


def upgrade() -> None:
    op.execute(REPEATS.read_text())


def downgrade() -> None:
    raise NotImplementedError("restore a backup: requests that are repeated would act again")
