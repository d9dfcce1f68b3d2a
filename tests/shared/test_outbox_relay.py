"""The outbox and its relay: what was committed reaches the bus, in order for each key."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

import shared.relay
from shared.bus import Bus, BusUnavailable, Consumer, Producer, Record
from shared.database import Database
from shared.messaging import backlog, emit
from shared.relay import Relay, relay_paused
from shared.settings import Settings
from tests.shared.urges import (
    bus_away,
    count,
    event,
    new_topic,
    numbers_by_key,
    read_all,
    until,
)


@contextlib.contextmanager
def relaying(database: Database, bus: Bus) -> Iterator[Relay]:
    relay = Relay("intake", database, bus, {})
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()
        assert not relay.is_alive()


def emit_next(database: Database, topic: str, key: str) -> None:
    """Count up a key's row and say so, as a service changes a ticket."""
    with database.writing() as writer:
        n = writer.execute(
            text(
                "INSERT INTO counter VALUES (:key, 1)"
                " ON CONFLICT (key) DO UPDATE SET n = counter.n + 1 RETURNING n"
            ),
            {"key": key},
        ).scalar_one()
        emit(writer, [event(topic, key, n)])


class Watched:
    """A bus whose producers count what passes and refuse what they are told to."""

    name = "watched"

    def __init__(self, bus: Bus, refused: Sequence[tuple[str, int]] = ()) -> None:
        self._bus = bus
        self.refused = list(refused)
        self.passed = 0
        self._producers: list[Producer] = []

    def producer(self) -> Producer:
        self._producers.append(self._bus.producer())
        return WatchedProducer(self, self._producers[-1])

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        self._bus.ensure_topics(topics)

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        return self._bus.consumer(group, topics)

    def lag(self, group: str, topics: Sequence[str]) -> Mapping[str, int]:
        return self._bus.lag(group, topics)

    def answers(self) -> bool:
        return True

    def close(self) -> None:
        for producer in self._producers:
            producer.close()


class WatchedProducer:
    def __init__(self, watched: Watched, producer: Producer) -> None:
        self._watched = watched
        self._producer = producer

    def publish(self, records: Sequence[Record]) -> Sequence[bool]:
        return [self._publish(record) for record in records]

    def _publish(self, record: Record) -> bool:
        for key, n in self._watched.refused:
            if record.key == key and f'"urges":{n},'.encode() in record.value:
                return False
        self._watched.passed += 1
        return all(self._producer.publish([record]))

    def close(self) -> None:
        self._producer.close()


def test_keys_keep_their_order_under_concurrent_writers(database: Database, bus: Bus) -> None:
    topic, keys = new_topic(bus), ["a", "b", "c"]

    def write(writer: int) -> None:
        for turn in range(20):
            emit_next(database, topic, keys[(writer + turn) % 3])

    with relaying(database, bus) as relay, ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
        relay.wake()
        received = numbers_by_key(read_all(bus, topic, 120))
    assert received == {key: list(range(1, 41)) for key in keys}
    assert count(database, "outbox") == 0


def test_while_a_relay_is_paused_nothing_is_published_and_afterwards_everything_is(
    database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)
    with relaying(database, bus):
        emit_next(database, topic, "a")
        until(lambda: count(database, "outbox") == 0)
        with relay_paused(database):
            emit_next(database, topic, "a")
            time.sleep(0.5)
            assert count(database, "outbox") == 1
        until(lambda: count(database, "outbox") == 0)
        assert numbers_by_key(read_all(bus, topic, 2)) == {"a": [1, 2]}


