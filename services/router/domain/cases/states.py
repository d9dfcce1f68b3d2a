"""The state machine of a case: the table, what it speaks about, and how it refuses.

Life of a case: handbook section 5; return and dispute: section 3. What a command does
beyond its row (limits, clocks) is in `commands.py` and `moves.py`.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from services.router.domain.aggregate import OVERDUE
from services.router.domain.machine import Machine, Names, Row, Rule
from shared.events import CaseFact, CaseState
from shared.roles import Role


class Command(StrEnum):
    """What a person, or the system on a citizen's word, can do to a case."""

    ACCEPT = "accept"
    CONTACT = "contact"
    REPLY = "reply"
    VERIFY = "verify"
    RETURN = "return"
    RULE_RETURN = "rule-return"
    EXTEND = "extend"
    RULE_EXTENSION = "rule-extension"
    SUSPEND = "suspend"
    RESUME = "resume"
    URGE = "urge"
    SUPERVISE = "supervise"
    REDISPATCH = "redispatch"
    HAND_OVER = "hand-over"
    SPLIT = "split"
    MERGE = "merge"
    UNMERGE = "unmerge"
    FOLLOW = "follow"
    SUPPLEMENT = "supplement"
    CALLED_BACK_SOLVED = "called-back-solved"
    CALLED_BACK_UNSOLVED = "called-back-unsolved"


class Flag(StrEnum):
    """Facets beside the state that the cases set; routing may bring others of its own.

    A case is `overdue` exactly while one of its clocks is breached, be it a desk's, and
    `escalated` once it stood before the district's leaders; the facts name whose clock.
    """

    URGED = "urged"
    SUPERVISED = "supervised"
    OVERDUE = OVERDUE
    CLUSTER = "cluster"
    SPLIT_PROPOSED = "split_proposed"
    ESCALATED = "escalated"


_S = CaseState
_F = CaseFact

_STAYS: Final = ()
_UNDECIDED: Final = (_S.MANUAL_DISPATCH, _S.AWAITING_INFO, _S.REDIRECTED_OUT)
_AT_WORK: Final = (
    _S.DISPATCHED,
    _S.RETURN_REQUESTED,
    _S.ACCEPTED,
    _S.IN_PROGRESS,
    _S.EXTENSION_REQUESTED,
    _S.SUSPENDED,
)
_ANSWERED: Final = (_S.REPLIED, _S.CALLBACK_PENDING)
_GROUPED: Final = (_S.SPLIT, _S.MERGED)
_LIVE: Final = (_S.MANUAL_DISPATCH, _S.AWAITING_INFO, *_AT_WORK, *_ANSWERED, *_GROUPED)
_ROUTING: Final = (
    _F.SUPPLEMENTED,
    _F.DISPATCHED,
    _F.TRANSFERRED_EMERGENCY,
    _F.MANUAL,
    _F.AWAITING_INFO,
    _F.REDIRECTED,
)
_RULING: Final = (_F.RETURNED, _F.REDISPATCHED, _F.RETURN_DENIED, _F.DESIGNATED)

_UNIT: Final = frozenset({Role.UNIT})
_CENTRE: Final = frozenset({Role.DISPATCHER})
_UNIT_OR_CENTRE: Final = _UNIT | _CENTRE
_LEADERS: Final = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
_SYSTEM: Final = frozenset({Role.SYSTEM})

