"""Cases can be listed: by when something is due next, and by who may read them."""

from alembic import op

revision = "0009"
down_revision = "0008"

LISTED = "state <> 'closed'"


def upgrade() -> None:
    op.execute("ALTER TABLE case_record ADD COLUMN due_at timestamptz DEFAULT 'infinity' NOT NULL")
    op.execute("ALTER TABLE case_record ADD COLUMN readers text[] DEFAULT '{}' NOT NULL")
    op.execute("""
        UPDATE case_record c SET due_at = coalesce((
            SELECT min(k.due_at) FROM clock k WHERE k.number = c.number AND k.whistle IS NULL
                AND k.stopped_at IS NULL AND k.paused_at IS NULL), 'infinity'),
            readers = array_remove(array_remove(array_cat(
                ARRAY[c.lead_unit, c.desk, CASE WHEN NOT c.details -> 'flags' ? 'restricted'
                    THEN c.street END]
                || ARRAY(SELECT jsonb_array_elements_text(c.details -> 'assist_units')),
                ARRAY(SELECT q.unit FROM queue_entry q WHERE q.number = c.number AND q.open)
            ), NULL), c.accused_unit)
    """)
    op.execute(f"CREATE INDEX case_due ON case_record (due_at, number) WHERE {LISTED}")
    op.execute(f"CREATE INDEX case_age ON case_record (opened_at, number) WHERE {LISTED}")
    op.execute(
        f"CREATE INDEX case_urgency ON case_record (priority, due_at, number) WHERE {LISTED}"
    )
    op.execute(
        f"CREATE INDEX case_work ON case_record ((priority > 'P1'), due_at, number) WHERE {LISTED}"
    )
    op.execute(f"CREATE INDEX case_readers ON case_record USING gin (readers) WHERE {LISTED}")
    op.execute("CREATE INDEX case_newest ON case_record (opened_at DESC, number DESC)")
    op.execute("CREATE INDEX case_log_at ON case_log USING brin (at)")


def downgrade() -> None:
    for name in (
        "case_due",
        "case_age",
        "case_urgency",
        "case_readers",
        "case_newest",
        "case_log_at",
    ):
        op.execute(f"DROP INDEX {name}")
    op.execute("ALTER TABLE case_record DROP COLUMN due_at, DROP COLUMN readers")
