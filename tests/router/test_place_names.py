"""Names as callers cut or slur them: stations, corners, other districts, names that two share."""

import pytest

from services.router.domain.places.resolver import resolve
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import Certainty, Place

GAZETTEER = load_policy(POLICY_DIRECTORY).gazetteer

OUR_STATIONS = [
    ("咸阳路", {"xiangyanglu"}),
    ("鼓楼", {"gulou", "xingnan"}),
    ("天拖", {"wangdingdi", "xuefu"}),
    ("鞍山西道", {"wanxing", "xuefu", "jialingdao"}),
    ("王顶堤", {"wangdingdi"}),
    ("华苑", {"huayuan"}),
    ("天塔", {"shuishang-gongyuan"}),
    ("水上公园东路", {"tiyu-zhongxin"}),
    ("八里台", {"xuefu"}),
    ("天津大学", {"xuefu", "wanxing"}),
]
STATIONS_ELSEWHERE = [
    ("西康路", "和平区"),
    ("复兴路", "红桥区"),
    ("鞍山道", "和平区"),
    ("佟楼", "河西区"),
    ("肿瘤医院", "河西区"),
    ("大学城", "西青区"),
]
OF_OTHER_CITIES = [
    "上海大悦城的停车费怎么这么贵",
    "在武汉市的富力城买的房子质量有问题",
    "沈阳铁西区那个世纪花园没给暖气",
    "去青岛玩，青岛的阳光100楼下饭馆宰客",
    "北京西单大悦城买的鞋开胶了",
    "西安市雁塔区的时代公寓中介不退押金",
    "重庆彩虹花园的快递一直没到",
    "大连理工大学的毕业证怎么认证",
]
OF_OTHER_TOWNS = [
    "汉沽留园里那边楼道堆东西",
    "塘沽那边的春晖里门口占道",
    "北辰区双街那个水上公园里遛狗的太多",
    "静海区大邱庄的金海花园门禁坏了",
    "大港胜利街世纪花园停暖",
]
STILL_OURS = [
    ("我从北京来天津富力城看房子", "gulou"),
    ("上海过来的工程队在金厦里施工扰民", "wangdingdi"),
    ("河北省的货车堵在月环里门口", "xuefu"),
    ("北京户口的业主住金厦里，物业不给办卡", "wangdingdi"),
]
AS_STATIONS_ARE_SAID = [
    "{}地铁站扶梯坏了",
    "{}地铁口有人摆摊",
    "{}站地铁口电动车乱停",
    "{}地铁C口没路灯",
    "{}那个地铁口黑车拉客",
    "地铁{}站里漏水",
    "坐地铁到{}站出来",
]
CORNERS = [
    ("雅安道前江路那嘎达", "jialingdao"),
    ("红旗路复康路那儿", "wangdingdi"),
    ("红旗路跟复康路那块儿", "wangdingdi"),
    ("复康路红旗路这疙瘩", "wangdingdi"),
    ("西湖道南丰路那溜儿有坑", "wanxing"),
    ("密云路黄河道那一片没路灯", "xiangyanglu"),
    ("密云路黄河道附近", "xiangyanglu"),
    ("红旗路复康路那地界儿", "wangdingdi"),
    ("西湖道南丰路那个角上有个坑", "wanxing"),
    ("雅安道挨泊江路那块", "jialingdao"),
    ("向阳路长江道把角那个井盖", "xiangyanglu"),
]
ELSEWHERE = [
    ("大胡同批发市场卖假货", "红桥区"),
    ("在大胡同买的鞋开胶", "红桥区"),
    ("塘沽停水", "滨海新区"),
    ("投诉武清一个采摘园", "武清区"),
    ("蓟州那边的农家院", "蓟州区"),
    ("我在津南买的房", "津南区"),
    ("滨江道步行街", "和平区"),
    ("五大道那边的马车", "和平区"),
    ("西沽公园里有人打鸟", "红桥区"),
    ("铃铛阁中学门口堵车", "红桥区"),
    ("东丽区万新街道停水", "东丽区"),
    ("天津市人民医院门口", "红桥区"),
    ("我在河西区让人骗了", "河西区"),
    ("在劝业场买的金镯子是假的", "和平区"),
    ("小白楼那边写字楼停车乱收费", "和平区"),
    ("丁字沽那边停水", "红桥区"),
    ("河东区中山门公园里头健身器材断了", "河东区"),
    ("津南咸水沽那边的养老院", "津南区"),
]
NO_PLACE = [
    "手机掉长江里了怎么补办卡",
    "孩子在儿童乐园里摔断了胳膊",
    "超市食品楼层地上有水",
    "中石化楼下加油站不开发票",
    "心连心里有百姓",
    "买的鼓楼牌香油有怪味",
    "我们这条大胡同没有灯",
    "第五大道那个牌子的衣服掉色",
    "北辰家园停水",
    "东丽湖花园西门坏了",
    "武清路有坑",
    "河东万达门口有人骗老人",
    "和平年代要珍惜",
    "买的杨柳青年画是印刷品",
    "我是武清人，工资拖欠",
    "天津地铁站太挤",
    "地铁口有人摆摊",
    "大港油田的退休金",
    "转到市第三人民医院又没床位",
]
TO_BE_CONFIRMED = [
    ("二中心小学门口堵车", {"xiangyanglu"}),
    ("天佑城负一层没灯", {"guangkai", "gulou"}),
    ("天托那边停水", {"wangdingdi"}),
    ("天托地铁口", {"wangdingdi", "xuefu"}),
    ("第二人民医院门口", {"xuefu"}),
]
SHARED = [
    ("人民医院门口号贩子", {"xuefu"}, "红桥区"),
    ("翔宇门口接孩子堵车", {"xingnan"}, "河西区"),
    ("翔宇中学食堂不干净", {"xingnan"}, "河西区"),
    ("万新街道停水", {"wanxing"}, "东丽区"),
    ("万新街停水", {"wanxing"}, "东丽区"),
]
NAMED_AFTER = [
    "奥城商业广场对面",
    "奥城商业广场门口",
    "时代奥城商业街油烟大",
    "奥城写字楼停电",
    "奥城酒店后厨排烟",
]


