"""Roads: what they pass, where their house numbers lie, and where they meet."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from services.router.domain.places.gazetteer import Entry, Kind, NumberRange, Roads
from services.router.domain.places.names import Form, Need
from services.router.policy.files import refuse_duplicates
from services.router.policy.filled import Named
from services.router.policy.places import (
    CROSSINGS,
    OPTIONAL,
    ROADS,
    Registers,
    aliases_of,
    crossing_of,
    numbers_of,
    pass_of,
    refuse_overlap,
)

Item = TypeVar("Item")


def read_roads(registers: Registers) -> tuple[Roads, list[Named]]:
    """What the registers say of roads, and the forms of their names. Raises PolicyError."""
    ranges: dict[str, list[NumberRange]] = defaultdict(list)
    passes: dict[str, list[Entry]] = defaultdict(list)
    named: dict[tuple[str, str], Named] = {}
    for row in registers.table("roads", ROADS, OPTIONAL):
        if row.text("from") or row.text("to"):
            road, numbers = numbers_of(registers, row)
            refuse_overlap(row, numbers, ranges[road])
            ranges[road].append(numbers)
        else:
            road, entry = pass_of(registers, row)
            passes[road].append(entry)
        for said in (road, *aliases_of(row)):
            named[road, said] = Entry(Kind.ROAD, road), Form(said, Need.FREE)
    crossings: dict[frozenset[str], tuple[Entry, ...]] = {}
    rows = registers.table("crossings", CROSSINGS, OPTIONAL)
    refuse_duplicates(rows, "road_a", "road_b")
    known = set(passes) | set(ranges)
    for row in rows:
        pair, entries = crossing_of(registers, row)
        crossings[pair] = entries
        for road in pair - known:
            passes[road] += [replace(each, kind=Kind.ROAD, name=road) for each in entries]
            named[road, road] = Entry(Kind.ROAD, road), Form(road, Need.FREE)
    roads = Roads(_frozen(ranges), _frozen(passes), crossings)
    return roads, list(named.values())


def _frozen(found: Mapping[str, list[Item]]) -> dict[str, tuple[Item, ...]]:
    return {name: tuple(items) for name, items in found.items()}
