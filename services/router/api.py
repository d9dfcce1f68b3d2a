"""The router over HTTP: previews, unit queues by pull and by stream, and commands on cases."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlmodel import col, select
from starlette.concurrency import run_in_threadpool

from services.router.case_records import (
    CaseCommand,
    CaseRecord,
    InvalidField,
    MissingField,
    NotAllowed,
    Refused,
)
from services.router.case_states import TABLE, Command
from services.router.case_states import Role as CaseRole
from services.router.case_views import case_view
from services.router.cases import authorise, decide
from services.router.contract import (
    CaseView,
    ClockPreview,
    CommandBody,
    LogEntry,
    QueuePage,
    RouteAnswer,
    RouteQuestion,
    UnitView,
)
from services.router.dispatching import Matter, Rules, route, terms_for, valid_units
from services.router.duties import may_see
from services.router.queues import BadCursor, Page, QueueWatch, position, read_queue
from services.router.storing import Entry, Ledger, load_case
from services.router.tables import CaseLogRow
from shared.auth import Principal, Role
from shared.calendar import SHANGHAI, due
from shared.database import Database, Reader
from shared.events import Location, Ticket
from shared.metrics import CASE_COMMANDS
from shared.problems import Problem, not_found
from shared.redaction import redact
from shared.relay import Relay
from shared.taxonomy import load_taxonomy
from shared.web import Caller, RecordNumber, allow, api_router, local_times

UnitName = Annotated[str, Path(max_length=60)]

STREAM_LIMIT: Final = 100
STREAM_WAIT_SECONDS: Final = 60.0
"""How long the stream waits before it looks by itself; FastAPI keeps the connection alive."""

COMMANDS: Final = {
    command.value: command
    for command in Command
    if any(
        role != CaseRole.SYSTEM
        for (_, known), transition in TABLE.items()
        if known is command
        for role in transition.who
    )
}
"""The commands a person may give; the others stand for callers' words."""

STATUS_OF_REFUSAL: Final[dict[type[Refused], int]] = {
    NotAllowed: 403,
    MissingField: 422,
    InvalidField: 422,
}
"""Refusals that are not a conflict with the case's state (409)."""

WATCHERS: Final = (Role.DISPATCHER, Role.SUPERVISOR, Role.OPERATOR, Role.SYSTEM)


@dataclass(frozen=True)
class Centre:
    """The parts that the router's routes work with."""

    database: Database
    rules: Rules
    watch: QueueWatch
    relay: Relay


async def _centre(request: Request) -> Centre:
    centre: Centre = request.app.state.parts
    return centre


Router = Annotated[Centre, Depends(_centre)]


async def _own_queue(unit: UnitName, request: Request, centre: Router) -> str:
    """A unit reads its own queue; another's and an unknown one are the same 404."""
    caller: Principal = request.state.caller
    if unit not in centre.rules.policy.units:
        raise not_found()
    if caller.role is Role.UNIT and caller.unit != unit:
        raise not_found()
    return unit


OwnQueue = Annotated[str, Depends(_own_queue)]


async def _resume_after(
    unit: OwnQueue, request: Request, after: Annotated[str | None, Query(max_length=100)] = None
) -> str | None:
    """Where a reader resumes: `Last-Event-ID` of a broken stream, or `after`."""
    cursor = request.headers.get("last-event-id") or after or None
    try:
        position(unit, cursor)
    except BadCursor:
        raise Problem(422, "翻页游标不属于本单位队列", slug="bad-cursor") from None
    return cursor


Resume = Annotated[str | None, Depends(_resume_after)]

router = api_router(tags=["cases"])


