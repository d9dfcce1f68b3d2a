"""Verdicts, reviews and the messaging tables."""

from pathlib import Path

from alembic import op

import shared.migrations

revision = "0001"
down_revision = None

MESSAGING = Path(shared.migrations.__path__[0]) / "messaging_1.sql"

TABLES = """
CREATE TABLE verdict (
    number text PRIMARY KEY,
    ticket_version integer NOT NULL,
    leaf text NOT NULL,
    priority text NOT NULL,
    abstained boolean NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    classification jsonb NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX verdict_to_review ON verdict (decided_at, number) WHERE abstained;

CREATE TABLE review (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL REFERENCES verdict,
    ticket_version integer NOT NULL,
    guessed text NOT NULL,
    leaf text NOT NULL,
    priority text NOT NULL,
    reviewer text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX review_number ON review (number, id);
"""


def upgrade() -> None:
    op.execute(MESSAGING.read_text())
    op.execute(TABLES)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: the first schema has nothing before it")
