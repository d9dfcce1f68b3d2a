"""From the embedded bus to Kafka with tickets at every stage: each ends in its queue, once.

There the topics grow while the services run, and tickets go on arriving.
"""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict

import psycopg
import pytest

from deploy.stack import CHECKOUT, Stack, environment_of, settings_for
from shared.events import CASES, CLASSIFICATIONS, TICKETS, WHISTLES, queue_topic
from shared.postgres import database_url, libpq
from shared.roles import Role
from shared.settings import Settings
from tests.conftest import public_home
from tests.integration.desk import Desk, everything_on
from tests.integration.test_bad_days import OPENINGS, TEXTS, all_settled
from tests.integration.test_conservation import compared, relayed

pytestmark = pytest.mark.kafka
GAS = "我们保山南里3号楼楼道里一股煤气味儿，快来人"
STREET = "wangdingdi"
SECONDS = 120


def commanded(
    settings: Settings, command: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """What a command says, run as its operator runs it."""
    return subprocess.run(
        [sys.executable, "-m", f"deploy.kafka.{command}", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **environment_of(settings)},
        capture_output=True,
        text=True,
        check=False,
    )


def rows(settings: Settings, service: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(libpq(database_url(settings, service))) as connection:
        return connection.execute(query.encode()).fetchall()


def test_tickets_at_every_stage_go_over_to_kafka_and_each_ends_in_its_queue_once(
    empty_kafka: str,
) -> None:
    with public_home() as home:
        embedded = settings_for(home)
        on_kafka = embedded.model_copy(update={"kafka": empty_kafka})
        with Stack(embedded) as stack, Desk(stack) as desk:
            whistled = desk.submit(GAS)
            routed = [desk.submit(text) for text in TEXTS]
            for number in (whistled, *routed):
                desk.settled(number, SECONDS)
            lead = desk.ticket(routed[0])["case"]["lead_unit"]
            desk.command(routed[0], "accept", role=Role.UNIT, unit=lead, name="甲", version=1)
            stack.processes["router"].stop()
            classified = [desk.submit(f"{text}，三天了") for text in TEXTS]
            for number in classified:
                desk.until(number, lambda ticket: ticket["classification"] is not None, SECONDS)
            stack.processes["classifier"].stop()
            accepted = [desk.submit(f"{text}，五天了") for text in TEXTS]
            amended = [routed[0], classified[0], accepted[0]]
            for number in amended:
                note = {"text": "还没人来"}
                desk.ask("intake", "POST", f"/tickets/{number}/amendments", json=note)
            relayed(stack, "intake")
            refused = commanded(on_kafka, "move")
            assert (refused.returncode, "还在运行" in refused.stderr) == (2, True), refused.stderr
        with Stack(embedded, services=("intake",), sides=("api",)) as stack, Desk(stack) as desk:
            unsaid = [desk.submit(f"{text}，七天了") for text in TEXTS]

        numbers = [*routed, *classified, *accepted, *unsaid]
        done = commanded(on_kafka, "move")
        assert done.returncode == 0, done.stderr
        with Stack(on_kafka) as stack, Desk(stack) as desk:
            all_settled(desk, [*classified[1:], *accepted[1:], *unsaid])
            for number in amended:
                desk.settled(number, SECONDS)
                ticket = desk.until(number, lambda t: t["case"]["ticket_version"] == 2, SECONDS)
                facts = [entry["type"] for entry in ticket["timeline"]]
                assert sum(facts.count(f"hotline.case.{fact}.v1") for fact in OPENINGS) == 1
                unit = ticket["case"]["lead_unit"]
                assert [item["number"] for item in desk.queue(unit)].count(number) == 1
            desk.until(routed[0], lambda ticket: ticket["status"] == "accepted", SECONDS)
            assert desk.ticket(whistled)["case"]["priority"] == "P0"
            (whistle,) = (item for item in desk.queue(STREET) if item["whistle"])
            assert whistle["number"] == whistled
            assert compared(stack).missed == []
            assert_once_and_in_order(stack, [whistled, *numbers])
            grown = commanded(on_kafka, "partitions", "12")
            assert grown.returncode == 0, grown.stderr
            assert grown.stdout.splitlines()[0] == f"{TICKETS}  8 → 12"
            all_settled(desk, [desk.submit(f"{text}，九天了") for text in TEXTS])
        again = commanded(on_kafka, "move")
        assert (again.returncode, "已迁 0 条" in again.stdout) == (0, True), again.stdout


def assert_once_and_in_order(stack: Stack, numbers: list[str]) -> None:
    """Nothing acted twice, nothing is parked, and what lies on Kafka is in order and whole."""
    settings = stack.settings
    for service in ("intake", "classifier", "router"):
        assert rows(settings, service, "SELECT consumer, reason FROM dead_letter") == []
    expected = sorted((number,) for number in numbers)
    assert rows(settings, "classifier", "SELECT number FROM verdict ORDER BY 1") == expected
    assert rows(settings, "router", "SELECT number FROM case_record ORDER BY 1") == expected
    facts = Counter(rows(settings, "router", "SELECT number, version, fact FROM case_log"))
    assert set(facts.values()) == {1}

    ids: dict[str, list[str]] = defaultdict(list)
    versions: dict[str, list[int]] = defaultdict(list)
    for item in everything_on(stack, [TICKETS, CLASSIFICATIONS, CASES, WHISTLES]):
        record = item.record
        ids[record.topic].append(record.headers["ce_id"])
        if record.topic == TICKETS:
            versions[record.key].append(json.loads(record.value)["ticket"]["version"])
    assert all(len(said) == len(set(said)) for said in ids.values())
    assert all(seen == sorted(seen) for seen in versions.values())
    feeds = rows(settings, "router", "SELECT unit, seq FROM unit_feed WHERE seq > 0")
    told: dict[str, list[int]] = defaultdict(list)
    for item in everything_on(stack, [queue_topic(str(unit)) for unit, _ in feeds]):
        entry = json.loads(item.record.value)
        told[entry["unit"]].append(entry["seq"])
    assert told == {unit: list(range(1, int(str(last)) + 1)) for unit, last in feeds}
