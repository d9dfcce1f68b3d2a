"""The benchmark's arithmetic: percentiles, ratios, and the aims the figures are held to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from deploy.load.cost import Cost
from deploy.load.jobs import Seen
from deploy.load.texts import Mix

INTAKE_RATES: Final = {16: 3000.0, 64: 4000.0}
"""Durable tickets a second on one intake process, by clients ..."""
INTAKE_P99_MS: Final = 25.0
"""... with this p99 ..."""
INTAKE_RATIO: Final = 0.5
"""... and this share of what an empty endpoint of the same process answers."""
EMBEDDED: Final = "embedded"
KAFKA: Final = "Kafka + PostgreSQL"
BURST_RATES: Final = {
    (EMBEDDED, Mix.ORDINARY): 1200.0,
    (EMBEDDED, Mix.STORM): 700.0,
    (KAFKA, Mix.ORDINARY): 800.0,
}
"""Tickets a second from submission to the units' queues, through all three services."""
COST_MS: Final = 1.6
"""Processor time of a ticket of the ordinary mix on the embedded bus, all processes."""
PACED_RATES: Final = (20.0, 100.0, 300.0)
JUDGED_RATE: Final = 100.0
PACED_MS: Final = {EMBEDDED: (30.0, 150.0), KAFKA: (60.0, 200.0)}
"""From submission to the unit's queue at JUDGED_RATE: p50 and p99."""
PACED_CORES: Final = 0.8
"""Everything together at JUDGED_RATE."""
SERVICE_MB: Final = 200.0
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
class Burst:
    """Many tickets of one mix at once, through all three services.

    `per_second` is how many reached the units' queues, `accepted_per_second` how many
    intake took meanwhile, `shown_per_second` how many intake showed as routed; `arrived`
    counts those that were there in the time given. The cost is taken until all were shown.
    """

    mix: Mix
    tickets: int
    arrived: int
    per_second: float
    accepted_per_second: float
    shown_per_second: float
    cost: Cost


@dataclass(frozen=True)
class Paced:
    """Tickets at a fixed rate: from submission to the unit's queue, and the cores it took."""

    rate: float
    p50_ms: float
    p99_ms: float
    cores: float


@dataclass(frozen=True)
class Journey:
    """All three services on one back end.

    `unseen` are the tickets that did not arrive in time. `memory_mb` is the resident memory
    of each service after all bursts, `memory_before_mb` before the first, `beside_mb` that
    of the servers they use.
    """

    back_end: str
    bursts: Sequence[Burst]
    paced: Sequence[Paced]
    unseen: int
    failed: int
    generator_cores: float
    memory_before_mb: Mapping[str, float]
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


def intake_aims(level: Level) -> Sequence[Aim]:
    """The aims of intake alone at one level; none where few clients wait for each answer."""
    rate = INTAKE_RATES.get(level.clients)
    if rate is None:
        return ()
    name = f"intake, {level.clients} clients"
    return [
        Aim(f"{name}: durable tickets", level.tickets.per_second, rate, True, "/s"),
        Aim(f"{name}: p99", level.tickets.p99_ms, INTAKE_P99_MS, False, "ms"),
        Aim(f"{name}: tickets to empty endpoint", level.ratio, INTAKE_RATIO, True, "×"),
    ]


def journey_aims(journey: Journey) -> Sequence[Aim]:
    """The aims of all services together on one back end."""
    name, aims = journey.back_end, []
    for burst in journey.bursts:
        rate = BURST_RATES.get((name, burst.mix))
        if rate is not None:
            aims.append(Aim(f"{name}, {burst.mix}: to queues", burst.per_second, rate, True, "/s"))
        if (name, burst.mix) == (EMBEDDED, Mix.ORDINARY):
            what = f"{name}, {burst.mix}: processor a ticket"
            aims.append(Aim(what, burst.cost.total_ms, COST_MS, False, "ms"))
    for paced in journey.paced:
        if paced.rate == JUDGED_RATE:
            p50, p99 = PACED_MS[name]
            at = f"{name} at {paced.rate:g}/s"
            aims += [
                Aim(f"{at}: p50", paced.p50_ms, p50, False, "ms"),
                Aim(f"{at}: p99", paced.p99_ms, p99, False, "ms"),
                Aim(f"{at}: cores", paced.cores, PACED_CORES, False, ""),
            ]
    for service, size in journey.memory_mb.items():
        aims.append(Aim(f"{name}: memory of {service}", size, SERVICE_MB, False, "MB"))
    return aims


def aims_of(levels: Sequence[Level], journeys: Sequence[Journey]) -> Sequence[Aim]:
    """Every aim with its figure, met or not."""
    return [
        *(aim for level in levels for aim in intake_aims(level)),
        *(aim for journey in journeys for aim in journey_aims(journey)),
    ]


def figures_of(levels: Sequence[Level], journeys: Sequence[Journey]) -> Mapping[str, float]:
    """What a later run can be compared with: every aim's figure and every cost, by name."""
    figures = {aim.name: aim.figure for aim in aims_of(levels, journeys)}
    for journey in journeys:
        for burst in journey.bursts:
            name = f"{journey.back_end}, {burst.mix}"
            figures |= {f"{name}: {process} ms": ms for process, ms in burst.cost.ms.items()}
            figures[f"{name}: all ms"] = burst.cost.total_ms
    return figures


def ratios_to(base: Mapping[str, float], figures: Mapping[str, float]) -> Mapping[str, float]:
    """Each figure as a multiple of the same one in an earlier run."""
    return {
        name: figure / base[name] for name, figure in figures.items() if base.get(name, 0.0) > 0.0
    }


def lost_tickets(levels: Sequence[Level], journeys: Sequence[Journey]) -> int:
    """Requests that failed and tickets that did not arrive in time: none, in a good run."""
    refused = sum(level.tickets.failed + level.empty.failed for level in levels)
    return refused + sum(journey.failed + journey.unseen for journey in journeys)
