"""Where a ticket is: district, street and community from the caller's words.

Rules are those of handbook section 7. The address field is read before the text. A name of
the register beats a district somebody merely mentions; a house number beats its road; a
bare stem that several communities share is a question, though a street they all lie in is
known. A road alone never decides. Certainty EXACT means that the community is known,
STREET that the street is and the community is not.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.router.domain.places.boundaries import Area, street_at
from services.router.domain.places.gazetteer import HOME_DISTRICT, Entry, Gazetteer, Kind, Mention
from services.router.domain.places.names import normalised
from services.router.domain.places.numbers import house_number
from services.router.domain.places.unregistered import unregistered_name
from shared.events import Certainty, Location, Place

UNREGISTERED: Final = "提到的地名不在登记册："
NOTHING_SAID: Final = "没有说出可识别的街道、社区或小区"
LOCATION_UNUSED: Final = "有坐标，但没有街道边界数据，坐标未用于定位"
LOCATION_ELSEWHERE: Final = "坐标不在任何一个街道的边界内，未用于定位"
LOCATION_HINTS: Final = "供人工定位参考：坐标位于"
LOCATED: Final = "没有说出街道，按坐标和街道边界定位于"

SETTLED: Final = frozenset({Certainty.EXACT, Certainty.TRANSFERRED})
ADJACENT: Final = re.compile(r"[市的,、·-]?")
PASSING: Final = re.compile(
    r"(?:区里|政府|人民|法院|医院|公安|城管|住建|民政|教育|管委|热线|那边说|那边也|也)?"
    r"(?:说|回复|答复|让|推|不管|不归|没|不|来的|搬|上班|上学|政府|法院|医院|公安|城管|交界)"
)
COMPARING: Final = re.compile(r"[从去到往跟和与像比]$")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the names in the words amount to, sorted by what they can prove.

    `firm` are places of ours, `stems` names several of them share, `outside` places that
    are certainly elsewhere, `districts` other districts merely named, `namesakes` names
    only another district's register holds.
    """

    firm: tuple[tuple[str, Entry], ...]
    stems: tuple[Mention, ...]
    moved: tuple[tuple[str, Entry], ...]
    outside: tuple[tuple[str, Entry], ...]
    districts: tuple[str, ...]
    namesakes: tuple[Mention, ...]
    road_reasons: tuple[str, ...]
    home: bool

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(
            firm=self.firm + other.firm,
            stems=self.stems + other.stems,
            moved=self.moved + other.moved,
            outside=self.outside + other.outside,
            districts=self.districts + other.districts,
            namesakes=self.namesakes + other.namesakes,
            road_reasons=self.road_reasons + other.road_reasons,
            home=self.home or other.home,
        )


def resolve(
    gazetteer: Gazetteer,
    text: str,
    address: str | None = None,
    location: Location | None = None,
    boundaries: Sequence[Area] = (),
) -> Place:
    """The place of a ticket, with reasons a person can check.

    Never raises; linear in the length of the words. `location` decides only where the words
    name no place at all, and only with the streets' `boundaries`; the reasons say so.
    """
    place = _from_words(gazetteer, normalised(text), normalised(address or ""))
    if location is None or place.street is not None or place.certainty is not Certainty.UNKNOWN:
        return place
    street = street_at(boundaries, location)
    if street is not None and not names_unregistered(place):
        reason = f"{LOCATED}{gazetteer.street_names[street]}"
        return Place(
            district=HOME_DISTRICT, street=street, certainty=Certainty.STREET, reasons=(reason,)
        )
    if street is not None:
        why = f"{LOCATION_HINTS}{gazetteer.street_names[street]}"
    else:
        why = LOCATION_ELSEWHERE if boundaries else LOCATION_UNUSED
    return place.model_copy(update={"reasons": (*place.reasons, why)})


def names_unregistered(place: Place) -> bool:
    """Whether the words name a place that the register does not hold: a person decides."""
    return any(reason.startswith(UNREGISTERED) for reason in place.reasons)


