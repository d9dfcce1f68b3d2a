"""What the router forgets: closed entries of queues, once nobody follows a queue from so far back.

Each day the number that every queue had reached is marked. When a mark is as old as the term, the
closed entries up to it go; a reader whose cursor is older is told to read anew.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text

from shared.database import Database
from shared.retention import Kept, Terms, bite_of, forget

EVERY_SECONDS: Final = 3600.0
MARK: Final = text(
    "INSERT INTO feed_mark (unit, day, seq) SELECT unit, :today, seq FROM unit_feed"
    " ON CONFLICT DO NOTHING"
)
CLEAR: Final = text("""
UPDATE unit_feed f SET cleared = m.seq FROM (
    SELECT DISTINCT ON (unit) unit, seq FROM feed_mark WHERE day <= :last ORDER BY unit, day DESC
) m WHERE m.unit = f.unit AND m.seq > f.cleared
""")
OLD_MARKS: Final = text("""
DELETE FROM feed_mark m WHERE EXISTS (
    SELECT FROM feed_mark n WHERE n.unit = m.unit AND n.day > m.day AND n.day <= :last)
""")
OLD_ENTRIES: Final = bite_of(
    "queue_entry q",
    "NOT open AND :before IS NOT NULL"
    " AND seq <= (SELECT cleared FROM unit_feed f WHERE f.unit = q.unit)",
)


def clear(database: Database, terms: Terms, now: datetime) -> None:
    """One round."""
    before = now - terms[Kept.CLOSED_ENTRIES]
    with database.writing() as writer:
        writer.execute(MARK, {"today": now.date()})
        writer.execute(CLEAR, {"last": before.date()})
        writer.execute(OLD_MARKS, {"last": before.date()})
    forget(database, OLD_ENTRIES, before)


def forgetting(database: Database, terms: Terms) -> Callable[[], bool]:
    """A step of its own, once an hour."""

    def step() -> bool:
        clear(database, terms, datetime.now(UTC))
        return False

    return step
