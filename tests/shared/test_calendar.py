"""The working calendar: days, limits and deadlines, against a slow and obvious count."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar import (
    HOLIDAYS_FILE,
    OFFICE_HOURS,
    SHANGHAI,
    Calendar,
    CalendarError,
    Deadline,
    LimitError,
    add_working_days,
    add_working_time,
    days_to_horizon,
    due,
    is_working_day,
    load_calendar,
    parse_limit,
    statutory_days,
    subtract_working_time,
    working_time_between,
)
from shared.events import CalendarName

CALENDAR = load_calendar()
HALF_HOUR = timedelta(minutes=30)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2026-02-13", True),
        ("2026-02-14", True),
        ("2026-02-16", False),
        ("2026-02-24", True),
        ("2026-02-28", True),
        ("2026-03-01", False),
        ("2026-10-05", False),
        ("2026-10-10", True),
        ("2027-01-01", False),
        ("2027-01-02", False),
        ("2027-01-04", True),
        ("2027-02-05", False),
        ("2027-02-08", False),
        ("2027-02-09", True),
        ("2027-04-05", False),
        ("2027-06-09", False),
        ("2027-09-15", False),
        ("2027-10-01", False),
        ("2027-10-04", True),
        ("2031-01-01", False),
        ("2031-01-23", False),
    ],
)
def test_days_off_and_make_up_days_decide_before_the_weekday(day: str, worked: bool) -> None:
    assert is_working_day(CALENDAR, date.fromisoformat(day)) is worked


@pytest.mark.parametrize(
    ("start", "limit", "end"),
    [
        ("2026-11-20T22:10", "15min", "2026-11-20T22:25"),
        ("2026-11-20T22:10", "0min", "2026-11-20T22:10"),
        ("2026-11-20T22:10", "24h", "2026-11-21T22:10"),
        ("2026-11-20T22:10", "15cd", "2026-12-05T22:10"),
        ("2026-11-20T10:00", "1wd", "2026-11-23T17:30"),
        ("2026-11-20T00:00", "1wd", "2026-11-23T17:30"),
        ("2026-11-20T23:59", "1wd", "2026-11-23T17:30"),
        ("2026-11-21T10:00", "1wd", "2026-11-23T17:30"),
        ("2026-11-20T10:00", "2wd", "2026-11-24T17:30"),
        ("2026-02-13T16:00", "1wd", "2026-02-14T17:30"),
        ("2026-02-14T16:00", "1wd", "2026-02-24T17:30"),
        ("2026-11-20T16:30", "4wh", "2026-11-23T12:00"),
        ("2026-11-20T11:00", "2wh", "2026-11-20T14:30"),
        ("2026-11-20T12:30", "2wh", "2026-11-20T15:30"),
        ("2026-11-20T22:10", "0wd", "2026-11-20T22:10"),
    ],
)
def test_a_limit_ends_when_its_calendar_says(start: str, limit: str, end: str) -> None:
    assert due(CALENDAR, at(start), parse_limit(limit)) == Deadline(at(end), provisional=False)


@pytest.mark.parametrize(
    ("start", "limit", "provisional"),
    [
        ("2026-12-30T10:00", "1wd", False),
        ("2026-12-31T10:00", "1wd", True),
        ("2026-12-31T17:00", "1wh", True),
        ("2026-12-31T17:00", "24h", False),
        ("2023-12-29T10:00", "1wd", True),
    ],
)
def test_a_deadline_on_uncovered_days_is_provisional(
    start: str, limit: str, provisional: bool
) -> None:
    assert due(CALENDAR, at(start), parse_limit(limit)).provisional is provisional


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-12-31T10:00", "2027-01-04T17:30"),
        ("2027-02-04T10:00", "2027-02-09T17:30"),
        ("2027-09-30T10:00", "2027-10-04T17:30"),
        ("2028-04-30T10:00", "2028-05-03T17:30"),
    ],
)
def test_days_off_by_statute_are_known_before_the_notice_of_their_year(
    start: str, end: str
) -> None:
    assert due(CALENDAR, at(start), parse_limit("1wd")) == Deadline(at(end), provisional=True)


def test_a_year_is_covered_when_all_its_statutory_days_are_in_the_table(tmp_path: Path) -> None:
    rows = HOLIDAYS_FILE.read_text(encoding="utf-8")
    table = tmp_path / "holidays.csv"
    table.write_text(rows + "2027-01-01,holiday,元旦\n", encoding="utf-8")
    partly = load_calendar(table)
    assert partly.horizon == date(2026, 12, 31)
    assert due(partly, at("2027-03-01T10:00"), parse_limit("1wd")).provisional
    whole = "".join(f"{day},holiday,节日\n" for day in sorted(statutory_days(2027)))
    noticed = tmp_path / "noticed.csv"
    noticed.write_text(rows + whole, encoding="utf-8")
    assert load_calendar(noticed).horizon == date(2027, 12, 31)


def test_a_table_of_less_than_a_year_covers_nothing(tmp_path: Path) -> None:
    table = tmp_path / "holidays.csv"
    table.write_text("date,kind,name\n2027-01-01,holiday,元旦\n", encoding="utf-8")
    assert due(load_calendar(table), at("2027-03-01T10:00"), parse_limit("1wd")).provisional


def test_the_horizon_is_the_last_day_of_the_last_year() -> None:
    assert days_to_horizon(CALENDAR, date(2026, 12, 1)) == 30
    assert days_to_horizon(CALENDAR, date(2027, 1, 2)) == -2


@pytest.mark.parametrize("text", ["15min", "4h", "24h", "2wd", "15cd", "0min", "4wh"])
def test_a_limit_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_limit(text)) == text


@pytest.mark.parametrize("text", ["", "wd", "2", "2 wd", "-2wd", "2WD", "1.5h", "99999h", "٣h"])
def test_junk_is_no_limit(text: str) -> None:
    with pytest.raises(LimitError, match="无法识别"):
        parse_limit(text)


def test_working_units_run_on_working_time() -> None:
    working = {text for text in ("1min", "1h", "1cd") if parse_limit(text).calendar != "always"}
    assert not working
    assert {parse_limit(text).calendar for text in ("1wd", "1wh")} == {CalendarName.WORKING}


def test_a_moment_without_a_time_zone_is_refused() -> None:
    naive = datetime(2026, 11, 20, 10)  # noqa: DTZ001
    with pytest.raises(ValueError, match="time zone"):
        due(CALENDAR, naive, parse_limit("15min"))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("day,kind,name\n", "line 1"),
        ("date,kind,name\n", "empty"),
        ("date,kind,name\n2026-02-30,holiday,春节\n", "line 2"),
        ("date,kind,name\n2026-01-01,holiday,元旦\n2026-01-01,holiday,元旦\n", "line 3.*twice"),
        ("date,kind,name\n2026-01-01,feast,元旦\n", "feast"),
        ("date,kind,name\n2026-01-01,holiday,\n", "line 2"),
        ("date,kind,name\n2026-01-01,holiday,元旦,x\n", "line 2"),
        ("date,kind,name\n2026-01-05,make_up,元旦\n", "weekend"),
        ("date,kind,name\n2024-01-01,holiday,元旦\n2026-01-01,holiday,元旦\n", "2025"),
    ],
)
def test_a_bad_table_is_refused_with_line_and_reason(
    tmp_path: Path, rows: str, reason: str
) -> None:
    table = tmp_path / "holidays.csv"
    table.write_text(rows, encoding="utf-8")
    with pytest.raises(CalendarError, match=reason):
        load_calendar(table)


def test_the_version_follows_days_and_hours() -> None:
    other_hours = load_calendar(sessions=((time(9), time(17)),))
    assert other_hours.version != CALENDAR.version
    assert CALENDAR.version == load_calendar(sessions=OFFICE_HOURS).version


DAYS = st.dates(date(2026, 1, 1), date(2026, 2, 28))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    holidays = draw(st.frozensets(DAYS, max_size=20))
    weekends = DAYS.filter(lambda day: day.weekday() >= 5 and day not in holidays)
    make_up = draw(st.frozensets(weekends, max_size=5))
    return Calendar(holidays, make_up, OFFICE_HOURS, date(2026, 1, 1), date(2026, 12, 31), "drawn")


STARTS = st.integers(0, 48 * 50).map(lambda n: at("2026-01-01T00:00") + n * HALF_HOUR)
AMOUNTS = st.integers(1, 100).map(lambda n: n * HALF_HOUR)


def is_working_slot(calendar: Calendar, slot: datetime) -> bool:
    local = slot.astimezone(SHANGHAI)
    worked = local.date() in calendar.make_up or (
        local.weekday() < 5 and local.date() not in calendar.holidays
    )
    morning = time(9) <= local.time() < time(12)
    return worked and (morning or time(13, 30) <= local.time() < time(17, 30))


@given(calendars(), STARTS, AMOUNTS)
def test_working_time_is_counted_slot_by_slot(
    calendar: Calendar, start: datetime, amount: timedelta
) -> None:
    slot, left = start, amount
    while left:
        if is_working_slot(calendar, slot):
            left -= HALF_HOUR
        slot += HALF_HOUR
    deadline = add_working_time(calendar, start, amount)
    assert deadline.due_at == slot
    assert working_time_between(calendar, start, deadline.due_at) == amount


@given(calendars(), STARTS, AMOUNTS)
def test_working_time_is_taken_back_slot_by_slot(
    calendar: Calendar, end: datetime, amount: timedelta
) -> None:
    slot, left = end, amount
    while left:
        slot -= HALF_HOUR
        if is_working_slot(calendar, slot):
            left -= HALF_HOUR
    begin = subtract_working_time(calendar, end, amount)
    assert begin == slot
    assert working_time_between(calendar, begin, end) == amount


@given(calendars(), STARTS, st.integers(1, 20))
def test_working_days_are_counted_day_by_day(
    calendar: Calendar, start: datetime, count: int
) -> None:
    day, counted = start.astimezone(SHANGHAI).date(), 0
    while counted < count:
        day += timedelta(days=1)
        if day in calendar.make_up or (day.weekday() < 5 and day not in calendar.holidays):
            counted += 1
    expected = datetime.combine(day, time(17, 30), SHANGHAI)
    assert add_working_days(calendar, start, count).due_at == expected
