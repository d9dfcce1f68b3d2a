"""What is known of a caller from before (历史诉求): a hint to who asks, never a decision.

Tickets of one phone are found by its keyed fingerprint, which never leaves the database. A
confidential caller has none, so that their tickets are linked neither from nor to.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from shared.database import Reader

KEPT: Final = 5
LOOKS_BACK: Final = timedelta(days=90)
"""So many of a caller's last tickets, and none older: proposal, no rule says so."""

RECENT: Final = text("""
SELECT asked.caller, recent.number, recent.street
FROM unnest(CAST(:callers AS bytea[])) AS asked (caller)
CROSS JOIN LATERAL (
    SELECT v.number, t.case_view #>> '{place,street}' AS street
    FROM caller_vault v JOIN ticket t USING (number)
    WHERE v.fingerprint = asked.caller AND t.received_at > :since
    ORDER BY v.number DESC LIMIT :kept
) AS recent
ORDER BY recent.number DESC
""")


@dataclass(frozen=True, slots=True)
class EarlierTicket:
    """A ticket the caller has already, and the street where it was found to be."""

    number: str
    street: str | None


@dataclass(frozen=True, slots=True)
class History:
    """Numbers of the caller's last tickets, newest first, and the street of the newest placed.

    `refers_to` are the tickets, whosever, that the words quote and that there are.
    """

    earlier: tuple[str, ...] = ()
    usual_street: str | None = None
    refers_to: tuple[str, ...] = ()


def recent_tickets(
    reader: Reader, callers: Collection[bytes], now: datetime
) -> Mapping[bytes, tuple[EarlierTicket, ...]]:
    """The last tickets of these fingerprints, newest first; one query, or none for nobody."""
    found: dict[bytes, tuple[EarlierTicket, ...]] = {}
    if not callers:
        return found
    rows = reader.execute(
        RECENT, {"callers": list(callers), "since": now - LOOKS_BACK, "kept": KEPT}
    )
    for caller, number, street in rows:
        found[caller] = (*found.get(caller, ()), EarlierTicket(number, street))
    return found


def histories(
    calls: Iterable[tuple[str, bytes | None]], known: Mapping[bytes, tuple[EarlierTicket, ...]]
) -> Iterator[History]:
    """The history of each call of a batch, in order; a call is part of the next one's.

    `calls` are number and fingerprint, None for who cannot be known again.
    """
    before = dict(known)
    for number, caller in calls:
        if caller is None:
            yield History()
            continue
        tickets = before.get(caller, ())
        street = next((ticket.street for ticket in tickets if ticket.street), None)
        yield History(tuple(ticket.number for ticket in tickets), street)
        before[caller] = (EarlierTicket(number, None), *tickets)[:KEPT]


def existing(reader: Reader, numbers: Collection[str]) -> frozenset[str]:
    """Those of these numbers that a ticket has; no query where there are none."""
    if not numbers:
        return frozenset()
    query = text("SELECT number FROM ticket WHERE number = ANY(:numbers)")
    return frozenset(reader.execute(query, {"numbers": list(numbers)}).scalars())
