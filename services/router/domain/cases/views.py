"""A case as the bus and the interface show it."""

from typing import Final

from services.router.domain.cases.records import CaseRecord
from services.router.domain.clocks import Clock
from shared.events import Case, ClockView

_CASE: Final = tuple(Case.model_fields)
_CLOCK: Final = tuple(ClockView.model_fields)


def case_view(case: CaseRecord) -> Case:
    """The payload of a case: the fields of the published Case, as the record has them."""
    shown = {name: getattr(case, name) for name in _CASE}
    shown["flags"] = tuple(sorted(case.flags))
    shown["clocks"] = tuple(map(clock_view, case.clocks))
    return Case.model_construct(**shown)


def clock_view(clock: Clock) -> ClockView:
    """The payload of a clock."""
    shown = {name: getattr(clock, name) for name in _CLOCK}
    return ClockView.model_construct(**{**shown, "within": str(clock.within)})
