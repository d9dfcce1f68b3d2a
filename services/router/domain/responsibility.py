"""Who takes a ticket, what happens to it, and by when: one pure decision with its reasons.

The rules, in their order (handbook sections 3, 4 and 6, and the worked scenarios):

1. What is only suspected of danger, by a classifier that is not sure of the matter either,
   calls nobody: a person decides within the time of an emergency.
2. P0 is handed to the emergency services at once, wherever and whatever it is.
3. What only asks after an earlier ticket, or says that it is solved, is the hotline's to
   answer. An accused unit is never lead nor assistant; one we do not know needs a person.
4. Below P1, a place in another district is redirected whatever the matter; a leaf the
   classifier is not sure of goes to a person, who need not wait while we ask for the place.
5. Whether it is ours is decided by the place, never by the matter: what a person has called
   not ours is redirected only where no place of this district is known, and a community that
   moved to another district is never refused without a person.
6. Without a street: P1 goes to its department or to a person, never back to the caller; a
   leaf that needs no place goes on, and so does one at a known crossing whose lead is the
   same in every street; a place no register knows goes to a person; else we ask.
7. Else the table decides, by the compound's regime where that has a row of its own (旧楼区
   长效管理, 物业小区). For roads, lights, drains and greenery at a point whose facilities
   another unit owns, that owner leads and the street assists (先看设施权属).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from services.router.domain.cases.records import Limits
from services.router.domain.desks import CITY_HOTLINE, DISCIPLINE, HOTLINE_OFFICE, not_accused
from services.router.domain.places.gazetteer import HOME_DISTRICT
from services.router.domain.places.resolver import names_unregistered
from services.router.domain.policy import STREET, Policy, Responsibility
from shared.calendar import SHANGHAI
from shared.discretion import GRID_CENTRE
from shared.events import Certainty, Disposition, Place, Priority, Regime, is_emergency

REDIRECT_LEAF: Final = "other.non_jurisdiction"
"""Whose limits a redirected ticket has: told within 30 minutes, with the reason."""

FLAG_TRANSFERRED: Final = "jurisdiction_transferred"
FLAG_UNREGISTERED: Final = "place_not_in_register"
FLAG_ACCUSED: Final = "accused_excluded"
FLAG_FACILITY: Final = "facility_owner"

REGIME_NAMES: Final = {Regime.OLD_BUILDING: "旧楼区", Regime.MANAGED: "物业小区"}


@dataclass(frozen=True, slots=True)
class Routing:
    """What the router does with a ticket, and why. Reasons are Chinese, for people.

    `lead_unit` always names who acts next: with manual_dispatch the desk that decides, with
    awaiting_info the office that asks the caller, with redirect_out the city's hotline.
    `assist_units` is empty unless units are really called.
    """

    disposition: Disposition
    lead_unit: str
    assist_units: tuple[str, ...]
    limits: Limits
    flags: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be decided, with the table's row for it and the street in force.

    `owner` owns the facilities of the place, where the matter is about facilities. `call`
    are the units a danger calls whatever the matter; `by_person` that a person gave the leaf.
    """

    policy: Policy
    row: Responsibility
    day: date
    priority: Priority
    place: Place
    street: str | None
    owner: str | None
    accused: str | None
    abstained: bool
    call: tuple[str, ...]
    by_person: bool
    follow_up: str | None

    @property
    def emergency(self) -> bool:
        return is_emergency(self.priority)

    @property
    def lead(self) -> str | None:
        """Who leads by ownership or by the table, None where that is an unknown street."""
        if self.owner is not None:
            return self.owner
        return self.street if self.row.lead == STREET else self.row.lead

    @property
    def assistants(self) -> tuple[str | None, ...]:
        """Those of the table; behind an owner the street first, and the lead it went before.

        Who owns what is settled afterwards: in danger the table's lead comes all the same.
        """
        named = (*self.call, *self.row.assist)
        if self.owner is not None:
            named = (STREET, self.row.lead, *named)
        return tuple(self.street if slug == STREET else slug for slug in named)

    @property
    def accused_unknown(self) -> bool:
        return self.accused is not None and self.accused not in self.policy.units

    @property
    def place_to_ask_for(self) -> bool:
        """Whether the caller has to be asked where it is: needed, unsaid, in no other district."""
        return (
            self.street is None
            and self.row.needs_place
            and self.place.certainty is not Certainty.TRANSFERRED
            and not names_unregistered(self.place)
        )

    @property
    def at_a_crossing(self) -> bool:
        """Whether it is at one crossing (交口) of ours, whichever street that side belongs to."""
        found = self.place.candidates
        ours = all(each.district == self.place.district == HOME_DISTRICT for each in found)
        return bool(found) and ours and {each.table for each in found} == {"crossings"}

    @property
    def elsewhere(self) -> bool:
        """Whether another district has it: by its place, or as a person says of one unknown."""
        named = self.row.disposition is Disposition.REDIRECT_OUT
        unplaced = self.place.certainty is Certainty.UNKNOWN
        outside = self.place.certainty is Certainty.OUTSIDE
        return outside or (named and self.by_person and unplaced)


