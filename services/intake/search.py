"""Lists of tickets, newest first, a page at a time."""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, text, tuple_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from services.intake.tables import CallerVaultRow, TicketRow, in_one_form
from services.intake.tickets import NUMBER
from shared.database import Reader

SEARCH_DAYS: Final = 90
"""A search for words, a leaf or a priority looks this far back unless it says from when."""

NEWEST: Final = (col(TicketRow.received_at).desc(), col(TicketRow.number).desc())


class BadCursor(ValueError):
    """A cursor that no page of ours has given."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to list. `words` are sought in number, title, text and address, in one form.

    `leaf` may be a category too; `caller` are the fingerprints of a phone. Tickets that complain
    about the unit `asker`, for which somebody asks, are left out; with `discreet` a protected
    caller's ticket is not found by words that a unit may not see.
    """

    status: str | None = None
    unit: str | None = None
    words: str | None = None
    leaf: str | None = None
    priority: str | None = None
    caller: tuple[bytes, ...] | None = None
    start: datetime | None = None
    end: datetime | None = None
    cursor: str | None = None
    limit: int = 50
    asker: str | None = None
    discreet: bool = False


def find(
    reader: Reader, criteria: Criteria, now: datetime
) -> tuple[Sequence[TicketRow], str | None]:
    """A page and the cursor of the next one. Raises BadCursor."""
    rows = reader.execute(statement(criteria, now)).scalars().all()
    page = rows[: criteria.limit]
    more = len(rows) > criteria.limit
    return page, _cursor(page[-1]) if more else None


def find_numbers(reader: Reader, criteria: Criteria, now: datetime, most: int) -> Sequence[str]:
    """The numbers of the first so many tickets, whatever the criteria say of pages."""
    query = select(TicketRow.number).where(*_conditions(criteria, now)).order_by(*NEWEST)
    return reader.execute(query.limit(most)).scalars().all()


def still_found(
    reader: Reader, criteria: Criteria, now: datetime, numbers: Sequence[str]
) -> Sequence[TicketRow]:
    """Those of some tickets that meet the criteria as they stand, newest first."""
    conditions = (col(TicketRow.number).in_(numbers), *_conditions(criteria, now))
    return reader.execute(select(TicketRow).where(*conditions).order_by(*NEWEST)).scalars().all()


def statement(criteria: Criteria, now: datetime) -> SelectOfScalar[TicketRow]:
    """The query for a page and one ticket more. Raises BadCursor."""
    return (
        select(TicketRow)
        .where(*_conditions(criteria, now))
        .order_by(*NEWEST)
        .limit(criteria.limit + 1)
    )


def _conditions(criteria: Criteria, now: datetime) -> list[ColumnElement[bool]]:
    received = col(TicketRow.received_at)
    start = criteria.start
    conditions: list[ColumnElement[bool]] = []
    if criteria.status is not None:
        conditions.append(col(TicketRow.status) == criteria.status)
    if criteria.unit is not None:
        assists = and_(
            col(TicketRow.assist_units).contains([criteria.unit]),
            text("ticket.assist_units <> '{}'"),  # lets PostgreSQL use the partial index
        )
        conditions.append(or_(col(TicketRow.lead_unit) == criteria.unit, assists))
    if criteria.asker is not None:
        conditions.append(col(TicketRow.accused_unit).is_distinct_from(criteria.asker))
    if criteria.leaf is not None:
        leaf = _said("leaf")
        inside = "." not in criteria.leaf
        conditions.append(
            leaf.startswith(f"{criteria.leaf}.", autoescape=True)
            if inside
            else leaf == criteria.leaf
        )
    if criteria.priority is not None:
        conditions.append(_said("priority") == criteria.priority)
    if criteria.caller is not None:
        conditions.append(
            col(TicketRow.number).in_(
                select(CallerVaultRow.number).where(
                    col(CallerVaultRow.fingerprint).in_(criteria.caller)
                )
            )
        )
    if criteria.words is not None:
        conditions.append(_mentions(criteria.words, seen_whole=not criteria.discreet))
    if criteria.words is not None or criteria.leaf is not None or criteria.priority is not None:
        start = start or now - timedelta(days=SEARCH_DAYS)
    if start is not None:
        conditions.append(received >= start)
    if criteria.end is not None:
        conditions.append(received < criteria.end)
    if criteria.cursor is not None:
        at, number = _position(criteria.cursor)
        conditions.append(tuple_(received, col(TicketRow.number)) < tuple_(at, number))
    return conditions


def _said(name: str) -> ColumnElement[str]:
    """What the case says of a ticket, or before there is one, the classification."""
    case, classification = col(TicketRow.case_view), col(TicketRow.classification)
    return func.coalesce(case[name].astext, classification[name].astext)


def _mentions(words: str, *, seen_whole: bool) -> ColumnElement[bool]:
    plain = in_one_form(words)
    said = or_(
        col(TicketRow.sought).contains(plain, autoescape=True),
        and_(
            col(TicketRow.sought).is_(None),
            or_(
                col(TicketRow.text).contains(words, autoescape=True),
                col(TicketRow.address).contains(words, autoescape=True),
            ),
        ),
    )
    if not seen_whole:
        said = and_(said, col(TicketRow.confidential).is_(False))
    return or_(col(TicketRow.number) == plain.upper(), said)


def _cursor(row: TicketRow) -> str:
    position = json.dumps([row.received_at.isoformat(), row.number])
    return base64.urlsafe_b64encode(position.encode()).decode()


def _position(cursor: str) -> tuple[datetime, str]:
    try:
        at, number = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        moment: Any = datetime.fromisoformat(at)
        if moment.tzinfo is None or not re.fullmatch(NUMBER, number):
            raise BadCursor(cursor)
        return moment, number
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadCursor(cursor) from error
