"""Danger in what is said about a ticket later: urges, call-backs, and the notes of staff.

Only words that prove danger count here: nobody is called out because a note made the model
uneasy. What a dispatcher gives as the reason of a correction is about an earlier danger and is
not listened to.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlmodel import col, select

from services.classifier.normalise import clean
from services.classifier.rules import danger_in, findings_for, heard_in
from services.classifier.tables import VerdictRow
from shared.dangers import load_dangers
from shared.database import Reader, Writer
from shared.envelope import Event, Message
from shared.events import (
    CLASSIFICATIONS,
    DANGER_HEARD,
    CaseEvent,
    CaseFact,
    DangerHeard,
    SaidIn,
    TicketCalledBack,
    TicketUrged,
    WhistleEvent,
    WhistleFact,
)
from shared.messaging import emit

CASE_NOTES: Final = frozenset(
    fact.event_type
    for fact in (
        *(CaseFact.ACCEPTED, CaseFact.CONTACTED, CaseFact.REPLIED, CaseFact.RETURN_REQUESTED),
        *(CaseFact.EXTENSION_REQUESTED, CaseFact.SUSPENDED, CaseFact.VERIFICATION_FAILED),
    )
)
"""What units and verifiers write from the place itself."""
WHISTLE_NOTES: Final = frozenset(
    fact.event_type
    for fact in (
        *(WhistleFact.ACKNOWLEDGED, WhistleFact.ARRIVED, WhistleFact.HANDLED),
        WhistleFact.NOT_CONFIRMED,
    )
)


class Words(NamedTuple):
    """What was said about a ticket, where, when, and by whom if not by the caller."""

    number: str
    words: str
    said_in: SaidIn
    at: datetime
    actor: str | None = None
    unit: str | None = None


def words_of(message: Message) -> Words | None:
    """What a message adds in words to its ticket; None where nothing is."""
    match message.payload:
        case TicketUrged(number=number, note=note, at=at) if note:
            return Words(number, note, SaidIn.URGE, at)
        case TicketCalledBack(number=number, comment=comment, at=at) if comment:
            return Words(number, comment, SaidIn.CALLBACK, at)
        case CaseEvent(note=note) as event if note and message.type in CASE_NOTES:
            number = event.case.number
            return Words(number, note, SaidIn.CASE_NOTE, event.at, event.actor, event.unit)
        case WhistleEvent(note=note) as event if note and message.type in WHISTLE_NOTES:
            number = event.whistle.ticket_number
            return Words(number, note, SaidIn.WHISTLE_NOTE, event.at, event.actor, event.unit)
    return None


def listen(writer: Writer, messages: Sequence[Message], model_version: str) -> None:
    """Say of each danger that is heard in these messages; most hold none."""
    said = [words for message in messages if (words := words_of(message)) is not None]
    if not said:
        return
    leaves = _leaves(writer, [words.number for words in said])
    traces = {message.key: message.trace for message in messages}
    emit(
        writer,
        [
            Event(
                CLASSIFICATIONS, DANGER_HEARD, heard.number, heard, heard.said_at,
                traces.get(heard.number),
            )
            for words in said
            if (heard := _heard(words, leaves.get(words.number, ""), model_version)) is not None
        ],
    )  # fmt: skip


def _heard(said: Words, leaf: str, model_version: str) -> DangerHeard | None:
    read, findings = heard_in(clean(said.words))
    danger = danger_in(findings_for(findings, leaf), said.words, read)
    if danger is None:
        return None
    return DangerHeard(
        number=said.number,
        danger=danger,
        priority=load_dangers()[danger.kind].priority,
        said_in=said.said_in,
        actor=said.actor,
        unit=said.unit,
        said_at=said.at,
        model_version=model_version,
    )


def _leaves(reader: Reader, numbers: Sequence[str]) -> Mapping[str, str]:
    """What these tickets are about, as far as they have been classified."""
    query = select(VerdictRow.number, VerdictRow.leaf).where(col(VerdictRow.number).in_(numbers))
    return {row.number: row.leaf for row in reader.execute(query)}
