"""Leaving the embedded bus for another: its log is carried over, and nobody writes here any more.

All that is kept is carried, in order for each partition, under its event ids. A record says in a
header which groups had done it here: to them it stays done, whatever their inboxes have forgotten
and wherever one of its letters is parked; to all others it is new.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import psycopg

from shared.bus import READ_BY, Bus, BusUnavailable, Producer, Received, Record
from shared.bus.embedded import MEMBER_LOCK, EmbeddedBus, Partition

MOVER: Final = "intake.move"
"""The group that carries: a move that was broken off goes on where it was. On a Kafka that asks for
passwords the services may look at groups of names like this one."""
PATIENCE_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.5

Connection = psycopg.Connection[Any]
Positions = Mapping[Partition, Mapping[str, int]]
"""Up to where each group has committed a partition."""


def topics_of(connection: Connection) -> Mapping[str, int]:
    """Every topic of the embedded bus, with its partitions."""
    rows = connection.execute("SELECT topic, count(*) FROM topic_partition GROUP BY topic")
    return dict(rows.fetchall())


def positions_of(connection: Connection) -> Positions:
    """What every group has done; it has to stand still."""
    positions: dict[Partition, dict[str, int]] = {}
    for topic, partition, group, committed in connection.execute(
        "SELECT topic, partition, group_name, committed FROM group_partition"
        " WHERE group_name <> %s",
        (MOVER,),
    ):
        positions.setdefault((topic, partition), {})[group] = committed
    return positions


def living_groups(connection: Connection) -> Sequence[str]:
    """The groups that have a member now."""
    rows = connection.execute(
        "SELECT DISTINCT group_name FROM group_member"
        " WHERE NOT pg_try_advisory_xact_lock(%s, member::integer) ORDER BY group_name",
        (MEMBER_LOCK,),
    )
    return [group for (group,) in rows]


def moved_to(connection: Connection) -> str | None:
    """Where this bus has moved to, or is moving."""
    row = connection.execute("SELECT to_bus FROM moved").fetchone()
    return None if row is None else str(row[0])


def close_for(connection: Connection, to: str) -> None:
    """Let no service use the embedded bus any more: it has moved."""
    connection.execute("INSERT INTO moved (to_bus) VALUES (%s)", (to,))


def carry(source: EmbeddedBus, target: Bus, topic: str, positions: Positions) -> int:
    """Publish what is kept of a topic and was not carried yet; how many records.

    Raises BusUnavailable; what was carried until then is not carried again, but for the last batch.
    """
    consumer = source.consumer(MOVER, [topic])
    producer = target.producer()
    carried = 0
    try:
        while batch := consumer.poll(0.0):
            _publish_all(producer, [_marked(item, positions) for item in batch])
            consumer.commit(batch)
            carried += len(batch)
    finally:
        producer.close()
        consumer.close()
    return carried


def _marked(item: Received, positions: Positions) -> Record:
    record = item.record
    committed = positions.get((record.topic, item.partition), {})
    done = sorted(group for group, until in committed.items() if item.offset < until)
    return replace(record, headers={**record.headers, READ_BY: ",".join(done)}) if done else record


def _publish_all(producer: Producer, records: Sequence[Record]) -> None:
    """Publish in order, again and again, until the bus has taken all."""
    left, deadline = records, time.monotonic() + PATIENCE_SECONDS
    while left := _refused(producer, left):
        if time.monotonic() > deadline:
            raise BusUnavailable(f"{len(left)} records were not taken")
        time.sleep(PAUSE_SECONDS)


def _refused(producer: Producer, records: Sequence[Record]) -> Sequence[Record]:
    """What has to be published again: all records of the keys of which one was not taken."""
    try:
        taken = producer.publish(records)
    except BusUnavailable:
        return records
    held = {record.key for record, ok in zip(records, taken, strict=True) if not ok}
    return [record for record in records if record.key in held]
