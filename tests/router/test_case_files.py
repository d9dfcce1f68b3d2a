"""Lists of cases as files: what the list shows its reader, and nothing else."""

from typing import Any

import pytest
from sqlalchemy import text

import services.router.http.case_files as case_files
import shared.sheets
from services.router.storage.case_search import still_found
from shared.roles import Role
from tests.router.station import HERE, LAMP, STALLS, TRAPPED, Station
from tests.tables import named

CENTRE = "grid-centre"
READERS = [
    (Role.SUPERVISOR, None),
    (Role.DISPATCHER, None),
    (Role.SYSTEM, None),
    (Role.UNIT, "urban-management"),
    (Role.UNIT, "wangdingdi"),
    (Role.UNIT, "market"),
    (Role.UNIT, "education"),
]
SECRET = "我住3号楼2门501，路灯坏了，别说是我说的"


def file(
    station: Station, query: str = "", role: Role = Role.SUPERVISOR, unit: str | None = None,
    form: str = "csv",
) -> list[dict[str, str]]:  # fmt: skip
    answer = station.get(f"/cases/list.{form}{query}", role, unit)
    assert answer.status_code == 200, answer.text
    return named(answer.content, form)


def listed(station: Station, query: str, role: Role, unit: str | None) -> list[Any]:
    page = station.get(f"/cases{query}{'&' if query else '?'}limit=200", role, unit).json()
    assert page["next"] is None
    items: list[Any] = page["items"]
    return items


@pytest.fixture
def cases(empty_station: Station) -> Station:
    """A case of each kind that not everybody may see."""
    station = empty_station
    for leaf in (LAMP, STALLS, TRAPPED):
        station.opened(leaf)
    station.opened(LAMP, text=SECRET, address="迎水里3号楼2门501", confidential=True)
    station.opened(LAMP, accused_unit=CENTRE)
    station.opened(LAMP, accused_unit="urban-management")
    return station


@pytest.mark.parametrize(("role", "unit"), READERS)
@pytest.mark.parametrize(
    "query", ["", "?sort=newest", "?unit=urban-management", "?category=grid&sort=priority"]
)
def test_a_file_holds_the_cases_of_the_list_in_its_words_and_order(
    cases: Station, query: str, role: Role, unit: str | None
) -> None:
    shown = listed(cases, query, role, unit)
    found = file(cases, query, role, unit)
    assert [row["工单号"] for row in found] == [item["number"] for item in shown]
    assert [row["诉求内容"] for row in found] == [item["text"] for item in shown]
    assert [row["地点"] for row in found] == [item["place"] for item in shown]
    if unit == "education":
        assert found == []


def test_a_file_shows_no_more_of_who_is_to_be_protected_than_the_list(cases: Station) -> None:
    (hidden,) = (row for row in file(cases) if row["诉求内容"] == SECRET)
    seen = file(cases, "", Role.UNIT, "wangdingdi")
    (row,) = (row for row in seen if row["工单号"] == hidden["工单号"])
    assert "501" not in "".join(row.values())


def test_a_complaint_about_the_grid_centre_is_in_no_dispatchers_file(cases: Station) -> None:
    accusing = {row["工单号"] for row in file(cases, f"?accused_unit={CENTRE}")}
    assert len(accusing) == 1
    assert file(cases, f"?accused_unit={CENTRE}", Role.DISPATCHER) == []
    assert accusing.isdisjoint(row["工单号"] for row in file(cases, "", Role.DISPATCHER))


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_row_is_in_chinese_and_carries_no_formula(empty_station: Station, form: str) -> None:
    number = empty_station.opened(LAMP, text="=HYPERLINK(1)")
    (row,) = file(empty_station, "", Role.UNIT, "urban-management", form)
    told = {
        "工单号": number,
        "状态": "待签收",
        "紧急程度": "P3 一般",
        "事项": "路灯照明",
        "街道": "王顶堤街道",
        "地点": HERE,
        "承办单位": "区城市管理委员会",
        "诉求内容": "'=HYPERLINK(1)",
        "本单位职责": "主办",
        "最近时限": "签收",
        "由谁负责": "区城市管理委员会",
        "是否超期": "否",
    }
    assert row.items() >= told.items()
    assert row["受理时间"] < row["到期时间"]


@pytest.mark.parametrize("change", ["state = 'closed'", f"accused_unit = '{CENTRE}'"])
def test_what_is_no_longer_the_readers_when_its_row_is_read_is_left_out(
    empty_station: Station, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    station = empty_station
    numbers = [station.opened(LAMP) for _ in range(5)]

    def changing(*asked: Any) -> Any:
        found = still_found(*asked)
        with station.database.writing() as writer:
            writer.execute(
                text(f"UPDATE case_record SET {change} WHERE number = :n"),  # noqa: S608
                {"n": numbers[-1]},
            )
        return found

    monkeypatch.setattr(case_files, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(case_files, "still_found", changing)
    found = [row["工单号"] for row in file(station, "?sort=age", Role.DISPATCHER)]
    assert found == numbers[:-1]


def test_a_list_that_is_too_long_is_refused_and_the_bound_is_said(
    cases: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (case_files, shared.sheets):
        monkeypatch.setattr(module, "MOST_ROWS", 3)
    answer = cases.get("/cases/list.csv")
    assert (answer.status_code, answer.json()["type"]) == (
        422,
        "urn:hotline:problem:too-many-rows",
    )
    assert "超过 3 件" in answer.json()["detail"]
    assert len(file(cases, "?leaf=grid.street_order")) == 1


@pytest.mark.parametrize(
    ("path", "role", "status"),
    [
        ("/cases/list.pdf", Role.SUPERVISOR, 422),
        ("/cases/list.csv?limit=5", Role.SUPERVISOR, 422),
        ("/cases/list.csv?cursor=x", Role.SUPERVISOR, 422),
        ("/cases/list.csv?leaf=grid.nothing", Role.SUPERVISOR, 422),
        ("/cases/list.csv?unit=nobody", Role.SUPERVISOR, 422),
        ("/cases/list.pdf?leaf=grid.nothing", Role.OPERATOR, 403),
    ],
)
def test_what_there_is_not_or_is_not_theirs_is_refused(
    station: Station, path: str, role: Role, status: int
) -> None:
    assert station.get(path, role).status_code == status
