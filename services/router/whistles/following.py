"""Where whistles meet the cases they are blown for, inside one transaction."""

from datetime import datetime

import structlog
from sqlalchemy import text

from services.router.cases.clocks import open_clock
from services.router.cases.records import CaseRecord, Refused
from services.router.dispatching import Rules, valid_units
from services.router.incidents.grouping import STORM
from services.router.storing import Entry, Ledger
from services.router.whistles.deciding import (
    blow,
    case_closed,
    citizen_unsolved,
)
from services.router.whistles.records import Summons, WhistleDecision, WhistleSetting
from services.router.whistles.summons import blowing_street, propose_emergency
from shared.calendar import SHANGHAI
from shared.database import Reader
from shared.events import CaseState, ClockKind, WhistleState, is_emergency

EVENT_WHISTLE = text(
    "SELECT EXISTS (SELECT FROM incident_member m JOIN incident i ON i.number = m.incident"
    " JOIN whistle w ON w.ticket_number = m.number WHERE m.incident = :incident"
    " AND m.number <> :number AND m.state <> 'removed' AND w.state <> 'closed'"
    " AND (i.state = 'confirmed' OR w.blown_at > :since))"
)

log = structlog.get_logger()


def whistle_number(entry: Entry) -> str:
    """The number of the case's next whistle; the case is held, so nobody else takes it."""
    return f"{entry.case.number}-W{len(entry.whistles) + 1}"


def setting_for(rules: Rules, case: CaseRecord, summons: Summons, now: datetime) -> WhistleSetting:
    """What a command on a whistle of this case is decided under."""
    resolve = open_clock(case, ClockKind.RESOLVE)
    return WhistleSetting(
        terms=rules.policy.whistles.terms(summons.kind, in_progress=summons.in_progress),
        policy_version=rules.policy.version,
        units=valid_units(rules.policy, now.astimezone(SHANGHAI).date()),
        calendar=rules.calendar,
        now=now,
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
) -> WhistleDecision:
    """Blow a whistle on a held case. Raises Refused."""
    setting = setting_for(rules, entry.case, summons, now)
    decision = blow(whistle_number(entry), entry.case, street, summons, actor, setting)
    ledger.tell_whistle(decision, now, actor=actor, unit=unit, trace=trace)
    return decision


def follow_cases(reader: Reader, ledger: Ledger, rules: Rules, now: datetime) -> None:
    """What the changes of this transaction's cases mean for their whistles.

    Danger proposes its whistle by itself, once for the case and once for all cases of one
    event. A call-back that closes the case closes what is still open, and one that says
    “unsolved” outweighs what the street has scored.
    """
    for entry in ledger.entries():
        if entry.told:
            _follow_case(reader, ledger, entry, rules, now)


def _follow_case(reader: Reader, ledger: Ledger, entry: Entry, rules: Rules, now: datetime) -> None:
    case, last = entry.case, entry.told[-1]
    closed = case.state is CaseState.CLOSED
    reopened = entry.stored is not None and case.round > entry.stored.round
    for held in list(entry.whistles.values()):
        decision = None
        if closed:
            decision = case_closed(held.record, now)
        elif reopened:
            decision = citizen_unsolved(held.record)
        if decision is not None:
            ledger.tell_whistle(decision, now, actor=last.actor, trace=last.trace)
    if closed or entry.whistles or not is_emergency(case.priority):
        return
    summons = propose_emergency(case)
    if summons is not None and not _event_has_whistle(reader, ledger, case, now):
        street = blowing_street(case)
        try:
            blow_for(ledger, entry, rules, street, summons, now, actor="system", trace=last.trace)
        except Refused as refused:
            log.warning("whistle_not_proposed", number=case.number, reason=refused.slug)


def _event_has_whistle(reader: Reader, ledger: Ledger, case: CaseRecord, now: datetime) -> bool:
    """Whether an open whistle sounds for the same event, in hand or stored.

    That is an event a person has confirmed, or a storm of calls: later and unconfirmed it
    may be another danger at the same place, and gets a whistle of its own.
    """
    if case.incident is None:
        return False
    since = now - STORM
    for other in ledger.entries():
        sounding = any(
            held.record.state is not WhistleState.CLOSED and held.record.blown_at > since
            for held in other.whistles.values()
        )
        if sounding and other.case.incident == case.incident:
            return True
    given = {"incident": case.incident, "number": case.number, "since": since}
    return bool(reader.execute(EVENT_WHISTLE, given).scalar_one())
