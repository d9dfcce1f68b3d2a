"""Where a citizen's ticket stands, projected from what the other services say of it.

Events of different topics reach intake in any order; what each carries is a whole state
with a version, so an older one never overwrites a newer, and the timeline keeps them all.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import text

from services.intake.drafts import received
from services.intake.tables import TicketRow
from services.intake.tickets import RECEIVED, REOPENED, TO_BE_CALLED, TRIAGED, split_off
from shared.database import Writer, as_json
from shared.envelope import Message
from shared.events import (
    Case,
    CaseEvent,
    CaseState,
    Classification,
    SplitTicket,
    WhistleEvent,
)
from shared.messaging import emit

WITH_THE_CALLER: Final = (*TO_BE_CALLED, CaseState.SPLIT)
"""States that a caller's answer ends, the last answer of several for a ticket that was split."""
RESTRICTION: Final = frozenset({"confidential", "accused_unit"})
"""The details of a person's ruling on who is protected and who is accused."""
REFUSED: Final = "refused"
"""The detail of an end that the router does not accept, for there is danger."""
TIMELINE_COLUMNS: Final = ("number", "at", "type", "actor", "unit", "note", "detail")


PARTS: Final = text("""
INSERT INTO ticket (number, id, version, status, channel, kind, text, address, lat, lon,
    accused_unit, occurred_at, confidential, received_at, received_by, round, urges, parent, demand,
    earlier, usual_street, heard, refers_to, attempts)
SELECT part.number, gen_random_uuid(), 1, 'received', t.channel, t.kind, part.text, t.address,
    t.lat, t.lon, t.accused_unit, t.occurred_at, t.confidential, t.received_at, t.received_by,
    0, 0, t.number, part.demand, t.earlier, t.usual_street, t.heard, t.refers_to, 0
FROM ticket t, unnest(CAST(:numbers AS text[]), CAST(:texts AS text[]), CAST(:demands AS text[]))
    AS part (number, text, demand)
WHERE t.number = :parent
ON CONFLICT (number) DO NOTHING RETURNING number
""")


class UnknownTicket(Exception):
    """An event speaks of a ticket that this database has never accepted."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What a ticket's row says of its classification and its case.

    `accused_unit` and `confidential` are what a case has said of them; `settled` that a
    person has, so that they replace what the ticket said.
    """

    status: str
    classified_version: int
    case_version: int
    classification: Classification | None = None
    case_view: Case | None = None
    lead_unit: str | None = None
    assist_units: tuple[str, ...] = ()
    case_state: str | None = None
    accused_unit: str | None = None
    confidential: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline."""

    actor: str
    unit: str | None
    note: str
    detail: Mapping[str, str]


Said = Classification | CaseEvent | WhistleEvent
"""What the other services say of a ticket."""


def project(state: Projection, payload: Said) -> Projection:
    """The state after an event; the same state where the event is older than it.

    A whistle stands in the timeline only: the street keeps the ticket.
    """
    if isinstance(payload, WhistleEvent):
        return state
    if isinstance(payload, Classification):
        if payload.ticket.version < state.classified_version:
            return state
        return replace(
            state,
            status=TRIAGED if state.status == RECEIVED else state.status,
            classified_version=payload.ticket.version,
            classification=payload,
        )
    case = payload.case
    if case.version <= state.case_version:
        return state
    settled = RESTRICTION.issubset(payload.detail)
    return replace(
        state,
        status=state.status if _heard_later(state, payload) else case.state.value,
        case_version=case.version,
        case_view=case,
        lead_unit=case.lead_unit or case.desk,
        assist_units=case.assist_units,
        case_state=case.state.value,
        accused_unit=case.accused_unit if settled else case.accused_unit or state.accused_unit,
        confidential=case.confidential,
        settled=state.settled or settled,
    )


def _heard_later(state: Projection, payload: CaseEvent) -> bool:
    """Whether what happened here has not reached the router yet when it said this.

    The ticket was ended or reopened here: the case stands as before until the router has
    heard, or says that it refuses the end.
    """
    case = payload.case
    if state.status == REOPENED:
        return case.state in WITH_THE_CALLER
    ended = state.status == CaseState.CLOSED and state.case_state != CaseState.CLOSED
    return ended and case.state is not CaseState.CLOSED and REFUSED not in payload.detail


def entry(payload: Said) -> Entry:
    """What the timeline says of an event."""
    if isinstance(payload, WhistleEvent):
        about = {"whistle": payload.whistle.number, "kind": payload.whistle.kind.value}
        if payload.concerns is not None:
            about["concerns"] = payload.concerns
        return Entry(payload.actor, payload.unit, payload.note, {**payload.detail, **about})
    if isinstance(payload, CaseEvent):
        return Entry(payload.actor, payload.unit, payload.note, payload.detail)
    detail = {"leaf": payload.leaf, "priority": payload.priority.value}
    return Entry(payload.actor or payload.decided_by, None, "；".join(payload.reasons), detail)


def apply(writer: Writer, messages: Sequence[Message]) -> None:
    """Project a batch: one read, one update and one copy, however many tickets it touches.

    Raises UnknownTicket.
    """
    told: list[tuple[Message, Said]] = [
        (message, message.payload) for message in messages if isinstance(message.payload, Said)
    ]
    states = _load(writer, sorted({message.key for message, _ in told}))
    changed = dict(states)
    lines: list[tuple[Any, ...]] = []
    for message, payload in told:
        if message.key not in states:
            raise UnknownTicket(message.key)
        changed[message.key] = project(changed[message.key], payload)
        line = entry(payload)
        detail = _json(line.detail)
        lines.append(
            (message.key, message.time, message.type, line.actor, line.unit, line.note, detail)
        )
    _save(writer, {n: state for n, state in changed.items() if state is not states[n]})
    writer.copy("timeline", TIMELINE_COLUMNS, lines)
    for message, payload in told:
        if isinstance(payload, CaseEvent) and payload.split:
            _make_parts(writer, message, payload.split)


def _make_parts(writer: Writer, message: Message, parts: Sequence[SplitTicket]) -> None:
    """Accept what a ticket was split into (拆单), once, and say so. Its row is held already."""
    parent = writer.get(TicketRow, message.key)
    assert parent is not None
    tickets = [split_off(parent.standing().ticket, part) for part in parts]
    made = set(
        writer.execute(
            PARTS,
            {
                "parent": message.key,
                "numbers": [ticket.number for ticket in tickets],
                "texts": [ticket.text for ticket in tickets],
                "demands": [ticket.demand for ticket in tickets],
            },
        ).scalars()
    )
    emit(
        writer,
        [
            received(ticket, message.time, message.trace)
            for ticket in tickets
            if ticket.number in made
        ],
    )


def _truth(case: Case | None) -> Mapping[str, str] | None:
    """What the case says of a ticket's matter and urgency goes before what a model said."""
    if case is None:
        return None
    return {"leaf": case.leaf, "category": case.category, "priority": case.priority}


