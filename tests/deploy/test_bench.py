"""The benchmark: its arithmetic, its report, and a tiny run of the real thing."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from deploy.load.bench import Plan, measure_journey
from deploy.load.generator import run_jobs
from deploy.load.jobs import Job, Seen
from deploy.load.measures import (
    Aim,
    Journey,
    Level,
    Rate,
    Unmeasured,
    aims_of,
    level_of,
    lost_tickets,
    operating_point,
    percentile,
    rate_of,
)
from deploy.load.report import Report
from deploy.load.texts import body
from deploy.stack import Stack, settings_for
from shared.roles import Role


def seen(good: int = 100, elapsed: float = 1.0, latency: int = 1000, failed: int = 0) -> Seen:
    statuses = {"201": good, **({"503": failed} if failed else {})}
    return Seen(elapsed=elapsed, statuses=statuses, latencies=[latency] * (good + failed))


def level(clients: int, rate: float, p99: float, ratio: float = 0.5) -> Level:
    tickets = Rate(rate, p99 / 2, p99, 1000, 0)
    return Level(clients, tickets, Rate(rate / ratio, 1, 2, 1000, 0), ratio)


def journey(**changes: object) -> Journey:
    values = {
        "back_end": "embedded",
        "tickets": 1000,
        "per_second": 2100.0,
        "accepted_per_second": 2500.0,
        "shown_per_second": 1900.0,
        "complete": True,
        "p50_ms": 60.0,
        "p99_ms": 120.0,
        "unseen": 0,
        "failed": 0,
        "generator_cores": 0.2,
        "memory_mb": {"intake": 150.0, "router": 260.0},
        "beside_mb": {"PostgreSQL": 200.0},
    }
    return Journey(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50), (99, 99), (99.1, 100), (100, 100), (0, 1)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: int) -> None:
    assert percentile([*range(100, 0, -1)], percent) == expected


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(Unmeasured):
        percentile([], 99)


def test_the_middle_round_counts_and_all_times_do() -> None:
    rounds = [seen(good=100, latency=1000), seen(good=300, latency=5000), seen(good=200)]
    rate = rate_of(rounds)
    assert (rate.per_second, rate.answers, rate.p99_ms) == (200, 600, 5.0)


def test_refused_requests_do_not_count_as_answers() -> None:
    rate = rate_of([seen(good=90, failed=10)])
    assert (rate.per_second, rate.failed) == (90, 10)


def test_the_ratio_is_that_of_neighbouring_rounds() -> None:
    found = level_of(16, [seen(100), seen(50), seen(90)], [seen(200), seen(200), seen(100)])
    assert found.ratio == 0.5


def test_intake_is_judged_where_it_meets_all_its_aims() -> None:
    levels = [level(1, 500, 4), level(16, 3100, 12), level(64, 3400, 40)]
    assert operating_point(levels).clients == 16


def test_intake_is_judged_at_its_highest_rate_where_it_misses_an_aim() -> None:
    levels = [level(1, 188, 15), level(16, 900, 40), level(64, 1200, 80)]
    assert operating_point(levels).clients == 64


def test_a_missed_aim_is_missed() -> None:
    met = {aim.name: aim.met for aim in aims_of([level(16, 2999, 24, 0.6)], [journey()])}
    assert met == {
        "intake, 16 clients: durable tickets": False,
        "intake, 16 clients: p99": True,
        "intake, 16 clients: tickets to empty endpoint": True,
        "embedded: submission to unit queue": True,
        "embedded: p99 at 100/s": True,
        "embedded: memory of intake": True,
        "embedded: memory of router": False,
    }


def test_an_aim_gives_its_figure_as_a_multiple() -> None:
    aim = Aim("rate", figure=1500, bound=3000, at_least=True, unit="/s")
    assert (aim.ratio, aim.met) == (0.5, False)


def test_a_ticket_that_never_arrived_is_lost() -> None:
    assert lost_tickets([level(1, 100, 5)], [journey(unseen=2), journey(failed=1)]) == 3


def test_the_report_puts_ratios_first_and_hides_nothing() -> None:
    report = Report(
        {"cores": 2, "load_before": 0.1, "python": "3.11", "packages": {}},
        levels=[level(16, 1500, 20)],
        journeys=[journey(unseen=1)],
        left_out=["Kafka: Java is not installed"],
    )
    written = json.loads(json.dumps(report.as_json()))
    assert next(iter(written)) == "ratios"
    assert written["ratios"]["intake, 16 clients: durable tickets"] == 0.5
    assert {aim["met"] for aim in written["aims"]} == {True, False}
    assert (written["lost"], written["intake"][0]["clients"]) == (1, 16)
    paper = Console(width=110)
    with paper.capture() as captured:
        report.show(paper)
    said = captured.get()
    for words in ("MISSED", "met", "0.50 × aim", "LEFT OUT: Kafka", "LOST OR LATE: 1"):
        assert words in said


def test_every_ticket_is_a_new_one() -> None:
    source = Random(1)
    assert len({body(source) for _ in range(5000)}) == 5000


def test_a_tiny_run_loses_no_ticket(tmp_path: Path, trained_home: Path) -> None:
    shutil.copytree(trained_home, tmp_path / "home")
    plan = Plan(paced_seconds=1.0, tickets=200, warm_tickets=20)
    found = measure_journey("embedded", settings_for(tmp_path / "home"), plan)
    assert (found.tickets, found.unseen, found.failed, found.complete) == (200, 0, 0, True)
    assert set(found.memory_mb) == {"intake", "classifier", "router"}
    assert 0 < found.p50_ms <= found.p99_ms


def test_the_generator_loads_an_empty_endpoint_and_tickets_alike(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home")
    with Stack(settings, services=("intake",), sides=("api",)) as stack:
        token = stack.token(Role.OPERATOR)
        empty, tickets = run_jobs(
            [
                Job(settings.intake_port, token, clients=2, count=50, path="/healthz"),
                Job(settings.intake_port, token, clients=4, count=50),
            ]
        )
    assert (empty.statuses, tickets.statuses) == ({"200": 50}, {"201": 50})
