"""The state machine of a whistle (吹哨): the table, as in `cases/states.py` for a case.

Life of a whistle: handbook section 2. What a command does beyond its row is in
`commands.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from services.router.cases.states import Role
from shared.events import WhistleFact, WhistleState


class WhistleCommand(StrEnum):
    """What a person can do to a whistle that has been blown."""

    AMEND = "amend"
    SIGN = "sign"
    DISPATCH = "dispatch"
    REJECT = "reject"
    ACKNOWLEDGE = "acknowledge"
    ARRIVE = "arrive"
    HANDLE = "handle"
    CONFIRM = "confirm"
    SCORE = "score"
    CLOSE = "close"


class WhistleFlag(StrEnum):
    """Facets beside the state: `overdue` exactly while one of its clocks is breached."""

    URGED = "urged"
    OVERDUE = "overdue"
    ESCALATED = "escalated"


@dataclass(frozen=True, slots=True)
class WhistleTransition:
    """A cell of the table: where the command may lead from the state and what it may state.

    `who`: roles that may give it; `needs`: fields of WhistleOrder that must be filled.
    """

    to: tuple[WhistleState, ...]
    facts: tuple[WhistleFact, ...]
    who: frozenset[Role]
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """From any of these states to one of those; nothing in `to` means the state stays."""

    sources: tuple[WhistleState, ...]
    to: tuple[WhistleState, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    command: WhistleCommand
    who: frozenset[Role]
    needs: tuple[str, ...]
    facts: tuple[WhistleFact, ...]
    rows: tuple[_Row, ...]


_S = WhistleState
_F = WhistleFact
_C = WhistleCommand

_STAYS: Final = ()
_CALLED: Final = (_S.DISPATCHED, _S.HANDLED, _S.CONFIRMED)

_UNIT: Final = frozenset({Role.UNIT})
_CENTRE: Final = frozenset({Role.DISPATCHER})
_STREET: Final = _UNIT | _CENTRE
"""The street that blew; the grid centre acts for it where the place has no street."""

_RULES: Final = (
    _Rule(
        _C.AMEND,
        _STREET,
        ("summons",),
        (_F.AMENDED,),
        (_Row((_S.PROPOSED, _S.REJECTED), (_S.PROPOSED,)),),
    ),
    _Rule(
        _C.SIGN,
        _STREET,
        (),
        (_F.SIGNED,),
        (_Row((_S.PROPOSED,), (_S.SIGNED,)), _Row(_CALLED, _STAYS)),
    ),
    _Rule(
        _C.DISPATCH,
        _CENTRE,
        (),
        (_F.DISPATCHED,),
        (_Row((_S.PROPOSED, _S.SIGNED), (_S.DISPATCHED,)),),
    ),
    _Rule(_C.REJECT, _CENTRE, (), (_F.REJECTED,), (_Row((_S.SIGNED,), (_S.REJECTED,)),)),
    _Rule(_C.ACKNOWLEDGE, _UNIT, (), (_F.ACKNOWLEDGED,), (_Row(_CALLED, _STAYS),)),
    _Rule(_C.ARRIVE, _UNIT, (), (_F.ARRIVED,), (_Row(_CALLED, _STAYS),)),
    _Rule(
        _C.HANDLE,
        _UNIT,
        (),
        (_F.HANDLED,),
        (
            _Row((_S.DISPATCHED,), (_S.DISPATCHED, _S.HANDLED)),
            _Row((_S.HANDLED, _S.CONFIRMED), _STAYS),
        ),
    ),
    _Rule(
        _C.CONFIRM,
        _STREET,
        (),
        (_F.CONFIRMED, _F.NOT_CONFIRMED),
        (_Row((_S.HANDLED,), (_S.CONFIRMED, _S.DISPATCHED)),),
    ),
    _Rule(_C.SCORE, _STREET, (), (_F.SCORED,), (_Row((_S.CONFIRMED, _S.CLOSED), _STAYS),)),
    _Rule(_C.CLOSE, _STREET, (), (_F.CLOSED,), (_Row((_S.CONFIRMED,), (_S.CLOSED,)),)),
)

WHISTLE_TABLE: Final[Mapping[tuple[WhistleState, WhistleCommand], WhistleTransition]] = (
    MappingProxyType(
        {
            (state, rule.command): WhistleTransition(
                row.to or (state,), rule.facts, rule.who, rule.needs
            )
            for rule in _RULES
            for row in rule.rows
            for state in row.sources
        }
    )
)

WHISTLE_WHO: Final[Mapping[WhistleCommand, frozenset[Role]]] = MappingProxyType(
    {rule.command: rule.who for rule in _RULES}
)

WHISTLE_COMMAND_NAMES: Final[Mapping[WhistleCommand, str]] = MappingProxyType(
    {
        _C.AMEND: "补正",
        _C.SIGN: "签发",
        _C.DISPATCH: "派哨",
        _C.REJECT: "退回补正",
        _C.ACKNOWLEDGE: "应哨",
        _C.ARRIVE: "报到",
        _C.HANDLE: "反馈处置结果",
        _C.CONFIRM: "现场核实",
        _C.SCORE: "评价",
        _C.CLOSE: "销哨",
    }
)

WHISTLE_STATE_NAMES: Final[Mapping[WhistleState, str]] = MappingProxyType(
    {
        _S.PROPOSED: "待签发",
        _S.SIGNED: "待核派",
        _S.REJECTED: "退回补正",
        _S.DISPATCHED: "处置中",
        _S.HANDLED: "待现场核实",
        _S.CONFIRMED: "已核实",
        _S.CLOSED: "已销哨",
    }
)

SUMMONS_FIELD_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "site": "地点",
        "evidence": "事实与证据",
        "done_so_far": "街道已做工作",
        "action": "请求事项",
        "basis": "事项清单或法律依据",
        "contact": "联系人",
    }
)
"""The fields of a summons that a policy can make mandatory."""

WHISTLE_FIELD_NAMES: Final[Mapping[str, str]] = MappingProxyType({"summons": "吹哨内容"})
