"""Which clocks a whistle has: for the signature, the check, the confirmation, three for each unit.

Each called unit acknowledges, arrives and handles on clocks of its own: late units escalate
one by one, the others stand (handbook section 2).
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from services.router.domain import clocks
from services.router.domain.clocks import Clock, Ladder
from services.router.domain.whistles.records import WhistleRecord, WhistleSetting
from shared.calendar import Calendar, Limit, LimitUnit, due
from shared.events import ClockKind, WhistleKind

UNIT_CLOCKS: Final = (ClockKind.ACKNOWLEDGE, ClockKind.ARRIVE, ClockKind.HANDLE)
_DAY: Final = timedelta(days=1)


def change_clocks(
    whistle: WhistleRecord,
    kinds: Collection[ClockKind],
    change: Callable[[Clock], Clock],
    *,
    unit: str | None = None,
) -> WhistleRecord:
    """The whistle with `change` done to its open clocks of these kinds, of one unit or all."""
    return replace(whistle, clocks=clocks.changed(whistle.clocks, kinds, change, unit))


def stop_clocks(
    whistle: WhistleRecord,
    kinds: Collection[ClockKind],
    at: datetime,
    *,
    unit: str | None = None,
) -> WhistleRecord:
    """Their tasks are done."""
    return change_clocks(whistle, kinds, lambda clock: clocks.stop(clock, at), unit=unit)


def cancel_clocks(whistle: WhistleRecord, at: datetime) -> WhistleRecord:
    """The whistle has ended, and with it every task that is still open."""
    return change_clocks(whistle, tuple(ClockKind), lambda clock: clocks.cancel(clock, at))


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
    for called in whistle.units:
        unit = called.unit
        whistle = start_clock(whistle, ClockKind.ACKNOWLEDGE, unit, terms.acknowledge, setting)
        whistle = start_clock(whistle, ClockKind.ARRIVE, unit, terms.arrive, setting, arrive_by)
        whistle = start_clock(whistle, ClockKind.HANDLE, unit, handle, setting, handle_by)
    return whistle


def restart_handling(
    whistle: WhistleRecord, unit: str, at: datetime, calendar: Calendar
) -> WhistleRecord:
    """A unit's work did not stand: its clock to handle runs on with the time it had left."""
    return replace(
        whistle,
        clocks=tuple(
            clocks.restart(clock, at, calendar)
            if clock.kind is ClockKind.HANDLE and clock.owner == unit
            else clock
            for clock in whistle.clocks
        ),
    )


def was_in_time(whistle: WhistleRecord, unit: str, now: datetime) -> bool:
    """Whether a called unit has kept its clocks so far."""
    return not any(
        clock.breached or (clock.is_open and now > clock.due_at)
        for clock in whistle.clocks
        if clock.kind in UNIT_CLOCKS and clock.owner == unit
    )
