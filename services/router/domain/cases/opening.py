"""How a routing opens a case, and opens it anew while nobody has decided it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from services.router.domain.aggregate import cancel_clocks, settled
from services.router.domain.cases.clocks import (
    UNIT_CLOCKS,
    WORK_CLOCKS,
    run_citizen_clock,
    start_unit_clocks,
)
from services.router.domain.cases.records import (
    CaseCommand,
    CaseDecision,
    CaseRecord,
    Outcome,
    Routing,
)
from services.router.domain.cases.states import Flag
from services.router.domain.cases.waits import start_wait
from services.router.domain.machine import Fact
from shared.calendar import Calendar
from shared.events import CaseFact, CaseState, Disposition

_OPENINGS: Final[Mapping[Disposition, tuple[CaseState, tuple[CaseFact, ...]]]] = MappingProxyType(
    {
        Disposition.DISPATCH: (CaseState.DISPATCHED, (CaseFact.DISPATCHED,)),
        Disposition.TRANSFER_EMERGENCY: (
            CaseState.DISPATCHED,
            (CaseFact.TRANSFERRED_EMERGENCY, CaseFact.DISPATCHED),
        ),
        Disposition.MANUAL_DISPATCH: (CaseState.MANUAL_DISPATCH, (CaseFact.MANUAL,)),
        Disposition.AWAITING_INFO: (CaseState.AWAITING_INFO, (CaseFact.AWAITING_INFO,)),
        Disposition.REDIRECT_OUT: (CaseState.REDIRECTED_OUT, (CaseFact.REDIRECTED,)),
    }
)


def open_case(
    number: str,
    routing: Routing,
    *,
    ticket_version: int,
    received_at: datetime,
    policy_version: str,
    calendar: Calendar,
    now: datetime,
    accused_unit: str | None = None,
    confidential: bool = False,
    restricted: bool = False,
) -> CaseDecision:
    """Version 1 of a case.

    A dispatched case has the unit's clocks from now and the citizen's from the receipt of
    the ticket; one that waits for a person or for the caller has the citizen's, one that is
    redirected out has not; what a desk has to do then has a wait of its own. `restricted`: that
    the caller is to be protected or a unit accused was only heard in the words. Raises
    ValueError for a routing that dispatches to nobody or to the accused unit.
    """
    blank = CaseRecord(
        number=number,
        version=0,
        ticket_version=ticket_version,
        round=0,
        state=CaseState.MANUAL_DISPATCH,
        disposition=routing.disposition,
        priority=routing.priority,
        leaf=routing.leaf,
        category=routing.category,
        place=routing.place,
        lead_unit=None,
        assist_units=(),
        accused_unit=accused_unit,
        confidential=confidential,
        flags=frozenset({Flag.RESTRICTED} if restricted else ()),
        reasons=(),
        policy_version=policy_version,
        calendar_version=calendar.version,
    )
    record, facts = apply_routing(blank, routing, policy_version, received_at, calendar, now)
    record = start_wait(record, routing, policy_version, calendar, now)
    return settled(record, facts)


def apply_routing(
    case: CaseRecord,
    routing: Routing,
    policy_version: str,
    since: datetime,
    calendar: Calendar,
    now: datetime,
) -> Outcome:
    """The case as the routing wants it; `since` starts a citizen's clock that does not run yet."""
    state, facts = _OPENINGS[routing.disposition]
    dispatched = state is CaseState.DISPATCHED
    lead = routing.lead_unit if dispatched else None
    if dispatched and lead in (None, case.accused_unit):
        raise ValueError(f"the routing of {case.number} dispatches it to {lead}")
    routed = replace(
        case,
        state=state,
        disposition=routing.disposition,
        priority=routing.priority,
        leaf=routing.leaf,
        category=routing.category,
        place=routing.place,
        lead_unit=lead,
        desk=None if dispatched else routing.desk,
        assist_units=assisting(routing.assist_units, lead, case) if dispatched else (),
        flags=case.flags | routing.flags,
        reasons=routing.reasons,
        policy_version=policy_version,
        calendar_version=calendar.version,
        dispatched_at=now if dispatched else None,
        demands=routing.demands,
        suggested_whistle=routing.suggested_whistle,
        alarms=case.alarms or routing.alarms,
        handler=None,
        proposed_owner=None,
        plan="",
        review_on=None,
        outcome=None,
    )
    if routing.disposition is Disposition.REDIRECT_OUT:
        routed = cancel_clocks(routed, WORK_CLOCKS, now)
    else:
        if not dispatched:
            routed = cancel_clocks(routed, UNIT_CLOCKS, now)
        routed = run_citizen_clock(routed, routing.limits, since, now, calendar)
    if dispatched:
        routed = start_unit_clocks(routed, routing.limits, now, calendar)
    return routed, tuple(Fact(fact) for fact in facts)


def assisting(units: Iterable[str], lead: str | None, case: CaseRecord) -> tuple[str, ...]:
    """The assisting units without the lead, the accused and repetitions."""
    return tuple(unit for unit in dict.fromkeys(units) if unit not in (lead, case.accused_unit))


def units_of(case: CaseRecord) -> tuple[str, ...]:
    """The lead, if there is one, and the assisting units."""
    return (*((case.lead_unit,) if case.lead_unit else ()), *case.assist_units)


def stated(
    fact: CaseFact, command: CaseCommand, detail: Mapping[str, str] = MappingProxyType({})
) -> tuple[Fact[CaseFact], ...]:
    """The one fact of a command, with the note of who gave it."""
    return (Fact(fact, command.note, detail),)


def corrections(before: CaseRecord, after: CaseRecord) -> Mapping[str, str]:
    """What a person has made of leaf and priority, as a fact's detail."""
    return {
        "leaf_from": before.leaf,
        "leaf_to": after.leaf,
        "priority_from": before.priority.value,
        "priority_to": after.priority.value,
    }
