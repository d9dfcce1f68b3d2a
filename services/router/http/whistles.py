"""Whistles over HTTP: blown on a case, signed, checked, answered by each called unit, scored."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Annotated, Final

from fastapi import Query
from sqlmodel import col, select

from services.router.domain.cases.records import CaseRecord
from services.router.domain.policy import Unit
from services.router.domain.refusals import NotAllowed, StaleVersion
from services.router.domain.whistles.deciding import authorise_whistle, whistle_commands_for
from services.router.domain.whistles.duties import may_read_whistle
from services.router.domain.whistles.records import Summons, WhistleOrder, WhistleRecord
from services.router.domain.whistles.states import WHISTLE_COMMAND_NAMES, WhistleCommand
from services.router.domain.whistles.summons import blowing_street, centre_for
from services.router.domain.whistles.views import whistle_view
from services.router.http.cases import held_for
from services.router.http.centre import Centre, Router, acting, as_own_unit, discreet, shown_log
from services.router.http.contract import Acting
from services.router.http.whistle_contract import (
    BlowBody,
    Confirming,
    Rejecting,
    Releasing,
    Scoring,
    Signing,
    WhistleLogEntry,
    WhistlePage,
    WhistleView,
    Withdrawing,
)
from services.router.storage.cases import HeldCase, load_case, read_cases
from services.router.storage.queues import BadCursor
from services.router.storage.tables import WhistleLogRow
from services.router.storage.whistle_search import find_whistles
from services.router.storage.whistles import case_of, whistles_of
from services.router.work import Work
from shared.auth import Principal
from shared.bodies import UnitSlug
from shared.database import Reader
from shared.discretion import GRID_CENTRE
from shared.events import Ticket, Whistle, WhistleState
from shared.metrics import WHISTLE_COMMANDS
from shared.problems import Problem, not_found
from shared.protection import for_unit, whistle_for_unit
from shared.roles import Role
from shared.web import RECORD_NUMBER, Caller, RecordNumber, allow, api_router, local_times

ABOUT_A_UNIT: Final = (WhistleCommand.CONFIRM, WhistleCommand.SCORE, WhistleCommand.RELEASE)
"""Commands whose `unit` is the called unit they are about, not the one that acts."""
BODIES: Final[Mapping[WhistleCommand, type[Acting]]] = {
    WhistleCommand.AMEND: BlowBody,
    WhistleCommand.SIGN: Signing,
    WhistleCommand.DISPATCH: Acting,
    WhistleCommand.REJECT: Rejecting,
    WhistleCommand.ACKNOWLEDGE: Acting,
    WhistleCommand.ARRIVE: Acting,
    WhistleCommand.HANDLE: Acting,
    WhistleCommand.CONFIRM: Confirming,
    WhistleCommand.SCORE: Scoring,
    WhistleCommand.CLOSE: Acting,
    WhistleCommand.WITHDRAW: Withdrawing,
    WhistleCommand.REFUSE: Withdrawing,
    WhistleCommand.RELEASE: Releasing,
}
"""What each command on a whistle takes."""

router = api_router(tags=["whistles"])


@router.post("/cases/{number}/whistles", status_code=201)
@allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR)
def blow(number: RecordNumber, body: BlowBody, centre: Router, caller: Caller) -> WhistleView:
    """吹哨: call units to a case the street cannot do alone; the street keeps the ticket.

    Streets blow for the cases of their place, the grid centre where there is no street.
    """
    with acting(centre, WHISTLE_COMMANDS, "blow") as work:
        held = held_for(work, number, caller)
        street = _blowing_unit(centre, held.record, body.unit, caller)
        if body.version not in (None, held.record.version):
            raise StaleVersion("stale-version", "工单已被他人更新，请刷新后再操作")
        address = for_unit(held.ticket, held.record.priority, held.record.state).address
        by = work.by(caller.subject, caller.unit)
        decision = work.blow(held, street, _summons(body, address), by, body.note)
        work.finish()
        return _view(work.writer, decision.record, held.ticket, held.record, caller)


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
                reader,
                state=state,
                unit=unit,
                role=role,
                own=caller.unit,
                cursor=cursor,
                limit=limit,
            )
        except BadCursor:
            raise Problem(422, "翻页游标无效", slug="bad-cursor") from None
        shown = [whistle_view(whistle) for whistle in found]
        if role is Role.UNIT:
            on = read_cases(reader, {whistle.ticket_number for whistle in found})
            cases = {case.number: (ticket, case) for ticket, case in on}
            shown = [_for_unit(one, *cases[one.ticket_number]) for one in shown]
        page = discreet(reader, WhistlePage(items=shown, cursor=following), caller)
    return local_times(page)


def _for_unit(whistle: Whistle, ticket: Ticket, case: CaseRecord) -> Whistle:
    return whistle_for_unit(whistle, ticket, case.priority, case.state)


@router.get("/whistles/{number}")
@allow(*Role)
def whistle(number: RecordNumber, centre: Router, caller: Caller) -> WhistleView:
    """A whistle with its ticket and log. A unit sees those it blew and those that call it."""
    with centre.database.reading() as reader:
        on = case_of(reader, number)
        if on is None:
            raise not_found()
        known = {whistle.number: whistle for whistle in whistles_of(reader, [on])}
        _visible(known[number], caller)
        case = load_case(reader, on)
        assert case is not None
        return _view(reader, known[number], *case, caller)


def _ordering(command: WhistleCommand, takes: type[Acting]) -> Callable[..., WhistleView]:
    """The endpoint of a command on a whistle; the answer is the whistle after it."""
    about_a_unit = command in ABOUT_A_UNIT

    def give(number: RecordNumber, body: Acting, centre: Router, caller: Caller) -> WhistleView:
        if not about_a_unit:
            as_own_unit(caller, body.unit)
        names = {field.name for field in fields(WhistleOrder)} - {"unit"}
        given = {name: value for name, value in body if name in names}
        if isinstance(body, BlowBody):
            given = {"summons": _summons(body), "version": body.version, "note": body.note}
        order = WhistleOrder(
            command=command,
            actor=caller.subject,
            role=caller.role,
            unit=caller.unit,
            concerns=body.unit if about_a_unit and body.unit != caller.unit else None,
            **given,
        )
        with acting(centre, WHISTLE_COMMANDS, command) as work:
            held = _held_with(work, number)
            whistle = held.whistles[number].record
            _visible(whistle, caller)
            authorise_whistle(whistle, order)
            decision = work.order(held, number, order)
            work.finish()
            return _view(work.writer, decision.record, held.ticket, held.record, caller)

    give.__annotations__["body"] = takes
    give.__doc__ = f"{WHISTLE_COMMAND_NAMES[command]}。"
    return allow(Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR)(give)


for _command, _takes in BODIES.items():
    router.add_api_route(
        f"/whistles/{{number}}/{_command.value}",
        _ordering(_command, _takes),
        methods=["POST"],
        name=f"whistle_{_command.name.lower()}",
    )


def _held_with(work: Work, number: str) -> HeldCase:
    """The case of a whistle in hand. Raises the 404 of a whistle that there is not."""
    on = case_of(work.writer, number)
    if on is None:
        raise not_found()
    work.hold([on])
    held = work.case(on)
    assert held is not None
    return held


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
        site=body.place or address or "",
        evidence=body.evidence,
        done_so_far=body.done_so_far,
        action=body.action,
        basis=body.basis,
        contact=body.contact,
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
    log = shown_log(rows, WhistleLogEntry, ticket, case, caller)
    shown = whistle_view(whistle)
    if caller.role is Role.UNIT:
        shown = _for_unit(shown, ticket, case)
        ticket = for_unit(ticket, case.priority, case.state)
    commands = whistle_commands_for(whistle, caller.role, caller.unit, caller.subject)
    view = WhistleView(whistle=shown, ticket=ticket, log=log, commands=commands)
    return local_times(discreet(reader, view, caller))
