"""Cases in and out of the database, with everything a change says: log, queues, events.

A `Ledger` is the work of one transaction. Rows are locked in one order: cases by number,
then, as the last thing before the commit, the units' feeds. Numbers in a unit's feed are
therefore given in the order in which they become visible: a reader that has seen one has
seen all before it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, select

from services.router.case_records import CaseRecord, Decision, Fact
from services.router.case_views import case_view
from services.router.clocks import Clock
from services.router.duties import duties
from services.router.tables import (
    CASE_COLUMNS,
    CLOCK_COLUMNS,
    CaseRow,
    ClockRow,
    case_values,
    clock_values,
)
from shared.database import Reader, Writer, as_json
from shared.envelope import Event
from shared.events import (
    CASES,
    QUEUE_CHANGED,
    Case,
    CaseEvent,
    QueueItem,
    Ticket,
    queue_topic,
)
from shared.messaging import emit


@dataclass(slots=True)
class Entry:
    """A case in the hands of a transaction; `stored` is the case as it was read, if it was."""

    ticket: Ticket
    case: CaseRecord
    stored: CaseRecord | None
    view: Case
    ticket_changed: bool = False
    told: list["Told"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Told:
    """A fact and the case after the decision it belongs to, and who caused it."""

    fact: Fact
    case: Case
    actor: str
    unit: str | None
    at: datetime
    trace: str | None


class Ledger:
    """The cases one transaction reads and changes."""

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
        clocks = clocks_of(self._writer, [row.number for row in rows])
        for row in rows:
            case = row.record(clocks.get(row.number, ()))
            ticket = Ticket.model_validate(row.ticket)
            self._entries[row.number] = Entry(ticket, case, case, case_view(case))

    def get(self, number: str) -> Entry | None:
        """A held or opened case."""
        return self._entries.get(number)

    def held(self) -> Sequence[CaseRecord]:
        """All cases of this transaction as they stand."""
        return [entry.case for entry in self._entries.values()]

    def tell(
        self,
        ticket: Ticket,
        decision: Decision,
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

    def store(self) -> None:
        """Write every change, its log, its queue entries and its events."""
        changed = [entry for entry in self._entries.values() if entry.told]
        if not changed:
            return
        fresh = [entry for entry in changed if entry.stored is None]
        self._writer.copy(
            "case_record",
            CASE_COLUMNS,
            (case_values(entry.case, entry.ticket.model_dump_json()) for entry in fresh),
        )
        held = [entry for entry in changed if entry.stored is not None]
        self._update([entry for entry in held if entry.ticket_changed], with_ticket=True)
        self._update([entry for entry in held if not entry.ticket_changed], with_ticket=False)
        self._store_clocks(changed)
        self._writer.copy("case_log", LOG_COLUMNS, _log_rows(changed))
        emit(self._writer, (*_case_events(changed), *self._queue_events(changed)))

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

    def _store_clocks(self, changed: Sequence[Entry]) -> None:
        self._writer.copy(
            "clock",
            CLOCK_COLUMNS,
            (
                clock_values(entry.case.number, clock)
                for entry in changed
                for clock in entry.case.clocks
                if clock.id is None
            ),
        )
        rows = []
        for entry in changed:
            before = {clock.id: clock for clock in (entry.stored.clocks if entry.stored else ())}
            for clock in entry.case.clocks:
                if clock.id is not None and clock != before.get(clock.id):
                    values = clock_values(entry.case.number, clock)
                    rows.append({**dict(zip(CLOCK_COLUMNS, values, strict=True)), "id": clock.id})
        if rows:
            assignments = ", ".join(f"{name} = :{name}" for name in CLOCK_COLUMNS)
            self._writer.execute(
                text(f"UPDATE clock SET {assignments} WHERE id = :id"),  # noqa: S608
                rows,
            )

    def _queue_events(self, changed: Sequence[Entry]) -> list[Event]:
        """Store what changes in the units' queues, and say it on their topics."""
        wanted = [
            (unit, entry, role, is_open)
            for entry in changed
            for unit, role, is_open in _queue_changes(entry)
        ]
        if not wanted:
            return []
        wanted.sort(key=lambda item: (item[0], item[1].case.number))
        counts: dict[str, int] = {}
        for unit, *_ in wanted:
            counts[unit] = counts.get(unit, 0) + 1
        seqs = self._next_seqs(counts)
        items = []
        for unit, entry, role, is_open in wanted:
            seqs[unit] += 1
            last = entry.told[-1]
            items.append(
                QueueItem(
                    seq=seqs[unit],
                    unit=unit,
                    number=entry.case.number,
                    role=role,
                    open=is_open,
                    reason=last.fact.fact.value,
                    ticket=entry.ticket,
                    case=entry.view,
                    at=last.at,
                )
            )
        self._upsert(items)
        traces = {entry.case.number: entry.told[-1].trace for entry in changed}
        return [
            Event(
                queue_topic(item.unit),
                QUEUE_CHANGED,
                item.number,
                item,
                item.at,
                traces[item.number],
            )
            for item in items
        ]

    def _next_seqs(self, counts: dict[str, int]) -> dict[str, int]:
        """For each unit the last number given before these; its feed is held until the commit."""
        units = sorted(counts)
        rows = self._writer.execute(
            text(
                "INSERT INTO unit_feed AS f (unit, seq)"
                " SELECT * FROM unnest(CAST(:units AS text[]), CAST(:counts AS bigint[]))"
                " ON CONFLICT (unit) DO UPDATE SET seq = f.seq + excluded.seq RETURNING unit, seq"
            ),
            {"units": units, "counts": [counts[unit] for unit in units]},
        )
        return {unit: seq - counts[unit] for unit, seq in rows}

    def _upsert(self, items: Sequence[QueueItem]) -> None:
        self._writer.execute(
            text(
                "INSERT INTO queue_entry (unit, number, seq, open, item)"
                " SELECT i ->> 'unit', i ->> 'number', CAST(i ->> 'seq' AS bigint),"
                " CAST(i ->> 'open' AS boolean), i"
                " FROM jsonb_array_elements(CAST(:items AS jsonb)) AS i"
                " ON CONFLICT (unit, number) DO UPDATE SET seq = excluded.seq,"
                " open = excluded.open, item = excluded.item"
            ),
            {"items": as_json(items)},
        )


