"""The kinds of danger (险情) that a call can tell of, as one validated table.

`dangers.csv` beside this module is the vocabulary every service speaks: what a kind is
called, how urgent it is and what matter it makes of a ticket. Whom to call and what to tell
the caller is the router's policy. The kinds are a proposal, handbook section 6.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from shared.events import Priority, is_emergency
from shared.taxonomy import load_taxonomy

DANGERS_FILE: Final = Path(__file__).with_name("dangers.csv")


@dataclass(frozen=True, slots=True)
class DangerKind:
    """One kind of danger; `leaf` is the matter of a ticket that tells of it."""

    slug: str
    name: str
    priority: Priority
    leaf: str


class DangerError(Exception):
    """The table of dangers contradicts itself or the taxonomy."""


@cache
def load_dangers(path: Path = DANGERS_FILE) -> Mapping[str, DangerKind]:
    """The kinds by slug, in the file's order.

    Raises DangerError for a kind that stands twice, has no leaf of the taxonomy, or is no
    emergency.
    """
    table: dict[str, DangerKind] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kind = DangerKind(row["kind"], row["name"], Priority(row["priority"]), row["leaf"])
            if kind.slug in table:
                raise DangerError(f"{kind.slug} stands twice in {path.name}")
            if kind.leaf not in load_taxonomy() or not is_emergency(kind.priority):
                raise DangerError(f"{kind.slug} has no leaf of the taxonomy, or is no emergency")
            table[kind.slug] = kind
    return MappingProxyType(table)
