"""Personal data out of free text: every occurrence, not just the first.

What is replaced: mobile and landline numbers however they are grouped or spelled,
citizen ID numbers, bank cards, e-mail addresses and car plates. House numbers, dates,
amounts and service numbers (110, 8890, 12345, 96677 …) stay, for a ticket without them
cannot be handled. The replacement says what stood there, so that a reader is not misled.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

SPOKEN: Final = str.maketrans("〇零一幺二两三四五六七八九", "0011223456789")
"""Digits as they are spoken and transcribed; 幺 is one, 两 two."""

PHONE: Final = "【电话】"
IDENTITY: Final = "【证件号】"
CARD: Final = "【卡号】"
EMAIL: Final = "【邮箱】"
PLATE: Final = "【车牌】"
NAME: Final = "【姓名】"

_HAN: Final = "〇零一幺二两三四五六七八九"
_WRITTEN: Final = "0-9０-９"
_ALNUM: Final = r"A-Za-z0-9Ａ-Ｚａ-ｚ０-９"
_PAUSES: Final = "，、,"
_GAP: Final = rf"[ \t\u00a0\u3000.．·\-－‐‑–—_/()（）{_PAUSES}]"
_PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE_CHARS: Final = rf"A-HJ-NP-Za-hj-np-zＡ-Ｚａ-ｚ{_WRITTEN}{_HAN}"

_EMAIL: Final = re.compile(
    rf"[{_ALNUM}._%+\-．＿－]{{1,64}}[@＠][{_ALNUM}\-－]{{1,63}}(?:[.．][{_ALNUM}\-－]{{1,63}}){{1,4}}"
)
_PLATE: Final = re.compile(
    rf"[{_PROVINCES}][ ]?[A-HJ-NP-Za-hj-np-zＡ-Ｚａ-ｚ][ ·•.．\-－]?[{_PLATE_CHARS}]{{4,5}}"
    rf"[{_PLATE_CHARS}挂学警港澳](?![{_ALNUM}])"
)
_RUN: Final = re.compile(rf"\+?[{_WRITTEN}{_HAN}](?:{_GAP}{{0,3}}[{_WRITTEN}{_HAN}xXＸ]){{6,}}")
"""Digits with the gaps people leave; looked at as groups, see `_secrets`."""
_GROUP: Final = re.compile(rf"(?:[{_WRITTEN}]+|[{_HAN}]+)[xXＸ]?")

_DATE: Final = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_YEARS: Final = re.compile(r"(?:19|20)\d\d(?:19|20)\d\d")
_QUANTITY: Final = re.compile(r"(?:[.．]\d+)? ?(?:元(?!旦)|块|万元|亿元|平方|平米|㎡|吨|公斤|千瓦)")
_HOUSE: Final = re.compile(r"(?:号|室|栋|幢|楼|户|单元|门|年|学年)")
_SERVICE_NUMBERS: Final = frozenset(
    {"110", "119", "120", "122", "8890", "12315", "12333", "12345", "12348"}
    | {"95598", "96677", "88908890"}
)
_SHORTEST: Final = 7
_LONGEST: Final = 19
"""Digits of a number without its area code, and of the longest bank card."""
MOBILE_GROUPS: Final = frozenset({(3, 4, 4), (3, 8), (4, 3, 4), (4, 4, 3), (3, 3, 5), (7, 4)})
"""How a mobile number is written where its gaps differ, as in 138-2000 1234."""
LOCAL_GROUPS: Final = frozenset({(7,), (8,), (4, 4), (3, 4), (3, 5), (2, 2, 2, 2)})
"""How a number without its area code is written; other rows are building-door-room."""
UNMISTAKABLE: Final = frozenset({11, 13, 18})
"""Digits of what is a mobile or ID number even right behind a letter, as in tel138…; other
digits behind a letter belong to a code: NK20261123-000001."""


def redact(text: str, names: Iterable[str] = (), phones: Iterable[str] = ()) -> str:
    """`text` with personal data replaced; `names` and `phones` are the caller's own.

    A name of one character and a phone of less than five digits are too common to be
    taken out. Idempotent. Takes time linear in the text.
    """
    if "@" in text or "＠" in text:
        text = _EMAIL.sub(EMAIL, text)
    text = _PLATE.sub(PLATE, text)
    for phone in phones:
        text = _replace_known(text, phone, PHONE, sum(map(str.isdigit, phone)) >= 5)
    text = _RUN.sub(_replace_run, text)
    for name in names:
        text = _replace_known(text, name, NAME, len(name) >= 2)
    return text


def _replace_known(text: str, words: str, label: str, telling: bool) -> str:
    """Replace exact words, but never inside a label that stands there already."""
    if not telling or words not in text:
        return text
    labels = "|".join((PHONE, IDENTITY, CARD, EMAIL, PLATE, NAME))
    pattern = re.compile(f"({labels})|{re.escape(words)}")
    return pattern.sub(lambda match: match[1] or label, text)


@dataclass(frozen=True, slots=True)
class _Group:
    """Digits without a gap, in one script; `gap` is what stands before them."""

    start: int
    end: int
    digits: str
    gap: str
    spoken: bool


def _replace_run(match: re.Match[str]) -> str:
    run, before, after = match[0], match.string[: match.start()][-1:], match.string[match.end() :]
    parts: list[str] = []
    done = 0
    for start, end, label in _secrets(_groups(run), before, run, after[:8]):
        parts += (run[done:start].removesuffix("+"), label)
        done = end
    return "".join((*parts, run[done:]))


def _groups(run: str) -> list[_Group]:
    groups: list[_Group] = []
    end = 0
    for found in _GROUP.finditer(run):
        gap = run[end : found.start()] if groups else ""
        words = found[0].translate(SPOKEN).upper().replace("Ｘ", "X")
        digits = "".join("X" if c == "X" else str(int(c)) for c in words)
        spoken = words[0] != found[0][0] and found[0][0] in _HAN
        groups.append(_Group(found.start(), found.end(), digits, gap.strip() or gap[:1], spoken))
        end = found.end()
    return groups


def _secrets(
    groups: Sequence[_Group], before: str, run: str, after: str
) -> Iterable[tuple[int, int, str]]:
    """Where personal numbers stand in a run, and what they are: leftmost first."""
    at = 0
    while at < len(groups):
        label, taken = _secret_at(groups, at, lambda end: run[end : end + 8] + after)
        row = groups[at : at + taken]
        in_a_word = at == 0 and before.isascii() and before.isalpha()
        if label is not None and (not in_a_word or _size(row) in UNMISTAKABLE):
            yield row[0].start, row[-1].end, label
        at += taken


def _size(row: Iterable[_Group]) -> int:
    return sum(len(group.digits) for group in row)


def _secret_at(
    groups: Sequence[_Group], at: int, following: Callable[[int], str]
) -> tuple[str | None, int]:
    """What begins with this group, and how many groups it takes.

    A group that is a number by itself is one; otherwise the longest row of groups is.
    """
    rows: list[int] = []
    size = 0
    for taken, group in enumerate(groups[at : at + _LONGEST], start=1):
        size += len(group.digits)
        if size > _LONGEST:
            break
        if size >= _SHORTEST and taken > 1:
            rows.append(taken)
        if group.digits.endswith("X"):
            break
    for taken in (1, *reversed(rows)):
        row = groups[at : at + taken]
        if "".join(group.digits for group in row) in _SERVICE_NUMBERS:
            return None, taken
        label = _kind_of(row, following(row[-1].end))
        if label is not None:
            return label, taken
    return None, 1


def _kind_of(row: Sequence[_Group], after: str) -> str | None:
    """What a row of groups is, taken together; None for a date, an amount, a house number."""
    digits = "".join(group.digits for group in row)
    sizes = tuple(len(group.digits) for group in row)
    gaps = {group.gap for group in row[1:] if group.gap}
    if any(set(gap) & set(_PAUSES) for gap in gaps) and not all(group.spoken for group in row):
        return None
    alone, singly, even = len(row) == 1, set(sizes) == {1}, len(gaps) <= 1
    prefix = re.match(r"(?:00)?86(?=1[3-9]\d{9}$)", digits)
    national = digits[prefix.end() :] if prefix else digits
    if re.fullmatch(r"1[3-9]\d{9}", national):
        any_row = prefix or (even and gaps != {"."})
        return PHONE if any_row or _usual(sizes, MOBILE_GROUPS) else None
    if re.fullmatch(r"\d{6}(?:18|19|20)\d{9}[\dX]|\d{8}(?:0[1-9]|1[0-2])\d{5}", digits):
        return IDENTITY if alone or singly or min(sizes) >= 2 else None
    if re.fullmatch(r"0\d{9,11}", digits):
        return PHONE if alone or singly or sizes[0] in (3, 4) else None
    if re.fullmatch(r"[48]00\d{7}", digits):
        return PHONE if alone or singly or min(sizes) >= 3 else None
    if re.fullmatch(r"[2-8]\d{6,7}", digits):
        return PHONE if _is_local(digits, sizes, after) else None
    if alone and len(digits) >= 12 and not (len(digits) < 15 and _DATE.match(digits)):
        return CARD if len(digits) >= 15 else PHONE
    if 15 <= len(digits) <= _LONGEST and "X" not in digits:
        return CARD if singly or (min(sizes) >= 3 and max(sizes) != 8) else None
    return None


def _usual(sizes: tuple[int, ...], usual: frozenset[tuple[int, ...]]) -> bool:
    return sizes in usual or set(sizes) == {1}


def _is_local(digits: str, sizes: tuple[int, ...], after: str) -> bool:
    if not _usual(sizes, LOCAL_GROUPS) or _DATE.fullmatch(digits) or _YEARS.fullmatch(digits):
        return False
    if _QUANTITY.match(after):
        return False
    return len(sizes) == 1 or not _HOUSE.match(after)
