"""What the router does with messages: classified tickets become cases, callers' words move them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import delete, text
from sqlmodel import col, select

from services.router.domain.cases.groups import grouped, in_event
from services.router.domain.cases.opening import open_case
from services.router.domain.cases.records import Aspect, CaseCommand, CaseDecision, Routing
from services.router.domain.cases.states import Command
from services.router.domain.dangers import is_ruled_out
from services.router.domain.incidents.grouping import Call
from services.router.domain.incidents.wording import wording
from services.router.domain.places.gazetteer import Gazetteer
from services.router.domain.places.resolver import resolve
from services.router.domain.refusals import WrongState
from services.router.domain.routing import (
    PERSON,
    Rules,
    accused_at,
    matter_of,
    route,
    supplementing,
)
from services.router.erasing import erase
from services.router.grouping import Joined, gather
from services.router.storage.cases import HeldCase
from services.router.storage.tables import CaseRow, EarlyUrgeRow
from services.router.work import SYSTEM, Work
from shared.consume import Handler
from shared.dangers import load_dangers
from shared.database import Reader, Writer
from shared.envelope import Message
from shared.events import (
    TICKET_CLOSED,
    TICKET_ERASED,
    TICKET_REOPENED,
    TICKET_URGED,
    Classification,
    DangerHeard,
    Demand,
    Disposition,
    Heard,
    Place,
    Ticket,
    TicketClosed,
    TicketErased,
    TicketReopened,
    TicketUrged,
)
from shared.metrics import ROUTED, SUBMISSION_TO_QUEUE_SECONDS
from shared.roles import Role

SPOKEN: Final = (TicketUrged, TicketClosed, TicketReopened)
"""What callers say that moves a case."""

OPENING: Final = text("SELECT pg_advisory_xact_lock_shared(hashtext('router.opening'))")
NO_OPENING: Final = text("SELECT pg_advisory_xact_lock(hashtext('router.opening'))")
"""Whoever opens cases holds the first until the commit; the second waits for all of them."""

log = structlog.get_logger()


CALLERS_WORDS: Final = frozenset({TICKET_URGED, TICKET_CLOSED, TICKET_REOPENED, TICKET_ERASED})
"""What of a ticket's events moves its case."""


class UnknownCase(Exception):
    """A caller's answer came for a case that this database does not have."""


def classified_handler(rules: Rules) -> Handler:
    """Opens a case for every classified ticket; a ticket classified again supplements it.

    Danger that was heard in later words is brought to its case, wherever that is.
    """

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        work = Work(writer, rules, datetime.now(UTC))
        said = [(m, m.payload) for m in messages if isinstance(m.payload, Classification)]
        numbers = {message.key for message in messages}
        writer.execute(OPENING)
        places = _places_of_parents(writer, [payload.ticket for _, payload in said])
        routed = []
        for message, payload in said:
            matter = matter_of(payload, places.get(message.key))
            routed.append((message, payload, route(rules.policy, matter, work.now)))
        gazetteer = rules.policy.gazetteer
        calls = [
            call
            for _, payload, routing in routed
            if (call := _call(gazetteer, payload.ticket, routing))
        ]
        joined = gather(work, numbers, calls)
        early = _early_words(writer, numbers)
        for message, payload, routing in routed:
            _classified(work, message, payload, routing, joined)
            for word in early.pop(message.key, ()):
                _said_early(work, message, word)
        for message in messages:
            if isinstance(message.payload, DangerHeard):
                _alarmed(work, message, message.payload)
        _mark(work, joined)
        work.finish()

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
        dangers=frozenset(alarm.kind for alarm in routing.alarms),
    )


def _classified(
    work: Work,
    message: Message,
    payload: Classification,
    routing: Routing,
    joined: Mapping[str, Joined],
) -> None:
    ticket = payload.ticket
    held = work.case(ticket.number)
    if held is not None and ticket.version < held.record.ticket_version:
        return
    actor = payload.actor or SYSTEM
    event = joined.get(ticket.number)
    by = work.by(actor, trace=message.trace)
    if held is None:
        opened = _opened(work, ticket, routing)
        if event is not None:
            part = in_event(opened.record, event.incident, cluster=event.cluster)
            opened = replace(opened, record=part)
        work.tell(ticket, opened, by)
        return
    work.give(held, _supplement(work, held, payload), ticket=ticket, trace=message.trace)
    if event is not None:
        work.tell(ticket, grouped(held.record, event.incident, cluster=event.cluster), by)


