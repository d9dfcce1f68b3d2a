"""The operator's screen while the caller talks: steady, honest, and it loses nothing."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.desk.conftest import Office

GAS = "飞云东里3号楼楼道里一股煤气味儿"
LAMP = "保山南里3号楼门口路灯不亮了"
SLOTS = "#preview dt"


@pytest.fixture
def call(office: Office) -> Page:
    """An operator with an empty form."""
    operator = office.sign_in("李芳")
    operator.goto("/register")
    return operator


@contextmanager
def without(office: Office, *services: str) -> Iterator[None]:
    """A while in which some services do not run."""
    processes = [office.stack.processes[name] for name in services]
    for process in processes:
        process.stop()
    yield
    for process in processes:
        process.start()
    for process in processes:
        process.wait_ready()


def previewed(page: Page, text: str, shown: str) -> None:
    page.fill("#text", text)
    expect(page.locator("#preview")).to_contain_text(shown, timeout=8000)


def tops(page: Page) -> list[float]:
    boxes = [slot.bounding_box() for slot in page.locator(SLOTS).all()]
    return [box["y"] for box in boxes if box]


def test_nothing_moves_and_the_keyboard_stays_where_it_is(call: Page) -> None:
    before = tops(call)
    previewed(call, LAMP, "路灯照明")
    assert tops(call) == before
    previewed(call, GAS, "96677")
    assert tops(call) == before
    assert call.evaluate("document.activeElement.id") == "text"
    call.keyboard.press("End")
    call.keyboard.type("，快来")
    assert call.input_value("#text").endswith("，快来")
    assert call.evaluate("document.documentElement.scrollHeight") <= 720


def test_red_stays_until_the_operator_ends_it(call: Page) -> None:
    previewed(call, GAS, "96677")
    previewed(call, LAMP, "现在的文字里没有危险了")
    expect(call.locator("#preview .band")).to_contain_text("96677")
    call.click("button:text-is('取消紧急')")
    expect(call.locator("#preview .band")).to_contain_text("没有听到险情", timeout=8000)


def test_danger_that_was_heard_is_danger_though_the_words_were_changed(
    office: Office, call: Page
) -> None:
    previewed(call, GAS, "96677")
    previewed(call, "飞云东里3号楼楼道里有味儿", "现在的文字里没有危险了")
    call.click("button:text-is('仍按紧急')")
    call.reload()
    call.keyboard.press("Control+Enter")
    number = call.inner_text(".number")
    seen_on(call, f"/tickets/{number}", "P0")


def test_that_the_caller_was_put_through_stands_in_the_ticket(call: Page) -> None:
    previewed(call, GAS, "96677")
    call.keyboard.press("F8")
    expect(call.locator("[data-transferred]")).to_contain_text("已转接")
    call.keyboard.press("Control+Enter")
    number = call.inner_text(".number")
    seen_on(call, f"/tickets/{number}", "话务员已转接119、96677")
    seen_on(call, f"/tickets/{number}", "P0")


def seen_on(page: Page, path: str, text: str) -> None:
    deadline = time.monotonic() + 15
    page.goto(path)
    while text not in page.inner_text("main") and time.monotonic() < deadline:
        time.sleep(0.3)
        page.goto(path)
    assert text in page.inner_text("main")


def test_the_callers_open_tickets_and_those_of_the_place_are_shown(
    office: Office, call: Page
) -> None:
    number = office.taken(call, "昔阳里5号楼前路灯不亮", phone="13820004321")
    seen_on(call, f"/tickets/{number}", "路灯照明")
    call.goto("/register")
    call.fill("#phone", "138 2000 4321")
    previewed(call, "楼上漏水漏到我家来了", number)
    expect(call.locator("#preview")).to_contain_text("同号")
    call.fill("#phone", "")
    previewed(call, "昔阳里5号楼前路灯又不亮了", "疑似重复")


def test_a_ticket_is_found_by_number_words_and_phone(office: Office, call: Page) -> None:
    number = office.taken(call, "汾水里6号楼前路灯不亮", phone="13820008765")
    for asked in (number, "汾水里", "138 2000 8765"):
        call.goto("/tickets")
        call.fill("#q", asked)
        call.keyboard.press("Enter")
        expect(call.locator("tbody")).to_contain_text(number)


def test_a_call_is_taken_though_nobody_can_judge_it(office: Office, call: Page) -> None:
    with without(office, "classifier", "router"):
        previewed(call, LAMP, "判断服务没有应答，请照常登记")
        call.keyboard.press("Control+Enter")
        number = call.inner_text(".number")
    seen_on(call, f"/tickets/{number}", "路灯照明")


def test_the_red_band_outlasts_a_service_that_does_not_answer(office: Office, call: Page) -> None:
    previewed(call, GAS, "96677")
    with without(office, "classifier"):
        previewed(call, f"{GAS}，三单元", "红条保留")
        expect(call.locator("#preview .band")).to_contain_text("96677")


def test_what_is_longer_than_a_ticket_goes_in_as_a_supplement(call: Page) -> None:
    words = "说了很久的一件事" * 626
    call.fill("#text", words)
    expect(call.locator("#count")).to_contain_text("已写 5,008 字，超出 1,008 字")
    call.click("#submit")
    expect(call.locator(".error")).to_contain_text("超出 1,008 字")
    assert call.title().startswith("错误：")
    assert call.input_value("#text") == words
    call.click("button:text-is('超出部分作为补充提交')")
    number = call.inner_text(".number")
    seen_on(call, f"/tickets/{number}", "补充")


def test_one_form_is_one_ticket_however_often_it_is_sent(call: Page) -> None:
    place = call.url
    call.fill("#text", LAMP)
    call.dblclick("#submit")
    number = call.inner_text(".number")
    call.goto(place)
    call.fill("#text", "另外一件事，楼道堆杂物")
    call.click("#submit")
    expect(call.locator(".error")).to_contain_text(f"这张工单已收下：{number}")
    assert call.input_value("#text") == "另外一件事，楼道堆杂物"


def test_a_form_waits_for_the_line_to_come_back(call: Page) -> None:
    call.fill("#text", LAMP)
    call.context.set_offline(True)
    call.keyboard.press("Control+Enter")
    expect(call.locator("form .unreached")).to_contain_text("内容已存在本页")
    assert call.input_value("#text") == LAMP
    call.context.set_offline(False)
    call.wait_for_url(re.compile("/tickets/"), timeout=15_000)
    assert call.inner_text(".number").startswith("NK")


def test_empty_words_are_asked_for(call: Page) -> None:
    call.evaluate("document.getElementById('text').removeAttribute('required')")
    call.click("#submit")
    expect(call.locator(".error")).to_contain_text("请先写诉求内容")
