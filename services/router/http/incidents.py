"""Events and splitting over HTTP: what the router proposes, and what dispatchers make of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Query
from pydantic import StringConstraints
from sqlmodel import col, select

from services.router.domain.cases.records import CaseCommand
from services.router.domain.cases.states import Command
from services.router.domain.cases.views import case_view
from services.router.domain.refusals import Refused
from services.router.grouping import (
    MergeOrder,
    dismiss_incident,
    merge_incident,
    split_case,
    unmerge_case,
)
from services.router.http.cases import shown
from services.router.http.centre import WATCHERS, Centre, Router, refusal
from services.router.http.contract import CaseView
from services.router.http.incident_contract import (
    DismissBody,
    IncidentMember,
    IncidentPage,
    IncidentSummary,
    IncidentView,
    MergeBody,
    SplitBody,
    UnmergeBody,
)
from services.router.storage.incident_tables import IncidentMemberRow, IncidentRow, IncidentState
from services.router.storage.ledger import clocks_of
from services.router.storage.tables import CaseRow
from shared.auth import Principal
from shared.bodies import UnitSlug
from shared.database import Reader, Writer
from shared.events import Demand, Ticket
from shared.metrics import CASE_COMMANDS
from shared.problems import not_found
from shared.redaction import redact
from shared.roles import Role
from shared.web import Caller, RecordNumber, allow, api_router, local_times

MEMBERS_SHOWN: Final = 500

CENTRE: Final = (Role.DISPATCHER, Role.SUPERVISOR)
"""The grid centre, and the supervisor who acts for it on the cases that accuse it."""

Cursor = Annotated[str, StringConstraints(pattern=r"^E[0-9]{8}-[0-9]{6,9}$")]

router = api_router(tags=["incidents"])


@router.get("/incidents")
@allow(*WATCHERS)
def incidents(
    centre: Router,
    caller: Caller,
    state: IncidentState | None = None,
    street: UnitSlug | None = None,
    cursor: Cursor | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> IncidentPage:
    """Events, newest first; `cursor` is the number of the last one seen."""
    query = select(IncidentRow)
    if state is not None:
        query = query.where(IncidentRow.state == state)
    if street is not None:
        query = query.where(IncidentRow.street == street)
    if cursor is not None:
        query = query.where(col(IncidentRow.number) < cursor)
    query = query.order_by(col(IncidentRow.number).desc()).limit(limit + 1)
    with centre.database.reading() as reader:
        rows = reader.execute(query).scalars().all()
    page = rows[:limit]
    following = page[-1].number if len(rows) > limit else None
    return local_times(IncidentPage(items=[_summary(row) for row in page], next=following))


@router.get("/incidents/{number}")
@allow(*WATCHERS)
def incident(number: RecordNumber, centre: Router, caller: Caller) -> IncidentView:
    """An event with its cases, those that were taken out of it included."""
    with centre.database.reading() as reader:
        return _view(reader, number)


@router.post("/incidents/{number}/merge")
@allow(*CENTRE)
def merge(number: RecordNumber, body: MergeBody, centre: Router, caller: Caller) -> IncidentView:
    """并单: one case is worked for all; each caller is called back all the same."""
    order = MergeOrder(caller.subject, caller.role, body.members, body.lead, redact(body.note))
    with _carried_out(centre, Command.MERGE) as writer:
        merge_incident(writer, centre.rules, number, order, datetime.now(UTC))
        return _view(writer, number)


@router.post("/incidents/{number}/dismiss")
@allow(Role.DISPATCHER)
def dismiss(
    number: RecordNumber, body: DismissBody, centre: Router, caller: Caller
) -> IncidentView:
    """The cases are no one event; they are not proposed as one again."""
    with _carried_out(centre, "dismiss") as writer:
        dismiss_incident(writer, number, caller.subject, redact(body.note), datetime.now(UTC))
        return _view(writer, number)


@router.post("/cases/{number}/unmerge")
@allow(*CENTRE)
def unmerge(number: RecordNumber, body: UnmergeBody, centre: Router, caller: Caller) -> CaseView:
    """撤销并单: back to the unit the case had, or to a person."""
    command = _command(Command.UNMERGE, body, caller)
    with _carried_out(centre, Command.UNMERGE) as writer:
        entry = unmerge_case(writer, centre.rules, number, command, datetime.now(UTC))
        return shown(writer, entry.ticket, entry.case, caller)


@router.post("/cases/{number}/split")
@allow(*CENTRE)
def split(number: RecordNumber, body: SplitBody, centre: Router, caller: Caller) -> CaseView:
    """拆单: every demand becomes a ticket of its own, numbered after this one."""
    demands = tuple(Demand(leaf=d.leaf, text=redact(d.text)) for d in body.demands or ())
    command = _command(Command.SPLIT, body, caller, demands)
    with _carried_out(centre, Command.SPLIT) as writer:
        entry = split_case(writer, centre.rules, number, command, datetime.now(UTC))
        return shown(writer, entry.ticket, entry.case, caller)


def _command(
    command: Command,
    body: SplitBody | UnmergeBody,
    caller: Principal,
    demands: tuple[Demand, ...] = (),
) -> CaseCommand:
    return CaseCommand(
        command,
        caller.subject,
        caller.role,
        version=body.version,
        note=redact(body.note),
        demands=demands,
    )


@contextmanager
def _carried_out(centre: Centre, command: str) -> Iterator[Writer]:
    """A transaction for a command: counted, and answered with a problem where refused."""
    try:
        with centre.database.writing() as writer:
            yield writer
    except Refused as refused:
        CASE_COMMANDS.labels(command, refused.slug).inc()
        raise refusal(refused) from None
    CASE_COMMANDS.labels(command, "done").inc()
    centre.relay.wake()


def _summary(row: IncidentRow) -> IncidentSummary:
    return IncidentSummary.model_validate(row, from_attributes=True)


def _view(reader: Reader, number: str) -> IncidentView:
    row = reader.get(IncidentRow, number)
    if row is None:
        raise not_found()
    query = (
        select(IncidentMemberRow, CaseRow)
        .join(CaseRow, col(CaseRow.number) == col(IncidentMemberRow.number))
        .where(IncidentMemberRow.incident == number)
        .order_by(col(IncidentMemberRow.number))
        .limit(MEMBERS_SHOWN)
        .execution_options(populate_existing=True)
    )
    found = reader.execute(query).all()
    clocks = clocks_of(reader, [case.number for _, case in found])
    members = [
        IncidentMember(
            state=member.state,
            at=member.at,
            ticket=Ticket.model_validate(case.ticket),
            case=case_view(case.record(clocks.get((case.number, None), ()))),
        )
        for member, case in found
    ]
    return local_times(IncidentView(**_summary(row).model_dump(), members=members))
