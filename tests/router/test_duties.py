"""Whose queue a case stands in, and who may look at it; the accused unit never."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.router.domain.cases.duties import Duty, duties, may_read, may_see
from services.router.domain.cases.records import CaseRecord
from services.router.domain.desks import DESKS, DISCIPLINE, DISTRICT_OFFICE, DUTY_ROOM
from shared.discretion import GRID_CENTRE
from shared.events import CaseState, Category, Certainty, Disposition, Place, Priority
from shared.roles import Role
from tests.router.station import LAMP, STALLS, TRAPPED, Station

CASE = CaseRecord(
    number="NK20261123-000001",
    version=1,
    ticket_version=1,
    round=0,
    state=CaseState.DISPATCHED,
    disposition=Disposition.DISPATCH,
    priority=Priority.P3,
    leaf=LAMP,
    category=Category.GRID,
    place=Place(district="南开区", street="wangdingdi", certainty=Certainty.EXACT),
    lead_unit="urban-management",
    assist_units=("power", "wangdingdi"),
    accused_unit=None,
    confidential=False,
    flags=frozenset(),
    reasons=(),
    policy_version="p1",
    calendar_version="c1",
)

LEAD = {"urban-management": Duty.LEAD}
HELPERS = {"power": Duty.ASSIST, "wangdingdi": Duty.ASSIST}
CENTRE_RULES = {GRID_CENTRE: Duty.RULE}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, LEAD),
        ({"state": CaseState.ACCEPTED}, LEAD),
        ({"state": CaseState.IN_PROGRESS}, LEAD),
        ({"state": CaseState.SUSPENDED}, LEAD),
        ({"priority": Priority.P1}, LEAD | HELPERS),
        ({"priority": Priority.P0, "state": CaseState.IN_PROGRESS}, LEAD | HELPERS),
        ({"priority": Priority.P2}, LEAD),
        (
            {"state": CaseState.RETURN_REQUESTED, "proposed_owner": "housing"},
            LEAD | CENTRE_RULES | {"housing": Duty.RULE},
        ),
        ({"state": CaseState.EXTENSION_REQUESTED}, LEAD | CENTRE_RULES),
        (
            {"state": CaseState.REPLIED, "priority": Priority.P0},
            {"urban-management": Duty.VERIFY, "wangdingdi": Duty.VERIFY},
        ),
        ({"state": CaseState.CALLBACK_PENDING, "priority": Priority.P0}, {}),
        ({"state": CaseState.CLOSED, "priority": Priority.P0}, {}),
        (
            {"state": CaseState.MANUAL_DISPATCH, "lead_unit": None, "desk": GRID_CENTRE},
            {GRID_CENTRE: Duty.DESK},
        ),
        (
            {"state": CaseState.REDIRECTED_OUT, "lead_unit": None, "desk": "city-hotline"},
            {"city-hotline": Duty.DESK},
        ),
        ({"flags": frozenset({"supervised"})}, LEAD | {GRID_CENTRE: Duty.SUPERVISE}),
        ({"flags": frozenset({"supervised"}), "state": CaseState.CLOSED}, {}),
        ({"flags": frozenset({"escalated"})}, LEAD | {DISTRICT_OFFICE: Duty.SUPERVISE}),
        (
            {"flags": frozenset({"escalated"}), "priority": Priority.P1},
            LEAD | HELPERS | {DUTY_ROOM: Duty.SUPERVISE},
        ),
        (
            {"flags": frozenset({"supervised", "escalated"}), "state": CaseState.CALLBACK_PENDING},
            {GRID_CENTRE: Duty.SUPERVISE, DISTRICT_OFFICE: Duty.SUPERVISE},
        ),
        ({"flags": frozenset({"supervised", "escalated"}), "state": CaseState.CLOSED}, {}),
    ],
)
def test_a_case_stands_before_those_who_have_something_to_do(
    change: dict[str, Any], expected: dict[str, Duty]
) -> None:
    assert dict(duties(replace(CASE, **change))) == expected


@pytest.mark.parametrize("state", CaseState)
@pytest.mark.parametrize("accused", ["urban-management", "power", "wangdingdi", "housing", *DESKS])
@pytest.mark.parametrize("priority", [Priority.P0, Priority.P3])
def test_the_accused_has_no_duty_and_sees_nothing_in_any_state(
    state: CaseState, accused: str, priority: Priority
) -> None:
    case = replace(
        CASE,
        state=state,
        priority=priority,
        desk=accused,
        proposed_owner="housing",
        flags=frozenset({"supervised", "escalated"}),
        accused_unit=accused,
    )
    assert accused not in duties(case)
    assert not may_see(case, accused)
    assert not may_read(case, Role.UNIT, accused)
    if state is not CaseState.CLOSED:
        assert Duty.SUPERVISE in duties(case).values()


@pytest.mark.parametrize(
    ("accused", "stands_in"),
    [(GRID_CENTRE, DISCIPLINE), (DISTRICT_OFFICE, DISCIPLINE), ("market", DISTRICT_OFFICE)],
)
def test_a_case_that_accuses_who_would_look_into_it_stands_before_another(
    accused: str, stands_in: str
) -> None:
    flags = frozenset({"supervised", "escalated"})
    case = replace(CASE, flags=flags, accused_unit=accused)
    assert duties(case)[stands_in] is Duty.SUPERVISE


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.UNIT])
@pytest.mark.parametrize("accused", [None, "market", GRID_CENTRE])
def test_everybody_but_units_reads_all_cases_and_a_dispatcher_none_about_the_grid_centre(
    role: Role, accused: str | None
) -> None:
    case = replace(CASE, accused_unit=accused)
    blind = role is Role.DISPATCHER and accused == GRID_CENTRE
    assert may_read(case, role, None) is not blind


@pytest.mark.parametrize(
    ("unit", "sees"),
    [
        ("urban-management", True),
        ("power", True),
        ("wangdingdi", True),
        ("fire", False),
        (GRID_CENTRE, False),
        (None, False),
    ],
)
def test_a_unit_sees_a_case_it_leads_assists_or_has_to_do_with(
    unit: str | None, sees: bool
) -> None:
    assert may_see(CASE, unit) is sees


def test_the_proposed_owner_of_a_return_sees_the_case_until_it_is_ruled(station: Station) -> None:
    number = station.opened()
    assert station.get(f"/cases/{number}", Role.UNIT, "housing").status_code == 404
    station.done(
        number,
        "return",
        unit="urban-management",
        reason_code="not_ours",
        basis="三定方案",
        proposed_owner="housing",
    )
    assert station.get(f"/cases/{number}", Role.UNIT, "housing").status_code == 200
    station.done(number, "rule-return", approve=False)
    assert station.get(f"/cases/{number}", Role.UNIT, "housing").status_code == 404


@pytest.mark.parametrize(
    ("leaf", "priority", "accused"),
    [
        (LAMP, Priority.P3, "urban-management"),
        (LAMP, Priority.P3, "power"),
        (LAMP, Priority.P1, "power"),
        (LAMP, Priority.P3, "wangdingdi"),
        (LAMP, Priority.P1, "wangdingdi"),
        (LAMP, Priority.P3, GRID_CENTRE),
        (LAMP, Priority.P1, GRID_CENTRE),
        (LAMP, Priority.P3, DISTRICT_OFFICE),
        (LAMP, Priority.P1, DUTY_ROOM),
        (LAMP, Priority.P3, "discipline"),
        (STALLS, Priority.P3, "wangdingdi"),
        (STALLS, Priority.P3, "market"),
        (TRAPPED, Priority.P0, "lift-rescue"),
        (TRAPPED, Priority.P0, "market"),
        (TRAPPED, Priority.P0, "wangdingdi"),
        ("other.staff_conduct", Priority.P3, "discipline"),
        ("other.consult_policy", Priority.P4, "hotline-office"),
        ("other.non_jurisdiction", Priority.P3, "city-hotline"),
    ],
)
def test_in_the_whole_life_of_a_case_the_accused_hears_nothing_of_it(
    station: Station, leaf: str, priority: Priority, accused: str
) -> None:
    number = station.opened(leaf, priority=priority, accused_unit=accused)
    centre = Role.SUPERVISOR if accused == GRID_CENTRE else Role.DISPATCHER

    def accused_is_blind() -> None:
        assert station.get(f"/cases/{number}", Role.UNIT, accused).status_code == 404
        answer = station.give(number, "accept", unit=accused)
        unknown = station.give("NK20261123-999999", "accept", unit=accused)
        assert (answer.status_code, answer.json()) == (404, unknown.json())
        page = station.get(f"/units/{accused}/queue?limit=500", Role.UNIT, accused).json()
        assert number not in {item["number"] for item in page["items"]}

    accused_is_blind()
    case = station.get(f"/cases/{number}", centre).json()["case"]
    if case["lead_unit"] is None:
        refused = station.give(number, "redispatch", lead_unit=accused)
        assert refused.status_code == 422
        case = station.done(number, "redispatch", lead_unit="housing", assist_units=["police"])
    lead = case["lead_unit"]
    refused = station.give(
        number, "redispatch", role=centre, lead_unit="health", assist_units=[accused, "police"]
    )
    assert refused.status_code == 422
    station.done(number, "supervise", role=Role.SUPERVISOR)
    accused_is_blind()
    station.fire(datetime.now(UTC) + timedelta(days=200))
    for command in ("accept", "contact"):
        station.done(number, command, unit=lead)
    if any(clock["kind"] == "resolve" for clock in case["clocks"]):
        station.done(number, "extend", unit=lead, note="还需时间")
        accused_is_blind()
        station.done(number, "rule-extension", role=centre, approve=True)
    station.done(number, "reply", unit=lead, note="已处理")
    accused_is_blind()
    station.done(number, "verify", unit=lead, name="李四")
    accused_is_blind()
    assert accused not in station.queues(number)
    assert f"hotline.queue.{accused}" not in {topic for topic, _ in station.said(number)}
