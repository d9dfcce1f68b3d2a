"""Events and splitting over HTTP: what the router proposes, and what dispatchers make of it."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Query
from pydantic import StringConstraints
from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from services.router.domain.cases.records import CaseCommand
from services.router.domain.cases.states import Command
from services.router.domain.cases.views import case_view
from services.router.domain.incidents.records import IncidentState, MemberState
from services.router.grouping import MergeOrder, dismiss_incident, leave_event, merge_incident
from services.router.http.cases import held_for, shown
from services.router.http.centre import WATCHERS, Centre, Router, acting, discreet
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
from services.router.storage.cases import read_cases
from services.router.storage.tables import CaseRow, IncidentMemberRow, IncidentRow
from shared.auth import Principal
from shared.bodies import UnitSlug
from shared.database import Reader
from shared.discretion import acts_for, may_know
from shared.events import Demand
from shared.metrics import CASE_COMMANDS
from shared.problems import not_found
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
    query = _readable(caller)
    if state is not None:
        query = query.where(IncidentRow.state == state)
    if street is not None:
        query = query.where(IncidentRow.street == street)
    if cursor is not None:
        query = query.where(col(IncidentRow.number) < cursor)
    query = query.order_by(col(IncidentRow.number).desc()).limit(limit + 1)
    with centre.database.reading() as reader:
        rows = reader.execute(query).scalars().all()
        items = _summaries(reader, rows[:limit], caller)
    following = items[-1].number if len(rows) > limit else None
    return local_times(IncidentPage(items=items, next=following))


@router.get("/incidents/{number}")
@allow(*WATCHERS)
def incident(number: RecordNumber, centre: Router, caller: Caller) -> IncidentView:
    """An event with its cases, those that were taken out of it included."""
    with centre.database.reading() as reader:
        return _view(reader, number, caller)


@router.post("/incidents/{number}/merge")
@allow(*CENTRE)
def merge(number: RecordNumber, body: MergeBody, centre: Router, caller: Caller) -> IncidentView:
    """并单: one case is worked for all; each caller is called back all the same."""
    order = MergeOrder(caller.subject, caller.role, body.members, body.lead, body.note)
    with acting(centre, CASE_COMMANDS, Command.MERGE) as work:
        _visible(work.writer, number, caller)
        merge_incident(work, number, order)
        return _view(work.writer, number, caller)


@router.post("/incidents/{number}/dismiss")
@allow(*CENTRE)
def dismiss(
    number: RecordNumber, body: DismissBody, centre: Router, caller: Caller
) -> IncidentView:
    """The cases are no one event; they are not proposed as one again."""
    with acting(centre, CASE_COMMANDS, "dismiss") as work:
        _visible(work.writer, number, caller)
        dismiss_incident(work, number, caller.subject, caller.role, body.note)
        return _view(work.writer, number, caller)


@router.post("/cases/{number}/unmerge")
@allow(*CENTRE)
def unmerge(number: RecordNumber, body: UnmergeBody, centre: Router, caller: Caller) -> CaseView:
    """撤销并单: back to the unit the case had, or to a person."""
    return _leave(centre, number, Command.UNMERGE, body, caller)


@router.post("/cases/{number}/split")
@allow(*CENTRE)
def split(number: RecordNumber, body: SplitBody, centre: Router, caller: Caller) -> CaseView:
    """拆单: every demand becomes a ticket of its own, numbered after this one."""
    demands = tuple(Demand(leaf=d.leaf, text=d.text) for d in body.demands or ())
    return _leave(centre, number, Command.SPLIT, body, caller, demands)


def _leave(
    centre: Centre,
    number: str,
    command: Command,
    body: SplitBody | UnmergeBody,
    caller: Principal,
    demands: tuple[Demand, ...] = (),
) -> CaseView:
    """A case leaves its event by a command; the answer is the case after it."""
    asked = CaseCommand(
        command,
        caller.subject,
        caller.role,
        version=body.version,
        note=body.note,
        demands=demands,
    )
    with acting(centre, CASE_COMMANDS, command) as work:
        held = held_for(work, number, caller)
        leave_event(work, held, asked)
        work.finish()
        return shown(work.writer, held.ticket, held.record, caller)


def _summaries(
    reader: Reader, rows: Sequence[IncidentRow], caller: Principal
) -> list[IncidentSummary]:
    """The events as somebody may know them: who may not see a case is not told of it by count."""
    incident, asker = col(IncidentMemberRow.incident), acts_for(caller.role, caller.unit)
    hidden: dict[str, int] = {}
    if asker is not None:
        query = (
            select(incident, func.count())
            .join(CaseRow, col(CaseRow.number) == col(IncidentMemberRow.number))
            .where(
                incident.in_([row.number for row in rows]),
                IncidentMemberRow.state != MemberState.REMOVED,
                CaseRow.accused_unit == asker,
            )
            .group_by(incident)
        )
        hidden = dict(iter(reader.execute(query)))
    shown = [IncidentSummary.model_validate(row, from_attributes=True) for row in rows]
    return [
        one.model_copy(update={"count": one.count - hidden.get(one.number, 0)}) for one in shown
    ]


def _readable(caller: Principal) -> SelectOfScalar[IncidentRow]:
    """The events that somebody may know of: not those of complaints about themselves."""
    lead, asker = aliased(CaseRow), acts_for(caller.role, caller.unit)
    query = select(IncidentRow).join(lead, col(lead.number) == col(IncidentRow.lead))
    return query.where(col(lead.accused_unit).is_distinct_from(asker)) if asker else query


def _visible(reader: Reader, number: str, caller: Principal) -> IncidentRow:
    """The event. Raises the same 404 for none and for one that is not theirs to know."""
    query = _readable(caller).where(IncidentRow.number == number)
    found: IncidentRow | None = (
        reader.execute(query.execution_options(populate_existing=True)).scalars().first()
    )
    if found is None:
        raise not_found()
    return found


def _view(reader: Reader, number: str, caller: Principal) -> IncidentView:
    (summary,) = _summaries(reader, [_visible(reader, number, caller)], caller)
    rows = reader.execute(
        select(IncidentMemberRow)
        .where(IncidentMemberRow.incident == number)
        .order_by(col(IncidentMemberRow.number))
        .limit(MEMBERS_SHOWN)
        .execution_options(populate_existing=True)
    ).scalars()
    standing = {member.number: member for member in rows}
    cases = read_cases(reader, standing)
    members = [
        IncidentMember(
            state=MemberState(standing[case.number].state),
            at=standing[case.number].at,
            ticket=ticket,
            case=case_view(case),
        )
        for ticket, case in cases
        if may_know(caller.role, caller.unit, case.accused_unit)
    ]
    view = IncidentView(**summary.model_dump(), members=members)
    return local_times(discreet(reader, view, caller))
