"""What intake and the classifier keep of tickets, read beside the router's own cases.

The one place where a service looks into others' databases: a comparison through events could
not find an event that was lost. It only reads, a page at a time, each in a short transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError

from services.router.domain.conservation import Accepted, Known
from shared.database import Database, Reader
from shared.events import CaseState
from shared.postgres import database_url
from shared.settings import Settings

PAGE: Final = 20_000
"""Tickets read at once."""

_TICKETS: Final = "SELECT number, status, case_version FROM ticket WHERE"
TICKETS_AFTER: Final = text(f"{_TICKETS} number > :after ORDER BY number LIMIT :page")
TICKETS_NAMED: Final = text(f"{_TICKETS} number = ANY(:numbers)")
_CASES: Final = """
SELECT c.number, c.state, c.version,
    EXISTS (SELECT FROM queue_entry q WHERE q.number = c.number AND q.open AND q.whistle = ''),
    CASE c.state
        WHEN 'merged' THEN EXISTS (SELECT FROM case_record l
            WHERE l.number = c.details ->> 'merged_into' AND l.state NOT IN ('merged', 'closed'))
        WHEN 'split' THEN jsonb_array_length(c.details -> 'children') > 0 AND NOT EXISTS (
            SELECT FROM jsonb_array_elements_text(c.details -> 'children') AS child (number)
            WHERE NOT EXISTS (SELECT FROM case_record p WHERE p.number = child.number))
        ELSE true
    END
FROM case_record c WHERE
"""
CASES_BETWEEN: Final = text(f"{_CASES} c.number > :after AND c.number <= :last")
CASES_BEYOND: Final = text(f"{_CASES} c.number > :after ORDER BY c.number LIMIT :page")
CASES_NAMED: Final = text(f"{_CASES} c.number = ANY(:numbers)")

TICKETS_CHANGED: Final = text(
    "SELECT number FROM ticket WHERE received_at >= :since"
    " UNION SELECT number FROM timeline WHERE at >= :since"
)
CASES_CHANGED: Final = text("SELECT DISTINCT number FROM case_log WHERE at >= :since")
TICKET_MOVED_AT: Final = text("""
SELECT t.number, greatest(t.received_at, max(l.at)) FROM ticket t
LEFT JOIN timeline l ON l.number = t.number WHERE t.number = ANY(:numbers) GROUP BY t.number
""")
CASE_MOVED_AT: Final = text(
    "SELECT number, max(at) FROM case_log WHERE number = ANY(:numbers) GROUP BY number"
)

WAITING: Final = text("SELECT DISTINCT key FROM outbox WHERE key = ANY(:numbers)")
PARKED: Final = text(
    "SELECT DISTINCT key FROM dead_letter WHERE key = ANY(:numbers) AND replayed_at IS NULL"
)
DISCARDED: Final = text(
    "SELECT DISTINCT key FROM dead_letter WHERE key = ANY(:numbers) AND discarded_by IS NOT NULL"
)
JUDGED: Final = text("SELECT number FROM verdict WHERE number = ANY(:numbers)")


@dataclass(frozen=True, slots=True)
class Counterparts:
    """The databases that are compared: the router's own, intake's and the classifier's."""

    router: Database
    intake: Database
    classifier: Database

    def close(self) -> None:
        """Give back the connections to the others' databases."""
        self.intake.close()
        self.classifier.close()


def counterparts(settings: Settings, router: Database) -> Counterparts:
    """The others' databases of this installation, not yet connected."""
    intake, classifier = (
        Database(database_url(settings, owner), pool_size=1) for owner in ("intake", "classifier")
    )
    return Counterparts(router, intake, classifier)


def tickets(reader: Reader, statement: TextClause, **given: Any) -> dict[str, Accepted]:
    """Tickets of intake by number."""
    rows = reader.execute(statement, given)
    return {row[0]: Accepted(*row) for row in rows}


def cases(reader: Reader, statement: TextClause, **given: Any) -> dict[str, Known]:
    """Cases of the router by number."""
    rows = reader.execute(statement, given)
    return {
        number: Known(number, CaseState(state), version, queued, succeeded)
        for number, state, version, queued, succeeded in rows
    }


def changed_since(both: Counterparts, since: datetime) -> set[str]:
    """The tickets to which something has happened since then, in intake or at the router."""
    with both.intake.reading() as reader:
        found = set(reader.execute(TICKETS_CHANGED, {"since": since}).scalars())
    with both.router.reading() as reader:
        return found | set(reader.execute(CASES_CHANGED, {"since": since}).scalars())


def moved_at(both: Counterparts, numbers: Sequence[str]) -> Mapping[str, datetime]:
    """When something last happened to these tickets."""
    asked = {"numbers": list(numbers)}
    with both.intake.reading() as reader:
        found: dict[str, datetime] = dict(reader.execute(TICKET_MOVED_AT, asked).all())
    with both.router.reading() as reader:
        for number, at in reader.execute(CASE_MOVED_AT, asked):
            found[number] = max(at, found.get(number, at))
    return found


def last_seen(both: Counterparts, numbers: Collection[str]) -> Mapping[str, str]:
    """Where these tickets were last seen, the place that is furthest on their way.

    A dead letter before all else: what waits there is not to be sent again.
    """
    asked = {"numbers": list(numbers)}
    found = dict.fromkeys(numbers, "受理")
    places = (
        (both.intake, WAITING, "受理发件箱"),
        (both.classifier, JUDGED, "分类"),
        (both.classifier, WAITING, "分类发件箱"),
        (both.router, CASES_NAMED, "派单"),
        (both.router, WAITING, "派单发件箱"),
        (both.classifier, DISCARDED, "分类已弃死信"),
        (both.router, DISCARDED, "派单已弃死信"),
        (both.intake, PARKED, "受理死信"),
        (both.classifier, PARKED, "分类死信"),
        (both.router, PARKED, "派单死信"),
    )
    for database, statement, place in places:
        try:
            with database.reading() as reader:
                there = [row[0] for row in reader.execute(statement, asked)]
        except DBAPIError:
            if database is not both.classifier:
                raise
            continue  # the classifier's database may stand where we cannot read it
        found |= dict.fromkeys(there, place)
    return found


SENT_AGAIN_IN_VAIN: Final = frozenset(
    {
        *("受理死信", "分类死信", "派单死信"),
        *("受理发件箱", "分类发件箱", "派单发件箱"),
    }
)
"""Where a ticket waits for somebody or is on its way: sending it again would help nothing."""
