"""Webhooks of units, and a row for each queue entry that one delivers.

Only adds: a release that knows nothing of it goes on working.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

TABLES = """
CREATE TABLE webhook (
    id uuid PRIMARY KEY,
    unit text NOT NULL,
    url text NOT NULL,
    secret bytea NOT NULL,
    old_secret bytea,
    old_until timestamptz,
    state text NOT NULL,
    reason text,
    position bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    resting_until timestamptz NOT NULL,
    worker uuid,
    leased_until timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX webhook_unit ON webhook (unit);

CREATE TABLE delivery (
    webhook uuid NOT NULL REFERENCES webhook ON DELETE CASCADE,
    number text NOT NULL,
    whistle text NOT NULL,
    seq bigint NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_try timestamptz NOT NULL,
    status integer,
    error text,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (webhook, number, whistle)
);
CREATE INDEX delivery_due ON delivery (webhook, next_try) WHERE state = 'waiting';
CREATE INDEX delivery_open ON delivery (state) WHERE state <> 'delivered';
CREATE INDEX delivery_seq ON delivery (webhook, seq);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("DROP TABLE delivery, webhook")
