"""What the life of a case is told in: commands, states, flags, and how people call them.

Life of a case: handbook section 5; return and dispute: section 3. What leads from where to
where is in `rules.py`.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from services.router.domain.aggregate import OVERDUE
from shared.events import CaseState


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
    END = "end"
    ALARM = "alarm"
    RECLASSIFY = "reclassify"
    RELOCATE = "relocate"
    RESTRICT = "restrict"
    UPHOLD = "uphold"


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
    IN_DOUBT = "in_doubt"
    SUSPECTED = "suspected_danger"
    RESTRICTED = "restricted"


DOUBTS: Final = frozenset({Flag.IN_DOUBT, Flag.SUSPECTED, Flag.RESTRICTED})
"""What stands before the grid centre until a person has settled it: another leaf or place
than the case was dispatched for, a suspicion of danger, a wish for secrecy or an accusation
that was only heard in the words."""


_S = CaseState

UNDECIDED: Final = (_S.MANUAL_DISPATCH, _S.AWAITING_INFO, _S.REDIRECTED_OUT)
"""A desk decides, asks or passes on; no unit has the case."""
AT_WORK: Final = (
    *(_S.DISPATCHED, _S.RETURN_REQUESTED, _S.ACCEPTED, _S.IN_PROGRESS),
    *(_S.EXTENSION_REQUESTED, _S.SUSPENDED),
)
"""A unit has the case."""
ANSWERED: Final = (_S.REPLIED, _S.CALLBACK_PENDING)
"""The unit has answered; it is verified, and the caller is asked."""
GROUPED: Final = (_S.SPLIT, _S.MERGED)
"""Other cases are worked for it."""
TAKEN_UP: Final = (_S.MANUAL_DISPATCH, _S.AWAITING_INFO, *AT_WORK, *GROUPED)
"""Somebody works on it already, when its caller says that it is not solved."""
LIVE: Final = (*UNDECIDED, *AT_WORK, *ANSWERED, *GROUPED)
"""Every state but the last."""
TO_BE_RULED: Final = (_S.RETURN_REQUESTED, _S.EXTENSION_REQUESTED)
NO_PART: Final = (_S.CLOSED, _S.SPLIT, _S.REDIRECTED_OUT)
"""States in which a case belongs to no event that a new call could join."""

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
        Command.END: "办结",
        Command.ALARM: "险情上报",
        Command.RECLASSIFY: "改判事项或级别",
        Command.RELOCATE: "核定地点",
        Command.RESTRICT: "核定保密与被投诉单位",
        Command.UPHOLD: "维持原派",
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
        "routing": "派单依据",
    }
)
