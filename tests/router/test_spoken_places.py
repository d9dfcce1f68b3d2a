"""Places as callers say them, by the form they say them in, each with what it must come to.

What the register knows from a source decides; what it only supposes, and every road alone, is
left open with its candidates: never unknown, and never one of them at random.
"""

import shutil
from datetime import date
from pathlib import Path

import pytest

from services.router.domain.places.resolver import resolve
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import Certainty, Place

GAZETTEER = load_policy(POLICY_DIRECTORY).gazetteer

COMPOUNDS = [
    ("重信公寓楼道里堆满了纸箱", "wanxing"),
    ("飞云东里的垃圾三天没人清", "wanxing"),
    ("我家红磡花园，楼下装修太吵", "wanxing"),
    ("凯立花园地库进水", "wanxing"),
    ("万维花园物业不管事", "wanxing"),
    ("阳光壹佰北园电梯老坏", "tiyu-zhongxin"),
    ("凌奥花园门口全是小广告", "tiyu-zhongxin"),
    ("欣居园停电了", "tiyu-zhongxin"),
    ("翠泽园乱收停车费", "tiyu-zhongxin"),
    ("照湖西里没来暖气", "xuefu"),
    ("星环里2号楼下水堵了", "xuefu"),
    ("华鹊里有人养鸡", "xuefu"),
    ("天江格调花园地库漏水", "guangkai"),
    ("颂禹东里路灯坏了", "guangkai"),
    ("星座园绿化带被占了", "guangkai"),
    ("静德花园消防通道堵了", "gulou"),
    ("平祥大厦电梯困过人", "gulou"),
    ("紫熙台有人群租", "gulou"),
    ("临潼西里房子漏雨", "changhong"),
    ("石泉里污水往外溢", "changhong"),
    ("水郡花园健身器材断了", "changhong"),
    ("云阳北里没有门禁", "xiangyanglu"),
    ("正阳里楼顶掉皮", "xiangyanglu"),
    ("云龙南里下水返味", "jialingdao"),
    ("沱江里井盖响", "jialingdao"),
    ("长江公寓停水", "jialingdao"),
    ("罗江东里树枝碰电线", "jialingdao"),
    ("明园里电动车进楼", "wangdingdi"),
    ("迎水东里地面塌了一块", "wangdingdi"),
    ("江川北里墙皮往下掉", "wangdingdi"),
    ("天房崇德园飞线充电", "shuishang-gongyuan"),
    ("佳闻公寓门口堵车", "shuishang-gongyuan"),
    ("德庆里没有路灯", "xingnan"),
    ("中国窗楼下烧烤", "xingnan"),
    ("重信公寓3号楼", "wanxing"),
    ("重信公寓小区", "wanxing"),
    ("重 信 公 寓 停 水", "wanxing"),
    ("飛雲東里停水", "wanxing"),
    ("重信公寓停水", "wanxing"),
]
PROPOSED = [
    ("万维名邸门口积水", {"wanxing"}),
    ("学府花园停水", {"xuefu"}),
    ("白堤西里停水", {"wanxing", "xuefu"}),
    ("丹颐园路灯坏了", {"shuishang-gongyuan", "xuefu"}),
    ("芥园北里没有路灯", {"xiangyanglu", "jialingdao"}),
    ("鲁能城地下车库进水了", {"shuishang-gongyuan"}),
    ("鲁能城斜对过堆着渣土", {"shuishang-gongyuan"}),
    ("长虹生态园里有人钓鱼", {"changhong"}),
    ("五马路小学门口接孩子堵路", {"guangkai"}),
    ("南开中学门口堵死了", {"xingnan"}),
    ("周邓纪念馆门口长椅断了", {"shuishang-gongyuan"}),
    ("水上公园东门卖气球的拦路", {"shuishang-gongyuan"}),
    ("一中心医院门口堵车", {"xuefu", "wangdingdi"}),
    ("海光寺地铁站A口电动车乱停", {"wanxing", "xingnan"}),
    ("地铁二纬路站出来一堆共享单车", {"xingnan"}),
    ("西南角地铁站后面小吃街油烟大", {"guangkai", "gulou"}),
    ("鞍山西道地铁站C口扶梯坏了", {"wanxing", "xuefu", "jialingdao"}),
    ("八里台立交桥下面有人睡", {"xuefu", "shuishang-gongyuan"}),
    ("星城门口停水", {"tiyu-zhongxin"}),
    ("祥丰停水了", {"gulou"}),
    ("卧龙这边没人管", {"wanxing"}),
]
SHORT_NAMES = [
    ("奥体后身那条道路灯不亮", "tiyu-zhongxin"),
    ("奥林匹克体育中心外面黑车拉客", "tiyu-zhongxin"),
    ("水滴东门摆摊的太多", "tiyu-zhongxin"),
    ("文庙对面有人乱停车", "gulou"),
    ("天大东门共享单车堆成山", "xuefu"),
    ("南大西门对面烧烤", "xuefu"),
    ("融府北门修路太吵", "wanxing"),
    ("檀府门口没有路灯", "gulou"),
]

