"""The life of a whistle: the table, the rules beyond it, the clocks of each called unit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.domain import clocks
from services.router.domain.cases.records import CaseRecord
from services.router.domain.clocks import Clock, ClockNotDue
from services.router.domain.refusals import (
    InvalidField,
    LimitExceeded,
    MissingField,
    NotAllowed,
    Refused,
    StaleVersion,
    WrongState,
)
from services.router.domain.whistles.clocks import UNIT_CLOCKS
from services.router.domain.whistles.deciding import (
    blow,
    case_closed,
    citizen_unsolved,
    danger_over,
    decide_whistle,
    whistle_clock_fired,
)
from services.router.domain.whistles.duties import may_see_whistle, whistle_duties
from services.router.domain.whistles.records import (
    Summons,
    WhistleDecision,
    WhistleOrder,
    WhistleRecord,
    WhistleSetting,
)
from services.router.domain.whistles.states import (
    SUMMONS_FIELD_NAMES,
    WHISTLE_COMMAND_NAMES,
    WHISTLE_FIELD_NAMES,
    WHISTLE_MACHINE,
    WHISTLE_STATE_NAMES,
    WhistleCommand,
    WhistleFlag,
)
from services.router.domain.whistles.summons import blowing_street, propose_emergency
from services.router.domain.whistles.views import whistle_view
from services.router.policy.loading import POLICY_DIRECTORY
from services.router.policy.whistle_kinds import load_whistle_kinds
from shared.calendar import SHANGHAI, load_calendar, parse_limit
from shared.events import (
    CaseState,
    Category,
    Certainty,
    ClockKind,
    Disposition,
    Place,
    Priority,
    StreetScore,
    UnitScore,
    WhistleFact,
    WhistleKind,
    WhistleState,
)
from shared.roles import Role

CALENDAR = load_calendar()
KINDS = load_whistle_kinds(POLICY_DIRECTORY)
CONFIRM, RULE = parse_limit("1wd"), parse_limit("4wh")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
STREET, CENTRE, LEAD, HELPER, ACCUSED = "gulou", "grid-centre", "housing", "police", "market"
LEADERS = "district-office"
UNITS = frozenset({STREET, CENTRE, LEAD, HELPER, ACCUSED, "fire"})
C, F, S = WhistleCommand, WhistleFact, WhistleState


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


MONDAY = at("2026-11-23T10:00")
PLACE = Place(district="南开区", street=STREET, certainty=Certainty.EXACT)
CASE = CaseRecord(
    number="NK20261123-000001",
    version=3,
    ticket_version=1,
    round=0,
    state=CaseState.IN_PROGRESS,
    disposition=Disposition.DISPATCH,
    priority=Priority.P3,
    leaf="grid.street_order",
    category=Category.GRID,
    place=PLACE,
    lead_unit=STREET,
    assist_units=(LEAD, ACCUSED, HELPER),
    accused_unit=ACCUSED,
    confidential=False,
    flags=frozenset(),
    reasons=(),
    policy_version="p1",
    calendar_version="c1",
)
DANGER = replace(CASE, priority=Priority.P1)
JOINT = Summons(
    WhistleKind.JOINT_ENFORCEMENT,
    LEAD,
    (HELPER,),
    site="鼓楼东街路口",
    evidence="照片三张",
    done_so_far="街道已劝离三次",
    action="联合执法",
    basis="事项清单第12项",
)
ALARM = Summons(WhistleKind.EMERGENCY, LEAD, (HELPER,))


def setting_for(
    summons: Summons, now: datetime, resolve_due_at: datetime | None = None
) -> WhistleSetting:
    terms = KINDS.terms(summons.kind, in_progress=summons.in_progress)
    return WhistleSetting(terms, "p1", UNITS, CALENDAR, now, CONFIRM, RULE, resolve_due_at)


def blown(
    summons: Summons = JOINT,
    case: CaseRecord | None = None,
    street: str = STREET,
    now: datetime = MONDAY,
) -> WhistleDecision:
    if case is None:
        case = DANGER if summons.kind is WhistleKind.EMERGENCY else CASE
    return blow("NK20261123-000001-W1", case, street, summons, "zhao", setting_for(summons, now))


def give(
    whistle: WhistleRecord,
    command: WhistleCommand,
    after: timedelta = timedelta(0),
    *,
    case: CaseRecord = DANGER,
    resolve_due_at: datetime | None = None,
    **fields: Any,
) -> WhistleDecision:
    """Gives a command as the one who usually does, some time after Monday ten o'clock."""
    given: dict[str, Any] = {"actor": "li", "role": Role.UNIT, "unit": STREET}
    if command in (C.DISPATCH, C.REJECT):
        given |= {"role": Role.DISPATCHER, "unit": None}
    if command in (C.ACKNOWLEDGE, C.ARRIVE, C.HANDLE):
        given |= {"actor": "wang", "unit": LEAD, "note": "已处置"}
    if command in (C.SCORE, C.RELEASE):
        given |= {"concerns": LEAD}
    if command is C.RELEASE:
        given |= {"role": Role.DISPATCHER, "unit": None}
    if command is C.REFUSE:
        given |= {"unit": LEAD}
    if command in (C.REFUSE, C.WITHDRAW):
        given |= {"reason": "不是本单位的职责"}
    if command is C.AMEND:
        given |= {"summons": whistle.summons}
    order = WhistleOrder(command, **(given | fields))
    setting = setting_for(whistle.summons, MONDAY + after, resolve_due_at)
    return decide_whistle(whistle, case, order, setting)


def walked(*steps: WhistleCommand, summons: Summons = JOINT) -> WhistleRecord:
    whistle = blown(summons).record
    for step in steps:
        whistle = give(whistle, step).record
    return whistle


SENT = (C.SIGN, C.DISPATCH)
DONE = (*SENT, C.ARRIVE, C.HANDLE)
LACKING = replace(JOINT, done_so_far=" ", basis="")
ROAD_TO: dict[WhistleState, WhistleRecord] = {
    S.PROPOSED: walked(),
    S.SIGNED: walked(C.SIGN),
    S.REJECTED: walked(C.SIGN, C.REJECT, summons=LACKING),
    S.DISPATCHED: walked(*SENT),
    S.HANDLED: walked(*DONE),
    S.CONFIRMED: walked(*DONE, C.CONFIRM),
    S.CLOSED: walked(*DONE, C.CONFIRM, C.CLOSE),
    S.WITHDRAWN: walked(C.WITHDRAW),
}


