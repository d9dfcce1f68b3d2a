"""A made-up service for the tests of the messaging: real tables, a real bus, one more table."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from shared.bus import Bus
from shared.bus.embedded import EmbeddedBus
from shared.database import Database
from shared.postgres import database_url, ensure_database, libpq
from shared.service import prepare
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases


@pytest.fixture(scope="module")
def installation(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An installation with one service's database, which also counts and keeps effects."""
    own = own_databases(server, tmp_path_factory.mktemp("installation"))
    prepare(own, "intake")
    database = Database(database_url(own, "intake"))
    with database.writing() as writer:
        writer.execute(text("CREATE TABLE counter (key text PRIMARY KEY, n integer NOT NULL)"))
        writer.execute(
            text("CREATE TABLE effect (id serial PRIMARY KEY, key text, n integer, note text)")
        )
    database.close()
    yield own
    drop_databases(own, server)


@pytest.fixture
def database(installation: Settings) -> Iterator[Database]:
    """The service's database, empty."""
    opened = Database(database_url(installation, "intake"))
    with opened.writing() as writer:
        writer.execute(text("TRUNCATE outbox, inbox, dead_letter, counter, effect"))
    yield opened
    opened.close()


@pytest.fixture
def bus(installation: Settings) -> Bus:
    """The embedded bus of the installation."""
    return EmbeddedBus(libpq(ensure_database(installation, "bus")))
