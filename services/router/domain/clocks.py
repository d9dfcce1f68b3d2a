"""Clocks of a case: independent rows, started, paused and stopped by explicit events.

A clock allows an amount of running time (`allowance`), wall time or working time as
its calendar says, and climbs a ladder while it runs: remind, urge, overdue, escalate
(handbook section 4). The reminders fall at a share of the allowance, in the clock's own
time; the steps after the deadline at a limit counted from it. `next_fire_at` is when the
next step falls due and is empty exactly while the clock is paused, stopped or has no
step left, so an index on it finds all the work.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from shared.calendar import (
    Calendar,
    Deadline,
    Limit,
    LimitUnit,
    add_working_time,
    due,
    subtract_working_time,
    working_time_between,
)
from shared.events import CalendarName, ClockKind, Priority, is_emergency

CITIZEN: Final = "citizen"


class Step(StrEnum):
    """What a clock does when it fires: 提醒, 催办, 督办 at the deadline, 升级."""

    REMIND = "remind"
    URGE = "urge"
    OVERDUE = "overdue"
    ESCALATE = "escalate"


class Ladder(StrEnum):
    """Which ladder a clock climbs.

    The emergency one is for P0 and P1, there the signature of the unit has the alarm's; a
    review is appointed, nobody is urged before its day.
    """

    NORMAL = "normal"
    EMERGENCY = "emergency"
    ALARM = "alarm"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Before:
    """A step before the deadline, when `percent` of the allowance is gone."""

    step: Step
    percent: int


@dataclass(frozen=True, slots=True)
class After:
    """A step at the deadline or a limit later."""

    step: Step
    limit: Limit


# Escalation ladder, proposed in handbook section 4. The alarm's third of 15 minutes is the
# rule that after 5 minutes without a signature the unit's next duty officer is called.
LADDERS: Final[Mapping[Ladder, tuple[Before | After, ...]]] = {
    Ladder.NORMAL: (
        Before(Step.REMIND, 50),
        Before(Step.URGE, 80),
        After(Step.OVERDUE, Limit(0, LimitUnit.MINUTE)),
        After(Step.ESCALATE, Limit(1, LimitUnit.WORKING_DAY)),
    ),
    Ladder.EMERGENCY: (
        Before(Step.REMIND, 50),
        Before(Step.URGE, 80),
        After(Step.OVERDUE, Limit(0, LimitUnit.MINUTE)),
        After(Step.ESCALATE, Limit(5, LimitUnit.MINUTE)),
    ),
    Ladder.ALARM: (
        Before(Step.REMIND, 33),
        Before(Step.URGE, 80),
        After(Step.OVERDUE, Limit(0, LimitUnit.MINUTE)),
        After(Step.ESCALATE, Limit(5, LimitUnit.MINUTE)),
    ),
    Ladder.REVIEW: (
        Before(Step.REMIND, 80),
        After(Step.OVERDUE, Limit(0, LimitUnit.MINUTE)),
        After(Step.ESCALATE, Limit(1, LimitUnit.WORKING_DAY)),
    ),
}


class ClockNotDue(Exception):
    """A clock was asked to fire while no step of it is due."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock. `owner` is the unit it binds, or `citizen` for the caller's own clock.

    `allowance` is the running time from start to `due_at` without pauses, in the time of
    `calendar`. `calendar_version` and `policy_version` are those that set `due_at`.
    `paused_total` is how long it has stood still, `paused_worked` how much of that was
    working time: a new limit, on whatever calendar, gives back neither more nor less.
    `cancelled` marks a clock that ended because the case moved on, not because its task
    was done: it counts neither as kept nor as open. `id` is the storage's.
    """

    kind: ClockKind
    owner: str
    round: int
    within: Limit
    ladder: Ladder
    calendar_version: str
    policy_version: str
    started_at: datetime
    due_at: datetime
    allowance: timedelta
    provisional: bool = False
    paused_at: datetime | None = None
    paused_total: timedelta = timedelta(0)
    paused_worked: timedelta = timedelta(0)
    stopped_at: datetime | None = None
    cancelled: bool = False
    breached: bool = False
    next_step: Step | None = None
    next_fire_at: datetime | None = None
    id: int | None = None

    @property
    def calendar(self) -> CalendarName:
        """The calendar the clock runs on."""
        return self.within.calendar

    @property
    def is_open(self) -> bool:
        """Running or paused: its task is still to be done."""
        return self.stopped_at is None


def soonest(clocks: Iterable[Clock]) -> datetime | None:
    """When the first of the running clocks is due; None where none runs."""
    return min((c.due_at for c in clocks if c.is_open and c.paused_at is None), default=None)


def changed(
    held: Iterable[Clock],
    kinds: Collection[ClockKind],
    change: Callable[[Clock], Clock],
    owner: str | None = None,
) -> tuple[Clock, ...]:
    """The clocks with `change` done to the open ones of these kinds, of one owner or all."""
    return tuple(
        change(clock)
        if clock.is_open and clock.kind in kinds and owner in (None, clock.owner)
        else clock
        for clock in held
    )


def ladder_for(priority: Priority) -> Ladder:
    """The ladder of a case's clocks."""
    return Ladder.EMERGENCY if is_emergency(priority) else Ladder.NORMAL


