"""The life of a case: the table, the rules beyond it, and what happens to its clocks."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.domain import clocks
from services.router.domain.cases.clocks import WAITS
from services.router.domain.cases.commands import HANDLERS
from services.router.domain.cases.deciding import authorise, clock_fired, decide
from services.router.domain.cases.records import CaseCommand, CaseDecision, CaseRecord, Routing
from services.router.domain.cases.rules import CASE_MACHINE
from services.router.domain.cases.states import (
    COMMAND_NAMES,
    DOUBTS,
    FIELD_NAMES,
    Command,
    Flag,
)
from services.router.domain.cases.waits import DONE_BY, WAIT_OF
from services.router.domain.desks import CITY_HOTLINE, DESKS, HOTLINE_OFFICE
from services.router.domain.refusals import (
    InvalidField,
    LimitExceeded,
    MissingField,
    NotAllowed,
    Refused,
    StaleVersion,
    WrongState,
)
from services.router.policy.loading import LIMITED
from shared.discretion import GRID_CENTRE
from shared.events import (
    Alarm,
    CaseFact,
    CaseState,
    Category,
    ClockKind,
    Demand,
    Disposition,
    Priority,
)
from shared.names import STATE_NAMES
from shared.roles import Role
from tests.router.case_walks import (
    ACCUSED,
    ANSWERED,
    AT_WORK,
    CALENDAR,
    DANGER,
    HOUR,
    MONDAY,
    ROUTING,
    TERMS,
    UNITS,
    URGENT,
    clock_of,
    facts_of,
    give,
    limits,
    opened,
    running,
    walked,
)


@pytest.mark.parametrize(
    ("disposition", "state", "facts", "kinds"),
    [
        (Disposition.DISPATCH, "dispatched", ["dispatched"], set(LIMITED)),
        (
            Disposition.TRANSFER_EMERGENCY,
            "dispatched",
            ["transferred_emergency", "dispatched"],
            set(LIMITED),
        ),
        (
            Disposition.MANUAL_DISPATCH,
            "manual_dispatch",
            ["manual_dispatch"],
            {"decide", "resolve"},
        ),
        (Disposition.AWAITING_INFO, "awaiting_info", ["awaiting_info"], {"ask", "resolve"}),
        (Disposition.REDIRECT_OUT, "redirected_out", ["redirected"], {"hand_over"}),
    ],
)
def test_a_routing_opens_a_case_with_the_clocks_it_may_have(
    disposition: Disposition, state: str, facts: list[str], kinds: set[str]
) -> None:
    decision = opened(replace(ROUTING, disposition=disposition))
    case = decision.record
    assert (case.version, case.state, facts_of(decision)) == (1, state, facts)
    assert running(case) == kinds
    assert case.lead_unit == ("housing" if state == "dispatched" else None)
    assert case.assist_units == (("gulou",) if state == "dispatched" else ())


def test_the_citizens_clock_is_nobody_elses() -> None:
    case = opened().record
    owners = {clock.kind.value: clock.owner for clock in case.clocks}
    assert owners == {"accept": "housing", "contact": "housing", "resolve": "citizen"}


def test_a_case_is_never_opened_for_the_accused() -> None:
    with pytest.raises(ValueError, match="dispatches it to market"):
        opened(replace(ROUTING, lead_unit=ACCUSED))


def test_a_solved_case_walks_from_dispatch_to_the_end() -> None:
    case = opened().record
    facts: list[CaseFact] = []
    for step in (*ANSWERED, Command.CALLED_BACK_SOLVED):
        decision = give(case, step, hours=1)
        case, facts = decision.record, facts + facts_of(decision)
    assert facts == ["accepted", "contacted", "replied", "verified", "closed"]
    assert (case.state, case.version) == (CaseState.CLOSED, 6)
    assert not any(clock.is_open or clock.cancelled or clock.breached for clock in case.clocks)


@pytest.mark.parametrize(
    ("step", "stopped"),
    [
        (Command.ACCEPT, ClockKind.ACCEPT),
        (Command.CONTACT, ClockKind.CONTACT),
        (Command.REPLY, ClockKind.RESOLVE),
    ],
)
def test_each_clock_stops_with_its_task(step: Command, stopped: ClockKind) -> None:
    before = walked(*ANSWERED[: ANSWERED.index(step)])
    after = give(before, step).record
    assert running(before) - running(after) == {stopped}


def test_a_unit_signs_before_it_calls_except_in_danger() -> None:
    with pytest.raises(WrongState, match="先签收"):
        give(opened().record, Command.CONTACT)
    called = give(opened(URGENT).record, Command.CONTACT).record
    assert called.state is CaseState.DISPATCHED


def test_a_unit_calls_before_it_replies() -> None:
    with pytest.raises(WrongState, match="先联系诉求人"):
        give(walked(Command.ACCEPT), Command.REPLY)


AUTHORITY: list[tuple[Command, dict[str, Any], str]] = [
    (Command.ACCEPT, {"unit": "gulou"}, "unit-not-allowed"),
    (Command.ACCEPT, {"unit": None}, "unit-not-allowed"),
    (Command.ACCEPT, {"role": Role.DISPATCHER}, "role-not-allowed"),
    (Command.REDISPATCH, {"role": Role.UNIT, "unit": "housing"}, "role-not-allowed"),
    (Command.SUSPEND, {"role": Role.UNIT, "unit": "housing"}, "role-not-allowed"),
    (Command.SUPERVISE, {"role": Role.OPERATOR}, "role-not-allowed"),
    (Command.CALLED_BACK_SOLVED, {"role": Role.OPERATOR}, "role-not-allowed"),
    (Command.VERIFY, {"unit": "fire"}, "unit-not-allowed"),
    (Command.RULE_RETURN, {"role": Role.UNIT, "unit": "fire"}, "unit-not-allowed"),
]


@pytest.mark.parametrize(("command", "fields", "slug"), AUTHORITY)
def test_authority_is_checked_before_version_and_state(
    command: Command, fields: dict[str, Any], slug: str
) -> None:
    closed = walked(*ANSWERED, Command.CALLED_BACK_SOLVED)
    with pytest.raises(NotAllowed) as refusal:
        give(closed, command, version=1, **fields)
    assert refusal.value.slug == slug


CENTRES = sorted(command for command in HANDLERS if Role.DISPATCHER in CASE_MACHINE.who[command])


@pytest.mark.parametrize("command", CENTRES)
def test_in_a_complaint_about_the_grid_centre_the_supervisor_stands_in_for_it(
    command: Command,
) -> None:
    accused = opened(accused=GRID_CENTRE).record
    given: dict[str, Any] = {"actor": "wang", "unit": None}
    with pytest.raises(NotAllowed) as refusal:
        authorise(accused, CaseCommand(command, role=Role.DISPATCHER, **given))
    assert (refusal.value.slug, "督查" in refusal.value.sentence) == ("centre-accused", True)
    authorise(accused, CaseCommand(command, role=Role.SUPERVISOR, **given))
    authorise(opened().record, CaseCommand(command, role=Role.DISPATCHER, **given))


@pytest.mark.parametrize("command", [*CENTRES, Command.ACCEPT, Command.CALLED_BACK_SOLVED])
def test_a_supervisor_decides_nothing_else(command: Command) -> None:
    usual = command in (Command.URGE, Command.SUPERVISE, Command.RESTRICT)
    for accused in (ACCUSED, GRID_CENTRE):
        order = CaseCommand(command, "wang", Role.SUPERVISOR)
        if usual or (accused == GRID_CENTRE and command in CENTRES):
            authorise(opened(accused=accused).record, order)
        else:
            with pytest.raises(NotAllowed):
                authorise(opened(accused=accused).record, order)


def test_a_desk_hands_over_what_it_has_and_no_other_does() -> None:
    away = opened(replace(ROUTING, disposition=Disposition.REDIRECT_OUT, desk=CITY_HOTLINE)).record
    for unit in ("housing", None):
        with pytest.raises(NotAllowed):
            give(away, Command.HAND_OVER, role=Role.UNIT, unit=unit)
    told = give(away, Command.HAND_OVER, role=Role.UNIT, unit=CITY_HOTLINE)
    assert facts_of(told) == ["handed_over"]


def test_the_version_is_checked_before_the_state_and_the_state_before_the_fields() -> None:
    case = walked(Command.ACCEPT)
    with pytest.raises(StaleVersion):
        give(case, Command.RETURN, version=case.version - 1, basis="")
    with pytest.raises(WrongState, match="工单当前为“已签收”，不能退单"):
        give(case, Command.RETURN, version=case.version, basis="")


@pytest.mark.parametrize(
    ("steps", "command", "field"),
    [
        ((), Command.RETURN, "reason_code"),
        ((), Command.RETURN, "basis"),
        ((), Command.RETURN, "proposed_owner"),
        ((Command.RETURN,), Command.RULE_RETURN, "approve"),
        (AT_WORK, Command.REPLY, "note"),
        (AT_WORK, Command.EXTEND, "note"),
        (AT_WORK, Command.SUSPEND, "plan"),
        (AT_WORK, Command.SUSPEND, "review_date"),
        ((*AT_WORK, Command.EXTEND), Command.RULE_EXTENSION, "approve"),
        ((), Command.REDISPATCH, "lead_unit"),
    ],
)
def test_a_field_a_command_needs_cannot_be_empty(
    steps: tuple[Command, ...], command: Command, field: str
) -> None:
    with pytest.raises(MissingField, match=FIELD_NAMES[field]):
        give(walked(*steps), command, **dict[str, Any]({field: None}))


def test_a_return_stops_nothing_but_the_units_clocks() -> None:
    asked = give(opened().record, Command.RETURN, hours=1)
    assert facts_of(asked) == ["return_requested"]
    assert asked.facts[0].detail["proposed_owner"] == "urban-management"
    assert running(asked.record) == {ClockKind.RESOLVE, ClockKind.RULE}


@pytest.mark.parametrize(
    ("role", "unit", "lead"),
    [
        (Role.DISPATCHER, None, None),
        (Role.DISPATCHER, None, "fire"),
        (Role.UNIT, "urban-management", None),
    ],
)
def test_a_granted_return_gives_the_new_lead_clocks_of_its_own(
    role: Role, unit: str | None, lead: str | None
) -> None:
    asked = walked(Command.RETURN)
    moved = give(asked, Command.RULE_RETURN, 2, role=role, unit=unit, lead_unit=lead)
    case, owner = moved.record, lead or "urban-management"
    assert facts_of(moved) == ["returned", "redispatched"]
    assert (case.state, case.lead_unit) == (CaseState.DISPATCHED, owner)
    accept, resolve = clock_of(case, ClockKind.ACCEPT), clock_of(case, ClockKind.RESOLVE)
    assert (accept.owner, accept.started_at) == (owner, MONDAY + 2 * HOUR)
    assert resolve == clock_of(asked, ClockKind.RESOLVE)
    old = [clock for clock in case.clocks if clock.owner == "housing"]
    assert all(clock.cancelled and not clock.breached for clock in old)


def test_the_proposed_owner_may_agree_but_only_the_centre_denies() -> None:
    case, unit = walked(Command.RETURN), "urban-management"
    with pytest.raises(NotAllowed, match="网格化管理中心"):
        give(case, Command.RULE_RETURN, role=Role.UNIT, unit=unit, approve=False)


def test_a_denied_return_gives_the_unit_the_time_it_waited() -> None:
    before = opened().record
    asked = give(before, Command.RETURN, hours=1).record
    denied = give(asked, Command.RULE_RETURN, hours=3, approve=False)
    case = denied.record
    assert facts_of(denied) == ["return_denied"]
    assert running(case) == set(LIMITED)
    assert clock_of(case, ClockKind.ACCEPT).due_at > clock_of(before, ClockKind.ACCEPT).due_at
    assert clock_of(case, ClockKind.RESOLVE) == clock_of(before, ClockKind.RESOLVE)


@pytest.mark.parametrize(
    ("routing", "hours", "refused"),
    [
        (ROUTING, 4.7, False),
        (ROUTING, 4.8, True),
        (replace(ROUTING, limits=limits("30min", "2h", "2wd")), 2, False),
        (replace(ROUTING, limits=limits("30min", "2h", "2wd")), 2.1, True),
        (replace(ROUTING, limits=limits("24h", "24h", "5wd")), 5.9, False),
        (replace(ROUTING, limits=limits("24h", "24h", "5wd")), 6.1, True),
        (URGENT, 0, True),
        (replace(URGENT, priority=Priority.P0), 0, True),
        (replace(URGENT, priority=Priority.P2), 0, False),
    ],
)
def test_a_return_is_early_and_never_in_danger(
    routing: Routing, hours: float, refused: bool
) -> None:
    case = opened(routing).record
    if not refused:
        assert give(case, Command.RETURN, hours).record.returns == 1
        return
    with pytest.raises(LimitExceeded):
        give(case, Command.RETURN, hours)


@pytest.mark.parametrize("owner", ["housing", ACCUSED, "nobody"])
def test_a_return_names_another_unit_that_exists_and_is_not_accused(owner: str) -> None:
    with pytest.raises(InvalidField):
        give(opened().record, Command.RETURN, proposed_owner=owner)


def test_a_return_proposes_nobody_who_has_returned_it_before() -> None:
    moved = walked(Command.RETURN, Command.RULE_RETURN)
    assert (moved.lead_unit, moved.returned_by) == ("urban-management", ("housing",))
    with pytest.raises(InvalidField) as refusal:
        give(moved, Command.RETURN, proposed_owner="housing")
    assert refusal.value.slug == "return-cycle"
    assert give(moved, Command.RETURN, proposed_owner="fire").record.proposed_owner == "fire"


def test_a_unit_returns_once() -> None:
    denied = give(walked(Command.RETURN), Command.RULE_RETURN, approve=False).record
    with pytest.raises(LimitExceeded) as refusal:
        give(denied, Command.RETURN)
    assert refusal.value.slug == "return-once"


@pytest.mark.parametrize("approve", [True, False])
def test_a_designated_ticket_cannot_be_returned(approve: bool) -> None:
    disputed = walked(Command.RETURN, Command.RULE_RETURN)
    again = give(disputed, Command.RETURN, proposed_owner="fire").record
    ruled = give(again, Command.RULE_RETURN, approve=approve)
    assert facts_of(ruled)[-1] is CaseFact.DESIGNATED
    assert ruled.record.designated
    with pytest.raises(LimitExceeded) as refusal:
        give(ruled.record, Command.RETURN, proposed_owner="gulou")
    assert refusal.value.slug == "return-designated"


def test_nobody_verifies_what_they_handled() -> None:
    replied = walked(*AT_WORK, Command.REPLY)
    with pytest.raises(NotAllowed) as refusal:
        give(replied, Command.VERIFY, actor="zhang")
    assert refusal.value.slug == "verify-own-work"
    street = give(replied, Command.VERIFY, unit="gulou").record
    assert street.state is CaseState.CALLBACK_PENDING


def test_a_reply_that_does_not_stand_starts_the_citizens_clock_again() -> None:
    replied = walked(*AT_WORK, Command.REPLY)
    failed = give(replied, Command.VERIFY, hours=1, approve=False)
    assert facts_of(failed) == ["verification_failed"]
    assert failed.record.state is CaseState.IN_PROGRESS
    assert running(failed.record) == {ClockKind.RESOLVE}


def test_an_extension_moves_the_citizens_deadline_once() -> None:
    asked = walked(*AT_WORK, Command.EXTEND)
    assert running(asked) == {ClockKind.RESOLVE, ClockKind.RULE}
    granted = give(asked, Command.RULE_EXTENSION).record
    before, after = (clock_of(case, ClockKind.RESOLVE).due_at for case in (asked, granted))
    assert after - before == timedelta(days=7)
    with pytest.raises(LimitExceeded) as refusal:
        give(granted, Command.EXTEND)
    assert refusal.value.slug == "extension-once"


def test_a_denied_extension_moves_nothing() -> None:
    asked = walked(*AT_WORK, Command.EXTEND)
    denied = give(asked, Command.RULE_EXTENSION, approve=False)
    assert facts_of(denied) == ["extension_denied"]
    assert clock_of(denied.record, ClockKind.RESOLVE) == clock_of(asked, ClockKind.RESOLVE)
    assert running(denied.record) == {ClockKind.RESOLVE}


def test_an_extension_is_asked_for_before_the_deadline() -> None:
    with pytest.raises(LimitExceeded) as refusal:
        give(walked(*AT_WORK), Command.EXTEND, hours=24 * 8)
    assert refusal.value.slug == "extension-too-late"


@pytest.mark.parametrize("steps", [AT_WORK, (*AT_WORK, Command.EXTEND)])
def test_a_suspended_case_waits_with_a_plan_and_a_review(steps: tuple[Command, ...]) -> None:
    parked = give(walked(*steps), Command.SUSPEND).record
    assert (parked.state, parked.review_on) == (CaseState.SUSPENDED, date(2027, 3, 1))
    assert running(parked) == {ClockKind.REVIEW}
    resumed = give(parked, Command.RESUME, hours=24 * 30).record
    assert (resumed.state, resumed.review_on) == (CaseState.IN_PROGRESS, None)
    assert running(resumed) == {ClockKind.RESOLVE}
    assert Flag.OVERDUE not in resumed.flags


def test_danger_is_never_parked_and_no_review_lies_in_the_past() -> None:
    with pytest.raises(LimitExceeded):
        give(walked(*AT_WORK, routing=URGENT), Command.SUSPEND)
    with pytest.raises(InvalidField):
        give(walked(*AT_WORK), Command.SUSPEND, review_date=date(2026, 11, 23))


@pytest.mark.parametrize(
    "disposition",
    [Disposition.MANUAL_DISPATCH, Disposition.AWAITING_INFO, Disposition.REDIRECT_OUT],
)
def test_a_dispatcher_opens_what_nobody_had_decided(disposition: Disposition) -> None:
    waiting = opened(replace(ROUTING, disposition=disposition)).record
    decision = give(waiting, Command.REDISPATCH, hours=2, assist_units=("fire",))
    case = decision.record
    assert facts_of(decision) == ["dispatched"]
    assert (case.lead_unit, case.assist_units) == ("urban-management", ("fire",))
    assert case.disposition is Disposition.DISPATCH
    assert running(case) == set(LIMITED)
    started = clock_of(case, ClockKind.RESOLVE).started_at
    redirected = disposition is Disposition.REDIRECT_OUT
    assert started == (MONDAY + 2 * HOUR if redirected else MONDAY)


def test_a_dispatcher_moves_a_case_from_one_unit_to_another() -> None:
    moved = give(walked(*AT_WORK), Command.REDISPATCH, hours=1)
    assert facts_of(moved) == ["redispatched"]
    assert moved.facts[0].detail == {"from": "housing", "to": "urban-management"}
    assert running(moved.record) == set(LIMITED)


def test_a_case_dispatched_as_danger_is_timed_as_danger_from_its_start() -> None:
    waiting = opened(replace(ROUTING, disposition=Disposition.MANUAL_DISPATCH)).record
    case = give(
        waiting,
        Command.REDISPATCH,
        hours=2,
        leaf="safety.fire_hazard",
        priority=Priority.P1,
        terms=replace(TERMS, limits=DANGER),
    ).record
    resolve = clock_of(case, ClockKind.RESOLVE)
    assert (case.category, case.priority) == (Category.SAFETY, Priority.P1)
    assert (resolve.started_at, resolve.due_at) == (MONDAY, MONDAY + 24 * HOUR)
    assert len([clock for clock in case.clocks if clock.kind is ClockKind.RESOLVE]) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"lead_unit": ACCUSED},
        {"lead_unit": "nobody"},
        {"lead_unit": "housing"},
        {"assist_units": (ACCUSED,)},
        {"assist_units": ("nobody",)},
        {"leaf": "weather.rain"},
    ],
)
def test_a_dispatch_names_units_and_leaves_that_can_be(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidField):
        give(opened().record, Command.REDISPATCH, **fields)


def test_a_supplement_routes_a_waiting_case_and_keeps_the_citizens_clock() -> None:
    waiting = opened(replace(ROUTING, disposition=Disposition.AWAITING_INFO)).record
    decision = give(waiting, Command.SUPPLEMENT, 1, routing=ROUTING, ticket_version=2)
    case = decision.record
    assert facts_of(decision) == ["supplemented", "dispatched"]
    assert (case.ticket_version, case.lead_unit) == (2, "housing")
    assert clock_of(case, ClockKind.RESOLVE) == clock_of(waiting, ClockKind.RESOLVE)
    assert clock_of(case, ClockKind.ACCEPT).started_at == MONDAY + HOUR


def test_a_supplement_leaves_a_case_with_its_unit_and_only_raises_the_urgency() -> None:
    asked = walked(Command.RETURN)
    elsewhere = replace(URGENT, lead_unit="fire")
    case = give(asked, Command.SUPPLEMENT, 1, routing=elsewhere).record
    assert (case.lead_unit, case.priority) == ("housing", Priority.P1)
    assert running(case) == set(LIMITED)
    assert clock_of(case, ClockKind.ACCEPT).due_at == MONDAY + 1.25 * HOUR
    assert clock_of(case, ClockKind.RESOLVE).due_at == MONDAY + 25 * HOUR
    lower = give(case, Command.SUPPLEMENT, 1, routing=ROUTING).record
    assert lower == replace(case, version=case.version + 1)


@pytest.mark.parametrize(
    ("steps", "state", "fact"),
    [
        ((Command.RETURN,), CaseState.DISPATCHED, "return_denied"),
        ((Command.ACCEPT, Command.CONTACT, Command.SUSPEND), CaseState.IN_PROGRESS, "resumed"),
    ],
)
def test_danger_waits_for_no_dispute_and_no_review(
    steps: tuple[Command, ...], state: CaseState, fact: str
) -> None:
    case = walked(*steps)
    danger = give(case, Command.SUPPLEMENT, 1, routing=URGENT)
    assert (danger.record.state, danger.record.lead_unit) == (state, case.lead_unit)
    assert facts_of(danger) == ["supplemented", fact]
    assert (danger.record.proposed_owner, danger.record.review_on) == (None, None)
    open_clocks = [clock for clock in danger.record.clocks if clock.is_open]
    assert open_clocks
    assert all(clock.paused_at is None and clock.kind not in WAITS for clock in open_clocks)


def test_an_unsolved_case_goes_back_twice_and_then_to_a_person() -> None:
    case = walked(*ANSWERED)
    for number in (1, 2):
        decision = give(case, Command.CALLED_BACK_UNSOLVED, hours=1)
        case = decision.record
        assert facts_of(decision) == ["reopened"]
        assert (case.round, case.state, case.lead_unit) == (number, "dispatched", "housing")
        assert {clock.round for clock in case.clocks if clock.is_open} == {number}
        assert running(case) == set(LIMITED)
        for step in ANSWERED:
            case = give(case, step, hours=1).record
    last = give(case, Command.CALLED_BACK_UNSOLVED, hours=1)
    assert facts_of(last) == ["manual_dispatch"]
    assert (last.record.state, last.record.lead_unit) == (CaseState.MANUAL_DISPATCH, None)
    assert running(last.record) == {ClockKind.DECIDE, ClockKind.RESOLVE}
    rerouted = give(last.record, Command.SUPPLEMENT, hours=1, routing=ROUTING).record
    assert rerouted.state is CaseState.MANUAL_DISPATCH
    closed = give(last.record, Command.CALLED_BACK_SOLVED, reason_code="unreasonable")
    assert closed.facts[0].detail == {"outcome": "unreasonable"}


def test_a_citizen_who_was_sent_away_wrongly_gets_a_person() -> None:
    away = opened(replace(ROUTING, disposition=Disposition.REDIRECT_OUT)).record
    case = give(away, Command.CALLED_BACK_UNSOLVED).record
    assert (case.state, case.round) == (CaseState.MANUAL_DISPATCH, 0)


@pytest.mark.parametrize(
    ("command", "flag"), [(Command.URGE, Flag.URGED), (Command.SUPERVISE, Flag.SUPERVISED)]
)
def test_urging_and_supervising_are_facets_and_no_states(command: Command, flag: Flag) -> None:
    before = opened().record
    after = give(before, command).record
    assert after == replace(before, version=2, flags=before.flags | {flag})


def test_an_overdue_clock_says_so_step_by_step() -> None:
    case = opened().record
    facts: list[CaseFact] = []
    now = MONDAY + timedelta(days=3)
    while due := [c for c in case.clocks if c.owner == "housing" and clocks.due_step(c, now)]:
        decision = clock_fired(case, due[0], CALENDAR, now)
        assert decision.record.version == case.version + 1
        case, facts = decision.record, facts + facts_of(decision)
    one_clock = ["reminded", "urged", "overdue", "supervised", "escalated"]
    assert facts == one_clock * 2
    assert case.flags == {Flag.URGED, Flag.OVERDUE, Flag.SUPERVISED, Flag.ESCALATED}


def test_a_case_accepted_late_is_overdue_even_if_no_clock_has_fired() -> None:
    assert Flag.OVERDUE in give(opened().record, Command.ACCEPT, hours=72).record.flags


def test_the_table_speaks_of_every_state_and_command_and_has_a_name_for_each() -> None:
    assert {command for _, command in CASE_MACHINE.cells} == set(Command) == set(COMMAND_NAMES)
    assert {state for state, _ in CASE_MACHINE.cells} == set(CaseState) == set(STATE_NAMES)
    needs = {field for transition in CASE_MACHINE.cells.values() for field in transition.needs}
    assert needs == set(FIELD_NAMES)


RULINGS = {Command.RECLASSIFY, Command.RELOCATE, Command.RESTRICT}


def test_every_state_has_a_way_out_and_closed_only_for_danger_and_rulings() -> None:
    for state in CaseState:
        out = {
            command
            for (source, command), row in CASE_MACHINE.cells.items()
            if source is state and set(row.to) - {state}
        }
        assert out
        if state is CaseState.CLOSED:
            assert out == {Command.SUPPLEMENT, Command.ALARM, *RULINGS}


@pytest.mark.parametrize("command", sorted(RULINGS))
def test_a_ruling_on_a_closed_case_describes_it_anew_and_leaves_it_closed(
    command: Command,
) -> None:
    closed = walked(*ANSWERED, Command.CALLED_BACK_SOLVED)
    elsewhere = replace(ROUTING, leaf="grid.greening", lead_unit="fire")
    ruled = give(closed, command, routing=elsewhere, leaf="grid.greening", note="复核").record
    assert (ruled.state, ruled.leaf, ruled.lead_unit) == ("closed", "grid.greening", "housing")
    assert running(ruled) == set()


def test_every_way_ends_closed() -> None:
    ending = {CaseState.CLOSED}
    for _ in CaseState:
        ending |= {
            source for (source, _), row in CASE_MACHINE.cells.items() if ending & set(row.to)
        }
    assert ending == set(CaseState)


SOME_UNIT = st.sampled_from([*sorted(UNITS), "nobody"])
SMOKE = Alarm(kind="burning", name="着火", priority=Priority.P0, clause="冒黑烟", heard_at=MONDAY)
ALARMED = replace(URGENT, alarms=(SMOKE,))
ROUTINGS = st.builds(
    replace,
    st.sampled_from([ROUTING, ROUTING, URGENT, ALARMED]),
    disposition=st.sampled_from(Disposition),
    lead_unit=st.sampled_from(sorted(UNITS - {ACCUSED})),
    desk=st.sampled_from([GRID_CENTRE, HOTLINE_OFFICE, CITY_HOTLINE]),
)
DEMANDS = (
    Demand(leaf="safety.fire_hazard", text="消防通道被堵"),
    Demand(leaf=ROUTING.leaf, text="楼道没人打扫"),
)
COMMANDS = st.builds(
    CaseCommand,
    command=st.sampled_from(list(HANDLERS)),
    actor=st.sampled_from(["zhang", "li", "wang"]),
    role=st.sampled_from(Role),
    unit=st.none() | SOME_UNIT,
    note=st.sampled_from(["说明", ""]),
    approve=st.sampled_from([True, False, None]),
    reason_code=st.sampled_from(["not_ours", ""]),
    basis=st.just("三定方案"),
    proposed_owner=SOME_UNIT,
    plan=st.just("列入计划"),
    review_date=st.sampled_from([date(2027, 3, 1), None]),
    lead_unit=SOME_UNIT | st.none(),
    assist_units=st.none() | st.lists(SOME_UNIT, max_size=2).map(tuple),
    leaf=st.sampled_from([None, "safety.fire_hazard", "weather.rain"]),
    priority=st.none() | st.sampled_from([Priority.P3, Priority.P1]),
    ticket_version=st.none() | st.integers(1, 5),
    routing=st.none() | ROUTINGS,
    demands=st.just(DEMANDS),
    merged_into=st.just("NK20261123-000002"),
)


DEAD_ENDS = frozenset({CaseState.SPLIT, CaseState.MERGED, CaseState.CLOSED})
COMPLETE: dict[str, Any] = {
    "note": "说明",
    "reason_code": "not_ours",
    "review_date": date(2027, 3, 1),
}


def made_allowed(case: CaseRecord, order: CaseCommand, choice: int) -> CaseCommand:
    """The same order as a command the table knows, complete, from somebody who may give it.

    Rather one that leads on than one that stays or ends.
    """
    ways = {
        command: row.to
        for (state, command), row in CASE_MACHINE.cells.items()
        if state is case.state and command in HANDLERS
    }
    on = [command for command in ways if set(ways[command]) - {case.state, *DEAD_ENDS}]
    known = [*ways, *on * 5]
    command = known[choice % len(known)]
    who = set(CASE_MACHINE.who[command])
    if case.accused_unit == GRID_CENTRE and Role.DISPATCHER in who:
        who = who - {Role.DISPATCHER} | {Role.SUPERVISOR}
    role = order.role if order.role in who else min(who)
    units = {Command.RULE_RETURN: case.proposed_owner, Command.HAND_OVER: case.desk}
    return replace(
        order,
        command=command,
        role=role,
        unit=units.get(command, case.lead_unit),
        approve=order.approve is not False,
        **{name: value for name, value in COMPLETE.items() if not getattr(order, name)},
    )


def routed(order: CaseCommand) -> CaseCommand:
    """The same order with what the router adds to it: where it would go now."""
    routing = order.routing or ROUTING
    if order.command is Command.ALARM and not routing.alarms:
        routing = replace(ALARMED, disposition=routing.disposition, desk=routing.desk)
    ruled = order.command in {Command.ALARM, *RULINGS}
    return replace(order, routing=routing) if ruled else order


def check(before: CaseRecord, decision: CaseDecision) -> None:
    case = decision.record
    assert case.version == before.version + 1
    assert decision.facts
    acting = (case.lead_unit, case.proposed_owner, *case.assist_units)
    assert case.accused_unit is None or case.accused_unit not in acting
    check_nobody_waits_in_silence(case)
    for clock in case.clocks:
        ended = clock.paused_at is not None or not clock.is_open or clock.next_step is None
        assert (clock.next_fire_at is None) is ended
    assert (Flag.OVERDUE in case.flags) is any(clock.breached for clock in case.clocks)


CITIZEN_ONLY = frozenset(
    {CaseState.MANUAL_DISPATCH, CaseState.AWAITING_INFO, CaseState.SPLIT, CaseState.MERGED}
)


def check_nobody_waits_in_silence(case: CaseRecord) -> None:
    still = [clock for clock in case.clocks if clock.is_open]
    doubts = [clock for clock in still if clock.kind is ClockKind.SETTLE]
    assert bool(doubts) is bool(case.flags & DOUBTS and case.state is not CaseState.CLOSED)
    still = [clock for clock in still if clock not in doubts]
    kinds = [clock.kind for clock in still]
    assert len(kinds) == len(set(kinds))
    assert case.accused_unit not in {clock.owner for clock in (*still, *doubts)}
    assert any(clock.paused_at is None for clock in still) is (case.state is not CaseState.CLOSED)
    waits = [kind for kind in kinds if kind in WAITS]
    wanted = WAIT_OF.get(case.state)
    handed_over = case.state is CaseState.REDIRECTED_OUT and waits == [ClockKind.CALL_BACK]
    assert handed_over or waits == ([wanted] if wanted else [])
    if case.state in (CaseState.CLOSED, CaseState.REDIRECTED_OUT):
        assert kinds == waits
    if case.state in CITIZEN_ONLY:
        assert [kind for kind in kinds if kind not in WAITS] == [ClockKind.RESOLVE]


def check_kept(before: CaseRecord, after: CaseRecord, command: Command) -> None:
    """A wait is kept by the command that does its task, and by no other."""
    for wait in (clock for clock in before.clocks if clock.is_open and clock.kind in WAITS):
        now = after.clocks[before.clocks.index(wait)]
        assert now.is_open or now.cancelled is not (command in DONE_BY[wait.kind])


ORDERS = st.lists(
    st.tuples(COMMANDS, st.integers(0, 90), st.integers(0, 99) | st.integers(0, 99) | st.none()),
    min_size=10,
    max_size=20,
)


@settings(max_examples=400)
@given(ROUTINGS, st.sampled_from([ACCUSED, *DESKS]), ORDERS)
def test_no_sequence_of_commands_leaves_the_table_or_a_case_in_silence(
    routing: Routing, accused: str, orders: list[tuple[CaseCommand, int, int | None]]
) -> None:
    case, now = opened(routing, accused).record, MONDAY
    check(replace(case, version=0), opened(routing, accused))
    for drawn, minutes, choice in orders:
        order = routed(drawn if choice is None else made_allowed(case, drawn, choice))
        now += timedelta(minutes=minutes)
        due = [clock for clock in case.clocks if clocks.due_step(clock, now)]
        if due:
            fired = clock_fired(case, due[0], CALENDAR, now)
            check(case, fired)
            assert fired.record.state is case.state
            case = fired.record
        try:
            decision = decide(case, order, replace(TERMS, limits=routing.limits), CALENDAR, now)
        except Refused:
            continue
        transition = CASE_MACHINE.cells[case.state, order.command]
        assert decision.record.state in transition.to
        assert set(facts_of(decision)) <= set(transition.facts)
        check(case, decision)
        check_kept(case, decision.record, order.command)
        case = decision.record
