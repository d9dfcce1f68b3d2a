"""How a case takes another leaf, priority, place or unit while its citizen's clock runs on.

Danger goes before everything (先解决问题、再定责, handbook section 3): it ends returns,
extensions and suspensions, and brings back what was answered, merged or closed.
"""

from dataclasses import replace
from datetime import datetime

from services.router.domain.cases.clocks import (
    relax_clocks,
    run_citizen_clock,
    start_unit_clocks,
    tighten_clocks,
)
from services.router.domain.cases.opening import apply_routing, assisting
from services.router.domain.cases.records import CaseRecord, Limits, Outcome, Routing, Setting
from services.router.domain.cases.states import ANSWERED, AT_WORK, UNDECIDED
from services.router.domain.dangers import with_alarm
from services.router.domain.machine import Fact
from shared.calendar import Calendar
from shared.events import CaseFact, CaseState, Disposition, is_emergency

CALLED_OUT = (Disposition.DISPATCH, Disposition.TRANSFER_EMERGENCY)

_S = CaseState
_BACK_AT_WORK = (*ANSWERED, _S.MERGED, _S.CLOSED)
"""States out of which danger brings a case back."""
_ENDED_BY_DANGER = {
    _S.RETURN_REQUESTED: (_S.DISPATCHED, CaseFact.RETURN_DENIED),
    _S.SUSPENDED: (_S.IN_PROGRESS, CaseFact.RESUMED),
    _S.EXTENSION_REQUESTED: (_S.IN_PROGRESS, CaseFact.RESUMED),
}


def rerouted(case: CaseRecord, routing: Routing, setting: Setting) -> Outcome:
    """The case as a routing wants it that was made anew, and the facts of its moving.

    A case that nobody has decided is routed as if it came now. One at work goes to the
    routing's unit or desk, and stays where that is its unit already. What was answered,
    merged or closed is only described anew, unless there is danger; what was split always.
    """
    policy, calendar, now = setting.terms.policy_version, setting.calendar, setting.now
    told = described(case, routing)
    back = case.state in _BACK_AT_WORK and is_emergency(routing.priority)
    if case.state in UNDECIDED:
        again, facts = apply_routing(told, routing, policy, now, calendar, now)
        same = (again.state, again.desk) == (case.state, case.desk)
        return again, () if same else facts
    if case.state not in AT_WORK and not back:
        return told, ()
    if routing.disposition not in CALLED_OUT:
        return apply_routing(replace(told, merged_into=None), routing, policy, now, calendar, now)
    lead = routing.lead_unit or ""
    told = replace(told, disposition=routing.disposition)
    if case.state in AT_WORK and lead == case.lead_unit:
        return _kept(case, told, routing, setting)
    moved = dispatched_to(
        replace(told, merged_into=None, outcome=None),
        lead,
        routing.assist_units,
        routing.limits,
        setting,
    )
    urgent = routing.disposition is Disposition.TRANSFER_EMERGENCY
    facts = (Fact(CaseFact.TRANSFERRED_EMERGENCY),) if urgent else ()
    detail = {"from": case.lead_unit or "", "to": lead}
    return moved, (*facts, Fact(CaseFact.REDISPATCHED, detail=detail))


def described(case: CaseRecord, routing: Routing) -> CaseRecord:
    """The case with what the routing says of it, wherever it is; alarms that stand stay."""
    alarms = case.alarms
    for alarm in routing.alarms:
        alarms = with_alarm(alarms, alarm)
    return replace(
        case,
        leaf=routing.leaf,
        category=routing.category,
        priority=routing.priority,
        place=routing.place,
        reasons=routing.reasons,
        flags=case.flags | routing.flags,
        demands=case.demands if case.children else routing.demands,
        suggested_whistle=routing.suggested_whistle,
        alarms=alarms,
    )


def dispatched_to(
    case: CaseRecord, lead: str, assist: tuple[str, ...], limits: Limits, setting: Setting
) -> CaseRecord:
    """The case with another lead: fresh clocks for the unit, the citizen's clock runs on."""
    emergency = is_emergency(case.priority) and (case.disposition is Disposition.TRANSFER_EMERGENCY)
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
        plan="",
        review_on=None,
    )
    now, calendar = setting.now, setting.calendar
    moved = run_citizen_clock(moved, limits, now, now, calendar)
    return start_unit_clocks(moved, limits, now, calendar)


def _kept(before: CaseRecord, case: CaseRecord, routing: Routing, setting: Setting) -> Outcome:
    """The case stays with its unit, under the limits of what it is now."""
    case = replace(case, assist_units=assisting(routing.assist_units, case.lead_unit, case))
    case = _timed(before, case, routing.limits, setting.now, setting.calendar)
    if is_emergency(case.priority) and case.state in _ENDED_BY_DANGER:
        state, fact = _ENDED_BY_DANGER[case.state]
        ended = replace(case, state=state, proposed_owner=None, plan="", review_on=None)
        return ended, (Fact(fact),)
    return case, ()


def _timed(
    before: CaseRecord, case: CaseRecord, limits: Limits, now: datetime, calendar: Calendar
) -> CaseRecord:
    if is_emergency(case.priority):
        return tighten_clocks(case, limits, now, calendar)
    if case.priority < before.priority:
        case = tighten_clocks(case, limits, now, calendar)
    return relax_clocks(case, limits, now, calendar)
