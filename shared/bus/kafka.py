"""The bus on Apache Kafka, by kafka-python.

Settings follow what was measured with kafka-python 3. What the library does not give by
itself, and this module adds:

- Its constructors leave a thread behind when no broker answers; here it is ended.
- It logs every attempt to reach a dead broker; here each complaint is heard once a minute.
- A broker accepts a commit for a partition that the member has lost; here that is refused.
- A later batch of a partition may be sent although an earlier one failed; here a publish
  has one batch a partition in hand, and nothing follows one that failed.
- It may never finish a batch that its broker died with, and does not close a producer that has
  one; here a flush waits no longer than a delivery may take, and such a producer is ended.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import (
    CommitFailedError,
    KafkaError,
    NoError,
    RebalanceInProgressError,
    TopicAlreadyExistsError,
    for_code,
)
from kafka.net.compat import KafkaNetClient
from kafka.structs import OffsetAndMetadata

from shared.bus import BusUnavailable, PartitionLost, Received, Record
from shared.bus.quorum import Quorum

CONNECT_MS: Final = 1500
"""How long a new client looks for a broker; `answers` promises a decision in two seconds."""
REQUEST_MS: Final = 5000
DELIVERY_MS: Final = 8000
FLUSH_SECONDS: Final = 10.0
"""Longer than a delivery may take: what is still pending then the library has lost sight of."""
CLOSE_SECONDS: Final = 2.0
LINGER_MS: Final = 1000
"""Longer than it takes to hand over a round; the flush behind the round sends it at once."""
ROUND_BYTES: Final = 900_000
"""What one publish hands over before it waits: less than one batch, whatever the partition."""
BATCH_BYTES: Final = 1_000_000
RECORD_BYTES: Final = 4 << 20
"""The largest record a topic takes."""
HEARTBEAT_MS: Final = 500
"""How soon a member hears that the group is rearranged; nothing is read until all have."""
MAX_POLL_RECORDS: Final = 500
IDLE_POLL_SECONDS: Final = 0.2
COMPLAINT_SECONDS: Final = 60.0

Place = tuple[str, int]


class Sparing(logging.Filter):
    """Lets each complaint of a library through once in a while: a dead broker fills no disk."""

    def __init__(self, seconds: float = COMPLAINT_SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._heard: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line of the library has been silent for long enough."""
        if record.levelno < logging.WARNING:
            return True
        line = (record.pathname, record.lineno)
        if record.created - self._heard.get(line, 0.0) < self._seconds:
            return False
        self._heard[line] = record.created
        return True


def _spare_the_log() -> None:
    sparing = Sparing()
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("kafka."):
            logging.getLogger(name).addFilter(sparing)


_spare_the_log()


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (CommitFailedError, RebalanceInProgressError) as error:
        raise PartitionLost(str(error)) from error
    except (KafkaError, OSError, RuntimeError) as error:
        # RuntimeError: the library's own loop has ended, or it finds no controller.
        raise BusUnavailable(f"{type(error).__name__}: {error}") from error


def _connected(kind: Any, *args: Any, **settings: Any) -> Any:
    """A client of the library; one that finds no broker leaves no thread and no socket."""
    made: list[Any] = []

    def remember(**configs: Any) -> Any:
        made.append(KafkaNetClient(**configs))
        return made[-1]

    try:
        return kind(*args, kafka_client=remember, **settings)
    except BaseException:
        for client in made:
            client.close()
        raise


def _acknowledging(replication: int) -> int:
    """How many brokers must have a record before it is acknowledged: all but one."""
    return max(1, replication - 1)


