"""The router's `reporting` schema: each rate's numerator, denominator and exclusions."""

from datetime import datetime

from sqlalchemy import text

from shared.calendar import SHANGHAI
from tests.router.station import LAMP, Station, classified, new_number, reopened
from tests.router.test_api import RETURN
from tests.router.test_whistle_ways_back import order, sounding, worked
from tests.shared.reporting_checks import check_closed

LEAD = "urban-management"
WORDS = "楼道灯坏了请找王秀英电话"


def due(station: Station, number: str, at: str) -> None:
    """Let every clock of a case fall due at an instant."""
    with station.database.writing() as writer:
        writer.execute(
            text("UPDATE clock SET due_at = CAST(:at AS timestamptz) WHERE number = :n"),
            {"n": number, "at": at},
        )


def test_a_unit_is_measured_by_what_fell_due_in_the_month(empty_station: Station) -> None:
    station = empty_station
    kept, late, missed, ahead = (station.opened(LAMP) for _ in range(4))
    for number in (late, missed):
        due(station, number, "2026-10-31 15:59:59Z")
    due(station, kept, "2027-01-31 15:59:59Z")
    due(station, ahead, "2027-01-31 16:00:00Z")
    for number in (kept, late):
        station.done(number, "accept", unit=LEAD)
    rows = station.rows(
        "SELECT CAST(month AS text), sign_due, signed_in_time FROM reporting.unit_month"
        " WHERE unit = :unit ORDER BY month",
        unit=LEAD,
    )
    assert rows == [("2026-10-01", 2, 0), ("2027-01-01", 1, 1), ("2027-02-01", 0, 0)]


def test_an_open_clock_past_its_deadline_is_a_miss_and_a_paused_one_is_excluded(
    empty_station: Station,
) -> None:
    station = empty_station
    missed, paused = station.opened(LAMP), station.opened(LAMP)
    for number in (missed, paused):
        due(station, number, "2026-10-15 00:00:00Z")
    with station.database.writing() as writer:
        writer.execute(
            text("UPDATE clock SET paused_at = started_at WHERE number = :n"), {"n": paused}
        )
    (row,) = station.rows(
        "SELECT resolve_due, resolved_in_time, resolved, resolve_overdue, excluded_paused"
        " FROM reporting.unit_month WHERE unit = :unit",
        unit=LEAD,
    )
    assert row == (1, 0, 0, 1, 1)


def returned(station: Station, *, approve: bool) -> str:
    """The number of a case whose unit wanted to return it, and was answered."""
    number = station.opened(LAMP)
    station.done(number, "return", unit=LEAD, **RETURN)
    station.done(number, "rule-return", approve=approve)
    return number


def test_the_first_dispatch_is_judged_at_the_unit_it_went_to(empty_station: Station) -> None:
    station = empty_station
    station.opened(LAMP)
    returned(station, approve=False)
    returned(station, approve=True)
    rows = station.rows(
        "SELECT unit, CAST(sum(dispatched) AS int), CAST(sum(first_dispatch_right) AS int)"
        " FROM reporting.case_month GROUP BY unit"
    )
    assert rows == [(LEAD, 3, 2)]
    (month,) = station.rows("SELECT DISTINCT month FROM reporting.case_month")
    assert month == (datetime.now(SHANGHAI).date().replace(day=1),)


def test_a_return_is_counted_with_the_unit_that_asked_for_it(empty_station: Station) -> None:
    station = empty_station
    returned(station, approve=False)
    returned(station, approve=True)
    assert station.rows("SELECT unit, upheld, denied FROM reporting.return_month") == [(LEAD, 1, 1)]


def test_an_answer_in_time_stays_with_the_unit_that_gave_it(empty_station: Station) -> None:
    station = empty_station
    number = station.answered(LEAD)
    due(station, number, "2027-01-31 15:59:59Z")
    station.hear(reopened(number))
    station.done(number, "redispatch", lead_unit="power")
    rows = station.rows(
        "SELECT unit, resolve_due, resolved_in_time FROM reporting.unit_month"
        " WHERE month = '2027-01-01' AND resolve_due > 0"
    )
    assert rows == [(LEAD, 1, 1)]


def test_each_called_unit_is_asked_what_it_did(empty_station: Station) -> None:
    station = empty_station
    worked(station, sounding(station), "planning")
    order(station, sounding(station), "withdraw", "wangdingdi", reason="误报，不需要部门")
    rows = station.rows(
        "SELECT unit, called, acknowledged_in_time, must_arrive, arrived_in_time,"
        " handled_in_time, excluded FROM reporting.whistle_month ORDER BY unit"
    )
    assert rows == [
        ("fire", 1, 0, 1, 0, 0, 1),
        ("planning", 1, 1, 1, 1, 1, 1),
        ("sports", 1, 0, 1, 0, 0, 1),
    ]


def test_the_reporting_role_sees_the_views_and_nobodys_words(empty_station: Station) -> None:
    station = empty_station
    number = new_number()
    station.hear(classified(number, LAMP, text=WORDS, address="迎水里3号楼2门501"))
    station.done(number, "accept", unit=LEAD, note=WORDS)
    returned(station, approve=True)
    sounding(station)
    url = station.database.url
    check_closed(url, (WORDS, "2门501", "13900000000", "照片三张", "unit-", "王主任"))
