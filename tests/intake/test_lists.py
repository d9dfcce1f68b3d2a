"""Lists of tickets as files: what the list shows its reader, and nothing else."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

import shared.sheets
from services.intake import lists
from services.intake.search import still_found
from services.intake.tickets import STATUSES
from shared.events import CaseState
from shared.names import CHANNEL_NAMES, KIND_NAMES, PRIORITY_NAMES, STATE_NAMES
from shared.roles import Role
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases
from tests.intake.office import Office, case_event, classification, message, open_office
from tests.tables import named

PHONE = "13652074418"
CALLER = {"name": "甘棠", "phone": PHONE}
LEAD = "urban-management"
LAMP = "grid.street_lighting"
SECRET = "我住3号楼2门501，楼道堆物，别说是我说的"
READERS = [
    (Role.OPERATOR, None),
    (Role.DISPATCHER, None),
    (Role.SUPERVISOR, None),
    (Role.SYSTEM, None),
    (Role.UNIT, LEAD),
    (Role.UNIT, "housing"),
    (Role.UNIT, "education"),
]


def file(
    office: Office, query: str = "", role: Role = Role.OPERATOR, unit: str | None = None,
    form: str = "csv",
) -> list[dict[str, str]]:  # fmt: skip
    answer = office.get(f"/tickets/list.{form}{query}", role, unit)
    assert answer.status_code == 200, answer.text
    return named(answer.content, form)


@pytest.fixture(scope="module")
def filled(
    server: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Office, Mapping[str, str]]]:
    """An intake with a ticket of each kind that not everybody may see."""
    settings = own_databases(server, tmp_path_factory.mktemp("lists"))
    with open_office(settings) as office:
        plain = office.submit(text="=路灯坏了", caller=CALLER, channel="web", title="路灯")
        secret = office.submit(text=SECRET, caller={**CALLER, "confidential": True})
        centre = office.submit(text="中心不派单", accused_unit="grid-centre")
        accused = office.submit(text="城管不管", accused_unit=LEAD)
        waiting = office.submit(text="井盖丢了")
        led: Any = {"lead_unit": LEAD, "assist_units": ("housing",), "leaf": LAMP}
        for number in (plain, secret, centre, accused):
            office.tell(message(case_event(number, 1, **led), number))
        office.tell(message(classification(waiting), waiting))
        kinds = {"plain": plain, "secret": secret, "centre": centre}
        yield office, kinds | {"accused": accused, "waiting": waiting}
    drop_databases(settings, server)


@pytest.mark.parametrize(("role", "unit"), READERS)
@pytest.mark.parametrize(
    "query",
    ["", "?status=dispatched", f"?q={quote('坏了')}", f"?q={quote('501')}", "?category=property"],
)
def test_a_file_holds_the_tickets_of_the_list_in_its_words_and_order(
    filled: tuple[Office, Mapping[str, str]], query: str, role: Role, unit: str | None
) -> None:
    office, _ = filled
    shown = office.get(f"/tickets{query}", role, unit).json()["items"]
    found = file(office, query, role, unit)
    assert [row["工单号"] for row in found] == [item["number"] for item in shown]
    assert [row["诉求内容"].removeprefix("'") for row in found] == [item["text"] for item in shown]


def test_nobody_is_told_more_by_a_file(filled: tuple[Office, Mapping[str, str]]) -> None:
    office, kinds = filled
    whole = {row["工单号"]: row for row in file(office)}
    assert whole.keys() == set(kinds.values())
    assert kinds["centre"] not in {r["工单号"] for r in file(office, "", Role.DISPATCHER)}
    led = {row["工单号"]: row for row in file(office, "", Role.UNIT, LEAD)}
    assert led.keys() == {kinds["plain"], kinds["secret"], kinds["centre"]}
    assert whole[kinds["secret"]]["诉求内容"] == SECRET
    assert "501" not in "".join(led[kinds["secret"]].values())
    for row in (*whole.values(), *led.values()):
        assert "甘棠" not in "".join(row.values())
        assert PHONE not in "".join(row.values())


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_row_is_in_chinese_and_carries_no_formula(
    filled: tuple[Office, Mapping[str, str]], form: str
) -> None:
    office, kinds = filled
    rows = {row["工单号"]: row for row in file(office, form=form)}
    told = {
        "状态": "待签收",
        "渠道": "网站",
        "诉求类型": "求助",
        "标题": "路灯",
        "诉求内容": "'=路灯坏了",
        "主办单位": "区城市管理委员会",
        "事项": "路灯照明",
        "紧急程度": "P3 一般",
        "办结方式": "",
    }
    assert rows[kinds["plain"]].items() >= told.items()
    assert rows[kinds["waiting"]]["状态"] == "已分类"
    assert rows[kinds["waiting"]]["主办单位"] == ""


@pytest.mark.parametrize(
    ("outcome", "said"),
    [("solved", "已解决"), ("withdrawn", "诉求人撤回"), ("of-old", "of-old"), (None, "")],
)
def test_how_a_ticket_ended_is_said_in_words(
    office: Office, outcome: str | None, said: str
) -> None:
    number = office.submit()
    office.tell(message(case_event(number, 1, CaseState.CLOSED, outcome=outcome), number))
    (row,) = (row for row in file(office, "?status=closed") if row["工单号"] == number)
    assert (row["状态"], row["办结方式"]) == ("已办结", said)


def test_looking_for_a_phone_is_recorded_and_not_for_units(
    filled: tuple[Office, Mapping[str, str]],
) -> None:
    office, kinds = filled
    reads = "SELECT number, role FROM caller_read"
    before = office.rows(reads)
    found = file(office, f"?phone={PHONE}", Role.DISPATCHER)
    assert [row["工单号"] for row in found] == [kinds["plain"]]
    assert office.rows(reads) == [*before, (kinds["plain"], "dispatcher")]
    path = f"/tickets/list.csv?phone={PHONE}"
    assert office.get(path, Role.UNIT, LEAD).status_code == 403
    assert len(office.rows(reads)) == len(before) + 1


def test_what_is_no_longer_the_readers_when_its_row_is_read_is_left_out(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [office.submit(text="暂停供暖") for _ in range(5)]

    def changing(*asked: Any) -> Any:
        found = still_found(*asked)
        with office.running.runtime.database.writing() as writer:
            accuse = text("UPDATE ticket SET accused_unit = 'grid-centre' WHERE number = :n")
            writer.execute(accuse, {"n": numbers[0]})
        return found

    monkeypatch.setattr(lists, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(lists, "still_found", changing)
    found = file(office, f"?q={quote('暂停供暖')}", Role.DISPATCHER)
    assert [row["工单号"] for row in found] == numbers[:0:-1]


def test_a_list_that_is_too_long_is_refused_before_anything_is_recorded(
    filled: tuple[Office, Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, _ = filled
    for module in (lists, shared.sheets):
        monkeypatch.setattr(module, "MOST_ROWS", 0)
    before = office.counts()
    answer = office.get(f"/tickets/list.xlsx?phone={PHONE}")
    assert (answer.status_code, answer.json()["type"]) == (
        422,
        "urn:hotline:problem:too-many-rows",
    )
    assert "超过 0 件" in answer.json()["detail"]
    assert office.counts() == before


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/tickets/list.pdf", "invalid"),
        ("/tickets/list.csv?status=lost", "unknown-status"),
        ("/tickets/list.csv?leaf=x.y", "unknown-leaf"),
        ("/tickets/list.csv?cursor=x", "unknown-parameter"),
        ("/tickets/list.csv?limit=1", "unknown-parameter"),
    ],
)
def test_a_file_that_there_is_not_is_refused(office: Office, path: str, slug: str) -> None:
    answer = office.get(path)
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:hotline:problem:{slug}")


def test_there_is_a_word_for_everything() -> None:
    said = (CHANNEL_NAMES, KIND_NAMES, PRIORITY_NAMES, STATE_NAMES)
    for names in said:
        (kind,) = {type(one) for one in names}
        assert set(names) == set(kind)
    assert set(lists.STATUS_NAMES) == set(STATUSES)
