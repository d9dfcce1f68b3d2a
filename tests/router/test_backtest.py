"""A changed policy on the stored tickets: what would move, and nothing changes."""

import json
import os
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
from sqlalchemy import event, text
from typer.testing import CliRunner, Result

from services.router.backtest import newest
from services.router.commands import add_commands
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.settings import load_settings
from tests.router.station import LAMP, STALLS, Station, classified, new_number

FROM = ",dispatch,urban-management,power|street,yes,yes,1wd,1wd,3wd,"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(POLICY_DIRECTORY, tmp_path / "policy"))


def change(directory: Path, old: str, new: str) -> None:
    path = directory / "responsibility.csv"
    content = path.read_text(encoding="utf-8")
    assert content.count(old) == 1
    path.write_text(content.replace(old, new), encoding="utf-8")


def backtest(station: Station, directory: Path, *arguments: str) -> Result:
    settings = station.settings
    assert settings.database_url is not None
    environment = {
        "HOTLINE_HOME": str(settings.home),
        "HOTLINE_DATABASE_URL": settings.database_url.get_secret_value(),
    }
    cli = typer.Typer()
    add_commands(cli)
    cli.callback()(lambda: None)
    with mock.patch.dict(os.environ, environment):
        load_settings.cache_clear()
        result = CliRunner().invoke(cli, ("backtest", "--policy", str(directory), *arguments))
    load_settings.cache_clear()
    return result


