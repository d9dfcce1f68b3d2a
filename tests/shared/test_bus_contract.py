"""What both back ends of the bus promise, tried on each: PostgreSQL and a real Kafka."""

import contextlib
import itertools
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.bus import Bus, BusError, BusUnavailable, Consumer, PartitionLost, Received, Record
from shared.bus.embedded import EmbeddedBus
from shared.bus.kafka import KafkaBus
from shared.postgres import ensure_database, libpq
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases

PATIENCE = 20.0
"""Seconds until something that must happen is taken not to happen."""
REPOSITORY = Path(__file__).parents[2]

BACK_ENDS: dict[str, Callable[[str], Bus]] = {"embedded": EmbeddedBus, "kafka": KafkaBus}


@dataclass(frozen=True)
class BackEnd:
    """Where a bus is, so that several processes can connect to it."""

    kind: str
    address: str

    def connect(self) -> Bus:
        return BACK_ENDS[self.kind](self.address)


@pytest.fixture(scope="module", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def back_end(
    request: pytest.FixtureRequest, server: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BackEnd]:
    if request.param == "kafka":
        yield BackEnd("kafka", request.getfixturevalue("kafka"))
        return
    own = own_databases(server, tmp_path_factory.mktemp("bus"))
    yield BackEnd("embedded", libpq(ensure_database(own, "bus")))
    drop_databases(own, server)


@pytest.fixture(scope="module")
def bus(back_end: BackEnd) -> Iterator[Bus]:
    connected = back_end.connect()
    yield connected
    connected.close()


@pytest.fixture
def topic(bus: Bus) -> str:
    return new_topic(bus)


def new_topic(bus: Bus, partitions: int = 4) -> str:
    name = f"t{uuid.uuid4().hex[:12]}"
    bus.ensure_topics({name: partitions})
    return name


def new_group() -> str:
    return f"g{uuid.uuid4().hex[:12]}"


@contextlib.contextmanager
def member(bus: Bus, group: str, *topics: str) -> Iterator[Consumer]:
    consumer = bus.consumer(group, topics)
    try:
        yield consumer
    finally:
        consumer.close()


class Member(threading.Thread):
    """A member of a group on a thread of its own, as consumers are: it reads all the time."""

    def __init__(self, bus: Bus, group: str, topic: str, *, commits: bool = True) -> None:
        super().__init__(daemon=True)
        self._open: Callable[[], Consumer] = lambda: bus.consumer(group, [topic])
        self._commits = commits
        self._told: queue.SimpleQueue[tuple[Future[None], Callable[[Consumer], None]]]
        self._told = queue.SimpleQueue()
        self._leaving = threading.Event()
        self.seen: list[Received] = []

    def tell(self, step: Callable[[Consumer], None]) -> Future[None]:
        """Have the member do something between two polls."""
        future: Future[None] = Future()
        self._told.put((future, step))
        return future

    def run(self) -> None:
        consumer = self._open()
        while not self._leaving.is_set():
            while not self._told.empty():
                future, step = self._told.get()
                try:
                    future.set_result(step(consumer))
                except BusError as error:
                    future.set_exception(error)
            batch = consumer.poll(0.2)
            if self._commits:
                with contextlib.suppress(PartitionLost):
                    consumer.commit(batch)
            self.seen += batch
        consumer.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self.join(timeout=PATIENCE)
        assert not self.is_alive()


def publish(bus: Bus, records: Sequence[Record]) -> None:
    producer = bus.producer()
    try:
        assert list(producer.publish(records)) == [True] * len(records)
    finally:
        producer.close()


def numbered(topic: str, count: int, keys: int = 8) -> list[Record]:
    """Records of several keys, each saying how many came before it."""
    return [Record(topic, f"key-{i % keys}", str(i).encode()) for i in range(count)]


def read(consumer: Consumer, count: int) -> list[Received]:
    """The next `count` records; fails where they do not come, or more come with them."""
    deadline = time.monotonic() + PATIENCE
    received: list[Received] = []
    while len(received) < count and time.monotonic() < deadline:
        received += consumer.poll(0.5)
    assert len(received) == count
    return received


def values(received: Sequence[Received]) -> list[bytes]:
    return [item.record.value for item in received]


def by_key(received: Sequence[Received]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for item in received:
        numbers[item.record.key].append(int(item.record.value))
    return numbers


def partitions(received: Sequence[Received]) -> set[int]:
    return {item.partition for item in received}


def until(happened: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_key_arrives_in_order_and_from_one_partition(bus: Bus, topic: str) -> None:
    publish(bus, numbered(topic, 1200))
    publish(bus, [Record(topic, "key-3", b"5000")])
    with member(bus, new_group(), topic) as consumer:
        received = read(consumer, 1201)
    assert all(numbers == sorted(numbers) for numbers in by_key(received).values())
    assert by_key(received)["key-3"][-1] == 5000
    places = {(item.record.key, item.partition) for item in received}
    assert len(places) == 8


def test_keys_are_spread_over_the_partitions(bus: Bus, topic: str) -> None:
    publish(bus, numbered(topic, 200, keys=200))
    with member(bus, new_group(), topic) as consumer:
        assert partitions(read(consumer, 200)) == {0, 1, 2, 3}


def test_offsets_of_a_partition_rise(bus: Bus, topic: str) -> None:
    publish(bus, numbered(topic, 50))
    publish(bus, numbered(topic, 50))
    with member(bus, new_group(), topic) as consumer:
        received = read(consumer, 100)
    for partition in partitions(received):
        offsets = [item.offset for item in received if item.partition == partition]
        assert offsets == sorted(set(offsets))


def test_what_was_not_committed_comes_again_and_what_was_does_not(bus: Bus, topic: str) -> None:
    group = new_group()
    publish(bus, numbered(topic, 10, keys=1))
    with member(bus, group, topic) as first:
        received = read(first, 10)
        first.commit(received[:4])
    with member(bus, group, topic) as second:
        assert values(read(second, 6)) == values(received[4:])


def test_committing_nothing_is_no_error(bus: Bus, topic: str) -> None:
    with member(bus, new_group(), topic) as consumer:
        assert consumer.poll(0.1) == []
        consumer.commit([])


def test_rewound_records_come_again_with_the_next_poll(bus: Bus, topic: str) -> None:
    publish(bus, numbered(topic, 40))
    with member(bus, new_group(), topic) as consumer:
        received = read(consumer, 40)
        chosen = received[0].partition
        again = [item for item in received if item.partition == chosen][1:]
        consumer.rewind(again)
        assert read(consumer, len(again)) == again
        assert consumer.poll(0.2) == []


def test_rewinding_twice_goes_back_to_the_oldest(bus: Bus, topic: str) -> None:
    publish(bus, numbered(topic, 10, keys=1))
    with member(bus, new_group(), topic) as consumer:
        received = read(consumer, 10)
        consumer.rewind(received[2:])
        consumer.rewind(received[6:])
        assert values(read(consumer, 8)) == values(received[2:])


def test_groups_read_independently_and_new_ones_from_the_oldest(bus: Bus, topic: str) -> None:
    publish(bus, numbered(topic, 20))
    with member(bus, new_group(), topic) as one:
        one.commit(read(one, 20))
        with member(bus, new_group(), topic) as other:
            assert len(read(other, 20)) == 20
        assert one.poll(0.2) == []


def test_a_member_reads_several_topics(bus: Bus, topic: str) -> None:
    second = new_topic(bus, 2)
    publish(bus, [*numbered(topic, 10), *numbered(second, 10)])
    with member(bus, new_group(), topic, second) as consumer:
        received = read(consumer, 20)
        consumer.commit(received)
    assert {item.record.topic for item in received} == {topic, second}


def test_a_reader_that_waits_is_woken_by_what_is_published(bus: Bus, topic: str) -> None:
    with member(bus, new_group(), topic) as consumer, ThreadPoolExecutor() as pool:
        consumer.poll(1.0)
        started = time.monotonic()
        publishing = pool.submit(publish, bus, numbered(topic, 1))
        assert len(read(consumer, 1)) == 1
        assert time.monotonic() - started < 1.0
        publishing.result()


def test_poll_comes_back_empty_after_its_time(bus: Bus, topic: str) -> None:
    with member(bus, new_group(), topic) as consumer:
        consumer.poll(1.0)
        started = time.monotonic()
        assert consumer.poll(0.3) == []
        assert 0.2 < time.monotonic() - started < 1.0


def test_two_members_share_the_partitions_and_hand_over_on_close(bus: Bus, topic: str) -> None:
    group = new_group()
    with Member(bus, group, topic) as stays:
        with Member(bus, group, topic) as leaves:
            until(lambda: sorted(map(len, shares(bus, topic, stays, leaves))) == [2, 2], 60)
        until(lambda: shares(bus, topic, stays) == [{0, 1, 2, 3}], 60)


def shares(bus: Bus, topic: str, *members: Member) -> list[set[int]]:
    """From which partitions each member reads a round of records."""
    fresh = [Record(topic, f"key-{n}", uuid.uuid4().bytes) for n in range(40)]
    wanted = {record.value for record in fresh}
    publish(bus, fresh)
    until(lambda: wanted <= {value for member in members for value in values(member.seen)})
    return [
        partitions([item for item in member.seen if item.record.value in wanted])
        for member in members
    ]


MEMBER_THAT_READS = """
import sys
from tests.shared.test_bus_contract import BackEnd
kind, address, group, topic = sys.argv[1:]
consumer = BackEnd(kind, address).connect().consumer(group, [topic])
while True:
    if consumer.poll(0.5):
        print("read", flush=True)
"""


def test_a_member_that_dies_loses_its_partitions_soon(
    back_end: BackEnd, bus: Bus, topic: str
) -> None:
    group = new_group()
    publish(bus, numbered(topic, 40, keys=40))
    dying = subprocess.Popen(
        [sys.executable, "-c", MEMBER_THAT_READS, back_end.kind, back_end.address, group, topic],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    with dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == b"read\n"
        os.kill(dying.pid, signal.SIGKILL)
    with member(bus, group, topic) as heir:
        assert len(read(heir, 40)) == 40


def test_commit_says_so_when_a_partition_was_lost(bus: Bus, topic: str) -> None:
    group = new_group()
    publish(bus, numbered(topic, 40, keys=40))
    with Member(bus, group, topic, commits=False) as slow:
        until(lambda: len(slow.seen) == 40)
        batch = list(slow.seen)
        with Member(bus, group, topic, commits=False) as taking:
            until(lambda: len(partitions(taking.seen)) == 2)
            with pytest.raises(PartitionLost):
                slow.tell(lambda consumer: consumer.commit(batch)).result(PATIENCE)
            lost = [item for item in batch if item.partition in partitions(taking.seen)]
            until(lambda: bus.lag(group, [topic]) == {topic: len(lost)})


def test_idling_keeps_the_membership_and_loses_nothing(bus: Bus, topic: str) -> None:
    group = new_group()
    publish(bus, numbered(topic, 10))
    with member(bus, group, topic) as consumer:
        first = read(consumer, 10)
        consumer.rewind(first)
        publish(bus, numbered(topic, 10))
        started = time.monotonic()
        consumer.idle(1.2)
        assert 1.1 < time.monotonic() - started < 2.5
        received = read(consumer, 20)
        consumer.commit(received)
        assert consumer.poll(0.2) == []
    assert bus.lag(group, [topic]) == {topic: 0}


def test_a_member_that_idles_lets_another_take_its_share(bus: Bus, topic: str) -> None:
    group, enough = new_group(), threading.Event()
    publish(bus, numbered(topic, 40, keys=40))

    def idle(consumer: Consumer) -> None:
        while not enough.is_set():
            consumer.idle(0.3)

    with Member(bus, group, topic, commits=False) as idling:
        until(lambda: len(idling.seen) == 40)
        waiting = idling.tell(idle)
        with Member(bus, group, topic) as joining:
            until(lambda: len(partitions(joining.seen)) == 2)
            enough.set()
            waiting.result(PATIENCE)
        assert len(idling.seen) == 40


def test_lag_counts_what_is_not_committed_with_and_without_a_member(bus: Bus, topic: str) -> None:
    group, silent = new_group(), new_topic(bus)
    until(lambda: lag_or_none(bus, group, topic, silent) == {topic: 0, silent: 0})
    publish(bus, numbered(topic, 30))
    assert bus.lag(group, [topic, silent]) == {topic: 30, silent: 0}
    with member(bus, group, topic) as consumer:
        received = read(consumer, 30)
        assert bus.lag(group, [topic]) == {topic: 30}
        consumer.commit(received)
        assert bus.lag(group, [topic]) == {topic: 0}
    publish(bus, numbered(topic, 5))
    assert bus.lag(group, [topic]) == {topic: 5}
    assert bus.lag(new_group(), [topic]) == {topic: 35}


def lag_or_none(bus: Bus, group: str, *topics: str) -> object:
    try:
        return bus.lag(group, topics)
    except BusUnavailable:  # a Kafka that never had a group makes room for offsets first
        return None


def test_topics_may_be_ensured_again_and_by_many_at_once(back_end: BackEnd, bus: Bus) -> None:
    names = {f"t{uuid.uuid4().hex[:12]}": 3 for _ in range(4)}

    def ensure(_: int) -> None:
        own = back_end.connect()
        own.ensure_topics(names)
        own.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ensure, range(6)))
    bus.ensure_topics(dict.fromkeys(names, 7))
    topic = next(iter(names))
    publish(bus, numbered(topic, 100, keys=100))
    with member(bus, new_group(), topic) as consumer:
        assert partitions(read(consumer, 100)) == {0, 1, 2}


def test_a_record_for_a_topic_that_does_not_exist_is_not_published(bus: Bus, topic: str) -> None:
    records = [Record("no-such-topic", "a", b"1"), Record(topic, "a", b"2")]
    producer = bus.producer()
    assert list(producer.publish(records)) == [False, True]
    producer.close()


def test_keys_headers_and_values_survive(bus: Bus, topic: str) -> None:
    keys = ["", "NK20261123-000001", "工单-1", "k" * 200]
    payloads = [b"", b"{}", "津心办".encode(), bytes(range(256)), os.urandom(1 << 20)]
    headers = {"ce_type": "hotline.test.v1", "reason": "无法处理", "x": ""}
    records = [Record(topic, key, value, headers) for key in keys for value in payloads]
    publish(bus, records)
    with member(bus, new_group(), topic) as consumer:
        received = [item.record for item in read(consumer, len(records))]
    for key in keys:
        assert [r for r in received if r.key == key] == [r for r in records if r.key == key]


def test_producers_at_once_keep_the_order_of_each_key(bus: Bus, topic: str) -> None:
    def produce(name: int) -> None:
        producer = bus.producer()
        for start in range(0, 100, 10):
            batch = [Record(topic, f"key-{name}", b"%d" % n) for n in range(start, start + 10)]
            assert all(producer.publish(batch))
        producer.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(produce, range(6)))
    with member(bus, new_group(), topic) as consumer:
        received = by_key(read(consumer, 600))
    assert received == {f"key-{name}": list(range(100)) for name in range(6)}


def test_a_producer_may_be_shared_by_threads(bus: Bus, topic: str) -> None:
    producer = bus.producer()

    def produce(name: int) -> None:
        for n in range(50):
            assert all(producer.publish([Record(topic, f"key-{name}", b"%d" % n)]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(produce, range(4)))
    producer.close()
    with member(bus, new_group(), topic) as consumer:
        received = by_key(read(consumer, 200))
    assert received == {f"key-{name}": list(range(50)) for name in range(4)}


def test_publishing_nothing_is_no_error_and_needs_no_bus(bus: Bus) -> None:
    assert list(bus.producer().publish([])) == []


def test_a_bus_that_is_there_answers(bus: Bus) -> None:
    assert bus.answers()


Actions = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.lists(st.sampled_from("abcde"), min_size=1, max_size=12)),
        st.tuples(st.sampled_from(["commit", "rewind", "crash"]), st.just([])),
    ),
    max_size=14,
)


