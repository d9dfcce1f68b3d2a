"""Reading a unit's queue: what it has to do now, and everything that changes in it.

Each ticket stands once in a queue, with the number of its last change. Without a cursor
a reader gets what is open; with one, whatever changed since, closed entries included, so
that a copy kept elsewhere stays true.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select
from starlette.concurrency import run_in_threadpool

from services.router.tables import QueueRow
from shared.database import Database, Reader
from shared.events import QueueItem

WATCH_SECONDS: Final = 0.05


class BadCursor(ValueError):
    """A cursor that this unit's queue has not given."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a unit's queue, oldest change first; `last` is the number read up to."""

    unit: str
    items: Sequence[QueueItem]
    last: int

    @property
    def cursor(self) -> str:
        """Asks for what comes after this page."""
        return f"{self.unit}:{self.last}"


def read_queue(reader: Reader, unit: str, cursor: str | None, limit: int) -> Page:
    """A page of a unit's queue. Raises BadCursor."""
    after = position(unit, cursor)
    query = select(QueueRow.item).where(QueueRow.unit == unit, col(QueueRow.seq) > after)
    if cursor is None:
        query = query.where(col(QueueRow.open))
    found = reader.execute(query.order_by(col(QueueRow.seq)).limit(limit)).scalars()
    items = [QueueItem.model_validate(item) for item in found]
    last = items[-1].seq if items else after
    if cursor is None and len(items) < limit:
        last = max(last, last_seq(reader, unit))
    return Page(unit, items, last)


def last_seq(reader: Reader, unit: str) -> int:
    """The number of the last change in a unit's queue."""
    found = reader.execute(text("SELECT seq FROM unit_feed WHERE unit = :unit"), {"unit": unit})
    return int(found.scalar() or 0)


def position(unit: str, cursor: str | None) -> int:
    """The number a cursor stands for, 0 without one. Raises BadCursor for another queue's."""
    if cursor is None:
        return 0
    owner, _, seq = cursor.rpartition(":")
    if owner != unit or not (seq.isascii() and seq.isdigit() and len(seq) <= 18):
        raise BadCursor(cursor)
    return int(seq)


class QueueWatch:
    """Wakes readers that wait: one look at all feeds for everybody, only while somebody waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[asyncio.Event, tuple[str, int]] = {}
        self._task: asyncio.Task[None] | None = None

    async def changed(self, unit: str, seen: int, timeout: float) -> bool:
        """Whether the unit's queue changes past `seen` within `timeout` seconds."""
        event = asyncio.Event()
        self._waiting[event] = (unit, seen)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            await asyncio.wait_for(event.wait(), timeout)
        except TimeoutError:
            return False
        else:
            return True
        finally:
            del self._waiting[event]

    async def _watch(self) -> None:
        while self._waiting:
            try:
                feeds = await run_in_threadpool(self._feeds)
            except SQLAlchemyError:
                feeds = {}
            for event, (unit, seen) in self._waiting.items():
                if feeds.get(unit, 0) > seen:
                    event.set()
            await asyncio.sleep(WATCH_SECONDS)

    def _feeds(self) -> dict[str, int]:
        with self._database.reading() as reader:
            rows = reader.execute(text("SELECT unit, seq FROM unit_feed")).all()
        return {unit: seq for unit, seq in rows}  # noqa: C416