def _from_words(gazetteer: Gazetteer, text: str, address: str) -> Place:
    """Address first; the text adds what the address leaves open and never contradicts it."""
    if not address:
        return _judge(gazetteer, _evidence(gazetteer, text), text)
    said = _evidence(gazetteer, address)
    place = _judge(gazetteer, said, address)
    if place.certainty in SETTLED or said.outside:
        return place
    both = _judge(gazetteer, said + _evidence(gazetteer, text), f"{address},{text}")
    if place.street is None or both.street == place.street:
        return both
    return place


def _evidence(gazetteer: Gazetteer, text: str) -> Evidence:
    firm: list[tuple[str, Entry]] = []
    stems: list[Mention] = []
    moved: list[tuple[str, Entry]] = []
    outside: list[tuple[str, Entry]] = []
    districts: list[str] = []
    namesakes: list[Mention] = []
    road_reasons: list[str] = []
    home = False
    before: Mention | None = None
    for mention in gazetteer.mentions(text):
        led = _led_by(before, mention, text)
        entry = mention.entries[0]
        match mention.kind:
            case Kind.HOME:
                home = True
            case Kind.DISTRICT:
                if not _in_passing(mention, text):
                    districts.append(entry.name)
            case Kind.ROAD:
                numbered, reason = _numbered(gazetteer, entry, text, mention.end)
                if numbered is None:
                    road_reasons.append(reason)
                else:
                    (firm if numbered.street else outside).append((reason, numbered))
            case Kind.OUTSIDE:
                outside.extend((mention.text, each) for each in mention.entries)
            case Kind.NAMESAKE if led or (mention.official and len(mention.text) > 2):
                outside.extend((mention.text, each) for each in mention.entries)
            case Kind.NAMESAKE:
                namesakes.append(mention)
            case _ if led is not None:
                outside.append((mention.text, led))
            case Kind.MOVED:
                moved.append((mention.text, entry))
            case _ if len(mention.entries) > 1:
                stems.append(mention)
            case _:
                firm.append((mention.text, entry))
        before = mention
    return Evidence(
        tuple(firm),
        tuple(stems),
        tuple(moved),
        tuple(outside),
        tuple(districts),
        tuple(namesakes),
        tuple(road_reasons),
        home,
    )


def _led_by(before: Mention | None, mention: Mention, text: str) -> Entry | None:
    """The other district that stands directly before a name and so claims it: 滨海新区华阳里."""
    if before is None or before.kind not in (Kind.DISTRICT, Kind.OUTSIDE):
        return None
    gap = text[before.end : mention.start]
    return before.entries[0] if ADJACENT.fullmatch(gap) else None


def _in_passing(mention: Mention, text: str) -> bool:
    """Whether a district is only talked about: 西青区说没接手, 从河西区搬来."""
    return (
        PASSING.match(text, mention.end) is not None
        or COMPARING.search(text, max(0, mention.start - 1), mention.start) is not None
    )


def _numbered(gazetteer: Gazetteer, road: Entry, text: str, end: int) -> tuple[Entry | None, str]:
    number = house_number(text, end)
    if number is None:
        return None, f"“{road.name}”跨区，没有说门牌号"
    for numbers in gazetteer.roads[road.name]:
        if numbers.first <= number <= numbers.last:
            street = numbers.street
            where = gazetteer.street_names[street] if street else numbers.district
            kind = Kind.STREET if street else Kind.OUTSIDE
            said = f"{road.name}{number}号"
            return Entry(kind, said, where, numbers.district, street), said
    return None, f"{UNREGISTERED}“{road.name}{number}号”（门牌号段未登记）"


def _judge(gazetteer: Gazetteer, said: Evidence, text: str) -> Place:
    if said.moved and not _in_kinds(said.firm, Kind.COMMUNITY, Kind.ESTATE):
        return _transferred(said)
    if said.firm or said.stems:
        return _ours(gazetteer, said)
    if said.outside:
        return _outside(said.outside)
    if said.districts and not said.home:
        named = tuple(dict.fromkeys(said.districts))
        district = named[0] if len(named) == 1 else None
        return Place(
            district=district,
            certainty=Certainty.OUTSIDE,
            reasons=(f"说的是{'、'.join(named)}",),
        )
    return _open(said, text)


