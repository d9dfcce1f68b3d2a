"""Whistles in and out of the database, what they say, and where they stand in queues.

Whoever reads a whistle to change it holds its case, see the router's `storing.py`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, select

from services.router.domain.clocks import Clock
from services.router.domain.whistles.duties import whistle_duties
from services.router.domain.whistles.records import Happened, WhistleDecision, WhistleRecord
from services.router.domain.whistles.views import whistle_view
from services.router.storage.feeds import Occasion, QueueChange, queue_changes
from services.router.storage.whistle_tables import WHISTLE_COLUMNS, WhistleRow, whistle_values
from shared.database import Reader, Writer
from shared.envelope import Event
from shared.events import WHISTLES, Case, Ticket, Whistle, WhistleEvent

LOG_COLUMNS = (
    *("whistle", "version", "fact", "concerns", "actor", "unit", "note", "detail", "at"),
)


@dataclass(frozen=True, slots=True)
class ToldWhistle:
    """A fact and the whistle after the decision it belongs to, and who caused it."""

    happened: Happened
    whistle: Whistle
    actor: str
    unit: str | None
    at: datetime
    trace: str | None


@dataclass(slots=True)
class HeldWhistle:
    """A whistle in the hands of a transaction; `stored` as it was read, if it was."""

    record: WhistleRecord
    stored: WhistleRecord | None
    told: list[ToldWhistle] = field(default_factory=list)

    def tell(
        self,
        decision: WhistleDecision,
        at: datetime,
        actor: str,
        unit: str | None,
        trace: str | None,
    ) -> None:
        """Take a decision over."""
        self.record = decision.record
        view = whistle_view(decision.record)
        self.told.extend(ToldWhistle(fact, view, actor, unit, at, trace) for fact in decision.facts)


def load_whistles(
    reader: Reader,
    numbers: Sequence[str],
    clocks: Mapping[tuple[str, str | None], tuple[Clock, ...]],
) -> Sequence[WhistleRecord]:
    """The whistles on these cases, oldest first, with their clocks out of `clocks`."""
    query = (
        select(WhistleRow)
        .where(col(WhistleRow.ticket_number).in_(numbers))
        .order_by(col(WhistleRow.blown_at), col(WhistleRow.number))
    )
    return [
        row.record(clocks.get((row.ticket_number, row.number), ()))
        for row in reader.execute(query).scalars()
    ]


def store_whistles(writer: Writer, changed: Sequence[HeldWhistle]) -> None:
    """Write changed whistles and their log; the clocks are the ledger's."""
    fresh = [held for held in changed if held.stored is None]
    writer.copy("whistle", WHISTLE_COLUMNS, (whistle_values(held.record) for held in fresh))
    rows = [
        dict(zip(WHISTLE_COLUMNS, whistle_values(held.record), strict=True))
        for held in changed
        if held.stored is not None
    ]
    if rows:
        writer.execute(
            text(
                "UPDATE whistle SET version = :version, kind = :kind, state = :state,"
                " units = :units, details = CAST(:details AS jsonb) WHERE number = :number"
            ),
            rows,
        )
    writer.copy("whistle_log", LOG_COLUMNS, (row for held in changed for row in _log_rows(held)))


def whistle_queue(held: HeldWhistle, ticket: Ticket, case: Case) -> Iterator[QueueChange]:
    """Every queue a change of a whistle touches; `ticket` and `case` are as units see them."""
    last = held.told[-1]
    reason = last.happened.fact.value
    occasion = Occasion(reason, ticket, case, last.at, last.trace, last.whistle)
    before = whistle_duties(held.stored) if held.stored is not None else {}
    return queue_changes(whistle_duties(held.record), before, occasion)


def whistle_events(held: HeldWhistle) -> Iterable[Event]:
    """What the whistle says on its topic, in its order among the ticket's events."""
    for told in held.told:
        payload = WhistleEvent(
            whistle=told.whistle,
            actor=told.actor,
            unit=told.unit,
            concerns=told.happened.concerns,
            note=told.happened.note,
            detail=told.happened.detail,
            at=told.at,
        )
        type_ = told.happened.fact.event_type
        yield Event(WHISTLES, type_, held.record.ticket_number, payload, told.at, told.trace)


def _log_rows(held: HeldWhistle) -> Iterable[tuple[object, ...]]:
    for told in held.told:
        yield (
            held.record.number,
            told.whistle.version,
            told.happened.fact.value,
            told.happened.concerns,
            told.actor,
            told.unit,
            told.happened.note,
            json.dumps(dict(told.happened.detail), ensure_ascii=False),
            told.at,
        )
