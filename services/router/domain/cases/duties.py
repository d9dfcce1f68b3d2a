"""Who has to do something about a case now: what each unit's queue shows of it.

The lead has it until it has replied; then whoever verifies, the lead by another person or
the street of the place. While nobody leads, a desk decides or asks. Assisting units see
live danger at once; ordinary tickets reach them by a whistle. A supervised case also
stands before the grid centre, as does one in doubt, an escalated one before who stands for
the district's leaders (handbook section 4). The accused unit never sees it (section 3).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from services.router.domain.cases.records import CaseRecord
from services.router.domain.cases.states import AT_WORK, DOUBTS, TO_BE_RULED, UNDECIDED, Flag
from services.router.domain.desks import DISTRICT_OFFICE, DUTY_ROOM, not_accused
from shared.discretion import GRID_CENTRE, may_know
from shared.events import CaseState, is_emergency
from shared.roles import Role


class Duty(StrEnum):
    """What a unit is to do: lead, assist, verify, decide at a desk, rule, supervise, settle."""

    LEAD = "lead"
    ASSIST = "assist"
    VERIFY = "verify"
    DESK = "desk"
    RULE = "rule"
    SUPERVISE = "supervise"
    SETTLE = "settle"


_S = CaseState


def duties(case: CaseRecord) -> Mapping[str, Duty]:
    """The units that have something to do, and what; the first of several duties counts."""
    due: list[tuple[str | None, Duty]] = []
    centre = not_accused(GRID_CENTRE, case.accused_unit)
    if case.state in AT_WORK:
        due.append((case.lead_unit, Duty.LEAD))
        if case.state in TO_BE_RULED:
            due.append((centre, Duty.RULE))
        if case.state is _S.RETURN_REQUESTED:
            due.append((case.proposed_owner, Duty.RULE))
        if is_emergency(case.priority):
            due.extend((unit, Duty.ASSIST) for unit in case.assist_units)
    if case.state in UNDECIDED:
        due.append((case.desk, Duty.DESK))
    if case.state is _S.REPLIED:
        due.append((case.lead_unit, Duty.VERIFY))
        due.append((case.place.street, Duty.VERIFY))
    if case.flags & DOUBTS and case.state is not _S.CLOSED:
        due.append((centre, Duty.SETTLE))
    if case.alarms and case.state is _S.SPLIT:
        due.append((centre, Duty.SUPERVISE))
    if Flag.SUPERVISED in case.flags and case.state is not _S.CLOSED:
        due.append((centre, Duty.SUPERVISE))
    if Flag.ESCALATED in case.flags and case.state is not _S.CLOSED:
        leaders = DUTY_ROOM if is_emergency(case.priority) else DISTRICT_OFFICE
        due.append((not_accused(leaders, case.accused_unit), Duty.SUPERVISE))
    found: dict[str, Duty] = {}
    for unit, duty in due:
        if unit is not None and unit != case.accused_unit:
            found.setdefault(unit, duty)
    return MappingProxyType(found)


def readers(case: CaseRecord) -> frozenset[str]:
    """The units that may look at a case: who leads, assists, or has something to do with it.

    So may the street of its place, which may blow a whistle for it, unless what the words
    accuse or keep secret is not settled yet.
    """
    street = None if Flag.RESTRICTED in case.flags else case.place.street
    named = {case.lead_unit, street, *case.assist_units, *duties(case)}
    return frozenset(unit for unit in named if unit and unit != case.accused_unit)


def may_see(case: CaseRecord, unit: str | None) -> bool:
    """Whether a unit may look at a case."""
    return unit in readers(case)


def may_read(case: CaseRecord, role: Role, unit: str | None) -> bool:
    """Whether somebody may look at a case; a dispatcher is the grid centre, accused or not."""
    return may_see(case, unit) if role is Role.UNIT else may_know(role, unit, case.accused_unit)