SILENT = {(HELPER, kind) for kind in ("acknowledge", "arrive", "handle")}
"""The clocks of a unit that was called and has not been heard of: they run out by themselves."""


def facts_of(decision: WhistleDecision | None) -> list[WhistleFact]:
    assert decision is not None
    return [told.fact for told in decision.facts]


def clock_of(whistle: WhistleRecord, kind: ClockKind, unit: str | None = None) -> Clock:
    found = [c for c in whistle.clocks if c.kind is kind and unit in (None, c.owner)]
    return found[-1]


def running(whistle: WhistleRecord) -> set[tuple[str, str]]:
    return {(clock.owner, clock.kind.value) for clock in whistle.clocks if clock.is_open}


def fired(whistle: WhistleRecord, now: datetime, **changed: Any) -> list[WhistleDecision]:
    """All steps that are due at `now`, in the order they fell due, one decision each."""
    decisions: list[WhistleDecision] = []
    while due := [clock for clock in whistle.clocks if clocks.due_step(clock, now)]:
        clock = min(due, key=lambda one: one.next_fire_at or now)
        setting = replace(setting_for(whistle.summons, now), **changed)
        decisions.append(whistle_clock_fired(whistle, clock, setting))
        whistle = decisions[-1].record
    return decisions


def test_a_street_calls_units_without_touching_what_it_lacks_power_over() -> None:
    decision = blown()
    whistle = decision.record
    assert (whistle.version, whistle.state, facts_of(decision)) == (1, S.PROPOSED, [F.BLOWN])
    assert [(called.unit, called.lead) for called in whistle.units] == [
        (LEAD, True),
        (HELPER, False),
    ]
    assert whistle.clocks == ()
    assert not any(called.called_at for called in whistle.units)


@pytest.mark.parametrize(
    ("summons", "case", "street", "refusal"),
    [
        (replace(JOINT, lead="nobody"), CASE, STREET, InvalidField),
        (replace(JOINT, lead=""), CASE, STREET, InvalidField),
        (replace(JOINT, assist=("nobody",)), CASE, STREET, InvalidField),
        (replace(JOINT, assist=(LEAD,)), CASE, STREET, InvalidField),
        (replace(JOINT, assist=(HELPER, HELPER)), CASE, STREET, InvalidField),
        (replace(JOINT, lead=ACCUSED), CASE, STREET, InvalidField),
        (replace(JOINT, assist=(ACCUSED,)), CASE, STREET, InvalidField),
        (replace(JOINT, lead=STREET), CASE, STREET, InvalidField),
        (replace(JOINT, assist=(STREET,)), CASE, STREET, InvalidField),
        (JOINT, replace(CASE, accused_unit=STREET), STREET, NotAllowed),
        (ALARM, CASE, STREET, LimitExceeded),
        (ALARM, replace(CASE, priority=Priority.P2), STREET, LimitExceeded),
        (JOINT, replace(CASE, state=CaseState.CLOSED), STREET, WrongState),
        (JOINT, replace(CASE, state=CaseState.SPLIT), STREET, WrongState),
        (ALARM, replace(DANGER, state=CaseState.MERGED), STREET, WrongState),
    ],
)
def test_what_cannot_be_blown(
    summons: Summons, case: CaseRecord, street: str, refusal: type[Refused]
) -> None:
    with pytest.raises(refusal):
        blown(summons, case, street)


@pytest.mark.parametrize(
    ("changed", "called"),
    [
        ({}, (LEAD, HELPER)),
        ({"lead_unit": LEAD, "assist_units": (STREET, "fire", ACCUSED)}, (LEAD, "fire")),
        ({"lead_unit": "fire", "assist_units": ()}, ("fire",)),
        ({"priority": Priority.P0, "disposition": Disposition.TRANSFER_EMERGENCY}, (LEAD, HELPER)),
        ({"assist_units": (ACCUSED,)}, None),
        ({"assist_units": ()}, None),
        ({"priority": Priority.P2}, None),
        ({"state": CaseState.CLOSED}, None),
        ({"state": CaseState.MERGED}, None),
        ({"state": CaseState.MANUAL_DISPATCH, "lead_unit": None}, None),
        ({"place": Place(district="西青区", certainty=Certainty.OUTSIDE)}, None),
        ({"place": Place(certainty=Certainty.TRANSFERRED)}, (STREET, LEAD, HELPER)),
        ({"place": Place(certainty=Certainty.UNKNOWN)}, (STREET, LEAD, HELPER)),
    ],
)
def test_danger_proposes_whom_to_call(
    changed: dict[str, Any], called: tuple[str, ...] | None
) -> None:
    case = replace(DANGER, **changed)
    summons = propose_emergency(case, {})
    assert (summons and (summons.lead, *summons.assist)) == called
    if summons is not None:
        whistle = blown(summons, case, blowing_street(case)).record
        assert [unit.unit for unit in whistle.units if unit.lead] == [summons.lead]


@pytest.mark.parametrize(
    ("street", "accused", "blows"),
    [
        (STREET, None, STREET),
        (None, None, CENTRE),
        (STREET, STREET, CENTRE),
        (None, CENTRE, "discipline"),
    ],
)
def test_the_grid_centre_blows_where_no_street_can(
    street: str | None, accused: str | None, blows: str
) -> None:
    place = Place(street=street, certainty=Certainty.UNKNOWN)
    assert blowing_street(replace(CASE, place=place, accused_unit=accused)) == blows


def test_a_whistle_walks_from_the_street_to_its_end() -> None:
    whistle = blown().record
    facts: list[WhistleFact] = []
    for step in (C.SIGN, C.DISPATCH, C.ACKNOWLEDGE, C.ARRIVE, C.HANDLE, C.CONFIRM, C.CLOSE):
        decision = give(whistle, step, HOUR)
        whistle, facts = decision.record, facts + facts_of(decision)
    assert [str(fact) for fact in facts] == [
        *("signed", "dispatched", "acknowledged", "arrived", "handled", "confirmed", "closed")
    ]
    assert (whistle.state, whistle.version) == (S.CLOSED, 8)
    assert running(whistle) == SILENT
    assert [unit.absent for unit in whistle.units] == [False, True]


