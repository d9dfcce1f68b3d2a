"""Tickets over HTTP as lists: found by words, by what they are about, by who called."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints

from services.intake.api import READERS, Desk, Intake, reading
from services.intake.contract import Moment, TicketPage, TicketSummary
from services.intake.ends import load_ends
from services.intake.search import BadCursor, Criteria, find, find_numbers, still_found
from services.intake.tickets import RECEIVED, REOPENED, SOLVED, STATUSES, TRIAGED
from services.intake.views import summary
from shared.auth import Principal
from shared.bodies import UnitSlug
from shared.discretion import acts_for
from shared.events import Category, Priority
from shared.names import CHANNEL_NAMES, KIND_NAMES, PRIORITY_NAMES, STATE_NAMES
from shared.problems import Problem, not_found
from shared.roles import Role
from shared.sheets import DOCUMENTED, MOST_ROWS, ROWS_AT_ONCE, FileForm, as_file, bounded, moment
from shared.taxonomy import every_leaf, load_taxonomy
from shared.text import Line, Told
from shared.web import Caller, allow, api_router

HEADINGS: Final = (
    *("工单号", "状态", "渠道", "诉求类型", "标题", "诉求内容", "地址", "受理时间"),
    *("主办单位", "事项", "紧急程度", "办结方式"),
)
STATUS_NAMES: Final = {
    RECEIVED: "已受理",
    TRIAGED: "已分类",
    REOPENED: "重新办理",
    **{str(state): name for state, name in STATE_NAMES.items()},
}

router = api_router(tags=["tickets"])


async def _criteria(
    caller: Caller,
    intake: Intake,
    status: str | None = None,
    unit: UnitSlug | None = None,
    q: Line | None = None,
    leaf: Annotated[str | None, Query(max_length=60)] = None,
    category: Category | None = None,
    priority: Priority | None = None,
    phone: Told | None = None,
    start: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> Criteria:
    """What a list of tickets is asked for, kept to what its reader may see. Raises Problem."""
    if status is not None and status not in STATUSES:
        raise Problem(422, "没有这个状态", slug="unknown-status")
    if leaf is not None and leaf not in load_taxonomy():
        raise Problem(422, "没有这个事项", slug="unknown-leaf")
    if phone is not None and caller.role is Role.UNIT:
        raise Problem(403, "单位不能按电话查找")
    if caller.role is Role.UNIT:
        if unit not in (None, caller.unit):
            raise not_found()
        unit = caller.unit
    return Criteria(
        status,
        unit,
        q,
        leaf=leaf or category,
        priority=priority,
        caller=intake.vault.fingerprints(phone) if phone else None,
        start=start,
        end=until,
        asker=acts_for(caller.role, caller.unit),
        discreet=caller.role is Role.UNIT,
    )


WantedTickets = Annotated[Criteria, Depends(_criteria)]


@router.get("/tickets")
@allow(*READERS)
def tickets(
    caller: Caller,
    intake: Intake,
    criteria: WantedTickets,
    cursor: Annotated[str | None, StringConstraints(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> TicketPage:
    """Tickets, newest first; a unit sees those it leads or assists.

    `phone` finds the tickets of who called from it, unless they are to be protected; looking
    for a phone is recorded like reading a contact, and is not for units.
    """
    page = replace(criteria, cursor=cursor, limit=limit)
    try:
        with intake.database.reading() as reader:
            rows, following = find(reader, page, datetime.now(UTC))
    except BadCursor:
        raise Problem(422, "翻页游标无效", slug="bad-cursor") from None
    _record(intake, caller, criteria, [row.number for row in rows])
    return TicketPage(items=[summary(row, caller.role) for row in rows], next=following)


@router.get("/tickets/list.{form}", response_class=StreamingResponse, responses=DOCUMENTED)
@allow(*READERS)
def tickets_as_file(
    form: FileForm, caller: Caller, intake: Intake, criteria: WantedTickets
) -> StreamingResponse:
    """The list `GET /tickets` as a whole, as a table for a spreadsheet; no cell is a formula.

    The same filters, the same tickets, in Chinese. More than 20,000 tickets are refused (422).
    """
    now = datetime.now(UTC)
    with intake.database.reading() as reader:
        numbers = bounded(find_numbers(reader, criteria, now, MOST_ROWS + 1))
    _record(intake, caller, criteria, numbers)
    return as_file(form, "tickets", "工单", _rows(intake, caller, criteria, now, numbers))


def _record(intake: Desk, caller: Principal, criteria: Criteria, numbers: Sequence[str]) -> None:
    """Who looks for a phone learns whose tickets these are."""
    if criteria.caller is not None:
        with intake.database.writing() as writer:
            for number in numbers:
                writer.add(reading(number, caller, granted=True))


def _rows(
    intake: Desk, caller: Principal, criteria: Criteria, now: datetime, numbers: Sequence[str]
) -> Iterator[Sequence[str]]:
    """Each ticket once, as it stands when it is read; one that is no longer asked for is not."""
    yield HEADINGS
    for start in range(0, len(numbers), ROWS_AT_ONCE):
        with intake.database.reading() as reader:
            found = still_found(reader, criteria, now, numbers[start : start + ROWS_AT_ONCE])
            shown = [summary(row, caller.role) for row in found]
        for ticket in shown:
            yield _cells(intake, ticket)


def _cells(intake: Desk, ticket: TicketSummary) -> Sequence[str]:
    leaf = every_leaf().get(ticket.leaf or "")
    unit, priority = ticket.lead_unit or "", ticket.priority
    return (
        ticket.number,
        STATUS_NAMES[ticket.status],
        CHANNEL_NAMES[ticket.channel],
        KIND_NAMES[ticket.kind],
        ticket.title or "",
        ticket.text,
        ticket.address or "",
        moment(ticket.received_at),
        intake.units.get(unit, unit),
        leaf.name if leaf else ticket.leaf or "",
        f"{priority} {PRIORITY_NAMES[Priority(priority)]}" if priority else "",
        _outcome(ticket.outcome),
    )


def _outcome(outcome: str | None) -> str:
    """How a ticket has ended, in words."""
    names = {end.reason.value: end.name for end in load_ends().values()} | {SOLVED: "已解决"}
    return names.get(outcome or "", outcome or "")
