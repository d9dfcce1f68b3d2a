"""What a case and its whistles mean for each other, as one of them changes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from services.router.domain.cases.records import CaseCommand, CaseRecord
from services.router.domain.cases.states import ANSWERED, Command
from services.router.domain.dangers import Response
from services.router.domain.whistles.deciding import (
    case_closed,
    citizen_unsolved,
    danger_over,
    moved,
)
from services.router.domain.whistles.records import (
    Happened,
    Summons,
    WhistleDecision,
    WhistleRecord,
)
from services.router.domain.whistles.summons import blowing_street, propose_emergency
from shared.events import (
    Alarm,
    CaseState,
    WhistleFact,
    WhistleKind,
    WhistleState,
    is_emergency,
)
from shared.roles import Role

AGAIN: Final = (CaseState.DISPATCHED, CaseState.MANUAL_DISPATCH)
"""From an answered state a caller who says “unsolved” leads there, and danger."""
NO_DANGER: Final = "工单经核定不属险情"

WORKED_BY: Final[Mapping[WhistleFact, Command]] = {
    WhistleFact.ACKNOWLEDGED: Command.ACCEPT,
    WhistleFact.ARRIVED: Command.CONTACT,
    WhistleFact.HANDLED: Command.REPLY,
    WhistleFact.CONFIRMED: Command.VERIFY,
    WhistleFact.NOT_CONFIRMED: Command.VERIFY,
}
"""What a called unit that also leads the case has done for it by answering the whistle."""


def consequence(
    case: CaseRecord, before: CaseRecord | None, whistle: WhistleRecord, now: datetime
) -> WhistleDecision | None:
    """What follows for a whistle from its case as it is and was.

    A case that ends closes what is still open, and a caller who says “unsolved” outweighs
    what the street has scored. Where the danger turns out to be none, what the system has
    blown for it is taken back; where the case is somewhere else, whoever is called is told.
    """
    if case.state is CaseState.CLOSED:
        return case_closed(whistle, now)
    again = before is not None and before.state in ANSWERED and case.state in AGAIN
    if again and not case.alarms:
        return citizen_unsolved(whistle)
    if not is_emergency(case.priority):
        return danger_over(whistle, NO_DANGER, now)
    return moved(whistle, case, blowing_street(case))


def proposal(
    case: CaseRecord, whistles: Iterable[WhistleRecord], responses: Mapping[str, Response]
) -> Summons | None:
    """The whistle that the case's danger proposes, for what none that stood has called yet.

    What a person has withdrawn stands until danger is heard anew.
    """
    stood = [whistle for whistle in whistles if _stood(whistle)]
    fresh = tuple(alarm for alarm in case.alarms if not _covered(alarm, stood))
    if stood and not fresh:
        return None
    summons = propose_emergency(replace(case, alarms=fresh), responses)
    if summons is None or not stood:
        return summons
    sounding = {c.unit for whistle in stood if not whistle.ended for c in whistle.units}
    units = [unit for unit in (summons.lead, *summons.assist) if unit not in sounding]
    return replace(summons, lead=units[0], assist=tuple(units[1:])) if units else None


def worked(
    case: CaseRecord, whistle: WhistleRecord, fact: Happened, actor: str
) -> Iterator[CaseCommand]:
    """The command that an answer to a whistle is on the case, where its unit leads both."""
    command = WORKED_BY.get(fact.fact)
    unit = fact.concerns or whistle.lead.unit
    if command is None or unit != case.lead_unit:
        return
    yield CaseCommand(
        command,
        actor,
        Role.SYSTEM,
        unit=unit,
        note=fact.note or whistle.lead.note,
        approve=fact.fact is not WhistleFact.NOT_CONFIRMED,
    )


def _stood(whistle: WhistleRecord) -> bool:
    """Whether an emergency whistle has counted: it sounds, has called units, or was withdrawn."""
    if whistle.summons.kind is not WhistleKind.EMERGENCY:
        return False
    return whistle.state is not WhistleState.CLOSED or whistle.lead.called_at is not None


def _covered(alarm: Alarm, whistles: Sequence[WhistleRecord]) -> bool:
    return any(
        alarm.kind in whistle.summons.dangers
        and (whistle.withdrawn_at is None or alarm.heard_at <= whistle.withdrawn_at)
        for whistle in whistles
    )
