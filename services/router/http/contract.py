"""What the router's HTTP interface takes and gives."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    Field,
    StrictBool,
    StringConstraints,
)

from shared.bodies import Body, LeafSlug, Point, UnitSlug
from shared.events import (
    CalendarName,
    Case,
    ClockKind,
    Disposition,
    Place,
    Priority,
    QueueItem,
    Ticket,
    Whistle,
    WhistleKind,
)
from shared.text import Line, Note, Words, clean

ReasonCode = Annotated[str, StringConstraints(max_length=60), AfterValidator(clean)]

EARLIEST: Final = datetime(1949, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def _of_our_time(moment: datetime) -> datetime:
    if not EARLIEST <= moment <= LATEST:
        raise ValueError("not of our time")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_of_our_time)]
"""An instant that deadlines can be counted from."""


class RouteQuestion(Body):
    """A ticket that does not exist yet: where would it go?"""

    text: Words
    leaf: LeafSlug
    address: Line | None = None
    location: Point | None = None
    priority: Priority | None = None
    accused_unit: UnitSlug | None = None
    abstained: StrictBool = False
    at: Moment | None = None


class ClockPreview(BaseModel):
    """A clock the case would have. `within` is the limit, `due_at` if it started at `at`."""

    kind: ClockKind
    within: str
    calendar: CalendarName
    due_at: datetime
    provisional: bool


class RouteAnswer(BaseModel):
    """What the router would do. `lead_unit` names who acts next, be it only to decide."""

    place: Place
    disposition: Disposition
    lead_unit: str | None
    assist_units: Sequence[str]
    clocks: Sequence[ClockPreview]
    flags: Sequence[str]
    reasons: Sequence[str]
    suggested_whistle: WhistleKind | None
    policy_version: str


class UnitView(BaseModel):
    """A street, department, centre or utility."""

    slug: str
    name: str
    kind: str
    division_code: str


class QueuePage(BaseModel):
    """Entries of a unit's queue; `cursor` asks for what comes after them."""

    unit: str
    items: Sequence[QueueItem]
    cursor: str


class LogEntry(BaseModel):
    """One change of a case."""

    version: int
    fact: str
    actor: str
    unit: str | None
    note: str
    detail: Mapping[str, str]
    at: datetime


class CaseView(BaseModel):
    """A case with its ticket, its whistles and everything that happened to it."""

    case: Case
    ticket: Ticket
    log: Sequence[LogEntry]
    whistles: Sequence[Whistle]


class CommandBody(Body):
    """A command on a case; which fields it needs depends on the command.

    `version` is the version of the case its sender saw: another one is refused (409).
    """

    unit: UnitSlug | None = None
    version: Annotated[int, Field(strict=True, ge=1)] | None = None
    note: Note = ""
    approve: StrictBool | None = None
    reason_code: ReasonCode = ""
    basis: Note = ""
    proposed_owner: UnitSlug | None = None
    plan: Note = ""
    review_date: date | None = None
    lead_unit: UnitSlug | None = None
    assist_units: Annotated[tuple[UnitSlug, ...], Field(max_length=20)] | None = None
    leaf: LeafSlug | None = None
    priority: Priority | None = None
