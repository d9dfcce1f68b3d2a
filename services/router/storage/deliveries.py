"""Webhooks and what they deliver: a row for each queue entry and receiver, with its state.

A row is about the last change of its entry: what changes while a receiver is away is told
once, as it stands then. So a receiver that never comes back costs a row an entry, no more.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import CursorResult, text
from sqlmodel import col, select

from services.router.storage.tables import WebhookRow
from services.router.storage.webhook_secrets import SECRET_BYTES
from shared.database import Reader, Writer
from shared.events import QueueItem

BOTH_SECRETS: Final = timedelta(hours=24)
"""How long a replaced secret still signs beside the new one."""
LEASE: Final = timedelta(seconds=60)
COLLECTED: Final = 500
DUE: Final = 50


class WebhookState(StrEnum):
    """Whether a webhook delivers; a paused one says why and keeps its rows."""

    ACTIVE = "active"
    PAUSED = "paused"


class DeliveryState(StrEnum):
    """A delivery waits for its next try, was taken, or is given up until it is replayed."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that is due, with the entry as it stands."""

    number: str
    whistle: str
    attempts: int
    item: QueueItem


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a try: the receiver's status or what went wrong, and when it is tried again.

    Taken where `again` is None and `dead` is not set.
    """

    status: int | None
    error: str | None
    again: datetime | None = None
    dead: bool = False

    @property
    def state(self) -> DeliveryState:
        """Where the delivery stands now."""
        if self.dead:
            return DeliveryState.DEAD
        return DeliveryState.DELIVERED if self.again is None else DeliveryState.WAITING


def new_webhook(writer: Writer, row: WebhookRow) -> None:
    """Add a webhook; it begins with what is open in its unit's queue."""
    writer.add(row)
    writer.flush()
    writer.execute(
        text(
            "INSERT INTO delivery (webhook, number, whistle, seq, state, next_try, changed_at)"
            " SELECT :id, number, whistle, seq, 'waiting', :now, :now FROM queue_entry"
            " WHERE unit = :unit AND open"
        ),
        {"id": row.id, "unit": row.unit, "now": row.created_at},
    )
    head = text("SELECT coalesce((SELECT seq FROM unit_feed WHERE unit = :unit), 0)")
    row.position = int(writer.execute(head, {"unit": row.unit}).scalar_one())


def new_secret() -> bytes:
    """A secret nobody can guess."""
    return secrets.token_bytes(SECRET_BYTES)


def lease(writer: Writer, worker: UUID, now: datetime, limit: int) -> Sequence[WebhookRow]:
    """Webhooks with something to do that nobody else works on, kept for this worker."""
    found = writer.execute(
        text(
            "UPDATE webhook SET worker = :worker, leased_until = :until WHERE id IN ("
            " SELECT w.id FROM webhook w LEFT JOIN unit_feed f USING (unit)"
            " WHERE w.state = 'active' AND w.resting_until <= :now"
            " AND (w.leased_until IS NULL OR w.leased_until < :now)"
            " AND (coalesce(f.seq, 0) <> w.position OR EXISTS (SELECT FROM delivery d"
            "  WHERE d.webhook = w.id AND d.state = 'waiting' AND d.next_try <= :now))"
            " ORDER BY w.resting_until LIMIT :limit FOR UPDATE OF w SKIP LOCKED) RETURNING id"
        ),
        {"worker": worker, "now": now, "until": now + LEASE, "limit": limit},
    ).scalars()
    ids = found.all()
    query = select(WebhookRow).where(col(WebhookRow.id).in_(ids))
    return writer.execute(query).scalars().all() if ids else ()


def give_back(writer: Writer, webhook: UUID, worker: UUID) -> None:
    """Leave a webhook to whoever comes next."""
    writer.execute(
        text(
            "UPDATE webhook SET leased_until = NULL, worker = NULL"
            " WHERE id = :id AND worker = :worker"
        ),
        {"id": webhook, "worker": worker},
    )


