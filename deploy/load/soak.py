"""`make soak`: does the disk stay flat where it has to, and what does a ticket leave for good?

    python -m deploy.load.soak [--seconds 120] [--rounds 4]

The embedded stack takes in tickets and sees them to their end. Each round ends as many days later
as the longest term is: with terms of a second, the services' own housekeeping forgets what it may,
and drops the day's parts. Exits with 1 where what has a term grows from round to round.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from deploy.demo_client import DemoError, Hotline
from deploy.load.space import OWNERS, Found, Round, connected, log_position, sizes
from deploy.load.texts import Mix, ticket
from deploy.stack import Stack, settings_for
from services.classifier import retention as classifier
from services.intake import retention as intake
from services.router import retention as router
from shared.bus.embedded import EmbeddedBus
from shared.database import Database
from shared.housekeeping import keep_house
from shared.postgres import database_url, libpq
from shared.retention import Kept, Terms, load_terms
from shared.roles import Role
from shared.settings import Settings

CLERKS: Final = 6
HANDFUL: Final = 8
"""Tickets that a clerk has in hand at once."""
ARRIVAL_SECONDS: Final = 120.0
QUIET_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.2
SHORT: Final = timedelta(seconds=1)
WITH_THE_TICKET: Final = frozenset({Kept.CONTACTS, Kept.TEXTS})
"""What is kept as long as most tickets: for the disk it counts as theirs."""
UNREAD: Final = """
SELECT count(*) FROM group_partition g JOIN topic_partition t USING (topic, partition)
WHERE g.committed < t.next_offset
"""


def soak(stack: Stack, seconds: float, rounds: int) -> Found:
    """Take in tickets for so long, in rounds that each end with retention. Raises DemoError."""
    settings = stack.settings
    # The first rows of a table cost whole pages, and maps of its room beside it.
    work(settings, 0, seed=0)
    wait_quiet(settings)
    clean(settings)
    start = sizes(settings)
    found = [one_round(settings, seconds / rounds, number) for number in range(1, rounds + 1)]
    return Found(start, found)


def one_round(settings: Settings, seconds: float, number: int) -> Round:
    """Tickets for so many seconds, seen to their end; then what may be forgotten is."""
    written = log_position(settings)
    tickets, closed = work(settings, seconds, seed=number)
    wait_quiet(settings)
    wal = log_position(settings) - written
    clean(settings)
    before = sizes(settings)
    time.sleep(SHORT.total_seconds())
    forget(settings, datetime.now(UTC), number)
    clean(settings)
    return Round(tickets, closed, before, sizes(settings), wal)


def work(settings: Settings, seconds: float, seed: int) -> tuple[int, int]:
    """Let the clerks take in tickets for so long, a handful at least: how many, how many ended."""
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(CLERKS) as clerks:
        jobs = [
            clerks.submit(serve, settings, until, Random(f"{seed}.{clerk}"))
            for clerk in range(CLERKS)
        ]
        served = [job.result() for job in jobs]
    tickets, closed = (sum(counts) for counts in zip(*served, strict=True))
    return tickets, closed


def serve(settings: Settings, until: float, chance: Random) -> tuple[int, int]:
    """Take in a handful of tickets and see them to their end, again and again."""
    tickets = closed = 0
    with contextlib.closing(Hotline(settings)) as line:
        while not tickets or time.monotonic() < until:
            bodies = [ticket(chance, Mix.ORDINARY) for _ in range(HANDFUL)]
            tickets += HANDFUL
            closed += end(line, bodies)
    return tickets, closed


def end(line: Hotline, bodies: Sequence[Mapping[str, object]]) -> int:
    """Take these tickets in, have them handled and ask the callers: how many ended.

    An emergency stays open, as nobody goes there.
    """
    numbers = [line.post("intake", "tickets", body)["number"] for body in bodies]
    taken = [_reach(line, number, lambda found: found["case"] is not None) for number in numbers]
    worked = [one for one in taken if one["status"] == "dispatched" and not one["case"]["alarms"]]
    for command in ("accept", "contact", "reply"):
        for one in worked:
            body = {"note": "已到现场处理，并告知诉求人"}
            path = f"cases/{one['number']}/{command}"
            line.post("router", path, body, Role.UNIT, one["lead_unit"])
    for one in worked:
        line.post("router", f"cases/{one['number']}/verify", {"note": "属实"}, Role.DISPATCHER)
    for one in worked:
        _reach(line, one["number"], lambda found: found["status"] == "callback_pending")
        answer = {"solved": True, "satisfaction": "satisfied", "comment": "处理得很快"}
        line.post("intake", f"tickets/{one['number']}/callbacks", answer)
    return len(worked) + sum(_withdrawn(line, one["number"]) for one in taken if one not in worked)


def _reach(
    line: Hotline, number: str, wanted: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    return line.wait(number, time.monotonic() + ARRIVAL_SECONDS, wanted, "没有按时办到这一步")


def _withdrawn(line: Hotline, number: str) -> bool:
    try:
        line.post("intake", f"tickets/{number}/close", {"reason": "withdrawn"})
    except DemoError:
        return False
    return True


def wait_quiet(settings: Settings) -> None:
    """Wait until all that was said has been heard, and answered. Raises DemoError."""
    deadline = time.monotonic() + QUIET_SECONDS
    while any(_waiting(settings, owner) for owner in OWNERS):
        if time.monotonic() > deadline:
            raise DemoError("总线没有按时读完")
        time.sleep(LOOK_SECONDS)


def _waiting(settings: Settings, owner: str) -> bool:
    query = UNREAD if owner == "bus" else "SELECT count(*) FROM outbox"
    with connected(settings, owner) as connection:
        return connection.execute(query.encode()).fetchone() != (0,)


def forget(settings: Settings, now: datetime, number: int) -> None:
    """The housekeeping of every service, as it would be after the longest of the terms.

    Two days ahead the parts of today are past keeping; they are then made anew for the next
    round. Marks of queues are one for each day, so that each round has a day of its own.
    """
    terms: Terms = {
        kept: term if kept in WITH_THE_TICKET else SHORT for kept, term in load_terms(None).items()
    }
    bus = EmbeddedBus(libpq(database_url(settings, "bus")))
    for owner in OWNERS[:3]:
        database = Database(database_url(settings, owner), pool_size=1)
        try:
            for day in (now + timedelta(days=2), now):
                keep_house(database, bus, terms, day)
            if owner == "intake":
                intake.forgetting(database, terms)()
            elif owner == "classifier":
                classifier.forgetting(database, terms)()
            else:
                router.clear(database, terms, now + timedelta(days=number))
        finally:
            database.close()


def clean(settings: Settings) -> None:
    """What autovacuum does in its time: make the room of deleted rows free for others."""
    for owner in OWNERS:
        with connected(settings, owner) as connection:
            connection.execute("VACUUM")


def main(
    seconds: Annotated[float, typer.Option(min=1, help="how long tickets are taken in")] = 120,
    rounds: Annotated[int, typer.Option(min=2, help="how often all is forgotten meanwhile")] = 4,
) -> None:
    """Take in, close, forget; print bytes a ticket by table, and whether it is flat."""
    with tempfile.TemporaryDirectory(prefix="hotline-soak-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        with Stack(settings_for(home / "home")) as stack:
            found = soak(stack, seconds, rounds)
    console = Console(width=100)
    console.print(found.sheet())
    for line in found.verdict():
        console.print(line, highlight=False, soft_wrap=True)
    sys.exit(0 if found.flat else 1)


if __name__ == "__main__":
    typer.run(main)
