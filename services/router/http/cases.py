"""The router over HTTP: previews, cases, and commands on them."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Final

from sqlmodel import col, select

from services.router.domain.cases.deciding import authorise, decide
from services.router.domain.cases.duties import may_read
from services.router.domain.cases.groups import GROUPING
from services.router.domain.cases.records import CaseCommand, CaseRecord
from services.router.domain.cases.states import CASE_MACHINE, Command
from services.router.domain.cases.views import case_view
from services.router.domain.refusals import InvalidField, Refused
from services.router.domain.routing import Matter, route, terms_for
from services.router.domain.whistles.duties import may_read_whistle
from services.router.domain.whistles.views import whistle_view
from services.router.following import follow_cases
from services.router.http.centre import WATCHERS, Centre, Router, refusal, shown_log
from services.router.http.contract import (
    CaseView,
    ClockPreview,
    CommandBody,
    LogEntry,
    RouteAnswer,
    RouteQuestion,
)
from services.router.storage.incidents import follow_leads, hold_together
from services.router.storage.ledger import Entry, Ledger, load_case, whistles_of
from services.router.storage.tables import CaseLogRow
from shared.auth import Principal
from shared.calendar import due
from shared.database import Reader
from shared.events import Location, Ticket
from shared.metrics import CASE_COMMANDS
from shared.problems import Problem, not_found
from shared.protection import case_for_unit, for_unit
from shared.redaction import redact
from shared.roles import Role
from shared.taxonomy import load_taxonomy
from shared.web import Caller, RecordNumber, allow, api_router, local_times

COMMANDS: Final = {
    command.value: command
    for command in Command
    if command not in GROUPING and CASE_MACHINE.who[command] != {Role.SYSTEM}
}
"""The commands a person may give on one case; the others stand for callers' words."""

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
        raise refusal(refused) from None
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
    asked = CaseCommand(command, caller.subject, caller.role, **given)
    with centre.database.writing() as writer:
        ledger = Ledger(writer)
        hold_together(writer, ledger, [number])
        entry = _visible(ledger, number, caller, asked)
        if asked.leaf is not None and asked.leaf not in load_taxonomy():
            raise InvalidField("unknown-leaf", "没有这个事项")
        record = entry.case
        terms = terms_for(
            centre.rules,
            asked.leaf or record.leaf,
            asked.priority or record.priority,
            now,
            record.place.regime,
        )
        decision = decide(record, asked, terms, centre.rules.calendar, now)
        ledger.tell(entry.ticket, decision, now, actor=caller.subject, unit=caller.unit)
        follow_leads(writer, ledger, centre.rules, now)
        follow_cases(writer, ledger, centre.rules, now)
        ledger.store()
        return shown(writer, entry.ticket, decision.record, caller)


def _visible(ledger: Ledger, number: str, caller: Principal, asked: CaseCommand) -> Entry:
    entry = ledger.get(number)
    if entry is None:
        raise not_found()
    if not may_read(entry.case, caller.role, caller.unit):
        raise not_found()
    authorise(entry.case, asked)
    return entry


def shown(reader: Reader, ticket: Ticket, record: CaseRecord, caller: Principal) -> CaseView:
    """A case with its ticket, its log and its whistles, as far as the caller may see them."""
    query = select(CaseLogRow).where(CaseLogRow.number == record.number)
    rows = reader.execute(query.order_by(col(CaseLogRow.id))).scalars()
    log = shown_log(rows, LogEntry, ticket, record.priority, caller)
    whistles = [
        whistle_view(whistle)
        for whistle in whistles_of(reader, [record.number])
        if may_read_whistle(whistle, caller.role, caller.unit)
    ]
    case = case_view(record)
    if caller.role is Role.UNIT:
        case = case_for_unit(case, ticket)
        ticket = for_unit(ticket, record.priority)
    return local_times(CaseView(case=case, ticket=ticket, log=log, whistles=whistles))