@pytest.mark.parametrize("state", WhistleState)
@pytest.mark.parametrize("command", WhistleCommand)
def test_every_state_knows_the_commands_of_the_table_and_no_others(
    state: WhistleState, command: WhistleCommand
) -> None:
    whistle = ROAD_TO[state]
    assert whistle.state is state
    transition = WHISTLE_MACHINE.cells.get((state, command))
    fields: dict[str, Any] = {}
    if command in (C.ACKNOWLEDGE, C.ARRIVE, C.HANDLE, C.REFUSE):
        fields = {"unit": HELPER}
    if command is C.RELEASE:
        fields = {"concerns": HELPER}
    if transition is None:
        with pytest.raises(WrongState, match=f"当前为“{WHISTLE_STATE_NAMES[state]}”"):
            give(whistle, command, **fields)
        return
    if command is C.HANDLE:
        whistle = give(whistle, C.ARRIVE, unit=HELPER).record
    if command is C.REJECT:
        whistle = replace(whistle, summons=LACKING)
    if command is C.SIGN:
        whistle = replace(whistle, signed_at=None)
    if command is C.DISPATCH:
        whistle = replace(whistle, signed_at=MONDAY)
    decision = give(whistle, command, **fields)
    assert decision.record.state in transition.to
    assert set(facts_of(decision)) <= set(transition.facts)


def test_danger_does_not_wait_for_the_signature_and_other_whistles_do() -> None:
    sent = give(blown(ALARM).record, C.DISPATCH).record
    assert sent.state is S.DISPATCHED
    assert whistle_duties(sent)[STREET] == "whistle_sign"
    assert clock_of(sent, ClockKind.SIGN).is_open
    signed = give(sent, C.SIGN, timedelta(hours=1)).record
    assert (signed.state, signed.signer) == (S.DISPATCHED, "li")
    assert not clock_of(signed, ClockKind.SIGN).is_open
    assert STREET not in whistle_duties(signed)
    with pytest.raises(WrongState, match="已签发"):
        give(signed, C.SIGN)
    with pytest.raises(WrongState, match="尚未签发"):
        give(blown(JOINT).record, C.DISPATCH)


def test_the_table_speaks_of_every_state_and_command_and_has_a_name_for_each() -> None:
    assert {command for _, command in WHISTLE_MACHINE.cells} == set(C) == set(WHISTLE_COMMAND_NAMES)
    assert {state for state, _ in WHISTLE_MACHINE.cells} == set(S) - {S.WITHDRAWN}
    assert set(S) == set(WHISTLE_STATE_NAMES)
    needs = {field for transition in WHISTLE_MACHINE.cells.values() for field in transition.needs}
    assert needs == set(WHISTLE_FIELD_NAMES)
    assert set(SUMMONS_FIELD_NAMES) <= set(Summons.__dataclass_fields__)


AUTHORITY: list[tuple[WhistleState, WhistleCommand, dict[str, Any], str]] = [
    (S.PROPOSED, C.SIGN, {"unit": LEAD}, "unit-not-allowed"),
    (S.PROPOSED, C.SIGN, {"unit": None}, "unit-not-allowed"),
    (S.PROPOSED, C.SIGN, {"role": Role.DISPATCHER, "unit": None}, "unit-not-allowed"),
    (S.PROPOSED, C.SIGN, {"role": Role.SUPERVISOR}, "role-not-allowed"),
    (S.PROPOSED, C.AMEND, {"unit": LEAD}, "unit-not-allowed"),
    (S.SIGNED, C.DISPATCH, {"role": Role.UNIT, "unit": STREET}, "role-not-allowed"),
    (S.SIGNED, C.REJECT, {"role": Role.UNIT, "unit": CENTRE}, "role-not-allowed"),
    (S.DISPATCHED, C.ACKNOWLEDGE, {"unit": "fire"}, "unit-not-allowed"),
    (S.DISPATCHED, C.ARRIVE, {"unit": STREET}, "unit-not-allowed"),
    (S.DISPATCHED, C.ARRIVE, {"role": Role.DISPATCHER}, "role-not-allowed"),
    (S.HANDLED, C.CONFIRM, {"unit": LEAD}, "unit-not-allowed"),
    (S.HANDLED, C.CONFIRM, {"role": Role.DISPATCHER}, "unit-not-allowed"),
    (S.HANDLED, C.CONFIRM, {"actor": "wang"}, "confirm-own-work"),
    (S.CONFIRMED, C.CLOSE, {"unit": LEAD}, "unit-not-allowed"),
    (S.CONFIRMED, C.SCORE, {"unit": LEAD}, "unit-not-allowed"),
    (S.CONFIRMED, C.SCORE, {"role": Role.DISPATCHER}, "unit-not-allowed"),
    (
        *(S.CONFIRMED, C.SCORE),
        {"role": Role.DISPATCHER, "concerns": None, "actor": "zhao"},
        "unit-not-allowed",
    ),
]


@pytest.mark.parametrize(("state", "command", "fields", "slug"), AUTHORITY)
def test_authority_is_checked_before_the_version_and_the_state(
    state: WhistleState, command: WhistleCommand, fields: dict[str, Any], slug: str
) -> None:
    for whistle in (ROAD_TO[state], ROAD_TO[S.CLOSED]):
        with pytest.raises(NotAllowed) as refusal:
            give(whistle, command, version=99, **fields)
        assert refusal.value.slug == slug


def test_the_version_is_checked_before_the_state_and_the_state_before_the_fields() -> None:
    whistle = ROAD_TO[S.DISPATCHED]
    with pytest.raises(StaleVersion):
        give(whistle, C.AMEND, version=whistle.version - 1, summons=None)
    with pytest.raises(WrongState, match="哨单当前为“处置中”，不能补正"):
        give(whistle, C.AMEND, version=whistle.version, summons=None)
    with pytest.raises(MissingField, match="吹哨内容"):
        give(ROAD_TO[S.PROPOSED], C.AMEND, summons=None)


def test_a_dispatcher_stands_for_the_grid_centre_that_blew() -> None:
    case = replace(CASE, place=Place(certainty=Certainty.UNKNOWN))
    whistle = blown(JOINT, case, blowing_street(case)).record
    centre: dict[str, Any] = {"role": Role.DISPATCHER, "unit": None, "case": case}
    for step in (C.SIGN, C.DISPATCH):
        whistle = give(whistle, step, **centre).record
    for step in (C.ARRIVE, C.HANDLE):
        whistle = give(whistle, step).record
    whistle = give(whistle, C.CONFIRM, **centre).record
    assert give(whistle, C.SCORE, **centre).record.lead.score is not None
    scored = give(whistle, C.SCORE, concerns=None, **centre).record
    assert scored.score is None


