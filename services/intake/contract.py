"""What intake's HTTP interface takes and gives."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from shared.events import Channel, Kind, Satisfaction
from shared.text import Line, Note, Words

Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 ()\-]{1,28}[0-9]$")]
UnitSlug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]


class Body(BaseModel):
    """Base of all request bodies: unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(Body):
    """WGS-84 coordinates."""

    lat: float = Field(ge=-90, le=90, strict=True, allow_inf_nan=False)
    lon: float = Field(ge=-180, le=180, strict=True, allow_inf_nan=False)


class Caller(Body):
    """Who calls; `confidential` keeps the contact from every unit."""

    name: Line | None = None
    phone: Phone | None = None
    confidential: StrictBool = False


class Submission(Body):
    """A ticket as it comes in; only the words are required."""

    channel: Channel = Channel.HOTLINE
    kind: Kind = Kind.HELP
    text: Words
    title: Line | None = None
    address: Line | None = None
    location: Point | None = None
    caller: Caller | None = None
    accused_unit: UnitSlug | None = None
    occurred_at: AwareDatetime | None = None
    external_id: Line | None = None


class Accepted(BaseModel):
    """The receipt for a ticket."""

    number: str
    id: str
    status: str
    received_at: datetime


class Callback(Body):
    """The answer to a call-back."""

    solved: StrictBool
    satisfaction: Satisfaction
    comment: Note = ""

    @model_validator(mode="after")
    def _unreached_is_not_solved(self) -> "Callback":
        if self.solved and self.satisfaction is Satisfaction.UNREACHED:
            raise ValueError("an unreached caller has not said that it is solved")
        return self


class Urge(Body):
    """A caller who asks again."""

    note: Note = ""


class Amendment(Body):
    """What a caller adds: words, a better address, or both."""

    text: Words | None = None
    address: Line | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Amendment":
        if self.text is None and self.address is None:
            raise ValueError("text or address")
        return self


class Changed(BaseModel):
    """Where a ticket stands after a change."""

    number: str
    status: str
    version: int


class TimelineEntry(BaseModel):
    """One thing that happened to a ticket."""

    at: datetime
    type: str
    actor: str
    unit: str | None = None
    note: str = ""
    detail: Mapping[str, str] = {}


class TicketSummary(BaseModel):
    """A ticket in a list."""

    number: str
    id: str
    status: str
    version: int
    channel: Channel
    kind: Kind
    title: str | None
    text: str
    address: str | None
    received_at: datetime
    lead_unit: str | None
    leaf: str | None
    priority: str | None


class TicketView(TicketSummary):
    """A ticket with everything that is known of it, except its caller."""

    location: Point | None
    accused_unit: str | None
    occurred_at: datetime | None
    external_id: str | None
    confidential: bool
    round: int
    urges: int
    classification: Mapping[str, Any] | None
    case: Mapping[str, Any] | None
    timeline: Sequence[TimelineEntry]


class TicketPage(BaseModel):
    """Tickets, newest first; `next` is the cursor of the following page."""

    items: Sequence[TicketSummary]
    next: str | None


class CallerView(BaseModel):
    """A caller's contact, and their words before redaction; reading it leaves a record."""

    name: str | None
    phone: str | None
    confidential: bool
    text: str | None
    address: str | None
