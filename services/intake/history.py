"""What is known of a caller from before (历史诉求): a hint to who asks, never a decision.

Tickets of one phone are found by its keyed fingerprint, which never leaves the database. A
confidential caller has none, so that their tickets are linked neither from nor to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.discretion import GRID_CENTRE

KEPT: Final = 5
LOOKS_BACK: Final = timedelta(days=90)
"""So many of a caller's last tickets, and none older: proposal, no rule says so."""

RECENT: Final = """
SELECT asked.caller, recent.number, recent.street, recent.accused_unit
FROM unnest(%(callers)s::bytea[]) AS asked (caller)
CROSS JOIN LATERAL (
    SELECT v.number, t.case_view #>> '{place,street}' AS street, t.accused_unit
    FROM caller_vault v JOIN ticket t USING (number)
    WHERE v.fingerprint = asked.caller AND t.received_at > %(since)s
    ORDER BY v.number DESC LIMIT %(kept)s
) AS recent
ORDER BY recent.number DESC
"""
"""The last tickets of these fingerprints, newest first, with the street and accused of each."""
QUOTED: Final = "SELECT number, accused_unit FROM ticket WHERE number = ANY(%(numbers)s)"
"""Those of these numbers that a ticket has, and whom it complains about."""


@dataclass(frozen=True, slots=True)
class EarlierTicket:
    """A ticket the caller has already, the street where it was found to be, whom it accuses."""

    number: str
    street: str | None
    accused_unit: str | None


@dataclass(frozen=True, slots=True)
class History:
    """Numbers of the caller's last tickets, newest first, and the street of the newest placed.

    `refers_to` are the tickets, whosever, that the words quote and that there are. Complaints
    about the grid centre are part of the history of such complaints alone: whoever sees another
    of the caller's tickets must not count them.
    """

    earlier: tuple[str, ...] = ()
    usual_street: str | None = None
    refers_to: tuple[str, ...] = ()


def tickets_of(
    rows: Iterable[tuple[bytes, str, str | None, str | None]], callers: Mapping[bytes, bytes]
) -> Mapping[bytes, tuple[EarlierTicket, ...]]:
    """What RECENT has found, by caller: by the first of the fingerprints that `callers` names."""
    found: dict[bytes, tuple[EarlierTicket, ...]] = {}
    for fingerprint, number, street, accused in rows:
        caller, ticket = callers[fingerprint], EarlierTicket(number, street, accused)
        found[caller] = (*found.get(caller, ()), ticket)[:KEPT]
    return found


def histories(
    calls: Iterable[tuple[str, bytes | None, str | None]],
    known: Mapping[bytes, tuple[EarlierTicket, ...]],
) -> Iterator[History]:
    """The history of each call of a batch, in order; a call is part of the next one's.

    `calls` are number, fingerprint, None for who cannot be known again, and accused unit.
    """
    before = dict(known)
    for number, caller, accused in calls:
        if caller is None:
            yield History()
            continue
        tickets = [
            ticket
            for ticket in before.get(caller, ())
            if ticket.accused_unit != GRID_CENTRE or accused == GRID_CENTRE
        ]
        street = next((ticket.street for ticket in tickets if ticket.street), None)
        yield History(tuple(ticket.number for ticket in tickets), street)
        latest = EarlierTicket(number, None, accused)
        before[caller] = (latest, *before.get(caller, ()))[:KEPT]
