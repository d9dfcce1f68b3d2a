"""Where a ticket is: district, street and community from the caller's words.

Rules are those of handbook section 7. The address field is read before the text. A name of
the register beats a district somebody merely mentions; a house number beats its road, and so
does a crossing; a bare stem that several communities share is a question, though a street
they all lie in is known. A road alone never decides, and what the register only supposes is
for a person to confirm: both leave candidates, the first with what to ask. Certainty EXACT
means that the community is known, STREET that the street is and the community is not.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from services.router.domain.places.asking import (
    ASK_ANYWHERE,
    asking_where,
    asking_which,
    common,
    narrowed,
    told,
)
from services.router.domain.places.boundaries import Area, street_at
from services.router.domain.places.evidence import UNREGISTERED, Evidence, Hint, evidence_in
from services.router.domain.places.gazetteer import HOME_DISTRICT, Entry, Gazetteer, Kind, Mention
from services.router.domain.places.names import normalised
from services.router.domain.places.unregistered import unregistered_name
from shared.events import Certainty, Location, Place, PlaceCandidate

NOTHING_SAID: Final = "没有说出可识别的街道、社区或小区"
LOCATION_UNUSED: Final = "有坐标，但没有街道边界数据，坐标未用于定位"
LOCATION_ELSEWHERE: Final = "坐标不在任何一个街道的边界内，未用于定位"
LOCATION_HINTS: Final = "供人工定位参考：坐标位于"
LOCATED: Final = "没有说出街道，按坐标和街道边界定位于"

SETTLED: Final = frozenset({Certainty.EXACT, Certainty.TRANSFERRED})
MOST_CANDIDATES: Final = 8


def resolve(
    gazetteer: Gazetteer,
    text: str,
    address: str | None = None,
    location: Location | None = None,
    boundaries: Sequence[Area] = (),
    day: date | None = None,
) -> Place:
    """The place of a ticket, with reasons a person can check.

    Never raises; linear in the length of the words. `location` decides only where the words
    name no place at all, and only with the streets' `boundaries`; the reasons say so. `day`
    is the day whose register counts, every day's where it is None.
    """
    place = _from_words(gazetteer, normalised(text), normalised(address or ""), day)
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


def _from_words(gazetteer: Gazetteer, text: str, address: str, day: date | None) -> Place:
    """Address first; the text adds what the address leaves open and never contradicts it."""
    if not address:
        return _judge(gazetteer, evidence_in(gazetteer, text, day), text)
    said = evidence_in(gazetteer, address, day)
    place = _judge(gazetteer, said, address)
    if place.certainty in SETTLED or said.outside:
        return place
    both = _judge(gazetteer, said + evidence_in(gazetteer, text, day), f"{address},{text}")
    if place.street is None or both.street == place.street:
        return both
    return place


def _judge(gazetteer: Gazetteer, said: Evidence, text: str) -> Place:
    if said.moved and not _in_kinds(said.firm, Kind.COMMUNITY, Kind.ESTATE):
        return _transferred(said)
    if said.firm or said.stems:
        return _ours(gazetteer, said)
    ours = any(not hint.road for hint in said.hints)
    if said.outside and not ours:
        return _mishearable(gazetteer, said, text) or _outside(said.outside)
    if said.hints and (said.home or said.outside or not _leads_to(said.hints, said.districts)):
        return _hinted(gazetteer, said)
    if said.districts and not said.home:
        named = tuple(dict.fromkeys(said.districts))
        district = named[0] if len(named) == 1 else None
        return Place(
            district=district,
            certainty=Certainty.OUTSIDE,
            reasons=(f"说的是{'、'.join(named)}",),
        )
    return _open(gazetteer, said, text)


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
        reasons=_unique(_lies(words, entry) for words, entry in found),
    )


def _mishearable(gazetteer: Gazetteer, said: Evidence, text: str) -> Place | None:
    """A question where a name elsewhere sounds like one of ours and no other district is said.

    万新街道 is 东丽区's, and what a speech recogniser makes of 万兴街道.
    """
    names = {words for words, _ in said.outside}
    alike = () if said.districts else gazetteer.heard_in(text)
    ours = [(words, entry) for words, entry in alike if words in names]
    if not ours:
        return None
    return Place(
        district=HOME_DISTRICT if said.home else None,
        certainty=Certainty.AMBIGUOUS,
        reasons=_unique(
            [*(_lies(words, entry) for words, entry in said.outside), *map(_sounds, ours)]
        ),
        candidates=_candidates(ours),
    )


def _ours(gazetteer: Gazetteer, said: Evidence) -> Place:
    """The place among our own: one street, several, or one of ours beside another's."""
    stems = tuple(
        narrowed(stem, said.hints) for stem in said.stems if not _settled_by(stem, said.firm)
    )
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
        also = _unique(_lies(words, entry) for words, entry in elsewhere)
        return Place(
            district=HOME_DISTRICT if not elsewhere else None,
            certainty=Certainty.AMBIGUOUS,
            reasons=(*reasons, *also, "说到的地点不在同一街道，须核实"),
            candidates=_candidates(
                [*said.firm, *((stem.text, entry) for stem in stems for entry in stem.entries)]
            ),
            question=asking_which(stems, said.firm),
            evidence=_candidates(said.firm),
        )
    street = streets.pop()
    communities = {entry.community for _, entry in said.firm if entry.kind is not Kind.STREET}
    if not said.firm:
        certainty = Certainty.AMBIGUOUS
    elif len(communities) == 1 and None not in communities and not stems:
        beside = {words for words, _ in said.firm} <= set(said.beside)
        certainty = Certainty.STREET if beside else Certainty.EXACT
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
        candidates=_candidates((stem.text, entry) for stem in stems for entry in stem.entries),
        question=asking_which(stems, said.firm) if certainty is Certainty.AMBIGUOUS else None,
        evidence=_candidates(said.firm),
    )


