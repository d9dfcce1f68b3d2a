"""One call with two demands, and many calls about one event, through all three services."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from deploy.stack import Stack
from shared.roles import Role
from tests.integration.desk import Desk, eventually

TWO_MATTERS = (
    "俩事儿啊：一个是我们保山南里消防通道让人装了地锁，消防车进不来；"
    "再一个我们那个老人食堂关门了，我爸八十多了上哪吃饭去？"
)
CALLER = {"name": "张三", "phone": "13820001234"}
FLOODS = (
    "风荷园门口积水到膝盖了，车都过不去",
    "风荷园门口积水太深了出不去，快来抽水",
    "风荷园大门口积水很深，下水道往外冒水",
)


@pytest.fixture
def desk(stack: Stack) -> Iterator[Desk]:
    with Desk(stack) as desk:
        yield desk


def dispatcher(desk: Desk, path: str, **body: Any) -> Mapping[str, Any]:
    answer = desk.ask("router", "POST", path, role=Role.DISPATCHER, json=body)
    assert answer.status_code == 200, answer.text
    found: Mapping[str, Any] = answer.json()
    return found


def worked(desk: Desk, number: str) -> None:
    """The lead's unit does what there is to do, and another person verifies it."""
    unit = desk.ticket(number)["case"]["lead_unit"]
    given: dict[str, Any] = {"role": Role.UNIT, "unit": unit}
    for command in ("accept", "contact", "reply"):
        desk.command(number, command, **given, name="张工", note="已办理")
    desk.command(number, "verify", **given, name="李工")


def called_back(desk: Desk, number: str) -> None:
    """The caller says that it is solved, once the ticket waits for it."""
    desk.until(number, lambda ticket: ticket["status"] == "callback_pending")
    path, body = f"/tickets/{number}/callbacks", {"solved": True, "satisfaction": "satisfied"}
    answer = desk.ask("intake", "POST", path, json=body)
    assert answer.status_code == 201, answer.text


def test_a_call_with_two_demands_is_two_tickets_and_closes_with_the_second(desk: Desk) -> None:
    number = desk.submit(TWO_MATTERS, caller=CALLER)
    case = desk.settled(number, 60)["case"]
    assert {demand["leaf"] for demand in case["demands"]} == {
        "safety.fire_hazard",
        "elderly.meal_service",
    }
    assert "split_proposed" in case["flags"]
    dispatcher(desk, f"/cases/{number}/split", note="两件事")
    children = desk.until(number, lambda ticket: bool(ticket["children"]))["children"]
    assert children == [f"{number}-1", f"{number}-2"]
    tickets = [desk.settled(child) for child in children]
    assert {ticket["case"]["leaf"] for ticket in tickets} == {
        "safety.fire_hazard",
        "elderly.meal_service",
    }
    assert {ticket["classification"]["decided_by"] for ticket in tickets} == {"person"}
    assert {ticket["case"]["place"]["street"] for ticket in tickets} == {"wangdingdi"}
    contact = desk.ask("intake", "GET", f"/tickets/{children[1]}/caller").json()
    assert contact["phone"] == CALLER["phone"]

    for child in children:
        assert desk.ticket(number)["status"] == "split"
        worked(desk, child)
        called_back(desk, child)
    assert desk.ticket(number)["status"] == "closed"
    desk.until(number, lambda ticket: ticket["case"]["state"] == "closed")


def test_calls_about_one_flood_are_worked_once_and_each_is_called_back(desk: Desk) -> None:
    numbers = [desk.submit(words) for words in FLOODS]
    cases = [desk.settled(number)["case"] for number in numbers]

    def incident() -> str | None:
        found = {desk.ticket(number)["case"]["incident"] for number in numbers}
        return found.pop() if len(found) == 1 else None

    event = dispatcher(desk, f"/incidents/{eventually(incident)}/merge", note="同一处积水")
    assert (event["count"], event["cluster"]) == (len(FLOODS), True)
    lead = event["lead"]
    waiting = [number for number in numbers if number != lead]
    worked(desk, lead)
    for number in (lead, *waiting):
        called_back(desk, number)
        desk.until(number, lambda ticket: ticket["case"]["state"] == "closed")
    assert {case["lead_unit"] for case in cases} == {event["members"][0]["case"]["lead_unit"]}