def start(
    kind: ClockKind,
    owner: str,
    within: Limit,
    at: datetime,
    calendar: Calendar,
    *,
    policy_version: str,
    ladder: Ladder,
    round: int = 0,
    due_at: datetime | None = None,
) -> Clock:
    """A clock that runs from `at`, for the limit or until an appointed `due_at` before its end.

    A limit of nothing (`0min`) means within the same call: such a clock is kept for the
    record, kept in time, and never fires.
    """
    started = _started(within, at, calendar, ladder, due_at)
    return replace(started, kind=kind, owner=owner, round=round, policy_version=policy_version)


@lru_cache(maxsize=256)
def _started(
    within: Limit, at: datetime, calendar: Calendar, ladder: Ladder, due_at: datetime | None
) -> Clock:
    """Somebody's clock that runs from `at`: of a batch, many start under one rule at once."""
    clock = Clock(
        kind=ClockKind.ACCEPT,
        owner=CITIZEN,
        round=0,
        within=within,
        ladder=ladder,
        calendar_version=calendar.version,
        policy_version="",
        started_at=at,
        due_at=at,
        allowance=timedelta(0),
    )
    if within.amount == 0:
        return replace(clock, stopped_at=at)
    deadline = Deadline(due_at, provisional=False) if due_at else due(calendar, at, within)
    allowance = _elapsed(clock.calendar, calendar, at, deadline.due_at)
    return _redirected(clock, deadline, allowance, calendar, at)


def stop(clock: Clock, at: datetime) -> Clock:
    """The clock's task was done at `at`; a stopped clock stays as it is.

    Breached only if that was after the deadline, whenever it is processed; a task done
    during a pause counts as done when the pause began.
    """
    if not clock.is_open:
        return clock
    done_at = at if clock.paused_at is None else min(at, clock.paused_at)
    return replace(clock, stopped_at=at, breached=done_at > clock.due_at, next_fire_at=None)


def cancel(clock: Clock, at: datetime) -> Clock:
    """The case moved on and the clock's task fell away."""
    return replace(stop(clock, at), cancelled=True) if clock.is_open else clock


def pause(clock: Clock, at: datetime) -> Clock:
    """Running time stands still from `at`; a paused or stopped clock stays as it is."""
    if not clock.is_open or clock.paused_at is not None:
        return clock
    breached = clock.breached or at > clock.due_at
    return replace(clock, paused_at=at, breached=breached, next_fire_at=None)


def resume(clock: Clock, at: datetime, calendar: Calendar) -> Clock:
    """A paused clock runs on with the running time it had left, any other stays as it is.

    A deadline that had passed before the pause stays where it was.
    """
    if not clock.is_open or clock.paused_at is None:
        return clock
    running = replace(
        clock,
        paused_at=None,
        paused_total=clock.paused_total + (at - clock.paused_at),
        paused_worked=clock.paused_worked + working_time_between(calendar, clock.paused_at, at),
    )
    left = _elapsed(clock.calendar, calendar, clock.paused_at, clock.due_at)
    if left > timedelta(0):
        deadline = _ahead(clock.calendar, calendar, at, left)
        running = replace(
            running,
            due_at=deadline.due_at,
            provisional=deadline.provisional,
            calendar_version=calendar.version,
        )
    return _armed(running, running.next_step, calendar)


def restart(clock: Clock, at: datetime, calendar: Calendar) -> Clock:
    """Takes a stop back: the task was not done after all. The time since was a pause."""
    if clock.is_open:
        return clock
    paused_at = clock.paused_at or clock.stopped_at
    return resume(replace(clock, stopped_at=None, paused_at=paused_at), at, calendar)


def extend(clock: Clock, by: Limit, at: datetime, calendar: Calendar) -> Clock:
    """Moves the deadline of an open clock by `by`, counted from the deadline."""
    deadline = due(calendar, clock.due_at, by)
    added = _elapsed(clock.calendar, calendar, clock.due_at, deadline.due_at)
    return _redirected(clock, deadline, clock.allowance + added, calendar, at)


