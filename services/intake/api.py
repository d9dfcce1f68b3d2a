"""Intake over HTTP: operators take tickets in and follow them; every caller read is recorded."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Query, Request, Response
from sqlmodel import col, select
from starlette.concurrency import run_in_threadpool

from services.intake.changes import Decide, Keep, change_ticket, nothing_else
from services.intake.contract import (
    Accepted,
    Amendment,
    Answer,
    CallerView,
    Changed,
    Closing,
    Routed,
    Submission,
    TicketView,
    Urge,
)
from services.intake.drafts import doubts, draft
from services.intake.group_commit import GroupCommit
from services.intake.tables import (
    CallerReadRow,
    CallerVaultRow,
    TicketRow,
)
from services.intake.tickets import (
    Standing,
    amend,
    answer,
    end,
    urge,
)
from services.intake.vault import Sealed, Vault
from services.intake.views import view
from shared.auth import Principal
from shared.database import Database, Reader, Writer
from shared.discretion import may_know
from shared.events import Case
from shared.metrics import CALLER_READS
from shared.problems import Problem, not_found
from shared.relay import Relay
from shared.repeats import IdempotencyKey
from shared.roles import Role
from shared.web import Caller, RecordNumber, allow, api_router

PROTECTED: Final = "来电人要求保密, 或本单位不是主办单位; 此次查询已记录"
LOOKS_AGAIN_SECONDS: Final = 0.03
READERS: Final = (Role.OPERATOR, Role.UNIT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)


@dataclass(frozen=True)
class Desk:
    """The parts that intake's routes work with; `units` are the units' names by slug."""

    database: Database
    commit: GroupCommit
    vault: Vault
    relay: Relay
    units: Mapping[str, str] = field(default_factory=dict)


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.parts
    return desk


Intake = Annotated[Desk, Depends(_desk)]

router = api_router(tags=["tickets"])


@router.post("/tickets", status_code=201, response_model=Routed | Accepted)
@allow(Role.OPERATOR, Role.SYSTEM)
async def submit(
    submission: Submission,
    caller: Caller,
    intake: Intake,
    idempotency_key: IdempotencyKey = None,
    wait: Annotated[str, Query(pattern=r"^[0-4](\.\d{1,3})?s?$|^5(\.0{1,3})?s?$")] = "0",
) -> Response:
    """Accept a ticket (受理); answered once it is durable.

    With `wait`, up to five seconds (`2s`), the receipt says leaf, priority, street and unit as
    soon as they are known; null where they are not known by then.
    """
    answer = await take_in(intake, submission, caller, idempotency_key)
    seconds = float(wait.removesuffix("s"))
    if seconds == 0 or answer.status_code != 201:
        return answer
    receipt = Routed.model_validate_json(bytes(answer.body))
    case = await _routed(intake, receipt.number, seconds)
    if case is not None:
        known = {"leaf": case.leaf, "priority": case.priority, "street": case.place.street}
        known["unit"] = case.lead_unit or case.desk
        receipt = receipt.model_copy(update=known)
    return Response(receipt.model_dump_json(), 201, media_type="application/json")


async def _routed(intake: Desk, number: str, seconds: float) -> Case | None:
    """What the router has made of a ticket, waited for so long."""

    def read() -> Case | None:
        with intake.database.reading() as reader:
            row = reader.get(TicketRow, number)
            return Case.model_validate(row.case_view) if row and row.case_view else None

    until = time.monotonic() + seconds
    case = await run_in_threadpool(read)
    while case is None and time.monotonic() < until:
        await asyncio.sleep(LOOKS_AGAIN_SECONDS)
        case = await run_in_threadpool(read)
    return case


async def take_in(
    intake: Desk, submission: Submission, caller: Principal, key: str | None
) -> Response:
    """The receipt of a ticket, once it is durable. Raises Problem.

    A key is its sender's, and an operator may be called like a program.
    """
    own = f"{caller.role}\n{key}" if key and caller.role is not Role.SYSTEM else key
    receipt = await intake.commit.submit(draft(submission, caller.subject, own, datetime.now(UTC)))
    receipt = receipt.model_copy(update={"doubts": doubts(submission)})
    return Response(receipt.model_dump_json(), 201, media_type="application/json")


@router.get("/tickets/{number}")
@allow(*READERS)
def ticket(number: RecordNumber, caller: Caller, intake: Intake) -> TicketView:
    """A ticket with its classification, its case and its timeline."""
    with intake.database.reading() as reader:
        return view(reader, visible_ticket(reader, number, caller), caller.role)


@router.post("/tickets/{number}/amendments", status_code=201)
@allow(Role.OPERATOR, Role.SYSTEM)
def amendments(number: RecordNumber, body: Amendment, caller: Caller, intake: Intake) -> Changed:
    """Add what the caller says later; the ticket is classified anew."""
    known = _contact(intake, number)
    words = body.text and known.redact(body.text)
    address = body.address and known.redact(body.address)

    def keep_original(writer: Writer, _: Standing, __: datetime) -> None:
        if (words, address) == (body.text, body.address):
            return
        row = writer.get(CallerVaultRow, number)
        before = intake.vault.open(number, row.sealed) if row is not None else Sealed()
        sealed = intake.vault.seal(number, before.amended(body.text, body.address))
        if row is None:
            writer.add(CallerVaultRow(number=number, sealed=sealed))
        else:
            row.sealed = sealed

    return _change(
        intake,
        number,
        caller,
        lambda standing, _: amend(standing, words, address),
        keep_original,
    )


@router.post("/tickets/{number}/urges", status_code=201)
@allow(Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
def urges(number: RecordNumber, body: Urge, caller: Caller, intake: Intake) -> Changed:
    """The caller asks again (催办)."""
    note = _contact(intake, number).redact(body.note)
    return _change(intake, number, caller, lambda standing, now: urge(standing, note, now))


@router.post("/tickets/{number}/answer", status_code=201)
@allow(Role.OPERATOR)
def answers(number: RecordNumber, body: Answer, caller: Caller, intake: Intake) -> Changed:
    """直接答复: the caller has been answered, and the ticket ends."""
    words = _contact(intake, number).redact(body.answer)
    return _change(intake, number, caller, lambda standing, now: answer(standing, words, now))


@router.post("/tickets/{number}/close", status_code=201)
@allow(Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR)
def close(number: RecordNumber, body: Closing, caller: Caller, intake: Intake) -> Changed:
    """办结 without a call-back: invalid, withdrawn, solved meanwhile, duplicate, unreached."""
    note = _contact(intake, number).redact(body.note)
    return _change(
        intake, number, caller, lambda standing, now: end(standing, body.reason, note, now)
    )


@router.get("/tickets/{number}/caller")
@allow(Role.OPERATOR, Role.DISPATCHER, Role.UNIT)
def contact(number: RecordNumber, caller: Caller, intake: Intake) -> CallerView:
    """The caller's contact. Asking is recorded, whether it is shown or not."""
    with intake.database.writing() as writer:
        row = writer.get(TicketRow, number)
        if row is None:
            raise not_found()
        visible = may_see(caller, row)
        granted = visible and may_call(caller, row)
        for asked in _vaults(row):
            writer.add(reading(asked, caller, granted=granted))
        sealed = _sealed(writer, row) if granted else {}
    CALLER_READS.labels(caller.role, str(granted).lower()).inc()
    if not visible:
        raise not_found()
    if not granted:
        raise Problem(403, PROTECTED, slug="caller-protected")
    secret = _opened(intake, row, sealed)
    return CallerView(
        name=secret.name,
        phone=secret.phone,
        confidential=row.confidential,
        text=secret.text,
        address=secret.address,
    )


