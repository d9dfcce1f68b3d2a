"""The suggested whistle: the table's rows, in their order."""

import pytest

from services.router.domain.policy import COLLECTIVE, LONGSTANDING, NEEDS_FUNDS, REPEAT
from services.router.domain.whistles.suggestion import SUGGESTIONS, Situation, suggest
from shared.events import Priority, WhistleKind

EMERGENCY, KEY_TASK = WhistleKind.EMERGENCY, WhistleKind.KEY_TASK
JOINT, PUBLIC = WhistleKind.JOINT_ENFORCEMENT, WhistleKind.PUBLIC_DEMAND


@pytest.mark.parametrize(
    ("priority", "flags", "street_leads", "departments", "kind"),
    [
        (Priority.P0, (), False, 0, EMERGENCY),
        (Priority.P1, (COLLECTIVE, LONGSTANDING), True, 3, EMERGENCY),
        (Priority.P3, (COLLECTIVE, LONGSTANDING), False, 1, KEY_TASK),
        (Priority.P3, (COLLECTIVE, REPEAT), True, 3, KEY_TASK),
        (Priority.P3, (COLLECTIVE, NEEDS_FUNDS), False, 0, KEY_TASK),
        (Priority.P3, (COLLECTIVE,), False, 3, None),
        (Priority.P3, (LONGSTANDING, REPEAT, NEEDS_FUNDS), False, 3, None),
        (Priority.P3, (), True, 2, JOINT),
        (Priority.P3, (REPEAT,), True, 2, JOINT),
        (Priority.P3, (), False, 2, None),
        (Priority.P3, (REPEAT,), True, 1, PUBLIC),
        (Priority.P3, (REPEAT,), False, 1, None),
        (Priority.P3, (), True, 1, None),
    ],
)
def test_the_first_row_that_holds_is_suggested(
    priority: Priority,
    flags: tuple[str, ...],
    street_leads: bool,
    departments: int,
    kind: WhistleKind | None,
) -> None:
    found = suggest(Situation(priority, frozenset(flags), street_leads, departments))
    assert (found and found.kind) == kind


def test_every_kind_can_be_suggested_and_says_why() -> None:
    assert {suggestion.kind for _, suggestion in SUGGESTIONS} == set(WhistleKind)
    assert all(suggestion.reason for _, suggestion in SUGGESTIONS)
