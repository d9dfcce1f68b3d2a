"""The state machine of a case: what every command may do from every state.

What a command does within its row (limits, clocks) is in `commands.py`, `moves.py`,
`learning.py`, `rulings.py` and `groups.py`.
"""

from typing import Final

from services.router.domain.cases.states import (
    ANSWERED,
    AT_WORK,
    COMMAND_NAMES,
    FIELD_NAMES,
    GROUPED,
    LIVE,
    TAKEN_UP,
    UNDECIDED,
    Command,
)
from services.router.domain.machine import Machine, Names, Row, Rule
from shared.events import CaseFact, CaseState
from shared.names import STATE_NAMES
from shared.roles import Role

_S = CaseState
_F = CaseFact

_STAYS: Final = ()
_URGED: Final = tuple(state for state in LIVE if state is not _S.REDIRECTED_OUT)
_ROUTING: Final = (
    *(_F.DISPATCHED, _F.REDISPATCHED, _F.TRANSFERRED_EMERGENCY, _F.MANUAL, _F.AWAITING_INFO),
    *(_F.REDIRECTED, _F.RETURN_DENIED, _F.RESUMED, _F.REOPENED, _F.UNMERGED),
)
"""What it may mean for a case that its leaf, place or priority is another."""
_LEARNED: Final = (_F.ALARMED, _F.DOUBTED, *_ROUTING)
_RULING: Final = (_F.RETURNED, _F.REDISPATCHED, _F.RETURN_DENIED, _F.DESIGNATED)

_UNIT: Final = frozenset({Role.UNIT})
_CENTRE: Final = frozenset({Role.DISPATCHER})
_UNIT_OR_CENTRE: Final = _UNIT | _CENTRE
_LEADERS: Final = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
_SYSTEM: Final = frozenset({Role.SYSTEM})


def _moved_by(facts: tuple[CaseFact, ...]) -> tuple[Row[CaseState, CaseFact], ...]:
    """Where a case may go that is with a unit, answered, grouped or ended, as more is known.

    It stays, or goes to another unit or desk; danger ends a return, an extension and a
    suspension, and brings back what was answered, merged or closed.
    """
    return (
        *(
            Row((state,), (state, _S.DISPATCHED, *UNDECIDED), facts)
            for state in AT_WORK
            if state not in (_S.EXTENSION_REQUESTED, _S.SUSPENDED)
        ),
        *(
            Row((state,), (state, _S.DISPATCHED, _S.IN_PROGRESS, *UNDECIDED), facts)
            for state in (_S.EXTENSION_REQUESTED, _S.SUSPENDED)
        ),
        *(
            Row((state,), (state, _S.DISPATCHED, *UNDECIDED), facts)
            for state in (*ANSWERED, _S.MERGED, _S.CLOSED)
        ),
        Row((_S.SPLIT,), _STAYS, facts),
    )


_ENDING: Final = (
    Row((*UNDECIDED, *ANSWERED, *GROUPED), (_S.CLOSED,), (_F.CLOSED,)),
    *(Row((state,), (state, _S.CLOSED), (_F.CLOSED, _F.REOPENED)) for state in AT_WORK),
)
"""How a ticket ends that intake has ended, whatever its case was doing meanwhile."""

