"""The traps of place names, each a row: what is said, and what it must come to."""

import csv

import pytest

from services.router.domain.places.resolver import names_unregistered, resolve
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import Certainty, Place

GAZETTEER = load_policy(POLICY_DIRECTORY).gazetteer

EXACT, STREET = Certainty.EXACT, Certainty.STREET
AMBIGUOUS, UNKNOWN = Certainty.AMBIGUOUS, Certainty.UNKNOWN
OUTSIDE, TRANSFERRED = Certainty.OUTSIDE, Certainty.TRANSFERRED

NAMESAKES = [
    ("我们光明路社区有人摆摊", EXACT, "changhong"),
    ("宁河区光明路社区有人摆摊", OUTSIDE, None),
    ("华阳里下水堵了", EXACT, "xiangyanglu"),
    ("滨海新区华阳里下水堵了", OUTSIDE, None),
    ("滨海新区胡家园街道华阳里下水堵了", OUTSIDE, None),
    ("留园里停车乱", EXACT, "xiangyanglu"),
    ("滨海新区留园里停车乱", OUTSIDE, None),
    ("向阳路街道乱停车", STREET, "xiangyanglu"),
    ("向阳楼街道这边儿停水一天了", OUTSIDE, None),
    ("向阳楼街停水了", OUTSIDE, None),
    ("向阳路社区居委会", EXACT, "xiangyanglu"),
    ("芥园街道那边路灯坏了", OUTSIDE, None),
    ("芥园中里路灯坏了", EXACT, "xiangyanglu"),
    ("咸阳北路街道停水", OUTSIDE, None),
    ("咸阳里停水", EXACT, "jialingdao"),
    ("南京路社区有人摆摊", OUTSIDE, None),
    ("杨柳青镇停水", OUTSIDE, None),
    ("新世纪花园停水", UNKNOWN, None),
    ("幸福社区停水", AMBIGUOUS, None),
    ("翡翠雅园小区3号楼停水", UNKNOWN, None),
]
STEMS = [
    ("风荷园门口井盖碎了", EXACT, "wanxing"),
    ("风荷天江停水", EXACT, "guangkai"),
    ("凤荷天江停水", EXACT, "guangkai"),
    ("风荷新园停水", STREET, "guangkai"),
    ("我们风荷停水了", AMBIGUOUS, None),
    ("天大六村停水", EXACT, "xuefu"),
    ("天大6村停水", EXACT, "xuefu"),
    ("天大北五村停水", EXACT, "wanxing"),
    ("天大北5村停水", EXACT, "wanxing"),
    ("荣迁里停水", EXACT, "shuishang-gongyuan"),
    ("荣迁西里停水", EXACT, "xuefu"),
    ("荣迁停水", AMBIGUOUS, None),
    ("雅安东里停水", EXACT, "jialingdao"),
    ("雅安西里停水", EXACT, "jialingdao"),
    ("宜宾东里停水", EXACT, "jialingdao"),
    ("保山南里停水", EXACT, "wangdingdi"),
    ("保山北里停水", EXACT, "wangdingdi"),
    ("保山南停水", EXACT, "wangdingdi"),
    ("保山停水", AMBIGUOUS, "wangdingdi"),
    ("保山里停水", AMBIGUOUS, "wangdingdi"),
    ("我家住林苑，停水了", AMBIGUOUS, "wangdingdi"),
    ("林苑西里停水", EXACT, "wangdingdi"),
    ("林苑北里停水", EXACT, "wangdingdi"),
    ("雅安停水", AMBIGUOUS, "jialingdao"),
    ("天拖停水", AMBIGUOUS, "wangdingdi"),
    ("天拖东社区停水", EXACT, "wangdingdi"),
    ("西南村停水", AMBIGUOUS, "xuefu"),
    ("南大西南二社区停水", EXACT, "xuefu"),
    ("南大西南2社区停水", EXACT, "xuefu"),
    ("保山南里和保山北里都停水", STREET, "wangdingdi"),
    ("禧顺花园对面的雅安东里停水", STREET, "jialingdao"),
    ("林苑这边，就林苑东里，停水", EXACT, "wangdingdi"),
    ("保山南里跟风荷园都停水", AMBIGUOUS, None),
]
ROADS = [
    ("宾水西道391号门口烧烤", OUTSIDE, None),
    ("宾水西道393号门口烧烤", OUTSIDE, None),
    ("宾水西道399号门口烧烤", OUTSIDE, None),
    ("宾水西道３９３号门口烧烤", OUTSIDE, None),
    ("宾水西道三百九十三号门口烧烤", OUTSIDE, None),
    ("宾水西道三九三号门口烧烤", OUTSIDE, None),
    ("宾水西道393-1号门口烧烤", OUTSIDE, None),
    ("宾水西道390号门口烧烤", AMBIGUOUS, None),
    ("宾水西道400号门口烧烤", AMBIGUOUS, None),
    ("宾水西道门口烧烤", AMBIGUOUS, None),
    ("迎水道上井盖没了", AMBIGUOUS, None),
    ("迎水里停水", EXACT, "wangdingdi"),
    ("营水里停水", EXACT, "wangdingdi"),
    ("营水道上井盖没了", AMBIGUOUS, None),
    ("嘉陵道上井盖没了", AMBIGUOUS, None),
    ("嘉陵道街道办事处", STREET, "jialingdao"),
    ("雅安道上井盖没了", AMBIGUOUS, None),
    ("保山西道上井盖没了", UNKNOWN, None),
    ("长江道上井盖没了", AMBIGUOUS, None),
    ("光明路上井盖没了", AMBIGUOUS, None),
    ("我住在光明路", AMBIGUOUS, None),
    ("广开四马路上井盖没了", AMBIGUOUS, None),
    ("向阳路上井盖没了", AMBIGUOUS, None),
]
BORDERS = [
    ("华苑街道停水", STREET, "huayuan"),
    ("华苑产业区停水", OUTSIDE, None),
    ("华苑停水", AMBIGUOUS, None),
    ("华苑碧华里停水", EXACT, "huayuan"),
    ("华苑新城停水", EXACT, "huayuan"),
    ("王顶堤家园停水", OUTSIDE, None),
    ("王顶提家园停水", OUTSIDE, None),
    ("凌庄子停水", OUTSIDE, None),
    ("王顶堤停水", STREET, "wangdingdi"),
    ("王顶提停水", STREET, "wangdingdi"),
    ("王丁提停水", STREET, "wangdingdi"),
    ("王顶堤街道停水", STREET, "wangdingdi"),
    ("李七庄街道停水", OUTSIDE, None),
    ("李七庄西里停水", EXACT, "tiyu-zhongxin"),
    ("梅江街道停水", OUTSIDE, None),
    ("我在河西区，停水了", OUTSIDE, None),
    ("西青区中北镇停水", OUTSIDE, None),
    ("南开说不归他，西青区说没接手", UNKNOWN, None),
    ("我从河西区搬来的，保山南里停水", EXACT, "wangdingdi"),
    ("保山南里这边，梅江街道也这样", AMBIGUOUS, None),
]
OLD_NAMES = [
    ("红医里停水", EXACT, "shuishang-gongyuan"),
    ("近园里停水", EXACT, "shuishang-gongyuan"),
    ("芙蓉南里停水", EXACT, "changhong"),
    ("老城厢停水", EXACT, "gulou"),
    ("玉泉北里停水", EXACT, "wanxing"),
    ("奥城停水", EXACT, "tiyu-zhongxin"),
    ("阳光100停水", EXACT, "tiyu-zhongxin"),
    ("阳光壹佰停水", EXACT, "tiyu-zhongxin"),
    ("大园新居停水", EXACT, "xiangyanglu"),
]
STREETS = [
    ("万兴街道停水", STREET, "wanxing"),
    ("万兴街停水", STREET, "wanxing"),
    ("在学府街停水", STREET, "xuefu"),
    ("鼓楼那边停水", STREET, "gulou"),
    ("体育中心街停水", STREET, "tiyu-zhongxin"),
    ("水上公园里长椅坏了", STREET, "shuishang-gongyuan"),
    ("长虹街办事处不管", STREET, "changhong"),
    ("万兴街道同富停水", EXACT, "wanxing"),
    ("鼓楼区停水", UNKNOWN, None),
]
MOVED = [
    ("官易里", "西青区"),
    ("跃升里", "西青区"),
    ("春畅里", "西青区"),
    ("燕宇花园", "西青区"),
    ("燕宇小区", "西青区"),
    ("燕语花园", "西青区"),
    ("景园里", "西青区"),
    ("津涞花园", "西青区"),
    ("瑞泽园", None),
]


