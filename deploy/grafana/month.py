"""考核: the month's rates by unit with what they were counted from, and the cases behind them."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.figures.definitions import FIGURES, Figure
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

MONTH: Final = "to_date(${month:sqlstring}, 'YYYY-MM')"
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
    return in_rows(shown, (("本月", tuple(map(_figure, FIGURES))), ("趋势和明细", _behind())))


def _figure(figure: Figure, width: int = 24) -> Panel:
    sql = figure.sql.replace("{month}", MONTH)
    source = ROUTER if figure.database == "router" else INTAKE
    shares = tuple(figure.shares)
    return rows(figure.title, figure.how, Sql(source, sql), width=width, shares=shares)


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
                WHERE month = {MONTH} AND {CHOSEN} AND kind IN ('accept', 'contact', 'resolve')
                    AND NOT cancelled AND NOT paused AND NOT merged AND NOT in_time
                    AND (done OR due_at <= now())
                ORDER BY due_at LIMIT 500
                """,
            ),
            case="工单",
        ),
    )
