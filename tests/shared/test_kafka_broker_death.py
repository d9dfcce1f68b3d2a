"""A broker of three dies while events are published, and comes back: nothing is lost."""

import signal
import threading
import time
from collections import defaultdict

import pytest

from deploy.kafka.broker import KafkaCluster
from shared.bus import Bus, BusUnavailable, Record
from shared.bus.kafka import KafkaBus

pytestmark = pytest.mark.kafka

TOPIC = "survives"
KEYS = 20
READ_SECONDS = 30.0
ENDS_SECONDS = 20.0
"""When the database ends the transaction that the relay holds open meanwhile; it waits for a
delivery (8 s) and then for what is pending (10 s), each of which has its own bound."""


class Writer(threading.Thread):
    """Publishes numbered records of several keys, again and again until the bus took them."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(daemon=True)
        self._producer = bus.producer()
        self._finish = threading.Event()
        self.published = 0

    def finish(self) -> None:
        self._finish.set()
        self.join(timeout=60)
        assert not self.is_alive()
        self._producer.close()

    def run(self) -> None:
        while not self._finish.is_set():
            numbers = range(self.published, self.published + KEYS)
            left = [Record(TOPIC, f"key-{n % KEYS}", b"%d" % n) for n in numbers]
            while left:
                left = self._refused(left)
            self.published += KEYS

    def _refused(self, records: list[Record]) -> list[Record]:
        try:
            taken = self._producer.publish(records)
        except BusUnavailable:
            time.sleep(0.1)
            return records
        time.sleep(0.005)  # a steady stream, and a processor left for the brokers
        return [record for record, ok in zip(records, taken, strict=True) if not ok]


def test_what_is_published_while_a_broker_dies_arrives_in_order(
    kafka_cluster: KafkaCluster,
) -> None:
    bus = KafkaBus(kafka_cluster.bootstrap, replication=3)
    bus.ensure_topics({TOPIC: 6})
    writer = Writer(bus)
    writer.start()
    wait_for_progress(writer, 1000)
    kafka_cluster.kill(0)
    wait_for_progress(writer, 1000)
    kafka_cluster.restart(0)
    kafka_cluster.wait_until_up()
    wait_for_progress(writer, 1000)
    writer.finish()

    first_seen: dict[str, list[int]] = defaultdict(list)
    consumer = bus.consumer("reader", [TOPIC])
    seen: set[int] = set()
    deadline = time.monotonic() + READ_SECONDS
    while len(seen) < writer.published and time.monotonic() < deadline:
        for item in consumer.poll(1.0):
            number = int(item.record.value)
            if number not in seen:
                first_seen[item.record.key].append(number)
                seen.add(number)
    consumer.close()
    bus.close()
    assert seen == set(range(writer.published))
    assert all(numbers == sorted(numbers) for numbers in first_seen.values())


def test_the_bus_answers_as_long_as_writes_are_acknowledged(kafka_cluster: KafkaCluster) -> None:
    bus = KafkaBus(kafka_cluster.bootstrap, replication=3)
    assert bus.answers()
    kafka_cluster.kill(0)
    for _ in range(5):
        started = time.monotonic()
        assert bus.answers()
        assert time.monotonic() - started < 1.5
    kafka_cluster.kill(1)
    for _ in range(3):
        assert not bus.answers()
    for node in (0, 1):
        kafka_cluster.restart(node)
    kafka_cluster.wait_until_up()
    deadline = time.monotonic() + 30
    while not bus.answers():
        assert time.monotonic() < deadline
    bus.close()


def test_a_frozen_broker_keeps_nobody_waiting_who_asks_for_the_bus(
    kafka_cluster: KafkaCluster,
) -> None:
    bus = KafkaBus(kafka_cluster.bootstrap, replication=3)
    assert bus.answers()
    for broker in kafka_cluster.brokers:
        broker.send(signal.SIGSTOP)
        for _ in range(3):
            started = time.monotonic()
            assert bus.answers()
            assert time.monotonic() - started < 2.0
        broker.send(signal.SIGCONT)
        kafka_cluster.wait_until_up()
    bus.close()


def test_a_publish_under_which_all_brokers_die_ends_soon_and_leaves_no_thread(
    kafka_cluster: KafkaCluster,
) -> None:
    bus = KafkaBus(kafka_cluster.bootstrap, replication=3)
    topics = [f"dies-{n}" for n in range(30)]
    bus.ensure_topics(dict.fromkeys(topics, 1))
    before = set(threading.enumerate())
    producer = bus.producer()
    took: list[float] = []
    whole = threading.Event()
    finish = threading.Event()

    def publish() -> None:
        while not finish.is_set():
            started = time.monotonic()
            try:
                published = producer.publish([Record(topic, "key", b"value") for topic in topics])
                if all(published):
                    whole.set()
            except BusUnavailable:
                time.sleep(0.1)
            took.append(time.monotonic() - started)

    publishing = threading.Thread(target=publish)
    publishing.start()
    for _ in range(2):
        assert whole.wait(60)
        for node in range(3):
            kafka_cluster.kill(node)
        time.sleep(5)
        for node in range(3):
            kafka_cluster.restart(node)
        kafka_cluster.wait_until_up()
        whole.clear()
    assert whole.wait(60)
    finish.set()
    publishing.join(60)
    producer.close()
    bus.close()
    assert max(took) < ENDS_SECONDS
    deadline = time.monotonic() + 10
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def wait_for_progress(writer: Writer, records: int) -> None:
    """Wait until so many more records are published; the bus must come to itself for that."""
    goal = writer.published + records
    deadline = time.monotonic() + 60
    while writer.published < goal:
        assert time.monotonic() < deadline, f"stuck at {writer.published} of {goal}"
        assert writer.is_alive()
        time.sleep(0.05)