def collect(writer: Writer, webhook: UUID, unit: str, now: datetime) -> None:
    """Make rows for what has changed in the unit's queue since the last look.

    A feed that is behind the webhook's position was restored from a backup: everything that
    is open is told anew.
    """
    asked = {"id": webhook, "unit": unit, "now": now, "limit": COLLECTED}
    position = writer.execute(
        text(
            "SELECT CASE WHEN w.position > coalesce(f.seq, 0) THEN 0 ELSE w.position END"
            " FROM webhook w LEFT JOIN unit_feed f USING (unit) WHERE w.id = :id FOR UPDATE OF w"
        ),
        asked,
    ).scalar()
    if position is None:
        return
    last = writer.execute(
        text(
            "WITH changed AS (SELECT number, whistle, seq FROM queue_entry WHERE unit = :unit"
            "  AND seq > :position AND (open OR :position > 0) ORDER BY seq LIMIT :limit),"
            " told AS (INSERT INTO delivery AS d"
            "  (webhook, number, whistle, seq, state, next_try, changed_at)"
            "  SELECT :id, number, whistle, seq, 'waiting', :now, :now FROM changed"
            "  ON CONFLICT (webhook, number, whistle) DO UPDATE SET seq = excluded.seq,"
            "  state = 'waiting', attempts = 0, next_try = excluded.next_try, status = NULL,"
            "  error = NULL, changed_at = excluded.changed_at WHERE d.seq < excluded.seq)"
            " SELECT CASE WHEN count(*) = :limit THEN max(seq) ELSE greatest(max(seq),"
            "  (SELECT seq FROM unit_feed WHERE unit = :unit), :position) END FROM changed"
        ),
        {**asked, "position": position},
    ).scalar()
    writer.execute(
        text("UPDATE webhook SET position = :last WHERE id = :id"), {"last": last, "id": webhook}
    )


def due(reader: Reader, webhook: UUID, unit: str, now: datetime) -> Sequence[Delivery]:
    """Deliveries whose time has come, in the order of their changes."""
    rows = reader.execute(
        text(
            "SELECT d.number, d.whistle, d.attempts, CAST(e.item AS text) AS item"
            " FROM delivery d JOIN queue_entry e ON e.unit = :unit AND e.number = d.number"
            "  AND e.whistle = d.whistle"
            " WHERE d.webhook = :id AND d.state = 'waiting' AND d.next_try <= :now"
            " ORDER BY d.seq LIMIT :limit"
        ),
        {"id": webhook, "unit": unit, "now": now, "limit": DUE},
    )
    return [
        Delivery(row.number, row.whistle, row.attempts, QueueItem.model_validate_json(row.item))
        for row in rows
    ]


def record(writer: Writer, webhook: UUID, sent: Delivery, tried: Tried, now: datetime) -> None:
    """Write down what became of a try; a change that came meanwhile stays to be told."""
    writer.execute(
        text(
            "UPDATE delivery SET state = :state, seq = :seq, attempts = attempts + 1,"
            " status = :status, error = :error, changed_at = :now,"
            " next_try = coalesce(:again, next_try)"
            " WHERE webhook = :id AND number = :number AND whistle = :whistle AND seq <= :seq"
        ),
        {
            "state": tried.state,
            "status": tried.status,
            "error": tried.error,
            "again": tried.again,
            "now": now,
            "id": webhook,
            "number": sent.number,
            "whistle": sent.whistle,
            "seq": sent.item.seq,
        },
    )


def forget_gone(writer: Writer, webhook: UUID, unit: str) -> None:
    """Forget deliveries of entries that the queue has forgotten."""
    writer.execute(
        text(
            "DELETE FROM delivery d WHERE webhook = :id AND NOT EXISTS (SELECT FROM queue_entry e"
            " WHERE e.unit = :unit AND e.number = d.number AND e.whistle = d.whistle)"
        ),
        {"id": webhook, "unit": unit},
    )


def answered(writer: Writer, webhook: UUID, failures: int, resting_until: datetime) -> None:
    """How a receiver does as a whole: failures in a row, and until when it is left alone."""
    writer.execute(
        text(
            "UPDATE webhook SET failures = :failures, resting_until = :until WHERE id = :id"
            " AND (failures, resting_until) IS DISTINCT FROM (:failures, :until)"
        ),
        {"failures": failures, "until": resting_until, "id": webhook},
    )


def pause(writer: Writer, webhook: UUID, reason: str) -> None:
    """Deliver nothing more until a person resumes it."""
    writer.execute(
        text("UPDATE webhook SET state = 'paused', reason = :reason WHERE id = :id"),
        {"reason": reason, "id": webhook},
    )


def remove(writer: Writer, webhook: UUID) -> None:
    """Forget a webhook and its deliveries."""
    writer.execute(text("DELETE FROM webhook WHERE id = :id"), {"id": webhook})


def replay(writer: Writer, webhook: UUID, now: datetime) -> int:
    """Try what was given up once more; how many deliveries."""
    done = writer.execute(
        text(
            "UPDATE delivery SET state = 'waiting', attempts = 0, next_try = :now"
            " WHERE webhook = :id AND state = 'dead'"
        ),
        {"id": webhook, "now": now},
    )
    assert isinstance(done, CursorResult)
    return done.rowcount


def counts(reader: Reader, webhooks: Sequence[UUID]) -> dict[tuple[UUID, str], int]:
    """How many deliveries of each webhook stand in each state."""
    rows = reader.execute(
        text(
            "SELECT webhook, state, count(*) AS deliveries FROM delivery"
            " WHERE webhook = ANY(:ids) GROUP BY webhook, state"
        ),
        {"ids": list(webhooks)},
    )
    return {(row.webhook, row.state): row.deliveries for row in rows}
