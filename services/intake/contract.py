"""What intake's HTTP interface takes and gives."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from services.intake.ends import Ending
from services.intake.tickets import SHANGHAI
from shared.bodies import Body, Point, UnitSlug, of_our_time
from shared.events import (
    Alternative,
    Case,
    Category,
    Channel,
    Danger,
    Demand,
    Kind,
    Payload,
    Priority,
    Satisfaction,
)
from shared.text import Note, Told, Words, clean

AHEAD: Final = timedelta(days=1)
"""How far a clock that is set wrong may lie ahead of ours."""


def _written_as_a_date(moment: object) -> object:
    if not isinstance(moment, str) or moment[4:5] != "-":
        raise PydanticCustomError("not_an_instant", "时间要写成 2026-11-23T09:00:00+08:00 的样子")
    return moment


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _happened(moment: datetime) -> datetime:
    if moment > datetime.now(UTC) + AHEAD:
        raise PydanticCustomError("not_yet", "发生时间不能晚于现在")
    return moment


def _written(phone: object) -> object:
    return str(phone) if type(phone) is int else phone


def _or_nothing(said: str | None) -> str | None:
    return said or None


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_as_a_date),
    AfterValidator(of_our_time),
    AfterValidator(_in_utc),
]
"""An instant as it comes in: ISO 8601 with an offset, a bare number is none; UTC inside."""
Happened = Annotated[Moment, AfterValidator(_happened)]
"""An instant that is over, or nearly."""
Unforced = Annotated[Told | None, AfterValidator(_or_nothing)]
"""What a caller may say in any form: an empty one is nothing, no form refuses the ticket."""
Phone = Annotated[Unforced, BeforeValidator(_written)]
"""A phone as it was said or typed."""
LocalTime = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(SHANGHAI))]
"""An instant as it goes out: with the offset of Asia/Shanghai."""


class Caller(Body):
    """Who calls; `confidential` keeps the contact from every unit."""

    name: Unforced = None
    phone: Phone = None
    confidential: StrictBool = False


class Submission(Body):
    """A ticket as it comes in; only the words are required."""

    channel: Channel = Channel.HOTLINE
    kind: Kind = Kind.HELP
    text: Words
    title: Unforced = None
    address: Unforced = None
    location: Point | None = None
    caller: Caller | None = None
    accused_unit: UnitSlug | None = None
    occurred_at: Happened | None = None
    external_id: Unforced = None


class Doubt(BaseModel):
    """What was taken as it came and ought to be asked once more while the caller is there."""

    field: str
    message: str


class Accepted(BaseModel):
    """The receipt for a ticket."""

    number: str
    id: str
    status: str
    received_at: LocalTime
    doubts: Sequence[Doubt] = ()


class Routed(Accepted):
    """A receipt that was waited for: what is known by then of where the ticket goes."""

    leaf: str | None = None
    priority: str | None = None
    street: str | None = None
    unit: str | None = None


class Callback(Body):
    """The answer to a call-back."""

    solved: StrictBool
    satisfaction: Satisfaction
    comment: Note = ""

    @model_validator(mode="after")
    def _unreached_is_not_solved(self) -> "Callback":
        if self.solved and self.satisfaction is Satisfaction.UNREACHED:
            raise PydanticCustomError("unreached_solved", "没有联系上的人不能算已解决")
        return self


class Urge(Body):
    """A caller who asks again."""

    note: Note = ""


class Answer(Body):
    """直接答复: what the operator has told the caller."""

    answer: Words


class Closing(Body):
    """办结 without a call-back: why, and a note where the reason needs one."""

    reason: Ending
    note: Note = ""


class Amendment(Body):
    """What a caller adds: words, a better address, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string", "minLength": 1}}}
                for name in ("text", "address")
            ]
        }
    )

    text: Annotated[
        Annotated[str, StringConstraints(max_length=4000), AfterValidator(clean)] | None,
        AfterValidator(_or_nothing),
    ] = None
    address: Unforced = None

    @model_validator(mode="after")
    def _says_something(self) -> "Amendment":
        if self.text is None and self.address is None:
            raise PydanticCustomError("nothing_added", "补充内容和地址至少填一项")
        return self


class Changed(BaseModel):
    """Where a ticket stands after a change."""

    number: str
    status: str
    version: int


class TimelineEntry(BaseModel):
    """One thing that happened to a ticket."""

    at: LocalTime
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
    received_at: LocalTime
    lead_unit: str | None
    leaf: str | None
    priority: str | None
    outcome: str | None = None


class ClassificationView(Payload):
    """What the ticket is about, who or what decided it, and why."""

    leaf: str
    category: Category
    priority: Priority
    probability: float
    abstained: bool
    alternatives: tuple[Alternative, ...] = ()
    reasons: tuple[str, ...] = ()
    demands: tuple[Demand, ...] = ()
    danger: Danger | None = None
    decided_by: str
    actor: str | None = None
    model_version: str
    decided_at: AwareDatetime


class TicketView(TicketSummary):
    """A ticket with everything that is known of it, except its caller.

    `heard` is what only its words say of secrecy and of whom they accuse, `refers_to` the
    tickets they quote, `attempts` the calls that reached nobody.
    `earlier` are the same caller's last tickets, newest first, and `usual_street` is where
    the last of them was: hints that units do not see.
    """

    location: Point | None
    accused_unit: str | None
    occurred_at: LocalTime | None
    external_id: str | None
    confidential: bool
    round: int
    urges: int
    attempts: int
    heard: Sequence[str]
    refers_to: Sequence[str]
    parent: str | None
    children: Sequence[str]
    earlier: Sequence[str]
    usual_street: str | None
    classification: ClassificationView | None
    case: Case | None
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
