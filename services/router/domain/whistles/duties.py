"""Who has to do something about a whistle now, and who may look at it.

The called units have it from the dispatch until each has handled its part. The grid centre
has danger from the start, and what goes up stands before it and before whom it goes up to, until
the end. The accused unit
never has or sees it (handbook section 3): it neither blows nor is called nor checks.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

from services.router.domain.desks import DESKS
from services.router.domain.whistles.records import WhistleRecord
from services.router.domain.whistles.states import WhistleFlag
from services.router.domain.whistles.summons import centre_for
from shared.discretion import may_know
from shared.events import WhistleKind, WhistleState
from shared.roles import Role


class WhistleDuty(StrEnum):
    """What a unit's queue asks of it: the street signs, confirms and scores, the centre checks."""

    SIGN = "whistle_sign"
    CHECK = "whistle_check"
    LEAD = "whistle_lead"
    ASSIST = "whistle_assist"
    CONFIRM = "whistle_confirm"
    SCORE = "whistle_score"
    ESCALATED = "whistle_escalated"
    RULE = "whistle_rule"


_S = WhistleState
_DISPATCHED = (_S.DISPATCHED, _S.HANDLED, _S.CONFIRMED)


def whistle_duties(whistle: WhistleRecord) -> Mapping[str, str]:
    """The units that have something to do, and what; the first of several duties counts."""
    found: dict[str, str] = {}
    for unit, duty in _due(whistle):
        found.setdefault(unit, duty.value)
    return MappingProxyType(found)


def may_see_whistle(whistle: WhistleRecord, unit: str | None) -> bool:
    """Whether a unit may look at a whistle: who blew it, checks it, or has been called to it.

    Also before whom it has been brought.
    """
    if unit is not None and unit == whistle.accused_unit:
        return False
    called = whistle.called(unit)
    if called is not None and called.called_at is not None:
        return True
    return unit in (whistle.street, centre_for(whistle.accused_unit), *whistle.escalated_to)


def may_read_whistle(whistle: WhistleRecord, role: Role, unit: str | None) -> bool:
    """As `may_read` of a case: a dispatcher is the grid centre, accused or not."""
    if role is Role.UNIT:
        return may_see_whistle(whistle, unit)
    return may_know(role, unit, whistle.accused_unit)


def _due(whistle: WhistleRecord) -> Iterator[tuple[str, WhistleDuty]]:
    street, centre = whistle.street, centre_for(whistle.accused_unit)
    match whistle.state:
        case _S.PROPOSED | _S.REJECTED:
            yield street, WhistleDuty.SIGN
            if whistle.summons.kind is WhistleKind.EMERGENCY:
                yield centre, WhistleDuty.CHECK
        case _S.SIGNED:
            yield centre, WhistleDuty.CHECK
        case _S.HANDLED:
            yield street, WhistleDuty.CONFIRM
        case _S.CONFIRMED if any(c.is_called and c.score is None for c in whistle.units):
            yield street, WhistleDuty.SCORE
    if whistle.state in _DISPATCHED:
        if whistle.signed_at is None:
            yield street, WhistleDuty.SIGN
        for called in whistle.units:
            if called.is_called and called.handled_at is None:
                yield called.unit, WhistleDuty.LEAD if called.lead else WhistleDuty.ASSIST
        if any(called.refuses for called in whistle.units):
            yield centre, WhistleDuty.RULE
    if not whistle.ended and WhistleFlag.ESCALATED in whistle.flags:
        for desk in (centre, *sorted(whistle.escalated_to.intersection(DESKS))):
            yield desk, WhistleDuty.ESCALATED
