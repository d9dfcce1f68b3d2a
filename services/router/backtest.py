"""What a changed policy would do with tickets that are stored already: which would move, and how.

Tickets are read newest first and a batch at a time, so memory does not grow with their
number. Each is routed as it now reads, with the leaf and priority its case has now, under
both policies on the same day; what people decided since its dispatch is not looked at.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlmodel import col

from services.router.domain.cases.records import Limits, Routing
from services.router.domain.policy import Policy
from services.router.domain.routing import Matter, matter_of_ticket, route
from services.router.storage.tables import CaseRow
from shared.database import Reader
from shared.events import ClockKind, Disposition, Place, Priority, Ticket
from shared.taxonomy import every_leaf

BATCH: Final = 500
"""Tickets in memory at once."""
EXAMPLES: Final = 3
"""Tickets named for each change."""

DISPOSITION_NAMES: Final[Mapping[Disposition, str]] = {
    Disposition.DISPATCH: "派单",
    Disposition.MANUAL_DISPATCH: "人工派单",
    Disposition.AWAITING_INFO: "待补充",
    Disposition.REDIRECT_OUT: "改派区外",
    Disposition.TRANSFER_EMERGENCY: "应急转办",
}
CLOCK_NAMES: Final[Mapping[ClockKind, str]] = {
    ClockKind.ACCEPT: "签收",
    ClockKind.CONTACT: "联系",
    ClockKind.RESOLVE: "办结",
}


class Outcome(NamedTuple):
    """Where a ticket goes: the street it lies in, what is done, and who acts next."""

    street: str | None
    disposition: Disposition
    unit: str | None


class Move(NamedTuple):
    """Tickets of one leaf that go from one outcome to another."""

    leaf: str
    before: Outcome
    after: Outcome


class LimitChange(NamedTuple):
    """A clock of a leaf that would run otherwise; None where there is none."""

    leaf: str
    clock: ClockKind
    before: str | None
    after: str | None


@dataclass
class Backtest:
    """What would change, counted ticket by ticket; the numbers are those of the newest."""

    tickets: int = 0
    moved: Counter[Move] = field(default_factory=Counter)
    limits: Counter[LimitChange] = field(default_factory=Counter)
    tickets_with_other_limits: int = 0
    tickets_with_other_assistants: int = 0
    examples: dict[Move | LimitChange, list[str]] = field(default_factory=dict)

    def add(self, number: str, before: Routing, after: Routing) -> None:
        """Count one ticket."""
        self.tickets += 1
        move = Move(before.leaf, _outcome(before), _outcome(after))
        if move.before != move.after:
            self.moved[move] += 1
            self._note(move, number)
        changes = _limit_changes(before.leaf, before.limits, after.limits)
        for change in changes:
            self.limits[change] += 1
            self._note(change, number)
        self.tickets_with_other_limits += bool(changes)
        self.tickets_with_other_assistants += set(before.assist_units) != set(after.assist_units)

    def _note(self, change: Move | LimitChange, number: str) -> None:
        numbers = self.examples.setdefault(change, [])
        if len(numbers) < EXAMPLES:
            numbers.append(number)


def backtest(
    reader: Reader, in_force: Policy, changed: Policy, last: int, at: datetime
) -> Backtest:
    """Route the newest `last` tickets under both policies as if they came in at `at`."""
    found = Backtest()
    for batch in newest(reader, last):
        for number, matter in batch:
            found.add(number, route(in_force, matter, at), route(changed, matter, at))
    return found


def newest(reader: Reader, last: int) -> Iterator[Sequence[tuple[str, Matter]]]:
    """The newest tickets by number, as their cases have them, in batches from the server.

    A ticket split off another has its place from it where its own words name none.
    """
    query = (
        select(
            col(CaseRow.number),
            col(CaseRow.ticket),
            col(CaseRow.leaf),
            col(CaseRow.priority),
            col(CaseRow.details)["place"],
        )
        .order_by(col(CaseRow.number).desc())
        .limit(last)
        .execution_options(yield_per=BATCH)
    )
    for rows in reader.execute(query).partitions():
        yield [(number, _matter(*stored)) for number, *stored in rows]


def render(found: Backtest, in_force: Policy, changed: Policy) -> str:
    """The findings as a page for people."""
    names = _Names(in_force, changed)
    moves = sorted(found.moved.items(), key=lambda item: (-item[1], str(item[0])))
    limits = sorted(found.limits.items(), key=lambda item: (-item[1], str(item[0])))
    lines = [
        f"策略 {changed.version} 对比现行 {in_force.version}：重派 {found.tickets} 件",
        f"会变动   {found.moved.total()} 件",
        f"时限变动 {found.tickets_with_other_limits} 件",
        f"协办变动 {found.tickets_with_other_assistants} 件",
        "",
        "去向变动（街道 · 事项：原 → 现）",
        *(
            f"  {n:5d}  {names.street(move.before.street)} · {names.leaf(move.leaf)}："
            f"{names.outcome(move.before)} → {names.outcome(move.after)}"
            f"{names.moved_street(move)}  如 {'、'.join(found.examples[move])}"
            for move, n in moves
        ),
        "",
        "时限变动（事项：原 → 现）",
        *(
            f"  {n:5d}  {names.leaf(change.leaf)}：{CLOCK_NAMES[change.clock]}"
            f" {change.before or '无'} → {change.after or '无'}"
            f"  如 {'、'.join(found.examples[change])}"
            for change, n in limits
        ),
    ]
    return "\n".join(lines)


def as_json(found: Backtest, in_force: Policy, changed: Policy) -> str:
    """The findings for a program, in one line."""

    def counted(changes: Counter[Any]) -> list[dict[str, Any]]:
        return [
            {**_plain(change), "tickets": n, "examples": found.examples[change]}
            for change, n in changes.most_common()
        ]

    report = {
        "policy": changed.version,
        "in_force": in_force.version,
        "tickets": found.tickets,
        "moved": found.moved.total(),
        "tickets_with_other_limits": found.tickets_with_other_limits,
        "tickets_with_other_assistants": found.tickets_with_other_assistants,
        "moves": counted(found.moved),
        "limits": counted(found.limits),
    }
    return json.dumps(report, ensure_ascii=False)


class _Names:
    """What people call the streets, units and leaves of two policies."""

    def __init__(self, in_force: Policy, changed: Policy) -> None:
        self._units = {**changed.units, **in_force.units}
        self._leaves = every_leaf()

    def leaf(self, slug: str) -> str:
        return self._leaves[slug].name

    def street(self, slug: str | None) -> str:
        return self._units[slug].name if slug else "街道不明"

    def outcome(self, outcome: Outcome) -> str:
        unit = self._units[outcome.unit].name if outcome.unit else ""
        return f"{DISPOSITION_NAMES[outcome.disposition]} {unit}"

    def moved_street(self, move: Move) -> str:
        if move.before.street == move.after.street:
            return ""
        return f"（改属{self.street(move.after.street)}）"


def _matter(ticket: dict[str, Any], leaf: str, priority: str, place: dict[str, Any]) -> Matter:
    read = Ticket.model_validate(ticket)
    fallback = Place.model_validate(place) if read.parent else None
    return matter_of_ticket(read, leaf, Priority(priority), fallback=fallback)


def _outcome(routing: Routing) -> Outcome:
    return Outcome(routing.place.street, routing.disposition, routing.lead_unit or routing.desk)


def _limit_changes(leaf: str, before: Limits, after: Limits) -> list[LimitChange]:
    was, now = dict(before), dict(after)
    changes = []
    for clock in CLOCK_NAMES:
        old, new = was.get(clock), now.get(clock)
        if old != new:
            changes.append(
                LimitChange(leaf, clock, str(old) if old else None, str(new) if new else None)
            )
    return changes


def _plain(change: Move | LimitChange) -> dict[str, Any]:
    return {
        name: value._asdict() if isinstance(value, Outcome) else value
        for name, value in change._asdict().items()
    }
