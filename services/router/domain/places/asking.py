"""What leaves a place open, and the question that would settle it, ready to be read out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from services.router.domain.places.evidence import Hint
from services.router.domain.places.gazetteer import HOME_DISTRICT, Entry, Gazetteer, Kind, Mention

ASK_ANYWHERE: Final = "请问在哪条路、哪个小区，或者哪个路口附近？"
NAMED_AT_MOST: Final = 4
"""So many names can be told apart when they are read out."""
SUPPOSED: Final = "derived"
"""The confidence of what no source says: nobody is sent there before a person confirms it."""


def common(hints: Sequence[Hint]) -> list[tuple[str, Entry]]:
    """The places that all hints leave, or where they share none, those that any leaves.

    What elsewhere bears the same name stays: nothing said of a street speaks against it.
    """
    streets = [{entry.street for entry in hint.entries if entry.street} for hint in hints]
    known = [found for found in streets if found]
    shared = set.intersection(*known) if known else set()
    named = sorted(hints, key=lambda hint: hint.road)
    found = [(hint.words, entry) for hint in named for entry in hint.entries]
    if not shared:
        return found
    left: dict[str | None, tuple[str, Entry]] = {}
    for words, entry in found:
        if entry.street in shared or (entry.kind is Kind.HINT and elsewhere(entry)):
            left.setdefault(entry.street, (words, entry))
    return list(left.values())


def elsewhere(entry: Entry) -> bool:
    """Whether a place lies in another district."""
    return entry.district != HOME_DISTRICT


def narrowed(stem: Mention, hints: Iterable[Hint]) -> Mention:
    """A stem that several names share, without those that no road said beside it passes."""
    entries = stem.entries
    for hint in hints:
        streets = {entry.street for entry in hint.entries}
        entries = tuple(entry for entry in entries if entry.street in streets) or entries
    return replace(stem, entries=entries)


def told(hint: Hint) -> str:
    """What the register knows of words that do not decide."""
    places = "、".join(dict.fromkeys(entry.where for entry in hint.entries if entry.where))
    if not places:
        return f"“{hint.words}”在登记册，街道未查明，须核实"
    if hint.road:
        return f"“{hint.words}”途经{places}，须问清哪一段"
    if len(hint.entries) > 1:
        return f"“{hint.words}”可能属{places}，须核实"
    source = hint.entries[0].source
    return f"“{hint.words}”可能属{places}（{source}），须核实后再派"


def asking_which(stems: Sequence[Mention], firm: Sequence[tuple[str, Entry]]) -> str | None:
    """What to ask where names are shared, or places in several streets were said."""
    names = [entry.name for stem in stems for entry in stem.entries]
    if not stems:
        names = [words for words, _ in firm]
    named = list(dict.fromkeys(names))[:NAMED_AT_MOST]
    return f"请问是{'，还是'.join(named)}？" if len(named) > 1 else None


def asking_where(
    gazetteer: Gazetteer, hints: Sequence[Hint], left: Sequence[tuple[str, Entry]]
) -> str | None:
    """What to ask where a road, a crossing or a name leaves several streets.

    None where one place is left that the register only supposes: the caller has said all,
    and a person looks it up.
    """
    named = [hint for hint in hints if not hint.road]
    if any(elsewhere(entry) for hint in named for entry in hint.entries):
        return f"请问是{'，还是'.join(dict.fromkeys(_told_apart(entry) for _, entry in left))}？"
    if named and len(left) == 1 and left[0][1].street is not None:
        return None
    if named:
        return f"请问是在{named[0].name}的哪一侧，靠近哪条路或者哪个小区？"
    road = hints[-1].name
    crossed = gazetteer.ends.get(road, {})
    streets = dict.fromkeys(entry.street or "" for _, entry in left)
    ends = [crossed[street] for street in streets if street in crossed][:NAMED_AT_MOST]
    if len(ends) > 1:
        return f"请问是{road}靠{'那头，还是靠'.join(ends)}那头？"
    return f"请问是在{road}的哪一段，靠近哪个路口或者哪个小区？"


def _told_apart(entry: Entry) -> str:
    """A place by its name, and one elsewhere by its district too."""
    return f"{entry.district}的{entry.name}" if elsewhere(entry) else entry.name
