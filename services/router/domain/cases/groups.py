"""Splitting a call into its demands (拆单), and answering many calls with one case (并单).

A ticket is not a matter (handbook section 5): one call may hold two demands, and many calls
one event. Which cases belong together is in `incidents/grouping.py`; here is what happens to each.
"""

from dataclasses import replace
from typing import Final

from services.router.domain.aggregate import cancel_clocks, settled, stop_clocks
from services.router.domain.cases.clocks import UNIT_CLOCKS, run_citizen_clock, start_unit_clocks
from services.router.domain.cases.opening import assisting, stated
from services.router.domain.cases.records import (
    CaseCommand,
    CaseDecision,
    CaseRecord,
    Outcome,
    Setting,
)
from services.router.domain.cases.states import Command, Flag
from services.router.domain.desks import not_accused
from services.router.domain.machine import Fact
from services.router.domain.refusals import InvalidField, LimitExceeded
from shared.discretion import GRID_CENTRE
from shared.events import CaseFact, CaseState, ClockKind, Disposition, SplitTicket
from shared.roles import Role
from shared.taxonomy import load_taxonomy

GROUPING: Final = frozenset({Command.SPLIT, Command.MERGE, Command.UNMERGE})
"""Commands that concern more than one case: they have routes of their own."""

FEWEST_DEMANDS: Final = 2
MOST_DEMANDS: Final = 9
"""The children's numbers end with one digit."""


def split(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """拆单: every demand becomes a ticket of its own; the case closes when they have.

    The unit's clocks end, the citizen's runs on. A split case is no part of an event any
    more: its children may be.
    """
    if case.parent is not None:
        raise LimitExceeded("split-child", "由拆单产生的工单不得再次拆单")
    demands = command.demands
    if not FEWEST_DEMANDS <= len(demands) <= MOST_DEMANDS:
        raise InvalidField("demands-count", "拆单须有二至九项诉求")
    if any(demand.leaf not in load_taxonomy() for demand in demands):
        raise InvalidField("unknown-leaf", "没有这个事项")
    tickets = tuple(
        SplitTicket(number=f"{case.number}-{place}", leaf=demand.leaf, text=demand.text)
        for place, demand in enumerate(demands, start=1)
    )
    children = tuple(ticket.number for ticket in tickets)
    parted = replace(
        cancel_clocks(case, UNIT_CLOCKS, setting.now),
        state=CaseState.SPLIT,
        demands=demands,
        children=children,
        incident=None,
        flags=case.flags - {Flag.SPLIT_PROPOSED, Flag.CLUSTER},
    )
    detail = {"children": " ".join(children)}
    return parted, (Fact(CaseFact.SPLIT, command.note, detail, split=tickets),)


def merge(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """并单: another case is worked for this one; the citizen's clock runs on."""
    into = command.merged_into or ""
    merged = cancel_clocks(case, UNIT_CLOCKS, setting.now)
    merged = replace(merged, state=CaseState.MERGED, merged_into=into)
    return merged, stated(CaseFact.MERGED, command, {"into": into})


def unmerge(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """撤销并单: back to the unit it had, with fresh clocks, else to a person.

    A person says that it is another event; the system only that its lead has fallen away.
    """
    terms, calendar, now = setting.terms, setting.calendar, setting.now
    alone = replace(
        case,
        merged_into=None,
        handler=None,
        policy_version=terms.policy_version,
        calendar_version=calendar.version,
    )
    if command.role is not Role.SYSTEM:
        alone = in_event(alone, None)
    if case.lead_unit in terms.units - {case.accused_unit}:
        alone = replace(alone, state=CaseState.DISPATCHED, desk=None, dispatched_at=now)
        alone = start_unit_clocks(alone, terms.limits, now, calendar)
    else:
        alone = replace(
            alone,
            state=CaseState.MANUAL_DISPATCH,
            disposition=Disposition.MANUAL_DISPATCH,
            lead_unit=None,
            assist_units=(),
            desk=case.desk or not_accused(GRID_CENTRE, case.accused_unit),
            dispatched_at=None,
        )
    alone = run_citizen_clock(alone, terms.limits, now, now, calendar)
    detail = {"from": case.merged_into or ""}
    return alone, stated(CaseFact.UNMERGED, command, detail)


def in_event(case: CaseRecord, incident: str | None, *, cluster: bool = False) -> CaseRecord:
    """The case as a part of an event, or of none."""
    flags = (case.flags - {Flag.CLUSTER}) | ({Flag.CLUSTER} if cluster else frozenset())
    return replace(case, incident=incident, flags=flags)


def grouped(
    case: CaseRecord, incident: str | None, *, cluster: bool = False, note: str = ""
) -> CaseDecision:
    """A case that was there before, with the event it now is a part of, or none any more."""
    fact = Fact(CaseFact.GROUPED, note, {"incident": incident or ""})
    return settled(in_event(case, incident, cluster=cluster), (fact,))


def follow(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """The lead has been verified: this caller, too, is called back.

    The unit that did the work now has this case; never the one that its caller accuses.
    """
    worked = command.lead_unit if command.lead_unit != case.accused_unit else None
    answered = replace(
        stop_clocks(case, (ClockKind.RESOLVE,), setting.now),
        state=CaseState.CALLBACK_PENDING,
        lead_unit=worked,
        desk=None,
        assist_units=assisting(command.assist_units or (), worked, case),
    )
    detail = {"into": case.merged_into or ""}
    return answered, stated(CaseFact.VERIFIED, command, detail)
