"""House numbers after a road's name, in Arabic or Chinese digits."""

import re
from typing import Final

NUMBER: Final = re.compile(
    r"[(（]?(?:增|门牌号?|第)?(?:([0-9]{1,5})(?![0-9路天元块人户米分个次年月日点快车度平多余几辆盏只棵条处层小%.:])"
    r"|([零〇一二两三四五六七八九十百千]{1,7})(?=号))"
)
"""What counts or measures behind the digits makes them none: 393路, 395天, 399元."""
DIGIT: Final = {char: value for value, char in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "两": 2,
}
UNIT: Final = {"十": 10, "百": 100, "千": 1000}


def house_number(text: str, start: int) -> int | None:
    """The number that stands at `start`, None where none does.

    393号, 第393号, （393号）, 393-1号, 三百九十三号, 三九三号.
    """
    found = NUMBER.match(text, start)
    if found is None:
        return None
    return int(found[1]) if found[1] else chinese_number(found[2])


def chinese_number(digits: str) -> int:
    """The value of Chinese digits, read out in words or one by one."""
    if not any(char in UNIT for char in digits):
        return int("".join(str(DIGIT[char]) for char in digits))
    total, digit = 0, 0
    for char in digits:
        if char in UNIT:
            total += (digit or 1) * UNIT[char]
            digit = 0
        else:
            digit = DIGIT[char]
    return total + digit
