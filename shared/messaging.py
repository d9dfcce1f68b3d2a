"""Outbox, inbox and dead letters: what makes effects happen once over an at-least-once bus.

An event is written to the outbox in the transaction that made it true, and a message's id
to the inbox in the transaction of its effects. All three tables stand in each service's
own database.
"""

import contextlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Text, func, or_, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlmodel import Field, SQLModel, col, select

from shared.bus import Received, Record
from shared.database import Reader, Writer, as_json
from shared.envelope import CURRENT_TRACE, Event, new_id
from shared.events import DEAD_LETTERED, DEADLETTER, DeadLetter

ORIGINAL_CHARACTERS: Final = 200_000
"""How much of a message its dead letter quotes: whatever came in, the letter can be sent."""
OUTBOX_COLUMNS = ("event_id", "topic", "key", "type", "time", "trace", "payload")
INSERT_EVENTS: Final = """
INSERT INTO outbox (event_id, topic, key, type, time, trace, payload)
SELECT event_id, topic, key, type, time, trace, convert_to(payload, 'UTF8')
FROM jsonb_to_recordset(%s::jsonb) AS event (event_id uuid, topic text, key text, type text,
    time timestamptz, trace text, payload text)
"""
"""What `emit` does, for a transaction of the driver's own; takes `outbox_rows`."""


class OutboxRow(SQLModel, table=True):
    """An event that is not yet on the bus."""

    __tablename__ = "outbox"

    id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    event_id: UUID
    topic: str
    key: str
    type: str
    time: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    trace: str | None = None
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class DeadLetterRow(SQLModel, table=True):
    """A message that a consumer could not handle, or one of the same key behind it.

    `replayed_at` is when it stopped waiting: handled after all, or thrown away by
    `discarded_by` for the `discard_reason`.
    """

    __tablename__ = "dead_letter"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    consumer: str
    event_id: str
    key: str
    topic: str
    partition: int
    offset_: int = Field(sa_column=Column(BigInteger, nullable=False))
    headers: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    reason: str
    error: str = Field(sa_column=Column(Text, nullable=False))
    attempts: int
    parked_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    replayed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    discarded_by: str | None = None
    discard_reason: str | None = None

    @property
    def name(self) -> str:
        """What a person calls it by: its event's id, or its number where it has none."""
        return self.event_id or f"#{self.id}"

    @property
    def names(self) -> frozenset[str]:
        """Everything it answers to: its event's id, and `#` and its number."""
        return frozenset({self.name, f"#{self.id}"})

    def received(self) -> Received:
        """The record as it came from the bus."""
        record = Record(self.topic, self.key, self.value, self.headers)
        return Received(record, self.partition, self.offset_)


def emit(writer: Writer, events: Iterable[Event]) -> None:
    """Write events to the outbox of the writer's transaction, in order.

    For one key the caller holds the row that the events speak of, so that a later event
    has a larger id and becomes visible later.
    """
    rows = list(map(_outbox_row, events))
    if rows:
        writer.copy("outbox", OUTBOX_COLUMNS, ((*row[:-1], row[-1].encode()) for row in rows))


def outbox_rows(events: Iterable[Event]) -> str:
    """Events as INSERT_EVENTS takes them."""
    return as_json([dict(zip(OUTBOX_COLUMNS, _outbox_row(event), strict=True)) for event in events])


def _outbox_row(event: Event) -> tuple[UUID, str, str, str, datetime, str | None, str]:
    return (
        event.id or new_id(event.time),
        event.topic,
        event.key,
        event.type,
        event.time,
        event.trace or CURRENT_TRACE.get(),
        event.payload.model_dump_json(exclude_none=True),
    )


def admit(writer: Writer, consumer: str, ids: Sequence[UUID]) -> set[UUID]:
    """Record messages in the inbox; returns those this consumer has not handled before."""
    rows = writer.execute(
        text(
            "INSERT INTO inbox (consumer, event_id) SELECT :consumer, unnest(CAST(:ids AS uuid[])) "
            "ON CONFLICT DO NOTHING RETURNING event_id"
        ),
        {"consumer": consumer, "ids": list(ids)},
    )
    return set(rows.scalars())