def page(station: Station, directory: Path, *arguments: str) -> str:
    result = backtest(station, directory, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def report(station: Station, directory: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page(station, directory, "--format", "json", *arguments))
    return found


def test_it_says_which_tickets_would_go_elsewhere_and_changes_none(
    empty_station: Station, directory: Path
) -> None:
    station = empty_station
    lamps = [station.opened(LAMP) for _ in range(4)]
    station.opened(STALLS)
    change(directory, FROM, FROM.replace("urban-management,power|street", "power,street"))
    before = station.rows("SELECT number, version, xmin::text FROM case_record ORDER BY 1")
    said = page(station, directory)
    assert f"策略 {load_policy(directory).version} 对比现行" in said
    assert "重派 5 件" in said
    assert "会变动   4 件" in said
    assert "时限变动 0 件" in said
    assert "协办变动 4 件" in said
    newest_three = "、".join(sorted(lamps, reverse=True)[:3])
    line = "王顶堤街道 · 路灯照明：派单 区城市管理委员会 → 派单 国网天津城西供电（95598）"
    assert f"      4  {line}  如 {newest_three}" in said
    assert station.rows("SELECT number, version, xmin::text FROM case_record ORDER BY 1") == before


def test_limits_that_change_are_counted_by_leaf_and_clock(
    empty_station: Station, directory: Path
) -> None:
    number = empty_station.opened(LAMP)
    change(directory, FROM, FROM.replace("1wd,1wd,3wd", "1wd,,2wd"))
    found = report(empty_station, directory)
    assert (found["moved"], found["tickets_with_other_limits"]) == (0, 1)
    assert found["limits"] == [
        {
            "leaf": LAMP,
            "clock": clock,
            "before": before,
            "after": after,
            "tickets": 1,
            "examples": [number],
        }
        for clock, before, after in (("contact", "1wd", None), ("resolve", "3wd", "2wd"))
    ]
    assert "路灯照明：办结 3wd → 2wd" in page(empty_station, directory)
    assert "路灯照明：联系 1wd → 无" in page(empty_station, directory)


def test_a_street_that_changes_hands_is_a_move(empty_station: Station, directory: Path) -> None:
    number = empty_station.opened(STALLS, text="禧顺花园门口烧烤摊", address=None)
    compounds = directory / "compounds.csv"
    content = compounds.read_text(encoding="utf-8")
    compounds.write_text(content.replace("jialingdao", "xuefu"), encoding="utf-8")
    found = report(empty_station, directory)
    assert found["moves"] == [
        {
            "leaf": STALLS,
            "before": {"street": "jialingdao", "disposition": "dispatch", "unit": "jialingdao"},
            "after": {"street": "xuefu", "disposition": "dispatch", "unit": "xuefu"},
            "tickets": 1,
            "examples": [number],
        }
    ]
    assert "嘉陵道街道 · 街面秩序" in page(empty_station, directory)
    assert "（改属学府街道）" in page(empty_station, directory)


def test_a_change_to_come_is_tried_on_its_day(empty_station: Station, directory: Path) -> None:
    empty_station.opened(LAMP)
    change(directory, f"{FROM},,", f"{FROM},2099-12-31,")
    with (directory / "responsibility.csv").open("a", encoding="utf-8") as file:
        file.write(f"{LAMP},,dispatch,power,street,yes,yes,1wd,1wd,3wd,2100-01-01,,x\n")
    assert report(empty_station, directory)["moved"] == 0
    assert report(empty_station, directory, "--on", "2100-01-01")["moved"] == 1


def test_a_ticket_split_off_keeps_the_place_it_was_given(
    empty_station: Station, directory: Path
) -> None:
    number = empty_station.opened(LAMP)
    with empty_station.database.writing() as writer:
        writer.execute(
            text(
                "UPDATE case_record SET ticket = ticket || jsonb_build_object("
                "'parent', 'NK1', 'text', '路灯也不亮', 'address', null) WHERE number = :n"
            ),
            {"n": number},
        )
    change(directory, FROM, FROM.replace("urban-management,power|street", "power,street"))
    assert report(empty_station, directory)["moves"][0]["before"]["street"] == "wangdingdi"


def test_only_the_last_tickets_are_tried(empty_station: Station, directory: Path) -> None:
    for _ in range(3):
        empty_station.opened(LAMP)
    assert "重派 2 件" in page(empty_station, directory, "--last", "2")


def test_no_tickets_are_no_error(empty_station: Station, directory: Path) -> None:
    assert "重派 0 件" in page(empty_station, directory)
    assert report(empty_station, directory)["moves"] == []


def test_a_faulty_policy_ends_with_its_file_line_and_reason(
    station: Station, directory: Path
) -> None:
    change(directory, FROM, FROM.replace("urban-management", "nobody"))
    result = backtest(station, directory)
    assert result.exit_code == 2
    assert "responsibility.csv第3行：未知的单位“nobody”" in result.stderr


@pytest.mark.parametrize("arguments", [("--last", "0"), ("--on", "soon"), ("--format", "xml")])
def test_a_senseless_question_is_refused(
    station: Station, directory: Path, arguments: tuple[str, str]
) -> None:
    assert backtest(station, directory, *arguments).exit_code == 2


def test_tickets_come_in_batches_from_a_cursor_on_the_server(
    empty_station: Station, directory: Path
) -> None:
    station = empty_station
    station.hear(classified(new_number()))
    columns = (
        "version, ticket_version, round, state, disposition, priority, leaf, category, street,"
        " lead_unit, desk, accused_unit, details, ticket"
    )
    with station.database.writing() as writer:
        writer.execute(
            text(
                f"INSERT INTO case_record (number, {columns}) SELECT 'X' || i, {columns}"  # noqa: S608
                " FROM case_record, generate_series(1, 1200) i"
            )
        )
    streamed: list[bool] = []

    def note(*arguments: Any) -> None:
        streamed.append(arguments[4].execution_options.get("yield_per") == 500)

    event.listen(station.database.engine, "before_cursor_execute", note)
    with station.database.reading() as reader:
        sizes = [len(batch) for batch in newest(reader, 1100)]
    event.remove(station.database.engine, "before_cursor_execute", note)
    assert sizes == [500, 500, 100]
    assert any(streamed)
    assert "重派 1201 件" in page(station, directory)
