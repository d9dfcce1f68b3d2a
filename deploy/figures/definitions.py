"""Each figure of the monthly report: how it is counted, by which query, and its rates.

The definitions follow the domain's counting rules (kpi: numerator and denominator as columns,
one cohort for each figure, what does not count in columns of its own). `{month}` stands for the
first day of the month as SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

SMALL: Final = 20
"""A unit with fewer cases is shown without being compared (样本下限, a proposal)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A table of the report. `shares` are its rates: of which column, divided by which."""

    title: str
    how: str
    database: Literal["router", "intake"]
    sql: str
    shares: Mapping[str, tuple[str, str]] = field(default_factory=dict)


FIGURES: Final = (
    Figure(
        "时限",
        "各项都以本月到期的为分母；没有到期的为“—”。取消、挂账、并入的单列，不在分母。",
        "router",
        """
        SELECT unit AS "单位", sign_due AS "应签收", signed_in_time AS "按时签收",
            CAST(signed_in_time AS float) / nullif(sign_due, 0) AS "按时签收率",
            contact_due AS "应联系", contacted_in_time AS "按时联系",
            CAST(contacted_in_time AS float) / nullif(contact_due, 0) AS "先行联系率",
            resolve_due AS "应办结", resolved_in_time AS "按时办结", resolved AS "已办结",
            CAST(resolved_in_time AS float) / nullif(resolve_due, 0) AS "按时办结率",
            CAST(resolved AS float) / nullif(resolve_due, 0) AS "办结率",
            resolve_overdue AS "超期未结", excluded_cancelled AS "取消",
            excluded_paused AS "挂账", excluded_merged AS "并入"
        FROM reporting.unit_month WHERE month = {month} ORDER BY resolve_due DESC NULLS LAST, unit
        """,
        MappingProxyType(
            {
                "按时签收率": ("按时签收", "应签收"),
                "先行联系率": ("按时联系", "应联系"),
                "按时办结率": ("按时办结", "应办结"),
                "办结率": ("已办结", "应办结"),
            }
        ),
    ),
    Figure(
        "回访",
        "本月作出的最终回访；满意率（满意＋基本满意）和解决率以已评价的为分母，参评率同看。",
        "intake",
        """
        SELECT unit AS "单位", sum(called_back) AS "应回访", sum(rated) AS "已评价",
            CAST(sum(rated) AS float) / nullif(sum(called_back), 0) AS "参评率",
            sum(solved) AS "已解决",
            CAST(sum(solved) AS float) / nullif(sum(rated), 0) AS "解决率",
            sum(satisfied) AS "满意", sum(basically) AS "基本满意",
            sum(dissatisfied) AS "不满意", sum(satisfied + basically) AS "满意合计",
            CAST(sum(satisfied + basically) AS float) / nullif(sum(rated), 0) AS "满意率",
            sum(excluded_unreached) AS "联系不上"
        FROM reporting.callback_month WHERE month = {month} GROUP BY unit ORDER BY 3 DESC, unit
        """,
        MappingProxyType(
            {
                "参评率": ("已评价", "应回访"),
                "解决率": ("已解决", "已评价"),
                "满意率": ("满意合计", "已评价"),
            }
        ),
    ),
    Figure(
        "首派",
        "本月立案并派出的工单归首派的单位；首派准确率是派单的成绩。",
        "router",
        """
        SELECT unit AS "首派单位", sum(dispatched) AS "派出", sum(first_dispatch_right) AS "未改派",
            CAST(sum(first_dispatch_right) AS float) / nullif(sum(dispatched), 0) AS "首派准确率",
            sum(redone) AS "二次办理", sum(excluded_merged) AS "并入"
        FROM reporting.case_month WHERE month = {month} AND unit IS NOT NULL
        GROUP BY unit ORDER BY 2 DESC, unit
        """,
        MappingProxyType({"首派准确率": ("未改派", "派出")}),
    ),
    Figure(
        "退单",
        "本月裁定的退单归申请的单位：同意的是派错，不同意的是应办。",
        "router",
        """
        SELECT unit AS "单位", sum(upheld + denied) AS "退单", sum(upheld) AS "同意",
            sum(denied) AS "不同意"
        FROM reporting.return_month WHERE month = {month} GROUP BY unit ORDER BY 2 DESC, unit
        """,
    ),
    Figure(
        "应哨的单位",
        "本月吹响的哨叫到的单位；应哨率以叫到的、到场率以须到场的为分母；叫错、撤回的单列。",
        "router",
        """
        SELECT unit AS "单位", sum(called) AS "叫到", sum(acknowledged_in_time) AS "按时应哨",
            CAST(sum(acknowledged_in_time) AS float) / nullif(sum(called), 0) AS "应哨率",
            sum(must_arrive) AS "须到场", sum(arrived_in_time) AS "按时到场",
            CAST(sum(arrived_in_time) AS float) / nullif(sum(must_arrive), 0) AS "到场率",
            sum(handled_in_time) AS "按时处置",
            CAST(sum(handled_in_time) AS float) / nullif(sum(called), 0) AS "按时处置率",
            sum(scored) AS "已评", sum(solved) AS "评为已解决",
            CAST(sum(solved) AS float) / nullif(sum(scored), 0) AS "哨单解决率",
            sum(absent) AS "未到场", sum(excluded) AS "不计"
        FROM reporting.whistle_month WHERE month = {month} GROUP BY unit ORDER BY 2 DESC, unit
        """,
        MappingProxyType(
            {
                "应哨率": ("按时应哨", "叫到"),
                "到场率": ("按时到场", "须到场"),
                "按时处置率": ("按时处置", "叫到"),
                "哨单解决率": ("评为已解决", "已评"),
            }
        ),
    ),
    Figure(
        "吹哨的街道",
        "本月各街道吹响的哨和叫到的单位次数。",
        "router",
        """
        SELECT street AS "街道", count(DISTINCT whistle) AS "哨",
            count(*) FILTER (WHERE NOT excluded) AS "叫到",
            count(*) FILTER (WHERE NOT excluded AND absent) AS "未到场"
        FROM reporting.whistle_unit WHERE month = {month} AND called_at IS NOT NULL
        GROUP BY street ORDER BY 2 DESC, street
        """,
    ),
    Figure(
        "街道和类别",
        "本月立案的工单按地点所在街道和类别；地点未定的街道为“—”。",
        "router",
        """
        SELECT street AS "街道", sum(opened) AS "立案",
            sum(opened) FILTER (WHERE split_part(leaf, '.', 1) = 'grid') AS "网格",
            sum(opened) FILTER (WHERE split_part(leaf, '.', 1) = 'property') AS "物业",
            sum(opened) FILTER (WHERE split_part(leaf, '.', 1) = 'safety') AS "安全",
            sum(opened) FILTER (WHERE split_part(leaf, '.', 1) = 'elderly') AS "养老",
            sum(opened) FILTER (WHERE split_part(leaf, '.', 1) = 'other') AS "其他"
        FROM reporting.case_month WHERE month = {month} GROUP BY street ORDER BY 2 DESC, street
        """,
    ),
)
