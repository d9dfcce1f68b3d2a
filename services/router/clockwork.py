"""Due clocks: found by an index, fired once, each with its event in one transaction.

Several workers may run this at once: a case that another holds is skipped and seen again
in the next round. What fell due while nothing ran fires at once, step after step.
"""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text

from services.router.cases.deciding import clock_fired
from services.router.clocks import Clock, due_step
from services.router.dispatching import Rules
from services.router.storing import Entry, Ledger
from services.router.whistles.deciding import whistle_clock_fired
from services.router.whistles.following import setting_for
from services.router.whistles.records import WhistleRecord
from shared.database import Database, Writer
from shared.metrics import CLOCK_DELAY_SECONDS, CLOCKS_FIRED
from shared.relay import Relay

BATCH: Final = 100
PAUSE_SECONDS: Final = 1.0

DUE: Final = text(
    "SELECT number, next_fire_at FROM clock WHERE next_fire_at <= :now"
    " ORDER BY next_fire_at LIMIT :batch"
)


def fire_due(writer: Writer, rules: Rules, now: datetime) -> int:
    """Fire what is due in the oldest due cases; how many steps were taken."""
    rows = writer.execute(DUE, {"now": now, "batch": BATCH}).all()
    CLOCK_DELAY_SECONDS.set((now - rows[0][1]).total_seconds() if rows else 0)
    ledger = Ledger(writer)
    if rows:
        ledger.hold((row[0] for row in rows), skip_locked=True)
    fired = 0
    for entry in ledger.entries():
        while (due := _next_due(entry, now)) is not None:
            _fire(ledger, entry, rules, *due, now)
            fired += 1
    ledger.store()
    return fired


def _fire(
    ledger: Ledger,
    entry: Entry,
    rules: Rules,
    clock: Clock,
    whistle: WhistleRecord | None,
    now: datetime,
) -> None:
    CLOCKS_FIRED.labels(clock.kind, due_step(clock, now)).inc()
    if whistle is None:
        decision = clock_fired(entry.case, clock, rules.calendar, now)
        ledger.tell(entry.ticket, decision, now, actor="clock")
    else:
        setting = setting_for(rules, entry.case, whistle.summons, now)
        ledger.tell_whistle(whistle_clock_fired(whistle, clock, setting), now, actor="clock")


def clock_step(database: Database, rules: Rules, relay: Relay) -> bool:
    """One round of a worker; True while there was something to do."""
    with database.writing() as writer:
        fired = fire_due(writer, rules, datetime.now(UTC))
    if fired:
        relay.wake()
    return fired > 0


def _next_due(entry: Entry, now: datetime) -> tuple[Clock, WhistleRecord | None] | None:
    """The clock of the case or of one of its whistles whose step fell due first."""
    due: list[tuple[Clock, WhistleRecord | None]] = [
        (clock, None) for clock in entry.case.clocks if due_step(clock, now) is not None
    ]
    for held in entry.whistles.values():
        whistle = held.record
        due.extend((c, whistle) for c in whistle.clocks if due_step(c, now) is not None)
    return min(due, key=lambda pair: pair[0].next_fire_at or now, default=None)