def _opened(work: Work, ticket: Ticket, routing: Routing) -> CaseDecision:
    """The new case of a ticket."""
    decision = open_case(
        ticket.number,
        routing,
        ticket_version=ticket.version,
        received_at=ticket.received_at,
        policy_version=work.rules.policy.version,
        calendar=work.rules.calendar,
        now=work.now,
        accused_unit=accused_at(ticket, routing.place),
        confidential=ticket.confidential,
        restricted=bool({Heard.SECRECY, Heard.ACCUSATION} & set(ticket.heard)),
    )
    ROUTED.labels(routing.disposition, routing.place.certainty, routing.priority).inc()
    if ticket.parent is None:
        SUBMISSION_TO_QUEUE_SECONDS.observe((work.now - ticket.received_at).total_seconds())
    return replace(decision, record=replace(decision.record, parent=ticket.parent))


def _supplement(work: Work, held: HeldCase, payload: Classification) -> CaseCommand:
    """What a ticket classified again says to its case; what a person has settled stays so."""
    case, ticket = held.record, payload.ticket
    matter = supplementing(case, matter_of(payload))
    routing = route(work.rules.policy, matter, work.now)
    by_person = payload.decided_by == PERSON
    return CaseCommand(
        Command.SUPPLEMENT,
        payload.actor or SYSTEM,
        Role.SYSTEM,
        ticket_version=ticket.version,
        routing=routing,
        said_place=_said_place(work, held.ticket, ticket),
        by_person=by_person and (payload.leaf, payload.priority) != (case.leaf, case.priority),
        abstained=payload.abstained,
        confidential=ticket.confidential,
        accused_unit=accused_at(ticket, routing.place),
    )


def _said_place(work: Work, before: Ticket, after: Ticket) -> Place | None:
    """The place that only the new words of a ticket name, None where there are none."""
    added = after.text.removeprefix(before.text) if after.text != before.text else ""
    address = after.address if after.address != before.address else None
    if not added and address is None:
        return None
    policy = work.rules.policy
    return resolve(policy.gazetteer, added, address, None, policy.boundaries)


def _alarmed(work: Work, message: Message, heard: DangerHeard) -> None:
    """Danger in later words: the case takes it up, unless it has it or a person ruled it out."""
    held = work.case(heard.number)
    if held is None:
        raise UnknownCase(heard.number)
    case = held.record
    kind = load_dangers()[heard.danger.kind]
    urgent = not case.alarms or kind.priority < case.priority
    leaf = kind.leaf if urgent and Aspect.LEAF not in case.settled else case.leaf
    demands = case.demands
    if leaf != case.leaf and not demands:
        said = Demand(leaf=case.leaf, text=held.ticket.text)
        demands = (said, Demand(leaf=leaf, text=heard.danger.clause))
    routing = work.reroute(
        held,
        leaf=leaf,
        priority=min(kind.priority, case.priority),
        danger=heard.danger,
        demands=demands,
    )
    news = [a for a in routing.alarms if a.kind not in {known.kind for known in case.alarms}]
    if not news or is_ruled_out(news[0], case.ruled_out):
        return
    command = CaseCommand(
        Command.ALARM,
        heard.actor or SYSTEM,
        Role.SYSTEM,
        unit=heard.unit,
        routing=replace(routing, alarms=(*news, *case.alarms)),
        said_in=heard.said_in.value,
    )
    work.give(held, command, trace=message.trace)


def _mark(work: Work, joined: Mapping[str, Joined]) -> None:
    """Tell the cases that were there before that they are part of an event now."""
    for number, event in joined.items():
        held = work.case(number)
        if held is not None and held.record is held.stored:
            decision = grouped(held.record, event.incident, cluster=event.cluster)
            work.tell(held.ticket, decision, work.by(SYSTEM))


