"""The working calendar of Asia/Shanghai, and the limits that are counted on it.

Two calendars live in one ticket (handbook section 4): limits in minutes, hours and
calendar days run around the clock; limits in working days and working hours run in
working time only, with the State Council's days off and its make-up days (调休).
Both come from `holidays.csv` beside this module, one row a day. The days off that are
fixed by statute (全国年节及纪念日放假办法) are known of every year; until the notice of a
year is in the table, deadlines that touch it are provisional. All instants are aware;
results are UTC.
"""

import csv
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from holidays import country_holidays

from shared.events import CalendarName

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
HOLIDAYS_FILE: Final = Path(__file__).with_name("holidays.csv")

Session = tuple[time, time]

# A proposal: no rule the project knows of fixes the hours a limit is counted in.
OFFICE_HOURS: Final[tuple[Session, ...]] = (
    (time(9, 0), time(12, 0)),
    (time(13, 30), time(17, 30)),
)


class CalendarError(Exception):
    """The holiday table cannot be used; the sentence names the line and the reason."""


class LimitError(ValueError):
    """A limit that is not written as a number and a unit."""


class LimitUnit(StrEnum):
    """Units of a limit: the first three run 24×7, the last two in working time."""

    MINUTE = "min"
    HOUR = "h"
    CALENDAR_DAY = "cd"
    WORKING_HOUR = "wh"
    WORKING_DAY = "wd"


@dataclass(frozen=True, slots=True)
class Limit:
    """An amount of time as policy writes it; `str` gives the policy's text back."""

    amount: int
    unit: LimitUnit

    @property
    def calendar(self) -> CalendarName:
        """The calendar the limit runs on."""
        if self.unit in (LimitUnit.WORKING_HOUR, LimitUnit.WORKING_DAY):
            return CalendarName.WORKING
        return CalendarName.ALWAYS

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a limit ends (UTC). `provisional`: counted on days the table does not cover."""

    due_at: datetime
    provisional: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days and hours are working time.

    `holidays` are statutory days off, `make_up` weekend days that are worked,
    `sessions` the working hours of a day in Shanghai time, in order. Days before
    `first` or after `horizon` are not covered: there the statutory days off and else the
    weekday count.
    `version` is a short hash of all of it.
    """

    holidays: frozenset[date]
    make_up: frozenset[date]
    sessions: tuple[Session, ...]
    first: date
    horizon: date
    version: str


@cache
def load_calendar(
    path: Path = HOLIDAYS_FILE, sessions: tuple[Session, ...] = OFFICE_HOURS
) -> Calendar:
    """The calendar of a table with the columns date, kind (holiday or make_up), name.

    The State Council announces whole years: one that has all its statutory days off in the
    table is covered, one with fewer is not, though what stands in it counts. Raises
    CalendarError for a missing column, a bad or repeated date, an unknown kind, a missing
    name, a make-up day that is no weekend day, a year left out, or an empty table.
    """
    days: dict[date, str] = {}
    with path.open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table)
        if rows.fieldnames != ["date", "kind", "name"]:
            raise CalendarError(f"{path.name} line 1: the columns must be date,kind,name")
        for row in rows:
            try:
                day, kind = _parse_row(row)
                if day in days:
                    raise ValueError(f"{day} stands twice")
            except ValueError as reason:
                raise CalendarError(f"{path.name} line {rows.line_num}: {reason}") from None
            days[day] = kind
    if not days:
        raise CalendarError(f"{path.name}: the table is empty")
    first, last = min(days).year, max(days).year
    missing = set(range(first, last + 1)) - {day.year for day in days}
    if missing:
        raise CalendarError(f"{path.name}: the year {min(missing)} is left out")
    content = repr((sorted(days.items()), sessions))
    off = frozenset(day for day, kind in days.items() if kind == "holiday")
    while last >= first and not statutory_days(last) <= off:
        last -= 1
    return Calendar(
        holidays=off,
        make_up=frozenset(day for day, kind in days.items() if kind == "make_up"),
        sessions=sessions,
        first=date(first, 1, 1),
        horizon=date(last, 12, 31),
        version=hashlib.sha256(content.encode()).hexdigest()[:12],
    )


def _parse_row(row: dict[str, str]) -> tuple[date, str]:
    day, kind, name = date.fromisoformat(row["date"] or ""), row["kind"], row["name"]
    if kind not in ("holiday", "make_up"):
        raise ValueError(f"kind {kind!r} is neither holiday nor make_up")
    if not name or None in row:
        raise ValueError("a row is a date, a kind and a name")
    if kind == "make_up" and day.weekday() < 5:
        raise ValueError(f"{day} is no weekend day and cannot be a make-up day")
    return day, kind


def days_to_horizon(calendar: Calendar, today: date) -> int:
    """Days the table still covers after `today`; negative once it has ended."""
    return (calendar.horizon - today).days


def is_working_day(calendar: Calendar, day: date) -> bool:
    """Whether a day is worked: make-up days are, days off are not, else the weekday says."""
    if day in calendar.make_up:
        return True
    if day.weekday() >= 5 or day in calendar.holidays:
        return False
    return calendar.first <= day <= calendar.horizon or day not in statutory_days(day.year)


