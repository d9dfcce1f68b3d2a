"""A case as the bus and the interface show it."""

from services.router.domain.cases.records import CaseRecord
from services.router.domain.clocks import Clock
from shared.events import Case, ClockView


def case_view(case: CaseRecord) -> Case:
    """The payload of a case: the fields of the published Case, as the record has them."""
    shown = {name: getattr(case, name) for name in Case.model_fields}
    shown["flags"] = tuple(sorted(case.flags))
    shown["clocks"] = tuple(map(clock_view, case.clocks))
    return Case.model_construct(**shown)


def clock_view(clock: Clock) -> ClockView:
    """The payload of a clock."""
    shown = {name: getattr(clock, name) for name in ClockView.model_fields}
    return ClockView.model_construct(**{**shown, "within": str(clock.within)})
