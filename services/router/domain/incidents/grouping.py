"""Many calls, one event (同一事件并单): which cases belong together, and what a merge may do.

Grouping only proposes; a person confirms. Handbook section 5: at least 3 tickets on one
event in 3 days are a cluster, and a storm of 27 calls in 30 minutes is one event. How alike
the words must be is a proposal, measured on pairs of unrelated tickets of one leaf from
the classifier's corpus: their overlap reaches ALIKE in fewer than 1 of 200 pairs, and
ALIKE_IN_A_STORM in 1 of 7: that they come from one community within half an hour says
more than their words, for no two people describe a flood alike.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from services.router.domain.cases.records import CaseRecord
from services.router.domain.cases.states import Command
from services.router.domain.incidents.wording import Wording, overlap
from services.router.domain.refusals import InvalidField, LimitExceeded, WrongState
from shared.events import CaseState, is_emergency
from shared.names import STATE_NAMES

NEAR: Final = timedelta(days=3)
STORM: Final = timedelta(minutes=30)
CLUSTER: Final = 3
ALIKE: Final = 0.2
ALIKE_IN_A_STORM: Final = 0.05
CROWD: Final = 5
"""So many calls of one event in a storm take in the next, whatever its words."""
DANGER_NEAR: Final = timedelta(hours=12)
"""Two dangers further apart than this are two, whatever else is the same."""
TRAPPED: Final = "trapped_lift"
LOOK_BACK: Final = 30
"""A call is compared with this many calls before it, of the same leaf and community."""

_S = CaseState
MAY_LEAD: Final = frozenset(CaseState) - {
    *(_S.CALLBACK_PENDING, _S.CLOSED, _S.REDIRECTED_OUT, _S.SPLIT, _S.MERGED),
}
"""States in which a case is still worked, so that others can wait for it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A case as the search for one event sees it.

    `community` is None where only the street is known; `dangers` are the kinds it tells of.
    `incident` is the event it belongs
    to already, and `clustered` whether it is marked as part of a cluster.
    """

    number: str
    leaf: str
    street: str
    community: str | None
    received_at: datetime
    said: Wording
    ticket_version: int = 1
    accused: str | None = None
    parent: str | None = None
    incident: str | None = None
    clustered: bool = False
    dangers: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Calls of different keys are never one event; nor is a complaint about a unit and
        the trouble it complains of."""
        return self.leaf, self.street, self.accused


def alike(one: Call, other: Call, *, crowd: bool = False) -> bool:
    """Whether two calls may speak of one event; `crowd`: many near one of them do already.

    Calls that name different buildings need the same words even in a storm: two fires in
    half an hour are two dangers.
    """
    apart = abs(one.received_at - other.received_at)
    if one.key != other.key or apart > NEAR:
        return False
    if one.parent is not None and one.parent == other.parent:
        return False  # a person has told the demands of this call apart
    both_known = one.community is not None and other.community is not None
    if both_known and one.community != other.community:
        return False
    if not both_known and _differ(one.said.compounds, other.said.compounds):
        return False
    elsewhere = _differ(one.said.buildings, other.said.buildings)
    if one.dangers and other.dangers:
        here, there = Scene.of_call(one), Scene.of_call(other)
        if not same_danger(here, there, DANGER_NEAR):
            return False
    if both_known and apart <= STORM and not elsewhere:
        return crowd or overlap(one.said.words, other.said.words) >= ALIKE_IN_A_STORM
    if elsewhere and apart > STORM:
        return False
    return overlap(one.said.matter, other.said.matter) >= ALIKE


@dataclass(frozen=True, slots=True)
class Scene:
    """One danger as a call tells of it: its kinds, its words, and when."""

    kinds: frozenset[str]
    said: Wording
    at: datetime

    @classmethod
    def of_call(cls, call: Call) -> "Scene":
        """The danger of a call."""
        return cls(call.dangers, call.said, call.received_at)


def same_danger(one: Scene, other: Scene, near: timedelta) -> bool:
    """Whether two calls, no further apart than `near`, may tell of one danger.

    Never of different kinds, or at different buildings or lifts; people are trapped in one
    lift of one entrance.
    """
    if abs(one.at - other.at) > near or _differ(one.kinds, other.kinds):
        return False
    trapped = TRAPPED in one.kinds | other.kinds
    return not (
        _differ(one.said.buildings, other.said.buildings)
        or _differ(one.said.lifts, other.said.lifts)
        or (trapped and _differ(one.said.units, other.said.units))
    )


def _differ(one: Set[object], other: Set[object]) -> bool:
    return bool(one and other) and one.isdisjoint(other)


