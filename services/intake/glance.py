"""What intake knows of a ticket that does not exist yet: shown to the operator during the call.

Nothing is stored of it, and nothing is shown that the ticket would not show once it was taken.
Whose phone was looked for is recorded.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, StrictBool, StringConstraints
from sqlmodel import col, select

from services.intake.api import Desk, Intake, reading
from services.intake.contract import Phone, TicketSummary
from services.intake.drafts import NOT_DIALABLE
from services.intake.history import KEPT, LOOKS_BACK
from services.intake.phones import dialable
from services.intake.search import Criteria, find
from services.intake.tables import CallerReadRow, TicketRow
from services.intake.tickets import numbers_quoted
from services.intake.views import summary
from shared.auth import Principal
from shared.bodies import Body, LeafSlug
from shared.database import Reader
from shared.events import CaseState, Heard
from shared.hearing import listen
from shared.roles import Role
from shared.text import Line, clean
from shared.web import Caller, allow, api_router

NEARBY: Final = 5
LOOKED_THROUGH: Final = 40
"""So many of a place's last tickets are looked at for open ones."""

SAME_CALL: Final = timedelta(hours=1)
SHORTEST_NAME: Final = 2
"""A single character names no place: it is in every ticket."""

router = api_router(tags=["tickets"])


class Glance(Body):
    """What has been typed so far; `place` and `leaf` are what the others made of it."""

    text: Annotated[str, StringConstraints(max_length=4000), AfterValidator(clean)] = ""
    phone: Phone = None
    confidential: StrictBool = False
    place: Line | None = None
    leaf: LeafSlug | None = None


class Known(BaseModel):
    """What is known beside the words.

    `heard` is what only the words say, `accused_unit` whom they accuse: a slug, or `street`
    for that of the place. `quoted` are tickets the words name, `earlier` the same caller's
    last ones, `nearby` open ones at the place, `duplicates` those of them about the same leaf.
    `phone_doubt` is what ought to be asked again of the phone.
    """

    heard: Sequence[Heard]
    accused_unit: str | None
    quoted: Sequence[TicketSummary]
    earlier: Sequence[TicketSummary]
    nearby: Sequence[TicketSummary]
    duplicates: Sequence[str]
    phone_doubt: str | None


@router.post("/glance")
@allow(Role.OPERATOR)
def glance(body: Glance, caller: Caller, intake: Intake) -> Known:
    """What intake would say of such a ticket; nothing is stored of it."""
    now = datetime.now(UTC)
    said = listen(body.text)
    secret = body.confidential or Heard.SECRECY in said.heard
    with intake.database.reading() as reader:
        quoted = _quoted(reader, body.text)
        earlier = [] if secret else _of_caller(intake, reader, body.phone, now)
        nearby = _open_at(reader, body.place, now)
    if earlier:
        _record(intake, earlier, caller, now)
    nearby = [row for row in nearby if row.number not in {one.number for one in earlier}][:NEARBY]
    shown = {
        name: [summary(row, caller.role) for row in rows]
        for name, rows in (("quoted", quoted), ("earlier", earlier), ("nearby", nearby))
    }
    alike = [*shown["earlier"], *shown["nearby"]]
    return Known(
        heard=said.heard,
        accused_unit=said.accused,
        duplicates=[t.number for t in alike if body.leaf and t.leaf == body.leaf and _open(t)],
        phone_doubt=NOT_DIALABLE if body.phone and not dialable(body.phone) else None,
        **shown,
    )


def _open(ticket: TicketSummary) -> bool:
    return ticket.status != CaseState.CLOSED


def _quoted(reader: Reader, words: str) -> Sequence[TicketRow]:
    numbers = numbers_quoted(words)[:KEPT]
    if not numbers:
        return []
    query = select(TicketRow).where(col(TicketRow.number).in_(numbers))
    return reader.execute(query).scalars().all()


def _of_caller(
    intake: Desk, reader: Reader, phone: str | None, now: datetime
) -> Sequence[TicketRow]:
    """The same caller's last tickets, newest first."""
    caller = intake.vault.fingerprints(phone) if phone else ()
    if not caller:
        return []
    return find(reader, Criteria(caller=caller, start=now - LOOKS_BACK, limit=KEPT), now)[0]


def _record(intake: Desk, rows: Sequence[TicketRow], caller: Principal, now: datetime) -> None:
    """That somebody looked for a phone, as `GET /tickets` records it; once for a call."""
    with intake.database.writing() as writer:
        known = select(CallerReadRow.number).where(
            col(CallerReadRow.number).in_([row.number for row in rows]),
            col(CallerReadRow.subject) == caller.subject,
            col(CallerReadRow.at) > now - SAME_CALL,
        )
        recorded = {*writer.execute(known).scalars()}
        for row in rows:
            if row.number not in recorded:
                writer.add(reading(row.number, caller, granted=True))


def _open_at(reader: Reader, place: str | None, now: datetime) -> Sequence[TicketRow]:
    """Open tickets whose words or address name a place, newest first."""
    if place is None or len(place) < SHORTEST_NAME:
        return []
    rows, _ = find(reader, Criteria(words=place, limit=LOOKED_THROUGH), now)
    return [row for row in rows if row.status != CaseState.CLOSED]
