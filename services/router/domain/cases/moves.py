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
    tighten_clocks,
)
from services.router.domain.cases.opening import apply_routing, assisting, stated
from services.router.domain.cases.records import CaseCommand, CaseRecord, Outcome, Setting, Terms
from services.router.domain.desks import GRID_CENTRE, HOTLINE_OFFICE
from services.router.domain.machine import Fact
from services.router.domain.refusals import InvalidField, LimitExceeded
from shared.events import (
    CaseFact,
    CaseState,
    Category,
    Disposition,
    is_emergency,
)
from shared.roles import Role

MAX_SECOND_HANDLINGS: Final = 2
_DANGER_ENDS: Final = {
    CaseState.RETURN_REQUESTED: (CaseState.DISPATCHED, CaseFact.RETURN_DENIED),
    CaseState.SUSPENDED: (CaseState.IN_PROGRESS, CaseFact.RESUMED),
}
_UNDECIDED: Final = (CaseState.MANUAL_DISPATCH, CaseState.AWAITING_INFO, CaseState.REDIRECTED_OUT)


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
        kept = _moved(case, lead, case.assist_units, setting)
        detail = {"from": case.lead_unit or "", "to": lead}
        ruled = (
            Fact(CaseFact.RETURNED, command.note, detail),
            Fact(CaseFact.REDISPATCHED, command.note, detail),
        )
    return kept, (*ruled, *(stated(CaseFact.DESIGNATED, command) if second else ()))


def redispatch(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """A dispatcher decides the unit, and where wanted leaf, priority and assisting units."""
    lead = command.lead_unit or ""
    _check_lead(case, lead, setting.terms)
    assist = case.assist_units if command.assist_units is None else command.assist_units
    if not setting.terms.units.issuperset(assist) or case.accused_unit in assist:
        raise InvalidField("unit-unavailable", "协办单位不存在或不能承办此工单")
    undecided = case.state in _UNDECIDED
    decided = replace(case, priority=command.priority or case.priority)
    if command.leaf is not None:
        decided = replace(decided, leaf=command.leaf, category=_category(command.leaf))
    moved = _moved(decided, lead, assist, setting)
    fact = CaseFact.DISPATCHED if undecided else CaseFact.REDISPATCHED
    detail = {"from": case.lead_unit or "", "to": lead}
    return moved, (Fact(fact, command.note, detail),)


def supplement(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """The caller added something, or the ticket was classified anew.

    A case that nobody has decided yet is routed again. One that a unit holds stays there:
    only the urgency can rise, and danger ends a return or a suspension (先解决问题、再定责).
    After second handlings have failed a person decides.
    """
    told = replace(case, ticket_version=command.ticket_version or case.ticket_version)
    supplemented = stated(CaseFact.SUPPLEMENTED, command)
    routing, calendar, now = command.routing, setting.calendar, setting.now
    if routing is None or case.state is CaseState.CLOSED:
        return told, supplemented
    if case.state in _UNDECIDED and case.round == 0:
        policy = setting.terms.policy_version
        routed, opened = apply_routing(told, routing, policy, now, calendar, now)
        again = routed.state is case.state
        return routed, supplemented if again else (*supplemented, *opened)
    if routing.priority < case.priority:
        told = replace(told, priority=routing.priority)
        told = tighten_clocks(told, routing.limits, now, calendar)
        detail = {"priority": routing.priority.value}
        supplemented = stated(CaseFact.SUPPLEMENTED, command, detail)
    if is_emergency(told.priority) and told.state in _DANGER_ENDS:
        state, fact = _DANGER_ENDS[told.state]
        supplemented = (*supplemented, *stated(fact, command))
        told = replace(told, state=state, proposed_owner=None, plan="", review_on=None)
    return told, supplemented


def close(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """The citizen's word, or a person's decision intake passes on, ends the case."""
    closed = cancel_clocks(case, WORK_CLOCKS, setting.now)
    closed = replace(closed, state=CaseState.CLOSED)
    detail = {"outcome": command.reason_code or "solved"}
    return closed, stated(CaseFact.CLOSED, command, detail)


def reopen(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """二次办理 by the same unit with clocks of its own; after the last, a person decides."""
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
            desk=GRID_CENTRE if case.accused_unit != GRID_CENTRE else HOTLINE_OFFICE,
            assist_units=(),
            dispatched_at=None,
        )
        facts = stated(CaseFact.MANUAL, command, {"round": str(case.round)})
    else:
        again = replace(again, state=CaseState.DISPATCHED, round=case.round + 1, dispatched_at=now)
        again = start_unit_clocks(again, terms.limits, now, calendar)
        facts = stated(CaseFact.REOPENED, command, {"round": str(again.round)})
    return run_citizen_clock(again, terms.limits, now, now, calendar), facts


def _moved(case: CaseRecord, lead: str, assist: tuple[str, ...], setting: Setting) -> CaseRecord:
    """The case with another lead: fresh clocks for the unit, the citizen's clock runs on."""
    emergency = case.disposition is Disposition.TRANSFER_EMERGENCY
    moved = replace(
        case,
        state=CaseState.DISPATCHED,
        disposition=case.disposition if emergency else Disposition.DISPATCH,
        lead_unit=lead,
        desk=None,
        assist_units=assisting(assist, lead, case),
        policy_version=setting.terms.policy_version,
        calendar_version=setting.calendar.version,
        dispatched_at=setting.now,
        handler=None,
        proposed_owner=None,
    )
    limits, now, calendar = setting.terms.limits, setting.now, setting.calendar
    moved = run_citizen_clock(moved, limits, now, now, calendar)
    return start_unit_clocks(moved, limits, now, calendar)


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
