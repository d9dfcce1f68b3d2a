"""Informant protection: what a unit sees of a ticket whose caller wants to stay unknown."""

import re
from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import (
    Case,
    CaseState,
    Category,
    Certainty,
    Channel,
    Demand,
    Disposition,
    Kind,
    Location,
    Place,
    Priority,
    Ticket,
)
from shared.protection import (
    DOOR,
    EARLIER_TICKETS,
    HOME,
    NAME,
    SELF,
    USUAL_STREET,
    case_for_unit,
    for_unit,
    masked,
    note_for_unit,
)

PIECES = (
    *("我", "我们", "我家", "本人", "是", "住", "家住", "在", "叫", "姓", "住址：", "举报人是"),
    *("3", "12", "501", "二", "五零一", "号楼", "门", "单元", "室", "层", "楼", "栋", "-", "东户"),
    *("的", "员工", "业主", "老师", "上班", "孩子", "王", "建国", "想", "小区", "迎水里", "饭店"),
    *("，", "。", "、", DOOR, HOME, NAME, SELF),
)
WORDS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
LABELS = re.compile("|".join((DOOR, HOME, NAME, SELF)))


def ticket(**fields: object) -> Ticket:
    plain = Ticket(
        number="NK20261123-000001",
        version=1,
        received_at=datetime(2026, 11, 23, 2, tzinfo=UTC),
        channel=Channel.HOTLINE,
        kind=Kind.REPORT,
        text="我是3号楼2门501的，楼下饭店往河里倒油",
        confidential=True,
    )
    return plain.model_copy(update=fields)


def case_of(*demands: Demand) -> Case:
    return Case(
        number="NK20261123-000001",
        version=1,
        ticket_version=1,
        round=0,
        state=CaseState.DISPATCHED,
        disposition=Disposition.DISPATCH,
        priority=Priority.P3,
        leaf="property.property_service",
        category=Category.PROPERTY,
        place=Place(certainty=Certainty.UNKNOWN),
        demands=demands,
        policy_version="p",
        calendar_version="c",
    )


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("我是3号楼2门501的，楼下饭店油烟大", "我是【住址】的，楼下饭店油烟大"),
        ("我家住迎水里3号楼2门501，楼下饭店", "我家住迎水里【住址】，楼下饭店"),
        ("我们家住的是3号楼2单元1202", "我们家住的是【住址】"),
        ("我住二楼东户，三楼装修", "我住【住址】，三楼装修"),
        ("住址：雅安东里4号楼1门102", "住址：雅安东里【住址】"),
        ("我是青枫公馆5栋顶楼3102的业主", "我是青枫公馆【住址】的业主"),
        ("我是这家食品厂的员工，用过期肉", "我是【身份】，用过期肉"),
        ("我是被食品厂辞退的员工", "我是【身份】"),
        ("我是隔壁幼儿园的老师", "我是【身份】"),
        ("我是三年级二班学生的家长", "我是【身份】"),
        ("我是看大门的", "我是【身份】"),
        ("我在大园新居旁边的化工厂上班", "我在【身份】上班"),
        ("我孩子在中营小学上学，食堂脏", "我孩子在【身份】上学，食堂脏"),
        ("我叫王建国，电话打不通", "我叫【姓名】，电话打不通"),
        ("我叫李明住3号楼2门", "我叫【姓名】住【住址】"),
        ("本人姓欧阳，", "本人姓【姓名】，"),
        ("迎水里3号楼2门501室", "迎水里3号楼【门牌】"),
        ("迎水里3-2-501", "迎水里3-【门牌】"),
        ("迎水里３号楼２门５０１", "迎水里３号楼【门牌】"),
        ("三号楼二门五零一漏水", "三号楼【门牌】漏水"),
        ("楼上703室漏水", "楼上【门牌】漏水"),
        ("我家601，隔壁602打麻将", "我家【门牌】，隔壁【门牌】打麻将"),
        ("我住六零一，602的邻居太吵", "我住【住址】，【门牌】的邻居太吵"),
        ("我就住他们家楼下，天天漏水", "我就住【住址】，天天漏水"),
        ("我女儿叫小雨，同学欺负她", "我女儿叫【姓名】，同学欺负她"),
        ("联系人刘女士", "联系人【姓名】"),
    ],
)
def test_what_points_at_the_caller_is_masked(said: str, seen: str) -> None:
    assert masked(said) == seen


