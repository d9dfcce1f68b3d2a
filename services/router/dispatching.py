"""From a classification to a routing: place, responsibility and limits in one decision."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from services.router import responsibility
from services.router.case_records import CaseRecord, Limits, Routing, Terms
from services.router.place import resolve
from services.router.policy import Limit, Policy
from shared.calendar import SHANGHAI, Calendar, parse_limit
from shared.events import Category, Classification, Disposition, Location, Place, Priority
from shared.taxonomy import load_taxonomy

EXTENSION: Final = parse_limit("5wd")
"""By how much a granted extension moves the deadline: proposal, handbook section 4."""

CALLED_OUT: Final = (Disposition.DISPATCH, Disposition.TRANSFER_EMERGENCY)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a router decides by: the policy and the working calendar it has loaded."""

    policy: Policy
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Matter:
    """What is to be routed."""

    text: str
    address: str | None
    location: Location | None
    leaf: str
    priority: Priority
    accused_unit: str | None
    abstained: bool


def matter_of(classification: Classification) -> Matter:
    """The matter of a classified ticket; a title may name the place too."""
    ticket = classification.ticket
    text = ticket.text if ticket.title is None else f"{ticket.title}\n{ticket.text}"
    return Matter(
        text=text,
        address=ticket.address,
        location=ticket.location,
        leaf=classification.leaf,
        priority=classification.priority,
        accused_unit=ticket.accused_unit,
        abstained=classification.abstained,
    )


def locate(policy: Policy, matter: Matter) -> Place:
    """Where the matter is."""
    return resolve(policy.gazetteer, matter.text, matter.address, matter.location)


def route(policy: Policy, matter: Matter, at: datetime) -> Routing:
    """What to do with a matter under the policy valid at `at`. Raises PolicyError."""
    place = locate(policy, matter)
    decided = responsibility.decide(
        policy,
        leaf=matter.leaf,
        priority=matter.priority,
        place=place,
        accused_unit=matter.accused_unit,
        abstained=matter.abstained,
        at=at,
    )
    called = decided.disposition in CALLED_OUT
    return Routing(
        disposition=decided.disposition,
        priority=matter.priority,
        leaf=matter.leaf,
        category=category_of(matter.leaf),
        place=place,
        limits=_limits(decided.limits),
        lead_unit=decided.lead_unit if called else None,
        desk=None if called else decided.lead_unit,
        assist_units=decided.assist_units,
        flags=frozenset(decided.flags),
        reasons=decided.reasons,
    )


def category_of(leaf: str) -> Category:
    """A leaf's category. Raises KeyError for a leaf the taxonomy does not have."""
    return load_taxonomy()[leaf].category


def terms_for(rules: Rules, leaf: str, priority: Priority, now: datetime) -> Terms:
    """The policy in force for a case that has, after a command, this leaf and priority."""
    day = now.astimezone(SHANGHAI).date()
    limits = rules.policy.limits(rules.policy.responsible(leaf, day), priority)
    return Terms(
        policy_version=rules.policy.version,
        limits=_limits(limits),
        extension=EXTENSION,
        units=valid_units(rules.policy, day),
    )


def valid_units(policy: Policy, day: date) -> frozenset[str]:
    """The units that exist on a day."""
    return frozenset(unit.slug for unit in policy.units.values() if unit.holds(day))


def same_terms(rules: Rules, case: CaseRecord, now: datetime) -> Terms:
    """The policy in force for a case as it is."""
    return terms_for(rules, case.leaf, case.priority, now)


def _limits(limits: tuple[Limit, ...]) -> Limits:
    return tuple((limit.kind, parse_limit(limit.within)) for limit in limits)
