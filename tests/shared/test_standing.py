"""What a service does while its database takes no writes, is behind, or a peer is frozen in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, LiteralString

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database import Database, is_transient, missing_migrations
from shared.postgres import database_url, libpq
from shared.service import prepare
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases
from tests.intake.office import Office, open_office

STAMP: Final[LiteralString] = "UPDATE alembic_version SET version_num ="


@pytest.fixture
def office(server: Settings, tmp_path: Path) -> Iterator[Office]:
    settings = own_databases(server, tmp_path)
    with open_office(settings) as running:
        yield running
    drop_databases(settings, server)


@pytest.fixture
def database(server: Settings, tmp_path: Path) -> Iterator[Database]:
    """Intake's database, with nothing in it."""
    settings = own_databases(server, tmp_path)
    prepare(settings, "intake")
    database = Database(database_url(settings, "intake"))
    yield database
    database.close()
    drop_databases(settings, server)


@pytest.mark.parametrize(
    ("state", "passes"),
    [
        ("25006", True),
        ("25P03", True),
        ("55P03", True),
        ("40P01", True),
        ("40001", True),
        ("53100", True),
        ("57P01", True),
        ("08006", True),
        ("23505", False),
        ("42703", False),
        ("22021", False),
    ],
)
def test_what_passes_by_itself_is_told_by_its_state_whoever_raises_it(
    state: str, passes: bool
) -> None:
    error = psycopg.errors.lookup(state)("said")
    assert is_transient(error) is passes
    assert is_transient(DBAPIError("SELECT", {}, error)) is passes


def test_nobody_waits_for_ever_for_a_lock_nor_holds_one_while_idle(database: Database) -> None:
    with database.reading() as reader:
        limits = {
            name: reader.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("lock_timeout", "idle_in_transaction_session_timeout")
        }
    assert limits == {
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "20s",
    }


def test_who_waits_for_a_frozen_peers_lock_gives_up_and_may_try_again(database: Database) -> None:
    with psycopg.connect(libpq(database.url)) as frozen:
        frozen.execute("LOCK TABLE liveness IN ACCESS EXCLUSIVE MODE")
        with database.writing() as writer:
            writer.execute(text("SET LOCAL lock_timeout = '100ms'"))
            with pytest.raises(DBAPIError) as raised:
                writer.execute(text("UPDATE liveness SET checked_at = now()"))
            writer.execute(text("ROLLBACK"))
    assert is_transient(raised.value)


def test_while_the_database_is_read_only_intake_says_so_and_goes_on_afterwards(
    office: Office,
) -> None:
    office.submit()
    url = office.running.runtime.database.url
    name = sql.Identifier(str(url.database))

    def read_only(value: str) -> None:
        with psycopg.connect(libpq(url), autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
                    name, sql.SQL(value)
                )
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    read_only("on")
    try:
        answers = [office.post("/tickets", {"text": "路灯坏了"}) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["Retry-After"] for answer in answers)
        assert office.client.get("/readyz").json()["checks"]["database"] == "failed"
    finally:
        read_only("off")
    office.submit()
    assert office.client.get("/readyz").json()["checks"]["database"] == "ok"


def test_new_code_on_an_old_schema_is_not_ready_and_names_what_is_missing(office: Office) -> None:
    url = office.running.runtime.database.url
    assert missing_migrations(office.running.runtime.database, "intake") == []
    with psycopg.connect(libpq(url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0005'")
    missing = missing_migrations(office.running.runtime.database, "intake")
    assert missing[:2] == ["0006", "0007"]
    answer = office.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["schema"] == f"missing migrations: {', '.join(missing)}"


def test_a_schema_newer_than_the_code_is_no_fault(database: Database) -> None:
    with psycopg.connect(libpq(database.url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    assert missing_migrations(database, "intake") == []