def events_in(calls: Iterable[Call]) -> tuple[tuple[Call, ...], ...]:
    """The calls that belong together, at least two each, oldest first.

    Calls that are alike belong together, and those of one incident. A call that does not
    say its community never joins two. Of each call the LOOK_BACK before it are looked at.
    """
    group_of: dict[str, list[Call]] = {}
    before: dict[object, deque[Call]] = defaultdict(lambda: deque(maxlen=LOOK_BACK))
    for call in sorted(calls, key=lambda call: (call.received_at, call.number)):
        own = group_of[call.number] = [call]
        here = before[call.key, call.community]
        known = (here, before[call.key, None]) if call.community else (before[call.key],)
        for earlier in chain(*known):
            other = group_of[earlier.number]
            if other is not own and _together(earlier, call, other, own):
                other += own
                group_of |= {one.number: other for one in own}
                own = other
        here.append(call)
        before[call.key].append(call)
    found = {id(group): group for group in group_of.values() if len(group) > 1}
    return tuple(
        tuple(sorted(group, key=lambda call: (call.received_at, call.number)))
        for group in found.values()
    )


def _together(one: Call, other: Call, ones: Sequence[Call], others: Sequence[Call]) -> bool:
    """Whether two calls make one event of the groups they are in."""
    if one.incident is not None and one.incident == other.incident:
        return True
    communities = _community(ones), _community(others)
    if None not in communities and communities[0] != communities[1]:
        return False
    return alike(one, other, crowd=_crowd(ones, other) or _crowd(others, one))


def _crowd(calls: Sequence[Call], other: Call) -> bool:
    """Whether the last calls of a group are many, all near to another call."""
    last = calls[-CROWD:]
    return len(last) == CROWD and all(
        abs(call.received_at - other.received_at) <= STORM for call in last
    )


def _community(calls: Iterable[Call]) -> str | None:
    return next((call.community for call in calls if call.community), None)


def is_cluster(calls: Sequence[Call]) -> bool:
    """Whether so many distinct tickets came in so few days that a supervisor should look."""
    at = sorted(call.received_at for call in calls)
    return any(last - first <= NEAR for first, last in zip(at, at[CLUSTER - 1 :], strict=False))


def default_lead(cases: Iterable[CaseRecord]) -> CaseRecord | None:
    """Of the cases that are still worked the most urgent, then the oldest."""
    able = (case for case in cases if case.state in MAY_LEAD)
    return min(able, key=lambda case: (case.priority, case.number), default=None)


def check_lead(lead: CaseRecord, incident: str) -> None:
    """Raises WrongState for a case that nobody works any more, or that is of another event."""
    if lead.state not in MAY_LEAD:
        state = STATE_NAMES[lead.state]
        raise WrongState("lead-not-open", f"主单当前为“{state}”，不能并入")
    if lead.incident not in (None, incident):
        raise WrongState("other-incident", f"{lead.number} 属于另一事件，请先处理该事件")


def check_merge(
    case: CaseRecord, lead: CaseRecord, incident: str, *, chosen: bool, leads: bool
) -> None:
    """Raises Refused where `case` must not wait for the answer to the incident's `lead`.

    `chosen`: a person named the lead. `leads`: other cases already wait for `case`.
    """
    if case.number == lead.number:
        raise InvalidField("merge-into-itself", "工单不能并入自身")
    if leads:
        raise WrongState("leads-others", f"{case.number} 是其他工单的主单，不能并入别的工单")
    if case.incident not in (None, incident):
        raise WrongState("other-incident", f"{case.number} 属于另一事件，请先处理该事件")
    if case.category != lead.category and not chosen:
        raise InvalidField("other-category", f"{case.number} 与主单类别不同，请指定主单")
    if is_emergency(case.priority) and case.priority < lead.priority:
        raise LimitExceeded("more-urgent", f"{case.number} 比主单紧急，请以它为主单")
    if accuses_units_of(case, lead):
        raise LimitExceeded("lead-accused", f"{case.number} 投诉的正是主单的承办单位，不能并入")


def accuses_units_of(case: CaseRecord, lead: CaseRecord) -> bool:
    """Whether who is accused in one case would come to work the other, or decide on it."""
    accused = case.accused_unit
    return accused is not None and accused in (lead.lead_unit, lead.desk, *lead.assist_units)


def next_of_merged(case: CaseRecord, before: CaseRecord, lead: CaseRecord | None) -> Command | None:
    """What a merged case does after it has changed, or its lead has.

    Danger is not left waiting behind another case, nor is a complaint behind one that the
    accused has come to work. With a verified lead the caller is
    called back; a lead that nobody works any more sets the case free. A lead that is
    reopened or that fails its verification keeps those who still wait; whoever has gone on
    to the call-back stays there.
    """
    if is_emergency(case.priority) and case.priority < before.priority:
        return Command.UNMERGE
    if lead is not None and accuses_units_of(case, lead):
        return Command.UNMERGE
    if lead is None or lead.state in MAY_LEAD:
        return None
    return Command.FOLLOW if lead.state is CaseState.CALLBACK_PENDING else Command.UNMERGE
