"""Whistles, their log, their clocks and their place in the units' queues."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE whistle (
    number text PRIMARY KEY,
    ticket_number text NOT NULL REFERENCES case_record,
    version integer NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    street text NOT NULL,
    units text[] NOT NULL,
    details jsonb NOT NULL,
    blown_at timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX whistle_ticket ON whistle (ticket_number);
CREATE INDEX whistle_blown ON whistle (blown_at, number);
CREATE INDEX whistle_state ON whistle (state, blown_at, number);
CREATE INDEX whistle_street ON whistle (street, blown_at, number);
CREATE INDEX whistle_units ON whistle USING gin (units);

CREATE TABLE whistle_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    whistle text NOT NULL REFERENCES whistle,
    version integer NOT NULL,
    fact text NOT NULL,
    concerns text,
    actor text NOT NULL,
    unit text,
    note text NOT NULL,
    detail jsonb NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX whistle_log_whistle ON whistle_log (whistle, id);

CREATE INDEX case_opened ON case_record USING brin (opened_at);

ALTER TABLE clock ADD COLUMN whistle text REFERENCES whistle;
CREATE INDEX clock_whistle ON clock (whistle, id) WHERE whistle IS NOT NULL;

ALTER TABLE queue_entry ADD COLUMN whistle text NOT NULL DEFAULT '';
ALTER TABLE queue_entry DROP CONSTRAINT queue_entry_pkey;
ALTER TABLE queue_entry ADD PRIMARY KEY (unit, number, whistle);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: whistles that were blown would be lost")
