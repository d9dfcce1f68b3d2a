"""Incidents in and out of the database: what new cases join, and which cases wait for another.

Rows are locked in one order: cases by number, then incidents by number, and then, when the
ledger is stored, the units' feeds.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import text, update
from sqlmodel import col, select

from services.router.domain.cases.deciding import decide
from services.router.domain.cases.records import CaseCommand
from services.router.domain.cases.states import Command, Flag
from services.router.domain.incidents.grouping import (
    LOOK_BACK,
    NEAR,
    Call,
    events_in,
    is_cluster,
    next_of_merged,
)
from services.router.domain.incidents.wording import COMPARED, wording
from services.router.domain.places.gazetteer import Gazetteer
from services.router.domain.routing import Rules, same_terms
from services.router.storage.incident_tables import (
    MEMBER_COLUMNS,
    IncidentMemberRow,
    IncidentRow,
    IncidentState,
    MemberState,
)
from services.router.storage.ledger import Entry, Ledger
from shared.calendar import SHANGHAI
from shared.database import Reader, Writer
from shared.events import CaseState
from shared.metrics import INCIDENT_CLUSTERS
from shared.roles import Role

NO_PART: Final = (CaseState.CLOSED, CaseState.SPLIT, CaseState.REDIRECTED_OUT)
"""States in which a case belongs to no event that a new call could join."""

IN_THE_STREET: Final = 5 * LOOK_BACK
"""So many cases of a street are read to find those of one of its communities."""

RECENT: Final = text("""
SELECT c.number, c.leaf, c.street, c.details #>> '{place,community}' AS community,
    CAST(c.ticket ->> 'received_at' AS timestamptz) AS received_at,
    left(c.ticket ->> 'text', :compared) AS text, c.ticket ->> 'address' AS address,
    c.accused_unit AS accused,
    c.details ->> 'parent' AS parent, c.details ->> 'incident' AS incident,
    c.details -> 'flags' ? :cluster AS clustered
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


@dataclass(frozen=True, slots=True)
class Joined:
    """The incident a case is part of from now on, and whether it is a cluster."""

    incident: str
    cluster: bool


def gather(
    writer: Writer,
    ledger: Ledger,
    gazetteer: Gazetteer,
    numbers: Collection[str],
    calls: Sequence[Call],
    now: datetime,
) -> Mapping[str, Joined]:
    """Hold a batch's cases, and with them those that their calls make part of an event.

    `calls` are what is to be grouped of the batch. The incidents are stored here; the cases
    that the answer names are the caller's to open or to tell. One query looks for earlier
    calls, however many there are in the batch.
    """
    recent = _recent(writer, gazetteer, calls, now) if calls else ()
    known = {call.number: call for call in recent}
    fresh = {call.number: call for call in calls}
    events = [
        event
        for event in events_in({**fresh, **known}.values())
        if any(call.number in fresh for call in event)
    ]
    to_mark = {
        call.number
        for event in events
        for call in event
        if call.incident is None or (is_cluster(event) and not call.clustered)
    }
    hold_together(writer, ledger, {*numbers, *to_mark})
    standing = [
        [held for call in event if (held := _as_held(ledger, call, known)) is not None]
        for event in events
    ]
    return _join(writer, [event for event in standing if len(event) > 1], to_mark, now)


def _recent(
    writer: Writer, gazetteer: Gazetteer, calls: Sequence[Call], now: datetime
) -> Iterator[Call]:
    """The newest open cases where the calls may be, about what they are about."""
    places = list({(call.leaf, call.street, call.community) for call in calls})
    rows = writer.execute(
        RECENT,
        {
            "leaves": [leaf for leaf, _, _ in places],
            "streets": [street for _, street, _ in places],
            "communities": [community for _, _, community in places],
            "since": now - NEAR,
            "no_part": list(NO_PART),
            "compared": COMPARED,
            "look_back": LOOK_BACK,
            "in_the_street": IN_THE_STREET,
            "cluster": Flag.CLUSTER,
        },
    ).mappings()
    for row in rows:
        known = {name: value for name, value in row.items() if name not in ("text", "address")}
        yield Call(said=wording(gazetteer, row["text"], row["address"]), **known)


def _as_held(ledger: Ledger, call: Call, known: Collection[str]) -> Call | None:
    """The call as its case stands now that it is held; None where it is part of no event.

    A case that was there before and has not been found was taken out of an event by a
    person, unless its place becomes known only now.
    """
    entry = ledger.get(call.number)
    if entry is None:
        return call
    case = entry.case
    late = case.place.street is None and call.ticket_version >= case.ticket_version
    if case.state in NO_PART or not (late or call.number in known):
        return None
    return replace(call, incident=case.incident, clustered=Flag.CLUSTER in case.flags)


