"""What tickets cost: processor time by process, out of the kernel's own accounts.

Wall time on a shared machine tells more of its neighbours than of the services; the processor
time that a process has used is its own.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from deploy.stack import Stack

CALM: Final = 0.15
"""A machine of whose cores a larger share is busy before the run is none to judge on."""
LOOK_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Cost:
    """Milliseconds of processor for each ticket, by process, and the cores kept busy."""

    ms: Mapping[str, float]
    cores: float

    @property
    def total_ms(self) -> float:
        """What a ticket costs in all processes together."""
        return sum(self.ms.values())


class Meter:
    """Reads the accounts of a stack and of the servers it uses, from its making on."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._began = time.monotonic()
        self._before = self._seconds()

    def cost(self, tickets: int) -> Cost:
        """What each of so many tickets has cost since the meter was made."""
        spent = {name: now - self._before[name] for name, now in self._seconds().items()}
        elapsed = time.monotonic() - self._began
        ms = {name: seconds * 1000 / tickets for name, seconds in spent.items()}
        return Cost(ms, sum(spent.values()) / elapsed)

    def _seconds(self) -> Mapping[str, float]:
        services = {
            name: _own(psutil.Process(process.pid))
            for name, process in self._stack.processes.items()
        }
        return {**services, **server_seconds(self._stack.settings.home.parent)}


def server_seconds(home: Path) -> Mapping[str, float]:
    """Processor seconds of PostgreSQL under `home`, ended sessions too, and of our own broker."""
    seconds: dict[str, float] = {}
    for server, parts in servers(home).items():
        ended = parts[0].cpu_times()
        seconds[server] = sum(map(_own, parts)) + ended.children_user + ended.children_system
    return seconds


def servers(home: Path) -> Mapping[str, Sequence[psutil.Process]]:
    """The processes of PostgreSQL under `home` and of our own broker, the first of each ahead."""
    found: dict[str, Sequence[psutil.Process]] = {}
    for pid_file in home.rglob("postmaster.pid"):
        postmaster = psutil.Process(int(pid_file.read_text().split()[0]))
        found["PostgreSQL"] = [postmaster, *postmaster.children(recursive=True)]
    for child in psutil.Process().children():
        if child.name() == "java":
            found["Kafka"] = [child]
    return found


def busy_share() -> float:
    """How busy all cores are just now, from 0 to 1; takes LOOK_SECONDS."""
    percent: float = psutil.cpu_percent(LOOK_SECONDS)
    return percent / 100


def _own(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    spent: float = times.user + times.system
    return spent
