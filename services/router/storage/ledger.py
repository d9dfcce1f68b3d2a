"""Cases and their whistles in and out of the database, with everything a change says.

A `Ledger` is the work of one transaction. Rows are locked in one order: cases by number,
then, as the last thing before the commit, the units' feeds (`queues/feeds.py`). Whoever holds a
case holds its whistles.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, select

from services.router.domain.cases.duties import duties
from services.router.domain.cases.records import CaseDecision, CaseRecord
from services.router.domain.cases.views import case_view
from services.router.domain.clocks import Clock
from services.router.domain.machine import Fact
from services.router.domain.whistles.records import WhistleDecision, WhistleRecord
from services.router.storage.feeds import Occasion, QueueChange, queue_changes, write_feeds
from services.router.storage.tables import (
    CASE_COLUMNS,
    CLOCK_COLUMNS,
    CaseRow,
    ClockRow,
    case_values,
    clock_values,
)
from services.router.storage.whistles import (
    HeldWhistle,
    load_whistles,
    store_whistles,
    whistle_events,
    whistle_queue,
)
from shared.database import Reader, Writer
from shared.envelope import Event
from shared.events import CASES, Case, CaseEvent, CaseFact, Ticket
from shared.messaging import emit
from shared.protection import case_for_unit, for_unit


@dataclass(slots=True)
class Entry:
    """A case in the hands of a transaction; `stored` is the case as it was read, if it was."""

    ticket: Ticket
    case: CaseRecord
    stored: CaseRecord | None
    view: Case
    ticket_changed: bool = False
    told: list["Told"] = field(default_factory=list)
    whistles: dict[str, HeldWhistle] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """A fact and the case after the decision it belongs to, and who caused it."""

    fact: Fact[CaseFact]
    case: Case
    actor: str
    unit: str | None
    at: datetime
    trace: str | None


class Ledger:
    """The cases one transaction reads and changes, with their whistles."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._entries: dict[str, Entry] = {}

    def hold(self, numbers: Iterable[str], *, skip_locked: bool = False) -> None:
        """Read these cases and keep them from others until the commit; unknown ones are left."""
        query = (
            select(CaseRow)
            .where(col(CaseRow.number).in_(sorted(set(numbers))))
            .order_by(col(CaseRow.number))
            .with_for_update(skip_locked=skip_locked)
        )
        rows = self._writer.execute(query).scalars().all()
        if not rows:
            return
        held = [row.number for row in rows]
        clocks = clocks_of(self._writer, held)
        for row in rows:
            case = row.record(clocks.get((row.number, None), ()))
            ticket = Ticket.model_validate(row.ticket)
            self._entries[row.number] = Entry(ticket, case, case, case_view(case))
        for whistle in load_whistles(self._writer, held, clocks):
            known = self._entries[whistle.ticket_number].whistles
            known[whistle.number] = HeldWhistle(whistle, whistle)

    def get(self, number: str) -> Entry | None:
        """A held or opened case."""
        return self._entries.get(number)

    def held(self) -> Sequence[CaseRecord]:
        """All cases of this transaction as they stand."""
        return [entry.case for entry in self._entries.values()]

    def entries(self) -> Sequence[Entry]:
        """Every case in this transaction's hands."""
        return list(self._entries.values())

    def tell(
        self,
        ticket: Ticket,
        decision: CaseDecision,
        at: datetime,
        *,
        actor: str,
        unit: str | None = None,
        trace: str | None = None,
    ) -> None:
        """Take a decision over: a new case, or the next version of a held one."""
        number, view = decision.record.number, case_view(decision.record)
        entry = self._entries.get(number)
        if entry is None:
            entry = self._entries[number] = Entry(ticket, decision.record, None, view)
        entry.ticket_changed = entry.ticket_changed or ticket is not entry.ticket
        entry.ticket = ticket
        entry.case = decision.record
        entry.view = view
        entry.told.extend(Told(fact, entry.view, actor, unit, at, trace) for fact in decision.facts)

    def tell_whistle(
        self,
        decision: WhistleDecision,
        at: datetime,
        *,
        actor: str,
        unit: str | None = None,
        trace: str | None = None,
    ) -> None:
        """Take a decision over on a whistle of a held or opened case: a new one, or its next."""
        record = decision.record
        whistles = self._entries[record.ticket_number].whistles
        held = whistles.setdefault(record.number, HeldWhistle(record, None))
        held.tell(decision, at, actor, unit, trace)

    def store(self) -> None:
        """Write every change, its log, its queue entries and its events."""
        changed = [entry for entry in self._entries.values() if entry.told]
        whistles = [
            held
            for entry in self._entries.values()
            for held in entry.whistles.values()
            if held.told
        ]
        fresh = [entry for entry in changed if entry.stored is None]
        self._writer.copy(
            "case_record",
            CASE_COLUMNS,
            (case_values(entry.case, entry.ticket.model_dump_json()) for entry in fresh),
        )
        held = [entry for entry in changed if entry.stored is not None]
        self._update([entry for entry in held if entry.ticket_changed], with_ticket=True)
        self._update([entry for entry in held if not entry.ticket_changed], with_ticket=False)
        self._writer.copy("case_log", LOG_COLUMNS, _log_rows(changed))
        if whistles:
            store_whistles(self._writer, whistles)
        self._store_clocks(changed, whistles)
        queues = [change for entry in self._entries.values() for change in _queue_changes(entry)]
        feeds = write_feeds(self._writer, queues)
        said = (event for held in whistles for event in whistle_events(held))
        emit(self._writer, (*_case_events(changed), *said, *feeds))

    def _update(self, entries: Sequence[Entry], *, with_ticket: bool) -> None:
        if not entries:
            return
        assignments = ", ".join(
            f"{name} = CAST(:{name} AS jsonb)" if name in JSON_COLUMNS else f"{name} = :{name}"
            for name in CASE_COLUMNS[1:]
            if name != "ticket" or with_ticket
        )
        rows = [case_values(entry.case, entry.ticket.model_dump_json()) for entry in entries]
        self._writer.execute(
            text(f"UPDATE case_record SET {assignments} WHERE number = :number"),  # noqa: S608
            [dict(zip(CASE_COLUMNS, row, strict=True)) for row in rows],
        )

    def _store_clocks(self, changed: Sequence[Entry], whistles: Sequence[HeldWhistle]) -> None:
        owned = [
            *((entry.case.number, None, entry.case.clocks, entry.stored) for entry in changed),
            *(
                (held.record.ticket_number, held.record.number, held.record.clocks, held.stored)
                for held in whistles
            ),
        ]
        fresh = []
        rows = []
        for number, whistle, clocks, stored in owned:
            before = {clock.id: clock for clock in (stored.clocks if stored else ())}
            for clock in clocks:
                if clock.id is None:
                    fresh.append(clock_values(number, clock, whistle))
                elif clock != before.get(clock.id):
                    values = clock_values(number, clock, whistle)
                    rows.append({**dict(zip(CLOCK_COLUMNS, values, strict=True)), "id": clock.id})
        self._writer.copy("clock", CLOCK_COLUMNS, fresh)
        if rows:
            assignments = ", ".join(f"{name} = :{name}" for name in CLOCK_COLUMNS)
            self._writer.execute(
                text(f"UPDATE clock SET {assignments} WHERE id = :id"),  # noqa: S608
                rows,
            )


