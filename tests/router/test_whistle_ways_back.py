"""A whistle that called wrongly, was not answered, or did the case's work already."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.events import Danger
from shared.roles import Role
from tests.router.station import LAMP, STALLS, TRAPPED, Station

STREET = "wangdingdi"
BODY = {
    "kind": "joint_enforcement",
    "lead": "planning",
    "assist": ["fire", "sports"],
    "place": "迎水里菜市场门口",
    "evidence": "照片三张",
    "done_so_far": "街道已劝离四次",
    "action": "联合执法取缔",
    "basis": "事项清单第7项",
    "contact": "王主任 13900000000",
}


def order(
    station: Station, name: str, command: str, unit: str | None = None, **body: object
) -> dict[str, Any]:
    """The whistle after a command of a unit, or of a dispatcher, that is carried out."""
    role = Role.UNIT if unit else Role.DISPATCHER
    answer = station.post(f"/whistles/{name}/{command}", body, role, unit)
    assert answer.status_code == 200, answer.text
    whistle: dict[str, Any] = answer.json()["whistle"]
    return whistle


def sounding(station: Station, leaf: str = STALLS) -> str:
    """The number of a joint whistle that has called planning, fire and sports."""
    number = station.opened(leaf)
    blown = station.post(f"/cases/{number}/whistles", BODY, Role.UNIT, STREET)
    assert blown.status_code == 201, blown.text
    name = f"{number}-W1"
    order(station, name, "sign", STREET)
    order(station, name, "dispatch")
    return name


def units(whistle: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The called units by name."""
    return {unit["unit"]: unit for unit in whistle["units"]}


def worked(station: Station, name: str, unit: str) -> None:
    """A unit answers the whistle from beginning to end."""
    for command in ("acknowledge", "arrive"):
        order(station, name, command, unit)
    order(station, name, "handle", unit, note="已处置")


def test_a_silent_unit_is_not_praised_and_its_no_show_outlives_the_whistle(
    station: Station,
) -> None:
    name = sounding(station)
    worked(station, name, "planning")
    order(station, name, "confirm", STREET, note="已核实")
    scored = units(order(station, name, "score", STREET))
    assert scored["planning"]["score"]["solved"] is True
    silent = {"in_time": False, "right_person": False, "solved": False, "note": ""}
    assert scored["fire"]["score"] == silent
    closed = order(station, name, "close", STREET)
    assert {unit: called["absent"] for unit, called in units(closed).items()} == {
        "planning": False,
        "fire": True,
        "sports": True,
    }
    clocks = {clock["kind"]: clock for clock in units(closed)["fire"]["clocks"]}
    assert not any(clock["cancelled"] for clock in clocks.values())
    assert clocks["arrive"]["stopped_at"] is None
    late = datetime.fromisoformat(clocks["handle"]["due_at"]) + timedelta(days=3)
    station.fire(late)
    after = units(station.get(f"/whistles/{name}").json()["whistle"])["fire"]["clocks"]
    assert all(clock["breached"] and clock["stopped_at"] for clock in after)
    queued = station.rows("SELECT unit FROM queue_entry WHERE whistle = :w AND open", w=name)
    assert queued == []


def test_a_wrongly_called_unit_says_so_and_the_grid_centre_lets_it_go(station: Station) -> None:
    name = sounding(station)
    refused = order(station, name, "refuse", "sports", reason="与本单位职责无关")
    assert units(refused)["sports"]["refusal"] == "与本单位职责无关"
    centre = station.rows(
        "SELECT item ->> 'role' FROM queue_entry WHERE whistle = :w AND unit = 'grid-centre'"
        " AND open",
        w=name,
    )
    assert centre == [("whistle_rule",)]
    again = station.post(f"/whistles/{name}/refuse", {"reason": "再次"}, Role.UNIT, "sports")
    assert again.status_code == 409
    answer = station.post(f"/whistles/{name}/release", {"unit": "sports"})
    assert answer.status_code == 200, answer.text
    called = units(answer.json()["whistle"])["sports"]
    assert called["released_at"] is not None
    assert all(clock["cancelled"] for clock in called["clocks"])
    answered = station.post(f"/whistles/{name}/acknowledge", {}, Role.UNIT, "sports")
    assert answered.status_code == 422
    for unit in ("planning", "fire"):
        worked(station, name, unit)
    order(station, name, "confirm", STREET)
    scored = units(order(station, name, "score", STREET))
    assert scored["sports"]["score"] is None