LANDMARKS = [
    ("南大西门对面天天有小摊", "xuefu"),
    ("南开大学东门外面路灯不亮", "xuefu"),
    ("天大北门口违停", "xuefu"),
    ("大悦城后身那条小马路", "xingnan"),
    ("大悦城北门有人卖唱", "xingnan"),
    ("古文化街宫前有人摆地摊", "gulou"),
    ("南翠屏公园跑道坏了", "tiyu-zhongxin"),
    ("时代奥城商业广场音响太响", "tiyu-zhongxin"),
]
CROSSINGS = [
    ("红旗路和复康路交口", "wangdingdi"),
    ("红旗路与复康路交会处积水", "wangdingdi"),
    ("红旗路跟复康路那个十字路口有坑", "wangdingdi"),
    ("复康路红旗路路口灯坏了", "wangdingdi"),
    ("复康路红旗路口儿", "wangdingdi"),
    ("复康路到红旗路之间没有路灯", "wangdingdi"),
    ("复康路靠近红旗路那儿堆渣土", "wangdingdi"),
    ("红旗路、复康路交叉口", "wangdingdi"),
    ("红旗路同复康路拐角", "wangdingdi"),
    ("红旗路及复康路交汇处", "wangdingdi"),
    ("红旗路×复康路", "wangdingdi"),
    ("紅旗路與復康路交口", "wangdingdi"),
    ("密云路和黄河道交口孩子掉井里了", "xiangyanglu"),
    ("黄河道与密云路交口冒污水", "xiangyanglu"),
    ("西湖道、南丰路交口", "wanxing"),
    ("南丰路跟西湖道那个红绿灯", "wanxing"),
    ("营水道和红旗路交口", "shuishang-gongyuan"),
    ("艳阳路与迎水道交口", "wangdingdi"),
    ("南马路与西马路交口", "gulou"),
    ("向阳路和长江道交口", "xiangyanglu"),
]
BORDER_CROSSINGS = [
    ("鞍山西道和白堤路交口红绿灯坏了", {"wanxing", "xuefu"}),
    ("鞍山西道跟三潭路那个十字路口", {"wanxing", "xuefu"}),
    ("长江道和南丰路交叉口井盖响", {"wanxing", "guangkai"}),
    ("卫津路和鞍山道交口的信号灯坏了", {"wanxing", "xuefu"}),
    ("保山道与红旗路交口", {"wangdingdi", "xuefu"}),
]
ROADS = [
    ("鞍山西道路灯坏了一大片", {"xuefu", "wanxing"}),
    ("白堤路有人遛狗不拴绳", {"xuefu", "wanxing"}),
    ("南马路乱停车", {"gulou", "xingnan"}),
    ("向阳路堵死了", {"xiangyanglu", "jialingdao"}),
    ("保山道上井盖没了", {"wangdingdi"}),
    ("冶金路坑坑洼洼", {"xiangyanglu"}),
    ("长江道修路没完没了", {"wanxing", "guangkai", "jialingdao", "xiangyanglu", "changhong"}),
    ("水上公园北路上井盖没了", {"shuishang-gongyuan"}),
    ("宾水西道393路公交站牌倒了", None),
    ("宾水西道395天没人修路灯", None),
    ("宾水西道交了399元停车费", None),
    ("长江道92号楼下有个大坑", None),
    ("卫津路白堤路口儿", {"wanxing", "xuefu"}),
]
NUMBERS = [
    ("卫津路94号门口", "xuefu"),
    ("万德庄大街148号楼道没灯", "wanxing"),
    ("保山道第58号", "wangdingdi"),
    ("保山道五十八号", "wangdingdi"),
    ("三潭路（15号）门口", "wanxing"),
    ("三潭路(15号)门口", "wanxing"),
    ("保山道58号院", "wangdingdi"),
    ("保山道58-2号", "wangdingdi"),
]
ASIDES = [
    ("我住和平区，反映的是王顶堤昌宁里那边的违建", "wangdingdi"),
    ("我家住迎水里，现在说的是风荷园门口的垃圾", "wanxing"),
    ("我从保山南里过来，在风荷园门口摔了一跤", "wanxing"),
    ("去大悦城买东西回来，发现川南里门口没灯", "jialingdao"),
    ("我在河西区上班，家是迎水里的，小区停水", "wangdingdi"),
    ("我是王顶堤的居民，反映黄河道和密云路交口的红绿灯", "xiangyanglu"),
    ("我住在迎水里3号楼，楼道灯坏了", "wangdingdi"),
    ("我是保山南里的业主，物业不作为", "wangdingdi"),
]
OUTSIDE = [
    ("大胡同门口有人摆摊", "红桥区"),
    ("万全里3号楼停水", "和平区"),
    ("保利香槟国际物业费太高", "和平区"),
    ("金厦水语花城停水了", "西青区"),
    ("海泰那边修路太吵", "西青区"),
    ("天塔底下湖边的栏杆坏了", "河西区"),
    ("天塔旋云那边没人管", "河西区"),
    ("体院北这边停水", "河西区"),
    ("肿瘤医院门口号贩子", "河西区"),
    ("天津理工大学门口摆摊", "西青区"),
    ("侯台公园里蚊子多", "西青区"),
    ("和平区大悦城门口", "和平区"),
    ("宾水西道第393号门口路灯坏了", "西青区"),
    ("宾水西道（393号）路灯坏了", "西青区"),
]
NEXT_TO = [
    ("迎水里对面有个废品站", "wangdingdi"),
    ("风荷园旁边工地夜里施工", "wanxing"),
    ("川南里后身那条路没灯", "jialingdao"),
    ("保山南里斜对过天天烧烤", "wangdingdi"),
]


