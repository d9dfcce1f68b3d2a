"""Events for the tests of the messaging: reminders of a ticket, numbered per ticket."""

import contextlib
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import psycopg
from sqlalchemy import text

from shared.bus import Bus, Producer, Received, Record
from shared.database import Database, Writer
from shared.envelope import Event, Message, headers_of
from shared.events import TICKET_URGED, TicketUrged
from shared.postgres import database_url, libpq, server_url
from shared.settings import Settings

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
PATIENCE = 20.0


def new_topic(bus: Bus) -> str:
    name = f"t{uuid.uuid4().hex[:12]}"
    bus.ensure_topics({name: 3, "hotline.deadletter": 1})
    return name


def urged(key: str, n: int, note: str = "") -> TicketUrged:
    return TicketUrged(number=key, version=n, urges=n, note=note, at=NOON)


def event(topic: str, key: str, n: int, note: str = "") -> Event:
    return Event(topic, TICKET_URGED, key, urged(key, n, note), NOON)


def record(topic: str, key: str, n: int, note: str = "") -> Record:
    """The event as it lies on the bus."""
    headers = headers_of(uuid.uuid4(), TICKET_URGED, "test", key, NOON, None)
    return Record(topic, key, urged(key, n, note).model_dump_json().encode(), headers)


def publish(bus: Bus, records: Sequence[Record]) -> None:
    producer: Producer = bus.producer()
    assert all(producer.publish(records))
    producer.close()


def read_all(bus: Bus, topic: str, count: int, group: str | None = None) -> list[Received]:
    """The next `count` records of a topic, for a new reader unless one is named."""
    consumer = bus.consumer(group or uuid.uuid4().hex, [topic])
    received: list[Received] = []
    deadline = time.monotonic() + PATIENCE
    while len(received) < count and time.monotonic() < deadline:
        received += consumer.poll(0.2)
    consumer.commit(received)
    consumer.close()
    assert len(received) >= count, f"{len(received)} of {count} records came"
    return received


def numbers_by_key(received: Sequence[Received]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for item in received:
        numbers[item.record.key].append(TicketUrged.model_validate_json(item.record.value).urges)
    return dict(numbers)


def keep(writer: Writer, messages: Sequence[Message]) -> None:
    """A handler: one row for each message."""
    for message in messages:
        assert isinstance(message.payload, TicketUrged)
        writer.execute(
            text("INSERT INTO effect (key, n, note) VALUES (:key, :n, :note)"),
            {"key": message.key, "n": message.payload.urges, "note": message.payload.note},
        )


def effects(database: Database) -> dict[str, list[int]]:
    """What `keep` kept, by key, in the order in which it was stored."""
    kept: dict[str, list[int]] = defaultdict(list)
    with database.reading() as reader:
        for key, n in reader.execute(text("SELECT key, n FROM effect ORDER BY id")):
            kept[key].append(n)
    return dict(kept)


def count(database: Database, table: str) -> int:
    with database.reading() as reader:
        return int(reader.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def until(happened: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@contextlib.contextmanager
def bus_away(settings: Settings) -> Iterator[None]:
    """Cut all connections to the bus's database, and refuse new ones, for a while."""
    name = database_url(settings, "bus").database
    admin = libpq(server_url(settings).set(database="postgres"))
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
