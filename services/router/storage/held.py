"""Records in the hands of a transaction, and how whatever has changed of them is written.

One way for cases, whistles and incidents: a fresh record is copied in, a changed one is
updated, and each fact that was told becomes a line of the log.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import text

from services.router.domain.machine import Fact
from shared.database import Writer

Record = TypeVar("Record")
Stated = TypeVar("Stated", bound=StrEnum)

LOG_COLUMNS: Final = ("version", "fact", "concerns", "actor", "unit", "note", "detail", "at")


@dataclass(frozen=True, slots=True)
class By:
    """Who caused a change, and when; `trace` is that of the message that brought it."""

    actor: str
    at: datetime
    unit: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Told(Generic[Record, Stated]):
    """A fact, the record after the decision it belongs to, and who caused it."""

    fact: Fact[Stated]
    record: Record
    by: By


@dataclass(slots=True)
class Held(Generic[Record, Stated]):
    """A record in the hands of a transaction; `stored` is it as it was read, if it was."""

    record: Record
    stored: Record | None
    told: list[Told[Record, Stated]] = field(default_factory=list)

    def tell(self, record: Record, facts: Iterable[Fact[Stated]], by: By) -> None:
        """Take over what was decided."""
        self.record = record
        self.told.extend(Told(fact, record, by) for fact in facts)


AnyHeld = TypeVar("AnyHeld", bound=Held[Any, Any])


@dataclass(frozen=True, slots=True)
class Shelf(Generic[AnyHeld]):
    """Where one kind of record stands: its table and columns, the first of them its key.

    `row` gives the columns of a held record. Those in `documents` are JSON text, those in
    `once` are written with a fresh record and never by an update.
    """

    table: str
    columns: tuple[str, ...]
    row: Callable[[AnyHeld], Sequence[object]]
    documents: frozenset[str] = frozenset()
    once: frozenset[str] = frozenset()

    def put(self, writer: Writer, held: Iterable[AnyHeld]) -> None:
        """Write every record that is new or has changed."""
        changed = [one for one in held if one.record != one.stored]
        fresh = (self.row(one) for one in changed if one.stored is None)
        writer.copy(self.table, self.columns, fresh)
        rows = [
            dict(zip(self.columns, self.row(one), strict=True))
            for one in changed
            if one.stored is not None
        ]
        if rows:
            writer.execute(text(self._update), rows)

    @property
    def _update(self) -> str:
        key, *others = self.columns
        assignments = ", ".join(
            f"{name} = CAST(:{name} AS jsonb)" if name in self.documents else f"{name} = :{name}"
            for name in others
            if name not in self.once
        )
        return f"UPDATE {self.table} SET {assignments} WHERE {key} = :{key}"  # noqa: S608


def log(writer: Writer, table: str, key: str, told: Iterable[Told[Any, Any]]) -> None:
    """Write what was told as lines of a log; `key` is its column for the record's number."""
    rows = (
        (
            one.record.number,
            one.record.version,
            one.fact.fact.value,
            one.fact.concerns,
            one.by.actor,
            one.by.unit,
            one.fact.note,
            json.dumps(dict(one.fact.detail), ensure_ascii=False),
            one.by.at,
        )
        for one in told
    )
    writer.copy(table, (key, *LOG_COLUMNS), rows)
