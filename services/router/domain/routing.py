"""From a classification to a routing: place, responsibility, flags, limits in one decision."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from services.router.domain import responsibility
from services.router.domain.cases.records import Aspect, CaseRecord, Routing, Terms
from services.router.domain.cases.states import Flag
from services.router.domain.dangers import advice, alarm_of, priority_with, with_alarm
from services.router.domain.places.gazetteer import HOME_DISTRICT
from services.router.domain.places.names import normalised
from services.router.domain.places.resolver import names_unregistered, resolve
from services.router.domain.policy import REPEAT, STREET, Policy, flags_said
from services.router.domain.refusals import InvalidField
from services.router.domain.whistles.suggestion import Situation, Suggestion, suggest
from shared.calendar import SHANGHAI, Calendar, parse_limit
from shared.events import (
    Alarm,
    Category,
    Certainty,
    Classification,
    Danger,
    Demand,
    Disposition,
    Heard,
    Location,
    Place,
    Priority,
    Regime,
    Ticket,
    is_emergency,
)
from shared.protection import EARLIER_TICKETS, USUAL_STREET
from shared.taxonomy import every_leaf

EXTENSION: Final = parse_limit("5wd")
"""By how much a granted extension moves the deadline: proposal, handbook section 4."""

CALLED_OUT: Final = (Disposition.DISPATCH, Disposition.TRANSFER_EMERGENCY)

PERSON: Final = "person"
"""Who decided a classification, where it was no model and no rule."""

FROM_PARENT: Final = "沿用主单地点"

ASKED_WHERE: Final = (Disposition.AWAITING_INFO, Certainty.UNKNOWN)
"""The caller is asked for a place of which nothing is known: only then a hint may guide."""
PAST: Final = timedelta(days=1)
"""What happened so long before the call is reported afterwards (事后反映): proposal."""
REPEATED: Final = 2
"""So many earlier tickets of one caller make the next a repeat (重复来电): proposal."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a router decides by: the policy and the working calendar it has loaded."""

    policy: Policy
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Matter:
    """What is to be routed.

    `demands` are the demands of a call that may hold several; `fallback` is the place of
    the ticket this one was split off, for words that name none; `place` is where a person
    says it is, whatever the words. `danger` is what is happening now, `standing` the alarms
    of before; `by_person` that a person gave the leaf. `earlier` and `usual_street` are the
    caller's history: told to people, never decided by. `past` is when it happened, of what
    is reported long afterwards.
    """

    text: str
    address: str | None
    location: Location | None
    leaf: str
    priority: Priority
    accused_unit: str | None
    abstained: bool
    demands: tuple[Demand, ...] = ()
    danger: Danger | None = None
    standing: tuple[Alarm, ...] = ()
    by_person: bool = False
    fallback: Place | None = None
    place: Place | None = None
    earlier: tuple[str, ...] = ()
    usual_street: str | None = None
    refers_to: tuple[str, ...] = ()
    says_settled: bool = False
    past: datetime | None = None


def matter_of(classification: Classification, fallback: Place | None = None) -> Matter:
    """The matter of a classified ticket.

    What would be danger now in a call from the scene is none where the operator has noted that
    it happened days ago, unless a person says so: nobody is called out within minutes for it.
    """
    ticket = classification.ticket
    matter = matter_of_ticket(ticket, classification.leaf, classification.priority)
    matter = replace(
        matter,
        abstained=classification.abstained,
        demands=classification.demands,
        danger=classification.danger,
        by_person=classification.decided_by == PERSON,
        fallback=fallback,
    )
    happened = ticket.occurred_at
    urgent = matter.danger is not None or is_emergency(matter.priority)
    if happened is None or ticket.received_at - happened <= PAST or matter.by_person or not urgent:
        return matter
    return replace(matter, danger=None, priority=max(matter.priority, Priority.P2), past=happened)


def matter_of_ticket(
    ticket: Ticket, leaf: str, priority: Priority, fallback: Place | None = None
) -> Matter:
    """The matter of a ticket whose leaf is settled; a title may name the place too."""
    text = ticket.text if ticket.title is None else f"{ticket.title}\n{ticket.text}"
    return Matter(
        text=text,
        address=ticket.address,
        location=ticket.location,
        leaf=leaf,
        priority=priority,
        accused_unit=ticket.accused_unit,
        abstained=False,
        fallback=fallback,
        earlier=ticket.earlier,
        usual_street=ticket.usual_street,
        refers_to=ticket.refers_to,
        says_settled=Heard.SETTLED in ticket.heard,
    )


