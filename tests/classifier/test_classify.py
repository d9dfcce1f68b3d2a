import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from services.classifier.classify import classify, classify_many
from services.classifier.demands import split_demands
from services.classifier.model import Model, Prediction
from shared.events import Alternative, Category, Priority, is_emergency
from shared.taxonomy import load_taxonomy

WORKED_CASES: list[tuple[str, set[str], str | None]] = [
    (
        "喂8890吗，我们禧顺花园3号楼楼道里一股子煤气味儿，越来越冲，我妈都头疼了，你们快来人呐！",
        {"safety.gas_leak"},
        "P0",
    ),
    (
        "闺女，我搁电梯里头关着呢，按铃没人搭理，我心脏不好……时代奥城，哪号楼？忘了，"
        "就挨着那个幼儿园。",
        {"safety.elevator_trapped"},
        "P0",
    ),
    (
        "我们金福里是老楼区，以前门口还有个看门的，这俩月人没了，楼道没人扫，5号楼6号楼当间儿"
        "垃圾堆老高，我们卫生费照交呢。",
        {"property.old_building_mgmt"},
        "P3",
    ),
    (
        "我们燕宇花园，房本上写的南开区，门口那条路污水冒了俩礼拜了，南开说不归他，"
        "西青说没接手，到底谁管？",
        {"grid.drainage_flooding"},
        None,
    ),
    (
        "宾水西道393号门口晚上全是烧烤摊，烟熏火燎的，你们南开管管。",
        {"grid.street_order", "grid.env_nuisance"},
        None,
    ),
    (
        "路灯坏了好几天了，黑灯瞎火的，老太太都摔一跤了，赶紧给修！",
        {"grid.street_lighting"},
        None,
    ),
    (
        "俩事儿啊：一个是我们保山南里消防通道让人装了地锁，消防车进不来；再一个我们那个老人食堂"
        "关门了，我爸八十多了上哪吃饭去？",
        {"safety.fire_hazard"},
        "P1",
    ),
    (
        "风荷园门口马路牙子边上一个井盖碎了，物业说是市政的，市政说是通信的，推来推去，"
        "晚上真能掉进去人。",
        {"grid.road_facility"},
        "P1",
    ),
    (
        "我们大园新居8号楼二十多户，外墙裂缝、屋里返潮，从23年反映到现在，物业看了就走，"
        "再不解决我们就一块儿去区里。",
        {"property.common_facility_repair"},
        None,
    ),
    (
        "你们一帮废物！电话打八遍了！@#￥…楼上漏水漏我一屋子你们管过吗！",
        {"grid.dispute_mediation", "property.common_facility_repair"},
        None,
    ),
    ("（无声）……（无声）", {"other.invalid_abusive"}, None),
    ("向阳楼街道这边儿，小区停水一天了！", {"other.water_supply"}, None),
]


@pytest.mark.parametrize(("text", "leaves", "priority"), WORKED_CASES)
def test_the_handbooks_worked_cases(
    model: Model, text: str, leaves: set[str], priority: str | None
) -> None:
    verdict = classify(model, text)
    assert verdict.leaf in leaves
    assert priority is None or verdict.priority == priority
    assert verdict.category == load_taxonomy()[verdict.leaf].category


def test_two_demands_in_one_call_are_two(model: Model) -> None:
    demands = classify(model, WORKED_CASES[6][0]).demands
    assert [demand.leaf for demand in demands] == ["safety.fire_hazard", "elderly.meal_service"]
    assert "".join(demand.text for demand in demands) == WORKED_CASES[6][0]


SPLIT: list[tuple[str, list[str]]] = [
    (
        "我们楼的电梯停了四天没人修，另外小区门口的路灯也全都不亮了，晚上摸黑走路。",
        ["property.elevator_fault", "grid.street_lighting"],
    ),
    (
        "一是楼道里有人给电动车充电，二是物业费无缘无故涨了三毛钱。",
        ["safety.fire_hazard", "property.property_fee"],
    ),
    (
        "暖气一直不热，室温只有十五度；还有一个事，楼下烧烤店半夜油烟呛得睡不着。",
        ["other.gas_heat_supply", "grid.env_nuisance"],
    ),
    (
        "我爸的高龄津贴三个月没到账，再一个我们院里加装电梯一楼不同意，卡了一年。",
        ["elderly.allowance", "elderly.elevator_install"],
    ),
    (
        "老板拖欠我们十几个人的工资，另外工地宿舍里面住人的地方全是煤气罐。",
        ["other.social_security_employment", "safety.gas_leak"],
    ),
    (
        "第一件是河水发黑发臭，第二件是村口的违章建筑盖了两层没人拆。",
        ["grid.drainage_flooding", "grid.illegal_construction"],
    ),
    (
        "开发商逾期半年还不交房，同时反映售楼处门口的红绿灯坏了好几天。",
        ["other.housing_market", "safety.traffic_safety"],
    ),
    (
        "健身房关门不退我的年卡钱，另一件事是我家停水两天了没人抢修。",
        ["other.consumer_market", "other.water_supply"],
    ),
    (
        "业委会三年不公布公共收益，再就是楼顶漏雨漏到我家卧室了。",
        ["property.owners_committee", "property.common_facility_repair"],
    ),
    (
        "1、河边公园的树枯死了一大片。2、公交车半个小时才来一趟，能不能加车。",
        ["grid.greening", "other.public_transport"],
    ),
]


