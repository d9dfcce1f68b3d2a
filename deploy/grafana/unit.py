"""街道·部门: one unit's queue, clocks, returns, whistles and what its callers say."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.parts import (
    INTAKE,
    ROUTER,
    Panel,
    Prom,
    Sql,
    board,
    in_rows,
    lines,
    number,
    rows,
    unit_variable,
)
from services.router.domain.whistles.states import WHISTLE_STATE_NAMES

MINE: Final = "unit = ${unit:sqlstring}"


def unit() -> Dashboard:
    """The dashboard of one street or department, chosen above."""
    shown = board("hotline-unit", "街道·部门", "一个单位自己的队列、时限、退单、哨单和回访。")
    shown = shown.with_variable(unit_variable(everyone=False))
    return in_rows(
        shown,
        (
            ("手头", _now()),
            ("时限", _clocks()),
            ("吹哨报到", _whistles()),
            ("诉求人怎么说", _callers()),
        ),
    )


def _now() -> tuple[Panel, ...]:
    mine, one = '{unit=~"${unit:regex}"}', "unit, clock"
    return (
        number(
            "队列",
            "队列里未办完的条目：主办、协办、哨单和台席上的。",
            Prom(f"sum(max by (unit) (hotline_queue_open{mine})) or vector(0)", now=True),
        ),
        number(
            "24 小时内到期",
            "正在走、24 小时内到期的时钟。",
            Prom(f"sum(max by ({one}) (hotline_clocks_due_soon{mine})) or vector(0)", now=True),
        ),
        number(
            "已超期",
            "已过期限还没完成的时钟。",
            Prom(f"sum(max by ({one}) (hotline_clocks_overdue{mine})) or vector(0)", now=True),
            bad_from=1,
        ),
        number(
            "退单",
            "所选时段内本单位申请、已裁定的退单。",
            Sql(
                ROUTER,
                "SELECT count(*) AS n FROM reporting.return_row"
                f" WHERE {MINE} AND $__timeFilter(ruled_at)",
            ),
        ),
        number(
            "其中不同意",
            "裁定为应由本单位办的退单。",
            Sql(
                ROUTER,
                "SELECT count(*) FILTER (WHERE NOT upheld) AS n FROM reporting.return_row"
                f" WHERE {MINE} AND $__timeFilter(ruled_at)",
            ),
        ),
        number(
            "按时办结率",
            "期限内办结 ÷ 所选时段内到期的应办结件；挂账、取消、并入件不在分母。",
            Sql(
                ROUTER,
                f"""
                SELECT CAST(count(*) FILTER (WHERE in_time) AS float) / nullif(count(*), 0) AS n
                FROM reporting.clock_row
                WHERE {MINE} AND kind = 'resolve' AND NOT cancelled AND NOT paused AND NOT merged
                    AND (done OR due_at <= now()) AND $__timeFilter(due_at)
                """,
            ),
            unit="percentunit",
            good_from=0.9,
        ),
    )


def _clocks() -> tuple[Panel, ...]:
    return (
        rows(
            "在走的时钟",
            "本单位还没完成的签收、联系、办结和哨单时限，先到期的在前。",
            Sql(
                ROUTER,
                f"""
                SELECT number AS "工单", kind AS "时限", due_at AS "到期", overdue AS "已超期",
                    priority AS "级别", leaf AS "事项", street AS "街道"
                FROM reporting.clock_row
                WHERE {MINE} AND stopped_at IS NULL AND NOT paused AND NOT whistle_over
                ORDER BY due_at LIMIT 100
                """,
            ),
            width=12,
            case="工单",
        ),
        lines(
            "每周按时率",
            "按到期的那一周：期限内完成的 ÷ 到期的；按签收、联系、办结分。",
            Sql(
                ROUTER,
                f"""
                SELECT CAST(week AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS "time",
                    CASE kind WHEN 'accept' THEN '签收' WHEN 'contact' THEN '先行联系'
                        ELSE '办结' END AS metric,
                    CAST(count(*) FILTER (WHERE in_time) AS float) / count(*) AS value
                FROM reporting.clock_row
                WHERE {MINE} AND kind IN ('accept', 'contact', 'resolve') AND NOT cancelled
                    AND NOT paused AND NOT merged AND (done OR due_at <= now())
                    AND $__timeFilter(due_at)
                GROUP BY 1, 2 ORDER BY 1
                """,
                "time_series",
            ),
            unit="percentunit",
        ),
        lines(
            "队列和超期",
            "队列长度和超期的时钟。",
            Prom('sum(max by (unit) (hotline_queue_open{unit=~"${unit:regex}"}))', "队列"),
            Prom(
                'sum(max by (unit, clock) (hotline_clocks_overdue{unit=~"${unit:regex}"}))',
                "超期",
                ref="B",
            ),
            width=24,
        ),
    )


def _whistles() -> tuple[Panel, ...]:
    return (
        rows(
            "叫到本单位的哨",
            "所选时段内叫到本单位的哨单和本单位的应哨、到场、处置；已释放、撤回的不计入应哨。",
            Sql(
                ROUTER,
                f"""
                SELECT whistle AS "哨单", number AS "工单", kind AS "哨种", street AS "街道",
                    called_at AS "叫哨", acknowledged_in_time AS "按时应哨",
                    arrived_in_time AS "按时到场", handled_in_time AS "按时处置",
                    absent AS "未到场", scored_solved AS "街道评已解决", excluded AS "不计"
                FROM reporting.whistle_unit
                WHERE {MINE} AND called_at IS NOT NULL AND $__timeFilter(called_at)
                ORDER BY called_at DESC LIMIT 100
                """,
            ),
            case="工单",
            states=WHISTLE_STATE_NAMES,
        ),
        rows(
            "本街道吹的哨",
            "所选时段内本街道吹的哨单、各叫了几家、几家按时应哨和到场。",
            Sql(
                ROUTER,
                """
                SELECT whistle AS "哨单", number AS "工单", kind AS "哨种", state AS "状态",
                    min(blown_at) AS "吹哨", count(*) FILTER (WHERE NOT excluded) AS "叫到",
                    count(*) FILTER (WHERE NOT excluded AND acknowledged_in_time) AS "按时应哨",
                    count(*) FILTER (WHERE NOT excluded AND arrived_in_time) AS "按时到场"
                FROM reporting.whistle_unit
                WHERE street = ${unit:sqlstring} AND $__timeFilter(blown_at)
                GROUP BY whistle, number, kind, state ORDER BY 5 DESC LIMIT 100
                """,
            ),
            case="工单",
            states=WHISTLE_STATE_NAMES,
        ),
    )


def _callers() -> tuple[Panel, ...]:
    return (
        rows(
            "回访",
            "所选时段内的最终回访；联系不上的单列，不在满意率和解决率的分母。",
            Sql(
                INTAKE,
                f"""
                SELECT count(*) AS "应回访", count(*) FILTER (WHERE reached) AS "已评价",
                    count(*) FILTER (WHERE NOT reached) AS "联系不上",
                    count(*) FILTER (WHERE reached AND solved) AS "已解决",
                    count(*) FILTER (WHERE satisfaction = 'satisfied') AS "满意",
                    count(*) FILTER (WHERE satisfaction = 'basically') AS "基本满意",
                    count(*) FILTER (WHERE satisfaction = 'dissatisfied') AS "不满意",
                    CAST(count(*) FILTER (WHERE satisfaction IN ('satisfied', 'basically'))
                        AS float) / nullif(count(*) FILTER (WHERE reached), 0) AS "满意率"
                FROM reporting.callback_row WHERE {MINE} AND final AND $__timeFilter(at)
                """,
            ),
            width=12,
            shares=("满意率",),
        ),
        lines(
            "每周满意率",
            "按回访的那一周；联系不上的不在分母。",
            Sql(
                INTAKE,
                f"""
                SELECT CAST(week AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS "time",
                    CAST(count(*) FILTER (WHERE satisfaction IN ('satisfied', 'basically'))
                        AS float) / count(*) AS "满意率"
                FROM reporting.callback_row
                WHERE {MINE} AND final AND reached AND $__timeFilter(at)
                GROUP BY 1 ORDER BY 1
                """,
                "time_series",
            ),
            unit="percentunit",
        ),
    )
