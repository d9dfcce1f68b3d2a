"""The pages over a whole stack, and a browser to open them with."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from deploy.stack import Process, Stack, settings_for
from services.desk.accounts import add_account
from shared.database import Database, migrate
from shared.postgres import database_url
from shared.roles import Role
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases, public_home

PASSWORD = "correct horse"
PEOPLE = (
    ("李芳", Role.OPERATOR, None),
    ("王丽", Role.UNIT, "wangdingdi"),
    ("赵强", Role.UNIT, "urban-management"),
    ("孙涛", Role.UNIT, "urban-management"),
    ("钱进", Role.UNIT, "lift-rescue"),
    ("周敏", Role.DISPATCHER, None),
    ("吴刚", Role.SUPERVISOR, None),
)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@dataclass
class Office:
    """A stack with its pages, and everybody's browser windows."""

    stack: Stack
    address: str
    browser: Browser

    def window(self, width: int = 1280, height: int = 720) -> Page:
        """A new window in which nobody is signed in."""
        window = self.browser.new_context(
            viewport={"width": width, "height": height},
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            base_url=self.address,
        ).new_page()
        window.on("dialog", lambda dialog: dialog.accept())
        return window

    def sign_in(self, name: str, width: int = 1280, height: int = 720) -> Page:
        """A new window in which somebody is signed in."""
        window = self.window(width, height)
        window.goto("/")
        window.fill("#name", name)
        window.fill("#password", PASSWORD)
        window.click("main button")
        window.wait_for_url(lambda url: "/login" not in url)
        return window

    def taken(self, operator: Page, text: str, **fields: str) -> str:
        """The number of a ticket that an operator takes by keyboard."""
        operator.goto("/register")
        operator.keyboard.type(text)
        for name, value in fields.items():
            operator.fill(f"[name={name}]", value)
        operator.keyboard.press("Control+Enter")
        return operator.inner_text(".number")


@pytest.fixture(autouse=True)
def closed_windows(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close what a test has opened: pages that still listen would slow down the next one."""
    if "office" not in request.fixturenames:
        yield
        return
    browser: Browser = request.getfixturevalue("office").browser
    for name in {"windows", "found"} & {*request.fixturenames}:
        request.getfixturevalue(name)
    before = [*browser.contexts]
    yield
    for context in browser.contexts:
        if context not in before:
            context.close()


@pytest.fixture(scope="module")
def chromium() -> str:
    """A browser; what needs one is left out where there is none."""
    if CHROMIUM is None:
        if os.environ.get("HOTLINE_REQUIRE_KAFKA"):
            pytest.fail("Chromium is required here")
        pytest.skip("no Chromium: the pages are not opened")
    return CHROMIUM


@pytest.fixture(scope="module")
def office(chromium: str) -> Iterator[Office]:
    """The stack, the pages and the browser of one file's tests."""
    with public_home() as home, opened(settings_for(home)) as office:
        yield office


@contextmanager
def opened(settings: Settings) -> Iterator[Office]:
    """A stack with pages, accounts and a browser, until the end of the block."""
    with Stack(settings) as stack:
        migrate(settings, "desk")
        database = Database(database_url(settings, "desk"))
        with database.writing() as writer:
            for name, role, unit in PEOPLE:
                now = datetime.now(UTC)
                add_account(writer, name, role, unit, PASSWORD, now, must_change=False)
        database.close()
        desk = Process(settings, "desk", "api")
        desk.start()
        try:
            desk.wait_ready()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox"]
                )
                yield Office(stack, stack.address("desk"), browser)
                browser.close()
        finally:
            desk.stop()


@pytest.fixture(scope="module")
def installation(
    server: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Settings, Database]]:
    """The pages' database alone, of one file's tests."""
    own = own_databases(server, tmp_path_factory.mktemp("home"))
    migrate(own, "desk")
    database = Database(database_url(own, "desk"))
    yield own, database
    database.close()
    drop_databases(own, server)