@pytest.mark.parametrize(("text", "leaves"), SPLIT)
def test_two_matters_are_a_proposal_to_split(model: Model, text: str, leaves: list[str]) -> None:
    verdict = classify(model, text)
    assert [demand.leaf for demand in verdict.demands] == leaves
    assert "".join(demand.text for demand in verdict.demands) == text
    assert any("2个诉求" in reason for reason in verdict.reasons)


UNSPLIT = [
    "路灯坏了，还有一个也坏了，另外那个路灯也不亮了，请尽快修好路灯。",
    "第一，公示上没有电梯广告收入；第二，没有车位租金；第三，业委会拒绝业主查账。"
    "请督促公开公共收益。",
    "养老院一不退押金，二不给发票，三是院长躲着不见人，请民政局管一管养老院。",
    "半夜施工的噪声一个是打桩机，一个是搅拌机，还有就是渣土车喇叭，吵得全家睡不着。",
    "垃圾桶满了没人收，另外桶也破了两个，第二天地上全是垃圾，求环卫每天清运一次。",
    "小区停水两天，一是老人没法做饭，二是孩子没法洗澡，三是厕所没法冲，什么时候来水？",
    "公交车等一个小时，第二辆也不停，第三辆满员上不去，请增加公交班次。",
    "老板欠我工资，一月的没发，二月的没发，还有一个月的加班费也没发，请劳动监察处理。",
    "楼上漏水，厨房漏，另外卫生间也漏，再一个卧室墙皮都泡掉了，请调解楼上邻居赔偿。",
    "咨询办理居住证：1、需要什么材料？2、在哪里办？3、多长时间能办好？",
    "电梯停运第四天了，五楼有老人下不来，另外还有孕妇，再就是快递都不给送，请赶紧修电梯。",
    "开发商逾期交房，第二次通知说年底，第三次又说明年，另外违约金一分不给，请住建局督促交房。",
]


@pytest.mark.parametrize("text", UNSPLIT)
def test_one_demand_is_one_whatever_it_enumerates(model: Model, text: str) -> None:
    verdict = classify(model, text)
    assert [demand.leaf for demand in verdict.demands] == [verdict.leaf]
    assert verdict.demands[0].text == text


def test_a_cut_loses_nothing_and_short_parts_stay() -> None:
    assert split_demands("修灯，另外谢谢") == ("修灯，另外谢谢",)
    parts = split_demands("一是小区门口的路灯一直不亮，二是楼下的垃圾好几天没有人来清运。")
    assert len(parts) == 2


@pytest.mark.parametrize("text", ["", "（无声）", "……", "喂，喂喂", "😀😀", "12345"])
def test_silence_goes_to_a_person(model: Model, text: str) -> None:
    verdict = classify(model, text)
    assert (verdict.leaf, verdict.abstained) == ("other.invalid_abusive", True)
    assert "回拨" in verdict.reasons[0]


def test_what_no_machine_reads_goes_to_a_person(model: Model) -> None:
    assert classify(model, "There is a fire in my flat, please help").abstained


def test_abuse_alone_is_invalid(model: Model) -> None:
    verdict = classify(model, "你们都是一帮废物，滚蛋！")
    assert (verdict.leaf, verdict.abstained) == ("other.invalid_abusive", False)
    assert verdict.decided_by == "rule"


@pytest.mark.parametrize(
    "text",
    [
        "我妈的高龄补贴没到账",
        "医疗废物没人收",
        "usb充电桩坏了",
        "楼道里是什么东西臭",
        "他妈的！路灯坏了一个月了",
    ],
)
def test_plain_words_are_no_abuse_and_abuse_hides_no_demand(model: Model, text: str) -> None:
    assert classify(model, text).leaf != "other.invalid_abusive"


@pytest.mark.parametrize("probability", [1.0, 0.9999, 0.5])
def test_a_certain_model_still_looks_for_the_matter(model: Model, probability: float) -> None:
    """However sure the model is of abuse, an insulting message is about its demand."""

    @dataclass(frozen=True)
    class Certain(Model):
        def predict_normalised(self, texts: Sequence[str]) -> list[Prediction]:
            second = Alternative(leaf="grid.street_lighting", probability=1 - probability)
            third = Alternative(leaf="grid.greening", probability=0.0)
            return [
                Prediction("other.invalid_abusive", probability, (second, third), 0.0, 1.0)
                for _ in texts
            ]

    certain = Certain(model.version, model.weights, model.confidence, model.threshold)
    verdict = classify(certain, "你们这帮废物，路灯坏了一个月了也没人来修")
    assert verdict.leaf == "grid.street_lighting"
    assert verdict.alternatives[0].leaf == "other.invalid_abusive"