def retime(
    clock: Clock,
    within: Limit,
    since: datetime,
    at: datetime,
    calendar: Calendar,
    *,
    policy_version: str,
    ladder: Ladder,
) -> Clock:
    """Puts an open clock under another limit, counted from `since`, and lets it run."""
    deadline = due(calendar, since, within)
    allowance = _elapsed(within.calendar, calendar, since, deadline.due_at)
    changed = replace(
        clock, within=within, ladder=ladder, policy_version=policy_version, paused_at=None
    )
    return _redirected(changed, deadline, allowance, calendar, at)


def relimit(
    clock: Clock,
    within: Limit,
    at: datetime,
    calendar: Calendar,
    *,
    policy_version: str,
    ladder: Ladder,
) -> Clock:
    """Puts an open clock under another limit, counted from its start and past its pauses.

    A clock that stands still goes on standing still.
    """
    deadline = due(calendar, clock.started_at, within)
    allowance = _elapsed(within.calendar, calendar, clock.started_at, deadline.due_at)
    if clock.paused_total > timedelta(0):
        working = within.calendar is CalendarName.WORKING
        paused = clock.paused_worked if working else clock.paused_total
        pushed = _ahead(within.calendar, calendar, deadline.due_at, paused)
        deadline = Deadline(pushed.due_at, deadline.provisional or pushed.provisional)
    changed = replace(clock, within=within, ladder=ladder, policy_version=policy_version)
    return _redirected(changed, deadline, allowance, calendar, at)


def rearmed(clock: Clock, calendar: Calendar) -> Clock:
    """The clock as its ladder and the calendar arm it now; a step no ladder has any more is
    taken by the next one. One that stands still or has ended fires no more."""
    step = clock.next_step
    if step is None or not clock.is_open or clock.paused_at is not None:
        return replace(clock, next_fire_at=None)
    order = list(Step)
    rungs = [rung.step for rung in LADDERS[clock.ladder]]
    left = (rung for rung in rungs if order.index(rung) >= order.index(step))
    return _armed(clock, next(left, None), calendar)


def due_step(clock: Clock, now: datetime) -> Step | None:
    """The step that is due at `now`, if any: the earliest that has not fired yet."""
    if clock.next_fire_at is None or clock.next_fire_at > now:
        return None
    return clock.next_step


def fire(clock: Clock, now: datetime, calendar: Calendar) -> tuple[Clock, Step]:
    """Takes exactly one step and arms the next; raises ClockNotDue if none is due.

    What fell due while nobody looked stays due: call again until nothing is.
    """
    step = due_step(clock, now)
    if step is None:
        raise ClockNotDue(f"the {clock.kind} clock of {clock.owner} is not due")
    steps = [rung.step for rung in LADDERS[clock.ladder]]
    following = steps[steps.index(step) + 1 :]
    fired = replace(clock, breached=clock.breached or step is Step.OVERDUE)
    return _armed(fired, following[0] if following else None, calendar), step


def gone_at(clock: Clock, percent: int, calendar: Calendar) -> datetime:
    """When `percent` of a running clock's allowance is gone."""
    left = clock.allowance * (100 - percent) / 100
    if clock.calendar is CalendarName.ALWAYS:
        return clock.due_at - left
    return subtract_working_time(calendar, clock.due_at, left)


def _redirected(
    clock: Clock, deadline: Deadline, allowance: timedelta, calendar: Calendar, at: datetime
) -> Clock:
    """Sets a new deadline; the ladder starts over, without reminders already in the past."""
    changed = replace(
        clock,
        due_at=deadline.due_at,
        provisional=deadline.provisional,
        allowance=allowance,
        calendar_version=calendar.version,
        breached=at > deadline.due_at,
    )
    ahead = (
        rung.step
        for rung in LADDERS[clock.ladder]
        if isinstance(rung, After) or gone_at(changed, rung.percent, calendar) >= at
    )
    return _armed(changed, next(ahead), calendar)


def _armed(clock: Clock, step: Step | None, calendar: Calendar) -> Clock:
    if step is None or clock.paused_at is not None:
        return replace(clock, next_step=step, next_fire_at=None)
    rung = next(rung for rung in LADDERS[clock.ladder] if rung.step is step)
    if isinstance(rung, Before):
        fire_at = gone_at(clock, rung.percent, calendar)
    else:
        fire_at = due(calendar, clock.due_at, rung.limit).due_at
    return replace(clock, next_step=step, next_fire_at=fire_at)


def _elapsed(name: CalendarName, calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    if name is CalendarName.ALWAYS:
        return end - start
    return working_time_between(calendar, start, end)


def _ahead(name: CalendarName, calendar: Calendar, at: datetime, left: timedelta) -> Deadline:
    if name is CalendarName.ALWAYS:
        return Deadline(at + left, provisional=False)
    return add_working_time(calendar, at, left)
