"""区级督查: what needs a decision now, who is late, where the city complains, and the rates."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.figures.definitions import SMALL
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
)
from services.router.domain.whistles.states import WHISTLE_STATE_NAMES

TODAY: Final = "date_trunc('day', now(), 'Asia/Shanghai')"
AT_A_DESK: Final = (
    "'manual_dispatch', 'awaiting_info', 'return_requested', 'extension_requested',"
    " 'redirected_out'"
)
COUNTED: Final = "final AND $__timeFilter(at)"
DUE: Final = (
    "kind = 'resolve' AND NOT cancelled AND NOT paused AND NOT merged"
    " AND (done OR due_at <= now()) AND $__timeFilter(due_at)"
)
"""应办结: what fell due within the time shown, however it ended."""


def district() -> Dashboard:
    """The dashboard of the district's supervisors."""
    shown = board(
        "hotline-district", "区级督查", "区级督查和区网格化管理中心：今天怎么样，谁该马上动。"
    )
    return in_rows(
        shown,
        (
            ("今天", _today()),
            ("现在要决定", _decisions()),
            ("走势", _trends()),
            ("结果", _results()),
        ),
    )


def _today() -> tuple[Panel, ...]:
    return (
        number(
            "今日受理",
            "今天零时（北京时间）以来受理的工单，不含拆出的子单。",
            Sql(
                INTAKE,
                f"SELECT count(*) AS n FROM reporting.ticket_row"
                f" WHERE received_at >= {TODAY} AND NOT split_off",
            ),
        ),
        number(
            "平常此刻",
            "前四周同一星期几、到同一钟点为止受理量的平均。",
            Sql(
                INTAKE,
                f"""
                SELECT round(avg(n), 1) AS n FROM generate_series(1, 4) AS w CROSS JOIN LATERAL (
                    SELECT count(*) AS n FROM reporting.ticket_row
                    WHERE NOT split_off
                        AND received_at >= {TODAY} - make_interval(weeks => w)
                        AND received_at < now() - make_interval(weeks => w)
                ) AS day
                """,
            ),
        ),
        number(
            "超期未结",
            "办结时限已过、尚未答复的工单；挂账和已并入他件的不计。",
            Sql(
                ROUTER,
                "SELECT count(*) AS n FROM reporting.clock_row"
                " WHERE kind = 'resolve' AND overdue AND NOT merged",
            ),
            bad_from=1,
        ),
        number(
            "险情最久未签收",
            "P0、P1 工单中等签收最久的一件已等多久；没有为 0。",
            Prom("max(hotline_emergency_unacknowledged_seconds)", now=True),
            unit="s",
            bad_from=300,
        ),
        number(
            "在响的哨",
            "尚未销哨、也未撤回的哨单。",
            Prom("sum(max by (kind, state) (hotline_whistles)) or vector(0)", now=True),
        ),
        number(
            "等人决定",
            "在台席上的工单（待派单、待补充、退单和延期待裁、待转出），加待人工判类的。",
            Prom(
                'sum(max by (state) (hotline_cases{state=~"manual_dispatch|awaiting_info'
                '|return_requested|extension_requested|redirected_out"}) or vector(0))'
                " + (max(hotline_reviews_waiting) or vector(0))",
                now=True,
            ),
        ),
    )


