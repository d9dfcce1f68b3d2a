"""What the router's routes share: the parts they work with, and how a refusal is answered."""

from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request
from prometheus_client import Counter
from sqlmodel import col, select

from services.router.domain.cases.records import CaseRecord
from services.router.domain.refusals import InvalidField, MissingField, NotAllowed, Refused
from services.router.domain.routing import Rules
from services.router.domain.webhooks import Network
from services.router.http.contract import LogEntry
from services.router.storage.queues import QueueWatch
from services.router.storage.tables import CaseRow, IncidentRow
from services.router.work import Work, working
from shared import discretion
from shared.auth import Principal
from shared.calendar import SHANGHAI
from shared.database import Database, Reader
from shared.discretion import Shown
from shared.events import Ticket
from shared.problems import Problem
from shared.protection import note_for_unit
from shared.relay import Relay
from shared.roles import Role
from shared.sealing import Seals

STATUS_OF_REFUSAL: Final[dict[type[Refused], int]] = {
    NotAllowed: 403,
    MissingField: 422,
    InvalidField: 422,
}
"""Refusals that are not a conflict with the state of a case or whistle (409)."""

WATCHERS: Final = (Role.DISPATCHER, Role.SUPERVISOR, Role.OPERATOR, Role.SYSTEM)
"""Roles that see every case; a unit sees those it has to do with."""

Entry = TypeVar("Entry", bound=LogEntry)


@dataclass(frozen=True)
class Centre:
    """The parts that the router's routes work with.

    Webhooks may reach private addresses in the `reachable` networks; `seals` keep their secrets.
    """

    database: Database
    rules: Rules
    watch: QueueWatch
    relay: Relay
    seals: Seals
    reachable: Sequence[Network] = ()


async def _centre(request: Request) -> Centre:
    centre: Centre = request.app.state.parts
    return centre


Router = Annotated[Centre, Depends(_centre)]


@contextmanager
def acting(centre: Centre, counter: Counter, command: str) -> Iterator[Work]:
    """The transaction of a command: counted, and answered with a problem where refused."""
    try:
        with working(centre.database, centre.rules, datetime.now(UTC)) as work:
            yield work
    except Refused as refused:
        counter.labels(command, refused.slug).inc()
        raise refusal(refused) from None
    counter.labels(command, "done").inc()
    centre.relay.wake()


def as_own_unit(caller: Principal, named: str | None) -> None:
    """Raises the 403 of a unit that acts in the name of another."""
    if caller.role is Role.UNIT and named not in (None, caller.unit):
        raise Problem(403, "只能以本单位的名义操作")


def refusal(refused: Refused) -> Problem:
    """A refused command as a problem document."""
    status = STATUS_OF_REFUSAL.get(type(refused), 409)
    return Problem(status, refused.sentence, slug=refused.slug)


def discreet(reader: Reader, shown: Shown, caller: Principal) -> Shown:
    """The view without what would tell somebody of complaints about the office they act for.

    A unit is shown nothing of a caller's other tickets in the first place.
    """

    def accusing(office: str, named: Set[str]) -> Iterator[str]:
        about = select(CaseRow.number).where(CaseRow.accused_unit == office)
        yield from reader.execute(about.where(col(CaseRow.number).in_(named))).scalars()
        events = select(IncidentRow.number).where(
            col(IncidentRow.number).in_(named), col(IncidentRow.lead).in_(about)
        )
        yield from reader.execute(events).scalars()

    return discretion.discreet(shown, caller.role, accusing)


def shown_log(
    rows: Iterable[object],
    entry: type[Entry],
    ticket: Ticket,
    case: CaseRecord,
    caller: Principal,
) -> list[Entry]:
    """The log of a case or whistle as far as the caller may see it, with the times on the wall."""

    def shown(row: object) -> Entry:
        line = entry.model_validate(row, from_attributes=True)
        note, detail = line.note, dict(line.detail)
        if caller.role is Role.UNIT and line.unit is None:
            note = note_for_unit(note, ticket, case.priority, case.state)
        if "due_at" in detail:
            due_at = datetime.fromisoformat(detail["due_at"])
            detail["due_at"] = due_at.astimezone(SHANGHAI).isoformat()
        return line.model_copy(update={"note": note, "detail": detail})

    return [shown(row) for row in rows]
