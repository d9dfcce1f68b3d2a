"""The dashboards: what they are made of, and that each panel shows what a district has lived."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.figures.definitions import SMALL
from deploy.figures.report import sections
from deploy.grafana.__main__ import FOLDER, written
from deploy.ports import free_ports
from shared.calendar import SHANGHAI
from shared.postgres import database_url, libpq
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases
from tests.deploy.district import CLOSE_SCRAPE, DAYS, LATE, MUTE, District, lived
from tests.deploy.panels import Asked, Json, Panel, panels, rows_of, series_of

PANELS = tuple(panels())
SOURCES = {"hotline-prometheus", "hotline-router", "hotline-intake"}


@dataclass(frozen=True)
class Shown:
    """The district, and where its figures can be asked for."""

    district: District
    prometheus: str
    databases: dict[str, str]

    def asked(self, days: float = DAYS, **chosen: str) -> Asked:
        """The time shown up to now, with these variables."""
        return Asked(
            self.district.end,
            timedelta(days=days),
            CLOSE_SCRAPE,
            {"unit": LATE, "month": self.district.end.astimezone(SHANGHAI).strftime("%Y-%m")}
            | chosen,
        )

    def rows(self, panel: Panel, asked: Asked) -> list[Json]:
        """What a panel shows, from whichever source."""
        if panel.source == "hotline-prometheus":
            return series_of(panel, asked, self.prometheus)
        return rows_of(panel, asked, self.databases)


@pytest.fixture(scope="module")
def shown(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A district that has lived, in PostgreSQL and in a Prometheus."""
    settings = own_databases(server, tmp_path_factory.mktemp("district"))
    with lived(settings, datetime.now(UTC).replace(microsecond=0)) as district:
        data = tmp_path_factory.mktemp("prometheus")
        with prometheus_with(district.samples, data) as address:
            databases = {
                f"hotline-{name}": libpq(database_url(settings, name))
                for name in ("router", "intake")
            }
            yield Shown(district, address, databases)
    drop_databases(settings, server)


@contextmanager
def prometheus_with(samples: list[str], folder: Path) -> Iterator[str]:
    """A running Prometheus that has scraped these samples."""
    text = folder / "samples.om"
    text.write_text("\n".join([*samples, "# EOF\n"]), encoding="utf-8")
    blocks = folder / "data"
    backfill = ("tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=960h")
    subprocess.run(
        [_tool("promtool"), *backfill, text, blocks], check=True, capture_output=True, timeout=120
    )
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 15s}\n", encoding="utf-8")
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            _tool("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={blocks}",
            "--storage.tsdb.retention.time=90d",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_ready(f"{address}/-/ready")
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _tool(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, f"{name} is missing: install Debian's package prometheus"
    return found


def _wait_ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(URLError, ConnectionError), urlopen(url, timeout=5):  # noqa: S310
            return
        time.sleep(0.1)
    raise AssertionError("Prometheus did not become ready")


def boards() -> list[Json]:
    return [json.loads(text) for text in written().values()]


def panel(title: str, board: str | None = None) -> Panel:
    """The one panel of this title."""
    (found,) = (p for p in PANELS if p.title == title and board in (None, p.board))
    return found


def test_what_is_kept_is_what_the_code_writes() -> None:
    assert {
        path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")
    } == written()


def test_the_schema_knows_every_key() -> None:
    register_default_plugins()
    for board in boards():
        again = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(board)))
        assert not list(_lost(board, again)), board["title"]


def _lost(said: Any, kept: Any, where: str = "") -> Iterator[str]:
    """Keys that reading and writing by the SDK's schema has dropped; SQL is not in it."""
    if isinstance(said, dict) and isinstance(kept, dict):
        for key, value in said.items():
            if key in ("rawSql", "rawQuery", "editorMode", "format"):
                continue
            if key not in kept:
                yield f"{where}/{key}"
            else:
                yield from _lost(value, kept[key], f"{where}/{key}")
    elif isinstance(said, list) and isinstance(kept, list):
        for index, (one, other) in enumerate(zip(said, kept, strict=True)):
            yield from _lost(one, other, f"{where}/{index}")


def test_every_panel_says_what_it_is_and_how_it_is_counted() -> None:
    uids = [board["uid"] for board in boards()]
    assert len(set(uids)) == len(uids)
    for board in boards():
        cells: set[tuple[int, int]] = set()
        known = {variable["name"] for variable in board["templating"]["list"]}
        ids = [p["id"] for p in board["panels"]]
        titles = [p["title"] for p in board["panels"]]
        assert len(set(ids)) == len(ids)
        assert len(set(titles)) == len(titles)
        for found in (p for p in board["panels"] if p["type"] != "row"):
            assert found["description"].endswith("。"), found["title"]
            assert found["fieldConfig"]["defaults"]["noValue"]
            assert found["fieldConfig"]["defaults"]["unit"]
            assert found["datasource"]["uid"] in SOURCES
            place = found["gridPos"]
            own = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert max(x for x, _ in own) < 24
            assert not cells & own, found["title"]
            cells |= own
            used = set(_variables(json.dumps(found.get("targets", ""))))
            assert used <= known, found["title"]


