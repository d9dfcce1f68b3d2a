"""What the names in a text amount to: whose they are, and what each of them can prove.

A name says where the matter is, where the caller lives, or where somebody came from; two
roads together say a crossing. What only says where somebody lives or came from counts where
nothing else is named.
"""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, fields, replace
from datetime import date
from itertools import pairwise
from typing import Final

from services.router.domain.places.away import Mark, home_again, in_passing, mark_of
from services.router.domain.places.gazetteer import Entry, Gazetteer, Kind, Mention
from services.router.domain.places.numbers import house_number
from services.router.domain.places.roles import BESIDE, Role, roles

NAMED_DISTRICTS: Final = frozenset({Kind.DISTRICT, Kind.VAGUE})
KNOWN_AREAS: Final = frozenset({*NAMED_DISTRICTS, Kind.HOME})
AWAY: Final = frozenset({*NAMED_DISTRICTS, Kind.OUTSIDE, Kind.NAMESAKE})
UNREGISTERED: Final = "提到的地名不在登记册："
WITHIN: Final = re.compile(
    r"[省市区县,、·-]?(?:[一-鿿]{1,3}(?:街道|[区县市镇街乡村庄])|朝阳|海淀|丰台|西单|通州|浦东)?"
    r"(?:(?:那边|那儿|这边)?的|那边|那儿)?(?:那个)?"
)
"""What may stand between a place elsewhere and what lies in it: 北辰区双街那个水上公园."""
LONGEST_CITY: Final = 4
ANOTHERS: Final = re.compile(
    r"(?:[县省旗]|(?<![津本全我超菜夜早集门花闹])市|第[0-9一二三四五六七八九十]+)新?$"
)
"""What leads to a name that is part of another city's: 某县人民医院, 成都市…鼓楼, 第三人民医院."""

