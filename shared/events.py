"""The vocabulary of the hotline and every payload that travels on the bus.

The models here are the published contract: their JSON Schemas and the AsyncAPI
document in `deploy/events/` are generated from them, and a test refuses a change
that would break a consumer. Text and addresses in these payloads are redacted;
no payload has a field for a caller's name or phone.

Times are UTC instants. A ticket's `version` counts its changes in intake, a case's
`version` its changes in the router; consumers ignore a version they have passed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Channel(StrEnum):
    """Where a ticket came in."""

    HOTLINE = "hotline"
    JINXINBAN = "jinxinban"
    JINZHITONG = "jinzhitong"
    WEB = "web"
    IOT = "iot"
    IMPORT = "import"
    OPEN311 = "open311"


class Kind(StrEnum):
    """咨询 求助 投诉 举报 建议 表扬: what the caller wants of the district."""

    CONSULT = "consult"
    HELP = "help"
    COMPLAINT = "complaint"
    REPORT = "report"
    SUGGESTION = "suggestion"
    PRAISE = "praise"


class Category(StrEnum):
    """The report's four governance categories, and what is none of them."""

    GRID = "grid"
    PROPERTY = "property"
    SAFETY = "safety"
    ELDERLY = "elderly"
    OTHER = "other"


class Priority(StrEnum):
    """P0 live emergency, P1 danger, P2 livelihood, P3 general, P4 complex or consult, P5 none.

    Sorts by urgency: the smaller, the more urgent (handbook section 4).
    """

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    P5 = "P5"


class Certainty(StrEnum):
    """How sure a place is (handbook section 7)."""

    EXACT = "exact"
    STREET = "street"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"
    OUTSIDE = "outside"
    TRANSFERRED = "transferred"


class Disposition(StrEnum):
    """What the router does with a ticket."""

    DISPATCH = "dispatch"
    MANUAL_DISPATCH = "manual_dispatch"
    AWAITING_INFO = "awaiting_info"
    REDIRECT_OUT = "redirect_out"
    TRANSFER_EMERGENCY = "transfer_emergency"


class CaseState(StrEnum):
    """States of a case (handbook section 5); `services/router/cases/states.py` moves between."""

    MANUAL_DISPATCH = "manual_dispatch"
    AWAITING_INFO = "awaiting_info"
    REDIRECTED_OUT = "redirected_out"
    DISPATCHED = "dispatched"
    RETURN_REQUESTED = "return_requested"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    EXTENSION_REQUESTED = "extension_requested"
    SUSPENDED = "suspended"
    REPLIED = "replied"
    CALLBACK_PENDING = "callback_pending"
    SPLIT = "split"
    MERGED = "merged"
    CLOSED = "closed"


class CalendarName(StrEnum):
    """ALWAYS runs 24×7; WORKING counts working time in Asia/Shanghai only."""

    ALWAYS = "always"
    WORKING = "working"


class ClockKind(StrEnum):
    """What a clock measures.

    Of a case: signing for the ticket, first contact, resolution; and what must not wait in
    silence: a desk's decision, telling whoever takes a redirected ticket, a ruling, the
    review of a suspended case, verification, the call-back, asking the caller for what is
    missing, settling a doubt about leaf, place or who is accused. Of a whistle: the written
    signature, the grid centre's check, and for each called unit acknowledging, arriving
    and handling.
    """

    ACCEPT = "accept"
    CONTACT = "contact"
    RESOLVE = "resolve"
    DECIDE = "decide"
    HAND_OVER = "hand_over"
    RULE = "rule"
    REVIEW = "review"
    VERIFY = "verify"
    CALL_BACK = "call_back"
    ASK = "ask"
    SETTLE = "settle"
    SIGN = "sign"
    CHECK = "check"
    ACKNOWLEDGE = "acknowledge"
    ARRIVE = "arrive"
    HANDLE = "handle"


class WhistleKind(StrEnum):
    """应急处置哨, 综合执法哨, 群众诉求哨, 重点工作哨 (handbook section 2)."""

    EMERGENCY = "emergency"
    JOINT_ENFORCEMENT = "joint_enforcement"
    PUBLIC_DEMAND = "public_demand"
    KEY_TASK = "key_task"


class WhistleState(StrEnum):
    """States of a whistle; `services/router/whistles/states.py` moves between them."""

    PROPOSED = "proposed"
    SIGNED = "signed"
    REJECTED = "rejected"
    DISPATCHED = "dispatched"
    HANDLED = "handled"
    CONFIRMED = "confirmed"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Regime(StrEnum):
    """旧楼区长效管理, or 物业小区: the two property regimes (handbook section 1)."""

    OLD_BUILDING = "old_building"
    MANAGED = "managed"


