"""The units' feeds: what changes in their queues, stored and said on their topics.

Writing to them is the last thing a transaction does. A feed's number is held until the
commit, so numbers are given in the order in which they become visible: a reader that has
seen one has seen all before it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import text

from services.router.storage.held import By
from shared.database import Reader, Writer, as_json
from shared.envelope import Event
from shared.events import QUEUE_CHANGED, Case, QueueItem, Ticket, Whistle, queue_topic
from shared.protection import case_for_accused, for_accused, whistle_for_accused


@dataclass(frozen=True, slots=True)
class Occasion:
    """What the entries of one change have in common."""

    reason: str
    by: By
    ticket: Ticket
    case: Case
    whistle: Whistle | None = None

    @property
    def whistle_number(self) -> str:
        """Empty where it is about the case itself."""
        return self.whistle.number if self.whistle is not None else ""

    def told_to(self, unit: str) -> "Occasion":
        """The occasion as a unit is told of it: one that is accused learns that it is over."""
        if unit != self.case.accused_unit:
            return self
        whistle = self.whistle and whistle_for_accused(self.whistle)
        ticket, case = for_accused(self.ticket), case_for_accused(self.case)
        return replace(self, ticket=ticket, case=case, whistle=whistle)


@dataclass(frozen=True, slots=True)
class QueueChange:
    """One entry of one unit's queue as it now stands: a ticket, or a whistle on it."""

    unit: str
    role: str
    open: bool
    occasion: Occasion


def queue_changes(
    now: Mapping[str, str], before: Mapping[str, str], occasion: Occasion
) -> Iterator[QueueChange]:
    """Every queue a change touches, from the duties of units after and before it.

    A unit that still has to do something sees the new state; one that no longer has sees
    its entry closed once.
    """
    gone = {unit: duty for unit, duty in before.items() if unit not in now}
    for unit, duty in (*now.items(), *gone.items()):
        yield QueueChange(unit, str(duty), unit in now, occasion)


def open_duties(
    reader: Reader, numbers: Collection[str]
) -> Mapping[tuple[str, str], Mapping[str, str]]:
    """The duties that stand open in queues, by unit, for each of these cases and its whistles.

    A key is the number of a case and of a whistle on it, which is empty for the case itself.
    """
    query = text(
        "SELECT number, whistle, unit, item ->> 'role' AS role FROM queue_entry"
        " WHERE number = ANY(:numbers) AND open"
    )
    found: dict[tuple[str, str], dict[str, str]] = {}
    for number, whistle, unit, role in reader.execute(query, {"numbers": list(numbers)}):
        found.setdefault((number, whistle), {})[unit] = role
    return found


def standing_roles(
    reader: Reader, numbers: Collection[str]
) -> Mapping[str, Sequence[tuple[str, str, str, bool]]]:
    """Every entry of these cases, by case: its unit, its whistle or "", its duty, whether open."""
    query = text(
        "SELECT number, unit, whistle, item ->> 'role', open FROM queue_entry"
        " WHERE number = ANY(:numbers) ORDER BY unit, whistle"
    )
    found: dict[str, list[tuple[str, str, str, bool]]] = {}
    for number, *entry in reader.execute(query, {"numbers": list(numbers)}):
        unit, whistle, role, is_open = entry
        found.setdefault(number, []).append((unit, whistle, role, is_open))
    return found


def restored(
    now: Mapping[str, str], standing: Mapping[str, str], occasion: Occasion
) -> Iterator[QueueChange]:
    """What brings the entries that stand in queues to the duties there are now, and no more."""
    lacking = {unit: duty for unit, duty in now.items() if standing.get(unit) != str(duty)}
    gone = {unit: duty for unit, duty in standing.items() if unit not in now}
    return queue_changes(lacking, gone, occasion)


def write_feeds(writer: Writer, changes: Sequence[QueueChange]) -> list[Event]:
    """Store the changes in their units' queues; the events that tell the units."""
    if not changes:
        return []
    ordered = sorted(changes, key=lambda change: (change.unit, change.occasion.case.number))
    counts: dict[str, int] = {}
    for change in ordered:
        counts[change.unit] = counts.get(change.unit, 0) + 1
    seqs = _next_seqs(writer, counts)
    items = []
    for change in ordered:
        seqs[change.unit] += 1
        told = change.occasion.told_to(change.unit)
        items.append(
            QueueItem(
                seq=seqs[change.unit],
                unit=change.unit,
                number=told.case.number,
                role=change.role,
                open=change.open,
                reason=told.reason,
                ticket=told.ticket,
                case=told.case,
                whistle=told.whistle,
                at=told.by.at,
            )
        )
    _upsert(writer, items)
    traces = [change.occasion.by.trace for change in ordered]
    return [
        Event(queue_topic(item.unit), QUEUE_CHANGED, item.number, item, item.at, trace)
        for item, trace in zip(items, traces, strict=True)
    ]


def _next_seqs(writer: Writer, counts: dict[str, int]) -> dict[str, int]:
    """For each unit the last number given before these; its feed is held until the commit."""
    units = sorted(counts)
    rows = writer.execute(
        text(
            "INSERT INTO unit_feed AS f (unit, seq)"
            " SELECT * FROM unnest(CAST(:units AS text[]), CAST(:counts AS bigint[]))"
            " ON CONFLICT (unit) DO UPDATE SET seq = f.seq + excluded.seq RETURNING unit, seq"
        ),
        {"units": units, "counts": [counts[unit] for unit in units]},
    )
    return {unit: seq - counts[unit] for unit, seq in rows}


def _upsert(writer: Writer, items: Sequence[QueueItem]) -> None:
    writer.execute(
        text(
            "INSERT INTO queue_entry (unit, number, whistle, seq, open, item)"
            " SELECT i ->> 'unit', i ->> 'number', coalesce(i #>> '{whistle,number}', ''),"
            " CAST(i ->> 'seq' AS bigint), CAST(i ->> 'open' AS boolean), i"
            " FROM jsonb_array_elements(CAST(:items AS jsonb)) AS i"
            " ON CONFLICT (unit, number, whistle) DO UPDATE SET seq = excluded.seq,"
            " open = excluded.open, item = excluded.item"
        ),
        {"items": as_json(items)},
    )
