"""What the router does with messages: classified tickets become cases, callers' words move them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import delete, text
from sqlmodel import col, select

from services.router.domain.cases.deciding import decide
from services.router.domain.cases.groups import grouped, in_event
from services.router.domain.cases.opening import open_case
from services.router.domain.cases.records import CaseCommand, Routing
from services.router.domain.cases.states import Command
from services.router.domain.incidents.grouping import Call
from services.router.domain.incidents.wording import wording
from services.router.domain.places.gazetteer import Gazetteer
from services.router.domain.refusals import WrongState
from services.router.domain.routing import Rules, matter_of, route, same_terms, terms_for
from services.router.following import follow_cases
from services.router.storage.incidents import Joined, follow_leads, gather, hold_together
from services.router.storage.ledger import Entry, Ledger
from services.router.storage.tables import CaseRow, EarlyUrgeRow
from shared.consume import Handler
from shared.database import Reader, Writer
from shared.envelope import Message
from shared.events import (
    TICKET_CLOSED,
    TICKET_REOPENED,
    TICKET_URGED,
    Classification,
    Disposition,
    Place,
    Ticket,
    TicketClosed,
    TicketReopened,
    TicketUrged,
)
from shared.metrics import ROUTED, SUBMISSION_TO_QUEUE_SECONDS
from shared.protection import note_for_unit
from shared.roles import Role

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
        said = [(m, m.payload) for m in messages if isinstance(m.payload, Classification)]
        numbers = {message.key for message in messages}
        writer.execute(OPENING)
        places = _places_of_parents(writer, [payload.ticket for _, payload in said])
        routed = []
        for message, payload in said:
            matter = matter_of(payload, places.get(message.key))
            routed.append((message, payload, route(rules.policy, matter, now)))
        gazetteer = rules.policy.gazetteer
        calls = [
            call
            for _, payload, routing in routed
            if (call := _call(gazetteer, payload.ticket, routing))
        ]
        joined = gather(writer, ledger, gazetteer, numbers, calls, now)
        early = _early_urges(writer, numbers)
        for message, payload, routing in routed:
            _classified(ledger, rules, message, payload, routing, joined, now)
            for note in early.pop(message.key, ()):
                _urge(ledger, rules, message, note, now)
        _mark(ledger, joined, now)
        follow_leads(writer, ledger, rules, now)
        follow_cases(writer, ledger, rules, now)
        ledger.store()

    return handle


def _places_of_parents(reader: Reader, tickets: Sequence[Ticket]) -> Mapping[str, Place]:
    """Where the cases are that these tickets were split off, by the number of the ticket."""
    parents = {ticket.number: ticket.parent for ticket in tickets if ticket.parent is not None}
    if not parents:
        return {}
    query = select(CaseRow.number, col(CaseRow.details)["place"]).where(
        col(CaseRow.number).in_(set(parents.values()))
    )
    places = {number: Place.model_validate(place) for number, place in reader.execute(query)}
    return {child: places[parent] for child, parent in parents.items() if parent in places}


def _call(gazetteer: Gazetteer, ticket: Ticket, routing: Routing) -> Call | None:
    """The ticket as a call about an event of this district, where its street is known."""
    if routing.place.street is None or routing.disposition is Disposition.REDIRECT_OUT:
        return None
    return Call(
        number=ticket.number,
        leaf=routing.leaf,
        street=routing.place.street,
        community=routing.place.community,
        received_at=ticket.received_at,
        said=wording(gazetteer, ticket.text, ticket.address),
        ticket_version=ticket.version,
        accused=ticket.accused_unit,
        parent=ticket.parent,
    )


def _classified(
    ledger: Ledger,
    rules: Rules,
    message: Message,
    payload: Classification,
    routing: Routing,
    joined: Mapping[str, Joined],
    now: datetime,
) -> None:
    ticket = payload.ticket
    entry = ledger.get(ticket.number)
    if entry is not None and ticket.version < entry.case.ticket_version:
        return
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
        decision = replace(decision, record=replace(decision.record, parent=ticket.parent))
        place = routing.place.certainty
        ROUTED.labels(routing.disposition, place, routing.priority).inc()
        if ticket.parent is None:
            SUBMISSION_TO_QUEUE_SECONDS.observe((now - ticket.received_at).total_seconds())
    else:
        command = CaseCommand(
            Command.SUPPLEMENT,
            payload.actor or SYSTEM,
            Role.SYSTEM,
            ticket_version=ticket.version,
            routing=routing,
        )
        terms = terms_for(rules, payload.leaf, payload.priority, now, routing.place.regime)
        decision = decide(entry.case, command, terms, rules.calendar, now)
    if (event := joined.get(ticket.number)) is not None:
        part = in_event(decision.record, event.incident, cluster=event.cluster)
        decision = replace(decision, record=part)
    actor = payload.actor or SYSTEM
    ledger.tell(ticket, decision, now, actor=actor, trace=message.trace)


def _mark(ledger: Ledger, joined: Mapping[str, Joined], now: datetime) -> None:
    """Tell the cases that were there before that they are part of an event now."""
    for number, event in joined.items():
        entry = ledger.get(number)
        if entry is not None and entry.case is entry.stored:
            decision = grouped(entry.case, event.incident, cluster=event.cluster)
            ledger.tell(entry.ticket, decision, now, actor=SYSTEM)


def caller_handler(rules: Rules) -> Handler:
    """Applies what callers say through intake: urging, and the answer to the call-back."""

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        now = datetime.now(UTC)
        ledger = Ledger(writer)
        spoken = [m for m in messages if isinstance(m.payload, SPOKEN)]
        answering = _let_openings_end(
            writer, [m.key for m in spoken if isinstance(m.payload, TicketUrged)]
        )
        hold_together(writer, ledger, {*(message.key for message in spoken), *answering})
        for message in spoken:
            _spoken(writer, ledger, rules, message, now)
        follow_leads(writer, ledger, rules, now)
        follow_cases(writer, ledger, rules, now)
        ledger.store()

    return handle


def _let_openings_end(writer: Writer, urged: Sequence[str]) -> set[str]:
    """Where an urged ticket has no case, wait for those who may be opening it just now.

    Afterwards its case is there to be urged, or it will be opened by somebody who finds the
    urge that was kept for it. Comes before any case is held, so that nobody waits in a ring.
    Gives the tickets that the urged ones were split into, and those they wait for.
    """
    details = col(CaseRow.details)
    query = select(CaseRow.number, details["children"], details["merged_into"]).where(
        col(CaseRow.number).in_(urged)
    )
    known = {
        number: (*(children or ()), *((lead,) if lead else ()))
        for number, children, lead in writer.execute(query)
    }
    if set(urged) - set(known):
        writer.execute(NO_OPENING)
    return {other for others in known.values() for other in others}


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
    """Who urges a call urges what it was split into, and the case it waits for.

    There, its units know nothing of this caller, who may be one to be protected.
    """
    entry = ledger.get(message.key)
    assert entry is not None
    answering = (*entry.case.children, entry.case.merged_into or "")
    passed_on = note_for_unit(note, entry.ticket, entry.case.priority)
    for urged in (entry, *(other for n in answering if (other := ledger.get(n)) is not None)):
        said = note if urged is entry else passed_on
        command = CaseCommand(Command.URGE, SYSTEM, Role.SYSTEM, note=said)
        try:
            _tell(ledger, urged, command, rules, message, now)
        except WrongState:
            log.info("urge_after_close", number=urged.case.number)


def _tell(
    ledger: Ledger,
    entry: Entry,
    command: CaseCommand,
    rules: Rules,
    message: Message,
    now: datetime,
) -> None:
    terms = same_terms(rules, entry.case, now)
    decision = decide(entry.case, command, terms, rules.calendar, now)
    ledger.tell(entry.ticket, decision, now, actor=SYSTEM, trace=message.trace)


def _early_urges(writer: Writer, numbers: Collection[str]) -> dict[str, list[str]]:
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
