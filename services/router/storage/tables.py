"""The router's tables, as its code reads them; their definition is in `migrations/`."""

from datetime import date, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, Column, Interval
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from services.router.domain.cases.records import CaseRecord
from services.router.domain.clocks import Clock, Ladder, Step
from shared.calendar import parse_limit
from shared.database import instant
from shared.events import (
    CaseState,
    Category,
    ClockKind,
    Demand,
    Disposition,
    Place,
    Priority,
    WhistleKind,
)


class CaseDetails(BaseModel):
    """The part of a case that no query asks for."""

    model_config = ConfigDict(frozen=True)

    place: Place
    assist_units: tuple[str, ...]
    confidential: bool
    flags: tuple[str, ...]
    reasons: tuple[str, ...]
    policy_version: str
    calendar_version: str
    dispatched_at: datetime | None
    handler: str | None
    returned_by: tuple[str, ...]
    proposed_owner: str | None
    designated: bool
    extension_asked: bool
    plan: str
    review_on: date | None
    demands: tuple[Demand, ...] = ()
    parent: str | None = None
    children: tuple[str, ...] = ()
    incident: str | None = None
    merged_into: str | None = None
    suggested_whistle: WhistleKind | None = None


class CaseRow(SQLModel, table=True):
    """A case; its clocks stand in a table of their own."""

    __tablename__ = "case_record"

    number: str = Field(primary_key=True)
    version: int
    ticket_version: int
    round: int
    state: str
    disposition: str
    priority: str
    leaf: str
    category: str
    street: str | None
    lead_unit: str | None
    desk: str | None
    accused_unit: str | None
    details: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    ticket: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    opened_at: datetime = Field(sa_column=instant())

    def record(self, clocks: tuple[Clock, ...]) -> CaseRecord:
        """The case as the rules see it."""
        details = CaseDetails.model_validate(self.details)
        return CaseRecord(
            number=self.number,
            version=self.version,
            ticket_version=self.ticket_version,
            round=self.round,
            state=CaseState(self.state),
            disposition=Disposition(self.disposition),
            priority=Priority(self.priority),
            leaf=self.leaf,
            category=Category(self.category),
            place=details.place,
            lead_unit=self.lead_unit,
            assist_units=details.assist_units,
            accused_unit=self.accused_unit,
            confidential=details.confidential,
            flags=frozenset(details.flags),
            reasons=details.reasons,
            policy_version=details.policy_version,
            calendar_version=details.calendar_version,
            clocks=clocks,
            dispatched_at=details.dispatched_at,
            handler=details.handler,
            returned_by=details.returned_by,
            proposed_owner=details.proposed_owner,
            designated=details.designated,
            extension_asked=details.extension_asked,
            plan=details.plan,
            review_on=details.review_on,
            desk=self.desk,
            demands=details.demands,
            parent=details.parent,
            children=details.children,
            incident=details.incident,
            merged_into=details.merged_into,
            suggested_whistle=details.suggested_whistle,
        )


CASE_COLUMNS: Final = (
    *("number", "version", "ticket_version", "round", "state", "disposition", "priority"),
    *("leaf", "category", "street", "lead_unit", "desk", "accused_unit", "details", "ticket"),
)


def case_values(case: CaseRecord, ticket: str) -> tuple[object, ...]:
    """A case as a row of CASE_COLUMNS; `ticket` is the ticket's JSON."""
    details = CaseDetails(
        place=case.place,
        assist_units=case.assist_units,
        confidential=case.confidential,
        flags=tuple(sorted(case.flags)),
        reasons=case.reasons,
        policy_version=case.policy_version,
        calendar_version=case.calendar_version,
        dispatched_at=case.dispatched_at,
        handler=case.handler,
        returned_by=case.returned_by,
        proposed_owner=case.proposed_owner,
        designated=case.designated,
        extension_asked=case.extension_asked,
        plan=case.plan,
        review_on=case.review_on,
        demands=case.demands,
        parent=case.parent,
        children=case.children,
        incident=case.incident,
        merged_into=case.merged_into,
        suggested_whistle=case.suggested_whistle,
    )
    return (
        case.number,
        case.version,
        case.ticket_version,
        case.round,
        case.state.value,
        case.disposition.value,
        case.priority.value,
        case.leaf,
        case.category.value,
        case.place.street,
        case.lead_unit,
        case.desk,
        case.accused_unit,
        details.model_dump_json(),
        ticket,
    )


