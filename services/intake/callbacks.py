"""Call-backs over HTTP: what callers said of how their tickets were handled, one or many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, Field, PlainValidator, StringConstraints, ValidationError

from services.intake.api import Desk, Intake, contact_of, visible_ticket
from services.intake.changes import change_ticket, hold
from services.intake.contract import Callback, Changed
from services.intake.tables import CallbackRow, TicketRow
from services.intake.tickets import Standing, call_back
from shared.auth import Principal
from shared.bodies import Body
from shared.database import Writer
from shared.metrics import CALLBACKS
from shared.problems import Problem, ProblemDocument, described, unfit
from shared.roles import Role
from shared.web import RECORD_NUMBER, Caller, RecordNumber, allow, api_router

router = api_router(tags=["tickets"])


class TicketCallback(Callback):
    """The answer to the call-back of one ticket among many."""

    number: Annotated[str, StringConstraints(pattern=f"^{RECORD_NUMBER.pattern}$")]


@dataclass(frozen=True, slots=True)
class Unfit:
    """What stands where a call-back should: the number that it named, and what is wrong."""

    number: str | None
    problem: ProblemDocument


def _alone(given: object) -> TicketCallback | Unfit:
    """A call-back, or why it is none: the others of its request do not fail with it."""
    try:
        return TicketCallback.model_validate(given)
    except ValidationError as error:
        named = given.get("number") if isinstance(given, dict) else None
        known = isinstance(named, str) and RECORD_NUMBER.fullmatch(named)
        return Unfit(named if known else None, described(unfit(error.errors())))


class Callbacks(Body):
    """Answers to many call-backs."""

    callbacks: Annotated[
        tuple[
            Annotated[
                TicketCallback | Unfit,
                PlainValidator(_alone, json_schema_input_type=TicketCallback),
            ],
            ...,
        ],
        Field(min_length=1, max_length=200),
    ]


class CallbackResult(BaseModel):
    """What became of one call-back of many: 201 with where its ticket stands, or a problem.

    `number` is null where the request named none that a ticket could have.
    """

    number: str | None
    status: int
    changed: Changed | None = None
    problem: ProblemDocument | None = None


class CallbackResults(BaseModel):
    """What became of each, in the order of the request."""

    results: Sequence[CallbackResult]


@router.post("/tickets/{number}/callbacks", status_code=201)
@allow(Role.OPERATOR)
def callbacks(number: RecordNumber, body: Callback, caller: Caller, intake: Intake) -> Changed:
    """Record a call-back (回访): it closes the ticket or asks for a second handling."""
    (comment,) = _redacted(intake, [(number, body)])
    with intake.database.writing() as writer:
        changed = _recorded(writer, number, body, comment, caller, datetime.now(UTC))
    intake.relay.wake()
    return changed


@router.post("/tickets/callbacks")
@allow(Role.OPERATOR)
def many_callbacks(body: Callbacks, caller: Caller, intake: Intake) -> CallbackResults:
    """Record up to 200 call-backs (批量回访), each as if it were sent alone.

    Each is answered for itself, in the order of the request: a bad one stops no other.
    Twice the same ticket is two call-backs, the second judged after the first.
    """
    sound = [(one.number, one) for one in body.callbacks if isinstance(one, TicketCallback)]
    comments = iter(_redacted(intake, sound))
    results = []
    with intake.database.writing() as writer:
        hold(writer, [number for number, _ in sound])
        now = datetime.now(UTC)
        for one in body.callbacks:
            if isinstance(one, TicketCallback):
                results.append(_result(writer, one, next(comments), caller, now))
            else:
                results.append(CallbackResult(number=one.number, status=422, problem=one.problem))
    intake.relay.wake()
    return CallbackResults(results=results)


def _redacted(intake: Desk, said: Sequence[tuple[str, Callback]]) -> list[str]:
    """The comments without personal data, each caller's own name and phone included."""
    with intake.database.reading() as reader:
        return [
            body.comment and contact_of(intake, reader, number).redact(body.comment)
            for number, body in said
        ]


def _result(
    writer: Writer, said: TicketCallback, comment: str, caller: Principal, now: datetime
) -> CallbackResult:
    """What became of one of many; one that is refused has written nothing."""
    try:
        changed = _recorded(writer, said.number, said, comment, caller, now)
    except Problem as problem:
        return CallbackResult(number=said.number, status=problem.status, problem=described(problem))
    return CallbackResult(number=said.number, status=201, changed=changed)


def _recorded(
    writer: Writer, number: str, said: Callback, comment: str, caller: Principal, now: datetime
) -> Changed:
    """Record a call-back. Raises Problem before anything is written."""

    def record(writer: Writer, standing: Standing, now: datetime) -> None:
        ticket = writer.get(TicketRow, number)
        unit = ticket.lead_unit if ticket is not None else None
        answer = CALLBACKS.labels(unit or "unknown", str(said.solved).lower(), said.satisfaction)
        writer.once_committed(answer.inc)
        row = CallbackRow(
            number=number,
            unit=unit,
            round=standing.ticket.round,
            solved=said.solved,
            satisfaction=said.satisfaction,
            comment=comment,
            by_=caller.subject,
            at=now,
        )
        writer.add(row)

    visible_ticket(writer, number, caller)
    after = change_ticket(
        writer,
        number,
        caller,
        lambda standing, now: call_back(standing, said.solved, said.satisfaction, comment, now),
        record,
        now,
    )
    return Changed(number=number, status=after.status, version=after.ticket.version)
