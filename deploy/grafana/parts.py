"""What the dashboards are made of: sources, panels, and Chinese names for the slugs in rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from grafana_foundation_sdk.builders import common as look
from grafana_foundation_sdk.builders.common import ReduceDataOptions
from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    Dashboard,
    DashboardLink,
    QueryVariable,
    Row,
    TextBoxVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery as PrometheusQuery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
)

from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.names import STATE_NAMES
from shared.taxonomy import load_taxonomy

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="hotline-prometheus")
ROUTER: Final = DataSourceRef(type_val="grafana-postgresql-datasource", uid="hotline-router")
INTAKE: Final = DataSourceRef(type_val="grafana-postgresql-datasource", uid="hotline-intake")

GOOD, BAD = "#0072B2", "#D55E00"
"""Told apart also by those who do not see red and green."""
NOTHING: Final = "—"
"""What stands where there is nothing to divide by."""
_CLOCKS: Final = {
    "accept": "签收",
    "contact": "先行联系",
    "resolve": "办结",
    "acknowledge": "应哨",
    "arrive": "到场",
    "handle": "处置",
}
_WHISTLES: Final = {
    "emergency": "应急处置哨",
    "joint_enforcement": "综合执法哨",
    "public_demand": "群众诉求哨",
    "key_task": "重点工作哨",
}

Panel = Stat | Table | TimeSeries
SomePanel = TypeVar("SomePanel", Stat, Table, TimeSeries)


class _Sql(Dataquery):
    """A query of the PostgreSQL source, which the SDK does not know."""

    def __init__(self, source: DataSourceRef, sql: str, shape: str) -> None:
        self.source, self.sql, self.shape, self.ref_id = source, sql, shape, "A"

    def to_json(self) -> dict[str, object]:
        return {
            "refId": self.ref_id,
            "datasource": self.source.to_json(),
            "rawQuery": True,
            "editorMode": "code",
            "format": self.shape,
            "rawSql": self.sql,
        }


@dataclass(frozen=True)
class Sql(Builder[Dataquery]):
    """Rows of a reporting schema; `shape` is `table`, or `time_series` with a column `time`."""

    source: DataSourceRef
    sql: str
    shape: str = "table"

    def build(self) -> Dataquery:
        return _Sql(self.source, " ".join(self.sql.split()), self.shape)


@dataclass(frozen=True)
class Prom(Builder[Dataquery]):
    """A PromQL expression; `now` asks for the present value alone."""

    expr: str
    legend: str = ""
    now: bool = False
    ref: str = "A"

    def build(self) -> Dataquery:
        query = PrometheusQuery().ref_id(self.ref).expr(self.expr).legend_format(self.legend)
        return (query.instant() if self.now else query.range()).build()


@cache
def _units() -> Mapping[str, str]:
    return {unit.slug: unit.name for unit in load_policy(POLICY_DIRECTORY).units.values()}


def _names(states: Mapping[Any, str]) -> Mapping[str, str]:
    """What rows call by slug, by the name a clerk knows. Cases and whistles share state slugs."""
    return {
        **_units(),
        **{leaf.slug: leaf.name for leaf in load_taxonomy().values()},
        **{str(state): name for state, name in states.items()},
        **_CLOCKS,
        **_WHISTLES,
    }


def number(
    title: str,
    how: str,
    query: Sql | Prom,
    *,
    unit: str = "short",
    bad_from: float | None = None,
    good_from: float | None = None,
    link: str | None = None,
) -> Stat:
    """One figure. From `bad_from` on it is bad; with `good_from`, below it."""
    steps = [Threshold(None, GOOD)]
    if bad_from is not None:
        steps.append(Threshold(bad_from, BAD))
    if good_from is not None:
        steps = [Threshold(None, BAD), Threshold(good_from, GOOD)]
    panel = (
        Stat()
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    return _panel(panel, title, how, (query,), unit, width=4, height=4, link=link)


def lines(
    title: str, how: str, *queries: Sql | Prom, unit: str = "short", width: int = 12
) -> TimeSeries:
    """Figures over time."""
    panel = TimeSeries().min(0).legend(look.VizLegendOptions().show_legend(True))
    return _panel(panel, title, how, queries, unit, width=width, height=8)


def rows(
    title: str,
    how: str,
    query: Sql | Prom,
    *,
    width: int = 24,
    shares: Sequence[str] = (),
    case: str | None = None,
    states: Mapping[Any, str] = STATE_NAMES,
) -> Table:
    """A table. The columns in `shares` are shares; that of `case` links to its case."""
    known = {slug: ValueMappingResult(text=name) for slug, name in _names(states).items()}
    panel = Table().mappings([ValueMap(options=known)])
    for column in shares:
        panel = panel.override_by_name(
            column,
            [DynamicConfigValue("unit", "percentunit"), DynamicConfigValue("decimals", 1)],
        )
    if case is not None:
        there = {"title": "打开工单", "url": "${address}/${__value.raw}"}
        panel = panel.override_by_name(case, [DynamicConfigValue("links", [there])])
    return _panel(panel, title, how, (query,), "short", width=width, height=9)


def _panel(
    panel: SomePanel,
    title: str,
    how: str,
    queries: Sequence[Sql | Prom],
    unit: str,
    *,
    width: int,
    height: int,
    link: str | None = None,
) -> SomePanel:
    first = queries[0]
    source = first.source if isinstance(first, Sql) else PROMETHEUS
    panel = panel.title(title).description(how).datasource(source).unit(unit)
    panel = panel.no_value(NOTHING).span(width).height(height)
    for query in queries:
        panel = panel.with_target(query)
    if link is not None:
        there = DashboardLink("明细").type(DashboardLinkType.LINK).url(link)
        panel = panel.links([there])
    return panel


def board(
    uid: str, title: str, how: str, *, since: str = "now-30d", refresh: str = "1m"
) -> Dashboard:
    """An empty dashboard for people in Tianjin, that nobody edits in the browser."""
    return (
        Dashboard(title)
        .uid(uid)
        .description(how)
        .tags(["hotline"])
        .timezone("Asia/Shanghai")
        .week_start("monday")
        .refresh(refresh)
        .time(since, "now")
        .readonly()
        .link(
            DashboardLink("民意速办")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["hotline"])
            .as_dropdown(True)
            .keep_time(True)
        )
        .with_variable(
            TextBoxVariable("address")
            .label("工单页面")
            .default_value("http://localhost:8892/api/cases")
        )
    )


def unit_variable(*, everyone: bool) -> CustomVariable:
    """Any unit of the district by its name."""
    listed = ",".join(f"{name} : {slug}" for slug, name in _units().items())
    variable = CustomVariable("unit").label("单位").values(listed).multi(False)
    return variable.include_all(True).all_value(".*") if everyone else variable


def month_variable() -> QueryVariable:
    """A month of the last two years, the present one first."""
    sql = (
        "SELECT to_char(m, 'YYYY-MM') FROM generate_series("
        "date_trunc('month', now(), 'Asia/Shanghai') - interval '23 months',"
        " date_trunc('month', now(), 'Asia/Shanghai'), interval '1 month') AS m ORDER BY 1 DESC"
    )
    return (
        QueryVariable("month")
        .label("月份")
        .datasource(ROUTER)
        .query(sql)
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
    )


def in_rows(dashboard: Dashboard, parts: Sequence[tuple[str, Sequence[Panel]]]) -> Dashboard:
    """The dashboard with its panels under headings, numbered in order."""
    serial = 0
    for heading, panels in parts:
        serial += 1
        dashboard = dashboard.with_row(Row(heading).id(serial))
        for panel in panels:
            serial += 1
            dashboard = dashboard.with_panel(panel.id(serial))
    return dashboard


def as_json(dashboard: Dashboard) -> str:
    """The dashboard as Grafana reads it.

    The SDK puts links into a hidden menu and gives variables keys that Grafana's own files
    do not have; both go.
    """
    encoded = JSONEncoder(sort_keys=True, ensure_ascii=False).encode(dashboard.build())
    said: dict[str, Any] = json.loads(encoded)
    for link in said.get("links", ()):
        link.pop("placement", None)
    for variable in said.get("templating", {}).get("list", ()):
        for key in ("auto", "auto_count", "auto_min"):
            variable.pop(key, None)
    return json.dumps(said, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
