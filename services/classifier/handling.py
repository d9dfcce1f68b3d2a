"""What the classifier does with tickets: one prediction call for a batch, one event for each.

A person's answer outlives the model: when a reviewed ticket is amended, its leaf stays and
only danger in the new words can raise its priority. The same holds for a ticket that a
person split off another: its leaf is the one they gave the demand.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import col, select

from services.classifier.classify import Verdict, classify_as, classify_many
from services.classifier.erasing import erase
from services.classifier.later_words import listen
from services.classifier.model import Model
from services.classifier.tables import VerdictRow
from shared.consume import Handler
from shared.database import Writer, as_json
from shared.envelope import Event, Message, event_id
from shared.events import (
    ABSTAINED,
    CLASSIFICATIONS,
    CLASSIFIED,
    Classification,
    Payload,
    Ticket,
    TicketAmended,
    TicketReceived,
    is_emergency,
)
from shared.messaging import emit
from shared.metrics import CLASSIFIED as CLASSIFIED_COUNT
from shared.metrics import PROBABILITY
from shared.taxonomy import load_taxonomy

PERSON = "person"
KEEP = text("""
INSERT INTO verdict AS v (number, ticket_version, leaf, priority, abstained, decided_by,
    decided_at, classification, guess_leaf, guess_priority, guess_probability, guess_abstained,
    guess_model, guess_at)
SELECT number, version, leaf, priority, abstained, decided_by, decided_at, c,
    CASE WHEN guessed THEN leaf END, CASE WHEN guessed THEN priority END,
    CASE WHEN guessed THEN CAST(c ->> 'probability' AS real) END,
    CASE WHEN guessed THEN abstained END, CASE WHEN guessed THEN c ->> 'model_version' END,
    CASE WHEN guessed THEN decided_at END
FROM (
    SELECT c #>> '{ticket,number}' AS number, CAST(c #>> '{ticket,version}' AS int) AS version,
        c ->> 'leaf' AS leaf, c ->> 'priority' AS priority,
        CAST(c ->> 'abstained' AS boolean) AS abstained, c ->> 'decided_by' AS decided_by,
        CAST(c ->> 'decided_at' AS timestamptz) AS decided_at,
        c ->> 'decided_by' <> :person AS guessed, c
    FROM jsonb_array_elements(CAST(:said AS jsonb)) AS c
) AS said
ORDER BY number
ON CONFLICT (number) DO UPDATE SET ticket_version = excluded.ticket_version,
    leaf = excluded.leaf, priority = excluded.priority, abstained = excluded.abstained,
    decided_by = excluded.decided_by, decided_at = excluded.decided_at,
    classification = excluded.classification,
    guess_leaf = coalesce(excluded.guess_leaf, v.guess_leaf),
    guess_priority = coalesce(excluded.guess_priority, v.guess_priority),
    guess_probability = coalesce(excluded.guess_probability, v.guess_probability),
    guess_abstained = coalesce(excluded.guess_abstained, v.guess_abstained),
    guess_model = coalesce(excluded.guess_model, v.guess_model),
    guess_at = coalesce(excluded.guess_at, v.guess_at)
WHERE v.ticket_version <= excluded.ticket_version
""")

Judged = Callable[[Sequence[Ticket]], None]
"""Hears which tickets the model has judged whole; must return at once and not raise."""


def ticket_handler(model: Model, judged: Judged = lambda tickets: None) -> Handler:
    """Classifies received and amended tickets, listens to urges and call-backs, and tells `judged`.

    `judged` hears of a batch before its commit, and of a repeated batch again.
    """

    def handle(writer: Writer, messages: Sequence[Message]) -> None:
        now = datetime.now(UTC)
        told = [
            (message, message.payload.ticket)
            for message in messages
            if isinstance(message.payload, TicketReceived | TicketAmended)
        ]
        known = held(writer, [ticket.number for _, ticket in told])
        verdicts = classify_many(
            model, [_words(message.payload, known.get(ticket.number)) for message, ticket in told]
        )
        said: dict[str, Classification] = {}
        events = []
        for (message, ticket), verdict in zip(told, verdicts, strict=True):
            before = said.get(ticket.number) or known.get(ticket.number)
            if before is not None and before.ticket.version > ticket.version:
                continue
            by_person = _split_off(ticket, model.version)
            if by_person is not None and (before is None or before.decided_by != PERSON):
                verdict = by_person
            classification = settle(before, ticket, verdict, now)
            said[ticket.number] = classification
            events.append(event_of(classification, message.trace))
            _count(classification)
        keep(writer, list(said.values()))
        emit(writer, events)
        listen(writer, messages, model.version)
        erase(writer, messages, now)
        judged([one.ticket for one in said.values() if one.decided_by != PERSON])

    return handle


def _words(payload: Payload, before: Classification | None) -> tuple[str | None, str]:
    """Title and text to be judged: after a person has judged the ticket, what is new in it."""
    assert isinstance(payload, TicketReceived | TicketAmended)
    if isinstance(payload, TicketAmended) and before is not None and before.decided_by == PERSON:
        return None, payload.added_text or ""
    return payload.ticket.title, payload.ticket.text


def _split_off(ticket: Ticket, version: str) -> Verdict | None:
    """The verdict on a ticket whose leaf a person gave in splitting another; else None."""
    leaf = load_taxonomy().get(ticket.demand or "")
    return classify_as(leaf, version, ticket.text, ticket.title) if leaf else None


def settle(
    before: Classification | None, ticket: Ticket, verdict: Verdict, now: datetime
) -> Classification:
    """What is said of a ticket, after what a person may have said of an earlier version.

    `verdict` is about the whole ticket, or about the new words where a person has spoken.
    """
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
        danger=verdict.danger,
        decided_by=verdict.decided_by,
        model_version=verdict.model_version,
        decided_at=now,
    )
    if before is None or before.decided_by != PERSON:
        return fresh
    kept = before.model_copy(update={"ticket": ticket, "decided_at": now})
    if not is_emergency(verdict.priority) or verdict.priority >= before.priority:
        return kept
    reasons = (*before.reasons, *verdict.reasons)
    update = {"priority": verdict.priority, "reasons": reasons, "danger": verdict.danger}
    return kept.model_copy(update=update)


def event_of(classification: Classification, trace: str | None = None) -> Event:
    """The event that says a classification; the same whenever it is said."""
    ticket, at = classification.ticket, classification.decided_at
    type_ = ABSTAINED if classification.abstained else CLASSIFIED
    same = event_id(at, type_, ticket.number, ticket.version)
    return Event(CLASSIFICATIONS, type_, ticket.number, classification, at, trace, same)


def held(writer: Writer, numbers: Sequence[str]) -> Mapping[str, Classification]:
    """What was last said of these tickets; nobody reviews them until the commit."""
    query = (
        select(VerdictRow)
        .where(col(VerdictRow.number).in_(numbers))
        .order_by(col(VerdictRow.number))
        .with_for_update()
    )
    return {row.number: row.said() for row in writer.execute(query).scalars()}


def keep(writer: Writer, said: Sequence[Classification]) -> None:
    """Store classifications in one statement; an older version never replaces a newer one.

    What a model said is stored a second time as its guess, which a person's answer leaves
    as it is.
    """
    writer.execute(KEEP, {"said": as_json(said), "person": PERSON})


def _count(classification: Classification) -> None:
    CLASSIFIED_COUNT.labels(
        classification.category, classification.decided_by, str(classification.abstained).lower()
    ).inc()
    PROBABILITY.observe(classification.probability)
