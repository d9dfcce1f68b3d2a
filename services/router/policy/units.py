"""The units that can be responsible: streets, departments, centres and utilities, with validity."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.router.policy.files import Row, read_table, refuse_duplicates

COLUMNS: Final = ("slug", "name", "kind", "division_code", "valid_from", "valid_to")
KINDS: Final = ("street", "department", "centre", "utility", "city")

STREET: Final = "street"
"""Stands in a responsibility row for the street where it happens."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A street, department, centre or utility that can be responsible."""

    slug: str
    name: str
    kind: str
    division_code: str
    valid_from: date | None
    valid_to: date | None

    def holds(self, day: date) -> bool:
        """Whether the unit exists on a day."""
        return holds(self.valid_from, self.valid_to, day)

    def covers(self, first: date | None, last: date | None) -> bool:
        """Whether the unit is there from the first day to the last, either without end."""
        return self.holds(first or date.min) and self.holds(last or date.max)


def load_units(directory: Path) -> Mapping[str, Unit]:
    """The units of a policy directory by slug. Raises PolicyError."""
    rows = read_table(directory / "units.csv", COLUMNS)
    refuse_duplicates(rows, "slug")
    refuse_duplicates(rows, "name")
    units = {}
    for row in rows:
        slug = row.required("slug")
        if slug == STREET:
            raise row.error(f"“{STREET}”是保留字，不能作单位代号")
        valid_from, valid_to = validity(row)
        units[slug] = Unit(
            slug=slug,
            name=row.required("name"),
            kind=row.known("kind", KINDS, "单位类别"),
            division_code=row.text("division_code"),
            valid_from=valid_from,
            valid_to=valid_to,
        )
    return MappingProxyType(units)


def validity(row: Row) -> tuple[date | None, date | None]:
    """The first and the last day a row holds, None without end. Raises PolicyError."""
    valid_from, valid_to = row.day("valid_from"), row.day("valid_to")
    if valid_from and valid_to and valid_from > valid_to:
        raise row.error("valid_from晚于valid_to")
    return valid_from, valid_to


def holds(first: date | None, last: date | None, day: date) -> bool:
    """Whether a day lies between two, either of which may be open."""
    return (first is None or first <= day) and (last is None or day <= last)
