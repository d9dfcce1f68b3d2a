"""The ways through the pages, as people go them: from the first key to the call-back."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.desk.conftest import PASSWORD, Office

LAMP = "王顶堤保山南里3号楼门口路灯不亮了"
GAS = "飞云东里3号楼楼道里一股煤气味儿"


def at_once(page: Page, path: str, text: str, seconds: float = 40) -> None:
    """Open a page again until a text stands on it."""
    deadline = time.monotonic() + seconds
    while True:
        page.goto(path)
        if text in page.inner_text("main") or time.monotonic() > deadline:
            break
        time.sleep(0.3)
    assert text in page.inner_text("main")


def test_a_ticket_goes_from_the_first_key_to_the_call_back(office: Office) -> None:
    operator = office.sign_in("李芳")
    operator.goto("/register")
    operator.keyboard.type(LAMP)
    expect(operator.locator("#preview")).to_contain_text("区城市管理委员会", timeout=8000)
    expect(operator.locator("#preview")).to_contain_text("王顶堤街道")
    operator.fill("[name=phone]", "138 2000 1234")
    operator.keyboard.press("Control+Enter")
    number = operator.inner_text(".number")

    unit = office.sign_in("赵强")
    at_once(unit, "/queue", "路灯照明")
    unit.goto(f"/cases/{number}")
    unit.click("button:text-is('签收')")
    expect(unit.locator("h1")).to_contain_text("已签收")
    for summary, words in [("记录联系", "已经打过电话"), ("答复", "灯已换好")]:
        unit.click(f"summary:text-is('{summary}')")
        unit.fill("details[open] textarea[name=note]", words)
        unit.click("details[open] form button")
        unit.wait_for_load_state()
    expect(unit.locator("h1")).to_contain_text("待核实")

    colleague = office.sign_in("孙涛")
    colleague.goto(f"/cases/{number}")
    colleague.click("summary:text-is('核实')")
    colleague.click("button:text-is('核实通过')")
    colleague.wait_for_load_state()

    at_once(operator, f"/tickets/{number}", "联系上了吗")
    operator.click("label:has-text('1 满意')")
    operator.click("label:has-text('解决了'):not(:has-text('没有'))")
    operator.click("button:text-is('记下回访')")
    expect(operator.locator("h1")).to_contain_text("已办结")


def test_danger_turns_the_page_red_and_says_whom_to_dial(office: Office) -> None:
    operator = office.sign_in("李芳")
    operator.goto("/register")
    operator.keyboard.type(GAS)
    alarm = operator.locator("#preview .band")
    expect(alarm).to_contain_text("96677", timeout=8000)
    expect(alarm).to_contain_text("不开关电器")
    assert operator.evaluate("document.activeElement.name") == "text"


def test_a_consult_is_answered_in_one_form(office: Office) -> None:
    operator = office.sign_in("李芳")
    operator.goto("/register")
    operator.keyboard.type("请问办居住证要带什么材料")
    operator.click("summary:has-text('直接答复')")
    operator.fill("[name=answer]", "带身份证和租房合同，到户籍窗口办理")
    operator.click("#submit")
    number = operator.inner_text(".number")
    at_once(operator, f"/tickets/{number}", "已办结")


def test_a_whistle_goes_from_the_blow_to_the_score(office: Office) -> None:
    operator = office.sign_in("李芳")
    number = office.taken(operator, "保山南里门口占道烧烤，油烟大，天天堵路")
    street = office.sign_in("王丽")
    at_once(street, "/queue", "烧烤")
    street.goto(f"/cases/{number}")
    street.click("summary:text-is('吹哨')")
    for name, value in [("kind", "joint_enforcement"), ("lead", "urban-management")]:
        street.select_option(f"details[open] [name={name}]", value)
    for name in ("done_so_far", "action", "evidence", "basis", "place", "contact"):
        street.fill(f"details[open] [name={name}]", "已劝离两次，请到场联合处置")
    street.click("details[open] form button")
    expect(street.locator("h1")).to_contain_text("综合执法哨")
    whistle = re.search(r"/whistles/([A-Z0-9-]+)", street.url)
    assert whistle is not None
    if street.locator("summary:text-is('签发')").count():
        street.click("summary:text-is('签发')")
        street.fill("details[open] [name=signer_title]", "街道党工委书记")
        street.click("details[open] form button")
        street.wait_for_load_state()
    centre = office.sign_in("周敏")
    centre.goto(f"/whistles/{whistle[1]}")
    centre.click("button:text-is('派哨')")
    expect(centre.locator("h1")).to_contain_text("已派哨")

    called = office.sign_in("赵强")
    at_once(called, "/queue", whistle[1])
    called.goto(f"/whistles/{whistle[1]}")
    called.click("button:text-is('应哨')")
    called.click("button:text-is('已到场')")
    called.click("summary:text-is('处置完成')")
    called.fill("details[open] textarea", "摊位已清，执法记录在案")
    called.click("details[open] form button")
    expect(called.locator("h1")).to_contain_text("已处置")

    street.goto(f"/whistles/{whistle[1]}")
    street.click("summary:text-is('街道确认')")
    street.click("button:text-is('处置到位')")
    expect(street.locator("h1")).to_contain_text("已确认")
    street.click("summary:text-is('评价')")
    street.click("details[open] form button")
    expect(street.locator("main")).to_contain_text("评价 王丽")


def test_the_centre_judges_by_one_key_and_settles_a_place(office: Office) -> None:
    operator = office.sign_in("李芳")
    number = office.taken(operator, "就那个事儿你们给解决一下，老是那样不行")
    centre = office.sign_in("周敏")
    at_once(centre, "/reviews", number)
    centre.keyboard.press("1")
    centre.wait_for_url(re.compile("done="))
    centre.goto(f"/cases/{number}")
    centre.click("summary:text-is('改地点')")
    centre.fill("details[open] [name=words]", "保山南里")
    centre.fill("details[open] [name=reason]", "回拨问清")
    centre.click("details[open] form button")
    centre.wait_for_load_state()
    expect(centre.locator("main")).to_contain_text("王顶堤街道")


def test_nothing_typed_is_lost_by_a_reload_or_an_ended_session(office: Office) -> None:
    operator = office.sign_in("李芳")
    operator.goto("/register")
    operator.keyboard.type("说了很久的一件事" * 20)
    place = operator.url
    operator.reload()
    assert operator.input_value("#text") == "说了很久的一件事" * 20
    operator.context.clear_cookies()
    operator.click("#submit")
    operator.wait_for_url(re.compile("/login"))
    operator.fill("#name", "李芳")
    operator.fill("#password", PASSWORD)
    operator.click("main button")
    operator.wait_for_url(place)
    assert operator.input_value("#text") == "说了很久的一件事" * 20
    operator.click("#submit")
    first = operator.inner_text(".number")
    operator.goto(place)
    assert operator.input_value("#text") == ""
    operator.keyboard.type("说了很久的一件事" * 20)
    operator.click("#submit")
    assert operator.inner_text(".number") == first, "one form is one ticket"


def test_a_key_that_composes_a_character_submits_nothing(office: Office) -> None:
    operator = office.sign_in("李芳")
    operator.goto("/register")
    session = operator.context.new_cdp_session(operator)
    session.send(
        "Input.imeSetComposition", {"text": "meiqi", "selectionStart": 5, "selectionEnd": 5}
    )
    operator.keyboard.press("Control+Enter")
    session.send("Input.insertText", {"text": "煤气"})
    time.sleep(0.3)
    assert "/register/" in operator.url


def test_who_comes_second_reads_who_came_first(office: Office) -> None:
    operator = office.sign_in("李芳")
    number = office.taken(operator, "王顶堤昌宁里路灯闪个不停")
    first, second = office.sign_in("赵强"), office.sign_in("孙涛")
    at_once(first, "/queue", "昌宁里")
    first.goto(f"/cases/{number}")
    second.goto(f"/cases/{number}")
    first.click("button:text-is('签收')")
    expect(first.locator("h1")).to_contain_text("已签收")
    second.click("button:text-is('签收')")
    expect(second.locator(".error")).to_be_visible()
    expect(second.locator("main")).to_contain_text("赵强")


def test_a_supervisor_sees_what_is_late_and_only_their_pages(office: Office) -> None:
    supervisor = office.sign_in("吴刚")
    assert supervisor.url.endswith("/oversight")
    expect(supervisor.locator("main")).to_contain_text("对中心的投诉")
    supervisor.goto("/register")
    expect(supervisor.locator("main")).to_contain_text("您的身份没有这一页")


@pytest.mark.parametrize(("name", "path"), [("赵强", "/reviews"), ("李芳", "/queue")])
def test_a_page_of_others_is_no_page(office: Office, name: str, path: str) -> None:
    window = office.sign_in(name)
    answer = window.goto(path)
    assert answer is not None
    assert answer.status == 403
