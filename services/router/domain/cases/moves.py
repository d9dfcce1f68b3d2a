"""Commands that decide who holds a case: return, ruling, dispatch, routing anew, call-backs.

Return and dispute: handbook section 3; second handling: sections 2 and 5.
"""

from dataclasses import replace
from typing import Final

from services.router.domain.aggregate import cancel_clocks, pause_clocks, resume_clocks
from services.router.domain.cases.clocks import (
    UNIT_CLOCKS,
    WORK_CLOCKS,
    return_deadline,
    run_citizen_clock,
    start_unit_clocks,
)
from services.router.domain.cases.opening import corrections, stated
from services.router.domain.cases.records import (
    Aspect,
    CaseCommand,
    CaseRecord,
    Outcome,
    Setting,
    Terms,
)
from services.router.domain.cases.rerouting import dispatched_to
from services.router.domain.cases.states import AT_WORK, TAKEN_UP, UNDECIDED, Flag
from services.router.domain.desks import not_accused
from services.router.domain.machine import Fact
from services.router.domain.refusals import InvalidField, LimitExceeded
from shared.discretion import GRID_CENTRE
from shared.events import (
    CaseFact,
    CaseState,
    Category,
    Disposition,
    is_emergency,
)
from shared.roles import Role

MAX_SECOND_HANDLINGS: Final = 2
SOLVED: Final = "solved"
"""How a case ended whose caller has said that it is solved."""


