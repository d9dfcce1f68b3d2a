"""Personal numbers in free text: phones, identity and bank cards, however they are written.

Digits may be Arabic, full-width, circled, raised, in mathematical letters or keycaps, Chinese
(一二三, 幺, 两), formal (壹贰叁) or radio speech (洞拐勾), with O for 0; between them stand
blanks, marks, newlines or what people say while they think (嗯, 然后). A run of such digits is
looked at as groups. Amounts, dates, rooms, ranges and codes of things are no personal numbers.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import phonenumbers

from shared.folding import KEYCAP

PHONE: Final = "【电话】"
IDENTITY: Final = "【证件号】"
CARD: Final = "【卡号】"

HAN: Final = "〇零一幺二两三四五六七八九壹贰貳叁參叄肆伍陆陸柒捌玖洞拐勾"
VALUES: Final = str.maketrans(HAN + "oO", "00112234567891223334566789079" + "00")
_PAUSES: Final = frozenset("，、,；;。：:*~～\n嗯呃额啊哎然后呢那个")
_ENDS: Final = frozenset("；;。：:*~～")
"""Marks that stand between written groups of one number only: 联系人二：一三九… is none."""
_MARKS: Final = r" \t\u00a0\u3000.．·\-－‐‑–—_/()（），、,；;。：:*~～\n\u20e3"
_GAP: Final = rf"(?:[{_MARKS}]|嗯|呃|额|啊|哎|然后呢?|那个){{0,4}}"
_RUN: Final = re.compile(rf"\+?[0-9{HAN}](?:{_GAP}[0-9oO{HAN}xXＸ]){{6,}}")
"""Digits with the gaps people leave; looked at as groups, see `_secrets`."""
_GROUP: Final = re.compile(
    rf"(?:[0-9][0-9oO]*|[{HAN}]+|(?<=[^0-9a-zA-Z])[oO][0-9oO]+)(?:[ -]?[xXＸ](?![0-9A-Za-z]))?"
)

_LETTER_ONE: Final = re.compile(r"(?<![A-Za-z])[lI](?=[0-9OolI]{8})|(?<=[0-9][0-9OolI])[lI]")
"""A letter that looks like 1 among digits."""

_DATE: Final = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_YEARS: Final = re.compile(r"(?:19|20)\d\d(?:19|20)\d\d")
_QUANTITY: Final = re.compile(r"(?:[.．]\d+)? ?(?:元(?!旦)|块|万元|亿元|平方|平米|㎡|吨|公斤|千瓦)")
_HOUSE: Final = re.compile(r"(?:号|室|栋|幢|楼|户|单元|门|年|学年)")
_SPOKEN_OF: Final = re.compile(r"电话|手机|座机|固话|号码|联系|[打拨]|回电|致电")
_MONEY: Final = re.compile(r"[¥￥$]\s?$")
_CODE_OF: Final = re.compile(
    r"(?:单号|订单|运单|快递|单子|注册代码|编号|编码|代码|表号|户号|批号|条码|序列号|工单|流水|许可证|合同|证书|案件?号|文号)"
    r"号?码?[是为:： ]{0,2}[A-Za-z]{0,4}$"
)
_SERVICE_NUMBERS: Final = frozenset(
    {"110", "119", "120", "122", "8890", "12315", "12333", "12345", "12348"}
    | {"95598", "96677", "88908890"}
)
_SHORTEST: Final = 7
_LONGEST: Final = 19
"""Digits of a number without its area code, and of the longest bank card."""
_MOBILE: Final = re.compile(r"1[3-9]\d{9}")
_MOBILES: Final = re.compile(r"(?:1[3-9]\d{9}){2,}")
_IDENTITY: Final = re.compile(
    r"[1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]"
)
_OLD_IDENTITY: Final = re.compile(r"\d{8}(?:0[1-9]|1[0-2])\d{5}")
MOBILE_GROUPS: Final = frozenset(
    {(11,), (3, 4, 4), (3, 8), (4, 3, 4), (4, 4, 3), (3, 3, 5), (7, 4)}
)
"""How a mobile number is written where its gaps differ, as in 138-2000 1234."""
LOCAL_GROUPS: Final = frozenset({(7,), (8,), (4, 4), (3, 4), (3, 5), (2, 2, 2, 2)})
"""How a number without its area code is written; other rows are building-door-room."""
UNMISTAKABLE: Final = frozenset({11, 18})
"""Digits of what is a mobile or ID number even right behind a letter, as in tel138…; other
digits behind a letter belong to a code: NK20261123-000001."""
UNFINISHED: Final = range(12, 15)


def without_numbers(text: str) -> str:
    """The text with a label in place of every personal number. Linear in its length."""
    others = {letter for letter in set(text) if letter.isdigit() and not letter.isascii()}
    read = text
    if others:
        read = text.translate({ord(digit): str(unicodedata.digit(digit)) for digit in others})
    if "l" in read or "I" in read:
        read = _LETTER_ONE.sub("1", read)
    parts: list[str] = []
    done = 0
    for run in _RUN.finditer(read):
        for start, end, label in _in_run(run):
            parts += (text[done : run.start() + start], label)
            done = run.start() + end
            done += text.startswith(KEYCAP, done)
    return "".join((*parts, text[done:])) if parts else text


@dataclass(frozen=True, slots=True)
class _Group:
    """Digits without a gap, in one script; `gap` is what stands before them."""

    start: int
    end: int
    digits: str
    gap: str
    spoken: bool


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands before and behind a run."""

    before: str
    after: str

    @property
    def code(self) -> bool:
        """Whether the words before say that a code of something follows."""
        return _CODE_OF.search(self.before) is not None

    @property
    def phone(self) -> bool:
        """Whether the words before speak of a phone."""
        return _SPOKEN_OF.search(self.before[-6:]) is not None

    @property
    def in_a_word(self) -> bool:
        """Whether the run goes on from a letter."""
        last = self.before[-1:]
        return last.isascii() and last.isalpha()