@pytest.mark.parametrize(
    "said",
    [
        "迎水里3号楼门口堆垃圾",
        "宾水西道393号门口晚上全是烧烤摊",
        "我们8号楼二十多户外墙裂缝",
        "我是金福里的业主",
        "我是想举报一楼饭店",
        "我是要投诉物业经理打人",
        "我叫他别弄他不听",
        "三室两厅隔成七间",
        "2026年11月23日晚上10点，欠款3000元",
        "小区西门三天没人管，打了12345",
        "我家110来过三次，楼下饭店噪声800分贝",
        "楼上装修，隔壁网吧通宵",
        "",
    ],
)
def test_what_the_unit_needs_to_act_stays(said: str) -> None:
    assert masked(said) == said


def test_title_address_time_and_point_lose_what_is_too_exact() -> None:
    told = ticket(
        title="我叫王建国",
        address="迎水里3号楼2门501",
        occurred_at=datetime(2026, 11, 22, 17, 42, tzinfo=UTC),
        location=Location(lat=39.123456, lon=117.156789),
        channel=Channel.WEB,
    )
    seen = for_unit(told, Priority.P3)
    assert seen.title == "我叫【姓名】"
    assert seen.address == "迎水里3号楼【门牌】"
    assert seen.occurred_at == datetime(2026, 11, 22, 16, tzinfo=UTC), "midnight in Shanghai"
    assert seen.location == Location(lat=39.12, lon=117.16)
    kept = ("number", "version", "channel", "kind", "confidential", "received_at")
    assert [getattr(seen, name) for name in kept] == [getattr(told, name) for name in kept]


def test_who_is_in_a_live_emergency_is_found_first() -> None:
    told = ticket(text="我家住迎水里3号楼2门501，着火了")
    assert for_unit(told, Priority.P0) is told


def test_what_was_not_said_stays_unsaid() -> None:
    seen = for_unit(ticket(), Priority.P3)
    assert (seen.title, seen.address, seen.occurred_at, seen.location) == (None,) * 4


def test_the_demands_of_a_case_are_the_callers_words_too() -> None:
    demand = Demand(leaf="property.property_service", text="我家住迎水里3号楼2门501，没人扫")
    case = case_of(demand)
    assert case_for_unit(case, ticket()).demands == (
        Demand(leaf=demand.leaf, text="我家住迎水里【住址】，没人扫"),
    )
    assert case_for_unit(case, ticket(confidential=False)) is case
    plain = case_of()
    assert case_for_unit(plain, ticket()) is plain


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("confidential", [True, False])
@pytest.mark.parametrize(
    "history",
    [
        {"earlier": ("NK20261101-000001",), "usual_street": "wanxing"},
        {"earlier": ("NK20261101-000001",)},
        {"usual_street": "wanxing"},
    ],
)
def test_no_unit_learns_what_else_a_caller_has_called_about(
    history: dict[str, object], confidential: bool, priority: Priority
) -> None:
    plain = ticket(confidential=confidential)
    assert for_unit(ticket(confidential=confidential, **history), priority) == for_unit(
        plain, priority
    )


@pytest.mark.parametrize("confidential", [True, False])
def test_the_reasons_of_a_case_tell_no_unit_of_the_callers_other_tickets(
    confidential: bool,
) -> None:
    demand = Demand(leaf="property.property_service", text="我家住迎水里3号楼2门501，没人扫")
    why = ("地点不明，须向来电人问清", "“打八遍”：此前已反映过")
    history = (f"{USUAL_STREET}万兴街道", f"{EARLIER_TICKETS}2件工单")
    told = ticket(confidential=confidential)
    case = case_of(demand).model_copy(update={"reasons": (why[0], *history, why[1])})
    plain = case_of(demand).model_copy(update={"reasons": why})
    assert case_for_unit(case, told) == case_for_unit(plain, told)
    assert case_for_unit(case, told).reasons == why


@given(words=WORDS)
def test_a_ticket_that_is_not_confidential_passes_as_it_is(words: str) -> None:
    told = ticket(text=words, address=words, confidential=False)
    assert for_unit(told, Priority.P3) is told


@given(words=WORDS)
def test_protecting_twice_is_protecting_once(words: str) -> None:
    once = for_unit(ticket(text=words, address=words, title=words), Priority.P3)
    assert for_unit(once, Priority.P3) == once


