"""Whom a whistle may call, who blows it, and what it must say (handbook section 2)."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from services.router.domain.cases.records import CaseRecord
from services.router.domain.cases.states import AT_WORK
from services.router.domain.dangers import Response
from services.router.domain.desks import DISCIPLINE, not_accused
from services.router.domain.policy import STREET
from services.router.domain.refusals import InvalidField, LimitExceeded, WrongState
from services.router.domain.whistles.records import (
    CalledUnit,
    KindTerms,
    Summons,
    WhistleRecord,
)
from shared.discretion import GRID_CENTRE
from shared.events import CaseState, Certainty, WhistleKind, is_emergency
from shared.names import STATE_NAMES

CENTRES: Final = (GRID_CENTRE, DISCIPLINE)
"""Who blows where no street can; the latter (督查) where the grid centre is the accused."""

_ENDED: Final = (CaseState.CLOSED, CaseState.SPLIT, CaseState.MERGED)


def centre_for(accused_unit: str | None) -> str:
    """Who checks and is escalated to: the grid centre, or who stands in for it if accused."""
    return not_accused(GRID_CENTRE, accused_unit)


def blowing_street(case: CaseRecord) -> str:
    """The street of the place; the grid centre where there is none or it is the accused."""
    street = case.place.street
    if street is None or street == case.accused_unit:
        return centre_for(case.accused_unit)
    return street


def propose_emergency(case: CaseRecord, responses: Mapping[str, Response]) -> Summons | None:
    """The emergency whistle that the system proposes by itself.

    Danger calls its own units whatever the matter, the first of them leads; without a known
    danger the case's lead and assistants are called. The street and the accused are not.
    None where nobody is left, or the place is not the district's.
    """
    ended = case.state in _ENDED and not (case.alarms and case.state is CaseState.SPLIT)
    elsewhere = case.place.certainty is Certainty.OUTSIDE
    if ended or elsewhere or not is_emergency(case.priority):
        return None
    if case.alarms:
        named = [unit for alarm in case.alarms for unit in responses[alarm.kind].call]
    elif case.state in AT_WORK and case.lead_unit is not None:
        named = [case.lead_unit, *case.assist_units]
    else:
        return None
    barred = (STREET, blowing_street(case), case.accused_unit)
    units = [unit for unit in dict.fromkeys(named) if unit not in barred]
    if not units:
        return None
    lead, *assist = units
    names = "、".join(alarm.name for alarm in case.alarms)
    return Summons(
        WhistleKind.EMERGENCY,
        lead,
        tuple(assist),
        evidence="；".join(f"“{alarm.clause}”" for alarm in case.alarms),
        action=f"立即到场处置{names}，控制险情" if names else "立即到场处置，控制险情",
        basis=f"工单定级{case.priority}，应急处置",
        dangers=tuple(alarm.kind for alarm in case.alarms),
    )


def check_summons(case: CaseRecord, street: str, summons: Summons, units: Collection[str]) -> None:
    """Raises Refused unless the street may call these units to this case.

    Exactly one lead; never the accused unit, nor the street that blows. An emergency whistle
    is for danger to life or property only: P0, P1.
    """
    emergency = summons.kind is WhistleKind.EMERGENCY
    if case.state in _ENDED and not (emergency and case.state is CaseState.SPLIT):
        raise WrongState("case-ended", f"工单当前为“{STATE_NAMES[case.state]}”，不能吹哨")
    if emergency and not is_emergency(case.priority):
        raise LimitExceeded("not-an-emergency", "应急处置哨只用于P0、P1工单")
    called = (summons.lead, *summons.assist)
    if len(set(called)) != len(called):
        raise InvalidField("unit-repeated", "主办、协办单位不得重复")
    if any(unit not in units or unit in (street, case.accused_unit) for unit in called):
        raise InvalidField("unit-unavailable", "所呼叫的单位不存在，或不能由此哨呼叫")


def check_new(street: str, summons: Summons, whistles: Iterable[WhistleRecord]) -> None:
    """Raises LimitExceeded where the street has blown the very same, and it is not over yet."""
    for known in whistles:
        if not known.ended and (known.street, known.summons) == (street, summons):
            raise LimitExceeded("whistle-sounding", f"同样的哨{known.number}尚未销哨，不必重复吹哨")


def units_of(summons: Summons) -> tuple[CalledUnit, ...]:
    """The blank records of the called units, the lead first."""
    assisting = (CalledUnit(unit, lead=False) for unit in summons.assist)
    return (CalledUnit(summons.lead, lead=True), *assisting)


def missing_fields(summons: Summons, terms: KindTerms) -> tuple[str, ...]:
    """The mandatory fields that are empty."""
    return tuple(name for name in terms.mandatory if not getattr(summons, name).strip())
