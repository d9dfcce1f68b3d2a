"""People who sign in at an issuer, in a browser, and work with the issuer's word alone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from deploy.stack import settings_for
from tests.conftest import public_home
from tests.desk.conftest import Office, opened
from tests.issuing import SECRET, Issuer, serving_issuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer on a site of its own, as browsers reckon: no page of ours is of `localhost`."""
    with serving_issuer("localhost") as server:
        yield server


@pytest.fixture(scope="module")
def office(chromium: str, issuer: Issuer) -> Iterator[Office]:
    """A stack that takes the issuer's tokens and no others."""
    word = {"oidc_issuer": issuer.url, "oidc_client_secret": SecretStr(SECRET)}
    with public_home() as home, opened(settings_for(home).model_copy(update=word)) as office:
        yield office


def entered(office: Office, issuer: Issuer, who: str, path: str) -> Page:
    """A window whose visitor wanted this page and signed in at the issuer for it."""
    window = office.window()
    window.goto(path)
    window.click("a:text-is('用统一身份登录')")
    window.wait_for_url(f"{issuer.url}/**")
    window.click(f"button:text-is('{who}')")
    window.wait_for_url(f"{office.address}{path}**")
    return window


def test_people_work_in_their_own_name_by_the_issuers_word(office: Office, issuer: Issuer) -> None:
    operator = entered(office, issuer, "lifang", "/register")
    expect(operator.locator("header")).to_contain_text("李芳")
    number = office.taken(operator, "王顶堤保山南里3号楼门口路灯不亮了")
    unit = entered(office, issuer, "zhaoqiang", "/queue")
    for _ in range(60):
        unit.goto(f"/cases/{number}")
        if unit.locator("button:text-is('签收')").count():
            break
        unit.wait_for_timeout(500)
    unit.click("button:text-is('签收')")
    expect(unit.locator("h1")).to_contain_text("已签收")
    expect(unit.locator(".way")).to_contain_text("zhaoqiang（区城市管理委员会）")
    expect(unit.locator("#link")).to_contain_text("连接正常", timeout=15_000)

    street = entered(office, issuer, "wangli", "/queue")
    street.goto("/register")
    expect(street.locator("main")).to_contain_text("您的身份没有这一页")


def test_who_signs_out_is_out_at_the_issuer_too(office: Office, issuer: Issuer) -> None:
    window = entered(office, issuer, "zhoumin", "/queue")
    errors: list[str] = []
    window.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    with window.expect_request(lambda request: "/farewell" in request.url):
        window.click("button:text-is('退出')")
    window.wait_for_url(f"{office.address}/login")
    window.goto("/queue")
    assert "/login" in window.url
    assert errors == []


def test_a_token_that_ends_while_somebody_writes_is_renewed(office: Office, issuer: Issuer) -> None:
    issuer.moods.life = 4
    window = entered(office, issuer, "lifang", "/register")
    window.wait_for_timeout(5000)
    issuer.moods.life = 600
    before = issuer.renewed
    assert office.taken(window, "王顶堤保山南里5号楼门口路灯不亮了").startswith("NK")
    assert issuer.renewed > before
