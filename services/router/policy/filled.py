"""The registers whose rows name single places, and what each of these names may stand for."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from services.router.domain.places.gazetteer import Entry, Kind, Registered
from services.router.domain.places.names import (
    SHORTEST_NAME,
    Alone,
    Form,
    Need,
    estate_forms,
    heard_forms,
    plain_form,
    station_forms,
)
from services.router.policy.files import refuse_duplicates
from services.router.policy.places import (
    COMPOUNDS,
    ENCLAVES,
    LANDMARKS,
    OPTIONAL,
    Registers,
    aliases_of,
    compound_of,
    enclave_of,
    landmark_of,
)

Named = tuple[Entry, Form]
STATION: Final = "metro"
"""The kind of landmark whose name has a station's forms."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A row of compounds, landmarks or enclaves: its name, what it may stand for, what it adds.

    `aliases` are other names that people give it, `forms` all ways to say all of them.
    """

    name: str
    aliases: tuple[str, ...]
    entries: tuple[Entry, ...]
    registered: Registered
    forms: tuple[Form, ...]


def read_filled(registers: Registers, standing: Collection[Named]) -> list[Filled]:
    """The rows of compounds, landmarks and enclaves beside what has a name already.

    Raises PolicyError.
    """
    rows = (*_compounds(registers), *_landmarks(registers), *_enclaves(registers))
    return [*_unified(_giving_way(rows, {form.text for _, form in standing}), standing)]


def _compounds(registers: Registers) -> Iterator[Filled]:
    rows = registers.table("compounds", COMPOUNDS, OPTIONAL)
    refuse_duplicates(rows, "name")
    for row in rows:
        name, (entries, registered) = row.required("name"), compound_of(registers, row)
        aliases = aliases_of(row)
        forms = tuple(form for said in (name, *aliases) for form in _estate(said))
        yield Filled(name, aliases, entries, registered, forms)


def _estate(name: str) -> Iterator[Form]:
    if len(name) == SHORTEST_NAME:
        yield Form(name, Need.SPOT)
    else:
        yield from estate_forms(name, Alone.NAME)


def _landmarks(registers: Registers) -> Iterator[Filled]:
    rows = registers.table("landmarks", LANDMARKS, OPTIONAL)
    refuse_duplicates(rows, "name")
    for row in rows:
        name, entries = row.required("name"), landmark_of(registers, row)
        aliases = aliases_of(row)
        forms = [plain_form(said) for said in (name, *aliases)]
        if row.text("kind") == STATION:
            forms += [form for said in (name, *aliases) for form in station_forms(said)]
        yield Filled(name, aliases, entries, Registered(), tuple(forms))


def _enclaves(registers: Registers) -> Iterator[Filled]:
    rows = registers.table("enclaves", ENCLAVES, OPTIONAL)
    refuse_duplicates(rows, "name")
    for row in rows:
        entry, registered = enclave_of(registers, row)
        aliases = aliases_of(row)
        forms = tuple(plain_form(said) for said in (entry.name, *aliases))
        yield Filled(entry.name, aliases, (entry,), registered, forms)


def _giving_way(rows: Collection[Filled], standing: Collection[str]) -> Iterator[Filled]:
    """The rows without the forms that may well mean another place.

    观园 is 观园里 and not 观园公寓, and 阳光小区 need not be 阳光公寓.
    """
    named = {*standing, *(each.name for each in rows)}
    for each in rows:
        shorter = [form for form in each.forms if form.text not in named]
        kept = [
            form for form in shorter if form.text in each.aliases or len(form.text) > SHORTEST_NAME
        ]
        own = [form for form in each.forms if form.text == each.name]
        yield each if each.name in standing else replace(each, forms=(*own, *kept))


def _unified(filled: Iterable[Filled], ours: Iterable[Named]) -> Iterator[Filled]:
    """A name without a code is the place that has this name in the same street already."""
    known = {
        (form.text, entry.street): entry for entry, form in ours if entry.kind is not Kind.HINT
    }
    for each in filled:
        if len(each.entries) > 1 or each.entries[0].kind in (Kind.COMMUNITY, Kind.HINT):
            yield each
        else:
            (entry,) = each.entries
            same = known.setdefault((each.name, entry.street), entry)
            yield replace(each, entries=(same,))


def registered_names(
    filled: Collection[Filled], ours: Iterable[Named], lookalikes: Mapping[str, str]
) -> Mapping[tuple[str, str], tuple[Registered, ...]]:
    """What compounds and enclaves add, under each way to say their names.

    A stem adds nothing where it may mean two of them: 金福 is 金福里 and 金福花园.
    """
    meant: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    for entry, form in ours:
        meant[form.text, entry.street].add(entry.name)
    for each in filled:
        for form, entry in product(each.forms, each.entries):
            meant[form.text, entry.street].add(each.name)
    found: dict[tuple[str, str], tuple[Registered, ...]] = defaultdict(tuple)
    for each in filled:
        for form, entry in product(each.forms, each.entries):
            if each.registered != Registered() and len(meant[form.text, entry.street]) == 1:
                for said in heard_forms(form, lookalikes):
                    found[said.text, entry.street or ""] += (each.registered,)
    return found
