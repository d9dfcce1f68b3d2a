"""Decides what is blown, and what a command, a clock or the citizen does to a whistle (吹哨).

Which roles may do what from which state is the table in `states.py`; what a command
then does is in `commands.py`. Authority comes first, then the version, the state,
the fields, as for a case. Nothing here changes the case or its clocks: the citizen's runs on.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from services.router.domain import clocks
from services.router.domain.aggregate import change_clocks, replaced, settled
from services.router.domain.cases.records import CaseRecord
from services.router.domain.clocks import Clock, Ladder, Step
from services.router.domain.desks import DISTRICT_OFFICE, DUTY_ROOM, not_accused
from services.router.domain.machine import Fact
from services.router.domain.refusals import NotAllowed
from services.router.domain.whistles.clocks import UNIT_CLOCKS, start_clock
from services.router.domain.whistles.commands import (
    WHISTLE_HANDLERS,
    closed_now,
    let_go,
    next_lead,
    send_out,
    start_check,
    withdrawn,
)
from services.router.domain.whistles.records import (
    Happened,
    Summons,
    WhistleDecision,
    WhistleOrder,
    WhistleRecord,
    WhistleSetting,
)
from services.router.domain.whistles.states import (
    WHISTLE_COMMAND_NAMES,
    WHISTLE_MACHINE,
    WhistleCommand,
    WhistleFlag,
)
from services.router.domain.whistles.summons import CENTRES, check_summons, units_of
from shared.discretion import GRID_CENTRE
from shared.events import ClockKind, WhistleFact, WhistleKind, WhistleState
from shared.roles import Role

_C = WhistleCommand

DUTY_OFFICER: Final = "duty-officer"
"""The called unit's next duty officer, who is no unit and has no queue."""

# Escalation, handbook section 4: danger goes up at the deadline and again at the last step.
_EMERGENCY_GOES_TO: Final[Mapping[tuple[ClockKind, Step], str]] = MappingProxyType(
    {
        (ClockKind.ACKNOWLEDGE, Step.OVERDUE): DUTY_OFFICER,
        (ClockKind.ACKNOWLEDGE, Step.ESCALATE): DUTY_ROOM,
        (ClockKind.ARRIVE, Step.OVERDUE): DUTY_ROOM,
    }
)
_FACT_OF_STEP: Final[Mapping[Step, WhistleFact]] = MappingProxyType(
    {
        Step.REMIND: WhistleFact.REMINDED,
        Step.URGE: WhistleFact.URGED,
        Step.OVERDUE: WhistleFact.OVERDUE,
    }
)
_FLAG_OF_FACT: Final[Mapping[WhistleFact, WhistleFlag]] = MappingProxyType(
    {
        WhistleFact.URGED: WhistleFlag.URGED,
        WhistleFact.ESCALATED: WhistleFlag.ESCALATED,
    }
)


def blow(
    number: str,
    case: CaseRecord,
    street: str,
    summons: Summons,
    actor: str,
    setting: WhistleSetting,
    note: str = "",
) -> WhistleDecision:
    """Version 1 of a whistle of a street, or of the grid centre acting for it.

    Which street may blow for the case is the caller's to know. Raises NotAllowed for the
    accused unit, WrongState for an ended case, LimitExceeded for an emergency whistle
    without danger, InvalidField for units that cannot be called.
    """
    if street == case.accused_unit:
        raise NotAllowed("unit-not-allowed", "被投诉单位不得为此工单吹哨")
    check_summons(case, street, summons, setting.units)
    whistle = WhistleRecord(
        number=number,
        ticket_number=case.number,
        version=0,
        state=WhistleState.PROPOSED,
        street=street,
        place=case.place,
        confidential=case.confidential,
        summons=summons,
        units=units_of(summons),
        blown_by=actor,
        blown_at=setting.now,
        policy_version=setting.policy_version,
        calendar_version=setting.calendar.version,
        accused_unit=case.accused_unit,
    )
    whistle = start_clock(whistle, ClockKind.SIGN, street, setting.terms.sign, setting)
    if summons.kind is WhistleKind.EMERGENCY:
        whistle = start_check(whistle, setting)
    return _settle(whistle, (Fact(WhistleFact.BLOWN, note=note),))


