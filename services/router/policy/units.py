"""The units that can be responsible: streets, departments, centres and utilities, with validity."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.router.domain.policy import STREET, Unit
from services.router.policy.files import Row, read_table, refuse_duplicates

COLUMNS: Final = ("slug", "name", "kind", "division_code", "valid_from", "valid_to")
KINDS: Final = (STREET, "department", "centre", "utility", "city")


def load_units(directory: Path) -> Mapping[str, Unit]:
    """The units of a policy directory by slug. Raises PolicyError."""
    rows = read_table(directory / "units.csv", COLUMNS)
    refuse_duplicates(rows, "slug")
    refuse_duplicates(rows, "name")
    units = {}
    seen: set[str] = set()
    for row in rows:
        slug = row.required("slug")
        if slug == STREET:
            raise row.error(f"“{STREET}”是保留字，不能作单位代号")
        valid_from, valid_to = validity(row)
        units[slug] = Unit(
            slug=slug,
            name=row.required("name"),
            kind=row.known("kind", KINDS, "单位类别"),
            division_code=_division(row, seen),
            valid_from=valid_from,
            valid_to=valid_to,
        )
    return MappingProxyType(units)


def _division(row: Row, seen: set[str]) -> str:
    """The statistical code of a street's ground, of which no two units have one."""
    if not row.text("division_code") and row.text("kind") != STREET:
        return ""
    code = row.code("division_code", 9)
    if code in seen:
        raise row.error(f"区划代码“{code}”重复")
    seen.add(code)
    return code


def validity(row: Row) -> tuple[date | None, date | None]:
    """The first and the last day a row holds, None without end. Raises PolicyError."""
    valid_from, valid_to = row.day("valid_from"), row.day("valid_to")
    if valid_from and valid_to and valid_from > valid_to:
        raise row.error("valid_from晚于valid_to")
    return valid_from, valid_to
