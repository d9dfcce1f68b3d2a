"""Whistles over HTTP: blown on a case, signed, checked, answered by each called unit, scored."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Query
from sqlmodel import col, select

from services.router.domain.cases.duties import may_read
from services.router.domain.cases.records import CaseRecord
from services.router.domain.desks import GRID_CENTRE
from services.router.domain.policy import Unit
from services.router.domain.refusals import NotAllowed, Refused
from services.router.domain.whistles.deciding import authorise_whistle, decide_whistle
from services.router.domain.whistles.duties import may_read_whistle
from services.router.domain.whistles.records import Summons, WhistleOrder, WhistleRecord
from services.router.domain.whistles.states import WhistleCommand
from services.router.domain.whistles.summons import blowing_street, centre_for
from services.router.domain.whistles.views import whistle_view
from services.router.following import blow_for, setting_for
from services.router.http.centre import Centre, Router, refusal, shown_log
from services.router.http.whistle_contract import (
    BlowBody,
    WhistleBody,
    WhistleLogEntry,
    WhistlePage,
    WhistleView,
)
from services.router.storage.ledger import Ledger, load_case, whistles_of
from services.router.storage.queues import BadCursor
from services.router.storage.whistle_search import find_whistles
from services.router.storage.whistle_tables import WhistleLogRow, WhistleRow
from shared.auth import Principal
from shared.bodies import UnitSlug
from shared.database import Reader
from shared.events import Ticket, WhistleState
from shared.metrics import WHISTLE_COMMANDS
from shared.problems import Problem, not_found
from shared.protection import for_unit
from shared.redaction import redact
from shared.roles import Role
from shared.web import RECORD_NUMBER, Caller, RecordNumber, allow, api_router, local_times

ABOUT_A_UNIT: Final = (WhistleCommand.CONFIRM, WhistleCommand.SCORE)
"""Commands whose `unit` is the called unit they are about, not the one that acts."""
COMMANDS: Final = {
    command.value: command for command in WhistleCommand if command is not WhistleCommand.AMEND
}

router = api_router(tags=["whistles"])


@router.post("/cases/{number}/whistles", status_code=201)
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR)
def blow(number: RecordNumber, body: BlowBody, centre: Router, caller: Caller) -> WhistleView:
    """吹哨: call units to a case the street cannot do alone; the street keeps the ticket.

    Streets blow for the cases of their place, the grid centre where there is no street.
    """
    now = datetime.now(UTC)
    with centre.database.writing() as writer:
        ledger = Ledger(writer)
        ledger.hold([number])
        entry = ledger.get(number)
        if entry is None or not may_read(entry.case, caller.role, caller.unit):
            raise not_found()
        try:
            street = _blowing_unit(centre, entry.case, body.unit, caller)
            if body.version not in (None, entry.case.version):
                raise Problem(409, "工单已被他人更新，请刷新后再操作", slug="stale-version")
            decision = blow_for(
                ledger,
                entry,
                centre.rules,
                street,
                _summons(body, for_unit(entry.ticket, entry.case.priority).address),
                now,
                actor=caller.subject,
                unit=caller.unit,
                note=redact(body.note),
            )
        except Refused as refused:
            WHISTLE_COMMANDS.labels("blow", refused.slug).inc()
            raise refusal(refused) from None
        ledger.store()
        view = _view(writer, decision.record, entry.ticket, entry.case, caller)
    WHISTLE_COMMANDS.labels("blow", "done").inc()
    centre.relay.wake()
    return view


@router.get("/whistles")
@allow(*Role)
def whistles(
    centre: Router,
    caller: Caller,
    state: WhistleState | None = None,
    unit: UnitSlug | None = None,
    cursor: Annotated[str | None, Query(pattern=f"^{RECORD_NUMBER.pattern}$")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> WhistlePage:
    """Whistles, the newest first; a unit sees those it blew and those that call it."""
    if caller.role is Role.UNIT:
        if unit not in (None, caller.unit):
            raise Problem(403, "只能查看本单位的哨")
        unit = caller.unit
    role = caller.role
    with centre.database.reading() as reader:
        try:
            found, following = find_whistles(
                reader, state=state, unit=unit, role=role, cursor=cursor, limit=limit
            )
        except BadCursor:
            raise Problem(422, "翻页游标无效", slug="bad-cursor") from None
    shown = [one for one in found if may_read_whistle(one, role, caller.unit)]
    items = [local_times(whistle_view(whistle)) for whistle in shown]
    return WhistlePage(items=items, cursor=following)


@router.get("/whistles/{number}")
@allow(*Role)
def whistle(number: RecordNumber, centre: Router, caller: Caller) -> WhistleView:
    """A whistle with its ticket and log. A unit sees those it blew and those that call it."""
    with centre.database.reading() as reader:
        row = reader.get(WhistleRow, number)
        if row is None:
            raise not_found()
        known = {w.number: w for w in whistles_of(reader, [row.ticket_number])}
        _visible(known[number], caller)
        case = load_case(reader, row.ticket_number)
        assert case is not None
        return _view(reader, known[number], *case, caller)


@router.post("/whistles/{number}/amend")
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR)
def amend(number: RecordNumber, body: BlowBody, centre: Router, caller: Caller) -> WhistleView:
    """Blow the same whistle anew with what was missing; it has to be signed again."""
    order = WhistleOrder(
        WhistleCommand.AMEND,
        caller.subject,
        caller.role,
        unit=caller.unit,
        version=body.version,
        note=redact(body.note),
        summons=_summons(body),
    )
    return _give(centre, number, order, caller)


@router.post("/whistles/{number}/{command}")
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR)
def command_whistle(
    number: RecordNumber, command: str, body: WhistleBody, centre: Router, caller: Caller
) -> WhistleView:
    """Sign, dispatch, reject, acknowledge, arrive, handle, confirm, score or close a whistle."""
    known = COMMANDS.get(command)
    if known is None:
        raise not_found()
    about = known in ABOUT_A_UNIT
    if not about and caller.role is Role.UNIT and body.unit not in (None, caller.unit):
        raise Problem(403, "只能以本单位的名义操作")
    order = WhistleOrder(
        known,
        caller.subject,
        caller.role,
        unit=caller.unit,
        version=body.version,
        note=redact(body.note),
        approve=body.approve,
        concerns=body.unit if about and body.unit != caller.unit else None,
        signer_title=body.signer_title,
        missing=body.missing,
        in_time=body.in_time,
        right_person=body.right_person,
        solved=body.solved,
        necessary=body.necessary,
        complete=body.complete,
    )
    return _give(centre, number, order, caller)


def _give(centre: Centre, number: str, order: WhistleOrder, caller: Principal) -> WhistleView:
    """Hold the whistle's case, decide, store."""
    now = datetime.now(UTC)
    with centre.database.writing() as writer:
        row = writer.get(WhistleRow, number)
        if row is None:
            raise not_found()
        ledger = Ledger(writer)
        ledger.hold([row.ticket_number])
        entry = ledger.get(row.ticket_number)
        assert entry is not None
        whistle = entry.whistles[number].record
        _visible(whistle, caller)
        try:
            authorise_whistle(whistle, order)
            summons = order.summons or whistle.summons
            setting = setting_for(centre.rules, entry.case, summons, now)
            decision = decide_whistle(whistle, entry.case, order, setting)
        except Refused as refused:
            WHISTLE_COMMANDS.labels(order.command, refused.slug).inc()
            raise refusal(refused) from None
        ledger.tell_whistle(decision, now, actor=caller.subject, unit=caller.unit)
        ledger.store()
        view = _view(writer, decision.record, entry.ticket, entry.case, caller)
    WHISTLE_COMMANDS.labels(order.command, "done").inc()
    centre.relay.wake()
    return view


