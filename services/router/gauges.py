"""What the router measures of itself: cases, queues, whistles, and how often streets whistle."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

from sqlalchemy import text

from services.router.domain.clocks import CITIZEN
from services.router.domain.conservation import Gap
from services.router.domain.routing import Rules
from services.router.metrics import (
    CLOCKS_DUE_SOON,
    CLOCKS_OVERDUE,
    EMERGENCY_OLDEST_SECONDS,
    EMERGENCY_UNARRIVED_SECONDS,
    NOWHERE,
)
from shared.calendar import SHANGHAI, days_to_horizon
from shared.database import Database, Reader
from shared.metrics import (
    CALENDAR_HORIZON_DAYS,
    CASES_OPEN,
    QUEUE_OPEN,
    RECONCILED_SECONDS,
    STREET_TICKETS,
    STREET_WHISTLES,
    UNACCOUNTED_TICKETS,
    WEBHOOK_OPEN,
    WHISTLES_OPEN,
)

OPEN_CASES: Final = text(
    "SELECT state, count(*) FROM case_record WHERE state <> 'closed' GROUP BY state"
)
OPEN_ENTRIES: Final = text("SELECT unit, count(*) FROM queue_entry WHERE open GROUP BY unit")
OPEN_DELIVERIES: Final = text(
    "SELECT w.unit, d.state, count(*) FROM delivery d JOIN webhook w ON w.id = d.webhook"
    " WHERE d.state <> 'delivered' GROUP BY w.unit, d.state"
)
OPEN_WHISTLES: Final = text(
    "SELECT kind, state, count(*) FROM whistle WHERE state NOT IN ('closed', 'withdrawn')"
    " GROUP BY kind, state"
)
TICKETS_OF_STREETS: Final = text(
    "SELECT street, count(*) FROM case_record"
    " WHERE opened_at > :now - interval '30 days' AND street IS NOT NULL GROUP BY street"
)
WHISTLES_OF_STREETS: Final = text(
    "SELECT street, count(*) FROM whistle WHERE blown_at > :now - interval '30 days'"
    " AND details ->> 'signed_at' IS NOT NULL GROUP BY street"
)
OPEN_CLOCKS: Final = text("""
SELECT kind, unit, count(*) FILTER (WHERE due_at <= :now) AS overdue,
    count(*) FILTER (WHERE due_at > :now AND due_at <= :now + interval '24 hours') AS soon
FROM (
    SELECT k.kind, k.due_at, CASE WHEN k.owner = :citizen THEN coalesce(c.lead_unit, :nobody)
        ELSE k.owner END AS unit
    FROM clock k JOIN case_record c ON c.number = k.number
    WHERE k.stopped_at IS NULL AND k.paused_at IS NULL AND NOT EXISTS (
        SELECT FROM whistle w WHERE w.number = k.whistle AND w.state IN ('closed', 'withdrawn')
    )
) AS open
GROUP BY kind, unit
""")
UNSIGNED_EMERGENCIES: Final = text("""
SELECT c.priority, extract(epoch FROM :now - min(k.started_at)) AS age
FROM clock k JOIN case_record c ON c.number = k.number
WHERE k.stopped_at IS NULL AND k.kind = 'accept' AND c.priority IN ('P0', 'P1')
GROUP BY c.priority
""")
UNARRIVED: Final = text("""
SELECT coalesce(extract(epoch FROM :now - min(k.started_at)), 0) FROM clock k
JOIN whistle w ON w.number = k.whistle
WHERE k.stopped_at IS NULL AND k.kind = 'arrive' AND w.kind = 'emergency' AND w.state = 'dispatched'
""")
LAST_COMPARISON: Final = text(
    "SELECT missed, extract(epoch FROM now() - ended_at) AS age FROM reconciliation"
    " ORDER BY id DESC LIMIT 1"
)
EMERGENCIES: Final = ("P0", "P1")
RATES_EVERY_SECONDS: Final = 600.0
"""A month of tickets is counted this often."""


def gauges(database: Database, rules: Rules) -> Callable[[], None]:
    """What runs every few seconds to refresh the gauges."""
    units = rules.policy.units
    streets = [unit.slug for unit in units.values() if unit.kind == "street"]
    counted_at = -RATES_EVERY_SECONDS

    def measure() -> None:
        nonlocal counted_at
        now = datetime.now(SHANGHAI)
        with database.reading() as reader:
            _count_open(reader, units)
            _count_clocks(reader, now)
            _count_missed(reader)
            if time.monotonic() - counted_at >= RATES_EVERY_SECONDS:
                _count_streets(reader, streets, now)
                counted_at = time.monotonic()
        CALENDAR_HORIZON_DAYS.set(days_to_horizon(rules.calendar, now.date()))

    return measure


def _count_open(reader: Reader, units: Collection[str]) -> None:
    CASES_OPEN.clear()
    for state, count in reader.execute(OPEN_CASES):
        CASES_OPEN.labels(state).set(count)
    queues = dict.fromkeys(units, 0) | dict(reader.execute(OPEN_ENTRIES).all())
    for unit, count in queues.items():
        QUEUE_OPEN.labels(unit).set(count)
    WEBHOOK_OPEN.clear()
    for unit, state, count in reader.execute(OPEN_DELIVERIES):
        WEBHOOK_OPEN.labels(unit, state).set(count)
    WHISTLES_OPEN.clear()
    for kind, state, count in reader.execute(OPEN_WHISTLES):
        WHISTLES_OPEN.labels(kind, state).set(count)


def _count_clocks(reader: Reader, now: datetime) -> None:
    CLOCKS_OVERDUE.clear()
    CLOCKS_DUE_SOON.clear()
    said = {"now": now, "citizen": CITIZEN, "nobody": NOWHERE}
    for kind, unit, overdue, soon in reader.execute(OPEN_CLOCKS, said):
        CLOCKS_OVERDUE.labels(kind, unit).set(overdue)
        CLOCKS_DUE_SOON.labels(kind, unit).set(soon)
    ages = dict(reader.execute(UNSIGNED_EMERGENCIES, {"now": now}).all())
    EMERGENCY_UNARRIVED_SECONDS.set(float(reader.execute(UNARRIVED, {"now": now}).scalar_one()))
    for priority in EMERGENCIES:
        EMERGENCY_OLDEST_SECONDS.labels(priority).set(float(ages.get(priority, 0)))


def _count_missed(reader: Reader) -> None:
    """What the last comparison has found; nothing where there was none yet."""
    row = reader.execute(LAST_COMPARISON).first()
    if row is None:
        return
    counts = Counter(missed["gap"] for missed in row.missed)
    for gap in Gap:
        UNACCOUNTED_TICKETS.labels(gap).set(counts[gap])
    RECONCILED_SECONDS.set(float(row.age))


def _count_streets(reader: Reader, streets: Collection[str], now: datetime) -> None:
    """The whistle rate's two parts; a street without any has zeros, which is what is watched."""
    for gauge, query in (
        (STREET_TICKETS, TICKETS_OF_STREETS),
        (STREET_WHISTLES, WHISTLES_OF_STREETS),
    ):
        counts = dict.fromkeys(streets, 0) | dict(reader.execute(query, {"now": now}).all())
        for street, count in counts.items():
            gauge.labels(street).set(count)
