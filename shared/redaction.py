"""Personal data out of free text: every occurrence, not just the first.

What is replaced: mobile and landline numbers however they are grouped or spelled,
citizen ID numbers, bank cards, e-mail addresses and car plates. House numbers, dates,
amounts and service numbers (110, 8890, 12345, 96677 …) stay, for a ticket without them
cannot be handled. The replacement says what stood there, so that a reader is not misled.
"""

import re
from collections.abc import Iterable
from typing import Final

SPOKEN: Final = str.maketrans("〇零一幺二两三四五六七八九", "0011223456789"[:13])
"""Digits as they are spoken and transcribed; 幺 is one, 两 two."""

_DIGIT: Final = "0-9０-９〇零一幺二两三四五六七八九"
_GAP: Final = r"[ \t\u00a0\u3000.·\-－—_]{0,2}"
_PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"

_EMAIL: Final = re.compile(r"[\w.+-]{1,64}[@＠][\w-]{1,63}(?:[.．][\w-]{1,63}){1,4}")
_PLATE: Final = re.compile(
    rf"[{_PROVINCES}][A-HJ-NP-Za-hj-np-z][ ·.\-]?[A-HJ-NP-Za-hj-np-z0-9]{{4,5}}"
    r"[A-HJ-NP-Za-hj-np-z0-9挂学警港澳](?![A-Za-z0-9])"
)
_RUN: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?:\+?86{_GAP})?[{_DIGIT}](?:{_GAP}[{_DIGIT}xXＸ]){{6,}}"
)
"""A run of digits with the gaps people leave: looked at as a whole, by its digits."""

_DATE: Final = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])")
_SERVICE_NUMBERS: Final = frozenset(
    {"110", "119", "120", "122", "8890", "12315", "12333", "12345", "12348"}
    | {"95598", "96677", "88908890"}
)
_GROUP: Final = re.compile(rf"[{_DIGIT}xXＸ]+")
_LABELS: Final = {"phone": "【电话】", "id": "【证件号】", "card": "【卡号】"}


def redact(text: str, names: Iterable[str] = ()) -> str:
    """`text` with personal data replaced; `names` are the caller's own, of two characters or more.

    Idempotent. Takes time linear in the text.
    """
    text = _EMAIL.sub("【邮箱】", text)
    text = _PLATE.sub("【车牌】", text)
    text = _RUN.sub(_replace_run, text)
    for name in names:
        if len(name) >= 2:
            text = text.replace(name, "【姓名】")
    return text


def _replace_run(match: re.Match[str]) -> str:
    groups = [_digits(group) for group in _GROUP.findall(match.group())]
    if set(groups) <= _SERVICE_NUMBERS or _are_dates(groups):
        return match.group()
    kind = _kind_of("".join(groups))
    return match.group() if kind is None else _LABELS[kind]


def _digits(run: str) -> str:
    plain = run.translate(SPOKEN).upper().replace("Ｘ", "X")
    return "".join(str(int(c)) if c.isdigit() else c for c in plain if c.isdigit() or c == "X")


def _kind_of(digits: str) -> str | None:
    """What a run of digits is: `phone`, `id`, `card`, or None for anything else."""
    if "X" in digits[:-1]:
        return "id"
    if len(digits) in (13, 14) and digits.startswith("86"):
        digits = digits.removeprefix("86")
    if re.fullmatch(r"1[3-9]\d{9}", digits) or re.fullmatch(r"0\d{9,11}", digits):
        return "phone"
    if len(digits) == 18 and re.fullmatch(r"\d{6}(18|19|20)\d{9}[\dX]", digits):
        return "id"
    if len(digits) == 15 and re.fullmatch(r"\d{8}(0[1-9]|1[0-2])\d{5}", digits):
        return "id"
    if re.fullmatch(r"[48]00\d{7}", digits):
        return "phone"
    if len(digits) >= 15:
        return "card"
    if len(digits) in (7, 8) and not _DATE.fullmatch(digits):
        return "phone" if digits[0] in "2345678" else None
    if len(digits) > 11:
        return "phone"
    return None


def _are_dates(groups: list[str]) -> bool:
    """Whether digit groups are years, months and days: 2024-05-01, or a span of two of them."""
    return len(groups) % 3 == 0 and all(
        _DATE.fullmatch(year + month.zfill(2) + day.zfill(2))
        for year, month, day in zip(groups[::3], groups[1::3], groups[2::3], strict=True)
    )
