"""What every service does once an hour: makes tomorrow's parts, forgets what is past keeping."""

from datetime import UTC, datetime
from typing import Final

import psycopg

from shared.bus import Bus
from shared.bus.embedded import EmbeddedBus
from shared.database import Database
from shared.days import ByDay, by_id, drop_days, make_days
from shared.postgres import libpq
from shared.repeats import ANSWER_SECONDS, FORGET_ANSWERS
from shared.retention import Kept, Terms, bite_of, forget

INBOX: Final = ByDay("inbox", by_id)
OLD_INBOX: Final = bite_of("inbox_rest", "handled_at < :before")
OLD_REQUESTS: Final = bite_of("request_once", "at < :before")
OLD_LETTERS: Final = bite_of("dead_letter", "replayed_at < :before AND discarded_by IS NULL")


def keep_house(database: Database, bus: Bus, terms: Terms, now: datetime) -> None:
    """One round. What people have thrown away stays on record for good."""
    with psycopg.connect(libpq(database.url), autocommit=True) as connection:
        make_days(connection, INBOX, now.date())
        last = (now - terms[Kept.INBOX]).date()
        drop_days(connection, INBOX, last, lambda name: True)
        connection.execute(FORGET_ANSWERS, [ANSWER_SECONDS])
    forget(database, OLD_INBOX, now - terms[Kept.INBOX])
    forget(database, OLD_REQUESTS, now - terms[Kept.REQUEST_KEYS])
    forget(database, OLD_LETTERS, now - terms[Kept.HANDLED_LETTERS])
    if isinstance(bus, EmbeddedBus):
        bus.prune(now.astimezone(UTC), terms[Kept.BUS_LOG])
