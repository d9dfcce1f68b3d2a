"""Crashes, a broker that is away, restarts: nothing accepted is lost, nothing happens twice."""

import signal
from collections.abc import Iterator

import httpx2
import pytest

from deploy.kafka.broker import KafkaCluster
from deploy.stack import Stack, settings_for
from tests.conftest import public_home
from tests.integration.desk import Desk, eventually

TEXTS = ("保山南里路灯不亮", "雅安东里垃圾没人清", "翰园里电梯老坏", "林苑东里楼道堆杂物")
OPENINGS = ("dispatched", "manual_dispatch", "awaiting_info", "redirected")
"""The facts of a case one of which opens it."""


def all_settled(desk: Desk, numbers: list[str]) -> None:
    """Every ticket has its one case, opened once, and stands in one place."""
    for number in numbers:
        ticket = desk.settled(number)
        facts = [entry["type"] for entry in ticket["timeline"]]
        assert (
            facts.count("hotline.classification.classified.v1")
            + facts.count("hotline.classification.abstained.v1")
            == 1
        )
        opened = sum(facts.count(f"hotline.case.{fact}.v1") for fact in OPENINGS)
        grouped = facts.count("hotline.case.grouped.v1")
        assert (opened, ticket["case"]["version"]) == (1, 1 + grouped)
        unit = ticket["case"]["lead_unit"] or ticket["case"]["desk"]
        assert unit is not None
        assert number in {item["number"] for item in desk.queue(unit)}


@pytest.fixture
def split() -> Iterator[Stack]:
    """A stack whose HTTP sides and workers are processes of their own."""
    with public_home() as home, Stack(settings_for(home), sides=("api", "worker")) as running:
        yield running


def test_workers_killed_in_the_middle_lose_nothing_and_do_nothing_twice(split: Stack) -> None:
    with Desk(split) as desk:
        desk.settled(desk.submit("预热：保山南里路灯不亮"))
        numbers: list[str] = []
        for name in ("classifier-worker", "router-worker", "intake-worker"):
            numbers += [desk.submit(text) for text in TEXTS * 5]
            split.processes[name].kill()
            numbers += [desk.submit(text) for text in TEXTS * 5]
            split.processes[name].start()
        all_settled(desk, numbers)


def test_an_intake_killed_while_it_accepts_keeps_what_it_confirmed(split: Stack) -> None:
    with Desk(split) as desk:
        confirmed = [desk.submit(text) for text in TEXTS * 3]
        split.processes["intake-api"].kill()
        with pytest.raises(httpx2.HTTPError):
            desk.submit("没有人接")
        split.processes["intake-api"].start()
        split.processes["intake-api"].wait_ready()
        serials = [int(number.rpartition("-")[2]) for number in (*confirmed, desk.submit("又好了"))]
        assert serials == list(range(1, len(serials) + 1))
        all_settled(desk, confirmed)


def test_a_stack_that_starts_again_finds_its_data() -> None:
    with public_home() as home:
        settings = settings_for(home)
        with Stack(settings) as stack, Desk(stack) as desk:
            first = desk.submit(TEXTS[0], caller={"name": "赵某某", "phone": "13902081234"})
            desk.settled(first)
        with Stack(settings) as stack, Desk(stack) as desk:
            assert desk.ticket(first)["case"]["state"] == "dispatched"
            caller = desk.ask("intake", "GET", f"/tickets/{first}/caller").json()
            assert caller["phone"] == "13902081234"
            second = desk.submit(TEXTS[1])
            assert second > first
            desk.settled(second)


def test_stopping_on_a_signal_is_orderly_and_leaves_nothing_behind() -> None:
    with public_home() as home, Stack(settings_for(home)) as stack, Desk(stack) as desk:
        numbers = [desk.submit(text) for text in TEXTS]
        for process in stack.processes.values():
            process.send(signal.SIGINT)
        for process in stack.processes.values():
            process.stop()
            assert process.exit_status == 0
            assert '"stopped"' in process.log.read_text()
        for process in stack.processes.values():
            process.start()
        for process in stack.processes.values():
            process.wait_ready()
        all_settled(desk, numbers)


@pytest.mark.kafka
def test_with_kafka_away_tickets_are_accepted_and_flow_when_it_is_back(
    kafka_cluster: KafkaCluster,
) -> None:
    with public_home() as home:
        settings = settings_for(home, kafka=kafka_cluster.bootstrap)
        with Stack(settings) as stack, Desk(stack) as desk:
            desk.settled(desk.submit("预热：保山南里路灯不亮"))
            for node in range(3):
                kafka_cluster.kill(node)
            numbers = [desk.submit(text) for text in TEXTS]
            for number in numbers:
                body = {"text": "还没人来"}
                desk.ask("intake", "POST", f"/tickets/{number}/amendments", json=body)
            ready = f"{stack.address('intake')}/readyz"
            answer = httpx2.get(ready, timeout=20)
            assert answer.status_code == 503
            assert answer.json()["checks"]["bus"] != "ok"
            assert answer.json()["checks"]["database"] == "ok"
            eventually(
                lambda: desk.metric("intake", "hotline_outbox_rows") >= 8 or None, seconds=30
            )
            for node in range(3):
                kafka_cluster.restart(node)
            for number in numbers:
                ticket = desk.until(
                    number,
                    lambda t: t["case"] is not None and t["case"]["ticket_version"] == 2,
                    seconds=90,
                )
                assert "还没人来" in ticket["text"]
            eventually(lambda: httpx2.get(ready, timeout=20).status_code == 200 or None, seconds=30)
