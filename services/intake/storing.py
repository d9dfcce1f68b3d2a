"""Storing drafts: keys, numbers, rows and events in one transaction of two exchanges.

The first exchange claims the keys, counts the numbers and asks what is known of the callers;
the second writes every row and commits. What repeats an earlier request takes a third. How
often the database is asked, not what it does, decides how long a ticket takes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import URL

from services.intake.contract import Accepted
from services.intake.drafts import (
    Draft,
    Identity,
    Taken,
    accused_by,
    received_event,
    ticket_row,
)
from services.intake.history import KEPT, LOOKS_BACK, QUOTED, RECENT, histories, tickets_of
from services.intake.tickets import RECEIVED, SHANGHAI, ticket_number
from services.intake.vault import Vault
from shared.database import as_bytea, as_json
from shared.messaging import INSERT_EVENTS, outbox_rows
from shared.postgres import libpq
from shared.problems import Problem

Outcome = Accepted | Problem
Connection = psycopg.AsyncConnection[TupleRow]

BEGIN: Final = """
WITH claim AS (
    INSERT INTO idempotency (subject, key, body_hash, ticket_id, at)
    SELECT subject, key, body_hash, ticket_id, at
    FROM jsonb_populate_recordset(NULL::idempotency, %(claims)s::jsonb)
    ORDER BY subject, key
    ON CONFLICT DO NOTHING RETURNING ticket_id
), fresh AS (
    SELECT draft.at, draft.day
    FROM jsonb_to_recordset(%(drafts)s::jsonb) AS draft (at int, id uuid, day date, keys int)
    LEFT JOIN (SELECT ticket_id, count(*) AS keys FROM claim GROUP BY ticket_id) AS free
        ON free.ticket_id = draft.id
    WHERE draft.keys = coalesce(free.keys, 0)
), counted AS (
    INSERT INTO number_counter AS c (day, last)
    SELECT day, count(*) FROM fresh GROUP BY day ORDER BY day
    ON CONFLICT (day) DO UPDATE SET last = c.last + excluded.last RETURNING day, last
)
SELECT (SELECT coalesce(jsonb_agg(at ORDER BY at), '[]') FROM fresh),
    (SELECT coalesce(jsonb_object_agg(day, last), '{}') FROM counted)
"""
"""Claims keys in their order, so that processes never wait for each other in a ring. Gives the
drafts whose every key was free, by their place, and each day's last number, whose row is held
until the commit."""

EARLIER: Final = """
WITH asked AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb)
        AS x (ticket_id uuid, rank int, subject text, key text)
), known AS (
    SELECT DISTINCT ON (draft) asked.ticket_id AS draft, claim.body_hash, ticket.number,
        ticket.id, ticket.received_at
    FROM asked JOIN idempotency claim USING (subject, key)
        JOIN ticket ON ticket.id = claim.ticket_id
    ORDER BY draft, asked.rank
), joined AS (
    UPDATE idempotency SET ticket_id = known.id FROM known
    WHERE idempotency.ticket_id = known.draft
)
SELECT draft, body_hash, number, id, received_at FROM known
"""
"""What the keys of repeated requests stand for; a key claimed beside a known one joins it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What an identity stands for: the receipt, and the body it was given for."""

    body_hash: bytes
    receipt: Accepted


class Store:
    """The connection on which tickets are stored, of one event loop; made again when lost."""

    def __init__(self, url: URL, vault: Vault, prefix: str) -> None:
        self._address = libpq(url)
        self._vault = vault
        self._prefix = prefix
        self._connection: Connection | None = None

    async def store(self, drafts: Sequence[Draft]) -> Sequence[Outcome]:
        """Store drafts in one transaction; a receipt or a Problem for each, in order.

        Drafts of the same identity make one ticket, whether they come together or hours
        apart. Raises psycopg.Error; then nothing is stored, unless it was the commit whose
        answer was lost.
        """
        first_of: dict[Identity, Draft] = {}
        leaders: dict[UUID, Draft] = {}
        for item in drafts:
            leader = next((first_of[one] for one in item.identities if one in first_of), item)
            leaders[item.id] = leader
            first_of |= {one: leader for one in item.identities if one not in first_of}
        distinct = [item for item in drafts if leaders[item.id] is item]
        try:
            known = await self._store(await self._connected(), distinct)
        except BaseException:
            self.close()
            raise
        return [_outcome(item, known[leaders[item.id].id]) for item in drafts]

    def close(self) -> None:
        """Give back the connection; a transaction that is under way on it has no effect."""
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._address,
                autocommit=True,
                connect_timeout=5,
                prepare_threshold=0,
                options="-c timezone=UTC",
            )
        return self._connection

    async def _store(
        self, connection: Connection, drafts: Sequence[Draft]
    ) -> Mapping[UUID, _Known]:
        taken = await self._begin(connection, drafts)
        found = {one.item.id: _known(one) for one in taken}
        repeated = [item for item in drafts if item.id not in found]
        if repeated:
            found |= await _earlier(connection, repeated)
        sealed = [self._sealed(one) for one in taken if one.item.sealed is not None]
        async with connection.pipeline():
            if taken:
                await _insert(connection, "ticket", [ticket_row(one) for one in taken])
                events = outbox_rows(received_event(one) for one in taken)
                await connection.execute(INSERT_EVENTS, [events])
            if sealed:
                await _insert(connection, "caller_vault", sealed)
            await connection.execute("COMMIT")
        return found

    async def _begin(self, connection: Connection, drafts: Sequence[Draft]) -> list[Taken]:
        """Begin the transaction; the drafts that are new, with their numbers and history."""
        fingerprints = [self._fingerprints(item) for item in drafts]
        callers = [next(iter(each), None) for each in fingerprints]
        phones = {one: each[0] for each in fingerprints for one in each}
        quoted = {number for item in drafts for number in item.quoted}
        recent = there = None
        async with connection.pipeline():
            await connection.execute("BEGIN")
            begun = await connection.execute(BEGIN, _asked(drafts))
            if phones:
                since = drafts[0].received_at - LOOKS_BACK
                asked = {"callers": list(phones), "since": since, "kept": KEPT}
                recent = await connection.execute(RECENT, asked)
            if quoted:
                there = await connection.execute(QUOTED, {"numbers": list(quoted)})
        fresh, last = await begun.fetchone() or ((), {})
        numbers = _numbers(self._prefix, [drafts[at] for at in fresh], last)
        known = tickets_of(await recent.fetchall(), phones) if recent else {}
        existing: dict[str, str | None] = dict(await there.fetchall()) if there else {}
        accused = [accused_by(drafts[at], existing) for at in fresh]
        told = histories(zip(numbers, (callers[at] for at in fresh), accused, strict=True), known)
        return [
            Taken(
                number,
                drafts[at],
                callers[at],
                unit,
                replace(history, refers_to=tuple(n for n in drafts[at].quoted if n in existing)),
            )
            for number, at, unit, history in zip(numbers, fresh, accused, told, strict=True)
        ]

    def _fingerprints(self, item: Draft) -> tuple[bytes, ...]:
        """What a caller is known by again; a confidential one by nothing."""
        caller = item.submission.caller
        if caller is None or caller.phone is None or item.confidential:
            return ()
        return self._vault.fingerprints(caller.phone)

    def _sealed(self, one: Taken) -> Mapping[str, object]:
        assert one.item.sealed is not None
        return {
            "number": one.number,
            "sealed": as_bytea(self._vault.seal(one.number, one.item.sealed)),
            "fingerprint": one.caller and as_bytea(one.caller),
        }


async def _insert(connection: Connection, table: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, of which all have the same columns."""
    columns = ", ".join(rows[0])
    await connection.execute(
        f"INSERT INTO {table} ({columns}) SELECT {columns}"  # noqa: S608 names of our own
        f" FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)",
        [as_json(rows)],
    )


