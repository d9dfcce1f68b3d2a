"""The state machine of a whistle (吹哨): the table, as in `cases/states.py` for a case.

Life of a whistle: handbook section 2. What a command does beyond its row is in
`commands.py`.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from services.router.domain.aggregate import OVERDUE
from services.router.domain.machine import Machine, Names, Row, Rule
from shared.events import WhistleFact, WhistleState
from shared.roles import Role


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
    WITHDRAW = "withdraw"
    REFUSE = "refuse"
    RELEASE = "release"


class WhistleFlag(StrEnum):
    """Facets beside the state: `overdue` exactly while one of its clocks is breached."""

    URGED = "urged"
    OVERDUE = OVERDUE
    ESCALATED = "escalated"


_S = WhistleState
_F = WhistleFact
_C = WhistleCommand

_STAYS: Final = ()
_CALLED: Final = (_S.DISPATCHED, _S.HANDLED, _S.CONFIRMED)

_UNIT: Final = frozenset({Role.UNIT})
_CENTRE: Final = frozenset({Role.DISPATCHER})
_STREET: Final = _UNIT | _CENTRE
"""The street that blew; the grid centre acts for it where the place has no street."""

_RULES: Final[tuple[Rule[WhistleState, WhistleCommand, WhistleFact], ...]] = (
    Rule(
        _C.AMEND,
        _STREET,
        ("summons",),
        (Row((_S.PROPOSED, _S.REJECTED), (_S.PROPOSED,), (_F.AMENDED,)),),
    ),
    Rule(
        _C.SIGN,
        _STREET,
        (),
        (Row((_S.PROPOSED,), (_S.SIGNED,), (_F.SIGNED,)), Row(_CALLED, _STAYS, (_F.SIGNED,))),
    ),
    Rule(
        _C.DISPATCH,
        _CENTRE,
        (),
        (Row((_S.PROPOSED, _S.SIGNED), (_S.DISPATCHED,), (_F.DISPATCHED,)),),
    ),
    Rule(_C.REJECT, _CENTRE, (), (Row((_S.SIGNED,), (_S.REJECTED,), (_F.REJECTED,)),)),
    Rule(_C.ACKNOWLEDGE, _UNIT, (), (Row(_CALLED, _STAYS, (_F.ACKNOWLEDGED,)),)),
    Rule(_C.ARRIVE, _UNIT, (), (Row(_CALLED, _STAYS, (_F.ARRIVED,)),)),
    Rule(
        _C.HANDLE,
        _UNIT,
        (),
        (
            Row((_S.DISPATCHED,), (_S.DISPATCHED, _S.HANDLED), (_F.HANDLED,)),
            Row((_S.HANDLED, _S.CONFIRMED), _STAYS, (_F.HANDLED,)),
        ),
    ),
    Rule(
        _C.CONFIRM,
        _STREET,
        (),
        (Row((_S.HANDLED,), (_S.CONFIRMED, _S.DISPATCHED), (_F.CONFIRMED, _F.NOT_CONFIRMED)),),
    ),
    Rule(_C.SCORE, _STREET, (), (Row((_S.CONFIRMED, _S.CLOSED), _STAYS, (_F.SCORED,)),)),
    Rule(_C.CLOSE, _STREET, (), (Row((_S.CONFIRMED,), (_S.CLOSED,), (_F.CLOSED,)),)),
    Rule(
        _C.WITHDRAW,
        _STREET,
        ("reason",),
        (
            Row(
                (_S.PROPOSED, _S.SIGNED, _S.REJECTED, *_CALLED),
                (_S.WITHDRAWN,),
                (_F.WITHDRAWN,),
            ),
        ),
    ),
    Rule(_C.REFUSE, _UNIT, ("reason",), (Row(_CALLED, _STAYS, (_F.REFUSED,)),)),
    Rule(
        _C.RELEASE,
        _CENTRE,
        (),
        (
            Row(
                (_S.DISPATCHED,),
                (_S.DISPATCHED, _S.HANDLED),
                (_F.RELEASED, _F.REFUSAL_DENIED),
            ),
            Row((_S.HANDLED, _S.CONFIRMED), _STAYS, (_F.RELEASED, _F.REFUSAL_DENIED)),
        ),
    ),
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
        _C.WITHDRAW: "撤哨",
        _C.REFUSE: "拒哨",
        _C.RELEASE: "解除呼叫",
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
        _S.WITHDRAWN: "已撤哨",
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

WHISTLE_FIELD_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"summons": "吹哨内容", "reason": "理由"}
)

WHISTLE_MACHINE: Final = Machine.of(
    _RULES,
    Names("哨单", WHISTLE_STATE_NAMES, WHISTLE_COMMAND_NAMES, WHISTLE_FIELD_NAMES),
)