def locate(policy: Policy, matter: Matter, day: date | None = None) -> Place:
    """Where a person says the matter is, else by its own words, else by its fallback.

    `day` is the day whose register counts.
    """
    if matter.place is not None:
        return matter.place
    place = resolve(
        policy.gazetteer, matter.text, matter.address, matter.location, policy.boundaries, day
    )
    silent = place.certainty is Certainty.UNKNOWN and not names_unregistered(place)
    if matter.fallback is None or not silent:
        return place
    reasons = tuple(dict.fromkeys((*matter.fallback.reasons, FROM_PARENT)))
    return matter.fallback.model_copy(update={"reasons": reasons})


def route(policy: Policy, matter: Matter, at: datetime) -> Routing:
    """What to do with a matter under the policy valid at `at`. Raises PolicyError."""
    place = locate(policy, matter, at.astimezone(SHANGHAI).date())
    alarms, call = _heard(policy, matter, at)
    priority = priority_with(alarms, matter.priority)
    accused = _accused(matter.accused_unit, place)
    decided = responsibility.decide(
        policy,
        leaf=matter.leaf,
        priority=priority,
        place=place,
        accused_unit=accused,
        abstained=matter.abstained,
        at=at,
        call=call,
        by_person=matter.by_person,
        follow_up=_follow_up(matter),
    )
    called = decided.disposition in CALLED_OUT
    said = dict(flags_said(policy.flag_words, normalised(matter.text)))
    demands = matter.demands if len({demand.leaf for demand in matter.demands}) > 1 else ()
    split = {Flag.SPLIT_PROPOSED: _splits(demands)} if demands else {}
    flags = frozenset((*decided.flags, *said, *split))
    whistle = _suggested(policy, decided, priority, place, flags)
    unplaced = (decided.disposition, place.certainty) == ASKED_WHERE
    # No whistle is suggested for it: the other tickets need not be about this matter.
    repeated = {REPEAT: _repeats(matter.earlier)} if len(matter.earlier) >= REPEATED else {}
    return Routing(
        disposition=decided.disposition,
        priority=priority,
        leaf=matter.leaf,
        category=category_of(matter.leaf),
        place=place,
        limits=decided.limits,
        waits=policy.waits,
        lead_unit=decided.lead_unit if called else None,
        desk=None if called else decided.lead_unit,
        assist_units=decided.assist_units,
        flags=flags.union(repeated),
        reasons=(
            *map(advice, alarms),
            *_reported_afterwards(matter),
            *decided.reasons,
            *(_usual_street(policy, matter) if unplaced else ()),
            *split.values(),
            *said.values(),
            *repeated.values(),
            *((whistle.reason,) if whistle else ()),
        ),
        demands=demands,
        suggested_whistle=whistle.kind if whistle else None,
        alarms=alarms,
    )


def _heard(
    policy: Policy, matter: Matter, at: datetime
) -> tuple[tuple[Alarm, ...], tuple[str, ...]]:
    """The alarms of a matter, and the units that they call whatever it is about."""
    day, danger, alarms = at.astimezone(SHANGHAI).date(), matter.danger, matter.standing
    if danger is not None:
        alarms = with_alarm(alarms, alarm_of(policy.response(danger.kind, day), danger, at))
    call = [unit for alarm in alarms for unit in policy.response(alarm.kind, day).call]
    return alarms, tuple(dict.fromkeys(call))


def supplementing(case: CaseRecord, matter: Matter) -> Matter:
    """A ticket's matter as it now reads, for a case that has it: what is settled stays so.

    A danger that a person has ruled out in the same words is none, and does not make the
    case more urgent either.
    """
    changes: dict[str, Any] = {"standing": case.alarms}
    if Aspect.PLACE in case.settled:
        changes["place"] = case.place
    if Aspect.RESTRICTION in case.settled:
        changes["accused_unit"] = case.accused_unit
    if Aspect.LEAF in case.settled and not matter.by_person:
        changes |= {"leaf": case.leaf, "abstained": False}
    danger = matter.danger
    ruled_out = {(alarm.kind, alarm.clause) for alarm in case.ruled_out}
    over = danger is not None and (danger.kind, danger.clause) in ruled_out
    if over or (danger is None and Aspect.PRIORITY in case.settled and not matter.by_person):
        changes |= {"danger": None, "priority": case.priority}
    return replace(matter, **changes)


def accused_at(ticket: Ticket, place: Place) -> str | None:
    """Whom a ticket accuses: “the street” is that of its place."""
    return _accused(ticket.accused_unit, place)


def _accused(unit: str | None, place: Place) -> str | None:
    return place.street if unit == STREET else unit


