"""Importing the registers of places into a policy directory.

Every row of the file is checked by itself: a bad one is refused with its line and reason,
the good ones are added or take the place of the row with the same name, the same crossing,
or the same range of the same road. The policy that results must load as a whole before it
stands.
"""

import contextlib
import csv
import fcntl
import io
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.router.domain.places.gazetteer import NumberRange
from services.router.domain.policy import PolicyError
from services.router.policy.files import Row, decoded, parse_table, read_table
from services.router.policy.loading import load_policy
from services.router.policy.places import (
    COMPOUNDS,
    CROSSINGS,
    ENCLAVES,
    LANDMARKS,
    OPTIONAL,
    OUTSIDE,
    ROADS,
    Registers,
    aliases_of,
    compound_of,
    crossing_of,
    enclave_of,
    landmark_of,
    numbers_of,
    outside_of,
    pass_of,
    refuse_overlap,
)
from services.router.policy.registers import open_registers
from services.router.policy.units import load_units


@dataclass(frozen=True, slots=True)
class _Kind:
    """A register that can be imported: its file, its header, what tells its rows apart."""

    file: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    check: Callable[[Registers, Row], object]


_KINDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        "compounds": _Kind("compounds", COMPOUNDS, ("name",), compound_of),
        "landmarks": _Kind("landmarks", LANDMARKS, ("name",), landmark_of),
        "enclaves": _Kind("enclaves", ENCLAVES, ("name",), enclave_of),
        "roads": _Kind("roads", ROADS, ("road", "from", "to", "district", "street"), pass_of),
        "crossings": _Kind("crossings", CROSSINGS, ("road_a", "road_b"), crossing_of),
        "outside": _Kind("outside_places", OUTSIDE, ("name", "district"), outside_of),
    }
)

Key = tuple[str, ...]
"""What tells one row of a register from another."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's rows; `version` is that of the policy that stands now."""

    added: int
    replaced: int
    refused: tuple[PolicyError, ...]
    version: str


def import_register(directory: Path, register: str, file: Path) -> Imported:
    """Add a file's good rows to a register of a policy directory, all at once or not at all.

    Raises PolicyError where the file cannot be read as a table of this register, or where
    the directory holds no sound policy before or after, and OSError where it cannot be
    read or written; then nothing has changed.
    """
    with _alone_in(directory):
        return _imported(directory, register, file)


@contextlib.contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Let other imports into this directory wait, so that none undoes another."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _imported(directory: Path, register: str, file: Path) -> Imported:
    units = load_units(directory)
    streets = {unit.slug: unit.name for unit in units.values() if unit.kind == "street"}
    registers, _ = open_registers(directory, streets, units.keys())
    kind = _KINDS[register]
    target = directory / f"{kind.file}.csv"
    standing = read_table(target, kind.columns, OPTIONAL)
    rows = parse_table(file.name, decoded(file), kind.columns, OPTIONAL)
    book = _Book(registers, register, standing)
    refused = tuple(fault for row in rows if (fault := book.take(row)))
    if not book.taken:
        return Imported(0, 0, refused, load_policy(directory).version)
    version = _swap(target, _written(kind.columns, book.rows))
    replaced = len(book.taken.keys() & {book.key(row) for row in standing})
    return Imported(len(book.taken) - replaced, replaced, refused, version)


class _Book:
    """A register while rows are taken into it."""

    def __init__(self, registers: Registers, register: str, standing: tuple[Row, ...]) -> None:
        self._registers = registers
        self._kind = _KINDS[register]
        self._ranges: dict[str, dict[Key, NumberRange]] = defaultdict(dict)
        self.rows: dict[Key, Row] = {}
        self.taken: dict[Key, int] = {}
        """The rows of the file that were taken, by the line they stand in."""
        for row in standing:
            self._check(row)
            self.rows[self.key(row)] = row

    def take(self, row: Row | PolicyError) -> PolicyError | None:
        """Take a row of the file, or say why not."""
        if isinstance(row, PolicyError):
            return row
        try:
            self._check(row)
        except PolicyError as fault:
            return fault
        key = self.key(row)
        if key in self.taken:
            return row.error(f"“{'、'.join(key)}”与第{self.taken[key]}行重复")
        self.rows[key] = row
        self.taken[key] = row.line
        return None

    def key(self, row: Row) -> Key:
        """What tells this row from the others; of a range of numbers the road and the range."""
        if row.cells.get("from"):
            return row.text("road"), str(row.number("from")), str(row.number("to"))
        key = tuple(row.text(column) for column in self._kind.key)
        return tuple(sorted(key)) if self._kind.columns is CROSSINGS else key

    def _check(self, row: Row) -> None:
        aliases_of(row)
        if not (row.cells.get("from") or row.cells.get("to")):
            self._kind.check(self._registers, row)
            return
        road, numbers = numbers_of(self._registers, row)
        ranges, key = self._ranges[road], self.key(row)
        refuse_overlap(row, numbers, (ranges[other] for other in ranges if other != key))
        ranges[key] = numbers


def _written(columns: tuple[str, ...], rows: Mapping[Key, Row]) -> str:
    used = (name for name in OPTIONAL if any(row.text(name) for row in rows.values()))
    columns = (*columns, *used)
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.text(column) for column in columns] for row in rows.values())
    return sheet.getvalue()


def _swap(target: Path, content: str) -> str:
    """Put the new content in place once the whole policy loads with it; gives its version."""
    with tempfile.TemporaryDirectory(prefix="hotline-policy-") as scratch:
        trial = Path(scratch)
        for table in target.parent.glob("*.csv"):
            shutil.copyfile(table, trial / table.name)
        (trial / target.name).write_text(content, encoding="utf-8")
        version = load_policy(trial).version
    fresh = target.with_name(f".{target.name}.new")
    fresh.write_text(content, encoding="utf-8")
    shutil.copymode(target, fresh)
    fresh.replace(target)
    return version
