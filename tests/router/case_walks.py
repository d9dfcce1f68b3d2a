"""A case as the tests of its rules walk it: opened on a Monday, then command after command."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.router.domain.cases.deciding import decide
from services.router.domain.cases.opening import open_case
from services.router.domain.cases.records import (
    CaseCommand,
    CaseDecision,
    CaseRecord,
    Limits,
    Routing,
    Terms,
)
from services.router.domain.cases.rules import CASE_MACHINE
from services.router.domain.cases.states import Command
from services.router.domain.clocks import Clock
from services.router.policy.loading import LIMITED, POLICY_DIRECTORY, load_policy
from shared.calendar import SHANGHAI, load_calendar, parse_limit
from shared.discretion import GRID_CENTRE
from shared.events import (
    CaseFact,
    Category,
    Certainty,
    ClockKind,
    Disposition,
    Place,
    Priority,
)
from shared.roles import Role

CALENDAR = load_calendar()
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI).astimezone(UTC)
UNITS = frozenset({"housing", "urban-management", "market", "gulou", "fire"})
ACCUSED = "market"


def limits(accept: str, contact: str, resolve: str) -> Limits:
    """The limits of a leaf as the policy writes them."""
    texts = zip(LIMITED, (accept, contact, resolve), strict=True)
    return tuple((kind, parse_limit(text)) for kind, text in texts)


GENERAL = limits("1wd", "1wd", "5wd")
DANGER = limits("15min", "0min", "24h")
WAITING = load_policy(POLICY_DIRECTORY).waits
TERMS = Terms("p1", GENERAL, parse_limit("5wd"), UNITS, WAITING)
PLACE = Place(district="南开区", street="gulou", certainty=Certainty.EXACT)
ROUTING = Routing(
    disposition=Disposition.DISPATCH,
    priority=Priority.P3,
    leaf="property.property_service",
    category=Category.PROPERTY,
    place=PLACE,
    limits=GENERAL,
    lead_unit="housing",
    desk=GRID_CENTRE,
    assist_units=("gulou", "housing", ACCUSED, "gulou"),
    waits=WAITING,
)
URGENT = replace(ROUTING, priority=Priority.P1, limits=DANGER)


def opened(routing: Routing = ROUTING, accused: str = ACCUSED) -> CaseDecision:
    """A case opened on Monday at ten o'clock."""
    return open_case(
        "NK20261123-000001",
        routing,
        ticket_version=1,
        received_at=MONDAY,
        policy_version="p1",
        calendar=CALENDAR,
        now=MONDAY,
        accused_unit=accused,
    )


def give(
    case: CaseRecord,
    command: Command,
    hours: float = 0,
    *,
    terms: Terms = TERMS,
    **fields: Any,
) -> CaseDecision:
    """Gives a command as the one who usually does, `hours` after Monday ten o'clock."""
    given: dict[str, Any] = {
        "actor": "zhang",
        "role": min(CASE_MACHINE.who[command], key=list(Role).index),
    }
    if command in (Command.RULE_RETURN, Command.HAND_OVER):
        given["role"] = Role.DISPATCHER
    if command is Command.VERIFY:
        given["actor"] = "li"
    given["unit"] = case.lead_unit if given["role"] is Role.UNIT else None
    given |= USUAL_FIELDS.get(command, {}) | fields
    order = CaseCommand(command=command, **given)
    return decide(case, order, terms, CALENDAR, MONDAY + hours * HOUR)


USUAL_FIELDS: dict[Command, dict[str, Any]] = {
    Command.REPLY: {"note": "已修复"},
    Command.RETURN: {
        "reason_code": "not_ours",
        "basis": "三定方案",
        "proposed_owner": "urban-management",
    },
    Command.RULE_RETURN: {"approve": True},
    Command.EXTEND: {"note": "等待配件"},
    Command.RULE_EXTENSION: {"approve": True},
    Command.SUSPEND: {"plan": "列入明年改造", "review_date": date(2027, 3, 1)},
    Command.REDISPATCH: {"lead_unit": "urban-management"},
}


def walked(*steps: Command, routing: Routing = ROUTING) -> CaseRecord:
    """A case after these commands, all at once."""
    case = opened(routing).record
    for step in steps:
        case = give(case, step).record
    return case


AT_WORK = (Command.ACCEPT, Command.CONTACT)
ANSWERED = (*AT_WORK, Command.REPLY, Command.VERIFY)


def clock_of(case: CaseRecord, kind: ClockKind) -> Clock:
    """The last clock of a kind."""
    return [clock for clock in case.clocks if clock.kind is kind][-1]


def facts_of(decision: CaseDecision) -> list[CaseFact]:
    """What has happened."""
    return [fact.fact for fact in decision.facts]


def running(case: CaseRecord) -> set[ClockKind]:
    """The kinds of clock that will fire."""
    return {clock.kind for clock in case.clocks if clock.next_fire_at is not None}
