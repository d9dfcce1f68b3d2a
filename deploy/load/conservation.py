"""How long it takes to compare a million tickets with their cases.

    python -m deploy.load.conservation [TICKETS]

Fills intake and router of its own in a temporary home, with ten tickets that have no case, and
compares all of them, then those that have changed within the last hour.
"""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import text

from deploy.stack import settings_for
from services.router.reconcile import Reckoning, reconcile
from services.router.storage.counterparts import counterparts
from shared.database import Database
from shared.postgres import database_url, running_server
from shared.service import prepare

TICKETS: Final = 1_000_000
LOST: Final = 10

NUMBER: Final = "'NK20261123-' || lpad(i::text, 7, '0')"
AT: Final = "now() - interval '30 minutes' - i * interval '1 second'"
CASES: Final = f"""
INSERT INTO case_record (number, version, ticket_version, round, state, disposition, priority,
    leaf, category, street, lead_unit, details, ticket, opened_at)
SELECT {NUMBER}, 3, 1, 0, 'in_progress', 'dispatch', 'P3', 'grid.leaf' || i % 50, 'grid',
    'street' || i % 12, 'unit' || i % 40, '{{"flags": []}}',
    jsonb_build_object('text', repeat('楼道里堆着杂物', 15)), {AT}
FROM generate_series(1, :tickets) AS i WHERE i % (:tickets / :lost) <> 0
"""  # noqa: S608 constants of our own
ENTRIES: Final = """
INSERT INTO queue_entry (unit, number, whistle, seq, open, item)
SELECT lead_unit, number, '', row_number() OVER (PARTITION BY lead_unit), true, '{"role": "lead"}'
FROM case_record
"""
LINES: Final = """
INSERT INTO case_log (number, version, fact, actor, note, detail, at)
SELECT number, 3, 'contacted', 'unit', '', '{}', opened_at FROM case_record
"""
ACCEPTED: Final = f"""
INSERT INTO ticket (number, id, version, status, channel, kind, text, confidential, received_at,
    received_by, round, urges, case_version)
SELECT {NUMBER}, gen_random_uuid(), 1, 'in_progress', 'hotline', 'help',
    repeat('楼道里堆着杂物', 15), false, {AT}, 'clerk', 0, 0, 3
FROM generate_series(1, :tickets) AS i
"""  # noqa: S608 constants of our own


def main(count: int) -> None:
    """Fill, compare, print."""
    with tempfile.TemporaryDirectory() as home:
        settings = settings_for(Path(home))
        with running_server(settings):
            for service in ("intake", "classifier", "router"):
                prepare(settings, service)
            router = Database(database_url(settings, "router"))
            both = counterparts(settings, router)
            for database, statements in (
                (both.router, (CASES, ENTRIES, LINES)),
                (both.intake, (ACCEPTED,)),
            ):
                with database.writing() as writer:
                    for statement in statements:
                        writer.execute(text(statement), {"tickets": count, "lost": LOST})
                with database.engine.connect() as connection:
                    connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                        text("VACUUM ANALYZE")
                    )
            now = datetime.now(UTC)
            print(told("all", reconcile(both, now)), flush=True)
            print(told("changed", reconcile(both, now, since=now - timedelta(hours=1))))
            both.close()
            router.close()


def told(name: str, found: Reckoning) -> str:
    """A line on one comparison."""
    return f"{name}: {found.tickets:,} tickets, {len(found.missed)} missed, {found.seconds:.1f} s"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TICKETS)