def test_a_street_that_names_no_unit_scores_all_it_has_not_scored_yet() -> None:
    one = give(ROAD_TO[S.CONFIRMED], C.SCORE, concerns=LEAD, solved=False)
    rest = give(one.record, C.SCORE, concerns=None, solved=True)
    assert [fact.concerns for fact in rest.facts] == [
        u.unit for u in one.record.units if not u.lead
    ]
    assert [unit.score.solved for unit in rest.record.units if unit.score] == [
        not unit.lead for unit in rest.record.units
    ]
    with pytest.raises(WrongState):
        give(rest.record, C.SCORE, concerns=None)


def test_where_the_grid_centre_is_accused_the_supervisor_checks() -> None:
    case = replace(CASE, accused_unit=CENTRE)
    signed = give(blown(JOINT, case).record, C.SIGN, case=case).record
    assert clock_of(signed, ClockKind.CHECK).owner == "discipline"
    assert whistle_duties(signed) == {"discipline": "whistle_check"}
    assert not may_see_whistle(signed, CENTRE)
    with pytest.raises(NotAllowed):
        give(signed, C.DISPATCH, case=case)
    sent = give(signed, C.DISPATCH, case=case, role=Role.SUPERVISOR).record
    assert sent.state is S.DISPATCHED


@pytest.mark.parametrize(
    ("title", "stands"), [("", "街道党工委书记"), ("街道党工委书记", "街道党工委书记")]
)
def test_whoever_may_sign_signs(title: str, stands: str) -> None:
    signed = give(blown().record, C.SIGN, HOUR, signer_title=title).record
    assert (signed.signer, signed.signer_title) == ("li", stands)
    assert signed.signed_at == MONDAY + HOUR


def test_nobody_signs_for_an_office_that_may_not() -> None:
    with pytest.raises(InvalidField, match="街道党工委书记"):
        give(blown().record, C.SIGN, signer_title="街道主任")


def test_an_emergency_is_signed_on_paper_within_two_hours() -> None:
    whistle = blown(ALARM).record
    sign = clock_of(whistle, ClockKind.SIGN)
    assert (sign.owner, sign.due_at) == (STREET, MONDAY + 2 * HOUR)
    signed = give(whistle, C.SIGN, 5 * MINUTE).record
    assert running(signed) == {(CENTRE, "check")}


@pytest.mark.parametrize("steps", [(), (C.SIGN,), (C.AMEND,), (C.AMEND, C.SIGN)])
def test_the_check_of_an_emergency_waits_for_no_signature(
    steps: tuple[WhistleCommand, ...],
) -> None:
    whistle = walked(*steps, summons=ALARM)
    assert clock_of(whistle, ClockKind.CHECK).due_at == MONDAY + 15 * MINUTE
    assert whistle_duties(whistle)[CENTRE] == "whistle_check"


