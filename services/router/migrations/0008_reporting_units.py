"""Figures of a unit are of the unit that did it: the first one, the one that asked, that answered.

Before, whoever leads a case now had all of them, also what was done before it was moved.
"""

from alembic import op

from shared.migrations.reporting import GRANTS

revision = "0008"
down_revision = "0007"

INDEXES = """
CREATE INDEX case_log_moved ON case_log (number, id)
    WHERE fact IN ('dispatched', 'redispatched') AND detail ? 'to';
CREATE INDEX case_log_replied ON case_log (number, at) INCLUDE (unit) WHERE fact = 'replied';
CREATE INDEX case_log_ruled_month ON case_log
    ((CAST(date_trunc('month', at AT TIME ZONE 'Asia/Shanghai') AS date)))
    WHERE fact IN ('returned', 'return_denied');
"""

VIEWS = """
CREATE OR REPLACE VIEW reporting.case_row AS
SELECT c.number, c.street, c.leaf, c.category, c.priority, c.disposition, c.state, c.round,
    c.lead_unit AS unit, c.desk, c.opened_at,
    CAST(date_trunc('month', c.opened_at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    CAST(date_trunc('week', c.opened_at AT TIME ZONE 'Asia/Shanghai') AS date) AS week,
    CAST(c.details ->> 'dispatched_at' AS timestamptz) AS dispatched_at,
    CASE WHEN c.state = 'closed' THEN told.closed_at END AS closed_at,
    c.details ->> 'outcome' AS outcome,
    coalesce(moved.moves, 0) AS moves, told.upheld, told.denied,
    c.details ->> 'merged_into' IS NOT NULL AS merged,
    c.state = 'suspended' AS suspended,
    coalesce(moved.first_unit, c.lead_unit) AS first_unit
FROM case_record c
LEFT JOIN LATERAL (
    SELECT max(at) FILTER (WHERE fact = 'closed') AS closed_at,
        count(*) FILTER (WHERE fact = 'returned') AS upheld,
        count(*) FILTER (WHERE fact = 'return_denied') AS denied
    FROM case_log l WHERE l.number = c.number
) told ON true
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE l.detail ->> 'from' NOT IN ('', l.detail ->> 'to')) AS moves,
        (array_agg(coalesce(nullif(l.detail ->> 'from', ''), l.detail ->> 'to')
            ORDER BY l.id))[1] AS first_unit
    FROM case_log l
    WHERE l.number = c.number AND l.fact IN ('dispatched', 'redispatched')
        AND l.detail ? 'to'
) moved ON true;
COMMENT ON VIEW reporting.case_row IS
    '一件一行：时点、现承办单位 unit、首派单位 first_unit、改派与退单；month 为立案月份；'
    'merged 为已并入他件，不计入单位量';

CREATE OR REPLACE VIEW reporting.clock_row AS
SELECT k.number, k.whistle, k.kind,
    CASE WHEN k.owner = 'citizen' THEN coalesce(answered.unit, c.lead_unit) ELSE k.owner END
        AS unit,
    c.street, c.leaf, c.category, c.priority, k.round, k.started_at, k.due_at, k.stopped_at,
    CAST(date_trunc('month', k.due_at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    CAST(date_trunc('week', k.due_at AT TIME ZONE 'Asia/Shanghai') AS date) AS week,
    k.stopped_at IS NOT NULL AND NOT k.cancelled AND NOT k.breached AS in_time,
    k.stopped_at IS NOT NULL AND NOT k.cancelled AS done,
    k.cancelled,
    k.stopped_at IS NULL AND k.paused_at IS NOT NULL AS paused,
    c.details ->> 'merged_into' IS NOT NULL AS merged,
    k.stopped_at IS NULL AND k.paused_at IS NULL AND k.due_at <= now() AND NOT over.yes AS overdue,
    over.yes AS whistle_over
FROM clock k
JOIN case_record c ON c.number = k.number
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM whistle w WHERE w.number = k.whistle AND w.state IN ('closed', 'withdrawn')
    ) AS yes
) over
LEFT JOIN LATERAL (
    SELECT l.unit FROM case_log l
    WHERE k.owner = 'citizen' AND l.number = k.number AND l.fact = 'replied'
        AND l.at <= k.stopped_at
    ORDER BY l.at DESC LIMIT 1
) answered ON true;
COMMENT ON VIEW reporting.clock_row IS
    '一只时钟一行：month 为到期月份；办结时钟归答复的单位，未答复的归现承办单位；'
    'overdue 为过期未完成，所属哨单已销的不算；paused 为暂停（含挂账），不计入应办';

CREATE OR REPLACE VIEW reporting.unit_month AS
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
FROM reporting.clock_month
WHERE unit IS NOT NULL AND kind IN ('accept', 'contact', 'resolve')
GROUP BY month, unit;

CREATE OR REPLACE VIEW reporting.case_month AS
SELECT month, first_unit AS unit, street, leaf, disposition, priority,
    count(*) AS opened,
    count(*) FILTER (WHERE NOT merged AND first_unit IS NOT NULL) AS dispatched,
    count(*) FILTER (WHERE NOT merged AND first_unit IS NOT NULL AND moves = 0)
        AS first_dispatch_right,
    count(*) FILTER (WHERE upheld > 0) AS returns_upheld,
    count(*) FILTER (WHERE denied > 0) AS returns_denied,
    count(*) FILTER (WHERE round > 0) AS redone,
    count(*) FILTER (WHERE merged) AS excluded_merged
FROM reporting.case_row
GROUP BY month, first_unit, street, leaf, disposition, priority;
COMMENT ON VIEW reporting.case_month IS
    '按立案月份、首派单位统计：first_dispatch_right ÷ dispatched 为首派准确率；并入件单列';

CREATE VIEW reporting.return_row AS
SELECT ruled.number, ruled.at AS ruled_at,
    CAST(date_trunc('month', ruled.at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    asked.unit, asked.at AS asked_at, asked.detail ->> 'reason_code' AS reason,
    ruled.fact = 'returned' AS upheld, c.street, c.leaf
FROM case_log ruled
JOIN case_record c ON c.number = ruled.number
CROSS JOIN LATERAL (
    SELECT coalesce(l.unit, ruled.detail ->> 'from') AS unit, l.at, l.detail FROM case_log l
    WHERE l.number = ruled.number AND l.fact = 'return_requested' AND l.id < ruled.id
    ORDER BY l.id DESC LIMIT 1
) asked
WHERE ruled.fact IN ('returned', 'return_denied');
COMMENT ON VIEW reporting.return_row IS
    '一次退单裁定一行：unit 为申请退单的单位，upheld 为同意（派错），否则为不同意（应办）';

CREATE VIEW reporting.return_month AS
SELECT month, unit, street, leaf,
    count(*) FILTER (WHERE upheld) AS upheld, count(*) FILTER (WHERE NOT upheld) AS denied
FROM reporting.return_row
GROUP BY month, unit, street, leaf;
COMMENT ON VIEW reporting.return_month IS '按裁定月份、申请单位统计退单';

CREATE OR REPLACE VIEW reporting.whistle_unit AS
SELECT w.number AS whistle, w.ticket_number AS number, w.kind, w.state, w.street, w.blown_at,
    CAST(date_trunc('month', w.blown_at AT TIME ZONE 'Asia/Shanghai') AS date) AS month,
    u.unit, u.lead, u.called_at, u.acknowledged_at, u.arrived_at, u.handled_at,
    u.released_at, u.absent,
    answer.acknowledged AS acknowledged_in_time,
    answer.arrived AS arrived_in_time,
    answer.handled AS handled_in_time,
    CAST(u.score ->> 'in_time' AS boolean) AS scored_in_time,
    CAST(u.score ->> 'right_person' AS boolean) AS scored_right_person,
    CAST(u.score ->> 'solved' AS boolean) AND NOT u.unsolved_by_citizen AS scored_solved,
    u.called_at IS NULL OR u.released_at IS NOT NULL OR w.state = 'withdrawn' AS excluded,
    coalesce(answer.must_arrive, false) AS must_arrive
FROM whistle w
CROSS JOIN LATERAL jsonb_to_recordset(w.details -> 'units') AS u(
    unit text, lead boolean, called_at timestamptz, acknowledged_at timestamptz,
    arrived_at timestamptz, handled_at timestamptz, released_at timestamptz, absent boolean,
    unsolved_by_citizen boolean, score jsonb
)
LEFT JOIN LATERAL (
    SELECT bool_and(NOT breached) FILTER (WHERE kind = 'acknowledge' AND stopped_at IS NOT NULL)
            AS acknowledged,
        bool_and(NOT breached) FILTER (WHERE kind = 'arrive' AND stopped_at IS NOT NULL)
            AS arrived,
        bool_and(NOT breached) FILTER (WHERE kind = 'handle' AND stopped_at IS NOT NULL)
            AS handled,
        bool_or(kind = 'arrive') AS must_arrive
    FROM clock k
    WHERE k.whistle = w.number AND k.owner = u.unit AND NOT k.cancelled
) answer ON true;

CREATE OR REPLACE VIEW reporting.whistle_month AS
SELECT month, unit, street, kind,
    count(*) FILTER (WHERE NOT excluded) AS called,
    count(*) FILTER (WHERE NOT excluded AND acknowledged_in_time) AS acknowledged_in_time,
    count(*) FILTER (WHERE NOT excluded AND arrived_in_time) AS arrived_in_time,
    count(*) FILTER (WHERE NOT excluded AND handled_in_time) AS handled_in_time,
    count(*) FILTER (WHERE NOT excluded AND scored_solved IS NOT NULL) AS scored,
    count(*) FILTER (WHERE NOT excluded AND scored_solved) AS solved,
    count(*) FILTER (WHERE NOT excluded AND absent) AS absent,
    count(*) FILTER (WHERE excluded) AS excluded,
    count(*) FILTER (WHERE NOT excluded AND must_arrive) AS must_arrive
FROM reporting.whistle_unit
GROUP BY month, unit, street, kind;
COMMENT ON VIEW reporting.whistle_month IS
    '按吹哨月份统计：acknowledged_in_time ÷ called 为应哨率，'
    'arrived_in_time ÷ must_arrive 为到场率';
"""


def upgrade() -> None:
    op.execute(INDEXES)
    op.execute(VIEWS)
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("0007 gave figures to the wrong units; nothing goes back to it")
