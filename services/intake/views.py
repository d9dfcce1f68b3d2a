"""Stored tickets as the interface shows them; times in Asia/Shanghai."""

from collections.abc import Collection, Mapping, Sequence, Set
from functools import partial
from typing import Any, TypeVar

from sqlmodel import col, select

from services.intake.contract import (
    ClassificationView,
    TicketSummary,
    TicketView,
    TimelineEntry,
)
from services.intake.tables import TicketRow, TimelineRow
from shared.bodies import Point
from shared.database import Reader
from shared.discretion import discreet
from shared.events import TICKET_RECEIVED, Case, CaseState, Channel, Kind, Payload, Priority, Ticket
from shared.protection import case_for_unit, for_unit, is_protected, masked, rooms_of
from shared.roles import Role
from shared.web import local_times

Part = TypeVar("Part", bound=Payload)


def summary(row: TicketRow, reader_role: Role) -> TicketSummary:
    """A ticket as a list shows it to somebody of a role."""
    seen = _seen(row, reader_role)
    return TicketSummary(
        number=row.number,
        id=str(row.id),
        status=row.status,
        version=row.version,
        channel=Channel(row.channel),
        kind=Kind(row.kind),
        title=seen.title,
        text=seen.text,
        address=seen.address,
        received_at=row.received_at,
        lead_unit=row.lead_unit,
        leaf=_said(row, "leaf"),
        priority=_said(row, "priority"),
        outcome=row.outcome,
    )


def view(reader: Reader, row: TicketRow, reader_role: Role) -> TicketView:
    """A ticket with all that is known of it, as somebody of a role may see it."""
    seen = _seen(row, reader_role)
    protected = reader_role is Role.UNIT and is_protected(seen, *_urgency(row))
    classification = _parsed(ClassificationView, row.classification)
    case = _parsed(Case, row.case_view)
    timeline = _timeline(reader, row)
    if reader_role is Role.UNIT:
        case = case and case_for_unit(case, seen)
    if protected:
        rooms = rooms_of(row.standing().ticket.address)
        classification = classification and _unquoting(classification, rooms)
        timeline = [_masked(line, rooms) for line in timeline]
    shown = TicketView(
        **summary(row, reader_role).model_dump(),
        location=seen.location and Point(lat=seen.location.lat, lon=seen.location.lon),
        accused_unit=row.accused_unit,
        occurred_at=seen.occurred_at,
        external_id=None if reader_role is Role.UNIT else row.external_id,
        confidential=row.confidential,
        round=row.round,
        urges=row.urges,
        attempts=row.attempts,
        heard=row.heard,
        refers_to=seen.refers_to,
        parent=row.parent,
        children=_children(reader, row.number),
        earlier=seen.earlier,
        usual_street=seen.usual_street,
        classification=classification,
        case=case,
        timeline=timeline,
    )
    return discreet(shown, reader_role, partial(_accusing, reader))


def _accusing(reader: Reader, office: str, numbers: Set[str]) -> Sequence[str]:
    """Those of some tickets that complain about an office."""
    query = select(TicketRow.number).where(
        col(TicketRow.number).in_(numbers), TicketRow.accused_unit == office
    )
    return reader.execute(query).scalars().all()


def _seen(row: TicketRow, reader_role: Role) -> Ticket:
    """The ticket's words as somebody of a role may see them: a unit never who protects itself."""
    ticket = row.standing().ticket
    return for_unit(ticket, *_urgency(row)) if reader_role is Role.UNIT else ticket


def _priority(row: TicketRow) -> Priority:
    """How urgent a ticket is; general until somebody has said."""
    return Priority(_said(row, "priority") or Priority.P3)


def _urgency(row: TicketRow) -> tuple[Priority, CaseState | None]:
    """How urgent a ticket is, and the state of its case, where it has one."""
    state = (row.case_view or {}).get("state")
    return _priority(row), CaseState(state) if state else None


def _unquoting(said: ClassificationView, rooms: Collection[str]) -> ClassificationView:
    """What was decided, without the caller's own words."""
    danger = said.danger
    if danger is not None:
        danger = danger.model_copy(update={"clause": masked(danger.clause, rooms)})
    reasons = tuple(masked(reason, rooms) for reason in said.reasons)
    return said.model_copy(update={"demands": (), "danger": danger, "reasons": reasons})


def _masked(line: TimelineEntry, rooms: Collection[str]) -> TimelineEntry:
    detail = {name: masked(value, rooms) for name, value in line.detail.items()}
    return line.model_copy(update={"note": masked(line.note, rooms), "detail": detail})


def _said(row: TicketRow, name: str) -> str | None:
    """What the case says of a ticket, or before there is one, the classification."""
    found: str | None = (row.case_view or {}).get(name) or (row.classification or {}).get(name)
    return found


def _children(reader: Reader, number: str) -> Sequence[str]:
    """The tickets this one was split into."""
    query = select(TicketRow.number).where(TicketRow.parent == number)
    return reader.execute(query.order_by(col(TicketRow.number))).scalars().all()


def _parsed(model: type[Part], stored: Mapping[str, Any] | None) -> Part | None:
    return None if stored is None else local_times(model.model_validate(stored))


def _timeline(reader: Reader, row: TicketRow) -> list[TimelineEntry]:
    received = TimelineEntry(at=row.received_at, type=TICKET_RECEIVED, actor=row.received_by)
    rows = reader.execute(
        select(TimelineRow)
        .where(TimelineRow.number == row.number)
        .order_by(col(TimelineRow.at), col(TimelineRow.id))
    ).scalars()
    return [
        received,
        *(
            TimelineEntry(
                at=line.at,
                type=line.type,
                actor=line.actor,
                unit=line.unit,
                note=line.note,
                detail=line.detail,
            )
            for line in rows
        ),
    ]
