"""Who is shown what: the accused nothing, the informant to nobody, a whistle to those in it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.events import Danger, Heard, Priority, Ticket
from shared.roles import Role
from tests.router.station import (
    LAMP,
    STALLS,
    TRAPPED,
    Json,
    Station,
    classified,
    closed,
    urged,
)
from tests.router.test_incidents import flooded, incident_of
from tests.router.test_whistle_api import JOINT, STREET, blown, dispatched, done

CALLER = "我是3号楼2门501的住户，怎么没人来"
SEEN = "我是【住址】的住户，怎么没人来"
ACCUSES: Any = {"confidential": False, "accused_unit": "grid-centre", "reason": "投诉的是中心"}


@pytest.mark.parametrize("after", ["", "&after={unit}:0"])
def test_a_dispatcher_finds_no_complaint_about_the_grid_centre_in_a_queue(
    station: Station, after: str
) -> None:
    accusing, other = station.opened(LAMP, accused_unit="grid-centre"), station.opened(LAMP)
    unit = "urban-management"
    path = f"/units/{unit}/queue?limit=500{after.format(unit=unit)}"

    def listed(role: Role) -> set[str]:
        return {item["number"] for item in station.get(path, role).json()["items"]}

    assert {accusing, other} <= listed(Role.SUPERVISOR)
    assert {accusing, other} & listed(Role.DISPATCHER) == {other}


def test_a_page_of_whistles_is_full_without_those_about_the_reader(empty_station: Station) -> None:
    station = empty_station
    seen = station.opened(TRAPPED)
    accusing = [station.opened(TRAPPED, accused_unit="grid-centre") for _ in range(2)]
    page = station.get("/whistles?limit=1").json()
    assert [item["ticket_number"] for item in page["items"]] == [seen]
    assert page["cursor"] is None
    everything = station.get("/whistles", Role.SUPERVISOR).json()["items"]
    assert {item["ticket_number"] for item in everything} == {seen, *accusing}


def test_what_a_dispatcher_may_not_see_moves_no_cursor_and_ends_no_wait(
    empty_station: Station,
) -> None:
    station = empty_station
    unit = "urban-management"

    def page(role: Role, query: str = "") -> Json:
        answer = station.get(f"/units/{unit}/queue{query}", role)
        found: Json = answer.json() | {"status": answer.status_code}
        return found

    seen = station.opened(LAMP)
    before = page(Role.DISPATCHER)["cursor"]
    station.opened(LAMP, accused_unit="grid-centre")
    assert page(Role.SUPERVISOR)["cursor"] != before
    assert page(Role.DISPATCHER)["cursor"] == before
    waited = page(Role.DISPATCHER, f"?after={before}&wait=0.2")
    assert (waited["items"], waited["cursor"]) == ([], before)
    ahead = page(Role.SUPERVISOR)["cursor"]
    assert page(Role.DISPATCHER, f"?after={ahead}")["status"] == 410
    limited = page(Role.DISPATCHER, "?limit=1")
    assert [item["number"] for item in limited["items"]] == [seen]


def test_a_complaint_that_a_person_finds_to_be_about_the_grid_centre_leaves_its_sight(
    station: Station,
) -> None:
    number = station.opened(LAMP)

    answer = station.give(number, "restrict", **ACCUSES)
    assert answer.status_code == 200, answer.text

    def listed(role: Role) -> set[str]:
        items = station.get("/units/urban-management/queue?limit=500", role).json()["items"]
        return {item["number"] for item in items}

    assert number in listed(Role.SUPERVISOR)
    assert number not in listed(Role.DISPATCHER)


def test_an_event_does_not_count_the_complaints_about_its_reader(empty_station: Station) -> None:
    station = empty_station
    calls = [flooded(n=n) for n in range(3)]
    station.hear(*calls)
    event = incident_of(station, calls[0].ticket.number)

    hidden = calls[2].ticket.number
    assert station.give(hidden, "restrict", **ACCUSES).status_code == 200

    def counts(role: Role) -> tuple[int, int, int]:
        (listed,) = station.get("/incidents", role).json()["items"]
        one = station.get(f"/incidents/{event}", role).json()
        return listed["count"], one["count"], len(one["members"])

    assert counts(Role.SUPERVISOR) == (3, 3, 3)
    assert counts(Role.DISPATCHER) == (2, 2, 2)


def test_nothing_that_a_dispatcher_reads_names_a_complaint_about_the_centre(
    station: Station,
) -> None:
    hidden, seen = station.opened(LAMP), station.opened(LAMP)
    history = {"earlier": (seen, hidden), "refers_to": (hidden,), "heard": (Heard.SETTLED,)}
    number = station.opened(TRAPPED, **history)
    asked = station.opened(LAMP, abstained=True, **history)
    (whistle,) = station.get(f"/cases/{number}").json()["whistles"]
    paths = [
        *(f"/cases/{one}" for one in (number, asked)),
        f"/whistles/{whistle['number']}",
        "/whistles?limit=500",
        "/units/lift-rescue/queue?limit=500",
        "/units/lift-rescue/queue?limit=500&after=lift-rescue:0",
    ]

    def naming(role: Role) -> list[str]:
        return [path for path in paths if hidden in station.get(path, role).text]

    assert naming(Role.DISPATCHER)
    assert station.give(hidden, "restrict", **ACCUSES).status_code == 200
    assert naming(Role.DISPATCHER) == []
    assert naming(Role.SUPERVISOR)
    case = station.get(f"/cases/{number}").json()
    assert case["ticket"]["earlier"] == [seen]


@pytest.mark.parametrize("readable", [True, False])
def test_a_page_of_whistles_ends_with_a_number_its_reader_may_know(
    empty_station: Station, readable: bool
) -> None:
    station = empty_station
    accused = None if readable else "grid-centre"
    whistle = f"{station.opened(TRAPPED, accused_unit=accused)}-W1"
    answer = station.get(f"/whistles?cursor={whistle}")
    assert answer.status_code == (200 if readable else 422)
    unknown = station.get("/whistles?cursor=NK20261123-999999-W1")
    assert unknown.status_code == 422
    assert readable or answer.json()["title"] == unknown.json()["title"]


def test_a_case_shows_a_unit_the_whistles_it_has_to_do_with(station: Station) -> None:
    number = station.opened(LAMP)
    whistle = blown(station, number, lead="power", assist=[])["number"]

    def shown(unit: str) -> list[str]:
        case = station.get(f"/cases/{number}", Role.UNIT, unit).json()
        return [one["number"] for one in case["whistles"]]

    assert (shown(STREET), shown("power"), shown("urban-management")) == ([whistle], [], [])
    done(station, whistle, "sign", STREET)
    done(station, whistle, "dispatch")
    assert (shown("power"), shown("urban-management")) == ([whistle], [])


@pytest.mark.parametrize(
    ("priority", "confidential", "note"),
    [
        (Priority.P3, True, SEEN),
        (Priority.P0, True, CALLER),
        (Priority.P3, False, CALLER),
    ],
)
def test_what_a_protected_caller_adds_is_masked_in_the_log_that_units_read(
    station: Station, priority: Priority, confidential: bool, note: str
) -> None:
    number = station.opened(STALLS, priority=priority, confidential=confidential)
    station.hear(urged(number, CALLER))

    def last_note(role: Role, unit: str | None) -> str:
        return str(station.get(f"/cases/{number}", role, unit).json()["log"][-1]["note"])

    assert last_note(Role.UNIT, STREET) == note
    assert last_note(Role.DISPATCHER, None) == CALLER


def test_what_a_caller_adds_is_not_passed_on_to_the_case_that_is_worked_for_them(
    empty_station: Station,
) -> None:
    station = empty_station
    lead, protected = flooded(), flooded(n=1, confidential=True)
    station.hear(lead, protected)
    incident = incident_of(station, lead.ticket.number)
    assert station.post(f"/incidents/{incident}/merge", {}).status_code == 200
    station.hear(urged(protected.ticket.number, CALLER))
    case = station.get(f"/cases/{lead.ticket.number}").json()
    assert (case["case"]["state"], case["ticket"]["confidential"]) == ("dispatched", False)
    assert (case["log"][-1]["fact"], case["log"][-1]["note"]) == ("urged", "")


def test_what_a_unit_writes_is_shown_as_it_is(station: Station) -> None:
    number = station.opened(STALLS, confidential=True)
    station.done(number, "accept", unit=STREET, note="3号楼2门501已上门")
    log = station.get(f"/cases/{number}", Role.UNIT, STREET).json()["log"]
    assert log[-1]["note"] == "3号楼2门501已上门"


def test_what_the_grid_centre_writes_of_a_protected_caller_is_masked_for_the_called_units(
    station: Station,
) -> None:
    number = station.opened(STALLS, confidential=True)
    whistle = blown(station, number)["number"]
    done(station, whistle, "sign", STREET)
    done(station, whistle, "dispatch", note=CALLER)
    log = station.get(f"/whistles/{whistle}", Role.UNIT, "police").json()["log"]
    assert log[-1]["note"] == SEEN


def test_a_protected_caller_stays_protected_when_the_danger_turns_out_to_be_none(
    station: Station,
) -> None:
    number = station.opened(TRAPPED, confidential=True, text=CALLER)
    whistle = f"{number}-W1"
    done(station, whistle, "dispatch")

    def read() -> str:
        answer = station.get(f"/whistles/{whistle}", Role.UNIT, "lift-rescue")
        return str(answer.json()["ticket"]["text"])

    assert read() == CALLER
    station.done(number, "redispatch", lead_unit="market", priority="P3")
    assert read() == SEEN


def test_the_times_in_a_whistles_log_are_those_on_the_wall(empty_station: Station) -> None:
    station = empty_station
    whistle = dispatched(station)
    station.fire(datetime.now(UTC) + timedelta(days=9))
    log = station.get(f"/whistles/{whistle}").json()["log"]
    dues = [line["detail"]["due_at"] for line in log if "due_at" in line["detail"]]
    assert dues
    assert all(due_at.endswith("+08:00") for due_at in dues)


def test_what_the_centre_writes_on_a_whistle_keeps_the_callers_room_and_name_from_the_called(
    station: Station,
) -> None:
    number = station.opened(STALLS, confidential=True, address="迎水里3号楼5门202")
    body = {**JOINT, "evidence": "反映人赵铁柱（202）拍的照片", "place": "迎水里8号楼2门501门口"}
    assert station.post(f"/cases/{number}/whistles", body).status_code == 201
    whistle = f"{number}-W1"
    done(station, whistle, "sign", STREET)
    done(station, whistle, "dispatch")

    def read(path: str, unit: str) -> Json:
        found: Json = station.get(path, Role.UNIT, unit).json()
        return found

    one = read(f"/whistles/{whistle}", "police")["whistle"]
    listed = [each for each in read("/whistles", "police")["items"] if each["number"] == whistle]
    queued = [
        item["whistle"]
        for item in read("/units/police/queue?limit=500", "police")["items"]
        if (item["whistle"] or {}).get("number") == whistle
    ]
    for shown in (one, *listed, *queued):
        assert "202" not in shown["evidence"]
        assert "赵铁柱" not in shown["evidence"]
        assert "501" in shown["site"], "they have to find the spot"
    assert len(listed) == len(queued) == 1


def test_a_guess_of_danger_does_not_show_the_street_who_called(station: Station) -> None:
    told: Any = {"confidential": True, "priority": Priority.P0, "text": CALLER}
    number = station.opened(STALLS, abstained=True, address="迎水里3号楼2门501", **told)
    assert station.state(number) == "manual_dispatch"
    seen = station.get(f"/cases/{number}", Role.UNIT, "wangdingdi").json()["ticket"]
    assert seen["text"] == SEEN
    assert "501" not in seen["address"]


def test_a_closed_entry_shows_no_more_of_a_protected_caller_than_others(station: Station) -> None:
    number = station.opened(TRAPPED, confidential=True, priority=Priority.P0, text=CALLER)
    station.hear(closed(number, "withdrawn").model_copy(update={"note": "来电人撤回"}))
    case = station.get(f"/cases/{number}", Role.UNIT, "lift-rescue").json()
    assert case["ticket"]["text"] == SEEN
    page = station.get(
        "/units/lift-rescue/queue?after=lift-rescue:0&limit=500", Role.UNIT, "lift-rescue"
    )
    (entry,) = [
        item
        for item in page.json()["items"]
        if item["number"] == number and item["whistle"] is None
    ]
    assert (entry["open"], entry["ticket"]["text"]) == (False, SEEN)


ACCUSING = "我举报派出所民警收黑钱，包庇楼下私改煤气管道的"


def accused_of(station: Station, number: str, unit: str) -> None:
    """The caller adds an accusation, as intake and the classifier pass it on."""
    query = "SELECT leaf, ticket FROM case_record WHERE number = :n"
    ((leaf, stored),) = station.rows(query, n=number)
    told = Ticket(**{**stored, "version": 2, "text": ACCUSING, "accused_unit": unit})
    station.hear(classified(number, leaf).model_copy(update={"ticket": told}))


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("dispatched_before", [True, False])
def test_a_called_unit_that_is_accused_later_has_the_whistle_no_more(
    station: Station, dispatched_before: bool, leads: bool
) -> None:
    number = station.opened(TRAPPED)
    whistle = f"{number}-W1"
    if dispatched_before:
        assert station.post(f"/whistles/{whistle}/dispatch", {}, Role.DISPATCHER).status_code == 200
    units = station.get(f"/whistles/{whistle}").json()["whistle"]["units"]
    accused = next(called["unit"] for called in units if called["lead"] is leads)
    queue = f"/units/{accused}/queue?after={accused}:0&limit=500"
    before = station.get(queue, Role.UNIT, accused).json()["items"]
    assert any(item["number"] == number for item in before)

    accused_of(station, number, accused)
    for path in (f"/whistles/{whistle}", f"/cases/{number}"):
        assert station.get(path, Role.UNIT, accused).status_code == 404
        assert station.get(path, Role.SUPERVISOR).status_code == 200
    listed = station.get("/whistles?limit=500", Role.UNIT, accused).json()["items"]
    assert whistle not in {item["number"] for item in listed}
    held = [
        item
        for item in station.get(queue, Role.UNIT, accused).json()["items"]
        if item["number"] == number
    ]
    assert held
    for item in held:
        assert item["open"] is False
        assert item["ticket"]["text"] == ""
        assert ACCUSING not in str(item)
    shown = station.get(f"/whistles/{whistle}", Role.SUPERVISOR).json()["whistle"]["units"]
    assert [u["released_at"] is not None for u in shown if u["unit"] == accused] == [True]
    assert any(u["lead"] and u["released_at"] is None for u in shown)
    if not dispatched_before:
        station.post(f"/whistles/{whistle}/dispatch", {}, Role.DISPATCHER)
    called = station.get(f"/whistles/{whistle}", Role.SUPERVISOR).json()["whistle"]["units"]
    (own,) = [u for u in called if u["unit"] == accused]
    assert [c for c in own["clocks"] if not c["stopped_at"]] == []
    assert (own["called_at"] is None) is not dispatched_before
    assert any(u["called_at"] for u in called if u["unit"] != accused)


def test_the_centre_loses_the_whistle_of_a_complaint_about_itself(station: Station) -> None:
    number = station.opened(TRAPPED)
    whistle = f"{number}-W1"
    assert station.get(f"/whistles/{whistle}").status_code == 200
    accused_of(station, number, "grid-centre")
    assert station.get(f"/whistles/{whistle}").status_code == 404
    withdrawn = station.post(f"/whistles/{whistle}/withdraw", {"reason": "误报"}, Role.DISPATCHER)
    assert withdrawn.status_code == 404
    for unit in ("grid-centre", "lift-rescue", "fire", "wangdingdi"):
        items = station.get(f"/units/{unit}/queue?after={unit}:0&limit=500").json()["items"]
        about = [item for item in items if item["number"] == number]
        assert all(not item["open"] and item["ticket"]["text"] == "" for item in about)
    assert station.get(f"/whistles/{whistle}", Role.SUPERVISOR).json()["commands"]


@pytest.mark.parametrize("restriction", ["accused", "secret"])
def test_an_entry_forgets_what_is_restricted_later(station: Station, restriction: str) -> None:
    number = station.opened(LAMP, address="迎水里3号楼2门501")
    answer = station.give(number, "redispatch", lead_unit="housing")
    assert answer.status_code == 200, answer.text
    accused = "urban-management" if restriction == "accused" else None
    given: Any = {"confidential": accused is None, "accused_unit": accused, "reason": "核实"}
    assert station.give(number, "restrict", **given).status_code == 200
    path = "/units/urban-management/queue?after=urban-management:0&limit=500"
    items = station.get(path, Role.UNIT, "urban-management").json()["items"]
    (item,) = [item for item in items if item["number"] == number]
    assert item["open"] is (accused is None), (
        "it is theirs again where only the caller is protected"
    )
    assert "2门501" not in str(item)


def test_a_protected_callers_danger_is_quoted_to_units_without_their_door(
    station: Station,
) -> None:
    clause = "迎水里3号楼2门501的窗户快掉下来了"
    danger = Danger(kind="falling_objects", clause=clause)
    number = station.opened(
        STALLS, confidential=True, priority=Priority.P1, text=clause, danger=danger,
        address="迎水里3号楼2门501",
    )  # fmt: skip
    queue = "/units/wangdingdi/queue?limit=500"
    case = station.get(f"/cases/{number}", Role.UNIT, "wangdingdi").text
    items = station.get(queue, Role.UNIT, "wangdingdi").json()["items"]
    mine = [item for item in items if item["number"] == number]
    assert mine
    assert "2门501" not in case + str(mine)
    assert "2门501" in station.get(f"/cases/{number}").text


def test_a_supervisor_may_say_whom_a_complaint_is_about(station: Station) -> None:
    number = station.opened(LAMP)
    answer = station.post(f"/cases/{number}/restrict", ACCUSES, Role.SUPERVISOR)
    assert answer.status_code == 200, answer.text
    assert station.get(f"/cases/{number}").status_code == 404
