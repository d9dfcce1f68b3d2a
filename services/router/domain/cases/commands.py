"""What each command does to a case once it is known to be allowed from the case's state.

Every function here takes the case, the command and its setting, and gives the changed
case and the facts; it raises Refused where a rule beyond the table forbids. The commands
that move a case are in `moves.py`. Extension and suspension: handbook sections 2, 5.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from services.router.domain import clocks
from services.router.domain.aggregate import (
    change_clocks,
    open_clock,
    pause_clocks,
    resume_clocks,
    stop_clocks,
)
from services.router.domain.cases import groups as case_groups
from services.router.domain.cases import learning, rulings
from services.router.domain.cases import moves as case_moves
from services.router.domain.cases.clocks import WORK_CLOCKS, restart_citizen_clock
from services.router.domain.cases.opening import stated
from services.router.domain.cases.records import CaseCommand, CaseRecord, Outcome, Setting
from services.router.domain.cases.states import Command, Flag
from services.router.domain.cases.waits import latest_review
from services.router.domain.refusals import InvalidField, LimitExceeded, WrongState
from shared.calendar import SHANGHAI
from shared.events import (
    CaseFact,
    CaseState,
    ClockKind,
    is_emergency,
)

RESOLVE_ONLY: Final = (ClockKind.RESOLVE,)


def _accept(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    signed = stop_clocks(case, (ClockKind.ACCEPT,), setting.now)
    signed = replace(signed, state=CaseState.ACCEPTED, handler=command.actor)
    return signed, stated(CaseFact.ACCEPTED, command)


def _contact(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """In danger the unit calls first and signs afterwards; otherwise it signs first."""
    if case.state is CaseState.DISPATCHED and not is_emergency(case.priority):
        raise WrongState("accept-first", "请先签收，再联系诉求人")
    called = stop_clocks(case, (ClockKind.CONTACT,), setting.now)
    if case.state is CaseState.ACCEPTED:
        called = replace(called, state=CaseState.IN_PROGRESS)
    return called, stated(CaseFact.CONTACTED, command)


def _reply(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    if open_clock(case, ClockKind.CONTACT) is not None:
        raise WrongState("contact-first", "请先联系诉求人，再答复")
    replied = stop_clocks(case, RESOLVE_ONLY, setting.now)
    replied = replace(replied, state=CaseState.REPLIED, handler=command.actor)
    return replied, stated(CaseFact.REPLIED, command)


def _verify(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    if command.approve is False:
        reworked = restart_citizen_clock(case, setting.now, setting.calendar)
        reworked = replace(reworked, state=CaseState.IN_PROGRESS)
        return reworked, stated(CaseFact.VERIFICATION_FAILED, command)
    verified = replace(case, state=CaseState.CALLBACK_PENDING)
    return verified, stated(CaseFact.VERIFIED, command)


def _extend(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """Asks for more time, once a round and before the deadline; the citizen's clock runs on."""
    if case.extension_asked:
        raise LimitExceeded("extension-once", "此工单已申请过延期，不得再次申请")
    resolve = open_clock(case, ClockKind.RESOLVE)
    if resolve is None or setting.now > resolve.due_at:
        raise LimitExceeded("extension-too-late", "延期须在办理期限届满前申请")
    asked = replace(case, state=CaseState.EXTENSION_REQUESTED, extension_asked=True)
    return asked, stated(CaseFact.EXTENSION_REQUESTED, command)


def _rule_extension(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    ruled = replace(case, state=CaseState.IN_PROGRESS)
    if not command.approve:
        return ruled, stated(CaseFact.EXTENSION_DENIED, command)
    by = setting.terms.extension
    ruled = change_clocks(
        ruled, RESOLVE_ONLY, lambda clock: clocks.extend(clock, by, setting.now, setting.calendar)
    )
    return ruled, stated(CaseFact.EXTENDED, command, {"by": str(by)})


def _suspend(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """挂账: all clocks stand still until the review. A unit asks for it with an extension."""
    if is_emergency(case.priority):
        raise LimitExceeded("suspend-emergency", "P0、P1 工单不得挂账")
    review_on = command.review_date
    if review_on is None or review_on <= setting.now.astimezone(SHANGHAI).date():
        raise InvalidField("review-date-past", "复核日期须在今天之后")
    if review_on > latest_review(setting.terms, setting.now):
        raise InvalidField("review-date-far", "复核日期超过挂账的最长期限")
    parked = pause_clocks(case, WORK_CLOCKS, setting.now)
    parked = replace(parked, state=CaseState.SUSPENDED, plan=command.plan, review_on=review_on)
    detail = {"plan": command.plan, "review_date": review_on.isoformat()}
    return parked, stated(CaseFact.SUSPENDED, command, detail)


def _resume(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    resumed = resume_clocks(case, WORK_CLOCKS, setting.now, setting.calendar)
    resumed = replace(resumed, state=CaseState.IN_PROGRESS, plan="", review_on=None)
    return resumed, stated(CaseFact.RESUMED, command)


def _urge(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    urged = replace(case, flags=case.flags | {Flag.URGED})
    return urged, stated(CaseFact.URGED, command)


def _supervise(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    supervised = replace(case, flags=case.flags | {Flag.SUPERVISED})
    return supervised, stated(CaseFact.SUPERVISED, command)


def _hand_over(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """The ticket has been passed on and its caller told; once, then the call-back is due."""
    if open_clock(case, ClockKind.CALL_BACK) is not None:
        raise WrongState("handed-over", "此工单已办理转出，待回访")
    return case, stated(CaseFact.HANDED_OVER, command)


HANDLERS: Final[Mapping[Command, Callable[[CaseRecord, CaseCommand, Setting], Outcome]]] = (
    MappingProxyType(
        {
            Command.ACCEPT: _accept,
            Command.CONTACT: _contact,
            Command.REPLY: _reply,
            Command.VERIFY: _verify,
            Command.RETURN: case_moves.return_case,
            Command.RULE_RETURN: case_moves.rule_return,
            Command.EXTEND: _extend,
            Command.RULE_EXTENSION: _rule_extension,
            Command.SUSPEND: _suspend,
            Command.RESUME: _resume,
            Command.URGE: _urge,
            Command.SUPERVISE: _supervise,
            Command.REDISPATCH: case_moves.redispatch,
            Command.HAND_OVER: _hand_over,
            Command.SPLIT: case_groups.split,
            Command.MERGE: case_groups.merge,
            Command.UNMERGE: case_groups.unmerge,
            Command.FOLLOW: case_groups.follow,
            Command.SUPPLEMENT: learning.supplement,
            Command.ALARM: learning.alarm,
            Command.RECLASSIFY: rulings.reclassify,
            Command.RELOCATE: rulings.relocate,
            Command.RESTRICT: rulings.restrict,
            Command.UPHOLD: rulings.uphold,
            Command.END: case_moves.end,
            Command.CALLED_BACK_SOLVED: case_moves.end,
            Command.CALLED_BACK_UNSOLVED: case_moves.reopen,
        }
    )
)