class KafkaBus:
    """The brokers behind a comma-separated list of `host:port`.

    `security` are the library's options for TLS and SASL.
    """

    name = "kafka"

    def __init__(
        self,
        bootstrap: str,
        *,
        replication: int = 1,
        security: Mapping[str, Any] | None = None,
    ) -> None:
        self._replication = replication
        self._client: dict[str, Any] = {
            "client_id": "hotline",
            "bootstrap_servers": bootstrap.split(","),
            "bootstrap_timeout_ms": CONNECT_MS,
            "reconnect_backoff_max_ms": 2000,
            **(security or {}),
        }
        self._quorum = Quorum(
            self._brokers, self._client["bootstrap_servers"], _acknowledging(replication)
        )
        self._lock = threading.Lock()
        self._admin_client: Any = None

    @contextlib.contextmanager
    def _admin(self) -> Iterator[Any]:
        with self._lock, _reachable():
            if self._admin_client is None:
                self._admin_client = _connected(
                    KafkaAdminClient, **self._client, request_timeout_ms=REQUEST_MS
                )
            try:
                yield self._admin_client
            except BaseException:
                self._forget_admin()
                raise

    def _forget_admin(self) -> None:
        client, self._admin_client = self._admin_client, None
        if client is not None:
            client.close()

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        with self._admin() as admin:
            known = set(admin.list_topics())
            missing = {
                topic: {
                    "num_partitions": count,
                    "replication_factor": self._replication,
                    "configs": {
                        "max.message.bytes": str(RECORD_BYTES),
                        "min.insync.replicas": str(_acknowledging(self._replication)),
                    },
                }
                for topic, count in topics.items()
                if topic not in known
            }
            if not missing:
                return
            answer = admin.create_topics(missing, raise_errors=False)
            for topic in answer["topics"]:
                error = for_code(topic["error_code"])
                if error not in (NoError, TopicAlreadyExistsError):
                    raise error(f"{topic['name']}: {topic['error_message']}")
            admin.wait_for_topics(list(missing))

    def producer(self) -> "KafkaLogProducer":
        return KafkaLogProducer(self._client)

    def consumer(self, group: str, topics: Sequence[str]) -> "KafkaLogConsumer":
        with _reachable():
            return KafkaLogConsumer(self._client, group, topics)

    def lag(self, group: str, topics: Sequence[str]) -> Mapping[str, int]:
        with self._admin() as admin:
            partitions = [
                TopicPartition(topic["name"], partition["partition_index"])
                for topic in admin.describe_topics(list(topics))
                for partition in topic["partitions"]
            ]
            committed = admin.list_group_offsets([group]).get(group, {})
            latest = dict.fromkeys(partitions, OffsetSpec.LATEST)
            ends = admin.list_partition_offsets(latest, timeout_ms=REQUEST_MS)
            new = [place for place in partitions if place not in committed]
            oldest = dict.fromkeys(new, OffsetSpec.EARLIEST)
            starts = admin.list_partition_offsets(oldest, timeout_ms=REQUEST_MS)
        lag = dict.fromkeys(topics, 0)
        for place in partitions:
            done = committed[place] if place in committed else starts[place]
            lag[place.topic] += max(0, ends[place].offset - done.offset)
        return lag

    def answers(self) -> bool:
        return self._quorum.answers()

    def _brokers(self, address: str) -> Sequence[str]:
        """The brokers that the one at an address knows of. Raises BusUnavailable."""
        # A client of its own: the shared one may be waiting for a broker that does not answer.
        asked = {**self._client, "bootstrap_servers": [address]}
        with _reachable():
            client = _connected(KafkaAdminClient, **asked, request_timeout_ms=CONNECT_MS)
        try:
            # It has said so as it was reached. Asked again, the library may turn to another
            # that does not answer, and wait for ten seconds.
            return [f"{each.host}:{each.port}" for each in client._manager.cluster.brokers()]
        finally:
            client.close()

    def close(self) -> None:
        with self._lock, contextlib.suppress(KafkaError):
            self._forget_admin()


class KafkaLogProducer:
    """An idempotent producer that sends a round, waits for every answer, then the next.

    Within one publish nothing of a key is sent after a record of that key that failed.
    """

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = client
        self._producer: Any = None
        self._lock = threading.Lock()

    def publish(self, records: Sequence[Record]) -> Sequence[bool]:
        if not records:
            return ()
        with self._lock:
            with _reachable():
                if self._producer is None:
                    self._producer = self._connect()
            missing = self._missing({record.topic for record in records})
            if missing == {record.topic for record in records}:
                self._close()
                raise BusUnavailable(f"no such topic: {', '.join(sorted(missing))}")
            held = {(record.topic, record.key) for record in records if record.topic in missing}
            published: list[bool] = []
            for part in _rounds(records):
                sent, intact = self._send_round(part, held)
                published += sent
                if not intact:
                    self._close()
                    break
        return published + [False] * (len(records) - len(published))

    def _connect(self) -> Any:
        return _connected(
            KafkaProducer,
            **self._client,
            allow_auto_create_topics=False,
            enable_idempotence=True,
            acks="all",
            linger_ms=LINGER_MS,
            batch_size=BATCH_BYTES,
            max_request_size=RECORD_BYTES,
            request_timeout_ms=REQUEST_MS,
            delivery_timeout_ms=DELIVERY_MS,
            max_block_ms=2000,
        )

    def _missing(self, topics: set[str]) -> set[str]:
        missing: set[str] = set()
        for topic in topics:
            try:
                self._producer.partitions_for(topic)
            except KafkaError:
                missing.add(topic)
        return missing

    def _send_round(
        self, records: Sequence[Record], held: set[tuple[str, str]]
    ) -> tuple[list[bool], bool]:
        futures = [self._send(record, held) for record in records]
        with contextlib.suppress(KafkaError):
            self._producer.flush(timeout=FLUSH_SECONDS)
        sent = [f is not None and f.is_done and f.exception is None for f in futures]
        intact = all(ok for ok, future in zip(sent, futures, strict=True) if future is not None)
        return sent, intact

    def _send(self, record: Record, held: set[tuple[str, str]]) -> Any:
        if (record.topic, record.key) in held:
            return None
        try:
            return self._producer.send(
                record.topic,
                key=record.key.encode(),
                value=record.value,
                headers=[(name, value.encode()) for name, value in record.headers.items()],
            )
        except KafkaError:
            held.add((record.topic, record.key))
            return None

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            _end(producer)


