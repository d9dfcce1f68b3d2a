"""What a case waits for between the unit's clocks and the citizen's: nobody waits in silence.

A wait starts when its state is entered, is kept by the command that does its task, and falls
away where the case leaves the state otherwise. Rulings and disputes: handbook section 3;
second handling and suspension: sections 2 and 5.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from services.router.domain import clocks
from services.router.domain.aggregate import cancel_clocks, open_clock, stop_clocks
from services.router.domain.cases.clocks import WAITS, ladder_of, tighten_clocks
from services.router.domain.cases.records import CaseRecord, Routing, Setting, Terms, Wait
from services.router.domain.cases.states import DOUBTS, Command, Flag
from services.router.domain.desks import CITY_HOTLINE, HOTLINE_OFFICE, not_accused
from shared.calendar import SHANGHAI, Calendar, Limit
from shared.discretion import GRID_CENTRE
from shared.events import CaseState, ClockKind, is_emergency

_K = ClockKind
_S = CaseState

WAIT_OF: Final[Mapping[CaseState, ClockKind]] = MappingProxyType(
    {
        _S.MANUAL_DISPATCH: _K.DECIDE,
        _S.AWAITING_INFO: _K.ASK,
        _S.REDIRECTED_OUT: _K.HAND_OVER,
        _S.RETURN_REQUESTED: _K.RULE,
        _S.EXTENSION_REQUESTED: _K.RULE,
        _S.SUSPENDED: _K.REVIEW,
        _S.REPLIED: _K.VERIFY,
        _S.CALLBACK_PENDING: _K.CALL_BACK,
    }
)
"""The wait that starts with a state. After HAND_OVER the caller's answer is waited for."""

_RULINGS: Final = frozenset(
    {Command.REDISPATCH, Command.RECLASSIFY, Command.RELOCATE, Command.RESTRICT, Command.END}
)
DONE_BY: Final[Mapping[ClockKind, frozenset[Command]]] = MappingProxyType(
    {
        _K.DECIDE: frozenset({*_RULINGS, Command.SPLIT, Command.MERGE}),
        _K.ASK: frozenset({*_RULINGS, Command.SUPPLEMENT}),
        _K.HAND_OVER: frozenset({Command.HAND_OVER}),
        _K.RULE: frozenset({Command.RULE_RETURN, Command.RULE_EXTENSION, Command.SUSPEND}),
        _K.REVIEW: frozenset({Command.RESUME}),
        _K.VERIFY: frozenset({Command.VERIFY}),
        _K.CALL_BACK: frozenset(
            {Command.CALLED_BACK_SOLVED, Command.CALLED_BACK_UNSOLVED, Command.END}
        ),
        _K.SETTLE: frozenset({*_RULINGS, Command.UPHOLD, Command.SPLIT, Command.MERGE}),
    }
)
"""The commands that do the task of a wait."""


def settle_waits(
    before: CaseRecord, after: CaseRecord, command: Command, setting: Setting
) -> CaseRecord:
    """The changed case: waits whose task is done are stopped, the wait that begins is started.

    What is still waited for runs on. Another desk that has to decide gets its own time.
    Where only the urgency has risen, the running wait is held to the shorter limit, from now.
    A doubt has a wait of its own beside that of the state.
    """
    now = setting.now
    done = tuple(kind for kind, commands in DONE_BY.items() if command in commands)
    doubted = after.state is not _S.CLOSED and bool(after.flags & DOUBTS)
    stays = (before.state, before.desk) == (after.state, after.desk)
    same = WAIT_OF.get(after.state) if stays and command is not Command.HAND_OVER else None
    goes_on = {same, _K.SETTLE if doubted else None}
    left = tuple(kind for kind in done if kind not in goes_on)
    settled = _state_waits(before, stop_clocks(after, left, now), command, setting)
    return _doubt_waits(before, settled, setting, doubted=doubted)


def _state_waits(
    before: CaseRecord, case: CaseRecord, command: Command, setting: Setting
) -> CaseRecord:
    terms, calendar, now = setting.terms, setting.calendar, setting.now
    if command is Command.HAND_OVER:
        return _started(case, _K.CALL_BACK, terms, terms.policy_version, calendar, now)
    if (before.state, before.desk) != (case.state, case.desk):
        case = cancel_clocks(case, WAITS, now)
        return start_wait(case, terms, terms.policy_version, calendar, now)
    kind = WAIT_OF.get(case.state)
    if kind is None or case.priority >= before.priority:
        return case
    return tighten_clocks(case, ((kind, _limit(case, kind, terms)),), now, calendar)


