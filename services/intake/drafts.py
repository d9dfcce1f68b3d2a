"""A submission made ready to be stored: redacted, with the caller's secrets set apart."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from services.intake.contract import Submission
from services.intake.tickets import RECEIVED
from services.intake.vault import Sealed
from shared.envelope import CURRENT_TRACE, Event
from shared.events import TICKET_RECEIVED, TICKETS, Location, Ticket, TicketReceived
from shared.redaction import redact

TICKET_COLUMNS: Final = (
    "number",
    "id",
    "version",
    "status",
    "channel",
    "kind",
    "title",
    "text",
    "address",
    "lat",
    "lon",
    "accused_unit",
    "occurred_at",
    "external_id",
    "confidential",
    "received_at",
    "received_by",
    "round",
    "urges",
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission ready to be stored: redacted, its secrets apart, its number not yet given."""

    id: UUID
    submission: Submission
    subject: str
    received_at: datetime
    title: str | None
    text: str
    address: str | None
    external_id: str | None
    sealed: Sealed | None
    key: str | None
    body_hash: bytes
    trace: str | None

    @property
    def identity(self) -> tuple[str, str] | None:
        """What makes a repetition of the request the same request."""
        return None if self.key is None else (self.subject, self.key)


def draft(submission: Submission, subject: str, key: str | None, now: datetime) -> Draft:
    """Redact a submission and set its caller apart.

    Without an `Idempotency-Key`, a channel's own `external_id` serves as one, so that a
    channel that sends twice does not make two tickets; it is kept as a hash, for another
    system's id may hold a phone number.
    """
    caller = submission.caller

    def redacted(words: str) -> str:
        return sealed.redact(words)

    words = redacted(submission.text)
    if key is None and submission.external_id is not None:
        key = f"external:{submission.channel}:{submission.external_id}"
    sealed = Sealed(
        name=caller.name if caller else None,
        phone=caller.phone if caller else None,
        text=submission.text if words != submission.text else None,
        address=submission.address if address != submission.address else None,
    )
    return Draft(
        id=uuid4(),
        submission=submission,
        subject=subject,
        received_at=now,
        title=submission.title and redact(submission.title, names),
        text=words,
        address=address,
        external_id=submission.external_id and redact(submission.external_id, names),
        sealed=sealed if sealed != Sealed() else None,
        key=key,
        body_hash=hashlib.sha256(submission.model_dump_json().encode()).digest(),
        trace=CURRENT_TRACE.get(),
    )


def ticket_row(number: str, item: Draft) -> tuple[object, ...]:
    """The draft as a row of TICKET_COLUMNS."""
    asked = item.submission
    return (
        number,
        item.id,
        1,
        RECEIVED,
        asked.channel.value,
        asked.kind.value,
        item.title,
        item.text,
        item.address,
        asked.location.lat if asked.location else None,
        asked.location.lon if asked.location else None,
        asked.accused_unit,
        asked.occurred_at,
        item.external_id,
        asked.caller.confidential if asked.caller else False,
        item.received_at,
        item.subject,
        0,
        0,
    )


def received_event(number: str, item: Draft) -> Event:
    """What the bus is told of a new ticket."""
    asked = item.submission
    point = asked.location
    ticket = Ticket(
        number=number,
        version=1,
        received_at=item.received_at,
        channel=asked.channel,
        kind=asked.kind,
        title=item.title,
        text=item.text,
        address=item.address,
        location=Location(lat=point.lat, lon=point.lon) if point else None,
        accused_unit=asked.accused_unit,
        occurred_at=asked.occurred_at and asked.occurred_at.astimezone(UTC),
        confidential=asked.caller.confidential if asked.caller else False,
    )
    payload = TicketReceived(ticket=ticket)
    return Event(TICKETS, TICKET_RECEIVED, number, payload, item.received_at, item.trace)
