"""Danger (险情): whom it calls whatever the matter, where it is heard, how it is taken back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.dangers import load_dangers
from shared.events import Danger, Priority, SaidIn
from shared.roles import Role
from tests.router.station import (
    LAMP,
    STALLS,
    TRAPPED,
    Station,
    classified,
    closed,
    heard,
    new_number,
)

GREENING = "grid.greening"
STREET = "wangdingdi"


def whistles(station: Station, number: str) -> list[tuple[str, list[str]]]:
    """State and called units of each whistle of a case, oldest first."""
    query = "SELECT state, units FROM whistle WHERE ticket_number = :n ORDER BY number"
    return [(state, list(units)) for state, units in station.rows(query, n=number)]


def case(station: Station, number: str) -> dict[str, Any]:
    """The case as the grid centre reads it."""
    found: dict[str, Any] = station.get(f"/cases/{number}").json()["case"]
    return found


@pytest.mark.parametrize("kind", load_dangers())
def test_every_kind_of_danger_calls_its_own_units_whatever_the_matter(
    station: Station, kind: str
) -> None:
    danger = Danger(kind=kind, clause="就在这儿")
    priority = load_dangers()[kind].priority
    number = station.opened(GREENING, danger=danger, priority=priority)
    response = station.rules.policy.dangers[kind][0]
    called = [unit for unit in response.call if unit != "street"]
    assert whistles(station, number) == [("proposed", called)]
    (alarm,) = case(station, number)["alarms"]
    assert (alarm["kind"], alarm["dial"]) == (kind, list(response.dial))
    assert alarm["tell_caller"] == response.tell
    assert any(response.tell in reason for reason in case(station, number)["reasons"])


LATER = [
    ("burning", "safety.fire_hazard", ["fire", "police", "emergency"]),
    ("trapped_lift", "safety.elevator_trapped", ["lift-rescue", "fire", "market"]),
    ("gas", "safety.gas_leak", ["gas-heat", "fire", "police"]),
    ("medical", "other.health_service", ["health"]),
]


@pytest.mark.parametrize(("kind", "leaf", "called"), LATER)
@pytest.mark.parametrize("said_in", SaidIn)
def test_danger_in_later_words_moves_the_case_and_calls_its_units(
    station: Station, kind: str, leaf: str, called: list[str], said_in: SaidIn
) -> None:
    number = station.opened(LAMP)
    station.hear(heard(number, kind, said_in=said_in))
    found = case(station, number)
    assert (found["leaf"], found["priority"]) == (leaf, load_dangers()[kind].priority)
    assert found["disposition"] == "transfer_emergency"
    assert whistles(station, number) == [("proposed", called)]
    assert station.queues(number)[found["lead_unit"]] == ("lead", True)
    assert "split_proposed" in found["flags"]


AGO = [
    (timedelta(hours=20), True),
    (timedelta(days=2), False),
    (timedelta(days=8), False),
]


@pytest.mark.parametrize(("ago", "alarms"), AGO)
def test_what_happened_days_before_the_call_starts_no_emergency(
    station: Station, ago: timedelta, alarms: bool
) -> None:
    happened = datetime.now(UTC) - ago
    danger = Danger(kind="trapped_lift", clause="困在电梯里两小时")
    number = station.opened(TRAPPED, danger=danger, priority=Priority.P0, occurred_at=happened)
    found = case(station, number)
    assert (found["priority"] == "P0") is alarms
    assert bool(found["alarms"]) is alarms
    assert bool(whistles(station, number)) is alarms
    assert any("不按正在发生的险情处置" in reason for reason in found["reasons"]) is not alarms
    if not alarms:
        assert found["priority"] == "P2"
        station.hear(heard(number, "trapped_lift", clause="现在又有人困在里面"))
        assert case(station, number)["priority"] == "P0"


def test_a_person_may_say_that_an_old_danger_is_there_still(station: Station) -> None:
    happened = datetime.now(UTC) - timedelta(days=3)
    number = station.opened(
        TRAPPED, priority=Priority.P1, occurred_at=happened, decided_by="person", actor="王五"
    )
    assert case(station, number)["priority"] == "P1"


def test_an_old_occurrence_takes_nothing_from_an_ordinary_matter(station: Station) -> None:
    happened = datetime.now(UTC) - timedelta(days=3)
    number = station.opened(LAMP, priority=Priority.P4, occurred_at=happened)
    found = case(station, number)
    assert found["priority"] == "P4"
    assert not any("发生时间" in reason for reason in found["reasons"])


def state_after(station: Station, state: str) -> str:
    """The number of a case that has been brought into a state."""
    unit = "urban-management"
    match state:
        case "manual_dispatch":
            return station.opened(LAMP, abstained=True)
        case "awaiting_info":
            return station.opened(LAMP, address=None)
        case "redirected_out":
            return station.opened(LAMP, address="和平区南京路")
        case "replied" | "callback_pending" | "suspended":
            number = station.opened(LAMP)
            for command in ("accept", "contact"):
                station.done(number, command, unit=unit)
            if state == "suspended":
                plan = {"plan": "等材料", "review_date": "2027-01-15"}
                station.done(number, "suspend", **plan)
                return number
            station.done(number, "reply", unit=unit, note="已处理")
            if state == "callback_pending":
                station.done(number, "verify", unit=unit, name="李四")
            return number
        case "return_requested":
            number = station.opened(LAMP)
            asked = {"reason_code": "权属", "basis": "图纸", "proposed_owner": "power"}
            station.done(number, "return", unit=unit, **asked)
            return number
        case _:
            raise AssertionError(state)


@pytest.mark.parametrize(
    "state",
    [
        *("manual_dispatch", "awaiting_info", "redirected_out", "return_requested"),
        *("suspended", "replied", "callback_pending"),
    ],
)
def test_danger_acts_in_every_state(station: Station, state: str) -> None:
    number = state_after(station, state)
    assert station.state(number) == state
    station.hear(heard(number, "gas"))
    if state == "redirected_out":
        assert case(station, number)["priority"] == "P0"
        return
    assert station.state(number) == "dispatched"
    assert station.queues(number)["gas-heat"] == ("lead", True)
    assert whistles(station, number) == [("proposed", ["gas-heat", "fire", "police"])]


def test_danger_in_a_closed_case_brings_it_back(station: Station) -> None:
    number = station.answered()
    station.hear(closed(number))
    assert station.state(number) == "closed"
    station.hear(heard(number, "burning", said_in=SaidIn.CALLBACK))
    assert station.state(number) == "dispatched"
    assert station.queues(number)["fire"] == ("lead", True)


def test_the_same_danger_heard_again_changes_nothing(station: Station) -> None:
    number = station.opened(LAMP)
    station.hear(heard(number, "gas"))
    before = case(station, number)["version"]
    station.hear(heard(number, "gas", "又说了一遍"))
    assert case(station, number)["version"] == before
    assert len(whistles(station, number)) == 1


def test_another_danger_calls_only_who_does_not_come_already(station: Station) -> None:
    number = station.opened(LAMP)
    station.hear(heard(number, "burning"))
    station.hear(heard(number, "gas"))
    assert whistles(station, number) == [
        ("proposed", ["fire", "police", "emergency"]),
        ("proposed", ["gas-heat"]),
    ]


FIRES = [
    ("林苑西里1号楼着火了浓烟", "林苑西里12号楼着火了有人没出来", "burning"),
    (
        "林苑东里2号楼电梯困人了，一个老人在里面",
        "林苑东里9号楼电梯困人了，两个孩子在里面",
        "trapped_lift",
    ),
    ("迎水里3号楼2门电梯困人", "迎水里3号楼5门电梯困人", "trapped_lift"),
    ("迎水里3号楼1号电梯困人", "迎水里3号楼2号电梯困人", "trapped_lift"),
]


@pytest.mark.parametrize(("one", "other", "kind"), FIRES)
def test_two_dangers_at_two_places_of_one_compound_are_two(
    empty_station: Station, one: str, other: str, kind: str
) -> None:
    station = empty_station
    leaf = load_dangers()[kind].leaf
    numbers = [new_number(), new_number()]
    for number, text in zip(numbers, (one, other), strict=True):
        danger = Danger(kind=kind, clause=text)
        station.hear(
            classified(number, leaf, text=text, address=None, danger=danger, priority=Priority.P0)
        )
    assert [len(whistles(station, number)) for number in numbers] == [1, 1]
    incidents = {case(station, number).get("incident") for number in numbers}
    assert incidents == {None}


def test_a_suspicion_calls_nobody_and_stands_before_a_person_in_the_time_of_danger(
    station: Station,
) -> None:
    number = station.opened(TRAPPED, priority=Priority.P1, abstained=True)
    found = case(station, number)
    assert (found["state"], found["desk"]) == ("manual_dispatch", "grid-centre")
    assert whistles(station, number) == []
    (decide,) = [clock for clock in found["clocks"] if clock["kind"] == "decide"]
    assert decide["within"] == "15min"


def test_a_suspicion_of_a_case_at_work_is_a_doubt_in_the_time_of_danger(station: Station) -> None:
    number = station.opened(LAMP)
    station.hear(classified(number, TRAPPED, version=2, priority=Priority.P1, abstained=True))
    found = case(station, number)
    assert (found["leaf"], found["priority"], found["state"]) == (LAMP, "P3", "dispatched")
    assert {"in_doubt", "suspected_danger"} <= set(found["flags"])
    assert station.queues(number)["grid-centre"] == ("settle", True)
    (settle,) = [clock for clock in found["clocks"] if clock["kind"] == "settle"]
    assert settle["within"] == "15min"
    upheld = station.done(number, "uphold", reason="现场没有险情")
    assert not {"in_doubt", "suspected_danger"} & set(upheld["flags"])
    assert not station.queues(number)["grid-centre"][1]


def test_a_danger_taken_out_of_an_event_gets_its_whistle_then(empty_station: Station) -> None:
    station = empty_station
    danger = Danger(kind="burning", clause="楼道着火")
    numbers = [station.opened(text="楼道着火冒烟了", danger=danger) for _ in range(2)]
    assert [len(whistles(station, number)) for number in numbers] == [1, 0]
    incident = case(station, numbers[1])["incident"]
    assert station.post(f"/incidents/{incident}/dismiss", {"note": "两处"}).status_code == 200
    assert [len(whistles(station, number)) for number in numbers] == [1, 1]


def test_a_false_alarm_is_withdrawn_with_a_reason_and_everybody_called_is_told(
    station: Station,
) -> None:
    number = station.opened(LAMP, danger=Danger(kind="gas", clause="一股味"))
    name = f"{number}-W1"
    assert station.post(f"/whistles/{name}/dispatch", {}).status_code == 200
    assert station.post(f"/whistles/{name}/withdraw", {"reason": "\u3164"}).status_code == 422
    answer = station.post(f"/whistles/{name}/withdraw", {"reason": "已核实，是下水道味"})
    assert answer.status_code == 200, answer.text
    whistle = answer.json()["whistle"]
    assert (whistle["state"], whistle["withdrawal"]) == ("withdrawn", "已核实，是下水道味")
    assert all(unit["score"] is None for unit in whistle["units"])
    open_ = station.rows(
        "SELECT unit FROM queue_entry WHERE whistle = :w AND open ORDER BY unit", w=name
    )
    assert open_ == []
    told = station.rows("SELECT unit FROM queue_entry WHERE whistle = :w ORDER BY unit", w=name)
    assert {("gas-heat",), ("fire",), ("police",)} <= set(told)
    again = station.post(f"/whistles/{name}/withdraw", {"reason": "再撤一次"})
    assert again.status_code == 409
    station.hear(heard(number, "gas", "味道又大了"))
    assert len(whistles(station, number)) == 1, "the case has the alarm already"


def test_a_priority_ruled_below_danger_takes_the_whistle_and_the_short_clocks_back(
    station: Station,
) -> None:
    danger = Danger(kind="gas", clause="燃气表没字")
    number = station.opened("safety.gas_leak", danger=danger)
    station.post(f"/whistles/{number}-W1/dispatch", {})
    asked = {"leaf": "other.gas_heat_supply", "priority": "P2", "reason": "是充不上值"}
    answer = station.post(f"/cases/{number}/reclassify", asked)
    assert answer.status_code == 200, answer.text
    found = answer.json()["case"]
    assert (found["leaf"], found["priority"]) == ("other.gas_heat_supply", "P2")
    assert (found["disposition"], found["alarms"]) == ("dispatch", [])
    assert answer.json()["moved"] == {
        "leaf": True,
        "priority": True,
        "place": False,
        "lead_unit": False,
        "state": False,
    }
    assert whistles(station, number)[0][0] == "withdrawn"
    accept = [c for c in found["clocks"] if c["kind"] == "accept" and c["stopped_at"] is None]
    assert [clock["within"] for clock in accept] == ["30min"]
    again = classified(
        number, "safety.gas_leak", version=2, priority=Priority.P0, danger=danger, text="再说一遍"
    )
    station.hear(again)
    assert case(station, number)["priority"] == "P2", "a person has ruled on these words"
    fresh = Danger(kind="gas", clause="现在闻到煤气味了")
    station.hear(classified(number, version=3, priority=Priority.P0, danger=fresh))
    assert case(station, number)["priority"] == "P0"
    assert whistles(station, number)[1][0] == "proposed"


@pytest.mark.parametrize(
    ("role", "unit", "status"),
    [
        (Role.DISPATCHER, None, 200),
        (Role.UNIT, STREET, 403),
        (Role.UNIT, "gas-heat", 403),
        (Role.OPERATOR, None, 403),
        (Role.SUPERVISOR, None, 403),
    ],
)
def test_who_may_take_a_false_alarm_back(
    station: Station, role: Role, unit: str | None, status: int
) -> None:
    number = station.opened(LAMP, danger=Danger(kind="gas", clause="一股味"))
    ruled = {"priority": "P3", "reason": "误报"}
    assert station.post(f"/cases/{number}/reclassify", ruled, role, unit).status_code == status


def test_the_street_that_signed_may_withdraw_and_a_called_unit_may_not(station: Station) -> None:
    number = station.opened(STALLS, danger=Danger(kind="violence", clause="打起来了"))
    name = f"{number}-W1"
    station.post(f"/whistles/{name}/sign", {}, Role.UNIT, STREET)
    station.post(f"/whistles/{name}/dispatch", {})
    reason = {"reason": "已自行散去"}
    refused = station.post(f"/whistles/{name}/withdraw", reason, Role.UNIT, "police")
    assert refused.status_code == 403
    taken = station.post(f"/whistles/{name}/withdraw", reason, Role.UNIT, STREET)
    assert taken.status_code == 200
