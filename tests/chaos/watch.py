"""What every process says of itself, asked all the time, as whoever balances load would."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx2

from deploy.stack import Process

EVERY_SECONDS: Final = 0.25
GIVE_UP_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to `/readyz`: when it was asked for and came, its status; None where none came."""

    asked: float
    came: float
    status: int | None
    why: str = ""

    @property
    def ready(self) -> bool:
        return self.status == httpx2.codes.OK


class Watch:
    """Asks processes for their readiness inside a `with` block."""

    def __init__(self, processes: Mapping[str, Process]) -> None:
        self._ending = threading.Event()
        self._said: dict[str, list[Said]] = {name: [] for name in processes}
        self._threads = [
            threading.Thread(target=self._ask, args=(name, process.address), name=f"watch {name}")
            for name, process in processes.items()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def between(self, name: str, start: float, end: float) -> Sequence[Said]:
        """What a process said to questions that were asked and answered in this time."""
        return [said for said in self._said[name] if start <= said.asked and said.came <= end]

    def all_ready(self, since: float) -> bool:
        """Whether the last word of every process is that it is ready, asked since then."""
        return all(
            said and said[-1].ready and said[-1].asked >= since for said in self._said.values()
        )

    def unready(self) -> Mapping[str, str]:
        """What those say that are not ready now."""
        return {
            name: said[-1].why for name, said in self._said.items() if said and not said[-1].ready
        }

    def _ask(self, name: str, address: str) -> None:
        with httpx2.Client(timeout=GIVE_UP_SECONDS) as client:
            while not self._ending.wait(EVERY_SECONDS):
                asked = time.monotonic()
                try:
                    answer = client.get(f"{address}/readyz")
                    status, why = answer.status_code, _missing(answer)
                except httpx2.HTTPError as error:
                    status, why = None, type(error).__name__
                self._said[name].append(Said(asked, time.monotonic(), status, why))


def _missing(answer: httpx2.Response) -> str:
    checks: Mapping[str, str] = answer.json()["checks"]
    return ", ".join(f"{name}: {said}" for name, said in checks.items() if said != "ok")
