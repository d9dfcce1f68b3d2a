"""Intake's tables, as its code reads them; their definition is in `migrations/`."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from services.intake.tickets import ANSWERED, Standing
from shared.database import instant
from shared.events import Channel, Heard, Kind, Location, Priority, Ticket, is_emergency
from shared.folding import fold


class TicketRow(SQLModel, table=True):
    """A ticket, with what the other services have said of it.

    One that was split off another (拆单) names its `parent`, whose caller is its own.
    `earlier` and `usual_street` are the caller's history as it was when the ticket came.
    `sought` is what words are sought in, as `in_one_form` writes it; tickets of releases before
    have none and are sought as they stand. `erased_at` is when its words were erased.
    """

    __tablename__ = "ticket"

    number: str = Field(primary_key=True)
    id: UUID
    version: int
    status: str
    channel: str
    kind: str
    title: str | None
    text: str
    address: str | None
    lat: float | None
    lon: float | None
    accused_unit: str | None
    occurred_at: datetime | None = Field(sa_column=instant(nullable=True))
    external_id: str | None
    confidential: bool
    received_at: datetime = Field(sa_column=instant())
    received_by: str
    round: int
    urges: int
    lead_unit: str | None
    assist_units: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    classification: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    classified_version: int
    case_view: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    case_version: int
    parent: str | None = None
    demand: str | None = None
    earlier: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    usual_street: str | None = None
    heard: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    refers_to: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    attempts: int = 0
    outcome: str | None = None
    sought: str | None = None
    erased_at: datetime | None = Field(default=None, sa_column=instant(nullable=True))

    def standing(self) -> Standing:
        """The row as the rules see it."""
        location = None
        if self.lat is not None and self.lon is not None:
            location = Location(lat=self.lat, lon=self.lon)
        ticket = Ticket(
            number=self.number,
            version=self.version,
            received_at=self.received_at,
            channel=Channel(self.channel),
            kind=Kind(self.kind),
            title=self.title,
            text=self.text,
            address=self.address,
            location=location,
            accused_unit=self.accused_unit,
            occurred_at=self.occurred_at,
            confidential=self.confidential,
            round=self.round,
            parent=self.parent,
            demand=self.demand,
            earlier=tuple(self.earlier),
            usual_street=self.usual_street,
            heard=tuple(Heard(one) for one in self.heard),
            refers_to=tuple(self.refers_to),
        )
        case = self.case_view or {}
        urgent = "priority" in case and is_emergency(Priority(case["priority"]))
        emergency = urgent and self.status not in ANSWERED
        return Standing(ticket, self.status, self.urges, self.attempts, emergency)

    def apply(self, standing: Standing) -> None:
        """Take over what a rule has changed."""
        self.version = standing.ticket.version
        self.text = standing.ticket.text
        self.address = standing.ticket.address
        self.sought = in_one_form(self.title, self.text, self.address)
        self.round = standing.ticket.round
        self.status = standing.status
        self.urges = standing.urges
        self.attempts = standing.attempts
        self.confidential = standing.ticket.confidential
        self.accused_unit = standing.ticket.accused_unit
        self.heard = list(standing.ticket.heard)


def in_one_form(*words: str | None) -> str:
    """Words as they are sought: one width, one script, small letters (`shared.folding`)."""
    return fold("\n".join(filter(None, words))).lower()


class TimelineRow(SQLModel, table=True):
    """One thing that happened to a ticket after it was received."""

    __tablename__ = "timeline"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    number: str
    at: datetime = Field(sa_column=instant())
    type: str
    actor: str
    unit: str | None
    note: str
    detail: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))


class NumberCounterRow(SQLModel, table=True):
    """The last serial given on a day in Shanghai."""

    __tablename__ = "number_counter"

    day: date = Field(primary_key=True)
    last: int


class IdempotencyRow(SQLModel, table=True):
    """What a key stood for, so that the same request gets the same answer."""

    __tablename__ = "idempotency"

    subject: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    body_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    ticket_id: UUID
    at: datetime = Field(sa_column=instant())


class CallerVaultRow(SQLModel, table=True):
    """A caller's sealed contact, and the fingerprint by which their tickets are found."""

    __tablename__ = "caller_vault"

    number: str = Field(primary_key=True)
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    fingerprint: bytes | None = None


class CallerReadRow(SQLModel, table=True):
    """Who asked for a caller's contact, and whether it was shown."""

    __tablename__ = "caller_read"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    number: str
    subject: str
    role: str
    unit: str | None
    granted: bool
    at: datetime = Field(sa_column=instant())


class CallbackRow(SQLModel, table=True):
    """One call-back and its answer."""

    __tablename__ = "callback"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    number: str
    unit: str | None = None
    round: int
    solved: bool
    satisfaction: str
    comment: str
    by_: str
    at: datetime = Field(sa_column=instant())


class ImportRow(SQLModel, table=True):
    """A table that is being taken in, and how far.

    `worker` has it until `leased_until`; a worker that died leaves it to the next. `rows` is
    unknown until it was read once, `position` the number of the last row dealt with.
    """

    __tablename__ = "import"

    id: UUID = Field(primary_key=True)
    subject: str
    role: str
    key: bytes | None = None
    digest: bytes
    name: str
    columns: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    mapping: dict[str, int] = Field(sa_column=Column(JSONB, nullable=False))
    dry_run: bool
    state: str
    rows: int | None = None
    position: int = 0
    accepted: int = 0
    refused: int = 0
    reason: str | None = None
    worker: UUID | None = None
    leased_until: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    created_at: datetime = Field(sa_column=instant())
    changed_at: datetime = Field(sa_column=instant())


class ImportPartRow(SQLModel, table=True):
    """A piece of a table's file, sealed as what callers said."""

    __tablename__ = "import_part"

    import_id: UUID = Field(primary_key=True)
    part: int = Field(primary_key=True)
    sealed: bytes


class ImportLineRow(SQLModel, table=True):
    """What became of a row of a table: the number of its ticket, or why it was refused."""

    __tablename__ = "import_line"

    import_id: UUID = Field(primary_key=True)
    row: int = Field(primary_key=True)
    number: str | None = None
    refusals: list[dict[str, str]] = Field(sa_column=Column(JSONB, nullable=False))


class ErasureRow(SQLModel, table=True):
    """What was erased of which tickets, when, by whom and why: on request, or by policy."""

    __tablename__ = "erasure"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    at: datetime = Field(sa_column=instant())
    by_: str
    reason: str
    what: str
    numbers: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
