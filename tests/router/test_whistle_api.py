"""Whistles through the running router: who may, what stands in whose queue, what is said."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from shared.events import Priority
from shared.roles import Role
from tests.router.station import (
    HERE,
    LAMP,
    STALLS,
    TRAPPED,
    Json,
    Station,
    classified,
    closed,
    new_number,
    reopened,
)

STREET = "wangdingdi"
"""The street of HERE."""

SAME_DANGER = "电梯里困了人，按铃没人应，快来"
BLOWN_ON = "SELECT count(*) FROM whistle WHERE ticket_number = :n"

JOINT: Json = {
    "kind": "joint_enforcement",
    "lead": "urban-management",
    "assist": ["police", "market"],
    "place": "迎水里菜市场门口",
    "evidence": "现场照片三张",
    "done_so_far": "街道已劝离四次",
    "action": "联合执法取缔",
    "basis": "街道吹哨事项清单第7项",
}


def blown(station: Station, number: str, **changed: object) -> Json:
    """The whistle a street has blown on a case."""
    answer = station.post(f"/cases/{number}/whistles", {**JOINT, **changed}, Role.UNIT, STREET)
    assert answer.status_code == 201, answer.text
    whistle: Json = answer.json()["whistle"]
    return whistle


def give(station: Station, whistle: str, command: str, by: str | None = None, **body: Any) -> Any:
    """A command of a unit on a whistle, or of the grid centre where none is named."""
    name = body.pop("name", None)
    role = Role.UNIT if by else Role.DISPATCHER
    path = f"/api/whistles/{whistle}/{command}"
    return station.client.post(path, json=body, headers=station.header(role, by, name))


def done(station: Station, whistle: str, command: str, by: str | None = None, **body: Any) -> Json:
    """The whistle after a command that is carried out."""
    answer = give(station, whistle, command, by, **body)
    assert answer.status_code == 200, answer.text
    after: Json = answer.json()["whistle"]
    return after


def dispatched(station: Station, number: str | None = None, **changed: object) -> str:
    """The number of a whistle whose units have been called."""
    whistle = blown(station, number or station.opened(STALLS), **changed)["number"]
    done(station, whistle, "sign", STREET)
    done(station, whistle, "dispatch")
    return str(whistle)


def queue(station: Station, whistle: str) -> dict[str, tuple[str, bool]]:
    """Role and openness of a whistle's entry in each unit's queue."""
    query = "SELECT unit, item ->> 'role', open FROM queue_entry WHERE whistle = :w"
    return {unit: (role, is_open) for unit, role, is_open in station.rows(query, w=whistle)}


def facts(station: Station, whistle: str) -> list[str]:
    """What has happened to a whistle."""
    rows = station.rows("SELECT fact FROM whistle_log WHERE whistle = :w ORDER BY id", w=whistle)
    return [fact for (fact,) in rows]


def test_a_whistle_goes_its_whole_way(station: Station) -> None:
    number = station.opened(STALLS)
    resolve = "SELECT due_at, next_fire_at FROM clock WHERE number = :n AND kind = 'resolve'"
    before = station.rows(resolve, n=number)
    whistle = blown(station, number)["number"]
    assert queue(station, whistle) == {STREET: ("whistle_sign", True)}
    done(station, whistle, "sign", STREET)
    assert queue(station, whistle)["grid-centre"] == ("whistle_check", True)
    called = done(station, whistle, "dispatch")
    assert {unit["unit"]: unit["lead"] for unit in called["units"]} == {
        "urban-management": True,
        "police": False,
        "market": False,
    }
    assert queue(station, whistle) == {
        STREET: ("whistle_sign", False),
        "grid-centre": ("whistle_check", False),
        "urban-management": ("whistle_lead", True),
        "police": ("whistle_assist", True),
        "market": ("whistle_assist", True),
    }
    for unit in ("urban-management", "police"):
        for command in ("acknowledge", "arrive", "handle"):
            done(station, whistle, command, unit, note="已到场处置")
    assert queue(station, whistle)[STREET] == ("whistle_confirm", True)
    assert queue(station, whistle)["urban-management"] == ("whistle_lead", False)
    assert queue(station, whistle)["market"] == ("whistle_assist", True)
    done(station, whistle, "confirm", STREET, note="现场已清")
    scored = done(station, whistle, "score", STREET, unit="police", solved=True)
    assert {unit["unit"]: unit["score"] for unit in scored["units"]}["police"]["solved"]
    done(station, whistle, "score", necessary=True, complete=True)
    assert done(station, whistle, "close", STREET)["state"] == "closed"
    assert not any(is_open for _, is_open in queue(station, whistle).values())
    assert facts(station, whistle) == [
        *("blown", "signed", "dispatched", "acknowledged", "arrived", "handled"),
        *("acknowledged", "arrived", "handled", "confirmed", "scored", "scored", "closed"),
    ]
    assert station.rows(resolve, n=number) == before
    said = [type_ for topic, type_ in station.said(number) if topic == "hotline.whistles"]
    assert said == [f"hotline.whistle.{fact}.v1" for fact in facts(station, whistle)]
    open_clocks = "SELECT owner FROM clock WHERE whistle = :w AND stopped_at IS NULL"
    assert set(station.rows(open_clocks, w=whistle)) == {("market",)}


def test_a_whistle_without_a_spot_means_the_tickets_address(station: Station) -> None:
    whistle = blown(station, station.opened(STALLS, address=HERE), place="")
    assert whistle["site"] == HERE


def test_each_called_unit_has_clocks_of_its_own(station: Station) -> None:
    whistle = dispatched(station)
    query = "SELECT owner, kind FROM clock WHERE whistle = :w AND owner NOT LIKE '%grid%'"
    found = set(station.rows(query, w=whistle))
    assert {
        (unit, kind)
        for unit in ("urban-management", "police", "market")
        for kind in ("acknowledge", "arrive", "handle")
    } <= found
    done(station, whistle, "acknowledge", "police")
    stopped = "SELECT owner FROM clock WHERE whistle = :w AND kind = 'acknowledge'"
    assert station.rows(stopped + " AND stopped_at IS NOT NULL", w=whistle) == [("police",)]


def test_a_late_unit_is_called_out_and_the_others_stand(empty_station: Station) -> None:
    station = empty_station
    whistle = dispatched(station)
    done(station, whistle, "acknowledge", "police")
    station.fire(datetime.now(UTC) + timedelta(days=30))
    late = station.rows(
        "SELECT concerns, detail ->> 'clock' FROM whistle_log"
        " WHERE whistle = :w AND fact = 'overdue'",
        w=whistle,
    )
    assert ("market", "acknowledge") in late
    assert ("police", "acknowledge") not in late
    assert len(late) == len(set(late))


def test_danger_proposes_its_whistle_by_itself(station: Station) -> None:
    number = station.opened(TRAPPED)
    ((whistle, kind, state),) = station.rows(
        "SELECT number, kind, state FROM whistle WHERE ticket_number = :n", n=number
    )
    assert (kind, state) == ("emergency", "proposed")
    assert queue(station, whistle) == {
        STREET: ("whistle_sign", True),
        "grid-centre": ("whistle_check", True),
    }
    assert (
        station.rows("SELECT 1 FROM whistle w WHERE ticket_number = :n", n=station.opened()) == []
    )


def test_a_ticket_that_becomes_dangerous_proposes_it_then(empty_station: Station) -> None:
    station = empty_station
    number = station.opened(TRAPPED, priority=Priority.P3)
    assert station.value(BLOWN_ON, n=number) == 0
    station.hear(classified(number, TRAPPED, version=2))
    assert station.value(BLOWN_ON, n=number) == 1
    station.hear(classified(number, TRAPPED, version=3))
    assert station.value(BLOWN_ON, n=number) == 1


def test_danger_proposes_its_whistle_whatever_else_has_been_blown(empty_station: Station) -> None:
    station = empty_station
    number, other = (station.opened(TRAPPED, priority=Priority.P3, text=SAME_DANGER) for _ in "12")
    for case in (number, other):
        blown(station, case, lead="police", assist=[])
    station.hear(classified(number, TRAPPED, version=2, text=SAME_DANGER))
    kinds = "SELECT kind FROM whistle WHERE ticket_number = :n ORDER BY number"
    assert station.rows(kinds, n=number) == [("joint_enforcement",), ("emergency",)]


def test_danger_that_a_person_says_is_none_takes_its_whistle_back(station: Station) -> None:
    number = station.opened(TRAPPED)
    station.done(number, "redispatch", lead_unit="market", priority="P3")
    assert facts(station, f"{number}-W1") == ["blown", "withdrawn"]
    assert not any(is_open for _, is_open in queue(station, f"{number}-W1").values())
    station.hear(classified(number, TRAPPED, version=2))
    assert facts(station, f"{number}-W2") == []


def test_many_calls_about_one_danger_are_looked_up_by_one_query(empty_station: Station) -> None:
    station = empty_station
    station.opened(TRAPPED, text=SAME_DANGER)
    asked = []

    def count(*args: Any) -> None:
        asked.append("w.kind = 'emergency'" in args[2])

    event.listen(station.database.engine, "before_cursor_execute", count)
    try:
        station.hear(*(classified(new_number(), TRAPPED, text=SAME_DANGER) for _ in range(9)))
    finally:
        event.remove(station.database.engine, "before_cursor_execute", count)
    assert (sum(asked), station.value("SELECT count(*) FROM whistle")) == (1, 1)


def test_a_storm_of_calls_about_one_danger_proposes_one_whistle(empty_station: Station) -> None:
    station = empty_station
    numbers = [new_number() for _ in range(27)]
    said = [classified(number, TRAPPED, text=SAME_DANGER) for number in numbers]
    for first in range(0, 27, 9):
        station.hear(*said[first : first + 9])
    ((count, on),) = station.rows("SELECT count(*), min(ticket_number) FROM whistle")
    assert (count, on) == (1, numbers[0])


def test_a_danger_at_the_same_place_an_hour_later_has_its_own_whistle(
    empty_station: Station,
) -> None:
    station = empty_station
    station.opened(TRAPPED, text=SAME_DANGER)
    with station.database.writing() as writer:
        writer.execute(
            text(
                "UPDATE whistle SET blown_at = blown_at - interval '1 hour', details = jsonb_set("
                "details, '{blown_at}', to_jsonb(blown_at - interval '1 hour'))"
            )
        )
    later = station.opened(TRAPPED, text=SAME_DANGER)
    assert station.value(BLOWN_ON, n=later) == 1


def test_an_emergency_cannot_be_vetoed(empty_station: Station) -> None:
    station = empty_station
    number = station.opened(TRAPPED)
    whistle = f"{number}-W1"
    done(station, whistle, "sign", STREET)
    refused = give(station, whistle, "reject", note="不必要")
    assert refused.status_code == 409
    station.fire(datetime.now(UTC) + timedelta(minutes=16))
    assert "dispatched" in facts(station, whistle)
    assert queue(station, whistle)["lift-rescue"] == ("whistle_lead", True)


def test_a_whistle_that_lacks_something_is_rejected_and_amended(station: Station) -> None:
    whistle = blown(station, station.opened(STALLS), done_so_far="", basis="")["number"]
    done(station, whistle, "sign", STREET)
    assert give(station, whistle, "dispatch").status_code in (409, 422)
    rejected = done(station, whistle, "reject", note="请补正")
    assert rejected["state"] == "rejected"
    assert set(rejected["missing"]) == {"done_so_far", "basis"}
    again = give(station, whistle, "amend", STREET, **JOINT)
    assert again.status_code == 200, again.text
    done(station, whistle, "sign", STREET)
    assert done(station, whistle, "dispatch")["state"] == "dispatched"


@pytest.mark.parametrize(
    ("command", "unit", "status"),
    [
        ("acknowledge", "housing", 404),
        ("acknowledge", STREET, 403),
        ("confirm", "police", 403),
        ("confirm", STREET, 409),
        ("dispatch", None, 409),
        ("sign", "gulou", 404),
        ("boil", None, 404),
    ],
)
def test_what_may_not_be_done_changes_nothing(
    station: Station, command: str, unit: str | None, status: int
) -> None:
    whistle = dispatched(station)
    before = facts(station, whistle)
    assert give(station, whistle, command, unit, note="。").status_code == status
    assert facts(station, whistle) == before


def test_a_stale_version_is_refused(station: Station) -> None:
    whistle = dispatched(station)
    stale = give(station, whistle, "acknowledge", "police", version=1)
    assert stale.status_code == 409
    assert stale.json()["type"].endswith("stale-version")


def test_what_is_said_of_a_spot_is_cleaned_like_all_words(station: Station) -> None:
    whistle = blown(station, station.opened(STALLS), place="门\u0000口138\u200b20001234")
    assert whistle["site"] == "门口【电话】"


def test_a_remark_on_blowing_is_kept(station: Station) -> None:
    whistle = blown(station, station.opened(STALLS), note="请走北门，电话13820001234")["number"]
    (line,) = station.get(f"/whistles/{whistle}").json()["log"]
    assert line["note"] == "请走北门，电话【电话】"


@pytest.mark.parametrize("query", ["unit=%00", "cursor=%00", "cursor=", "unit=A b"])
def test_a_list_of_whistles_refuses_what_names_nothing(station: Station, query: str) -> None:
    assert station.get(f"/whistles?{query}").status_code == 422


@pytest.mark.parametrize(
    ("unit", "changed", "status"),
    [
        ("urban-management", {}, 403),
        ("gulou", {}, 404),
        (STREET, {"lead": STREET, "assist": []}, 422),
        (STREET, {"lead": "nobody", "assist": []}, 422),
        (STREET, {"assist": ["urban-management"]}, 422),
        (STREET, {"kind": "emergency"}, 409),
        (STREET, {"kind": "red"}, 422),
        (STREET, {"version": 77}, 409),
    ],
)
def test_only_the_street_blows_and_only_what_makes_sense(
    station: Station, unit: str, changed: Json, status: int
) -> None:
    number = station.opened(LAMP)
    answer = station.post(f"/cases/{number}/whistles", {**JOINT, **changed}, Role.UNIT, unit)
    assert answer.status_code == status, answer.text
    assert station.value(BLOWN_ON, n=number) == 0


def test_the_accused_is_never_called(station: Station) -> None:
    number = station.opened(STALLS, accused_unit="police")
    answer = station.post(f"/cases/{number}/whistles", JOINT, Role.UNIT, STREET)
    assert answer.status_code == 422
    number = station.opened(TRAPPED, accused_unit="fire")
    assert "fire" not in station.value(
        "SELECT units FROM whistle WHERE ticket_number = :n", n=number
    )


def test_a_unit_sees_what_it_blew_and_what_calls_it(station: Station) -> None:
    number = station.opened(STALLS)
    whistle = blown(station, number)["number"]

    def listed(unit: str) -> set[str]:
        page = station.get("/whistles?limit=500", Role.UNIT, unit).json()
        return {item["number"] for item in page["items"]}

    assert whistle in listed(STREET)
    assert whistle not in listed("police")
    assert station.get(f"/whistles/{whistle}", Role.UNIT, "police").status_code == 404
    done(station, whistle, "sign", STREET)
    done(station, whistle, "dispatch")
    assert whistle in listed("police")
    assert whistle not in listed("housing")
    assert station.get("/whistles?unit=housing", Role.UNIT, "police").status_code == 403


def test_whistles_are_listed_a_page_at_a_time(empty_station: Station) -> None:
    station = empty_station
    wanted = [blown(station, station.opened(STALLS))["number"] for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = station.get(f"/whistles?state=proposed&limit=2{cursor}").json()
        seen += [item["number"] for item in page["items"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert seen == wanted[::-1]
    assert station.get("/whistles?cursor=NK1-W9").status_code == 422


def test_the_citizens_word_ends_the_whistle(station: Station) -> None:
    number = station.answered(unit=STREET, leaf=STALLS)
    whistle = blown(station, number)["number"]
    station.hear(closed(number))
    assert facts(station, whistle)[-1] == "closed"
    assert not any(is_open for _, is_open in queue(station, whistle).values())


def test_the_call_back_outweighs_solved(station: Station) -> None:
    number = station.opened(STALLS)
    whistle = dispatched(station, number)
    for command in ("arrive", "handle"):
        done(station, whistle, command, "urban-management", note="已清理")
    done(station, whistle, "confirm", STREET)
    done(station, whistle, "score", STREET, unit="urban-management", solved=True)
    for command in ("accept", "contact", "reply"):
        station.done(number, command, unit=STREET, note="已处理")
    station.done(number, "verify", unit=STREET, name="李四")
    station.hear(reopened(number))
    answer = station.get(f"/whistles/{whistle}").json()["whistle"]
    units = {unit["unit"]: unit for unit in answer["units"]}
    assert units["urban-management"]["unsolved_by_citizen"]


def test_the_last_call_back_counts_too(station: Station) -> None:
    number = station.answered(unit=STREET, leaf=STALLS)
    for round in (1, 2):
        station.hear(reopened(number, round))
        for command in ("accept", "contact", "reply"):
            station.done(number, command, unit=STREET, note="已处理")
        station.done(number, "verify", unit=STREET, name="李四")
    whistle = dispatched(station, number)
    for command in ("arrive", "handle"):
        done(station, whistle, command, "urban-management", note="已清理")
    station.hear(reopened(number, 3))
    assert station.state(number) == "manual_dispatch"
    units = station.get(f"/whistles/{whistle}").json()["whistle"]["units"]
    assert [unit["unit"] for unit in units if unit["unsolved_by_citizen"]] == ["urban-management"]


@pytest.mark.parametrize(
    ("accused", "role", "named", "status"),
    [
        (None, Role.DISPATCHER, "grid-centre", 201),
        (None, Role.DISPATCHER, "gulou", 201),
        (None, Role.DISPATCHER, "discipline", 403),
        (None, Role.DISPATCHER, "housing", 403),
        (None, Role.SUPERVISOR, None, 403),
        ("grid-centre", Role.SUPERVISOR, "discipline", 201),
        ("grid-centre", Role.SUPERVISOR, "grid-centre", 403),
        ("grid-centre", Role.DISPATCHER, None, 404),
        ("gulou", Role.DISPATCHER, "gulou", 403),
    ],
)
def test_the_grid_centre_blows_for_itself_or_a_street(
    station: Station, accused: str | None, role: Role, named: str | None, status: int
) -> None:
    number = station.opened(STALLS, accused_unit=accused)
    answer = station.post(f"/cases/{number}/whistles", {**JOINT, "unit": named}, role)
    assert answer.status_code == status, answer.text


def test_a_moved_community_is_whistled_for_across_districts(station: Station) -> None:
    number = new_number()
    said = classified(
        number, "grid.drainage_flooding", text="燕宇花园门口污水冒了俩礼拜", address=None
    )
    station.hear(said)
    answer = station.post(f"/cases/{number}/whistles", {**JOINT, "cross_district": True})
    assert answer.status_code == 201, answer.text
    whistle = answer.json()["whistle"]
    assert whistle["cross_district"]
    assert whistle["street"] == "grid-centre"


def test_a_case_shows_its_whistles(station: Station) -> None:
    number = station.opened(STALLS, address=HERE)
    whistle = blown(station, number)["number"]
    shown = station.get(f"/cases/{number}").json()["whistles"]
    assert [one["number"] for one in shown] == [whistle]