class Satisfaction(StrEnum):
    """满意, 基本满意, 不满意, 未接通: the answer to a call-back."""

    SATISFIED = "satisfied"
    BASICALLY = "basically"
    DISSATISFIED = "dissatisfied"
    UNREACHED = "unreached"


class Payload(BaseModel):
    """Base of all payloads: immutable, and tolerant of fields a newer producer adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Location(Payload):
    """WGS-84 coordinates."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class Heard(StrEnum):
    """What only the words of a ticket say: a wish for secrecy, an accusation, an end.

    `settled`: the caller says that an earlier matter is solved.
    """

    SECRECY = "secrecy"
    ACCUSATION = "accusation"
    SETTLED = "settled"


class Ticket(Payload):
    """A ticket as the other services see it: redacted, without its caller.

    A ticket split off another names its `parent` and the leaf a person gave its `demand`.
    `earlier` are the numbers of the same caller's last tickets, newest first, and
    `usual_street` is where the last of them was: a hint to who asks, never a decision.
    `heard` says what of `confidential` and `accused_unit` only its words say; an accused unit
    `street` is that of the place, whichever it is. `refers_to` are earlier tickets it names.
    """

    number: str
    version: int
    received_at: AwareDatetime
    channel: Channel
    kind: Kind
    title: str | None = None
    text: str
    address: str | None = None
    location: Location | None = None
    accused_unit: str | None = None
    occurred_at: AwareDatetime | None = None
    confidential: bool = False
    round: int = 0
    parent: str | None = None
    demand: str | None = None
    earlier: tuple[str, ...] = ()
    usual_street: str | None = None
    heard: tuple[Heard, ...] = ()
    refers_to: tuple[str, ...] = ()


class TicketReceived(Payload):
    """A citizen's ticket has been accepted and stored."""

    ticket: Ticket


class TicketAmended(Payload):
    """The caller added something; `ticket` is the whole ticket as it now reads."""

    ticket: Ticket
    added_text: str | None = None
    added_address: str | None = None


class TicketUrged(Payload):
    """催办: the caller asked again; `urges` counts these calls."""

    number: str
    version: int
    urges: int
    note: str = ""
    at: AwareDatetime


class TicketCalledBack(Payload):
    """回访: the caller was asked, or could not be reached."""

    number: str
    version: int
    round: int
    solved: bool
    satisfaction: Satisfaction
    comment: str = ""
    at: AwareDatetime


class TicketClosed(Payload):
    """The ticket has ended. `outcome` says how, `note` why, where it was no call-back."""

    number: str
    version: int
    outcome: str
    note: str = ""
    at: AwareDatetime


class TicketReopened(Payload):
    """二次办理: the caller said it is not solved; `round` counts second handlings from 1."""

    number: str
    version: int
    round: int
    reason: str
    at: AwareDatetime


class TicketErased(Payload):
    """The ticket has ended and its words are erased: whoever keeps a copy erases it too.

    That the caller asked for it, or that its term is over, is on record in intake.
    """

    number: str
    version: int
    at: AwareDatetime


class Alternative(Payload):
    """A leaf the classifier considered, with its probability."""

    leaf: str
    probability: float


class Demand(Payload):
    """One demand (诉求) of a call that may hold several."""

    leaf: str
    text: str


class Danger(Payload):
    """A danger (险情) heard in words: its kind, a slug of `shared/dangers.csv`, and the clause."""

    kind: str
    clause: str


class Classification(Payload):
    """What a ticket is about, how urgent, who or what decided it, and why.

    `ticket` is carried along so that the router needs no second stream to act.
    With `abstained` the leaf is only the best guess and a person decides.
    `decided_by` is `model`, `rule` or `person`. `danger` is the worst danger that is
    happening now, None where none is heard.
    """

    ticket: Ticket
    leaf: str
    category: Category
    priority: Priority
    probability: float
    abstained: bool
    alternatives: tuple[Alternative, ...] = ()
    reasons: tuple[str, ...] = ()
    demands: tuple[Demand, ...] = ()
    danger: Danger | None = None
    decided_by: str
    actor: str | None = None
    model_version: str
    decided_at: AwareDatetime


