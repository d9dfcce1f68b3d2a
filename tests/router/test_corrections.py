"""Every mistake in routing has a way back: leaf, priority, place, unit, and who is accused."""

from typing import Any

import pytest

from shared.events import Heard, Priority
from shared.roles import Role
from tests.router.station import (
    HERE,
    LAMP,
    STALLS,
    Station,
    classified,
    closed,
    heard,
    new_number,
    urged,
)

REPAIR = "property.common_facility_repair"
UNIT = "urban-management"
REASON = {"reason": "核对录音后改正"}


def case(station: Station, number: str) -> dict[str, Any]:
    """The case as the supervisor reads it."""
    found: dict[str, Any] = station.get(f"/cases/{number}", Role.SUPERVISOR).json()["case"]
    return found


def running(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The open clocks of a case by kind."""
    return {clock["kind"]: clock for clock in found["clocks"] if clock["stopped_at"] is None}


def corrected(station: Station, number: str, command: str, **body: object) -> dict[str, Any]:
    """The answer to a correction by the grid centre that is carried out."""
    answer = station.post(f"/cases/{number}/{command}", {**REASON, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_another_leaf_moves_a_case_to_its_unit_and_the_citizens_clock_runs_on(
    station: Station,
) -> None:
    number = station.opened(LAMP)
    before = running(case(station, number))["resolve"]
    answer = corrected(station, number, "reclassify", leaf="other.water_supply")
    found = answer["case"]
    assert (found["leaf"], found["lead_unit"], found["state"]) == (
        "other.water_supply",
        "water",
        "dispatched",
    )
    assert answer["moved"]["lead_unit"] is True
    assert running(found)["resolve"]["started_at"] == before["started_at"]
    assert running(found)["accept"]["owner"] == "water"
    assert station.queues(number)[UNIT] == ("lead", False)
    assert station.queues(number)["water"] == ("lead", True)
    assert "reclassified" in station.facts(number)


def test_a_leaf_of_the_same_unit_leaves_the_case_where_it_is(station: Station) -> None:
    number = station.opened(LAMP)
    station.done(number, "accept", unit=UNIT)
    answer = corrected(station, number, "reclassify", leaf="grid.greening")
    assert (answer["case"]["state"], answer["case"]["lead_unit"]) == ("accepted", UNIT)
    assert answer["moved"] == {
        "leaf": True,
        "priority": False,
        "place": False,
        "lead_unit": False,
        "state": False,
    }


def test_a_review_by_a_person_moves_a_case_at_work(station: Station) -> None:
    number = station.opened(LAMP)
    said = classified(number, "other.power_supply", decided_by="person", actor="wang")
    station.hear(said)
    found = case(station, number)
    assert (found["leaf"], found["lead_unit"]) == ("other.power_supply", "power")
    station.hear(classified(number, LAMP, version=2))
    assert case(station, number)["leaf"] == "other.power_supply", "a person has settled it"


def test_another_leaf_of_a_model_is_a_doubt_and_not_a_move(station: Station) -> None:
    number = station.opened(LAMP)
    station.hear(classified(number, "other.water_supply", version=2))
    found = case(station, number)
    assert (found["leaf"], found["lead_unit"]) == (LAMP, UNIT)
    assert "in_doubt" in found["flags"]
    assert station.queues(number)["grid-centre"] == ("settle", True)
    assert running(found)["settle"]["owner"] == "grid-centre"
    settled = corrected(station, number, "reclassify", leaf="other.water_supply")["case"]
    assert "in_doubt" not in settled["flags"]
    assert "settle" not in running(settled)


@pytest.mark.parametrize(
    ("body", "street", "certainty"),
    [
        ({"street": "huayuan"}, "huayuan", "street"),
        ({"street": "wangdingdi", "community": "120104009015"}, "wangdingdi", "exact"),
        ({"community": "120104009015"}, "wangdingdi", "exact"),
        ({"words": "王顶堤街道迎水里"}, "wangdingdi", "exact"),
    ],
)
def test_a_person_says_where_it_is(
    station: Station, body: dict[str, str], street: str, certainty: str
) -> None:
    number = station.opened(STALLS, address="学湖里4号楼")
    answer = corrected(station, number, "relocate", **body)
    assert answer["case"]["place"]["street"] == street
    assert answer["case"]["place"]["certainty"] == certainty
    assert answer["case"]["lead_unit"] == street
    assert station.queues(number)["xuefu"] == ("lead", False)
    assert station.queues(number)[street] == ("lead", True)
    station.hear(classified(number, STALLS, version=2, address="学湖里4号楼"))
    assert case(station, number)["place"]["street"] == street, "a person has settled it"


def test_a_place_outside_sends_a_case_on(station: Station) -> None:
    number = station.opened(STALLS)
    found = corrected(station, number, "relocate", words="河西区天塔街")["case"]
    assert (found["state"], found["desk"]) == ("redirected_out", "city-hotline")
    assert set(running(found)) == {"hand_over"}


@pytest.mark.parametrize(
    ("command", "body", "slug"),
    [
        ("relocate", {}, "missing-field"),
        ("relocate", {"street": "nowhere"}, "unknown-street"),
        ("relocate", {"street": "fire"}, "unknown-street"),
        ("relocate", {"street": "huayuan", "community": "120104009015"}, "unknown-community"),
        ("relocate", {"words": "就是那边"}, "place-unknown"),
        ("reclassify", {}, "missing-field"),
        ("reclassify", {"leaf": "grid.unheard_of"}, "unknown-leaf"),
        ("reclassify", {"leaf": "other.utility_supply"}, "unknown-leaf"),
        ("restrict", {"confidential": True, "accused_unit": "nobody"}, "unknown-unit"),
        ("uphold", {}, "nothing-in-doubt"),
    ],
)
def test_a_correction_that_says_nothing_possible_changes_nothing(
    station: Station, command: str, body: dict[str, object], slug: str
) -> None:
    number = station.opened(STALLS)
    before = case(station, number)
    answer = station.post(f"/cases/{number}/{command}", {**REASON, **body})
    assert answer.status_code in (409, 422)
    assert answer.json()["type"].endswith(f":{slug}"), answer.text
    assert case(station, number) == before


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("reclassify", {"leaf": REPAIR}),
        ("relocate", {"street": "huayuan"}),
        ("restrict", {"confidential": False}),
        ("uphold", {}),
    ],
)
def test_a_correction_needs_a_reason_the_right_role_and_the_present_version(
    station: Station, command: str, body: dict[str, object]
) -> None:
    number = station.opened(STALLS)
    path = f"/cases/{number}/{command}"
    assert station.post(path, {**body, "reason": ""}).status_code == 422
    assert station.post(path, {**body, **REASON, "version": 9}).status_code == 409
    for role, unit in ((Role.OPERATOR, None), (Role.UNIT, "wangdingdi"), (Role.SUPERVISOR, None)):
        may = command == "restrict" and role is Role.SUPERVISOR
        assert station.post(path, {**body, **REASON}, role, unit).status_code == (
            200 if may else 403
        )
    assert station.post(path, {**body, **REASON}, Role.UNIT, "sports").status_code == 404


def test_a_callers_better_place_moves_a_case_and_an_unsure_one_is_a_doubt(
    station: Station,
) -> None:
    number = new_number()
    said = {"text": "路边占道经营", "address": "学湖里4号楼"}
    station.hear(classified(number, STALLS, **said))
    assert case(station, number)["lead_unit"] == "xuefu"
    again = {"text": f"{said['text']}\n补充：说错了，是王顶堤的迎水里", "address": "迎水里"}
    station.hear(classified(number, STALLS, version=2, **again))
    assert case(station, number)["lead_unit"] == "wangdingdi"
    unsure = {**again, "text": f"{again['text']}\n补充：也可能是林苑那边"}
    station.hear(classified(number, STALLS, version=3, **unsure))
    found = case(station, number)
    assert (found["lead_unit"], "in_doubt" in found["flags"]) == ("wangdingdi", True)


def test_a_unit_keeps_a_case_whose_leaf_or_priority_is_corrected_in_dispatching(
    station: Station,
) -> None:
    number = station.opened(LAMP)
    again = {"lead_unit": UNIT, "leaf": "grid.road_facility", "priority": "P2"}
    found = station.done(number, "redispatch", **again)
    assert (found["leaf"], found["priority"], found["lead_unit"]) == (
        "grid.road_facility",
        "P2",
        UNIT,
    )
    assert "reclassified" in station.facts(number)
    same = station.give(number, "redispatch", lead_unit=UNIT)
    assert same.status_code == 422


def test_a_place_in_the_district_is_never_redirected_whatever_the_matter(
    station: Station,
) -> None:
    number = station.opened("other.non_jurisdiction", address=HERE)
    assert case(station, number)["state"] == "manual_dispatch"
    reviewed = station.opened("other.non_jurisdiction", address=HERE, decided_by="person")
    assert case(station, reviewed)["state"] == "manual_dispatch"


ACCUSING = {
    "accused_unit": "wangdingdi",
    "confidential": True,
    "heard": (Heard.SECRECY, Heard.ACCUSATION),
}


def test_what_is_heard_in_the_words_restricts_a_case_until_a_person_has_read_it(
    station: Station,
) -> None:
    number = station.opened(STALLS, **ACCUSING)
    found = case(station, number)
    assert "restricted" in found["flags"]
    assert found["lead_unit"] != "wangdingdi"
    assert station.get(f"/cases/{number}", Role.UNIT, "wangdingdi").status_code == 404
    assert station.queues(number)["grid-centre"][1]
    answer = corrected(station, number, "restrict", confidential=False)
    assert "restricted" not in answer["case"]["flags"]
    assert answer["case"]["lead_unit"] == "wangdingdi"
    assert station.get(f"/cases/{number}", Role.UNIT, "wangdingdi").status_code == 200


def test_the_street_means_that_of_the_place(station: Station) -> None:
    number = station.opened(STALLS, accused_unit="street", heard=(Heard.ACCUSATION,))
    found = case(station, number)
    assert (found["accused_unit"], found["lead_unit"]) == ("wangdingdi", "discipline")


def test_a_unit_that_is_accused_later_loses_the_case(station: Station) -> None:
    number = station.opened(LAMP)
    accusing = {"accused_unit": UNIT, "heard": (Heard.ACCUSATION,)}
    station.hear(classified(number, LAMP, version=2, **accusing))
    assert case(station, number)["lead_unit"] != UNIT
    assert station.queues(number)[UNIT] == ("lead", False)
    assert station.get(f"/cases/{number}", Role.UNIT, UNIT).status_code == 404


def test_a_complaint_about_the_grid_centre_does_not_exist_for_a_dispatcher(
    empty_station: Station,
) -> None:
    station = empty_station
    numbers = [station.opened(LAMP, accused_unit="grid-centre", text="网格中心推诿") for _ in "ab"]
    incident = case(station, numbers[0])["incident"]
    number = numbers[0]
    unknown = "NK20200101-000001"
    for command, body in (
        ("reclassify", {**REASON, "leaf": REPAIR}),
        ("split", {}),
        ("unmerge", {}),
        ("urge", {}),
    ):
        answers = [station.post(f"/cases/{n}/{command}", body) for n in (number, unknown)]
        assert [answer.json() for answer in answers] == [answers[1].json()] * 2
    assert station.get(f"/cases/{number}").status_code == 404
    assert station.get(f"/incidents/{incident}").status_code == 404
    assert station.get("/incidents").json()["items"] == []
    assert station.post(f"/incidents/{incident}/merge", {}).status_code == 404
    assert station.post(f"/incidents/{incident}/dismiss", {}).status_code == 404
    assert station.get(f"/incidents/{incident}", Role.SUPERVISOR).json()["count"] == 2
    merged = station.post(f"/incidents/{incident}/merge", {}, Role.SUPERVISOR)
    assert merged.status_code == 200, merged.text


def test_an_accused_unit_is_reached_by_no_merge_and_no_later_dispatch(
    empty_station: Station,
) -> None:
    station = empty_station
    lead = station.opened(LAMP, text="路灯不亮")
    waiting = station.opened(LAMP, text="路灯不亮", accused_unit="ecology")
    other = station.opened("grid.greening", text="树")
    joined = station.opened("grid.greening", text="树")
    event = case(station, other)["incident"]
    assert joined
    body = {"lead": lead, "members": [waiting]}
    incident = case(station, lead).get("incident") or event
    assert station.post(f"/incidents/{incident}/merge", body).status_code == 200
    refused = station.give(lead, "redispatch", lead_unit="ecology")
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "lead-accused")
    refused = station.give(lead, "redispatch", lead_unit="power", assist_units=["ecology"])
    assert refused.status_code == 409
    station.hear(urged(waiting, "我举报生态局收钱的事有进展吗"))
    log = station.get(f"/cases/{lead}").json()["log"]
    assert not any("举报" in line["note"] for line in log)


def test_a_ticket_that_is_ended_ends_its_case_with_how_and_why(station: Station) -> None:
    number = station.opened(LAMP)
    station.hear(closed(number, "withdrawn").model_copy(update={"note": "诉求人撤回"}))
    found = case(station, number)
    assert (found["state"], found["outcome"]) == ("closed", "withdrawn")
    assert running(found) == {}


def test_an_end_that_comes_before_its_case_ends_it_when_it_is_opened(station: Station) -> None:
    number = new_number()
    station.hear(closed(number, "answered").model_copy(update={"note": "已告知办理材料"}))
    station.hear(classified(number, "other.consult_policy"))
    found = case(station, number)
    assert (found["state"], found["outcome"]) == ("closed", "answered")


def test_danger_that_intake_did_not_know_of_refuses_the_end(station: Station) -> None:
    number = station.opened(LAMP)
    station.hear(heard(number, "gas"))
    station.hear(closed(number, "solved").model_copy(update={"note": "已自行解决"}))
    assert station.state(number) == "dispatched"
    assert station.facts(number)[-1] == "reopened"


@pytest.mark.parametrize(
    ("ticket", "manual"),
    [
        ({"refers_to": ("NK20261119-000123",)}, True),
        ({"earlier": ("NK20261119-000123",), "heard": (Heard.SETTLED,)}, True),
        ({"heard": (Heard.SETTLED,)}, False),
        ({"refers_to": ("NK20261119-000123",), "priority": Priority.P1}, False),
    ],
)
def test_a_word_on_an_earlier_ticket_is_the_hotlines_to_answer(
    station: Station, ticket: dict[str, Any], manual: bool
) -> None:
    number = station.opened(LAMP, **ticket)
    found = case(station, number)
    assert (found["state"] == "manual_dispatch") is manual
    if manual:
        assert found["desk"] == "hotline-office"
        assert any("NK20261119-000123" in reason for reason in found["reasons"])