_RULES: Final[tuple[Rule[CaseState, Command, CaseFact], ...]] = (
    Rule(
        Command.ACCEPT,
        _UNIT | _SYSTEM,
        (),
        (Row((_S.DISPATCHED,), (_S.ACCEPTED,), (_F.ACCEPTED,)),),
    ),
    Rule(
        Command.CONTACT,
        _UNIT | _SYSTEM,
        (),
        (
            Row((_S.ACCEPTED,), (_S.IN_PROGRESS,), (_F.CONTACTED,)),
            Row((_S.DISPATCHED, _S.IN_PROGRESS), _STAYS, (_F.CONTACTED,)),
        ),
    ),
    Rule(
        Command.REPLY,
        _UNIT | _SYSTEM,
        ("note",),
        (Row((_S.ACCEPTED, _S.IN_PROGRESS), (_S.REPLIED,), (_F.REPLIED,)),),
    ),
    Rule(
        Command.VERIFY,
        _UNIT_OR_CENTRE | _SYSTEM,
        (),
        (
            Row(
                (_S.REPLIED,),
                (_S.CALLBACK_PENDING, _S.IN_PROGRESS),
                (_F.VERIFIED, _F.VERIFICATION_FAILED),
            ),
        ),
    ),
    Rule(
        Command.RETURN,
        _UNIT,
        ("reason_code", "basis", "proposed_owner"),
        (Row((_S.DISPATCHED,), (_S.RETURN_REQUESTED,), (_F.RETURN_REQUESTED,)),),
    ),
    Rule(
        Command.RULE_RETURN,
        _UNIT_OR_CENTRE,
        ("approve",),
        (Row((_S.RETURN_REQUESTED,), (_S.DISPATCHED,), _RULING),),
    ),
    Rule(
        Command.EXTEND,
        _UNIT,
        ("note",),
        (Row((_S.IN_PROGRESS,), (_S.EXTENSION_REQUESTED,), (_F.EXTENSION_REQUESTED,)),),
    ),
    Rule(
        Command.RULE_EXTENSION,
        _CENTRE,
        ("approve",),
        (Row((_S.EXTENSION_REQUESTED,), (_S.IN_PROGRESS,), (_F.EXTENDED, _F.EXTENSION_DENIED)),),
    ),
    Rule(
        Command.SUSPEND,
        _CENTRE,
        ("plan", "review_date"),
        (Row((_S.IN_PROGRESS, _S.EXTENSION_REQUESTED), (_S.SUSPENDED,), (_F.SUSPENDED,)),),
    ),
    Rule(
        Command.RESUME,
        _UNIT_OR_CENTRE | _SYSTEM,
        (),
        (Row((_S.SUSPENDED,), (_S.IN_PROGRESS,), (_F.RESUMED,)),),
    ),
    Rule(
        Command.URGE,
        _LEADERS | {Role.OPERATOR, Role.SYSTEM},
        (),
        (Row(_URGED, _STAYS, (_F.URGED,)),),
    ),
    Rule(Command.SUPERVISE, _LEADERS, (), (Row(_URGED, _STAYS, (_F.SUPERVISED,)),)),
    Rule(
        Command.REDISPATCH,
        _CENTRE,
        ("lead_unit",),
        (
            Row(UNDECIDED, (_S.DISPATCHED,), (_F.DISPATCHED, _F.RECLASSIFIED)),
            Row(
                (_S.DISPATCHED, _S.ACCEPTED, _S.IN_PROGRESS, _S.SUSPENDED),
                (_S.DISPATCHED,),
                (_F.REDISPATCHED, _F.RECLASSIFIED),
            ),
        ),
    ),
    Rule(
        Command.HAND_OVER,
        _UNIT_OR_CENTRE | {Role.OPERATOR},
        (),
        (Row((_S.REDIRECTED_OUT,), _STAYS, (_F.HANDED_OVER,)),),
    ),
    Rule(
        Command.SPLIT,
        _CENTRE,
        ("demands",),
        (
            Row(
                (
                    *(_S.MANUAL_DISPATCH, _S.AWAITING_INFO),
                    *(_S.DISPATCHED, _S.ACCEPTED, _S.IN_PROGRESS),
                ),
                (_S.SPLIT,),
                (_F.SPLIT,),
            ),
        ),
    ),
    Rule(
        Command.MERGE,
        _CENTRE,
        ("merged_into",),
        (
            Row(
                (
                    *(_S.MANUAL_DISPATCH, _S.AWAITING_INFO),
                    *(_S.DISPATCHED, _S.ACCEPTED, _S.IN_PROGRESS),
                ),
                (_S.MERGED,),
                (_F.MERGED,),
            ),
        ),
    ),
    Rule(
        Command.UNMERGE,
        _CENTRE | _SYSTEM,
        (),
        (Row((_S.MERGED,), (_S.DISPATCHED, _S.MANUAL_DISPATCH), (_F.UNMERGED,)),),
    ),
    Rule(
        Command.FOLLOW,
        _SYSTEM,
        (),
        (Row((_S.MERGED,), (_S.CALLBACK_PENDING,), (_F.VERIFIED,)),),
    ),
    Rule(
        Command.SUPPLEMENT,
        _SYSTEM,
        (),
        (
            Row(UNDECIDED, (*UNDECIDED, _S.DISPATCHED), (_F.SUPPLEMENTED, *_LEARNED)),
            *_moved_by((_F.SUPPLEMENTED, *_LEARNED)),
        ),
    ),
    Rule(
        Command.CALLED_BACK_SOLVED,
        _SYSTEM,
        (),
        _ENDING,
    ),
    Rule(
        Command.CALLED_BACK_UNSOLVED,
        _SYSTEM,
        (),
        (
            Row(ANSWERED, (_S.DISPATCHED, _S.MANUAL_DISPATCH), (_F.REOPENED, _F.MANUAL)),
            Row((_S.REDIRECTED_OUT,), (_S.MANUAL_DISPATCH,), (_F.MANUAL,)),
            Row(TAKEN_UP, _STAYS, (_F.REOPENED,)),
        ),
    ),
    Rule(Command.END, _SYSTEM, ("reason_code",), _ENDING),
    Rule(
        Command.ALARM,
        _SYSTEM,
        ("routing",),
        (
            Row(UNDECIDED, (*UNDECIDED, _S.DISPATCHED), _LEARNED),
            *_moved_by(_LEARNED),
        ),
    ),
    Rule(
        Command.RECLASSIFY,
        _CENTRE | _SYSTEM,
        ("note",),
        (
            Row(UNDECIDED, (*UNDECIDED, _S.DISPATCHED), (_F.RECLASSIFIED, *_ROUTING)),
            *_moved_by((_F.RECLASSIFIED, *_ROUTING)),
        ),
    ),
    Rule(
        Command.RELOCATE,
        _CENTRE,
        ("note",),
        (
            Row(UNDECIDED, (*UNDECIDED, _S.DISPATCHED), (_F.RELOCATED, *_ROUTING)),
            *_moved_by((_F.RELOCATED, *_ROUTING)),
        ),
    ),
    Rule(
        Command.RESTRICT,
        _LEADERS,
        ("note",),
        (
            Row(UNDECIDED, (*UNDECIDED, _S.DISPATCHED), (_F.RESTRICTED, *_ROUTING)),
            *_moved_by((_F.RESTRICTED, *_ROUTING)),
        ),
    ),
    Rule(Command.UPHOLD, _CENTRE, ("note",), (Row(LIVE, _STAYS, (_F.UPHELD,)),)),
)

CASE_MACHINE: Final = Machine.of(_RULES, Names("工单", STATE_NAMES, COMMAND_NAMES, FIELD_NAMES))
