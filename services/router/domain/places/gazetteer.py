"""The register of places, and how to find its names in a text.

All names of the register, in all their forms, stand in one automaton. A text is read once, so
the time is linear in its length whatever it holds, and however many names begin alike.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from ahocorasick_rs import AhoCorasick, MatchKind

from services.router.domain.places.names import (
    BUILDING,
    ESTATE_FOLLOWS,
    NAMED_SUFFIX,
    OFFICIAL_SUFFIX,
    ROAD_FOLLOWS,
    SPOT_FOLLOWS,
    Form,
    Need,
)
from services.router.domain.places.sounds import SHORTEST, Sounds, sounds_of
from shared.events import Regime

HOME_DISTRICT: Final = "南开区"


WORD_BREAKS: Final = frozenset(
    "在住是们咱的到从去于区街道路市县由我家叫像和与跟及对映诉说就有老向址搁津这那个边至往问请"
    "经近过被把给让为属村号楼口里现着了时此该前后旁隔壁面位者户民士询求报来"
)
LIVES_IN: Final = ("住在", "家住")
ROAD_ENDINGS: Final = ("路", "街", "道")


class Kind(StrEnum):
    """What a name of the register stands for.

    ESTATE is a 小区 or landmark whose street is known and whose community need not be.
    HINT is one of which the register only supposes the street, or holds several: a proposal.
    NAMESAKE is a community that only another district's register holds: a 小区 of ours
    may bear the same name. VAGUE is a district's bare name that is a word as well (河东): it
    only puts a home in doubt. ORDINARY is a word that contains a name and means no place.
    """

    COMMUNITY = "community"
    ESTATE = "estate"
    HINT = "hint"
    STREET = "street"
    MOVED = "moved"
    OUTSIDE = "outside"
    NAMESAKE = "namesake"
    DISTRICT = "district"
    VAGUE = "vague"
    HOME = "home"
    ROAD = "road"
    ORDINARY = "ordinary"


SOUNDED: Final = frozenset({Kind.COMMUNITY, Kind.ESTATE, Kind.HINT, Kind.STREET})
"""Kinds that are looked for by their sound too."""
AREAS: Final = frozenset({Kind.HOME, Kind.STREET, Kind.DISTRICT, Kind.OUTSIDE})
"""Kinds that make the word directly behind them a place: 万兴街道同富."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of the register. `where` says for people what it belongs to.

    `street` is a unit's slug and `community` a 12-digit code; `note` says why a name other
    than the official one leads here (旧称, 俗称). `table` and `source` say where the register
    has it from, `confidence` how sure that is. It holds from `since` to `until`, both included.
    """

    kind: Kind
    name: str
    where: str = ""
    district: str | None = None
    street: str | None = None
    community: str | None = None
    note: str = ""
    table: str = ""
    source: str = ""
    confidence: str = ""
    since: date | None = None
    until: date | None = None

    def holds(self, day: date | None) -> bool:
        """Whether the register has it on a day; without a day, whether it has it at all."""
        if day is None:
            return True
        return (self.since or day) <= day <= (self.until or day)


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registers add to a name: a compound's regime, or an enclave point (飞地).

    `enclave` is the point's class; `facility_owner` the unit that owns its facilities, which
    need not be the territorial owner's (handbook section 3).
    """

    regime: Regime | None = None
    point: str | None = None
    enclave: str | None = None
    facility_owner: str | None = None


@dataclass(frozen=True, slots=True)
class NumberRange:
    """House numbers `first` to `last` of a road, and the district or street they lie in."""

    first: int
    last: int
    district: str
    street: str | None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Roads:
    """What the registers say of roads, by their official names."""

    ranges: Mapping[str, tuple[NumberRange, ...]]
    passes: Mapping[str, tuple[Entry, ...]]
    crossings: Mapping[frozenset[str], tuple[Entry, ...]]

    def ends(self) -> Mapping[str, Mapping[str, str]]:
        """For each road and each street that it passes a road that it crosses there."""
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for pair, met in self.crossings.items():
            if len(met) == 1 and met[0].street is not None:
                one, other = sorted(pair)
                found[one].setdefault(met[0].street, other)
                found[other].setdefault(met[0].street, one)
        return found


