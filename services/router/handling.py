"""What the router does with messages: classified tickets become cases, callers' words move them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import delete, text
from sqlmodel import col, select

from services.router.case_opening import open_case
from services.router.case_records import CaseCommand, Decision, WrongState
from services.router.case_states import Command, Role
from services.router.cases import decide
from services.router.dispatching import Rules, matter_of, route, same_terms, terms_for
from services.router.storing import Entry, Ledger
from services.router.tables import CaseRow, EarlyUrgeRow
from shared.consume import Handler
from shared.database import Writer
from shared.envelope import Message
from shared.events import (
    TICKET_CLOSED,
    TICKET_REOPENED,
    TICKET_URGED,
    Classification,
    TicketClosed,
    TicketReopened,
    TicketUrged,
)
from shared.metrics import ROUTED, SUBMISSION_TO_QUEUE_SECONDS

SYSTEM: Final = "system"
SPOKEN: Final = (TicketUrged, TicketClosed, TicketReopened)
"""What callers say that moves a case."""

OPENING: Final = text("SELECT pg_advisory_xact_lock_shared(hashtext('router.opening'))")
NO_OPENING: Final = text("SELECT pg_advisory_xact_lock(hashtext('router.opening'))")
"""Whoever opens cases holds the first until the commit; the second waits for all of them."""

log = structlog.get_logger()


CALLERS_WORDS: Final = frozenset({TICKET_URGED, TICKET_CLOSED, TICKET_REOPENED})
"""What of a ticket's events moves its case."""


class UnknownCase(Exception):
    """A caller's answer came for a case that this database does not have."""


def classified_handler(rules: Rules) -> Handler:
    """Opens a case for every classified ticket; a ticket classified again supplements it."""

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        now = datetime.now(UTC)
        ledger = Ledger(writer)
        numbers = [message.key for message in messages]
        writer.execute(OPENING)
        ledger.hold(numbers)
        early = _early_urges(writer, numbers)
        for message in messages:
            if isinstance(message.payload, Classification):
                _classified(ledger, rules, message, message.payload, now)
                for note in early.pop(message.key, ()):
                    _urge(ledger, rules, message, note, now)
        ledger.store()

    return handle


def _classified(
    ledger: Ledger, rules: Rules, message: Message, payload: Classification, now: datetime
) -> None:
    ticket = payload.ticket
    entry = ledger.get(ticket.number)
    if entry is not None and ticket.version < entry.case.ticket_version:
        return
    routing = route(rules.policy, matter_of(payload), now)
    if entry is None:
        decision = open_case(
            ticket.number,
            routing,
            ticket_version=ticket.version,
            received_at=ticket.received_at,
            policy_version=rules.policy.version,
            calendar=rules.calendar,
            now=now,
            accused_unit=ticket.accused_unit,
            confidential=ticket.confidential,
        )
        place = routing.place.certainty
        ROUTED.labels(routing.disposition, place, routing.priority).inc()
        SUBMISSION_TO_QUEUE_SECONDS.observe((now - ticket.received_at).total_seconds())
    else:
        command = CaseCommand(
            Command.SUPPLEMENT,
            payload.actor or SYSTEM,
            Role.SYSTEM,
            ticket_version=ticket.version,
            routing=routing,
        )
        terms = terms_for(rules, payload.leaf, payload.priority, now)
        decision = decide(entry.case, command, terms, rules.calendar, now)
    actor = payload.actor or SYSTEM
    ledger.tell(ticket, decision, now, actor=actor, trace=message.trace)


def caller_handler(rules: Rules) -> Handler:
    """Applies what callers say through intake: urging, and the answer to the call-back."""

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        now = datetime.now(UTC)
        ledger = Ledger(writer)
        spoken = [m for m in messages if isinstance(m.payload, SPOKEN)]
        _let_openings_end(writer, [m.key for m in spoken if isinstance(m.payload, TicketUrged)])
        ledger.hold(message.key for message in spoken)
        for message in spoken:
            _spoken(writer, ledger, rules, message, now)
        ledger.store()

    return handle


def _let_openings_end(writer: Writer, urged: Sequence[str]) -> None:
    """Where an urged ticket has no case, wait for those who may be opening it just now.

    Afterwards its case is there to be urged, or it will be opened by somebody who finds the
    urge that was kept for it. Comes before any case is held, so that nobody waits in a ring.
    """
    known = select(CaseRow.number).where(col(CaseRow.number).in_(urged))
    if set(urged) - set(writer.execute(known).scalars()):
        writer.execute(NO_OPENING)


def _spoken(writer: Writer, ledger: Ledger, rules: Rules, message: Message, now: datetime) -> None:
    entry = ledger.get(message.key)
    match message.payload:
        case TicketUrged(note=note) if entry is None:
            writer.add(EarlyUrgeRow(number=message.key, note=note))
        case TicketUrged(note=note):
            _urge(ledger, rules, message, note, now)
        case _ if entry is None:
            raise UnknownCase(message.key)
        case TicketClosed(outcome=outcome):
            closed = CaseCommand(
                Command.CALLED_BACK_SOLVED, SYSTEM, Role.SYSTEM, reason_code=outcome
            )
            _tell(ledger, entry, closed, rules, message, now)
        case TicketReopened(reason=reason):
            reopened = CaseCommand(Command.CALLED_BACK_UNSOLVED, SYSTEM, Role.SYSTEM, note=reason)
            _tell(ledger, entry, reopened, rules, message, now)


def _urge(ledger: Ledger, rules: Rules, message: Message, note: str, now: datetime) -> None:
    entry = ledger.get(message.key)
    assert entry is not None
    command = CaseCommand(Command.URGE, SYSTEM, Role.SYSTEM, note=note)
    try:
        _tell(ledger, entry, command, rules, message, now)
    except WrongState:
        log.info("urge_after_close", number=message.key)


def _tell(
    ledger: Ledger,
    entry: Entry,
    command: CaseCommand,
    rules: Rules,
    message: Message,
    now: datetime,
) -> None:
    terms = same_terms(rules, entry.case, now)
    decision: Decision = decide(entry.case, command, terms, rules.calendar, now)
    ledger.tell(entry.ticket, decision, now, actor=SYSTEM, trace=message.trace)


def _early_urges(writer: Writer, numbers: Sequence[str]) -> dict[str, list[str]]:
    """Urges that came before their case, taken out of their table."""
    found: dict[str, list[str]] = {}
    query = (
        select(EarlyUrgeRow)
        .where(col(EarlyUrgeRow.number).in_(numbers))
        .order_by(col(EarlyUrgeRow.id))
    )
    for row in writer.execute(query).scalars():
        found.setdefault(row.number, []).append(row.note)
    if found:
        writer.execute(delete(EarlyUrgeRow).where(col(EarlyUrgeRow.number).in_(list(found))))
    return found
