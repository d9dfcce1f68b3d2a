"""Where a ticket stands: any order of events, the same outcome."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.projection import Projection, UnknownTicket, entry, project
from services.intake.tickets import RECEIVED, TRIAGED
from shared.events import CaseEvent, CaseState, Classification
from tests.intake.office import (
    NOW,
    Office,
    case_event,
    classification,
    dispatched,
    message,
    whistle_event,
)

NUMBER = "NK20261123-000001"
FRESH = Projection(RECEIVED, classified_version=0, case_version=0)
Told = Classification | CaseEvent


def after(*payloads: Told) -> Projection:
    state = FRESH
    for payload in payloads:
        state = project(state, payload)
    return state


def test_a_classified_ticket_is_triaged() -> None:
    state = after(classification(NUMBER))
    assert (state.status, state.classified_version) == (TRIAGED, 1)


def test_a_case_says_where_its_ticket_stands_and_who_has_it() -> None:
    state = after(case_event(NUMBER, 1, lead_unit="housing", assist_units=("fire", "urban")))
    assert state.status == CaseState.DISPATCHED
    assert (state.lead_unit, state.assist_units) == ("housing", ("fire", "urban"))


def test_a_classification_behind_its_case_does_not_take_the_ticket_back() -> None:
    state = after(case_event(NUMBER, 1), classification(NUMBER))
    assert state.status == CaseState.DISPATCHED
    assert state.classification is not None


def test_a_person_may_correct_the_classification_of_the_same_version() -> None:
    state = after(classification(NUMBER), classification(NUMBER, leaf="safety.gas_leak"))
    assert state.classification is not None
    assert state.classification.leaf == "safety.gas_leak"


def test_an_older_event_changes_nothing() -> None:
    newer = after(classification(NUMBER, 3), case_event(NUMBER, 3, CaseState.ACCEPTED))
    assert project(newer, classification(NUMBER, 2)) is newer
    assert project(newer, case_event(NUMBER, 3)) is newer
    assert project(newer, case_event(NUMBER, 2)) is newer


CASE_EVENTS = [case_event(NUMBER, n, state) for n, state in enumerate(CaseState, start=1)]


@given(
    st.permutations([classification(NUMBER, 1), classification(NUMBER, 2), *CASE_EVENTS]),
    st.lists(st.sampled_from(CASE_EVENTS), max_size=5),
)
def test_any_order_and_any_repetition_ends_in_the_same_state(
    events: Sequence[Told], repeated: Sequence[Told]
) -> None:
    state = after(*events, *repeated)
    assert (state.case_version, state.classified_version) == (len(CASE_EVENTS), 2)
    assert state.status == CASE_EVENTS[-1].case.state
    assert state == replace(after(classification(NUMBER, 2), CASE_EVENTS[-1]))


def test_the_timeline_names_who_did_it() -> None:
    assert entry(case_event(NUMBER, 1)).actor == "system"
    assert entry(classification(NUMBER)).actor == "model"
    by_hand = entry(classification(NUMBER, actor="wang", decided_by="person"))
    assert (by_hand.actor, by_hand.detail["leaf"]) == ("wang", "property.corridor_clutter")


def test_a_whistle_stands_in_the_timeline_and_moves_nothing(office: Office) -> None:
    number = office.submit()
    office.tell(dispatched(number, "wangdingdi"))
    before = office.get(f"/tickets/{number}").json()
    office.tell(message(whistle_event(number), number))
    after = office.get(f"/tickets/{number}").json()
    (line,) = after.pop("timeline")[len(before.pop("timeline")) :]
    assert after == before
    assert (line["type"], line["unit"]) == ("hotline.whistle.acknowledged.v1", "fire")
    assert line["detail"] == {
        "whistle": f"{number}-W1",
        "kind": "emergency",
        "concerns": "fire",
    }


def test_a_batch_is_stored_whatever_tickets_it_touches(office: Office) -> None:
    first, second = office.submit(), office.submit()
    office.tell(
        message(classification(first), first),
        dispatched(second, "housing", "fire", "urban"),
        dispatched(first, "wangdingdi"),
        message(case_event(first, 2, CaseState.ACCEPTED), first),
        message(classification(second), second),
    )
    shown = [office.get(f"/tickets/{number}").json() for number in (first, second)]
    assert [ticket["status"] for ticket in shown] == ["accepted", "dispatched"]
    assert [ticket["lead_unit"] for ticket in shown] == ["wangdingdi", "housing"]
    assert shown[1]["case"]["assist_units"] == ["fire", "urban"]
    assert [ticket["classification"]["leaf"] for ticket in shown] == [
        "property.corridor_clutter",
        "property.corridor_clutter",
    ]
    assert len(shown[0]["timeline"]) == 4


def test_what_a_batch_does_not_speak_of_stays_as_it_was(office: Office) -> None:
    number = office.submit()
    office.tell(message(classification(number), number))
    office.tell(dispatched(number, "housing", "fire"))
    office.tell(message(classification(number, 2, leaf="safety.gas_leak"), number))
    ticket = office.get(f"/tickets/{number}").json()
    assert ticket["case"]["state"] == "dispatched"
    assert ticket["lead_unit"] == "housing"
    assert ticket["classification"]["leaf"] == "safety.gas_leak"
    assert office.rows("SELECT assist_units FROM ticket WHERE number = :number", number=number) == [
        (["fire"],)
    ]


def test_the_timeline_is_in_the_order_of_time_whatever_the_order_of_arrival(office: Office) -> None:
    number = office.submit()
    later = message(case_event(number, 2, CaseState.ACCEPTED), number, NOW + timedelta(hours=2))
    earlier = message(case_event(number, 1), number, NOW + timedelta(hours=1))
    office.tell(later)
    office.tell(earlier)
    ticket = office.get(f"/tickets/{number}").json()
    assert ticket["status"] == "accepted"
    told = [line for line in ticket["timeline"] if line["actor"] == "system"]
    assert [line["at"] for line in told] == [
        "2026-11-23T10:00:00+08:00",
        "2026-11-23T11:00:00+08:00",
    ]


def test_an_unknown_ticket_is_an_error_and_nothing_of_its_batch_is_stored(office: Office) -> None:
    number = office.submit()
    with pytest.raises(UnknownTicket):
        office.tell(dispatched(number), dispatched("NK20200101-000001"))
    assert office.get(f"/tickets/{number}").json()["status"] == RECEIVED


def test_odd_characters_of_an_event_survive(office: Office) -> None:
    number = office.submit()
    note = "制表\t换行\n反斜\\杠 \\N '引号\" {花,括}"
    event = case_event(number, 1).model_copy(update={"note": note, "detail": {"k\\": "v\t"}})
    office.tell(message(event, number))
    lines = office.get(f"/tickets/{number}").json()["timeline"]
    assert note in [line["note"] for line in lines]
    assert {"k\\": "v\t"} in [line["detail"] for line in lines]