@given(actions=Actions)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_members_do_each_key_is_first_seen_in_order_and_complete(
    embedded: Bus, actions: list[tuple[str, list[str]]]
) -> None:
    topic, group = new_topic(embedded, 3), new_group()
    published: dict[str, list[int]] = defaultdict(list)
    seen: dict[str, list[int]] = defaultdict(list)
    numbers = itertools.count()
    consumer = embedded.consumer(group, [topic])

    def see(batch: Sequence[Received]) -> None:
        for key, values_ in by_key(batch).items():
            seen[key] += [n for n in values_ if n not in seen[key]]

    for action, keys in [*actions, ("crash", [])]:
        if action == "publish":
            records = [Record(topic, key, b"%d" % next(numbers)) for key in keys]
            publish(embedded, records)
            for record in records:
                published[record.key].append(int(record.value))
            continue
        batch = consumer.poll(0.0)
        see(batch)
        if action == "commit":
            consumer.commit(batch)
        elif action == "rewind":
            consumer.rewind(batch[len(batch) // 2 :])
        else:
            consumer.close()
            consumer = embedded.consumer(group, [topic])
    while batch := consumer.poll(0.0):
        see(batch)
    consumer.close()
    assert seen == published


@pytest.fixture(scope="module")
def embedded(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    own = own_databases(server, tmp_path_factory.mktemp("bus"))
    yield EmbeddedBus(libpq(ensure_database(own, "bus")))
    drop_databases(own, server)


@pytest.fixture(params=["refuses", "is silent"])
def dead_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port where nobody listens, or where somebody listens who never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "is silent":
            listener.listen(64)
        yield listener.getsockname()[1]


def unreachable(kind: str, port: int) -> Bus:
    address = f"127.0.0.1:{port}"
    return KafkaBus(address) if kind == "kafka" else EmbeddedBus(f"postgresql://u@{address}/bus")


@pytest.mark.parametrize("kind", ["embedded", "kafka"])
def test_an_unreachable_bus_is_reported_in_bounded_time(kind: str, dead_port: int) -> None:
    bus = unreachable(kind, dead_port)
    attempts: list[Callable[[], object]] = [
        lambda: bus.producer().publish([Record("t", "k", b"v")]),
        lambda: bus.consumer("g", ["t"]),
    ]
    for attempt in attempts:
        started = time.monotonic()
        with pytest.raises(BusUnavailable):
            attempt()
        assert time.monotonic() - started < 4.0


def test_an_embedded_bus_without_its_tables_is_not_there_yet(
    server: Settings, tmp_path: Path
) -> None:
    own = own_databases(server, tmp_path)
    bus = EmbeddedBus(libpq(ensure_database(own, "bus")))
    with pytest.raises(BusUnavailable):
        bus.lag("g", ["t"])
    bus.ensure_topics({"t": 1})
    assert bus.lag("g", ["t"]) == {"t": 0}
    drop_databases(own, server)


@pytest.mark.parametrize("kind", ["embedded", "kafka"])
def test_answers_is_decided_within_two_seconds(kind: str, dead_port: int) -> None:
    started = time.monotonic()
    assert not unreachable(kind, dead_port).answers()
    assert time.monotonic() - started < 2.3


def test_looking_for_a_dead_kafka_leaves_no_thread_and_no_flood_of_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = KafkaBus("127.0.0.1:1")
    bus.answers()
    before = threading.active_count()
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="kafka"), pytest.raises(BusUnavailable):
        bus.consumer("g", ["t"])
    assert threading.active_count() <= before
    assert len(caplog.records) <= 3


@pytest.mark.kafka
def test_what_a_stranger_writes_to_kafka_can_be_read(kafka: str) -> None:
    from kafka import KafkaProducer

    bus = KafkaBus(kafka)
    topic = new_topic(bus)
    stranger = KafkaProducer(bootstrap_servers=kafka)
    stranger.send(topic, key=b"\xff\x00", value=None, headers=[("h", b"\xfe\x00"), ("e", b"")])
    stranger.send(topic, key=None, value=b"v")
    stranger.close(timeout=5)
    with member(bus, new_group(), topic) as consumer:
        received = read(consumer, 2)
    bus.close()
    assert {(r.record.key, r.record.value) for r in received} == {("\ufffd\ufffd", b""), ("", b"v")}
    assert {"h": "\ufffd\ufffd", "e": ""} in [dict(r.record.headers) for r in received]
