"""The gazetteer files of a policy directory, checked and indexed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from services.router.domain.places.gazetteer import (
    HOME_DISTRICT,
    Entry,
    Gazetteer,
    Kind,
    build_gazetteer,
)
from services.router.domain.places.names import (
    Alone,
    Form,
    Need,
    district_form,
    estate_forms,
    heard_forms,
    office_forms,
    outside_forms,
    outside_office_forms,
    plain_form,
    short_name,
    station_forms,
    stem_forms,
)
from services.router.policy.files import Row, read_table, refuse_duplicates
from services.router.policy.filled import Named, read_filled, registered_names
from services.router.policy.places import (
    OPTIONAL,
    OUTSIDE,
    SOURCED,
    Registers,
    outside_of,
    placed,
)
from services.router.policy.roads import read_roads

COMMUNITIES: Final = ("code", "name", "street", "alone")
OLD_NAMES: Final = ("name", "community", "street", "alone", "note")
TRANSFERRED: Final = ("name", "old_code", "old_street", "district", "new_street", "note")
DISTRICTS: Final = ("name", "said")
WORD: Final = ("word",)
"""The optional column of districts: whether what is said is a word as well."""
STEMS: Final = ("stem", "names", "alone", "note")
LOOKALIKES: Final = ("heard", "meant")
ORDINARY: Final = ("word", "why")
CITIES: Final = "other_cities.csv"
TABLES: Final = Path(__file__).parent / "tables"
SOUNDS: Final = ("sound", "letters")

SHORT_COMPOUND: Final = 3
"""A compound elsewhere with so short a name needs more than the name: 银行里, 平安里."""

OFFICIAL: Final = "国家统计局统计用区划代码 2023"
HOME_SAID: Final = (HOME_DISTRICT, "南开")


def load_gazetteer(
    directory: Path, street_names: Mapping[str, str], unit_slugs: Collection[str]
) -> Gazetteer:
    """The register of places. Raises PolicyError naming file, line and reason."""
    registers, community_forms = open_registers(directory, street_names, unit_slugs)
    heard = registers.table("lookalikes", LOOKALIKES)
    refuse_duplicates(heard, "heard")
    lookalikes = {row.required("heard"): row.required("meant") for row in heard}
    standing = [*community_forms, *_streets(registers), *_old_names(registers)]
    filled = read_filled(registers, standing)
    registered = registered_names(filled, community_forms, lookalikes)
    ours = [
        *standing,
        *((entry, form) for each in filled for form in each.forms for entry in each.entries),
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
    roads, road_forms = read_roads(registers)
    roadlike = {form.text for _, form in road_forms}
    ours = [
        (entry, form)
        for entry, form in ours
        if entry.kind is not Kind.HINT or form.text not in roadlike
    ]
    named = (*ours, *stems, *elsewhere, *road_forms, *_ordinary(registers))
    spoken = ((entry, said) for entry, form in named for said in heard_forms(form, lookalikes))
    sounds = registers.table("sounds", SOUNDS)
    letters = {row.required("sound"): row.required("letters") for row in sounds}
    return build_gazetteer(spoken, roads, street_names, registered, letters, _cities(directory))


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
        code = row.code("code", 12)
        street = row.known("street", street_names, "街道")
        name = short_name(row.required("name"))
        entry = Entry(
            Kind.COMMUNITY,
            name,
            street_names[street],
            HOME_DISTRICT,
            street,
            code,
            table="communities",
            source=OFFICIAL,
            confidence=SOURCED[0],
        )
        communities[code] = entry
        alone = _alone(row)
        forms.extend((entry, form) for form in estate_forms(name, alone))
        if alone is Alone.NO:
            forms.append((replace(entry, kind=Kind.HINT), Form(name, Need.AREA)))
    taken: dict[str, Entry | str] = {
        **{
            row.text("word"): "普通词语"
            for row in read_table(directory / "ordinary_words.csv", ORDINARY)
        },
        **{
            row.text("said"): "区名"
            for row in read_table(directory / "districts.csv", DISTRICTS, WORD)
        },
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


def _transferred(registers: Registers) -> Iterator[Named]:
    rows = registers.table("transferred", TRANSFERRED)
    refuse_duplicates(rows, "name")
    for row in rows:
        registers.street(row, "old_street")
        if row.text("old_code"):
            row.code("old_code", 12)
        district = row.text("district") or None
        where = f"现属{district}{row.text('new_street')}" if district else "现归属未查明"
        entry = Entry(Kind.MOVED, row.required("name"), where, district, note=row.text("note"))
        yield from ((entry, form) for form in estate_forms(entry.name, Alone.NAME))


def _outside(registers: Registers) -> Iterator[Named]:
    rows = registers.table("outside_places", OUTSIDE, OPTIONAL)
    refuse_duplicates(rows, "name", "district")
    for row in rows:
        for entry in outside_of(registers, row):
            yield from ((entry, form) for form in _outside_forms(row.text("kind"), entry.name))


def _outside_forms(kind: str, name: str) -> Iterator[Form]:
    match kind:
        case "street":
            yield from outside_office_forms(name)
        case "place":
            yield Form(name, Need.FREE)
        case "shared":
            yield plain_form(name)
        case "station":
            yield from station_forms(name)
        case "compound":
            yield Form(name, Need.FREE if len(name) > SHORT_COMPOUND else Need.SPOT)
        case _:
            yield from outside_forms(name)


def _districts(registers: Registers) -> Iterator[Named]:
    rows = registers.table("districts", DISTRICTS, WORD)
    refuse_duplicates(rows, "said")
    for row in rows:
        name = row.required("name")
        word = bool(row.text("word")) and row.yes_or_no("word")
        entry = Entry(Kind.VAGUE if word else Kind.DISTRICT, name, name, name)
        yield entry, district_form(row.required("said"))
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


def _cities(directory: Path) -> Sequence[str]:
    """Other cities; a policy that was copied before there was such a table means ours."""
    path = directory / CITIES
    rows = read_table(path if path.exists() else TABLES / CITIES, ("name", "where"))
    refuse_duplicates(rows, "name")
    return [row.required("name") for row in rows]


def _ordinary(registers: Registers) -> Iterator[Named]:
    rows = registers.table("ordinary_words", ORDINARY)
    refuse_duplicates(rows, "word")
    for row in rows:
        word = row.required("word")
        yield Entry(Kind.ORDINARY, word), Form(word, Need.FREE)