def _variables(text: str) -> Iterator[str]:
    for part in text.split("${")[1:]:
        yield part.split("}")[0].split(":")[0]


@pytest.mark.parametrize("asked", PANELS, ids=str)
def test_each_panel_has_something_to_show(asked: Panel, shown: Shown) -> None:
    days = 0.1 if asked.board == "运行" else DAYS
    street = max(shown.district.books.whistles)
    chosen = {"unit": street} if asked.title == "本街道吹的哨" else {}
    found = shown.rows(asked, shown.asked(days, **chosen))
    print(f"\n{asked}\n  {asked.target.get('rawSql') or asked.target['expr']}\n  → {found[:3]}")
    assert found


def test_the_late_unit_is_at_the_bottom(shown: Shown) -> None:
    found = {row["单位"]: row for row in shown.rows(panel("各单位按时办结"), shown.asked())}
    late = found.pop(LATE)
    assert late["应办结"] >= SMALL
    assert late["说明"] == ""
    assert all(late["按时办结率"] < row["按时办结率"] for row in found.values())
    assert all(row["说明"] == "样本小" for row in found.values() if row["应办结"] < SMALL)


def test_the_storm_is_the_hottest_spot(shown: Shown) -> None:
    hottest = shown.rows(panel("热点"), shown.asked())[0]
    assert (hottest["街道"], hottest["事项"]) == ("wangdingdi", "grid.drainage_flooding")
    assert hottest["件数"] == len(shown.district.books.storm)


def test_satisfaction_is_what_callers_have_said(shown: Shown) -> None:
    answers = shown.district.books.answers.values()
    pleased = sum(mood in ("satisfied", "basically") for _, _, mood in answers)
    (row,) = shown.rows(panel("满意率", "区级督查"), shown.asked())
    assert row["n"] == pytest.approx(pleased / len(answers))
    (row,) = shown.rows(panel("解决率", "区级督查"), shown.asked())
    assert row["n"] == pytest.approx(sum(solved for _, solved, _ in answers) / len(answers))
    by_unit = {
        row["单位"]: row["已评价"] for row in shown.rows(panel("各单位满意率"), shown.asked())
    }
    for unit in {unit for unit, _, _ in answers}:
        assert by_unit[unit] == sum(unit == other for other, _, _ in answers)


def test_arrivals_of_each_day_are_those_that_came(shown: Shown) -> None:
    found = shown.rows(panel("每日受理"), shown.asked())
    days = {row["time"].astimezone(SHANGHAI).date().isoformat(): row["受理"] for row in found}
    assert days == dict(shown.district.books.submitted)


def test_a_street_that_never_whistles_shows(shown: Shown) -> None:
    found = {
        row["街道"]: row["哨"] for row in shown.rows(panel("吹哨的街道", "区级督查"), shown.asked())
    }
    assert found[MUTE] == 0
    assert sum(found.values()) >= 1


def test_returns_are_with_those_who_asked(shown: Shown) -> None:
    asked = shown.asked()
    month = shown.district.end.astimezone(SHANGHAI).month
    found = {row["单位"]: row["退单"] for row in shown.rows(panel("退单", "考核"), asked)}
    wanted: dict[str, int] = {}
    for unit, at in shown.district.books.returns:
        if at.astimezone(SHANGHAI).month == month:
            wanted[unit] = wanted.get(unit, 0) + 1
    assert found == wanted


def test_the_monthly_report_counts_as_the_district_does(shown: Shown) -> None:
    month = shown.district.end.astimezone(SHANGHAI).date().replace(day=1)
    addresses = {name.removeprefix("hotline-"): url for name, url in shown.databases.items()}
    found = {each.figure.title: each for each in sections(addresses, month, {})}
    returns = [
        at for _, at in shown.district.books.returns if at.astimezone(SHANGHAI).date() >= month
    ]
    total = dict(zip(found["退单"].columns, found["退单"].rows[-1], strict=True))
    assert total["退单"] == len(returns)
    opened = dict(zip(found["街道和类别"].columns, found["街道和类别"].rows[-1], strict=True))
    days = shown.district.books.submitted.items()
    assert opened["立案"] == sum(count for day, count in days if day >= month.isoformat())
    late = next(row for row in found["时限"].rows if row[0] == LATE)
    assert dict(zip(found["时限"].columns, late, strict=True))["按时办结"] == 0


def test_metrics_and_rows_agree(shown: Shown) -> None:
    asked = shown.asked()
    (series,) = shown.rows(panel("已超期"), replace(asked, chosen={**asked.chosen, "unit": LATE}))
    clocks = shown.rows(panel("在走的时钟"), asked)
    assert float(series["value"][1]) == sum(row["已超期"] for row in clocks)
