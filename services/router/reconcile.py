"""Conservation: every ticket that intake accepted is in one place, or it is missed and named.

All tickets, or those to which something has happened of late, are compared with the cases;
what differs is looked at again, and counts only when nothing has happened to it for a while, so
that what is on its way is not missed. What was lost is told again under the ids it had.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlmodel import col, select

from services.router.domain.cases.records import CaseRecord
from services.router.domain.conservation import Accepted, Gap, Known, Whereabouts, account
from services.router.domain.machine import Fact
from services.router.domain.routing import Rules
from services.router.rederive import mend
from services.router.storage.cases import read_cases
from services.router.storage.counterparts import (
    CASES_BETWEEN,
    CASES_BEYOND,
    CASES_NAMED,
    PAGE,
    SENT_AGAIN_IN_VAIN,
    TICKETS_AFTER,
    TICKETS_NAMED,
    Counterparts,
    cases,
    changed_since,
    last_seen,
    moved_at,
    tickets,
)
from services.router.storage.held import By, Told
from services.router.storage.ledger import case_event
from services.router.storage.tables import CaseLogRow, ReconciliationRow
from shared.database import Reader, Writer
from shared.envelope import Event
from shared.events import CASES, UNACCOUNTED, CaseFact, Unaccounted
from shared.messaging import emit
from shared.relay import Relay

GRACE: Final = timedelta(minutes=10)
"""How long what is told may take to arrive."""
EVERY: Final = timedelta(hours=1)
LOOK_SECONDS: Final = 60.0
RUNS_KEPT: Final = 1000
TOLD_AGAIN: Final = 500
"""The most tickets that one run asks for again."""
LOCK: Final = text("SELECT pg_try_advisory_lock(hashtext('router.reconcile'))")
UNLOCK: Final = text("SELECT pg_advisory_unlock(hashtext('router.reconcile'))")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Missed:
    """A ticket that is in no place: what is wrong, and where it was last seen."""

    number: str
    gap: str
    last_seen: str


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a comparison found: how many tickets are where, and which are missed."""

    since: datetime | None
    began_at: datetime
    seconds: float
    places: Mapping[str, int]
    missed: Sequence[Missed]

    @property
    def tickets(self) -> int:
        """How many were compared."""
        return sum(self.places.values()) + len(self.missed)


def reconcile(
    both: Counterparts, now: datetime, *, since: datetime | None = None, grace: timedelta = GRACE
) -> Reckoning:
    """Compare all tickets, or those that have changed since, and what was missed last time.

    What has moved within `grace` is on its way and counts to its place once it has arrived.
    """
    began = time.monotonic()
    places: Counter[str] = Counter()
    suspects: list[str] = []
    pages = _everything(both) if since is None else _changed(both, since - grace)
    for accepted, known in pages:
        for number in accepted.keys() | known.keys():
            found = account(accepted.get(number), known.get(number))
            if isinstance(found, Gap):
                suspects.append(number)
            else:
                places[found] += 1
    missed = []
    for numbers in _in_pages(sorted(suspects)):
        gaps = _look_again(both, numbers, places, now - grace)
        seen = last_seen(both, gaps)
        missed += [Missed(number, gap, seen[number]) for number, gap in gaps.items()]
    return Reckoning(since, now, time.monotonic() - began, places, missed)


Page = tuple[Mapping[str, Accepted], Mapping[str, Known]]


def _everything(both: Counterparts) -> Iterator[Page]:
    after = ""
    while True:
        with both.intake.reading() as reader:
            accepted = tickets(reader, TICKETS_AFTER, after=after, page=PAGE)
        if not accepted:
            break
        last = list(accepted)[-1]
        with both.router.reading() as reader:
            yield accepted, cases(reader, CASES_BETWEEN, after=after, last=last)
        after = last
    while True:
        with both.router.reading() as reader:
            known = cases(reader, CASES_BEYOND, after=after, page=PAGE)
        if not known:
            return
        yield {}, known
        after = list(known)[-1]


def _changed(both: Counterparts, since: datetime) -> Iterator[Page]:
    with both.router.reading() as reader:
        before = [missed["number"] for row in _last_run(reader) for missed in row.missed]
    for numbers in _in_pages(sorted(changed_since(both, since) | set(before))):
        yield _named(both, numbers)


def _named(both: Counterparts, numbers: Sequence[str]) -> Page:
    with both.intake.reading() as reader:
        accepted = tickets(reader, TICKETS_NAMED, numbers=list(numbers))
    with both.router.reading() as reader:
        return accepted, cases(reader, CASES_NAMED, numbers=list(numbers))


def _look_again(
    both: Counterparts, numbers: Sequence[str], places: Counter[str], quiet_since: datetime
) -> dict[str, Gap]:
    """What is still wrong with these tickets though nothing has happened to them of late."""
    moved = moved_at(both, numbers)
    accepted, known = _named(both, numbers)
    gaps = {}
    for number in numbers:
        found = account(accepted.get(number), known.get(number))
        if number not in accepted and number not in known:
            continue
        if isinstance(found, Whereabouts):
            places[found] += 1
        elif moved[number] > quiet_since:
            places[ON_ITS_WAY] += 1
        else:
            gaps[number] = found
    return gaps


