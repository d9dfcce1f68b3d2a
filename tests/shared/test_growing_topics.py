"""A topic gains partitions while it is in use: every ticket's events keep their order."""

import contextlib
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from kafka import KafkaAdminClient

from deploy.kafka.partitions import (
    READERS,
    SERVICES,
    SHARED,
    GrowError,
    groups_reading,
    grow,
    partitions_of,
)
from deploy.stack import borrow_model
from shared.bus.kafka import KafkaBus
from shared.consume import ConsumerLoop, Subscription
from shared.database import Database, Writer
from shared.envelope import Message
from shared.messaging import emit
from shared.relay import Relay
from shared.service import runtime_of
from shared.settings import Settings
from tests.shared.urges import count, effects, event, keep, read_all, until

KEYS = [f"NK20261123-{n:06d}" for n in range(24)]
BEFORE, AFTER = 3, 7
UNREAD = 200
"""Rounds that lie unread when the topic is to grow: at the members' pace longer than it takes them
to find a new partition."""
MESSAGE_SECONDS = 0.01
SECONDS = 120.0


@pytest.fixture
def bus(kafka: str) -> Iterator[KafkaBus]:
    opened = KafkaBus(kafka)
    yield opened
    opened.close()


@pytest.fixture
def admin(kafka: str) -> Iterator[Any]:
    client = KafkaAdminClient(bootstrap_servers=[kafka])
    yield client
    client.close()


@pytest.fixture
def topic(bus: KafkaBus) -> str:
    name = f"t{uuid.uuid4().hex[:12]}"
    bus.ensure_topics({name: BEFORE, "hotline.deadletter": 1})
    return name


class Tickets(threading.Thread):
    """Says something of every ticket, numbered for each: much at first, then on and on."""

    def __init__(self, database: Database, topic: str) -> None:
        super().__init__(daemon=True)
        self._database = database
        self._topic = topic
        self._finish = threading.Event()
        self.rounds = 0
        for _ in range(UNREAD):
            self._say()

    def run(self) -> None:
        while not self._finish.wait(0.2):
            self._say()

    def _say(self) -> None:
        self.rounds += 1
        with self._database.writing() as writer:
            emit(writer, [event(self._topic, key, self.rounds) for key in KEYS])

    def finish(self) -> None:
        self._finish.set()
        self.join()


def slowly(writer: Writer, messages: Sequence[Message]) -> None:
    """Keeps what it hears, and takes its time."""
    time.sleep(MESSAGE_SECONDS * len(messages))
    keep(writer, messages)


@contextlib.contextmanager
def working(database: Database, bus: KafkaBus, topic: str, group: str) -> Iterator[None]:
    """A relay, and three members of a group."""
    relay = Relay("intake", database, bus, {})
    read = Subscription(group, (topic,), slowly)
    loops = [ConsumerLoop(read, bus, database, {}, relay.wake) for _ in range(3)]
    for thread in (relay, *loops):
        thread.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        for loop in loops:
            loop.join()
        relay.stop()


@pytest.mark.kafka
def test_a_topic_grows_under_load_and_every_ticket_keeps_its_order(
    database: Database, bus: KafkaBus, admin: Any, topic: str
) -> None:
    group = f"g{uuid.uuid4().hex[:8]}"
    tickets = Tickets(database, topic)
    with working(database, bus, topic, group):
        tickets.start()
        until(lambda: bool(groups_reading(admin, [topic]).get(group)), SECONDS)
        began = tickets.rounds
        grow(bus, admin, [database], {topic: AFTER}, {group: [topic]}, SECONDS)
        grown = tickets.rounds
        until(lambda: tickets.rounds > grown + 10)
        tickets.finish()
        total = tickets.rounds * len(KEYS)
        until(lambda: count(database, "effect") >= total, SECONDS)
    assert grown > began
    assert partitions_of(admin, [topic]) == {topic: AFTER}
    assert effects(database) == {key: list(range(1, tickets.rounds + 1)) for key in KEYS}
    places: dict[str, set[int]] = defaultdict(set)
    for item in read_all(bus, topic, total):
        places[item.record.key].add(item.partition)
    assert {len(used) for used in places.values()} == {1, 2}


@pytest.mark.kafka
def test_while_a_group_is_behind_nothing_grows_and_the_relay_goes_on(
    database: Database, bus: KafkaBus, admin: Any, topic: str
) -> None:
    relay = Relay("intake", database, bus, {})
    relay.start()

    def say(n: int) -> None:
        with database.writing() as writer:
            emit(writer, [event(topic, key, n) for key in KEYS])
        until(lambda: count(database, "outbox") == 0)

    say(1)
    with pytest.raises(GrowError, match=f"late 还差 {len(KEYS)} 条"):
        grow(bus, admin, [database], {topic: AFTER}, {"late": [topic]}, 1)
    assert partitions_of(admin, [topic]) == {topic: BEFORE}
    say(2)
    relay.stop()


def test_the_groups_that_are_waited_for_are_those_of_the_services(settings: Settings) -> None:
    borrow_model(settings.home)
    heard = {}
    for service in SERVICES:
        runtime = runtime_of(service, settings)
        parts = service.build(runtime)
        for subscription in parts.subscriptions:
            heard[subscription.group] = set(subscription.topics)
        parts.close()
        runtime.database.close()
    assert {group: set(topics) for group, topics in READERS.items()} == heard
    assert set(SHARED) == {topic for topics in READERS.values() for topic in topics}
