"""Redaction: every personal number goes, however it is written; everything else stays."""

import re
import time
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.redaction import redact
from shared.text import clean
from tests.shared.redaction_kinds import HARMLESS as HARMLESS_KINDS
from tests.shared.redaction_kinds import NAMES
from tests.shared.redaction_kinds import PERSONAL as PERSONAL_KINDS

PHONE, IDENTITY, CARD, EMAIL, PLATE, NAME = (
    "【电话】",
    "【证件号】",
    "【卡号】",
    "【邮箱】",
    "【车牌】",
    "【姓名】",
)
LABELS = re.compile("|".join((PHONE, IDENTITY, CARD, EMAIL, PLATE, NAME)))

PERSONAL = {
    PHONE: [
        *("13820001234", "138 2000 1234", "138-2000-1234", "1382000 1234", "138 - 2000 - 1234"),
        *("+86 138 2000 1234", "+8613820001234", "0086-138-2000-1234", "8613820001234"),
        *("１３８２０００１２３４", "1 3 8 2 0 0 0 1 2 3 4", "138/2000/1234", "138.2000.1234"),
        *("幺三九二零零零幺二三四", "幺三九 二零零零 幺二三四", "一三九，二零零零，一二三四"),
        *("一 三 九 二 〇 〇 〇 一 两 三 四", "138二零零零1234"),
        *("022-27358888", "022 2735 8888", "022-2735 8888", "02227358888", "0311-87654321"),
        *("27358888", "2735-8888", "2735 8888", "27 35 88 88", "二七三五八八八八"),
        *("400-123-4567", "4001234567", "800 123 4567"),
    ],
    IDENTITY: [
        *(
            "120104199001011234",
            "12010419900101123X",
            "12010419900101123x",
            "１２０１０４１９９００１０１１２３Ｘ",
        ),
        *("120104 19900101 1234", "120104-1990-0101-123X", "120104900101123"),
    ],
    CARD: [
        *("6222021234567890", "6222 0212 3456 7890", "6222-0212-3456-7890-123"),
        *("6222021234567890123", "622202 1234567890123"),
    ],
    EMAIL: ["zhang.san@qq.com", "zhang_san+8890@mail.tj.gov.cn", "ZHANG＠163．com"],
    PLATE: [
        "津A12345",
        "津AD12345",
        "津A·12345",
        "津a-12345",
        "冀RB123挂",
        "津Ａ１２３４５",
        "京A幺二三四五",
    ],
}
"""What must go, by the label that takes its place."""

HARMLESS = [
    *("NK20261123-000001", "工单NK20261123-000001和NK20261124-000002", "第100次反映", "2个月"),
    *("3-2-501", "12-3-1501", "23-3-1501", "21-2-1201", "3-2-201 4-5-601", "5号楼2门501"),
    *("宾水西道391-399号", "宾水西道2391-2399号", "2301-2305室", "迎水里12号楼"),
    *("08:30-17:00", "2024-05-01", "2024.05.01-2024.06.01", "2024/5/1", "20240501"),
    *("20240501-20240601", "2024.5.1-6.1", "2024-05-01 08:30", "2024-05-01 0830", "202405010830"),
    *(
        "2000-2023年",
        "2023-2024学年",
        "二〇二四年五月一日",
        "一九九八年建成",
        "18-3-1502 2024-05-01",
    ),
    *("2345678元", "25000000元", "2345678.90元", "1,380,000元", "30000000平方米", "86块5"),
    *("110", "119", "12345", "8890", "96677", "88908890", "8890-8890", "打过110 119 120 12345"),
    *("10x20x30x15", "1.2x2.4x3.6米", "三三两两", "一一一一", "192.168.10.100"),
    *("39.123456,117.123456", "津南区", "新建小区A座", "云B栋", "@物业", "5:30以后"),
]
"""What a ticket needs in order to be handled."""

DIGITS = "零〇一二两三四五六七八九幺壹贰叁肆伍陆柒捌玖貳參陸洞拐勾"

CASES = [(words, label) for label, many in PERSONAL.items() for words in many]


