"""A submission made ready to be stored: redacted, with the caller's secrets set apart."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from services.intake.contract import Caller, Submission
from services.intake.history import History
from services.intake.tickets import RECEIVED, numbers_quoted
from services.intake.vault import Sealed
from shared.envelope import CURRENT_TRACE, Event
from shared.events import TICKET_RECEIVED, TICKETS, Heard, Location, Ticket, TicketReceived
from shared.hearing import Said, listen

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
    "earlier",
    "usual_street",
    "heard",
    "refers_to",
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
    said: Said
    quoted: tuple[str, ...]
    key: str | None
    body_hash: bytes
    trace: str | None

    @property
    def confidential(self) -> bool:
        """Whether the caller is to stay unknown: said by the operator, or in the words."""
        caller = self.submission.caller
        return Heard.SECRECY in self.said.heard or (caller is not None and caller.confidential)

    @property
    def accused(self) -> str | None:
        """The unit complained about: named by the operator, or in the words."""
        return self.submission.accused_unit or self.said.accused

    @property
    def identity(self) -> tuple[str, str] | None:
        """What makes a repetition of the request the same request."""
        return None if self.key is None else (self.subject, self.key)


def draft(submission: Submission, subject: str, key: str | None, now: datetime) -> Draft:
    """Redact a submission and set its caller apart.

    Without an `Idempotency-Key`, a channel's own `external_id` serves as one, so that a
    channel that sends twice does not make two tickets. Either is kept as a hash, for
    another system's id may hold a phone number.
    """
    caller = submission.caller or Caller()
    contact = Sealed(name=caller.name, phone=caller.phone)
    words = contact.redact(submission.text)
    address = submission.address and contact.redact(submission.address)
    sealed = contact.model_copy(
        update={
            "text": submission.text if words != submission.text else None,
            "address": submission.address if address != submission.address else None,
        }
    )
    return Draft(
        id=uuid4(),
        submission=submission,
        subject=subject,
        received_at=now,
        title=submission.title and contact.redact(submission.title),
        text=words,
        address=address,
        external_id=submission.external_id and contact.redact(submission.external_id),
        sealed=sealed if sealed != Sealed() else None,
        said=listen(submission.title, submission.text),
        quoted=numbers_quoted(words),
        key=_identity_key(submission, key),
        body_hash=hashlib.sha256(submission.model_dump_json().encode()).digest(),
        trace=CURRENT_TRACE.get(),
    )


def _identity_key(submission: Submission, key: str | None) -> str | None:
    if key is not None:
        named = f"key:{key}"
    elif submission.external_id is not None:
        named = f"external:{submission.channel}:{submission.external_id}"
    else:
        return None
    return hashlib.sha256(named.encode()).hexdigest()


def ticket_row(number: str, item: Draft, history: History) -> tuple[object, ...]:
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
        item.accused,
        asked.occurred_at,
        item.external_id,
        item.confidential,
        item.received_at,
        item.subject,
        0,
        0,
        list(history.earlier),
        history.usual_street,
        list(item.said.heard),
        list(history.refers_to),
    )


def received_event(number: str, item: Draft, history: History) -> Event:
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
        accused_unit=item.accused,
        occurred_at=asked.occurred_at and asked.occurred_at.astimezone(UTC),
        confidential=item.confidential,
        earlier=history.earlier,
        usual_street=history.usual_street,
        heard=item.said.heard,
        refers_to=history.refers_to,
    )
    payload = TicketReceived(ticket=ticket)
    return Event(TICKETS, TICKET_RECEIVED, number, payload, item.received_at, item.trace)
