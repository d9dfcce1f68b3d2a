"""Which model is in use and which judges beside it; what each said; urgent reviews first.

Only adds: a release that knows nothing of it goes on working. The new columns of `verdict`
hold what the model last said of a ticket, whatever a person has said since; they stay NULL
in rows that are older. Writers of `verdict` wait while its two indexes are built, about a
second for a million tickets.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
ALTER TABLE verdict
    ADD COLUMN guess_leaf text,
    ADD COLUMN guess_priority text,
    ADD COLUMN guess_probability real,
    ADD COLUMN guess_abstained boolean,
    ADD COLUMN guess_model text,
    ADD COLUMN guess_at timestamptz;
CREATE INDEX verdict_by_guess ON verdict (guess_at)
    INCLUDE (guess_leaf, guess_abstained, guess_probability) WHERE guess_at IS NOT NULL;
CREATE INDEX verdict_to_review_urgent_first ON verdict ((priority > 'P1'), decided_at, number)
    WHERE abstained;

CREATE TABLE model_choice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    active text NOT NULL,
    shadow text,
    deed text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE model_choice IS 'the newest row holds; the others tell who chose what before';

CREATE TABLE shadow_verdict (
    number text NOT NULL,
    model text NOT NULL,
    ticket_version integer NOT NULL,
    leaf text NOT NULL,
    priority text NOT NULL,
    probability real NOT NULL,
    abstained boolean NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (model, number)
);
CREATE INDEX shadow_verdict_by_time ON shadow_verdict (model, at);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    raise NotImplementedError("the release before works on this schema; nothing to undo")
