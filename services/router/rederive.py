"""Queue entries and clocks derived anew from the cases, after an upgrade has changed the rules.

What stands in a queue, who may read a case and when its clocks fire are written when the case
changes. A release that changes duties, ladders or waits leaves the cases that nobody touches as
they were; this brings them up to date. It looks without holding anything, and then holds only
what differs, case by case in the order everybody holds them, so that the router may go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import text

from services.router.domain.aggregate import Record
from services.router.domain.cases.duties import duties, readers
from services.router.domain.cases.waits import with_missing_waits
from services.router.domain.clocks import rearmed, soonest
from services.router.domain.routing import Rules, terms_for
from services.router.domain.whistles.duties import whistle_duties
from services.router.storage.cases import NEVER, HeldCase, read_cases
from services.router.storage.feeds import QueueChange, open_duties, restored
from services.router.storage.held import By, Held
from services.router.storage.ledger import occasion_of
from services.router.storage.whistles import whistles_of
from services.router.work import SYSTEM, working
from shared.database import Database, Reader
from shared.retrying import retrying

BATCH: Final = 200
REASON: Final = "rederived"
"""Why an entry of a queue changed, where nothing has happened to its case."""

CANDIDATES: Final = text("""
SELECT number FROM case_record c WHERE number > :after AND (state <> 'closed' OR EXISTS (
    SELECT FROM queue_entry q WHERE q.number = c.number AND q.open) OR EXISTS (
    SELECT FROM clock k WHERE k.number = c.number AND k.next_fire_at IS NOT NULL))
ORDER BY number LIMIT :batch
""")
LISTED: Final = text(
    "SELECT number, nullif(due_at, 'infinity') AS due_at, readers"
    " FROM case_record WHERE number = ANY(:numbers)"
)
RELIST: Final = text(
    "UPDATE case_record SET due_at = :due_at, readers = :readers WHERE number = :number"
)


@dataclass(frozen=True, slots=True)
class Derived:
    """How many cases were looked at, and how many entries, clocks and list places were wrong."""

    cases: int = 0
    entries: int = 0
    clocks: int = 0
    listed: int = 0

    def __add__(self, other: "Derived") -> "Derived":
        return Derived(
            self.cases + other.cases,
            self.entries + other.entries,
            self.clocks + other.clocks,
            self.listed + other.listed,
        )

    @property
    def differs(self) -> bool:
        """Whether anything was wrong."""
        return bool(self.entries or self.clocks or self.listed)


def rederive(database: Database, rules: Rules, now: datetime, *, change: bool = True) -> Derived:
    """Look at every case that is worked and mend what differs, or only count it.

    A case that others hold is waited for. Raises what is transient after several tries: what
    was mended until then stays so.
    """
    total = Derived()
    after = ""
    while True:
        with database.reading() as reader:
            given = {"after": after, "batch": BATCH}
            numbers = list(reader.execute(CANDIDATES, given).scalars())
            if not numbers:
                return total
            found = _differences(reader, _as_they_stand(reader, numbers), rules, now)
        wrong = [one.held.record.number for one in found if one.count.differs]
        counted = sum((one.count for one in found), Derived())
        if wrong and change:
            counted = retrying(partial(mend, database, rules, now, wrong))
        total += replace(counted, cases=len(numbers))
        after = numbers[-1]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong about a case: its record with the clocks it should have, and the rest."""

    held: HeldCase
    changes: Sequence[QueueChange]
    count: Derived


def _as_they_stand(reader: Reader, numbers: Sequence[str]) -> Sequence[HeldCase]:
    """These cases and their whistles, held by nobody."""
    cases = {
        case.number: HeldCase(case, case, ticket=ticket)
        for ticket, case in read_cases(reader, numbers)
    }
    for whistle in whistles_of(reader, list(cases)):
        cases[whistle.ticket_number].whistles[whistle.number] = Held(whistle, whistle)
    return list(cases.values())


def _differences(
    reader: Reader, cases: Sequence[HeldCase], rules: Rules, now: datetime
) -> Sequence[Difference]:
    """What is wrong about each of these cases; their records get the clocks they should have."""
    numbers = [held.record.number for held in cases]
    standing = open_duties(reader, numbers)
    listed = {row.number: row for row in reader.execute(LISTED, {"numbers": numbers})}
    return [_difference(held, standing, listed, rules, now) for held in cases]


def _difference(
    held: HeldCase,
    standing: Mapping[tuple[str, str], Mapping[str, str]],
    listed: Mapping[str, Any],
    rules: Rules,
    now: datetime,
) -> Difference:
    case = held.record
    terms = terms_for(rules, case.leaf, case.priority, now, case.place.regime)
    waiting = with_missing_waits(case, terms, rules.calendar, now)
    clocks = len(waiting.clocks) - len(case.clocks)
    held.record = _rearmed(waiting, rules)
    clocks += sum(a != b for a, b in zip(held.record.clocks, waiting.clocks, strict=True))
    by = By(SYSTEM, now)
    number = case.number
    occasion = occasion_of(held, REASON, by)
    changes = list(restored(duties(held.record), standing.get((number, ""), {}), occasion))
    for name, whistle in held.whistles.items():
        before = whistle.record
        whistle.record = _rearmed(before, rules)
        clocks += sum(a != b for a, b in zip(whistle.record.clocks, before.clocks, strict=True))
        occasion = occasion_of(held, REASON, by, whistle.record)
        shown = standing.get((number, name), {})
        changes += restored(whistle_duties(whistle.record), shown, occasion)
    row = listed[number]
    wrong = row.due_at != soonest(held.record.clocks) or set(row.readers) != readers(held.record)
    return Difference(held, changes, Derived(0, len(changes), clocks, int(wrong)))


def _rearmed(record: Record, rules: Rules) -> Record:
    clocks = tuple(rearmed(clock, rules.calendar) for clock in record.clocks)
    return replace(record, clocks=clocks)


def mend(database: Database, rules: Rules, now: datetime, numbers: Sequence[str]) -> Derived:
    """Hold these cases, look again and store what differs now, in one transaction."""
    with working(database, rules, now) as work:
        work.ledger.hold(numbers)
        found = _differences(work.writer, work.ledger.cases, rules, now)
        rows = [
            {
                "number": one.held.record.number,
                "due_at": soonest(one.held.record.clocks) or NEVER,
                "readers": sorted(readers(one.held.record)),
            }
            for one in found
            if one.count.listed
        ]
        if rows:
            work.writer.execute(RELIST, rows)
        work.ledger.show(change for one in found for change in one.changes)
        work.finish()
    return sum((one.count for one in found), Derived())
