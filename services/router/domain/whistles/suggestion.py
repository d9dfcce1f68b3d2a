"""Which whistle a street would blow if it cannot do it alone (handbook section 2).

A proposal for the person who decides: nothing is blown by it. The table is read from the
top, and the first row that holds is the suggestion.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.router.domain.policy import COLLECTIVE, LONGSTANDING, NEEDS_FUNDS, REPEAT
from shared.events import Priority, WhistleKind, is_emergency

DEPARTMENTS_TOGETHER: Final = 2
"""So many departments beside the street are brought together by one whistle."""
GROWN_BEYOND: Final = frozenset({LONGSTANDING, REPEAT, NEEDS_FUNDS})
"""What makes a matter of many callers one for the street's party secretary."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the suggestion depends on; `departments` assist a street that `street_leads`."""

    priority: Priority
    flags: frozenset[str]
    street_leads: bool
    departments: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A kind of whistle and, in Chinese, why."""

    kind: WhistleKind
    reason: str


def _emergency(now: Situation) -> bool:
    return is_emergency(now.priority)


def _key_task(now: Situation) -> bool:
    return COLLECTIVE in now.flags and bool(now.flags & GROWN_BEYOND)


def _joint_enforcement(now: Situation) -> bool:
    return now.street_leads and now.departments >= DEPARTMENTS_TOGETHER


def _public_demand(now: Situation) -> bool:
    return now.street_leads and REPEAT in now.flags


SUGGESTIONS: Final[tuple[tuple[Callable[[Situation], bool], Suggestion], ...]] = (
    (
        _emergency,
        Suggestion(WhistleKind.EMERGENCY, "P0、P1险情：可吹应急处置哨"),
    ),
    (
        _key_task,
        Suggestion(WhistleKind.KEY_TASK, "集体诉求，且长期、重复或须落实资金政策：可吹重点工作哨"),
    ),
    (
        _joint_enforcement,
        Suggestion(WhistleKind.JOINT_ENFORCEMENT, "街道主责，须两个以上部门配合：可吹综合执法哨"),
    ),
    (
        _public_demand,
        Suggestion(WhistleKind.PUBLIC_DEMAND, "街道主责，群众重复反映：可吹群众诉求哨"),
    ),
)


def suggest(now: Situation) -> Suggestion | None:
    """The first row of the table that holds; None where the unit needs no whistle."""
    return next((suggestion for holds, suggestion in SUGGESTIONS if holds(now)), None)
