"""Tickets, their timeline, the caller vault and the messaging tables."""

from pathlib import Path

from alembic import op

import shared.migrations

revision = "0001"
down_revision = None

MESSAGING = Path(shared.migrations.__path__[0]) / "messaging_1.sql"

TABLES = """
CREATE TABLE ticket (
    number text PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    version integer NOT NULL,
    status text NOT NULL,
    channel text NOT NULL,
    kind text NOT NULL,
    title text,
    text text NOT NULL,
    address text,
    lat double precision,
    lon double precision,
    accused_unit text,
    occurred_at timestamptz,
    external_id text,
    confidential boolean NOT NULL,
    received_at timestamptz NOT NULL,
    received_by text NOT NULL,
    round integer NOT NULL,
    urges integer NOT NULL,
    lead_unit text,
    assist_units text[] NOT NULL DEFAULT '{}',
    classification jsonb,
    classified_version integer NOT NULL DEFAULT 0,
    case_view jsonb,
    case_version integer NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
CREATE INDEX ticket_received ON ticket (received_at, number);
CREATE INDEX ticket_lead ON ticket (lead_unit, received_at, number) WHERE lead_unit IS NOT NULL;
CREATE INDEX ticket_assist ON ticket USING gin (assist_units) WHERE assist_units <> '{}';
CREATE INDEX ticket_open ON ticket (status, received_at, number) WHERE status <> 'closed';

CREATE TABLE timeline (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL REFERENCES ticket,
    at timestamptz NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    unit text,
    note text NOT NULL,
    detail jsonb NOT NULL
);
CREATE INDEX timeline_number ON timeline (number, id);

CREATE TABLE number_counter (
    day date PRIMARY KEY,
    last integer NOT NULL
);

CREATE TABLE idempotency (
    subject text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    ticket_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (subject, key)
);

CREATE TABLE caller_vault (
    number text PRIMARY KEY REFERENCES ticket,
    sealed bytea NOT NULL
);

CREATE TABLE caller_read (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL,
    subject text NOT NULL,
    role text NOT NULL,
    unit text,
    granted boolean NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX caller_read_number ON caller_read (number, id);

CREATE TABLE callback (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL REFERENCES ticket,
    round integer NOT NULL,
    solved boolean NOT NULL,
    satisfaction text NOT NULL,
    comment text NOT NULL,
    by_ text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX callback_number ON callback (number, id);
"""


def upgrade() -> None:
    op.execute(MESSAGING.read_text())
    op.execute(TABLES)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: the first schema has nothing before it")
