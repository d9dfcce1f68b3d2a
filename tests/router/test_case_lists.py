"""Lists of cases: who finds what, in which order, and by which index."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.router.storage.case_search import Sort, Wanted, page_statement
from shared.roles import Role
from tests.router.station import ELSEWHERE, HERE, LAMP, STALLS, TRAPPED, Station

GREENING = "grid.greening"
"""No other test of this file's station opens cases of it."""


def listed(
    station: Station, query: str = "", role: Role = Role.SUPERVISOR, unit: str | None = None
) -> Any:
    answer = station.get(f"/cases{query}", role, unit)
    assert answer.status_code == 200, answer.text
    return answer.json()


def numbers(
    station: Station, query: str = "", role: Role = Role.SUPERVISOR, unit: str | None = None
) -> list[str]:
    return [item["number"] for item in listed(station, query, role, unit)["items"]]


def test_what_is_due_next_stands_first_and_danger_where_that_is_asked(station: Station) -> None:
    calm = station.opened(LAMP)
    urgent = station.opened(TRAPPED)
    due = numbers(station, "?limit=200")
    assert due.index(urgent) < due.index(calm)
    assert numbers(station, "?sort=priority&limit=200").index(urgent) < 200
    assert numbers(station, "?sort=newest&limit=2") == [urgent, calm]
    oldest = numbers(station, "?sort=age&limit=200")
    assert oldest.index(calm) < oldest.index(urgent)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("leaf=grid.street_order", {"stalls"}),
        ("category=grid", {"lamp", "stalls", "elsewhere"}),
        ("priority=P0", {"trapped"}),
        ("street=wangdingdi", {"lamp", "stalls", "trapped"}),
        ("unit=urban-management", {"lamp"}),
        ("unit=city-hotline", {"elsewhere"}),
        ("state=redirected_out", {"elsewhere"}),
        ("state=dispatched&category=grid", {"lamp", "stalls"}),
    ],
)
def test_a_filter_keeps_what_it_names(station: Station, query: str, kept: set[str]) -> None:
    opened = {
        station.opened(LAMP): "lamp",
        station.opened(STALLS): "stalls",
        station.opened(TRAPPED): "trapped",
        station.opened(LAMP, address=ELSEWHERE): "elsewhere",
    }
    found = numbers(station, f"?{query}&sort=newest&limit=200")
    assert {opened[number] for number in found if number in opened} == kept


def test_what_is_late_is_found_and_what_is_closed_only_where_it_is_asked_for(
    station: Station,
) -> None:
    late = station.opened(LAMP)
    assert late not in numbers(station, "?overdue=true&limit=200")
    with station.database.writing() as writer:
        writer.execute(
            text("UPDATE case_record SET due_at = now() - interval '1 minute' WHERE number = :n"),
            {"n": late},
        )
    assert late in numbers(station, "?overdue=true&limit=200")
    with station.database.writing() as writer:
        writer.execute(
            text("UPDATE case_record SET state = 'closed' WHERE number = :n"), {"n": late}
        )
    assert late not in numbers(station, "?overdue=true&limit=200")
    assert late in numbers(station, "?overdue=true&limit=200&include_closed=true")


def test_a_desk_finds_its_own_work_danger_first(station: Station) -> None:
    lamp = station.opened(LAMP, received_at=datetime.now(UTC) - timedelta(days=30))
    trapped = station.opened(TRAPPED)
    todo = "?todo=true&sort=work&limit=200"
    found = numbers(station, todo, Role.UNIT, "wangdingdi")
    assert trapped in found
    assert lamp not in found
    first = [item["priority"] for item in listed(station, "?sort=work&limit=200")["items"]]
    calm = [priority > "P1" for priority in first]
    assert calm == sorted(calm)


def test_a_case_says_what_its_reader_may_do(station: Station) -> None:
    number = station.opened(LAMP)
    lead = station.get(f"/cases/{number}", Role.UNIT, "urban-management").json()["commands"]
    assert {"accept", "return"} <= set(lead)
    assert not {"reply", "redispatch", "verify"} & set(lead)
    centre = station.get(f"/cases/{number}").json()["commands"]
    assert {"redispatch", "relocate", "reclassify"} <= set(centre)
    assert station.get(f"/cases/{number}", Role.OPERATOR).json()["commands"] == ["urge"]