def _visible(whistle: WhistleRecord, caller: Principal) -> None:
    if not may_read_whistle(whistle, caller.role, caller.unit):
        raise not_found()


def _blowing_unit(centre: Centre, case: CaseRecord, named: str | None, caller: Principal) -> str:
    """The street that blows. Raises NotAllowed for whoever may not."""
    if caller.role is not Role.UNIT:
        centre_accused = case.accused_unit == GRID_CENTRE
        if caller.role is not (Role.SUPERVISOR if centre_accused else Role.DISPATCHER):
            raise NotAllowed("role-not-allowed", "您的角色无权吹哨")
        street = named or blowing_street(case)
        if street != centre_for(case.accused_unit) and not _is_street(
            centre.rules.policy.units.get(street)
        ):
            raise NotAllowed("unit-not-allowed", "只有街道可以吹哨")
        return street
    if named not in (None, caller.unit):
        raise NotAllowed("unit-not-allowed", "只能以本单位的名义操作")
    unit = centre.rules.policy.units.get(caller.unit or "")
    if not _is_street(unit) or caller.unit not in (case.place.street, case.lead_unit):
        raise NotAllowed("unit-not-allowed", "只有属地街道可以为此工单吹哨")
    assert caller.unit is not None
    return caller.unit


def _is_street(unit: Unit | None) -> bool:
    return unit is not None and unit.kind == "street"


def _summons(body: BlowBody, address: str | None = None) -> Summons:
    """The content of a whistle; who names no spot means the ticket's address."""
    return Summons(
        kind=body.kind,
        lead=body.lead,
        assist=body.assist,
        site=redact(body.place) or address or "",
        evidence=redact(body.evidence),
        done_so_far=redact(body.done_so_far),
        action=redact(body.action),
        basis=redact(body.basis),
        contact=redact(body.contact),
        cross_district=body.cross_district,
        in_progress=body.in_progress,
        appointed_at=body.appointed_at,
    )


def _view(
    reader: Reader, whistle: WhistleRecord, ticket: Ticket, case: CaseRecord, caller: Principal
) -> WhistleView:
    query = (
        select(WhistleLogRow)
        .where(WhistleLogRow.whistle == whistle.number)
        .order_by(col(WhistleLogRow.id))
    )
    rows = reader.execute(query).scalars()
    log = shown_log(rows, WhistleLogEntry, ticket, case.priority, caller)
    shown = for_unit(ticket, case.priority) if caller.role is Role.UNIT else ticket
    return local_times(WhistleView(whistle=whistle_view(whistle), ticket=shown, log=log))