LOG_COLUMNS = ("number", "version", "fact", "actor", "unit", "note", "detail", "at")
JSON_COLUMNS = frozenset({"details", "ticket"})


def clocks_of(
    reader: Reader, numbers: Sequence[str]
) -> Mapping[tuple[str, str | None], tuple[Clock, ...]]:
    """The clocks of these cases and of their whistles, by case and whistle, oldest first."""
    found: dict[tuple[str, str | None], tuple[Clock, ...]] = {}
    query = select(ClockRow).where(col(ClockRow.number).in_(numbers)).order_by(col(ClockRow.id))
    for row in reader.execute(query).scalars():
        key = (row.number, row.whistle)
        found[key] = (*found.get(key, ()), row.clock())
    return found


def load_case(reader: Reader, number: str) -> tuple[Ticket, CaseRecord] | None:
    """A case as it stands, with its ticket; None where there is none."""
    row = reader.get(CaseRow, number)
    if row is None:
        return None
    case = row.record(clocks_of(reader, [number]).get((number, None), ()))
    return Ticket.model_validate(row.ticket), case


def whistles_of(reader: Reader, numbers: Sequence[str]) -> Sequence[WhistleRecord]:
    """The whistles on these cases, oldest first."""
    return load_whistles(reader, numbers, clocks_of(reader, numbers))


def _queue_changes(entry: Entry) -> Iterator[QueueChange]:
    """Every queue that what was told of a case and its whistles touches.

    That calls are perhaps about one event is no news to a unit.
    """
    case_told = any(told.fact.fact is not CaseFact.GROUPED for told in entry.told)
    whistles = [held for held in entry.whistles.values() if held.told]
    if not case_told and not whistles:
        return
    ticket = for_unit(entry.ticket, entry.case.priority)
    case = case_for_unit(entry.view, entry.ticket)
    if case_told:
        last = entry.told[-1]
        occasion = Occasion(last.fact.fact.value, ticket, case, last.at, last.trace)
        before = duties(entry.stored) if entry.stored is not None else {}
        yield from queue_changes(duties(entry.case), before, occasion)
    for held in whistles:
        yield from whistle_queue(held, ticket, case)


def _log_rows(changed: Sequence[Entry]) -> Iterable[tuple[object, ...]]:
    for entry in changed:
        for told in entry.told:
            yield (
                told.case.number,
                told.case.version,
                told.fact.fact.value,
                told.actor,
                told.unit,
                told.fact.note,
                json.dumps(dict(told.fact.detail), ensure_ascii=False),
                told.at,
            )


def _case_events(changed: Sequence[Entry]) -> Iterable[Event]:
    for entry in changed:
        for told in entry.told:
            payload = CaseEvent(
                case=told.case,
                actor=told.actor,
                unit=told.unit,
                note=told.fact.note,
                detail=told.fact.detail,
                split=told.fact.split,
                at=told.at,
            )
            type_ = told.fact.fact.event_type
            yield Event(CASES, type_, told.case.number, payload, told.at, told.trace)
