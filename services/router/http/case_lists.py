"""Cases over HTTP as lists: a desk's work by what is due next, a supervisor's by what is late."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Query
from pydantic import AwareDatetime, BaseModel

from services.router.domain.cases.duties import duties
from services.router.domain.cases.records import CaseRecord
from services.router.domain.clocks import gone_at
from services.router.http.centre import Centre, Router
from services.router.storage.case_search import Sort, Wanted, find_cases
from services.router.storage.cases import read_cases
from services.router.storage.queues import BadCursor
from shared.auth import Principal
from shared.database import Reader
from shared.discretion import acts_for
from shared.events import CaseState, Category, ClockKind, Priority, Ticket
from shared.names import STATE_NAMES
from shared.problems import Problem
from shared.protection import for_unit
from shared.roles import Role
from shared.taxonomy import load_taxonomy
from shared.web import Caller, allow, api_router, local_times

SOON_PERCENT: Final = 80
"""A clock is due soon when so much of its time is gone: the ladder urges then."""
READERS: Final = (Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)

router = api_router(tags=["cases"])


class DueClock(BaseModel):
    """The clock of a case that is due first, a unit's own before others.

    `soon_at` is when it begins to press.
    """

    kind: ClockKind
    owner: str
    started_at: datetime
    soon_at: datetime
    due_at: datetime
    overdue: bool
    calendar: str
    provisional: bool


class CaseSummary(BaseModel):
    """A case as a list shows it, with the Chinese names beside the slugs.

    `duty` is what the unit that asks has to do: lead, assist, verify, desk, rule, supervise,
    settle; None for others and where it has nothing to do.
    """

    number: str
    version: int
    state: CaseState
    state_name: str
    priority: Priority
    leaf: str
    leaf_name: str
    street: str | None
    street_name: str | None
    place: str
    lead_unit: str | None
    lead_name: str | None
    text: str
    flags: Sequence[str]
    alarms: Sequence[str]
    duty: str | None
    opened_at: datetime
    due: DueClock | None


class CasePage(BaseModel):
    """A page of cases; `total` is null where they are too many to count."""

    items: Sequence[CaseSummary]
    next: str | None
    total: int | None


async def _wanted(
    centre: Router,
    caller: Caller,
    leaf: Annotated[str | None, Query(max_length=60)] = None,
    category: Category | None = None,
    priority: Priority | None = None,
    state: CaseState | None = None,
    street: Annotated[str | None, Query(max_length=60)] = None,
    unit: Annotated[str | None, Query(max_length=60)] = None,
    flag: Annotated[str | None, Query(max_length=40)] = None,
    accused_unit: Annotated[str | None, Query(max_length=60)] = None,
    overdue: bool = False,
    due_before: AwareDatetime | None = None,
    changed_since: AwareDatetime | None = None,
    todo: bool = False,
    include_closed: bool = False,
    sort: Sort = Sort.DEADLINE,
) -> Wanted:
    """What a list of cases is asked for, kept to what its reader may look at. Raises Problem."""
    if leaf is not None and leaf not in load_taxonomy():
        raise Problem(422, "没有这个事项", slug="unknown-leaf")
    for slug in (street, unit, accused_unit):
        if slug is not None and slug not in centre.rules.policy.units:
            raise Problem(422, "没有这个单位", slug="unknown-unit")
    now = datetime.now(UTC)
    return Wanted(
        leaf=leaf or category,
        priority=priority,
        state=state,
        street=street,
        unit=unit,
        flag=flag,
        accused_unit=accused_unit,
        open=not include_closed and state is not CaseState.CLOSED,
        due_before=min(due_before or now, now) if overdue else due_before,
        changed_since=changed_since,
        todo=acts_for(caller.role, caller.unit) if todo else None,
        reader=caller.unit if caller.role is Role.UNIT else None,
        barred=acts_for(caller.role, None),
        sort=sort,
    )


WantedCases = Annotated[Wanted, Depends(_wanted)]


@router.get("/cases")
@allow(*READERS)
def case_list(
    centre: Router,
    caller: Caller,
    wanted: WantedCases,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CasePage:
    """Cases that the caller may look at, what is due next first.

    `unit` is who leads, or while nobody does the desk that decides. `overdue` keeps to
    cases of which a clock has run out, `todo` to those in the queue of the caller's unit (a
    dispatcher's is the grid centre), `include_closed` adds what is closed.
    """
    with centre.database.reading() as reader:
        try:
            found = find_cases(reader, replace(wanted, cursor=cursor, limit=limit))
        except BadCursor:
            raise Problem(422, "翻页游标不属于这样的列表", slug="bad-cursor") from None
        items = summaries(centre, reader, found.numbers, caller)
    return local_times(CasePage(items=items, next=found.following, total=found.total))


def summaries(
    centre: Centre, reader: Reader, numbers: Sequence[str], caller: Principal
) -> list[CaseSummary]:
    """Cases that there are, in the order of their numbers here, as far as the caller sees them."""
    now = datetime.now(UTC)
    cases = {case.number: (ticket, case) for ticket, case in read_cases(reader, numbers)}
    return [_summary(centre, *cases[number], caller, now) for number in numbers]


def _summary(
    centre: Centre, ticket: Ticket, case: CaseRecord, caller: Principal, now: datetime
) -> CaseSummary:
    units = centre.rules.policy.units
    if caller.role is Role.UNIT:
        ticket = for_unit(ticket, case.priority, case.state)
    lead = case.lead_unit or case.desk
    street = case.place.street
    duty = duties(case).get(acts_for(caller.role, caller.unit) or "")
    named = case.place.evidence[-1].name if case.place.evidence else ""
    return CaseSummary(
        number=case.number,
        version=case.version,
        state=case.state,
        state_name=STATE_NAMES[case.state],
        priority=case.priority,
        leaf=case.leaf,
        leaf_name=load_taxonomy()[case.leaf].name,
        street=street,
        street_name=units[street].name if street else None,
        place=ticket.address or named,
        lead_unit=lead,
        lead_name=units[lead].name if lead else None,
        text=ticket.title or ticket.text,
        flags=sorted(case.flags),
        alarms=[alarm.name for alarm in case.alarms],
        duty=duty.value if duty else None,
        opened_at=ticket.received_at,
        due=_due(centre, case, caller.unit, now),
    )


def _due(centre: Centre, case: CaseRecord, unit: str | None, now: datetime) -> DueClock | None:
    """The first of the unit's own clocks, or of all where none of them is the unit's."""
    running = [clock for clock in case.clocks if clock.is_open and clock.paused_at is None]
    own = [clock for clock in running if clock.owner == unit]
    first = min(own or running, key=lambda clock: clock.due_at, default=None)
    if first is None:
        return None
    return DueClock(
        kind=first.kind,
        owner=first.owner,
        started_at=first.started_at,
        soon_at=gone_at(first, SOON_PERCENT, centre.rules.calendar),
        due_at=first.due_at,
        overdue=first.due_at < now,
        calendar=first.calendar,
        provisional=first.provisional,
    )
