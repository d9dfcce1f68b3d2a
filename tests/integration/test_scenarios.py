"""Worked cases of the domain, from the caller's words to where the ticket stands."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from deploy.stack import Stack
from shared.roles import Role
from tests.integration.desk import Desk, eventually


@pytest.fixture
def desk(stack: Stack) -> Iterator[Desk]:
    with Desk(stack) as desk:
        yield desk


@pytest.mark.parametrize(
    ("words", "leaves", "priority", "disposition", "street", "lead"),
    [
        pytest.param(
            "喂8890吗，我们禧顺花园3号楼楼道里一股子煤气味儿，越来越冲，我妈都头疼了，你们快来人呐！",
            {"safety.gas_leak"},
            "P0",
            "transfer_emergency",
            "jialingdao",
            "gas-heat",
            id="gas in the stairwell",
        ),
        pytest.param(
            "闺女，我搁电梯里头关着呢，按铃没人搭理，我心脏不好……时代奥城，哪号楼？忘了，"
            "就挨着那个幼儿园。",
            {"safety.elevator_trapped"},
            "P0",
            "transfer_emergency",
            "tiyu-zhongxin",
            "lift-rescue",
            id="an incomplete address does not park an emergency",
        ),
        pytest.param(
            "我们鸿福里是老楼区，以前门口还有个看门的，这俩月人没了，楼道没人扫，5号楼6号楼当间儿"
            "垃圾堆老高，我们卫生费照交呢。",
            {"property.old_building_mgmt"},
            "P3",
            "manual_dispatch",
            None,
            None,
            id="a place no register knows goes to a person",
        ),
        pytest.param(
            "我们燕宇花园，房本上写的南开区，门口那条路污水冒了俩礼拜了，南开说不归他，西青说没接手，"
            "到底谁管？",
            {"grid.drainage_flooding"},
            "P3",
            "manual_dispatch",
            None,
            None,
            id="a moved community is never refused without a person",
        ),
        pytest.param(
            "宾水西道393号门口晚上全是烧烤摊，烟熏火燎的，你们南开管管。",
            {"grid.street_order", "grid.env_nuisance"},
            "P3",
            "redirect_out",
            None,
            None,
            id="the house number decides the district",
        ),
        pytest.param(
            "路灯坏了好几天了，黑灯瞎火的，老太太都摔一跤了，赶紧给修！",
            {"grid.street_lighting"},
            "P3",
            "awaiting_info",
            None,
            None,
            id="place unknown: ask",
        ),
        pytest.param(
            "俩事儿啊：一个是我们保山南里消防通道让人装了地锁，消防车进不来；再一个我们那个老人食堂"
            "关门了，我爸八十多了上哪吃饭去？",
            {"safety.fire_hazard"},
            "P1",
            "dispatch",
            "wangdingdi",
            "fire",
            id="of two demands the dangerous one leads",
        ),
        pytest.param(
            "风荷园门口马路牙子边上一个井盖碎了，物业说是市政的，市政说是通信的，推来推去，"
            "晚上真能掉进去人。",
            {"grid.road_facility"},
            "P1",
            "dispatch",
            "wanxing",
            "urban-management",
            id="a broken manhole cover",
        ),
        pytest.param(
            "我们大园新居8号楼二十多户，外墙裂缝、屋里返潮，从23年反映到现在，物业看了就走，"
            "再不解决我们就一块儿去区里。",
            {"property.common_facility_repair"},
            None,
            "dispatch",
            "xiangyanglu",
            "housing",
            id="twenty households and a cracked wall",
        ),
        pytest.param(
            "你们一帮废物！电话打八遍了！@#￥…楼上漏水漏我一屋子你们管过吗！",
            {"grid.dispute_mediation", "property.common_facility_repair"},
            None,
            "awaiting_info",
            None,
            None,
            id="abuse with a demand keeps the demand",
        ),
        pytest.param(
            "（无声）……（无声）",
            {"other.invalid_abusive"},
            None,
            "manual_dispatch",
            None,
            None,
            id="silence is never closed by itself",
        ),
        pytest.param(
            "向阳楼街道这边儿，小区停水一天了！",
            {"other.water_supply"},
            None,
            "redirect_out",
            None,
            None,
            id="a look-alike street of another district",
        ),
    ],
)
def test_a_worked_case_ends_where_the_domain_says(
    desk: Desk,
    words: str,
    leaves: set[str],
    priority: str | None,
    disposition: str,
    street: str | None,
    lead: str | None,
) -> None:
    ticket = desk.settled(desk.submit(words))
    case = ticket["case"]
    assert case["leaf"] in leaves
    assert priority in (None, case["priority"])
    assert case["disposition"] == disposition
    assert case["place"].get("street") == street
    assert case["lead_unit"] == lead
    if lead is None:
        assert ticket["number"] in {item["number"] for item in desk.queue(case["desk"])}


def test_danger_stands_before_the_street_as_a_whistle_to_be_signed(desk: Desk) -> None:
    number = desk.submit(
        "雅安东里7号楼2单元都是臭鸡蛋味儿，家家户户都闻见了，准是煤气管子漏了，赶紧来人！"
    )
    case = desk.settled(number)["case"]
    assert {"fire", "urban-management"} <= set(case["assist_units"])
    assert case["suggested_whistle"] == "emergency"
    (whistle,) = [
        item["whistle"]
        for item in desk.queue("jialingdao")
        if item["number"] == number and item["whistle"]
    ]
    assert (whistle["kind"], whistle["state"]) == ("emergency", "proposed")
    assert whistle["units"][0] == {**whistle["units"][0], "unit": "gas-heat", "lead": True}
    street: dict[str, Any] = {"role": Role.UNIT, "unit": "jialingdao"}
    desk.whistle(whistle["number"], "sign", name="值班领导", **street)
    desk.whistle(whistle["number"], "dispatch", role=Role.DISPATCHER, unit=None, name="网格员")
    for unit in ("gas-heat", "fire"):
        (item,) = [i for i in desk.queue(unit) if i["number"] == number and i["whistle"]]
        assert item["role"] == ("whistle_lead" if unit == "gas-heat" else "whistle_assist")
        mine: dict[str, Any] = {
            "role": Role.UNIT,
            "unit": unit,
            "name": f"{unit} 值班员",
            "note": "已关阀通风",
        }
        for command in ("acknowledge", "arrive", "handle"):
            desk.whistle(whistle["number"], command, **mine)
    desk.whistle(whistle["number"], "confirm", name="社区网格员", **street)
    closed = desk.whistle(whistle["number"], "close", name="值班领导", **street)
    assert closed["state"] == "closed"
    shown = desk.until(
        number, lambda t: any(line["type"] == "hotline.whistle.closed.v1" for line in t["timeline"])
    )
    assert shown["case"]["state"] == "callback_pending", "answered and verified at the whistle"

    def deadlines(of: Any) -> list[tuple[str, str]]:
        return [(c["kind"], c["due_at"]) for c in of["clocks"] if c["kind"] == "resolve"]

    assert deadlines(shown["case"]) == deadlines(case), "a whistle never resets the citizen's clock"


def test_a_moved_community_is_flagged_and_can_be_whistled_for_across_districts(desk: Desk) -> None:
    number = desk.submit(
        "我们燕宇花园，房本上写的南开区，门口那条路污水冒了俩礼拜了，南开说不归他，西青说没接手，"
        "到底谁管？"
    )
    case = desk.settled(number)["case"]
    assert case["place"]["district"] == "西青区"
    assert case["place"]["certainty"] == "transferred"
    assert "jurisdiction_transferred" in case["flags"]
    answer = desk.ask(
        "router",
        "POST",
        f"/cases/{number}/whistles",
        role=Role.DISPATCHER,
        json={
            "kind": "public_demand",
            "lead": "urban-management",
            "assist": ["ecology"],
            "done_so_far": "已与西青区中北镇联系两次",
            "action": "现场认定管护单位",
            "basis": "飞地点位协商清单",
            "place": "燕宇花园门口道路",
            "cross_district": True,
        },
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["whistle"]["cross_district"]


def test_two_demands_become_two_tickets_and_the_first_closes_with_both(desk: Desk) -> None:
    parent = desk.submit(
        "俩事儿啊：一个是我们保山南里消防通道让人装了地锁，消防车进不来；再一个我们那个老人食堂"
        "关门了，我爸八十多了上哪吃饭去？"
    )
    case = desk.settled(parent)["case"]
    assert "split_proposed" in case["flags"]
    assert [demand["leaf"] for demand in case["demands"]] == [
        "safety.fire_hazard",
        "elderly.meal_service",
    ]
    split = desk.command(parent, "split", role=Role.DISPATCHER, unit=None, name="网格员")
    assert split["state"] == "split"
    children = {}
    for number in split["children"]:
        children[number] = eventually(partial(desk.known, number))
        child = desk.settled(number)
        assert child["parent"] == parent
        assert child["classification"]["decided_by"] == "person"
        assert child["case"]["place"]["street"] == "wangdingdi"
        children[number] = child["case"]
    leaves = {number: case["leaf"] for number, case in children.items()}
    assert sorted(leaves.values()) == ["elderly.meal_service", "safety.fire_hazard"]
    for number, child in children.items():
        unit = child["lead_unit"]
        for command in ("accept", "contact", "reply"):
            desk.command(
                number, command, role=Role.UNIT, unit=unit, name=f"{unit} 承办人", note="已办"
            )
        desk.command(number, "verify", role=Role.UNIT, unit=unit, name=f"{unit} 核实人")
        desk.until(number, lambda ticket: ticket["status"] == "callback_pending")
        answer = desk.ask(
            "intake",
            "POST",
            f"/tickets/{number}/callbacks",
            json={"solved": True, "satisfaction": "satisfied"},
        )
        assert answer.status_code in (200, 201), answer.text
    desk.until(parent, lambda ticket: ticket["case"]["state"] == "closed")
    assert desk.ticket(parent)["status"] == "closed"


@pytest.mark.parametrize(
    ("words", "flag", "whistle"),
    [
        pytest.param(
            "我们大园新居8号楼二十多户，外墙裂缝、屋里返潮，从23年反映到现在，物业看了就走，"
            "再不解决我们就一块儿去区里。",
            "collective",
            "key_task",
            id="twenty households who will go to the district together",
        ),
        pytest.param(
            "你们一帮废物！电话打八遍了！@#￥…楼上漏水漏我一屋子你们管过吗！",
            "repeat",
            None,
            id="the eighth call",
        ),
    ],
)
def test_what_callers_say_of_themselves_is_flagged(
    desk: Desk, words: str, flag: str, whistle: str | None
) -> None:
    case = desk.settled(desk.submit(words))["case"]
    assert flag in case["flags"]
    assert case["suggested_whistle"] == whistle


def test_a_caller_who_was_here_before_is_known_to_people_who_ask_and_to_no_unit(desk: Desk) -> None:
    caller = {"phone": "13820008888"}
    lamp, lift = (
        desk.submit(words, caller=caller)
        for words in ("迎水里3号楼前路灯坏了", "迎水里5号楼电梯老坏")
    )
    cases = [desk.settled(number)["case"] for number in (lamp, lift)]
    assert {case["place"]["street"] for case in cases} == {"wangdingdi"}
    words = "你们一帮废物！电话打八遍了！@#￥…楼上漏水漏我一屋子你们管过吗！"
    ticket = desk.settled(desk.submit(words, caller={"phone": "+86 138-2000-8888"}))
    case = ticket["case"]
    assert (ticket["earlier"], ticket["usual_street"]) == ([lift, lamp], "wangdingdi")
    assert (case["disposition"], case["place"]["street"]) == ("awaiting_info", None)
    assert "来电人以往诉求多在王顶堤街道，仅供参考，请核实地点" in case["reasons"]
    assert f"同一来电人近期另有2件工单：{lift}、{lamp}" in case["reasons"]
    (item,) = [item for item in desk.queue(cases[1]["lead_unit"]) if item["number"] == lift]
    assert desk.ticket(lift)["earlier"] == [lamp]
    assert lamp not in str(item)
