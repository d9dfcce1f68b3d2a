"""A unit's desk at work: several at once, one by one, two people on one case, and on a phone."""

import time
from collections.abc import Sequence

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from services.desk.way import stations
from shared.database import Database
from shared.postgres import database_url
from tests.desk.conftest import Office

LAMP = "王顶堤林苑{where}门口路灯不亮了"


def queued(office: Office, where: str, window: Page) -> str:
    """The number of a ticket that stands in the queue of a window's unit."""
    number = office.taken(office.sign_in("李芳"), LAMP.format(where=where))
    deadline = time.monotonic() + 15
    while True:
        answer = window.goto(f"/cases/{number}")
        assert answer is not None
        if answer.ok:
            return number
        assert time.monotonic() < deadline
        time.sleep(0.3)


def write(window: Page, label: str, words: str) -> None:
    """Fill in a command's form, and send it."""
    window.click(f"summary:text-is('{label}')")
    window.fill("details[open] textarea[name=note]", words)
    window.click("details[open] form button")


def test_several_are_signed_at_once_and_one_by_its_own_button(office: Office) -> None:
    unit = office.sign_in("赵强")
    numbers = [queued(office, f"东里{door}号楼", unit) for door in (1, 2, 3)]
    unit.goto("/queue?view=new&leaf=grid.street_lighting")
    for number in numbers[:2]:
        unit.check(f"[aria-label='选 {number}']")
    expect(unit.locator("#picked")).to_have_text("已选 2 件")
    unit.click("button:text-is('签收所选')")
    expect(unit.locator(f"[aria-label='选 {numbers[0]}']")).to_have_count(0)
    assert "leaf=grid.street_lighting" in unit.url
    unit.click(f"[aria-label='签收 {numbers[2]}']")
    expect(unit.locator(f"[aria-label='签收 {numbers[2]}']")).to_have_count(0)
    for number in numbers:
        unit.goto(f"/cases/{number}")
        expect(unit.locator("h1")).to_contain_text("已签收")


def test_a_list_is_narrowed_and_widened_again(office: Office) -> None:
    unit = office.sign_in("赵强")
    queued(office, "南里", unit)
    unit.goto("/queue")
    unit.select_option("#priority", "P5")
    unit.click("button:text-is('筛选')")
    expect(unit.locator("main")).to_contain_text("没有符合条件的工单")
    unit.click("a:text-is('清除筛选') >> nth=0")
    expect(unit.locator("main")).to_contain_text("路灯照明")


def test_who_comes_second_reads_who_came_first_and_keeps_their_words(office: Office) -> None:
    first, second = office.sign_in("赵强"), office.sign_in("孙涛")
    number = queued(office, "北里", first)
    first.click("button:text-is('签收')")
    expect(first.locator("h1")).to_contain_text("已签收")
    second.goto(f"/cases/{number}")
    write(first, "记录联系", "约了下午去")
    expect(first.locator("h1")).to_contain_text("办理中")
    write(second, "答复", "灯已换好，请看一下")
    expect(second.locator(".error")).to_contain_text("赵强（区城市管理委员会）")
    expect(second.locator(".error")).to_contain_text("已“联系诉求人”。您写的还在")
    assert second.input_value("details[open] textarea") == "灯已换好，请看一下"
    second.click("details[open] form button")
    expect(second.locator("h1")).to_contain_text("待核实")


def test_a_reminder_of_a_clock_is_nobodys_change(office: Office) -> None:
    unit = office.sign_in("赵强")
    number = queued(office, "西里", unit)
    database = Database(database_url(office.stack.settings, "router"))
    with database.writing() as writer:
        due = text(
            "UPDATE clock SET next_fire_at = now() WHERE number = :number AND kind = 'accept'"
        )
        writer.execute(due, {"number": number})
    other = office.sign_in("孙涛")
    deadline = time.monotonic() + 15
    while "提醒" not in other.inner_text("main") and time.monotonic() < deadline:
        time.sleep(0.5)
        other.goto(f"/cases/{number}")
    assert "提醒" in other.inner_text("main")
    unit.click("button:text-is('签收')")
    expect(unit.locator("h1")).to_contain_text("已签收")
    database.close()


def test_a_case_is_worked_on_a_phone(office: Office) -> None:
    unit = office.sign_in("赵强", width=360, height=720)
    queued(office, "中里", unit)
    button = unit.locator("button:text-is('签收')")
    box = button.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 720, "within reach without scrolling"
    assert box["height"] >= 44
    button.click()
    expect(unit.locator("h1")).to_contain_text("已签收")
    write(unit, "记录联系", "在现场")
    expect(unit.locator("h1")).to_contain_text("办理中")


def test_a_case_is_printed_without_contact_and_with_who_printed_it(office: Office) -> None:
    unit = office.sign_in("赵强")
    queued(office, "新里", unit)
    unit.emulate_media(media="print")
    expect(unit.locator(".print")).to_contain_text("打印人 赵强")
    expect(unit.locator("header")).to_be_hidden()


def line(fact: str) -> dict[str, str]:
    return {"fact": fact, "at": "2026-11-23T09:00:00+08:00"}


@pytest.mark.parametrize(
    ("facts", "following"),
    [
        ((), "派单"),
        (("dispatched",), "签收"),
        (("dispatched", "accepted", "contacted", "replied"), "核实"),
        (("dispatched", "accepted", "contacted", "replied", "verification_failed"), "答复"),
        (("dispatched", "accepted", "return_requested", "returned"), "签收"),
        (("dispatched", "accepted", "replied", "verified", "reopened"), "签收"),
        (("dispatched", "accepted", "replied", "verified", "closed"), None),
    ],
)
def test_the_way_says_what_comes_next(facts: Sequence[str], following: str | None) -> None:
    way = stations([line(fact) for fact in facts], begun=("受理", "分类"))
    assert next((station.name for station in way if station.next), None) == following
