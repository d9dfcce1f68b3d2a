"""What the router's HTTP interface takes and gives about whistles (吹哨)."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StringConstraints

from services.router.http.contract import LogEntry, Moment
from shared.bodies import Body, UnitSlug
from shared.events import Ticket, Whistle, WhistleKind
from shared.text import Note, clean

Version = Annotated[int, Field(strict=True, ge=1)]
Spot = Annotated[str, StringConstraints(max_length=200), AfterValidator(clean)]


class BlowBody(Body):
    """What a street blows for; `place` is the spot in words.

    What is mandatory depends on the kind; a whistle that lacks something can be blown, and
    is rejected by the grid centre until it is amended.
    """

    kind: WhistleKind
    lead: UnitSlug
    assist: Annotated[tuple[UnitSlug, ...], Field(max_length=20)] = ()
    place: Spot = ""
    evidence: Note = ""
    done_so_far: Note = ""
    action: Note = ""
    basis: Note = ""
    contact: Note = ""
    cross_district: StrictBool = False
    in_progress: StrictBool = False
    appointed_at: Moment | None = None
    unit: UnitSlug | None = None
    note: Note = ""
    version: Version | None = None


class WhistleBody(Body):
    """A command on a whistle; which fields it needs depends on the command.

    `unit` is the unit that acts, or with `confirm` and `score` the called unit it is about.
    `version` is the version of the whistle its sender saw: another one is refused (409).
    """

    unit: UnitSlug | None = None
    note: Note = ""
    version: Version | None = None
    approve: StrictBool | None = None
    signer_title: Annotated[str, Field(max_length=60)] = ""
    missing: Annotated[tuple[Annotated[str, Field(max_length=40)], ...], Field(max_length=20)] = ()
    in_time: StrictBool | None = None
    right_person: StrictBool | None = None
    solved: StrictBool | None = None
    necessary: StrictBool | None = None
    complete: StrictBool | None = None


class WhistleLogEntry(LogEntry):
    """One change of a whistle; `concerns` is the called unit it is about."""

    concerns: str | None


class WhistleView(BaseModel):
    """A whistle with its ticket and everything that happened to it."""

    whistle: Whistle
    ticket: Ticket
    log: Sequence[WhistleLogEntry]


class WhistlePage(BaseModel):
    """Whistles, the newest first; `cursor` asks for older ones."""

    items: Sequence[Whistle]
    cursor: str | None
