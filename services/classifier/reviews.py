"""The review queue: tickets that wait for a person, danger first, then the longest waiting."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Boolean, literal_column, tuple_
from sqlmodel import col, select

from services.classifier.tables import VerdictRow
from shared.database import Reader
from shared.events import Category, Priority, is_emergency
from shared.problems import Problem

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
CURSOR: Final = re.compile(r"(u?)([0-9]{1,17})\.([A-Za-z0-9-]{1,40})")
CALM: Final = literal_column("(verdict.priority > 'P1')", Boolean)
"""False sorts first; written as the index has it, for a parameter would not match that."""

ACCUSED: Final = col(VerdictRow.classification)[("ticket", "accused_unit")].astext
"""The unit that a ticket complains about, null where it is none."""

Position = tuple[bool, datetime, str]
"""A ticket's place in the queue: whether it is calm, since when it waits, its number."""


def waiting_reviews(
    reader: Reader,
    category: Category | None,
    after: Position | None,
    limit: int,
    asker: str | None = None,
) -> Sequence[VerdictRow]:
    """Tickets that wait behind a position, by index; of the guessed category alone if given.

    What accuses `asker`, the unit that somebody acts for, is not among them.
    """
    order = CALM, col(VerdictRow.decided_at), col(VerdictRow.number)
    query = select(VerdictRow).where(col(VerdictRow.abstained)).order_by(*order).limit(limit)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*after))
    if asker is not None:
        query = query.where(ACCUSED.is_distinct_from(asker))
    if category is not None:
        query = query.where(col(VerdictRow.leaf).startswith(f"{category}."))
    return reader.execute(query).scalars().all()


def cursor_of(row: VerdictRow) -> str:
    """The cursor of the page behind this ticket."""
    urgent = "u" if is_emergency(Priority(row.priority)) else ""
    return f"{urgent}{(row.decided_at - EPOCH) // timedelta(microseconds=1)}.{row.number}"


def position_of(cursor: str) -> Position:
    """What a cursor stands for. Raises the problem of one that no page has given."""
    found = CURSOR.fullmatch(cursor)
    if found is None:
        raise Problem(422, "翻页游标无效", slug="bad-cursor")
    return not found[1], EPOCH + timedelta(microseconds=int(found[2])), found[3]
