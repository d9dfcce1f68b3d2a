"""Lists of cases: what is open by when it is due, how urgent or how old it is, and everything."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import text

from services.router.storage.queues import BadCursor
from shared.database import Reader
from shared.events import CaseState, Priority

COUNTED: Final = 10_000
"""Where counting ends: more than this nobody works through, and each costs time."""


class Sort(StrEnum):
    """The order of a list: what is due next first, the most urgent, the oldest, the newest.

    `work` is how a desk works: danger (P0, P1) first, then what is due next.
    """

    WORK = "work"
    DEADLINE = "deadline"
    PRIORITY = "priority"
    AGE = "age"
    NEWEST = "newest"


_DUE: Final = ("c.due_at", "timestamptz")
_KEYS: Final = {
    Sort.WORK: (("(c.priority > 'P1')", "boolean"), _DUE),
    Sort.DEADLINE: (_DUE,),
    Sort.PRIORITY: (("c.priority", "text"), _DUE),
    Sort.AGE: (("c.opened_at", "timestamptz"),),
    Sort.NEWEST: (("c.opened_at", "timestamptz"),),
}
"""What a list is ordered by before the number, with the types."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to list; None leaves a condition out. `leaf` may be a category too.

    `open` keeps to what is not closed. `reader` is the unit that asks: only what it may look
    at is there. `barred` is the unit somebody acts for: complaints about it are not there.
    `due_before` are cases of which something is due by then, `todo` those that stand open in
    this unit's queue.
    """

    leaf: str | None = None
    priority: Priority | None = None
    state: CaseState | None = None
    street: str | None = None
    unit: str | None = None
    flag: str | None = None
    accused_unit: str | None = None
    open: bool = True
    due_before: datetime | None = None
    changed_since: datetime | None = None
    todo: str | None = None
    reader: str | None = None
    barred: str | None = None
    sort: Sort = Sort.DEADLINE
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Found:
    """The numbers of a page in order, the cursor of the next page, and how many there are.

    `total` is None where they are more than COUNTED.
    """

    numbers: Sequence[str]
    following: str | None
    total: int | None


def find_cases(reader: Reader, wanted: Wanted) -> Found:
    """A page of cases. Raises BadCursor for a cursor that no such list has given."""
    conditions, values = _conditions(wanted)
    where = " AND ".join(conditions) or "true"
    counted = reader.execute(
        text(
            f"SELECT count(*) FROM (SELECT 1 FROM case_record c WHERE {where}"  # noqa: S608
            " LIMIT :counted) found"
        ),
        {**values, "counted": COUNTED + 1},
    ).scalar_one()
    statement, values = page_statement(wanted)
    rows = reader.execute(text(statement), values).all()
    page = rows[: wanted.limit]
    following = _cursor(wanted.sort, page[-1]) if len(rows) > wanted.limit else None
    total = int(counted) if counted <= COUNTED else None
    return Found([row.number for row in page], following, total)


def find_numbers(reader: Reader, wanted: Wanted) -> Sequence[str]:
    """The numbers of the page and of one case more, without a count. Raises BadCursor."""
    statement, values = page_statement(wanted)
    return [row.number for row in reader.execute(text(statement), values)]


def still_found(reader: Reader, wanted: Wanted, numbers: Sequence[str]) -> Sequence[str]:
    """Those of some cases that are what is wanted as they stand, in the same order."""
    conditions, values = _conditions(wanted)
    where = " AND ".join(("c.number = ANY(:numbers)", *conditions))
    found = reader.execute(
        text(f"SELECT c.number FROM case_record c WHERE {where}"),  # noqa: S608
        {**values, "numbers": list(numbers)},
    )
    there = set(found.scalars())
    return [number for number in numbers if number in there]


def page_statement(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """The query for a page and one case more. Raises BadCursor."""
    conditions, values = _conditions(wanted)
    keys = [key for key, _ in _KEYS[wanted.sort]]
    descending = wanted.sort is Sort.NEWEST
    if wanted.cursor is not None:
        position = _position(wanted.sort, wanted.cursor)
        values |= {f"at{place}": value for place, value in enumerate(position)}
        types = [*(type_ for _, type_ in _KEYS[wanted.sort]), "text"]
        at = ", ".join(f"CAST(:at{place} AS {type_})" for place, type_ in enumerate(types))
        columns = ", ".join((*keys, "c.number"))
        conditions.append(f"({columns}) {'<' if descending else '>'} ({at})")
    order = ", ".join(f"{key}{' DESC' if descending else ''}" for key in (*keys, "c.number"))
    shown = ", ".join(f"CAST({key} AS text)" for key in keys)
    return (
        f"SELECT {shown}, c.number FROM case_record c"  # noqa: S608
        f" WHERE {' AND '.join(conditions) or 'true'} ORDER BY {order} LIMIT :most",
        {**values, "most": wanted.limit + 1},
    )


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, Any]]:
    """The conditions and their values, without where the page begins."""
    asked: list[tuple[object, str, dict[str, Any]]] = [
        (wanted.open, "c.state <> 'closed'", {}),
        (
            wanted.leaf,
            "c.category = :leaf" if "." not in (wanted.leaf or "") else "c.leaf = :leaf",
            {"leaf": wanted.leaf},
        ),
        (wanted.priority, "c.priority = :priority", {"priority": wanted.priority}),
        (wanted.state, "c.state = :state", {"state": wanted.state}),
        (wanted.street, "c.street = :street", {"street": wanted.street}),
        (wanted.unit, "coalesce(c.lead_unit, c.desk) = :unit", {"unit": wanted.unit}),
        (wanted.flag, "c.details -> 'flags' ? :flag", {"flag": wanted.flag}),
        (wanted.accused_unit, "c.accused_unit = :accused", {"accused": wanted.accused_unit}),
        (wanted.due_before, "c.due_at < :due_before", {"due_before": wanted.due_before}),
        (
            wanted.changed_since,
            "c.number IN (SELECT l.number FROM case_log l WHERE l.at >= :changed_since)",
            {"changed_since": wanted.changed_since},
        ),
        (
            wanted.todo,
            "c.number IN (SELECT q.number FROM queue_entry q WHERE q.unit = :todo AND q.open)",
            {"todo": wanted.todo},
        ),
        (wanted.reader, "c.readers @> ARRAY[CAST(:reader AS text)]", {"reader": wanted.reader}),
        (wanted.barred, "c.accused_unit IS DISTINCT FROM :barred", {"barred": wanted.barred}),
    ]
    holding = [(condition, values) for given, condition, values in asked if given]
    return (
        [condition for condition, _ in holding],
        {name: value for _, values in holding for name, value in values.items()},
    )


def _cursor(sort: Sort, row: Any) -> str:
    position = [sort, *row]
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _position(sort: Sort, cursor: str) -> list[str]:
    try:
        given, *parts = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        position = [part for part in parts if isinstance(part, str)]
        if given != sort or len(position) != len(parts) or len(parts) != len(_KEYS[sort]) + 1:
            raise BadCursor(cursor)
        for (_, type_), part in zip(_KEYS[sort], position, strict=False):
            if type_ == "timestamptz" and part != "infinity":
                datetime.fromisoformat(part)
            if type_ == "boolean" and part not in ("true", "false"):
                raise BadCursor(cursor)
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadCursor(cursor) from error
    return position
