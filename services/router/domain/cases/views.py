"""A case as the bus and the interface show it."""

from services.router.domain.cases.records import CaseRecord
from services.router.domain.clocks import Clock
from shared.events import Case, ClockView


def case_view(case: CaseRecord) -> Case:
    """The payload of a case."""
    return Case(
        number=case.number,
        version=case.version,
        ticket_version=case.ticket_version,
        round=case.round,
        state=case.state,
        disposition=case.disposition,
        priority=case.priority,
        leaf=case.leaf,
        category=case.category,
        place=case.place,
        lead_unit=case.lead_unit,
        desk=case.desk,
        assist_units=case.assist_units,
        clocks=tuple(clock_view(clock) for clock in case.clocks),
        flags=tuple(sorted(case.flags)),
        reasons=case.reasons,
        policy_version=case.policy_version,
        calendar_version=case.calendar_version,
        demands=case.demands,
        parent=case.parent,
        children=case.children,
        incident=case.incident,
        merged_into=case.merged_into,
        suggested_whistle=case.suggested_whistle,
    )


def clock_view(clock: Clock) -> ClockView:
    """The payload of a clock."""
    return ClockView(
        kind=clock.kind,
        owner=clock.owner,
        within=str(clock.within),
        calendar=clock.calendar,
        started_at=clock.started_at,
        due_at=clock.due_at,
        round=clock.round,
        paused_at=clock.paused_at,
        stopped_at=clock.stopped_at,
        cancelled=clock.cancelled,
        breached=clock.breached,
        provisional=clock.provisional,
    )
