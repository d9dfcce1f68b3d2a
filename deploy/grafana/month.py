"""考核: the month's rates by unit with what they were counted from, and the cases behind them."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.parts import (
    INTAKE,
    ROUTER,
    Panel,
    Sql,
    board,
    in_rows,
    lines,
    month_variable,
    rows,
    unit_variable,
)

MONTH: Final = "month = to_date(${month:sqlstring}, 'YYYY-MM')"
YEAR: Final = "month > date_trunc('month', now(), 'Asia/Shanghai') - interval '12 months'"
CHOSEN: Final = "unit ~ '^(${unit:raw})$'"


def month() -> Dashboard:
    """The dashboard of the assessment."""
    shown = board(
        "hotline-month",
        "考核",
        "按自然月（北京时间）、数据库里逐件数出来的各项率：分子、分母、不计的都在。",
        since="now-12M",
        refresh="15m",
    )
    shown = shown.with_variable(month_variable()).with_variable(unit_variable(everyone=True))
    return in_rows(
        shown, (("本月各单位", _units()), ("吹哨报到", _whistles()), ("趋势和明细", _behind()))
    )


def _units() -> tuple[Panel, ...]:
    return (
        rows(
            "时限",
            "各项都以本月到期的为分母；没有到期的为“—”。取消、挂账、并入的单列，不在分母。",
            Sql(
                ROUTER,
                f"""
                SELECT unit AS "单位", sign_due AS "应签收", signed_in_time AS "按时签收",
                    CAST(signed_in_time AS float) / nullif(sign_due, 0) AS "按时签收率",
                    contact_due AS "应联系", contacted_in_time AS "按时联系",
                    CAST(contacted_in_time AS float) / nullif(contact_due, 0) AS "先行联系率",
                    resolve_due AS "应办结", resolved_in_time AS "按时办结",
                    CAST(resolved_in_time AS float) / nullif(resolve_due, 0) AS "按时办结率",
                    CAST(resolved AS float) / nullif(resolve_due, 0) AS "办结率",
                    resolve_overdue AS "超期未结", excluded_cancelled AS "取消",
                    excluded_paused AS "挂账", excluded_merged AS "并入"
                FROM reporting.unit_month WHERE {MONTH} ORDER BY resolve_due DESC NULLS LAST
                """,
            ),
            shares=("按时签收率", "先行联系率", "按时办结率", "办结率"),
        ),
        rows(
            "回访",
            "本月作出的最终回访；满意率（满意＋基本满意）和解决率以已评价的为分母，参评率同看。",
            Sql(
                INTAKE,
                f"""
                SELECT unit AS "单位", sum(called_back) AS "应回访", sum(rated) AS "已评价",
                    CAST(sum(rated) AS float) / nullif(sum(called_back), 0) AS "参评率",
                    sum(solved) AS "已解决",
                    CAST(sum(solved) AS float) / nullif(sum(rated), 0) AS "解决率",
                    sum(satisfied) AS "满意", sum(basically) AS "基本满意",
                    sum(dissatisfied) AS "不满意",
                    CAST(sum(satisfied + basically) AS float) / nullif(sum(rated), 0) AS "满意率",
                    sum(excluded_unreached) AS "联系不上"
                FROM reporting.callback_month WHERE {MONTH} GROUP BY unit ORDER BY 3 DESC
                """,
            ),
            shares=("参评率", "解决率", "满意率"),
        ),
        rows(
            "首派",
            "本月立案并派出的工单归首派的单位；首派准确率是派单的成绩。",
            Sql(
                ROUTER,
                f"""
                SELECT unit AS "首派单位", sum(dispatched) AS "派出",
                    sum(first_dispatch_right) AS "未改派",
                    CAST(sum(first_dispatch_right) AS float) / nullif(sum(dispatched), 0)
                        AS "首派准确率",
                    sum(redone) AS "二次办理", sum(excluded_merged) AS "并入"
                FROM reporting.case_month WHERE {MONTH} AND unit IS NOT NULL
                GROUP BY unit ORDER BY 2 DESC
                """,
            ),
            width=12,
            shares=("首派准确率",),
        ),
        rows(
            "退单",
            "本月裁定的退单归申请的单位：同意的是派错，不同意的是应办。",
            Sql(
                ROUTER,
                f"""
                SELECT unit AS "单位", sum(upheld + denied) AS "退单", sum(upheld) AS "同意",
                    sum(denied) AS "不同意"
                FROM reporting.return_month WHERE {MONTH} GROUP BY unit ORDER BY 2 DESC
                """,
            ),
            width=12,
        ),
    )


def _whistles() -> tuple[Panel, ...]:
    return (
        rows(
            "应哨的单位",
            "本月吹响的哨叫到的单位；应哨率以叫到的、到场率以须到场的为分母；叫错、撤回的单列。",
            Sql(
                ROUTER,
                f"""
                SELECT unit AS "单位", sum(called) AS "叫到",
                    sum(acknowledged_in_time) AS "按时应哨",
                    CAST(sum(acknowledged_in_time) AS float) / nullif(sum(called), 0) AS "应哨率",
                    sum(must_arrive) AS "须到场", sum(arrived_in_time) AS "按时到场",
                    CAST(sum(arrived_in_time) AS float) / nullif(sum(must_arrive), 0) AS "到场率",
                    CAST(sum(handled_in_time) AS float) / nullif(sum(called), 0) AS "按时处置率",
                    CAST(sum(solved) AS float) / nullif(sum(scored), 0) AS "哨单解决率",
                    sum(absent) AS "未到场", sum(excluded) AS "不计"
                FROM reporting.whistle_month WHERE {MONTH} GROUP BY unit ORDER BY 2 DESC
                """,
            ),
            shares=("应哨率", "到场率", "按时处置率", "哨单解决率"),
        ),
        rows(
            "吹哨的街道",
            "本月各街道吹响的哨和叫到的单位次数。",
            Sql(
                ROUTER,
                f"""
                SELECT street AS "街道", count(DISTINCT whistle) AS "哨",
                    count(*) FILTER (WHERE NOT excluded) AS "叫到",
                    count(*) FILTER (WHERE NOT excluded AND absent) AS "未到场"
                FROM reporting.whistle_unit WHERE {MONTH} AND called_at IS NOT NULL
                GROUP BY street ORDER BY 2 DESC
                """,
            ),
        ),
    )


def _behind() -> tuple[Panel, ...]:
    return (
        lines(
            "全区按时率，近十二个月",
            "各单位分子之和 ÷ 分母之和，不是各单位率的平均。",
            Sql(
                ROUTER,
                f"""
                SELECT CAST(month AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS "time",
                    CAST(sum(signed_in_time) AS float) / nullif(sum(sign_due), 0) AS "按时签收率",
                    CAST(sum(contacted_in_time) AS float) / nullif(sum(contact_due), 0)
                        AS "先行联系率",
                    CAST(sum(resolved_in_time) AS float) / nullif(sum(resolve_due), 0)
                        AS "按时办结率"
                FROM reporting.unit_month WHERE {YEAR} GROUP BY month ORDER BY month
                """,
                "time_series",
            ),
            unit="percentunit",
        ),
        lines(
            "全区满意率和参评率，近十二个月",
            "各单位分子之和 ÷ 分母之和。",
            Sql(
                INTAKE,
                f"""
                SELECT CAST(month AS timestamp) AT TIME ZONE 'Asia/Shanghai' AS "time",
                    CAST(sum(satisfied + basically) AS float) / nullif(sum(rated), 0) AS "满意率",
                    CAST(sum(solved) AS float) / nullif(sum(rated), 0) AS "解决率",
                    CAST(sum(rated) AS float) / nullif(sum(called_back), 0) AS "参评率"
                FROM reporting.callback_month WHERE {YEAR} GROUP BY month ORDER BY month
                """,
                "time_series",
            ),
            unit="percentunit",
        ),
        rows(
            "没按时的是哪些",
            "本月到期、所选单位没有按时完成的签收、联系和办结；最多列 500 件。",
            Sql(
                ROUTER,
                f"""
                SELECT number AS "工单", unit AS "单位", kind AS "时限", due_at AS "到期",
                    stopped_at AS "完成", overdue AS "仍未完成", street AS "街道", leaf AS "事项"
                FROM reporting.clock_row
                WHERE {MONTH} AND {CHOSEN} AND kind IN ('accept', 'contact', 'resolve')
                    AND NOT cancelled AND NOT paused AND NOT merged AND NOT in_time
                    AND (done OR due_at <= now())
                ORDER BY due_at LIMIT 500
                """,
            ),
            case="工单",
        ),
    )