def test_an_old_fraud_is_no_emergency(model: Model) -> None:
    verdict = classify(model, "前年我在网上被诈骗了三万元，派出所立案以后没有任何进展，请督促。")
    assert verdict.category is Category.SAFETY
    assert verdict.priority == Priority.P2
    assert any("人工调高" in reason for reason in verdict.reasons)


def test_danger_in_a_mild_matter_raises_it(model: Model) -> None:
    assert classify(model, "路灯不亮").priority == Priority.P3
    assert classify(model, "路灯杆漏电，孩子摸了一下手麻").priority == Priority.P0


@pytest.mark.parametrize(
    ("text", "urgent"),
    [
        ("请问独居老人的巡访怎么申请", False),
        ("想问问房屋安全鉴定找哪个部门", False),
        ("请问谁来管，楼道里一股煤气味", True),
    ],
)
def test_a_question_is_no_danger_unless_its_words_are(
    model: Model, text: str, urgent: bool
) -> None:
    assert is_emergency(classify(model, text).priority) == urgent


LETTER_OF_ARGUMENTS = (
    "尊敬的领导，我反映小区公共收益的账目问题，业委会三年来没有公布过一次，业主多次要求都被拒绝。"
    "1、电梯广告的租金去向不明，物业说已经用于维修，却拿不出一张发票，楼道的灯照样坏着没有人换。"
    "2、地面停车位收了三年的钱，路面坑洼也没有人修，说好的绿化更新到现在一棵树都没有看见。"
    "3、业委会换届一拖再拖，筹备组的名单始终没有公示。请街道督促业委会公开账目，尽快换届。"
)


def test_a_letter_that_numbers_its_arguments_is_one_demand(model: Model) -> None:
    assert len(classify(model, LETTER_OF_ARGUMENTS).demands) == 1


def test_the_reasons_name_rule_words_and_model(model: Model) -> None:
    verdict = classify(model, "楼道里有煤气味")
    assert verdict.decided_by == "rule"
    assert "煤气味" in verdict.reasons[0]
    assert "模型判断" in verdict.reasons[-1]


def test_a_title_counts(model: Model) -> None:
    with_title = classify(model, "请尽快处理，谢谢。", title="路灯不亮")
    assert with_title.leaf == "grid.street_lighting"


def test_many_are_answered_in_their_order(model: Model) -> None:
    texts = [(None, text) for text, _, _ in WORKED_CASES] + [(None, ""), ("题", "路灯不亮")]
    together = classify_many(model, texts)
    assert together == [classify(model, text, title) for title, text in texts]
    assert classify_many(model, []) == []


@pytest.mark.parametrize(
    "text",
    [
        "漏" * 100_000,
        "另外，" * 30_000,
        "煤气味" * 30_000,
        "\ud800\x00",
        "妈的" * 50_000,
        "(a+)+$" * 16_000,
        "[" * 100_000,
        "着火了没着火" * 15_000,
        "电梯，" * 30_000,
        "\x00\x1b[31m" * 20_000,
        "The gas is leaking " * 5_000,
        "ガス漏れです",
        "가스 냄새가 나요",
        "🔥" * 25_000,
    ],
)
def test_hostile_texts_are_answered_at_once(model: Model, text: str) -> None:
    start = time.process_time()
    assert classify(model, text).leaf in load_taxonomy()
    assert time.process_time() - start < 2


@pytest.mark.parametrize("text", ["煤气，泄漏", "着、火了", "电梯，困人了，快来", "有人，触电了"])
def test_a_gasp_inside_a_phrase_hides_no_danger(model: Model, text: str) -> None:
    verdict = classify(model, text)
    assert verdict.priority == "P0"
    assert verdict.danger is not None


@pytest.mark.parametrize("text", ["没有，着火的是外区", "不是，没漏煤气"])
def test_a_comma_in_its_place_is_no_gasp(model: Model, text: str) -> None:
    assert classify(model, text).danger is None


@pytest.mark.parametrize(
    "text",
    [
        "我举报楼底下小铺儿卖过期的酸奶…可别说是我讲的",
        "我听不见，发短信吧：厨房水管滴水，找物业也不来",
        "两边都推，到底我们这院儿的垃圾归谁清",
    ],
)
def test_a_matter_is_not_thrown_away_nor_cried_over_on_a_guess(model: Model, text: str) -> None:
    verdict = classify(model, text)
    assert verdict.leaf not in ("other.invalid_abusive", "other.non_jurisdiction")
    assert verdict.priority not in ("P0", "P1")