SOUNDED = [
    ("保三南里停水", "wangdingdi"),
    ("风和园门口垃圾", "wanxing"),
    ("冯荷园停水", "wanxing"),
    ("营水礼3号楼漏水", "wangdingdi"),
    ("宜彬西里停电", "jialingdao"),
    ("川男里下水堵了", "jialingdao"),
    ("长江公域停水", "jialingdao"),
    ("照胡西里没暖气", "xuefu"),
    ("重信工寓楼道堆物", "wanxing"),
]


def where(text: str) -> Place:
    return resolve(GAZETTEER, text)


def streets(place: Place) -> set[str | None]:
    return {candidate.street for candidate in place.candidates if candidate.street}


@pytest.mark.parametrize(
    ("text", "street"),
    [*COMPOUNDS, *SHORT_NAMES, *LANDMARKS, *CROSSINGS, *NUMBERS, *ASIDES, *NEXT_TO],
)
def test_a_place_that_a_source_knows_is_found_however_it_is_said(text: str, street: str) -> None:
    place = where(text)
    assert place.street == street, place.reasons
    assert place.certainty in (Certainty.EXACT, Certainty.STREET)


@pytest.mark.parametrize(("text", "wanted"), [*PROPOSED, *BORDER_CROSSINGS, *ROADS])
def test_what_proves_no_street_leaves_its_candidates(text: str, wanted: set[str] | None) -> None:
    place = where(text)
    assert (place.certainty, place.street) == (Certainty.AMBIGUOUS, None), place.reasons
    assert place.reasons
    assert streets(place)
    assert wanted is None or streets(place) == wanted