def handled_before(reader: Reader, consumer: str, ids: Sequence[UUID]) -> set[UUID]:
    """Those messages that stand in the consumer's inbox."""
    rows = reader.execute(
        text(
            "SELECT event_id FROM inbox"
            " WHERE consumer = :consumer AND event_id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"consumer": consumer, "ids": list(ids)},
    )
    return set(rows.scalars())


def parked_keys(reader: Reader, consumer: str, keys: Iterable[str]) -> set[str]:
    """Those of `keys` that have a parked message, so that later ones must wait behind it."""
    rows = reader.execute(
        select(DeadLetterRow.key).where(
            DeadLetterRow.consumer == consumer,
            col(DeadLetterRow.replayed_at).is_(None),
            col(DeadLetterRow.key).in_(set(keys)),
        )
    )
    return set(rows.scalars())


def park(
    writer: Writer,
    consumer: str,
    received: Received,
    *,
    reason: str,
    error: str,
    attempts: int,
    now: datetime,
) -> bool:
    """Keep a message for replay and publish it to the dead-letter topic, in one transaction.

    A message that is redelivered after being parked is not parked twice; then False.
    """
    record = received.record
    inserted = writer.execute(
        insert(DeadLetterRow)
        .values(
            consumer=consumer,
            event_id=record.headers.get("ce_id", ""),
            key=record.key,
            topic=record.topic,
            partition=received.partition,
            offset_=received.offset,
            headers=dict(record.headers),
            value=record.value,
            reason=reason,
            error=error,
            attempts=attempts,
            parked_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(DeadLetterRow.id))
    ).first()
    if inserted is None:
        return False
    letter = DeadLetter(
        consumer=consumer,
        topic=record.topic,
        partition=received.partition,
        offset=received.offset,
        event_id=record.headers.get("ce_id", ""),
        event_type=record.headers.get("ce_type", ""),
        key=record.key,
        reason=reason,
        error=error,
        attempts=attempts,
        at=now,
        original=record.value.decode(errors="replace")[:ORIGINAL_CHARACTERS],
    )
    emit(writer, [Event(DEADLETTER, DEAD_LETTERED, record.key, letter, now)])
    return True


def waiting(reader: Reader, consumer: str | None = None) -> Sequence[DeadLetterRow]:
    """Parked messages in the order in which they were parked, of one consumer or of all."""
    query = select(DeadLetterRow).where(col(DeadLetterRow.replayed_at).is_(None))
    if consumer is not None:
        query = query.where(DeadLetterRow.consumer == consumer)
    return reader.execute(query.order_by(col(DeadLetterRow.id))).scalars().all()


def letters_named(reader: Reader, names: Collection[str]) -> Sequence[DeadLetterRow]:
    """Every letter that one of these names means (see `DeadLetterRow.names`), waiting or not."""
    number = func.concat("#", col(DeadLetterRow.id))
    named = or_(col(DeadLetterRow.event_id).in_(names), number.in_(names))
    query = select(DeadLetterRow).where(named).order_by(col(DeadLetterRow.id))
    return reader.execute(query).scalars().all()


def discarded(reader: Reader) -> Sequence[DeadLetterRow]:
    """The messages that people have thrown away, oldest first."""
    query = select(DeadLetterRow).where(col(DeadLetterRow.discarded_by).is_not(None))
    return reader.execute(query.order_by(col(DeadLetterRow.replayed_at))).scalars().all()


def next_waiting(writer: Writer, consumer: str, key: str) -> DeadLetterRow | None:
    """The oldest parked message of a key, held against other replays by its row's lock."""
    query = (
        select(DeadLetterRow)
        .where(
            DeadLetterRow.consumer == consumer,
            DeadLetterRow.key == key,
            col(DeadLetterRow.replayed_at).is_(None),
        )
        .order_by(col(DeadLetterRow.id))
        .limit(1)
        .with_for_update()
    )
    return writer.execute(query).scalars().first()


def mark_replayed(writer: Writer, letter: DeadLetterRow, now: datetime) -> None:
    """Say that a parked message has been handled after all."""
    writer.execute(
        update(DeadLetterRow).where(col(DeadLetterRow.id) == letter.id).values(replayed_at=now)
    )


def discard(writer: Writer, letter: DeadLetterRow, by: str, reason: str, now: datetime) -> bool:
    """Throw a parked message away, so that it stays without effect; False if it waits no more."""
    held = update(DeadLetterRow).where(
        col(DeadLetterRow.id) == letter.id, col(DeadLetterRow.replayed_at).is_(None)
    )
    told = held.values(replayed_at=now, discarded_by=by, discard_reason=reason)
    if writer.execute(told.returning(col(DeadLetterRow.id))).first() is None:
        return False
    with contextlib.suppress(ValueError):
        admit(writer, letter.consumer, [UUID(letter.event_id)])
    return True


def mark_failed(writer: Writer, letter_id: int, error: str) -> None:
    """Say that a parked message could not be handled this time either, and why."""
    writer.execute(
        update(DeadLetterRow)
        .where(col(DeadLetterRow.id) == letter_id)
        .values(attempts=col(DeadLetterRow.attempts) + 1, error=error)
    )


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a service: events for the bus, parked messages; ages of the oldest, seconds."""

    events: int
    events_age: float
    parked: int
    parked_age: float


def backlog(reader: Reader) -> Backlog:
    """What waits now."""
    query = text(
        "SELECT (SELECT count(*) FROM outbox),"
        " (SELECT coalesce(extract(epoch FROM now() - min(time)), 0) FROM outbox),"
        " count(*), coalesce(extract(epoch FROM now() - min(parked_at)), 0)"
        " FROM dead_letter WHERE replayed_at IS NULL"
    )
    events, events_age, parked, parked_age = reader.execute(query).one()
    return Backlog(int(events), float(events_age), int(parked), float(parked_age))
