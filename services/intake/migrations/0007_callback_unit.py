"""A call-back is about the unit that had the case when the caller was asked, not the one now."""

from alembic import op

from shared.migrations.reporting import GRANTS

revision = "0007"
down_revision = "0006"

VIEW = """
CREATE OR REPLACE VIEW reporting.callback_row AS
SELECT c.number, c.round, c.at,
    CAST(date_trunc('month', c.at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    CAST(date_trunc('week', c.at AT TIME ZONE 'Asia/Shanghai') AS date) AS week,
    coalesce(c.unit, t.lead_unit) AS unit, t.case_view #>> '{place,street}' AS street,
    t.classification ->> 'leaf' AS leaf,
    c.solved, c.satisfaction, c.satisfaction <> 'unreached' AS reached,
    NOT EXISTS (
        SELECT FROM callback other WHERE other.number = c.number AND (
            other.id > c.id AND (other.satisfaction <> 'unreached' OR c.satisfaction = 'unreached')
            OR other.id < c.id AND other.satisfaction <> 'unreached'
                AND c.satisfaction = 'unreached'
        )
    ) AS final
FROM callback c JOIN ticket t ON t.number = c.number;
"""


def upgrade() -> None:
    op.execute("ALTER TABLE callback ADD COLUMN unit text")
    op.execute(VIEW)
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("restore a backup: whom call-backs were about would be lost")
