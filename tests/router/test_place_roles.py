"""Places that callers name beside the matter: their home, a former report, a slip, a neighbour."""

import pytest

from services.router.domain.places.resolver import resolve
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import Certainty, Place

GAZETTEER = load_policy(POLICY_DIRECTORY).gazetteer

AWAY_FROM_HOME = [
    ("我住沱江里，投诉的是公司旁边河东区那个浴池", "河东区"),
    ("我家在颂禹里，可今儿要说的是北辰区宜兴埠那边", "北辰区"),
    ("家住正阳里，昨天在滨江道让人骗了", "和平区"),
    ("俺家在川南里，可我要举报的是西青区那家黑作坊", "西青区"),
    ("本人住保山南里，反映一下河东区有个工地夜里施工", "河东区"),
    ("您好我是迎水里的，想投诉和平区一家健身房跑路", "和平区"),
    ("我在金川里住，今天要说的是北辰区那边一个修车铺", "北辰区"),
    ("我家是风荷园的，在河西区的饭馆吃坏了肚子", "河西区"),
    ("我是雅安东里的居民，我要反映红桥区西沽公园里有人打鸟", "红桥区"),
    ("投诉塘沽那边一家旅行社，我家住华阳里", "滨海新区"),
    ("我单位在川南里，反映的是河北区狮子林桥那儿的路灯", "河北区"),
    ("迎水里居民反映，在河西区某商场购卡不退", "河西区"),
    ("来电人住迎水里，反映在河西区某健身房办卡不退", "河西区"),
    ("我住王顶堤，上礼拜在劝业场街道那儿买的金镯子是假的", "和平区"),
    ("我家住学府花园，投诉河北区那个饭馆", "河北区"),
    ("我家住林苑，要说的是河北区那个饭馆", "河北区"),
    ("我住南开区宁福里，要反映河北区那个菜市场缺斤短两", "河北区"),
    ("我家南开的，事儿出在河西区", "河西区"),
    ("我住和平区，投诉的是河西区那家饭馆", "河西区"),
    ("大爷我家搁川南里住，寻思问问西青区那个垃圾站", "西青区"),
    ("我住华苑碧华里，孩子在河西区一个培训班，不给退费", "河西区"),
    ("我住月环里，但是出事地点是津南区咸水沽", "津南区"),
    ("家住易川里昨天在五大道让三轮车坑了", "和平区"),
    ("我家在易川里，昨儿在劝业场让人偷了手机", "和平区"),
    ("我家在颂禹里住着，出的事儿在小白楼", "和平区"),
    ("别提我家金厦里，我说的是和平区的事", "和平区"),
    ("我们小区是迎水里，投诉河西区那家饭馆", "河西区"),
    ("投诉河西区那家饭馆，我们家在迎水里3号楼2单元", "河西区"),
    ("投诉河北区那个饭馆，我家住迎水里小区3号楼2单元", "河北区"),
    ("家住迎水里，想反映河西区的住宅楼夜里施工", "河西区"),
]
AT_HOME = [
    ("西青区的物业公司管着我们莹华里", "huayuan"),
    ("我是西青大寺的，颂禹里那边有人放炮", "guangkai"),
    ("我是杨柳青的，颂禹里那边有人放炮", "guangkai"),
    ("河北省的货车堵在月环里", "xuefu"),
    ("我家住迎水里，西青区的施工队夜里施工吵得睡不着", "wangdingdi"),
    ("我住川南里，河北区来的货车堵着我们小区门口", "jialingdao"),
    ("我是保山南里业主，和平区的开发商把我们物业换了", "wangdingdi"),
    ("家住迎水里，孩子在河西区上学，我们楼道灯坏了", "wangdingdi"),
    ("我住迎水里，河西区说不归他们管，井盖一直没人修", "wangdingdi"),
    ("我家在风荷园，媳妇是红桥区人，楼下烧烤扰民", "wanxing"),
    ("家住迎水里，楼上是塘沽来的租户，天天吵", "wangdingdi"),
    ("我家在宁福里，楼下停着河东区的车", "shuishang-gongyuan"),
    ("家住迎水里，单位在河西区，要说的是家门口的井盖", "wangdingdi"),
    ("家住颂禹里，开发商是北辰区的，房子漏水", "guangkai"),
    ("老家在武清，现在住迎水里，楼道没灯", "wangdingdi"),
    ("我家住迎水里，迎水道上井盖没了", "wangdingdi"),
    ("我住迎水里，河西的亲戚来了没地方停车", "wangdingdi"),
    ("在河西，迎水里停水", "wangdingdi"),
]
HOME_OR_AWAY = [
    ("我住迎水里，到武清一个采摘园玩，不给退票", {"wangdingdi"}),
    ("我住川南里，坐车去东丽区，公交车司机骂人", {"jialingdao"}),
    ("我住迎水里，昨天在滨江道买的灯，回来发现楼道停电了", {"wangdingdi"}),
    ("我家住学府花园，去武清玩采摘园不退票", {"xuefu"}),
    ("我家住迎水里，想问一下河西区都供暖了我们怎么还没供", {"wangdingdi"}),
    ("我住迎水里，河西区那边都通燃气了，就剩我们", {"wangdingdi"}),
    ("我家在迎水里，停在门口的车被河东区那个交警贴条", {"wangdingdi"}),
    ("我是风荷园3号楼的居民，河东万达门口有人骗老人", {"wanxing"}),
    ("我住迎水里，在和平买的手机不给退", {"wangdingdi"}),
    ("我家在颂禹里，河北那个意风区停车乱收费", {"guangkai"}),
    ("我家在迎水里停水了，风荷园也停了", {"wangdingdi", "wanxing"}),
    ("学府花园和梅江都停水", {"xuefu"}),
    ("俺住王顶堤，俺儿在塘沽打工，工头不给钱", {"wangdingdi"}),
    ("家住保山南里，南马路那边有人摆摊", {"gulou", "xingnan"}),
]
TAKEN_BACK = [
    ("您记错了，不是莹华里，是保山北里", "wangdingdi"),
    ("我说的不是迎水里，是风荷园", "wanxing"),
    ("这不是川南里，这是保山南里", "wangdingdi"),
    ("没在迎水里，在风荷园门口呢", "wanxing"),
    ("迎水里，不对，是风荷园，路灯坏了", "wanxing"),
    ("川南里，说错了，是风荷园", "wanxing"),
    ("是迎水里，哦不，风荷园的路灯坏了", "wanxing"),
    ("你们听成迎水里了，是风荷园", "wanxing"),
    ("上回派错到迎水里了，我在风荷园", "wanxing"),
    ("竹华里？不是，是金厦里", "wangdingdi"),
    ("不是天大六村，是天大北五村", "wanxing"),
    ("不是梅江，是迎水里", "wangdingdi"),
    ("报错了，刚才说的迎水里，实际是风荷园", "wanxing"),
    ("我要反映的是风荷园而不是迎水里", "wanxing"),
    ("更正一下不是迎水里是风荷园", "wanxing"),
    ("迎水里停水，不是风荷园", "wangdingdi"),
]
NOT_TAKEN_BACK = [
    ("是不是迎水里停水了", "wangdingdi"),
    ("这不是迎水里停水了吗", "wangdingdi"),
    ("要不是迎水里物业拦着，早打起来了", "wangdingdi"),
    ("不是迎水里的人停的车，停我们这儿", "wangdingdi"),
    ("好像迎水里停水了", "wangdingdi"),
    ("像迎水里这样的老小区没人管", "wangdingdi"),
    ("我人不在迎水里，家里让楼上漏水泡了", "wangdingdi"),
]
REPORTED_BEFORE = [
    ("前天报过月环里，这回是颂禹里", "guangkai"),
    ("上个月投诉过川南里的噪音，这次是风荷园的路灯", "wanxing"),
    ("前两天打电话说的是迎水里，今天说风荷园门口的坑", "wanxing"),
    ("昨天反映的迎水里已经修了，今儿风荷园又坏了", "wanxing"),
    ("迎水里那个上回报过了，这回说风荷园", "wanxing"),
    ("前天报过迎水里，这回风荷园也坏了", "wanxing"),
    ("前天报过迎水里的路灯，这回是井盖", "wangdingdi"),
    ("以前住迎水里，现在住风荷园，楼道灯坏了", "wanxing"),
    ("从迎水里搬到风荷园，燃气没开通", "wanxing"),
    ("上回是迎水里，这回是风荷园", "wanxing"),
    ("去年是迎水里，今年轮到风荷园了", "wanxing"),
]
LIKENED = [
    ("像人家莹华里那样，我们颂禹里也得装个门", "guangkai"),
    ("你看人家迎水里，我们风荷园哪有人管", "wanxing"),
    ("跟迎水里一样，我们风荷园也该装电梯", "wanxing"),
    ("不如人家川南里，我们保山南里没人扫", "wangdingdi"),
    ("像迎水里那样装个门，风荷园啥时候装", "wanxing"),
    ("迎水里都修了，我们风荷园怎么不修", "wanxing"),
    ("凭什么迎水里能装，我们风荷园不能装", "wanxing"),
    ("风荷园跟迎水里比差远了", "wanxing"),
    ("我们风荷园不如人家迎水里", "wanxing"),
]
NEIGHBOURS = [
    ("紧挨着月环里的颂禹里", "guangkai"),
    ("靠着川南里的保山南里楼下", "wangdingdi"),
    ("迎水里旁边的风荷园", "wanxing"),
    ("紧邻保山南里的保山北里", "wangdingdi"),
    ("风荷园挨着迎水里", "wanxing"),
    ("风荷园就在迎水里旁边", "wanxing"),
    ("迎水里后面那个风荷园", "wanxing"),
]
ON_THE_WAY = [
    ("从迎水里骑到风荷园，一路没灯", {"wangdingdi", "wanxing"}),
    ("打川南里往保山南里走，路上有个坑", {"jialingdao", "wangdingdi"}),
    ("从川南里到大悦城这趟公交老不来", {"jialingdao", "xingnan"}),
    ("不是迎水里就是风荷园，反正那一块没电", {"wangdingdi", "wanxing"}),
    ("迎水里到风荷园这段路没灯", {"wangdingdi", "wanxing"}),
    ("在迎水里和风荷园中间那条路", {"wangdingdi", "wanxing"}),
    ("迎水里都停水了，我们风荷园也停了", {"wangdingdi", "wanxing"}),
]
ARRIVED = [
    ("从迎水里骑车到风荷园门口摔了一跤", "wanxing"),
    ("从迎水里走到风荷园的时候被狗咬了", "wanxing"),
    ("从迎水里骑到风荷园，在川南里门口摔了", "jialingdao"),
    ("从迎水里骑到风荷园，风荷园门口路灯不亮", "wanxing"),
]