def _join(
    writer: Writer, events: Sequence[Sequence[Call]], to_mark: Collection[str], now: datetime
) -> Mapping[str, Joined]:
    """Store which incidents these calls make; the cases to be marked with them."""
    named = [min((c.incident for c in event if c.incident), default="") for event in events]
    rows = {row.number: row for row in locked(writer, named)}
    serials = iter(_numbers(writer, named.count(""), now))
    joined: dict[str, Joined] = {}
    members: list[tuple[object, ...]] = []
    for name, event in zip(named, events, strict=True):
        row = rows[name] if name else _proposed(next(serials), event)
        if row.state == IncidentState.DISMISSED:
            continue
        joining = [call for call in event if call.incident is None]
        row.count += len(joining)
        row.first_at = min(row.first_at, event[0].received_at)
        row.last_at = max(row.last_at, event[-1].received_at)
        if not row.cluster and is_cluster(event):
            row.cluster = True
            INCIDENT_CLUSTERS.inc()
        writer.add(row)
        members += [(row.number, call.number, MemberState.PROPOSED.value, now) for call in joining]
        unmarked = [
            call
            for call in event
            if call.incident == row.number and row.cluster and not call.clustered
        ]
        joined |= {
            call.number: Joined(row.number, row.cluster)
            for call in (*joining, *unmarked)
            if call.number in to_mark
        }
    writer.copy("incident_member", MEMBER_COLUMNS, members)
    return joined


def _proposed(number: str, event: Sequence[Call]) -> IncidentRow:
    first, last = event[0], event[-1]
    return IncidentRow(
        number=number,
        leaf=first.leaf,
        street=first.street,
        community=next((call.community for call in event if call.community), None),
        state=IncidentState.OPEN,
        lead=first.number,
        cluster=False,
        first_at=first.received_at,
        last_at=last.received_at,
        count=0,
    )


def _numbers(writer: Writer, fresh: int, now: datetime) -> Sequence[str]:
    """New incidents' numbers, gapless for a day in Shanghai."""
    if not fresh:
        return ()
    day = now.astimezone(SHANGHAI).date()
    last = writer.execute(SERIALS, {"day": day, "fresh": fresh}).scalar_one()
    return [f"E{day:%Y%m%d}-{serial:06d}" for serial in range(last - fresh + 1, last + 1)]


def locked(writer: Writer, numbers: Collection[str]) -> Sequence[IncidentRow]:
    """These incidents, kept from others until the commit. Their cases are held before."""
    wanted = sorted(set(numbers) - {""})
    if not wanted:
        return ()
    query = (
        select(IncidentRow)
        .where(col(IncidentRow.number).in_(wanted))
        .order_by(col(IncidentRow.number))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return writer.execute(query).scalars().all()


def members_of(reader: Reader, incident: str) -> Mapping[str, MemberState]:
    """The cases of an incident that nobody has removed, in the order of their numbers."""
    query = (
        select(IncidentMemberRow)
        .where(
            IncidentMemberRow.incident == incident,
            col(IncidentMemberRow.state) != MemberState.REMOVED,
        )
        .order_by(col(IncidentMemberRow.number))
    )
    return {row.number: MemberState(row.state) for row in reader.execute(query).scalars()}


def stand(
    writer: Writer, incident: str, numbers: Collection[str], state: MemberState, now: datetime
) -> None:
    """From now on these cases belong to the incident like this."""
    given = {"incident": incident, "numbers": sorted(numbers), "state": state, "now": now}
    writer.execute(STAND, given)


def waiting_for(reader: Reader, leads: Collection[str]) -> set[str]:
    """The merged cases that wait for the answer to these."""
    return set(reader.execute(WAITING, {"numbers": list(leads)}).scalars())


def hold_together(writer: Writer, ledger: Ledger, numbers: Collection[str]) -> None:
    """Hold these cases and all that wait for them."""
    together = {*numbers, *waiting_for(writer, numbers)}
    ledger.hold(together)
    if any(case.incident is not None for case in ledger.held()):
        late = waiting_for(writer, numbers) - together  # merged while we waited for their lead
        if late:
            ledger.hold(late)


def follow_leads(writer: Writer, ledger: Ledger, rules: Rules, now: datetime) -> None:
    """Let the merged cases in hand do what follows from what has happened to their leads.

    Comes after all decisions and before the ledger is stored.
    """
    for entry in ledger.entries():
        case = entry.case
        if case.state is CaseState.MERGED:
            lead = ledger.get(case.merged_into or "")
            command = next_of_merged(case, entry.stored or case, lead.case if lead else None)
            if command is not None:
                _follow(writer, ledger, rules, entry, lead, command, now)


def _follow(
    writer: Writer,
    ledger: Ledger,
    rules: Rules,
    entry: Entry,
    lead: Entry | None,
    command: Command,
    now: datetime,
) -> None:
    case, actor = entry.case, Role.SYSTEM.value
    order = CaseCommand(command, actor, Role.SYSTEM)
    if lead is not None:
        worked, assisted = lead.case.lead_unit, lead.case.assist_units
        order = replace(order, lead_unit=worked, assist_units=assisted)
    decision = decide(case, order, same_terms(rules, case, now), rules.calendar, now)
    ledger.tell(entry.ticket, decision, now, actor=actor)
    if command is Command.UNMERGE:
        writer.execute(
            update(IncidentMemberRow)
            .where(
                col(IncidentMemberRow.number) == case.number,
                col(IncidentMemberRow.state) == MemberState.MERGED,
            )
            .values(state=MemberState.PROPOSED, at=now)
        )
