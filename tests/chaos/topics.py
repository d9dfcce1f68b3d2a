"""What was said on the bus, read by a client of its own from the first record to the last.

A record may come twice under the id it had: that is what the bus promises. What an event says
under a new id may be said once only, and in its turn.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from services.router.policy.loading import POLICY_DIRECTORY
from services.router.policy.units import load_units
from shared.events import (
    ABSTAINED,
    CASES,
    CLASSIFICATIONS,
    CLASSIFIED,
    DANGER_HEARD,
    QUEUE_PREFIX,
    TICKETS,
    UNACCOUNTED,
    WHISTLES,
    queue_topic,
)
from shared.settings import Settings
from tests.chaos.findings import Finding, Wrong

SECONDS: Final = 10
TOLD: Final = frozenset({CLASSIFICATIONS, CASES, WHISTLES})
UNTOLD: Final = frozenset({DANGER_HEARD, UNACCOUNTED})
"""What intake's timeline is told of, and what on the same topics is for others."""
JUDGED: Final = frozenset({CLASSIFIED, ABSTAINED})


class Topics:
    """A reader of all topics that tickets pass; it goes on where it stopped."""

    def __init__(self, settings: Settings) -> None:
        self._brokers = str(settings.kafka).split(",")
        units = load_units(POLICY_DIRECTORY)
        self._topics = (TICKETS, CLASSIFICATIONS, CASES, WHISTLES, *map(queue_topic, units))
        self._positions: dict[TopicPartition, int] = {}
        self._heard: set[tuple[str, str]] = set()
        self._last: dict[tuple[str, str], int] = {}
        self.events: Counter[tuple[str, str]] = Counter()
        """How many events of each type were said of each key, for intake's timeline."""

    def audit(self, poisoned: Collection[str]) -> list[Finding]:
        """What is wrong with what was said since the last time."""
        found: list[Finding] = []
        for record in self._new_records():
            headers = {name: value.decode(errors="replace") for name, value in record.headers}
            key = (record.key or b"").decode(errors="replace")
            said = (record.topic, headers.get("ce_id", ""))
            if key in poisoned or said in self._heard:
                continue
            self._heard.add(said)
            type_ = headers["ce_type"]
            if record.topic in TOLD and type_ not in UNTOLD:
                self.events[key, type_] += 1
            found += self._judge(record.topic, key, type_, json.loads(record.value))
        return found

    def unsaid(self, feeds: Mapping[str, int]) -> Iterator[Finding]:
        """Units whose topic ends before their queue does, by the number of its last change."""
        for unit, seq in feeds.items():
            last = self._last.get((queue_topic(unit), ""), 0)
            if last < seq:
                yield Finding(Wrong.LOST, unit, f"its topic ends at {last}, its queue at {seq}")

    def _new_records(self) -> Iterator[Any]:
        # A client of its own each time: one that sat through a fault may be its victim.
        with closing(
            KafkaConsumer(
                bootstrap_servers=self._brokers,
                enable_auto_commit=False,
                request_timeout_ms=SECONDS * 1000,
            )
        ) as consumer:
            places = [
                TopicPartition(topic, partition)
                for topic in self._topics
                for partition in consumer.partitions_for_topic(topic) or ()
            ]
            consumer.assign(places)
            for place in places:
                consumer.seek(place, self._positions.get(place, 0))
            ends = consumer.end_offsets(places, timeout_ms=SECONDS * 1000)
            behind = {each for each in places if self._positions.get(each, 0) < ends[each]}
            while behind:
                for place, batch in consumer.poll(timeout_ms=1000).items():
                    self._positions[place] = batch[-1].offset + 1
                    yield from batch
                behind = {each for each in behind if self._positions.get(each, 0) < ends[each]}

    def _judge(
        self, topic: str, key: str, type_: str, payload: Mapping[str, Any]
    ) -> Sequence[Finding]:
        if topic == TICKETS:
            return self._in_turn(topic, key, payload["ticket"]["version"])
        if topic == CLASSIFICATIONS:
            if type_ not in JUDGED:
                return ()
            return self._in_turn(topic, key, payload["ticket"]["version"], gaps=True)
        if topic == CASES:
            return self._in_turn(topic, key, payload["case"]["version"], shared=True)
        if topic == WHISTLES:
            whistle = payload["whistle"]
            return self._in_turn(topic, whistle["number"], whistle["version"], shared=True)
        return self._in_turn(topic, "", payload["seq"])

    def _in_turn(
        self, topic: str, key: str, number: int, *, shared: bool = False, gaps: bool = False
    ) -> Sequence[Finding]:
        """Judge an event's number by the last one's.

        Several events may share a number where they tell of one change; there may be gaps
        where a later state makes an earlier one needless.
        """
        last = self._last.get((topic, key), 0)
        self._last[topic, key] = max(last, number)
        subject = key or topic.removeprefix(QUEUE_PREFIX)
        if number == last and not shared:
            return [Finding(Wrong.DOUBLED, subject, f"{topic}: two events of number {number}")]
        if number < last or (number > last + 1 and not gaps):
            return [Finding(Wrong.REORDERED, subject, f"{topic}: {number} came after {last}")]
        return ()
