"""The registers of places that a district fills itself, a table for each kind.

Compounds, landmarks, enclave points, roads with their house numbers, crossings and places
outside. No official list of them is public: what is shipped was gathered from listings of
2020 and grows by import. Each row is checked by itself here, the same way at start and at
import. A row whose `confidence` is `derived`, or that names several streets, proves nothing
by itself: it is proposed, and a person or the caller decides.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from services.router.domain.places.asking import SUPPOSED
from services.router.domain.places.gazetteer import (
    HOME_DISTRICT,
    Entry,
    Kind,
    NumberRange,
    Registered,
)
from services.router.domain.places.names import SOUND_NAME, sound_name
from services.router.policy.files import Row, read_table
from services.router.policy.units import validity
from shared.events import Regime

COMPOUNDS: Final = ("name", "community", "street", "regime", "source")
ENCLAVES: Final = ("name", "class", "street", "facility_owner", "source")
LANDMARKS: Final = ("name", "kind", "street", "source")
ROADS: Final = ("road", "from", "to", "district", "street", "source")
CROSSINGS: Final = ("road_a", "road_b", "street", "source")
OUTSIDE: Final = ("name", "kind", "district", "street")
OPTIONAL: Final = ("aliases", "confidence", "valid_from", "valid_to")
"""Columns that these tables may have besides."""

SOURCED: Final = ("sourced-2+", "sourced-1")
CONFIDENCES: Final = (*SOURCED, SUPPOSED)
OUTSIDE_KINDS: Final = ("street", "place", "station", "shared", "compound", "community")

ENCLAVE_CLASSES: Final = ("城中村", "接壤的插花地", "不接壤的插花地", "责任不清地带")


@dataclass(frozen=True, slots=True)
class Registers:
    """What rows are checked against: the directory, our streets, units and communities.

    `taken` holds what else a name stands for already, which no row may give another meaning:
    a community with its street, or what people call it.
    """

    directory: Path
    street_names: Mapping[str, str]
    unit_slugs: Collection[str]
    communities: Mapping[str, Entry]
    taken: Mapping[str, Entry | str]

    def table(
        self, name: str, columns: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> tuple[Row, ...]:
        return read_table(self.directory / f"{name}.csv", columns, optional)

    def street(self, row: Row, column: str = "street") -> str:
        return row.known(column, self.street_names, "街道")


def compound_of(registers: Registers, row: Row) -> tuple[tuple[Entry, ...], Registered]:
    """A 小区: the places it may stand for, and its property regime. Raises PolicyError."""
    note = "小区" if row.text("community") else ""
    return _meant(registers, row, "compounds", note), Registered(regime=regime_of(row))


def landmark_of(registers: Registers, row: Row) -> tuple[Entry, ...]:
    """A mall, park, school, hospital, station or tower. Raises PolicyError."""
    return _meant(registers, row, "landmarks")


def _meant(registers: Registers, row: Row, table: str, note: str = "") -> tuple[Entry, ...]:
    """What a name may stand for: one place where a source says its one street, else several."""
    name = said(row, "name")
    if len(row.parts("street")) == 1 and row.text("confidence") != SUPPOSED:
        entry = placed(registers, row, note)
        entries: tuple[Entry, ...] = (replace(entry, **_origin(row, table)),)
    else:
        entries = supposed(registers, row, name, table)
    for entry in entries:
        _refuse_taken(registers, row, name, entry)
    return entries


def crossing_of(registers: Registers, row: Row) -> tuple[frozenset[str], tuple[Entry, ...]]:
    """Two roads, and the streets whose ground their crossing is. Raises PolicyError."""
    one, other = said(row, "road_a"), said(row, "road_b")
    if one == other:
        raise row.error("交口须是两条不同的道路")
    row.required("street")
    entries = supposed(registers, row, f"{one}与{other}交口", "crossings")
    decides = len(entries) == 1 and row.text("confidence") != SUPPOSED
    if decides:
        entries = (replace(entries[0], kind=Kind.STREET),)
    return frozenset((one, other)), entries


def supposed(registers: Registers, row: Row, name: str, table: str) -> tuple[Entry, ...]:
    """The streets that a name may lie in; without one it is only known to be ours."""
    for street in row.parts("street"):
        if street not in registers.street_names:
            raise row.error(f"未知的街道“{street}”")
    origin = _origin(row, table)
    return tuple(
        Entry(
            Kind.HINT,
            name,
            registers.street_names.get(street or "", ""),
            HOME_DISTRICT,
            street,
            **origin,
        )
        for street in row.parts("street") or (None,)
    )


def pass_of(registers: Registers, row: Row) -> tuple[str, Entry]:
    """A road and a street or another district that it passes. Raises PolicyError."""
    road, district = said(row, "road"), row.required("district")
    street = row.known_or_none("street", registers.street_names, "街道")
    where = registers.street_names[street] if street else district
    return road, Entry(Kind.ROAD, road, where, district, street, **_origin(row, "roads"))


def outside_of(registers: Registers, row: Row) -> tuple[Entry, ...]:
    """A street, place or community of another district, under each way to say it.

    A `shared` name is borne elsewhere too, perhaps by a place of ours: a question, nothing more.
    Raises PolicyError.
    """
    name, district = said(row, "name"), row.required("district")
    if district == HOME_DISTRICT:
        raise row.error("本区的地点不登记在区外地点里")
    kind = row.known("kind", OUTSIDE_KINDS, "类别")
    where = district if kind == "street" else district + row.text("street")
    said_so = (name, *aliases_of(row))
    found = {"community": Kind.NAMESAKE, "shared": Kind.HINT}.get(kind, Kind.OUTSIDE)
    return tuple(Entry(found, each, where, district) for each in said_so)


def aliases_of(row: Row) -> tuple[str, ...]:
    """What else people call it. Raises PolicyError for what no text could hold."""
    for alias in row.parts("aliases"):
        _refuse_odd(row, alias)
    return row.parts("aliases")


def _origin(row: Row, table: str) -> dict[str, Any]:
    """What the register says of a row itself."""
    valid_from, valid_to = validity(row)
    return {
        "table": table,
        "source": row.text("source"),
        "confidence": row.known_or_none("confidence", CONFIDENCES, "可信度") or SOURCED[-1],
        "since": valid_from,
        "until": valid_to,
    }


def enclave_of(registers: Registers, row: Row) -> tuple[Entry, Registered]:
    """An enclave point under its territorial owner's street. Raises PolicyError."""
    name, street = said(row, "name"), registers.street(row)
    entry = Entry(Kind.ESTATE, name, registers.street_names[street], HOME_DISTRICT, street)
    entry = replace(entry, **_origin(row, "enclaves"))
    _refuse_taken(registers, row, name, entry)
    owner = row.known_or_none("facility_owner", registers.unit_slugs, "单位")
    enclave = row.known("class", ENCLAVE_CLASSES, "飞地类别")
    return entry, Registered(point=name, enclave=enclave, facility_owner=owner)


