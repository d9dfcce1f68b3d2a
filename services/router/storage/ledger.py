"""Everything one transaction of the router reads and changes, and what its changes say.

Rows are locked in one order: cases by number, then incidents by number, and as the last
thing before the commit the units' feeds (`feeds.py`). Whoever holds a case holds its
whistles. What is decided is taken over by `tell`, and stored once, by `Work.finish`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from services.router.domain.cases.duties import duties
from services.router.domain.cases.records import CaseDecision, CaseRecord
from services.router.domain.cases.views import case_view
from services.router.domain.incidents.records import IncidentRecord, MemberState
from services.router.domain.whistles.duties import whistle_duties
from services.router.domain.whistles.records import WhistleDecision, WhistleRecord
from services.router.domain.whistles.views import whistle_view
from services.router.storage import cases, incidents, whistles
from services.router.storage.cases import HeldCase
from services.router.storage.clocks import put_clocks
from services.router.storage.feeds import (
    Occasion,
    QueueChange,
    queue_changes,
    standing_roles,
    write_feeds,
)
from services.router.storage.held import By, Told, log
from services.router.storage.incidents import HeldIncident
from services.router.storage.whistles import HeldWhistle
from shared.database import Writer
from shared.envelope import Event, event_id
from shared.events import CASES, WHISTLES, CaseEvent, CaseFact, Ticket, WhistleEvent, WhistleFact
from shared.messaging import emit
from shared.protection import case_for_unit, for_unit, protects, whistle_for_unit


@dataclass(frozen=True, slots=True)
class Standing:
    """From now on these cases belong to an incident like this."""

    incident: str
    numbers: tuple[str, ...]
    state: MemberState


class Ledger:
    """The cases, whistles and incidents in one transaction's hands."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._cases: dict[str, HeldCase] = {}
        self._incidents: dict[str, HeldIncident] = {}
        self._standings: list[Standing] = []
        self._shown: list[QueueChange] = []

    def hold(self, numbers: Iterable[str], *, skip_locked: bool = False) -> None:
        """Read these cases and keep them from others until the commit; unknown ones are left.

        What is held already stays as it stands in this transaction.
        """
        wanted = set(numbers) - self._cases.keys()
        if not wanted:
            return
        statement = cases.HOLD_FREE if skip_locked else cases.HOLD
        for ticket, case in cases.read_cases(self._writer, wanted, statement):
            self._cases[case.number] = HeldCase(case, case, ticket=ticket)
        held = sorted(wanted & self._cases.keys())
        if held:
            for whistle in whistles.whistles_of(self._writer, held):
                known = self._cases[whistle.ticket_number].whistles
                known[whistle.number] = HeldWhistle(whistle, whistle)

    def hold_incidents(self, numbers: Collection[str]) -> None:
        """Read these incidents and keep them from others; their cases are held before."""
        for incident in incidents.hold(self._writer, set(numbers) - self._incidents.keys()):
            self._incidents[incident.number] = HeldIncident(incident, incident)

    def case(self, number: str) -> HeldCase | None:
        """A held or opened case."""
        return self._cases.get(number)

    @property
    def cases(self) -> Sequence[HeldCase]:
        """Every case in this transaction's hands."""
        return list(self._cases.values())

    def incident(self, number: str) -> IncidentRecord:
        """A held incident as it stands. Raises KeyError."""
        return self._incidents[number].record

    def tell(self, ticket: Ticket, decision: CaseDecision, by: By) -> HeldCase:
        """Take a decision over: a new case, or the next version of a held one."""
        record = decision.record
        held = self._cases.get(record.number)
        if held is None:
            held = self._cases[record.number] = HeldCase(record, None, ticket=ticket)
        ticket = cases.as_settled(ticket, record)
        held.ticket_changed = held.ticket_changed or ticket is not held.ticket
        held.ticket = ticket
        held.tell(record, decision.facts, by)
        return held

    def tell_whistle(self, decision: WhistleDecision, by: By) -> None:
        """Take a decision over on a whistle of a held case: a new one, or its next version."""
        record = decision.record
        on_case = self._cases[record.ticket_number].whistles
        held = on_case.setdefault(record.number, HeldWhistle(record, None))
        held.tell(record, decision.facts, by)

    def put_incident(self, incident: IncidentRecord) -> None:
        """A new incident, or a held one as it now stands."""
        held = self._incidents.setdefault(incident.number, HeldIncident(incident, None))
        held.record = incident

    def stand(self, incident: str, numbers: Iterable[str], state: MemberState) -> None:
        """Let these cases belong to an incident like this."""
        if named := tuple(sorted(numbers)):
            self._standings.append(Standing(incident, named, state))

    def show(self, changes: Iterable[QueueChange]) -> None:
        """Change these entries of queues beside those that follow from what was told."""
        self._shown.extend(changes)

    def store(self, by: By) -> None:
        """Write every change, its log, its queue entries and its events."""
        writer, held = self._writer, self.cases
        blown = [whistle for case in held for whistle in case.whistles.values()]
        cases.SHELF.put(writer, held)
        moved = [case for case in held if case.ticket_changed and case.stored is not None]
        cases.put_tickets(writer, (case.ticket for case in moved))
        whistles.SHELF.put(writer, blown)
        incidents.SHELF.put(writer, self._incidents.values())
        for standing in self._standings:
            incidents.stand(writer, standing.incident, standing.numbers, standing.state, by.at)
        log(writer, "case_log", "number", (told for case in held for told in case.told))
        log(writer, "whistle_log", "whistle", (told for whistle in blown for told in whistle.told))
        put_clocks(
            writer,
            (
                *(((c.record.number, None), c.record, c.stored) for c in held),
                *(((w.record.ticket_number, w.record.number), w.record, w.stored) for w in blown),
            ),
        )
        changes = [change for case in held for change in _queue_changes(case)]
        changes += _shown_otherwise(writer, held, changes)
        feeds = write_feeds(writer, [*changes, *self._shown])
        said = [case_event(told) for case in held for told in case.told]
        called = [_whistle_event(told) for whistle in blown for told in whistle.told]
        emit(writer, (*said, *called, *feeds))