ON_ITS_WAY: Final = "on_its_way"
"""Where a ticket counts of which something may still be arriving."""


def _in_pages(numbers: Sequence[str]) -> Iterator[Sequence[str]]:
    return (numbers[at : at + PAGE] for at in range(0, len(numbers), PAGE))


def _last_run(reader: Reader) -> Sequence[ReconciliationRow]:
    query = select(ReconciliationRow).order_by(col(ReconciliationRow.id).desc()).limit(1)
    return reader.execute(query).scalars().all()


def keep(writer: Writer, found: Reckoning) -> None:
    """Put a comparison on record; the gauges tell of the last one."""
    writer.add(
        ReconciliationRow(
            since=found.since,
            began_at=found.began_at,
            ended_at=datetime.now(UTC),
            tickets=found.tickets,
            missed=[asdict(missed) for missed in found.missed],
        )
    )
    writer.flush()
    writer.execute(
        text("DELETE FROM reconciliation WHERE id <= (SELECT max(id) FROM reconciliation) - :kept"),
        {"kept": RUNS_KEPT},
    )


def repair(both: Counterparts, rules: Rules, found: Reckoning, now: datetime) -> int:
    """Have told again what was lost, and mend queues; how many tickets that is about.

    Intake and the classifier are asked over the bus to say again what they said of a ticket;
    the router says again itself what happened last to a case. Each event has the id it had, so
    that it acts once even where the first one still arrives. What a dead letter holds is left
    to people.
    """
    lost = [one for one in found.missed if one.last_seen not in SENT_AGAIN_IN_VAIN][:TOLD_AGAIN]
    by_gap: dict[str, list[str]] = {}
    for one in lost:
        by_gap.setdefault(one.gap, []).append(one.number)
    with both.router.writing() as writer:
        asked = [*by_gap.get(Gap.NO_CASE, ()), *by_gap.get(Gap.NOT_HEARD, ())]
        gaps = {one.number: one.gap for one in lost}
        emit(writer, [_unaccounted(number, gaps[number], now) for number in asked])
        told = _say_again(writer, by_gap.get(Gap.NOT_TOLD, ()))
    queues = by_gap.get(Gap.IN_NO_QUEUE, ())
    if queues:
        mend(both.router, rules, now, queues)
    return len(asked) + told + len(queues)


def _unaccounted(number: str, gap: str, now: datetime) -> Event:
    return Event(CASES, UNACCOUNTED, number, Unaccounted(number=number, gap=gap, at=now), now)


def _say_again(writer: Writer, numbers: Iterable[str]) -> int:
    """What was told last of these cases; their rows are read, not held: nobody changes the past."""
    standing = {case.number: case for _, case in read_cases(writer, numbers)}
    query = (
        select(CaseLogRow)
        .where(col(CaseLogRow.number).in_(standing))
        .order_by(col(CaseLogRow.number), col(CaseLogRow.id))
    )
    lines = [
        line
        for line in writer.execute(query).scalars()
        if line.version == standing[line.number].version
    ]
    emit(writer, [case_event(_told(standing[line.number], line)) for line in lines])
    return len({line.number for line in lines})


def _told(case: CaseRecord, line: CaseLogRow) -> Told[CaseRecord, CaseFact]:
    fact = Fact(CaseFact(line.fact), line.note, line.detail, line.concerns)
    return Told(fact, case, By(line.actor, line.at, line.unit))


def reconciling(both: Counterparts, rules: Rules, relay: Relay) -> Callable[[], bool]:
    """A step that compares once an hour what has changed, in one of the workers, and repairs."""

    def step() -> bool:
        with _alone(both) as elected:
            now = datetime.now(UTC)
            if elected and (due := _due(both, now)) is not None:
                found = reconcile(both, now, since=due.since)
                with both.router.writing() as writer:
                    keep(writer, found)
                if found.missed:
                    log.error("tickets_missed", count=len(found.missed))
                    repair(both, rules, found, now)
                    relay.wake()
        return False

    return step


@dataclass(frozen=True, slots=True)
class _Due:
    since: datetime | None


def _due(both: Counterparts, now: datetime) -> _Due | None:
    """From when a comparison is due now, of everything where there was none; None if it is not."""
    with both.router.reading() as reader:
        last = next(iter(_last_run(reader)), None)
    if last is None:
        return _Due(None)
    return _Due(last.began_at) if now - last.ended_at >= EVERY else None


@contextmanager
def _alone(both: Counterparts) -> Iterator[bool]:
    """Whether no other worker compares during the block."""
    with both.router.engine.connect() as connection:
        elected = bool(connection.execute(LOCK).scalar())
        connection.commit()
        try:
            yield elected
        finally:
            if elected:
                connection.execute(UNLOCK)
                connection.commit()