def reading(number: str, caller: Principal, *, granted: bool) -> CallerReadRow:
    """The record that somebody asked for a caller's contact."""
    return CallerReadRow(
        number=number,
        subject=caller.subject,
        role=caller.role,
        unit=caller.unit,
        granted=granted,
        at=datetime.now(UTC),
    )


def _change(
    intake: Desk, number: str, caller: Principal, decide: Decide, record: Keep = nothing_else
) -> Changed:
    with intake.database.writing() as writer:
        visible_ticket(writer, number, caller)
        after = change_ticket(writer, number, caller, decide, record, datetime.now(UTC))
    intake.relay.wake()
    return Changed(number=number, status=after.status, version=after.ticket.version)


def may_see(caller: Principal, row: TicketRow) -> bool:
    """A unit sees the tickets it leads or assists, nobody one that complains about them."""
    if not may_know(caller.role, caller.unit, row.accused_unit):
        return False
    involved = caller.unit == row.lead_unit or caller.unit in row.assist_units
    return caller.role is not Role.UNIT or involved


def may_call(caller: Principal, row: TicketRow) -> bool:
    """Of the units only the lead may call the caller, and none where the caller is protected."""
    if caller.role is not Role.UNIT:
        return True
    return caller.unit == row.lead_unit and not row.confidential


def visible_ticket(reader: Reader, number: str, caller: Principal) -> TicketRow:
    """The ticket's row. Raises the same 404 for no ticket and for one that is not theirs."""
    row = reader.get(TicketRow, number)
    if row is None or not may_see(caller, row):
        raise not_found()
    return row


def _contact(intake: Desk, number: str) -> Sealed:
    with intake.database.reading() as reader:
        return contact_of(intake, reader, number)


def contact_of(intake: Desk, reader: Reader, number: str) -> Sealed:
    """The caller's own name and phone, to be redacted from what is added later."""
    row = reader.get(TicketRow, number)
    return _opened(intake, row, _sealed(reader, row)) if row is not None else Sealed()


def _vaults(row: TicketRow) -> tuple[str, ...]:
    """The tickets under whose numbers the caller is kept: a part has its parent's caller."""
    return (row.number,) if row.parent is None else (row.parent, row.number)


def _sealed(reader: Reader, row: TicketRow) -> Mapping[str, bytes]:
    query = select(CallerVaultRow).where(col(CallerVaultRow.number).in_(_vaults(row)))
    return {kept.number: kept.sealed for kept in reader.execute(query).scalars()}


def _opened(intake: Desk, row: TicketRow, sealed: Mapping[str, bytes]) -> Sealed:
    """What the vault keeps of a ticket's caller; a part adds only what was said later."""
    kept = {number: intake.vault.open(number, secret) for number, secret in sealed.items()}
    caller = kept.get(row.parent or row.number, Sealed())
    later = kept.get(row.number) if row.parent is not None else None
    return caller.amended(later.text, later.address) if later is not None else caller
