"""The gazetteer files of a policy directory, checked and indexed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from services.router.domain.places.gazetteer import (
    HOME_DISTRICT,
    Entry,
    Gazetteer,
    Kind,
    NumberRange,
    Registered,
    build_gazetteer,
)
from services.router.domain.places.names import (
    Alone,
    Form,
    Need,
    estate_forms,
    heard_forms,
    office_forms,
    outside_forms,
    outside_office_forms,
    short_name,
    stem_forms,
)
from services.router.policy.files import Row, read_table, refuse_duplicates
from services.router.policy.places import (
    COMPOUNDS,
    ENCLAVES,
    ROADS,
    SHORTEST_NAME,
    Registers,
    compound_of,
    enclave_of,
    numbers_of,
    placed,
    refuse_overlap,
)

COMMUNITIES: Final = ("code", "name", "street", "alone")
OLD_NAMES: Final = ("name", "community", "street", "alone", "note")
TRANSFERRED: Final = ("name", "old_code", "old_street", "district", "new_street", "note")
OUTSIDE: Final = ("name", "kind", "district", "street")
DISTRICTS: Final = ("name", "said")
STEMS: Final = ("stem", "names", "alone", "note")
LOOKALIKES: Final = ("heard", "meant")
ORDINARY: Final = ("word", "why")

HOME_SAID: Final = (HOME_DISTRICT, "南开")

Named = tuple[Entry, Form]


@dataclass(frozen=True, slots=True)
class Filled:
    """A row of compounds or enclaves: its name, the place it stands for, what it adds."""

    name: str
    entry: Entry
    registered: Registered
    forms: tuple[Form, ...]


def load_gazetteer(
    directory: Path, street_names: Mapping[str, str], unit_slugs: Collection[str]
) -> Gazetteer:
    """The register of places. Raises PolicyError naming file, line and reason."""
    registers, community_forms = open_registers(directory, street_names, unit_slugs)
    heard = registers.table("lookalikes", LOOKALIKES)
    refuse_duplicates(heard, "heard")
    lookalikes = {row.required("heard"): row.required("meant") for row in heard}
    standing = [*community_forms, *_streets(registers), *_old_names(registers)]
    filled = [*_unified((*_compounds(registers), *_enclaves(registers)), standing)]
    registered = _registered(filled, community_forms, lookalikes)
    ours = [
        *standing,
        *((each.entry, form) for each in filled for form in each.forms),
        *_transferred(registers),
    ]
    elsewhere = [*_outside(registers), *_districts(registers)]
    stems = list(_stems(registers, [entry for entry, _ in (*ours, *elsewhere)]))
    asked = {form.text for _, form in stems if form.need is Need.AREA}
    ours = [
        (entry, form) for entry, form in ours if form.need is Need.FREE or form.text not in asked
    ]
    taken = {form.text for _, form in (*ours, *stems)}
    elsewhere = [
        (entry, form)
        for entry, form in elsewhere
        if entry.kind is not Kind.NAMESAKE or form.text not in taken
    ]
    roads, road_forms = _roads(registers)
    named = (*ours, *stems, *elsewhere, *road_forms, *_ordinary(registers))
    spoken = ((entry, said) for entry, form in named for said in heard_forms(form, lookalikes))
    return build_gazetteer(spoken, roads, street_names, registered)


def open_registers(
    directory: Path, street_names: Mapping[str, str], unit_slugs: Collection[str]
) -> tuple[Registers, list[Named]]:
    """What rows of the registers are checked against, and the names of the communities.

    Raises PolicyError.
    """
    rows = read_table(directory / "communities.csv", COMMUNITIES)
    refuse_duplicates(rows, "code")
    refuse_duplicates(rows, "name")
    communities: dict[str, Entry] = {}
    forms: list[Named] = []
    for row in rows:
        code = row.required("code")
        if len(code) != 12 or not code.isdigit():
            raise row.error(f"社区代码“{code}”不是12位数字")
        street = row.known("street", street_names, "街道")
        name = short_name(row.required("name"))
        entry = Entry(Kind.COMMUNITY, name, street_names[street], HOME_DISTRICT, street, code)
        communities[code] = entry
        forms.extend((entry, form) for form in estate_forms(name, _alone(row)))
    taken: dict[str, Entry | str] = {
        **{
            row.text("word"): "普通词语"
            for row in read_table(directory / "ordinary_words.csv", ORDINARY)
        },
        **{row.text("said"): "区名" for row in read_table(directory / "districts.csv", DISTRICTS)},
        **{
            row.text("name"): "已划出南开区的社区"
            for row in read_table(directory / "transferred.csv", TRANSFERRED)
        },
        **{form.text: "街道" for name in street_names.values() for form in office_forms(name)},
        **dict.fromkeys(HOME_SAID, "区名"),
        **{entry.name: entry for entry in communities.values()},
    }
    return Registers(directory, street_names, unit_slugs, communities, taken), forms


def _alone(row: Row) -> Alone:
    return Alone(row.known("alone", tuple(Alone), "取值（alone）"))


def _streets(registers: Registers) -> Iterator[Named]:
    for slug, name in registers.street_names.items():
        entry = Entry(Kind.STREET, name, HOME_DISTRICT, HOME_DISTRICT, slug)
        yield from ((entry, form) for form in office_forms(name))


def _old_names(registers: Registers) -> Iterator[Named]:
    rows = registers.table("old_names", OLD_NAMES)
    refuse_duplicates(rows, "name")
    for row in rows:
        entry = placed(registers, row, row.text("note"))
        yield from ((entry, form) for form in estate_forms(row.required("name"), _alone(row)))


def _compounds(registers: Registers) -> Iterator[Filled]:
    rows = registers.table("compounds", COMPOUNDS)
    refuse_duplicates(rows, "name")
    for row in rows:
        name, (entry, registered) = row.required("name"), compound_of(registers, row)
        alone = Alone.NO if len(name) == SHORTEST_NAME else Alone.NAME
        yield Filled(name, entry, registered, tuple(estate_forms(name, alone)))


def _enclaves(registers: Registers) -> Iterator[Filled]:
    rows = registers.table("enclaves", ENCLAVES)
    refuse_duplicates(rows, "name")
    for row in rows:
        entry, registered = enclave_of(registers, row)
        need = Need.NAMED if len(entry.name) == SHORTEST_NAME else Need.FREE
        yield Filled(entry.name, entry, registered, (Form(entry.name, need),))


def _unified(filled: Iterable[Filled], ours: Iterable[Named]) -> Iterator[Filled]:
    """A name without a code is the place that has this name in the same street already."""
    known = {(form.text, entry.street): entry for entry, form in ours}
    for each in filled:
        entry = known.setdefault((each.name, each.entry.street), each.entry)
        yield each if each.entry.kind is Kind.COMMUNITY else replace(each, entry=entry)


def _registered(
    filled: Collection[Filled], ours: Iterable[Named], lookalikes: Mapping[str, str]
) -> Mapping[tuple[str, str], tuple[Registered, ...]]:
    """What compounds and enclaves add, under each way to say their names.

    A stem adds nothing where it may mean two of them: 金福 is 金福里 and 金福花园.
    """
    meant: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    for entry, form in ours:
        meant[form.text, entry.street].add(entry.name)
    for each in filled:
        for form in each.forms:
            meant[form.text, each.entry.street].add(each.name)
    found: dict[tuple[str, str], tuple[Registered, ...]] = defaultdict(tuple)
    for each in filled:
        street = each.entry.street or ""
        for form in each.forms:
            if len(meant[form.text, street]) == 1:
                for said in heard_forms(form, lookalikes):
                    found[said.text, street] += (each.registered,)
    return found


def _transferred(registers: Registers) -> Iterator[Named]:
    rows = registers.table("transferred", TRANSFERRED)
    refuse_duplicates(rows, "name")
    for row in rows:
        registers.street(row, "old_street")
        district = row.text("district") or None
        where = f"现属{district}{row.text('new_street')}" if district else "现归属未查明"
        entry = Entry(Kind.MOVED, row.required("name"), where, district, note=row.text("note"))
        yield from ((entry, form) for form in estate_forms(entry.name, Alone.NAME))


def _outside(registers: Registers) -> Iterator[Named]:
    rows = registers.table("outside_places", OUTSIDE)
    refuse_duplicates(rows, "name", "district")
    for row in rows:
        name, district = row.required("name"), row.required("district")
        where = district + row.text("street")
        match row.known("kind", ("street", "place", "community"), "类别"):
            case "street":
                entry = Entry(Kind.OUTSIDE, name, district, district)
                yield from ((entry, form) for form in outside_office_forms(name))
            case "place":
                yield Entry(Kind.OUTSIDE, name, where, district), Form(name, Need.FREE)
            case _:
                entry = Entry(Kind.NAMESAKE, name, where, district)
                yield from ((entry, form) for form in outside_forms(name))


def _districts(registers: Registers) -> Iterator[Named]:
    rows = registers.table("districts", DISTRICTS)
    refuse_duplicates(rows, "said")
    for row in rows:
        name = row.required("name")
        entry = Entry(Kind.DISTRICT, name, name, name)
        yield entry, Form(row.required("said"), Need.FREE)
    for said in HOME_SAID:
        yield Entry(Kind.HOME, HOME_DISTRICT, HOME_DISTRICT, HOME_DISTRICT), Form(said, Need.FREE)


def _stems(registers: Registers, entries: list[Entry]) -> Iterator[Named]:
    by_name = {entry.name: entry for entry in entries if not entry.note or not entry.community}
    rows = registers.table("stems", STEMS)
    refuse_duplicates(rows, "stem")
    for row in rows:
        names = row.parts("names")
        if not names:
            raise row.error("“names”不能为空")
        for name in names:
            if name not in by_name:
                raise row.error(f"未知的地名“{name}”")
            for form in stem_forms(row.required("stem"), _alone(row)):
                if form.text not in by_name:
                    yield by_name[name], form


def _roads(registers: Registers) -> tuple[dict[str, tuple[NumberRange, ...]], list[Named]]:
    ranges: dict[str, list[NumberRange]] = defaultdict(list)
    for row in registers.table("roads", ROADS):
        road, numbers = numbers_of(registers, row)
        refuse_overlap(row, numbers, ranges[road])
        ranges[road].append(numbers)
    named = [(Entry(Kind.ROAD, road), Form(road, Need.FREE)) for road in ranges]
    return {road: tuple(numbers) for road, numbers in ranges.items()}, named


def _ordinary(registers: Registers) -> Iterator[Named]:
    rows = registers.table("ordinary_words", ORDINARY)
    refuse_duplicates(rows, "word")
    for row in rows:
        word = row.required("word")
        yield Entry(Kind.ORDINARY, word), Form(word, Need.FREE)
