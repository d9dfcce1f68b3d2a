"""Imports: tables of tickets that are taken in row by row, and what became of each row.

Only adds: a release that knows nothing of it goes on working.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = """
CREATE TABLE import (
    id uuid PRIMARY KEY,
    subject text NOT NULL,
    role text NOT NULL,
    key bytea,
    digest bytea NOT NULL,
    name text NOT NULL,
    columns text[] NOT NULL,
    mapping jsonb NOT NULL,
    dry_run boolean NOT NULL,
    state text NOT NULL,
    rows integer,
    position integer NOT NULL DEFAULT 0,
    accepted integer NOT NULL DEFAULT 0,
    refused integer NOT NULL DEFAULT 0,
    reason text,
    worker uuid,
    leased_until timestamptz,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX import_once ON import (subject, role, key) WHERE key IS NOT NULL;
CREATE INDEX import_running ON import (created_at) WHERE state = 'running';

CREATE TABLE import_part (
    import_id uuid NOT NULL REFERENCES import ON DELETE CASCADE,
    part integer NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (import_id, part)
);

CREATE TABLE import_line (
    import_id uuid NOT NULL REFERENCES import ON DELETE CASCADE,
    row integer NOT NULL,
    number text,
    refusals jsonb NOT NULL,
    PRIMARY KEY (import_id, row)
);
CREATE INDEX import_line_refused ON import_line (import_id, row) WHERE number IS NULL;
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("DROP TABLE import_line, import_part, import")