def decide(
    policy: Policy,
    *,
    leaf: str,
    priority: Priority,
    place: Place,
    accused_unit: str | None,
    abstained: bool,
    at: datetime,
    call: tuple[str, ...] = (),
    by_person: bool = False,
    follow_up: str | None = None,
) -> Routing:
    """The routing of one ticket under the policy rows valid at `at` (aware) in Shanghai.

    `call` are the units that its danger calls, STREET among them; empty without danger.
    `follow_up` says why the ticket may only be a word on an earlier one.
    Deterministic and total for every leaf of the taxonomy; raises PolicyError for any other.
    """
    day = at.astimezone(SHANGHAI).date()
    row = policy.responsible(leaf, day, place.regime)
    asked = Question(
        policy=policy,
        row=row,
        day=day,
        priority=priority,
        place=place,
        street=_in_force(policy, place.street, day),
        owner=_in_force(policy, place.facility_owner, day) if row.facility else None,
        accused=accused_unit,
        abstained=abstained,
        call=call,
        by_person=by_person,
        follow_up=follow_up,
    )
    routing = _decide(asked)
    flags = list(routing.flags)
    if place.certainty is Certainty.TRANSFERRED:
        flags.append(FLAG_TRANSFERRED)
    if names_unregistered(place):
        flags.append(FLAG_UNREGISTERED)
    return replace(
        routing,
        flags=tuple(dict.fromkeys(flags)),
        reasons=(*place.reasons, *routing.reasons),
    )


def _decide(asked: Question) -> Routing:
    row, place = asked.row, asked.place
    if asked.abstained and asked.emergency and not asked.call:
        return _manual(asked, GRID_CENTRE, "疑似险情而分类把握不足：由网格中心立即人工判定")
    if asked.priority is Priority.P0:
        return _transfer_emergency(asked, "P0紧急：立即转110、119、120或抢修热线，同时派单")
    if asked.follow_up is not None and not asked.emergency and not asked.by_person:
        return _manual(asked, HOTLINE_OFFICE, asked.follow_up)
    if asked.accused_unknown:
        return _manual(asked, GRID_CENTRE, f"被投诉单位“{asked.accused}”不在单位名册，须人工核实")
    if row.disposition is Disposition.MANUAL_DISPATCH:
        return _manual(asked, HOTLINE_OFFICE, f"“{row.leaf_name}”由热线办人工核实，不自动办结")
    if place.certainty is Certainty.OUTSIDE and not asked.emergency:
        return _redirect(asked)
    if asked.abstained and not asked.emergency:
        if asked.place_to_ask_for:
            return _ask(asked)
        return _manual(asked, HOTLINE_OFFICE, "分类把握不足，由热线办人工判定")
    if asked.elsewhere:
        if asked.emergency:
            return _transfer_emergency(asked, "P1险情不在本区：先转应急处置")
        return _redirect(asked)
    if row.disposition is Disposition.REDIRECT_OUT:
        return _manual(asked, GRID_CENTRE, "是否属本区由地点判定：由网格中心人工核定，不直接转出")
    if place.certainty is Certainty.TRANSFERRED:
        return _manual(asked, GRID_CENTRE, "已划出南开区的社区，须人工核定管辖，不得以不属本区办结")
    if asked.street is None and not (asked.lead and (asked.emergency or asked.at_a_crossing)):
        if asked.emergency:
            return _manual(asked, GRID_CENTRE, "P1险情地点不全：人工立即派单，不退回补充信息")
        if asked.place_to_ask_for:
            return _ask(asked)
        if row.needs_place:
            return _manual(asked, GRID_CENTRE, "地名不在登记册，由网格中心人工定位")
    return _dispatch(asked)


def _ask(asked: Question) -> Routing:
    """Back to the caller, unless the candidates are for a person to choose from."""
    if asked.place.candidates and asked.place.question is None:
        return _manual(asked, GRID_CENTRE, "地点有待核定的候选，由网格中心人工定位")
    desk, question = _desk(asked, HOTLINE_OFFICE), asked.place.question
    asking = f"：{question}" if question else ""
    return _routing(asked, Disposition.AWAITING_INFO, desk, f"地点不明，须向来电人问清{asking}")


