"""A round: calls keep coming, something goes wrong, it ends, and everything is counted."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.audit import Auditor
from tests.chaos.faults import Fault
from tests.chaos.findings import Finding, Wrong
from tests.chaos.installation import API, PROCESSES, Installation
from tests.chaos.load import RATE, Load
from tests.chaos.watch import Watch

BEFORE_SECONDS: Final = 2.0
AFTER_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 60.0
"""How long after a fault a ticket may take to its unit before it counts as stuck."""
LOST_SECONDS: Final = 60.0
"""How much longer until one without a case counts as lost."""
NOTICE_SECONDS: Final = 4.0
"""How long a process may take to say that it cannot work."""
SHAKEN_SECONDS: Final = 6.0
"""How long a process that can work may say that it cannot: a fault elsewhere shakes it."""
LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Outcome:
    """What a fault did: tickets sent and accepted, what is wrong, and the way back.

    `recovered` are the seconds after the fault until all were ready and no ticket accepted
    before its end was on its way any more, None where that never came; `untaken` counts
    tickets that were never accepted, `lies` are the untrue words about readiness.
    """

    fault: str
    accepted: int
    untaken: int
    findings: Sequence[Finding]
    recovered: float | None
    lies: Sequence[str]

    def count(self, wrong: Wrong) -> int:
        """How many findings are of a kind."""
        return sum(finding.wrong is wrong for finding in self.findings)

    @property
    def sound(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.findings and not self.lies and self.recovered is not None


class Rounds:
    """Rounds on one installation, one after the other: `rate` calls a second.

    Whoever waits for something that must happen waits for `patience` seconds.
    """

    def __init__(
        self,
        installation: Installation,
        auditor: Auditor,
        watch: Watch,
        rate: float = RATE,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._installation = installation
        self._auditor = auditor
        self._watch = watch
        self._rate = rate
        self._patience = patience

    def run(self, name: str, fault: Fault) -> Outcome:
        """Let a fault befall the installation while calls come in, and audit what came of it."""
        installation = self._installation
        since = self._auditor.databases.now()
        address = installation.processes[API].address
        with Load(address, installation.operator, rate=self._rate, patience=self._patience) as load:
            time.sleep(BEFORE_SECONDS)
            begun = time.monotonic()
            with fault.befall(installation):
                whole = time.monotonic()
                time.sleep(fault.seconds)
                ending = time.monotonic()
            ended = time.monotonic()
            recovered = self._recovery(load, ended)
            time.sleep(AFTER_SECONDS)
        numbers = load.accepted()
        findings = [*self._strays(numbers, ended), *self._auditor.audit(load.calls, since)]
        findings += [
            Finding(Wrong.STUCK, API, f"{times} answers {status}")
            for status, times in load.refusals.items()
        ]
        lies = [*self._untold(fault, whole, ending), *self._cried(fault, begun, ending)]
        lies += [] if recovered is not None else self._still_unready()
        untaken = sum(call.number is None for call in load.calls)
        return Outcome(name, len(numbers), untaken, findings, recovered, lies)

    def _recovery(self, load: Load, ended: float) -> float | None:
        """Seconds from a fault's end until all are ready and what was accepted has arrived."""
        on_the_way = load.accepted(ended)
        while time.monotonic() < ended + self._patience:
            on_the_way -= self._auditor.databases.at_a_unit(on_the_way)
            if not on_the_way and self._watch.all_ready(ended):
                return time.monotonic() - ended
            time.sleep(LOOK_SECONDS)
        return None

    def _strays(self, numbers: set[str], ended: float) -> Sequence[Finding]:
        """Tickets that have not come to rest in time: stuck, or lost where no case ever comes."""
        databases = self._auditor.databases
        # Calls that were accepted late have as long as the others.
        deadline = max(ended, time.monotonic()) + self._patience
        left = set(numbers)
        while time.monotonic() < deadline:
            left -= databases.settled(left)
            if not left and not databases.unrelayed():
                return ()
            time.sleep(LOOK_SECONDS)
        stuck = [
            Finding(Wrong.STUCK, each, f"not at rest {self._patience:g} s later") for each in left
        ]
        if databases.unrelayed():
            stuck.append(Finding(Wrong.STUCK, "outbox", "events that nobody relays"))
        homeless = left - databases.with_a_case(left)
        deadline += LOST_SECONDS
        while homeless and time.monotonic() < deadline:
            homeless -= databases.with_a_case(homeless)
            time.sleep(LOOK_SECONDS)
        return [*stuck, *(Finding(Wrong.LOST, each, "no case ever came") for each in homeless)]

    def _untold(self, fault: Fault, begun: float, ending: float) -> Sequence[str]:
        """Who said that they could work while they could not."""
        lies = []
        for name in sorted(fault.unable):
            said = self._watch.between(name, begun + NOTICE_SECONDS, ending)
            ready = [each for each in said if each.ready]
            if ready:
                lies.append(f"{name} said {len(ready)} times of {len(said)} that it was ready")
        return lies

    def _cried(self, fault: Fault, begun: float, ending: float) -> Sequence[str]:
        """Who said for long that they could not work while they could."""
        lies = []
        for name in sorted(set(PROCESSES) - fault.unable - fault.doubtful):
            down: float | None = None
            for said in self._watch.between(name, begun, ending):
                down = None if said.ready else down or said.asked
                if down is not None and said.came - down > SHAKEN_SECONDS:
                    lies.append(
                        f"{name} was not ready for more than {SHAKEN_SECONDS:g} s: {said.why}"
                    )
                    break
        return lies

    def _still_unready(self) -> Sequence[str]:
        return [f"{name} is not ready: {why}" for name, why in self._watch.unready().items()]
