"""Who has a case open now: told to those who may look at it, while it is so and no longer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from services.desk.accounts import Visitor, add_account
from services.desk.app import create_desk
from services.desk.presence import CHECKED, LASTS, left, opened, still_open
from services.desk.remote import Names, Refused
from shared.database import Database
from shared.roles import Role
from shared.settings import Settings
from tests.desk.conftest import PASSWORD, Office
from tests.serving import served

CASE = "NK20261123-000001"


class Router:
    """The services as far as they are asked: who may look at what, and how often they were."""

    def __init__(self) -> None:
        self.hidden: set[str] = set()
        self.asked = 0

    def get(self, service: str, path: str, who: Visitor, **query: Any) -> Any:
        self.asked += 1
        if who.name in self.hidden:
            raise Refused(404, "没有")
        return {}

    def names(self, who: Visitor) -> Names:
        return Names({"wangdingdi": {"name": "王顶堤街道"}})


def visitor(name: str, role: Role = Role.UNIT, browser: str = "") -> Visitor:
    unit = "wangdingdi" if role is Role.UNIT else None
    return Visitor(name, role, unit, False, "", f"{name}{browser}", name)


LI, WANG = visitor("李芳"), visitor("王丽")
ZHOU, WU = visitor("周敏", Role.DISPATCHER), visitor("吴刚", Role.SUPERVISOR)


@pytest.fixture
def database(installation: tuple[Settings, Database]) -> Database:
    with installation[1].writing() as writer:
        writer.execute(text("DELETE FROM presence"))
    return installation[1]


@pytest.fixture
def router() -> Any:
    return Router()


def later(database: Database, passed: timedelta, who: str = "%") -> None:
    """Let some time pass for those of this name."""
    change = """UPDATE presence SET seen_at = seen_at - :passed, checked_at = checked_at - :passed
        WHERE name LIKE :who"""
    with database.writing() as writer:
        writer.execute(text(change), {"passed": passed, "who": who})


def test_who_comes_second_is_told_at_once_and_the_first_with_the_next_beat(
    database: Database, router: Any
) -> None:
    assert opened(database, router, LI, CASE) == ""
    assert opened(database, router, WANG, CASE) == "李芳（王顶堤街道） 正在看"
    assert opened(database, router, ZHOU, CASE) == "李芳（王顶堤街道）、王丽（王顶堤街道） 正在看"
    told = still_open(database, router, LI, [CASE])
    assert told == {CASE: "周敏（网格中心）、王丽（王顶堤街道） 正在看"}
    assert router.asked == 0, "the router has just shown the case"


def test_nobody_is_told_of_themselves_in_another_browser(database: Database, router: Any) -> None:
    opened(database, router, LI, CASE)
    assert opened(database, router, visitor("李芳", browser="2"), CASE) == ""


def test_who_only_watches_is_shown_to_nobody(database: Database, router: Any) -> None:
    opened(database, router, WANG, CASE)
    assert opened(database, router, WU, CASE) == "王丽（王顶堤街道） 正在看"
    assert still_open(database, router, WANG, [CASE]) == {CASE: ""}


def test_who_is_heard_of_no_more_or_signs_out_has_left(database: Database, router: Any) -> None:
    opened(database, router, LI, CASE)
    later(database, LASTS)
    assert opened(database, router, WANG, CASE) == ""
    opened(database, router, LI, CASE)
    with database.writing() as writer:
        left(writer, LI)
    assert still_open(database, router, WANG, [CASE]) == {CASE: ""}


def test_who_may_not_look_any_more_is_not_shown_and_not_told(
    database: Database, router: Any
) -> None:
    opened(database, router, LI, CASE)
    opened(database, router, WANG, CASE)
    router.hidden = {"李芳"}
    assert still_open(database, router, LI, [CASE], changed={CASE}) == {CASE: ""}
    assert still_open(database, router, WANG, [CASE]) == {CASE: ""}


def test_the_router_is_asked_again_from_time_to_time(database: Database, router: Any) -> None:
    opened(database, router, LI, CASE)
    for _ in range(5):
        still_open(database, router, LI, [CASE])
    assert router.asked == 0
    later(database, CHECKED)
    router.hidden = {"李芳"}
    assert still_open(database, router, LI, [CASE]) == {CASE: ""}
    assert router.asked == 1
    assert opened(database, router, WANG, CASE) == ""


def test_nobody_is_told_of_a_case_that_they_may_not_open(database: Database, router: Any) -> None:
    opened(database, router, LI, CASE)
    router.hidden = {"王丽"}
    assert still_open(database, router, WANG, [CASE]) == {CASE: ""}
    assert still_open(database, router, LI, [CASE]) == {CASE: ""}


@pytest.mark.parametrize("asked", [{"case": "../units"}, {"case": "x\0"}, {"case": [CASE] * 9}])
def test_what_is_no_case_is_not_asked_for(
    installation: tuple[Settings, Database], asked: dict[str, Any]
) -> None:
    settings, database = installation
    with database.writing() as writer:
        now = datetime.now(UTC)
        writer.execute(text("DELETE FROM account"))
        add_account(writer, "周敏", Role.DISPATCHER, None, PASSWORD, now, must_change=False)
    with (
        served(create_desk(settings)) as address,
        httpx2.Client(base_url=address, follow_redirects=False) as client,
    ):
        client.post("/login", data={"name": "周敏", "password": PASSWORD})
        assert client.get("/events", params=asked).status_code == 422


def here(window: Page, number: str) -> Page:
    window.goto(f"/cases/{number}")
    return window


def test_two_who_have_a_case_open_are_told_of_each_other(office: Office) -> None:
    number = office.taken(office.sign_in("李芳"), "王顶堤保山南里3号楼门口路灯不亮了")
    first, second = office.sign_in("赵强"), office.sign_in("孙涛")
    for _ in range(60):
        here(first, number)
        if first.locator("#here").count():
            break
        first.wait_for_timeout(500)
    before = first.locator("h2.top").bounding_box()
    expect(here(second, number).locator("#here")).to_contain_text("赵强（区城市管理委员会） 正在看")
    expect(first.locator("#here")).to_contain_text(
        "孙涛（区城市管理委员会） 正在看", timeout=40_000
    )
    assert first.locator("h2.top").bounding_box() == before, "nothing moves"

    queue = second.context.new_page()
    queue.goto("/queue")
    expect(queue.locator("#link")).to_contain_text("连接正常", timeout=15_000)
    first.wait_for_timeout(LASTS.total_seconds() * 1000 + 3000)
    expect(first.locator("#here")).to_contain_text("孙涛")
    second.close()
    expect(first.locator("#here")).to_have_text("", timeout=70_000)
