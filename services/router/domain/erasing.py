"""A case and its whistles without a person: what stays for the figures when words are erased."""

from dataclasses import replace

from services.router.domain.aggregate import settled
from services.router.domain.cases.records import CaseDecision, CaseRecord
from services.router.domain.machine import Fact
from services.router.domain.whistles.records import WhistleRecord
from shared.erasing import demands_without_words, place_without_words
from shared.events import Alarm, CaseFact


def erased(case: CaseRecord) -> CaseDecision:
    """The case without what anybody said or wrote of it."""
    blank = replace(
        case,
        reasons=(),
        demands=demands_without_words(case.demands),
        place=place_without_words(case.place),
        alarms=_silent(case.alarms),
        ruled_out=_silent(case.ruled_out),
        plan="",
    )
    return settled(blank, (Fact(CaseFact.ERASED),))


def erased_whistle(whistle: WhistleRecord) -> WhistleRecord:
    """The whistle without what the street and the called units wrote."""
    summons = replace(
        whistle.summons, site="", evidence="", done_so_far="", action="", basis="", contact=""
    )
    units = (replace(unit, note="", refusal="") for unit in whistle.units)
    return replace(
        whistle,
        place=place_without_words(whistle.place),
        summons=summons,
        units=tuple(units),
        withdrawal="",
    )


def _silent(alarms: tuple[Alarm, ...]) -> tuple[Alarm, ...]:
    return tuple(alarm.model_copy(update={"clause": ""}) for alarm in alarms)
