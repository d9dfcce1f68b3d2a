"""Watching tickets drain through the services, from outside: metrics, lists and memory."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx2
import psutil

from deploy.load.cost import servers
from deploy.stack import Stack
from shared.roles import Role

MEGABYTE: Final = 1_000_000
LEAST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
ROUTER_CASES: Final = re.compile(
    r'^hotline_messages_handled_total\{consumer="router\.cases",.*\} (\S+)$', re.MULTILINE
)
"""Tickets whose case and queue entries the router has committed."""
ON_THE_WAY: Final = ("received", "triaged")


class Gauges:
    """What a stack says of its tickets."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        token = stack.token(Role.SUPERVISOR)
        self._client = httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def close(self) -> None:
        """Close the connections to the services."""
        self._client.close()

    def units(self) -> Sequence[str]:
        """The units whose queues tickets can reach."""
        units = self._client.get(f"{self._stack.address('router')}/api/units").json()
        return [str(unit["slug"]) for unit in units]

    def routed(self) -> int:
        """Tickets that stand in a unit's queue, since the router started."""
        metrics = self._client.get(f"{self._stack.address('router')}/metrics").text
        return int(sum(float(value) for value in ROUTER_CASES.findall(metrics)))

    def wait_routed(self, wanted: int, seconds: float) -> float:
        """When so many tickets stood in queues, or the time was up, on the monotonic clock.

        Asks rarely at first and often towards the end, so as to cost the router little.
        """
        began = time.monotonic()
        first = self.routed()
        while (found := self.routed()) < wanted and time.monotonic() < began + seconds:
            pace = (found - first) / (time.monotonic() - began)
            pause = (wanted - found) / pace / 2 if pace else LEAST_PAUSE
            time.sleep(min(max(pause, LEAST_PAUSE), LONGEST_PAUSE))
        return time.monotonic()

    def wait_shown(self, seconds: float) -> float:
        """When intake showed no ticket as unrouted any more, or the time was up."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and any(map(self._any_in, ON_THE_WAY)):
            time.sleep(LEAST_PAUSE)
        return time.monotonic()

    def _any_in(self, status: str) -> bool:
        tickets = f"{self._stack.address('intake')}/api/tickets"
        return bool(
            self._client.get(tickets, params={"status": status, "limit": 1}).json()["items"]
        )


def memory_mb(stack: Stack) -> Mapping[str, float]:
    """Resident memory of each service process."""
    return {
        name: psutil.Process(process.pid).memory_info().rss / MEGABYTE
        for name, process in stack.processes.items()
    }


def server_memory_mb(home: Path) -> Mapping[str, float]:
    """Memory of the servers beside the services: PostgreSQL under `home`, our own broker.

    The processes of a server share much: each counts for its proportional part.
    """
    return {
        server: sum(part.memory_full_info().pss for part in parts) / MEGABYTE
        for server, parts in servers(home).items()
    }