_RULES: Final[tuple[Rule[CaseState, Command, CaseFact], ...]] = (
    Rule(
        Command.ACCEPT,
        _UNIT,
        (),
        (Row((_S.DISPATCHED,), (_S.ACCEPTED,), (_F.ACCEPTED,)),),
    ),
    Rule(
        Command.CONTACT,
        _UNIT,
        (),
        (
            Row((_S.ACCEPTED,), (_S.IN_PROGRESS,), (_F.CONTACTED,)),
            Row((_S.DISPATCHED, _S.IN_PROGRESS), _STAYS, (_F.CONTACTED,)),
        ),
    ),
    Rule(
        Command.REPLY,
        _UNIT,
        ("note",),
        (Row((_S.ACCEPTED, _S.IN_PROGRESS), (_S.REPLIED,), (_F.REPLIED,)),),
    ),
    Rule(
        Command.VERIFY,
        _UNIT_OR_CENTRE,
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
        (Row(_LIVE, _STAYS, (_F.URGED,)),),
    ),
    Rule(Command.SUPERVISE, _LEADERS, (), (Row(_LIVE, _STAYS, (_F.SUPERVISED,)),)),
    Rule(
        Command.REDISPATCH,
        _CENTRE,
        ("lead_unit",),
        (
            Row(_UNDECIDED, (_S.DISPATCHED,), (_F.DISPATCHED,)),
            Row((_S.DISPATCHED, _S.ACCEPTED, _S.IN_PROGRESS), (_S.DISPATCHED,), (_F.REDISPATCHED,)),
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
            Row(_UNDECIDED, (*_UNDECIDED, _S.DISPATCHED), _ROUTING),
            Row(
                (
                    *(_S.DISPATCHED, _S.ACCEPTED, _S.IN_PROGRESS, _S.EXTENSION_REQUESTED),
                    *(*_ANSWERED, *_GROUPED, _S.CLOSED),
                ),
                _STAYS,
                (_F.SUPPLEMENTED,),
            ),
            Row(
                (_S.RETURN_REQUESTED,),
                (_S.RETURN_REQUESTED, _S.DISPATCHED),
                (_F.SUPPLEMENTED, _F.RETURN_DENIED),
            ),
            Row((_S.SUSPENDED,), (_S.SUSPENDED, _S.IN_PROGRESS), (_F.SUPPLEMENTED, _F.RESUMED)),
        ),
    ),
    Rule(
        Command.CALLED_BACK_SOLVED,
        _SYSTEM,
        (),
        (Row((*_UNDECIDED, *_ANSWERED, _S.SPLIT), (_S.CLOSED,), (_F.CLOSED,)),),
    ),
    Rule(
        Command.CALLED_BACK_UNSOLVED,
        _SYSTEM,
        (),
        (
            Row(_ANSWERED, (_S.DISPATCHED, _S.MANUAL_DISPATCH), (_F.REOPENED, _F.MANUAL)),
            Row((_S.REDIRECTED_OUT,), (_S.MANUAL_DISPATCH,), (_F.MANUAL,)),
        ),
    ),
)

COMMAND_NAMES: Final[Mapping[Command, str]] = MappingProxyType(
    {
        Command.ACCEPT: "签收",
        Command.CONTACT: "联系诉求人",
        Command.REPLY: "答复",
        Command.VERIFY: "现场核实",
        Command.RETURN: "退单",
        Command.RULE_RETURN: "裁定退单",
        Command.EXTEND: "申请延期",
        Command.RULE_EXTENSION: "审批延期",
        Command.SUSPEND: "挂账",
        Command.RESUME: "恢复办理",
        Command.URGE: "催办",
        Command.SUPERVISE: "督办",
        Command.REDISPATCH: "派单",
        Command.HAND_OVER: "办理转出",
        Command.SPLIT: "拆单",
        Command.MERGE: "并单",
        Command.UNMERGE: "撤销并单",
        Command.FOLLOW: "随主单转回访",
        Command.SUPPLEMENT: "补充诉求",
        Command.CALLED_BACK_SOLVED: "回访办结",
        Command.CALLED_BACK_UNSOLVED: "回访未解决",
    }
)

STATE_NAMES: Final[Mapping[CaseState, str]] = MappingProxyType(
    {
        _S.MANUAL_DISPATCH: "待人工派单",
        _S.AWAITING_INFO: "待补充信息",
        _S.REDIRECTED_OUT: "已转出",
        _S.DISPATCHED: "待签收",
        _S.RETURN_REQUESTED: "退单待裁定",
        _S.ACCEPTED: "已签收",
        _S.IN_PROGRESS: "办理中",
        _S.EXTENSION_REQUESTED: "延期待审批",
        _S.SUSPENDED: "已挂账",
        _S.REPLIED: "已答复待核实",
        _S.CALLBACK_PENDING: "待回访",
        _S.SPLIT: "已拆单",
        _S.MERGED: "已并单",
        _S.CLOSED: "已办结",
    }
)

FIELD_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "note": "说明",
        "approve": "是否同意",
        "reason_code": "退单原因",
        "basis": "退单依据",
        "proposed_owner": "建议承办单位",
        "plan": "办理计划",
        "review_date": "复核日期",
        "lead_unit": "主办单位",
        "demands": "拆分后的各项诉求",
        "merged_into": "并入的工单",
    }
)

CASE_MACHINE: Final = Machine.of(_RULES, Names("工单", STATE_NAMES, COMMAND_NAMES, FIELD_NAMES))
