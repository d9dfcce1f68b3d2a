"""Cases, their clocks and log, unit queues and the messaging tables."""

from pathlib import Path

from alembic import op

import shared.migrations

revision = "0001"
down_revision = None

MESSAGING = Path(shared.migrations.__path__[0]) / "messaging_1.sql"

TABLES = """
CREATE TABLE case_record (
    number text PRIMARY KEY,
    version integer NOT NULL,
    ticket_version integer NOT NULL,
    round integer NOT NULL,
    state text NOT NULL,
    disposition text NOT NULL,
    priority text NOT NULL,
    leaf text NOT NULL,
    category text NOT NULL,
    street text,
    lead_unit text,
    desk text,
    accused_unit text,
    details jsonb NOT NULL,
    ticket jsonb NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX case_open ON case_record (state) WHERE state <> 'closed';

CREATE TABLE clock (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL REFERENCES case_record,
    kind text NOT NULL,
    owner text NOT NULL,
    round integer NOT NULL,
    within text NOT NULL,
    ladder text NOT NULL,
    calendar_version text NOT NULL,
    policy_version text NOT NULL,
    started_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    allowance interval NOT NULL,
    provisional boolean NOT NULL,
    paused_at timestamptz,
    paused_total interval NOT NULL,
    stopped_at timestamptz,
    cancelled boolean NOT NULL,
    breached boolean NOT NULL,
    next_step text,
    next_fire_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX clock_number ON clock (number, id);
CREATE INDEX clock_due ON clock (next_fire_at) WHERE next_fire_at IS NOT NULL;

CREATE TABLE case_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL REFERENCES case_record,
    version integer NOT NULL,
    fact text NOT NULL,
    actor text NOT NULL,
    unit text,
    note text NOT NULL,
    detail jsonb NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX case_log_number ON case_log (number, id);

CREATE TABLE early_urge (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL,
    note text NOT NULL
);
CREATE INDEX early_urge_number ON early_urge (number);

CREATE TABLE unit_feed (
    unit text PRIMARY KEY,
    seq bigint NOT NULL
);

CREATE TABLE queue_entry (
    unit text NOT NULL,
    number text NOT NULL REFERENCES case_record,
    seq bigint NOT NULL,
    open boolean NOT NULL,
    item jsonb NOT NULL,
    PRIMARY KEY (unit, number)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX queue_entry_seq ON queue_entry (unit, seq);
CREATE INDEX queue_entry_open ON queue_entry (unit, seq) WHERE open;
CREATE INDEX queue_entry_number ON queue_entry (number);
"""


def upgrade() -> None:
    op.execute(MESSAGING.read_text())
    op.execute(TABLES)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: the first schema has nothing before it")
