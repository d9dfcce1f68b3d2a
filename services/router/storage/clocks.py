"""Clocks in and out of the database: of cases and of whistles, in one table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlmodel import col, select

from services.router.domain.aggregate import Aggregate
from services.router.domain.clocks import Clock, Ladder, Step
from services.router.storage.tables import ClockRow
from shared.calendar import parse_limit
from shared.database import Reader, Writer
from shared.events import ClockKind

Owner = tuple[str, str | None]
"""The number of a case, and of a whistle on it where the clock is the whistle's."""

COLUMNS: Final = (
    *("number", "whistle", "kind", "owner", "round", "within", "ladder", "calendar_version"),
    *("policy_version", "started_at", "due_at", "allowance", "provisional", "paused_at"),
    *("paused_total", "paused_worked", "stopped_at", "cancelled", "breached", "next_step"),
    "next_fire_at",
)
_ASSIGNED: Final = ", ".join(f"{name} = :{name}" for name in COLUMNS)
_UPDATE: Final = text(f"UPDATE clock SET {_ASSIGNED} WHERE id = :id")  # noqa: S608


def clocks_of(reader: Reader, numbers: Sequence[str]) -> Mapping[Owner, tuple[Clock, ...]]:
    """The clocks of these cases and of their whistles, oldest first."""
    found: dict[Owner, tuple[Clock, ...]] = {}
    rows = ClockRow.__table__  # type: ignore[attr-defined]
    query = select(rows).where(col(ClockRow.number).in_(numbers)).order_by(col(ClockRow.id))
    for row in reader.execute(query):
        key = (row.number, row.whistle)
        found[key] = (*found.get(key, ()), _clock(row))
    return found


def put_clocks(
    writer: Writer, changed: Iterable[tuple[Owner, Aggregate, Aggregate | None]]
) -> None:
    """Write the clocks of records that are new or have changed: whose, as it is, as it was."""
    fresh: list[tuple[object, ...]] = []
    rows: list[dict[str, object]] = []
    for owner, record, stored in changed:
        before = {clock.id: clock for clock in (stored.clocks if stored else ())}
        for clock in record.clocks:
            if clock.id is None:
                fresh.append(_values(owner, clock))
            elif clock != before.get(clock.id):
                values = dict(zip(COLUMNS, _values(owner, clock), strict=True))
                rows.append({**values, "id": clock.id})
    writer.copy("clock", COLUMNS, fresh)
    if rows:
        writer.execute(_UPDATE, rows)


def _clock(row: Any) -> Clock:
    """The row as the rules see it."""
    return Clock(
        kind=ClockKind(row.kind),
        owner=row.owner,
        round=row.round,
        within=parse_limit(row.within),
        ladder=Ladder(row.ladder),
        calendar_version=row.calendar_version,
        policy_version=row.policy_version,
        started_at=row.started_at,
        due_at=row.due_at,
        allowance=row.allowance,
        provisional=row.provisional,
        paused_at=row.paused_at,
        paused_total=row.paused_total,
        paused_worked=row.paused_worked,
        stopped_at=row.stopped_at,
        cancelled=row.cancelled,
        breached=row.breached,
        next_step=Step(row.next_step) if row.next_step else None,
        next_fire_at=row.next_fire_at,
        id=row.id,
    )


def _values(owner: Owner, clock: Clock) -> tuple[object, ...]:
    """A clock as a row of COLUMNS."""
    return (
        *owner,
        clock.kind.value,
        clock.owner,
        clock.round,
        str(clock.within),
        clock.ladder.value,
        clock.calendar_version,
        clock.policy_version,
        clock.started_at,
        clock.due_at,
        clock.allowance,
        clock.provisional,
        clock.paused_at,
        clock.paused_total,
        clock.paused_worked,
        clock.stopped_at,
        clock.cancelled,
        clock.breached,
        clock.next_step.value if clock.next_step else None,
        clock.next_fire_at,
    )
