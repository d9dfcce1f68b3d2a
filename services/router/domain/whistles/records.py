"""What a whistle (吹哨) is, what can be asked of it, and how it answers.

A whistle is no transfer: the street keeps the citizen's ticket and calls units it has no
power over (handbook section 2)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.router.domain.aggregate import Aggregate, Decision
from services.router.domain.machine import Fact
from services.router.domain.whistles.states import WhistleCommand
from shared.calendar import Calendar, Limit
from shared.events import (
    Place,
    StreetScore,
    UnitScore,
    WhistleFact,
    WhistleKind,
    WhistleState,
)
from shared.roles import Role

ENDED: Final = (WhistleState.CLOSED, WhistleState.WITHDRAWN)
"""States in which nothing more is done about a whistle."""


@dataclass(frozen=True, slots=True)
class CalledUnit:
    """A called unit and its own record: what it did and when, in notes its own words.

    `handler` is the subject who handled it; `unsolved_by_citizen` outweighs `score.solved`.
    A unit that `refusal` says was called wrongly is bound until the grid centre releases it;
    `absent`: it had not come when the whistle was closed.
    """

    unit: str
    lead: bool
    called_at: datetime | None = None
    acknowledged_at: datetime | None = None
    arrived_at: datetime | None = None
    handled_at: datetime | None = None
    handler: str | None = None
    note: str = ""
    score: UnitScore | None = None
    unsolved_by_citizen: bool = False
    refused_at: datetime | None = None
    refusal: str = ""
    released_at: datetime | None = None
    absent: bool = False

    @property
    def is_called(self) -> bool:
        """Whether the whistle has called the unit and still does."""
        return self.called_at is not None and self.released_at is None

    @property
    def refuses(self) -> bool:
        """Whether the unit has said that it was called wrongly, and nobody has ruled."""
        return self.refused_at is not None and self.released_at is None


@dataclass(frozen=True, slots=True)
class Summons:
    """The content of a whistle: whom it calls, where, why, and what for.

    `site` is the place in words; `done_so_far` what the street has already done; `basis`
    the item of the list or the legal basis; `in_progress` that the violation is going on
    now; `appointed_at` when the units are to come; `dangers` are the kinds of danger that an
    emergency is blown for.
    """

    kind: WhistleKind
    lead: str
    assist: tuple[str, ...] = ()
    site: str = ""
    evidence: str = ""
    done_so_far: str = ""
    action: str = ""
    basis: str = ""
    contact: str = ""
    cross_district: bool = False
    in_progress: bool = False
    appointed_at: datetime | None = None
    dangers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WhistleRecord(Aggregate):
    """A whistle as it stands.

    `street` blew it, or the grid centre where the place has no street. A clock's owner is
    the unit it binds: a called one, `street` for the signature, the grid centre for the
    check. `missing` are the mandatory fields for which it was rejected. `accused_unit` is
    the case's: it is never called, and another checks where it is the grid centre.
    `escalated_to` are the desks and officers before whom it has been brought.
    """

    ticket_number: str
    state: WhistleState
    street: str
    place: Place
    confidential: bool
    summons: Summons
    units: tuple[CalledUnit, ...]
    blown_by: str
    blown_at: datetime
    signer: str | None = None
    signer_title: str = ""
    signed_at: datetime | None = None
    missing: tuple[str, ...] = ()
    score: StreetScore | None = None
    accused_unit: str | None = None
    withdrawn_at: datetime | None = None
    withdrawal: str = ""
    escalated_to: frozenset[str] = frozenset()

    @property
    def lead(self) -> CalledUnit:
        """The record of the one lead, which owns the reply."""
        return next(called for called in self.units if called.lead)

    @property
    def ended(self) -> bool:
        """Whether nothing more is done about it."""
        return self.state in ENDED

    def called(self, unit: str | None) -> CalledUnit | None:
        """The record of a called unit."""
        return next((called for called in self.units if called.unit == unit), None)


@dataclass(frozen=True, slots=True)
class KindTerms:
    """What the policy holds for a kind of whistle, in the table's two cases.

    `signers` are the offices that may sign, `mandatory` the fields of Summons the grid
    centre may reject for. A limit of None has no clock: `handle` None means the ticket's
    own deadline. `sign` is for the written signature, `check` for the grid centre.
    """

    kind: WhistleKind
    signers: tuple[str, ...]
    mandatory: tuple[str, ...]
    sign: Limit | None
    check: Limit | None
    acknowledge: Limit
    arrive: Limit
    handle: Limit | None


@dataclass(frozen=True, slots=True)
class WhistleSetting:
    """What a whistle command is decided under.

    `units` may be called today. `resolve_due_at` is the deadline of the citizen's clock,
    which a whistle never resets, None where none runs. `confirm` is how long the street may
    take to confirm on site: as long as whoever verifies a case. `rule` is how long the grid
    centre may take over a refusal: as long as over a return.
    """

    terms: KindTerms
    policy_version: str
    units: frozenset[str]
    calendar: Calendar
    now: datetime
    confirm: Limit
    rule: Limit
    resolve_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WhistleOrder:
    """A command on a whistle and who gives it: `actor`, `role`, `unit` are the token's.

    `concerns` is the called unit that is scored or not confirmed. `approve` None confirms.
    `summons` comes with an amendment; `lead` is who leads where the lead is released. The
    three answers of a score are None where the person leaves them to the record.
    """

    command: WhistleCommand
    actor: str
    role: Role
    unit: str | None = None
    version: int | None = None
    note: str = ""
    reason: str = ""
    approve: bool | None = None
    concerns: str | None = None
    lead: str | None = None
    signer_title: str = ""
    missing: tuple[str, ...] = ()
    summons: Summons | None = None
    in_time: bool | None = None
    right_person: bool | None = None
    solved: bool | None = None
    necessary: bool | None = None
    complete: bool | None = None


Happened = Fact[WhistleFact]
WhistleDecision = Decision[WhistleRecord, WhistleFact]
