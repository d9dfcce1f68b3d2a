"""Due clocks fire once, whoever looks, and whatever fell due while nobody did."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from services.router.clockwork import BATCH, DUE, Clockwork, due_cases, fire_due
from services.router.storage.ledger import Ledger
from services.router.work import working
from shared.database import Database
from shared.events import Priority
from shared.postgres import database_url
from tests.router.station import LAMP, TRAPPED, Station, closed

LADDER = ["reminded", "urged", "overdue", "supervised", "escalated"]
KINDS = ("accept", "contact", "resolve")


def fired(station: Station, number: str) -> list[tuple[str, str]]:
    """Fact and clock of everything the clocks have done to a case, in its order."""
    query = (
        "SELECT fact, detail ->> 'clock' FROM case_log"
        " WHERE number = :n AND actor = 'clock' ORDER BY id"
    )
    return [(fact, kind) for fact, kind in station.rows(query, n=number)]


def next_step(station: Station, number: str) -> datetime:
    """When the case's clocks have something to do next."""
    found: datetime = station.value(
        "SELECT min(next_fire_at) FROM clock WHERE number = :n", n=number
    )
    return found


def later(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def test_a_clock_fires_when_it_is_due_and_once(empty_station: Station) -> None:
    station = empty_station
    number = station.opened(TRAPPED)
    due = next_step(station, number)
    assert station.fire(due - timedelta(microseconds=1)) == 0
    assert station.fire(due) == 1
    assert station.fire(due) == 0
    assert fired(station, number) == [("reminded", "accept")]
    assert station.said(number)[-1][0].startswith("hotline.queue.")


def test_a_restart_fires_nothing_twice(empty_station: Station) -> None:
    station = empty_station
    number = station.opened(TRAPPED)
    assert station.fire(later(1)) > 0
    before = fired(station, number)
    again = Database(database_url(station.settings, "router"))
    with working(again, station.rules, later(1)) as work:
        assert fire_due(work, due_cases(work.writer, later(1))) == 0
    again.close()
    assert fired(station, number) == before


def test_what_fell_due_while_nothing_ran_fires_at_once_step_after_step(
    empty_station: Station,
) -> None:
    station = empty_station
    number = station.opened()
    assert station.fire(later(120)) == 12
    everything = fired(station, number)
    for kind in KINDS:
        assert [fact for fact, of in everything if of == kind] == LADDER
    assert everything.index(("overdue", "accept")) < everything.index(("overdue", "resolve"))
    versions = station.rows("SELECT version FROM case_log WHERE number = :n ORDER BY id", n=number)
    assert versions == sorted(versions)
    for unit in ("grid-centre", "district-office"):
        assert station.queues(number)[unit] == ("supervise", True)


def test_several_workers_at_once_fire_each_step_once(empty_station: Station) -> None:
    station = empty_station
    numbers = [station.opened() for _ in range(40)]
    assert len(numbers) * len(KINDS) > BATCH
    now = later(120)

    def work(_: int) -> None:
        waiting = "SELECT count(*) FROM clock WHERE next_fire_at <= :now"
        while station.value(waiting, now=now):
            station.fire(now)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    for number in numbers:
        counts = Counter(fired(station, number))
        assert counts == {(fact, kind): 1 for fact in LADDER for kind in KINDS}


def test_a_case_in_other_hands_is_passed_by_and_seen_again(empty_station: Station) -> None:
    station = empty_station
    busy, free = station.opened(), station.opened()
    with station.database.writing() as writer:
        Ledger(writer).hold([busy])
        assert station.fire(later(120)) == 12
    assert fired(station, busy) == []
    assert len(fired(station, free)) == 15
    assert station.fire(later(120)) == 12


def test_an_answered_ticket_waits_for_its_call_back_and_a_closed_one_for_nothing(
    empty_station: Station,
) -> None:
    station = empty_station
    answered, ended = station.answered(), station.answered()
    station.hear(closed(ended))
    assert station.fire(later(365)) == 4
    assert fired(station, answered) == [(fact, "call_back") for fact in LADDER]
    assert fired(station, ended) == []


def test_a_suspended_case_stands_still_until_its_review_and_runs_on_when_it_is_resumed(
    empty_station: Station,
) -> None:
    station = empty_station
    number = station.opened()
    for command in ("accept", "contact"):
        station.done(number, command, unit="urban-management")
    review = later(40).date().isoformat()
    station.done(number, "suspend", plan="等待新灯杆到货", review_date=review)
    assert station.fire(later(30)) == 0
    assert station.fire(later(120)) == 3
    assert {kind for _, kind in fired(station, number)} == {"review"}
    station.done(number, "resume", unit="urban-management")
    assert station.fire(later(120)) == 4


def test_danger_climbs_the_emergency_ladder(empty_station: Station) -> None:
    station = empty_station
    number = station.opened(LAMP, priority=Priority.P1)
    of_the_case, of_its_whistles_check = 4, 3
    steps = station.fire(datetime.now(UTC) + timedelta(minutes=21))
    assert steps == of_the_case + of_its_whistles_check
    assert fired(station, number) == [(fact, "accept") for fact in LADDER]
    assert station.queues(number)["district-duty-room"] == ("supervise", True)


def test_a_round_of_a_worker_says_whether_there_was_something_to_do(
    empty_station: Station,
) -> None:
    station = empty_station
    number = station.opened(TRAPPED, received_at=datetime.now(UTC) - timedelta(hours=2))
    relay = station.running.runtime.relay
    clockwork = Clockwork(station.database, station.rules, relay)
    assert clockwork.step()
    assert not clockwork.step()
    assert fired(station, number)[0] == ("reminded", "resolve")


def test_a_case_that_cannot_be_fired_holds_up_no_other(empty_station: Station) -> None:
    station = empty_station
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    broken, sound = (station.opened(TRAPPED, received_at=long_ago) for _ in range(2))
    with station.database.writing() as writer:
        writer.execute(text("UPDATE clock SET within = 'soon' WHERE number = :n"), {"n": broken})
    clockwork = Clockwork(station.database, station.rules, station.running.runtime.relay)
    assert clockwork.step()
    assert fired(station, sound)[0] == ("reminded", "resolve")
    assert fired(station, broken) == []
    assert not clockwork.step(), "it is left alone for a while"
    with station.database.writing() as writer:
        writer.execute(text("UPDATE clock SET within = '1h' WHERE number = :n"), {"n": broken})
    assert Clockwork(station.database, station.rules, station.running.runtime.relay).step()
    assert fired(station, broken)[0] == ("reminded", "resolve")


def test_due_clocks_are_found_by_their_index_among_a_hundred_thousand(
    empty_station: Station,
) -> None:
    station = empty_station
    number = station.opened()
    with station.database.writing() as writer:
        writer.execute(
            text(
                "INSERT INTO clock (number, kind, owner, round, within, ladder, calendar_version,"
                " policy_version, started_at, due_at, allowance, provisional, paused_total,"
                " cancelled, breached, next_step, next_fire_at)"
                " SELECT :n, 'resolve', 'citizen', 0, '5wd', 'normal', 'c', 'p', now(), now(),"
                " interval '1 day', false, interval '0', false, false, 'remind',"
                " now() + i * interval '1 minute' FROM generate_series(1, 100000) AS i"
            ),
            {"n": number},
        )
        writer.execute(text("ANALYZE clock"))
        explained = writer.execute(
            text(f"EXPLAIN ANALYZE {DUE.text}"),
            {"now": datetime.now(UTC), "batch": BATCH, "failing": []},
        )
        plan = "\n".join(line for (line,) in explained)
    assert "clock_due" in plan
    assert "Seq Scan" not in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("step", ["overdue", "escalated"])
def test_a_late_case_stands_before_the_grid_centre(empty_station: Station, step: str) -> None:
    station = empty_station
    number = station.opened()
    station.fire(later(120))
    assert step in station.facts(number)
    flags = "SELECT details ->> 'flags' FROM case_record WHERE number = :n"
    assert "overdue" in station.value(flags, n=number)
    assert station.queues(number)["grid-centre"] == ("supervise", True)
