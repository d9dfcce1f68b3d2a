"""What the router's queries cost on a million rows, and place names a second.

    python -m deploy.load.rows

Fills a router database of its own in a temporary home with a million cases, two million
clocks of which a hundred are due, and a million queue entries; then explains and times the
queries that run while people wait or every second. Prints Markdown for the router's README.
Takes about a minute.
"""

import json
import re
import statistics
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import TextClause, text

from deploy.load.texts import body
from deploy.stack import settings_for
from services.router.clockwork import BATCH, DUE
from services.router.domain.cases.states import NO_PART
from services.router.domain.incidents.grouping import LOOK_BACK, NEAR
from services.router.domain.incidents.wording import COMPARED
from services.router.domain.places.resolver import resolve
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from services.router.storage.incidents import IN_THE_STREET, RECENT
from services.router.storage.queues import FOLLOWING
from shared.database import Database
from shared.postgres import database_url, running_server
from shared.service import prepare

CASES: Final = 1_000_000
RUNS: Final = 21
UNIT: Final = "unit10"
INDEX: Final = re.compile(r"Index (?:Only )?Scan(?: Backward)? (?:using|on) (\w+)")
SCAN: Final = re.compile(r"Seq Scan on (\w+)")

FILL: Final = (
    """
    INSERT INTO case_record (number, version, ticket_version, round, state, disposition, priority,
        leaf, category, street, lead_unit, details, ticket, opened_at)
    SELECT 'NK20261123-' || lpad(i::text, 7, '0'), 1, 1, 0, 'in_progress', 'dispatch', 'P3',
        'grid.leaf' || i % 50, 'grid', 'street' || i % 12, 'unit' || i % 40,
        '{"flags": [], "place": {"community": "120104009001"}}',
        jsonb_build_object('text', repeat('楼道里堆着杂物', 15), 'received_at', now()),
        now() - i * interval '3 seconds'
    FROM generate_series(1, :cases) AS i
    """,
    """
    INSERT INTO clock (number, kind, owner, round, within, ladder, calendar_version,
        policy_version, started_at, due_at, allowance, provisional, paused_total, cancelled,
        breached, next_step, next_fire_at)
    SELECT 'NK20261123-' || lpad(i::text, 7, '0'), k.kind, 'unit' || i % 40, 0, '5wd', 'normal',
        'c', 'p', now(), now() + interval '5 days', interval '40 hours', false, interval '0',
        false, false, 'remind',
        now() + CASE WHEN i % 20000 = 0 THEN interval '-1 hour' ELSE interval '1 day' END
            + i * interval '1 millisecond'
    FROM generate_series(1, :cases) AS i CROSS JOIN (VALUES ('accept'), ('resolve')) AS k (kind)
    """,
    """
    INSERT INTO unit_feed SELECT 'unit' || u, :cases / 40 FROM generate_series(0, 39) AS u
    """,
    """
    INSERT INTO queue_entry (unit, number, seq, open, item)
    SELECT 'unit' || i % 40, 'NK20261123-' || lpad(i::text, 7, '0'), i / 40, i % 3 > 0,
        '{"reason": "dispatched"}'
    FROM generate_series(1, :cases) AS i
    """,
    """
    INSERT INTO whistle (number, ticket_number, version, kind, state, street, units, details,
        blown_at)
    SELECT 'NK20261123-' || lpad(i::text, 7, '0') || '-W1',
        'NK20261123-' || lpad(i::text, 7, '0'), 1, 'joint_enforcement',
        CASE WHEN i % 10 = 0 THEN 'dispatched' ELSE 'closed' END, 'street' || i % 12,
        ARRAY['unit' || i % 40, 'unit' || (i + 1) % 40], '{}', now() - i * interval '1 minute'
    FROM generate_series(1, :cases / 10) AS i
    """,
    """
    INSERT INTO incident SELECT 'E' || i, 'grid.leaf' || i % 50, 'street' || i % 12, NULL, 'open',
        'NK20261123-' || lpad((i * 10)::text, 7, '0'), false, now(), now(), 2
    FROM generate_series(1, :cases / 100) AS i
    """,
    """
    INSERT INTO incident_member
    SELECT 'E' || i, 'NK20261123-' || lpad((i * 10 + j)::text, 7, '0'), 'proposed', now()
    FROM generate_series(1, :cases / 100) AS i CROSS JOIN generate_series(0, 1) AS j
    """,
)

