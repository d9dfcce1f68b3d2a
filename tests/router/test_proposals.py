"""Places that people settle and propose to the register: listed, tried, accepted or refused."""

import os
import shutil
from pathlib import Path
from unittest import mock

import pytest
import typer
from typer.testing import CliRunner, Result

from services.router.commands import add_commands
from services.router.domain.places.resolver import resolve
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.settings import load_settings
from tests.router.station import STALLS, Station

NAME = "映翠新村"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(POLICY_DIRECTORY, tmp_path / "policy"))


def database_of(station: Station) -> str:
    url = station.settings.database_url
    assert url is not None
    return url.get_secret_value()


def run(station: Station, *arguments: str) -> Result:
    environment = {
        "HOTLINE_DATABASE_URL": database_of(station),
        "HOTLINE_HOME": str(station.settings.home),
    }
    cli = typer.Typer()
    add_commands(cli)
    with mock.patch.dict(os.environ, environment):
        load_settings.cache_clear()
        result = CliRunner().invoke(cli, ["registers", *arguments])
    load_settings.cache_clear()
    return result


def settled(station: Station, **body: str) -> tuple[str, int, dict[str, object]]:
    """The number of a case that a dispatcher has located, and the answer."""
    number = station.opened(STALLS, text=f"我们{NAME}门口占道", address=None)
    answer = station.post(f"/cases/{number}/relocate", {"reason": "电话核实", **body})
    return number, answer.status_code, answer.json()


def waiting(station: Station) -> list[tuple[int, str]]:
    rows = station.rows("SELECT id, name FROM place_proposal WHERE state = 'open' ORDER BY id")
    return [(number, name) for number, name in rows]


def test_a_settled_place_is_proposed_listed_tried_and_then_known(
    empty_station: Station, directory: Path
) -> None:
    station = empty_station
    assert resolve(load_policy(directory).gazetteer, f"{NAME}停水").street is None
    number, status, _ = settled(station, street="xuefu", register_as=NAME)
    assert status == 200
    ((proposal, _),) = waiting(station)
    listed = run(station, "proposals")
    assert (NAME in listed.stdout, number in listed.stdout) == (True, True), listed.output
    done = run(station, "accept", str(proposal), "--policy", str(directory))
    assert done.exit_code == 0, done.output
    assert "已登记" in done.stdout
    assert resolve(load_policy(directory).gazetteer, f"{NAME}停水").street == "xuefu"
    assert waiting(station) == []
    assert run(station, "accept", str(proposal), "--policy", str(directory)).exit_code == 2


def test_a_refused_proposal_says_why_and_changes_no_register(
    empty_station: Station, directory: Path
) -> None:
    station = empty_station
    settled(station, street="xuefu", register_as=NAME)
    ((proposal, _),) = waiting(station)
    before = (directory / "compounds.csv").read_bytes()
    assert run(station, "refuse", str(proposal), "--reason", " ").exit_code == 2
    done = run(station, "refuse", str(proposal), "--reason", "是一家商店的名字")
    assert done.exit_code == 0, done.output
    assert waiting(station) == []
    assert (directory / "compounds.csv").read_bytes() == before
    reason = station.value("SELECT reason FROM place_proposal WHERE id = :n", n=proposal)
    assert reason == "是一家商店的名字"


def test_what_is_proposed_twice_waits_once(empty_station: Station) -> None:
    for _ in range(2):
        settled(empty_station, street="xuefu", register_as=NAME)
    done = run(empty_station, "propose", NAME, "--street", "xuefu")
    assert done.exit_code == 0, done.output
    assert [name for _, name in waiting(empty_station)] == [NAME]


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"street": "xuefu", "register_as": "=1+1"}, "unfit-name"),
        ({"street": "xuefu", "register_as": "里"}, "unfit-name"),
        ({"words": "河西区天塔街", "register_as": NAME}, "unknown-street"),
    ],
)
def test_what_no_register_could_hold_is_refused_and_the_case_stays(
    empty_station: Station, body: dict[str, str], slug: str
) -> None:
    number, status, answer = settled(empty_station, **body)
    assert status == 422
    assert str(answer["type"]).endswith(slug)
    assert waiting(empty_station) == []
    assert empty_station.facts(number)[-1] != "relocated"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("propose", NAME, "--street", "nowhere"), "没有这个街道"),
        (("propose", NAME, "--street", "xuefu", "--community", "120104009015"), "没有这个社区"),
        (("propose", "1", "--street", "xuefu"), "名称"),
        (("accept", "999999", "--policy", "{directory}"), "没有待核定的提议"),
        (("accept", "1"), "随软件发布的不就地修改"),
        (("refuse", "999999", "--reason", "x"), "没有待核定的提议"),
    ],
)
def test_what_cannot_be_done_ends_with_a_sentence(
    empty_station: Station, directory: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run(empty_station, *(word.format(directory=directory) for word in arguments))
    assert done.exit_code == 2
    assert said in done.output


def test_a_proposal_that_contradicts_the_register_is_not_taken(
    empty_station: Station, directory: Path
) -> None:
    station = empty_station
    run(station, "propose", "迎水里", "--street", "xuefu")
    ((proposal, _),) = waiting(station)
    done = run(station, "accept", str(proposal), "--policy", str(directory))
    assert done.exit_code == 2
    assert "已是王顶堤街道的社区" in done.output
    assert len(waiting(station)) == 1
