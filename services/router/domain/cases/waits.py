"""What a case waits for between the unit's clocks and the citizen's: nobody waits in silence.

A wait starts when its state is entered, is kept by the command that does its task, and falls
away where the case leaves the state otherwise. Rulings and disputes: handbook section 3;
second handling and suspension: sections 2 and 5. While a case awaits information only the
citizen's clock runs.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from services.router.domain import clocks
from services.router.domain.aggregate import cancel_clocks, stop_clocks
from services.router.domain.cases.clocks import WAITS, ladder_of, tighten_clocks
from services.router.domain.cases.records import CaseRecord, Routing, Setting, Terms, Wait
from services.router.domain.cases.states import Command
from services.router.domain.desks import CITY_HOTLINE, GRID_CENTRE, HOTLINE_OFFICE, not_accused
from shared.calendar import SHANGHAI, Calendar, Limit
from shared.events import CaseState, ClockKind, is_emergency

_K = ClockKind
_S = CaseState

WAIT_OF: Final[Mapping[CaseState, ClockKind]] = MappingProxyType(
    {
        _S.MANUAL_DISPATCH: _K.DECIDE,
        _S.REDIRECTED_OUT: _K.HAND_OVER,
        _S.RETURN_REQUESTED: _K.RULE,
        _S.EXTENSION_REQUESTED: _K.RULE,
        _S.SUSPENDED: _K.REVIEW,
        _S.REPLIED: _K.VERIFY,
        _S.CALLBACK_PENDING: _K.CALL_BACK,
    }
)
"""The wait that starts with a state. After HAND_OVER the caller's answer is waited for."""

DONE_BY: Final[Mapping[ClockKind, frozenset[Command]]] = MappingProxyType(
    {
        _K.DECIDE: frozenset({Command.REDISPATCH, Command.SPLIT, Command.MERGE}),
        _K.HAND_OVER: frozenset({Command.HAND_OVER}),
        _K.RULE: frozenset({Command.RULE_RETURN, Command.RULE_EXTENSION, Command.SUSPEND}),
        _K.REVIEW: frozenset({Command.RESUME}),
        _K.VERIFY: frozenset({Command.VERIFY}),
        _K.CALL_BACK: frozenset({Command.CALLED_BACK_SOLVED, Command.CALLED_BACK_UNSOLVED}),
    }
)
"""The commands that do the task of a wait."""


def settle_waits(
    before: CaseRecord, after: CaseRecord, command: Command, setting: Setting
) -> CaseRecord:
    """The changed case: waits whose task is done are stopped, the wait that begins is started.

    Another desk that has to decide gets its own time. Where only the urgency has risen, the
    running wait is held to the shorter limit, from now.
    """
    terms, calendar, now = setting.terms, setting.calendar, setting.now
    done = tuple(kind for kind, commands in DONE_BY.items() if command in commands)
    settled = stop_clocks(after, done, now)
    if command is Command.HAND_OVER:
        return _started(settled, _K.CALL_BACK, terms, terms.policy_version, calendar, now)
    if (before.state, before.desk) != (after.state, after.desk):
        settled = cancel_clocks(settled, WAITS, now)
        return start_wait(settled, terms, terms.policy_version, calendar, now)
    kind = WAIT_OF.get(after.state)
    if kind is None or after.priority >= before.priority:
        return settled
    return tighten_clocks(settled, ((kind, _limit(after, kind, terms)),), now, calendar)


def start_wait(
    case: CaseRecord,
    terms: Routing | Terms,
    policy_version: str,
    calendar: Calendar,
    now: datetime,
) -> CaseRecord:
    """The case with the wait of the state it has just entered."""
    kind = WAIT_OF.get(case.state)
    return case if kind is None else _started(case, kind, terms, policy_version, calendar, now)


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
        case _:
            owner = GRID_CENTRE
    return not_accused(owner, case.accused_unit)


def _appointed(case: CaseRecord, kind: ClockKind, calendar: Calendar) -> datetime | None:
    """A review is due when work starts on its day."""
    if kind is not _K.REVIEW or case.review_on is None:
        return None
    opens = calendar.sessions[0][0]
    return datetime.combine(case.review_on, opens, SHANGHAI).astimezone(UTC)