class SaidIn(StrEnum):
    """Where words about a ticket were said, beside the ticket itself."""

    URGE = "urge"
    CALLBACK = "callback"
    CASE_NOTE = "case_note"
    WHISTLE_NOTE = "whistle_note"


class DangerHeard(Payload):
    """Words said about a ticket later tell of danger: an urge, a call-back, somebody's note.

    `actor` and `unit` are who said or wrote them, where it was not the caller.
    """

    number: str
    danger: Danger
    priority: Priority
    said_in: SaidIn
    actor: str | None = None
    unit: str | None = None
    said_at: AwareDatetime
    model_version: str


class PlaceCandidate(Payload):
    """A place that words mean or may mean, and how the register knows it.

    `words` were matched, `name` is the register's; `table` and `source` say where it stands
    and where it is from, `confidence` how sure that is (`sourced-2+`, `sourced-1`, `derived`).
    """

    street: str
    community: str | None = None
    district: str | None = None
    name: str
    words: str = ""
    table: str = ""
    source: str
    confidence: str


class Place(Payload):
    """Where a ticket is: names for people, slugs and 12-digit codes for machines.

    `point` is an enclave point (飞地), `enclave` its class and `facility_owner` the unit
    that owns its pipes and roads; `regime` is the compound's, where the register knows it.
    `evidence` are the names that decided.
    Where a place is not certain, `candidates` are what the words may mean, the likeliest
    first, and `question` is what to ask the caller so that one of them remains.
    """

    district: str | None = None
    street: str | None = None
    community: str | None = None
    certainty: Certainty
    point: str | None = None
    enclave: str | None = None
    facility_owner: str | None = None
    regime: Regime | None = None
    reasons: tuple[str, ...] = ()
    candidates: tuple[PlaceCandidate, ...] = ()
    question: str | None = None
    evidence: tuple[PlaceCandidate, ...] = ()


class Alarm(Payload):
    """A danger of a case: what it is called, whom to dial at once, what to tell the caller.

    `clause` are the words that show it, `heard_at` when they were said.
    """

    kind: str
    name: str
    priority: Priority
    clause: str
    dial: tuple[str, ...] = ()
    tell_caller: str = ""
    heard_at: AwareDatetime


class ClockView(Payload):
    """One clock of a case. `within` is the policy's limit, such as `15min` or `5wd`.

    `provisional` marks a deadline beyond the working calendar's horizon, `cancelled` a
    clock that ended because the case moved on.
    """

    kind: ClockKind
    owner: str
    within: str
    calendar: CalendarName
    started_at: AwareDatetime
    due_at: AwareDatetime
    round: int = 0
    paused_at: AwareDatetime | None = None
    stopped_at: AwareDatetime | None = None
    cancelled: bool = False
    breached: bool = False
    provisional: bool = False


class Case(Payload):
    """A case as it stands after an event: every case event carries the whole of it.

    `lead_unit` has the case; while nobody has it, `desk` decides or asks. `demands` are
    those of a call that holds several, proposed to be split; `children` the tickets it was
    split into, `parent` the ticket it was split off. `incident` (同一事件) groups cases of
    one event, and `merged_into` is the case that is worked for all of them.
    `suggested_whistle` is the kind a street would blow if it cannot do it alone. `alarms` are
    the dangers that stand, the worst first. `outcome` says how a closed case ended.
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
    lead_unit: str | None = None
    desk: str | None = None
    assist_units: tuple[str, ...] = ()
    clocks: tuple[ClockView, ...] = ()
    flags: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    policy_version: str
    calendar_version: str
    demands: tuple[Demand, ...] = ()
    parent: str | None = None
    children: tuple[str, ...] = ()
    incident: str | None = None
    merged_into: str | None = None
    suggested_whistle: WhistleKind | None = None
    accused_unit: str | None = None
    confidential: bool = False
    alarms: tuple[Alarm, ...] = ()
    outcome: str | None = None


class SplitTicket(Payload):
    """A ticket to be made of one demand of another."""

    number: str
    leaf: str
    text: str


class CaseEvent(Payload):
    """A fact about a case; the event type names it, `case` is the state after it.

    `actor` is a token's subject or `system`; `detail` holds what the fact adds,
    such as the reason code of a return; `split` the tickets a split makes.
    """

    case: Case
    actor: str
    unit: str | None = None
    note: str = ""
    detail: Mapping[str, str] = Field(default_factory=dict)
    split: tuple[SplitTicket, ...] = ()
    at: AwareDatetime


class Unaccounted(Payload):
    """A ticket is in no place: whoever keeps what was said of it says it again.

    `gap` is what was found: `no_case` that it never reached the router, `not_heard` that its
    case has not heard how it ended or that it was reopened.
    """

    number: str
    gap: str
    at: AwareDatetime


class UnitScore(Payload):
    """What the street says of a called unit: in time, right person, solved."""

    in_time: bool
    right_person: bool
    solved: bool
    note: str = ""


class StreetScore(Payload):
    """What the grid centre says of the street's whistle: necessary, complete."""

    necessary: bool
    complete: bool
    note: str = ""