def _transferred(said: Evidence) -> Place:
    districts = {entry.district for _, entry in said.moved}
    return Place(
        district=districts.pop() if len(districts) == 1 else None,
        certainty=Certainty.TRANSFERRED,
        reasons=_unique(f"“{words}”2021年划出南开区，{entry.where}" for words, entry in said.moved),
    )


def _outside(outside: Iterable[tuple[str, Entry]]) -> Place:
    found = tuple(outside)
    districts = {entry.district for _, entry in found}
    return Place(
        district=districts.pop() if len(districts) == 1 else None,
        certainty=Certainty.OUTSIDE,
        reasons=_unique(f"“{words}”属{entry.where}" for words, entry in found),
    )


def _ours(gazetteer: Gazetteer, said: Evidence) -> Place:
    """The place among our own: one street, several, or one of ours beside another's."""
    stems = tuple(stem for stem in said.stems if not _settled_by(stem, said.firm))
    reasons = _unique(
        [
            *(_belongs(words, entry) for words, entry in said.firm),
            *(_asks(stem) for stem in stems),
        ]
    )
    elsewhere = (*said.moved, *said.outside)
    streets = {entry.street for _, entry in said.firm}
    streets |= {entry.street for stem in stems for entry in stem.entries}
    if len(streets) > 1 or elsewhere:
        also = _unique(f"“{words}”属{entry.where}" for words, entry in elsewhere)
        return Place(
            district=HOME_DISTRICT if not elsewhere else None,
            certainty=Certainty.AMBIGUOUS,
            reasons=(*reasons, *also, "说到的地点不在同一街道，须核实"),
        )
    street = streets.pop()
    communities = {entry.community for _, entry in said.firm if entry.kind is not Kind.STREET}
    if not said.firm:
        certainty = Certainty.AMBIGUOUS
    elif len(communities) == 1 and None not in communities and not stems:
        certainty = Certainty.EXACT
    else:
        certainty = Certainty.STREET
    regime, point = gazetteer.added_to((words for words, _ in said.firm), street or "")
    return Place(
        district=HOME_DISTRICT,
        street=street,
        community=communities.pop() if certainty is Certainty.EXACT else None,
        certainty=certainty,
        point=point.point,
        enclave=point.enclave,
        facility_owner=point.facility_owner,
        regime=regime,
        reasons=reasons,
    )


def _open(said: Evidence, text: str) -> Place:
    """Nothing decides: what is there to ask or to check."""
    district = HOME_DISTRICT if said.home else None
    if said.namesakes:
        reasons = _unique(
            f"{UNREGISTERED}“{mention.text}”，{mention.entries[0].where}有同名社区"
            for mention in said.namesakes
        )
        return Place(district=district, certainty=Certainty.AMBIGUOUS, reasons=reasons)
    if said.road_reasons:
        reasons = _unique(said.road_reasons)
        return Place(district=district, certainty=Certainty.AMBIGUOUS, reasons=reasons)
    name = unregistered_name(text)
    reason = f"{UNREGISTERED}“{name}”" if name else NOTHING_SAID
    return Place(district=district, certainty=Certainty.UNKNOWN, reasons=(reason,))


def _settled_by(stem: Mention, firm: tuple[tuple[str, Entry], ...]) -> bool:
    """Whether a fuller name in the same words answers the stem: 林苑 beside 林苑东里."""
    named = {entry.community for _, entry in firm if entry.community}
    streets = {entry.street for _, entry in firm}
    return any(
        entry.community in named or (entry.kind is Kind.STREET and entry.street in streets)
        for entry in stem.entries
    )


def _belongs(words: str, entry: Entry) -> str:
    also = "，".join(filter(None, (entry.note, f"即{entry.name}")))
    return f"“{words}”{f'（{also}）' if words != entry.name else ''}属{entry.where}"


def _asks(stem: Mention) -> str:
    names = "、".join(f"{entry.name}（{entry.where}）" for entry in stem.entries)
    return f"“{stem.text}”可能是{names}，须问清"


def _in_kinds(found: Iterable[tuple[str, Entry]], *kinds: Kind) -> bool:
    return any(entry.kind in kinds for _, entry in found)


def _unique(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))
