"""What the router does with messages: classified tickets become cases, callers' words move them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from sqlalchemy import delete
from sqlmodel import col, select

from services.router.case_opening import open_case
from services.router.case_records import CaseCommand, Decision, WrongState
from services.router.case_states import Command, Role
from services.router.cases import decide
from services.router.dispatching import Rules, matter_of, route, same_terms, terms_for
from services.router.storing import Entry, Ledger
from services.router.tables import EarlyUrgeRow
from shared.consume import Handler
from shared.database import Writer
from shared.envelope import Message
from shared.events import (
    Classification,
    Payload,
    TicketClosed,
    TicketReopened,
    TicketUrged,
)
from shared.metrics import ROUTED, SUBMISSION_TO_QUEUE_SECONDS

SYSTEM = "system"
log = structlog.get_logger()


class UnknownCase(Exception):
    """A caller's answer came for a case that this database does not have."""


def classified_handler(rules: Rules) -> Handler:
    """Opens a case for every classified ticket; a ticket classified again supplements it."""

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        now = datetime.now(UTC)
        ledger = Ledger(writer)
        numbers = [message.key for message in messages]
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
        spoken = [m for m in messages if _command_of(m.payload) is not None]
        ledger.hold(message.key for message in spoken)
        for message in spoken:
            _spoken(writer, ledger, rules, message, now)
        ledger.store()

    return handle


def _spoken(writer: Writer, ledger: Ledger, rules: Rules, message: Message, now: datetime) -> None:
    entry = ledger.get(message.key)
    payload = message.payload
    if isinstance(payload, TicketUrged):
        if entry is None:
            writer.add(EarlyUrgeRow(number=message.key, note=payload.note))
        else:
            _urge(ledger, rules, message, payload.note, now)
        return
    command = _command_of(payload)
    if entry is None or command is None:
        raise UnknownCase(message.key)
    _tell(ledger, entry, command, rules, message, now)


def _command_of(payload: Payload) -> CaseCommand | None:
    """The command a caller's event stands for; None for an event that moves no case."""
    match payload:
        case TicketUrged():
            return CaseCommand(Command.URGE, SYSTEM, Role.SYSTEM, note=payload.note)
        case TicketClosed():
            return CaseCommand(
                Command.CALLED_BACK_SOLVED, SYSTEM, Role.SYSTEM, reason_code=payload.outcome
            )
        case TicketReopened():
            return CaseCommand(
                Command.CALLED_BACK_UNSOLVED, SYSTEM, Role.SYSTEM, note=payload.reason
            )
        case _:
            return None


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
