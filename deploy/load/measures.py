"""The benchmark's arithmetic: percentiles, ratios, and the aims the figures are held to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from deploy.load.jobs import Seen

INTAKE_RATE: Final = 3000.0
"""Durable tickets a second on one intake worker ..."""
INTAKE_P99_MS: Final = 25.0
"""... with this p99 ..."""
INTAKE_RATIO: Final = 0.5
"""... and this share of what an empty endpoint of the same process answers."""
JOURNEY_RATE: Final = 2000.0
"""Tickets a second from submission to the units' queues, through all three services."""
JOURNEY_P99_MS: Final = 150.0
"""From submission to the unit's queue at PACED_RATE."""
PACED_RATE: Final = 100.0
SERVICE_MB: Final = 250.0
"""Resident memory of a service after the load."""


class Unmeasured(Exception):
    """There is nothing to calculate from: the server answered no request as it should."""


@dataclass(frozen=True)
class Rate:
    """Answers a second in the middle one of several rounds, and the times of all of them."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int
    failed: int


@dataclass(frozen=True)
class Level:
    """Intake at a number of clients: tickets beside an empty endpoint of the same process."""

    clients: int
    tickets: Rate
    empty: Rate
    ratio: float


@dataclass(frozen=True)
class Journey:
    """All three services on one back end.

    `per_second` is how many tickets reached the units' queues, `accepted_per_second` how
    many intake took meanwhile, `shown_per_second` how many intake showed as routed.
    `complete` says whether all arrived in the time given, `unseen` how many did not.
    `memory_mb` is the resident
    memory of each service, `beside_mb` that of the servers they use.
    """

    back_end: str
    tickets: int
    per_second: float
    accepted_per_second: float
    shown_per_second: float
    complete: bool
    p50_ms: float
    p99_ms: float
    unseen: int
    failed: int
    generator_cores: float
    memory_mb: Mapping[str, float]
    beside_mb: Mapping[str, float]


@dataclass(frozen=True)
class Aim:
    """A figure held to an aim: at least, or below."""

    name: str
    figure: float
    bound: float
    at_least: bool
    unit: str

    @property
    def met(self) -> bool:
        return self.figure >= self.bound if self.at_least else self.figure < self.bound

    @property
    def ratio(self) -> float:
        """The figure as a multiple of its aim."""
        return self.figure / self.bound

    def as_json(self) -> Mapping[str, Any]:
        """The aim with what came of it."""
        return {**asdict(self), "ratio": self.ratio, "met": self.met}


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed.

    Raises Unmeasured without values.
    """
    if not values:
        raise Unmeasured("no request was answered")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def rate_of(rounds: Sequence[Seen]) -> Rate:
    """The figures of several rounds of the same job. Raises Unmeasured."""
    times = [time for seen in rounds for time in seen.latencies]
    return Rate(
        per_second=median(seen.good / seen.elapsed for seen in rounds),
        p50_ms=percentile(times, 50) / 1000,
        p99_ms=percentile(times, 99) / 1000,
        answers=len(times),
        failed=sum(seen.failed for seen in rounds),
    )


def level_of(clients: int, tickets: Sequence[Seen], empty: Sequence[Seen]) -> Level:
    """Both jobs at one number of clients; the ratio is that of neighbouring rounds."""
    ratios = [
        (taken.good / taken.elapsed) / (idle.good / idle.elapsed)
        for taken, idle in zip(tickets, empty, strict=True)
        if idle.good
    ]
    if not ratios:
        raise Unmeasured("the empty endpoint did not answer")
    return Level(clients, rate_of(tickets), rate_of(empty), median(ratios))


def operating_point(levels: Sequence[Level]) -> Level:
    """Where intake is judged: a level that meets all its aims, else that of the highest rate."""
    good = [level for level in levels if all(aim.met for aim in intake_aims(level))]
    return max(good or levels, key=lambda level: level.tickets.per_second)


def intake_aims(level: Level) -> Sequence[Aim]:
    """The aims of intake alone, all at one level."""
    name = f"intake, {level.clients} clients"
    return [
        Aim(f"{name}: durable tickets", level.tickets.per_second, INTAKE_RATE, True, "/s"),
        Aim(f"{name}: p99", level.tickets.p99_ms, INTAKE_P99_MS, False, "ms"),
        Aim(f"{name}: tickets to empty endpoint", level.ratio, INTAKE_RATIO, True, "×"),
    ]


def aims_of(levels: Sequence[Level], journeys: Sequence[Journey]) -> Sequence[Aim]:
    """Every aim with its figure, met or not."""
    aims = [*intake_aims(operating_point(levels))] if levels else []
    for journey in journeys:
        name = journey.back_end
        aims += [
            Aim(f"{name}: submission to unit queue", journey.per_second, JOURNEY_RATE, True, "/s"),
            Aim(f"{name}: p99 at {PACED_RATE:g}/s", journey.p99_ms, JOURNEY_P99_MS, False, "ms"),
            *(
                Aim(f"{name}: memory of {service}", size, SERVICE_MB, False, "MB")
                for service, size in journey.memory_mb.items()
            ),
        ]
    return aims


def lost_tickets(levels: Sequence[Level], journeys: Sequence[Journey]) -> int:
    """Requests that failed and tickets that did not arrive in time: none, in a good run."""
    refused = sum(level.tickets.failed + level.empty.failed for level in levels)
    return refused + sum(journey.failed + journey.unseen for journey in journeys)