def where(text: str) -> Place:
    return resolve(GAZETTEER, text)


def streets(place: Place) -> set[str | None]:
    return {candidate.street for candidate in place.candidates}


@pytest.mark.parametrize(("text", "district"), AWAY_FROM_HOME)
def test_a_matter_in_another_district_is_not_at_the_callers_home(text: str, district: str) -> None:
    place = where(text)
    assert (place.certainty, place.district) == (Certainty.OUTSIDE, district), place.reasons


@pytest.mark.parametrize(("text", "street"), [*AT_HOME, *NOT_TAKEN_BACK])
def test_a_home_stays_where_another_place_only_comes_up(text: str, street: str) -> None:
    place = where(text)
    assert (place.certainty, place.street) == (Certainty.EXACT, street), place.reasons


@pytest.mark.parametrize(("text", "wanted"), [*HOME_OR_AWAY, *ON_THE_WAY])
def test_where_the_matter_may_be_at_either_place_a_person_is_asked(
    text: str, wanted: set[str]
) -> None:
    place = where(text)
    assert place.certainty is Certainty.AMBIGUOUS, place.reasons
    assert streets(place) == wanted


@pytest.mark.parametrize(
    ("text", "street"), [*TAKEN_BACK, *REPORTED_BEFORE, *LIKENED, *NEIGHBOURS, *ARRIVED]
)
def test_the_place_meant_is_told_from_the_one_only_mentioned(text: str, street: str) -> None:
    place = where(text)
    assert (place.certainty, place.street) == (Certainty.EXACT, street), place.reasons