def _queue_changes(held: HeldCase) -> Iterator[QueueChange]:
    """Every queue that what was told of a case and its whistles touches.

    That calls are perhaps about one event is no news to a unit.
    """
    case_told = any(told.fact.fact is not CaseFact.GROUPED for told in held.told)
    blown = [whistle for whistle in held.whistles.values() if whistle.told]
    if case_told:
        before = duties(held.stored) if held.stored is not None else {}
        occasion = occasion_of(held, *_last(held.told))
        yield from queue_changes(duties(held.record), before, occasion)
    for whistle in blown:
        was = whistle_duties(whistle.stored) if whistle.stored is not None else {}
        occasion = occasion_of(held, *_last(whistle.told), whistle.record)
        yield from queue_changes(whistle_duties(whistle.record), was, occasion)


def _shown_otherwise(
    writer: Writer, held: Sequence[HeldCase], changes: Sequence[QueueChange]
) -> Iterator[QueueChange]:
    """Every other entry of cases of which units may now see more or less, closed ones too.

    Who is accused, and whether the caller is protected, may be learned long after a unit had
    the case, and an emergency that is over protects its caller again.
    """
    otherwise = {
        c.record.number: c for c in held if c.stored and _seen(c.stored) != _seen(c.record)
    }
    if not otherwise:
        return
    said = {(c.unit, c.occasion.case.number, c.occasion.whistle_number) for c in changes}
    for number, entries in standing_roles(writer, list(otherwise)).items():
        case = otherwise[number]
        reason, by = _last(case.told)
        for unit, whistle, role, is_open in entries:
            if (unit, number, whistle) not in said:
                blown = case.whistles[whistle].record if whistle else None
                yield QueueChange(unit, role, is_open, occasion_of(case, reason, by, blown))


def _seen(case: CaseRecord) -> tuple[str | None, bool]:
    """Whom a case accuses, and whether its caller is protected: what decides who sees what."""
    return case.accused_unit, protects(case.confidential, case.priority, case.state)


def occasion_of(
    held: HeldCase, reason: str, by: By, whistle: WhistleRecord | None = None
) -> Occasion:
    """A case in hand, or a whistle on it, as a unit's queue shows it."""
    urgency = (held.record.priority, held.record.state)
    shown = None
    if whistle is not None:
        shown = whistle_for_unit(whistle_view(whistle), held.ticket, *urgency)
    case = case_for_unit(case_view(held.record), held.ticket)
    return Occasion(reason, by, for_unit(held.ticket, *urgency), case, shown)


def _last(told: Sequence[Told[Any, Any]]) -> tuple[str, By]:
    return told[-1].fact.fact.value, told[-1].by


def case_event(told: Told[CaseRecord, CaseFact]) -> Event:
    """The event that says a fact of a case; the same whenever it is said."""
    payload = CaseEvent(
        case=case_view(told.record),
        actor=told.by.actor,
        unit=told.by.unit,
        note=told.fact.note,
        detail=told.fact.detail,
        split=told.fact.split,
        at=told.by.at,
    )
    type_, record = told.fact.fact.event_type, told.record
    same = event_id(told.by.at, type_, record.number, record.version)
    return Event(CASES, type_, record.number, payload, told.by.at, told.by.trace, same)


def _whistle_event(told: Told[WhistleRecord, WhistleFact]) -> Event:
    payload = WhistleEvent(
        whistle=whistle_view(told.record),
        actor=told.by.actor,
        unit=told.by.unit,
        concerns=told.fact.concerns,
        note=told.fact.note,
        detail=told.fact.detail,
        at=told.by.at,
    )
    type_ = told.fact.fact.event_type
    return Event(WHISTLES, type_, told.record.ticket_number, payload, told.by.at, told.by.trace)
