"""What the words of a call say of its place and of its matter, to compare it with others.

Calls about one compound share its name and “3号楼”, whatever they are about. Alike in these,
they are of one place, not of one event.
"""

import re
from dataclasses import dataclass
from typing import Final

from services.router.domain.places.gazetteer import Gazetteer, Kind
from services.router.domain.places.names import normalised
from services.router.domain.places.numbers import chinese_number

COMPARED: Final = 400
"""Characters of a text that are compared."""

LETTERS: Final = re.compile(r"\w+")
_DIGITS: Final = "[0-9]{1,4}|[一二三四五六七八九十百]{1,4}"
BUILDING: Final = re.compile(rf"({_DIGITS})(?:号楼|栋|幢|座)")
DOOR: Final = re.compile(rf"(?:{_DIGITS})(?:号楼|号院|号门|单元|[栋幢座号门楼层室])")
LIFT: Final = re.compile(rf"({_DIGITS})(?:号|部|台)?(?:电梯|客梯|货梯|梯(?!子|田|次))")
UNIT: Final = re.compile(rf"({_DIGITS})(?:单元|门(?!口|前|外|诊|店|卡))")
COMPOUND: Final = (Kind.COMMUNITY, Kind.ESTATE)


@dataclass(frozen=True, slots=True)
class Wording:
    """`words` are the bigrams of a text, `matter` those without the place.

    `compounds`, `buildings`, `units` (单元) and `lifts` are those that text and address name.
    """

    words: frozenset[str]
    matter: frozenset[str]
    compounds: frozenset[str] = frozenset()
    buildings: frozenset[int] = frozenset()
    units: frozenset[int] = frozenset()
    lifts: frozenset[int] = frozenset()


def wording(gazetteer: Gazetteer, text: str, address: str | None) -> Wording:
    """The wording of a ticket; linear in its length."""
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
        words=bigrams(said),
        matter=bigrams(DOOR.sub("", matter)),
        compounds=frozenset(compounds),
        buildings=_numbers(BUILDING, whole),
        units=_numbers(UNIT, whole),
        lifts=_numbers(LIFT, whole),
    )


def bigrams(text: str) -> frozenset[str]:
    """The pairs of neighbouring letters of a text."""
    letters = "".join(LETTERS.findall(text))
    return frozenset(letters[at : at + 2] for at in range(max(1, len(letters) - 1)))


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Sørensen and Dice's coefficient: twice what is common, of all there is."""
    return 2 * len(one & other) / (len(one) + len(other))


def _numbers(pattern: re.Pattern[str], text: str) -> frozenset[int]:
    found = pattern.findall(text)
    return frozenset(int(d) if d.isascii() else chinese_number(d) for d in found)
