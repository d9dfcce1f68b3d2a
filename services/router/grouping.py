"""What a person does to events and calls, each in one transaction: merge, dismiss, part, split.

Every function here holds the cases it concerns, decides, and stores; it raises Refused, and
the 404 of what does not exist.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from services.router.domain.cases.deciding import decide
from services.router.domain.cases.groups import grouped, in_event
from services.router.domain.cases.records import CaseCommand, CaseRecord
from services.router.domain.cases.states import CASE_MACHINE, Command
from services.router.domain.incidents.grouping import check_lead, check_merge, default_lead
from services.router.domain.refusals import InvalidField, WrongState
from services.router.domain.routing import Rules, same_terms
from services.router.storage.incident_tables import IncidentRow, IncidentState, MemberState
from services.router.storage.incidents import hold_together, locked, members_of, stand
from services.router.storage.ledger import Entry, Ledger
from shared.database import Writer
from shared.events import CaseState
from shared.problems import not_found
from shared.roles import Role


@dataclass(frozen=True, slots=True)
class MergeOrder:
    """A merge as a person wants it; None leaves the choice to the event, see MergeBody."""

    actor: str
    role: Role
    members: tuple[str, ...] | None = None
    lead: str | None = None
    note: str = ""


def merge_incident(
    writer: Writer, rules: Rules, number: str, order: MergeOrder, now: datetime
) -> None:
    """并单: the members wait for the answer to the lead; each caller is still called back."""
    found = writer.get(IncidentRow, number)
    if found is None:
        raise not_found()
    members = members_of(writer, number)
    proposed = [case for case, state in members.items() if state is MemberState.PROPOSED]
    wanted = proposed if order.members is None else list(dict.fromkeys(order.members))
    ledger = Ledger(writer)
    hold_together(writer, ledger, {*members, *wanted, order.lead or found.lead})
    (incident,) = locked(writer, [number])
    if incident.state == IncidentState.DISMISSED:
        raise WrongState("incident-dismissed", "该事件已被否定，不能并单")
    leads = {case.merged_into for case in ledger.held() if case.state is CaseState.MERGED}
    lead = _lead(ledger, incident, wanted, order, leads)
    check_lead(lead.case, number)
    if order.members is None:
        wanted = [n for n in wanted if n != lead.case.number and _can_merge(_known(ledger, n).case)]
    elif order.lead is None and lead.case.number not in leads:
        wanted.remove(lead.case.number)  # the choice fell on it
    if not wanted:
        raise WrongState("nothing-to-merge", "没有可以并入的工单")
    if lead.case.number not in members:
        stand(writer, number, [lead.case.number], MemberState.PROPOSED, now)
        decision = grouped(lead.case, number, cluster=incident.cluster, note=order.note)
        ledger.tell(lead.ticket, decision, now, actor=order.actor)
    into = lead.case.number
    command = CaseCommand(Command.MERGE, order.actor, order.role, note=order.note, merged_into=into)
    for name in wanted:
        entry = _known(ledger, name)
        chosen = order.lead is not None
        check_merge(entry.case, lead.case, number, chosen=chosen, leads=name in leads)
        case = in_event(entry.case, number, cluster=incident.cluster)
        decision = decide(case, command, same_terms(rules, case, now), rules.calendar, now)
        ledger.tell(entry.ticket, decision, now, actor=order.actor)
    incident.count += len({*wanted, into} - set(members))
    incident.state = IncidentState.CONFIRMED
    incident.lead = into
    stand(writer, number, wanted, MemberState.MERGED, now)
    ledger.store()


def dismiss_incident(writer: Writer, number: str, actor: str, note: str, now: datetime) -> None:
    """The cases are no one event, and are not proposed as one again."""
    if writer.get(IncidentRow, number) is None:
        raise not_found()
    ledger = Ledger(writer)
    ledger.hold(members_of(writer, number))
    (incident,) = locked(writer, [number])
    if incident.state != IncidentState.OPEN:
        raise WrongState("incident-settled", "该事件已确认或已否定")
    members = members_of(writer, number)
    ledger.hold(late for late in members if ledger.get(late) is None)
    for entry in ledger.entries():
        if entry.case.incident == number:
            ledger.tell(entry.ticket, grouped(entry.case, None, note=note), now, actor=actor)
    incident.state = IncidentState.DISMISSED
    incident.count = 0
    stand(writer, number, members, MemberState.REMOVED, now)
    ledger.store()


def unmerge_case(
    writer: Writer, rules: Rules, number: str, command: CaseCommand, now: datetime
) -> Entry:
    """撤销并单: the case goes its own way again, and is no part of its event."""
    ledger = Ledger(writer)
    ledger.hold([number])
    entry = _found(ledger, number)
    return _leave(writer, ledger, rules, entry, command, now)


def split_case(
    writer: Writer, rules: Rules, number: str, command: CaseCommand, now: datetime
) -> Entry:
    """拆单, into the demands that were proposed where the command names none.

    A case that others wait for is not split: whose answer would they get?
    """
    ledger = Ledger(writer)
    hold_together(writer, ledger, [number])
    entry = _found(ledger, number)
    if any(case.merged_into == number for case in ledger.held() if case.state is CaseState.MERGED):
        raise WrongState("leads-others", "有其他工单并入此单，请先撤销并单")
    command = replace(command, demands=command.demands or entry.case.demands)
    return _leave(writer, ledger, rules, entry, command, now)


def _leave(
    writer: Writer,
    ledger: Ledger,
    rules: Rules,
    entry: Entry,
    command: CaseCommand,
    now: datetime,
) -> Entry:
    """Carry out a command that takes the case out of its event."""
    case = entry.case
    decision = decide(case, command, same_terms(rules, case, now), rules.calendar, now)
    ledger.tell(entry.ticket, decision, now, actor=command.actor)
    if case.incident is not None:
        (incident,) = locked(writer, [case.incident])
        incident.count -= 1
        stand(writer, case.incident, [case.number], MemberState.REMOVED, now)
    ledger.store()
    return entry


def _lead(
    ledger: Ledger,
    incident: IncidentRow,
    wanted: list[str],
    order: MergeOrder,
    leads: set[str | None],
) -> Entry:
    """The case that is worked for the others; while cases wait for one, it stays that one."""
    if incident.lead in leads:
        if order.lead not in (None, incident.lead):
            raise WrongState("incident-has-lead", f"该事件已由 {incident.lead} 主办")
        return _known(ledger, incident.lead)
    if order.lead is not None:
        return _known(ledger, order.lead)
    lead = default_lead(_known(ledger, number).case for number in wanted)
    if lead is None:
        raise WrongState("no-lead", "没有可以作为主单的在办工单")
    return _known(ledger, lead.number)


def _can_merge(case: CaseRecord) -> bool:
    return (case.state, Command.MERGE) in CASE_MACHINE.cells


def _known(ledger: Ledger, number: str) -> Entry:
    """A case a person named. Raises InvalidField for one that does not exist."""
    entry = ledger.get(number)
    if entry is None:
        raise InvalidField("unknown-case", f"没有工单 {number}")
    return entry


def _found(ledger: Ledger, number: str) -> Entry:
    entry = ledger.get(number)
    if entry is None:
        raise not_found()
    return entry