def _end(producer: Any) -> None:
    """End a producer and its thread, without waiting for what it still has in hand."""
    producer._sender.force_close()
    producer._sender.join(CLOSE_SECONDS)
    with contextlib.suppress(KafkaError):
        producer.close(timeout=0)


def _rounds(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """The records in order, in parts of at most ROUND_BYTES or of one record."""
    part: list[Record] = []
    size = 0
    for record in records:
        weight = len(record.value) + len(record.key) * 4 + 100
        weight += sum(len(name) + len(value) * 4 for name, value in record.headers.items())
        if part and size + weight > ROUND_BYTES:
            yield part
            part, size = [], 0
        part.append(record)
        size += weight
    yield part


class KafkaLogConsumer:
    """A member of a group with explicit commits.

    To be polled without pauses: joining a group takes several polls, and the library begins
    anew when the join ends between two of them.
    """

    def __init__(self, client: Mapping[str, Any], group: str, topics: Sequence[str]) -> None:
        self._consumer = _connected(
            KafkaConsumer,
            *topics,
            **client,
            allow_auto_create_topics=False,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(CooperativeStickyAssignor,),
            max_poll_records=MAX_POLL_RECORDS,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=HEARTBEAT_MS,
            metadata_max_age_ms=10_000,
        )
        self._done: dict[Any, int] = {}
        """What is done but could not be committed while the group was being rearranged."""

    def poll(self, timeout: float) -> Sequence[Received]:
        with _reachable():
            if self._done:
                with contextlib.suppress(CommitFailedError, RebalanceInProgressError):
                    self._commit_done()
            batches = self._consumer.poll(timeout_ms=int(timeout * 1000))
        return [self._received(item) for batch in batches.values() for item in batch]

    @staticmethod
    def _received(item: Any) -> Received:
        headers = {name: _text(value) for name, value in item.headers}
        record = Record(item.topic, _text(item.key), item.value or b"", headers)
        return Received(record, item.partition, item.offset)

    def commit(self, records: Sequence[Received]) -> None:
        mine = self._consumer.assignment()
        lost: set[Any] = set()
        for item in records:
            place = TopicPartition(item.record.topic, item.partition)
            if place in mine:
                self._done[place] = max(self._done.get(place, 0), item.offset + 1)
            else:
                lost.add(place)
        with _reachable():
            self._commit_done()
        if lost:
            raise PartitionLost(f"{len(lost)} partitions have a new owner")

    def _commit_done(self) -> None:
        mine = self._consumer.assignment()
        self._done = {place: offset for place, offset in self._done.items() if place in mine}
        self._consumer.commit(
            {place: OffsetAndMetadata(offset, "", -1) for place, offset in self._done.items()},
            timeout_ms=REQUEST_MS,
        )
        self._done = {}

    def rewind(self, records: Sequence[Received]) -> None:
        first: dict[Any, int] = {}
        for item in records:
            place = TopicPartition(item.record.topic, item.partition)
            first[place] = min(first.get(place, item.offset), item.offset)
        mine = self._consumer.assignment()
        with _reachable():
            for place, offset in first.items():
                if place in mine:
                    position = self._consumer.position(place, timeout_ms=REQUEST_MS)
                    self._consumer.seek(
                        place, offset if position is None else min(offset, position)
                    )

    def idle(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                self._consumer.pause(*self._consumer.assignment())
                # What was just assigned to this member is not paused yet and may be delivered.
                self.rewind(self.poll(min(left, IDLE_POLL_SECONDS)))
        finally:
            self._consumer.resume(*self._consumer.paused())

    def close(self) -> None:
        with contextlib.suppress(KafkaError, OSError, RuntimeError):
            if self._done:
                self._commit_done()
        with contextlib.suppress(KafkaError, OSError, RuntimeError):
            self._consumer.close(autocommit=False, timeout_ms=2000)


def _text(value: bytes | None) -> str:
    """What others wrote, as text that a database takes."""
    return (value or b"").decode(errors="replace").replace("\0", "\ufffd")