class WhistleUnit(Payload):
    """One called unit of a whistle: what it did and when, its own clocks, its score.

    `unsolved_by_citizen`: the call-back said that it is not solved, whatever the score.
    `refusal` is why a unit says that it was called wrongly, `released_at` when the grid centre
    agreed. `absent`: it had not come when the whistle was closed.
    """

    unit: str
    lead: bool
    called_at: AwareDatetime | None = None
    acknowledged_at: AwareDatetime | None = None
    arrived_at: AwareDatetime | None = None
    handled_at: AwareDatetime | None = None
    note: str = ""
    clocks: tuple[ClockView, ...] = ()
    score: UnitScore | None = None
    unsolved_by_citizen: bool = False
    refused_at: AwareDatetime | None = None
    refusal: str = ""
    released_at: AwareDatetime | None = None
    absent: bool = False


class Whistle(Payload):
    """A whistle (吹哨) as it stands after an event; every whistle event carries all of it.

    `street` blew it: the street of the place, or the grid centre where there is none.
    `signer` signed it, `signer_title` is the office they hold. `missing` are the mandatory
    fields for which the grid centre rejected it. `clocks` are those of the signature,
    the check and the confirmation; each unit's own stand with the unit. `dangers` are the
    kinds an emergency whistle is blown for; `withdrawal` says why it was taken back.
    """

    number: str
    ticket_number: str
    version: int
    kind: WhistleKind
    state: WhistleState
    street: str
    place: Place
    site: str = ""
    evidence: str = ""
    done_so_far: str = ""
    action: str = ""
    basis: str = ""
    contact: str = ""
    cross_district: bool = False
    in_progress: bool = False
    confidential: bool = False
    appointed_at: AwareDatetime | None = None
    dangers: tuple[str, ...] = ()
    withdrawn_at: AwareDatetime | None = None
    withdrawal: str = ""
    blown_by: str
    blown_at: AwareDatetime
    signer: str | None = None
    signer_title: str = ""
    signed_at: AwareDatetime | None = None
    missing: tuple[str, ...] = ()
    units: tuple[WhistleUnit, ...] = ()
    clocks: tuple[ClockView, ...] = ()
    score: StreetScore | None = None
    flags: tuple[str, ...] = ()
    policy_version: str
    calendar_version: str


class WhistleEvent(Payload):
    """A fact about a whistle; the event type names it, `whistle` is the state after it.

    `concerns` is the called unit the fact is about, where it is about one.
    """

    whistle: Whistle
    actor: str
    unit: str | None = None
    concerns: str | None = None
    note: str = ""
    detail: Mapping[str, str] = Field(default_factory=dict)
    at: AwareDatetime


class QueueItem(Payload):
    """One ticket in one unit's queue, as it stands now, or one whistle on that ticket.

    An item with a `whistle` is an entry of its own, beside the ticket's: a reader keeps
    entries by the whistle's number where there is one, else by the ticket's.

    `seq` rises with every change of that unit's queue: a reader that has seen `seq`
    asks for what comes after it. `open` turns false when the unit has no more to do.
    """

    seq: int
    unit: str
    number: str
    role: str
    open: bool
    reason: str
    ticket: Ticket
    case: Case
    whistle: Whistle | None = None
    at: AwareDatetime


class DeadLetter(Payload):
    """A message a consumer could not handle, beside the untouched original."""

    consumer: str
    topic: str
    partition: int
    offset: int
    event_id: str
    event_type: str
    key: str
    reason: str
    error: str
    attempts: int
    at: AwareDatetime
    original: str


TICKETS: Final = "hotline.tickets"
CLASSIFICATIONS: Final = "hotline.classifications"
CASES: Final = "hotline.cases"
WHISTLES: Final = "hotline.whistles"
DEADLETTER: Final = "hotline.deadletter"
QUEUE_PREFIX: Final = "hotline.queue."


def queue_topic(unit: str) -> str:
    """The topic a street or department consumes: `hotline.queue.<unit>`."""
    return QUEUE_PREFIX + unit