LOG_COLUMNS = ("number", "version", "fact", "actor", "unit", "note", "detail", "at")
JSON_COLUMNS = frozenset({"details", "ticket"})


def clocks_of(reader: Reader, numbers: Sequence[str]) -> dict[str, tuple[Clock, ...]]:
    """The clocks of these cases, oldest first."""
    found: dict[str, tuple[Clock, ...]] = {}
    query = select(ClockRow).where(col(ClockRow.number).in_(numbers)).order_by(col(ClockRow.id))
    for row in reader.execute(query).scalars():
        found[row.number] = (*found.get(row.number, ()), row.clock())
    return found


def load_case(reader: Reader, number: str) -> tuple[Ticket, CaseRecord] | None:
    """A case as it stands, with its ticket; None where there is none."""
    row = reader.get(CaseRow, number)
    if row is None:
        return None
    case = row.record(clocks_of(reader, [number]).get(number, ()))
    return Ticket.model_validate(row.ticket), case


def _queue_changes(entry: Entry) -> list[tuple[str, str, bool]]:
    """Unit, duty and whether it is open, for every queue the change touches.

    A unit that still has the case sees its new state; one that no longer has it sees its
    entry closed once.
    """
    now = duties(entry.case)
    before = duties(entry.stored) if entry.stored is not None else {}
    gone = [(unit, duty.value, False) for unit, duty in before.items() if unit not in now]
    return [*((unit, duty.value, True) for unit, duty in now.items()), *gone]


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
                at=told.at,
            )
            type_ = told.fact.fact.event_type
            yield Event(CASES, type_, told.case.number, payload, told.at, told.trace)
