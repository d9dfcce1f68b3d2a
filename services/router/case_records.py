"""What a case is, what can be asked of it, and how it answers or refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from services.router.case_states import Command, Role
from services.router.clocks import Clock
from shared.calendar import Calendar, Limit
from shared.events import CaseFact, CaseState, Category, ClockKind, Disposition, Place, Priority

Limits = tuple[tuple[ClockKind, Limit], ...]


class Refused(Exception):
    """A command that is not carried out; `sentence` says why to the person who gave it.

    `slug` is the stable name of the reason.
    """

    def __init__(self, slug: str, sentence: str) -> None:
        super().__init__(sentence)
        self.slug = slug
        self.sentence = sentence


class NotAllowed(Refused):
    """The role or the unit may not do this."""


class StaleVersion(Refused):
    """The person looked at an older version of the case."""


class WrongState(Refused):
    """The case's state does not know the command."""


class MissingField(Refused):
    """A field the command needs is empty."""


class InvalidField(Refused):
    """A field names something the command cannot take."""


class LimitExceeded(Refused):
    """The rules allow this only so often, so late or so urgent."""


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A case as it stands; `clocks` holds every clock it ever had, oldest first.

    `round` counts second handlings. `returned_by` are the units that asked to return it,
    `proposed_owner` the unit named by a return that is not ruled yet. `handler` is the
    subject who last accepted or replied. `designated` by a ruling on a second dispute:
    cannot be returned. `plan` and `review_on` belong to a suspended case (挂账).
    `reasons` explain the routing. `desk` is the unit that decides or asks while no lead has
    the case.
    """

    number: str
    version: int
    ticket_version: int
    round: int
    state: CaseState
    disposition: Disposition
    priority: Priority
    leaf: str
    category: Category
    place: Place
    lead_unit: str | None
    assist_units: tuple[str, ...]
    accused_unit: str | None
    confidential: bool
    flags: frozenset[str]
    reasons: tuple[str, ...]
    policy_version: str
    calendar_version: str
    clocks: tuple[Clock, ...] = ()
    dispatched_at: datetime | None = None
    handler: str | None = None
    returned_by: tuple[str, ...] = ()
    proposed_owner: str | None = None
    designated: bool = False
    extension_asked: bool = False
    plan: str = ""
    review_on: date | None = None
    desk: str | None = None

    @property
    def returns(self) -> int:
        """How many returns were asked for: the second is a second dispute."""
        return len(self.returned_by)


@dataclass(frozen=True, slots=True)
class Routing:
    """What the router makes of a ticket: who does it, in what time, and why.

    `lead_unit` where it is dispatched, else `desk`: the unit that decides or asks.
    """

    disposition: Disposition
    priority: Priority
    leaf: str
    category: Category
    place: Place
    limits: Limits
    lead_unit: str | None = None
    desk: str | None = None
    assist_units: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the policy in force holds for a case and the command given.

    `limits` are those of the leaf and priority the case will have after the command;
    `units` are the units a case may be dispatched to.
    """

    policy_version: str
    limits: Limits
    extension: Limit
    units: frozenset[str]


@dataclass(frozen=True, slots=True)
class CaseCommand:
    """A command and who gives it: `actor`, `role` and `unit` are those of the token.

    `version` is the version of the case the person saw; None does not check it.
    `approve` rules a request, and None verifies. `reason_code` is a return's reason or a
    closing call-back's outcome. `ticket_version` and `routing` come with a supplement:
    the ticket as it now reads, routed anew.
    """

    command: Command
    actor: str
    role: Role
    unit: str | None = None
    version: int | None = None
    note: str = ""
    approve: bool | None = None
    reason_code: str = ""
    basis: str = ""
    proposed_owner: str | None = None
    plan: str = ""
    review_date: date | None = None
    lead_unit: str | None = None
    assist_units: tuple[str, ...] | None = None
    leaf: str | None = None
    priority: Priority | None = None
    ticket_version: int | None = None
    routing: Routing | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened; `units` are the units whose work it changes."""

    fact: CaseFact
    units: tuple[str, ...] = ()
    note: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """The case after a command or a clock, one version on, and the facts in their order."""

    record: CaseRecord
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a command is decided under."""

    terms: Terms
    calendar: Calendar
    now: datetime


Outcome = tuple[CaseRecord, tuple[Fact, ...]]