def where(text: str) -> Place:
    return resolve(GAZETTEER, text)


@pytest.mark.parametrize(
    ("text", "certainty", "street"),
    [*NAMESAKES, *STEMS, *ROADS, *BORDERS, *OLD_NAMES, *STREETS],
    ids=lambda value: str(value),
)
def test_a_trap(text: str, certainty: Certainty, street: str | None) -> None:
    place = where(text)
    assert (place.certainty, place.street) == (certainty, street), place.reasons


@pytest.mark.parametrize(("name", "district"), MOVED)
def test_a_community_that_moved_is_transferred_whatever_the_caller_says(
    name: str, district: str | None
) -> None:
    for text in (f"{name}污水冒了", f"南开区{name}污水冒了", f"向阳路街道{name}社区污水冒了"):
        place = where(text)
        assert (place.certainty, place.district) == (TRANSFERRED, district)
        assert place.street is None


@pytest.mark.parametrize(
    ("text", "district"),
    [
        ("向阳楼街道", "河东区"),
        ("宾水西道395号", "西青区"),
        ("凌庄子", "西青区"),
        ("华苑产业区", "西青区"),
        ("滨海新区留园里", "滨海新区"),
        ("河北区停水", "河北区"),
        ("海滨街道", None),
    ],
)
def test_a_place_elsewhere_names_its_district(text: str, district: str | None) -> None:
    assert where(text).district == district


