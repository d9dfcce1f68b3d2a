"""What the router's HTTP interface takes and gives about events (同一事件) and splitting (拆单)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from services.router.domain.cases.groups import FEWEST_DEMANDS, MOST_DEMANDS
from services.router.domain.incidents.records import IncidentState, MemberState
from shared.bodies import REDACTED, Body, LeafSlug, Remark, Version
from shared.events import Case, Ticket
from shared.text import Words
from shared.web import RECORD_NUMBER

CaseNumber = Annotated[str, StringConstraints(pattern=rf"^{RECORD_NUMBER.pattern}$")]


class DemandBody(Body):
    """One demand of a call, in words that can stand alone."""

    leaf: LeafSlug
    text: Annotated[Words, REDACTED]


class SplitBody(Body):
    """The demands of a call; left out, those the classifier proposed."""

    demands: (
        Annotated[tuple[DemandBody, ...], Field(min_length=FEWEST_DEMANDS, max_length=MOST_DEMANDS)]
        | None
    ) = None
    note: Remark = ""
    version: Version | None = None


class UnmergeBody(Body):
    """A case taken out of its event; `version` is the one its sender saw."""

    note: Remark = ""
    version: Version | None = None


class MergeBody(Body):
    """Which cases wait for the answer to which.

    Left out, `members` are all that are proposed, and `lead` is the case that leads the
    event, else the most urgent of these, then the oldest.
    """

    members: Annotated[tuple[CaseNumber, ...], Field(min_length=1, max_length=500)] | None = None
    lead: CaseNumber | None = None
    note: Remark = ""


class DismissBody(Body):
    """The cases are no one event."""

    note: Remark = ""


class IncidentSummary(BaseModel):
    """An event in a list; `count` is the tickets that belong to it."""

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


class IncidentMember(BaseModel):
    """A case of an event, its words, and since when it stands there as it does."""

    state: MemberState
    at: datetime
    ticket: Ticket
    case: Case


class IncidentView(IncidentSummary):
    """An event with its cases, oldest first."""

    members: Sequence[IncidentMember]


class IncidentPage(BaseModel):
    """Events, newest first; `next` is the cursor of the following page."""

    items: Sequence[IncidentSummary]
    next: str | None