def _decisions() -> tuple[Panel, ...]:
    return (
        rows(
            "等人决定的工单",
            "停在台席上的工单，先急后久；点工单号打开。",
            Sql(
                ROUTER,
                f"""
                SELECT number AS "工单", priority AS "级别", state AS "状态", street AS "街道",
                    leaf AS "事项", desk AS "台席", opened_at AS "受理时间"
                FROM reporting.case_row WHERE state IN ({AT_A_DESK})
                ORDER BY priority, opened_at LIMIT 50
                """,
            ),
            case="工单",
        ),
        rows(
            "超期在谁手里",
            "超期未结工单按承办单位和已超多久；挂账、并入件不计。",
            Sql(
                ROUTER,
                """
                SELECT unit AS "单位", count(*) AS "超期未结",
                    count(*) FILTER (WHERE due_at > now() - interval '1 day') AS "一天以内",
                    count(*) FILTER (WHERE due_at <= now() - interval '1 day'
                        AND due_at > now() - interval '7 days') AS "一天到七天",
                    count(*) FILTER (WHERE due_at <= now() - interval '7 days') AS "七天以上",
                    min(due_at) AS "最早到期"
                FROM reporting.clock_row WHERE kind = 'resolve' AND overdue AND NOT merged
                GROUP BY unit ORDER BY 2 DESC
                """,
            ),
            width=12,
        ),
        rows(
            "叫了还没应、没到的",
            "处置中的哨单里尚未应哨或应到未到的单位，叫得最久的在前。",
            Sql(
                ROUTER,
                """
                SELECT whistle AS "哨单", number AS "工单", kind AS "哨种", street AS "街道",
                    unit AS "单位", called_at AS "叫哨时间", acknowledged_at AS "应哨时间"
                FROM reporting.whistle_unit
                WHERE state = 'dispatched' AND NOT excluded
                    AND (acknowledged_at IS NULL OR must_arrive AND arrived_at IS NULL)
                ORDER BY called_at LIMIT 50
                """,
            ),
            width=12,
            case="工单",
            states=WHISTLE_STATE_NAMES,
        ),
    )


def _trends() -> tuple[Panel, ...]:
    return (
        lines(
            "每日受理",
            "按北京时间的日子；不含拆出的子单。",
            Sql(
                INTAKE,
                """
                SELECT date_trunc('day', received_at, 'Asia/Shanghai') AS "time",
                    count(*) AS "受理" FROM reporting.ticket_row
                WHERE $__timeFilter(received_at) AND NOT split_off GROUP BY 1 ORDER BY 1
                """,
                "time_series",
            ),
        ),
        lines(
            "超期的时钟",
            "各单位已过期未完成的签收、联系、办结和哨单时钟。",
            Prom("sum by (unit) (max by (unit, clock) (hotline_clocks_overdue))", "{{unit}}"),
        ),
        rows(
            "热点",
            "所选时段内诉求最多的街道和事项；前期为此前等长的时段。",
            Sql(
                ROUTER,
                """
                SELECT street AS "街道", leaf AS "事项",
                    count(*) FILTER (WHERE $__timeFilter(opened_at)) AS "件数",
                    count(*) FILTER (WHERE opened_at < $__timeFrom()) AS "前期"
                FROM reporting.case_row
                WHERE street IS NOT NULL AND opened_at <= $__timeTo()
                    AND opened_at >= CAST($__timeFrom() AS timestamptz)
                        - (CAST($__timeTo() AS timestamptz) - CAST($__timeFrom() AS timestamptz))
                GROUP BY street, leaf ORDER BY 3 DESC LIMIT 15
                """,
            ),
            width=12,
        ),
        rows(
            "吹哨的街道",
            "近三十天各街道工单数、签发的哨数和吹哨率；从不吹哨和凑数吹哨都要问。",
            Sql(
                ROUTER,
                """
                SELECT street AS "街道", count(*) AS "工单",
                    (SELECT count(DISTINCT whistle) FROM reporting.whistle_unit w
                        WHERE w.street = c.street AND w.called_at IS NOT NULL
                            AND w.blown_at > now() - interval '30 days') AS "哨"
                FROM reporting.case_row c
                WHERE street IS NOT NULL AND opened_at > now() - interval '30 days'
                GROUP BY street ORDER BY 3 DESC, 2 DESC
                """,
            ),
            width=12,
        ),
    )


