"""A change of a ticket and what it says; the last part ends the ticket it was split off."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import and_
from sqlmodel import col, select

from services.intake.tables import TicketRow, TimelineRow
from services.intake.tickets import Change, Refused, Standing, close_with_parts, parent_of, told
from shared.auth import Principal
from shared.database import Writer
from shared.envelope import Event, event_id
from shared.events import (
    TICKET_AMENDED,
    TICKET_CALLED_BACK,
    TICKET_CLOSED,
    TICKET_ERASED,
    TICKET_REOPENED,
    TICKET_URGED,
    TICKETS,
    CaseState,
    Payload,
    TicketAmended,
    TicketCalledBack,
    TicketClosed,
    TicketErased,
    TicketReopened,
    TicketUrged,
)
from shared.messaging import emit
from shared.problems import Problem, not_found

EVENT_TYPES: Final[dict[type[Payload], str]] = {
    TicketAmended: TICKET_AMENDED,
    TicketUrged: TICKET_URGED,
    TicketCalledBack: TICKET_CALLED_BACK,
    TicketClosed: TICKET_CLOSED,
    TicketReopened: TICKET_REOPENED,
    TicketErased: TICKET_ERASED,
}

Decide = Callable[[Standing, datetime], Change]
"""The rule: raises Refused, and nothing has changed."""
Keep = Callable[[Writer, Standing, datetime], None]
"""What is to be stored beside a change."""


def nothing_else(writer: Writer, standing: Standing, now: datetime) -> None:
    """The change is all there is to store."""


def hold(writer: Writer, numbers: Sequence[str]) -> None:
    """Hold the rows of many tickets, and of those they were split off, in everybody's order."""
    wanted = {*numbers, *filter(None, map(parent_of, numbers))}
    query = select(TicketRow.number).where(col(TicketRow.number).in_(wanted))
    writer.execute(query.order_by(col(TicketRow.number)).with_for_update())


def change_ticket(
    writer: Writer, number: str, caller: Principal, decide: Decide, keep: Keep, now: datetime
) -> Standing:
    """Hold a ticket's row, decide, store, and say so. Raises Problem.

    Of a part the ticket it was split off is held before it, and ends with the last part.
    """
    query = select(TicketRow).where(col(TicketRow.number).in_([number, parent_of(number)]))
    query = query.order_by(col(TicketRow.number)).with_for_update()
    # What was read before the lock may be stale.
    query = query.execution_options(populate_existing=True)
    found = writer.execute(query).scalars()
    rows = {row.number: row for row in found}
    row = rows.get(number)
    if row is None:
        raise not_found()
    standing = row.standing()
    try:
        change = decide(standing, now)
    except Refused as refused:
        raise Problem(409, str(refused), slug=refused.refusal) from None
    keep(writer, standing, now)
    _store(writer, row, change, caller, now)
    if row.parent is not None and row.status == CaseState.CLOSED:
        _close_split(writer, rows[row.parent], caller, now)
    return change.standing


def _store(
    writer: Writer, row: TicketRow, change: Change, caller: Principal, now: datetime
) -> None:
    row.apply(change.standing)
    for payload in change.payloads:
        writer.add(_line(row.number, caller, payload, now))
    emit(writer, [changed(row.number, row.version, payload, now) for payload in change.payloads])


def changed(number: str, version: int, payload: Payload, at: datetime) -> Event:
    """The event that says a change which led to this version; the same whenever it is said."""
    type_ = EVENT_TYPES[type(payload)]
    return Event(TICKETS, type_, number, payload, at, id=event_id(at, type_, number, version))


def _close_split(writer: Writer, row: TicketRow, caller: Principal, now: datetime) -> None:
    """Close a split ticket if its last part has been closed; its row is held."""
    outcome = col(TimelineRow.detail)["outcome"].astext
    parts = writer.execute(
        select(TicketRow.status, outcome)
        .outerjoin(
            TimelineRow,
            and_(
                col(TimelineRow.number) == col(TicketRow.number),
                col(TimelineRow.type) == TICKET_CLOSED,
            ),
        )
        .where(TicketRow.parent == row.number)
    ).all()
    if all(status == CaseState.CLOSED for status, _ in parts):
        change = close_with_parts(row.standing(), [outcome for _, outcome in parts], now)
        _store(writer, row, change, caller, now)


def _line(number: str, caller: Principal, payload: Payload, now: datetime) -> TimelineRow:
    """What the timeline says of a change made here, and who made it."""
    note, detail = told(payload)
    return TimelineRow(
        number=number,
        at=now,
        type=EVENT_TYPES[type(payload)],
        actor=caller.subject,
        unit=caller.unit,
        note=note,
        detail=dict(detail),
    )