def test_every_pair_one_character_apart_has_its_bare_stem_in_the_table() -> None:
    with (POLICY_DIRECTORY / "communities.csv").open(encoding="utf-8") as file:
        names = [row["name"].removesuffix("社区居委会") for row in csv.DictReader(file)]
    with (POLICY_DIRECTORY / "stems.csv").open(encoding="utf-8") as file:
        stems = {row["stem"]: set(row["names"].split("|")) for row in csv.DictReader(file)}
    for name in names:
        stem = name.removesuffix("里")
        if stem[-1] not in "东西南北中" or len(stem) < 3:
            continue
        pairs = {other for other in names if other[:-1][: len(stem) - 1] == stem[:-1]}
        siblings = {other for other in pairs if len(other) <= len(name)}
        if len(siblings) > 1:
            assert siblings <= stems[stem[:-1]], stem


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("我们鸿福里是老楼区", "鸿福里"),
        ("锦华小区5号楼没人扫", "锦华小区"),
        ("家住云锦花园，停水了", "云锦花园"),
        ("瑞光公寓二号楼电梯坏了", "瑞光公寓"),
        ("宾水西道100号门口烧烤", "宾水西道100号"),
        ("我们新春花苑停水", "新春花苑"),
    ],
)
def test_a_name_that_is_in_no_register_is_kept_for_a_person(text: str, name: str) -> None:
    place = where(text)
    assert names_unregistered(place)
    assert any(name in reason for reason in place.reasons)
    assert place.street is None


@pytest.mark.parametrize(
    "text", ["我们金友花园停水了", "瑞秀园小区停水了", "秀波里3号楼停水", "我们富贵里停水了"]
)
def test_a_name_only_another_district_has_is_checked_by_a_person(text: str) -> None:
    place = where(text)
    assert place.certainty in (AMBIGUOUS, UNKNOWN)
    assert names_unregistered(place)


def test_a_namesake_is_told_with_its_district() -> None:
    assert any("同名社区" in reason for reason in where("我们金友花园停水了").reasons)


def test_a_district_directly_before_claims_a_namesake() -> None:
    assert where("西青区金友花园停水了").certainty is OUTSIDE
    assert where("金友花园社区停水了").certainty is OUTSIDE


ORDINARY = [
    "邻县人民医院收费不合理",
    "在省人民医院做的手术想报销",
    "转到市第三人民医院又没床位",
    "小区西北角的垃圾没人清",
    "楼西北角漏水",
    "路灯坏了好几天了，黑灯瞎火的",
    "祝你们工作顺利，家庭幸福，团结和平",
    "我们要走共同富裕的道路",
    "希望政府光明正大地处理",
    "长江里的水位很高",
    "心里难受，夜里睡不着",
    "家里没有热水，屋里冷得很",
    "小区里有人养鸡",
    "我们小区物业不管",
    "这个小区的楼道里堆满了东西",
    "幼儿园里孩子被打了",
    "学校里食堂不卫生",
    "电梯里头关着人",
    "公园里跳广场舞太吵",
    "邻居家装修噪音扰民",
    "请问医保怎么报销",
    "社保断缴了怎么补",
    "想咨询一下养老金的政策",
    "你们一帮废物，电话打八遍了",
    "楼上漏水漏我一屋子",
    "（无声）……（无声）",
    "工资拖欠三个月了",
    "消防通道让人堵了",
    "我妈今年八十二了，走丢了",
    "出租车拒载，司机态度恶劣",
    "买的手机坏了商家不给退",
    "老年卡怎么办理",
    "外卖里吃出虫子",
    "建华同志服务态度很好，表扬一下",
    "听到佳音非常高兴",
    "这家店卖的龙井茶叶是假的",
    "卧龙自然保护区的旅游投诉",
    "保卫安全人人有责",
    "延长里程保修期",
    "大观园里的门票太贵",
    "我是四川宜宾人，来天津打工",
    "汶川地震捐款的事",
    "新城镇化建设的建议",
    "广开言路，听取群众意见",
    "明星城市评选作弊",
    "去年在云南保山旅游被骗",
    "河北省的驾照怎么换",
    "和平年代要珍惜",
    "村里的路没修好",
    "地下室里有一股怪味",
    "楼道里一股子煤气味儿",
    "单位里不给交保险",
    "手里的房本丢了怎么补",
    "我们公司里没有食堂",
    "车站里没有卫生间",
    "我们院子里的树倒了",
    "南开大学招生咨询",
    "这里那里都是垃圾",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_sentence_names_no_place(text: str) -> None:
    place = where(text)
    assert (place.certainty, place.street) == (UNKNOWN, None), place.reasons
    assert not names_unregistered(place), place.reasons
