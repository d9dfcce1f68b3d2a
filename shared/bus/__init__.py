"""The bus: topics of records in partitions, read by consumer groups. One contract, two back ends.

What every back end guarantees, and the contract tests check on each:

- Records of one topic with the same key go to the same partition, and are delivered to a
  group in the order in which they were published.
- `Producer.publish` reports a record as published only once the bus holds it durably.
- A partition is read by at most one member of a group at a time. A member that closes
  gives its partitions up at once; one that dies loses them soon after.
- A record is delivered again until it is committed: at least once, never lost.
- Positions are per group; a new group starts with the oldest record.

A consumer belongs to the thread that made it. Producers may be shared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

READ_BY: Final = "hotline_read_by"
"""Header of a record that was carried over from another bus: the groups that had done it there,
parted by commas. To them it is done."""


class BusError(Exception):
    """Base of what can go wrong on the bus."""


class BusUnavailable(BusError):
    """The bus cannot be reached; trying again later may succeed."""


class PartitionLost(BusError):
    """Another member of the group owns a partition now; it will see these records."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is published: `key` orders, `headers` describe, `value` is the payload's JSON."""

    topic: str
    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """A record with its place on the bus."""

    record: Record
    partition: int
    offset: int


class Producer(Protocol):
    """Publishes records."""

    def publish(self, records: Sequence[Record]) -> Sequence[bool]:
        """Publish in order; True for each record the bus now holds durably.

        A record that failed may nevertheless have arrived. Raises BusUnavailable where
        nothing could be sent at all.
        """
        ...

    def close(self) -> None:
        """Give back the connection."""
        ...


class Consumer(Protocol):
    """One member of a consumer group."""

    def poll(self, timeout: float) -> Sequence[Received]:
        """The next records, in order per partition; empty after `timeout` seconds.

        Raises BusUnavailable.
        """
        ...

    def commit(self, records: Sequence[Received]) -> None:
        """Mark these records, and all before them in their partitions, as done.

        Raises PartitionLost where another member took a partition over meanwhile, and
        BusUnavailable.
        """
        ...

    def rewind(self, records: Sequence[Received]) -> None:
        """Deliver these records again, starting with the next poll."""
        ...

    def idle(self, seconds: float) -> None:
        """Wait without reading, while staying a member of the group."""
        ...

    def close(self) -> None:
        """Leave the group; what was not committed goes to the other members."""
        ...


class Bus(Protocol):
    """A connection to one bus."""

    name: str

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        """Create the topics that are missing, each with so many partitions.

        Raises BusUnavailable.
        """
        ...

    def producer(self) -> Producer:
        """A producer; connects when first used."""
        ...

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        """A new member of `group` reading `topics`. Raises BusUnavailable."""
        ...

    def lag(self, group: str, topics: Sequence[str]) -> Mapping[str, int]:
        """Records per topic that the group has not committed, whether or not it has a member.

        Raises BusUnavailable.
        """
        ...

    def answers(self) -> bool:
        """Whether the bus can be reached now; decided within two seconds."""
        ...

    def close(self) -> None:
        """Give back what the bus itself holds."""
        ...
