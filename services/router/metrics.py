"""What the router says of its own business, by the values that people steer by.

Counted is what a transaction has committed (`count`); exact rates of a period come from the
database (`reporting`), since counters begin anew with their process.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge

from services.router.domain.aggregate import Aggregate
from services.router.domain.clocks import CITIZEN
from services.router.storage.cases import HeldCase
from services.router.storage.whistles import HeldWhistle
from shared.events import CaseFact
from shared.metrics import SetGauge

NOWHERE: Final = "unknown"
"""The street of a case without one, the unit of a case that nobody has."""

CASES_OPENED: Final = Counter(
    "hotline_cases_opened_total",
    "Cases opened, by street of the place, leaf, priority and what the router did.",
    ["street", "leaf", "priority", "disposition"],
)
REPEATS: Final = Counter(
    "hotline_repeats_total",
    "Cases opened by a ticket that refers to an earlier one.",
    ["street", "leaf"],
)
URGES: Final = Counter(
    "hotline_urges_total", "Callers who asked again about an open case.", ["street", "leaf"]
)
CLOCKS_STOPPED: Final = Counter(
    "hotline_clocks_stopped_total",
    "Clocks whose task was done, by kind, bound unit and whether in time; none cancelled.",
    ["clock", "unit", "in_time"],
)
CLOCKS_DUE_SOON: Final = Gauge(
    "hotline_clocks_due_soon",
    "Running clocks that fall due within 24 hours.",
    ["clock", "unit"],
)
CLOCKS_OVERDUE: Final = Gauge(
    "hotline_clocks_overdue", "Open clocks past their deadline.", ["clock", "unit"]
)
EMERGENCY_OLDEST_SECONDS: Final = Gauge(
    "hotline_emergency_unacknowledged_seconds",
    "Age of the oldest P0 or P1 case that its unit has not signed for, 0 without any.",
    ["priority"],
)
EMERGENCY_UNARRIVED_SECONDS: Final = SetGauge(
    "hotline_emergency_unarrived_seconds",
    "Age of the oldest call of an emergency whistle to a unit that has not arrived, 0 without any.",
)
RETURNS: Final = Counter(
    "hotline_returns_total",
    "Returns by the unit that asked, and how they were ruled.",
    ["unit", "ruling"],
)
FIRST_DISPATCHES: Final = Counter(
    "hotline_first_dispatches_total", "Cases given to their first unit.", ["unit"]
)
MOVES: Final = Counter(
    "hotline_dispatch_moves_total",
    "Cases that were taken from a unit and given to another, by the unit they left.",
    ["unit"],
)
WHISTLES_BLOWN: Final = Counter(
    "hotline_whistles_blown_total", "Whistles by kind and by the street.", ["kind", "street"]
)
WHISTLE_UNITS: Final = Counter(
    "hotline_whistle_units_total",
    "What called units did: asked, acknowledged, arrived, handled, absent, released.",
    ["unit", "step"],
)
UNIT_SCORES: Final = Counter(
    "hotline_whistle_unit_scores_total",
    "What streets answered about called units.",
    ["unit", "question", "answer"],
)
STREET_SCORES: Final = Counter(
    "hotline_whistle_street_scores_total",
    "What the grid centre answered about whistles of a street.",
    ["street", "question", "answer"],
)

_RULINGS: Final = {
    CaseFact.RETURN_REQUESTED: "asked",
    CaseFact.RETURNED: "upheld",
    CaseFact.RETURN_DENIED: "denied",
}
_CLOCK: Final = "clock"
_QUESTIONS: Final = ("in_time", "right_person", "solved")
_OF_STREETS: Final = ("necessary", "complete")


def count(held: Iterable[HeldCase]) -> None:
    """Count what one committed transaction has changed of these cases and their whistles."""
    for case in held:
        _count_case(case)
        for whistle in case.whistles.values():
            _count_whistle(whistle)


def _count_case(held: HeldCase) -> None:
    case, was = held.record, held.stored
    if case == was:
        return
    street, leaf = case.place.street or NOWHERE, case.leaf
    if was is None:
        CASES_OPENED.labels(street, leaf, case.priority, case.disposition).inc()
        if held.ticket.refers_to:
            REPEATS.labels(street, leaf).inc()
    if case.dispatched_at is not None and (was is None or was.dispatched_at is None):
        FIRST_DISPATCHES.labels(case.lead_unit or NOWHERE).inc()
    left = was.lead_unit if was is not None else None
    if left is not None and case.lead_unit is not None and case.lead_unit != left:
        MOVES.labels(left).inc()
    for told in held.told:
        fact = told.fact.fact
        if fact is CaseFact.URGED and told.by.actor != _CLOCK:
            URGES.labels(street, leaf).inc()
        if (ruling := _RULINGS.get(fact)) is not None and told.record.returned_by:
            RETURNS.labels(told.record.returned_by[-1], ruling).inc()
    _count_clocks(case, was, case.lead_unit or NOWHERE)


def _count_whistle(held: HeldWhistle) -> None:
    whistle, was = held.record, held.stored
    if whistle == was:
        return
    if was is None:
        WHISTLES_BLOWN.labels(whistle.summons.kind, whistle.street).inc()
    for called in whistle.units:
        before = was.called(called.unit) if was is not None else None
        for step, at in (
            ("asked", "called_at"),
            ("acknowledged", "acknowledged_at"),
            ("arrived", "arrived_at"),
            ("handled", "handled_at"),
            ("released", "released_at"),
        ):
            is_new = before is None or getattr(before, at) is None
            if getattr(called, at) is not None and is_new:
                WHISTLE_UNITS.labels(called.unit, step).inc()
        if called.absent and (before is None or not before.absent):
            WHISTLE_UNITS.labels(called.unit, "absent").inc()
        if called.score is not None and (before is None or before.score is None):
            for question in _QUESTIONS:
                answer = _yes(getattr(called.score, question))
                UNIT_SCORES.labels(called.unit, question, answer).inc()
    if whistle.score is not None and (was is None or was.score is None):
        for question in _OF_STREETS:
            answer = _yes(getattr(whistle.score, question))
            STREET_SCORES.labels(whistle.street, question, answer).inc()
    _count_clocks(whistle, was, NOWHERE)


def _count_clocks(record: Aggregate, was: Aggregate | None, lead: str) -> None:
    """A clock that stopped within this transaction; a new one may stop as it starts.

    The citizen's clock binds the unit that leads.
    """
    before = {clock.id: clock for clock in (was.clocks if was is not None else ())}
    for clock in record.clocks:
        known = before.get(clock.id) if clock.id is not None else None
        if clock.is_open or clock.cancelled or (known is not None and not known.is_open):
            continue
        unit = lead if clock.owner == CITIZEN else clock.owner
        CLOCKS_STOPPED.labels(clock.kind, unit, _yes(not clock.breached)).inc()


def _yes(answer: bool) -> str:
    return "true" if answer else "false"
