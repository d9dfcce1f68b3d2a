"""The tables of incidents, as the router's code reads them; defined in `migrations/`."""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlmodel import Field, SQLModel

from shared.database import instant


class IncidentState(StrEnum):
    """Proposed by the router, confirmed by a merge, or dismissed by a person."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class MemberState(StrEnum):
    """How a case belongs to an incident; one that a person has removed is not proposed again."""

    PROPOSED = "proposed"
    MERGED = "merged"
    REMOVED = "removed"


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


MEMBER_COLUMNS: Final = ("incident", "number", "state", "at")


class IncidentCounterRow(SQLModel, table=True):
    """The last serial given on a day in Shanghai."""

    __tablename__ = "incident_counter"

    day: date = Field(primary_key=True)
    last: int