def where(text: str) -> Place:
    return resolve(GAZETTEER, text)


def streets(place: Place) -> set[str | None]:
    return {candidate.street for candidate in place.candidates}


@pytest.mark.parametrize("said", AS_STATIONS_ARE_SAID)
@pytest.mark.parametrize(("name", "wanted"), OUR_STATIONS)
def test_a_station_of_ours_is_proposed_however_it_is_said(
    name: str, wanted: set[str], said: str
) -> None:
    place = where(said.format(name))
    assert place.certainty is Certainty.AMBIGUOUS, place.reasons
    assert streets(place) == wanted


@pytest.mark.parametrize("said", AS_STATIONS_ARE_SAID)
@pytest.mark.parametrize(("name", "district"), STATIONS_ELSEWHERE)
def test_a_station_elsewhere_is_elsewhere_however_it_is_said(
    name: str, district: str, said: str
) -> None:
    place = where(said.format(name))
    assert (place.certainty, place.district) == (Certainty.OUTSIDE, district), place.reasons


@pytest.mark.parametrize(("text", "street"), CORNERS)
def test_two_roads_and_a_word_for_there_are_a_crossing(text: str, street: str) -> None:
    place = where(text)
    assert (place.certainty, place.street) == (Certainty.STREET, street), place.reasons


@pytest.mark.parametrize(("text", "district"), ELSEWHERE)
def test_other_districts_and_their_well_known_places_need_no_suffix(
    text: str, district: str
) -> None:
    place = where(text)
    assert (place.certainty, place.district) == (Certainty.OUTSIDE, district), place.reasons


@pytest.mark.parametrize("text", OF_OTHER_CITIES)
def test_a_name_that_another_city_claims_is_none_of_ours(text: str) -> None:
    assert where(text).certainty is Certainty.UNKNOWN


@pytest.mark.parametrize("text", OF_OTHER_TOWNS)
def test_a_name_that_a_far_town_claims_is_none_of_ours(text: str) -> None:
    place = where(text)
    assert place.certainty in (Certainty.UNKNOWN, Certainty.OUTSIDE)
    assert place.street is None


@pytest.mark.parametrize(("text", "street"), STILL_OURS)
def test_a_city_that_is_only_spoken_of_claims_no_name(text: str, street: str) -> None:
    place = where(text)
    assert place.street == street, place.reasons


@pytest.mark.parametrize("text", NO_PLACE)
def test_a_word_that_holds_the_name_of_a_place_is_none(text: str) -> None:
    place = where(text)
    assert (place.certainty, place.district) == (Certainty.UNKNOWN, None), place.reasons


@pytest.mark.parametrize(("text", "wanted"), TO_BE_CONFIRMED)
def test_a_short_or_misheard_name_is_proposed(text: str, wanted: set[str]) -> None:
    place = where(text)
    assert place.certainty is Certainty.AMBIGUOUS, place.reasons
    assert streets(place) == wanted


@pytest.mark.parametrize(("text", "wanted", "district"), SHARED)
def test_a_name_of_ours_and_of_another_district_goes_to_a_person(
    text: str, wanted: set[str], district: str
) -> None:
    place = where(text)
    assert (place.certainty, place.district) == (Certainty.AMBIGUOUS, None)
    assert streets(place) == wanted
    assert any(district in reason for reason in place.reasons)


def test_a_shared_name_is_asked_for_by_what_tells_the_places_apart() -> None:
    question = where("人民医院门口号贩子").question
    assert question == "请问是天津市第二人民医院，还是红桥区的人民医院？"


@pytest.mark.parametrize("text", NAMED_AFTER)
def test_what_is_called_after_a_community_is_not_said_to_be_in_it(text: str) -> None:
    place = where(text)
    assert (place.certainty, place.street) == (Certainty.STREET, "tiyu-zhongxin")
    assert place.community is None
