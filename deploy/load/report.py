"""What the benchmark found, as a table for people and as JSON; ratios come first."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from deploy.load.measures import Aim, Journey, Level, aims_of, lost_tickets

PACKAGES: Final = ("fastapi", "uvicorn", "psycopg", "sqlmodel", "kafka-python", "scikit-learn")
WIDTH: Final = 110


def machine() -> Mapping[str, Any]:
    """Where and with what the figures were taken; a high load makes them noisy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
    }


@dataclass
class Report:
    """A run of the benchmark.

    `left_out` says what this machine cannot measure, `failures` what went wrong.
    """

    machine: Mapping[str, Any]
    servers: dict[str, str] = field(default_factory=dict)
    levels: Sequence[Level] = ()
    journeys: list[Journey] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def aims(self) -> Sequence[Aim]:
        return aims_of(self.levels, self.journeys)

    @property
    def lost(self) -> int:
        return lost_tickets(self.levels, self.journeys)

    def as_json(self) -> Mapping[str, Any]:
        """The whole report, ratios first."""
        return {
            "ratios": {aim.name: round(aim.ratio, 3) for aim in self.aims},
            "aims": [aim.as_json() for aim in self.aims],
            "lost": self.lost,
            "left_out": self.left_out,
            "failures": self.failures,
            "intake": [asdict(level) for level in self.levels],
            "journeys": [asdict(journey) for journey in self.journeys],
            "machine": self.machine,
            "servers": self.servers,
            "seconds": round(self.seconds, 1),
        }

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title="hotline benchmark", width=WIDTH, title_justify="left")
        for name in ("ratio", "figure", "aim", ""):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("what", ratio=1, overflow="fold")
        for aim in self.aims:
            mark = "[green]met[/]" if aim.met else "[bold red]MISSED[/]"
            bound = f"{'≥' if aim.at_least else '<'} {_short(aim.bound)} {aim.unit}"
            figure = f"{_short(aim.figure)} {aim.unit}"
            table.add_row(f"{aim.ratio:.2f} × aim", figure, bound, mark, aim.name)
        table.add_section()
        for level in self.levels:
            _add_level(table, level)
        table.add_section()
        for journey in self.journeys:
            _add_journey(table, journey)
        console.print(table)
        for line in self._notes():
            console.print(line, highlight=False, soft_wrap=True)

    def _notes(self) -> Sequence[str]:
        machine, packages = self.machine, self.machine["packages"]
        names = ", ".join(f"{name} {number}" for name, number in packages.items())
        servers = ", ".join(f"{name} {number}" for name, number in self.servers.items())
        return [
            f"{machine['cores']} cores shared with the load generator, load "
            f"{machine['load_before']} before the run, {self.seconds:.0f} s in all",
            f"Python {machine['python']}, {names}; {servers}",
            "empty endpoint: GET /healthz of the same intake process, in turns with the tickets",
            *(f"LEFT OUT: {reason}" for reason in self.left_out),
            *(f"FAILED: {reason}" for reason in self.failures),
            *([f"LOST OR LATE: {self.lost} requests or tickets"] if self.lost else []),
        ]


def _add_level(table: Table, level: Level) -> None:
    tickets, empty = level.tickets, level.empty
    table.add_row(
        f"{level.ratio:.2f} × empty",
        f"{_short(tickets.per_second)} /s",
        "",
        "",
        f"intake, {level.clients} clients: p50 {tickets.p50_ms:.1f} ms, p99 "
        f"{tickets.p99_ms:.1f} ms; empty {_short(empty.per_second)} /s, p99 {empty.p99_ms:.1f} ms",
    )


def _add_journey(table: Table, journey: Journey) -> None:
    share = journey.per_second / journey.accepted_per_second
    beside = ", ".join(f"{name} {size:.0f} MB" for name, size in journey.beside_mb.items())
    arrived = "all arrived" if journey.complete else "NOT ALL ARRIVED in time"
    table.add_row(
        f"{share:.2f} × intake",
        f"{_short(journey.per_second)} /s",
        "",
        "",
        f"{journey.back_end}, {journey.tickets} tickets at once, {arrived}: accepted "
        f"{_short(journey.accepted_per_second)} /s, shown as routed "
        f"{_short(journey.shown_per_second)} /s; paced: p50 {journey.p50_ms:.0f} ms, p99 "
        f"{journey.p99_ms:.0f} ms; generator {journey.generator_cores:.2f} cores; beside: {beside}",
    )


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 20 else f"{figure:.2f}".rstrip("0").rstrip(".")
