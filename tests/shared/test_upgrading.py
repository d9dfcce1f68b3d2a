"""Migrations under running services: they only add, give way to who holds a lock, and get there.

The release before works on the schema of this one (expand); what nobody uses any more is taken
away a release later (contract), and listed here.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import shared.migrations
from shared.postgres import ensure_database, libpq
from shared.service import prepare
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases

FIRST: Final = {"intake": "0007", "classifier": "0003", "router": "0009"}
"""The oldest schema from which a running release is upgraded."""
CONTRACTED: Final[Mapping[str, frozenset[str]]] = {}
"""By `service/revision`, the columns that a migration takes away: unused for a release."""
COLUMNS: Final = """
SELECT table_name || '.' || column_name,
    data_type || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END,
    column_default IS NOT NULL OR is_nullable = 'YES' OR is_identity = 'YES'
FROM information_schema.columns WHERE table_schema IN ('public', 'reporting')
"""
RULES: Final = """
SELECT c.conrelid::regclass::text, pg_get_constraintdef(c.oid) FROM pg_constraint c
JOIN pg_namespace n ON n.oid = c.connamespace
WHERE n.nspname = 'public' AND c.contype IN ('c', 'u', 'p', 'f', 'x') AND c.conparentid = 0
UNION SELECT i.indrelid::regclass::text, 'UNIQUE ' || pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indisunique AND NOT i.indisprimary AND c.relnamespace = 'public'::regnamespace
"""


def scripts(service: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(shared.migrations.__path__[0])))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"services/{service}/migrations")
    return config


def later(service: str) -> list[str]:
    """The revisions after the first from which a running release is upgraded."""
    every = ScriptDirectory.from_config(scripts(service)).walk_revisions()
    return [one.revision for one in every if one.revision > FIRST[service]][::-1]


def upgraded(settings: Settings, service: str, revision: str) -> str:
    """The address of a service's database, brought to a revision."""
    url = ensure_database(settings, service)
    engine = create_engine(url)
    config = scripts(service)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    return libpq(url)


@pytest.fixture
def settings(server: Settings, tmp_path: Path) -> Iterator[Settings]:
    own = own_databases(server, tmp_path)
    yield own
    drop_databases(own, server)


def asked(address: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(address) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize("service", FIRST)
def test_a_migration_takes_nothing_away_from_the_release_before(
    settings: Settings, service: str
) -> None:
    address = upgraded(settings, service, FIRST[service])
    for revision in later(service):
        before = {name: (kind, given) for name, kind, given in asked(address, COLUMNS)}
        rules = set(asked(address, RULES))
        upgraded(settings, service, revision)
        after = {name: (kind, given) for name, kind, given in asked(address, COLUMNS)}
        where = f"{service}/{revision}"
        changed = {name for name, (kind, _) in before.items() if after.get(name, ("",))[0] != kind}
        assert changed <= CONTRACTED.get(where, frozenset()), where
        tables = {name.split(".")[0] for name in before}
        asked_of_old = {
            name
            for name, (_, given) in after.items()
            if name not in before and name.split(".")[0] in tables and not given
        }
        assert asked_of_old == set(), f"{where} wants what the release before does not write"
        fresh = {
            (table, rule)
            for table, rule in set(asked(address, RULES)) - rules
            if table in tables and (table, rule) not in MOVED
        }
        assert fresh == set(), f"{where} refuses what the release before writes"


MOVED: Final = frozenset({("inbox", "PRIMARY KEY (consumer, event_id)")})
"""Rules that a table had under another name."""


STATEMENTS: Final = (
    "INSERT INTO inbox (consumer, event_id) SELECT 'c', unnest(%(ids)s::uuid[])"
    " ON CONFLICT DO NOTHING RETURNING event_id",
    "SELECT number, status FROM ticket WHERE number = %(n)s FOR NO KEY UPDATE",
    "UPDATE ticket SET urges = urges + 1 WHERE number = %(n)s",
    "INSERT INTO timeline (number, at, type, actor, note, detail)"
    " VALUES (%(n)s, now(), 'urged', 'a', '', '{}')",
    "INSERT INTO outbox (event_id, topic, key, type, time, payload)"
    " VALUES (gen_random_uuid(), 't', %(n)s, 'x', now(), '')",
    "DELETE FROM inbox WHERE handled_at < now() - interval '14 days'",
)
"""What a consumer of the release before does with a message, in its order."""
TICKET: Final = """
INSERT INTO ticket (number, id, version, status, channel, kind, text, confidential, received_at,
    received_by, round, urges) VALUES (%s, gen_random_uuid(), 1, 'received', 'hotline', 'help',
    '路灯不亮', false, now(), 'clerk', 0, 0)
"""


class Before:
    """A service of the release before, at work; what it did, how long it took, and what failed."""

    def __init__(self, address: str, number: str) -> None:
        self.done: list[UUID] = []
        self.slowest = 0.0
        self.failures: list[Exception] = []
        self._address = address
        self._number = number
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Before":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        with psycopg.connect(self._address, autocommit=True) as connection:
            while not self._over.is_set():
                event, began = uuid4(), time.monotonic()
                given = {"ids": [event], "n": self._number}
                try:
                    with connection.transaction():
                        for statement in STATEMENTS:
                            connection.execute(statement, given)
                    self.done.append(event)
                except psycopg.Error as error:
                    self.failures.append(error)
                self.slowest = max(self.slowest, time.monotonic() - began)
                time.sleep(0.002)


@contextmanager
def frozen(address: str, seconds: float) -> Iterator[None]:
    """A peer that holds the rows of every table for a while, as one that was frozen does."""
    holding, over = threading.Event(), threading.Event()

    def hold() -> None:
        with psycopg.connect(address) as connection:
            connection.execute("INSERT INTO inbox VALUES ('frozen', gen_random_uuid())")
            connection.execute("SELECT count(*) FROM ticket, timeline, dead_letter, idempotency")
            holding.set()
            over.wait(seconds)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_an_upgrade_under_load_disturbs_nobody_and_waits_for_a_frozen_peer(
    settings: Settings,
) -> None:
    address = upgraded(settings, "intake", FIRST["intake"])
    numbers = [f"NK20261123-{n:06d}" for n in range(1, 5)]
    with psycopg.connect(address) as connection:
        connection.cursor().executemany(TICKET, [(number,) for number in numbers])
    workers = [Before(address, number) for number in numbers]
    for worker in workers:
        worker.__enter__()
    try:
        time.sleep(0.5)
        with frozen(address, 4.0):
            began = time.monotonic()
            prepare(settings, "intake")
            waited = time.monotonic() - began
        at_upgrade = [len(worker.done) for worker in workers]
        time.sleep(1.0)
    finally:
        for worker in workers:
            worker.__exit__()
    assert waited > 2.0
    assert [worker.failures for worker in workers] == [[]] * 4
    assert max(worker.slowest for worker in workers) < 3.0
    for worker, before in zip(workers, at_upgrade, strict=True):
        assert 0 < before < len(worker.done)
        again = {"ids": worker.done, "n": ""}
        with psycopg.connect(address) as connection:
            assert connection.execute(STATEMENTS[0], again).fetchall() == []
    ((urges, outbox),) = asked(
        address, "SELECT (SELECT sum(urges) FROM ticket), (SELECT count(*) FROM outbox)"
    )
    assert urges == outbox == sum(len(worker.done) for worker in workers)
