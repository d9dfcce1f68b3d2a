"""A submission made ready to be stored: redacted, with the caller's secrets set apart."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from services.intake.contract import Caller, Doubt, Submission
from services.intake.history import History
from services.intake.phones import dialable
from services.intake.tables import in_one_form
from services.intake.tickets import RECEIVED, numbers_quoted
from services.intake.vault import Sealed
from shared.discretion import GRID_CENTRE
from shared.envelope import CURRENT_TRACE, Event, event_id, new_id
from shared.events import TICKET_RECEIVED, TICKETS, Heard, Location, Ticket, TicketReceived
from shared.hearing import Said, listen

NOT_DIALABLE: Final = "电话不像能拨通的号码，已照原样保存，请再核对一遍"
Identity = tuple[str, str]
"""What makes a repetition of a request the same request: whose it is, and a hashed key."""
ANYBODY: Final = ""
"""Whose the identity of a channel's own number is: it names one ticket, whoever sends it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission ready to be stored: redacted, its secrets apart, its number not yet given.

    `body_hash` is empty where nothing can be repeated.
    """

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
    identities: tuple[Identity, ...]
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


@dataclass(frozen=True, slots=True)
class Taken:
    """A draft that is being stored: its number, caller's fingerprint, accused and history."""

    number: str
    item: Draft
    caller: bytes | None
    accused: str | None
    history: History


def accused_by(item: Draft, quoted: Mapping[str, str | None]) -> str | None:
    """The unit that a draft complains about, where the tickets it may quote complain about these.

    Who asks after a complaint about the grid centre complains about it again: the grid centre
    could not look up what it is asked for, and must not learn that there is something.
    """
    again = any(quoted.get(number) == GRID_CENTRE for number in item.quoted)
    return item.accused or (GRID_CENTRE if again else None)


def draft(submission: Submission, subject: str, key: str | None, now: datetime) -> Draft:
    """Redact a submission and set its caller apart."""
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
    identities = _identities(submission, subject, key)
    return Draft(
        id=new_id(now),
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
        identities=identities,
        body_hash=_hash(submission.model_dump_json()).digest() if identities else b"",
        trace=CURRENT_TRACE.get(),
    )


def doubts(submission: Submission) -> tuple[Doubt, ...]:
    """What the operator should ask once more: it was taken as it came."""
    phone = submission.caller and submission.caller.phone
    if not phone or dialable(phone):
        return ()
    return (Doubt(field="caller.phone", message=NOT_DIALABLE),)


def _identities(submission: Submission, subject: str, key: str | None) -> tuple[Identity, ...]:
    """The sender's own `Idempotency-Key`, and the number that a channel has for the ticket.

    Either is kept as a hash, for another system's number may hold a phone's.
    """
    found = []
    if key is not None:
        found.append((subject, _hash(f"key:{key}").hexdigest()))
    if submission.external_id is not None:
        named = f"external:{submission.channel}:{submission.external_id}"
        found.append((ANYBODY, _hash(named).hexdigest()))
    return tuple(found)


def _hash(words: str) -> "hashlib._Hash":
    return hashlib.sha256(words.encode())


def ticket_row(taken: Taken) -> Mapping[str, object]:
    """The draft as a row of its table."""
    item, history = taken.item, taken.history
    asked = item.submission
    return {
        "number": taken.number,
        "id": item.id,
        "version": 1,
        "status": RECEIVED,
        "channel": asked.channel,
        "kind": asked.kind,
        "title": item.title,
        "text": item.text,
        "address": item.address,
        "sought": in_one_form(item.title, item.text, item.address),
        "lat": asked.location.lat if asked.location else None,
        "lon": asked.location.lon if asked.location else None,
        "accused_unit": taken.accused,
        "occurred_at": asked.occurred_at,
        "external_id": item.external_id,
        "confidential": item.confidential,
        "received_at": item.received_at,
        "received_by": item.subject,
        "round": 0,
        "urges": 0,
        "earlier": history.earlier,
        "usual_street": history.usual_street,
        "heard": item.said.heard,
        "refers_to": history.refers_to,
    }


def received_event(taken: Taken) -> Event:
    """What the bus is told of a new ticket."""
    number, item, history = taken.number, taken.item, taken.history
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
        accused_unit=taken.accused,
        occurred_at=asked.occurred_at and asked.occurred_at.astimezone(UTC),
        confidential=item.confidential,
        earlier=history.earlier,
        usual_street=history.usual_street,
        heard=item.said.heard,
        refers_to=history.refers_to,
    )
    return received(ticket, item.received_at, item.trace)


def received(ticket: Ticket, at: datetime, trace: str | None = None) -> Event:
    """The event that says a ticket is accepted; the same whenever it is said."""
    same = event_id(ticket.received_at, TICKET_RECEIVED, ticket.number)
    payload = TicketReceived(ticket=ticket)
    return Event(TICKETS, TICKET_RECEIVED, ticket.number, payload, at, trace, same)