NOWHERE: Final = _Around("", "")


def _in_run(match: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    """Where personal numbers stand in a run, and what they are, from the left."""
    run, whole = match[0], match.string
    around = _Around(whole[max(0, match.start() - 16) : match.start()], whole[match.end() :][:8])
    groups = _groups(run)
    if run.startswith("+"):
        taken = _international(groups)
        if taken:
            yield 0, groups[taken - 1].end, PHONE
            groups = groups[taken:]
    for start, end, label in _secrets(groups, run, around):
        yield start - (run[start - 1 : start] == "+"), end, label


def _groups(run: str) -> list[_Group]:
    groups: list[_Group] = []
    end = 0
    for found in _GROUP.finditer(run):
        gap = run[end : found.start()] if groups else ""
        digits = re.sub("[ -]?[xXＸ]", "X", found[0]).translate(VALUES)
        spoken = found[0][0] in HAN
        mark = "".join(gap.replace("\u20e3", "").split(" ")) or gap.replace("\u20e3", "")[:1]
        if groups and not gap.replace("\u20e3", "") and groups[-1].spoken == spoken:
            last = groups[-1]
            groups[-1] = _Group(last.start, found.end(), last.digits + digits, last.gap, spoken)
        else:
            groups.append(_Group(found.start(), found.end(), digits, mark, spoken))
        end = found.end()
    return groups


def _international(groups: Sequence[_Group]) -> int:
    """How many groups behind a plus sign are a phone number of another country."""
    size = 0
    best = 0
    for taken, group in enumerate(groups, start=1):
        size += len(group.digits)
        if size > 15 or group.digits.endswith("X"):
            break
        if size >= _SHORTEST and _exists("+" + "".join(g.digits for g in groups[:taken])):
            best = taken
    return best


def _exists(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def _secrets(groups: Sequence[_Group], run: str, around: _Around) -> Iterable[tuple[int, int, str]]:
    at = 0
    while at < len(groups):
        label, taken = _secret_at(groups, at, lambda end: run[end : end + 8] + around.after, around)
        row = groups[at : at + taken]
        in_a_word = at == 0 and around.in_a_word
        if label is not None and (not in_a_word or _size(row) in UNMISTAKABLE):
            yield row[0].start, row[-1].end, label
        at += taken


def _size(row: Iterable[_Group]) -> int:
    return sum(len(group.digits) for group in row)


def _secret_at(
    groups: Sequence[_Group], at: int, following: Callable[[int], str], around: _Around
) -> tuple[str | None, int]:
    """What begins with this group, and how many groups it takes.

    A group that is a number by itself is one, and so is a mobile number that other digits
    follow; otherwise the longest row of groups is.
    """
    rows: list[int] = []
    mobile = 0
    joined = ""
    for taken, group in enumerate(groups[at : at + _LONGEST], start=1):
        joined += group.digits
        if taken > 1 and group.spoken and set(group.gap) & _ENDS:
            break
        if len(joined) > _LONGEST and taken > 1:
            break
        if taken > 1 and (joined in _SERVICE_NUMBERS or _may_be(joined)):
            rows.append(taken)
            if len(joined) == 11 and taken < 11 and _MOBILE.fullmatch(joined):
                mobile = taken
        if group.digits.endswith("X"):
            break
    single = groups[at].digits
    around = around if at == 0 else NOWHERE
    # Of 12 to 14 digits more may belong to it: 12010419900101 123X.
    rest = (*reversed(rows), 1) if len(single) in UNFINISHED else (1, *reversed(rows))
    for taken in (*((mobile,) if mobile else ()), *rest):
        if taken == 1 and (single in _SERVICE_NUMBERS or not _may_be(single)):
            continue
        row = groups[at : at + taken]
        if "".join(group.digits for group in row) in _SERVICE_NUMBERS:
            return None, taken
        label = _kind_of(row, following(row[-1].end), around)
        if label is not None and (single not in _SERVICE_NUMBERS or label is IDENTITY):
            return label, taken
    return None, 1


def _may_be(digits: str) -> bool:
    """Whether digits can be a personal number at all: cheap, for most rows cannot."""
    size, first = len(digits), digits[0]
    if size < _SHORTEST or size == 9:
        return False
    if size <= 8:
        return first in "2345678"
    if size in (10, 11):
        return first == "0" or digits[1:3] == "00" or (size == 11 and first == "1")
    if size < 15:
        return True
    return first in "3456789" or digits[6:8] in ("18", "19", "20") or size in (15, 22)


def _kind_of(row: Sequence[_Group], after: str, around: _Around) -> str | None:
    """What a row of groups is, taken together; None for a date, an amount, a house number."""
    digits = "".join(group.digits for group in row)
    sizes = tuple(len(group.digits) for group in row)
    gaps = {group.gap for group in row[1:] if group.gap}
    alone, singly, even = len(row) == 1, set(sizes) == {1}, len(gaps) <= 1
    spoken = all(group.spoken for group in row)
    loose = not spoken and any(set(gap) & _PAUSES for gap in gaps)
    measures = any("x" in gap.lower() for gap in gaps)
    if measures or _MONEY.search(around.before) or _QUANTITY.match(after):
        return None
    prefix = re.match(r"(?:00)?86(?=1[3-9]\d{9}$)", digits)
    national = digits[prefix.end() :] if prefix else digits
    if _MOBILE.fullmatch(national):
        any_row = prefix or (even and gaps != {"."} and not loose)
        return PHONE if any_row or sizes in MOBILE_GROUPS or singly else None
    if alone and _MOBILES.fullmatch(digits):
        return PHONE
    if around.code:
        return None
    if _IDENTITY.fullmatch(digits) or (not loose and _OLD_IDENTITY.fullmatch(digits)):
        return IDENTITY if alone or singly or min(sizes) >= 2 else None
    if re.fullmatch(r"0\d{9,11}", digits):
        return PHONE if alone or singly or sizes[0] in (3, 4) else None
    if re.fullmatch(r"[48]00\d{7}", digits) and not loose:
        return PHONE if alone or singly or min(sizes) >= 3 else None
    if re.fullmatch(r"[2-8]\d{6,7}", digits) and not loose:
        return PHONE if _is_local(row, digits, sizes, after, around) else None
    return _long(digits, sizes, alone=alone, loose=loose)


def _long(digits: str, sizes: tuple[int, ...], *, alone: bool, loose: bool) -> str | None:
    """Whether a long row is a bank card, or a phone of a kind that nobody knows."""
    if alone and 12 <= len(digits) <= _LONGEST and not (len(digits) < 15 and _DATE.match(digits)):
        return CARD if len(digits) >= 15 else PHONE
    if not 15 <= len(digits) <= _LONGEST or "X" in digits:
        return None
    fours = set(sizes[:-1]) == {4}
    if loose:
        return CARD if fours else None
    return CARD if set(sizes) == {1} or (min(sizes) >= 3 and max(sizes) != 8) else None


def _is_local(
    row: Sequence[_Group], digits: str, sizes: tuple[int, ...], after: str, around: _Around
) -> bool:
    usual = sizes in LOCAL_GROUPS or set(sizes) == {1}
    if not usual or _DATE.fullmatch(digits) or _YEARS.fullmatch(digits):
        return False
    if len(sizes) > 1 and not around.phone and _counts_on(row):
        return False
    return len(sizes) == 1 or not _HOUSE.match(after)


def _counts_on(row: Sequence[_Group]) -> bool:
    """Whether groups with a dash are a range or a row of numbers: 3201-3204, 25-26-27-28."""
    values = [int(group.digits) for group in row]
    rising = all(one < other for one, other in pairwise(values))
    if not rising or {group.gap for group in row[1:]} != {"-"}:
        return False
    near = row[0].digits[:2] == row[1].digits[:2]
    return len(row) > 2 or near or all(value % 50 == 0 for value in values)
