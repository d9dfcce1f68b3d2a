"""Due clocks: found by an index, fired once, each with its event in one transaction.

Several workers may run this at once: a case that another holds is skipped and seen again
in the next round. What fell due while nothing ran fires at once, step after step.
"""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text

from services.router.case_records import CaseRecord
from services.router.cases import clock_fired
from services.router.clocks import Clock, due_step
from services.router.storing import Ledger
from shared.calendar import Calendar
from shared.database import Database, Writer
from shared.metrics import CLOCK_DELAY_SECONDS, CLOCKS_FIRED
from shared.relay import Relay

BATCH: Final = 100
PAUSE_SECONDS: Final = 1.0

DUE: Final = text(
    "SELECT number, next_fire_at FROM clock WHERE next_fire_at <= :now"
    " ORDER BY next_fire_at LIMIT :batch"
)


def fire_due(writer: Writer, calendar: Calendar, now: datetime) -> int:
    """Fire what is due in the oldest due cases; how many steps were taken."""
    rows = writer.execute(DUE, {"now": now, "batch": BATCH}).all()
    CLOCK_DELAY_SECONDS.set((now - rows[0][1]).total_seconds() if rows else 0)
    ledger = Ledger(writer)
    if rows:
        ledger.hold((row[0] for row in rows), skip_locked=True)
    fired = 0
    for number in [case.number for case in ledger.held()]:
        while (entry := ledger.get(number)) and (clock := _next_due(entry.case, now)):
            step = due_step(clock, now)
            decision = clock_fired(entry.case, clock, calendar, now)
            ledger.tell(entry.ticket, decision, now, actor="clock")
            CLOCKS_FIRED.labels(clock.kind, step).inc()
            fired += 1
    ledger.store()
    return fired


def clock_step(database: Database, calendar: Calendar, relay: Relay) -> bool:
    """One round of a worker; True while there was something to do."""
    with database.writing() as writer:
        fired = fire_due(writer, calendar, datetime.now(UTC))
    if fired:
        relay.wake()
    return fired > 0


def _next_due(case: CaseRecord, now: datetime) -> Clock | None:
    """The clock of the case whose step fell due first."""
    due = [clock for clock in case.clocks if due_step(clock, now) is not None]
    return min(due, key=lambda clock: clock.next_fire_at or now, default=None)