class ClockRow(SQLModel, table=True):
    """One clock of a case or of a `whistle` on it; the due-clock index finds `next_fire_at`."""

    __tablename__ = "clock"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    number: str
    kind: str
    owner: str
    round: int
    within: str
    ladder: str
    calendar_version: str
    policy_version: str
    started_at: datetime = Field(sa_column=instant())
    due_at: datetime = Field(sa_column=instant())
    allowance: timedelta = Field(sa_column=Column(Interval, nullable=False))
    provisional: bool
    paused_at: datetime | None = Field(sa_column=instant(nullable=True))
    paused_total: timedelta = Field(sa_column=Column(Interval, nullable=False))
    stopped_at: datetime | None = Field(sa_column=instant(nullable=True))
    cancelled: bool
    breached: bool
    next_step: str | None
    next_fire_at: datetime | None = Field(sa_column=instant(nullable=True))
    whistle: str | None

    def clock(self) -> Clock:
        """The clock as the rules see it."""
        return Clock(
            kind=ClockKind(self.kind),
            owner=self.owner,
            round=self.round,
            within=parse_limit(self.within),
            ladder=Ladder(self.ladder),
            calendar_version=self.calendar_version,
            policy_version=self.policy_version,
            started_at=self.started_at,
            due_at=self.due_at,
            allowance=self.allowance,
            provisional=self.provisional,
            paused_at=self.paused_at,
            paused_total=self.paused_total,
            stopped_at=self.stopped_at,
            cancelled=self.cancelled,
            breached=self.breached,
            next_step=Step(self.next_step) if self.next_step else None,
            next_fire_at=self.next_fire_at,
            id=self.id,
        )


CLOCK_COLUMNS: Final = (
    *("number", "kind", "owner", "round", "within", "ladder", "calendar_version"),
    *("policy_version", "started_at", "due_at", "allowance", "provisional", "paused_at"),
    *("paused_total", "stopped_at", "cancelled", "breached", "next_step", "next_fire_at"),
    "whistle",
)


def clock_values(number: str, clock: Clock, whistle: str | None) -> tuple[object, ...]:
    """A clock as a row of CLOCK_COLUMNS."""
    return (
        number,
        clock.kind.value,
        clock.owner,
        clock.round,
        str(clock.within),
        clock.ladder.value,
        clock.calendar_version,
        clock.policy_version,
        clock.started_at,
        clock.due_at,
        clock.allowance,
        clock.provisional,
        clock.paused_at,
        clock.paused_total,
        clock.stopped_at,
        clock.cancelled,
        clock.breached,
        clock.next_step.value if clock.next_step else None,
        clock.next_fire_at,
        whistle,
    )


class CaseLogRow(SQLModel, table=True):
    """A change of a case: what, by whom, why."""

    __tablename__ = "case_log"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    number: str
    version: int
    fact: str
    actor: str
    unit: str | None
    note: str
    detail: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    at: datetime = Field(sa_column=instant())


class EarlyUrgeRow(SQLModel, table=True):
    """A caller asked again before the ticket had a case."""

    __tablename__ = "early_urge"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    number: str
    note: str


class UnitFeedRow(SQLModel, table=True):
    """The last number given to a change of a unit's queue."""

    __tablename__ = "unit_feed"

    unit: str = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))


class QueueRow(SQLModel, table=True):
    """One ticket, or one whistle on it, in one unit's queue.

    `whistle` is empty for the ticket itself; `item` is the last change as the unit's topic
    has it.
    """

    __tablename__ = "queue_entry"

    unit: str = Field(primary_key=True)
    number: str = Field(primary_key=True)
    whistle: str = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    open: bool
    item: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
