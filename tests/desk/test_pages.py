"""Every page as it is: light, for phones too, closed to others, without serious faults."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from services.desk.visit import SECURITY
from tests.desk.conftest import PASSWORD, PEOPLE, Office

MOST_BYTES = 150_000
PATHS = {
    "李芳": ("/register", "/tickets", "/tickets/{ticket}", "/tickets?q=没有这样的", "/imports"),
    "王丽": ("/queue", "/queue?view=overdue", "/cases/{case}", "/whistles", "/whistles/{whistle}"),
    "周敏": ("/queue", "/queue?view=manual", "/reviews", "/incidents", "/cases/{case}"),
    "吴刚": ("/oversight", "/cases/{case}", "/whistles"),
}
NAMES = {name: role for name, role, _ in PEOPLE}
SHOTS = os.environ.get("HOTLINE_SCREENSHOTS")
"""A folder for a picture of every page in both widths (`make screenshots`)."""
EVERY = [(name, path) for name, paths in PATHS.items() for path in paths]


@pytest.fixture(scope="module")
def found(office: Office) -> dict[str, str]:
    """A ticket of danger, its case and its whistle, with which pages can be opened."""
    operator = office.sign_in("李芳")
    number = office.taken(operator, "保山北里2号楼电梯困人了，里头有老人")
    street = office.sign_in("王丽")
    for _ in range(60):
        street.goto(f"/cases/{number}")
        shown = re.search(r"/whistles/([A-Z0-9-]+)", street.content())
        if shown is not None:
            break
        street.wait_for_timeout(250)
    assert shown is not None
    return {"ticket": number, "case": number, "whistle": shown[1]}


@pytest.fixture(scope="module")
def windows(office: Office) -> dict[str, Page]:
    """Everybody signed in once."""
    return {name: office.sign_in(name) for name in PATHS}


@pytest.mark.parametrize(("name", "path"), EVERY)
def test_a_page_is_light_quick_and_has_no_serious_fault(
    windows: dict[str, Page], found: dict[str, str], name: str, path: str
) -> None:
    window = windows[name]
    sizes: list[int] = []
    window.on("response", lambda answer: sizes.append(len(answer.body())) if answer.ok else None)
    errors: list[str] = []
    window.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    window.set_viewport_size({"width": 1280, "height": 720})
    answer = window.goto(path.format(**found), wait_until="domcontentloaded")
    assert answer is not None
    assert answer.status == 200
    assert len(answer.body()) < MOST_BYTES
    assert errors == []
    serious = [
        f"{fault['id']}: {[node['html'] for node in fault['nodes'][:3]]}"
        for fault in Axe().run(window).response["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize(("name", "path"), EVERY)
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_has_to_be_moved_sideways(
    windows: dict[str, Page], found: dict[str, str], name: str, path: str, width: int
) -> None:
    window = windows[name]
    window.set_viewport_size({"width": width, "height": 720})
    window.goto(path.format(**found))
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    if SHOTS:
        shown = re.sub(r"[^a-z]+", "-", path.lower()).strip("-")
        window.screenshot(path=f"{SHOTS}/{NAMES[name]}-{shown}-{width}.png", full_page=True)


@contextmanager
def signed_in(office: Office, name: str) -> Iterator[httpx2.Client]:
    """Somebody's session without a browser."""
    with httpx2.Client(base_url=office.address, follow_redirects=False) as client:
        client.post("/login", data={"name": name, "password": PASSWORD, "next": "/"})
        yield client


def test_a_page_keeps_itself_to_itself(office: Office) -> None:
    with signed_in(office, "李芳") as client:
        answer = client.get("/tickets")
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert "unsafe-inline" not in SECURITY["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*src=)|\son[a-z]+=|style=", answer.text)


@pytest.mark.parametrize(
    "path", ["/", "/register", "/queue", "/cases/NK20261123-000001", "/oversight", "/events"]
)
def test_who_is_not_signed_in_is_sent_to_sign_in(office: Office, path: str) -> None:
    answer = httpx2.get(f"{office.address}{path}", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=")


@pytest.mark.parametrize(
    "path", ["/register/0123456789abcdef0", "/logout", "/password", "/preview"]
)
def test_a_form_from_elsewhere_is_not_taken(office: Office, path: str) -> None:
    with signed_in(office, "李芳") as client:
        assert client.post(path, data={"text": "路灯不亮"}).status_code == 403
        assert client.post(path, data={"text": "路灯不亮", "csrf": "x"}).status_code == 403


def test_the_cookie_is_for_the_browser_and_this_site_alone(office: Office) -> None:
    answer = httpx2.post(
        f"{office.address}/login", data={"name": "李芳", "password": PASSWORD, "next": "/"}
    )
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize(
    "following", ["//evil.example/", "https://evil.example", "/\\evil.example"]
)
def test_signing_in_leads_nowhere_else(office: Office, following: str) -> None:
    given = {"name": "李芳", "password": PASSWORD, "next": following}
    answer = httpx2.post(f"{office.address}/login", data=given, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_a_wrong_password_says_no_more_than_an_unknown_name(office: Office) -> None:
    def tried(name: str) -> tuple[int, str]:
        given = {"name": name, "password": "wrong", "next": "/"}
        answer = httpx2.post(f"{office.address}/login", data=given)
        shown = re.sub(r'data-now="[^"]*"', "", answer.text)
        return answer.status_code, shown.replace(name, "")

    assert tried("吴刚") == tried("没有此人")
    assert tried("吴刚")[0] == 401


def test_what_no_database_takes_is_refused_and_no_fault(office: Office) -> None:
    given = {"name": "李\0芳", "password": PASSWORD, "next": "/"}
    answer = httpx2.post(f"{office.address}/login", data=given, follow_redirects=False)
    assert answer.status_code == 422
    assert "认不出" in answer.text
