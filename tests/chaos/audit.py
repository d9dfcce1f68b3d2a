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
"""How long intake may take to hear what was said last, of whistles for one."""


class Auditor:
    """Reads everything after each fault; what was found before is not told again."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.databases = Databases(installation.direct)
        self._topics = Topics(installation.direct)
        self._told: set[Finding] = set()

    def audit(self, calls: Sequence[Call], since: Any) -> Sequence[Finding]:
        """What is newly wrong, the `calls` being those made `since` then by the server's clock."""
        found = [
            *self._calls(calls, self.databases.words_since(since)),
            *self._topics.audit(self._installation.poisoned),
            *self._topics.unsaid(self.databases.feeds()),
            *(
                Finding(Wrong.DOUBLED, number, f"twice {what}")
                for number, what in self.databases.twice()
            ),
            *self._letters(),
            *self._timelines(),
        ]
        new = [finding for finding in dict.fromkeys(found) if finding not in self._told]
        self._told.update(new)
        return new

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

    def _timelines(self) -> Iterator[Finding]:
        """Events that intake's timeline has more often than they were said, or less often."""
        said = self._topics.events
        deadline = time.monotonic() + LATE_SECONDS
        while True:
            kept = self.databases.timeline()
            missing = [each for each, count in said.items() if kept.get(each, 0) < count]
            if not missing or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        for number, type_ in missing:
            yield Finding(Wrong.LOST, number, f"{type_} is not in its timeline")
        for (number, type_), count in kept.items():
            if count > said[number, type_]:
                yield Finding(Wrong.DOUBLED, number, f"{type_} is in its timeline {count} times")

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
