"""Which clocks a case has: acceptance and contact bind the unit, resolution is the citizen's.

The unit's clocks start anew with every dispatch and stand still while a return is being
ruled; the citizen's clock keeps its start whoever holds the case (handbook section 3).
What is waited for in between is in `waits.py`.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.router.domain import clocks
from services.router.domain.aggregate import (
    cancel_clocks,
    change_clocks,
    open_clock,
    replaced,
    resume_clocks,
)
from services.router.domain.cases.records import CaseRecord, Limits
from services.router.domain.clocks import CITIZEN, Clock, Ladder
from shared.calendar import Calendar, Limit, LimitUnit, due
from shared.events import ClockKind, is_emergency

UNIT_CLOCKS: Final = (ClockKind.ACCEPT, ClockKind.CONTACT)
WAITS: Final = (
    *(ClockKind.DECIDE, ClockKind.HAND_OVER, ClockKind.RULE),
    *(ClockKind.REVIEW, ClockKind.VERIFY, ClockKind.CALL_BACK, ClockKind.ASK),
)
WORK_CLOCKS: Final = (*UNIT_CLOCKS, ClockKind.RESOLVE)
ALL_CLOCKS: Final = (*WORK_CLOCKS, *WAITS, ClockKind.SETTLE)

# A return may be asked for in this share of the acceptance limit, and at least this long.
RETURN_PERCENT: Final = 25
RETURN_AT_LEAST: Final = Limit(2, LimitUnit.WORKING_HOUR)


def start_unit_clocks(
    case: CaseRecord, limits: Limits, at: datetime, calendar: Calendar
) -> CaseRecord:
    """Fresh acceptance and contact clocks for the lead unit; those of the last one end."""
    case = cancel_clocks(case, UNIT_CLOCKS, at)
    owner = case.lead_unit or CITIZEN
    fresh = tuple(
        _started(case, kind, owner, limit, at, calendar)
        for kind, limit in limits
        if kind in UNIT_CLOCKS
    )
    return replace(case, clocks=case.clocks + fresh)


def run_citizen_clock(
    case: CaseRecord, limits: Limits, since: datetime, at: datetime, calendar: Calendar
) -> CaseRecord:
    """The citizen's clock runs: from `since`, or from where it started if it runs already.

    A running clock is put under the limit only if that is another than it had, and keeps
    the time it has stood still.
    """
    limit = dict(limits).get(ClockKind.RESOLVE)
    if limit is None:
        return case
    if open_clock(case, ClockKind.RESOLVE) is None:
        fresh = _started(case, ClockKind.RESOLVE, CITIZEN, limit, since, calendar)
        return replace(case, clocks=(*case.clocks, fresh))

    case = resume_clocks(case, (ClockKind.RESOLVE,), at, calendar)
    return relax_clocks(case, ((ClockKind.RESOLVE, limit),), at, calendar)


def relax_clocks(case: CaseRecord, limits: Limits, at: datetime, calendar: Calendar) -> CaseRecord:
    """The case is about something else now: its open clocks take the limits of that.

    They are counted from where each began, and one that stands still goes on doing so.
    """
    by_kind = dict(limits)

    def under_limit(clock: Clock) -> Clock:
        limit = by_kind.get(clock.kind)
        if limit in (None, clock.within) or limit.amount == 0:
            return clock
        return clocks.relimit(
            clock,
            limit,
            at,
            calendar,
            policy_version=case.policy_version,
            ladder=ladder_of(case, clock.kind),
        )

    return change_clocks(case, WORK_CLOCKS, under_limit)


def restart_citizen_clock(case: CaseRecord, at: datetime, calendar: Calendar) -> CaseRecord:
    """The reply did not stand: the clock it stopped runs on."""
    mine = [c for c in case.clocks if c.kind is ClockKind.RESOLVE and not c.cancelled]
    return replaced(case, mine[-1], clocks.restart(mine[-1], at, calendar)) if mine else case


def tighten_clocks(
    case: CaseRecord, limits: Limits, at: datetime, calendar: Calendar
) -> CaseRecord:
    """The case became more urgent: its open clocks take the limits that end sooner, from now.

    Danger also ends every pause (先解决问题、再定责).
    """
    by_kind = dict(limits)

    def tightened(clock: Clock) -> Clock:
        if clock.paused_at is not None and not is_emergency(case.priority):
            return clock
        running = clocks.resume(clock, at, calendar)
        limit = by_kind.get(clock.kind)
        if limit is None or limit.amount == 0:
            return running
        sooner = _retimed(case, clock, limit, at, at, calendar)
        return sooner if sooner.due_at < running.due_at else running

    return change_clocks(case, ALL_CLOCKS, tightened)


def ladder_of(case: CaseRecord, kind: ClockKind) -> Ladder:
    """The ladder a clock of this kind climbs in the case."""
    if kind is ClockKind.REVIEW:
        return Ladder.REVIEW
    if kind is ClockKind.ACCEPT and is_emergency(case.priority):
        return Ladder.ALARM
    return clocks.ladder_for(case.priority)


def return_deadline(case: CaseRecord, dispatched_at: datetime, calendar: Calendar) -> datetime:
    """Until when the lead unit may ask to return the case (handbook section 3)."""
    latest = due(calendar, dispatched_at, RETURN_AT_LEAST).due_at
    accept = open_clock(case, ClockKind.ACCEPT)
    if accept is None or accept.allowance == timedelta(0):
        return latest
    return max(latest, clocks.gone_at(accept, RETURN_PERCENT, calendar))


def _started(
    case: CaseRecord,
    kind: ClockKind,
    owner: str,
    limit: Limit,
    at: datetime,
    calendar: Calendar,
) -> Clock:
    return clocks.start(
        kind,
        owner,
        limit,
        at,
        calendar,
        policy_version=case.policy_version,
        ladder=ladder_of(case, kind),
        round=case.round,
    )


def _retimed(
    case: CaseRecord,
    clock: Clock,
    limit: Limit,
    since: datetime,
    at: datetime,
    calendar: Calendar,
) -> Clock:
    return clocks.retime(
        clock,
        limit,
        since,
        at,
        calendar,
        policy_version=case.policy_version,
        ladder=ladder_of(case, clock.kind),
    )