def _json(detail: Mapping[str, str]) -> str:
    return json.dumps(dict(detail), ensure_ascii=False)


def _load(writer: Writer, numbers: Sequence[str]) -> dict[str, Projection]:
    """The states of these tickets; their rows are held, in order, until the commit."""
    rows = writer.execute(
        text(
            "SELECT number, status, classified_version, case_version, lead_unit, assist_units,"
            " case_view ->> 'state' AS case_state"
            " FROM ticket WHERE number = ANY(:numbers) ORDER BY number FOR NO KEY UPDATE"
        ),
        {"numbers": list(numbers)},
    )
    return {
        number: Projection(
            status,
            classified,
            case,
            lead_unit=lead,
            assist_units=tuple(assist or ()),
            case_state=state,
        )
        for number, status, classified, case, lead, assist, state in rows
    }


def _save(writer: Writer, states: Mapping[str, Projection]) -> None:
    """Write changed states; a part that no event of the batch touched keeps its value."""
    if not states:
        return
    writer.execute(
        text(
            "UPDATE ticket t SET status = s.status,"
            " attempts = CASE WHEN s.status = t.status THEN t.attempts ELSE 0 END,"
            " outcome = CASE WHEN s.case_view IS NULL THEN t.outcome"
            " ELSE s.case_view ->> 'outcome' END,"
            " confidential = s.confidential OR (t.confidential AND NOT s.settled),"
            " accused_unit = CASE WHEN s.settled THEN s.accused_unit"
            " ELSE coalesce(s.accused_unit, t.accused_unit) END,"
            " classified_version = s.classified_version, case_version = s.case_version,"
            " classification = coalesce(s.classification - 'ticket', t.classification)"
            " || coalesce(s.truth, '{}'),"
            " case_view = coalesce(s.case_view, t.case_view),"
            " lead_unit = s.lead_unit, assist_units = s.assist_units"
            " FROM jsonb_to_recordset(CAST(:states AS jsonb)) AS s (number text, status text,"
            " classified_version int, case_version int, classification jsonb, case_view jsonb,"
            " truth jsonb, lead_unit text, assist_units text[], accused_unit text,"
            " confidential boolean, settled boolean) WHERE t.number = s.number"
        ),
        {
            "states": as_json(
                [
                    {
                        "number": number,
                        "status": state.status,
                        "classified_version": state.classified_version,
                        "case_version": state.case_version,
                        "classification": state.classification,
                        "case_view": state.case_view,
                        "truth": _truth(state.case_view),
                        "lead_unit": state.lead_unit,
                        "assist_units": state.assist_units,
                        "accused_unit": state.accused_unit,
                        "confidential": state.confidential,
                        "settled": state.settled,
                    }
                    for number, state in states.items()
                ]
            )
        },
    )
