"""What the load generator is told to do, and what it tells of it; both travel as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.load.texts import Mix


@dataclass(frozen=True)
class Job:
    """What to do to the server at `port`.

    Without `rate` each of `clients` sends its next request when it has the answer, until
    `seconds` are over after `warm` seconds that do not count, or until `count` requests are
    answered. With `rate` so many are sent a second, whatever the answers do, and `streams`
    (paths at `stream_port`) are watched for the tickets. `path` is for an empty request;
    without it tickets of the `mix` are submitted. Jobs with different seeds send different
    tickets.
    """

    port: int
    token: str
    clients: int
    seconds: float = 60.0
    warm: float = 0.0
    count: int | None = None
    path: str | None = None
    rate: float | None = None
    stream_port: int = 0
    stream_token: str = ""
    streams: Sequence[str] = ()
    seed: int = 0
    mix: Mix = Mix.ORDINARY


@dataclass
class Seen:
    """What a job saw: answers by status, times in microseconds, and its own processor time.

    `began` is when the first request that counts was sent, on the machine's monotonic
    clock. `journeys` are times from when a ticket was to be sent to when it stood in a
    unit's queue, `unseen` the tickets that never did.
    """

    began: float = 0.0
    elapsed: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    latencies: list[int] = field(default_factory=list)
    journeys: list[int] = field(default_factory=list)
    unseen: int = 0
    lost_connections: int = 0
    own_cpu_seconds: float = 0.0

    def count(self, status: int) -> None:
        """Count an answer."""
        self.statuses[str(status)] = self.statuses.get(str(status), 0) + 1

    @property
    def good(self) -> int:
        """Answers of the kind that was wanted."""
        return sum(number for status, number in self.statuses.items() if status[0] == "2")

    @property
    def failed(self) -> int:
        """Answers that refuse, and connections the server ended."""
        return sum(self.statuses.values()) - self.good + self.lost_connections
