"""What a person has made of a case's matter: the classification takes it over, and learns of it.

A dispatcher corrects leaf or priority at the case; without this the ticket would go on waiting
for a review that has been given, and the next training would never hear of the mistake.
"""

from collections.abc import Sequence
from typing import Final

from services.classifier.handling import PERSON, held, keep
from services.classifier.tables import ReviewRow
from shared.database import Writer
from shared.envelope import Message
from shared.events import CaseEvent, CaseFact, Classification
from shared.metrics import MODEL_CORRECTED
from shared.taxonomy import load_taxonomy

CORRECTED: Final = CaseFact.RECLASSIFIED.event_type
SYSTEM: Final = frozenset({"system", "clock"})


def take_over(writer: Writer, messages: Sequence[Message]) -> None:
    """Store what people have said of these cases; it is told already, so nothing is published."""
    said = [
        (message.key, event)
        for message in messages
        if message.type == CORRECTED
        and isinstance(event := message.payload, CaseEvent)
        and event.actor not in SYSTEM
    ]
    if not said:
        return
    known = dict(held(writer, sorted({number for number, _ in said})))
    for number, event in said:
        before = known.get(number)
        if before is None or _agrees(before, event):
            continue
        known[number] = after = _corrected(before, event)
        keep(writer, [after])
        writer.add(
            ReviewRow(
                number=number,
                ticket_version=before.ticket.version,
                guessed=before.leaf,
                leaf=after.leaf,
                priority=after.priority,
                reviewer=event.actor,
                at=event.at,
            )
        )
        agreed = str(before.leaf == after.leaf).lower()
        writer.once_committed(MODEL_CORRECTED.labels(before.category, agreed).inc)


def _agrees(before: Classification, event: CaseEvent) -> bool:
    """Whether a review has said the same: the case only repeats it."""
    told = (before.decided_by, before.leaf, before.priority)
    return told == (PERSON, event.case.leaf, event.case.priority)


def _corrected(before: Classification, event: CaseEvent) -> Classification:
    leaf = load_taxonomy()[event.case.leaf]
    return before.model_copy(
        update={
            "leaf": leaf.slug,
            "category": leaf.category,
            "priority": event.case.priority,
            "probability": 1.0,
            "abstained": False,
            "reasons": (f"人工改判：{leaf.name}", *([event.note] if event.note else [])),
            "decided_by": PERSON,
            "actor": event.actor,
            "decided_at": event.at,
        }
    )