@pytest.mark.parametrize("text", ["我说的不是迎水里", "人家迎水里都修了，我们这儿没人管"])
def test_a_place_only_denied_or_envied_decides_nothing(text: str) -> None:
    place = where(text)
    assert (place.certainty, place.candidates) == (Certainty.UNKNOWN, ()), place.reasons


def test_a_road_that_does_not_reach_the_home_is_not_at_the_home() -> None:
    assert "wangdingdi" not in streets(where("我家住迎水里，要说的是长江道上那个大坑"))


@pytest.mark.parametrize(
    ("text", "district"),
    [
        ("以前住横江里，现住河西区陈塘庄，电梯坏了", "河西区"),
        ("三年前搬离嘉陵北里，现在的家在北辰区瑞景，楼上漏水", "北辰区"),
        ("原籍南开区宜君里，现居东丽区金钟街，楼道没灯", "东丽区"),
    ],
)
def test_who_has_moved_away_calls_from_where_they_live_now(text: str, district: str) -> None:
    place = where(text)
    assert (place.certainty, place.district) == (Certainty.OUTSIDE, district), place.reasons


@pytest.mark.parametrize(
    "text",
    [
        "我家住华苑居华里，我妈住河东区向阳楼，楼道里堆得全是破烂",
        "我住风荷园，公司欠薪，公司在河西区",
        "我家住金厦里，单位在西青开发区，单位不给交社保",
    ],
)
def test_a_home_is_in_doubt_where_the_matter_may_be_at_work_or_with_the_family(text: str) -> None:
    place = where(text)
    assert place.certainty is Certainty.AMBIGUOUS, place.reasons