def _doubt_waits(
    before: CaseRecord, case: CaseRecord, setting: Setting, *, doubted: bool
) -> CaseRecord:
    """The wait of a doubt begins with it, gets shorter with danger, and falls away with it."""
    terms, calendar, now = setting.terms, setting.calendar, setting.now
    if not doubted:
        return cancel_clocks(case, (_K.SETTLE,), now)
    if open_clock(case, _K.SETTLE) is None:
        return _started(case, _K.SETTLE, terms, terms.policy_version, calendar, now)
    if Flag.SUSPECTED in case.flags - before.flags:
        limit = _limit(case, _K.SETTLE, terms)
        return tighten_clocks(case, ((_K.SETTLE, limit),), now, calendar)
    return case


def start_wait(
    case: CaseRecord,
    terms: Routing | Terms,
    policy_version: str,
    calendar: Calendar,
    now: datetime,
) -> CaseRecord:
    """The case with the wait of the state it has just entered, and that of a doubt."""
    kinds = [kind for kind in (WAIT_OF.get(case.state),) if kind is not None]
    if case.flags & DOUBTS and open_clock(case, _K.SETTLE) is None:
        kinds.append(_K.SETTLE)
    for kind in kinds:
        case = _started(case, kind, terms, policy_version, calendar, now)
    return case


def missing_waits(case: CaseRecord) -> tuple[ClockKind, ...]:
    """The waits that the case's state and doubts ask for and that no open clock keeps.

    After its hand-over a redirected case waits for the caller's answer.
    """
    kinds = []
    wait = WAIT_OF.get(case.state)
    kept = (wait, _K.CALL_BACK) if wait is _K.HAND_OVER else (wait,)
    if wait is not None and not any(open_clock(case, kind) for kind in kept if kind):
        kinds.append(wait)
    doubted = case.state is not _S.CLOSED and case.flags & DOUBTS
    if doubted and open_clock(case, _K.SETTLE) is None:
        kinds.append(_K.SETTLE)
    return tuple(kinds)


def with_missing_waits(
    case: CaseRecord, terms: Terms, calendar: Calendar, now: datetime
) -> CaseRecord:
    """The case with the waits that it lacks, from now."""
    for kind in missing_waits(case):
        case = _started(case, kind, terms, terms.policy_version, calendar, now)
    return case


def latest_review(terms: Terms, now: datetime) -> date:
    """The last day a case suspended now may be reviewed."""
    return now.astimezone(SHANGHAI).date() + timedelta(dict(terms.waits)[Wait.REVIEW].amount)


def _started(
    case: CaseRecord,
    kind: ClockKind,
    terms: Routing | Terms,
    policy_version: str,
    calendar: Calendar,
    now: datetime,
) -> CaseRecord:
    wait = clocks.start(
        kind,
        _owner(case, kind),
        _limit(case, kind, terms),
        now,
        calendar,
        policy_version=policy_version,
        ladder=ladder_of(case, kind),
        round=case.round,
        due_at=_appointed(case, kind, calendar),
    )
    return replace(case, clocks=(*case.clocks, wait))


def _limit(case: CaseRecord, kind: ClockKind, terms: Routing | Terms) -> Limit:
    """The policy's limit of a wait; a decision is as urgent as the signature would be."""
    match kind:
        case _K.DECIDE:
            accept = dict(terms.limits).get(_K.ACCEPT)
            if accept is not None and accept.amount > 0:
                return accept
            wait = Wait.DECIDE
        case _K.RULE if case.state is _S.EXTENSION_REQUESTED:
            wait = Wait.RULE_EXTENSION
        case _K.RULE:
            wait = Wait.RULE_DISPUTE if case.returns > 1 else Wait.RULE_RETURN
        case _K.VERIFY if is_emergency(case.priority):
            wait = Wait.VERIFY_EMERGENCY
        case _K.SETTLE if Flag.SUSPECTED in case.flags:
            wait = Wait.SETTLE_DANGER
        case _:
            wait = Wait(kind.value)
    return dict(terms.waits)[wait]


def _owner(case: CaseRecord, kind: ClockKind) -> str:
    """Who is waited for; never the accused."""
    lead, street = case.lead_unit or GRID_CENTRE, case.place.street
    match kind:
        case _K.DECIDE:
            owner = case.desk or GRID_CENTRE
        case _K.HAND_OVER:
            owner = case.desk or CITY_HOTLINE
        case _K.REVIEW:
            owner = lead
        case _K.VERIFY:
            owner = lead if street in (None, case.accused_unit) else street
        case _K.CALL_BACK:
            owner = HOTLINE_OFFICE
        case _K.ASK:
            owner = case.desk or HOTLINE_OFFICE
        case _:
            owner = GRID_CENTRE
    return not_accused(owner, case.accused_unit)


def _appointed(case: CaseRecord, kind: ClockKind, calendar: Calendar) -> datetime | None:
    """A review is due when work starts on its day."""
    if kind is not _K.REVIEW or case.review_on is None:
        return None
    opens = calendar.sessions[0][0]
    return datetime.combine(case.review_on, opens, SHANGHAI).astimezone(UTC)