TICKET_RECEIVED: Final = "hotline.ticket.received.v1"
TICKET_AMENDED: Final = "hotline.ticket.amended.v1"
TICKET_URGED: Final = "hotline.ticket.urged.v1"
TICKET_CALLED_BACK: Final = "hotline.ticket.called_back.v1"
TICKET_CLOSED: Final = "hotline.ticket.closed.v1"
TICKET_REOPENED: Final = "hotline.ticket.reopened.v1"
TICKET_ERASED: Final = "hotline.ticket.erased.v1"
CLASSIFIED: Final = "hotline.classification.classified.v1"
ABSTAINED: Final = "hotline.classification.abstained.v1"
DANGER_HEARD: Final = "hotline.classification.danger_heard.v1"
UNACCOUNTED: Final = "hotline.case.unaccounted.v1"
QUEUE_CHANGED: Final = "hotline.queue.changed.v1"
DEAD_LETTERED: Final = "hotline.deadletter.parked.v1"


class CaseFact(StrEnum):
    """What can happen to a case; the event type is `hotline.case.<fact>.v1`."""

    DISPATCHED = "dispatched"
    MANUAL = "manual_dispatch"
    AWAITING_INFO = "awaiting_info"
    REDIRECTED = "redirected"
    TRANSFERRED_EMERGENCY = "transferred_emergency"
    SUPPLEMENTED = "supplemented"
    ACCEPTED = "accepted"
    CONTACTED = "contacted"
    RETURN_REQUESTED = "return_requested"
    RETURNED = "returned"
    RETURN_DENIED = "return_denied"
    REDISPATCHED = "redispatched"
    DESIGNATED = "designated"
    REPLIED = "replied"
    VERIFIED = "verified"
    VERIFICATION_FAILED = "verification_failed"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    EXTENSION_REQUESTED = "extension_requested"
    EXTENDED = "extended"
    EXTENSION_DENIED = "extension_denied"
    REMINDED = "reminded"
    URGED = "urged"
    SUPERVISED = "supervised"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    REOPENED = "reopened"
    HANDED_OVER = "handed_over"
    SPLIT = "split"
    GROUPED = "grouped"
    MERGED = "merged"
    UNMERGED = "unmerged"
    CLOSED = "closed"
    ALARMED = "alarmed"
    DOUBTED = "doubted"
    RECLASSIFIED = "reclassified"
    RELOCATED = "relocated"
    RESTRICTED = "restricted"
    UPHELD = "upheld"
    ERASED = "erased"

    @property
    def event_type(self) -> str:
        return f"hotline.case.{self.value}.v1"


class WhistleFact(StrEnum):
    """What can happen to a whistle; the event type is `hotline.whistle.<fact>.v1`."""

    BLOWN = "blown"
    AMENDED = "amended"
    SIGNED = "signed"
    DISPATCHED = "dispatched"
    REJECTED = "rejected"
    ACKNOWLEDGED = "acknowledged"
    ARRIVED = "arrived"
    HANDLED = "handled"
    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"
    SCORED = "scored"
    REMINDED = "reminded"
    URGED = "urged"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    RELEASED = "released"
    REFUSAL_DENIED = "refusal_denied"
    RELOCATED = "relocated"

    @property
    def event_type(self) -> str:
        return f"hotline.whistle.{self.value}.v1"


PAYLOADS: Final[Mapping[str, type[Payload]]] = {
    TICKET_RECEIVED: TicketReceived,
    TICKET_AMENDED: TicketAmended,
    TICKET_URGED: TicketUrged,
    TICKET_CALLED_BACK: TicketCalledBack,
    TICKET_CLOSED: TicketClosed,
    TICKET_REOPENED: TicketReopened,
    TICKET_ERASED: TicketErased,
    CLASSIFIED: Classification,
    ABSTAINED: Classification,
    DANGER_HEARD: DangerHeard,
    UNACCOUNTED: Unaccounted,
    QUEUE_CHANGED: QueueItem,
    DEAD_LETTERED: DeadLetter,
    **{fact.event_type: CaseEvent for fact in CaseFact},
    **{fact.event_type: WhistleEvent for fact in WhistleFact},
}


def most_urgent(*priorities: Priority) -> Priority:
    """The most urgent of several priorities: rules may raise, never lower."""
    return min(priorities)


def is_emergency(priority: Priority) -> bool:
    """P0 and P1: danger to life or property, never returned or parked."""
    return priority <= Priority.P1
