"""Events of many calls: which cases join one, and what people do to events and calls.

`gather` proposes while cases are opened; a person merges, dismisses, parts and splits. Every
function works on a `Work` in hand and raises Refused; what a person does ends with `finish`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.router.domain.cases.groups import grouped, in_event
from services.router.domain.cases.records import CaseCommand, CaseRecord
from services.router.domain.cases.rules import CASE_MACHINE
from services.router.domain.cases.states import NO_PART, Command, Flag
from services.router.domain.incidents.grouping import (
    Call,
    check_lead,
    check_merge,
    default_lead,
    events_in,
    is_cluster,
)
from services.router.domain.incidents.records import IncidentRecord, IncidentState, MemberState
from services.router.domain.incidents.wording import wording
from services.router.domain.refusals import InvalidField, NotAllowed, WrongState
from services.router.storage.cases import HeldCase
from services.router.storage.incidents import lead_of, members_of, next_serials, recent_calls
from services.router.work import Work
from shared.calendar import SHANGHAI
from shared.discretion import GRID_CENTRE, may_know
from shared.events import CaseState
from shared.metrics import INCIDENT_CLUSTERS
from shared.problems import not_found
from shared.roles import Role


@dataclass(frozen=True, slots=True)
class Joined:
    """The incident a case is part of from now on, and whether it is a cluster."""

    incident: str
    cluster: bool


def gather(work: Work, numbers: Collection[str], calls: Sequence[Call]) -> Mapping[str, Joined]:
    """Hold a batch's cases, and with them those that their calls make part of an event.

    `calls` are what is to be grouped of the batch. The cases that the answer names are the
    caller's to open or to tell. One query looks for earlier calls, however many there are.
    """
    known = {call.number: call for call in _recent(work, calls)} if calls else {}
    fresh = {call.number: call for call in calls}
    events = [
        event
        for event in events_in({**fresh, **known}.values())
        if any(call.number in fresh for call in event)
    ]
    to_mark = {
        call.number
        for event in events
        for call in event
        if call.incident is None or (is_cluster(event) and not call.clustered)
    }
    work.hold({*numbers, *to_mark})
    standing = [
        [held for call in event if (held := _as_held(work, call, known)) is not None]
        for event in events
    ]
    return _join(work, [event for event in standing if len(event) > 1], to_mark)


def _recent(work: Work, calls: Sequence[Call]) -> Iterator[Call]:
    """The newest open cases where the calls may be, about what they are about."""
    places = {(call.leaf, call.street, call.community) for call in calls}
    for row in recent_calls(work.writer, places, work.now):
        read = ("text", "address", "dangers")
        known = {name: value for name, value in row.items() if name not in read}
        said = wording(work.rules.policy.gazetteer, row["text"], row["address"])
        yield Call(said=said, dangers=frozenset(row["dangers"]), **known)


def _as_held(work: Work, call: Call, known: Collection[str]) -> Call | None:
    """The call as its case stands now that it is held; None where it is part of no event.

    A case that was there before and has not been found was taken out of an event by a
    person, unless its place becomes known only now.
    """
    held = work.case(call.number)
    if held is None:
        return call
    case = held.record
    late = case.place.street is None and call.ticket_version >= case.ticket_version
    if case.state in NO_PART or not (late or call.number in known):
        return None
    return replace(call, incident=case.incident, clustered=Flag.CLUSTER in case.flags)


def _join(
    work: Work, events: Sequence[Sequence[Call]], to_mark: Collection[str]
) -> Mapping[str, Joined]:
    """Which incidents these calls make; the cases to be marked with them."""
    named = [min((c.incident for c in event if c.incident), default="") for event in events]
    work.ledger.hold_incidents(set(named) - {""})
    serials = iter(_numbers(work, named.count("")))
    joined: dict[str, Joined] = {}
    for name, event in zip(named, events, strict=True):
        incident = work.ledger.incident(name) if name else _proposed(next(serials), event)
        if incident.state is IncidentState.DISMISSED:
            continue
        joining = [call for call in event if call.incident is None]
        clustered = is_cluster(event)
        if clustered and not incident.cluster:
            INCIDENT_CLUSTERS.labels(incident.street, incident.leaf).inc()
        incident = replace(
            incident,
            count=incident.count + len(joining),
            first_at=min(incident.first_at, event[0].received_at),
            last_at=max(incident.last_at, event[-1].received_at),
            cluster=incident.cluster or clustered,
        )
        work.ledger.put_incident(incident)
        fresh = [call.number for call in joining]
        work.ledger.stand(incident.number, fresh, MemberState.PROPOSED)
        unmarked = [
            call.number
            for call in event
            if call.incident == incident.number and incident.cluster and not call.clustered
        ]
        joined |= {
            number: Joined(incident.number, incident.cluster)
            for number in (*fresh, *unmarked)
            if number in to_mark
        }
    return joined


def _proposed(number: str, event: Sequence[Call]) -> IncidentRecord:
    first, last = event[0], event[-1]
    return IncidentRecord(
        number=number,
        leaf=first.leaf,
        street=first.street,
        community=next((call.community for call in event if call.community), None),
        state=IncidentState.OPEN,
        lead=first.number,
        cluster=False,
        first_at=first.received_at,
        last_at=last.received_at,
        count=0,
    )


def _numbers(work: Work, fresh: int) -> Sequence[str]:
    """New incidents' numbers, gapless for a day in Shanghai."""
    if not fresh:
        return ()
    day = work.now.astimezone(SHANGHAI).date()
    return [f"E{day:%Y%m%d}-{serial:06d}" for serial in next_serials(work.writer, day, fresh)]