@given(words=WORDS)
def test_masking_only_takes_away(words: str) -> None:
    rest = LABELS.sub("", words)
    remains = iter(rest)
    assert all(letter in remains for letter in LABELS.sub("", masked(words)))


@given(
    lead=st.sampled_from(("我是", "我家住", "家住", "住址：", "")),
    building=st.integers(1, 30),
    door=st.integers(1, 9),
    room=st.integers(101, 3999),
    joint=st.sampled_from(("{b}号楼{d}门{r}", "{b}-{d}-{r}", "{b}栋{d}单元{r}室", "{b}号楼{r}室")),
    tail=st.sampled_from(("的，漏水", "，漏水", "的业主，漏水", "漏水")),
)
def test_no_door_and_no_room_is_left(
    lead: str, building: int, door: int, room: int, joint: str, tail: str
) -> None:
    said = f"{lead}迎水里{joint.format(b=building, d=door, r=room)}{tail}"
    seen = masked(said)
    assert str(room) not in seen
    assert not re.search("[0-9](门|单元|室)", seen)
    assert seen.endswith("漏水")


@pytest.mark.parametrize(
    "piece", ["我是", "我住", "我在", "3-", "我叫王", "二门", "我家住3室二", "一"]
)
def test_masking_is_linear_in_the_text(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        started = process_time()
        masked(text)
        return process_time() - started

    short = min(seconds(4_000) for _ in range(3))
    assert min(seconds(40_000) for _ in range(3)) < 40 * short + 0.05


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("我家住保山南里3號樓5門201，樓上開麻將館", "我家住保山南里【住址】，楼上开麻将馆"),
        ("我住保山南里叁号楼伍门贰零壹", "我住保山南里【住址】"),
        ("我住保山南里贰栋叁单元肆零伍", "我住保山南里【住址】"),
        ("我住3/5/201", "我住【住址】"),
        ("我家在3、5、201", "我家在【住址】"),
        ("楼上501天天剁肉，我就在401", "楼上501天天剁肉，我就在【门牌】"),
        ("我在602，隔壁没完没了", "我在【门牌】，隔壁没完没了"),
        ("我家门牌号301", "我家门牌号【门牌】"),
        ("房号：1502漏水", "房号：【门牌】漏水"),
        ("3号樓12門501室的", "3号楼【门牌】的"),
    ],
)
def test_a_door_is_masked_however_it_is_written(said: str, seen: str) -> None:
    assert masked(said) == seen


@pytest.mark.parametrize(
    "said", ["我家住保山南里 3 号 楼 5 门 201，楼上打麻将", "我 住 3 號 樓 5 門 2 0 1"]
)
def test_blanks_hide_no_door(said: str) -> None:
    assert "201" not in masked(said).replace(" ", "")


@pytest.mark.parametrize("said", ["樓道燈壞了", "公交3/5路都不停", "物業費1/2/3季度", "我在等回復"])
def test_words_of_no_door_stay_as_they_were_written(said: str) -> None:
    assert masked(said) == said


@pytest.mark.parametrize(
    ("address", "note"),
    [
        ("保山南里3号楼5门202", "我就是昨天晚上敲他门的202李大山"),
        ("保山南里3号楼5门202", "找二零二的住户"),
        ("保山南里叁号楼伍门贰零贰", "敲202的门"),
        ("保山南里3-5-202", "202反映多次"),
    ],
)
def test_the_callers_own_room_is_masked_wherever_it_stands(address: str, note: str) -> None:
    told = ticket(address=address)
    seen = note_for_unit(note, told, Priority.P3)
    assert LABELS.search(seen)
    assert not re.search("202|二零二", seen)


@pytest.mark.parametrize(
    "state",
    [
        *(CaseState.MANUAL_DISPATCH, CaseState.AWAITING_INFO, CaseState.REDIRECTED_OUT),
        *(CaseState.REPLIED, CaseState.CALLBACK_PENDING, CaseState.CLOSED),
    ],
)
def test_an_emergency_to_which_nobody_goes_yet_or_any_more_protects_its_caller(
    state: CaseState,
) -> None:
    told = ticket(address="保山南里3号楼5门202")
    assert for_unit(told, Priority.P0, CaseState.IN_PROGRESS) is told
    assert DOOR in (for_unit(told, Priority.P0, state).address or "")


def test_a_unit_is_not_told_what_else_the_caller_has_called_about() -> None:
    told = ticket(confidential=False, refers_to=("NK20261120-000001",))
    assert for_unit(told, Priority.P3).refers_to == ()
