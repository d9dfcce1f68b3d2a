"""Events that many calls speak of, and which cases belong to them."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE TABLE incident (
    number text PRIMARY KEY,
    leaf text NOT NULL,
    street text NOT NULL,
    community text,
    state text NOT NULL,
    lead text NOT NULL REFERENCES case_record DEFERRABLE INITIALLY DEFERRED,
    cluster boolean NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    count integer NOT NULL
);
CREATE INDEX incident_state ON incident (state, number);
CREATE INDEX incident_street ON incident (street, number);
CREATE INDEX incident_lead ON incident (lead);

CREATE TABLE incident_member (
    incident text NOT NULL REFERENCES incident,
    number text NOT NULL REFERENCES case_record DEFERRABLE INITIALLY DEFERRED,
    state text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (incident, number)
);
CREATE INDEX incident_member_number ON incident_member (number);
CREATE INDEX incident_member_removed ON incident_member (number) WHERE state = 'removed';

CREATE TABLE incident_counter (
    day date PRIMARY KEY,
    last integer NOT NULL
);

CREATE INDEX case_alike ON case_record (leaf, street, opened_at) WHERE state <> 'closed';
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: what people have merged would be lost")
