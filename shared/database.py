"""Sessions on a service's own database: reading and writing are different types.

A `Reader` has no way to change a row, so the type checker finds a write through one.
A `Writer` is one transaction: it commits when its block ends and rolls back when the
block raises.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from pydantic_core import to_json
from sqlalchemy import URL, Column, DateTime, Executable, create_engine, event, text
from sqlalchemy.engine import Engine, Result
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session, SQLModel

from shared.postgres import ensure_database
from shared.settings import Settings

Row = TypeVar("Row", bound=SQLModel)


def instant(*, nullable: bool = False) -> Column[Any]:
    """A column that holds a moment in UTC."""
    return Column(DateTime(timezone=True), nullable=nullable)


class Reader:
    """A read-only transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def execute(self, statement: Executable, parameters: Any = None) -> Result[*tuple[Any, ...]]:
        """Run a query; in a Reader's transaction PostgreSQL itself refuses any change."""
        return self._session.execute(statement, parameters)

    def get(self, model: type[Row], key: Any) -> Row | None:
        """The row of `model` with this primary key."""
        return self._session.get(model, key)


class Writer(Reader):
    """A transaction that may change rows."""

    def add(self, row: SQLModel) -> None:
        """Insert `row` when the transaction flushes."""
        self._session.add(row)

    def once_committed(self, then: Callable[[], None]) -> None:
        """Do `then` after this transaction's commit, and never if it is rolled back."""
        event.listen(self._session, "after_commit", lambda session: then(), once=True)

    def flush(self) -> None:
        """Send what was added, so that later statements see it."""
        self._session.flush()

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert many rows by COPY, several times as fast as INSERT; no conflict handling."""
        self._session.flush()
        raw = cast(
            "psycopg.Connection[Any]", self._session.connection().connection.dbapi_connection
        )
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with raw.cursor() as cursor, cursor.copy(statement) as sink:
            for row in rows:
                sink.write_row(row)


FIRST: ContextVar[Callable[[Writer], None] | None] = ContextVar("first", default=None)
"""What a transaction of this context that may change rows does before anything else."""


CONNECTING: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How a connection over TCP notices within seconds that nobody is there any more."""
PATIENCE: Final = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=20s"
"""A peer that was frozen in the middle of its work holds its locks for 20 s at most, and who
waits for one gives up after 10 s and tries again."""


class Database:
    """One service's database: hands out readers and writers."""

    def __init__(self, url: URL, *, pool_size: int = 8) -> None:
        self.url = url
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=8,
            pool_pre_ping=True,
            pool_timeout=5,
            hide_parameters=True,
            connect_args={**CONNECTING, "options": f"-c timezone=UTC {PATIENCE}"},
        )

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reader]:
        """A read-only transaction at one instant."""
        with Session(self.engine) as session:
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield Reader(session)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writer]:
        """A transaction: committed at the end of the block, rolled back if it raises."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            writer = Writer(session)
            if (first := FIRST.get()) is not None:
                first(writer)
            yield writer

    def answers(self) -> bool:
        """Whether the database can be reached and still takes writes (a full disk does not)."""
        try:
            with self.engine.begin() as connection:
                connection.execute(text("UPDATE liveness SET checked_at = now()"))
        except (DBAPIError, PoolTimeout):
            return False
        return True

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def as_json(values: Sequence[Any]) -> str:
    """Many values, payload models among them, as one parameter for PostgreSQL's JSON functions.

    Several times cheaper than an array for each column, whose every element the driver quotes.
    """
    return to_json(values).decode()


def as_bytea(value: bytes) -> str:
    """A value of a bytea column inside `as_json`."""
    return "\\x" + value.hex()


TRANSIENT_CLASSES: Final = frozenset({"08", "40", "53", "57", "58"})
"""SQLSTATE: connection, rollback, resources (a full disk), operator intervention, system."""
TRANSIENT: Final = frozenset({"25006", "25P03", "55P03"})
"""Read-only for now, idle for too long within a transaction, a lock that nobody gave up."""


def is_transient(error: BaseException) -> bool:
    """Whether trying the same transaction again may succeed: a lost server, a deadlock.

    A pool without a free connection passes too, and so does a failover, during which the
    database takes no writes. Errors of COPY and of pipelines are the driver's own.
    """
    if isinstance(error, PoolTimeout):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    if state is not None:
        return state[:2] in TRANSIENT_CLASSES or state in TRANSIENT
    if isinstance(error, DBAPIError):
        return isinstance(error, OperationalError) or error.connection_invalidated
    return isinstance(error, psycopg.OperationalError)


def migrate(settings: Settings, service: str) -> URL:
    """Create the service's database if it is missing and bring it to its newest schema.

    Safe to run from several processes at once: an advisory lock lets one work at a time. Each
    migration is a transaction of its own: one that held the tables of several would wait in a
    ring with services that lock them in another order. Raises DBAPIError, also where a lock is
    not to be had for now; what was done until then stays.
    """
    url = ensure_database(settings, service)
    config = _migrations(service)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(hashtext('hotline.migrate'))"))
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
    return url


def missing_migrations(database: Database, service: str) -> Sequence[str]:
    """The migrations of this code that the database has not had yet, oldest first.

    A newer database than the code is no fault: schemas only gain. Raises DBAPIError.
    """
    scripts = ScriptDirectory.from_config(_migrations(service))
    every = [script.revision for script in scripts.walk_revisions()][::-1]
    with database.reading() as reader:
        applied = reader.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    done = {
        up.revision
        for head in applied
        if head in every
        for up in scripts.iterate_revisions(head, "base")
    }
    known = any(head in every for head in applied)
    return [revision for revision in every if revision not in done] if known or not applied else []


def _migrations(service: str) -> Config:
    config = Config()
    versions = Path(__file__).parents[1] / "services" / service / "migrations"
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions))
    return config
