"""The bus on Apache Kafka, by kafka-python.

Settings follow what was measured with kafka-python 3: an idempotent producer with
`acks=all` keeps order over retries, and time-outs are short enough that a dead broker
is reported, not waited for. `close` and `flush` of the library raise while records are
pending; here that is a failed publish, never an error at the end of a process.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import CommitFailedError, KafkaError, TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

from shared.bus import BusUnavailable, PartitionLost, Received, Record

SEND_TIMEOUT_SECONDS: Final = 30
MAX_POLL_RECORDS: Final = 500
IDLE_POLL_SECONDS: Final = 0.2


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except CommitFailedError as error:
        raise PartitionLost(str(error)) from error
    except (KafkaError, OSError) as error:
        raise BusUnavailable(f"{type(error).__name__}: {error}") from error


class KafkaBus:
    """The brokers behind a comma-separated list of `host:port`."""

    name = "kafka"

    def __init__(self, bootstrap: str, *, replication: int = 1) -> None:
        self._bootstrap = bootstrap.split(",")
        self._replication = replication
        self._client: dict[str, Any] = {
            "bootstrap_servers": self._bootstrap,
            "bootstrap_timeout_ms": 2000,
            "reconnect_backoff_max_ms": 2000,
            "allow_auto_create_topics": False,
        }

    @contextlib.contextmanager
    def _admin(self) -> Iterator[Any]:
        with _reachable():
            client = KafkaAdminClient(
                bootstrap_servers=self._bootstrap,
                bootstrap_timeout_ms=2000,
                request_timeout_ms=5000,
            )
            try:
                yield client
            finally:
                client.close()

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        with self._admin() as admin:
            known = set(admin.list_topics())
            missing = {
                topic: {"num_partitions": count, "replication_factor": self._replication}
                for topic, count in topics.items()
                if topic not in known
            }
            if missing:
                with contextlib.suppress(TopicAlreadyExistsError):
                    admin.create_topics(missing)
                admin.wait_for_topics(list(missing))

    def producer(self) -> "KafkaLogProducer":
        return KafkaLogProducer(self._client)

    def consumer(self, group: str, topics: Sequence[str]) -> "KafkaLogConsumer":
        with _reachable():
            return KafkaLogConsumer(self._client, group, topics)

    def lag(self, group: str, topics: Sequence[str]) -> Mapping[str, int]:
        with self._admin() as admin:
            committed = admin.list_group_offsets([group]).get(group, {})
            partitions = [
                TopicPartition(topic["name"], partition["partition_index"])
                for topic in admin.describe_topics(list(topics))
                for partition in topic["partitions"]
            ]
        with _reachable():
            reader = KafkaConsumer(**self._client)
            try:
                ends = reader.end_offsets(partitions)
                starts = reader.beginning_offsets(partitions)
            finally:
                reader.close()
        lag = dict.fromkeys(topics, 0)
        for partition in partitions:
            done = committed.get(partition)
            position = done.offset if done is not None and done.offset >= 0 else starts[partition]
            lag[partition.topic] += max(0, ends[partition] - position)
        return lag

    def answers(self) -> bool:
        try:
            with self._admin() as admin:
                admin.describe_cluster()
        except BusUnavailable:
            return False
        return True

    def close(self) -> None:
        """Nothing is held between calls."""


class KafkaLogProducer:
    """An idempotent producer: a batch is sent, flushed, and every record's answer checked."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = client
        self._producer: Any = None

    def publish(self, records: Sequence[Record]) -> Sequence[bool]:
        if not records:
            return ()
        with _reachable():
            if self._producer is None:
                self._producer = KafkaProducer(
                    **self._client,
                    enable_idempotence=True,
                    acks="all",
                    linger_ms=1,
                    batch_size=131_072,
                    request_timeout_ms=5000,
                    delivery_timeout_ms=SEND_TIMEOUT_SECONDS * 1000,
                    max_block_ms=5000,
                )
            futures = [self._send(record) for record in records]
        with contextlib.suppress(KafkaError):
            self._producer.flush(timeout=SEND_TIMEOUT_SECONDS)
        published = [f is not None and f.is_done and f.exception is None for f in futures]
        if not all(published):
            self.close()
        return published

    def _send(self, record: Record) -> Any:
        try:
            return self._producer.send(
                record.topic,
                key=record.key.encode(),
                value=record.value,
                headers=[(name, value.encode()) for name, value in record.headers.items()],
            )
        except KafkaError:
            return None

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError):
                producer.close(timeout=2)


class KafkaLogConsumer:
    """A member of a group with explicit commits."""

    def __init__(self, client: Mapping[str, Any], group: str, topics: Sequence[str]) -> None:
        self._consumer = KafkaConsumer(
            *topics,
            **client,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(CooperativeStickyAssignor,),
            max_poll_records=MAX_POLL_RECORDS,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2000,
            metadata_max_age_ms=10_000,
        )

    def poll(self, timeout: float) -> Sequence[Received]:
        with _reachable():
            batches = self._consumer.poll(timeout_ms=int(timeout * 1000))
        return [self._received(item) for batch in batches.values() for item in batch]

    @staticmethod
    def _received(item: Any) -> Received:
        headers = {name: value.decode() for name, value in item.headers}
        key = (item.key or b"").decode(errors="replace")
        record = Record(item.topic, key, item.value or b"", headers)
        return Received(record, item.partition, item.offset)

    def commit(self, records: Sequence[Received]) -> None:
        done: dict[Any, int] = {}
        for item in records:
            place = TopicPartition(item.record.topic, item.partition)
            done[place] = max(done.get(place, 0), item.offset + 1)
        with _reachable():
            self._consumer.commit(
                {place: OffsetAndMetadata(offset, "", -1) for place, offset in done.items()},
                timeout_ms=5000,
            )

    def rewind(self, records: Sequence[Received]) -> None:
        first: dict[Any, int] = {}
        for item in records:
            place = TopicPartition(item.record.topic, item.partition)
            first[place] = min(first.get(place, item.offset), item.offset)
        mine = self._consumer.assignment()
        for place, offset in first.items():
            if place in mine:
                self._consumer.seek(place, offset)

    def idle(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        paused = self._consumer.assignment()
        self._consumer.pause(*paused)
        try:
            while (left := deadline - time.monotonic()) > 0:
                with _reachable():
                    stray = self.poll(min(left, IDLE_POLL_SECONDS))
                self.rewind(stray)
                if stray:
                    time.sleep(min(left, IDLE_POLL_SECONDS))
        finally:
            self._consumer.resume(*(paused & self._consumer.assignment()))

    def close(self) -> None:
        with contextlib.suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=2000)
