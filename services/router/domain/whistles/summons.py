"""Whom a whistle may call, who blows it, and what it must say (handbook section 2)."""

from collections.abc import Collection
from typing import Final

from services.router.domain.cases.duties import AT_WORK
from services.router.domain.cases.records import CaseRecord
from services.router.domain.cases.states import STATE_NAMES
from services.router.domain.desks import DISCIPLINE, GRID_CENTRE, not_accused
from services.router.domain.refusals import InvalidField, LimitExceeded, WrongState
from services.router.domain.whistles.records import CalledUnit, KindTerms, Summons
from shared.events import CaseState, Certainty, WhistleKind, is_emergency

CENTRES: Final = (GRID_CENTRE, DISCIPLINE)
"""Who blows where no street can; the latter (督查) where the grid centre is the accused."""

_ENDED: Final = (CaseState.CLOSED, CaseState.SPLIT, CaseState.MERGED)
_ELSEWHERE: Final = (Certainty.OUTSIDE, Certainty.TRANSFERRED)


def centre_for(accused_unit: str | None) -> str:
    """Who checks and is escalated to: the grid centre, or who stands in for it if accused."""
    return not_accused(GRID_CENTRE, accused_unit)


def blowing_street(case: CaseRecord) -> str:
    """The street of the place; the grid centre where there is none or it is the accused."""
    street = case.place.street
    if street is None or street == case.accused_unit:
        return centre_for(case.accused_unit)
    return street


def propose_emergency(case: CaseRecord) -> Summons | None:
    """The emergency whistle the system proposes by itself for danger that units have.

    The case's lead leads, else the first assisting unit; the street and the accused are not
    called. None where nobody is left, the case is not with a unit, or the place is not the
    district's.
    """
    if not is_emergency(case.priority) or case.state not in AT_WORK:
        return None
    if case.lead_unit is None or case.place.certainty in _ELSEWHERE:
        return None
    barred = (blowing_street(case), case.accused_unit)
    units = [u for u in dict.fromkeys((case.lead_unit, *case.assist_units)) if u not in barred]
    if not units:
        return None
    lead, *assist = units
    return Summons(
        WhistleKind.EMERGENCY,
        lead,
        tuple(assist),
        action="立即到场处置，控制险情",
        basis=f"工单定级{case.priority}，应急处置",
    )


def check_summons(case: CaseRecord, street: str, summons: Summons, units: Collection[str]) -> None:
    """Raises Refused unless the street may call these units to this case.

    Exactly one lead; never the accused unit, nor the street that blows. An emergency whistle
    is for danger to life or property only: P0, P1.
    """
    if case.state in _ENDED:
        raise WrongState("case-ended", f"工单当前为“{STATE_NAMES[case.state]}”，不能吹哨")
    if summons.kind is WhistleKind.EMERGENCY and not is_emergency(case.priority):
        raise LimitExceeded("not-an-emergency", "应急处置哨只用于P0、P1工单")
    called = (summons.lead, *summons.assist)
    if len(set(called)) != len(called):
        raise InvalidField("unit-repeated", "主办、协办单位不得重复")
    if any(unit not in units or unit in (street, case.accused_unit) for unit in called):
        raise InvalidField("unit-unavailable", "所呼叫的单位不存在，或不能由此哨呼叫")


def units_of(summons: Summons) -> tuple[CalledUnit, ...]:
    """The blank records of the called units, the lead first."""
    assisting = (CalledUnit(unit, lead=False) for unit in summons.assist)
    return (CalledUnit(summons.lead, lead=True), *assisting)


def missing_fields(summons: Summons, terms: KindTerms) -> tuple[str, ...]:
    """The mandatory fields that are empty."""
    return tuple(name for name in terms.mandatory if not getattr(summons, name).strip())
