"""The router's tables, as its code reads them; their definition is in `migrations/`."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Interval, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from shared.database import instant


class CaseRow(SQLModel, table=True):
    """A case: `details` is the whole record, the other columns are what queries ask for.

    Its clocks stand in a table of their own. `due_at` is when the first running one is due,
    infinity where none runs; `readers` are the units that may look at the case.
    """

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
    due_at: datetime = Field(sa_column=instant())
    readers: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))


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
    paused_worked: timedelta = Field(sa_column=Column(Interval, nullable=False))
    stopped_at: datetime | None = Field(sa_column=instant(nullable=True))
    cancelled: bool
    breached: bool
    next_step: str | None
    next_fire_at: datetime | None = Field(sa_column=instant(nullable=True))
    whistle: str | None


class CaseLogRow(SQLModel, table=True):
    """A change of a case: what, by whom, why."""

    __tablename__ = "case_log"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    number: str
    version: int
    fact: str
    concerns: str | None
    actor: str
    unit: str | None
    note: str
    detail: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    at: datetime = Field(sa_column=instant())


class EarlyUrgeRow(SQLModel, table=True):
    """A caller asked again before the ticket had a case, or with an `outcome` it was ended."""

    __tablename__ = "early_urge"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    number: str
    note: str
    outcome: str | None = None


class PlaceProposalRow(SQLModel, table=True):
    """A place that a person proposes to the register, and what was decided on it."""

    __tablename__ = "place_proposal"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    name: str
    street: str
    community: str | None
    ticket: str | None
    state: str
    proposed_by: str
    proposed_at: datetime = Field(sa_column=instant())
    decided_by: str | None
    decided_at: datetime | None = Field(sa_column=instant(nullable=True))
    reason: str | None


class UnitFeedRow(SQLModel, table=True):
    """The last number given to a change of a unit's queue.

    Closed entries up to `cleared` are forgotten.
    """

    __tablename__ = "unit_feed"

    unit: str = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    cleared: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class FeedMarkRow(SQLModel, table=True):
    """The number that a unit's queue had reached on a day."""

    __tablename__ = "feed_mark"

    unit: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
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


class WhistleRow(SQLModel, table=True):
    """A whistle; `details` is the whole record, the other columns are what queries ask for."""

    __tablename__ = "whistle"

    number: str = Field(primary_key=True)
    ticket_number: str
    version: int
    kind: str
    state: str
    street: str
    units: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    details: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    blown_at: datetime = Field(sa_column=instant())


class WhistleLogRow(SQLModel, table=True):
    """A change of a whistle: what, about which called unit, by whom, why."""

    __tablename__ = "whistle_log"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    whistle: str
    version: int
    fact: str
    concerns: str | None
    actor: str
    unit: str | None
    note: str
    detail: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    at: datetime = Field(sa_column=instant())


class IncidentRow(SQLModel, table=True):
    """An event that several calls speak of; `count` is the tickets that were not removed.

    `lead` is the oldest case until a merge names the one that is worked for the others.
    """

    __tablename__ = "incident"

    number: str = Field(primary_key=True)
    leaf: str
    street: str
    community: str | None
    state: str
    lead: str
    cluster: bool
    first_at: datetime = Field(sa_column=instant())
    last_at: datetime = Field(sa_column=instant())
    count: int


class IncidentMemberRow(SQLModel, table=True):
    """A case of an incident, since when it stands there as it does."""

    __tablename__ = "incident_member"

    incident: str = Field(primary_key=True)
    number: str = Field(primary_key=True)
    state: str
    at: datetime = Field(sa_column=instant())


class IncidentCounterRow(SQLModel, table=True):
    """The last serial given on a day in Shanghai."""

    __tablename__ = "incident_counter"

    day: date = Field(primary_key=True)
    last: int


class ReconciliationRow(SQLModel, table=True):
    """One comparison of intake's tickets with the cases: of all, or of what changed `since`.

    `missed` are the tickets that were in no place, each with what was wrong and where it was
    last seen.
    """

    __tablename__ = "reconciliation"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    since: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    began_at: datetime = Field(sa_column=instant())
    ended_at: datetime = Field(sa_column=instant())
    tickets: int = Field(sa_column=Column(BigInteger, nullable=False))
    missed: list[dict[str, str]] = Field(sa_column=Column(JSONB, nullable=False))


class ErasedTicketRow(SQLModel, table=True):
    """A ticket whose words were erased here, and when."""

    __tablename__ = "erased_ticket"

    number: str = Field(primary_key=True)
    at: datetime = Field(sa_column=instant())


class WebhookRow(SQLModel, table=True):
    """Where a unit wants to be told of its queue.

    `position` is the number of the feed's last change that has a delivery; a receiver that
    fails as a whole is left alone until `resting_until`. `worker` has it until `leased_until`.
    Both secrets are sealed (`webhook_secrets.py`).
    """

    __tablename__ = "webhook"

    id: UUID = Field(primary_key=True)
    unit: str
    url: str
    secret: bytes
    old_secret: bytes | None = None
    old_until: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    state: str
    reason: str | None = None
    position: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    failures: int = 0
    resting_until: datetime = Field(sa_column=instant())
    worker: UUID | None = None
    leased_until: datetime | None = Field(default=None, sa_column=instant(nullable=True))
    created_by: str
    created_at: datetime = Field(sa_column=instant())


class DeliveryRow(SQLModel, table=True):
    """One queue entry on its way to one receiver, as it stood at its change `seq`."""

    __tablename__ = "delivery"

    webhook: UUID = Field(primary_key=True)
    number: str = Field(primary_key=True)
    whistle: str = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str
    attempts: int = 0
    next_try: datetime = Field(sa_column=instant())
    status: int | None = None
    error: str | None = None
    changed_at: datetime = Field(sa_column=instant())
