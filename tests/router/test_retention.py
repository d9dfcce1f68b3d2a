"""Closed entries of queues are forgotten after their term, and an older cursor is told so."""

from datetime import UTC, datetime, timedelta

from services.router.retention import clear
from shared.retention import Kept, load_terms
from shared.roles import Role
from tests.router.station import LAMP, Station, closed

TERMS = load_terms(None)
UNIT = "urban-management"
NOW = datetime.now(UTC)


def ended(station: Station) -> str:
    """A case that left its unit's queue."""
    number = station.answered()
    station.hear(closed(number))
    return number


def entries(station: Station) -> set[str]:
    query = "SELECT number FROM queue_entry WHERE unit = :unit"
    return {number for (number,) in station.rows(query, unit=UNIT)}


def test_closed_entries_go_after_their_term_and_open_ones_stay(station: Station) -> None:
    old, going_on = ended(station), station.opened(LAMP)
    clear(station.database, TERMS, NOW - TERMS[Kept.CLOSED_ENTRIES] - timedelta(days=1))
    young = ended(station)
    clear(station.database, TERMS, NOW - timedelta(days=2))
    assert {old, going_on, young} <= entries(station)
    clear(station.database, TERMS, NOW)
    assert old not in entries(station)
    assert {going_on, young} <= entries(station)


def test_a_reader_from_before_what_is_forgotten_is_told_to_read_anew(station: Station) -> None:
    ended(station)
    path = f"/units/{UNIT}/queue"
    cursor = station.get(path, Role.UNIT, UNIT).json()["cursor"]
    ended(station)
    last = station.get(f"{path}?after={cursor}", Role.UNIT, UNIT).json()["cursor"]
    clear(station.database, TERMS, NOW + timedelta(days=50))
    clear(station.database, TERMS, NOW + timedelta(days=90))
    answer = station.get(f"{path}?after={cursor}", Role.UNIT, UNIT)
    assert answer.status_code == 410
    assert answer.json()["type"].endswith("cursor-expired")
    assert station.get(f"{path}?after={last}", Role.UNIT, UNIT).status_code == 200
    assert station.get(path, Role.UNIT, UNIT).status_code == 200
