"""Which clocks a whistle has: for the signature, the check, the confirmation, three for each unit.

Each called unit acknowledges, arrives and handles on clocks of its own: late units escalate
one by one, the others stand (handbook section 2).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from services.router.domain import clocks
from services.router.domain.aggregate import replaced
from services.router.domain.clocks import Ladder
from services.router.domain.whistles.records import WhistleRecord, WhistleSetting
from shared.calendar import Calendar, Limit, LimitUnit, due
from shared.events import ClockKind, WhistleKind

UNIT_CLOCKS: Final = (ClockKind.ACKNOWLEDGE, ClockKind.ARRIVE, ClockKind.HANDLE)
_DAY: Final = timedelta(days=1)


def start_clock(
    whistle: WhistleRecord,
    kind: ClockKind,
    owner: str,
    within: Limit | None,
    setting: WhistleSetting,
    due_at: datetime | None = None,
) -> WhistleRecord:
    """The whistle with one more clock, for the limit or until `due_at`; no limit, no clock."""
    if within is None:
        return whistle
    emergency = whistle.summons.kind is WhistleKind.EMERGENCY
    clock = clocks.start(
        kind,
        owner,
        within,
        setting.now,
        setting.calendar,
        policy_version=setting.policy_version,
        ladder=Ladder.EMERGENCY if emergency else Ladder.NORMAL,
        due_at=due_at,
    )
    return replace(whistle, clocks=(*whistle.clocks, clock))


def start_unit_clocks(whistle: WhistleRecord, setting: WhistleSetting) -> WhistleRecord:
    """Each called unit's own three clocks, from now; without a deadline there is none to handle.

    The appointed time counts where it is earlier than the limit to arrive. Where the kind
    has no limit to handle, the ticket's own deadline counts, which a whistle never resets.
    """
    terms, now = setting.terms, setting.now
    handle, handle_by = terms.handle, None
    if handle is None and setting.resolve_due_at is not None:
        handle_by = setting.resolve_due_at
        handle = Limit(max(1, ceil((handle_by - now) / _DAY)), LimitUnit.CALENDAR_DAY)
    arrive_by = whistle.summons.appointed_at
    latest = due(setting.calendar, now, terms.arrive).due_at
    if arrive_by is not None:
        arrive_by = arrive_by.astimezone(UTC) if now < arrive_by < latest else None
    for unit in [called.unit for called in whistle.units if called.is_called]:
        whistle = start_clock(whistle, ClockKind.ACKNOWLEDGE, unit, terms.acknowledge, setting)
        whistle = start_clock(whistle, ClockKind.ARRIVE, unit, terms.arrive, setting, arrive_by)
        whistle = start_clock(whistle, ClockKind.HANDLE, unit, handle, setting, handle_by)
    return whistle


def restart_handling(
    whistle: WhistleRecord, unit: str, at: datetime, calendar: Calendar
) -> WhistleRecord:
    """A unit's work did not stand: its clock to handle runs on with the time it had left."""
    for clock in whistle.clocks:
        if clock.kind is ClockKind.HANDLE and clock.owner == unit:
            whistle = replaced(whistle, clock, clocks.restart(clock, at, calendar))
    return whistle


def was_in_time(whistle: WhistleRecord, unit: str, now: datetime) -> bool:
    """Whether a called unit has kept its clocks so far."""
    return not any(
        clock.breached or (clock.is_open and now > clock.due_at)
        for clock in whistle.clocks
        if clock.kind in UNIT_CLOCKS and clock.owner == unit
    )
