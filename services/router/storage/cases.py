"""Cases in and out of the database; whoever changes one holds its row until the commit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import TextClause, text

from services.router.domain.cases.duties import readers
from services.router.domain.cases.records import CaseRecord
from services.router.domain.clocks import Clock, soonest
from services.router.storage.clocks import clocks_of
from services.router.storage.held import Held, Shelf
from services.router.storage.whistles import HeldWhistle
from shared.database import Reader, Writer
from shared.events import CaseFact, Ticket

RECORD: Final = TypeAdapter(CaseRecord)
CLOCKLESS: Final = {"clocks"}

COLUMNS: Final = (
    *("number", "version", "ticket_version", "round", "state", "disposition", "priority"),
    *("leaf", "category", "street", "lead_unit", "desk", "accused_unit", "details", "ticket"),
    *("due_at", "readers", "opened_at"),
)
NEVER: Final = "infinity"
"""When something is due of a case for which no clock runs."""

NO_RECORD: Final = "{details,ticket,street,opened_at,due_at,readers}"
AS_RECORD: Final = f"CAST((to_jsonb(c) - CAST('{NO_RECORD}' AS text[])) || c.details AS text)"
"""A row as its record's JSON; the columns fill in what an older release kept only there."""
_READ: Final = (
    f"SELECT c.number, {AS_RECORD} AS record, CAST(c.ticket AS text) AS ticket"  # noqa: S608
    " FROM case_record c WHERE c.number = ANY(:numbers) ORDER BY c.number"
)
READ: Final = text(_READ)
HOLD: Final = text(f"{_READ} FOR UPDATE OF c")
HOLD_FREE: Final = text(f"{_READ} FOR UPDATE OF c SKIP LOCKED")


@dataclass(slots=True)
class HeldCase(Held[CaseRecord, CaseFact]):
    """A case in the hands of a transaction, with its ticket and its whistles by number."""

    ticket: Ticket = field(kw_only=True)
    ticket_changed: bool = False
    whistles: dict[str, HeldWhistle] = field(default_factory=dict)


def _row(held: HeldCase) -> tuple[object, ...]:
    """A case as a row of COLUMNS; it is open since the first that was told of it."""
    case = held.record
    return (
        case.number,
        case.version,
        case.ticket_version,
        case.round,
        case.state.value,
        case.disposition.value,
        case.priority.value,
        case.leaf,
        case.category.value,
        case.place.street,
        case.lead_unit,
        case.desk,
        case.accused_unit,
        RECORD.dump_json(case, exclude=CLOCKLESS).decode(),
        held.ticket.model_dump_json(),
        soonest(case.clocks) or NEVER,
        sorted(readers(case)),
        held.told[0].by.at if held.told else None,
    )


SHELF: Final = Shelf(
    "case_record", COLUMNS, _row, frozenset({"details"}), once=frozenset({"ticket", "opened_at"})
)


def record_of(stored: str, clocks: tuple[Clock, ...]) -> CaseRecord:
    """The case as the rules see it, from what AS_RECORD gives."""
    return replace(RECORD.validate_json(stored), clocks=clocks)


def read_cases(
    reader: Reader, numbers: Iterable[str], statement: TextClause = READ
) -> Sequence[tuple[Ticket, CaseRecord]]:
    """These cases with their tickets, in the order of their numbers; unknown ones are left out."""
    rows = reader.execute(statement, {"numbers": sorted(set(numbers))}).all()
    if not rows:
        return ()
    clocks = clocks_of(reader, [row.number for row in rows])
    records = [record_of(row.record, clocks.get((row.number, None), ())) for row in rows]
    return [
        (as_settled(Ticket.model_validate_json(row.ticket), record), record)
        for row, record in zip(rows, records, strict=True)
    ]


def as_settled(ticket: Ticket, case: CaseRecord) -> Ticket:
    """The ticket, with its caller protected or not as its case says: a person may have ruled."""
    if ticket.confidential == case.confidential:
        return ticket
    return ticket.model_copy(update={"confidential": case.confidential})


def load_case(reader: Reader, number: str) -> tuple[Ticket, CaseRecord] | None:
    """A case as it stands, with its ticket; None where there is none."""
    return next(iter(read_cases(reader, [number])), None)


def put_tickets(writer: Writer, tickets: Iterable[Ticket]) -> None:
    """Write the tickets of cases that are stored already."""
    rows = [{"number": t.number, "ticket": t.model_dump_json()} for t in tickets]
    if rows:
        writer.execute(
            text("UPDATE case_record SET ticket = CAST(:ticket AS jsonb) WHERE number = :number"),
            rows,
        )
