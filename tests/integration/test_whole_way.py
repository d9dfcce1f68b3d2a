"""The whole way of a ticket through three services, on the embedded default and on Kafka."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.stack import Stack
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.bus import Record
from shared.bus.connect import connect_bus
from shared.events import (
    CASES,
    CLASSIFICATIONS,
    DEADLETTER,
    TICKET_RECEIVED,
    TICKETS,
    queue_topic,
)
from shared.roles import Role
from tests.integration.desk import Desk, eventually, everything_on

GAS = "我们保山南里3号楼楼道里一股煤气味儿"


@pytest.fixture
def desk(stack: Stack) -> Iterator[Desk]:
    with Desk(stack) as desk:
        yield desk


def test_a_ticket_stands_in_its_units_queue_within_a_second_and_explains_itself(
    desk: Desk,
) -> None:
    desk.settled(desk.submit("预热：长江道路灯不亮"))
    started = time.monotonic()
    number = desk.submit(GAS)
    item = eventually(
        lambda: next((i for i in desk.queue("gas-heat") if i["number"] == number), None)
    )
    assert time.monotonic() - started < 1.0

    case = item["case"]
    assert case["leaf"] == "safety.gas_leak"
    assert case["priority"] == "P0"
    assert case["place"]["street"] == "wangdingdi"
    assert case["place"]["certainty"] == "exact"
    assert case["lead_unit"] == "gas-heat"
    assert {"accept", "contact", "resolve"} == {clock["kind"] for clock in case["clocks"]}
    assert all(clock["due_at"] for clock in case["clocks"])
    assert any("保山南里" in reason for reason in case["reasons"])

    ticket = desk.settled(number)
    assert ticket["status"] == "dispatched"
    assert ticket["classification"]["reasons"]
    assert [entry["type"] for entry in ticket["timeline"]][:2] == [
        "hotline.ticket.received.v1",
        "hotline.classification.classified.v1",
    ]


def test_a_receipt_that_is_waited_for_says_where_the_ticket_goes(desk: Desk) -> None:
    path, body = "/tickets?wait=5s", {"text": GAS}
    answer = desk.ask("intake", "POST", path, json=body).json()
    known = {name: answer[name] for name in ("leaf", "priority", "street", "unit")}
    assert known == {
        "leaf": "safety.gas_leak",
        "priority": "P0",
        "street": "wangdingdi",
        "unit": "gas-heat",
    }


def test_live_danger_reaches_every_unit_that_is_called(desk: Desk) -> None:
    number = desk.submit(GAS + "，快来人")
    ticket = desk.settled(number)
    for unit in ticket["case"]["assist_units"]:
        assert number in {item["number"] for item in desk.queue(unit)}


def test_danger_in_a_later_call_makes_an_emergency_of_an_open_case(desk: Desk) -> None:
    number = desk.submit("保山南里5号楼门口路灯坏了，晚上看不见路")
    assert desk.settled(number)["case"]["priority"] == "P3"
    note = "刚才工人挖断了燃气管，煤气味特别大"
    answer = desk.ask("intake", "POST", f"/tickets/{number}/urges", json={"note": note})
    assert answer.status_code == 201, answer.text
    ticket = desk.until(number, lambda ticket: ticket["case"]["priority"] == "P0")
    assert [alarm["kind"] for alarm in ticket["case"]["alarms"]] == ["gas"]
    assert eventually(lambda: number in {item["number"] for item in desk.queue("gas-heat")})
    whistle = eventually(lambda: [item for item in desk.queue("wangdingdi") if item["whistle"]])
    assert whistle


def test_a_case_goes_from_dispatch_to_the_citizens_word(desk: Desk) -> None:
    number = desk.submit("翰园里小区门口路灯坏了三天，晚上漆黑一片")
    ticket = desk.settled(number)
    lead = ticket["case"]["lead_unit"]
    role = Role.UNIT
    desk.command(number, "accept", role=role, unit=lead, name="甲", version=1)
    desk.command(number, "contact", role=role, unit=lead, name="甲")
    desk.command(number, "reply", role=role, unit=lead, name="甲", note="已更换灯泡")
    desk.until(number, lambda ticket: ticket["status"] == "replied")
    early = desk.ask(
        "intake",
        "POST",
        f"/tickets/{number}/callbacks",
        json={"solved": True, "satisfaction": "satisfied"},
    )
    assert early.status_code == 409
    desk.command(number, "verify", role=role, unit=lead, name="乙", approve=True)
    desk.until(number, lambda ticket: ticket["status"] == "callback_pending")
    answer = desk.ask(
        "intake",
        "POST",
        f"/tickets/{number}/callbacks",
        json={"solved": True, "satisfaction": "satisfied"},
    )
    assert answer.status_code == 201
    closed = desk.until(number, lambda ticket: ticket["case"]["state"] == "closed")
    assert closed["status"] == "closed"
    assert all(clock["stopped_at"] for clock in closed["case"]["clocks"])
    assert number not in {item["number"] for item in desk.queue(lead)}


def test_fifty_submissions_at_once_with_one_key_make_one_ticket(desk: Desk) -> None:
    def send(_: int) -> tuple[int, str]:
        answer = desk.ask(
            "intake",
            "POST",
            "/tickets",
            headers={"Idempotency-Key": "fifty-at-once"},
            json={"text": "学湖里门口有人占道卖菜"},
        )
        return answer.status_code, answer.json()["number"]

    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(send, range(50)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 201


def test_a_tickets_events_keep_their_order_under_amendments_at_once(desk: Desk) -> None:
    numbers = [desk.submit(f"第{i}件：路灯坏了，地点回头再说") for i in range(4)]

    def amend(job: tuple[str, int]) -> int:
        number, i = job
        body = {"text": f"补充第{i}次"}
        return desk.ask("intake", "POST", f"/tickets/{number}/amendments", json=body).status_code

    jobs = [(number, i) for i in range(10) for number in numbers]
    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(amend, jobs)) == {201}

    for number in numbers:
        ticket = desk.until(
            number, lambda t: t["case"] is not None and t["case"]["ticket_version"] == 11
        )
        assert ticket["version"] == 11
        assert ticket["text"].count("补充第") == 10

    versions: dict[str, list[int]] = {number: [] for number in numbers}
    for received in everything_on(desk.stack, [TICKETS]):
        if received.record.key in versions:
            payload = json.loads(received.record.value)
            versions[received.record.key].append(payload["ticket"]["version"])
    assert all(seen == list(range(1, 12)) for seen in versions.values())


def test_an_answer_to_our_question_sends_the_ticket_on(desk: Desk) -> None:
    number = desk.submit("路灯坏了好几天了，黑灯瞎火的，老太太都摔一跤了，赶紧给修！")
    assert desk.settled(number)["status"] == "awaiting_info"
    desk.ask("intake", "POST", f"/tickets/{number}/amendments", json={"address": "保山南里"})
    ticket = desk.until(number, lambda ticket: ticket["status"] == "dispatched")
    assert ticket["case"]["place"]["street"] == "wangdingdi"


def test_no_callers_name_or_phone_is_on_the_bus_or_in_the_logs(desk: Desk) -> None:
    name, phone = "欧阳铁柱", "13902081234"
    number = desk.submit(
        f"我是{name}，电话{phone[:3]} {phone[3:7]} {phone[7:]}，保山南里楼道堆满杂物",
        title=f"{name}反映",
        address=f"保山南里3号楼 {name} {phone}",
        caller={"name": name, "phone": phone},
    )
    desk.settled(number)
    body = {"text": f"再打{phone}，找{name}"}
    desk.ask("intake", "POST", f"/tickets/{number}/amendments", json=body)
    desk.ask("intake", "POST", f"/tickets/{number}/urges", json={"note": f"{name}很着急"})
    desk.until(number, lambda ticket: ticket["case"]["ticket_version"] == 2)

    units = load_policy(POLICY_DIRECTORY).units
    topics = [TICKETS, CLASSIFICATIONS, CASES, DEADLETTER, *map(queue_topic, units)]
    seen = 0
    for received in everything_on(desk.stack, topics):
        words = received.record.value.decode() + json.dumps(dict(received.record.headers))
        seen += received.record.key == number
        assert name not in words
        assert phone not in words.replace(" ", "")
    assert seen >= 4

    for process in desk.stack.processes.values():
        log = process.log.read_text()
        assert name not in log
        assert phone not in log

    contact = desk.ask("intake", "GET", f"/tickets/{number}/caller").json()
    assert (contact["name"], contact["phone"]) == (name, phone)


def test_a_poison_message_is_parked_and_the_rest_flows_on(desk: Desk) -> None:
    bus = connect_bus(desk.stack.settings)
    producer = bus.producer()
    headers = {
        "ce_id": "00000000-0000-4000-8000-00000000dead",
        "ce_type": TICKET_RECEIVED,
        "ce_time": "2026-11-23T00:00:00+00:00",
    }
    producer.publish([Record(TICKETS, "poison", b'{"ticket": "no"}', headers)])
    producer.close()
    number = desk.submit("雅安东里墙皮脱落")
    assert desk.settled(number)["case"]["place"]["certainty"] == "exact"

    def parked() -> bool | None:
        letters = [
            json.loads(received.record.value)
            for received in everything_on(desk.stack, [DEADLETTER])
            if received.record.key == "poison"
        ]
        consumers = {letter["consumer"] for letter in letters}
        reasons = {letter["reason"] for letter in letters}
        return (consumers >= {"classifier.tickets"} and reasons == {"malformed"}) or None

    eventually(parked, 40)
    assert desk.metric("classifier", "hotline_dead_letters_total") >= 1


def test_a_unit_sees_its_own_queue_and_an_outsider_learns_nothing(desk: Desk) -> None:
    number = desk.submit(GAS)
    desk.settled(number)
    foreign = desk.ask("router", "GET", f"/cases/{number}", role=Role.UNIT, unit="education")
    unknown = desk.ask("router", "GET", "/cases/NK-none", role=Role.UNIT, unit="education")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json() == unknown.json()
    other = desk.ask("router", "GET", "/units/fire/queue", role=Role.UNIT, unit="education")
    nobody = desk.ask("router", "GET", "/units/no-such/queue", role=Role.UNIT, unit="education")
    assert other.status_code == nobody.status_code == 404
    assert other.json() == nobody.json()
