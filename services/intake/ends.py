"""How a ticket can end without a call-back (办结方式), as a table with reasons and bounds.

None of these counts in the rates; each is counted beside them (`kpi_excluded`).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

ENDS_FILE: Final = Path(__file__).with_name("ends.csv")


class Ending(StrEnum):
    """Why a ticket ends: 直接答复, 无效, 撤回, 已解决, 重复, 联系不上."""

    ANSWERED = "answered"
    INVALID = "invalid"
    WITHDRAWN = "withdrawn"
    SOLVED = "solved"
    DUPLICATE = "duplicate"
    UNREACHED = "unreached"


@dataclass(frozen=True, slots=True)
class End:
    """One way to end; `attempts` are the calls that must have failed before, 0 for none."""

    reason: Ending
    name: str
    attempts: int
    needs_note: bool


class EndsError(Exception):
    """The table lacks a way to end, or says something that is no number."""


@cache
def load_ends(path: Path = ENDS_FILE) -> Mapping[Ending, End]:
    """The ways to end. Raises EndsError."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        ends = [
            End(
                Ending(row["reason"]),
                row["name"],
                int(row["attempts"] or 0),
                row["needs_note"] == "yes",
            )
            for row in rows
        ]
    except ValueError as error:
        raise EndsError(f"{path.name}: {error}") from error
    found = {end.reason: end for end in ends}
    if set(found) != set(Ending):
        raise EndsError(f"{path.name} does not name every way to end")
    return MappingProxyType(found)
