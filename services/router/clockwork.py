"""Due clocks: found by an index, fired once, each with its event in one transaction.

Several workers may run this at once: a case that another holds is skipped and seen again
in the next round. What fell due while nothing ran fires at once, step after step. A case
that cannot be fired does not hold up the others: it is left alone for a while and told of. Nothing
fires while the machine's clock is in doubt.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text

from services.router.domain.cases.deciding import clock_fired
from services.router.domain.clocks import Clock, due_step
from services.router.domain.routing import Rules
from services.router.domain.whistles.deciding import whistle_clock_fired
from services.router.domain.whistles.records import WhistleRecord
from services.router.storage.cases import HeldCase
from services.router.trusted_time import TrustedTime
from services.router.work import Work, working
from shared.database import Database, Reader, is_transient
from shared.metrics import CASES_NOT_FIRED, CLOCK_DELAY_SECONDS, CLOCKS_FIRED, CLOCKWORK_HELD
from shared.relay import Relay

BATCH: Final = 100
PAUSE_SECONDS: Final = 1.0
CLOCK: Final = "clock"
"""Who acts where a clock does."""

DUE: Final = text(
    "SELECT number, next_fire_at FROM clock WHERE next_fire_at <= :now"
    " AND number <> ALL(CAST(:failing AS text[])) ORDER BY next_fire_at LIMIT :batch"
)
DATABASE_NOW: Final = text("SELECT clock_timestamp()")
REST: Final = timedelta(minutes=10)
"""How long a case that could not be fired is left alone."""

log = structlog.get_logger()


def due_cases(reader: Reader, now: datetime, failing: Collection[str] = ()) -> Sequence[str]:
    """The cases whose clocks fell due first, without those that are left alone."""
    rows = reader.execute(DUE, {"now": now, "batch": BATCH, "failing": list(failing)}).all()
    CLOCK_DELAY_SECONDS.set((now - rows[0][1]).total_seconds() if rows else 0)
    return list(dict.fromkeys(number for number, _ in rows))


def fire_due(work: Work, numbers: Sequence[str]) -> int:
    """Fire what is due in these cases; how many steps were taken."""
    work.ledger.hold(numbers, skip_locked=True)
    fired = 0
    for held in work.ledger.cases:
        while (due := _next_due(held, work.now)) is not None:
            _fire(work, held, *due)
            fired += 1
    work.finish()
    return fired


def _fire(work: Work, held: HeldCase, clock: Clock, whistle: WhistleRecord | None) -> None:
    CLOCKS_FIRED.labels(clock.kind, due_step(clock, work.now)).inc()
    by = work.by(CLOCK)
    if whistle is None:
        decision = clock_fired(held.record, clock, work.rules.calendar, work.now)
        work.tell(held.ticket, decision, by)
    else:
        setting = work.setting(held.record, whistle.summons)
        work.ledger.tell_whistle(whistle_clock_fired(whistle, clock, setting), by)


class Clockwork:
    """One worker's rounds."""

    def __init__(
        self, database: Database, rules: Rules, relay: Relay, trusted: TrustedTime | None = None
    ) -> None:
        self._database = database
        self._trusted = trusted or TrustedTime()
        self._rules = rules
        self._relay = relay
        self._failing: dict[str, datetime] = {}

    def step(self) -> bool:
        """One round; True while there was something to do."""
        now = datetime.now(UTC)
        self._failing = {n: until for n, until in self._failing.items() if until > now}
        CASES_NOT_FIRED.set(len(self._failing))
        with self._database.reading() as reader:
            if not self._believes(reader):
                return False
            numbers = due_cases(reader, now, self._failing)
        if not numbers:
            return False
        try:
            fired = self._fire(numbers, now)
        except Exception as error:
            if is_transient(error):
                raise
            fired = sum(self._fire_alone(number, now) for number in numbers)
        if fired:
            self._relay.wake()
        return fired > 0

    def _believes(self, reader: Reader) -> bool:
        """Whether the clock may be believed; who doubts it first says so in the log."""
        before = self._trusted.doubt
        believed = self._trusted.check(reader.execute(DATABASE_NOW).scalar_one())
        CLOCKWORK_HELD.set(not believed)
        if (before is None) != believed:
            told = "clockwork_goes_on" if believed else "clockwork_held"
            log.error(told, why=self._trusted.doubt or before)
        return believed

    def _fire(self, numbers: Sequence[str], now: datetime) -> int:
        with working(self._database, self._rules, now) as work:
            return fire_due(work, numbers)

    def _fire_alone(self, number: str, now: datetime) -> int:
        try:
            return self._fire([number], now)
        except Exception as error:
            if is_transient(error):
                raise
            self._failing[number] = now + REST
            log.exception("case_not_fired", number=number)
            return 0


def _next_due(held: HeldCase, now: datetime) -> tuple[Clock, WhistleRecord | None] | None:
    """The clock of the case or of one of its whistles whose step fell due first."""
    whistles = [whistle.record for whistle in held.whistles.values()]
    due = [
        (clock, whistle)
        for whistle in (None, *whistles)
        for clock in (whistle or held.record).clocks
        if due_step(clock, now) is not None
    ]
    return min(due, key=lambda pair: pair[0].next_fire_at or now, default=None)
