"""The router over HTTP: previews, cases, and commands on them."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Final

from sqlmodel import col, select

from services.router.domain.cases.deciding import authorise, commands_for
from services.router.domain.cases.duties import may_read
from services.router.domain.cases.records import CaseCommand, CaseRecord
from services.router.domain.cases.states import COMMAND_NAMES, Command
from services.router.domain.cases.views import case_view
from services.router.domain.places.names import SOUND_NAME, sound_name
from services.router.domain.refusals import InvalidField
from services.router.domain.routing import Matter, place_named, route
from services.router.domain.whistles.duties import may_read_whistle
from services.router.domain.whistles.views import whistle_view
from services.router.http.centre import (
    WATCHERS,
    Centre,
    Router,
    acting,
    as_own_unit,
    discreet,
    shown_log,
)
from services.router.http.contract import (
    Acting,
    Approving,
    CaseView,
    ClockPreview,
    LogEntry,
    Reclassifying,
    Redispatching,
    Relocating,
    Restricting,
    Returning,
    RouteAnswer,
    RouteQuestion,
    RulingReturn,
    Suspending,
    Upholding,
)
from services.router.storage.cases import HeldCase, load_case
from services.router.storage.proposals import Proposal, propose
from services.router.storage.tables import CaseLogRow
from services.router.storage.whistles import whistles_of
from services.router.work import Work
from shared.auth import Principal
from shared.calendar import SHANGHAI, due
from shared.dangers import load_dangers
from shared.database import Reader
from shared.events import Danger, Location, Place, Ticket, is_emergency
from shared.metrics import CASE_COMMANDS
from shared.problems import Problem, not_found
from shared.protection import case_for_unit, for_unit, whistle_for_unit
from shared.roles import Role
from shared.taxonomy import load_taxonomy
from shared.web import Caller, RecordNumber, allow, api_router, local_times

MOVES: Final = ("leaf", "priority", "place", "lead_unit", "state")
GIVERS: Final = (Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.OPERATOR)
"""Whoever may give commands at all; the rules say who may give which."""

BODIES: Final[Mapping[Command, type[Acting]]] = {
    Command.ACCEPT: Acting,
    Command.CONTACT: Acting,
    Command.REPLY: Acting,
    Command.VERIFY: Approving,
    Command.RETURN: Returning,
    Command.RULE_RETURN: RulingReturn,
    Command.EXTEND: Acting,
    Command.RULE_EXTENSION: Approving,
    Command.SUSPEND: Suspending,
    Command.RESUME: Acting,
    Command.URGE: Acting,
    Command.SUPERVISE: Acting,
    Command.REDISPATCH: Redispatching,
    Command.HAND_OVER: Acting,
}
"""The commands that people give on one case, and what each takes."""

router = api_router(tags=["cases"])


@router.post("/route")
@allow(Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
def preview(question: RouteQuestion, centre: Router, caller: Caller) -> RouteAnswer:
    """What the router would do with a ticket, and why; nothing is stored."""
    leaf = load_taxonomy().get(question.leaf)
    if leaf is None:
        raise Problem(422, "没有这个事项", slug="unknown-leaf")
    heard = question.danger
    if heard is not None and heard.kind not in load_dangers():
        raise Problem(422, "没有这类险情", slug="unknown-danger")
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
        danger=Danger(kind=heard.kind, clause=heard.clause or "") if heard else None,
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
        candidates=routing.place.candidates,
        question=routing.place.question,
        priority=routing.priority,
        alarms=routing.alarms,
        disposition=routing.disposition,
        lead_unit=routing.lead_unit or routing.desk,
        assist_units=routing.assist_units,
        clocks=clocks,
        flags=sorted(routing.flags),
        reasons=routing.reasons,
        suggested_whistle=routing.suggested_whistle,
        policy_version=centre.rules.policy.version,
    )
    return local_times(answer)


@router.get("/cases/{number}")
@allow(Role.UNIT, *WATCHERS)
def case(number: RecordNumber, centre: Router, caller: Caller) -> CaseView:
    """A case with its log. A unit sees the cases it has to do with."""
    with centre.database.reading() as reader:
        found = load_case(reader, number)
        if found is None or not may_read(found[1], caller.role, caller.unit):
            raise not_found()
        return shown(reader, *found, caller)


def _commanding(command: Command, takes: type[Acting]) -> Callable[..., CaseView]:
    """The endpoint of a command; the answer is the case after it.

    Also where the unit's work on it has ended with it.
    """

    def give(number: RecordNumber, body: Acting, centre: Router, caller: Caller) -> CaseView:
        as_own_unit(caller, body.unit)
        names = {field.name for field in fields(CaseCommand)} - {"unit"}
        given = {name: value for name, value in body if name in names}
        asked = CaseCommand(
            command=command,
            actor=caller.subject,
            role=caller.role,
            unit=caller.unit,
            **given,
        )
        return carried_out(centre, number, asked, caller)

    give.__annotations__["body"] = takes
    give.__doc__ = f"{COMMAND_NAMES[command]}。"
    return allow(*GIVERS)(give)


for _command, _takes in BODIES.items():
    router.add_api_route(
        f"/cases/{{number}}/{_command.value}",
        _commanding(_command, _takes),
        methods=["POST"],
        name=f"case_{_command.name.lower()}",
    )


@router.post("/cases/{number}/reclassify")
@allow(*GIVERS)
def reclassify(
    number: RecordNumber, body: Reclassifying, centre: Router, caller: Caller
) -> CaseView:
    """改判: who is responsible follows the leaf, how soon the priority.

    A priority below danger takes back what danger has called.
    """
    asked = _ruling(Command.RECLASSIFY, body.reason, body.version, caller)
    asked = replace(asked, leaf=body.leaf, priority=body.priority)

    def routed(work: Work, held: HeldCase) -> CaseCommand:
        case = held.record
        leaf = load_taxonomy().get(body.leaf or "")
        otherwise = case.priority if case.alarms or leaf is None else leaf.priority
        priority = body.priority or otherwise
        standing = case.alarms if is_emergency(priority) else ()
        named = body.leaf or case.leaf
        routing = work.reroute(held, leaf=named, priority=priority, standing=standing)
        return replace(asked, routing=replace(routing, priority=priority))

    return carried_out(centre, number, asked, caller, routed)


@router.post("/cases/{number}/relocate")
@allow(*GIVERS)
def relocate(number: RecordNumber, body: Relocating, centre: Router, caller: Caller) -> CaseView:
    """核定地点: the case goes to who is responsible there."""
    asked = _ruling(Command.RELOCATE, body.reason, body.version, caller)

    def routed(work: Work, held: HeldCase) -> CaseCommand:
        day = work.now.astimezone(SHANGHAI).date()
        place = place_named(work.rules.policy, body.street, body.community, body.words, day)
        routing = None if place is None else work.reroute(held, place=place)
        if body.register_as:
            _propose(work, number, body.register_as, place, caller)
        return replace(asked, routing=routing)

    return carried_out(centre, number, asked, caller, routed)


def _propose(work: Work, number: str, name: str, place: Place | None, caller: Principal) -> None:
    """Propose a place to the register. Raises InvalidField for what it could not hold."""
    if not sound_name(name):
        raise InvalidField("unfit-name", f"名称{SOUND_NAME}")
    if place is None or place.street is None:
        raise InvalidField("unknown-street", "地点核定到街道后才能提议登记")
    propose(work.writer, Proposal(name, place.street, place.community, number, caller.subject))


@router.post("/cases/{number}/restrict")
@allow(*GIVERS)
def restrict(number: RecordNumber, body: Restricting, centre: Router, caller: Caller) -> CaseView:
    """Settle who is protected and who is accused; an accused unit loses the case."""
    asked = _ruling(Command.RESTRICT, body.reason, body.version, caller)
    accused = body.accused_unit
    asked = replace(asked, confidential=body.confidential, accused_unit=accused)

    def routed(work: Work, held: HeldCase) -> CaseCommand:
        if accused is not None and accused not in work.rules.policy.units:
            raise InvalidField("unknown-unit", "没有这个单位")
        return replace(asked, routing=work.reroute(held, accused_unit=accused))

    return carried_out(centre, number, asked, caller, routed)


@router.post("/cases/{number}/uphold")
@allow(*GIVERS)
def uphold(number: RecordNumber, body: Upholding, centre: Router, caller: Caller) -> CaseView:
    """维持原派: what was doubted stays as it is."""
    asked = _ruling(Command.UPHOLD, body.reason, body.version, caller)
    return carried_out(centre, number, asked, caller)


def _ruling(command: Command, reason: str, version: int | None, caller: Principal) -> CaseCommand:
    return CaseCommand(command, caller.subject, caller.role, version=version, note=reason)


def carried_out(
    centre: Centre,
    number: str,
    asked: CaseCommand,
    caller: Principal,
    complete: Callable[[Work, HeldCase], CaseCommand] | None = None,
) -> CaseView:
    """Give a command on a case; `complete` adds what it needs to know of the case in hand."""
    with acting(centre, CASE_COMMANDS, asked.command) as work:
        held = held_for(work, number, caller)
        authorise(held.record, asked)
        if asked.leaf is not None and asked.leaf not in load_taxonomy():
            raise InvalidField("unknown-leaf", "没有这个事项")
        work.give(held, complete(work, held) if complete else asked)
        work.finish()
        view = shown(work.writer, held.ticket, held.record, caller)
        return view.model_copy(update={"moved": _moved(held)})


def _moved(held: HeldCase) -> Mapping[str, bool]:
    """What of a case is another than before the command."""
    was, case = held.stored, held.record
    return {name: getattr(was, name) != getattr(case, name) for name in MOVES}


def held_for(work: Work, number: str, caller: Principal) -> HeldCase:
    """The case in hand. Raises the 404 of one that there is not, or that is not theirs to see."""
    work.hold([number])
    held = work.case(number)
    if held is None or not may_read(held.record, caller.role, caller.unit):
        raise not_found()
    return held


def shown(reader: Reader, ticket: Ticket, record: CaseRecord, caller: Principal) -> CaseView:
    """A case with its ticket, its log and its whistles, as far as the caller may see them."""
    query = select(CaseLogRow).where(CaseLogRow.number == record.number)
    rows = reader.execute(query.order_by(col(CaseLogRow.id))).scalars()
    log = shown_log(rows, LogEntry, ticket, record, caller)
    whistles = [
        whistle_view(whistle)
        for whistle in whistles_of(reader, [record.number])
        if may_read_whistle(whistle, caller.role, caller.unit)
    ]
    case = case_view(record)
    if caller.role is Role.UNIT:
        case = case_for_unit(case, ticket)
        urgency = (record.priority, record.state)
        whistles = [whistle_for_unit(whistle, ticket, *urgency) for whistle in whistles]
        ticket = for_unit(ticket, *urgency)
    commands = commands_for(record, caller.role, caller.unit, caller.subject)
    view = CaseView(case=case, ticket=ticket, log=log, whistles=whistles, commands=commands)
    return local_times(discreet(reader, view, caller))
