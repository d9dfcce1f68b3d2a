"""What intake has said of a ticket, said again where the router misses it; under the id it had."""

from collections.abc import Iterator, Sequence

from sqlmodel import col, select

from services.intake.changes import changed
from services.intake.drafts import received
from services.intake.tables import CallbackRow, TicketRow, TimelineRow
from services.intake.tickets import REOPENED
from shared.database import Writer
from shared.envelope import Event, Message
from shared.events import (
    TICKET_CLOSED,
    TICKET_REOPENED,
    CaseState,
    TicketClosed,
    TicketReopened,
    Unaccounted,
)
from shared.messaging import emit


def say_again(writer: Writer, messages: Sequence[Message]) -> None:
    """Publish that these tickets were accepted, and how those stand that ended or began anew."""
    missed = sorted({m.key for m in messages if isinstance(m.payload, Unaccounted)})
    if not missed:
        return
    query = (
        select(TicketRow)
        .where(col(TicketRow.number).in_(missed))
        .order_by(col(TicketRow.number))
        .with_for_update()
    )
    rows = writer.execute(query).scalars().all()
    emit(writer, [event for row in rows for event in _said_of(writer, row)])


def _said_of(writer: Writer, row: TicketRow) -> Iterator[Event]:
    ticket = row.standing().ticket
    if row.status not in (CaseState.CLOSED, REOPENED):
        yield received(ticket, row.received_at)
        return
    ended = row.status == CaseState.CLOSED
    type_ = TICKET_CLOSED if ended else TICKET_REOPENED
    query = (
        select(TimelineRow)
        .where(TimelineRow.number == row.number, TimelineRow.type == type_)
        .order_by(col(TimelineRow.id).desc())
    )
    line = writer.execute(query.limit(1)).scalars().first()
    if line is None:
        return
    said = {"number": row.number, "version": row.version, "at": line.at}
    if ended:
        closing = TicketClosed(**said, outcome=line.detail["outcome"], note=line.note)
        yield changed(row.number, row.version, closing, line.at)
    else:
        reason = _comment(writer, row)
        reopening = TicketReopened(**said, round=row.round, reason=reason)
        yield changed(row.number, row.version, reopening, line.at)


def _comment(writer: Writer, row: TicketRow) -> str:
    """What the caller said to the call-back that reopened a ticket."""
    query = (
        select(CallbackRow.comment)
        .where(CallbackRow.number == row.number, col(CallbackRow.solved).is_(False))
        .order_by(col(CallbackRow.id).desc())
    )
    return writer.execute(query.limit(1)).scalars().first() or ""
