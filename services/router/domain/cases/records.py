"""What a case is, what can be asked of it, and how it answers."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from services.router.domain.aggregate import Aggregate, Decision
from services.router.domain.cases.states import Command
from services.router.domain.machine import Fact
from shared.calendar import Calendar, Limit
from shared.events import (
    Alarm,
    CaseFact,
    CaseState,
    Category,
    ClockKind,
    Demand,
    Disposition,
    Place,
    Priority,
    WhistleKind,
)
from shared.roles import Role

Limits = tuple[tuple[ClockKind, Limit], ...]


class Aspect(StrEnum):
    """What of a case a person can settle."""

    LEAF = "leaf"
    PRIORITY = "priority"
    PLACE = "place"
    RESTRICTION = "restriction"


class Wait(StrEnum):
    """What a case waits for between the unit's clocks and the citizen's.

    A return is ruled for the first time or as a dispute (handbook section 3); `review` is
    the longest a case may be suspended (挂账).
    """

    DECIDE = "decide"
    ASK = "ask"
    SETTLE = "settle"
    SETTLE_DANGER = "settle_danger"
    HAND_OVER = "hand_over"
    RULE_RETURN = "rule_return"
    RULE_DISPUTE = "rule_dispute"
    RULE_EXTENSION = "rule_extension"
    REVIEW = "review"
    VERIFY = "verify"
    VERIFY_EMERGENCY = "verify_emergency"
    CALL_BACK = "call_back"


Waits = tuple[tuple[Wait, Limit], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord(Aggregate):
    """A case as it stands.

    `round` counts second handlings. `returned_by` are the units that asked to return it,
    `proposed_owner` the unit named by a return that is not ruled yet. `handler` is the
    subject who last accepted or replied. `designated` by a ruling on a second dispute:
    cannot be returned. `plan` and `review_on` belong to a suspended case (挂账).
    `reasons` explain the routing. `demands`, `parent`, `children`, `incident`, `merged_into`
    and `suggested_whistle` are those of the published Case. `desk` is the unit that decides
    or asks while no lead has the case. `alarms` are the dangers that stand, `ruled_out` those
    of which a person has said that they are none; `settled` is what a person has decided and
    no model changes any more. `outcome` says how a closed case ended.
    """

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
    reasons: tuple[str, ...]
    dispatched_at: datetime | None = None
    handler: str | None = None
    returned_by: tuple[str, ...] = ()
    proposed_owner: str | None = None
    designated: bool = False
    extension_asked: bool = False
    plan: str = ""
    review_on: date | None = None
    desk: str | None = None
    demands: tuple[Demand, ...] = ()
    parent: str | None = None
    children: tuple[str, ...] = ()
    incident: str | None = None
    merged_into: str | None = None
    suggested_whistle: WhistleKind | None = None
    alarms: tuple[Alarm, ...] = ()
    ruled_out: tuple[Alarm, ...] = ()
    settled: frozenset[Aspect] = frozenset()
    outcome: str | None = None

    @property
    def returns(self) -> int:
        """How many returns were asked for: the second is a second dispute."""
        return len(self.returned_by)


@dataclass(frozen=True, slots=True)
class Routing:
    """What the router makes of a ticket: who does it, in what time, and why.

    `lead_unit` where it is dispatched, else `desk`: the unit that decides or asks. `waits`
    is how long the case may then wait for each of the others.
    """

    disposition: Disposition
    priority: Priority
    leaf: str
    category: Category
    place: Place
    limits: Limits
    waits: Waits
    lead_unit: str | None = None
    desk: str | None = None
    assist_units: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    demands: tuple[Demand, ...] = ()
    suggested_whistle: WhistleKind | None = None
    alarms: tuple[Alarm, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the policy in force holds for a case and the command given.

    `limits` are those of the leaf and priority the case will have after the command;
    `units` are the units a case may be dispatched to; `waits` is as in a Routing.
    """

    policy_version: str
    limits: Limits
    extension: Limit
    units: frozenset[str]
    waits: Waits


@dataclass(frozen=True, slots=True)
class CaseCommand:
    """A command and who gives it: `actor`, `role` and `unit` are those of the token.

    `version` is the version of the case the person saw; None does not check it.
    `approve` rules a request, and None verifies. `reason_code` is a return's reason or how
    a case ends. `routing` is what the case would be routed to with what the command says
    of it; `ticket_version`, `said_place`, `by_person` and `abstained` come with a supplement:
    the place that the new words name, and how sure the leaf is. `said_in` is where a danger
    was heard.
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
    demands: tuple[Demand, ...] = ()
    merged_into: str | None = None
    confidential: bool | None = None
    accused_unit: str | None = None
    said_place: Place | None = None
    by_person: bool = False
    abstained: bool = False
    said_in: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a command is decided under."""

    terms: Terms
    calendar: Calendar
    now: datetime


CaseDecision = Decision[CaseRecord, CaseFact]
Outcome = tuple[CaseRecord, tuple[Fact[CaseFact], ...]]