def _results() -> tuple[Panel, ...]:
    return (
        _rate(
            "满意率",
            "（满意＋基本满意）÷ 已评价的最终回访；联系不上的不在分母。",
            "count(*) FILTER (WHERE reached AND satisfaction IN ('satisfied', 'basically'))",
            "count(*) FILTER (WHERE reached)",
            0.9,
        ),
        _rate(
            "解决率",
            "答“已解决”÷ 已评价的最终回访；联系不上的不在分母。",
            "count(*) FILTER (WHERE reached AND solved)",
            "count(*) FILTER (WHERE reached)",
            0.85,
        ),
        _rate(
            "参评率",
            "接通并评价的 ÷ 应回访的；与满意率同看。",
            "count(*) FILTER (WHERE reached)",
            "count(*)",
            0.8,
        ),
        number(
            "按时办结率",
            "期限内办结 ÷ 所选时段内到期的应办结件；挂账、取消、并入件不在分母。",
            Sql(
                ROUTER,
                f"SELECT CAST(count(*) FILTER (WHERE in_time) AS float) / nullif(count(*), 0) AS n"
                f" FROM reporting.clock_row WHERE {DUE}",
            ),
            unit="percentunit",
            good_from=0.9,
        ),
        number(
            "首派准确率",
            "未曾改派的 ÷ 所选时段立案并派出的工单；是派单的成绩，不是单位的。",
            Sql(
                ROUTER,
                """
                SELECT CAST(count(*) FILTER (WHERE moves = 0) AS float) / nullif(count(*), 0) AS n
                FROM reporting.case_row
                WHERE NOT merged AND first_unit IS NOT NULL AND $__timeFilter(opened_at)
                """,
            ),
            unit="percentunit",
            good_from=0.95,
        ),
        number(
            "重复诉求率",
            "提到以前工单的 ÷ 所选时段受理的工单。",
            Sql(
                INTAKE,
                """
                SELECT CAST(count(*) FILTER (WHERE repeated) AS float) / nullif(count(*), 0) AS n
                FROM reporting.ticket_row WHERE NOT split_off AND $__timeFilter(received_at)
                """,
            ),
            unit="percentunit",
            bad_from=0.1,
        ),
        rows(
            "各单位按时办结",
            f"所选时段内到期的应办结件；到期不足 {SMALL} 件的标“样本小”，不作比较。",
            Sql(
                ROUTER,
                f"""
                SELECT unit AS "单位", count(*) AS "应办结",
                    count(*) FILTER (WHERE in_time) AS "按时",
                    CAST(count(*) FILTER (WHERE in_time) AS float) / count(*) AS "按时办结率",
                    CASE WHEN count(*) < {SMALL} THEN '样本小' ELSE '' END AS "说明"
                FROM reporting.clock_row WHERE unit IS NOT NULL AND {DUE}
                GROUP BY unit ORDER BY 5, 4 DESC, 2 DESC
                """,
            ),
            width=12,
            shares=("按时办结率",),
        ),
        rows(
            "各单位满意率",
            f"所选时段内的最终回访；评价不足 {SMALL} 件的标“样本小”，不作比较。",
            Sql(
                INTAKE,
                f"""
                SELECT unit AS "单位", count(*) AS "应回访",
                    count(*) FILTER (WHERE reached) AS "已评价",
                    count(*) FILTER (WHERE reached AND solved) AS "已解决",
                    count(*) FILTER (WHERE satisfaction IN ('satisfied', 'basically')) AS "满意",
                    CAST(count(*) FILTER (WHERE satisfaction IN ('satisfied', 'basically'))
                        AS float) / nullif(count(*) FILTER (WHERE reached), 0) AS "满意率",
                    CASE WHEN count(*) FILTER (WHERE reached) < {SMALL} THEN '样本小' ELSE '' END
                        AS "说明"
                FROM reporting.callback_row WHERE {COUNTED} GROUP BY unit ORDER BY 7, 6 DESC
                """,
            ),
            width=12,
            shares=("满意率",),
        ),
    )


def _rate(title: str, how: str, part: str, whole: str, target: float) -> Panel:
    sql = (
        f"SELECT CAST({part} AS float) / nullif({whole}, 0) AS n"
        f" FROM reporting.callback_row WHERE {COUNTED}"
    )
    return number(title, how, Sql(INTAKE, sql), unit="percentunit", good_from=target)