@router.post("/route")
@allow(Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
def preview(question: RouteQuestion, centre: Router, caller: Caller) -> RouteAnswer:
    """What the router would do with a ticket, and why; nothing is stored."""
    leaf = load_taxonomy().get(question.leaf)
    if leaf is None:
        raise Problem(422, "没有这个事项", slug="unknown-leaf")
    at = question.at or datetime.now(UTC)
    point = question.location
    matter = Matter(
        text=question.text,
        address=question.address,
        location=Location(lat=point.lat, lon=point.lon) if point else None,
        leaf=question.leaf,
        priority=question.priority or leaf.priority,
        accused_unit=question.accused_unit,
        abstained=question.abstained,
    )
    routing = route(centre.rules.policy, matter, at)
    clocks = []
    for kind, limit in routing.limits:
        deadline = due(centre.rules.calendar, at, limit)
        clocks.append(
            ClockPreview(
                kind=kind,
                within=str(limit),
                calendar=limit.calendar,
                due_at=deadline.due_at,
                provisional=deadline.provisional,
            )
        )
    answer = RouteAnswer(
        place=routing.place,
        disposition=routing.disposition,
        lead_unit=routing.lead_unit or routing.desk,
        assist_units=routing.assist_units,
        clocks=clocks,
        flags=sorted(routing.flags),
        reasons=routing.reasons,
        policy_version=centre.rules.policy.version,
    )
    return local_times(answer)


@router.get("/units")
@allow(*Role)
def units(centre: Router, caller: Caller) -> list[UnitView]:
    """The units that can be responsible today."""
    policy = centre.rules.policy
    valid = valid_units(policy, datetime.now(SHANGHAI).date())
    return [
        UnitView(slug=unit.slug, name=unit.name, kind=unit.kind, division_code=unit.division_code)
        for unit in policy.units.values()
        if unit.slug in valid
    ]


@router.get("/units/{unit}/queue")
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
async def queue(
    unit: OwnQueue,
    centre: Router,
    caller: Caller,
    after: Resume,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait: Annotated[float, Query(ge=0, le=30)] = 0,
) -> QueuePage:
    """A unit's queue: open entries, or with a cursor what changed since.

    With `wait` an empty answer is held back until something changes, up to that many seconds.
    """
    page = await _read(centre, unit, after, limit)
    if not page.items and wait > 0:
        page = (await centre.watch.following(unit, page.last, wait)).up_to(limit)
    return local_times(QueuePage(unit=unit, items=page.items, cursor=page.cursor))


@router.get("/units/{unit}/queue/stream", response_class=EventSourceResponse)
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
async def queue_stream(
    unit: OwnQueue, centre: Router, caller: Caller, after: Resume
) -> AsyncIterator[ServerSentEvent]:
    """The same queue as server-sent events; `Last-Event-ID` resumes where a reader stopped."""
    page = await _read(centre, unit, after, STREAM_LIMIT)
    while True:
        for item in page.items:
            shown = local_times(item).model_dump_json()
            yield ServerSentEvent(raw_data=shown, event="queue", id=f"{unit}:{item.seq}")
        page = await centre.watch.following(unit, page.last, STREAM_WAIT_SECONDS)


@router.get("/cases/{number}")
@allow(Role.UNIT, *WATCHERS)
def case(number: RecordNumber, centre: Router, caller: Caller) -> CaseView:
    """A case with its log. A unit sees the cases it has to do with."""
    with centre.database.reading() as reader:
        found = load_case(reader, number)
        if found is None or (caller.role is Role.UNIT and not may_see(found[1], caller.unit)):
            raise not_found()
        return _view(reader, *found)


@router.post("/cases/{number}/{command}")
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.OPERATOR)
def command_case(
    number: RecordNumber, command: str, body: CommandBody, centre: Router, caller: Caller
) -> CaseView:
    """Give a command on a case: accept, contact, reply, verify, return, extend and the rest.

    The answer is the case after it, also where the unit's work on it has ended with it.
    """
    known = COMMANDS.get(command)
    if known is None:
        raise not_found()
    if caller.role is Role.UNIT and body.unit not in (None, caller.unit):
        raise Problem(403, "只能以本单位的名义操作")
    try:
        view = _carry_out(centre, number, known, body, caller)
    except Refused as refused:
        CASE_COMMANDS.labels(known, refused.slug).inc()
        status = STATUS_OF_REFUSAL.get(type(refused), 409)
        raise Problem(status, refused.sentence, slug=refused.slug) from None
    CASE_COMMANDS.labels(known, "done").inc()
    centre.relay.wake()
    return view


def _carry_out(
    centre: Centre, number: str, command: Command, body: CommandBody, caller: Principal
) -> CaseView:
    """Hold the case, decide, store. Raises Refused, and the 404 of a case not theirs to see."""
    now = datetime.now(UTC)
    given = {f.name: getattr(body, f.name) for f in fields(CaseCommand) if hasattr(body, f.name)}
    given |= {
        "note": redact(body.note),
        "basis": redact(body.basis),
        "plan": redact(body.plan),
        "reason_code": redact(body.reason_code),
        "unit": caller.unit,
    }
    asked = CaseCommand(command, caller.subject, CaseRole(caller.role), **given)
    with centre.database.writing() as writer:
        ledger = Ledger(writer)
        ledger.hold([number])
        entry = _visible(ledger, number, caller, asked)
        if asked.leaf is not None and asked.leaf not in load_taxonomy():
            raise InvalidField("unknown-leaf", "没有这个事项")
        record = entry.case
        terms = terms_for(
            centre.rules, asked.leaf or record.leaf, asked.priority or record.priority, now
        )
        decision = decide(record, asked, terms, centre.rules.calendar, now)
        ledger.tell(entry.ticket, decision, now, actor=caller.subject, unit=caller.unit)
        ledger.store()
        return _view(writer, entry.ticket, decision.record)


def _visible(ledger: Ledger, number: str, caller: Principal, asked: CaseCommand) -> Entry:
    entry = ledger.get(number)
    if entry is None:
        raise not_found()
    if caller.role is Role.UNIT and not may_see(entry.case, caller.unit):
        raise not_found()
    authorise(entry.case, asked)
    return entry


def _view(reader: Reader, ticket: Ticket, record: CaseRecord) -> CaseView:
    query = select(CaseLogRow).where(CaseLogRow.number == record.number)
    log = [_line(row) for row in reader.execute(query.order_by(col(CaseLogRow.id))).scalars()]
    return local_times(CaseView(case=case_view(record), ticket=ticket, log=log))


def _line(row: CaseLogRow) -> LogEntry:
    detail = dict(row.detail)
    if "due_at" in detail:
        detail["due_at"] = datetime.fromisoformat(detail["due_at"]).astimezone(SHANGHAI).isoformat()
    return LogEntry(
        version=row.version,
        fact=row.fact,
        actor=row.actor,
        unit=row.unit,
        note=row.note,
        detail=detail,
        at=row.at,
    )


async def _read(centre: Centre, unit: str, cursor: str | None, limit: int) -> Page:
    def read() -> Page:
        with centre.database.reading() as reader:
            return read_queue(reader, unit, cursor, limit)

    return await run_in_threadpool(read)