def caller_handler(rules: Rules) -> Handler:
    """Applies what callers say through intake: urging, and the answer to the call-back."""

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        work = Work(writer, rules, datetime.now(UTC))
        spoken = [m for m in messages if isinstance(m.payload, SPOKEN)]
        answering = _let_openings_end(
            writer, [m.key for m in spoken if not isinstance(m.payload, TicketReopened)]
        )
        erased = {m.key for m in messages if isinstance(m.payload, TicketErased)}
        work.hold({*(message.key for message in spoken), *answering, *erased})
        for message in spoken:
            _spoken(work, message)
        erase(work, messages)
        work.finish()

    return handle


def _let_openings_end(writer: Writer, numbers: Sequence[str]) -> set[str]:
    """Where a ticket has no case, wait for those who may be opening it just now.

    Afterwards its case is there to be urged or ended, or it will be opened by somebody who
    finds the word that was kept for it. Comes before any case is held, so that nobody waits
    in a ring. Gives the tickets that these were split into, and those they wait for.
    """
    details = col(CaseRow.details)
    query = select(CaseRow.number, details["children"], details["merged_into"]).where(
        col(CaseRow.number).in_(numbers)
    )
    known = {
        number: (*(children or ()), *((lead,) if lead else ()))
        for number, children, lead in writer.execute(query)
    }
    if set(numbers) - set(known):
        writer.execute(NO_OPENING)
    return {other for others in known.values() for other in others}


def _spoken(work: Work, message: Message) -> None:
    held = work.case(message.key)
    match message.payload:
        case TicketUrged(note=note) if held is None:
            work.writer.add(EarlyUrgeRow(number=message.key, note=note))
        case TicketClosed(outcome=outcome, note=note) if held is None:
            work.writer.add(EarlyUrgeRow(number=message.key, note=note, outcome=outcome))
        case TicketUrged(note=note):
            _urge(work, message, note)
        case _ if held is None:
            raise UnknownCase(message.key)
        case TicketClosed(outcome=outcome, note=note):
            _end(work, message, outcome, note)
        case TicketReopened(reason=reason):
            reopened = CaseCommand(Command.CALLED_BACK_UNSOLVED, SYSTEM, Role.SYSTEM, note=reason)
            work.give(held, reopened, trace=message.trace)


def _urge(work: Work, message: Message, note: str) -> None:
    """Who urges a call urges what it was split into, and the case it waits for.

    There, its units know nothing of this caller, whose words are not passed on: they may
    accuse one of these units.
    """
    held = work.case(message.key)
    assert held is not None
    answering = (*held.record.children, held.record.merged_into or "")
    for urged in (held, *(other for n in answering if (other := work.case(n)) is not None)):
        said = note if urged is held else ""
        command = CaseCommand(Command.URGE, SYSTEM, Role.SYSTEM, note=said)
        try:
            work.give(urged, command, trace=message.trace)
        except WrongState:
            log.info("urge_after_close", number=urged.record.number)


def _end(work: Work, message: Message, outcome: str, note: str) -> None:
    """A ticket ends: on the caller's word in a call-back, or as a person has said, with a note."""
    held = work.case(message.key)
    assert held is not None
    command = Command.END if note else Command.CALLED_BACK_SOLVED
    ended = CaseCommand(command, SYSTEM, Role.SYSTEM, reason_code=outcome, note=note)
    work.give(held, ended, trace=message.trace)


def _said_early(work: Work, message: Message, word: EarlyUrgeRow) -> None:
    """What was said of a ticket before it had a case."""
    if word.outcome is None:
        _urge(work, message, word.note)
    else:
        _end(work, message, word.outcome, word.note)


def _early_words(writer: Writer, numbers: Collection[str]) -> dict[str, list[EarlyUrgeRow]]:
    """What came before its case, taken out of its table, in the order it was said."""
    found: dict[str, list[EarlyUrgeRow]] = {}
    query = (
        select(EarlyUrgeRow)
        .where(col(EarlyUrgeRow.number).in_(numbers))
        .order_by(col(EarlyUrgeRow.id))
    )
    for row in writer.execute(query).scalars():
        found.setdefault(row.number, []).append(row)
    if found:
        writer.execute(delete(EarlyUrgeRow).where(col(EarlyUrgeRow.number).in_(list(found))))
    return found
