"""What a case learns after it was opened: more of its caller's words, and danger wherever said."""

from dataclasses import replace
from typing import Final

from services.router.domain.cases.opening import stated
from services.router.domain.cases.records import (
    Aspect,
    CaseCommand,
    CaseRecord,
    Outcome,
    Routing,
    Setting,
)
from services.router.domain.cases.rerouting import CALLED_OUT, described, rerouted
from services.router.domain.cases.states import AT_WORK, UNDECIDED, Flag
from services.router.domain.machine import Fact
from shared.events import CaseFact, CaseState, Certainty, Place, is_emergency

CERTAIN: Final = (Certainty.EXACT, Certainty.STREET)


def supplement(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """The caller added something, or the ticket was classified anew, by a person or a model.

    A case that nobody has decided is routed again, but after second handlings have failed a
    person decides. A person's word and danger move the case wherever it is; a place that the
    new words surely name moves one at work. What else would move it, a model's other leaf or
    a place that is not sure, is a doubt that the grid centre settles.
    """
    told = replace(case, ticket_version=command.ticket_version or case.ticket_version)
    told = _restricted(told, command)
    supplemented = stated(CaseFact.SUPPLEMENTED, command)
    routing = command.routing
    if routing is None:
        return told, supplemented
    news = tuple(a for a in routing.alarms if a.kind not in {b.kind for b in case.alarms})
    if news:
        alarmed, facts = _alarmed(told, routing, setting)
        return alarmed, (*supplemented, *facts)
    if case.state is CaseState.CLOSED:
        return told, supplemented
    if case.state in UNDECIDED:
        if case.round > 0:
            return told, supplemented
        again, facts = rerouted(told, routing, setting)
        return again, (*supplemented, *facts)
    accused = told.accused_unit not in (None, case.accused_unit)
    moves = command.by_person or accused or _elsewhere(case, command.said_place)
    suspected = command.abstained and is_emergency(routing.priority)
    if moves and not suspected:
        moved, facts = rerouted(told, routing, setting)
        return _settled_by(command, moved), (*supplemented, *facts)
    urgent = routing.priority < case.priority and not suspected
    if urgent:
        told, ended = _more_urgent(told, routing, setting)
        detail = {"priority": routing.priority.value}
        supplemented = (*stated(CaseFact.SUPPLEMENTED, command, detail), *ended)
    doubts = _doubts(case, command, routing)
    if suspected and not is_emergency(case.priority):
        doubts["priority"] = routing.priority.value
    if not doubts:
        return told, supplemented
    raised = {Flag.IN_DOUBT} | ({Flag.SUSPECTED} if suspected else set())
    doubted = Fact(CaseFact.DOUBTED, detail=doubts)
    return replace(told, flags=told.flags | raised), (*supplemented, doubted)


def alarm(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """Danger was heard in an urge, a call-back, a note: it acts in every state of the case."""
    routing = command.routing
    assert routing is not None
    alarmed, facts = _alarmed(case, routing, setting)
    heard, *others = facts
    detail = {**heard.detail, "said_in": command.said_in}
    return alarmed, (replace(heard, detail=detail), *others)


def _alarmed(case: CaseRecord, routing: Routing, setting: Setting) -> Outcome:
    alarmed, facts = rerouted(case, routing, setting)
    heard = routing.alarms[0]
    detail = {"kind": heard.kind, "name": heard.name, "dial": "、".join(heard.dial)}
    fact = Fact(CaseFact.ALARMED, heard.clause, detail)
    return replace(alarmed, flags=alarmed.flags - {Flag.SUSPECTED}), (fact, *facts)


def _more_urgent(case: CaseRecord, routing: Routing, setting: Setting) -> Outcome:
    """The case is as it was but for its urgency: it stays with its unit, on shorter limits.

    The facts say what danger has ended: a return, an extension, a suspension.
    """
    same = replace(
        routing,
        leaf=case.leaf,
        category=case.category,
        place=case.place,
        lead_unit=case.lead_unit,
        assist_units=case.assist_units,
        reasons=case.reasons,
        demands=case.demands,
    )
    if case.state in AT_WORK:
        same = replace(same, disposition=case.disposition)
        return rerouted(case, same, setting)
    return described(case, same), ()


def _restricted(case: CaseRecord, command: CaseCommand) -> CaseRecord:
    """A wish for secrecy or an accusation that came later, unless a person has settled it."""
    if Aspect.RESTRICTION in case.settled:
        return case
    confidential = case.confidential or bool(command.confidential)
    accused = case.accused_unit or command.accused_unit
    if (confidential, accused) == (case.confidential, case.accused_unit):
        return case
    flags = case.flags | {Flag.RESTRICTED}
    return replace(case, confidential=confidential, accused_unit=accused, flags=flags)


def _elsewhere(case: CaseRecord, said: Place | None) -> bool:
    """Whether the new words surely name another place than the case has."""
    if said is None or Aspect.PLACE in case.settled or said.certainty not in CERTAIN:
        return False
    return (said.street, said.community) != (case.place.street, case.place.community)


def _doubts(case: CaseRecord, command: CaseCommand, routing: Routing) -> dict[str, str]:
    """What the case would be if it were routed now and is not: the leaf's unit, the place."""
    found: dict[str, str] = {}
    sure = not command.abstained and Aspect.LEAF not in case.settled
    other_unit = routing.disposition in CALLED_OUT and routing.lead_unit != case.lead_unit
    if sure and routing.leaf != case.leaf and other_unit and case.state in AT_WORK:
        found["leaf"] = routing.leaf
    said, settled = command.said_place, Aspect.PLACE in case.settled
    if said is not None and not settled and said.certainty not in (*CERTAIN, Certainty.UNKNOWN):
        found["place"] = said.district or said.certainty.value
    return found


def _settled_by(command: CaseCommand, case: CaseRecord) -> CaseRecord:
    if not command.by_person:
        return case
    settled = case.settled | {Aspect.LEAF, Aspect.PRIORITY}
    return replace(case, settled=settled, flags=case.flags - {Flag.IN_DOUBT, Flag.SUSPECTED})