def decide_whistle(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleDecision:
    """The whistle after the command, one version on, and what happened. Raises Refused.

    The setting's terms are those of the summons the whistle will have: an amended one's.
    """
    authorise_whistle(whistle, order)
    act = WHISTLE_HANDLERS[order.command]
    return _settle(
        *WHISTLE_MACHINE.carry_out(whistle, order, lambda: act(whistle, case, order, setting))
    )


def authorise_whistle(whistle: WhistleRecord, order: WhistleOrder) -> None:
    """Raises NotAllowed unless the role may give the command, and on this whistle.

    The street that blew signs, confirms and scores; a dispatcher does it where the grid
    centre blew. Called units answer, each for itself. Nobody confirms what they handled,
    and who blew cannot score itself. Where the grid centre is accused, the supervisor (督查)
    does what a dispatcher does.
    """
    name, who = WHISTLE_COMMAND_NAMES[order.command], WHISTLE_MACHINE.who[order.command]
    if whistle.accused_unit == GRID_CENTRE and Role.DISPATCHER in who:
        who = who - {Role.DISPATCHER} | {Role.SUPERVISOR}
    if order.role not in who:
        raise NotAllowed("role-not-allowed", f"您的角色无权{name}")
    if not _may_give(whistle, order):
        raise NotAllowed("unit-not-allowed", f"本单位无权对此哨{name}")
    handlers = {called.handler for called in whistle.units}
    if order.command is _C.CONFIRM and order.actor in handlers:
        raise NotAllowed("confirm-own-work", "现场核实须由处置人以外的人员进行")


def whistle_commands_for(
    whistle: WhistleRecord, role: Role, unit: str | None, actor: str
) -> tuple[WhistleCommand, ...]:
    """The commands that somebody may give on a whistle as it stands, in their order."""

    def may(command: WhistleCommand) -> bool:
        try:
            authorise_whistle(whistle, WhistleOrder(command, actor, role, unit))
        except NotAllowed:
            return False
        return (whistle.state, command) in WHISTLE_MACHINE.cells

    return tuple(command for command in WHISTLE_COMMAND_NAMES if may(command))


def whistle_clock_fired(
    whistle: WhistleRecord, clock: Clock, setting: WhistleSetting
) -> WhistleDecision:
    """One step of one of the whistle's clocks. Raises ClockNotDue if no step of it is due.

    Silence is no veto: an emergency that is not checked in time calls its units all the same,
    signed or not.
    """
    fired, step = clocks.fire(clock, setting.now, setting.calendar)
    if whistle.ended:
        return _run_out(whistle, clock, fired)
    facts = _facts_of_step(fired, step, whistle.accused_unit)
    emergency = whistle.summons.kind is WhistleKind.EMERGENCY
    unchecked = emergency and clock.kind is ClockKind.CHECK and step is Step.OVERDUE
    if unchecked:
        fired = replace(fired, stopped_at=setting.now, next_fire_at=None)
    whistle = replaced(whistle, clock, fired)
    if unchecked:
        whistle = send_out(whistle, setting)
        facts = (*facts, Fact(WhistleFact.DISPATCHED))
    return _settle(whistle, facts)


def case_closed(whistle: WhistleRecord, now: datetime) -> WhistleDecision | None:
    """The citizen's word ended the case, and with it the whistle; None if it had ended."""
    if whistle.ended:
        return None
    return _settle(closed_now(whistle, now), (Fact(WhistleFact.CLOSED, detail={"by": "citizen"}),))


def danger_over(whistle: WhistleRecord, reason: str, now: datetime) -> WhistleDecision | None:
    """The case is no danger after all: what the system blew for it is taken back."""
    blown = whistle.blown_by == Role.SYSTEM and not whistle.ended
    if not blown or whistle.summons.kind is not WhistleKind.EMERGENCY:
        return None
    fact = Fact(WhistleFact.WITHDRAWN, reason, {"by": "priority"})
    return _settle(withdrawn(whistle, reason, now), (fact,))


def moved(whistle: WhistleRecord, case: CaseRecord, street: str) -> WhistleDecision | None:
    """The case is somewhere else: whoever is called is told where, and that street confirms."""
    if whistle.ended or whistle.place == case.place:
        return None
    there = _of_street(replace(whistle, place=case.place), street)
    detail = {"from": whistle.place.street or "", "to": case.place.street or ""}
    return _settle(there, (Fact(WhistleFact.RELOCATED, detail=detail),))


def accused_otherwise(
    whistle: WhistleRecord, case: CaseRecord, street: str, now: datetime
) -> WhistleDecision | None:
    """Whom the case accuses has changed: they neither have the whistle nor are called by it.

    Where they led, the next unit does; where they blew it, another confirms.
    """
    accused = case.accused_unit
    if whistle.accused_unit == accused:
        return None
    after = replace(whistle, accused_unit=accused)
    own = after.called(accused)
    if own is not None and own.released_at is None:
        after = let_go(after, own, next_lead(after, own) or own.unit, now)
    if after.street == accused:
        after = _of_street(after, street)
    return _settle(after, (Fact(WhistleFact.AMENDED),))


def _of_street(whistle: WhistleRecord, street: str) -> WhistleRecord:
    """The whistle with another street, which signs and confirms from now on."""
    ours = (ClockKind.SIGN, ClockKind.VERIFY)
    whistle = replace(whistle, street=street)
    return change_clocks(whistle, ours, lambda clock: replace(clock, owner=street))


def citizen_unsolved(whistle: WhistleRecord) -> WhistleDecision | None:
    """The call-back outweighs “solved” of the lead; None if it has handled nothing, or did."""
    lead = whistle.lead
    if lead.handled_at is None or lead.unsolved_by_citizen:
        return None
    units = (replace(unit, unsolved_by_citizen=unit.lead) for unit in whistle.units)
    detail = {"by": "citizen", "solved": "no"}
    scored = Fact(WhistleFact.SCORED, concerns=lead.unit, detail=detail)
    return _settle(replace(whistle, units=tuple(units)), (scored,))


def _run_out(whistle: WhistleRecord, clock: Clock, fired: Clock) -> WhistleDecision:
    """A clock that a closed whistle has left to a unit that never came: it ends breached."""
    if not fired.breached:
        return _settle(replaced(whistle, clock, fired), ())
    ended = replace(fired, stopped_at=clock.due_at, next_step=None, next_fire_at=None)
    detail = {"clock": clock.kind.value, "unit": clock.owner, "due_at": clock.due_at.isoformat()}
    fact = Fact(WhistleFact.OVERDUE, concerns=clock.owner, detail=detail)
    return _settle(replaced(whistle, clock, ended), (fact,))


def _may_give(whistle: WhistleRecord, order: WhistleOrder) -> bool:
    centre, by_centre = order.role is not Role.UNIT, whistle.street in CENTRES
    street = by_centre if centre else order.unit == whistle.street
    match order.command:
        case _C.ACKNOWLEDGE | _C.ARRIVE | _C.HANDLE | _C.REFUSE:
            return whistle.called(order.unit) is not None
        case _C.DISPATCH | _C.REJECT | _C.CLOSE | _C.WITHDRAW | _C.RELEASE:
            return street or centre
        case _C.SCORE if order.concerns is None and centre and not by_centre:
            return order.actor != whistle.blown_by
        case _:
            return street


def _facts_of_step(clock: Clock, step: Step, accused_unit: str | None) -> tuple[Happened, ...]:
    """What a step says, of which unit's clock, and to whom it goes up, never to the accused."""
    detail = {"clock": clock.kind.value, "unit": clock.owner, "due_at": clock.due_at.isoformat()}
    concerns = clock.owner if clock.kind in UNIT_CLOCKS else None
    goes_to = DISTRICT_OFFICE if step is Step.ESCALATE else None
    if clock.ladder is Ladder.EMERGENCY:
        goes_to = _EMERGENCY_GOES_TO.get((clock.kind, step), goes_to)
    facts: list[Happened] = []
    if step in _FACT_OF_STEP:
        facts.append(Fact(_FACT_OF_STEP[step], concerns=concerns, detail=detail))
    if goes_to is not None:
        up = {**detail, "to": not_accused(goes_to, accused_unit)}
        facts.append(Fact(WhistleFact.ESCALATED, concerns=concerns, detail=up))
    return tuple(facts)


def _settle(whistle: WhistleRecord, facts: tuple[Happened, ...]) -> WhistleDecision:
    """The next version, with the flags and the desks that the facts name."""
    raised = {_FLAG_OF_FACT[told.fact].value for told in facts if told.fact in _FLAG_OF_FACT}
    goes_to = {told.detail["to"] for told in facts if told.fact is WhistleFact.ESCALATED}
    whistle = replace(
        whistle,
        flags=whistle.flags | raised,
        escalated_to=whistle.escalated_to | goes_to,
    )
    return settled(whistle, facts)