@dataclass(frozen=True, slots=True)
class Mention:
    """A name found in a text, what it may stand for, and whether 社区 or 居委会 followed."""

    text: str
    start: int
    end: int
    entries: tuple[Entry, ...]
    official: bool

    @property
    def kind(self) -> Kind:
        return self.entries[0].kind


@dataclass(frozen=True, slots=True)
class Candidates:
    """The entries that one form of a name may stand for."""

    form: Form
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Gazetteer:
    """The register, indexed, and equal to itself alone. Build it with `build_gazetteer`.

    `communities` are ours by their code. `names` finds the forms in a text, `meant` says for
    each what it may stand for, the strictest need first; `sounds` and `by_name` find what only
    sounds like a name of ours. `registered` holds, for a name as it
    is said and the street it lies in, what compounds and enclaves add to it. `passes` are the
    streets and other districts that a road passes, `crossings` those that two roads meet in,
    `ends` for each road and street that it passes a road that it crosses there. `cities` are
    other cities, and far towns of this one.
    """

    communities: Mapping[str, Entry]
    names: AhoCorasick
    meant: Sequence[tuple[Candidates, ...]]
    sounds: Sounds
    by_name: Mapping[str, tuple[Entry, ...]]
    roads: Mapping[str, tuple[NumberRange, ...]]
    passes: Mapping[str, tuple[Entry, ...]]
    crossings: Mapping[frozenset[str], tuple[Entry, ...]]
    ends: Mapping[str, Mapping[str, str]]
    street_names: Mapping[str, str]
    registered: Mapping[tuple[str, str], tuple[Registered, ...]]
    cities: frozenset[str]

    def mentions(self, text: str) -> list[Mention]:
        """The names in a normalised text, left to right, longest first, never overlapping."""
        found: list[Mention] = []
        read = 0
        matches = self.names.find_matches_as_indexes(text, overlapping=True)
        for form, start, end in sorted(matches, key=_from_the_left):
            if start >= read and (mention := _match(self.meant[form], text, start, end, found)):
                found.append(mention)
                read = mention.end
        return [mention for mention in found if mention.kind is not Kind.ORDINARY]

    def heard_in(self, text: str) -> list[tuple[str, Entry]]:
        """What in a normalised text sounds like a name of ours, and what that stands for.

        One letter may be wrong, and more where a building follows or 住 stands before.
        """
        found: list[tuple[str, Entry]] = []
        for start, end, names in self.sounds.heard_in(text):
            words = text[start:end]
            place = BUILDING.match(text, end) or NAMED_SUFFIX.match(text, end)
            shown = place is not None or text.startswith(LIVES_IN, max(0, start - 2))
            for name in names if words not in names and _begins(text, start) else ():
                wrong = sum(one != other for one, other in zip(words, name, strict=True))
                ends_alike = len(name) > SHORTEST or words[-1] == name[-1]
                if (wrong == 1 and ends_alike) or (shown and wrong < len(name)):
                    found += [(words, entry) for entry in self.by_name[name]]
        return found

    def added_to(self, names: Iterable[str], street: str) -> tuple[Regime | None, Registered]:
        """The regime and the enclave point of names in a street, unless they contradict."""
        found = {each for name in names for each in self.registered.get((name, street), ())}
        regimes = {each.regime for each in found if each.regime}
        points = [each for each in found if each.point]
        return (
            regimes.pop() if len(regimes) == 1 else None,
            points[0] if len(points) == 1 else Registered(),
        )