@dataclass(frozen=True, slots=True)
class MergeOrder:
    """A merge as a person wants it; None leaves the choice to the event, see MergeBody."""

    actor: str
    role: Role
    members: tuple[str, ...] | None = None
    lead: str | None = None
    note: str = ""


def merge_incident(work: Work, number: str, order: MergeOrder) -> None:
    """并单: the members wait for the answer to the lead; each caller is still called back."""
    leading = lead_of(work.writer, number)
    if leading is None:
        raise not_found()
    members = members_of(work.writer, number)
    proposed = [case for case, state in members.items() if state is MemberState.PROPOSED]
    wanted = proposed if order.members is None else list(dict.fromkeys(order.members))
    work.hold({*members, *wanted, order.lead or leading})
    work.ledger.hold_incidents([number])
    incident = work.ledger.incident(number)
    if incident.state is IncidentState.DISMISSED:
        raise WrongState("incident-dismissed", "该事件已被否定，不能并单")
    merged = (held.record for held in work.ledger.cases if held.record.state is CaseState.MERGED)
    leads = {case.merged_into for case in merged}
    for name in (*wanted, *((order.lead,) if order.lead else ())):
        if not may_know(order.role, None, _known(work, name).record.accused_unit):
            raise unknown_case(name)
    lead = _lead(work, incident, wanted, order, leads)
    check_lead(lead.record, number)
    into = lead.record.number
    if order.members is None:
        wanted = [n for n in wanted if n != into and _can_merge(_known(work, n).record)]
    elif order.lead is None and into not in leads:
        wanted.remove(into)  # the choice fell on it
    if not wanted:
        raise WrongState("nothing-to-merge", "没有可以并入的工单")
    if into not in members:
        work.ledger.stand(number, [into], MemberState.PROPOSED)
        decision = grouped(lead.record, number, cluster=incident.cluster, note=order.note)
        work.tell(lead.ticket, decision, work.by(order.actor))
    command = CaseCommand(Command.MERGE, order.actor, order.role, note=order.note, merged_into=into)
    for name in wanted:
        held = _known(work, name)
        chosen = order.lead is not None
        check_merge(held.record, lead.record, number, chosen=chosen, leads=name in leads)
        held.record = in_event(held.record, number, cluster=incident.cluster)
        work.give(held, command)
    count = incident.count + len({*wanted, into} - set(members))
    state = IncidentState.CONFIRMED
    work.ledger.put_incident(replace(incident, count=count, state=state, lead=into))
    work.ledger.stand(number, wanted, MemberState.MERGED)
    work.finish()


def dismiss_incident(work: Work, number: str, actor: str, role: Role, note: str) -> None:
    """The cases are no one event, and are not proposed as one again.

    The grid centre says so; of complaints about it the supervisor (督查) does.
    """
    if lead_of(work.writer, number) is None:
        raise not_found()
    work.hold(members_of(work.writer, number))
    work.ledger.hold_incidents([number])
    incident = work.ledger.incident(number)
    if incident.state is not IncidentState.OPEN:
        raise WrongState("incident-settled", "该事件已确认或已否定")
    members = members_of(work.writer, number)
    work.hold(members)
    for held in work.ledger.cases:
        if held.record.incident == number:
            work.tell(held.ticket, grouped(held.record, None, note=note), work.by(actor))
    accused = {held.record.accused_unit for held in work.ledger.cases}
    if (role is Role.SUPERVISOR) is not (GRID_CENTRE in accused):
        raise NotAllowed("role-not-allowed", "您的角色无权否定此事件")
    dismissed = replace(incident, state=IncidentState.DISMISSED, count=0)
    work.ledger.put_incident(dismissed)
    work.ledger.stand(number, members, MemberState.REMOVED)
    work.finish()


def leave_event(work: Work, held: HeldCase, command: CaseCommand) -> None:
    """Split a case, or unmerge it: either takes it out of its event.

    A case that others wait for is not split: whose answer would they get?
    """
    case = held.record
    if command.command is Command.SPLIT:
        waiting = (one.record for one in work.ledger.cases)
        if any(c.merged_into == case.number for c in waiting if c.state is CaseState.MERGED):
            raise WrongState("leads-others", "有其他工单并入此单，请先撤销并单")
        command = replace(command, demands=command.demands or case.demands)
    work.give(held, command)
    if case.incident is not None:
        work.ledger.hold_incidents([case.incident])
        incident = work.ledger.incident(case.incident)
        work.ledger.put_incident(replace(incident, count=incident.count - 1))
        work.ledger.stand(case.incident, [case.number], MemberState.REMOVED)


def _lead(
    work: Work,
    incident: IncidentRecord,
    wanted: Sequence[str],
    order: MergeOrder,
    leads: Collection[str | None],
) -> HeldCase:
    """The case that is worked for the others; while cases wait for one, it stays that one."""
    if incident.lead in leads:
        if order.lead not in (None, incident.lead):
            raise WrongState("incident-has-lead", f"该事件已由 {incident.lead} 主办")
        return _known(work, incident.lead)
    if order.lead is not None:
        return _known(work, order.lead)
    lead = default_lead(_known(work, number).record for number in wanted)
    if lead is None:
        raise WrongState("no-lead", "没有可以作为主单的在办工单")
    return _known(work, lead.number)


def _can_merge(case: CaseRecord) -> bool:
    return (case.state, Command.MERGE) in CASE_MACHINE.cells


def _known(work: Work, number: str) -> HeldCase:
    """A case a person named. Raises InvalidField for one that does not exist."""
    held = work.case(number)
    if held is None:
        raise unknown_case(number)
    return held


def unknown_case(number: str) -> InvalidField:
    """The refusal of a case that there is not, or that is not theirs to know of."""
    return InvalidField("unknown-case", f"没有工单 {number}")