def matter_again(case: CaseRecord, ticket: Ticket) -> Matter:
    """A case's matter as it now stands, to be routed with something else about it."""
    matter = matter_of_ticket(ticket, case.leaf, case.priority)
    return replace(
        matter,
        place=case.place,
        accused_unit=case.accused_unit,
        demands=case.demands,
        standing=case.alarms,
        by_person=True,
    )


def place_named(
    policy: Policy, street: str | None, community: str | None, words: str, day: date
) -> Place | None:
    """Where a person says that a matter is, None where nothing is said.

    Raises InvalidField for a street or community that is none of the district's, or that
    contradict each other.
    """
    streets = {u.division_code: u for u in policy.units.values() if u.is_street and u.holds(day)}
    if street is None and community is None:
        if not words:
            return None
        return resolve(policy.gazetteer, words, None, None, policy.boundaries, day)
    unit = policy.units.get(street or "") or streets.get((community or "")[:9])
    if unit is None or unit.division_code not in streets:
        raise InvalidField("unknown-street", "没有这个街道或社区")
    known = policy.gazetteer.communities.get(community or "")
    if community is not None and (known is None or known.street != unit.slug):
        raise InvalidField("unknown-community", "该街道没有这个社区")
    return Place(
        district=HOME_DISTRICT,
        street=unit.slug,
        community=community,
        certainty=Certainty.EXACT if community else Certainty.STREET,
        reasons=(f"人工核定地点：{unit.name}",),
    )


def _follow_up(matter: Matter) -> str | None:
    """Why a ticket may be no new matter but a word on an earlier one."""
    if matter.says_settled and (matter.refers_to or matter.earlier):
        about = "、".join(matter.refers_to or matter.earlier)
        return f"来电人称此前诉求已解决，请核对工单{about}并办结"
    if matter.refers_to:
        return f"来电人查询或催办工单{'、'.join(matter.refers_to)}，请告知进展或并入"
    return None


def _reported_afterwards(matter: Matter) -> tuple[str, ...]:
    """Why what sounds like danger is handled as none."""
    if matter.past is None:
        return ()
    when = f"{matter.past.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    return (f"来电登记的发生时间为{when}，不按正在发生的险情处置；如险情仍在，请改判为紧急",)


def _splits(demands: Sequence[Demand]) -> str:
    names = dict.fromkeys(every_leaf()[demand.leaf].name for demand in demands)
    return f"一次来电有{len(demands)}项诉求（{'、'.join(names)}），建议分单"


def _repeats(earlier: Sequence[str]) -> str:
    return f"{EARLIER_TICKETS}{len(earlier)}件工单：{'、'.join(earlier)}"


def _usual_street(policy: Policy, matter: Matter) -> tuple[str, ...]:
    """Where to ask first; nothing where no such street is known."""
    street = policy.gazetteer.street_names.get(matter.usual_street or "")
    return (f"{USUAL_STREET}{street}，仅供参考，请核实地点",) if street else ()


def _suggested(
    policy: Policy,
    decided: responsibility.Routing,
    priority: Priority,
    place: Place,
    flags: frozenset[str],
) -> Suggestion | None:
    """The whistle to suggest for what is the district's to handle."""
    elsewhere = place.certainty is Certainty.OUTSIDE
    if elsewhere or decided.disposition is Disposition.REDIRECT_OUT:
        return None
    streets = policy.gazetteer.street_names
    departments = [unit for unit in decided.assist_units if unit not in streets]
    return suggest(Situation(priority, flags, decided.lead_unit in streets, len(departments)))


def category_of(leaf: str) -> Category:
    """A leaf's category. Raises KeyError for a leaf the taxonomy does not have."""
    return every_leaf()[leaf].category


def terms_for(
    rules: Rules, leaf: str, priority: Priority, now: datetime, regime: Regime | None = None
) -> Terms:
    """The policy in force for a case that has, after a command, this leaf and priority.

    `regime` is that of its place.
    """
    day = now.astimezone(SHANGHAI).date()
    limits = rules.policy.limits(rules.policy.responsible(leaf, day, regime), priority)
    return Terms(
        policy_version=rules.policy.version,
        limits=limits,
        extension=EXTENSION,
        units=valid_units(rules.policy, day),
        waits=rules.policy.waits,
    )


def valid_units(policy: Policy, day: date) -> frozenset[str]:
    """The units that exist on a day."""
    return frozenset(unit.slug for unit in policy.units.values() if unit.holds(day))


def same_terms(rules: Rules, case: CaseRecord, now: datetime) -> Terms:
    """The policy in force for a case as it is."""
    return terms_for(rules, case.leaf, case.priority, now, case.place.regime)