@pytest.mark.parametrize(
    ("named", "missing"),
    [((), ("done_so_far", "basis")), (("basis",), ("basis",))],
)
def test_the_centre_rejects_for_what_is_missing_and_the_street_amends(
    named: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    signed = walked(C.SIGN, summons=LACKING)
    rejected = give(signed, C.REJECT, missing=named)
    assert (rejected.record.state, rejected.record.missing) == (S.REJECTED, missing)
    assert rejected.facts[0].detail == {"missing": ",".join(missing)}
    assert running(rejected.record) == set()
    other = replace(JOINT, lead="fire", assist=())
    amended = give(rejected.record, C.AMEND, summons=other).record
    assert (amended.state, amended.missing, amended.signer) == (S.PROPOSED, (), None)
    assert [called.unit for called in amended.units] == ["fire"]


@pytest.mark.parametrize(
    ("summons", "command", "fields", "refusal"),
    [
        (JOINT, C.REJECT, {}, LimitExceeded),
        (JOINT, C.REJECT, {"missing": ("done_so_far",)}, LimitExceeded),
        (LACKING, C.REJECT, {"missing": ("done_so_far", "site")}, InvalidField),
        (LACKING, C.REJECT, {"missing": ("priority",)}, InvalidField),
        (LACKING, C.DISPATCH, {}, MissingField),
    ],
)
def test_the_centre_has_no_other_veto_and_no_other_choice(
    summons: Summons, command: WhistleCommand, fields: dict[str, Any], refusal: type[Refused]
) -> None:
    with pytest.raises(refusal):
        give(walked(C.SIGN, summons=summons), command, **fields)


def test_an_emergency_cannot_be_vetoed() -> None:
    with pytest.raises(LimitExceeded) as refusal:
        give(walked(C.SIGN, summons=ALARM), C.REJECT)
    assert refusal.value.slug == "no-veto"


def test_an_amended_emergency_is_still_to_be_signed_in_the_same_time() -> None:
    first = blown(ALARM).record
    amended = give(first, C.AMEND, HOUR, summons=replace(ALARM, assist=("fire",)))
    assert facts_of(amended) == [F.AMENDED]
    assert amended.record.clocks == first.clocks


@pytest.mark.parametrize(
    "summons",
    [
        replace(JOINT, assist=(ACCUSED,)),
        replace(JOINT, lead=STREET),
        replace(JOINT, kind=WhistleKind.KEY_TASK),
    ],
)
def test_an_amendment_calls_nobody_a_whistle_could_not(summons: Summons) -> None:
    with pytest.raises(InvalidField):
        give(ROAD_TO[S.PROPOSED], C.AMEND, summons=summons)


@pytest.mark.parametrize(("steps", "left"), [((C.SIGN,), set()), ((), {(STREET, "sign")})])
def test_silence_is_no_veto_of_an_emergency(
    steps: tuple[WhistleCommand, ...], left: set[tuple[str, str]]
) -> None:
    decisions = fired(walked(*steps, summons=ALARM), MONDAY + 15 * MINUTE)
    assert [facts_of(decision) for decision in decisions] == [
        [F.REMINDED],
        [F.URGED],
        [F.OVERDUE, F.DISPATCHED],
    ]
    whistle = decisions[-1].record
    assert (whistle.state, WhistleFlag.OVERDUE in whistle.flags) == (S.DISPATCHED, True)
    assert clock_of(whistle, ClockKind.CHECK).breached
    assert running(whistle) == left | {
        (unit, kind.value) for unit in (LEAD, HELPER) for kind in UNIT_CLOCKS
    }


def test_silence_dispatches_nothing_else() -> None:
    decisions = fired(walked(C.SIGN), MONDAY + timedelta(days=3))
    assert [facts_of(decision) for decision in decisions][2:] == [[F.OVERDUE], [F.ESCALATED]]
    assert decisions[-1].facts[0].detail["to"] == "district-office"
    assert decisions[-1].record.state is S.SIGNED


PUBLIC = replace(JOINT, kind=WhistleKind.PUBLIC_DEMAND)
TASK = replace(JOINT, kind=WhistleKind.KEY_TASK)
CAUGHT = replace(JOINT, in_progress=True)
APPOINTED = replace(JOINT, appointed_at=at("2026-11-21T09:00"))
TICKET_DUE = at("2026-12-01T17:30")


@pytest.mark.parametrize(
    ("summons", "sent", "acknowledge", "arrive", "handle"),
    [
        (ALARM, "2026-11-20T16:00", "2026-11-20T16:05", "2026-11-20T16:30", "2026-11-21T16:00"),
        (CAUGHT, "2026-11-20T16:00", "2026-11-20T18:00", "2026-11-20T18:00", "2026-11-27T17:30"),
        (JOINT, "2026-11-20T16:00", "2026-11-23T11:30", "2026-11-23T17:30", "2026-11-27T17:30"),
        (APPOINTED, "2026-11-20T16:00", "2026-11-23T11:30", "2026-11-21T09:00", "2026-11-27T17:30"),
        (APPOINTED, "2026-11-23T10:00", "2026-11-23T15:30", "2026-11-24T17:30", "2026-11-30T17:30"),
        (PUBLIC, "2026-11-20T16:00", "2026-11-23T11:30", "2026-11-23T17:30", "2026-12-01T17:30"),
        (TASK, "2026-11-20T16:00", "2026-11-23T17:30", "2026-11-24T17:30", "2026-12-04T17:30"),
        # National Day: 1 to 7 October off, Saturday the 10th worked.
        (ALARM, "2026-10-01T09:00", "2026-10-01T09:05", "2026-10-01T09:30", "2026-10-02T09:00"),
        (JOINT, "2026-09-30T16:00", "2026-10-08T11:30", "2026-10-08T17:30", "2026-10-13T17:30"),
        (TASK, "2026-09-30T16:00", "2026-10-08T17:30", "2026-10-09T17:30", "2026-10-20T17:30"),
    ],
)
def test_each_called_unit_has_the_deadlines_of_the_kind(
    summons: Summons, sent: str, acknowledge: str, arrive: str, handle: str
) -> None:
    signed = give(blown(summons).record, C.SIGN).record
    whistle = give(signed, C.DISPATCH, at(sent) - MONDAY, resolve_due_at=TICKET_DUE).record
    for unit in (LEAD, HELPER):
        dues = [clock_of(whistle, kind, unit).due_at for kind in UNIT_CLOCKS]
        assert dues == [at(acknowledge), at(arrive), at(handle)]


@pytest.mark.parametrize(("resolve_due_at", "kept"), [(None, []), (MONDAY - HOUR, [False])])
def test_the_tickets_own_deadline_is_never_set_anew(
    resolve_due_at: datetime | None, kept: list[bool]
) -> None:
    signed = walked(C.SIGN, summons=PUBLIC)
    whistle = give(signed, C.DISPATCH, resolve_due_at=resolve_due_at).record
    handle = [c for c in whistle.clocks if c.kind is ClockKind.HANDLE and c.owner == LEAD]
    assert [clock.due_at for clock in handle] == [resolve_due_at] * len(kept)
    assert [not clock.breached for clock in handle] == kept


def test_arriving_acknowledges_and_stops_the_units_own_clocks_only() -> None:
    whistle = give(ROAD_TO[S.DISPATCHED], C.ARRIVE, HOUR).record
    assert whistle.lead.acknowledged_at == whistle.lead.arrived_at == MONDAY + HOUR
    others = {(HELPER, kind.value) for kind in UNIT_CLOCKS}
    assert running(whistle) == {(LEAD, "handle"), *others}
    late = give(whistle, C.ARRIVE, timedelta(days=30), unit=HELPER).record
    assert clock_of(late, ClockKind.ARRIVE, HELPER).breached
    assert not clock_of(late, ClockKind.ARRIVE, LEAD).breached


@pytest.mark.parametrize(
    ("steps", "command", "fields", "refusal"),
    [
        ((C.ACKNOWLEDGE,), C.ACKNOWLEDGE, {}, WrongState),
        ((C.ARRIVE,), C.ACKNOWLEDGE, {}, WrongState),
        ((C.ARRIVE,), C.ARRIVE, {}, WrongState),
        ((C.ARRIVE, C.HANDLE), C.HANDLE, {}, WrongState),
        ((C.ACKNOWLEDGE,), C.HANDLE, {}, WrongState),
        ((C.ARRIVE,), C.HANDLE, {"note": " "}, MissingField),
        ((C.ARRIVE, C.HANDLE), C.CONFIRM, {"approve": False, "concerns": HELPER}, WrongState),
        ((C.ARRIVE, C.HANDLE), C.CONFIRM, {"concerns": "fire"}, InvalidField),
        ((C.ARRIVE, C.HANDLE, C.CONFIRM), C.SCORE, {"concerns": "fire"}, InvalidField),
        ((C.ARRIVE, C.HANDLE, C.CONFIRM, C.SCORE), C.SCORE, {}, WrongState),
    ],
)
def test_what_is_done_is_done_once_and_in_order(
    steps: tuple[WhistleCommand, ...],
    command: WhistleCommand,
    fields: dict[str, Any],
    refusal: type[Refused],
) -> None:
    with pytest.raises(refusal):
        give(walked(*SENT, *steps), command, **fields)


def test_what_is_handled_waits_for_its_confirmation_until_a_time() -> None:
    handled = ROAD_TO[S.HANDLED]
    confirm = clock_of(handled, ClockKind.VERIFY)
    assert (confirm.owner, confirm.due_at) == (STREET, at("2026-11-24T17:30"))
    assert not clock_of(ROAD_TO[S.CONFIRMED], ClockKind.VERIFY).is_open
    reopened = give(handled, C.CONFIRM, HOUR, approve=False).record
    assert not clock_of(reopened, ClockKind.VERIFY).is_open
    again = give(reopened, C.HANDLE, 26 * HOUR).record
    assert clock_of(again, ClockKind.VERIFY).due_at == at("2026-11-25T17:30")


def test_assistants_go_on_after_the_lead_has_handled() -> None:
    whistle, confirmation = ROAD_TO[S.HANDLED], (STREET, "verify")
    assert running(whistle) == {confirmation, *((HELPER, kind.value) for kind in UNIT_CLOCKS)}
    for step in (C.ARRIVE, C.HANDLE):
        whistle = give(whistle, step, unit=HELPER, actor="sun", note="").record
    assert (whistle.state, running(whistle)) == (S.HANDLED, {confirmation})
    assert whistle.units[1].handler == "sun"


def test_an_assistant_that_is_first_does_not_end_the_leads_work() -> None:
    whistle = ROAD_TO[S.DISPATCHED]
    for step in (C.ARRIVE, C.HANDLE):
        whistle = give(whistle, step, unit=HELPER).record
    assert whistle.state is S.DISPATCHED


def test_work_that_is_not_confirmed_is_open_again_with_the_time_it_had_left() -> None:
    handled = ROAD_TO[S.HANDLED]
    decision = give(handled, C.CONFIRM, 24 * HOUR, approve=False, note="垃圾还在")
    reopened = decision.record
    assert (facts_of(decision), decision.facts[0].concerns) == ([F.NOT_CONFIRMED], LEAD)
    assert (reopened.state, reopened.lead.handled_at) == (S.DISPATCHED, None)
    handle = clock_of(reopened, ClockKind.HANDLE, LEAD)
    assert handle.is_open
    assert handle.due_at > clock_of(handled, ClockKind.HANDLE, LEAD).due_at
    again = give(reopened, C.HANDLE, 25 * HOUR).record
    assert again.state is S.HANDLED


def test_an_assistants_work_can_be_the_one_that_is_open_again() -> None:
    whistle = ROAD_TO[S.HANDLED]
    for step in (C.ARRIVE, C.HANDLE):
        whistle = give(whistle, step, unit=HELPER, actor="sun").record
    reopened = give(whistle, C.CONFIRM, approve=False, concerns=HELPER).record
    assert whistle_duties(reopened) == {HELPER: "whistle_assist"}
    assert running(reopened) == {(HELPER, "handle")}
    assert give(reopened, C.HANDLE, unit=HELPER).record.state is S.HANDLED
    with pytest.raises(NotAllowed):
        give(whistle, C.CONFIRM, actor="sun")


def test_what_another_unit_handles_does_not_stand_for_work_that_is_open_again() -> None:
    whistle = walked(*DONE, summons=replace(JOINT, assist=(HELPER, "fire")))
    for step in (C.ARRIVE, C.HANDLE):
        whistle = give(whistle, step, unit=HELPER).record
    whistle = give(whistle, C.CONFIRM, approve=False, concerns=HELPER).record
    for step in (C.ARRIVE, C.HANDLE):
        whistle = give(whistle, step, unit="fire").record
    assert whistle.state is S.DISPATCHED


@pytest.mark.parametrize("by", [{"unit": STREET}, {"role": Role.DISPATCHER, "unit": None}])
def test_the_street_or_the_centre_closes(by: dict[str, Any]) -> None:
    assert give(ROAD_TO[S.CONFIRMED], C.CLOSE, **by).record.state is S.CLOSED


def test_late_units_escalate_one_by_one() -> None:
    sent = give(walked(*SENT, summons=ALARM), C.ACKNOWLEDGE, MINUTE, unit=HELPER).record
    told = [
        (each.fact.value, each.concerns, each.detail["clock"], each.detail.get("to"))
        for decision in fired(sent, MONDAY + 36 * MINUTE)
        for each in decision.facts
        if each.fact in (F.OVERDUE, F.ESCALATED)
    ]
    assert told == [
        ("overdue", LEAD, "acknowledge", None),
        ("escalated", LEAD, "acknowledge", "duty-officer"),
        ("escalated", LEAD, "acknowledge", "district-duty-room"),
        ("overdue", LEAD, "arrive", None),
        ("escalated", LEAD, "arrive", "district-duty-room"),
        ("overdue", HELPER, "arrive", None),
        ("escalated", HELPER, "arrive", "district-duty-room"),
        ("escalated", LEAD, "arrive", "district-office"),
        ("escalated", HELPER, "arrive", "district-office"),
    ]


@pytest.mark.parametrize(
    ("minutes", "before"),
    [
        (4, set()),
        (5, {CENTRE}),
        (10, {CENTRE, "district-duty-room"}),
        (35, {CENTRE, "district-duty-room", LEADERS}),
    ],
)
def test_what_goes_up_stands_before_those_it_goes_up_to(minutes: int, before: set[str]) -> None:
    sent = walked(*SENT, summons=ALARM)
    late = fired(sent, MONDAY + minutes * MINUTE)[-1].record
    duties = whistle_duties(late)
    assert {unit for unit in duties if duties[unit] == "whistle_escalated"} == before
    assert all(may_see_whistle(late, unit) for unit in before)


def test_nothing_goes_up_to_the_accused() -> None:
    case = replace(CASE, accused_unit="district-office")
    signed = give(blown(JOINT, case).record, C.SIGN, case=case).record
    last = fired(signed, MONDAY + timedelta(days=3))[-1]
    assert (last.facts[0].fact, last.facts[0].detail["to"]) == (F.ESCALATED, "discipline")


def test_a_clock_says_whose_it_is_and_fires_only_when_due() -> None:
    sent = ROAD_TO[S.DISPATCHED]
    clock = clock_of(sent, ClockKind.ACKNOWLEDGE, HELPER)
    with pytest.raises(ClockNotDue):
        whistle_clock_fired(sent, clock, setting_for(JOINT, MONDAY))
    (first, *_) = fired(sent, MONDAY + timedelta(days=1))
    assert first.facts[0].fact is F.REMINDED
    assert set(first.facts[0].detail) == {"unit", "clock", "due_at"}
    assert first.record.version == sent.version + 1


@pytest.mark.parametrize(
    ("after", "answers", "score"),
    [
        (HOUR, {}, UnitScore(in_time=False, right_person=False, solved=False)),
        (timedelta(days=20), {}, UnitScore(in_time=False, right_person=False, solved=False)),
        (
            timedelta(days=20),
            {"in_time": True, "right_person": False, "solved": False, "note": "未到场"},
            UnitScore(in_time=True, right_person=False, solved=False, note="未到场"),
        ),
    ],
)
def test_the_street_scores_a_unit_by_its_clocks_unless_it_says_otherwise(
    after: timedelta, answers: dict[str, Any], score: UnitScore
) -> None:
    decision = give(ROAD_TO[S.CONFIRMED], C.SCORE, after, concerns=HELPER, **answers)
    assert decision.record.units[1].score == score
    assert decision.record.lead.score is None
    assert decision.facts[0].concerns == HELPER


@pytest.mark.parametrize("state", [S.CONFIRMED, S.CLOSED])
@pytest.mark.parametrize(
    ("answers", "score"),
    [
        ({}, StreetScore(necessary=True, complete=True)),
        ({"necessary": False, "complete": False}, StreetScore(necessary=False, complete=False)),
    ],
)
def test_the_centre_scores_the_street_once(
    state: WhistleState, answers: dict[str, Any], score: StreetScore
) -> None:
    fields = {"role": Role.DISPATCHER, "unit": None, "concerns": None, **answers}
    scored = give(ROAD_TO[state], C.SCORE, **fields).record
    assert (scored.score, scored.state) == (score, state)
    with pytest.raises(WrongState):
        give(scored, C.SCORE, **fields)


def test_the_record_knows_what_a_street_left_out() -> None:
    closed = case_closed(walked(C.SIGN, summons=LACKING), MONDAY)
    assert closed is not None
    fields: dict[str, Any] = {"role": Role.DISPATCHER, "unit": None, "concerns": None}
    scored = give(closed.record, C.SCORE, **fields).record
    assert scored.score == StreetScore(necessary=True, complete=False)
    with pytest.raises(WrongState, match="未派出"):
        give(closed.record, C.SCORE)


@pytest.mark.parametrize("state", [S.HANDLED, S.CONFIRMED, S.CLOSED])
def test_the_citizens_word_outweighs_solved(state: WhistleState) -> None:
    decision = citizen_unsolved(ROAD_TO[state])
    assert decision is not None
    assert (facts_of(decision), decision.facts[0].concerns) == ([F.SCORED], LEAD)
    marks = [called.unsolved_by_citizen for called in decision.record.units]
    assert marks == [True, False]
    assert citizen_unsolved(decision.record) is None


@pytest.mark.parametrize("state", [S.PROPOSED, S.SIGNED, S.REJECTED, S.DISPATCHED])
def test_what_nobody_has_handled_is_not_held_against_them(state: WhistleState) -> None:
    assert citizen_unsolved(ROAD_TO[state]) is None


def test_what_the_system_proposed_ends_with_the_danger_sent_out_or_not() -> None:
    proposed = replace(blown(ALARM).record, blown_by="system")
    decision = danger_over(proposed, "误报", MONDAY)
    assert decision is not None
    assert (facts_of(decision), decision.record.state) == ([F.WITHDRAWN], S.WITHDRAWN)
    assert decision.record.withdrawal == "误报"
    assert running(decision.record) == set()
    sent = give(give(proposed, C.SIGN).record, C.DISPATCH).record
    over = danger_over(sent, "误报", MONDAY)
    assert over is not None
    assert running(over.record) == set()
    assert danger_over(over.record, "误报", MONDAY) is None
    assert danger_over(blown(ALARM).record, "误报", MONDAY) is None
    assert danger_over(replace(blown().record, blown_by="system"), "误报", MONDAY) is None


@pytest.mark.parametrize("state", WhistleState)
def test_the_end_of_the_case_ends_the_whistle(state: WhistleState) -> None:
    decision = case_closed(ROAD_TO[state], MONDAY + HOUR)
    if state in (S.CLOSED, S.WITHDRAWN):
        assert decision is None
        return
    assert decision is not None
    assert (facts_of(decision), decision.record.state) == ([F.CLOSED], S.CLOSED)
    called = {unit.unit for unit in decision.record.units if unit.is_called}
    silent = called - {unit.unit for unit in decision.record.units if unit.handled_at}
    assert {owner for owner, _ in running(decision.record)} == silent
    assert whistle_duties(decision.record) == {}


CALLED = {LEAD: "whistle_lead", HELPER: "whistle_assist"}


@pytest.mark.parametrize(
    ("whistle", "expected"),
    [
        (ROAD_TO[S.PROPOSED], {STREET: "whistle_sign"}),
        (ROAD_TO[S.REJECTED], {STREET: "whistle_sign"}),
        (ROAD_TO[S.SIGNED], {CENTRE: "whistle_check"}),
        (ROAD_TO[S.DISPATCHED], CALLED),
        (ROAD_TO[S.HANDLED], {STREET: "whistle_confirm", HELPER: "whistle_assist"}),
        (ROAD_TO[S.CONFIRMED], {STREET: "whistle_score", HELPER: "whistle_assist"}),
        (
            give(walked(*DONE, C.CONFIRM, C.SCORE), C.SCORE, concerns=HELPER).record,
            {HELPER: "whistle_assist"},
        ),
        (ROAD_TO[S.CLOSED], {}),
        (
            fired(ROAD_TO[S.DISPATCHED], MONDAY + timedelta(days=9))[-1].record,
            {**CALLED, CENTRE: "whistle_escalated", LEADERS: "whistle_escalated"},
        ),
        (
            fired(ROAD_TO[S.SIGNED], MONDAY + timedelta(days=9))[-1].record,
            {CENTRE: "whistle_check", LEADERS: "whistle_escalated"},
        ),
    ],
)
def test_a_whistle_stands_in_the_queues_of_those_who_have_it(
    whistle: WhistleRecord, expected: dict[str, str]
) -> None:
    assert whistle_duties(whistle) == expected


@pytest.mark.parametrize(
    ("state", "seeing"),
    [
        (S.PROPOSED, {STREET, CENTRE}),
        (S.SIGNED, {STREET, CENTRE}),
        (S.DISPATCHED, {STREET, CENTRE, LEAD, HELPER}),
        (S.CLOSED, {STREET, CENTRE, LEAD, HELPER}),
    ],
)
def test_a_unit_sees_what_it_blew_and_what_has_called_it(
    state: WhistleState, seeing: set[str]
) -> None:
    whistle = ROAD_TO[state]
    assert {unit for unit in UNITS if may_see_whistle(whistle, unit)} == seeing
    assert not may_see_whistle(whistle, None)


def test_the_view_shows_each_units_clocks_with_the_unit() -> None:
    whistle = walked(*DONE, summons=ALARM)
    view = whistle_view(whistle)
    assert [clock.kind for clock in view.clocks] == ["sign", "check", "verify"]
    shown = {unit.unit: [clock.kind for clock in unit.clocks] for unit in view.units}
    assert shown == {LEAD: list(UNIT_CLOCKS), HELPER: list(UNIT_CLOCKS)}
    assert all(clock.owner == unit.unit for unit in view.units for clock in unit.clocks)
    assert (view.kind, view.state, view.signer_title) == ("emergency", "handled", "街道值班领导")
    assert ACCUSED not in view.model_dump_json()


SOME_UNIT = st.sampled_from([LEAD, HELPER, "fire", STREET, CENTRE, ACCUSED, "nobody"])
SUMMONSES = st.builds(
    Summons,
    kind=st.sampled_from(WhistleKind),
    lead=SOME_UNIT,
    assist=st.lists(SOME_UNIT, max_size=2).map(tuple),
    site=st.just("鼓楼东街"),
    evidence=st.sampled_from(["照片", ""]),
    done_so_far=st.sampled_from(["已劝离", ""]),
    action=st.just("联合执法"),
    basis=st.just("清单"),
    in_progress=st.booleans(),
    appointed_at=st.none() | st.just(MONDAY + 3 * HOUR),
)
ANSWER = st.sampled_from([True, False, None])
ORDERS = st.builds(
    WhistleOrder,
    command=st.sampled_from(WhistleCommand),
    actor=st.sampled_from(["zhao", "li", "wang"]),
    role=st.sampled_from(Role),
    unit=st.none() | SOME_UNIT,
    note=st.sampled_from(["已处置", ""]),
    approve=ANSWER,
    concerns=st.none() | SOME_UNIT,
    missing=st.sampled_from([(), ("basis",), ("done_so_far",)]),
    summons=st.none() | SUMMONSES,
    in_time=ANSWER,
    solved=ANSWER,
)


def made_allowed(whistle: WhistleRecord, order: WhistleOrder, choice: int) -> WhistleOrder:
    """The same order as a command the table knows, from somebody who may give it."""
    ways = {
        command: row.to
        for (state, command), row in WHISTLE_MACHINE.cells.items()
        if state is whistle.state
    }
    leaving = [command for command in ways if set(ways[command]) != {whistle.state}]
    known = [*ways, *leaving * 2]
    command = known[choice % len(known)]
    role = Role.UNIT if Role.UNIT in WHISTLE_MACHINE.who[command] else Role.DISPATCHER
    called = whistle.units[choice // len(known) % len(whistle.units)].unit
    unit = called if command in (C.ACKNOWLEDGE, C.ARRIVE, C.HANDLE) else whistle.street
    summons = replace(order.summons or whistle.summons, kind=whistle.summons.kind)
    return replace(order, command=command, role=role, unit=unit, concerns=called, summons=summons)


def check(before: WhistleRecord, decision: WhistleDecision) -> None:
    whistle = decision.record
    assert whistle.version == before.version + 1
    assert decision.facts
    units = [called.unit for called in whistle.units]
    (lead,) = (called.unit for called in whistle.units if called.lead)
    released = {called.unit for called in whistle.units if called.released_at is not None}
    assert lead == whistle.summons.lead or whistle.summons.lead in released
    assert not released & set(whistle_duties(whistle))
    assert len(set(units)) == len(units)
    assert not {ACCUSED, whistle.street} & set(units)
    assert ACCUSED not in whistle_duties(whistle)
    assert not may_see_whistle(whistle, ACCUSED)
    if whistle.summons.kind is WhistleKind.EMERGENCY:
        assert whistle.state is not S.REJECTED
    silent = {called.unit for called in whistle.units if called.is_called and not called.handled_at}
    if whistle.state in (S.REJECTED, S.WITHDRAWN):
        assert running(whistle) == set()
    if whistle.state is S.CLOSED:
        assert {owner for owner, _ in running(whistle)} <= silent
    if whistle.ended:
        assert whistle_duties(whistle) == {}
    still = [(clock.owner, clock.kind) for clock in whistle.clocks if clock.is_open]
    assert len(still) == len(set(still))
    for clock in whistle.clocks:
        if clock.kind in UNIT_CLOCKS:
            assert clock.owner in units
        else:
            assert clock.owner in (whistle.street, CENTRE)
    for called in whistle.units:
        done = {
            ClockKind.ACKNOWLEDGE: called.acknowledged_at,
            ClockKind.ARRIVE: called.arrived_at,
            ClockKind.HANDLE: called.handled_at,
        }
        own = {c.kind for c in whistle.clocks if c.is_open and c.owner == called.unit}
        assert not own & {kind for kind, moment in done.items() if moment is not None}
    breached = any(clock.breached for clock in whistle.clocks)
    assert (WhistleFlag.OVERDUE in whistle.flags) is breached


STEPS = st.lists(
    st.tuples(ORDERS, st.integers(0, 400), st.integers(0, 99) | st.none()),
    min_size=15,
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([JOINT, LACKING, PUBLIC, TASK, CAUGHT, ALARM, replace(ALARM, assist=())]), STEPS
)
def test_no_sequence_of_commands_leaves_the_table(
    summons: Summons, steps: list[tuple[WhistleOrder, int, int | None]]
) -> None:
    whistle, now = blown(summons).record, MONDAY
    check(replace(whistle, version=0), blown(summons))
    for drawn, minutes, choice in steps:
        order = drawn if choice is None else made_allowed(whistle, drawn, choice)
        now += minutes * MINUTE
        for decision in fired(whistle, now):
            check(whistle, decision)
            moved = decision.record.state is not whistle.state
            assert moved is (F.DISPATCHED in facts_of(decision))
            whistle = decision.record
        setting = setting_for(order.summons or whistle.summons, now, TICKET_DUE)
        try:
            decision = decide_whistle(whistle, DANGER, order, setting)
        except Refused:
            continue
        transition = WHISTLE_MACHINE.cells[whistle.state, order.command]
        assert decision.record.state in transition.to
        assert set(facts_of(decision)) <= set(transition.facts)
        check(whistle, decision)
        whistle = decision.record
    ended = case_closed(whistle, now)
    if ended is not None:
        check(whistle, ended)
