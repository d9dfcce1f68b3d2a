"""Many calls, one event (同一事件并单): which cases belong together, and what a merge may do.

Grouping only proposes; a person confirms. Handbook section 5: at least 3 tickets on one
event in 3 days are a cluster, and a storm of 27 calls in 30 minutes is one event. How alike
the words must be is a proposal, measured on pairs of unrelated tickets of one leaf from
the classifier's corpus: their overlap reaches ALIKE in fewer than 1 of 200 pairs, and
ALIKE_IN_A_STORM in 1 of 50.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.router.cases.records import CaseRecord, InvalidField, LimitExceeded, WrongState
from services.router.cases.states import STATE_NAMES, Command
from shared.events import CaseState, is_emergency

NEAR: Final = timedelta(days=3)
STORM: Final = timedelta(minutes=30)
CLUSTER: Final = 3
ALIKE: Final = 0.2
ALIKE_IN_A_STORM: Final = 0.1
COMPARED: Final = 400
"""Characters of a text that are compared."""
LOOK_BACK: Final = 30
"""A call is compared with this many calls before it, of the same leaf and street."""

LETTERS: Final = re.compile(r"\w+")

_S = CaseState
MAY_LEAD: Final = frozenset(CaseState) - {
    *(_S.CALLBACK_PENDING, _S.CLOSED, _S.REDIRECTED_OUT, _S.SPLIT, _S.MERGED),
}
"""States in which a case is still worked, so that others can wait for it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A case as the search for one event sees it; `words` are the bigrams of its text.

    `community` is None where only the street is known. `incident` is the event it belongs
    to already, and `clustered` whether it is marked as part of a cluster.
    """

    number: str
    leaf: str
    street: str
    community: str | None
    received_at: datetime
    words: frozenset[str]
    ticket_version: int = 1
    accused: str | None = None
    parent: str | None = None
    incident: str | None = None
    clustered: bool = False

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Calls of different keys are never one event; nor is a complaint about a unit and
        the trouble it complains of."""
        return self.leaf, self.street, self.accused


def bigrams(text: str) -> frozenset[str]:
    """The pairs of neighbouring letters at the start of a text."""
    letters = "".join(LETTERS.findall(text))[:COMPARED]
    return frozenset(letters[at : at + 2] for at in range(max(1, len(letters) - 1)))


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Sørensen and Dice's coefficient: twice what is common, of all there is."""
    return 2 * len(one & other) / (len(one) + len(other))


def alike(one: Call, other: Call) -> bool:
    """Whether two calls may speak of one event."""
    apart = abs(one.received_at - other.received_at)
    if one.key != other.key or apart > NEAR:
        return False
    if one.parent is not None and one.parent == other.parent:
        return False  # a person has told the demands of this call apart
    both_known = one.community is not None and other.community is not None
    if both_known and one.community != other.community:
        return False
    enough = ALIKE_IN_A_STORM if both_known and apart <= STORM else ALIKE
    return overlap(one.words, other.words) >= enough


def events_in(calls: Iterable[Call]) -> tuple[tuple[Call, ...], ...]:
    """The calls that belong together, at least two each, oldest first.

    Calls that are alike belong together, and those of one incident. Of each call the
    LOOK_BACK before it are looked at.
    """
    by_key: dict[tuple[str, str, str | None], list[Call]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: (call.received_at, call.number)):
        by_key[call.key].append(call)
    found: dict[int, list[Call]] = {}
    for same in by_key.values():
        group_of: dict[str, list[Call]] = {}
        for at, call in enumerate(same):
            own = group_of[call.number] = [call]
            for before in same[max(0, at - LOOK_BACK) : at]:
                other = group_of[before.number]
                if other is not own and _together(before, call):
                    other += own
                    group_of |= {one.number: other for one in own}
                    own = other
        found |= {id(group): group for group in group_of.values() if len(group) > 1}
    return tuple(
        tuple(sorted(group, key=lambda call: (call.received_at, call.number)))
        for group in found.values()
    )


def _together(one: Call, other: Call) -> bool:
    return (one.incident is not None and one.incident == other.incident) or alike(one, other)


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
    if case.accused_unit is not None and case.accused_unit == lead.lead_unit:
        raise LimitExceeded("lead-accused", f"{case.number} 投诉的正是主单的承办单位，不能并入")


def next_of_merged(case: CaseRecord, before: CaseRecord, lead: CaseRecord | None) -> Command | None:
    """What a merged case does after it has changed, or its lead has.

    Danger is not left waiting behind another case. With a verified lead the caller is
    called back; a lead that nobody works any more sets the case free. A lead that is
    reopened or that fails its verification keeps those who still wait; whoever has gone on
    to the call-back stays there.
    """
    if is_emergency(case.priority) and case.priority < before.priority:
        return Command.UNMERGE
    if lead is None or lead.state in MAY_LEAD:
        return None
    return Command.FOLLOW if lead.state is CaseState.CALLBACK_PENDING else Command.UNMERGE
