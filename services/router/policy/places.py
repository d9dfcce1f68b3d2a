"""The registers of places that a district fills itself: compounds, enclave points, road ranges.

No public list of the 693 小区 and of the 100 飞地 exists, so these files grow by import.
Each row is checked by itself here, the same way at start and at import.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from services.router.domain.places.gazetteer import (
    HOME_DISTRICT,
    Entry,
    Kind,
    NumberRange,
    Registered,
)
from services.router.domain.places.names import normalised
from services.router.policy.files import Row, read_table
from shared.events import Regime

COMPOUNDS: Final = ("name", "community", "street", "regime", "source")
ENCLAVES: Final = ("name", "class", "street", "facility_owner", "source")
ROADS: Final = ("road", "from", "to", "district", "street", "source")

ENCLAVE_CLASSES: Final = ("城中村", "接壤的插花地", "不接壤的插花地", "责任不清地带")
SHORTEST_NAME: Final = 2
NAME: Final = re.compile(r"(?=.*[一-鿿])\w[\w()·-]*")


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

    def table(self, name: str, columns: tuple[str, ...]) -> tuple[Row, ...]:
        return read_table(self.directory / f"{name}.csv", columns)

    def street(self, row: Row, column: str = "street") -> str:
        return row.known(column, self.street_names, "街道")


def compound_of(registers: Registers, row: Row) -> tuple[Entry, Registered]:
    """A 小区: the place it stands for, and its property regime. Raises PolicyError."""
    name = _said(row, "name")
    entry = placed(registers, row, "小区" if row.text("community") else "")
    _refuse_taken(registers, row, name, entry)
    return entry, Registered(regime=regime_of(row))


def enclave_of(registers: Registers, row: Row) -> tuple[Entry, Registered]:
    """An enclave point under its territorial owner's street. Raises PolicyError."""
    name, street = _said(row, "name"), registers.street(row)
    entry = Entry(Kind.ESTATE, name, registers.street_names[street], HOME_DISTRICT, street)
    _refuse_taken(registers, row, name, entry)
    owner = row.known_or_none("facility_owner", registers.unit_slugs, "单位")
    enclave = row.known("class", ENCLAVE_CLASSES, "飞地类别")
    return entry, Registered(point=name, enclave=enclave, facility_owner=owner)


def numbers_of(registers: Registers, row: Row) -> tuple[str, NumberRange]:
    """A road and a range of its house numbers. Raises PolicyError."""
    road = _said(row, "road")
    first, last = row.number("from"), row.number("to")
    if first > last:
        raise row.error(f"门牌号{first}大于{last}")
    district = row.required("district")
    street = row.known_or_none("street", registers.street_names, "街道")
    return road, NumberRange(first, last, district, street)


def refuse_overlap(row: Row, numbers: NumberRange, others: Iterable[NumberRange]) -> None:
    """Raises PolicyError where another range of the same road holds one of the numbers."""
    for other in others:
        if numbers.first <= other.last and other.first <= numbers.last:
            raise row.error(f"门牌号段与已登记的{other.first}—{other.last}号重叠")


def placed(registers: Registers, row: Row, note: str) -> Entry:
    """The place a row names, as its community where that is given. Raises PolicyError."""
    street = registers.street(row)
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


def _said(row: Row, column: str) -> str:
    """A name as texts are read: half-width, without blanks, long enough to be found.

    What begins with a sign may be a formula to the spreadsheet that opens the register.
    """
    name = row.required(column)
    if len(name) < SHORTEST_NAME or normalised(name) != name or not NAME.fullmatch(name):
        raise row.error(f"名称“{name}”须有两个字以上，含汉字，用半角字符，不含空格和符号")
    return name


def _refuse_taken(registers: Registers, row: Row, name: str, entry: Entry) -> None:
    """Raises PolicyError for a name that already means another place, or none."""
    meant = registers.taken.get(name)
    if isinstance(meant, str):
        raise row.error(f"“{name}”已是{meant}")
    if meant is not None and meant.street != entry.street:
        raise row.error(f"“{name}”已是{meant.where}的社区；确有同名的，请登记全称")
