"""Worked cases of the domain, from the caller's words to where the ticket stands."""

from collections.abc import Iterator

import pytest

from deploy.stack import Stack
from tests.integration.desk import Desk


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
            "我们金福里是老楼区，以前门口还有个看门的，这俩月人没了，楼道没人扫，5号楼6号楼当间儿"
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
            {"other.utility_supply"},
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
