"""Storing drafts: numbers, idempotency, rows and events in one transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select

from services.intake.contract import Accepted
from services.intake.drafts import TICKET_COLUMNS, Draft, received_event, ticket_row
from services.intake.history import existing, histories, recent_tickets
from services.intake.tables import IdempotencyRow, TicketRow
from services.intake.tickets import RECEIVED, SHANGHAI, ticket_number
from services.intake.vault import Vault
from shared.database import Writer
from shared.messaging import emit
from shared.problems import Problem

Outcome = Accepted | Problem


def store(writer: Writer, drafts: Sequence[Draft], vault: Vault, prefix: str) -> Sequence[Outcome]:
    """Store drafts in one transaction; a receipt or a Problem for each, in order.

    Drafts of the same identity make one ticket, whether they come together or hours apart.
    """
    leaders = {item.identity: item for item in reversed(drafts) if item.identity is not None}
    taken = _claim(writer, list(leaders.values()))
    fresh = [
        item
        for item in drafts
        if item.identity is None or (item.id in taken and leaders[item.identity] is item)
    ]
    receipts = _insert(writer, fresh, vault, prefix) if fresh else {}
    earlier = _earlier(writer, [item for item in leaders.values() if item.id not in taken])
    outcomes: list[Outcome] = []
    for item in drafts:
        if item.id in receipts:
            outcomes.append(receipts[item.id])
            continue
        assert item.identity is not None
        leader = leaders[item.identity]
        known = (
            (leader.body_hash, receipts[leader.id])
            if leader.id in receipts
            else earlier[item.identity]
        )
        outcomes.append(known[1] if known[0] == item.body_hash else _other_body())
    return outcomes


def _other_body() -> Problem:
    return Problem(
        422, "同一个 Idempotency-Key 已用于内容不同的请求", slug="idempotency-key-reused"
    )


def _claim(writer: Writer, drafts: Sequence[Draft]) -> set[UUID]:
    """Claim the drafts' keys; the ids of those whose key was free. Keys are taken in order."""
    if not drafts:
        return set()
    ordered = sorted(drafts, key=lambda item: item.identity or ("", ""))
    rows = writer.execute(
        text(
            "INSERT INTO idempotency (subject, key, body_hash, ticket_id, at)"
            " SELECT * FROM unnest(CAST(:subjects AS text[]), CAST(:keys AS text[]),"
            " CAST(:hashes AS bytea[]), CAST(:ids AS uuid[]), CAST(:ats AS timestamptz[]))"
            " ON CONFLICT DO NOTHING RETURNING ticket_id"
        ),
        {
            "subjects": [item.subject for item in ordered],
            "keys": [item.key for item in ordered],
            "hashes": [item.body_hash for item in ordered],
            "ids": [item.id for item in ordered],
            "ats": [item.received_at for item in ordered],
        },
    )
    return set(rows.scalars())


def _earlier(
    writer: Writer, drafts: Sequence[Draft]
) -> dict[tuple[str, str], tuple[bytes, Accepted]]:
    """What the keys of these drafts already stand for."""
    found: dict[tuple[str, str], tuple[bytes, Accepted]] = {}
    for item in drafts:
        row, ticket = writer.execute(
            select(IdempotencyRow, TicketRow)
            .join(TicketRow, col(TicketRow.id) == col(IdempotencyRow.ticket_id))
            .where(IdempotencyRow.subject == item.subject, IdempotencyRow.key == item.key)
        ).one()
        receipt = Accepted(
            number=ticket.number,
            id=str(ticket.id),
            status=RECEIVED,
            received_at=ticket.received_at,
        )
        found[item.subject, item.key or ""] = (row.body_hash, receipt)
    return found


def _insert(
    writer: Writer, drafts: Sequence[Draft], vault: Vault, prefix: str
) -> dict[UUID, Accepted]:
    numbers = _numbers(writer, drafts, prefix)
    callers = [_fingerprint(vault, item) for item in drafts]
    known = recent_tickets(writer, set(filter(None, callers)), drafts[0].received_at)
    quoted = existing(writer, {number for item in drafts for number in item.quoted})
    told = [
        replace(history, refers_to=tuple(n for n in item.quoted if n in quoted))
        for item, history in zip(
            drafts, histories(zip(numbers, callers, strict=True), known), strict=True
        )
    ]
    writer.copy("ticket", TICKET_COLUMNS, map(ticket_row, numbers, drafts, told))
    sealed = [
        (number, vault.seal(number, item.sealed), caller)
        for number, item, caller in zip(numbers, drafts, callers, strict=True)
        if item.sealed is not None
    ]
    if sealed:
        writer.copy("caller_vault", ("number", "sealed", "fingerprint"), sealed)
    emit(writer, map(received_event, numbers, drafts, told))
    return {
        item.id: Accepted(
            number=number,
            id=str(item.id),
            status=RECEIVED,
            received_at=item.received_at,
        )
        for number, item in zip(numbers, drafts, strict=True)
    }


def _fingerprint(vault: Vault, item: Draft) -> bytes | None:
    """What a caller is known by again; a confidential one by nothing."""
    caller = item.submission.caller
    if caller is None or caller.phone is None or item.confidential:
        return None
    return vault.fingerprint(caller.phone)


def _numbers(writer: Writer, drafts: Sequence[Draft], prefix: str) -> list[str]:
    """Gapless numbers of each draft's day; the day's row is held until the commit."""
    days = [item.received_at.astimezone(SHANGHAI).date() for item in drafts]
    counts = sorted(Counter(days).items())
    rows = writer.execute(
        text(
            "INSERT INTO number_counter AS c (day, last)"
            " SELECT * FROM unnest(CAST(:days AS date[]), CAST(:counts AS int[]))"
            " ON CONFLICT (day) DO UPDATE SET last = c.last + excluded.last RETURNING day, last"
        ),
        {"days": [day for day, _ in counts], "counts": [count for _, count in counts]},
    )
    serial = {day: last - dict(counts)[day] for day, last in rows}
    numbers = []
    for day, item in zip(days, drafts, strict=True):
        serial[day] += 1
        numbers.append(ticket_number(prefix, item.received_at, serial[day]))
    return numbers
