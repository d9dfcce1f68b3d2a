"""Reading a unit's queue: what it has to do now, and everything that changes in it.

Each ticket stands once in a queue, with the number of its last change. Without a cursor
a reader gets what is open; with one, whatever changed since, closed entries included, so
that a copy kept elsewhere stays true.
"""

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Text, cast, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select
from starlette.concurrency import run_in_threadpool

from services.router.storage.tables import QueueRow
from shared.database import Database, Reader
from shared.events import Priority, QueueItem
from shared.protection import for_unit

WATCH_SECONDS: Final = 0.05
FOLLOWING: Final = text(
    "SELECT w.unit, w.seen, w.barred, e.item"
    " FROM unnest(CAST(:units AS text[]), CAST(:seen AS bigint[]), CAST(:barred AS text[]))"
    " AS w (unit, seen, barred) CROSS JOIN LATERAL (SELECT seq, CAST(item AS text) AS item"
    " FROM queue_entry WHERE unit = w.unit AND seq > w.seen"
    " AND (w.barred IS NULL OR item #>> '{case,accused_unit}' IS DISTINCT FROM w.barred)"
    " ORDER BY seq LIMIT 100) e ORDER BY w.unit, w.seen, e.seq"
)

Place = tuple[str, int, str | None]
"""A unit's queue, the number a reader has seen of it, and whom they are.

The last is None for who may read everything; see `read_queue`.
"""


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

    def up_to(self, limit: int) -> "Page":
        """The first `limit` entries."""
        if len(self.items) <= limit:
            return self
        return Page(self.unit, self.items[:limit], self.items[limit - 1].seq)


def read_queue(
    reader: Reader, unit: str, cursor: str | None, limit: int, barred: str | None = None
) -> Page:
    """A page of a unit's queue. Raises BadCursor.

    `barred` is the unit that somebody acts for who reads another's queue: complaints about it
    are not there for them, in no page, no cursor and no wait.
    """
    after = position(unit, cursor)
    query = select(cast(col(QueueRow.item), Text)).where(
        QueueRow.unit == unit, col(QueueRow.seq) > after, *_readable(barred)
    )
    if cursor is None:
        query = query.where(col(QueueRow.open))
    found = reader.execute(query.order_by(col(QueueRow.seq)).limit(limit)).scalars()
    items = [QueueItem.model_validate_json(item) for item in found]
    last = items[-1].seq if items else after
    if cursor is None and len(items) < limit:
        last = max(last, last_seq(reader, unit, barred))
    return Page(unit, items, last)


def last_seq(reader: Reader, unit: str, barred: str | None = None) -> int:
    """The number of the last change in a unit's queue that the reader may know of."""
    if barred is None:
        query = text("SELECT seq FROM unit_feed WHERE unit = :unit")
        return int(reader.execute(query, {"unit": unit}).scalar() or 0)
    seq = col(QueueRow.seq)
    newest = select(QueueRow.seq).where(QueueRow.unit == unit, *_readable(barred))
    return int(reader.execute(newest.order_by(seq.desc()).limit(1)).scalar() or 0)


def cleared(reader: Reader, unit: str) -> int:
    """Up to which number closed entries of a unit's queue are forgotten."""
    query = text("SELECT cleared FROM unit_feed WHERE unit = :unit")
    return int(reader.execute(query, {"unit": unit}).scalar() or 0)


def _readable(barred: str | None) -> Sequence[ColumnElement[bool]]:
    if barred is None:
        return ()
    return (col(QueueRow.item)["case"]["accused_unit"].astext.is_distinct_from(barred),)


def still_protected(item: QueueItem) -> QueueItem:
    """An entry that is closed shows no more of a protected caller than any other does.

    It was perhaps written while an emergency (P0) had the caller's door in it.
    """
    if item.open:
        return item
    ticket = for_unit(item.ticket, Priority.P3)
    return item if ticket is item.ticket else item.model_copy(update={"ticket": ticket})


def position(unit: str, cursor: str | None) -> int:
    """The number a cursor stands for, 0 without one. Raises BadCursor for another queue's."""
    if cursor is None:
        return 0
    owner, _, seq = cursor.rpartition(":")
    if owner != unit or not (seq.isascii() and seq.isdigit() and len(seq) <= 18):
        raise BadCursor(cursor)
    return int(seq)


class QueueWatch:
    """Reads on behalf of everybody who waits: one look and one query for all, however many."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[asyncio.Future[Page], Place] = {}
        self._task: asyncio.Task[None] | None = None

    async def following(
        self, unit: str, seen: int, timeout: float, barred: str | None = None
    ) -> Page:
        """What changes in a unit's queue past `seen`; an empty page after `timeout` seconds."""
        answer: asyncio.Future[Page] = asyncio.get_running_loop().create_future()
        self._waiting[answer] = (unit, seen, barred)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            return await asyncio.wait_for(answer, timeout)
        except TimeoutError:
            return Page(unit, (), seen)
        finally:
            del self._waiting[answer]

    async def _watch(self) -> None:
        while self._waiting:
            try:
                pages = await run_in_threadpool(self._read, set(self._waiting.values()))
            except SQLAlchemyError:
                pages = {}
            for answer, place in self._waiting.items():
                if place in pages and not answer.done():
                    answer.set_result(pages[place])
            await asyncio.sleep(WATCH_SECONDS)

    def _read(self, places: Set[Place]) -> dict[Place, Page]:
        """A page for each place whose unit has changed past it."""
        with self._database.reading() as reader:
            feeds = dict(reader.execute(text("SELECT unit, seq FROM unit_feed")).all())
            behind = [place for place in places if feeds.get(place[0], 0) > place[1]]
            if not behind:
                return {}
            units, seen, barred = map(list, zip(*behind, strict=True))
            rows = reader.execute(FOLLOWING, {"units": units, "seen": seen, "barred": barred})
            found: dict[Place, list[QueueItem]] = {}
            for *place, item in rows:
                entry = QueueItem.model_validate_json(item)
                found.setdefault((place[0], place[1], place[2]), []).append(entry)
        return {place: Page(place[0], items, items[-1].seq) for place, items in found.items()}
