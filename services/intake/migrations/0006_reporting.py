"""The `reporting` schema: tickets and call-backs as supervisors count them, without words."""

from alembic import op

from shared.migrations.reporting import GRANTS, ROLE

revision = "0006"
down_revision = "0005"

INDEXES = """
CREATE INDEX ticket_received_month ON ticket
    ((CAST(date_trunc('month', received_at AT TIME ZONE 'Asia/Shanghai') AS date)));
CREATE INDEX callback_month ON callback
    ((CAST(date_trunc('month', at AT TIME ZONE 'Asia/Shanghai') AS date)));
"""

VIEWS = """
CREATE SCHEMA reporting;

CREATE VIEW reporting.ticket_row AS
SELECT number, channel, kind, status, received_at,
    CAST(date_trunc('month', received_at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    lead_unit AS unit, case_view #>> '{place,street}' AS street,
    classification ->> 'leaf' AS leaf, classification ->> 'category' AS category,
    round, urges, outcome, parent IS NOT NULL AS split_off,
    refers_to <> '{}' AS repeated
FROM ticket;
COMMENT ON VIEW reporting.ticket_row IS
    '一件一行：来源、类别、承办单位、催办与重复；不含诉求人信息和原话';

CREATE VIEW reporting.callback_row AS
SELECT c.number, c.round, c.at,
    CAST(date_trunc('month', c.at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    CAST(date_trunc('week', c.at AT TIME ZONE 'Asia/Shanghai') AS date) AS week,
    t.lead_unit AS unit, t.case_view #>> '{place,street}' AS street,
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
COMMENT ON VIEW reporting.callback_row IS
    '一次回访一行：final 为该件计入的一次，即最后一次接通者；从未接通的取最后一次';

CREATE VIEW reporting.callback_month AS
SELECT month, unit, street, leaf,
    count(*) AS called_back,
    count(*) FILTER (WHERE reached) AS rated,
    count(*) FILTER (WHERE reached AND solved) AS solved,
    count(*) FILTER (WHERE satisfaction = 'satisfied') AS satisfied,
    count(*) FILTER (WHERE satisfaction = 'basically') AS basically,
    count(*) FILTER (WHERE satisfaction = 'dissatisfied') AS dissatisfied,
    count(*) FILTER (WHERE NOT reached) AS excluded_unreached
FROM reporting.callback_row WHERE final
GROUP BY month, unit, street, leaf;
COMMENT ON VIEW reporting.callback_month IS
    '按回访月份统计：(satisfied + basically) ÷ rated 为满意率，'
    'solved ÷ rated 为解决率，rated ÷ called_back 为参评率';
"""


def upgrade() -> None:
    op.execute(INDEXES)
    op.execute(VIEWS)
    op.execute(ROLE)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP SCHEMA reporting CASCADE")
    op.execute("DROP INDEX ticket_received_month, callback_month")
