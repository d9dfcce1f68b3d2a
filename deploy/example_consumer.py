"""How a street or a department consumes its own queue from Kafka, with nothing of ours.

    pip install "kafka-python[crc32c,lz4]>=3.0.12"
    python example_consumer.py wangdingdi --kafka 127.0.0.1:9092

Copy the file to where it is to run; in this checkout it is
`python -m deploy.example_consumer`, for the folder beside it is named `kafka` too.

The topic `hotline.queue.<unit>` has one record for each change of the unit's queue: a
CloudEvent whose value is the whole ticket and case as they now stand. What a consumer has
to know:

- Records come in order, and at least once. The header `ce_id` is the same when a record
  comes again: keep the ids you have handled, together with what you did, in one
  transaction of your own database. Here they live in memory and are gone at the end;
  `GET /api/units/<unit>/queue` tells at any time what is open.
- `seq` counts the changes of this queue. For one ticket a record with a smaller `seq` than
  the one you have is old: leave it. `case.version` is what to send back with a command
  (`POST /api/cases/<number>/accept {"version": ...}`); a 409 means that the case moved on.
- `open` is false when the unit has nothing more to do: take the ticket off the list.
- A field that is missing is null; new fields may come.
- Commit the offset after the work, never before: then a crash repeats and loses nothing.

No record holds the caller's name or phone; ask intake for them, where the case allows it.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer


class Worklist:
    """The unit's open tickets; tells which records change it."""

    def __init__(self) -> None:
        self._handled: set[str] = set()
        self._seqs: dict[str, int] = {}
        self.open: dict[str, dict[str, Any]] = {}

    def take(self, event_id: str, item: dict[str, Any]) -> bool:
        """Whether this record says something new; the list then follows it."""
        entry, seq = entry_of(item), item["seq"]
        if event_id in self._handled or seq <= self._seqs.get(entry, 0):
            return False
        self._handled.add(event_id)
        self._seqs[entry] = seq
        if item["open"]:
            self.open[entry] = item
        else:
            self.open.pop(entry, None)
        return True


def entry_of(item: dict[str, Any]) -> str:
    """What an item is about: a whistle where it carries one, else the ticket itself."""
    whistle = item.get("whistle")
    return str(whistle["number"] if whistle else item["number"])


def clocks_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    """The clocks of an item: the case's, or those a whistle has for this unit."""
    whistle = item.get("whistle")
    holders = [item["case"]]
    if whistle:
        holders = [called for called in whistle["units"] if called["unit"] == item["unit"]]
    return [clock for holder in holders for clock in holder.get("clocks", ())]


def lines(item: dict[str, Any]) -> Iterator[str]:
    """What a person at the unit wants to see of an item."""
    case, ticket = item["case"], item["ticket"]
    if not item["open"]:
        yield f"{entry_of(item)}  已不在本单位队列（{item['reason']}）"
        return
    yield f"{entry_of(item)}  {case['priority']}  {item['role']}  {item['reason']}  {case['leaf']}"
    yield f"    {ticket['text']}"
    for clock in clocks_of(item):
        if not clock.get("stopped_at") and not clock.get("cancelled"):
            yield f"    {clock['kind']} 截止 {clock['due_at']}"


def consume(unit: str, kafka: str, group: str, idle_ms: float) -> None:
    """Print the queue's changes until nothing has come for `idle_ms`."""
    consumer = KafkaConsumer(
        f"hotline.queue.{unit}",
        bootstrap_servers=kafka.split(","),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        consumer_timeout_ms=idle_ms,
    )
    worklist = Worklist()
    try:
        for record in consumer:
            headers = {name: value.decode() for name, value in record.headers}
            if headers["ce_type"] != "hotline.queue.changed.v1":
                continue
            item = json.loads(record.value)
            if worklist.take(headers["ce_id"], item):
                print("\n".join(lines(item)), flush=True)
            consumer.commit()
    finally:
        consumer.close()
    print(f"待办 {len(worklist.open)} 件", flush=True)


def main() -> None:
    """Read the command line and consume."""
    parser = argparse.ArgumentParser(description="Consume the queue of a unit from Kafka.")
    parser.add_argument("unit", help="the unit's slug, such as wangdingdi")
    parser.add_argument("--kafka", default=os.environ.get("HOTLINE_KAFKA"), help="host:port,...")
    parser.add_argument("--group", help="consumer group; by default one of the unit's own")
    parser.add_argument("--idle", type=float, help="end after so many seconds without a record")
    given = parser.parse_args()
    if not given.kafka:
        sys.exit("name the brokers with --kafka or HOTLINE_KAFKA")
    idle_ms = given.idle * 1000 if given.idle is not None else float("inf")
    try:
        consume(given.unit, given.kafka, given.group or f"{given.unit}.example", idle_ms)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