def numbers_of(registers: Registers, row: Row) -> tuple[str, NumberRange]:
    """A road and a range of its house numbers. Raises PolicyError."""
    road = said(row, "road")
    first, last = row.number("from"), row.number("to")
    if first > last:
        raise row.error(f"门牌号{first}大于{last}")
    district = row.required("district")
    street = row.known_or_none("street", registers.street_names, "街道")
    return road, NumberRange(first, last, district, street, row.text("source"))


def refuse_overlap(row: Row, numbers: NumberRange, others: Iterable[NumberRange]) -> None:
    """Raises PolicyError where another range of the same road holds one of the numbers."""
    for other in others:
        if numbers.first <= other.last and other.first <= numbers.last:
            raise row.error(f"门牌号段与已登记的{other.first}—{other.last}号重叠")


def placed(registers: Registers, row: Row, note: str) -> Entry:
    """The place a row names, as its community where that is given. Raises PolicyError."""
    street = registers.street(row)
    code = None
    if "community" in row.cells:
        code = row.known_or_none("community", registers.communities, "社区代码")
    where = registers.street_names[street]
    if code is None:
        name = row.required("name")
        return Entry(Kind.ESTATE, name, where, HOME_DISTRICT, street, None, note)
    community = registers.communities[code]
    if community.street != street:
        raise row.error(f"社区“{community.name}”不在{where}")
    return replace(community, note=note)


def regime_of(row: Row) -> Regime | None:
    """旧楼区 or 物业小区, None where the row says neither."""
    regime = row.known_or_none("regime", tuple(Regime), "管理模式")
    return Regime(regime) if regime else None


def said(row: Row, column: str) -> str:
    """A name that texts can be searched for. Raises PolicyError."""
    name = row.required(column)
    _refuse_odd(row, name)
    return name


def _refuse_odd(row: Row, name: str) -> None:
    if not sound_name(name):
        raise row.error(f"名称“{name}”{SOUND_NAME}")


def _refuse_taken(registers: Registers, row: Row, name: str, entry: Entry) -> None:
    """Raises PolicyError for a name that already means another place, or none."""
    meant = registers.taken.get(name)
    if isinstance(meant, str):
        raise row.error(f"“{name}”已是{meant}")
    if meant is not None and meant.street != entry.street:
        raise row.error(f"“{name}”已是{meant.where}的社区；确有同名的，请登记全称")