CLOCKS: Final = text("SELECT * FROM clock WHERE number = ANY(:numbers) ORDER BY id")
QUEUE: Final = text(
    "SELECT item FROM queue_entry WHERE unit = :unit AND seq > :seq AND open ORDER BY seq LIMIT 100"
)
CALLED: Final = text(
    "SELECT * FROM whistle WHERE state = 'dispatched' AND (street = :unit"
    " OR units @> ARRAY[:unit]) ORDER BY blown_at DESC, number DESC LIMIT 101"
)


def queries(now: datetime) -> Mapping[str, tuple[TextClause, Mapping[str, Any]]]:
    """What is timed, by what it is for."""
    some = [f"NK20261123-{number:07d}" for number in range(1, CASES, CASES // 100)]
    return {
        "due clocks of one round": (DUE, {"now": now, "batch": BATCH, "failing": []}),
        "the clocks of 100 cases": (CLOCKS, {"numbers": some}),
        "a unit's open queue, a page": (QUEUE, {"unit": UNIT, "seq": 0}),
        "what changed for 40 waiting readers": (
            FOLLOWING,
            {
                "units": [f"unit{number}" for number in range(40)],
                "seen": [CASES // 40 - 3] * 40,
            },
        ),
        "cases alike of a batch of 8 places": (
            RECENT,
            {
                "leaves": [f"grid.leaf{number}" for number in range(8)],
                "streets": [f"street{number}" for number in range(8)],
                "since": now - NEAR,
                "no_part": list(NO_PART),
                "communities": ["120104009001"] * 8,
                "compared": COMPARED,
                "look_back": LOOK_BACK,
                "in_the_street": IN_THE_STREET,
                "cluster": "cluster",
            },
        ),
        "a unit's whistles, a page": (CALLED, {"unit": UNIT}),
    }


def main() -> None:
    """Fill, explain, time, print."""
    with tempfile.TemporaryDirectory() as home:
        settings = settings_for(Path(home))
        with running_server(settings):
            prepare(settings, "router")
            database = Database(database_url(settings, "router"))
            started = time.monotonic()
            with database.writing() as writer:
                for statement in FILL:
                    writer.execute(text(statement), {"cases": CASES})
            with database.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                    text("VACUUM ANALYZE")
                )
            print(f"Filled in {time.monotonic() - started:.0f} s.\n")
            print("| query | rows | median | slowest of 21 | found by |\n|---|---|---|---|---|")
            for name, (query, given) in queries(datetime.now(UTC)).items():
                print(timed(database, name, query, given), flush=True)
            database.engine.dispose()
    print(f"\nPlaces: {texts_a_second():,.0f} texts a second on one core.")


def timed(database: Database, name: str, query: TextClause, given: Mapping[str, Any]) -> str:
    """A row of the table. The indexes are those that EXPLAIN names."""
    times = []
    with database.engine.connect() as connection:
        for _ in range(RUNS):
            started = time.perf_counter()
            rows = len(connection.execute(query, given).all())
            times.append((time.perf_counter() - started) * 1000)
        lines = connection.execute(text(f"EXPLAIN {query.text}"), given).scalars().all()
    plan = "\n".join(lines)
    indexes, scanned = sorted(set(INDEX.findall(plan))), sorted(set(SCAN.findall(plan)))
    found = ", ".join((*(f"`{i}`" for i in indexes), *(f"seq scan of {s}" for s in scanned)))
    return (
        f"| {name} | {rows} | {statistics.median(times):.1f} ms | {max(times):.1f} ms | {found} |"
    )


def texts_a_second(count: int = 20_000) -> float:
    """Place names resolved in a second by one thread."""
    gazetteer = load_policy(POLICY_DIRECTORY).gazetteer
    chance = Random(7)
    texts = [json.loads(body(chance))["text"] for _ in range(count)]
    started = time.perf_counter()
    for words in texts:
        resolve(gazetteer, words, None, None)
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
