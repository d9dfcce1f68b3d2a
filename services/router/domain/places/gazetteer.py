"""The register of places, and how to find its names in a text.

All names of the register, in all their forms, stand in one table keyed by their first two
characters, then by their length, longest first. A text is read once from left to right, so
the time is linear in its length whatever it holds, and however many names begin alike.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.router.domain.places.names import (
    BUILDING,
    NAMED_SUFFIX,
    OFFICIAL_SUFFIX,
    ROAD_FOLLOWS,
    Form,
    Need,
)
from shared.events import Regime

HOME_DISTRICT: Final = "南开区"


WORD_BREAKS: Final = frozenset(
    "在住是们咱的到从去于区街道路市县由我家叫像和与跟及对映诉说就有老向址搁津这那个边至往问请"
    "经近过被把给让为属村号楼口里现着了时此该前后旁隔壁面位者户民士询求"
)
LIVES_IN: Final = ("住在", "家住")
ROAD_ENDINGS: Final = ("路", "街", "道")


class Kind(StrEnum):
    """What a name of the register stands for.

    ESTATE is a 小区 or landmark whose street is known and whose community need not be.
    NAMESAKE is a community that only another district's register holds: a 小区 of ours
    may bear the same name. ORDINARY is a word that contains a name and means no place.
    """

    COMMUNITY = "community"
    ESTATE = "estate"
    STREET = "street"
    MOVED = "moved"
    OUTSIDE = "outside"
    NAMESAKE = "namesake"
    DISTRICT = "district"
    HOME = "home"
    ROAD = "road"
    ORDINARY = "ordinary"


AREAS: Final = frozenset({Kind.HOME, Kind.STREET, Kind.DISTRICT, Kind.OUTSIDE})
"""Kinds that make the word directly behind them a place: 万兴街道同富."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of the register. `where` says for people what it belongs to.

    `street` is a unit's slug and `community` a 12-digit code; `note` says why a name other
    than the official one leads here (旧称, 俗称).
    """

    kind: Kind
    name: str
    where: str = ""
    district: str | None = None
    street: str | None = None
    community: str | None = None
    note: str = ""


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


Bucket = tuple[tuple[int, Mapping[str, tuple[Candidates, ...]]], ...]
"""Of names that begin alike those of each length, longest first; of one name strictest first."""


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """The register, indexed. Build it with `build_gazetteer`.

    `registered` holds, for a name as it is said and the street it lies in, what compounds
    and enclaves add to it.
    """

    index: Mapping[str, Bucket]
    roads: Mapping[str, tuple[NumberRange, ...]]
    street_names: Mapping[str, str]
    registered: Mapping[tuple[str, str], tuple[Registered, ...]]

    def mentions(self, text: str) -> list[Mention]:
        """The names in a normalised text, left to right, longest first, never overlapping."""
        found: list[Mention] = []
        index, start, last = self.index, 0, len(text) - 1
        while start < last:
            bucket = index.get(text[start : start + 2])
            mention = _match(bucket, text, start, found) if bucket else None
            if mention is None:
                start += 1
            else:
                found.append(mention)
                start = mention.end
        return [mention for mention in found if mention.kind is not Kind.ORDINARY]

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
    roads: Mapping[str, tuple[NumberRange, ...]],
    street_names: Mapping[str, str],
    registered: Mapping[tuple[str, str], tuple[Registered, ...]],
) -> Gazetteer:
    """The index over all entries in all their forms.

    Where two entries share a form, it stands for both and the resolver asks.
    """
    forms: dict[Form, dict[tuple[Kind, str, str | None], Entry]] = defaultdict(dict)
    for entry, form in entries:
        same = (entry.kind, entry.community or entry.name, entry.district)
        forms[form].setdefault(same, entry)
    strictness = {need: rank for rank, need in enumerate(Need)}
    buckets: dict[str, dict[int, dict[str, tuple[Candidates, ...]]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for form in sorted(forms, key=lambda form: (-len(form.text), strictness[form.need])):
        names = buckets[form.text[:2]][len(form.text)]
        candidates = Candidates(form, tuple(forms[form].values()))
        names[form.text] = (*names.get(form.text, ()), candidates)
    index = {key: tuple(bucket.items()) for key, bucket in buckets.items()}
    return Gazetteer(index=index, roads=roads, street_names=street_names, registered=registered)


def _match(bucket: Bucket, text: str, start: int, found: list[Mention]) -> Mention | None:
    for length, names in bucket:
        end = start + length
        for candidates in names.get(text[start:end], ()):
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
        case Need.AREA:
            return ROAD_FOLLOWS.match(text, end) is None
        case Need.OFFICIAL:
            return OFFICIAL_SUFFIX.match(text, end) is not None
        case Need.NAMED:
            return (
                NAMED_SUFFIX.match(text, end) is not None
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
