"""Erasing a person: the contact, what knows them again, and the words, when a ticket has ended.

On request of the person at once, by policy when its term is over. What was erased, when, by whom
and why stays on record, without the words. The classifier and the router hear of it and erase
their copies; the contact and its fingerprint never left this service.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import text
from sqlmodel import col, select

from services.intake.changes import changed
from services.intake.tables import CallerVaultRow, ErasureRow, TicketRow
from shared.database import Database, Reader, Writer
from shared.erasing import ERASE_LETTERS, WORDLESS, demands_without_words, without_words
from shared.events import CaseState, Demand, TicketErased
from shared.messaging import emit
from shared.retention import Kept, Terms

AT_ONCE: Final = 500
"""Tickets erased in one transaction."""
WORDS_OF_MATTER: Final = frozenset({"reasons", "demands", "danger"})
"""What of a classification quotes the caller."""
POLICY: Final = "policy"
"""Who erases when a term is over."""

_ENDED: Final = """
t.status = 'closed' AND t.received_at < :before AND NOT EXISTS (
    SELECT FROM timeline l WHERE l.number = t.number AND l.at >= :before)
"""
CONTACTS_DUE: Final = text(
    "SELECT v.number FROM caller_vault v JOIN ticket t ON t.number = v.number"  # noqa: S608
    f" WHERE {_ENDED} ORDER BY v.number LIMIT :most"
)
TEXTS_DUE: Final = text(
    f"SELECT t.number FROM ticket t WHERE t.erased_at IS NULL AND {_ENDED}"  # noqa: S608
    " ORDER BY t.received_at LIMIT :most"
)
ERASE: Final = (
    f"UPDATE timeline {WORDLESS} WHERE number = ANY(:numbers)",
    "UPDATE callback SET comment = '' WHERE number = ANY(:numbers)",
    ERASE_LETTERS,
)
OWN_KEYS: Final = text("DELETE FROM idempotency WHERE ticket_id = ANY(:ids)")


class Erased(StrEnum):
    """How much of a person was erased: contact and originals, or these and every word."""

    CONTACT = "contact"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What became of a request: tickets that were erased, and those that have not ended."""

    erased: Sequence[str]
    open: Sequence[str]


def tickets_of(reader: Reader, fingerprints: Sequence[bytes]) -> Sequence[str]:
    """The tickets of a caller, and what they were split into."""
    own = select(CallerVaultRow.number).where(col(CallerVaultRow.fingerprint).in_(fingerprints))
    numbers = reader.execute(own.order_by(col(CallerVaultRow.number))).scalars().all()
    return with_parts(reader, numbers)


def with_parts(reader: Reader, numbers: Iterable[str]) -> Sequence[str]:
    """These tickets and those that were split off them, whose caller is the same."""
    asked = list(numbers)
    parts = select(TicketRow.number).where(col(TicketRow.parent).in_(asked))
    return sorted({*asked, *reader.execute(parts).scalars()})


def erase_on_request(
    database: Database, numbers: Sequence[str], by: str, reason: str, now: datetime
) -> Erasure:
    """Erase everything of these tickets that have ended; the others stay, for they are worked."""
    erased: list[str] = []
    for at in range(0, len(numbers), AT_ONCE):
        with database.writing() as writer:
            gone = _erase_all(writer, numbers[at : at + AT_ONCE], now)
            _record(writer, gone, Erased.ALL, by, reason, now)
        erased += gone
    known = set(erased)
    return Erasure(erased, [number for number in numbers if number not in known])


def forgetting(database: Database, terms: Terms) -> Callable[[], bool]:
    """A step that erases a batch of what is past its term; True while there may be more."""

    def step() -> bool:
        now = datetime.now(UTC)
        with database.writing() as writer:
            asked = {"before": now - terms[Kept.CONTACTS], "most": AT_ONCE}
            contacts = list(writer.execute(CONTACTS_DUE, asked).scalars())
            gone = _erase_contacts(writer, contacts)
            _record(writer, gone, Erased.CONTACT, POLICY, Kept.CONTACTS, now)
        with database.writing() as writer:
            asked = {"before": now - terms[Kept.TEXTS], "most": AT_ONCE}
            due = list(writer.execute(TEXTS_DUE, asked).scalars())
            gone = _erase_all(writer, due, now)
            _record(writer, gone, Erased.ALL, POLICY, Kept.TEXTS, now)
        return AT_ONCE in (len(contacts), len(due))

    return step


def _record(
    writer: Writer, numbers: Sequence[str], what: Erased, by: str, reason: str, now: datetime
) -> None:
    if numbers:
        writer.add(ErasureRow(numbers=list(numbers), what=what, by_=by, reason=reason, at=now))


def _erase_contacts(writer: Writer, numbers: Sequence[str]) -> Sequence[str]:
    query = text("DELETE FROM caller_vault WHERE number = ANY(:numbers) RETURNING number")
    return sorted(writer.execute(query, {"numbers": list(numbers)}).scalars())


def _erase_all(writer: Writer, numbers: Sequence[str], now: datetime) -> Sequence[str]:
    """Hold these tickets, erase what has ended and say so; which ones."""
    query = (
        select(TicketRow)
        .where(col(TicketRow.number).in_(numbers), TicketRow.status == CaseState.CLOSED)
        .order_by(col(TicketRow.number))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    rows = [row for row in writer.execute(query).scalars() if row.erased_at is None]
    for row in rows:
        _blank(row, now)
    ended = [row.number for row in rows]
    _erase_contacts(writer, ended)
    for statement in ERASE:
        writer.execute(text(statement), {"numbers": ended})
    writer.execute(OWN_KEYS, {"ids": [row.id for row in rows]})
    emit(
        writer,
        [
            changed(
                row.number,
                row.version,
                TicketErased(number=row.number, version=row.version, at=now),
                now,
            )
            for row in rows
        ],
    )
    return ended


def _blank(row: TicketRow, now: datetime) -> None:
    standing = row.standing()
    ticket = without_words(standing.ticket, row.version + 1)
    row.title, row.lat, row.lon, row.external_id = None, None, None, None
    row.earlier, row.refers_to, row.usual_street = [], [], None
    row.version, row.text, row.address = ticket.version, ticket.text, None
    row.sought = None
    row.erased_at = now
    if row.classification is not None:
        kept = {k: v for k, v in row.classification.items() if k not in WORDS_OF_MATTER}
        said = [Demand.model_validate(one) for one in row.classification.get("demands", ())]
        silent = demands_without_words(tuple(said))
        row.classification = {**kept, "demands": [one.model_dump() for one in silent]}