def test_a_unit_finds_what_it_may_look_at_and_no_more(station: Station) -> None:
    lamp, stalls = station.opened(LAMP), station.opened(STALLS)
    for unit, mine in [
        ("urban-management", {lamp, stalls}),
        ("wangdingdi", {lamp, stalls}),
        ("market", {stalls}),
        ("education", set()),
    ]:
        found = set(numbers(station, "?sort=newest&limit=200", Role.UNIT, unit))
        assert found & {lamp, stalls} == mine, unit
        readable = {
            number
            for number in (lamp, stalls)
            if station.get(f"/cases/{number}", Role.UNIT, unit).status_code == 200
        }
        assert readable == mine, unit


def test_a_complaint_about_the_grid_centre_is_not_there_for_dispatchers(station: Station) -> None:
    before = listed(station, "", Role.DISPATCHER)["total"]
    hidden = station.opened(LAMP, accused_unit="grid-centre")
    assert hidden not in numbers(station, "?sort=newest&limit=200", Role.DISPATCHER)
    assert listed(station, "", Role.DISPATCHER)["total"] == before
    assert hidden in numbers(station, "?accused_unit=grid-centre&limit=200")


@pytest.mark.parametrize("sort", Sort)
def test_pages_hold_every_case_once(station: Station, sort: Sort) -> None:
    opened = {station.opened(GREENING) for _ in range(5)}
    query, found = f"?leaf={GREENING}&sort={sort}&limit=2", []
    page = listed(station, query)
    assert page["total"] >= len(opened)
    while True:
        found += [item["number"] for item in page["items"]]
        if page["next"] is None:
            break
        page = listed(station, f"{query}&cursor={page['next']}")
    assert opened <= set(found)
    assert len(found) == len(set(found)) == page["total"]


def test_a_line_says_in_chinese_what_it_is_and_when_it_presses(station: Station) -> None:
    number = station.opened(LAMP)
    (item,) = [i for i in listed(station, "?sort=newest&limit=5")["items"] if i["number"] == number]
    assert (item["state_name"], item["leaf_name"]) == ("待签收", "路灯照明")
    assert (item["lead_name"], item["street_name"]) == ("区城市管理委员会", "王顶堤街道")
    assert item["place"] == HERE
    due = item["due"]
    assert due["started_at"] < due["soon_at"] < due["due_at"]
    assert not due["overdue"]


@pytest.mark.parametrize(
    "query",
    [
        "?cursor=nonsense",
        "?cursor=WyJkZWFkbGluZSIsICJ4IiwgInkiXQ==",
        "?leaf=grid.nothing",
        "?unit=nobody",
        "?sort=loudest",
        "?overdu=true",
        "?state=lost",
        "?limit=0",
    ],
)
def test_a_list_that_there_is_not_is_refused(station: Station, query: str) -> None:
    assert station.get(f"/cases{query}", Role.SUPERVISOR).status_code == 422


@pytest.mark.parametrize("role", [Role.OPERATOR])
def test_lists_of_cases_are_not_for_operators(station: Station, role: Role) -> None:
    assert station.get("/cases", role).status_code == 403


def test_what_is_due_follows_the_clocks(station: Station) -> None:
    number = station.opened(LAMP)
    soonest = (
        "SELECT c.due_at = min(k.due_at) FROM case_record c JOIN clock k USING (number)"
        " WHERE number = :n AND whistle IS NULL AND stopped_at IS NULL GROUP BY c.due_at"
    )
    assert station.value(soonest, n=number)
    for command in ("accept", "contact"):
        station.done(number, command, unit="urban-management", note="已处理")
        assert station.value(soonest, n=number)


def test_a_page_among_very_many_cases_is_read_by_an_index(station: Station) -> None:
    number = station.opened(LAMP)
    copied = (
        "number, version, ticket_version, round, state, disposition, priority, leaf, category,"
        " street, lead_unit, desk, accused_unit, details, ticket, opened_at, due_at, readers"
    )
    chosen = copied.replace("number", "'M' || i", 1).replace(
        " due_at,", " now() + i * interval '1 second',"
    )
    with station.database.engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO case_record ({copied}) SELECT {chosen} FROM case_record,"  # noqa: S608
            f" generate_series(1, 100000) i WHERE number = '{number}'"
        )
        connection.exec_driver_sql("ANALYZE case_record")
        for sort, index in [
            (Sort.WORK, "case_work"),
            (Sort.DEADLINE, "case_due"),
            (Sort.AGE, "case_age"),
            (Sort.PRIORITY, "case_urgency"),
            (Sort.NEWEST, "case_newest"),
        ]:
            statement, values = page_statement(Wanted(sort=sort, open=sort is not Sort.NEWEST))
            plan = "\n".join(
                line for (line,) in connection.execute(text(f"EXPLAIN {statement}"), values)
            )
            assert index in plan, plan
            assert "Sort" not in plan
        connection.rollback()
