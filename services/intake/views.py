"""Stored tickets as the interface shows them; times in Asia/Shanghai."""

from collections.abc import Mapping
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
from shared.events import TICKET_RECEIVED, Case, Channel, Kind, Payload
from shared.web import local_times

Part = TypeVar("Part", bound=Payload)


def summary(row: TicketRow) -> TicketSummary:
    """A ticket as a list shows it."""
    classification = row.classification or {}
    case = row.case_view or {}
    return TicketSummary(
        number=row.number,
        id=str(row.id),
        status=row.status,
        version=row.version,
        channel=Channel(row.channel),
        kind=Kind(row.kind),
        title=row.title,
        text=row.text,
        address=row.address,
        received_at=row.received_at,
        lead_unit=row.lead_unit,
        leaf=case.get("leaf") or classification.get("leaf"),
        priority=case.get("priority") or classification.get("priority"),
    )


def view(reader: Reader, row: TicketRow) -> TicketView:
    """A ticket with all that is known of it."""
    point = None
    if row.lat is not None and row.lon is not None:
        point = Point(lat=row.lat, lon=row.lon)
    return TicketView(
        **summary(row).model_dump(),
        location=point,
        accused_unit=row.accused_unit,
        occurred_at=row.occurred_at,
        external_id=row.external_id,
        confidential=row.confidential,
        round=row.round,
        urges=row.urges,
        classification=_parsed(ClassificationView, row.classification),
        case=_parsed(Case, row.case_view),
        timeline=_timeline(reader, row),
    )


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
