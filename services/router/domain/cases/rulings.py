"""What a person corrects on a case: its matter, its urgency, its place, whom it accuses.

Every mistake that was made in routing has its way back here; the citizen's clock runs on.
"""

from dataclasses import replace

from services.router.domain.cases.opening import corrections, stated
from services.router.domain.cases.records import Aspect, CaseCommand, CaseRecord, Outcome, Setting
from services.router.domain.cases.rerouting import rerouted
from services.router.domain.cases.states import Flag
from services.router.domain.refusals import InvalidField, MissingField, WrongState
from shared.events import CaseFact, Certainty, is_emergency

NO_PLACE = (Certainty.UNKNOWN, Certainty.AMBIGUOUS)


def reclassify(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """改判: another leaf, another priority, or both; who is responsible follows.

    A priority below danger says of every alarm that it is none.
    """
    if command.leaf is None and command.priority is None:
        raise MissingField("missing-field", "请填写改判后的事项或级别")
    routing = command.routing
    assert routing is not None
    settled = case.settled
    settled |= {Aspect.LEAF} if command.leaf is not None else frozenset()
    settled |= {Aspect.PRIORITY} if command.priority is not None else frozenset()
    ruled = replace(case, settled=settled, flags=case.flags - {Flag.IN_DOUBT, Flag.SUSPECTED})
    if not is_emergency(routing.priority):
        ruled = replace(ruled, alarms=(), ruled_out=(*case.ruled_out, *case.alarms))
    ruled, facts = rerouted(ruled, routing, setting)
    detail = corrections(case, ruled)
    return ruled, (*stated(CaseFact.RECLASSIFIED, command, detail), *facts)


def relocate(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """核定地点: where a person says it is, by street, by community or in words."""
    routing = command.routing
    if routing is None:
        raise MissingField("missing-field", "请填写街道、社区或地点")
    if routing.place.certainty in NO_PLACE:
        raise InvalidField("place-unknown", "所填地点仍无法确定到街道，请写明街道或社区")
    ruled = replace(
        case,
        settled=case.settled | {Aspect.PLACE},
        flags=case.flags - {Flag.IN_DOUBT},
    )
    ruled, facts = rerouted(ruled, routing, setting)
    detail = {"from": case.place.street or "", "to": ruled.place.street or ""}
    return ruled, (*stated(CaseFact.RELOCATED, command, detail), *facts)


def restrict(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """Whether the caller is protected and who is accused, as a person says after reading it."""
    routing = command.routing
    assert routing is not None
    ruled = replace(
        case,
        accused_unit=command.accused_unit,
        confidential=bool(command.confidential),
        settled=case.settled | {Aspect.RESTRICTION},
        flags=case.flags - {Flag.RESTRICTED},
    )
    ruled, facts = rerouted(ruled, routing, setting)
    detail = {
        "confidential": str(ruled.confidential).lower(),
        "accused_unit": ruled.accused_unit or "",
    }
    return ruled, (*stated(CaseFact.RESTRICTED, command, detail), *facts)


def uphold(case: CaseRecord, command: CaseCommand, setting: Setting) -> Outcome:
    """维持原派: what was doubted is right as it is."""
    if not case.flags & {Flag.IN_DOUBT, Flag.SUSPECTED}:
        raise WrongState("nothing-in-doubt", "此工单没有待核的疑点")
    settled = case.settled | {Aspect.LEAF, Aspect.PLACE, Aspect.PRIORITY}
    upheld = replace(case, settled=settled, flags=case.flags - {Flag.IN_DOUBT, Flag.SUSPECTED})
    return upheld, stated(CaseFact.UPHELD, command)
