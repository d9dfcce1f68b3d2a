"""Lists of whistles, newest first, a page at a time."""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, tuple_
from sqlmodel import col, select

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
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[WhistleRecord], str | None]:
    """A page and the cursor of the next one: the number of the last whistle on this one.

    `unit` lists what a unit blew or is called by; `role` is the reader's. Raises BadCursor.
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
    if cursor is not None:
        last = reader.get(WhistleRow, cursor)
        if last is None:
            raise BadCursor(cursor)
        conditions.append(tuple_(blown, number) < tuple_(last.blown_at, last.number))
    query = select(WhistleRow).where(*conditions).order_by(blown.desc(), number.desc())
    rows = reader.execute(query.limit(limit + 1)).scalars().all()
    page = rows[:limit]
    clocks = clocks_of(reader, sorted({row.ticket_number for row in page}))
    found = [
        record_of(json.dumps(row.details), clocks.get((row.ticket_number, row.number), ()))
        for row in page
    ]
    return found, page[-1].number if len(rows) > limit else None