def test_what_was_rolled_back_is_never_published(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    with contextlib.suppress(ZeroDivisionError), database.writing() as writer:
        emit(writer, [event(topic, "a", 99)])
        raise ZeroDivisionError
    emit_next(database, topic, "a")
    with relaying(database, bus):
        assert numbers_by_key(read_all(bus, topic, 1)) == {"a": [1]}


def test_an_event_carries_its_envelope(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    emit_next(database, topic, "NK20261123-000001")
    with relaying(database, bus):
        (received,) = read_all(bus, topic, 1)
    headers = received.record.headers
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_type"] == "hotline.ticket.urged.v1"
    assert headers["ce_source"] == "/hotline/intake"
    assert headers["ce_subject"] == received.record.key == "NK20261123-000001"
    assert headers["ce_time"] == "2026-11-23T04:00:00+00:00"


def test_a_key_stops_at_its_first_event_that_is_not_taken(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    for key in ("a", "b", "a", "b", "a", "b"):
        emit_next(database, topic, key)
    watched = Watched(bus, refused=[("a", 2)])
    relay = Relay("intake", database, watched, {})
    with database.engine.connect() as connection:
        with pytest.raises(BusUnavailable):
            relay.relay_once(connection)
        assert count(database, "outbox") == 2
        watched.refused.clear()
        assert relay.relay_once(connection) == 2
    watched.close()
    received = numbers_by_key(read_all(bus, topic, 6))
    assert received["b"] == [1, 2, 3]
    assert list(dict.fromkeys(received["a"]))[:1] == [1]
    assert received["a"][-2:] == [2, 3]


def test_one_relay_of_a_service_works_and_another_takes_over(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    first, second = Watched(bus), Watched(bus)
    with relaying(database, first) as elected:
        emit_next(database, topic, "a")
        until(lambda: count(database, "outbox") == 0)
        with relaying(database, second):
            for _ in range(20):
                emit_next(database, topic, "a")
            until(lambda: count(database, "outbox") == 0)
            assert (first.passed, second.passed) == (21, 0)
            elected.stop()
            emit_next(database, topic, "a")
            until(lambda: count(database, "outbox") == 0)
            assert (first.passed, second.passed) == (21, 1)


def test_a_relay_is_woken_by_the_process_that_commits(
    database: Database, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.relay, "IDLE_SECONDS", (3600.0, 3600.0))
    topic = new_topic(bus)
    with relaying(database, bus) as relay:
        for n in range(1, 4):
            emit_next(database, topic, "a")
            relay.wake()
            until(lambda: count(database, "outbox") == 0)
            assert numbers_by_key(read_all(bus, topic, n)) == {"a": list(range(1, n + 1))}


def test_a_relay_finds_by_itself_what_another_process_committed(
    database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)
    with relaying(database, bus):
        time.sleep(0.3)
        emit_next(database, topic, "a")
        assert numbers_by_key(read_all(bus, topic, 1)) == {"a": [1]}


def test_events_wait_while_the_bus_is_away_and_catch_up(
    installation: Settings, database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)
    with relaying(database, bus):
        emit_next(database, topic, "a")
        until(lambda: count(database, "outbox") == 0)
        with bus_away(installation):
            for _ in range(10):
                emit_next(database, topic, "a")
            time.sleep(0.5)
            with database.reading() as reader:
                assert backlog(reader).events == 10
        received = numbers_by_key(read_all(bus, topic, 11))
    assert list(dict.fromkeys(received["a"])) == list(range(1, 12))


def test_a_relay_survives_the_loss_of_its_connection(database: Database, bus: Bus) -> None:
    topic = new_topic(bus)
    with relaying(database, bus):
        emit_next(database, topic, "a")
        until(lambda: count(database, "outbox") == 0)
        with database.reading() as reader:
            reader.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        emit_next(database, topic, "a")
        assert numbers_by_key(read_all(bus, topic, 2)) == {"a": [1, 2]}


def test_a_stopped_relay_ends_promptly_and_leaves_the_rest(
    installation: Settings, database: Database, bus: Bus
) -> None:
    topic = new_topic(bus)
    with bus_away(installation):
        relay = Relay("intake", database, bus, {})
        relay.start()
        emit_next(database, topic, "a")
        until(lambda: threading.active_count() > 1)
        started = time.monotonic()
        relay.stop()
        assert time.monotonic() - started < 3.0
        assert not relay.is_alive()
    assert count(database, "outbox") == 1
