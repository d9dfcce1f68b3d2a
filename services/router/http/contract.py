"""What the router's HTTP interface takes and gives."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    Field,
    StrictBool,
    StringConstraints,
)

from shared.bodies import (
    Body,
    LeafSlug,
    Point,
    Remark,
    Spot,
    Title,
    UnitSlug,
    Version,
    of_our_time,
)
from shared.events import (
    Alarm,
    CalendarName,
    Case,
    ClockKind,
    Disposition,
    Place,
    PlaceCandidate,
    Priority,
    QueueItem,
    Ticket,
    Whistle,
    WhistleKind,
)
from shared.text import Line, Words

Moment = Annotated[AwareDatetime, AfterValidator(of_our_time)]
"""An instant that deadlines can be counted from."""


class HeardDanger(Body):
    """A danger that the classifier has heard in the words: its kind, and the clause."""

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
    clause: Line | None = None


class RouteQuestion(Body):
    """A ticket that does not exist yet: where would it go?"""

    text: Words
    leaf: LeafSlug
    address: Line | None = None
    location: Point | None = None
    priority: Priority | None = None
    accused_unit: UnitSlug | None = None
    abstained: StrictBool = False
    danger: HeardDanger | None = None
    at: Moment | None = None


class ClockPreview(BaseModel):
    """A clock the case would have. `within` is the limit, `due_at` if it started at `at`."""

    kind: ClockKind
    within: str
    calendar: CalendarName
    due_at: datetime
    provisional: bool


class RouteAnswer(BaseModel):
    """What the router would do. `lead_unit` names who acts next, be it only to decide.

    `candidates` are the places that the words may mean, `question` what to ask the caller so
    that one of them remains. `alarms` say what to dial at once, and what to tell the caller.
    """

    place: Place
    candidates: Sequence[PlaceCandidate]
    question: str | None
    priority: Priority
    alarms: Sequence[Alarm]
    disposition: Disposition
    lead_unit: str | None
    assist_units: Sequence[str]
    clocks: Sequence[ClockPreview]
    flags: Sequence[str]
    reasons: Sequence[str]
    suggested_whistle: WhistleKind | None
    policy_version: str


class UnitView(BaseModel):
    """A street, department, centre or utility; `phone` is its duty phone, where it is known."""

    slug: str
    name: str
    kind: str
    division_code: str
    phone: str | None


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
    """A case with its ticket, its whistles and everything that happened to it.

    `commands` are those the reader may give as the case stands. After a command `moved` says
    what of the case is another now: leaf, priority, place, lead_unit, state.
    """

    case: Case
    ticket: Ticket
    log: Sequence[LogEntry]
    whistles: Sequence[Whistle]
    commands: Sequence[str]
    moved: Mapping[str, bool] | None = None


class Acting(Body):
    """A command; `unit` is the unit that acts, `version` the one its sender saw (else 409)."""

    unit: UnitSlug | None = None
    version: Version | None = None
    note: Remark = ""


class Approving(Acting):
    """A ruling; for `verify`, an `approve` left out means that it is done."""

    approve: StrictBool | None = None


class Returning(Acting):
    """退单: why, on what basis, and who should have it."""

    reason_code: Title = ""
    basis: Remark = ""
    proposed_owner: UnitSlug | None = None


class RulingReturn(Approving):
    """A ruling on a return; the grid centre may name another lead than was proposed."""

    lead_unit: UnitSlug | None = None


class Suspending(Acting):
    """挂账: the plan, and the day of its review."""

    plan: Remark = ""
    review_date: date | None = None


class Redispatching(Acting):
    """派单: who leads; left out, who assists, the leaf and the priority stay."""

    lead_unit: UnitSlug | None = None
    assist_units: Annotated[tuple[UnitSlug, ...], Field(max_length=20)] | None = None
    leaf: LeafSlug | None = None
    priority: Priority | None = None


class Reclassifying(Body):
    """改判: the leaf, the priority, or both. With a leaf alone its own priority holds."""

    leaf: LeafSlug | None = None
    priority: Priority | None = None
    reason: Remark
    version: Version | None = None


class Relocating(Body):
    """核定地点: a street, a community of it, or words that name the place.

    `register_as` proposes this place to the register under the name that callers give it.
    """

    street: UnitSlug | None = None
    community: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    words: Spot = ""
    register_as: Title = ""
    reason: Remark
    version: Version | None = None


class Restricting(Body):
    """Whether the caller is to be protected, and which unit is accused, if one is."""

    confidential: StrictBool
    accused_unit: UnitSlug | None = None
    reason: Remark
    version: Version | None = None


class Upholding(Body):
    """维持原派: nothing of what was doubted is to change."""

    reason: Remark
    version: Version | None = None
