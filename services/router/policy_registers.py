"""The gazetteer files of a policy directory, checked and indexed."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from services.router.gazetteer import (
    HOME_DISTRICT,
    Entry,
    Gazetteer,
    Kind,
    NumberRange,
    build_gazetteer,
)
from services.router.place_names import (
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
from services.router.policy_files import Row, read_table, refuse_duplicates

COMMUNITIES: Final = ("code", "name", "street", "alone")
OLD_NAMES: Final = ("name", "community", "street", "alone", "note")
COMPOUNDS: Final = ("name", "community", "street", "source")
ENCLAVES: Final = ("name", "class", "street", "facility_owner", "source")
TRANSFERRED: Final = ("name", "old_code", "old_street", "district", "new_street", "note")
OUTSIDE: Final = ("name", "kind", "district", "street")
DISTRICTS: Final = ("name", "said")
STEMS: Final = ("stem", "names", "alone", "note")
ROADS: Final = ("road", "from", "to", "district", "street", "source")
LOOKALIKES: Final = ("heard", "meant")
ORDINARY: Final = ("word", "why")

ENCLAVE_CLASSES: Final = ("城中村", "接壤的插花地", "不接壤的插花地", "责任不清地带")
HOME_SAID: Final = (HOME_DISTRICT, "南开")

Named = tuple[Entry, Form]


@dataclass(frozen=True, slots=True)
class Registers:
    """What the readers below share: the directory, our streets, and our communities."""

    directory: Path
    street_names: Mapping[str, str]
    unit_slugs: Collection[str]
    communities: Mapping[str, Entry]

    def table(self, name: str, columns: tuple[str, ...]) -> tuple[Row, ...]:
        return read_table(self.directory / f"{name}.csv", columns)

    def street(self, row: Row, column: str = "street") -> str:
        return row.known(column, self.street_names, "街道")


def load_gazetteer(
    directory: Path, street_names: Mapping[str, str], unit_slugs: Collection[str]
) -> Gazetteer:
    """The register of places. Raises PolicyError naming file, line and reason."""
    communities, community_forms = _communities(directory, street_names)
    registers = Registers(directory, street_names, unit_slugs, communities)
    readers: tuple[Callable[[Registers], Iterator[Named]], ...] = (
        _streets,
        _old_names,
        _compounds,
        _enclaves,
        _transferred,
    )
    ours = [*community_forms, *(named for read in readers for named in read(registers))]
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
    heard = registers.table("lookalikes", LOOKALIKES)
    refuse_duplicates(heard, "heard")
    lookalikes = {row.required("heard"): row.required("meant") for row in heard}
    named = (*ours, *stems, *elsewhere, *road_forms, *_ordinary(registers))
    spoken = ((entry, said) for entry, form in named for said in heard_forms(form, lookalikes))
    return build_gazetteer(spoken, roads, street_names)


def _communities(
    directory: Path, street_names: Mapping[str, str]
) -> tuple[dict[str, Entry], list[Named]]:
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
    return communities, forms


def _alone(row: Row) -> Alone:
    return Alone(row.known("alone", tuple(Alone), "取值（alone）"))


def _streets(registers: Registers) -> Iterator[Named]:
    for slug, name in registers.street_names.items():
        entry = Entry(Kind.STREET, name, HOME_DISTRICT, HOME_DISTRICT, slug)
        yield from ((entry, form) for form in office_forms(name))


def _placed(registers: Registers, row: Row, note: str) -> Entry:
    """The place a row names, as its community where that is given."""
    street = registers.street(row)
    code = row.known_or_none("community", registers.communities, "社区代码")
    if code is None:
        name = row.required("name")
        where = registers.street_names[street]
        return Entry(Kind.ESTATE, name, where, HOME_DISTRICT, street, None, note)
    community = registers.communities[code]
    if community.street != street:
        raise row.error(f"社区“{community.name}”不在{registers.street_names[street]}")
    return replace(community, note=note)


def _old_names(registers: Registers) -> Iterator[Named]:
    rows = registers.table("old_names", OLD_NAMES)
    refuse_duplicates(rows, "name")
    for row in rows:
        entry = _placed(registers, row, row.text("note"))
        yield from ((entry, form) for form in estate_forms(row.required("name"), _alone(row)))


def _compounds(registers: Registers) -> Iterator[Named]:
    rows = registers.table("compounds", COMPOUNDS)
    refuse_duplicates(rows, "name")
    for row in rows:
        entry = _placed(registers, row, "小区" if row.text("community") else "")
        yield from ((entry, form) for form in estate_forms(row.required("name"), Alone.NAME))


def _enclaves(registers: Registers) -> Iterator[Named]:
    """Enclave points by their name: the street is the territorial owner's."""
    rows = registers.table("enclaves", ENCLAVES)
    refuse_duplicates(rows, "name")
    for row in rows:
        street = registers.street(row)
        row.known_or_none("facility_owner", registers.unit_slugs, "单位")
        row.known("class", ENCLAVE_CLASSES, "飞地类别")
        name, where = row.required("name"), registers.street_names[street]
        yield Entry(Kind.ESTATE, name, where, HOME_DISTRICT, street), Form(name, Need.FREE)


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
        first, last = row.number("from"), row.number("to")
        if first > last:
            raise row.error(f"门牌号{first}大于{last}")
        road = row.required("road")
        if any(first <= other.last and other.first <= last for other in ranges[road]):
            raise row.error(f"{road}的门牌号段与前面的行重叠")
        street = row.known_or_none("street", registers.street_names, "街道")
        ranges[road].append(NumberRange(first, last, row.required("district"), street))
    named = [(Entry(Kind.ROAD, road), Form(road, Need.FREE)) for road in ranges]
    return {road: tuple(numbers) for road, numbers in ranges.items()}, named


def _ordinary(registers: Registers) -> Iterator[Named]:
    rows = registers.table("ordinary_words", ORDINARY)
    refuse_duplicates(rows, "word")
    for row in rows:
        word = row.required("word")
        yield Entry(Kind.ORDINARY, word), Form(word, Need.FREE)