def test_the_grid_centre_may_say_that_a_unit_stays_called(station: Station) -> None:
    name = sounding(station)
    order(station, name, "refuse", "fire", reason="不归我们")
    denied = station.post(f"/whistles/{name}/release", {"unit": "fire", "approve": False})
    assert denied.status_code == 200
    assert units(denied.json()["whistle"])["fire"]["released_at"] is None
    assert order(station, name, "acknowledge", "fire")


def test_another_unit_leads_where_the_lead_is_let_go_and_the_last_is_not(
    station: Station,
) -> None:
    name = sounding(station)
    order(station, name, "refuse", "planning", reason="不属规划")
    answer = station.post(f"/whistles/{name}/release", {"unit": "planning", "lead": "sports"})
    assert [u for u, called in units(answer.json()["whistle"]).items() if called["lead"]] == [
        "sports"
    ]
    assert station.post(f"/whistles/{name}/release", {"unit": "fire"}).status_code == 200
    last = station.post(f"/whistles/{name}/release", {"unit": "sports"})
    assert (last.status_code, last.json()["type"].rpartition(":")[2]) == (409, "last-unit")


def test_who_is_called_reads_whom_to_ring(station: Station) -> None:
    name = sounding(station)
    read = station.get(f"/whistles/{name}", Role.UNIT, "fire").json()["whistle"]
    assert read["contact"] == "王主任 13900000000"


def test_the_street_of_the_place_may_blow_whoever_leads(station: Station) -> None:
    number = station.opened("other.housing_market")
    body = {**BODY, "kind": "key_task", "lead": "housing", "assist": []}
    answer = station.post(f"/cases/{number}/whistles", body, Role.UNIT, STREET)
    assert answer.status_code == 201, answer.text
    elsewhere = station.post(f"/cases/{number}/whistles", body, Role.UNIT, "huayuan")
    assert elsewhere.status_code == 404


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_the_lead_has_done_on_the_whistle_it_need_not_do_again_on_the_case(
    station: Station, confirmed: bool
) -> None:
    danger = Danger(kind="trapped_lift", clause="电梯里关着")
    number = station.opened(TRAPPED, danger=danger)
    name = f"{number}-W1"
    order(station, name, "dispatch")
    assert station.state(number) == "dispatched"
    order(station, name, "acknowledge", "lift-rescue")
    assert station.state(number) == "accepted"
    order(station, name, "arrive", "lift-rescue")
    assert station.state(number) == "in_progress"
    order(station, name, "handle", "lift-rescue", note="人已救出")
    assert station.state(number) == "replied"
    order(station, name, "confirm", STREET, approve=confirmed)
    assert station.state(number) == ("callback_pending" if confirmed else "in_progress")
    log = station.get(f"/cases/{number}").json()["log"]
    assert "人已救出" in [line["note"] for line in log if line["fact"] == "replied"]
    clocks = station.get(f"/cases/{number}").json()["case"]["clocks"]
    accept = next(clock for clock in clocks if clock["kind"] == "accept")
    assert accept["stopped_at"] is not None
    assert not accept["breached"]


def test_an_assisting_unit_does_not_work_the_case_by_the_whistle(station: Station) -> None:
    danger = Danger(kind="trapped_lift", clause="电梯里关着")
    number = station.opened(TRAPPED, danger=danger)
    order(station, f"{number}-W1", "dispatch")
    order(station, f"{number}-W1", "acknowledge", "fire")
    assert station.state(number) == "dispatched"


def test_whoever_is_called_is_told_where_the_case_is_now(station: Station) -> None:
    number = station.opened(LAMP, danger=Danger(kind="gas", clause="煤气味"))
    name = f"{number}-W1"
    order(station, name, "dispatch")
    moved = station.post(f"/cases/{number}/relocate", {"street": "huayuan", "reason": "说错了"})
    assert moved.status_code == 200
    whistle = station.get(f"/whistles/{name}").json()["whistle"]
    assert (whistle["place"]["street"], whistle["street"]) == ("huayuan", "huayuan")
    told = station.rows(
        "SELECT item #>> '{whistle,place,street}' FROM queue_entry"
        " WHERE whistle = :w AND unit = 'gas-heat'",
        w=name,
    )
    assert told == [("huayuan",)]
