"""Where whistles meet the cases they are blown for, inside one transaction."""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import text

from services.router.domain.aggregate import open_clock
from services.router.domain.cases.records import CaseRecord, Wait
from services.router.domain.incidents.grouping import STORM
from services.router.domain.refusals import Refused
from services.router.domain.routing import Rules, valid_units
from services.router.domain.whistles.deciding import (
    blow,
    case_closed,
    citizen_unsolved,
    danger_over,
)
from services.router.domain.whistles.records import (
    Summons,
    WhistleDecision,
    WhistleRecord,
    WhistleSetting,
)
from services.router.domain.whistles.summons import blowing_street, propose_emergency
from services.router.storage.ledger import Entry, Ledger
from shared.calendar import SHANGHAI
from shared.database import Reader
from shared.events import CaseState, ClockKind, WhistleKind, WhistleState, is_emergency
from shared.roles import Role

SOUNDING = text(
    "SELECT DISTINCT m.incident FROM incident_member m JOIN incident i ON i.number = m.incident"
    " JOIN whistle w ON w.ticket_number = m.number WHERE m.incident = ANY(:incidents)"
    " AND m.state <> 'removed' AND w.kind = 'emergency' AND w.state <> 'closed'"
    " AND (i.state = 'confirmed' OR w.blown_at > :since)"
)
ANSWERED = (CaseState.REPLIED, CaseState.CALLBACK_PENDING)
AGAIN = (CaseState.DISPATCHED, CaseState.MANUAL_DISPATCH)
"""From an answered state only a caller who says “unsolved” leads there."""

log = structlog.get_logger()


def whistle_number(entry: Entry) -> str:
    """The number of the case's next whistle; the case is held, so nobody else takes it."""
    return f"{entry.case.number}-W{len(entry.whistles) + 1}"


def setting_for(rules: Rules, case: CaseRecord, summons: Summons, now: datetime) -> WhistleSetting:
    """What a command on a whistle of this case is decided under."""
    resolve = open_clock(case, ClockKind.RESOLVE)
    verify = Wait.VERIFY_EMERGENCY if is_emergency(case.priority) else Wait.VERIFY
    return WhistleSetting(
        terms=rules.policy.whistles.terms(summons.kind, in_progress=summons.in_progress),
        policy_version=rules.policy.version,
        units=valid_units(rules.policy, now.astimezone(SHANGHAI).date()),
        calendar=rules.calendar,
        now=now,
        confirm=dict(rules.policy.waits)[verify],
        resolve_due_at=resolve.due_at if resolve else None,
    )


def blow_for(
    ledger: Ledger,
    entry: Entry,
    rules: Rules,
    street: str,
    summons: Summons,
    now: datetime,
    *,
    actor: str,
    unit: str | None = None,
    trace: str | None = None,
    note: str = "",
) -> WhistleDecision:
    """Blow a whistle on a held case. Raises Refused."""
    setting = setting_for(rules, entry.case, summons, now)
    decision = blow(whistle_number(entry), entry.case, street, summons, actor, setting, note)
    ledger.tell_whistle(decision, now, actor=actor, unit=unit, trace=trace)
    return decision


def follow_cases(reader: Reader, ledger: Ledger, rules: Rules, now: datetime) -> None:
    """What the changes of this transaction's cases mean for their whistles.

    Danger proposes its whistle by itself, once for the case and once for all cases of one
    event; where it turns out to be none, what nobody has taken up ends. A call-back that
    closes the case closes what is still open, and one that says “unsolved” outweighs what
    the street has scored.
    """
    told = [entry for entry in ledger.entries() if entry.told]
    for entry in told:
        for held in list(entry.whistles.values()):
            decision = _consequence(entry, held.record, now)
            if decision is not None:
                last = entry.told[-1]
                ledger.tell_whistle(decision, now, actor=last.actor, trace=last.trace)
    proposals = [(entry, summons) for entry in told if (summons := _proposal(entry)) is not None]
    sounding = _sounding(reader, [entry.case.incident for entry, _ in proposals], now)
    for entry, summons in proposals:
        incident = entry.case.incident
        blown = incident not in sounding and _propose(ledger, entry, rules, summons, now)
        if blown and incident is not None:
            sounding.add(incident)


def _consequence(entry: Entry, whistle: WhistleRecord, now: datetime) -> WhistleDecision | None:
    case, before = entry.case, entry.stored
    if case.state is CaseState.CLOSED:
        return case_closed(whistle, now)
    if before is not None and before.state in ANSWERED and case.state in AGAIN:
        return citizen_unsolved(whistle)
    return None if is_emergency(case.priority) else danger_over(whistle, now)


def _proposal(entry: Entry) -> Summons | None:
    """The whistle that the case's danger proposes, if it has not had one that stood."""
    for held in entry.whistles.values():
        whistle = held.record
        stood = whistle.state is not WhistleState.CLOSED or whistle.lead.called_at is not None
        if stood and whistle.summons.kind is WhistleKind.EMERGENCY:
            return None
    return propose_emergency(entry.case)


def _propose(ledger: Ledger, entry: Entry, rules: Rules, summons: Summons, now: datetime) -> bool:
    street, actor, trace = blowing_street(entry.case), Role.SYSTEM.value, entry.told[-1].trace
    try:
        blow_for(ledger, entry, rules, street, summons, now, actor=actor, trace=trace)
    except Refused as refused:
        log.warning("whistle_not_proposed", number=entry.case.number, reason=refused.slug)
        return False
    return True


def _sounding(reader: Reader, incidents: Sequence[str | None], now: datetime) -> set[str | None]:
    """The events for which an open emergency whistle sounds.

    That is an event a person has confirmed, or a storm of calls: later and unconfirmed it
    may be another danger at the same place, and gets a whistle of its own.
    """
    named = [incident for incident in incidents if incident is not None]
    if not named:
        return set()
    given = {"incidents": named, "since": now - STORM}
    return set(reader.execute(SOUNDING, given).scalars())
