"""Whistles in and out of the database; whoever changes one holds its case."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import text

from services.router.domain.clocks import Clock
from services.router.domain.incidents.wording import COMPARED
from services.router.domain.whistles.records import ENDED, WhistleRecord
from services.router.storage.clocks import Owner, clocks_of
from services.router.storage.held import Held, Shelf
from shared.database import Reader
from shared.events import WhistleFact

RECORD: Final = TypeAdapter(WhistleRecord)
CLOCKLESS: Final = {"clocks"}

COLUMNS: Final = (
    *("number", "ticket_number", "version", "kind", "state", "street", "units"),
    *("details", "blown_at"),
)
READ: Final = text(
    "SELECT number, ticket_number, CAST(details AS text) AS details FROM whistle"
    " WHERE ticket_number = ANY(:numbers) ORDER BY blown_at, number"
)

SOUNDING: Final = text("""
SELECT m.incident, c.number, i.state = 'confirmed' AS confirmed, w.blown_at,
    w.details #> '{summons,dangers}' AS dangers,
    left(c.ticket ->> 'text', :compared) AS text, c.ticket ->> 'address' AS address
FROM incident_member m JOIN incident i ON i.number = m.incident
JOIN case_record c ON c.number = m.number JOIN whistle w ON w.ticket_number = m.number
WHERE m.incident = ANY(:incidents) AND m.state <> 'removed' AND w.kind = 'emergency'
    AND w.state <> ALL(CAST(:ended AS text[])) AND w.blown_at > :since
""")

HeldWhistle = Held[WhistleRecord, WhistleFact]
"""A whistle in the hands of a transaction that holds its case."""


def _row(held: HeldWhistle) -> tuple[object, ...]:
    """A whistle as a row of COLUMNS."""
    whistle = held.record
    return (
        whistle.number,
        whistle.ticket_number,
        whistle.version,
        whistle.summons.kind.value,
        whistle.state.value,
        whistle.street,
        [called.unit for called in whistle.units],
        RECORD.dump_json(whistle, exclude=CLOCKLESS).decode(),
        whistle.blown_at,
    )


SHELF: Final = Shelf(
    "whistle",
    COLUMNS,
    _row,
    frozenset({"details"}),
    once=frozenset({"ticket_number", "blown_at"}),
)


def record_of(stored: str, clocks: tuple[Clock, ...]) -> WhistleRecord:
    """The whistle as the rules see it, from its stored JSON."""
    return replace(RECORD.validate_json(stored), clocks=clocks)


def read_whistles(
    reader: Reader, numbers: Sequence[str], clocks: Mapping[Owner, tuple[Clock, ...]]
) -> Sequence[WhistleRecord]:
    """The whistles on these cases, oldest first, with their clocks out of `clocks`."""
    return [
        record_of(row.details, clocks.get((row.ticket_number, row.number), ()))
        for row in reader.execute(READ, {"numbers": list(numbers)})
    ]


def whistles_of(reader: Reader, numbers: Sequence[str]) -> Sequence[WhistleRecord]:
    """The whistles on these cases, oldest first."""
    return read_whistles(reader, numbers, clocks_of(reader, numbers))


def case_of(reader: Reader, number: str) -> str | None:
    """The case a whistle is on; read without the whistle, which may change until that is held."""
    query = text("SELECT ticket_number FROM whistle WHERE number = :number")
    return reader.execute(query, {"number": number}).scalar_one_or_none()


def sounding(reader: Reader, incidents: Sequence[str], since: datetime) -> Sequence[Any]:
    """The open emergency whistles blown since then for events, with their cases' words."""
    given = {
        "incidents": list(incidents),
        "since": since,
        "ended": list(ENDED),
        "compared": COMPARED,
    }
    return reader.execute(SOUNDING, given).all()
