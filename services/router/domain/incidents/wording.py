"""What the words of a call say of its place and of its matter, to compare it with others.

Calls about one compound share its name and “3号楼”, whatever they are about. Alike in these,
they are of one place, not of one event.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from operator import add
from typing import Final

from services.router.domain.places.gazetteer import Gazetteer, Kind
from services.router.domain.places.names import normalised
from services.router.domain.places.numbers import chinese_number

COMPARED: Final = 400
"""Characters of a text that are compared."""

REMEMBERED: Final = 4096
"""Wordings that are kept, some 2 kB each ..."""
BIGRAMS_REMEMBERED: Final = 1024
"""... and sets of bigrams, some 12 kB each."""

LETTERS: Final = re.compile(r"\w+")
_DIGITS: Final = "[0-9]{1,4}|[一二三四五六七八九十百]{1,4}"
BUILDING: Final = re.compile(rf"({_DIGITS})(?:号楼|栋|幢|座)")
DOOR: Final = re.compile(rf"(?:{_DIGITS})(?:号楼|号院|号门|单元|[栋幢座号门楼层室])")
LIFT: Final = re.compile(rf"({_DIGITS})(?:号|部|台)?(?:电梯|客梯|货梯|梯(?!子|田|次))")
UNIT: Final = re.compile(rf"({_DIGITS})(?:单元|门(?!口|前|外|诊|店|卡))")
COMPOUND: Final = (Kind.COMMUNITY, Kind.ESTATE)


@dataclass(frozen=True, slots=True)
class Wording:
    """`words` are the letters of a text, `matter` those without the place.

    `compounds`, `buildings`, `units` (单元) and `lifts` are those that text and address name.
    """

    words: str
    matter: str
    compounds: frozenset[str] = frozenset()
    buildings: frozenset[int] = frozenset()
    units: frozenset[int] = frozenset()
    lifts: frozenset[int] = frozenset()


@lru_cache(maxsize=REMEMBERED)
def wording(gazetteer: Gazetteer, text: str, address: str | None) -> Wording:
    """The wording of a ticket; linear in its length.

    A call is compared again with each that follows at its place: the last ones are remembered.
    """
    said, where = normalised(text[:COMPARED]), normalised(address or "")
    compounds = {
        entry.name
        for mention in gazetteer.mentions(where)
        for entry in mention.entries
        if mention.kind in COMPOUND
    }
    matter, end = "", 0
    for mention in gazetteer.mentions(said):
        matter, end = matter + said[end : mention.start], mention.end
        compounds |= {entry.name for entry in mention.entries if mention.kind in COMPOUND}
    matter += said[end:]
    whole = f"{where} {said}"
    return Wording(
        words=_letters(said),
        matter=_letters(DOOR.sub("", matter)),
        compounds=frozenset(compounds),
        buildings=_numbers(BUILDING, whole),
        units=_numbers(UNIT, whole),
        lifts=_numbers(LIFT, whole),
    )


def overlap(one: str, other: str) -> float:
    """Sørensen and Dice's coefficient of two rows of letters: twice the pairs of neighbours
    that are common, of all there are."""
    ones, others = _bigrams(one), _bigrams(other)
    return 2 * len(ones & others) / (len(ones) + len(others))


@lru_cache(maxsize=BIGRAMS_REMEMBERED)
def _bigrams(letters: str) -> frozenset[str]:
    """The pairs of neighbouring letters; a single letter, or none, stands for itself."""
    return frozenset(map(add, letters, letters[1:])) or frozenset((letters,))


def _letters(text: str) -> str:
    return "".join(LETTERS.findall(text))


def _numbers(pattern: re.Pattern[str], text: str) -> frozenset[int]:
    found = pattern.findall(text)
    return frozenset(int(d) if d.isascii() else chinese_number(d) for d in found)
