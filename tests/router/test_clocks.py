"""Clocks: every step once and in order, pauses that cost nothing, stops that count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain import clocks
from services.router.domain.clocks import LADDERS, Clock, ClockNotDue, Ladder, Step
from shared.calendar import SHANGHAI, due, load_calendar, parse_limit, working_time_between
from shared.events import CalendarName, ClockKind, Priority

CALENDAR = load_calendar()
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def clock(within: str, start: str, ladder: Ladder = Ladder.NORMAL) -> Clock:
    return clocks.start(
        ClockKind.ACCEPT,
        "housing",
        parse_limit(within),
        at(start),
        CALENDAR,
        policy_version="p1",
        ladder=ladder,
    )


def run_out(started: Clock, now: datetime) -> tuple[Clock, list[Step]]:
    steps = []
    while clocks.due_step(started, now) is not None:
        started, step = clocks.fire(started, now, CALENDAR)
        steps.append(step)
    return started, steps


@pytest.mark.parametrize(
    ("within", "ladder", "times"),
    [
        ("4h", Ladder.NORMAL, ["20T18:00", "20T19:12", "20T20:00", "23T17:30"]),
        ("30min", Ladder.EMERGENCY, ["20T16:15", "20T16:24", "20T16:30", "20T16:35"]),
        ("1wd", Ladder.NORMAL, ["23T11:45", "23T15:48", "23T17:30", "24T17:30"]),
        ("4wh", Ladder.NORMAL, ["23T09:30", "23T10:42", "23T11:30", "24T17:30"]),
        ("15min", Ladder.ALARM, ["20T16:04:57", "20T16:12", "20T16:15", "20T16:20"]),
    ],
)
def test_the_steps_of_a_ladder_fall_where_the_table_says(
    within: str, ladder: Ladder, times: list[str]
) -> None:
    climbing = clock(within, "2026-11-20T16:00", ladder)
    climbed = []
    while climbing.next_fire_at is not None:
        climbed.append((climbing.next_step, climbing.next_fire_at))
        climbing, _ = clocks.fire(climbing, climbing.next_fire_at, CALENDAR)
    expected = [at(f"2026-11-{time}") for time in times]
    assert climbed == list(zip(Step, expected, strict=True))


def test_an_appointed_clock_ends_at_its_hour_and_reminds_once_before() -> None:
    start, due_at = at("2026-11-20T16:00"), at("2026-11-30T09:00")
    climbing = clocks.start(
        ClockKind.REVIEW,
        "housing",
        parse_limit("365cd"),
        start,
        CALENDAR,
        policy_version="p1",
        ladder=Ladder.REVIEW,
        due_at=due_at,
    )
    assert (climbing.due_at, climbing.allowance) == (due_at, due_at - start)
    assert climbing.next_fire_at == start + (due_at - start) * 0.8
    climbed, steps = run_out(climbing, at("2026-12-01T17:30"))
    assert steps == [Step.REMIND, Step.OVERDUE, Step.ESCALATE]
    assert climbed.breached


def test_what_fell_due_meanwhile_fires_at_once_and_in_order() -> None:
    late, steps = run_out(clock("30min", "2026-11-20T16:00"), at("2026-12-20T00:00"))
    assert steps == list(Step)
    assert late.next_fire_at is None
    assert late.breached


def test_a_clock_that_is_not_due_does_not_fire() -> None:
    with pytest.raises(ClockNotDue):
        clocks.fire(clock("30min", "2026-11-20T16:00"), at("2026-11-20T16:14"), CALENDAR)


@pytest.mark.parametrize(("done", "breached"), [("16:30", False), ("16:31", True)])
def test_a_stop_at_the_deadline_is_in_time(done: str, breached: bool) -> None:
    stopped = clocks.stop(clock("30min", "2026-11-20T16:00"), at(f"2026-11-20T{done}"))
    assert stopped.breached is breached
    assert stopped.next_fire_at is None


def test_a_stop_in_time_takes_back_a_breach_when_it_is_processed_late() -> None:
    late, _ = run_out(clock("30min", "2026-11-20T16:00"), at("2026-11-20T17:00"))
    assert late.breached
    assert not clocks.stop(late, at("2026-11-20T16:30")).breached


def test_a_stopped_clock_stays_as_it_is() -> None:
    moment = at("2026-11-20T16:10")
    stopped = clocks.stop(clock("30min", "2026-11-20T16:00"), moment)
    for again in (
        clocks.stop(stopped, moment + MINUTE),
        clocks.cancel(stopped, moment),
        clocks.pause(stopped, moment),
        clocks.resume(stopped, moment + MINUTE, CALENDAR),
    ):
        assert again == stopped
    assert clocks.due_step(stopped, at("2027-01-01T00:00")) is None


def test_a_clock_of_nothing_is_kept_from_the_start() -> None:
    at_once = clock("0min", "2026-11-20T16:00", Ladder.EMERGENCY)
    assert not at_once.is_open
    assert not at_once.breached
    assert at_once.next_fire_at is None


def test_a_task_done_during_a_pause_was_done_when_the_pause_began() -> None:
    paused = clocks.pause(clock("30min", "2026-11-20T16:00"), at("2026-11-20T16:20"))
    assert clocks.due_step(paused, at("2026-11-21T00:00")) is None
    assert not clocks.stop(paused, at("2026-11-20T18:00")).breached


def test_a_pause_on_a_working_clock_costs_working_time_only() -> None:
    paused = clocks.pause(clock("1wd", "2026-11-20T16:00"), at("2026-11-20T17:00"))
    overnight = clocks.resume(paused, at("2026-11-20T22:00"), CALENDAR)
    assert overnight.due_at == at("2026-11-24T09:30")
    assert overnight.paused_total == timedelta(hours=5)


def test_a_deadline_that_passed_before_the_pause_stays() -> None:
    paused = clocks.pause(clock("30min", "2026-11-20T16:00"), at("2026-11-20T16:40"))
    resumed = clocks.resume(paused, at("2026-11-21T16:00"), CALENDAR)
    assert paused.breached
    assert resumed.due_at == at("2026-11-20T16:30")
    assert run_out(resumed, at("2026-11-21T16:00"))[1][:3] == [Step.REMIND, Step.URGE, Step.OVERDUE]


def test_a_stop_that_is_taken_back_costs_no_time() -> None:
    stopped = clocks.stop(clock("4h", "2026-11-20T10:00"), at("2026-11-20T11:00"))
    again = clocks.restart(stopped, at("2026-11-20T15:00"), CALENDAR)
    assert again.is_open
    assert again.due_at == at("2026-11-20T18:00")
    assert (again.next_step, again.next_fire_at) == (Step.REMIND, at("2026-11-20T16:00"))


def test_a_cancelled_clock_is_not_one_that_was_kept() -> None:
    cancelled = clocks.cancel(clock("30min", "2026-11-20T16:00"), at("2026-11-20T16:10"))
    assert cancelled.cancelled
    assert not cancelled.breached


def test_an_extension_moves_the_deadline_and_the_steps_still_ahead() -> None:
    running, _ = run_out(clock("2wd", "2026-11-19T09:00"), at("2026-11-23T17:00"))
    extended = clocks.extend(running, parse_limit("1wd"), at("2026-11-23T17:00"), CALENDAR)
    assert extended.due_at == at("2026-11-24T17:30")
    assert extended.next_step is Step.URGE
    assert extended.next_fire_at is not None
    assert at("2026-11-23T17:00") < extended.next_fire_at < extended.due_at


def test_an_extension_takes_back_a_breach_and_leaves_it_where_it_is_too_short() -> None:
    late, _ = run_out(clock("1wd", "2026-11-19T09:00"), at("2026-11-20T18:00"))
    granted = clocks.extend(late, parse_limit("1wd"), at("2026-11-20T18:00"), CALENDAR)
    too_late = clocks.extend(late, parse_limit("1wd"), at("2026-11-25T18:00"), CALENDAR)
    assert (late.breached, granted.breached, too_late.breached) == (True, False, True)


def test_another_limit_keeps_the_start_and_pins_its_policy() -> None:
    now = at("2026-11-20T12:00")
    urgent = clocks.retime(
        clock("5wd", "2026-11-20T10:00"),
        parse_limit("24h"),
        at("2026-11-20T10:00"),
        now,
        CALENDAR,
        policy_version="p2",
        ladder=Ladder.EMERGENCY,
    )
    assert urgent.started_at == at("2026-11-20T10:00")
    assert urgent.due_at == at("2026-11-21T10:00")
    assert urgent.calendar is CalendarName.ALWAYS
    assert (urgent.policy_version, urgent.ladder) == ("p2", Ladder.EMERGENCY)


@pytest.mark.parametrize("priority", Priority)
def test_only_danger_climbs_the_emergency_ladder(priority: Priority) -> None:
    danger = priority in (Priority.P0, Priority.P1)
    assert (clocks.ladder_for(priority) is Ladder.EMERGENCY) is danger


LIMITS = st.sampled_from(["15min", "4h", "24h", "15cd", "2wh", "4wh", "1wd", "5wd"])
STARTS = st.integers(0, 60 * 24 * 60).map(lambda n: at("2026-01-20T00:00") + n * MINUTE)
GAPS = st.lists(st.integers(1, 4000).map(lambda n: n * MINUTE), min_size=1, max_size=6)


def running_time(clock: Clock, start: datetime, end: datetime) -> timedelta:
    if clock.calendar is CalendarName.ALWAYS:
        return end - start
    return working_time_between(CALENDAR, start, end)


@given(LIMITS, STARTS, GAPS)
def test_running_time_until_the_deadline_is_the_allowance_whatever_the_pauses(
    within: str, start: datetime, gaps: list[timedelta]
) -> None:
    ticking = clock(within, start.astimezone(SHANGHAI).replace(tzinfo=None).isoformat())
    now, ran = start, timedelta(0)
    for position, gap in enumerate(gaps):
        before, now = now, now + gap
        if position % 2:
            ticking = clocks.resume(ticking, now, CALENDAR)
        elif now < ticking.due_at:
            ran += running_time(ticking, before, now)
            ticking = clocks.pause(ticking, now)
        else:
            break
    if ticking.paused_at is None and now < ticking.due_at:
        assert ran + running_time(ticking, now, ticking.due_at) == ticking.allowance
    assert (ticking.next_fire_at is None) == (ticking.paused_at is not None)


@given(LIMITS, STARTS, st.sampled_from(Ladder), GAPS)
def test_every_step_fires_once_and_in_order(
    within: str, start: datetime, ladder: Ladder, gaps: list[timedelta]
) -> None:
    ticking = clock(within, start.astimezone(SHANGHAI).replace(tzinfo=None).isoformat(), ladder)
    now, fired = start, []
    for gap in (*gaps, timedelta(days=400)):
        now += gap
        ticking, steps = run_out(ticking, now)
        fired += steps
    assert fired == [rung.step for rung in LADDERS[ladder]]
    assert ticking.next_step is None


@given(LIMITS, STARTS)
def test_a_pause_of_no_length_changes_no_deadline(within: str, start: datetime) -> None:
    ticking = clock(within, start.astimezone(SHANGHAI).replace(tzinfo=None).isoformat())
    assert ticking.due_at == due(CALENDAR, start, ticking.within).due_at
    moment = start + ticking.allowance / 3
    again = clocks.resume(clocks.pause(ticking, moment), moment, CALENDAR)
    assert again == replace(ticking, paused_total=timedelta(0))
