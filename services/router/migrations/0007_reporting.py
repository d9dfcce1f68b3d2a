"""The `reporting` schema: what supervisors count, without a caller's words.

A month is a calendar month in Asia/Shanghai. Every rate is a numerator and a denominator;
totals are sums of both. What counts in no rate stands in columns of its own.
"""

from alembic import op

from shared.migrations.reporting import GRANTS, ROLE

revision = "0007"
down_revision = "0006"

INDEXES = """
CREATE INDEX clock_open ON clock (kind, owner) WHERE stopped_at IS NULL;
CREATE INDEX clock_due_month ON clock
    ((CAST(date_trunc('month', due_at AT TIME ZONE 'Asia/Shanghai') AS date)));
CREATE INDEX case_opened_month ON case_record
    ((CAST(date_trunc('month', opened_at AT TIME ZONE 'Asia/Shanghai') AS date)));
CREATE INDEX whistle_blown_month ON whistle
    ((CAST(date_trunc('month', blown_at AT TIME ZONE 'Asia/Shanghai') AS date)));
"""

VIEWS = """
CREATE SCHEMA reporting;

CREATE VIEW reporting.case_row AS
SELECT c.number, c.street, c.leaf, c.category, c.priority, c.disposition, c.state, c.round,
    c.lead_unit AS unit, c.desk, c.opened_at,
    CAST(date_trunc('month', c.opened_at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    CAST(date_trunc('week', c.opened_at AT TIME ZONE 'Asia/Shanghai') AS date) AS week,
    CAST(c.details ->> 'dispatched_at' AS timestamptz) AS dispatched_at,
    CASE WHEN c.state = 'closed' THEN told.closed_at END AS closed_at,
    c.details ->> 'outcome' AS outcome,
    told.moves, told.upheld, told.denied,
    c.details ->> 'merged_into' IS NOT NULL AS merged,
    c.state = 'suspended' AS suspended
FROM case_record c
LEFT JOIN LATERAL (
    SELECT max(at) FILTER (WHERE fact = 'closed') AS closed_at,
        count(*) FILTER (WHERE fact IN ('redispatched', 'designated')) AS moves,
        count(*) FILTER (WHERE fact = 'returned') AS upheld,
        count(*) FILTER (WHERE fact = 'return_denied') AS denied
    FROM case_log l WHERE l.number = c.number
) told ON true;
COMMENT ON VIEW reporting.case_row IS
    '一件一行：时点、承办单位、改派与退单；month 为立案月份；merged 为已并入他件，不计入单位量';

CREATE VIEW reporting.clock_row AS
SELECT k.number, k.whistle, k.kind,
    CASE WHEN k.owner = 'citizen' THEN c.lead_unit ELSE k.owner END AS unit,
    c.street, c.leaf, c.category, c.priority, k.round, k.started_at, k.due_at, k.stopped_at,
    CAST(date_trunc('month', k.due_at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    CAST(date_trunc('week', k.due_at AT TIME ZONE 'Asia/Shanghai') AS date) AS week,
    k.stopped_at IS NOT NULL AND NOT k.cancelled AND NOT k.breached AS in_time,
    k.stopped_at IS NOT NULL AND NOT k.cancelled AS done,
    k.cancelled,
    k.stopped_at IS NULL AND k.paused_at IS NOT NULL AS paused,
    c.details ->> 'merged_into' IS NOT NULL AS merged,
    k.stopped_at IS NULL AND k.paused_at IS NULL AND k.due_at <= now() AS overdue
FROM clock k JOIN case_record c ON c.number = k.number;
COMMENT ON VIEW reporting.clock_row IS
    '一只时钟一行：month 为到期月份；overdue 为过期未完成；paused 为暂停（含挂账），不计入应办';

CREATE VIEW reporting.clock_month AS
SELECT month, kind, unit, street, leaf,
    count(*) FILTER (WHERE counted) AS due,
    count(*) FILTER (WHERE counted AND in_time) AS in_time,
    count(*) FILTER (WHERE counted AND done) AS done,
    count(*) FILTER (WHERE counted AND overdue) AS overdue,
    count(*) FILTER (WHERE cancelled) AS excluded_cancelled,
    count(*) FILTER (WHERE paused AND NOT merged) AS excluded_paused,
    count(*) FILTER (WHERE merged AND NOT cancelled) AS excluded_merged
FROM (
    SELECT *, NOT cancelled AND NOT paused AND NOT merged AND (done OR due_at <= now()) AS counted
    FROM reporting.clock_row
) counted
GROUP BY month, kind, unit, street, leaf;
COMMENT ON VIEW reporting.clock_month IS
    '按到期月份统计：in_time ÷ due 为按时率，done ÷ due 为完成率；取消、暂停、并入各列，不在分母';

CREATE VIEW reporting.unit_month AS
SELECT month, unit,
    sum(due) FILTER (WHERE kind = 'accept') AS sign_due,
    sum(in_time) FILTER (WHERE kind = 'accept') AS signed_in_time,
    sum(due) FILTER (WHERE kind = 'contact') AS contact_due,
    sum(in_time) FILTER (WHERE kind = 'contact') AS contacted_in_time,
    sum(due) FILTER (WHERE kind = 'resolve') AS resolve_due,
    sum(in_time) FILTER (WHERE kind = 'resolve') AS resolved_in_time,
    sum(done) FILTER (WHERE kind = 'resolve') AS resolved,
    sum(overdue) FILTER (WHERE kind = 'resolve') AS resolve_overdue,
    sum(excluded_cancelled) FILTER (WHERE kind = 'resolve') AS excluded_cancelled,
    sum(excluded_paused) FILTER (WHERE kind = 'resolve') AS excluded_paused,
    sum(excluded_merged) FILTER (WHERE kind = 'resolve') AS excluded_merged
FROM reporting.clock_month WHERE unit IS NOT NULL
GROUP BY month, unit;
COMMENT ON VIEW reporting.unit_month IS
    '单位月度时限：签收、先行联系、办结，均以本月到期者为分母；空为无到期';

CREATE VIEW reporting.case_month AS
SELECT month, unit, street, leaf, disposition, priority,
    count(*) AS opened,
    count(*) FILTER (WHERE NOT merged AND dispatched_at IS NOT NULL) AS dispatched,
    count(*) FILTER (WHERE NOT merged AND dispatched_at IS NOT NULL AND moves = 0)
        AS first_dispatch_right,
    count(*) FILTER (WHERE upheld > 0) AS returns_upheld,
    count(*) FILTER (WHERE denied > 0) AS returns_denied,
    count(*) FILTER (WHERE round > 0) AS redone,
    count(*) FILTER (WHERE merged) AS excluded_merged
FROM reporting.case_row
GROUP BY month, unit, street, leaf, disposition, priority;
COMMENT ON VIEW reporting.case_month IS
    '按立案月份统计：first_dispatch_right ÷ dispatched 为首派准确率；并入件单列';

CREATE VIEW reporting.whistle_unit AS
SELECT w.number AS whistle, w.ticket_number AS number, w.kind, w.state, w.street, w.blown_at,
    CAST(date_trunc('month', w.blown_at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    u.unit, u.lead, u.called_at, u.acknowledged_at, u.arrived_at, u.handled_at,
    u.released_at, u.absent,
    acknowledge.in_time AS acknowledged_in_time,
    arrive.in_time AS arrived_in_time,
    handle.in_time AS handled_in_time,
    CAST(u.score ->> 'in_time' AS boolean) AS scored_in_time,
    CAST(u.score ->> 'right_person' AS boolean) AS scored_right_person,
    CAST(u.score ->> 'solved' AS boolean) AND NOT u.unsolved_by_citizen AS scored_solved,
    u.called_at IS NULL OR u.released_at IS NOT NULL OR w.state = 'withdrawn' AS excluded
FROM whistle w
CROSS JOIN LATERAL jsonb_to_recordset(w.details -> 'units') AS u(
    unit text, lead boolean, called_at timestamptz, acknowledged_at timestamptz,
    arrived_at timestamptz, handled_at timestamptz, released_at timestamptz, absent boolean,
    unsolved_by_citizen boolean, score jsonb
)
LEFT JOIN LATERAL (
    SELECT bool_and(NOT breached) AS in_time FROM clock k
    WHERE k.whistle = w.number AND k.owner = u.unit AND k.kind = 'acknowledge'
        AND k.stopped_at IS NOT NULL AND NOT k.cancelled
) acknowledge ON true
LEFT JOIN LATERAL (
    SELECT bool_and(NOT breached) AS in_time FROM clock k
    WHERE k.whistle = w.number AND k.owner = u.unit AND k.kind = 'arrive'
        AND k.stopped_at IS NOT NULL AND NOT k.cancelled
) arrive ON true
LEFT JOIN LATERAL (
    SELECT bool_and(NOT breached) AS in_time FROM clock k
    WHERE k.whistle = w.number AND k.owner = u.unit AND k.kind = 'handle'
        AND k.stopped_at IS NOT NULL AND NOT k.cancelled
) handle ON true;
COMMENT ON VIEW reporting.whistle_unit IS
    '一哨一被叫单位一行；excluded 为未发出、已撤回或经认定叫错，不计入应哨';

CREATE VIEW reporting.whistle_month AS
SELECT month, unit, street, kind,
    count(*) FILTER (WHERE NOT excluded) AS called,
    count(*) FILTER (WHERE NOT excluded AND acknowledged_in_time) AS acknowledged_in_time,
    count(*) FILTER (WHERE NOT excluded AND arrived_in_time) AS arrived_in_time,
    count(*) FILTER (WHERE NOT excluded AND handled_in_time) AS handled_in_time,
    count(*) FILTER (WHERE NOT excluded AND scored_solved IS NOT NULL) AS scored,
    count(*) FILTER (WHERE NOT excluded AND scored_solved) AS solved,
    count(*) FILTER (WHERE NOT excluded AND absent) AS absent,
    count(*) FILTER (WHERE excluded) AS excluded
FROM reporting.whistle_unit
GROUP BY month, unit, street, kind;
COMMENT ON VIEW reporting.whistle_month IS
    '按吹哨月份统计：acknowledged_in_time ÷ called 为应哨率，arrived_in_time ÷ called 为到场率';
"""


def upgrade() -> None:
    op.execute(INDEXES)
    op.execute(VIEWS)
    op.execute(ROLE)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP SCHEMA reporting CASCADE")
    op.execute("DROP INDEX clock_open, clock_due_month, case_opened_month, whistle_blown_month")
