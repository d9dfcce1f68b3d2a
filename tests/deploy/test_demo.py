"""`make demo` on a stack of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo_table import DISPOSITIONS, Names, first_deadline, outcome, place, why
from deploy.demo_tickets import SAMPLES
from deploy.ports import free_ports
from deploy.stack import CHECKOUT
from services.router.domain.cases.clocks import ALL_CLOCKS
from shared.events import Certainty, Disposition
from shared.names import CLOCK_NAMES

NOBODY_LISTENS = ("INTAKE_PORT", "CLASSIFIER_PORT", "ROUTER_PORT")


@pytest.fixture(scope="module")
def demo(trained_home: Path) -> subprocess.CompletedProcess[str]:
    """The demo, run where no hotline answers."""
    ports = free_ports(len(NOBODY_LISTENS))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HOTLINE_")},
        "HOTLINE_HOME": str(trained_home),
        **{name: str(port) for name, port in zip(NOBODY_LISTENS, ports, strict=True)},
    }
    return subprocess.run(
        [sys.executable, "-m", "deploy.demo"],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_demo_succeeds(demo: subprocess.CompletedProcess[str]) -> None:
    assert demo.returncode == 0, demo.stderr + demo.stdout


def test_its_table_names_every_ticket(demo: subprocess.CompletedProcess[str]) -> None:
    numbers = [f"-{serial:06d} " for serial in range(1, len(SAMPLES) + 1)]
    assert [number for number in numbers if number not in demo.stdout] == []
    assert [sample.about for sample in SAMPLES if sample.about not in demo.stdout] == []


def test_its_table_shows_every_way_a_ticket_can_go(
    demo: subprocess.CompletedProcess[str],
) -> None:
    for way in ("派单", "转人工", "待补充", "转出", "紧急转接", "待补充→派单", "已催办"):
        assert way in demo.stdout


def test_it_follows_a_ticket_to_its_end(demo: subprocess.CompletedProcess[str]) -> None:
    steps = ("受理", "签收", "联系诉求人", "答复", "核实", "回访", "工单办结")
    life = demo.stdout[demo.stdout.index("从受理到办结") :]
    places = [life.index(f" {step} ") for step in steps]
    assert places == sorted(places)


def test_it_leaves_nothing_behind(demo: subprocess.CompletedProcess[str]) -> None:
    processes = Path("/proc")
    if not processes.exists():
        pytest.skip("no /proc here")
    started = [
        entry.name
        for entry in processes.iterdir()
        if entry.name.isdigit() and b"hotline-demo-" in _command(entry)
    ]
    assert started == []


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_samples_hold_the_calls_that_matter() -> None:
    assert len(SAMPLES) >= 30
    assert any(sample.adds for sample in SAMPLES)
    assert any(sample.urges for sample in SAMPLES)
    assert any("accused_unit" in sample.fields for sample in SAMPLES)


def test_whatever_a_case_may_show_has_a_name() -> None:
    assert set(CLOCK_NAMES) >= set(ALL_CLOCKS)
    assert set(DISPOSITIONS) >= set(Disposition)


def _ticket(**case: object) -> dict[str, object]:
    return {
        "classification": {"decided_by": "model", "reasons": ["模型"], "demands": []},
        "timeline": [{"type": "hotline.case.awaiting_info.v1"}],
        "case": {"disposition": "dispatch", "flags": [], "reasons": ["甲", "乙", "丙"], **case},
    }


def test_an_amended_ticket_shows_where_it_waited() -> None:
    assert outcome(_ticket()) == "待补充→派单"
    assert outcome(_ticket(disposition="awaiting_info")) == "待补充"
    assert outcome(_ticket(flags=["urged"])) == "待补充→派单，已催办"


def test_reasons_are_the_last_ones_of_the_router() -> None:
    assert why(_ticket()) == "乙；丙"


def test_the_first_deadline_is_that_of_a_running_clock() -> None:
    def clock(kind: str, due: str, **more: object) -> dict[str, object]:
        running = {"stopped_at": None, "cancelled": False}
        return {"kind": kind, "due_at": due, **running, **more}

    clocks = [
        clock("contact", "2026-11-23T01:00:00Z", stopped_at="2026-11-23T00:00:00Z"),
        clock("resolve", "2026-11-25T01:00:00Z"),
        clock("accept", "2026-11-24T01:30:00Z"),
    ]
    assert first_deadline({"clocks": clocks}) == "签收\n11-24 09:30"
    assert first_deadline({"clocks": clocks[:1]}) == "—"


def test_every_certainty_has_its_words() -> None:
    names = Names([{"slug": "gulou", "name": "鼓楼街道"}], [])
    for certainty in Certainty:
        found = {"certainty": certainty.value, "street": "gulou", "district": "南开区"}
        assert place(found, names)
