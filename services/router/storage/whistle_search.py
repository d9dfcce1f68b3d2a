"""Lists of whistles, newest first, a page at a time."""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, tuple_
from sqlmodel import col, select

from services.router.domain.whistles.duties import may_read_whistle
from services.router.domain.whistles.records import WhistleRecord
from services.router.storage.clocks import clocks_of
from services.router.storage.queues import BadCursor
from services.router.storage.tables import WhistleRow
from services.router.storage.whistles import record_of
from shared.database import Reader
from shared.discretion import GRID_CENTRE
from shared.events import WhistleState
from shared.roles import Role

NOT_CALLED_YET: Final = (WhistleState.PROPOSED, WhistleState.SIGNED, WhistleState.REJECTED)


def find_whistles(
    reader: Reader,
    *,
    state: WhistleState | None,
    unit: str | None,
    role: Role,
    own: str | None,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[WhistleRecord], str | None]:
    """A page and the cursor of the next one: the number of the last whistle on this one.

    `unit` lists what a unit blew or is called by; `role` and `own` say who reads. What they
    may not read is no part of a page and no cursor. Raises BadCursor.
    """
    blown, number = col(WhistleRow.blown_at), col(WhistleRow.number)
    conditions: list[ColumnElement[bool]] = []
    if state is not None:
        conditions.append(col(WhistleRow.state) == state.value)
    if unit is not None:
        called = and_(
            col(WhistleRow.units).contains([unit]), col(WhistleRow.state).not_in(NOT_CALLED_YET)
        )
        conditions.append(or_(col(WhistleRow.street) == unit, called))
    if role is Role.DISPATCHER:
        accused = col(WhistleRow.details)["accused_unit"].astext
        conditions.append(accused.is_distinct_from(GRID_CENTRE))
    query = select(WhistleRow).order_by(blown.desc(), number.desc())
    found: list[WhistleRecord] = []
    last = None if cursor is None else _last(reader, cursor, role, own)
    while len(found) <= limit:
        before = [tuple_(blown, number) < tuple_(last.blown_at, last.number)] if last else []
        rows = reader.execute(query.where(*conditions, *before).limit(limit + 1)).scalars().all()
        found += [one for one in _records(reader, rows) if may_read_whistle(one, role, own)]
        if len(rows) <= limit:
            break
        last = rows[-1]
    page = found[:limit]
    return page, page[-1].number if len(found) > limit else None


def _last(reader: Reader, cursor: str, role: Role, own: str | None) -> WhistleRow:
    """The whistle that a page ended with. Raises BadCursor for one that is not theirs to read."""
    row = reader.get(WhistleRow, cursor)
    if row is None or not may_read_whistle(_records(reader, [row])[0], role, own):
        raise BadCursor(cursor)
    return row


def _records(reader: Reader, rows: Sequence[WhistleRow]) -> list[WhistleRecord]:
    clocks = clocks_of(reader, sorted({row.ticket_number for row in rows}))
    return [
        record_of(json.dumps(row.details), clocks.get((row.ticket_number, row.number), ()))
        for row in rows
    ]
