"""The grid centre's judgements and the supervisor's view."""

import re

from playwright.sync_api import expect

from tests.desk.conftest import Office
from tests.desk.test_ways import at_once

STORM = (
    "天津市南开区迎水里3号楼停水了，一上午没水",
    "迎水里5号楼家里停水了，什么时候来水",
    "迎水里8号楼停水，做饭都没水",
)


def test_a_judgement_is_one_key_and_can_be_taken_back(office: Office) -> None:
    number = office.taken(office.sign_in("李芳"), "就那个事儿你们给解决一下，老是那样不行")
    centre = office.sign_in("周敏")
    at_once(centre, "/reviews", number)
    guess = re.search(r"模型判断：(\S+?)，", centre.inner_text("main"))
    assert guess is not None
    centre.keyboard.press("2")
    centre.wait_for_url(re.compile(f"done={number}"))
    centre.keyboard.press("z")
    centre.wait_for_url(re.compile(f"/cases/{number}"))
    expect(centre.locator("main")).to_contain_text("误按，改回")
    expect(centre.locator("main")).to_contain_text(guess[1])


def test_a_return_is_ruled_with_both_reasons_side_by_side(office: Office) -> None:
    number = office.taken(office.sign_in("李芳"), "王顶堤林苑北里2号楼前路灯一直不亮")
    unit = office.sign_in("赵强")
    at_once(unit, "/queue", "路灯照明")
    unit.goto(f"/cases/{number}")
    unit.click("summary:text-is('退单')")
    unit.fill("details[open] [name=reason_code]", "不属本单位")
    unit.fill("details[open] [name=basis]", "小区红线内路灯由物业负责")
    unit.select_option("details[open] [name=proposed_owner]", "wangdingdi")
    unit.click("details[open] form button")
    expect(unit.locator("h1")).to_contain_text("退单待裁定")

    centre = office.sign_in("周敏")
    centre.goto("/queue?view=returns")
    centre.click(f"a[href='/cases/{number}']")
    expect(centre.locator(".sides")).to_contain_text("由区城市管理委员会主责")
    expect(centre.locator(".sides")).to_contain_text("小区红线内路灯由物业负责")
    centre.click("summary:text-is('裁定退单')")
    centre.click("button:text-is('同意退单')")
    expect(centre.locator("main .judged")).to_contain_text("王顶堤街道")
    expect(centre.locator(".note")).to_contain_text("主办")


def test_calls_about_one_event_are_merged_on_their_timeline(office: Office) -> None:
    operator = office.sign_in("李芳")
    numbers = [office.taken(operator, words) for words in STORM]
    centre = office.sign_in("周敏")
    at_once(centre, f"/cases/{numbers[-1]}", "事件", seconds=25)
    centre.click("a[href^='/incidents/']")
    for number in numbers:
        expect(centre.locator("main")).to_contain_text(number)
    boxes = centre.locator("input[name=members]:not([disabled])")
    for at in range(boxes.count()):
        boxes.nth(at).check()
    centre.click("button:text-is('并入所选')")
    expect(centre.locator("main")).to_contain_text("已并入")


def test_a_supervised_case_stands_before_the_supervisor(office: Office) -> None:
    number = office.taken(office.sign_in("李芳"), "王顶堤林苑南里4号楼前路灯一直不亮")
    supervisor = office.sign_in("吴刚")
    at_once(supervisor, f"/cases/{number}", "督办")
    supervisor.click("summary:text-is('督办')")
    supervisor.fill("details[open] [name=note]", "请今天修好")
    supervisor.click("details[open] form button")
    expect(supervisor.locator("main")).to_contain_text("请今天修好")
    supervisor.goto("/oversight")
    expect(supervisor.locator("main")).to_contain_text(number)


def test_a_false_alarm_is_withdrawn(office: Office) -> None:
    number = office.taken(office.sign_in("李芳"), "保山北里9号楼电梯困人了，快来人")
    centre = office.sign_in("周敏")
    at_once(centre, f"/cases/{number}", "应急处置哨")
    centre.click("a[href^='/whistles/NK']")
    centre.click("summary:text-is('撤哨（误报）')")
    centre.fill("details[open] [name=reason]", "来电人说已经出来了")
    centre.click("details[open] form button")
    expect(centre.locator("h1")).to_contain_text("已撤哨")
