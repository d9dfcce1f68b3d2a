"""The units' feeds: what changes in their queues, stored and said on their topics.

Writing to them is the last thing a transaction does. A feed's number is held until the
commit, so numbers are given in the order in which they become visible: a reader that has
seen one has seen all before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from shared.database import Writer, as_json
from shared.envelope import Event
from shared.events import QUEUE_CHANGED, Case, QueueItem, Ticket, Whistle, queue_topic


@dataclass(frozen=True, slots=True)
class QueueChange:
    """One entry of one unit's queue as it now stands: a ticket, or a whistle on it."""

    unit: str
    role: str
    open: bool
    reason: str
    ticket: Ticket
    case: Case
    at: datetime
    trace: str | None
    whistle: Whistle | None = None


def write_feeds(writer: Writer, changes: Sequence[QueueChange]) -> list[Event]:
    """Store the changes in their units' queues; the events that tell the units."""
    if not changes:
        return []
    ordered = sorted(changes, key=lambda change: (change.unit, change.case.number))
    counts: dict[str, int] = {}
    for change in ordered:
        counts[change.unit] = counts.get(change.unit, 0) + 1
    seqs = _next_seqs(writer, counts)
    items = []
    for change in ordered:
        seqs[change.unit] += 1
        items.append(
            QueueItem(
                seq=seqs[change.unit],
                unit=change.unit,
                number=change.case.number,
                role=change.role,
                open=change.open,
                reason=change.reason,
                ticket=change.ticket,
                case=change.case,
                whistle=change.whistle,
                at=change.at,
            )
        )
    _upsert(writer, items)
    return [
        Event(queue_topic(item.unit), QUEUE_CHANGED, item.number, item, item.at, change.trace)
        for item, change in zip(items, ordered, strict=True)
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
