"""Incidents in and out of the database: events, who belongs to them, and who waits for whom."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlmodel import col, select

from services.router.domain.cases.states import NO_PART, Flag
from services.router.domain.incidents.grouping import LOOK_BACK, NEAR
from services.router.domain.incidents.records import IncidentRecord, IncidentState, MemberState
from services.router.domain.incidents.wording import COMPARED
from services.router.storage.held import Held, Shelf
from services.router.storage.tables import IncidentMemberRow, IncidentRow
from shared.database import Reader, Writer

IN_THE_STREET: Final = 5 * LOOK_BACK
"""So many cases of a street are read to find those of one of its communities."""

COLUMNS: Final = (
    *("number", "leaf", "street", "community", "state", "lead", "cluster"),
    *("first_at", "last_at", "count"),
)
HOLD: Final = text(
    f"SELECT {', '.join(COLUMNS)} FROM incident"  # noqa: S608
    " WHERE number = ANY(:numbers) ORDER BY number FOR UPDATE"
)
RECENT: Final = text("""
SELECT c.number, c.leaf, c.street, c.details #>> '{place,community}' AS community,
    CAST(c.ticket ->> 'received_at' AS timestamptz) AS received_at,
    left(c.ticket ->> 'text', :compared) AS text, c.ticket ->> 'address' AS address,
    c.accused_unit AS accused,
    c.details ->> 'parent' AS parent, c.details ->> 'incident' AS incident,
    c.details -> 'flags' ? :cluster AS clustered,
    ARRAY(SELECT jsonb_array_elements(c.details -> 'alarms') ->> 'kind') AS dangers
FROM unnest(CAST(:leaves AS text[]), CAST(:streets AS text[]), CAST(:communities AS text[]))
    AS k (leaf, street, community)
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT * FROM case_record
        WHERE leaf = k.leaf AND street = k.street AND opened_at > :since
            AND state <> 'closed' AND state <> ALL(CAST(:no_part AS text[]))
        ORDER BY opened_at DESC LIMIT :in_the_street
    ) s
    WHERE coalesce(s.details #>> '{place,community}' = k.community, true)
    ORDER BY opened_at DESC LIMIT :look_back
) c
WHERE NOT EXISTS (
    SELECT FROM incident_member m WHERE m.number = c.number AND m.state = 'removed'
)
""")
WAITING: Final = text("""
SELECT m.number FROM incident i JOIN incident_member m ON m.incident = i.number
JOIN case_record c ON c.number = m.number
WHERE i.lead = ANY(:numbers) AND m.state = 'merged' AND c.state = 'merged'
""")
SERIALS: Final = text("""
INSERT INTO incident_counter AS c (day, last) VALUES (:day, :fresh)
ON CONFLICT (day) DO UPDATE SET last = c.last + excluded.last RETURNING last
""")
STAND: Final = text("""
INSERT INTO incident_member (incident, number, state, at)
SELECT :incident, number, :state, :now FROM unnest(CAST(:numbers AS text[])) AS number
ON CONFLICT (incident, number) DO UPDATE SET state = excluded.state, at = excluded.at
""")

HeldIncident = Held[IncidentRecord, IncidentState]
"""An incident in the hands of a transaction; nothing is told of it but through its cases."""


def _row(held: HeldIncident) -> tuple[object, ...]:
    """An incident as a row of COLUMNS."""
    incident = held.record
    return (
        incident.number,
        incident.leaf,
        incident.street,
        incident.community,
        incident.state.value,
        incident.lead,
        incident.cluster,
        incident.first_at,
        incident.last_at,
        incident.count,
    )


SHELF: Final = Shelf("incident", COLUMNS, _row)


def record_of(row: Any) -> IncidentRecord:
    """The incident as the rules see it."""
    fields: dict[str, Any] = {name: getattr(row, name) for name in COLUMNS}
    return IncidentRecord(**{**fields, "state": IncidentState(row.state)})


def hold(writer: Writer, numbers: Collection[str]) -> Sequence[IncidentRecord]:
    """These incidents, kept from others until the commit."""
    if not numbers:
        return ()
    return [record_of(row) for row in writer.execute(HOLD, {"numbers": sorted(numbers)})]


def lead_of(reader: Reader, number: str) -> str | None:
    """The case that leads an incident, None where there is no such incident."""
    query = select(col(IncidentRow.lead)).where(IncidentRow.number == number)
    return reader.execute(query).scalar_one_or_none()


def members_of(reader: Reader, incident: str) -> Mapping[str, MemberState]:
    """The cases of an incident that nobody has removed, in the order of their numbers."""
    query = (
        select(col(IncidentMemberRow.number), col(IncidentMemberRow.state))
        .where(
            IncidentMemberRow.incident == incident,
            col(IncidentMemberRow.state) != MemberState.REMOVED,
        )
        .order_by(col(IncidentMemberRow.number))
    )
    return {number: MemberState(state) for number, state in reader.execute(query)}


def stand(
    writer: Writer, incident: str, numbers: Collection[str], state: MemberState, now: datetime
) -> None:
    """From now on these cases belong to the incident like this."""
    given = {"incident": incident, "numbers": sorted(numbers), "state": state, "now": now}
    writer.execute(STAND, given)


def waiting_for(reader: Reader, leads: Collection[str]) -> set[str]:
    """The merged cases that wait for the answer to these."""
    return set(reader.execute(WAITING, {"numbers": list(leads)}).scalars())


def next_serials(writer: Writer, day: date, fresh: int) -> range:
    """So many serials of a day that nobody else gets; the day's row is held until the commit."""
    last = writer.execute(SERIALS, {"day": day, "fresh": fresh}).scalar_one()
    return range(last - fresh + 1, last + 1)


def recent_calls(
    reader: Reader, places: Collection[tuple[str, str, str | None]], now: datetime
) -> Sequence[Mapping[str, Any]]:
    """The newest open cases about these leaves, in these streets and communities."""
    wanted = list(places)
    rows = reader.execute(
        RECENT,
        {
            "leaves": [leaf for leaf, _, _ in wanted],
            "streets": [street for _, street, _ in wanted],
            "communities": [community for _, _, community in wanted],
            "since": now - NEAR,
            "no_part": list(NO_PART),
            "compared": COMPARED,
            "look_back": LOOK_BACK,
            "in_the_street": IN_THE_STREET,
            "cluster": Flag.CLUSTER,
        },
    ).mappings()
    return [dict(row) for row in rows]