@pytest.mark.parametrize(("text", "street"), SOUNDED)
def test_a_name_that_only_sounds_right_is_proposed_and_never_decided(
    text: str, street: str
) -> None:
    place = where(text)
    assert (place.certainty, place.street) == (Certainty.AMBIGUOUS, None)
    assert street in streets(place)
    assert place.question is None
    assert any("听起来像" in reason for reason in place.reasons)


@pytest.mark.parametrize(
    "text",
    ["食品管理局不作为", "市管理处没人接电话", "人才资源的红利", "治理资源流失", "小区停水了"],
)
def test_words_that_happen_to_sound_like_a_name_are_no_place(text: str) -> None:
    assert where(text).candidates == ()


@pytest.mark.parametrize(("text", "district"), OUTSIDE)
def test_a_place_that_only_sounds_like_ours_is_elsewhere(text: str, district: str) -> None:
    place = where(text)
    assert (place.certainty, place.district) == (Certainty.OUTSIDE, district), place.reasons


@pytest.mark.parametrize(("text", "street"), NEXT_TO)
def test_what_lies_beside_a_community_is_not_said_to_be_in_it(text: str, street: str) -> None:
    place = where(text)
    assert (place.certainty, place.community) == (Certainty.STREET, None)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("鞍山西道路灯坏了", "请问是鞍山西道靠南丰路那头，还是靠卫津路那头？"),
        ("冶金路坑坑洼洼", "请问是在冶金路的哪一段，靠近哪个路口或者哪个小区？"),
        ("我家住林苑，停水了", "请问是林苑西里，还是林苑东里，还是林苑北里？"),
        ("路灯坏了", "请问在哪条路、哪个小区，或者哪个路口附近？"),
        ("海光寺地铁站A口", "请问是在海光寺站的哪一侧，靠近哪条路或者哪个小区？"),
    ],
)
def test_an_open_place_comes_with_the_question_that_would_settle_it(
    text: str, question: str
) -> None:
    asked = where(text).question
    assert asked is not None
    assert set(asked) == set(question), asked


@pytest.mark.parametrize("text", ["鲁能城地下车库进水了", "学府花园停水", "星城门口停水"])
def test_one_proposal_is_for_a_person_to_confirm_and_nothing_to_ask(text: str) -> None:
    place = where(text)
    assert len(place.candidates) == 1
    assert place.question is None


def test_the_evidence_says_what_was_heard_and_how_the_register_knows_it() -> None:
    (found,) = where("我们飞云东里停水").evidence
    assert (found.words, found.name, found.table) == ("飞云东里", "飞云东里", "compounds")
    assert (found.street, found.confidence) == ("wanxing", "sourced-2+")
    assert found.source
    (crossing,) = where("红旗路和复康路交口").evidence
    assert crossing.table == "crossings"


def test_a_compound_and_a_road_narrow_each_other() -> None:
    alone, both = where("丹颐园路灯坏了"), where("丹颐园靠保泽道那边路灯坏了")
    assert streets(alone) == {"shuishang-gongyuan", "xuefu"}
    assert streets(both) == {"xuefu"}


@pytest.mark.parametrize(
    ("day", "known"),
    [(date(2024, 12, 31), False), (date(2025, 1, 1), True), (date(2026, 7, 1), False)],
)
def test_a_name_counts_on_the_days_it_holds(tmp_path: Path, day: date, known: bool) -> None:
    directory = Path(shutil.copytree(POLICY_DIRECTORY, tmp_path / "policy"))
    (directory / "landmarks.csv").write_text(
        "name,kind,street,source,valid_from,valid_to\n临时安置点,office,wanxing,x,2025/1/1,2026-06-30\n",
        encoding="utf-8",
    )
    gazetteer = load_policy(directory).gazetteer
    place = resolve(gazetteer, "临时安置点停水", day=day)
    assert (place.street == "wanxing") is known
