"""What the benchmark found, as a table for people and as JSON; ratios come first."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from deploy.load.cost import CALM, busy_share
from deploy.load.measures import (
    Aim,
    Journey,
    Level,
    aims_of,
    figures_of,
    lost_tickets,
    ratios_to,
)

PACKAGES: Final = ("fastapi", "uvicorn", "psycopg", "sqlmodel", "kafka-python", "scikit-learn")
WIDTH: Final = 110


def machine() -> Mapping[str, Any]:
    """Where and with what the figures are taken, and how busy the cores are before they are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "busy_before": round(busy_share(), 2),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
    }


@dataclass
class Report:
    """A run of the benchmark.

    `left_out` says what this machine cannot measure, `failures` what went wrong; `base` are
    an earlier run's figures by name.
    """

    machine: Mapping[str, Any]
    base: Mapping[str, float] = field(default_factory=dict)
    servers: dict[str, str] = field(default_factory=dict)
    levels: Sequence[Level] = ()
    journeys: list[Journey] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def judged(self) -> bool:
        """Whether the machine was calm enough before for the aims to be held against it."""
        return bool(self.machine["busy_before"] <= CALM)

    @property
    def figures(self) -> Mapping[str, float]:
        """What a later run can be compared with."""
        return figures_of(self.levels, self.journeys)

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
            "judged": self.judged,
            "aims": [aim.as_json() for aim in self.aims],
            "figures": self.figures,
            "to_base": ratios_to(self.base, self.figures),
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
            mark = mark if self.judged else "not judged"
            bound = f"{'≥' if aim.at_least else '<'} {_short(aim.bound)} {aim.unit}"
            figure = f"{_short(aim.figure)} {aim.unit}"
            table.add_row(f"{aim.ratio:.2f} × aim", figure, bound, mark, aim.name)
        table.add_section()
        for level in self.levels:
            _add_level(table, level)
        table.add_section()
        for journey in self.journeys:
            _add_journey(table, journey)
        table.add_section()
        for name, ratio in ratios_to(self.base, self.figures).items():
            table.add_row(f"{ratio:.2f} × base", _short(self.figures[name]), "", "", name)
        console.print(table)
        for line in self._notes():
            console.print(line, highlight=False, soft_wrap=True)

    def _notes(self) -> Sequence[str]:
        machine, packages = self.machine, self.machine["packages"]
        names = ", ".join(f"{name} {number}" for name, number in packages.items())
        servers = ", ".join(f"{name} {number}" for name, number in self.servers.items())
        return [
            f"{machine['cores']} cores shared with the load generator, "
            f"{machine['busy_before']:.0%} busy before the run, {self.seconds:.0f} s in all",
            f"Python {machine['python']}, {names}; {servers}",
            "empty endpoint: GET /healthz of the same intake process, in turns with the tickets",
            *(() if self.judged else ("NOT JUDGED: the machine was busy before the run",)),
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
    for burst in journey.bursts:
        share = burst.per_second / burst.accepted_per_second
        arrived = "all" if burst.arrived >= burst.tickets else f"ONLY {burst.arrived}"
        costs = ", ".join(f"{process} {ms:.2f}" for process, ms in burst.cost.ms.items())
        table.add_row(
            f"{share:.2f} × intake",
            f"{_short(burst.per_second)} /s",
            "",
            "",
            f"{journey.back_end}, {burst.mix}: {arrived} of {burst.tickets} at once; accepted "
            f"{_short(burst.accepted_per_second)} /s, shown {_short(burst.shown_per_second)} /s; "
            f"{burst.cost.total_ms:.2f} ms of processor a ticket ({costs}), "
            f"{burst.cost.cores:.2f} cores busy",
        )
    for paced in journey.paced:
        table.add_row(
            "",
            f"{_short(paced.rate)} /s",
            "",
            "",
            f"{journey.back_end}, paced: p50 {paced.p50_ms:.0f} ms, p99 {paced.p99_ms:.0f} ms, "
            f"{paced.cores:.2f} cores busy",
        )
    before, after = (_sizes(of) for of in (journey.memory_before_mb, journey.memory_mb))
    table.add_row(
        "",
        "",
        "",
        "",
        f"{journey.back_end}, memory: {before} MB before the bursts, {after} after, beside "
        f"{_sizes(journey.beside_mb)}; generator {journey.generator_cores:.2f} cores",
    )


def _sizes(memory: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {size:.0f}" for name, size in memory.items())


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 20 else f"{figure:.2f}".rstrip("0").rstrip(".")
