"""What the router's HTTP interface takes and gives about whistles (吹哨)."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StringConstraints

from services.router.http.contract import Acting, Approving, LogEntry, Moment
from shared.bodies import Remark, Spot, Title, UnitSlug
from shared.events import Ticket, Whistle, WhistleKind
from shared.text import clean

StaffContact = Annotated[str, StringConstraints(max_length=100), AfterValidator(clean)]
"""Whom of the staff to ring: names and phones stay, for those who are called need them."""


class BlowBody(Acting):
    """What a street blows for; `place` is the spot in words.

    What is mandatory depends on the kind; a whistle that lacks something can be blown, and
    is rejected by the grid centre until it is amended.
    """

    kind: WhistleKind
    lead: UnitSlug
    assist: Annotated[tuple[UnitSlug, ...], Field(max_length=20)] = ()
    place: Spot = ""
    evidence: Remark = ""
    done_so_far: Remark = ""
    action: Remark = ""
    basis: Remark = ""
    contact: StaffContact = ""
    cross_district: StrictBool = False
    in_progress: StrictBool = False
    appointed_at: Moment | None = None


class Signing(Acting):
    """签发: the office the signer holds."""

    signer_title: Title = ""


class Rejecting(Acting):
    """退回补正: the mandatory fields that are empty, all of them where none is named."""

    missing: Annotated[tuple[Annotated[str, Field(max_length=40)], ...], Field(max_length=20)] = ()


class Confirming(Approving):
    """现场核实; `unit` is the called unit whose work did not stand."""


class Scoring(Acting):
    """双考核; `unit` is the called unit that is scored. What is left out follows the record."""

    in_time: StrictBool | None = None
    right_person: StrictBool | None = None
    solved: StrictBool | None = None
    necessary: StrictBool | None = None
    complete: StrictBool | None = None


class Withdrawing(Acting):
    """撤哨, 拒哨: why."""

    reason: Remark


class Releasing(Approving):
    """解除呼叫: `unit` is let go, or with `approve` false stays called; `lead` leads then."""

    lead: UnitSlug | None = None


class WhistleLogEntry(LogEntry):
    """One change of a whistle; `concerns` is the called unit it is about."""

    concerns: str | None


class WhistleView(BaseModel):
    """A whistle with its ticket, everything that happened to it, and what the reader may do."""

    whistle: Whistle
    ticket: Ticket
    log: Sequence[WhistleLogEntry]
    commands: Sequence[str]


class WhistlePage(BaseModel):
    """Whistles, the newest first; `cursor` asks for older ones."""

    items: Sequence[Whistle]
    cursor: str | None
