"""Tables in parts of a day, so that what is past keeping is dropped and not deleted row by row.

Every such table has a part for whatever belongs to no day that is ready: rows of an earlier
release, and of days for which nobody has made a part in time. Making and dropping takes locks
for an instant and gives up soon: the next hour tries again.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import psycopg
import structlog
from psycopg import sql

AHEAD: Final = 3
"""Days for which parts are made in advance."""
ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtext('hotline.days'))"
PATIENCE: Final = "SET LOCAL lock_timeout = '2s'"
PARTS: Final = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass ORDER BY c.relname
"""

Connection = psycopg.Connection[Any]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ByDay:
    """A table in parts of a day in UTC; `bound` is the first value of its key on a day."""

    table: str
    bound: Callable[[date], str]


def by_time(day: date) -> str:
    """The bound of a key that is a moment."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat()


def by_id(day: date) -> str:
    """The bound of a key that is an id ordered by time (see `shared.envelope.new_id`)."""
    millis = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    digits = f"{millis:012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"


def make_days(connection: Connection, parted: ByDay, today: date) -> None:
    """Make the parts of today and the next days. A day whose rows lie elsewhere stays there."""
    known = set(parts_of(connection, parted))
    for day in (today + timedelta(days=ahead) for ahead in range(AHEAD + 1)):
        name = f"{parted.table}_{day:%Y%m%d}"
        if name in known:
            continue
        with _briefly(connection) as alone:
            if alone:
                table, part = sql.Identifier(parted.table), sql.Identifier(name)
                like = "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
                connection.execute(sql.SQL(like).format(part, table))
                attach = "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})"
                ends = (parted.bound(day), parted.bound(day + timedelta(days=1)))
                connection.execute(sql.SQL(attach).format(table, part, *map(sql.Literal, ends)))


def drop_days(
    connection: Connection, parted: ByDay, before: date, spent: Callable[[str], bool]
) -> Sequence[str]:
    """Drop the parts of days before a day of which `spent` says that nobody needs them."""
    dropped = []
    for name in parts_of(connection, parted):
        day = re.fullmatch(rf"{parted.table}_([0-9]{{8}})", name)
        if day is None or day.group(1) >= f"{before:%Y%m%d}" or not spent(name):
            continue
        with _briefly(connection) as alone:
            if alone:
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))
                dropped.append(name)
    return dropped


def parts_of(connection: Connection, parted: ByDay) -> Sequence[str]:
    """The names of a table's parts."""
    return [name for (name,) in connection.execute(PARTS, (parted.table,)).fetchall()]


@contextmanager
def _briefly(connection: Connection) -> Iterator[bool]:
    """A transaction that gives up soon; whether no other process makes or drops parts now."""
    try:
        with connection.transaction():
            connection.execute(PATIENCE)
            row = connection.execute(ALONE).fetchone()
            yield row == (True,)
    except (
        psycopg.errors.LockNotAvailable,
        psycopg.errors.CheckViolation,
        psycopg.errors.DuplicateTable,
    ) as error:
        log.info("day_left_for_later", reason=str(error).split("\n")[0])
