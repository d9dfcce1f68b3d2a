"""The audit after a fault: every accepted ticket is in one place, once, and was told in order."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.chaos.databases import Databases
from tests.chaos.findings import Finding, Wrong
from tests.chaos.installation import Installation
from tests.chaos.load import Call
from tests.chaos.topics import Topics

LATE_SECONDS: Final = 10.0
"""How long it may take until what was stored last is said, and what was said last is heard."""
LOOK_SECONDS: Final = 0.5


class Auditor:
    """Reads everything after each fault; what was found before is not told again."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.databases = Databases(installation.direct)
        self._topics = Topics(installation.direct)
        self._told: set[Finding] = set()

    def audit(self, calls: Sequence[Call], since: Any) -> Sequence[Finding]:
        """What is newly wrong, the `calls` being those made `since` then by the server's clock."""
        # Deadlines fall due while we read: what is compared must be read in its order of coming.
        feeds, kept = self.databases.feeds(), self.databases.timeline()
        found = [
            *self._calls(calls, self.databases.words_since(since)),
            *self._said(feeds),
            *self._timelines(kept),
            *(
                Finding(Wrong.DOUBLED, number, f"twice {what}")
                for number, what in self.databases.twice()
            ),
            *self._letters(),
        ]
        new = [finding for finding in dict.fromkeys(found) if finding not in self._told]
        self._told.update(new)
        return new

    def _said(self, feeds: Mapping[str, int]) -> Iterator[Finding]:
        """What is wrong on the bus, where the units' queues were that far before."""
        deadline = time.monotonic() + LATE_SECONDS
        while True:
            yield from self._topics.audit(self._installation.poisoned)
            unsaid = list(self._topics.unsaid(feeds))
            if not unsaid or time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
        yield from unsaid

    def _calls(self, calls: Sequence[Call], words: Mapping[str, str]) -> Iterator[Finding]:
        kept: dict[str, list[str]] = defaultdict(list)
        for number, text in words.items():
            mark = text.rpartition("（来电")[2].partition("）")[0]
            kept[mark].append(number)
        for call in calls:
            numbers = kept[call.mark]
            if len(numbers) > 1:
                yield Finding(Wrong.DOUBLED, call.mark, f"one call, tickets {numbers}")
            if call.number is None:
                continue
            if call.number not in numbers:
                yield Finding(Wrong.LOST, call.number, f"accepted, but kept is {numbers}")
                continue
            if call.added is None:
                continue
            times = words[call.number].count(call.added)
            if times > 1:
                yield Finding(Wrong.DOUBLED, call.number, f"amended {times} times by one request")
            if call.amended and times == 0:
                yield Finding(Wrong.LOST, call.number, "its amendment was accepted, but not kept")

    def _timelines(self, before: Mapping[tuple[str, str], int]) -> Iterator[Finding]:
        """Events that intake's timeline had more often than they were said, or never gets."""
        said = dict(self._topics.events)
        for (number, type_), count in before.items():
            if count > said.get((number, type_), 0):
                yield Finding(Wrong.DOUBLED, number, f"{type_} is in its timeline {count} times")
        deadline = time.monotonic() + LATE_SECONDS
        while True:
            kept = self.databases.timeline()
            missing = [each for each, count in said.items() if kept.get(each, 0) < count]
            if not missing or time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
        for number, type_ in missing:
            yield Finding(Wrong.LOST, number, f"{type_} is not in its timeline")

    def _letters(self) -> Iterator[Finding]:
        """Good messages that were parked, and bad ones that were not."""
        poisoned = self._installation.poisoned
        parked = set()
        for consumer, key, wrong in self.databases.parked():
            parked.add((consumer, key))
            if key not in poisoned:
                yield Finding(Wrong.STUCK, key, f"parked by {consumer}, {wrong}")
        for key, consumers in poisoned.items():
            for consumer in consumers:
                if (consumer, key) not in parked:
                    yield Finding(Wrong.LOST, key, f"a bad message that {consumer} did not park")