def _asked(drafts: Sequence[Draft]) -> Mapping[str, str]:
    """The parameters of BEGIN."""
    places = [
        {
            "at": at,
            "id": item.id,
            "day": item.received_at.astimezone(SHANGHAI).date(),
            "keys": len(item.identities),
        }
        for at, item in enumerate(drafts)
    ]
    claims = [
        {
            "subject": subject,
            "key": key,
            "body_hash": as_bytea(item.body_hash),
            "ticket_id": item.id,
            "at": item.received_at,
        }
        for item in drafts
        for subject, key in item.identities
    ]
    return {"drafts": as_json(places), "claims": as_json(claims)}


def _numbers(prefix: str, drafts: Sequence[Draft], last: Mapping[str, int]) -> Sequence[str]:
    """Gapless numbers of each draft's day, up to the last one counted."""
    days = [item.received_at.astimezone(SHANGHAI).date().isoformat() for item in drafts]
    serial = {day: last[day] - count for day, count in Counter(days).items()}
    numbers = []
    for day, item in zip(days, drafts, strict=True):
        serial[day] += 1
        numbers.append(ticket_number(prefix, item.received_at, serial[day]))
    return numbers


async def _earlier(connection: Connection, drafts: Sequence[Draft]) -> Mapping[UUID, _Known]:
    """What stands under the keys of drafts that repeat a request."""
    asked = [
        {"ticket_id": item.id, "rank": rank, "subject": subject, "key": key}
        for item in drafts
        for rank, (subject, key) in enumerate(item.identities)
    ]
    rows = await (await connection.execute(EARLIER, [as_json(asked)])).fetchall()
    return {
        draft: _Known(body_hash, _receipt(number, id_, received_at))
        for draft, body_hash, number, id_, received_at in rows
    }


def _known(one: Taken) -> _Known:
    return _Known(one.item.body_hash, _receipt(one.number, one.item.id, one.item.received_at))


def _receipt(number: str, id_: UUID, received_at: datetime) -> Accepted:
    return Accepted(number=number, id=str(id_), status=RECEIVED, received_at=received_at)


def _outcome(item: Draft, known: _Known) -> Outcome:
    if item.body_hash == known.body_hash:
        return known.receipt
    return Problem(
        422,
        f"这一编号的请求已收下，工单号 {known.receipt.number}；这次的内容与当时不同，没有收进去",
        slug="idempotency-key-reused",
        number=known.receipt.number,
    )