@lru_cache(maxsize=128)
def statutory_days(year: int) -> frozenset[date]:
    """The days off of a year that are fixed by statute, without what a notice moves to them.

    Rules of 2024: 元旦, 春节 from New Year's Eve to the third day, 清明, 1 and 2 May, 端午,
    中秋, 1 to 3 October; before them those of their time.
    """
    found = country_holidays("CN", years=year, observed=False, language="en_US")
    return frozenset(day for day, name in found.items() if "substituted" not in name)


def parse_limit(text: str) -> Limit:
    """A limit such as `15min`, `4h`, `15cd`, `4wh`, `2wd`. Raises LimitError."""
    match = re.fullmatch(r"([0-9]{1,4})(min|h|cd|wh|wd)", text)
    if match is None:
        raise LimitError(f"时限“{text}”无法识别，应为数字加单位：min、h、cd、wh 或 wd，如 2wd")
    return Limit(int(match[1]), LimitUnit(match[2]))


def due(calendar: Calendar, start: datetime, limit: Limit) -> Deadline:
    """When a limit that starts at `start` ends.

    A calendar day is 24 hours. A limit of nothing ends where it starts.
    """
    match limit.unit:
        case LimitUnit.MINUTE:
            return Deadline(_utc(start) + timedelta(minutes=limit.amount), provisional=False)
        case LimitUnit.HOUR:
            return Deadline(_utc(start) + timedelta(hours=limit.amount), provisional=False)
        case LimitUnit.CALENDAR_DAY:
            return Deadline(_utc(start) + timedelta(days=limit.amount), provisional=False)
        case LimitUnit.WORKING_HOUR:
            return add_working_time(calendar, start, timedelta(hours=limit.amount))
        case LimitUnit.WORKING_DAY:
            return add_working_days(calendar, start, limit.amount)


def add_working_days(calendar: Calendar, start: datetime, count: int) -> Deadline:
    """The close of business of the `count`-th working day after the day of `start`.

    The day a limit starts on is not counted (期限开始之日不计算在内), whatever the hour
    and whether it is worked or not. No days at all end where they start.
    """
    if count <= 0:
        return Deadline(_utc(start), provisional=False)
    day = _utc(start).astimezone(SHANGHAI).date()
    while count:
        day += timedelta(days=1)
        count -= is_working_day(calendar, day)
    close = calendar.sessions[-1][1]
    return _deadline(calendar, start, datetime.combine(day, close, SHANGHAI))


def add_working_time(calendar: Calendar, start: datetime, amount: timedelta) -> Deadline:
    """The instant at which `amount` of working time has passed since `start`.

    Time outside the sessions does not count. An amount that is used up when a session
    closes ends at that close, not when the next one opens.
    """
    left = amount
    if left <= timedelta(0):
        return Deadline(_utc(start), provisional=False)
    day = _utc(start).astimezone(SHANGHAI).date()
    while True:
        for opens, closes in _sessions_of(calendar, day):
            begins = max(opens, start)
            if closes - begins >= left:
                return _deadline(calendar, start, begins + left)
            left -= max(closes - begins, timedelta(0))
        day += timedelta(days=1)


def subtract_working_time(calendar: Calendar, end: datetime, amount: timedelta) -> datetime:
    """The latest instant from which `amount` of working time passes until `end`."""
    left = amount
    if left <= timedelta(0):
        return _utc(end)
    day = _utc(end).astimezone(SHANGHAI).date()
    while True:
        for opens, closes in reversed(_sessions_of(calendar, day)):
            ends = min(closes, end)
            if ends - opens >= left:
                return _utc(ends - left)
            left -= max(ends - opens, timedelta(0))
        day -= timedelta(days=1)


def working_time_between(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """Working time from `start` to `end`; nothing where `end` comes first."""
    total = timedelta(0)
    day = _utc(start).astimezone(SHANGHAI).date()
    last = _utc(end).astimezone(SHANGHAI).date()
    while day <= last:
        for opens, closes in _sessions_of(calendar, day):
            total += max(min(closes, end) - max(opens, start), timedelta(0))
        day += timedelta(days=1)
    return total


@lru_cache(maxsize=4096)
def _sessions_of(calendar: Calendar, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """The working sessions of a day, in UTC; remembered, for deadlines ask again and again."""
    if not is_working_day(calendar, day):
        return ()
    return tuple(
        (
            datetime.combine(day, opens, SHANGHAI).astimezone(UTC),
            datetime.combine(day, closes, SHANGHAI).astimezone(UTC),
        )
        for opens, closes in calendar.sessions
    )


def _deadline(calendar: Calendar, start: datetime, due_at: datetime) -> Deadline:
    begins, ends = (moment.astimezone(SHANGHAI).date() for moment in (start, due_at))
    covered = calendar.first <= begins and ends <= calendar.horizon
    return Deadline(_utc(due_at), provisional=not covered)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC)
