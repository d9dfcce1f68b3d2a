"""A second model judges live tickets beside the one in use, and only this database hears of it.

It works after the batch it heard of, on a thread and in a transaction of its own: what is
published never waits for it. When it falls too far behind it leaves tickets out and counts
them; so does the crash of a process, which costs the batches it had waiting.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from queue import Empty, Full, Queue
from typing import Final

from sqlalchemy import text

from services.classifier.classify import Verdict, classify_many
from services.classifier.live import SHADOW, LiveModels, Slot
from shared.database import Database, Writer, as_json
from shared.events import Ticket
from shared.metrics import SHADOW_SKIPPED

WAITING_BATCHES: Final = 8
"""Batches kept for the shadow; a batch has at most some hundred tickets."""
STORE: Final = text("""
INSERT INTO shadow_verdict AS v
    (number, model, ticket_version, leaf, priority, probability, abstained, at)
SELECT number, :model, ticket_version, leaf, priority, probability, abstained, :at
FROM jsonb_to_recordset(CAST(:said AS jsonb)) AS said
    (number text, ticket_version int, leaf text, priority text, probability real,
     abstained boolean)
ORDER BY number
ON CONFLICT (model, number) DO UPDATE SET ticket_version = excluded.ticket_version,
    leaf = excluded.leaf, priority = excluded.priority, probability = excluded.probability,
    abstained = excluded.abstained, at = excluded.at
WHERE v.ticket_version <= excluded.ticket_version
""")


class Shadow:
    """The second model of one process; it is read only once there is something to judge."""

    def __init__(self, models: LiveModels, database: Database) -> None:
        self._models = models
        self._database = database
        self._slot = Slot(SHADOW, models.home)
        self._waiting: Queue[Sequence[Ticket]] = Queue(WAITING_BATCHES)

    def hear(self, tickets: Sequence[Ticket]) -> None:
        """Take tickets to be judged soon, each number once; returns at once, never raises."""
        if not tickets or self._models.shadow is None:
            return
        try:
            self._waiting.put_nowait(tickets)
        except Full:
            SHADOW_SKIPPED.inc(len(tickets))

    def step(self) -> bool:
        """Judge one batch; False where none waits."""
        wanted = self._models.shadow
        if wanted is None:
            self._slot.follow(None)
        try:
            tickets = self._waiting.get_nowait()
        except Empty:
            return False
        self._slot.follow(wanted)
        model = self._slot.model
        if model is None or model.version != wanted:
            SHADOW_SKIPPED.inc(len(tickets))
            return True
        verdicts = classify_many(model, [(ticket.title, ticket.text) for ticket in tickets])
        with self._database.writing() as writer:
            store(writer, model.version, tickets, verdicts, datetime.now(UTC))
        return True


def store(
    writer: Writer,
    version: str,
    tickets: Sequence[Ticket],
    verdicts: Sequence[Verdict],
    now: datetime,
) -> None:
    """Store what a model says of tickets, in one statement; only the newest of each counts."""
    said = [
        {
            "number": ticket.number,
            "ticket_version": ticket.version,
            "leaf": verdict.leaf,
            "priority": verdict.priority,
            "probability": verdict.probability,
            "abstained": verdict.abstained,
        }
        for ticket, verdict in zip(tickets, verdicts, strict=True)
    ]
    writer.execute(STORE, {"said": as_json(said), "model": version, "at": now})