JOINED: Final = re.compile(r"[的]?(?:[和与跟同及、,/+x×-]|以及|到|至|靠近?|挨着?|交)?(?:那个)?")
MEETING: Final = re.compile(
    r"(?:的|那个|那|这个|这)*(?:大|小)?(?:交叉?口|交[汇会]处?|交界|交叉|路口|道口|口儿?|十字|丁字|三岔"
    r"|红绿灯|信号灯|之间|中间|拐[角弯]|转[角弯]|相交|[东南西北]{1,2}角|桥|把角|跟前|附近|旁边|边[上儿]"
    r"|[这那](?:[儿边块里头片溜]|[嘎旮疙][达瘩旯]|一[片带块]|地[方儿界]|跟前)|角[上儿])"
)
"""What may follow two roads of which a crossing is meant."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Words that leave several places open, or one that is only supposed.

    `name` is what they name, a road's name where `road`; `entries` are the places.
    """

    words: str
    name: str
    entries: tuple[Entry, ...]
    road: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the names in the words amount to, sorted by what they can prove.

    `firm` are places of ours, `stems` names several of them share, `outside` places that
    are certainly elsewhere, `districts` other districts merely named, `namesakes` names
    only another district's register holds, `hints` what proves nothing by itself.
    `beside` are the words of places that are only what the spot lies next to.
    """

    firm: tuple[tuple[str, Entry], ...] = ()
    stems: tuple[Mention, ...] = ()
    moved: tuple[tuple[str, Entry], ...] = ()
    outside: tuple[tuple[str, Entry], ...] = ()
    districts: tuple[str, ...] = ()
    namesakes: tuple[Mention, ...] = ()
    hints: tuple[Hint, ...] = ()
    road_reasons: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    home: bool = False

    def __add__(self, other: "Evidence") -> "Evidence":
        both = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
            if field.name != "home"
        }
        return Evidence(**both, home=self.home or other.home)


NOTHING: Final = Evidence()


def evidence_in(gazetteer: Gazetteer, text: str, day: date | None = None) -> Evidence:
    """What a normalised text says of places, as the register has them on a day."""
    mentions = [
        found
        for each in gazetteer.mentions(text)
        if (found := _on(each, day)) and not _of_another_city(each, text)
    ]
    mentions = list(_not_elsewhere(gazetteer, mentions, text))
    if not mentions:
        return NOTHING
    crossed = dict(_crossings(mentions, text))
    played = roles(mentions, text)
    alone = Role.HOME not in played and Role.ASIDE not in played
    matter = _Found(gazetteer, text)
    aside = matter if alone else _Found(gazetteer, text)
    told: list[Mention] = []
    before: Mention | None = None
    skip: Mention | None = None
    lived = False
    for mention, role in zip(mentions, played, strict=True):
        if mention is skip:
            before, skip = mention, None
            continue
        skip = crossed.get(mention.start)
        side = matter if role is Role.MATTER else aside
        if role is Role.DENIED:
            pass
        elif skip is not None:
            side.take_crossing(mention, skip)
        else:
            side.take(mention, before)
            if role is Role.MATTER or (lived and mention.kind in AWAY):
                told.append(mention)
            lived = lived or (role is Role.HOME and mention.kind not in AWAY)
        before = mention
    said = matter.evidence()
    if alone or said.firm or said.stems or any(not hint.road for hint in said.hints):
        return said
    again = home_again(text, mentions[0].end)
    return _beside_home(
        aside.evidence(), said, [(each, mark_of(each, text)) for each in told], again
    )


def _beside_home(
    home: Evidence, said: Evidence, told: Sequence[tuple[Mention, Mark]], again: bool
) -> Evidence:
    """What is said beside the caller's home, with the home where the matter may be there.

    The home goes where the words tell of another district, or of roads of which none reaches
    it; it is in doubt where they only name a district. `again`: they come back to the home.
    """
    away = [(each, mark) for each, mark in told if each.kind in AWAY]
    if not again and any(mark is Mark.TOLD and each.kind is not Kind.VAGUE for each, mark in away):
        return replace(said, home=False)
    reached = {entry.street for hint in said.hints for entry in hint.entries}
    apart = reached and reached.isdisjoint(entry.street for _, entry in home.firm)
    if not again and not away and apart and any(mark is Mark.TOLD for _, mark in told):
        return said
    enough = {Mark.TOLD} if again else {Mark.TOLD, Mark.NAMED}
    doubted = [
        (each.entries[0].where, each.entries[0])
        for each, mark in away
        if each.kind in NAMED_DISTRICTS and mark in enough
    ]
    return home + replace(said, outside=(*said.outside, *doubted))


def _on(mention: Mention, day: date | None) -> Mention | None:
    if day is None or not any(entry.since or entry.until for entry in mention.entries):
        return mention
    held = tuple(entry for entry in mention.entries if entry.holds(day))
    return replace(mention, entries=held) if held else None


class _Found:
    """The evidence of one text while its mentions are taken up."""

    def __init__(self, gazetteer: Gazetteer, text: str) -> None:
        self._gazetteer = gazetteer
        self._text = text
        self._firm: list[tuple[str, Entry]] = []
        self._stems: list[Mention] = []
        self._moved: list[tuple[str, Entry]] = []
        self._outside: list[tuple[str, Entry]] = []
        self._districts: list[str] = []
        self._namesakes: list[Mention] = []
        self._hints: list[Hint] = []
        self._road_reasons: list[str] = []
        self._beside: list[str] = []
        self._home = False

    def evidence(self) -> Evidence:
        """All that was taken up."""
        return Evidence(
            tuple(self._firm),
            tuple(self._stems),
            tuple(self._moved),
            tuple(self._outside),
            tuple(self._districts),
            tuple(self._namesakes),
            tuple(self._hints),
            tuple(self._road_reasons),
            tuple(self._beside),
            self._home,
        )

    def take(self, mention: Mention, before: Mention | None) -> None:
        """Take up a mention; `before` is the one that stands before it."""
        led = _led_by(before, mention, self._text)
        entry = mention.entries[0]
        match mention.kind:
            case Kind.HOME:
                self._home = True
            case Kind.VAGUE:
                pass
            case Kind.DISTRICT:
                if not in_passing(mention, self._text):
                    self._districts.append(entry.name)
            case Kind.ROAD:
                self._take_road(mention, entry)
            case Kind.OUTSIDE:
                self._outside.extend((mention.text, each) for each in mention.entries)
            case Kind.NAMESAKE if own := _own(mention, led):
                self._outside.extend((mention.text, each) for each in own)
            case _ if led is not None:
                self._outside.append((mention.text, led))
            case Kind.NAMESAKE:
                self._namesakes.append(mention)
            case Kind.MOVED:
                self._moved.append((mention.text, entry))
            case Kind.HINT:
                self._hints.append(Hint(mention.text, entry.name, mention.entries))
            case _ if len(mention.entries) > 1:
                self._stems.append(mention)
            case _:
                self._firm.append((mention.text, entry))
                if BESIDE.match(self._text, mention.end):
                    self._beside.append(mention.text)

    def take_crossing(self, first: Mention, second: Mention) -> None:
        """Take up two roads as the crossing they meet in."""
        names = (first.entries[0].name, second.entries[0].name)
        words = f"{names[0]}与{names[1]}交口"
        met = self._gazetteer.crossings.get(frozenset(names), ())
        if len(met) == 1 and met[0].kind is Kind.STREET:
            self._firm.append((words, met[0]))
        elif met:
            self._hints.append(Hint(words, words, met))
        else:
            self._hints += [
                Hint(name, name, self._gazetteer.passes.get(name, ()), road=True) for name in names
            ]

    def _take_road(self, mention: Mention, road: Entry) -> None:
        numbered, reason = _numbered(self._gazetteer, road, self._text, mention.end)
        if numbered is not None:
            (self._firm if numbered.street else self._outside).append((reason, numbered))
            return
        self._road_reasons.append(reason)
        passes = self._gazetteer.passes.get(road.name, ())
        self._hints.append(Hint(mention.text, road.name, passes, road=True))


def _crossings(mentions: Sequence[Mention], text: str) -> Iterator[tuple[int, Mention]]:
    """The roads that meet another one, by where they stand, each with that other."""
    taken: Mention | None = None
    for first, second in pairwise(mentions):
        if first is taken or first.kind is not Kind.ROAD or second.kind is not Kind.ROAD:
            continue
        if first.entries[0].name == second.entries[0].name:
            continue
        joined = JOINED.fullmatch(text, first.end, second.start)
        if joined is not None and (joined[0] or MEETING.match(text, second.end)):
            taken = second
            yield first.start, second


def _led_by(before: Mention | None, mention: Mention, text: str) -> Entry | None:
    """The other district that stands directly before a name and so claims it: 滨海新区华阳里."""
    if before is None or before.kind not in (Kind.DISTRICT, Kind.OUTSIDE):
        return None
    return before.entries[0] if WITHIN.fullmatch(text, before.end, mention.start) else None


def _own(mention: Mention, led: Entry | None) -> tuple[Entry, ...]:
    """The namesakes that a name certainly means: those of the district before it, or official."""
    if led is not None:
        return tuple(entry for entry in mention.entries if entry.district == led.district)
    return mention.entries if mention.official and len(mention.text) > 2 else ()


def _of_another_city(mention: Mention, text: str) -> bool:
    return (
        ANOTHERS.search(text, max(0, mention.start - 6), mention.start) is not None
        and "天津" not in text[max(0, mention.start - 8) : mention.start]
    )


def _not_elsewhere(
    gazetteer: Gazetteer, mentions: Sequence[Mention], text: str
) -> Iterator[Mention]:
    """The names that no other city or far town of Tianjin claims: 上海大悦城, 塘沽留园里.

    What a district claims that was found as a name itself is left to that.
    """
    ends = {each.end for each in mentions if each.kind in AWAY}
    for mention in mentions:
        if mention.kind in KNOWN_AREAS or not _in_a_city(
            gazetteer.cities, mention.start, text, ends
        ):
            yield mention


def _in_a_city(cities: Set[str], end: int, text: str, found: Set[int]) -> bool:
    first = max(0, end - 14)
    return any(
        text[start : start + length] in cities
        and WITHIN.fullmatch(text, start + length, end) is not None
        and found.isdisjoint((start + length, start + length + 1))
        for start in range(first, end - 1)
        for length in range(2, LONGEST_CITY + 1)
    )


def _numbered(gazetteer: Gazetteer, road: Entry, text: str, end: int) -> tuple[Entry | None, str]:
    number = house_number(text, end)
    if number is None:
        crosses = "跨区，" if _crosses(gazetteer, road) else ""
        return None, f"“{road.name}”{crosses}没有说门牌号"
    for numbers in gazetteer.roads.get(road.name, ()):
        if numbers.first <= number <= numbers.last:
            street = numbers.street
            where = gazetteer.street_names[street] if street else numbers.district
            kind = Kind.STREET if street else Kind.OUTSIDE
            said = f"{road.name}{number}号"
            entry = Entry(kind, said, where, numbers.district, street)
            return replace(entry, table="roads", source=numbers.source), said
    return None, f"{UNREGISTERED}“{road.name}{number}号”（门牌号段未登记）"


def _crosses(gazetteer: Gazetteer, road: Entry) -> bool:
    """Whether a road leads into another district, as far as the registers say."""
    districts = {entry.district for entry in gazetteer.passes.get(road.name, ())}
    return len(districts | {each.district for each in gazetteer.roads.get(road.name, ())}) > 1 or (
        not districts
    )