def build_gazetteer(
    entries: Iterable[tuple[Entry, Form]],
    roads: Roads,
    street_names: Mapping[str, str],
    registered: Mapping[tuple[str, str], tuple[Registered, ...]],
    letters: Mapping[str, str],
    cities: Iterable[str],
) -> Gazetteer:
    """The index over all entries in all their forms.

    Where two entries share a form, it stands for both and the resolver asks; what only
    hints at a place gives way to what names one. `letters` are those of each sound (拼音).
    """
    communities: dict[str, Entry] = {}
    forms: dict[Form, dict[tuple[Kind, str, str | None, str | None], Entry]] = defaultdict(dict)
    for entry, form in entries:
        if entry.kind is Kind.COMMUNITY and entry.community is not None:
            communities.setdefault(entry.community, entry)
        hinted = entry.street if entry.kind is Kind.HINT else None
        same = (entry.kind, entry.community or entry.name, entry.district, hinted)
        forms[form].setdefault(same, entry)
    strictness = {need: rank for rank, need in enumerate(Need)}
    names: dict[str, tuple[Candidates, ...]] = {}
    for form in sorted(forms, key=lambda form: strictness[form.need]):
        candidates = Candidates(form, _meant(forms[form].values()))
        names[form.text] = (*names.get(form.text, ()), candidates)
    by_name = {
        form.text: ours
        for form, found in forms.items()
        if form.need is Need.FREE
        and (ours := tuple(entry for entry in found.values() if entry.kind in SOUNDED))
    }
    return Gazetteer(
        communities=communities,
        sounds=sounds_of(letters, by_name),
        by_name=by_name,
        names=AhoCorasick(names, matchkind=MatchKind.Standard),
        meant=tuple(names.values()),
        roads=roads.ranges,
        passes=roads.passes,
        crossings=roads.crossings,
        ends=roads.ends(),
        street_names=street_names,
        registered=registered,
        cities=frozenset(cities),
    )


def _meant(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    found = tuple(entries)
    return tuple(entry for entry in found if entry.kind not in (Kind.HINT, Kind.ROAD)) or found


def _from_the_left(match: tuple[int, int, int]) -> tuple[int, int]:
    """The order in which matches are read: by where they begin, the longest first."""
    return match[1], -match[2]


def _match(
    meant: Iterable[Candidates], text: str, start: int, end: int, found: list[Mention]
) -> Mention | None:
    for candidates in meant:
        if _shown(candidates.form.need, text, start, end, found):
            suffix = NAMED_SUFFIX.match(text, end)
            return Mention(
                text=candidates.form.text,
                start=start,
                end=suffix.end() if suffix else end,
                entries=candidates.entries,
                official=OFFICIAL_SUFFIX.match(text, end) is not None,
            )
    return None


def _shown(need: Need, text: str, start: int, end: int, found: list[Mention]) -> bool:
    """Whether the words around text[start:end] show what the form needs."""
    led = bool(found) and found[-1].end == start
    short = end - start == 2
    whole_word = led or _begins(text, start)
    if need is not Need.FREE and (need is not Need.AREA or short) and not whole_word:
        return False
    match need:
        case Need.FREE:
            return True
        case Need.TOWN if ESTATE_FOLLOWS.match(text, end):
            return False
        case Need.AREA | Need.TOWN:
            return ROAD_FOLLOWS.match(text, end) is None
        case Need.OFFICIAL:
            return OFFICIAL_SUFFIX.match(text, end) is not None
        case Need.NAMED | Need.SPOT:
            return (
                (need is Need.SPOT and SPOT_FOLLOWS.match(text, end) is not None)
                or NAMED_SUFFIX.match(text, end) is not None
                or BUILDING.match(text, end) is not None
                or (start == 0 and end == len(text))
                or (led and found[-1].kind in AREAS and ROAD_FOLLOWS.match(text, end) is None)
                or (
                    text.startswith(LIVES_IN, max(0, start - 2))
                    and not text.startswith(ROAD_ENDINGS, end - 1)
                    and ROAD_FOLLOWS.match(text, end) is None
                )
            )


def _begins(text: str, start: int) -> bool:
    """Whether a word can begin here: 雅园小区 is no part of 翡翠雅园小区."""
    before = text[start - 1 : start]
    return before in WORD_BREAKS or not ("\u4e00" <= before <= "\u9fff")