def _dispatch(asked: Question) -> Routing:
    lead = asked.lead
    if lead is None:
        return _manual(asked, GRID_CENTRE, "属地街道不明，由网格中心人工派单")
    unsure = asked.place.certainty is Certainty.AMBIGUOUS and asked.street is not None
    why = ("街道已明，社区待核实",) if unsure else ()
    if asked.at_a_crossing and asked.street is None:
        why = ("交口已明，由区级部门直接到场，属地街道待核实",)
    if asked.accused != lead:
        return _called(asked, Disposition.DISPATCH, lead, *why, _leads(asked, lead))
    if asked.emergency:
        return _manual(
            asked, GRID_CENTRE, "主责单位即被投诉单位：险情由网格中心另行指派", excluded=True
        )
    if lead == DISCIPLINE:
        return _manual(asked, HOTLINE_OFFICE, "被投诉的是督查单位，由热线办人工处理", excluded=True)
    reason = f"主责单位即被投诉单位，转{_name(asked, DISCIPLINE)}"
    return _called(asked, Disposition.DISPATCH, DISCIPLINE, *why, reason)


def _transfer_emergency(asked: Question, reason: str) -> Routing:
    """Live transfer beside the ticket; without a usable lead the grid centre coordinates."""
    if asked.elsewhere:
        desk = _desk(asked, CITY_HOTLINE)
        return _routing(
            asked,
            Disposition.TRANSFER_EMERGENCY,
            desk,
            reason,
            f"不属南开区，同时改派{_name(asked, desk)}",
        )
    lead = asked.lead
    if lead is None or lead == asked.accused or asked.accused_unknown:
        lead, reasons = _desk(asked, GRID_CENTRE), (reason, "由网格中心统筹指派")
    else:
        reasons = (reason, _leads(asked, lead))
    return _called(asked, Disposition.TRANSFER_EMERGENCY, lead, *reasons)


def _redirect(asked: Question) -> Routing:
    if asked.accused == CITY_HOTLINE:
        return _manual(
            asked, HOTLINE_OFFICE, "改派单位即被投诉单位，由热线办人工处理", excluded=True
        )
    where = asked.place.district or "外区或市级部门"
    if asked.place.certainty is not Certainty.OUTSIDE:
        where = "市级部门或外区"
    return replace(
        _routing(
            asked,
            Disposition.REDIRECT_OUT,
            CITY_HOTLINE,
            f"不属南开区（{where}），改派{_name(asked, CITY_HOTLINE)}并向来电人说明",
        ),
        limits=asked.policy.responsible(REDIRECT_LEAF, asked.day).limits,
    )


def _manual(asked: Question, desk: str, reason: str, *, excluded: bool = False) -> Routing:
    routing = _routing(asked, Disposition.MANUAL_DISPATCH, _desk(asked, desk), reason)
    return replace(routing, flags=(FLAG_ACCUSED,)) if excluded else routing


def _called(asked: Question, disposition: Disposition, lead: str, *reasons: str) -> Routing:
    """Units are called: the lead, and the assistants except lead and accused."""
    named = asked.assistants
    assist = [slug for slug in named if slug not in (None, lead, asked.accused)]
    excluded = asked.accused is not None and asked.accused in (asked.lead, *named)
    flags = {FLAG_ACCUSED: excluded, FLAG_FACILITY: lead == asked.owner}
    return replace(
        _routing(asked, disposition, lead, *reasons),
        assist_units=tuple(dict.fromkeys(slug for slug in assist if slug)),
        flags=tuple(flag for flag, holds in flags.items() if holds),
    )


def _leads(asked: Question, lead: str) -> str:
    """Why this unit leads."""
    if lead == asked.owner:
        place = asked.place.point or "此处"
        return f"先看设施权属：“{place}”的设施归{_name(asked, lead)}，由其主责，属地街道协办"
    regime = f"在{REGIME_NAMES[asked.row.regime]}" if asked.row.regime else ""
    return f"“{asked.row.leaf_name}”{regime}由{_name(asked, lead)}主责"


def _in_force(policy: Policy, slug: str | None, day: date) -> str | None:
    """The unit if it is there on that day, else None."""
    unit = policy.units.get(slug or "")
    return slug if unit is not None and unit.holds(day) else None


def _routing(asked: Question, disposition: Disposition, lead: str, *reasons: str) -> Routing:
    return Routing(disposition, lead, (), _limits(asked), (), reasons)


def _limits(asked: Question) -> Limits:
    return asked.policy.limits(asked.row, asked.priority)


def _desk(asked: Question, preferred: str) -> str:
    """The desk that acts, or the one that stands in for it where it is the accused."""
    return not_accused(preferred, asked.accused)


def _name(asked: Question, slug: str) -> str:
    return asked.policy.units[slug].name
