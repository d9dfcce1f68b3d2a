"""What the classifier does with tickets: one prediction call for a batch, one event for each.

A person's answer outlives the model: when a reviewed ticket is amended, its leaf stays and
only danger in the new words can raise its priority.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import col, select

from services.classifier.classify import Verdict, classify_many
from services.classifier.model import Model
from services.classifier.tables import VerdictRow
from shared.consume import Handler
from shared.database import Reader, Writer
from shared.envelope import Event, Message
from shared.events import (
    ABSTAINED,
    CLASSIFICATIONS,
    CLASSIFIED,
    Classification,
    Ticket,
    TicketAmended,
    TicketReceived,
    most_urgent,
)
from shared.messaging import emit
from shared.metrics import CLASSIFIED as CLASSIFIED_COUNT
from shared.metrics import PROBABILITY

PERSON = "person"


def ticket_handler(model: Model) -> Handler:
    """Classifies received and amended tickets."""

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        now = datetime.now(UTC)
        told = [
            (message, message.payload.ticket)
            for message in messages
            if isinstance(message.payload, TicketReceived | TicketAmended)
        ]
        verdicts = classify_many(model, [(ticket.title, ticket.text) for _, ticket in told])
        known = stored(writer, [ticket.number for _, ticket in told])
        said: dict[str, Classification] = {}
        events = []
        for (message, ticket), verdict in zip(told, verdicts, strict=True):
            before = said.get(ticket.number) or known.get(ticket.number)
            if before is not None and before.ticket.version > ticket.version:
                continue
            classification = settle(before, ticket, verdict, now)
            said[ticket.number] = classification
            events.append(event_of(classification, message.trace))
            _count(classification)
        keep(writer, list(said.values()))
        emit(writer, events)

    return handle


def settle(
    before: Classification | None, ticket: Ticket, verdict: Verdict, now: datetime
) -> Classification:
    """What is said of a ticket, after what a person may have said of an earlier version."""
    fresh = Classification(
        ticket=ticket,
        leaf=verdict.leaf,
        category=verdict.category,
        priority=verdict.priority,
        probability=verdict.probability,
        abstained=verdict.abstained,
        alternatives=verdict.alternatives,
        reasons=verdict.reasons,
        demands=verdict.demands,
        decided_by=verdict.decided_by,
        model_version=verdict.model_version,
        decided_at=now,
    )
    if before is None or before.decided_by != PERSON:
        return fresh
    priority = before.priority
    if verdict.decided_by == "rule":
        priority = most_urgent(before.priority, verdict.priority)
    return before.model_copy(update={"ticket": ticket, "priority": priority, "decided_at": now})


def event_of(classification: Classification, trace: str | None = None) -> Event:
    """The event that says a classification."""
    return Event(
        CLASSIFICATIONS,
        ABSTAINED if classification.abstained else CLASSIFIED,
        classification.ticket.number,
        classification,
        classification.decided_at,
        trace,
    )


def stored(reader: Reader, numbers: Sequence[str]) -> Mapping[str, Classification]:
    """What was last said of these tickets."""
    query = select(VerdictRow).where(col(VerdictRow.number).in_(numbers))
    return {row.number: row.said() for row in reader.execute(query).scalars()}


def keep(writer: Writer, said: Sequence[Classification]) -> None:
    """Store classifications; an older version never replaces a newer one."""
    ordered = sorted(said, key=lambda item: item.ticket.number)
    writer.execute(
        text(
            "INSERT INTO verdict AS v (number, ticket_version, leaf, priority, abstained,"
            " decided_by, decided_at, classification)"
            " SELECT n, t, l, p, a, b, d, CAST(c AS jsonb) FROM unnest("
            "CAST(:numbers AS text[]), CAST(:versions AS int[]), CAST(:leaves AS text[]),"
            " CAST(:priorities AS text[]), CAST(:abstained AS boolean[]),"
            " CAST(:deciders AS text[]), CAST(:decided AS timestamptz[]),"
            " CAST(:classifications AS text[])) AS u (n, t, l, p, a, b, d, c)"
            " ON CONFLICT (number) DO UPDATE SET ticket_version = excluded.ticket_version,"
            " leaf = excluded.leaf, priority = excluded.priority,"
            " abstained = excluded.abstained, decided_by = excluded.decided_by,"
            " decided_at = excluded.decided_at, classification = excluded.classification"
            " WHERE v.ticket_version <= excluded.ticket_version"
        ),
        {
            "numbers": [item.ticket.number for item in ordered],
            "versions": [item.ticket.version for item in ordered],
            "leaves": [item.leaf for item in ordered],
            "priorities": [item.priority.value for item in ordered],
            "abstained": [item.abstained for item in ordered],
            "deciders": [item.decided_by for item in ordered],
            "decided": [item.decided_at for item in ordered],
            "classifications": [item.model_dump_json() for item in ordered],
        },
    )


def _count(classification: Classification) -> None:
    CLASSIFIED_COUNT.labels(
        classification.category, classification.decided_by, str(classification.abstained).lower()
    ).inc()
    PROBABILITY.observe(classification.probability)