@pytest.mark.parametrize(("words", "label"), CASES)
def test_personal_data_is_replaced_by_what_it_was(words: str, label: str) -> None:
    assert redact(f"请回电{words}，谢谢") == f"请回电{label}，谢谢"


@pytest.mark.parametrize(("words", "label"), CASES)
def test_every_occurrence_is_replaced(words: str, label: str) -> None:
    text = f"{words}。联系人二：{words}；联系人三：{words}"
    assert redact(text) == f"{label}。联系人二：{label}；联系人三：{label}"


@pytest.mark.parametrize("words", HARMLESS)
def test_what_is_not_personal_stays(words: str) -> None:
    assert redact(words) == words
    assert redact(f"我在{words}，请处理") == f"我在{words}，请处理"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("3-2-501 13820001234", f"3-2-501 {PHONE}"),
        ("138 2000 1234 3-2-501", f"{PHONE} 3-2-501"),
        ("5号楼501室13820001234白天在", f"5号楼501室{PHONE}白天在"),
        ("13820001234一直打不通", f"{PHONE}一直打不通"),
        ("13820001234 13920001234", f"{PHONE} {PHONE}"),
        ("13820001234,022-27358888", f"{PHONE},{PHONE}"),
        ("022-27358888-801", f"{PHONE}-801"),
        ("tel13820001234", f"tel{PHONE}"),
        ("我的邮箱是zhang@163.com请回复", f"我的邮箱是{EMAIL}请回复"),
        ("先打12345再打13820001234", f"先打12345再打{PHONE}"),
        ("12345 13820001234", f"12345 {PHONE}"),
        ("2024-05-01 13820001234", f"2024-05-01 {PHONE}"),
        ("津A12345撞了津B54321", f"{PLATE}撞了{PLATE}"),
        ("12010419900101123X 13820001234", f"{IDENTITY} {PHONE}"),
    ],
)
def test_what_stands_beside_personal_data_is_left(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    ("text", "names", "phones", "redacted"),
    [
        ("张三说张三家漏水", ["张三"], [], f"{NAME}说{NAME}家漏水"),
        ("王先生", ["王"], [], "王先生"),
        ("电话是【电话】", ["电话"], [], f"{NAME}是【电话】"),
        ("打我手机+1 415 555 2671", [], ["+1 415 555 2671"], f"打我手机{PHONE}"),
        ("分机62345", [], ["62345"], f"分机{PHONE}"),
        ("打了110", [], ["110"], "打了110"),
    ],
)
def test_the_callers_own_name_and_phone_go_as_well(
    text: str, names: Sequence[str], phones: Sequence[str], redacted: str
) -> None:
    assert redact(text, names, phones) == redacted
    assert redact(redacted, names, phones) == redacted


