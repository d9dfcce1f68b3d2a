"""On paper: what is known and by when, black on white, nothing to press."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.desk.conftest import Office

A4_WIDTH = 687
"""Pixels between the margins: 210 mm less 28 mm."""
SHOWN = """() => [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility())"""
COLOURS = f"""() => [...new Set(({SHOWN})().flatMap((one) => {{
    const style = getComputedStyle(one);
    return [style.color, style.backgroundColor];
}}))]"""
PRESSED = f"""() => ({SHOWN})().filter((one) => one.matches(
    "nav, header, button, .button, input, select, textarea, summary, form.inline"
)).map((one) => one.outerHTML)"""


@pytest.fixture(scope="module")
def number(office: Office) -> str:
    """A case that a unit has taken and told something of."""
    operator = office.sign_in("李芳")
    number = office.taken(
        operator, "王顶堤保山南里3号楼门口路灯不亮了", phone="13820001234", name="陈先生"
    )
    unit = office.sign_in("赵强")
    for _ in range(60):
        unit.goto(f"/cases/{number}")
        if unit.locator("button:text-is('签收')").count():
            break
        unit.wait_for_timeout(500)
    unit.click("button:text-is('签收')")
    expect(unit.locator("h1")).to_contain_text("已签收")
    return number


def on_paper(window: Page, path: str) -> str:
    """What of a page stands on paper."""
    window.goto(path)
    window.emulate_media(media="print")
    window.set_viewport_size({"width": A4_WIDTH, "height": 1000})
    assert window.evaluate("document.documentElement.scrollWidth") <= A4_WIDTH
    assert window.evaluate(PRESSED) == []
    assert {*window.evaluate(COLOURS)} <= {"rgb(0, 0, 0)", "rgba(0, 0, 0, 0)"}
    return window.inner_text("body")


def pages(window: Page) -> int:
    """How many sheets it takes."""
    printed = window.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    return len(re.findall(rb"/Type\s*/Page\b", printed))


def test_a_case_prints_with_its_number_clocks_and_log(office: Office, number: str) -> None:
    window = office.sign_in("赵强")
    paper = on_paper(window, f"/cases/{number}")
    for said in (number, "路灯不亮", "办结", "还剩", "前", "经过", "受理", "签收", "打印人 赵强"):
        assert said in paper, said
    assert re.search(r"打印人 赵强（区城市管理委员会），\d+月\d+日 \d\d:\d\d", paper)
    assert pages(window) <= 2


def test_a_callers_contact_is_not_printed(office: Office, number: str) -> None:
    window = office.sign_in("赵强")
    window.goto(f"/cases/{number}")
    window.click("button:text-is('查看电话')")
    expect(window.locator("main")).to_contain_text("13820001234")
    window.emulate_media(media="print")
    assert "13820001234" not in window.inner_text("body")
    assert "陈先生" not in window.inner_text("body")


def test_a_queue_prints_as_a_table_with_numbers_and_times(office: Office, number: str) -> None:
    window = office.sign_in("赵强")
    paper = on_paper(window, "/queue")
    for said in (number, "区城市管理委员会 · 待办 共 1 件", "等级", "时限", "还剩", "打印人 赵强"):
        assert said in paper, said
    thead = window.locator("table.rows thead")
    assert thead.evaluate("one => getComputedStyle(one).display") == "table-header-group"
    assert pages(window) == 1


def test_the_screen_shows_nothing_of_it(office: Office, number: str) -> None:
    window = office.sign_in("赵强")
    window.goto("/queue")
    assert number not in window.inner_text("main")
    assert "打印人" not in window.inner_text("body")
