"""An event (同一事件) that several calls speak of, and how a case belongs to it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """An event as it stands; `count` is the tickets that were not removed.

    `lead` is the oldest case until a merge names the one that is worked for the others.
    """

    number: str
    leaf: str
    street: str
    community: str | None
    state: IncidentState
    lead: str
    cluster: bool
    first_at: datetime
    last_at: datetime
    count: int
