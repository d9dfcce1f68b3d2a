"""Decides what a command or a clock does to a case.

Which roles may do what from which state is the table in `states.py`; what a command
then does is in `commands.py`. Here they meet, in a fixed order: authority first, then
the version, the state, the fields, so that nobody learns of a case by guessing.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from services.router.domain import clocks
from services.router.domain.aggregate import replaced, settled
from services.router.domain.cases.commands import HANDLERS
from services.router.domain.cases.records import (
    CaseCommand,
    CaseDecision,
    CaseRecord,
    Setting,
    Terms,
)
from services.router.domain.cases.rules import CASE_MACHINE
from services.router.domain.cases.states import COMMAND_NAMES, Command, Flag
from services.router.domain.cases.waits import settle_waits
from services.router.domain.clocks import Clock, Step
from services.router.domain.machine import Fact
from services.router.domain.refusals import NotAllowed
from shared.calendar import Calendar
from shared.discretion import GRID_CENTRE
from shared.events import CaseFact
from shared.roles import Role

_FACTS_OF_STEP: Final[Mapping[Step, tuple[CaseFact, ...]]] = {
    Step.REMIND: (CaseFact.REMINDED,),
    Step.URGE: (CaseFact.URGED,),
    Step.OVERDUE: (CaseFact.OVERDUE, CaseFact.SUPERVISED),
    Step.ESCALATE: (CaseFact.ESCALATED,),
}
_FLAGS_OF_STEP: Final[Mapping[Step, frozenset[str]]] = {
    Step.REMIND: frozenset(),
    Step.URGE: frozenset({Flag.URGED}),
    Step.OVERDUE: frozenset({Flag.SUPERVISED}),
    Step.ESCALATE: frozenset({Flag.ESCALATED}),
}


def decide(
    case: CaseRecord, command: CaseCommand, terms: Terms, calendar: Calendar, now: datetime
) -> CaseDecision:
    """The case after the command, one version on, and what happened. Raises Refused."""
    authorise(case, command)
    setting = Setting(terms, calendar, now)
    record, facts = CASE_MACHINE.carry_out(
        case, command, lambda: HANDLERS[command.command](case, command, setting)
    )
    return settled(settle_waits(case, record, command.command, setting), facts)


def authorise(case: CaseRecord, command: CaseCommand) -> None:
    """Raises NotAllowed unless the role may give the command, and a unit on this case.

    A unit acts where it is the lead, or hands over as the desk. The street of the place may
    verify as well, and the owner proposed in a return may agree to it, not deny it. Nobody
    verifies what they handled. A dispatcher is the grid centre: where that is accused, the
    supervisor (督查) gives the dispatcher's commands.
    """
    name, who = COMMAND_NAMES[command.command], CASE_MACHINE.who[command.command]
    if case.accused_unit == GRID_CENTRE and Role.DISPATCHER in who:
        if command.role is Role.DISPATCHER:
            raise NotAllowed("centre-accused", f"被投诉的是区网格化管理中心，由督查{name}")
        who |= {Role.SUPERVISOR}
    if command.role not in who:
        raise NotAllowed("role-not-allowed", f"您的角色无权{name}")
    if command.role is Role.UNIT and command.unit not in _acting_units(case, command.command):
        raise NotAllowed("unit-not-allowed", f"本单位无权对此工单{name}")
    denies = command.command is Command.RULE_RETURN and command.approve is False
    if denies and command.role is Role.UNIT:
        raise NotAllowed("only-centre-denies", "不同意接收的，由区网格化管理中心裁定")
    if command.command is Command.VERIFY and command.actor == case.handler:
        raise NotAllowed("verify-own-work", "现场核实须由承办人以外的人员进行")


def commands_for(case: CaseRecord, role: Role, unit: str | None, actor: str) -> tuple[Command, ...]:
    """The commands that somebody may give on a case as it stands, in their order."""

    def may(command: Command) -> bool:
        try:
            authorise(case, CaseCommand(command, actor, role, unit))
        except NotAllowed:
            return False
        return (case.state, command) in CASE_MACHINE.cells

    return tuple(command for command in COMMAND_NAMES if may(command))


def clock_fired(case: CaseRecord, clock: Clock, calendar: Calendar, now: datetime) -> CaseDecision:
    """One step of one of the case's clocks. Raises ClockNotDue if no step of it is due."""
    fired, step = clocks.fire(clock, now, calendar)
    detail = {"clock": clock.kind.value, "owner": clock.owner, "due_at": clock.due_at.isoformat()}
    facts = tuple(Fact(fact, detail=detail) for fact in _FACTS_OF_STEP[step])
    after = replace(replaced(case, clock, fired), flags=case.flags | _FLAGS_OF_STEP[step])
    return settled(after, facts)


def _acting_units(case: CaseRecord, command: Command) -> frozenset[str | None]:
    match command:
        case Command.VERIFY:
            units = {case.lead_unit, case.place.street} - {case.accused_unit}
        case Command.RULE_RETURN:
            units = {case.proposed_owner}
        case Command.HAND_OVER:
            units = {case.desk} - {case.accused_unit}
        case _:
            units = {case.lead_unit}
    return frozenset(units - {None})
