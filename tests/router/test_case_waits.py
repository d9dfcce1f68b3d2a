"""What a case waits for in between: who is waited for, until when, and what ends the wait."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from services.router.domain import clocks
from services.router.domain.cases.deciding import clock_fired
from services.router.domain.cases.records import CaseRecord, Routing, Setting, Wait
from services.router.domain.cases.states import Command, Flag
from services.router.domain.cases.waits import DONE_BY, WAIT_OF, settle_waits
from services.router.domain.clocks import Clock
from services.router.domain.desks import CITY_HOTLINE, DISCIPLINE, HOTLINE_OFFICE
from services.router.domain.policy import PolicyError
from services.router.domain.refusals import InvalidField, WrongState
from services.router.domain.routing import Rules, matter_of, route, terms_for
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from services.router.policy.waits import load_waits
from shared.calendar import SHANGHAI
from shared.discretion import GRID_CENTRE
from shared.events import CaseState, ClockKind, Disposition, Place, Priority
from shared.roles import Role
from tests.router.case_walks import (
    ANSWERED,
    AT_WORK,
    CALENDAR,
    HOUR,
    MONDAY,
    ROUTING,
    TERMS,
    URGENT,
    clock_of,
    facts_of,
    give,
    limits,
    opened,
    running,
    walked,
)
from tests.router.station import ELSEWHERE, LAMP, Station, classified, new_number

MANUAL = replace(ROUTING, disposition=Disposition.MANUAL_DISPATCH)
AWAY = replace(ROUTING, disposition=Disposition.REDIRECT_OUT, desk=CITY_HOTLINE)
REPLIED = (*AT_WORK, Command.REPLY)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def waiting(case: CaseRecord) -> Clock:
    """The one clock that waits for somebody between the unit's and the citizen's."""
    (clock,) = (clock for clock in case.clocks if clock.is_open and clock.kind in DONE_BY)
    return clock


@pytest.mark.parametrize(
    ("routing", "steps", "kind", "owner", "due"),
    [
        (MANUAL, (), "decide", GRID_CENTRE, "2026-11-24T17:30"),
        (replace(MANUAL, desk=HOTLINE_OFFICE), (), "decide", HOTLINE_OFFICE, "2026-11-24T17:30"),
        (replace(MANUAL, limits=limits("30min", "2h", "2wd")), (), "decide", GRID_CENTRE, "T10:30"),
        (replace(MANUAL, limits=()), (), "decide", GRID_CENTRE, "2026-11-24T17:30"),
        (
            *(replace(MANUAL, limits=limits("0min", "1wd", "1wd")), ()),
            *("decide", GRID_CENTRE, "2026-11-24T17:30"),
        ),
        (AWAY, (), "hand_over", CITY_HOTLINE, "T10:30"),
        (replace(AWAY, desk=HOTLINE_OFFICE), (), "hand_over", HOTLINE_OFFICE, "T10:30"),
        (AWAY, (Command.HAND_OVER,), "call_back", HOTLINE_OFFICE, "2026-11-24T17:30"),
        (ROUTING, (Command.RETURN,), "rule", GRID_CENTRE, "T15:30"),
        (ROUTING, (*AT_WORK, Command.EXTEND), "rule", GRID_CENTRE, "T15:30"),
        (ROUTING, (*AT_WORK, Command.SUSPEND), "review", "housing", "2027-03-01T09:00"),
        (ROUTING, REPLIED, "verify", "gulou", "2026-11-24T17:30"),
        (URGENT, REPLIED, "verify", "gulou", "T14:00"),
        (ROUTING, ANSWERED, "call_back", HOTLINE_OFFICE, "2026-11-24T17:30"),
    ],
)
def test_each_state_waits_for_somebody_until_a_time(
    routing: Routing, steps: tuple[Command, ...], kind: str, owner: str, due: str
) -> None:
    wait = waiting(walked(*steps, routing=routing))
    due_at = at(due if due.startswith("20") else f"2026-11-23{due}")
    assert (wait.kind, wait.owner, wait.due_at) == (kind, owner, due_at)
    assert (wait.policy_version, wait.calendar_version) == ("p1", CALENDAR.version)


def test_a_second_dispute_is_ruled_within_a_working_day() -> None:
    disputed = walked(Command.RETURN, Command.RULE_RETURN)
    again = give(disputed, Command.RETURN, proposed_owner="fire").record
    assert waiting(again).due_at == at("2026-11-24T17:30")


def test_a_wait_keeps_the_policy_it_was_set_under() -> None:
    newer = replace(TERMS, policy_version="p2")
    case = give(walked(*AT_WORK), Command.REPLY, terms=newer).record
    assert (waiting(case).policy_version, case.policy_version) == ("p2", "p1")


def test_a_case_that_awaits_information_waits_for_whoever_asks_its_citizen() -> None:
    asked = opened(replace(ROUTING, disposition=Disposition.AWAITING_INFO)).record
    assert running(asked) == {ClockKind.ASK, ClockKind.RESOLVE}
    assert (waiting(asked).owner, waiting(asked).due_at) == (GRID_CENTRE, at("2026-11-24T17:30"))


@pytest.mark.parametrize(
    ("routing", "steps", "kind", "ends", "cancelled"),
    [
        (MANUAL, (), "decide", Command.REDISPATCH, False),
        (MANUAL, (), "decide", Command.CALLED_BACK_SOLVED, True),
        (AWAY, (), "hand_over", Command.HAND_OVER, False),
        (AWAY, (), "hand_over", Command.REDISPATCH, True),
        (AWAY, (), "hand_over", Command.CALLED_BACK_SOLVED, True),
        (AWAY, (), "hand_over", Command.CALLED_BACK_UNSOLVED, True),
        (AWAY, (Command.HAND_OVER,), "call_back", Command.CALLED_BACK_SOLVED, False),
        (AWAY, (Command.HAND_OVER,), "call_back", Command.CALLED_BACK_UNSOLVED, False),
        (AWAY, (Command.HAND_OVER,), "call_back", Command.REDISPATCH, True),
        (ROUTING, (Command.RETURN,), "rule", Command.RULE_RETURN, False),
        (ROUTING, (*AT_WORK, Command.EXTEND), "rule", Command.RULE_EXTENSION, False),
        (ROUTING, (*AT_WORK, Command.EXTEND), "rule", Command.SUSPEND, False),
        (ROUTING, (*AT_WORK, Command.SUSPEND), "review", Command.RESUME, False),
        (ROUTING, REPLIED, "verify", Command.VERIFY, False),
        (ROUTING, REPLIED, "verify", Command.CALLED_BACK_SOLVED, True),
        (ROUTING, ANSWERED, "call_back", Command.CALLED_BACK_SOLVED, False),
        (ROUTING, ANSWERED, "call_back", Command.CALLED_BACK_UNSOLVED, False),
    ],
)
def test_a_wait_is_kept_by_its_task_and_falls_away_with_its_state(
    routing: Routing, steps: tuple[Command, ...], kind: str, ends: Command, cancelled: bool
) -> None:
    after = give(walked(*steps, routing=routing), ends, hours=0.25).record
    ended = clock_of(after, ClockKind(kind))
    assert (ended.stopped_at, ended.cancelled) == (MONDAY + HOUR / 4, cancelled)
    assert not ended.breached


def test_a_reply_that_does_not_stand_was_verified_and_the_next_is_verified_anew() -> None:
    failed = give(walked(*REPLIED), Command.VERIFY, hours=1, approve=False).record
    assert running(failed) == {ClockKind.RESOLVE}
    again = give(failed, Command.REPLY, hours=2).record
    assert waiting(again).started_at == MONDAY + 2 * HOUR


@pytest.mark.parametrize("grouped", [CaseState.SPLIT, CaseState.MERGED])
@pytest.mark.parametrize("command", [Command.SPLIT, Command.MERGE])
def test_a_grouped_case_waits_for_no_decision_and_keeps_its_citizens_clock(
    grouped: CaseState, command: Command
) -> None:
    before = opened(MANUAL).record
    setting = Setting(TERMS, CALENDAR, MONDAY + HOUR)
    after = settle_waits(before, replace(before, state=grouped, desk=None), command, setting)
    assert running(after) == {ClockKind.RESOLVE}
    assert not clock_of(after, ClockKind.DECIDE).cancelled


def test_a_redirected_ticket_has_no_clock_but_its_hand_over_and_comes_back_to_a_person() -> None:
    away = give(opened(MANUAL).record, Command.SUPPLEMENT, routing=AWAY).record
    assert running(away) == {ClockKind.HAND_OVER}
    assert clock_of(away, ClockKind.DECIDE).cancelled
    told = give(away, Command.HAND_OVER, unit=None)
    assert (facts_of(told), told.record.state) == (["handed_over"], CaseState.REDIRECTED_OUT)
    back = give(told.record, Command.CALLED_BACK_UNSOLVED).record
    assert running(back) == {ClockKind.DECIDE, ClockKind.RESOLVE}


def test_a_ticket_is_handed_over_once() -> None:
    told = give(opened(AWAY).record, Command.HAND_OVER).record
    with pytest.raises(WrongState) as refusal:
        give(told, Command.HAND_OVER)
    assert refusal.value.slug == "handed-over"


def test_the_desk_hands_over_and_its_caller_is_then_called_back(station: Station) -> None:
    number = station.opened(address=ELSEWHERE)
    case = station.done(number, "hand-over", unit=CITY_HOTLINE, note="已转和平区")
    still = {clock["kind"]: clock["owner"] for clock in case["clocks"] if not clock["stopped_at"]}
    assert still == {"call_back": HOTLINE_OFFICE}
    assert station.give(number, "hand-over", role=Role.OPERATOR).status_code == 409


def test_a_supplement_that_changes_nothing_leaves_the_wait_running() -> None:
    for routing in (MANUAL, AWAY):
        before = opened(routing).record
        after = give(before, Command.SUPPLEMENT, 0.25, routing=routing).record
        assert waiting(after) == waiting(before)


def test_another_desk_gets_a_time_of_its_own() -> None:
    before = opened(MANUAL).record
    elsewhere = replace(MANUAL, desk=HOTLINE_OFFICE)
    after = give(before, Command.SUPPLEMENT, 1, routing=elsewhere).record
    assert clock_of(before, ClockKind.DECIDE).owner == GRID_CENTRE
    assert (waiting(after).owner, waiting(after).started_at) == (HOTLINE_OFFICE, MONDAY + HOUR)


@pytest.mark.parametrize(
    ("routing", "steps", "due"),
    [
        (MANUAL, (), MONDAY + 1.25 * HOUR),
        (ROUTING, REPLIED, MONDAY + 5 * HOUR),
        (ROUTING, ANSWERED, at("2026-11-24T17:30")),
    ],
)
def test_danger_shortens_the_wait_it_finds_where_it_has_a_shorter_limit(
    routing: Routing, steps: tuple[Command, ...], due: datetime
) -> None:
    urgent = replace(URGENT, disposition=routing.disposition)
    case = walked(*steps, routing=routing)
    terms = replace(TERMS, limits=URGENT.limits)
    worse = give(case, Command.SUPPLEMENT, 1, routing=urgent, terms=terms).record
    assert worse.priority is Priority.P1
    assert waiting(worse).due_at == due


@pytest.mark.parametrize(
    ("routing", "steps", "accused", "owner"),
    [
        (MANUAL, (), GRID_CENTRE, DISCIPLINE),
        (AWAY, (), CITY_HOTLINE, HOTLINE_OFFICE),
        (ROUTING, (Command.RETURN,), GRID_CENTRE, DISCIPLINE),
        (ROUTING, REPLIED, "gulou", "housing"),
        (replace(ROUTING, place=Place(certainty="unknown")), REPLIED, "market", "housing"),
        (ROUTING, ANSWERED, HOTLINE_OFFICE, GRID_CENTRE),
    ],
)
def test_nobody_is_waited_for_in_a_complaint_about_them(
    routing: Routing, steps: tuple[Command, ...], accused: str, owner: str
) -> None:
    case = opened(routing, accused).record
    for step in steps:
        case = give(case, step).record
    assert waiting(case).owner == owner


def climbed(case: CaseRecord, days: int) -> tuple[CaseRecord, list[tuple[str, dict[str, str]]]]:
    """The case after its clocks have fired what is due in so many days, and the facts."""
    told = []
    now = MONDAY + timedelta(days)
    while due := [clock for clock in case.clocks if clocks.due_step(clock, now)]:
        decision = clock_fired(case, due[0], CALENDAR, now)
        case = decision.record
        told += [(fact.fact.value, dict(fact.detail)) for fact in decision.facts]
    return case, told


def test_a_breach_says_whose_it_is_so_that_no_unit_is_blamed_for_a_desk() -> None:
    late, told = climbed(walked(*ANSWERED), 3)
    overdue = [detail for fact, detail in told if fact == "overdue"]
    assert overdue == [
        {"clock": "call_back", "owner": HOTLINE_OFFICE, "due_at": "2026-11-24T09:30:00+00:00"}
    ]
    assert {clock.owner for clock in late.clocks if clock.breached} == {HOTLINE_OFFICE}
    assert late.flags == {Flag.URGED, Flag.OVERDUE, Flag.SUPERVISED, Flag.ESCALATED}


def test_a_waits_facts_name_the_desk_that_is_waited_for() -> None:
    case = walked(Command.RETURN)
    decision = clock_fired(case, waiting(case), CALENDAR, MONDAY + 10 * HOUR)
    assert {fact.detail["owner"] for fact in decision.facts} == {GRID_CENTRE}


def test_nobody_is_urged_before_the_day_of_a_review() -> None:
    parked = walked(*AT_WORK, Command.SUSPEND)
    due = clock_of(parked, ClockKind.REVIEW).due_at
    before, told = climbed(parked, (due - MONDAY).days)
    assert [fact for fact, _ in told] == ["reminded"]
    assert not before.flags
    _, told = climbed(before, (due - MONDAY).days + 4)
    assert [fact for fact, _ in told] == ["overdue", "supervised", "escalated"]


def test_a_review_lies_within_the_longest_suspension() -> None:
    longest = date(2026, 11, 23) + timedelta(dict(TERMS.waits)[Wait.REVIEW].amount)
    case = walked(*AT_WORK)
    assert give(case, Command.SUSPEND, review_date=longest).record.review_on == longest
    with pytest.raises(InvalidField) as refusal:
        give(case, Command.SUSPEND, review_date=longest + timedelta(days=1))
    assert refusal.value.slug == "review-date-far"


def test_every_wait_has_its_task_and_every_task_its_wait() -> None:
    assert {*WAIT_OF.values(), ClockKind.SETTLE} == set(DONE_BY)


def test_the_router_decides_under_every_wait_of_its_policy() -> None:
    rules = Rules(load_policy(POLICY_DIRECTORY), CALENDAR)
    routing = route(rules.policy, matter_of(classified(new_number())), MONDAY)
    terms = terms_for(rules, LAMP, Priority.P3, MONDAY)
    assert routing.waits == terms.waits == rules.policy.waits
    assert {wait for wait, _ in terms.waits} == set(Wait)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    shutil.copy(POLICY_DIRECTORY / "waits.csv", tmp_path)
    return tmp_path


def test_the_policy_has_a_limit_for_every_wait() -> None:
    assert {wait: str(limit) for wait, limit in load_waits(POLICY_DIRECTORY)} == {
        "decide": "1wd",
        "hand_over": "30min",
        "rule_return": "4wh",
        "rule_dispute": "1wd",
        "rule_extension": "4wh",
        "review": "365cd",
        "verify": "1wd",
        "verify_emergency": "4h",
        "call_back": "1wd",
        "ask": "1wd",
        "settle": "4wh",
        "settle_danger": "15min",
    }


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("hand_over,30min", "hand_on,30min", "未知的等待环节“hand_on”"),
        ("hand_over,30min", "decide,30min", "重复"),
        ("hand_over,30min,建议值\n", "", "缺少“hand_over”的时限"),
        ("hand_over,30min", "hand_over,30 minutes", "应如15min"),
        ("hand_over,30min", "hand_over,", "不能为空"),
        ("hand_over,30min", "hand_over,0min", "不能为0"),
        ("review,365cd", "review,250wd", "日历日"),
        ("wait,within", "kind,within", "表头"),
    ],
)
def test_a_faulty_table_of_waits_is_refused(
    directory: Path, old: str, new: str, reason: str
) -> None:
    path = directory / "waits.csv"
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        load_waits(directory)
    assert (caught.value.file, reason in caught.value.reason) == ("waits.csv", True)
