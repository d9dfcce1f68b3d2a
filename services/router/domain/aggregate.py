"""What a case and a whistle have in common: a version, flags, clocks of their own."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Generic, TypeVar

from services.router.domain import clocks
from services.router.domain.clocks import Clock
from services.router.domain.machine import Fact, Stated
from shared.calendar import Calendar
from shared.events import ClockKind

OVERDUE: Final = "overdue"
"""The flag a record has exactly while one of its clocks is breached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A record that changes as a whole, one version after the other.

    `clocks` holds every clock it ever had, oldest first; `policy_version` and
    `calendar_version` are those it was last decided under.
    """

    number: str
    version: int
    flags: frozenset[str] = frozenset()
    clocks: tuple[Clock, ...] = ()
    policy_version: str
    calendar_version: str


Record = TypeVar("Record", bound=Aggregate)


@dataclass(frozen=True, slots=True)
class Decision(Generic[Record, Stated]):
    """The record after a command or a clock, one version on, and the facts in their order."""

    record: Record
    facts: tuple[Fact[Stated], ...]


def settled(record: Record, facts: tuple[Fact[Stated], ...]) -> Decision[Record, Stated]:
    """One version on, and overdue exactly if a clock is breached."""
    flags = record.flags - {OVERDUE}
    if any(clock.breached for clock in record.clocks):
        flags |= {OVERDUE}
    return Decision(replace(record, version=record.version + 1, flags=flags), facts)


def change_clocks(
    record: Record,
    kinds: Collection[ClockKind],
    change: Callable[[Clock], Clock],
    owner: str | None = None,
) -> Record:
    """The record with `change` done to its open clocks of these kinds, of one owner or all."""
    return replace(record, clocks=clocks.changed(record.clocks, kinds, change, owner))


def stop_clocks(
    record: Record, kinds: Collection[ClockKind], at: datetime, owner: str | None = None
) -> Record:
    """Their tasks are done."""
    return change_clocks(record, kinds, lambda clock: clocks.stop(clock, at), owner)


def cancel_clocks(
    record: Record, kinds: Collection[ClockKind], at: datetime, owner: str | None = None
) -> Record:
    """Their tasks have fallen away."""
    return change_clocks(record, kinds, lambda clock: clocks.cancel(clock, at), owner)


def pause_clocks(record: Record, kinds: Collection[ClockKind], at: datetime) -> Record:
    """They stand still."""
    return change_clocks(record, kinds, lambda clock: clocks.pause(clock, at))


def resume_clocks(
    record: Record, kinds: Collection[ClockKind], at: datetime, calendar: Calendar
) -> Record:
    """They run on."""
    return change_clocks(record, kinds, lambda clock: clocks.resume(clock, at, calendar))


def open_clock(record: Aggregate, kind: ClockKind) -> Clock | None:
    """The open clock of a kind, the oldest where there are several."""
    return next((c for c in record.clocks if c.is_open and c.kind is kind), None)


def replaced(record: Record, clock: Clock, other: Clock) -> Record:
    """The record with one clock in the place of another."""
    at = record.clocks.index(clock)
    return replace(record, clocks=(*record.clocks[:at], other, *record.clocks[at + 1 :]))
