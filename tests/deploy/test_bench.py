"""The benchmark: its arithmetic, its report, and a tiny run of the real thing."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from deploy.load.bench import Plan, measure_journey
from deploy.load.cost import Cost
from deploy.load.generator import run_jobs
from deploy.load.jobs import Job, Seen
from deploy.load.measures import (
    EMBEDDED,
    Aim,
    Burst,
    Journey,
    Level,
    Paced,
    Rate,
    Unmeasured,
    aims_of,
    figures_of,
    level_of,
    lost_tickets,
    percentile,
    rate_of,
    ratios_to,
)
from deploy.load.report import Report
from deploy.load.texts import DANGERS, Mix, body
from deploy.stack import Stack, settings_for
from shared.roles import Role


def seen(good: int = 100, elapsed: float = 1.0, latency: int = 1000, failed: int = 0) -> Seen:
    statuses = {"201": good, **({"503": failed} if failed else {})}
    return Seen(elapsed=elapsed, statuses=statuses, latencies=[latency] * (good + failed))


def level(clients: int, rate: float, p99: float, ratio: float = 0.5) -> Level:
    tickets = Rate(rate, p99 / 2, p99, 1000, 0)
    return Level(clients, tickets, Rate(rate / ratio, 1, 2, 1000, 0), ratio)


def burst(mix: Mix, per_second: float, cost: float = 1.5) -> Burst:
    return Burst(mix, 1000, 1000, per_second, 2500.0, 1900.0, Cost({"router": cost}, 1.9))


def journey(**changes: object) -> Journey:
    values = {
        "back_end": EMBEDDED,
        "bursts": [burst(Mix.ORDINARY, 1300.0), burst(Mix.STORM, 600.0, cost=4.0)],
        "paced": [Paced(20.0, 10.0, 20.0, 0.3), Paced(100.0, 25.0, 160.0, 0.7)],
        "unseen": 0,
        "failed": 0,
        "generator_cores": 0.2,
        "memory_before_mb": {"intake": 140.0},
        "memory_mb": {"intake": 150.0, "router": 260.0},
        "beside_mb": {"PostgreSQL": 200.0},
    }
    return Journey(**{**values, **changes})  # type: ignore[arg-type]


def report(busy: float = 0.1, **parts: object) -> Report:
    machine = {"cores": 2, "busy_before": busy, "python": "3.11", "packages": {}}
    return Report(machine, **parts)  # type: ignore[arg-type]


def printed(found: Report) -> str:
    paper = Console(width=110)
    with paper.capture() as captured:
        found.show(paper)
    return captured.get()


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


def test_a_missed_aim_is_missed() -> None:
    met = {aim.name: aim.met for aim in aims_of([level(16, 2999, 24, 0.6)], [journey()])}
    assert met == {
        "intake, 16 clients: durable tickets": False,
        "intake, 16 clients: p99": True,
        "intake, 16 clients: tickets to empty endpoint": True,
        "embedded, ordinary: to queues": True,
        "embedded, ordinary: processor a ticket": True,
        "embedded, storm: to queues": False,
        "embedded at 100/s: p50": True,
        "embedded at 100/s: p99": False,
        "embedded at 100/s: cores": True,
        "embedded: memory of intake": True,
        "embedded: memory of router": False,
    }


def test_a_single_client_is_shown_and_held_to_no_aim() -> None:
    assert not aims_of([level(1, 188, 15)], [])


def test_each_figure_is_compared_with_the_same_one_of_an_earlier_run() -> None:
    base = figures_of([], [journey()])
    halved = journey(bursts=[burst(Mix.ORDINARY, 2600.0, cost=0.75)])
    ratios = ratios_to(base, figures_of([level(1, 100, 5)], [halved]))
    assert ratios["embedded, ordinary: router ms"] == 0.5
    assert ratios["embedded, ordinary: to queues"] == 2.0
    assert not [name for name in ratios if "storm" in name or "intake, 1 " in name]


def test_an_aim_gives_its_figure_as_a_multiple() -> None:
    aim = Aim("rate", figure=1500, bound=3000, at_least=True, unit="/s")
    assert (aim.ratio, aim.met) == (0.5, False)


def test_a_ticket_that_never_arrived_is_lost() -> None:
    assert lost_tickets([level(1, 100, 5)], [journey(unseen=2), journey(failed=1)]) == 3


def test_the_report_puts_ratios_first_and_hides_nothing() -> None:
    found = report(
        levels=[level(16, 1500, 20)],
        journeys=[journey(unseen=1)],
        left_out=["Kafka: Java is not installed"],
        base={"embedded, ordinary: router ms": 3.0},
    )
    written = json.loads(json.dumps(found.as_json()))
    assert next(iter(written)) == "ratios"
    assert written["ratios"]["intake, 16 clients: durable tickets"] == 0.5
    assert {aim["met"] for aim in written["aims"]} == {True, False}
    assert (written["lost"], written["intake"][0]["clients"]) == (1, 16)
    assert written["to_base"] == {"embedded, ordinary: router ms": 0.5}
    said = printed(found)
    for words in ("MISSED", "met", "0.50 × base", "LEFT OUT: Kafka", "LOST OR LATE: 1"):
        assert words in said


def test_nothing_is_judged_on_a_machine_that_was_busy_before() -> None:
    said = printed(report(busy=0.4, journeys=[journey()]))
    assert "NOT JUDGED" in said
    assert "MISSED" not in said


@pytest.mark.parametrize(("mix", "least", "most"), [(Mix.ORDINARY, 5, 60), (Mix.STORM, 500, 800)])
def test_danger_is_rare_on_an_ordinary_day_and_a_third_of_a_storm(
    mix: Mix, least: int, most: int
) -> None:
    source = Random(3)
    words = [json.loads(body(source, mix))["text"] for _ in range(2000)]
    assert least <= sum(any(danger in text for danger in DANGERS) for text in words) <= most


def test_every_ticket_is_a_new_one() -> None:
    source = Random(1)
    assert len({body(source) for _ in range(5000)}) == 5000


def test_a_tiny_run_loses_no_ticket(tmp_path: Path, trained_home: Path) -> None:
    shutil.copytree(trained_home, tmp_path / "home")
    plan = Plan(paced_seconds=1.0, paced_rates=(100.0,), tickets=200, warm_tickets=20)
    found = measure_journey(EMBEDDED, settings_for(tmp_path / "home"), plan)
    assert (found.unseen, found.failed) == (0, 0)
    assert [(b.mix, b.tickets, b.arrived) for b in found.bursts] == [(m, 200, 200) for m in Mix]
    assert set(found.memory_mb) == {"intake", "classifier", "router"}
    for cost in (one.cost for one in found.bursts):
        assert {*found.memory_mb, "PostgreSQL"} == set(cost.ms)
        assert all(ms > 0 for ms in cost.ms.values())
    (paced,) = found.paced
    assert 0 < paced.p50_ms <= paced.p99_ms


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