def grouped(digits: str, cuts: Sequence[int], gap: str) -> str:
    """Digits with the same gap at some places."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(digits)}), len(digits)]
    return gap.join(digits[a:b] for a, b in pairwise(places))


def spelled(digits: str, script: str) -> str:
    return digits.translate(str.maketrans("0123456789", script))


SCRIPTS = ("0123456789", "０１２３４５６７８９", "零一二三四五六七八九", "〇幺两三四五六七八九")
MOBILES = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
PERSONS = st.one_of(
    MOBILES,
    st.from_regex(r"0(10|2[0-9]|[3-9][0-9]{2})[2-8][0-9]{7}", fullmatch=True),
    st.from_regex(
        r"1201(0[1-9])(19[5-9][0-9])(0[1-9]|1[0-2])(0[1-9]|1[0-9])[0-9]{3}[0-9X]", fullmatch=True
    ),
    st.from_regex(r"62[0-9]{14}([0-9]{3})?", fullmatch=True),
)
PROSE = st.text(
    alphabet="物业不管楼道堆放杂物请来人看好吗，。！ \nabc迎水里号室门年月日时【】电话姓名元",
    max_size=40,
)


@given(
    MOBILES,
    st.lists(st.integers(1, 10), max_size=10),
    st.sampled_from(["", " ", "-", "·", "　"]),
    st.sampled_from(SCRIPTS),
)
def test_nothing_of_a_mobile_number_remains_however_it_is_grouped(
    digits: str, cuts: list[int], gap: str, script: str
) -> None:
    words = grouped(spelled(digits, script), cuts, gap)
    assert redact(f"请打{words}，谢谢") == f"请打{PHONE}，谢谢"


@given(st.lists(st.tuples(PROSE, PERSONS), min_size=1, max_size=5))
def test_no_digit_of_any_personal_number_remains(parts: list[tuple[str, str]]) -> None:
    text = "".join(f"{prose}号码{number}，" for prose, number in parts)
    assert not re.search(r"[0-9X]", redact(text))


@given(
    st.text(alphabet="138-2000 1234.0津AX@xq年号元室一二三，,+/NK+【电话】", max_size=60),
    st.lists(st.text(min_size=1, max_size=3), max_size=2),
)
@settings(max_examples=500)
def test_redaction_is_idempotent(text: str, names: list[str]) -> None:
    once = redact(text, names)
    assert redact(once, names) == once


@given(st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=6))
def test_text_without_personal_data_is_unchanged(parts: list[str]) -> None:
    text = "，另外".join(parts)
    assert redact(text) == text


@given(st.integers(0, 999_999), st.dates())
def test_a_ticket_number_is_never_taken_for_a_phone(serial: int, day: object) -> None:
    number = f"NK{day:%Y%m%d}-{serial:06d}"
    assert redact(f"查{number}的进度") == f"查{number}的进度"


@pytest.mark.parametrize(
    "piece",
    [
        *("1", "1 ", "1-", "1  ", "1   ", "1x", "138", "138 2 0 ", "022 ", "12345 ", "20240501 "),
        *(
            "a",
            "@",
            "a@",
            "a.@",
            "a@b.",
            "津",
            "津A",
            "津A1234",
            "+86",
            "一，",
            "元1234567",
            "1----",
        ),
    ],
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        started = time.process_time()
        redact(text, ["张三"], ["13820001234"])
        return time.process_time() - started

    short, long = (min(seconds(length) for _ in range(3)) for length in (5_000, 20_000))
    assert long < 8 * max(short, 0.05)


def readable(words: str) -> str:
    """The digits that are left to be read, of every script."""
    return "".join(
        letter
        for letter in words
        if letter in DIGITS or (unicodedata.digit(letter, None) is not None)
    )


@pytest.mark.parametrize("kind", PERSONAL_KINDS)
def test_no_kind_of_personal_data_remains_readable(kind: str) -> None:
    chance = Random(kind)
    left = []
    for _ in range(20):
        words = clean(PERSONAL_KINDS[kind](chance))
        redacted = redact(words)
        if readable(redacted.replace("零二二", "")) or (kind in NAMES and NAME not in redacted):
            left.append((words, redacted))
    assert len(left) <= 1, left


@pytest.mark.parametrize("kind", HARMLESS_KINDS)
def test_no_kind_of_harmless_digits_is_taken_for_personal(kind: str) -> None:
    chance = Random(kind)
    said = [clean(HARMLESS_KINDS[kind](chance)) for _ in range(20)]
    assert [redact(words) for words in said] == said


@pytest.mark.parametrize(
    ("said", "names", "redacted"),
    [
        ("我是王小明，楼道灯坏了", ["王小明先生"], f"我是{NAME}，楼道灯坏了"),
        ("找古丽米热•艾比布力", ["古丽米热·艾比布力"], f"找{NAME}"),
        ("古丽米热 艾比布力来过", ["古丽米热·艾比布力"], f"{NAME}来过"),
        ("劉建國來過", ["刘建国"], f"{NAME}來過"),
        ("刘 建 国来过", ["劉建國女士"], f"{NAME}来过"),
        ("Zhang San来过", ["zhang san"], f"{NAME}来过"),
    ],
)
def test_a_known_name_is_found_in_other_spellings(
    said: str, names: Sequence[str], redacted: str
) -> None:
    assert redact(said, names) == redacted
