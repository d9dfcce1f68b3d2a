"""What rings at a desk, and how long: until somebody has taken it, on every page, in every tab."""

import time

from playwright.sync_api import Page, expect
from sqlalchemy import text

from services.desk.accounts import IDLE
from shared.database import Database
from shared.postgres import database_url
from tests.desk.conftest import Office

TRAPPED = "保山北里{door}号楼电梯困人了，快来"


def listening(window: Page, path: str = "/queue") -> Page:
    """The window, once it hears what is new."""
    window.goto(path)
    expect(window.locator("#link")).to_contain_text("连接正常", timeout=10_000)
    return window


def test_danger_rings_on_every_page_until_somebody_has_taken_it(office: Office) -> None:
    called = listening(office.sign_in("钱进"))
    number = office.taken(office.sign_in("李芳"), TRAPPED.format(door=5))
    expect(called.locator("#strip .on")).to_contain_text("打开", timeout=15_000)
    expect(called.locator("#alarm")).to_contain_text("保山北里")
    assert called.title().startswith("(紧急")
    called.goto("/whistles")
    expect(called.locator("#strip .on")).to_be_visible()
    late = office.sign_in("钱进")
    late.goto("/queue")
    expect(late.locator("#strip .on")).to_be_visible()

    late.goto(f"/cases/{number}")
    late.click("button:text-is('签收')")
    expect(called.locator("#strip")).to_contain_text("没有待签收的紧急件", timeout=15_000)
    assert not called.title().startswith("(紧急")


def test_what_is_new_waits_behind_a_button_and_moves_nothing(office: Office) -> None:
    unit = listening(office.sign_in("赵强"))
    before = unit.locator("main table, main .empty").first.bounding_box()
    office.taken(office.sign_in("李芳"), "王顶堤林苑东里8号楼前路灯不亮")
    expect(unit.locator("#news")).to_contain_text("新到 1 件", timeout=15_000)
    assert unit.locator("main table, main .empty").first.bounding_box() == before
    assert "林苑东里" not in unit.inner_text("main")
    unit.click("#news a")
    expect(unit.locator("main")).to_contain_text("林苑东里")


def test_many_tabs_share_one_stream_and_the_last_one_left_takes_it(office: Office) -> None:
    first = listening(office.sign_in("赵强"))
    tabs = [first.context.new_page() for _ in range(6)]
    for tab in tabs:
        listening(tab)
    expect(first.locator("#link")).to_contain_text("另一标签页")
    office.taken(office.sign_in("李芳"), "王顶堤林苑西里9号楼前路灯不亮")
    for tab in (first, *tabs):
        expect(tab.locator("#news")).to_contain_text("新到", timeout=15_000)
    for tab in tabs:
        tab.close()
    expect(first.locator("#link")).to_contain_text("连接正常", timeout=15_000)


def test_what_came_while_the_line_was_cut_is_told_when_it_is_back(office: Office) -> None:
    called = listening(office.sign_in("钱进"))
    called.context.set_offline(True)
    office.stack.processes["router"].stop()
    expect(called.locator("#link")).to_contain_text("已断开", timeout=15_000)
    number = office.taken(office.sign_in("李芳"), TRAPPED.format(door=7))
    office.stack.processes["router"].start()
    office.stack.processes["router"].wait_ready()
    called.context.set_offline(False)
    expect(called.locator("#strip .on")).to_be_visible(timeout=15_000)
    expect(called.locator("#link")).to_contain_text("连接正常", timeout=35_000)
    called.goto(f"/cases/{number}")
    called.click("button:text-is('签收')")


def test_a_page_whose_session_is_over_says_that_it_hears_no_more(office: Office) -> None:
    unit = listening(office.sign_in("孙涛"))
    database = Database(database_url(office.stack.settings, "desk"))
    with database.writing() as writer:
        ended = text("UPDATE session SET seen_at = seen_at - :idle WHERE account = '孙涛'")
        writer.execute(ended, {"idle": IDLE})
    database.close()
    expect(unit.locator("#link")).to_contain_text("登录已过期", timeout=25_000)
    time.sleep(1.5)
    expect(unit.locator("#link")).to_contain_text("登录已过期")