def _leads_to(hints: Iterable[Hint], districts: tuple[str, ...]) -> bool:
    """Whether what is hinted at may lie in a district that is named."""
    return any(entry.district in districts for hint in hints for entry in hint.entries)


def _hinted(gazetteer: Gazetteer, said: Evidence) -> Place:
    """What the words may mean: never decided, and never unknown."""
    entries = common(said.hints)
    districts = {entry.district for _, entry in (*entries, *said.outside)}
    reasons = [*map(told, said.hints), *(_lies(words, entry) for words, entry in said.outside)]
    return Place(
        district=HOME_DISTRICT if said.home else districts.pop() if len(districts) == 1 else None,
        certainty=Certainty.AMBIGUOUS,
        reasons=_unique([*said.road_reasons, *reasons]),
        candidates=_candidates(entries),
        question=asking_where(gazetteer, said.hints, entries),
    )


def _candidates(found: Iterable[tuple[str, Entry]]) -> tuple[PlaceCandidate, ...]:
    """The places as they are told to people and programs, each once."""
    each: dict[tuple[str, str], PlaceCandidate] = {}
    for words, entry in found:
        if entry.street is None or (entry.name, entry.street) in each:
            continue
        each[entry.name, entry.street] = PlaceCandidate(
            street=entry.street,
            community=entry.community,
            district=entry.district,
            name=entry.name,
            words=words,
            table=entry.table,
            source=entry.source,
            confidence=entry.confidence,
        )
    return tuple(each.values())[:MOST_CANDIDATES]


def _open(gazetteer: Gazetteer, said: Evidence, text: str) -> Place:
    """Nothing decides: what is there to ask or to check."""
    district = HOME_DISTRICT if said.home else None
    if said.namesakes:
        reasons = _unique(
            f"{UNREGISTERED}“{mention.text}”，{mention.entries[0].where}有同名社区"
            for mention in said.namesakes
        )
        return Place(district=district, certainty=Certainty.AMBIGUOUS, reasons=reasons)
    alike = gazetteer.heard_in(text)
    if alike:
        return Place(
            district=HOME_DISTRICT,
            certainty=Certainty.AMBIGUOUS,
            reasons=_unique(map(_sounds, alike)),
            candidates=_candidates(alike),
        )
    name = unregistered_name(text)
    reason = f"{UNREGISTERED}“{name}”" if name else NOTHING_SAID
    question = None if name else ASK_ANYWHERE
    return Place(
        district=district, certainty=Certainty.UNKNOWN, reasons=(reason,), question=question
    )


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


def _sounds(heard: tuple[str, Entry]) -> str:
    words, entry = heard
    return f"“{words}”听起来像{entry.name}（{entry.where}），须核实"


def _lies(words: str, entry: Entry) -> str:
    """Where a place elsewhere is; of a district only that it was named."""
    return f"说的是{words}" if words == entry.where else f"“{words}”属{entry.where}"


def _asks(stem: Mention) -> str:
    names = "、".join(f"{entry.name}（{entry.where}）" for entry in stem.entries)
    return f"“{stem.text}”可能是{names}，须问清"


def _in_kinds(found: Iterable[tuple[str, Entry]], *kinds: Kind) -> bool:
    return any(entry.kind in kinds for _, entry in found)


def _unique(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))