def return_case(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """退单: once a unit, early, never in danger, never once designated; its clocks stand still."""
    lead, owner = case.lead_unit or "", command.proposed_owner or ""
    if is_emergency(case.priority):
        raise LimitExceeded("return-emergency", "P0、P1 工单不得退单：先解决问题，再定责")
    if case.designated:
        raise LimitExceeded("return-designated", "此工单已指定承办单位，不得退单")
    if lead in case.returned_by:
        raise LimitExceeded("return-once", "本单位已对此工单申请过退单，不得再次退单")
    dispatched_at = case.dispatched_at or setting.now
    if setting.now > return_deadline(case, dispatched_at, setting.calendar):
        raise LimitExceeded("return-too-late", "已超过退单时限，请继续办理")
    if owner in case.returned_by:
        raise InvalidField("return-cycle", "建议承办的单位已退回过此工单，不得再推回该单位")
    _check_lead(case, owner, setting.terms)
    asked = pause_clocks(case, UNIT_CLOCKS, setting.now)
    asked = replace(
        asked,
        state=CaseState.RETURN_REQUESTED,
        proposed_owner=owner,
        returned_by=(*case.returned_by, lead),
    )
    detail = {"reason_code": command.reason_code, "basis": command.basis, "proposed_owner": owner}
    return asked, (Fact(CaseFact.RETURN_REQUESTED, command.note, detail),)


def rule_return(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """The grid centre rules, or the proposed owner agrees; a second dispute designates."""
    second = case.returns > 1
    case = replace(case, designated=case.designated or second)
    if not command.approve:
        kept = resume_clocks(case, UNIT_CLOCKS, setting.now, setting.calendar)
        kept = replace(kept, state=CaseState.DISPATCHED, proposed_owner=None)
        ruled = stated(CaseFact.RETURN_DENIED, command)
    else:
        lead = case.proposed_owner or ""
        if command.role is not Role.UNIT and command.lead_unit:
            lead = command.lead_unit
        _check_lead(case, lead, setting.terms)
        kept = dispatched_to(case, lead, case.assist_units, setting.terms.limits, setting)
        detail = {"from": case.lead_unit or "", "to": lead}
        ruled = (
            Fact(CaseFact.RETURNED, command.note, detail),
            Fact(CaseFact.REDISPATCHED, command.note, detail),
        )
    return kept, (*ruled, *(stated(CaseFact.DESIGNATED, command) if second else ()))


def redispatch(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """A dispatcher decides the unit, and where wanted leaf, priority and assisting units.

    The unit that has the case already keeps it where leaf or priority change.
    """
    lead = command.lead_unit or ""
    corrects = command.leaf is not None or command.priority is not None
    same = lead == case.lead_unit and corrects
    if not same:
        _check_lead(case, lead, setting.terms)
    assist = case.assist_units if command.assist_units is None else command.assist_units
    if not setting.terms.units.issuperset(assist) or case.accused_unit in assist:
        raise InvalidField("unit-unavailable", "协办单位不存在或不能承办此工单")
    undecided = case.state in UNDECIDED
    settled = {Aspect.LEAF, Aspect.PRIORITY} if corrects else set()
    decided = replace(
        case,
        priority=command.priority or case.priority,
        settled=case.settled | settled,
        flags=case.flags - {Flag.IN_DOUBT, Flag.SUSPECTED},
    )
    if not is_emergency(decided.priority):
        decided = replace(decided, alarms=(), ruled_out=(*case.ruled_out, *case.alarms))
    if command.leaf is not None:
        decided = replace(decided, leaf=command.leaf, category=_category(command.leaf))
    moved = dispatched_to(decided, lead, assist, setting.terms.limits, setting)
    fact = CaseFact.DISPATCHED if undecided else CaseFact.REDISPATCHED
    detail = {"from": case.lead_unit or "", "to": lead}
    corrected = (Fact(CaseFact.RECLASSIFIED, command.note, corrections(case, moved)),)
    return moved, (Fact(fact, command.note, detail), *(corrected if corrects else ()))


def end(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """The caller or a person has ended the ticket; danger that nobody knew of there goes on."""
    if case.alarms and case.state in AT_WORK:
        return case, stated(CaseFact.REOPENED, command, {"refused": command.reason_code})
    return close(case, command, setting)


def close(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """The citizen's word, or a person's decision intake passes on, ends the case."""
    outcome = command.reason_code or SOLVED
    closed = cancel_clocks(case, WORK_CLOCKS, setting.now)
    closed = replace(closed, state=CaseState.CLOSED, outcome=outcome, merged_into=None)
    detail = {"outcome": outcome}
    return closed, stated(CaseFact.CLOSED, command, detail)


def reopen(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """二次办理 by the same unit with clocks of its own; after the last, a person decides.

    Where the case has been taken up again meanwhile, for a danger or by a person, it goes on.
    """
    if case.state in TAKEN_UP:
        return case, stated(CaseFact.REOPENED, command, {"round": str(case.round)})
    terms, calendar, now = setting.terms, setting.calendar, setting.now
    again = replace(
        cancel_clocks(case, WORK_CLOCKS, now),
        handler=None,
        extension_asked=False,
        merged_into=None,
        policy_version=terms.policy_version,
        calendar_version=calendar.version,
    )
    nobody = case.state is CaseState.REDIRECTED_OUT or case.lead_unit is None
    if nobody or case.round >= MAX_SECOND_HANDLINGS:
        again = replace(
            again,
            state=CaseState.MANUAL_DISPATCH,
            disposition=Disposition.MANUAL_DISPATCH,
            lead_unit=None,
            desk=not_accused(GRID_CENTRE, case.accused_unit),
            assist_units=(),
            dispatched_at=None,
        )
        facts = stated(CaseFact.MANUAL, command, {"round": str(case.round)})
    else:
        again = replace(again, state=CaseState.DISPATCHED, round=case.round + 1, dispatched_at=now)
        again = start_unit_clocks(again, terms.limits, now, calendar)
        facts = stated(CaseFact.REOPENED, command, {"round": str(again.round)})
    return run_citizen_clock(again, terms.limits, now, now, calendar), facts


def _check_lead(case: CaseRecord, unit: str, terms: Terms) -> None:
    """A new lead exists, is not the present one and is never the accused."""
    if unit == case.lead_unit:
        raise InvalidField("same-unit", "该单位已是主办单位")
    if unit not in terms.units or unit == case.accused_unit:
        raise InvalidField("unit-unavailable", "该单位不存在或不能承办此工单")


def _category(leaf: str) -> Category:
    try:
        return Category(leaf.split(".")[0])
    except ValueError:
        raise InvalidField("leaf-unknown", "事项不存在") from None
